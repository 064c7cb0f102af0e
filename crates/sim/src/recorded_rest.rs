//! REST over a recording: what its frames and its instrument list say, and OKX's own errors for
//! what they do not.
//!
//! Answers show the recording as far as it has been pushed: the last ticker pushed, the last
//! trades, the book handed in. Nothing is made up, so history before the recording is not there.
//!
//! Start at [`Exchange::rest_recorded`].

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::RestReply;
use crate::calendar::MILLI;
use crate::exchange::Exchange;
use crate::query::Query;
use crate::recorded::{RecordedBook, RecordedId, Shelf, levels_text};
use crate::rest::{Answer, Failure, bad, missing, no_instrument};

/// Paths that answer with the last row of a channel.
static LATEST: &[(&str, &str)] = &[
    ("/api/v5/market/ticker", "tickers"),
    ("/api/v5/market/index-tickers", "index-tickers"),
    ("/api/v5/public/funding-rate", "funding-rate"),
    ("/api/v5/public/mark-price", "mark-price"),
    ("/api/v5/public/open-interest", "open-interest"),
    ("/api/v5/public/price-limit", "price-limit"),
];

/// Most levels that `/market/books` gives (OKX docs, 2026-08-22).
const LEVELS_MAX: u64 = 400;

impl Exchange {
    /// A REST GET request about the recording, which stands at `recorded_ns`. `book` is asked for
    /// the whole of a book as it stands.
    pub fn rest_recorded(
        &mut self,
        now_ns: u64,
        path_and_query: &str,
        recorded_ns: u64,
        book: impl Fn(RecordedId) -> Option<RecordedBook>,
    ) -> RestReply {
        self.rest_from(now_ns, path_and_query, |exchange, query| {
            let Some(shelf) = &exchange.shelf else { return Err(no_instrument()) };
            match query.path.as_str() {
                "/api/v5/public/time" => Ok(format!("{{\"ts\":\"{}\"}}", recorded_ns / MILLI)),
                "/api/v5/system/status" => Ok(String::new()),
                "/api/v5/public/instruments" => shelf.instruments(query),
                "/api/v5/public/underlying" => shelf.underlying(query),
                "/api/v5/market/tickers" => shelf.tickers(query),
                "/api/v5/market/books" => shelf.book(query, book),
                "/api/v5/market/trades" => shelf.trades(query),
                path => match LATEST.iter().find(|(name, _)| *name == path) {
                    Some((_, channel)) => shelf.latest(channel, query),
                    None => Err(not_recorded(&format!("The requested path {path}"))),
                },
            }
        })
    }
}

impl Shelf {
    fn instruments(&self, query: &Query) -> Answer {
        let name = query.get("instType").ok_or_else(|| missing("instType"))?;
        if !["SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"].contains(&name) {
            return Err(bad("Parameter instType error"));
        }
        let (family, uly) = (query.get("instFamily"), query.get("uly"));
        if name == "OPTION" && family.is_none() && uly.is_none() {
            return Err(missing("instFamily"));
        }
        let id = query.get("instId");
        let rows = self.instruments.values().filter(|x| {
            x.inst_type == name
                && id.is_none_or(|id| x.inst_id == id)
                && family.is_none_or(|family| x.inst_family == family)
                && uly.is_none_or(|uly| x.uly == uly)
        });
        let rows: Vec<&str> = rows.map(|x| &*x.row).collect();
        if rows.is_empty() && id.is_some() { Err(no_instrument()) } else { Ok(rows.join(",")) }
    }

    fn underlying(&self, query: &Query) -> Answer {
        let name = query.get("instType").ok_or_else(|| missing("instType"))?;
        let of_type = self.instruments.values().filter(|x| x.inst_type == name);
        let mut names: Vec<&str> = of_type.map(|x| x.uly.as_str()).collect();
        names.retain(|uly| !uly.is_empty());
        names.sort_unstable();
        names.dedup();
        Ok(serde_json::to_string(&names).unwrap_or_default())
    }

    /// Rows of the last frame of a channel, newest last.
    fn rows(&self, channel: &str, about: &str) -> Vec<Value> {
        let Some(n) = self.find(channel, about) else { return Vec::new() };
        let frames = self.recent.get(&n).into_iter().flatten();
        frames.flat_map(|text| rows_of(text)).collect()
    }

    fn latest(&self, channel: &str, query: &Query) -> Answer {
        let id = query.get("instId").ok_or_else(|| missing("instId"))?;
        let row = self.rows(channel, id).pop();
        row.map(|row| row.to_string()).ok_or_else(|| self.nothing(channel, id))
    }

    fn tickers(&self, query: &Query) -> Answer {
        let name = query.get("instType").ok_or_else(|| missing("instType"))?;
        let of_type = self.instruments.values().filter(|x| x.inst_type == name);
        let rows = of_type.filter_map(|x| self.rows("tickers", &x.inst_id).pop());
        Ok(rows.map(|row| row.to_string()).collect::<Vec<_>>().join(","))
    }

    fn trades(&self, query: &Query) -> Answer {
        let id = query.get("instId").ok_or_else(|| missing("instId"))?;
        let limit = query.number("limit", 100).map_err(|msg| bad(&msg))?.min(500) as usize;
        if self.find("trades", id).is_none() && self.find("trades-all", id).is_none() {
            return Err(self.nothing("trades", id));
        }
        let mut by_id = BTreeMap::new();
        for row in self.rows("trades-all", id).into_iter().chain(self.rows("trades", id)) {
            let number = row.get("tradeId").and_then(Value::as_str).unwrap_or("");
            by_id.insert((number.len(), number.to_owned()), row);
        }
        let newest = by_id.into_values().rev().take(limit);
        Ok(newest.map(|row| row.to_string()).collect::<Vec<_>>().join(","))
    }

    fn book(&self, query: &Query, book: impl Fn(RecordedId) -> Option<RecordedBook>) -> Answer {
        let id = query.get("instId").ok_or_else(|| missing("instId"))?;
        let size = query.number("sz", 1).map_err(|msg| bad(&msg))?.clamp(1, LEVELS_MAX) as usize;
        let channels = ["books", "books-l2-tbt", "books50-l2-tbt"];
        let found = channels.iter().find_map(|name| book(RecordedId(self.find(name, id)?)));
        let book = found.ok_or_else(|| self.nothing("books", id))?;
        Ok(format!(
            "{{\"asks\":{},\"bids\":{},\"ts\":\"{}\",\"seqId\":{}}}",
            levels_text(&book.asks, size),
            levels_text(&book.bids, size),
            book.ts_ms,
            book.seq
        ))
    }

    /// The error for something that is not there: no such instrument, or not on the recording.
    fn nothing(&self, channel: &str, id: &str) -> Failure {
        let known = self.instruments.keys().any(|(_, inst_id)| inst_id == id)
            || self.find(channel, id).is_some();
        if known { not_recorded(&format!("{channel} of {id}")) } else { no_instrument() }
    }
}

/// OKX's answer of a service that is away, 50001 with HTTP 503: a client may ask again later.
fn not_recorded(what: &str) -> Failure {
    let msg = format!("Service temporarily unavailable. {what} is not on this recording.");
    Failure { status: 503, code: "50001", msg }
}

fn rows_of(text: &str) -> Vec<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(mut frame)) => match frame.remove("data") {
            Some(Value::Array(rows)) => rows,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}
