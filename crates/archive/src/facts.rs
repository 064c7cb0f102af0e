//! What a record says that others than its readers want to know: who, when, which id.
//!
//! Taken from a record's JSON line, which tapes and archives both give; `report`, `merge` and
//! `backfill` go by it. Start at [`Facts::of`].
//!
//! Invariant: any bytes are read or refused, never a panic; what a kind of record has not is
//! absent.

use serde::Deserialize;
use std::borrow::Cow;

/// One end of a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// A trade id, or a book's sequence number; `None` = unknown.
    pub id: Option<i64>,
    /// When received, nanoseconds; `None` = unknown, or still open.
    pub ts_recv: Option<u64>,
}

/// What every record has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    inst_id: Option<Cow<'a, str>>,
    timestamp: Option<u64>,
    ts_recv: u64,
    feed: u32,
    n: u64,
}

/// What trades, bars, books and gaps have besides.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tail<'a> {
    /// Of a trade: its id; of a merged row the last one.
    #[serde(borrow)]
    trade_id: Option<Cow<'a, str>>,
    /// Of a trade: fills that are merged in it.
    pub count: Option<u64>,
    /// Where it was fetched, if it had not come.
    #[serde(borrow)]
    pub filled_from: Option<Cow<'a, str>>,
    /// Of a change of a book: whether it is a new start.
    pub is_snapshot: Option<bool>,
    /// Of a change of a book: the id it follows.
    pub prev_update_id: Option<i64>,
    /// Of a book: its id.
    pub last_update_id: Option<i64>,
    /// Of a bar: its start, milliseconds.
    pub open_time: Option<u64>,
    /// Of a bar: the start of the next.
    pub close_time: Option<u64>,
    /// Of a bar: whether it is finished.
    pub is_closed: Option<bool>,
    /// Of a payment: when, milliseconds.
    pub funding_time: Option<u64>,
    /// Of a gap: its number.
    pub gap: Option<u64>,
    /// Of a gap: `opened` or `closed`.
    #[serde(borrow)]
    pub event: Option<Cow<'a, str>>,
    /// Of a gap: why.
    #[serde(borrow)]
    pub cause: Option<Cow<'a, str>>,
    /// Of a gap: whose fault.
    #[serde(borrow)]
    pub whose: Option<Cow<'a, str>>,
    /// Of a gap: the last good data before.
    pub from: Option<Point>,
    /// Of a gap: the first good data after.
    pub to: Option<Point>,
    /// Of a gap: trades missing.
    pub lost: Option<u64>,
    /// Of a gap: what healed it.
    #[serde(borrow)]
    pub healed: Option<Cow<'a, str>>,
}

/// See the file's first comment.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Its `type`.
    pub kind: Cow<'a, str>,
    /// Its channel; empty if it has none.
    pub channel: Cow<'a, str>,
    /// Its instrument; empty if it has none.
    pub inst_id: Cow<'a, str>,
    /// The venue's time, milliseconds; `None` when it sent none.
    pub timestamp: Option<u64>,
    /// When it was received, nanoseconds.
    pub ts_recv: u64,
    /// Which connection; 0 = fetched by a backfill.
    pub feed: u32,
    /// Its number within that.
    pub n: u64,
    /// What its kind has besides.
    pub more: Tail<'a>,
}

/// Kinds of records whose further fields are read.
const TOLD: [&str; 6] =
    ["trade", "kline", "orderbook_delta", "orderbook", "gap", "funding_rate_history"];

impl<'a> Facts<'a> {
    /// The facts of a record's JSON line; `None` if it is no record.
    pub fn of(json: &'a [u8]) -> Option<Facts<'a>> {
        let head: Head<'a> = serde_json::from_slice(json).ok()?;
        let more = if TOLD.contains(&&*head.kind) {
            serde_json::from_slice(json).ok()?
        } else {
            Tail::default()
        };
        let Head { kind, channel, inst_id, timestamp, ts_recv, feed, n } = head;
        let (channel, inst_id) = (channel.unwrap_or_default(), inst_id.unwrap_or_default());
        Some(Facts { kind, channel, inst_id, timestamp, ts_recv, feed, n, more })
    }

    /// The ids of a trade, from the first to the last of those merged in it.
    pub fn ids(&self) -> Option<(u64, u64)> {
        let last: u64 = self.more.trade_id.as_ref()?.parse().ok()?;
        let count = self.more.count.unwrap_or(1).max(1);
        Some((last.saturating_sub(count - 1), last))
    }

    /// When it happened at the venue, milliseconds.
    pub fn happened_ms(&self) -> Option<u64> {
        self.timestamp.or(self.more.open_time).or(self.more.funding_time)
    }
}

/// A record's JSON without what the receipt put in (`tsRecv`, `feed`, `n`): before it, after it.
/// Two recordings of the same row agree in both.
pub fn content(json: &[u8]) -> (&[u8], &[u8]) {
    let find = |what: &[u8], from: usize| {
        json.get(from..)?.windows(what.len()).position(|at| at == what).map(|at| at + from)
    };
    let cut = || {
        let start = find(b"\"tsRecv\":", 0)?;
        let n = find(b"\"n\":", start)?;
        let digits = json.get(n + 4..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        Some((json.get(..start)?, json.get(n + 4 + digits..)?))
    };
    cut().unwrap_or((json, &[]))
}

/// The text of a field of a record's JSON, quotes included; `None` if it has none of that name.
pub fn value<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let name = format!("\"{name}\":");
    let at = json.windows(name.len()).position(|at| at == name.as_bytes())? + name.len();
    let rest = json.get(at..)?;
    let quoted = rest.first() == Some(&b'"');
    let end = match quoted {
        true => rest.iter().skip(1).position(|byte| *byte == b'"').map(|at| at + 2),
        false => rest.iter().position(|byte| b",}".contains(byte)),
    };
    rest.get(..end?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRADE: &[u8] = br#"{"v":1,"type":"trade","exchange":"okx","channel":"trades","instId":"X-Y","instType":"SPOT","symbol":"XY","timestamp":5,"tsRecv":6000001,"feed":1,"n":17,"tradeId":"30","price":"1.50","count":3,"side":"buy"}"#;

    #[test]
    fn a_trade_says_its_ids_and_its_content_is_without_its_receipt() {
        let facts = Facts::of(TRADE).unwrap();
        assert_eq!((facts.ids(), facts.happened_ms()), (Some((28, 30)), Some(5)));
        assert_eq!((facts.ts_recv, facts.feed, facts.n), (6_000_001, 1, 17));
        let (before, after) = content(TRADE);
        assert!(before.ends_with(b"\"timestamp\":5,") && after.starts_with(b",\"tradeId\""));
        assert_eq!(value(TRADE, "price"), Some(&b"\"1.50\""[..]));
        assert_eq!(value(TRADE, "count"), Some(&b"3"[..]));
        assert_eq!(value(TRADE, "seqId"), None);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bad in [&b""[..], b"{", b"[]", b"{\"type\":\"trade\"}", b"\xff"] {
            assert!(Facts::of(bad).is_none());
            assert_eq!(content(bad), (bad, &[][..]));
        }
    }
}
