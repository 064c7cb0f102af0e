//! `trades` (one row per taker order, price and source) and `trades-all` (one row a fill).
//!
//! ```json
//! {"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP",
//!  "tradeId":"2978601964","px":"83725.9","sz":"5","side":"buy","ts":"1791369350776",
//!  "count":"1","source":"0","seqId":344430848209}]}
//! ```
//! `side` is the taker's. `count` fills share a row and cover the ids `tradeId - count + 1` to
//! `tradeId` (docs, 2026-08-22; captures agree); `trades-all` has neither `count` nor `seqId`.
//! [`Series`] turns that into proof: which ids are missing, which were seen before.

use super::read::{self, Unknowns};
use crate::json::Raw;
use market_data_model::{Aggressor, Nanos, Tiny, Trade};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One row of `trades` or `trades-all`.
#[derive(Clone, Debug, PartialEq)]
pub struct TradeRow<'a> {
    /// The row's `instId`; `None` if it has none.
    pub inst_id: Option<Cow<'a, str>>,
    /// The venue's time; `None` when missing or zero.
    pub ts: Option<Nanos>,
    /// The trade.
    pub trade: Trade,
}

/// Reads one row.
///
/// # Errors
/// In words, when id, price or quantity is missing or not a number.
pub fn decode<'a>(row: Raw<'a>, unknowns: &mut Unknowns) -> Result<TradeRow<'a>, String> {
    let (mut inst_id, mut ts, mut id, mut px, mut qty) = (None, None, None, None, None);
    let (mut aggressor, mut count, mut source, mut seq) = (Aggressor::Unknown, None, None, None);
    for (name, value) in row.fields() {
        match &*name {
            "instId" => inst_id = value.text(),
            "tradeId" => id = Some(read::whole(&name, value)?),
            "px" => px = read::px(&name, value)?,
            "sz" => qty = read::qty(&name, value)?,
            "side" => aggressor = side(value, unknowns),
            "ts" => ts = read::time(value),
            "count" => count = counted(value)?,
            "source" => source = source_of(value, unknowns)?,
            "seqId" => seq = value.integer(),
            _ => unknowns.fields += 1,
        }
    }
    let trade = Trade {
        trade_id: read::required("tradeId", id)?,
        px: read::required("px", px)?,
        qty: read::required("sz", qty)?,
        aggressor,
        count,
        source,
        seq,
        filled: None,
    };
    Ok(TradeRow { inst_id, ts, trade })
}

fn side(value: Raw<'_>, unknowns: &mut Unknowns) -> Aggressor {
    match &*read::word(value) {
        "buy" => Aggressor::Buyer,
        "sell" => Aggressor::Seller,
        _ => {
            unknowns.values += 1;
            Aggressor::Unknown
        }
    }
}

fn counted(value: Raw<'_>) -> Result<Option<u32>, String> {
    if matches!(&*read::word(value), "" | "null") {
        return Ok(None);
    }
    let count = read::whole("count", value)?;
    u32::try_from(count).map(Some).map_err(|_| format!("count is {count}: too large"))
}

fn source_of(value: Raw<'_>, unknowns: &mut Unknowns) -> Result<Option<Tiny>, String> {
    let text = read::word(value);
    match &*text {
        "" | "null" => return Ok(None),
        "0" | "1" => {}
        _ => unknowns.values += 1,
    }
    match Tiny::new(&text) {
        Some(tiny) => Ok(Some(tiny)),
        None => Err(format!("source is {}: too long", value.as_str())),
    }
}

/// What a row's id says about the rows before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It follows the row before, or nothing is known.
    Follows,
    /// These many fills between the row before and this one never came.
    Lost(u64),
    /// It was seen before.
    Repeat,
    /// It is older than the newest row but was not seen: out of order.
    Late,
}

/// The ids seen on one channel of one instrument.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Series {
    last: Option<u64>,
    recent: [u64; Series::REMEMBERED],
    next: usize,
    /// No id above this one is among the recent.
    highest: u64,
}

impl Series {
    /// How many ids are remembered to tell a repeat from a late row.
    pub const REMEMBERED: usize = 32;
    /// An id this much below the newest is a new numbering, not a late row.
    pub const RESTART: u64 = 100_000;

    /// The newest id.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Whether it is one that rows can have made.
    pub(crate) fn is_sound(&self) -> bool {
        self.next < Series::REMEMBERED
    }

    /// Takes one row. `fills` is how many ids it covers; `None` when the venue did not say, and
    /// then nothing is claimed about rows between.
    pub fn take(&mut self, id: u64, fills: Option<u64>) -> Link {
        if self.last.is_some() && id <= self.highest && self.recent.contains(&id) {
            return Link::Repeat;
        }
        self.highest = self.highest.max(id);
        self.recent[self.next] = id;
        self.next = (self.next + 1) % Series::REMEMBERED;
        let last = match self.last {
            Some(last) if id < last && last - id < Series::RESTART => return Link::Late,
            Some(last) if id > last => Some(last),
            _ => None,
        };
        self.last = Some(id);
        match (last, fills) {
            (Some(last), Some(fills)) if id - last > fills => Link::Lost(id - last - fills),
            _ => Link::Follows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn reads_the_documented_row() {
        let mut unknowns = Unknowns::default();
        let raw = json::parse(
            br#"{"instId":"BTC-USDT-SWAP","tradeId":"2978601964","px":"83725.90","sz":"5",
            "side":"buy","ts":"1791369350776","count":"3","source":"0","seqId":344430848209}"#,
        )
        .unwrap();
        let row = decode(raw, &mut unknowns).unwrap();
        assert_eq!(row.trade.trade_id, 2_978_601_964);
        assert_eq!(row.trade.px.to_string(), "83725.90");
        assert_eq!(row.trade.aggressor, Aggressor::Buyer);
        assert_eq!((row.trade.count, row.trade.seq), (Some(3), Some(344_430_848_209)));
        assert_eq!(unknowns, Unknowns::default());
    }

    #[test]
    fn unknown_words_and_fields_pass_and_are_counted() {
        let mut unknowns = Unknowns::default();
        let text = br#"{"tradeId":"1","px":"1","sz":"1","side":"hold","source":"9","new":{}}"#;
        let row = decode(json::parse(text).unwrap(), &mut unknowns).unwrap();
        assert_eq!(row.trade.aggressor, Aggressor::Unknown);
        assert_eq!(row.trade.source.unwrap().as_str(), "9");
        assert_eq!(unknowns, Unknowns { fields: 1, values: 2 });
        assert_eq!(row.ts, None);
    }

    #[test]
    fn odd_rows_are_refused_with_the_value() {
        for (text, reason) in [
            (r#"{"px":"1","sz":"1"}"#, "tradeId is missing"),
            (r#"{"tradeId":"1","sz":"1"}"#, "px is missing"),
            (r#"{"tradeId":"1","px":"","sz":"1"}"#, "px is missing"),
            (r#"{"tradeId":"01","px":"1","sz":"1"}"#, r#"tradeId is "01": not a whole number"#),
            (
                r#"{"tradeId":"1","px":"1e3","sz":"1"}"#,
                r#"px is "1e3": not a plain decimal number"#,
            ),
            (r#"["1","2"]"#, "tradeId is missing"),
        ] {
            let raw = json::parse(text.as_bytes()).unwrap();
            assert_eq!(decode(raw, &mut Unknowns::default()).unwrap_err(), reason);
        }
    }

    #[test]
    fn ids_prove_what_is_missing() {
        let mut series = Series::default();
        assert_eq!(series.take(100, Some(1)), Link::Follows);
        assert_eq!(series.take(103, Some(3)), Link::Follows);
        assert_eq!(series.take(103, Some(3)), Link::Repeat);
        assert_eq!(series.take(110, Some(2)), Link::Lost(5));
        assert_eq!(series.take(107, Some(1)), Link::Late);
        assert_eq!(series.take(111, Some(1)), Link::Follows);
        assert_eq!(series.take(500, None), Link::Follows);
    }

    #[test]
    fn a_restarted_numbering_is_followed() {
        let mut series = Series::default();
        series.take(5_000_000, Some(1));
        assert_eq!(series.take(7, Some(1)), Link::Follows);
        assert_eq!(series.take(9, Some(1)), Link::Lost(1));
    }
}
