//! The list of channels we understand; to add one whose record is a flat list of values, write a
//! file like `mark_price.rs`, its `mod` and a line in [`CHANNELS`], and run the tests with
//! `UPDATE_DOCS=1`.
//!
//! A [`ChannelSpec`] holds what the rest of the crate must know of a channel as plain data; how its
//! rows are read is in the file named by its [`Form`]. Source of every line: OKX docs 2026-08-22
//! and captures up to 2026-10-07, see `docs/okx.md`.

use crate::limits::{BOOK_BEAT_NS, ELP_ENDED, FIRST_NS};
use market_data_model::time::SECOND;
use market_data_model::{BarKind, InstType, Instrument};
use serde::{Deserialize, Serialize};

pub mod bars;
pub mod books;
pub mod figures;
mod key;
pub(crate) mod read;
pub mod tickers;
pub mod trades;

mod adl_warning;
mod block_tickers;
mod call_auction_details;
mod economic_calendar;
mod estimated_price;
mod event_contract_markets;
mod funding_rate;
mod index_tickers;
mod liquidation_orders;
mod mark_price;
mod open_interest;
mod opt_summary;
mod option_trades;
mod price_limit;
mod public_block_trades;
mod public_struc_block_trades;
mod sprd_public_trades;
mod sprd_tickers;
mod status;

pub use bars::BarSpec;
pub use figures::FiguresForm;
pub use key::KeyKind;
pub(crate) use key::Realm;
pub use read::Unknowns;

/// Which of OKX's sockets a channel lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// `/ws/v5/public`
    Public,
    /// `/ws/v5/business`
    Business,
    /// `/ws/v5/public-sbe`, of which no channel is the only home: see [`crate::sbe`].
    Binary,
}

/// How a book channel behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookForm {
    /// Levels a side.
    pub depth: u16,
    /// Snapshot once, then linked updates; otherwise every push is the whole state.
    pub incremental: bool,
    /// Levels are `[px, total, not retail, count]` instead of `[px, qty, "0", count]`.
    pub rpi: bool,
    /// Levels are `[px, qty, count]`, prices may be negative, and the checksum is alive.
    pub spread: bool,
}

/// How a channel's rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `tickers.rs`
    Ticker,
    /// `trades.rs`
    Trade,
    /// `books.rs`
    Book(BookForm),
    /// `bars.rs`
    Bar(BarKind, &'static BarSpec),
    /// `figures.rs`, as a file of the channel's own says.
    Figures(&'static FiguresForm),
    /// `crate::catalogue`
    Instruments,
}

/// One channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSpec {
    /// OKX's spelling.
    pub name: &'static str,
    /// Where it lives.
    pub path: Path,
    /// What its argument names.
    pub key: KeyKind,
    /// The only kind of instrument it is about, where its argument must name one.
    pub kind: Option<&'static str>,
    /// The kinds of instruments that it is about; empty = every kind.
    pub kinds: &'static [&'static str],
    /// It is about perpetuals, which some FUTURES are, too: X-Perps, by their `ruleType`
    /// (docs, read 2026-11-23).
    pub perpetual: bool,
    /// A 50- or 400-level incremental book: few of them go on one connection.
    pub deep: bool,
    /// Whether OKX asks for a login (and a fee tier).
    pub login: bool,
    /// After how much silence of one instrument something is wrong, where OKX guarantees a beat.
    pub beat_ns: Option<u64>,
    /// By when OKX sends something after subscribing, whatever the market does; `None` = it may be
    /// silent for ever.
    pub first_ns: Option<u64>,
    /// Since when OKX does not serve it any more; empty = it does.
    pub ended: &'static str,
    /// How often OKX pushes, for the documentation.
    pub cadence: &'static str,
    /// What silence means where no beat is guaranteed, for the documentation.
    pub silence: &'static str,
    /// How its rows are read.
    pub form: Form,
}

fn is_x_perp(instrument: &Instrument) -> bool {
    let row = crate::json::parse(instrument.row.as_bytes()).ok();
    let rule = row.and_then(|row| row.field("ruleType")).and_then(|rule| rule.text());
    rule.is_some_and(|rule| rule == "xperp")
}

impl ChannelSpec {
    /// Whether it is about instruments of this kind, in OKX's spelling.
    pub fn suits(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether it is about this instrument.
    pub fn suits_one(&self, instrument: &Instrument) -> bool {
        let kind = instrument.inst_type.as_ref().map_or("", InstType::as_str);
        self.suits(kind) || self.perpetual && kind == "FUTURES" && is_x_perp(instrument)
    }

    /// What its silence means, in words.
    pub fn staleness(&self) -> String {
        match self.beat_ns {
            Some(beat) => {
                let seconds = beat / SECOND;
                format!("asked for anew after {seconds} s without data, less and less often")
            }
            None if self.silence.is_empty() => "silence proves nothing".to_owned(),
            None => format!("silence proves nothing: {}", self.silence),
        }
    }
}

impl BookForm {
    const WHOLE: BookForm = BookForm { depth: 1, incremental: false, rpi: false, spread: false };
}

const BASE: ChannelSpec = ChannelSpec {
    name: "",
    path: Path::Public,
    key: KeyKind::InstId,
    kind: None,
    kinds: &[],
    perpetual: false,
    deep: false,
    login: false,
    beat_ns: None,
    first_ns: None,
    ended: "",
    cadence: "on change",
    silence: "",
    form: Form::Ticker,
};

const fn book(name: &'static str, depth: u16, incremental: bool) -> ChannelSpec {
    ChannelSpec {
        name,
        deep: incremental,
        beat_ns: Some(BOOK_BEAT_NS),
        first_ns: Some(FIRST_NS),
        cadence: if incremental {
            "100 ms; the same again after 60 s"
        } else {
            "100 ms, whole; the same again after 60 s"
        },
        form: Form::Book(BookForm { depth, incremental, ..BookForm::WHOLE }),
        ..BASE
    }
}

/// A book of a spread. No beat is documented for these.
const fn spread_book(name: &'static str, depth: u16, incremental: bool) -> ChannelSpec {
    ChannelSpec {
        path: Path::Business,
        key: KeyKind::Spread,
        beat_ns: None,
        first_ns: if incremental { Some(FIRST_NS) } else { None },
        cadence: "on change",
        silence: "no beat is promised",
        form: Form::Book(BookForm { depth, incremental, rpi: false, spread: true }),
        ..book(name, depth, incremental)
    }
}

/// Every channel but the bars, which [`bars::BARS`] lists.
pub const CHANNELS: &[ChannelSpec] = &[
    ChannelSpec {
        name: "tickers",
        first_ns: Some(FIRST_NS),
        cadence: TICKER_CADENCE,
        form: Form::Ticker,
        ..BASE
    },
    ChannelSpec { name: "trades", cadence: TRADE_CADENCE, form: Form::Trade, ..BASE },
    ChannelSpec {
        name: "trades-all",
        path: Path::Business,
        cadence: TRADE_CADENCE,
        form: Form::Trade,
        ..BASE
    },
    book("books", 400, true),
    book("books5", 5, false),
    ChannelSpec { cadence: TBT_CADENCE, ..book("bbo-tbt", 1, false) },
    ChannelSpec { login: true, cadence: TBT_CADENCE, ..book("books-l2-tbt", 400, true) },
    ChannelSpec { login: true, cadence: TBT_CADENCE, ..book("books50-l2-tbt", 50, true) },
    ChannelSpec {
        form: Form::Book(BookForm { depth: 400, incremental: true, rpi: true, spread: false }),
        ..book("books-rpi", 400, true)
    },
    ChannelSpec { ended: ELP_ENDED, ..book("books-elp", 400, true) },
    ChannelSpec { cadence: "10 ms", ..spread_book("sprd-bbo-tbt", 1, false) },
    ChannelSpec { cadence: "100 ms", ..spread_book("sprd-books5", 5, false) },
    ChannelSpec { cadence: "10 ms", ..spread_book("sprd-books-l2-tbt", 400, true) },
    ChannelSpec { name: "instruments", key: KeyKind::InstType, form: Form::Instruments, ..BASE },
    adl_warning::SPEC,
    block_tickers::SPEC,
    call_auction_details::SPEC,
    economic_calendar::SPEC,
    estimated_price::SPEC,
    event_contract_markets::SPEC,
    funding_rate::SPEC,
    index_tickers::SPEC,
    liquidation_orders::SPEC,
    mark_price::SPEC,
    open_interest::SPEC,
    opt_summary::SPEC,
    option_trades::SPEC,
    price_limit::SPEC,
    public_block_trades::SPEC,
    public_struc_block_trades::SPEC,
    sprd_public_trades::SPEC,
    sprd_tickers::SPEC,
    status::SPEC,
];

const TICKER_CADENCE: &str = "on change, at most every 100 ms";
const TRADE_CADENCE: &str = "each trade";
const TBT_CADENCE: &str = "10 ms; the same again after 60 s";

/// The channel of that name, in OKX's exact spelling (`candle1m` is a minute, `candle1M` a month).
pub fn find(name: &str) -> Option<&'static ChannelSpec> {
    CHANNELS.iter().chain(bars::BARS).find(|spec| spec.name == name)
}

/// The record types of the channels whose records are flat lists of values.
pub fn flat_kinds() -> impl Iterator<Item = &'static str> {
    CHANNELS.iter().filter_map(|spec| match spec.form {
        Form::Figures(form) => Some(form.sheet.kind),
        _ => None,
    })
}

/// Every name, in table order.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHANNELS.iter().chain(bars::BARS).map(|spec| spec.name)
}

const _: () = assert!(BOOK_BEAT_NS > 60 * SECOND);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_found() {
        let mut all: Vec<_> = names().collect();
        assert!(all.iter().all(|n| find(n).is_some_and(|s| s.name == *n)));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(find("candle1Hutc"), None);
        assert_ne!(find("candle1m"), find("candle1M"));
    }

    #[test]
    fn business_channels_are_not_on_public() {
        for name in names() {
            let business = name.contains("candle")
                || name.contains("block")
                || name.starts_with("sprd-")
                || ["trades-all", "economic-calendar"].contains(&name);
            assert_eq!(find(name).unwrap().path == Path::Business, business, "{name}");
        }
    }
}
