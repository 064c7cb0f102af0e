//! `tickers`: best prices, last trade and 24-hour figures, at most every 100 ms on change.
//!
//! ```json
//! {"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instType":"SPOT",
//!  "instId":"BTC-USDT","last":"67505.2","lastSz":"0.1","askPx":"67505.3","askSz":"1",
//!  "bidPx":"67505.2","bidSz":"2","open24h":"67000","high24h":"68000","low24h":"66000",
//!  "sodUtc0":"67100","sodUtc8":"67200","volCcy24h":"843815.0","vol24h":"12.5",
//!  "ts":"1785096000000"}]}
//! ```
//! `volCcy24h` is quote coin for spot and base coin for derivatives (docs, 2026-08-22). New
//! listings leave numbers blank. Start at [`decode`].

use super::read::{self, Unknowns};
use crate::json::Raw;
use market_data_model::{InstType, Nanos, Ticker};
use std::borrow::Cow;

/// One row of `tickers`.
#[derive(Clone, Debug, PartialEq)]
pub struct TickerRow<'a> {
    /// The row's `instId`; `None` if it has none.
    pub inst_id: Option<Cow<'a, str>>,
    /// The row's `instType`.
    pub inst_type: Option<InstType>,
    /// The venue's time; `None` when missing or zero.
    pub ts: Option<Nanos>,
    /// The figures.
    pub ticker: Ticker,
}

/// Reads one row.
///
/// # Errors
/// In words, when a number is not one. Absent numbers are fine.
pub fn decode<'a>(row: Raw<'a>, unknowns: &mut Unknowns) -> Result<TickerRow<'a>, String> {
    let mut ticker = Ticker::default();
    let mut out = TickerRow { inst_id: None, inst_type: None, ts: None, ticker };
    let mut fields = 0;
    for (name, value) in row.fields() {
        fields += 1;
        match &*name {
            "instType" => out.inst_type = value.text().map(|t| InstType::parse(&t)),
            "instId" => out.inst_id = value.text(),
            "last" => ticker.last = read::px(&name, value)?,
            "lastSz" => ticker.last_qty = read::qty(&name, value)?,
            "askPx" => ticker.ask = read::px(&name, value)?,
            "askSz" => ticker.ask_qty = read::qty(&name, value)?,
            "bidPx" => ticker.bid = read::px(&name, value)?,
            "bidSz" => ticker.bid_qty = read::qty(&name, value)?,
            "open24h" => ticker.open_24h = read::px(&name, value)?,
            "high24h" => ticker.high_24h = read::px(&name, value)?,
            "low24h" => ticker.low_24h = read::px(&name, value)?,
            "volCcy24h" => ticker.vol_ccy_24h = read::qty(&name, value)?,
            "vol24h" => ticker.vol_24h = read::qty(&name, value)?,
            "sodUtc0" => ticker.sod_utc0 = read::px(&name, value)?,
            "sodUtc8" => ticker.sod_utc8 = read::px(&name, value)?,
            "ts" => out.ts = read::time(value),
            _ => unknowns.fields += 1,
        }
    }
    if fields == 0 {
        return Err("a ticker without fields".into());
    }
    if matches!(out.inst_type, Some(InstType::Other(_))) {
        unknowns.values += 1;
    }
    out.ticker = ticker;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn read(text: &str) -> (Result<TickerRow<'_>, String>, Unknowns) {
        let mut unknowns = Unknowns::default();
        let row = decode(json::parse(text.as_bytes()).unwrap(), &mut unknowns);
        (row, unknowns)
    }

    #[test]
    fn bug_class_32_a_new_listing_has_blank_numbers() {
        let text =
            r#"{"instType":"SPOT","instId":"A-U","last":"","askPx":null,"bidPx":"0.10","ts":"5"}"#;
        let (row, unknowns) = read(text);
        let ticker = row.unwrap().ticker;
        assert_eq!((ticker.last, ticker.ask), (None, None));
        assert_eq!(ticker.bid.unwrap().to_string(), "0.10");
        assert_eq!(unknowns, Unknowns::default());
    }

    #[test]
    fn an_unknown_kind_and_a_new_field_pass_and_are_counted() {
        let (row, unknowns) = read(r#"{"instType":"MOON","instId":"A-U","phase":"full"}"#);
        let row = row.unwrap();
        assert_eq!(row.inst_type.unwrap().as_str(), "MOON");
        assert_eq!((row.ts, unknowns), (None, Unknowns { fields: 1, values: 1 }));
    }

    #[test]
    fn an_odd_number_refuses_the_row_with_its_value() {
        let (row, _) = read(r#"{"instId":"A-U","last":"83x9"}"#);
        assert_eq!(row.unwrap_err(), r#"last is "83x9": not a plain decimal number"#);
        assert_eq!(read("{}").0.unwrap_err(), "a ticker without fields");
    }
}
