//! The book channels: one row is a snapshot or a change of one instrument's book.
//!
//! ```json
//! {"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"update","data":[{
//!  "asks":[["83729.6","70.03","0","4"]],"bids":[["83723.6","0","0","0"]],
//!  "ts":"1791369352001","checksum":0,"seqId":344430849237,"prevSeqId":344430848984}]}
//! ```
//! A level is `[price, quantity, "0" (deprecated), orders]`, or on `books-rpi`
//! `[price, total, not retail, orders]`, of spreads `[price, quantity, orders]` with prices that
//! may be negative. Quantities replace; zero removes. Real frames put `seqId`
//! before `prevSeqId` (captured 2025-12 to 2026-07), the documentation the other way round.
//! `checksum` is 0 since 2026-06-23 and may be absent. Whether the row may touch the book is
//! `crate::follow`'s business. Start at [`decode`].

use super::BookForm;
use super::read::{self, Unknowns};
use crate::json::{Kind, Raw};
use market_data_model::{Decimal, Level, Nanos, Px, Qty};

/// One row, with room to be reused.
#[derive(Clone, Debug, Default)]
pub struct BookRow {
    /// Levels in the order sent.
    pub asks: Vec<Level>,
    /// Levels in the order sent.
    pub bids: Vec<Level>,
    /// The venue's time; `None` when missing or zero.
    pub ts: Option<Nanos>,
    /// The id of the resulting book.
    pub seq: Option<i64>,
    /// The id it follows.
    pub prev: Option<i64>,
    /// CRC-32 as a signed number; `None` when absent.
    pub checksum: Option<i32>,
    /// Levels that could not be read, in words: the book cannot be trusted after this row.
    pub odd: Option<String>,
}

impl BookRow {
    /// Forgets the row, keeps the memory.
    pub fn clear(&mut self) {
        self.asks.clear();
        self.bids.clear();
        (self.ts, self.seq, self.prev) = (None, None, None);
        (self.checksum, self.odd) = (None, None);
    }
}

/// Reads one row into `out`. What cannot be read is said in `out.odd`.
pub fn decode(row: Raw<'_>, form: BookForm, out: &mut BookRow, unknowns: &mut Unknowns) {
    out.clear();
    let (mut asks, mut bids) = (false, false);
    for (name, value) in row.fields() {
        match &*name {
            "asks" => asks = levels(value, form, &mut out.asks, &mut out.odd),
            "bids" => bids = levels(value, form, &mut out.bids, &mut out.odd),
            "ts" => out.ts = read::time(value),
            "seqId" => out.seq = id(&name, value, &mut out.odd),
            "prevSeqId" => out.prev = id(&name, value, &mut out.odd),
            "checksum" => out.checksum = value.integer().and_then(|c| i32::try_from(c).ok()),
            "instId" => {}
            _ => unknowns.fields += 1,
        }
    }
    if !(asks && bids) {
        out.odd.get_or_insert_with(|| "asks or bids are missing".into());
    }
}

fn id(name: &str, value: Raw<'_>, odd: &mut Option<String>) -> Option<i64> {
    let id = value.integer();
    if id.is_none() {
        odd.get_or_insert_with(|| format!("{name} is {}: not a whole number", value.as_str()));
    }
    id
}

fn levels(side: Raw<'_>, form: BookForm, out: &mut Vec<Level>, odd: &mut Option<String>) -> bool {
    if side.kind() != Kind::Array {
        odd.get_or_insert_with(|| format!("levels are {}: not an array", side.as_str()));
        return true;
    }
    for raw in side.items() {
        match level(raw, form) {
            Ok(level) => out.push(level),
            Err(why) => {
                odd.get_or_insert_with(|| format!("level {}: {why}", raw.as_str()));
            }
        }
    }
    true
}

fn level(raw: Raw<'_>, form: BookForm) -> Result<Level, String> {
    let mut cells = raw.items();
    let mut next = |name: &str| cells.next().ok_or_else(|| format!("{name} is missing"));
    let px = read::required("price", read::number("price", next("price")?)?)?;
    let qty = read::required("quantity", read::number("quantity", next("quantity")?)?)?;
    let mut non_rpi = Decimal::NONE;
    if !form.spread {
        let third = next("third element")?;
        if form.rpi {
            let name = "non-RPI quantity";
            non_rpi = read::required(name, read::number(name, third)?)?;
        }
    }
    let orders = read::whole("orders", next("orders")?)?;
    let orders = u32::try_from(orders).map_err(|_| format!("orders is {orders}: too large"))?;
    if qty.is_negative() || (px.is_negative() && !form.spread) {
        return Err("negative".into());
    }
    Ok(Level { px: Px(px), qty: Qty(qty), non_rpi: Qty(non_rpi), orders })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    const FORM: BookForm = BookForm { depth: 400, incremental: true, ..BookForm::WHOLE };

    fn read(text: &str, form: BookForm) -> (BookRow, Unknowns) {
        let (mut row, mut unknowns) = (BookRow::default(), Unknowns::default());
        decode(json::parse(text.as_bytes()).unwrap(), form, &mut row, &mut unknowns);
        (row, unknowns)
    }

    #[test]
    fn both_orders_of_ids_and_an_absent_checksum() {
        for text in [
            r#"{"asks":[["1.10","2","0","70000"]],"bids":[],"ts":"5","checksum":0,"prevSeqId":1,"seqId":2}"#,
            r#"{"seqId":2,"prevSeqId":1,"ts":"5","bids":[],"asks":[["1.10","2","0","70000"]]}"#,
        ] {
            let (row, unknowns) = read(text, FORM);
            assert_eq!((row.prev, row.seq, row.odd), (Some(1), Some(2), None));
            assert_eq!((row.asks[0].px.to_string().as_str(), row.asks[0].orders), ("1.10", 70000));
            assert_eq!(unknowns, Unknowns::default());
        }
    }

    #[test]
    fn the_third_element_is_a_quantity_only_on_books_rpi() {
        let text = r#"{"asks":[["1","5","3","2"]],"bids":[],"seqId":1,"prevSeqId":-1}"#;
        assert_eq!(read(text, FORM).0.asks[0].non_rpi.0.some(), None);
        let rpi = read(text, BookForm { rpi: true, ..FORM }).0;
        assert_eq!(rpi.asks[0].non_rpi.to_string(), "3");
    }

    #[test]
    fn levels_of_spreads_have_three_elements_and_may_be_negative() {
        let form = BookForm { spread: true, ..FORM };
        let text = r#"{"asks":[["-8.8","1.8922","1"]],"bids":[["-78.9","0.4353","70000"]],"ts":"5","checksum":-1285595583,"prevSeqId":-1,"seqId":1724294007352168320}"#;
        let (row, unknowns) = read(text, form);
        assert_eq!((row.odd, row.seq), (None, Some(1_724_294_007_352_168_320)));
        assert_eq!((row.asks[0].px.to_string().as_str(), row.bids[0].orders), ("-8.8", 70_000));
        assert_eq!((row.checksum, unknowns), (Some(-1_285_595_583), Unknowns::default()));
        assert!(read(text, FORM).0.odd.is_some());
    }

    #[test]
    fn one_odd_level_is_said_and_its_neighbours_are_kept() {
        let text = r#"{"asks":[["83x9","1","0","1"],["2","1","0","1"]],"bids":[],"seqId":1}"#;
        let (row, _) = read(text, FORM);
        assert_eq!(row.asks.len(), 1);
        assert!(row.odd.unwrap().contains("83x9"));
        assert!(read(r#"{"asks":[]}"#, FORM).0.odd.is_some());
        assert!(read(r#"{"asks":{},"bids":[]}"#, FORM).0.odd.is_some());
    }
}
