//! The tables that REST gives: which columns, in CSV and in Arrow.
//!
//! CSV has a chosen few under the names of JSON. Arrow has every field of the record, in its
//! order, under the names and with the types of the archive (`docs/parquet-schema.md`); what
//! is the same in every record (`v`, `type`, `exchange`) goes into the schema's metadata.

/// What is in a column of Arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Yes or no.
    Bool,
    /// A whole number with a sign.
    Int,
    /// One without, in JSON a number or, of ids, text.
    Count,
    /// The same in 32 bits.
    Small,
    /// A time in ms.
    Millis,
    /// A time in ns.
    Nanos,
    /// An exact number.
    Decimal,
    /// Text.
    Text,
    /// Any JSON, as its text.
    Json,
    /// Two columns, an id and a time in ns.
    Point,
}

use Kind::{Bool, Count, Decimal, Int, Json, Millis, Nanos, Point, Small, Text};

/// One table.
pub(crate) struct Table {
    /// Its name, also that of the list in JSON.
    pub name: &'static str,
    /// Columns in CSV.
    pub csv: &'static [&'static str],
    /// Fields that are columns in Arrow: the common ones of records first, if it has records.
    pub common: &'static [(&'static str, Kind)],
    /// The others.
    pub own: &'static [(&'static str, Kind)],
}

impl Table {
    /// All fields that are columns in Arrow, in order.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        self.common.iter().chain(self.own).copied()
    }
}

/// What every record has.
const COMMON: &[(&str, Kind)] = &[
    ("channel", Text),
    ("instId", Text),
    ("instType", Text),
    ("symbol", Text),
    ("timestamp", Millis),
    ("tsRecv", Nanos),
    ("feed", Count),
    ("n", Count),
];

pub(crate) static INSTRUMENTS: Table = Table {
    name: "instruments",
    csv: &["instId", "instType", "symbol"],
    common: COMMON,
    own: &[("instrument", Json)],
};

pub(crate) static WATCH: Table = Table {
    name: "watch",
    csv: &[
        "instId",
        "instType",
        "last",
        "bid",
        "ask",
        "open24h",
        "high24h",
        "low24h",
        "volume",
        "quoteVolume",
        "tsRecv",
    ],
    common: &[],
    own: &[
        ("instId", Text),
        ("instType", Text),
        ("last", Decimal),
        ("bid", Decimal),
        ("ask", Decimal),
        ("open24h", Decimal),
        ("high24h", Decimal),
        ("low24h", Decimal),
        ("volume", Decimal),
        ("quoteVolume", Decimal),
        ("tsRecv", Nanos),
        ("channels", Json),
        ("stale", Json),
        ("spark", Json),
    ],
};

pub(crate) static TRADES: Table = Table {
    name: "trades",
    csv: &[
        "instId",
        "timestamp",
        "tsRecv",
        "tradeId",
        "price",
        "quantity",
        "unit",
        "side",
        "source",
    ],
    common: COMMON,
    own: &[
        ("tradeId", Count),
        ("price", Decimal),
        ("quantity", Decimal),
        ("unit", Text),
        ("side", Text),
        ("isBuyerMaker", Bool),
        ("isBestMatch", Bool),
        ("count", Count),
        ("source", Text),
        ("seqId", Int),
        ("filledFrom", Text),
    ],
};

pub(crate) static KLINES: Table = Table {
    name: "klines",
    csv: &[
        "instId",
        "interval",
        "openTime",
        "closeTime",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "baseVolume",
        "quoteVolume",
        "unit",
        "isClosed",
    ],
    common: COMMON,
    own: &[
        ("interval", Text),
        ("openTime", Millis),
        ("closeTime", Millis),
        ("open", Decimal),
        ("high", Decimal),
        ("low", Decimal),
        ("close", Decimal),
        ("volume", Decimal),
        ("baseVolume", Decimal),
        ("quoteVolume", Decimal),
        ("volCcy", Decimal),
        ("unit", Text),
        ("isClosed", Bool),
        ("tradesCount", Count),
        ("takerBuyBaseVolume", Decimal),
        ("takerBuyQuoteVolume", Decimal),
        ("enrichedFrom", Text),
        ("state", Text),
        ("filledFrom", Text),
    ],
};

pub(crate) static TICKERS: Table = Table {
    name: "tickers",
    csv: &[
        "instId",
        "instType",
        "timestamp",
        "tsRecv",
        "price",
        "bid",
        "bidVolume",
        "ask",
        "askVolume",
        "open24h",
        "high24h",
        "low24h",
        "volume",
    ],
    common: COMMON,
    own: &[
        ("price", Decimal),
        ("lastQuantity", Decimal),
        ("volume", Decimal),
        ("quoteVolume", Decimal),
        ("baseVolume", Decimal),
        ("volCcy24h", Decimal),
        ("unit", Text),
        ("bid", Decimal),
        ("ask", Decimal),
        ("bidVolume", Decimal),
        ("askVolume", Decimal),
        ("open24h", Decimal),
        ("high24h", Decimal),
        ("low24h", Decimal),
        ("sodUtc0", Decimal),
        ("sodUtc8", Decimal),
    ],
};

pub(crate) static FEEDS: Table = Table {
    name: "feeds",
    csv: &[
        "feed",
        "url",
        "connected",
        "frames",
        "bytes",
        "records",
        "faults",
        "gapsOpen",
        "resyncs",
        "reconnects",
        "requestsLeft",
        "lastFrameAgeMs",
    ],
    common: &[],
    own: &[
        ("feed", Count),
        ("url", Text),
        ("connected", Bool),
        ("frames", Count),
        ("bytes", Count),
        ("records", Count),
        ("faults", Count),
        ("gapsOpen", Count),
        ("gaps", Count),
        ("resyncs", Count),
        ("reconnects", Count),
        ("requestsLeft", Count),
        ("handOvers", Count),
        ("lines", Json),
        ("witnesses", Json),
        ("lastFrameAgeMs", Count),
        ("venueToReceiveUs", Json),
        ("receiveToRecordUs", Json),
        ("subscriptions", Json),
    ],
};

pub(crate) static GAPS: Table = Table {
    name: "gaps",
    csv: &["feed", "gap", "event", "channel", "instId", "cause", "whose", "tsRecv", "lost"],
    common: COMMON,
    own: &[
        ("gap", Count),
        ("event", Text),
        ("cause", Text),
        ("whose", Text),
        ("from", Point),
        ("to", Point),
        ("lost", Count),
        ("healed", Text),
    ],
};

/// Levels, bids first, best first. What is said of the book itself is metadata in Arrow.
pub(crate) static BOOK: Table = Table {
    name: "book",
    csv: &["side", "price", "quantity", "orders"],
    common: &[],
    own: &[
        ("side", Text),
        ("level", Small),
        ("price", Decimal),
        ("quantity", Decimal),
        ("orders", Count),
    ],
};
