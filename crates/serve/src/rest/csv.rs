//! Tables as CSV: the same values as in JSON, in fixed columns.
//!
//! Invariant: numbers keep the venue's own text; absent is an empty field.

use crate::book::Text;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

/// Columns of `instruments`.
pub(crate) const INSTRUMENTS: [&str; 3] = ["instId", "instType", "symbol"];
/// Of `watch`.
pub(crate) const WATCH: [&str; 11] = [
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
];
/// Of `trades`.
pub(crate) const TRADES: [&str; 9] =
    ["instId", "timestamp", "tsRecv", "tradeId", "price", "quantity", "unit", "side", "source"];
/// Of `klines`.
pub(crate) const KLINES: [&str; 13] = [
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
];
/// Of `tickers`.
pub(crate) const TICKERS: [&str; 13] = [
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
];
/// Of `feeds`.
pub(crate) const FEEDS: [&str; 12] = [
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
];
/// Of `gaps`.
pub(crate) const GAPS: [&str; 9] =
    ["feed", "gap", "event", "channel", "instId", "cause", "whose", "tsRecv", "lost"];
/// Of `book`.
pub(crate) const BOOK: [&str; 4] = ["side", "price", "quantity", "orders"];

/// Records as a table.
pub(crate) fn records(columns: &[&str], records: &[Text]) -> Response {
    let rows: Vec<Value> =
        records.iter().filter_map(|record| serde_json::from_str(record).ok()).collect();
    values(columns, &rows)
}

/// Objects as a table.
pub(crate) fn values(columns: &[&str], rows: &[Value]) -> Response {
    let mut out = columns.join(",") + "\r\n";
    for row in rows {
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            match &row[column] {
                Value::Null => {}
                Value::String(text) => field(text, &mut out),
                value => field(&value.to_string(), &mut out),
            }
        }
        out.push_str("\r\n");
    }
    ([(CONTENT_TYPE, "text/csv; charset=utf-8")], out).into_response()
}

fn field(text: &str, out: &mut String) {
    if text.contains(['"', ',', '\n', '\r']) {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}
