//! nautilus-okx 0.67: its frame type, its parse functions into its domain types, its order book.
//!
//! The steps are those of its own client (`OKXWsFeedHandler::parse_raw_message`, then
//! `OKXDataClient::handle_ws_message`) and of its own benchmark (`benches/data.rs`): the frame by
//! serde_json, the instrument by name, the rows by `parse_*`. Its chain check is private, so this
//! does less there than its client does. `ts_init` is constant; its client reads the clock.

use crate::truth::{Best, Counts, Texts, Truth};
use ahash::AHashMap;
use nautilus_core::UnixNanos;
use nautilus_model::data::Data;
use nautilus_model::enums::{BookAction, BookType};
use nautilus_model::identifiers::{InstrumentId, Symbol, Venue};
use nautilus_model::instruments::{CurrencyPair, Instrument, InstrumentAny};
use nautilus_model::orderbook::OrderBook;
use nautilus_model::types::fixed::FIXED_PRECISION;
use nautilus_model::types::{Currency, Price, Quantity};
use nautilus_okx::websocket::enums::OKXWsChannel;
use nautilus_okx::websocket::messages::{NautilusWsMessage, OKXWebSocketArg, OKXWsFrame};
use nautilus_okx::websocket::parse::{parse_book_msg_vec, parse_ws_message_data};
use std::hint::black_box;
use ustr::Ustr;

/// Names it in the table.
pub const NAME: &str = "nautilus-okx 0.67.0";

/// What its parse functions look instruments up in.
pub type Instruments = AHashMap<Ustr, InstrumentAny>;

/// Instruments as precise as the frames need. The kind of instrument changes nothing that is
/// decoded, so all of them are spot.
pub fn instruments(truth: &Truth) -> Instruments {
    let pair = |(inst_id, decimals): (&String, &(u8, u8))| {
        let symbol = Symbol::new(inst_id);
        let (px, qty) = (decimals.0.min(FIXED_PRECISION), decimals.1.min(FIXED_PRECISION));
        let pair = CurrencyPair::builder()
            .instrument_id(InstrumentId::new(symbol, Venue::new("OKX")))
            .raw_symbol(symbol)
            .base_currency(Currency::BTC())
            .quote_currency(Currency::USDT())
            .price_precision(px)
            .size_precision(qty)
            .price_increment(Price::new(10f64.powi(-i32::from(px)), px))
            .size_increment(Quantity::new(10f64.powi(-i32::from(qty)), qty))
            .ts_event(UnixNanos::default())
            .ts_init(UnixNanos::default())
            .build();
        let pair = pair.expect("increments and precisions agree");
        (Ustr::from(inst_id), InstrumentAny::CurrencyPair(pair))
    };
    truth.decimals.iter().filter(|(inst_id, _)| !inst_id.is_empty()).map(pair).collect()
}

/// What should come out: bars that are not final are decoded and then dropped.
pub fn wanted(truth: &Truth) -> Counts {
    Counts { bars: truth.closed_bars, ..truth.counts }
}

/// One pass from nothing.
pub fn pass(streams: &Texts<'_>, instruments: &Instruments) -> u64 {
    let mut sum = 0;
    for frames in streams {
        let mut peer = Peer::new(instruments);
        for frame in frames {
            peer.take(frame);
        }
        sum += black_box(&peer).counts.sum();
    }
    sum
}

/// What comes out of a pass.
pub fn outcome(streams: &Texts<'_>, instruments: &Instruments) -> (Counts, Best) {
    let (mut counts, mut best) = (Counts::default(), Best::new());
    for (stream, frames) in streams.iter().enumerate() {
        let mut peer = Peer { counts, ..Peer::new(instruments) };
        for frame in frames {
            peer.take(frame);
        }
        counts = peer.counts;
        for (id, book) in &peer.books {
            if let (Some(bid), Some(ask)) = (book.best_bid_price(), book.best_ask_price()) {
                best.insert((stream, id.symbol.to_string()), (billionths(bid), billionths(ask)));
            }
        }
    }
    (counts, best)
}

fn billionths(price: Price) -> i64 {
    let price = price.as_decimal();
    let key = 9u32.checked_sub(price.scale()).map(|more| price.mantissa() * 10i128.pow(more));
    key.and_then(|key| i64::try_from(key).ok()).unwrap_or(i64::MAX)
}

/// One connection.
struct Peer<'a> {
    instruments: &'a Instruments,
    books: AHashMap<InstrumentId, OrderBook>,
    funding: AHashMap<Ustr, (Ustr, u64)>,
    counts: Counts,
}

impl<'a> Peer<'a> {
    fn new(instruments: &'a Instruments) -> Peer<'a> {
        let (books, funding) = (AHashMap::new(), AHashMap::new());
        Peer { instruments, books, funding, counts: Counts::default() }
    }

    /// Frames that it refuses are left out of the counts, which then differ from the truth.
    fn take(&mut self, frame: &str) {
        match serde_json::from_str::<OKXWsFrame>(frame) {
            Ok(OKXWsFrame::BookData { arg, action, mut data }) => {
                let Some(instrument) = self.instrument(&arg) else { return };
                self.counts.changes += data.len() as u64;
                // Its types hold no empty change; its client leaves those out too.
                data.retain(|row| !(row.asks.is_empty() && row.bids.is_empty()));
                let (px, qty) = (instrument.price_precision(), instrument.size_precision());
                let (id, at) = (instrument.id(), UnixNanos::default());
                if let Ok(changes) = parse_book_msg_vec(data, &id, px, qty, action, at) {
                    self.keep(&OKXWsChannel::Books, changes);
                }
            }
            Ok(OKXWsFrame::Data { arg, data }) => {
                let Some(instrument) = self.instrument(&arg) else { return };
                let (px, qty) = (instrument.price_precision(), instrument.size_precision());
                let (id, at) = (instrument.id(), UnixNanos::default());
                let (funding, all) = (&mut self.funding, self.instruments);
                let made =
                    parse_ws_message_data(&arg.channel, data, &id, px, qty, at, funding, all);
                if let Ok(Some(NautilusWsMessage::Data(made))) = made {
                    self.keep(&arg.channel, made);
                }
            }
            _ => {}
        }
    }

    fn instrument(&self, arg: &OKXWebSocketArg) -> Option<&'a InstrumentAny> {
        self.instruments.get(&arg.inst_id?)
    }

    fn keep(&mut self, channel: &OKXWsChannel, made: Vec<Data>) {
        for data in black_box(made) {
            match data {
                Data::BookDeltas(deltas) => {
                    let id = deltas.instrument_id;
                    let new = || OrderBook::new(id, BookType::L2_MBP);
                    let book = self.books.entry(id).or_insert_with(new);
                    if book.apply_deltas(&deltas).is_ok() {
                        // A snapshot begins with a delta that clears, which is no level.
                        let first = deltas.deltas.first().map(|delta| delta.action);
                        let clears = usize::from(first == Some(BookAction::Clear));
                        self.counts.levels += (deltas.deltas.len() - clears) as u64;
                    }
                }
                Data::BookDepth(depth) => {
                    self.counts.five += (depth.bids.len() + depth.asks.len()) as u64;
                }
                Data::Trade(_) => self.counts.trades += 1,
                Data::Quote(_) if *channel == OKXWsChannel::BboTbt => self.counts.tops += 1,
                Data::Quote(_) => self.counts.tickers += 1,
                Data::Bar(_) => self.counts.bars += 1,
                _ => {}
            }
        }
    }
}
