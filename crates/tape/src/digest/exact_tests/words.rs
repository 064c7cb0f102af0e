//! Events of every kind, made of words, so that one thing can be changed and no other.

use market_data_model::batch::{BookHead, Names, Other};
use market_data_model::event::*;
use market_data_model::figures::{Cell, Column, Figures, Shape, Sheet};
use market_data_model::{Batch, Decimal, InstType, Instrument, Nanos, Px, Qty, Tiny};
use std::sync::Arc;

/// Kinds of events that [`Words::push`] makes.
pub const KINDS: usize = 12;
/// Words that an event is made of.
pub const WORDS: usize = 64;

const fn column(name: &'static str, shape: Shape) -> Column {
    Column { name, shape, unit: "", about: "" }
}

static SHEET: Sheet = Sheet {
    kind: "sheet",
    about: "",
    columns: &[
        column("number", Shape::Decimal),
        column("instType", Shape::Word(&[])),
        column("word", Shape::Word(&[])),
        column("text", Shape::Text),
        column("count", Shape::Count),
        column("at", Shape::Millis),
        column("yes", Shape::Bool),
        column("first", Shape::First),
    ],
};

/// An event is a function of its words, so that one can be changed and no other.
pub struct Words<'a> {
    pub rest: &'a [u64],
    /// By how many places the names of the batch are turned.
    pub turn: usize,
}

const CHANNELS: [&str; 4] = ["trades", "books", "t", "a-channel-of-more-than-fifteen-bytes"];
const INSTRUMENTS: [&str; 6] = ["BTC-USDT", "a-b", "", "名-前", "ETH-USD-SWAP", "ETH-USDSWAP"];

/// The names, turned.
pub fn names(turn: usize) -> Arc<Names> {
    let types = [Some(InstType::Spot), Some(InstType::Swap), None];
    let inst = |i: usize| {
        let long = ["-long-enough-to-be-no-head-of-anything"].repeat(4).concat();
        let id = INSTRUMENTS.get(i).map_or(long, |id| (*id).to_owned());
        Arc::new(Instrument { inst_type: types[i % 3].clone(), ..Instrument::named(&id) })
    };
    let (channels, insts) = (CHANNELS.len(), INSTRUMENTS.len() + 1);
    Arc::new(Names {
        venue: "okx",
        channels: (0..channels).map(|i| CHANNELS[(i + turn) % channels].into()).collect(),
        instruments: (0..insts).map(|i| inst((i + turn) % insts)).collect(),
    })
}

impl Words<'_> {
    fn word(&mut self) -> u64 {
        let (first, rest) = self.rest.split_first().expect("there are enough words");
        self.rest = rest;
        *first
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.word() as usize % among.len()]
    }

    /// Absent, zero, or anything.
    fn maybe<T>(&mut self, of: impl Fn(u64) -> T) -> Option<T> {
        let word = self.word();
        match word % 4 {
            0 => None,
            1 => Some(of(0)),
            _ => Some(of(word >> 2)),
        }
    }

    fn px(&mut self) -> Px {
        Px(decimal(self.word()))
    }

    fn qty(&mut self) -> Qty {
        Qty(decimal(self.word()))
    }

    fn maybe_px(&mut self) -> Option<Px> {
        self.maybe(|word| Px(decimal(word)))
    }

    fn maybe_qty(&mut self) -> Option<Qty> {
        self.maybe(|word| Qty(decimal(word)))
    }

    fn text(&mut self) -> String {
        let word = self.word();
        let digits = format!("{word}\n\"é\u{1}{word}");
        let end = (0..=word as usize % 40).rev().find(|end| digits.is_char_boundary(*end));
        digits[..end.unwrap_or_default().min(digits.len())].to_owned()
    }

    fn levels(&mut self) -> Vec<Level> {
        let count = self.word() % 4;
        let mut level = || {
            let (px, qty) = (self.px(), self.qty());
            let non_rpi = self.maybe(decimal).unwrap_or(Decimal::NONE);
            Level { px, qty, non_rpi: Qty(non_rpi), orders: self.word() as u32 }
        };
        (0..count).map(|_| level()).collect()
    }

    fn header(&mut self) -> Header {
        let turned = |i: u64, len: usize| (i as usize + len * 8 - self.turn) % len;
        let (channels, insts) = (CHANNELS.len(), INSTRUMENTS.len() + 1);
        let (channel, inst) = (self.rest[0], self.rest[1]);
        let of_link = |word: u64| word.is_multiple_of(8);
        let channel = (!of_link(channel)).then(|| turned(channel % 97, channels) as u16);
        let inst = (!of_link(inst)).then(|| turned(inst % 97, insts) as u32);
        self.rest = &self.rest[2..];
        Header {
            feed: FeedId(self.word() as u32),
            n: self.word(),
            channel,
            inst,
            ts_event: self.maybe(|word| Nanos::from_millis(word >> 24)),
            ts_recv: Nanos(self.word()),
        }
    }

    /// Appends the event that the words are.
    pub fn push(mut self, kind: usize, batch: &mut Batch) {
        let header = self.header();
        let other = match kind {
            0 => return batch.push_ticker(header, self.ticker()),
            1 => return batch.push_trade(header, self.trade()),
            2 => return batch.push_bar(header, self.bar()),
            3 | 4 => {
                let deltas = [BookKind::Delta, BookKind::Snapshot];
                let kind = if kind == 3 { BookKind::View } else { self.pick(&deltas) };
                let (prev_seq, seq) = (self.maybe(|x| x as i64), self.maybe(|x| -(x as i64)));
                let head = BookHead { kind, prev_seq, seq, depth: self.word() as u16 };
                let (bids, asks) = (self.levels(), self.levels());
                return batch.push_book_of(header, head, (&bids, &asks));
            }
            5 => return self.figures(header, batch),
            6 => {
                let row = self.row();
                let instrument = Instrument { row: row.into(), ..Instrument::named("BTC-USDT") };
                Other::Instrument(Arc::new(instrument))
            }
            7 => Other::Gap(self.gap()),
            8 => Other::Session(Session {
                step: self.pick(&[SessionStep::Opening, SessionStep::Up, SessionStep::Down]),
                number: self.word(),
                url: self.text().into(),
                reason: self.text(),
                conn_id: self.text(),
            }),
            9 => Other::Subscription(SubscriptionNews {
                step: self.pick(&[SubscriptionStep::Refused, SubscriptionStep::Evicted]),
                code: self.text(),
                reason: self.text(),
            }),
            10 => Other::Fault(Fault {
                code: self.pick(&[FaultCode::BadJson, FaultCode::BadRow, FaultCode::BadBook]),
                reason: self.text(),
                frame: self.text(),
            }),
            _ => Other::Raw(Raw { row: self.row() }),
        };
        batch.push_other(header, other);
    }

    fn row(&mut self) -> String {
        self.maybe(|word| format!("{{\"x\":{word}}}")).unwrap_or_default()
    }

    fn ticker(&mut self) -> Ticker {
        Ticker {
            last: self.maybe_px(),
            last_qty: self.maybe_qty(),
            bid: self.maybe_px(),
            bid_qty: self.maybe_qty(),
            ask: self.maybe_px(),
            ask_qty: self.maybe_qty(),
            open_24h: self.maybe_px(),
            high_24h: self.maybe_px(),
            low_24h: self.maybe_px(),
            vol_24h: self.maybe_qty(),
            vol_ccy_24h: self.maybe_qty(),
            sod_utc0: self.maybe_px(),
            sod_utc8: self.maybe_px(),
        }
    }

    fn trade(&mut self) -> Trade {
        Trade {
            trade_id: self.word(),
            px: self.px(),
            qty: self.qty(),
            aggressor: self.pick(&[Aggressor::Buyer, Aggressor::Seller, Aggressor::Unknown]),
            count: self.maybe(|word| word as u32),
            source: self.maybe(|word| Tiny::new(&(word % 3).to_string())).flatten(),
            seq: self.maybe(|word| word as i64 - (1 << 61)),
            filled: self.filled(),
        }
    }

    fn filled(&mut self) -> Option<FilledFrom> {
        self.pick(&[None, Some(FilledFrom::Rest), Some(FilledFrom::File)])
    }

    fn bar(&mut self) -> Bar {
        let flow = BarFlow {
            trades: self.word(),
            taker_base: self.maybe_qty(),
            taker_quote: self.maybe_qty(),
        };
        Bar {
            kind: BarKind::Trade,
            interval: self.pick(&["1m", "1d@utc"]),
            open_ms: self.word(),
            close_ms: self.word(),
            open: self.px(),
            high: self.px(),
            low: self.px(),
            close: self.px(),
            volume: self.maybe_qty(),
            volume_ccy: self.maybe_qty(),
            volume_quote: self.maybe_qty(),
            closed: self.pick(&[None, Some(false), Some(true)]),
            state: self.pick(&[None, Some(BarState::Forming), Some(BarState::Missing)]),
            filled: self.filled(),
            flow: self.pick(&[None, Some(flow)]),
        }
    }

    fn gap(&mut self) -> Gap {
        Gap {
            id: self.word(),
            closed: self.pick(&[false, true]),
            cause: self.pick(&[GapCause::Sequence, GapCause::Restart]),
            whose: self.pick(&[Whose::Venue, Whose::Ours]),
            from_id: self.maybe(|word| word as i64),
            to_id: self.maybe(|word| -(word as i64)),
            from: self.maybe(Nanos),
            to: self.maybe(Nanos),
            lost: self.maybe(|word| word),
            healed: self.pick(&[None, Some(Healed::Snapshot), Some(Healed::Rest)]),
        }
    }

    fn figures(&mut self, header: Header, batch: &mut Batch) {
        let (mut cells, mut all) = (Vec::new(), String::new());
        for column in SHEET.columns {
            let cell = match column.shape {
                Shape::Decimal => self.maybe(|word| Cell::Decimal(decimal(word))),
                Shape::Word(_) | Shape::Text => {
                    let (is_there, text) = (self.word() % 2 == 1, self.text());
                    let start = all.len() as u32;
                    all.push_str(&text);
                    is_there.then_some(Cell::Text(start, all.len() as u32))
                }
                Shape::Count | Shape::Millis => self.maybe(Cell::Count),
                Shape::Bool | Shape::First => {
                    self.pick(&[None, Some(false), Some(true)]).map(Cell::Bool)
                }
            };
            cells.push(cell.unwrap_or_default());
        }
        batch.push_figures(header, Figures::new(&SHEET, &cells, &all));
    }
}

/// A number of any length and sign, with any number of decimals.
fn decimal(word: u64) -> Decimal {
    let digits = i128::from(word >> 9) << [0, 0, 0, 60][word as usize % 4];
    let sign = if word >> 3 & 7 == 7 { -1 } else { 1 };
    Decimal::from_parts(sign * digits, (word >> 4) as u8 % 37).unwrap()
}
