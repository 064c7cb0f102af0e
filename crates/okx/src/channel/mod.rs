//! The list of channels we understand; to add one, write a file beside `trades.rs` and a line in
//! [`CHANNELS`].
//!
//! A [`ChannelSpec`] holds what the rest of the crate must know of a channel as plain data; how its
//! rows are read is in the file named by its [`Form`]. Source of every line: OKX docs 2026-08-22
//! and captures up to 2026-10-07, see `docs/okx.md`.

use crate::limits::BOOK_BEAT_NS;
use market_data_model::BarKind;
use market_data_model::time::SECOND;
use serde::{Deserialize, Serialize};

pub mod bars;
pub mod books;
mod read;
pub mod tickers;
pub mod trades;

pub use bars::BarSpec;
pub use read::Unknowns;

/// Which of OKX's sockets a channel lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// `/ws/v5/public`
    Public,
    /// `/ws/v5/business`
    Business,
}

/// What a channel's argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// An instrument, as `instId`.
    InstId,
    /// A kind of instrument, as `instType`.
    InstType,
    /// An index such as `BTC-USD`, as `instId`: the same text as a spot id, but another thing.
    Index,
}

impl KeyKind {
    /// The field of the argument.
    pub fn field(self) -> &'static str {
        match self {
            KeyKind::InstId | KeyKind::Index => "instId",
            KeyKind::InstType => "instType",
        }
    }
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
    /// A 50- or 400-level incremental book: few of them go on one connection.
    pub deep: bool,
    /// Whether OKX asks for a login (and a fee tier).
    pub login: bool,
    /// After how much silence of one instrument something is wrong, where OKX guarantees a beat.
    pub beat_ns: Option<u64>,
    /// How its rows are read.
    pub form: Form,
}

const BASE: ChannelSpec = ChannelSpec {
    name: "",
    path: Path::Public,
    key: KeyKind::InstId,
    deep: false,
    login: false,
    beat_ns: None,
    form: Form::Ticker,
};

const fn book(name: &'static str, depth: u16, incremental: bool) -> ChannelSpec {
    ChannelSpec {
        name,
        deep: incremental,
        beat_ns: Some(BOOK_BEAT_NS),
        form: Form::Book(BookForm { depth, incremental, rpi: false }),
        ..BASE
    }
}

/// Every channel but the bars, which [`bars::BARS`] lists.
pub const CHANNELS: &[ChannelSpec] = &[
    ChannelSpec { name: "tickers", form: Form::Ticker, ..BASE },
    ChannelSpec { name: "trades", form: Form::Trade, ..BASE },
    ChannelSpec { name: "trades-all", path: Path::Business, form: Form::Trade, ..BASE },
    book("books", 400, true),
    book("books5", 5, false),
    book("bbo-tbt", 1, false),
    ChannelSpec { login: true, ..book("books-l2-tbt", 400, true) },
    ChannelSpec { login: true, ..book("books50-l2-tbt", 50, true) },
    ChannelSpec {
        form: Form::Book(BookForm { depth: 400, incremental: true, rpi: true }),
        ..book("books-rpi", 400, true)
    },
    ChannelSpec { name: "instruments", key: KeyKind::InstType, form: Form::Instruments, ..BASE },
];

/// The channel of that name, in OKX's exact spelling (`candle1m` is a minute, `candle1M` a month).
pub fn find(name: &str) -> Option<&'static ChannelSpec> {
    CHANNELS.iter().chain(bars::BARS).find(|spec| spec.name == name)
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
            let business = name.contains("candle") || name == "trades-all";
            assert_eq!(find(name).unwrap().path == Path::Business, business, "{name}");
        }
    }
}
