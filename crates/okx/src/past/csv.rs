//! One daily file of trades, line by line: a header that is mapped by its names, and strict rows.
//!
//! ```csv
//! instrument_name,trade_id,side,price,size,created_time,source
//! BTC-USD-260901-74000-P,485,buy,0.0001,15.0,1788208540365,0
//! ```
//!
//! Seen by others until 2025 (no instrument, other order, Chinese beside the names, in GBK):
//! `trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/成交时间`. What stands before the
//! slash is what counts here, so no bytes of GBK are ever read. `source` came in 2026.
//!
//! Numbers keep their text (`15.0` where REST has `15`); those with an exponent are written out.
//!
//! Invariants: any bytes may be handed in, in pieces of any length; a row that is not understood
//! refuses the whole file; memory is bounded by [`LINE_MAX`].

use super::Differing;
use market_data_model::{Aggressor, Decimal, FilledFrom, Nanos, Px, Qty, Tiny, Trade};

/// Longest line; OKX's are about 80 bytes.
const LINE_MAX: usize = 1_024;
/// Most columns of a header.
const COLUMNS_MAX: usize = 32;
/// Longest piece of a bad line that is shown.
const SHOWN_MAX: usize = 120;

/// What was counted in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsvCounts {
    /// Rows of the instrument and the day.
    pub rows: u64,
    /// Rows of other instruments: files of families hold them all.
    pub others: u64,
    /// Rows of another day.
    pub outside: u64,
    /// Rows whose id is below that of the row before.
    pub unordered: u64,
}

/// Where each column is.
#[derive(Clone, Copy, Debug)]
struct Columns {
    all: usize,
    inst_id: Option<usize>,
    id: usize,
    side: usize,
    px: usize,
    qty: usize,
    ts: usize,
    source: Option<usize>,
}

/// See the file's first comment.
#[derive(Clone, Debug)]
pub struct TradesCsv {
    inst_id: String,
    span_ms: (u64, u64),
    /// Whether the file is of this instrument alone, so that no column need say so.
    alone: bool,
    columns: Option<Columns>,
    line: Vec<u8>,
    lines: u64,
    last_id: u64,
    counts: CsvCounts,
}

/// A row: the venue's time, and the trade.
pub type CsvRow = (Nanos, Trade);

impl TradesCsv {
    /// A reader of the file `name` for an instrument; rows from the first millisecond to the
    /// other, which is not included, count.
    pub fn new(name: &str, inst_id: &str, span_ms: (u64, u64)) -> TradesCsv {
        TradesCsv {
            inst_id: inst_id.to_owned(),
            span_ms,
            alone: name.starts_with(&format!("{inst_id}-trades-")),
            columns: None,
            line: Vec::new(),
            lines: 0,
            last_id: 0,
            counts: CsvCounts::default(),
        }
    }

    /// The next bytes; rows that count go to `each`, which may refuse them.
    ///
    /// # Errors
    /// In words, with the line, when the file cannot be trusted.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(CsvRow) -> Result<(), String>,
    ) -> Result<(), String> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > LINE_MAX {
                let (line, shown) = (self.lines + 1, shown(piece));
                return Err(format!("line {line} is longer than {LINE_MAX} bytes: {shown}"));
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.whole(each)?;
            }
        }
        Ok(())
    }

    /// The end of the file.
    ///
    /// # Errors
    /// As of [`TradesCsv::feed`], and when there was no header.
    pub fn end(
        mut self,
        each: &mut impl FnMut(CsvRow) -> Result<(), String>,
    ) -> Result<CsvCounts, String> {
        if !self.line.is_empty() {
            self.whole(each)?;
        }
        if self.columns.is_none() {
            return Err("it is empty".to_owned());
        }
        Ok(self.counts)
    }

    fn whole(&mut self, each: &mut impl FnMut(CsvRow) -> Result<(), String>) -> Result<(), String> {
        let mut line = std::mem::take(&mut self.line);
        self.lines += 1;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let done = match self.columns {
            None => {
                self.columns = Some(self.header(text)?);
                Ok(())
            }
            Some(_) if text.is_empty() => Ok(()),
            Some(columns) => match self.row(text, &columns) {
                Ok(Some(row)) => each(row),
                Ok(None) => Ok(()),
                Err(why) => Err(format!("line {}: {why}: {}", self.lines, shown(text))),
            },
        };
        line.clear();
        self.line = line;
        done
    }

    fn header(&self, text: &[u8]) -> Result<Columns, String> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let found = |why: &str| format!("{why} in its header: {}", shown(text));
        let names: Vec<&[u8]> = text.split(|byte| *byte == b',').take(COLUMNS_MAX + 1).collect();
        let at = |name: &str| {
            let is =
                |cell: &&[u8]| cell.split(|byte| *byte == b'/').next() == Some(name.as_bytes());
            let mut places = names.iter().enumerate().filter(|(_, cell)| is(cell));
            let first = places.next().map(|(at, _)| at);
            if places.next().is_some() {
                return Err(found(&format!("there are two columns {name}")));
            }
            Ok(first)
        };
        let need =
            |name: &str| at(name)?.ok_or_else(|| found(&format!("there is no column {name}")));
        if names.len() > COLUMNS_MAX {
            return Err(found("there are too many columns"));
        }
        let columns = Columns {
            all: names.len(),
            id: need("trade_id")?,
            side: need("side")?,
            px: need("price")?,
            qty: need("size")?,
            ts: need("created_time")?,
            inst_id: at("instrument_name")?,
            source: at("source")?,
        };
        if columns.inst_id.is_none() && !self.alone {
            return Err(found("there is no column instrument_name, and the file is a family's"));
        }
        Ok(columns)
    }

    fn row(&mut self, text: &[u8], columns: &Columns) -> Result<Option<CsvRow>, String> {
        let text = std::str::from_utf8(text).map_err(|_| "not text".to_owned())?;
        let mut cells = [""; COLUMNS_MAX];
        let mut count = 0;
        for cell in text.split(',') {
            *cells.get_mut(count).ok_or("too many cells")? = cell;
            count += 1;
        }
        if count != columns.all {
            return Err(format!("{count} cells under {} names", columns.all));
        }
        let whole = |at: usize, name: &str| digits(cells[at]).ok_or(format!("{name} is no number"));
        let number =
            |at: usize, name: &str| decimal(cells[at]).ok_or(format!("{name} is no number"));
        let (trade_id, ms) = (whole(columns.id, "trade_id")?, whole(columns.ts, "created_time")?);
        let (px, qty) = (number(columns.px, "price")?, number(columns.qty, "size")?);
        let aggressor = match cells[columns.side] {
            "buy" => Aggressor::Buyer,
            "sell" => Aggressor::Seller,
            _ => return Err("side is neither buy nor sell".to_owned()),
        };
        let source = match columns.source.map(|at| cells[at]) {
            None | Some("") => None,
            Some(text) => Some(Tiny::new(text).ok_or("source is too long")?),
        };
        if columns.inst_id.is_some_and(|at| cells[at] != self.inst_id) {
            self.counts.others += 1;
            return Ok(None);
        }
        if !(self.span_ms.0..self.span_ms.1).contains(&ms) {
            self.counts.outside += 1;
            return Ok(None);
        }
        self.counts.rows += 1;
        self.counts.unordered += u64::from(trade_id < self.last_id);
        self.last_id = trade_id;
        let trade = Trade {
            trade_id,
            px: Px(px),
            qty: Qty(qty),
            aggressor,
            count: None,
            source,
            seq: None,
            filled: Some(FilledFrom::File),
        };
        Ok(Some((Nanos::from_millis(ms), trade)))
    }
}

/// Digits alone, as a number above 0.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number > 0)
}

/// A number; one with an exponent (`1.2e-05`) is written out, which changes no digit of it.
fn decimal(text: &str) -> Option<Decimal> {
    if let Ok(number) = Decimal::parse(text.as_bytes()) {
        return Some(number);
    }
    let (digits, power) = text.split_once(['e', 'E'])?;
    let number = Decimal::parse(digits.as_bytes()).ok()?;
    let power: i32 = power.parse().ok().filter(|power: &i32| (-36..=36).contains(power))?;
    let (mantissa, scale) = (number.mantissa(), i32::from(number.scale()) - power);
    match u8::try_from(scale) {
        Ok(scale) => Decimal::from_parts(mantissa, scale),
        Err(_) => {
            let more = 10i128.checked_pow(scale.unsigned_abs())?;
            Decimal::from_parts(mantissa.checked_mul(more)?, 0)
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_MAX)]);
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Whether a row of a file and one of REST say the same of one trade: numbers by value, because a
/// file writes `15.0` where REST has `15`.
pub(super) fn same(file: &CsvRow, (ts, rest): &(Option<Nanos>, Trade)) -> Option<Differing> {
    let (at, trade) = file;
    let same = *ts == Some(*at)
        && trade.px.0.cmp_value(rest.px.0).is_eq()
        && trade.qty.0.cmp_value(rest.qty.0).is_eq()
        && trade.aggressor == rest.aggressor;
    (!same).then(|| Differing {
        trade_id: trade.trade_id,
        file: said(Some(*at), trade),
        rest: said(*ts, rest),
    })
}

/// A trade in words.
pub fn said(ts: Option<Nanos>, trade: &Trade) -> String {
    let side = match trade.aggressor {
        Aggressor::Buyer => "buy",
        Aggressor::Seller => "sell",
        Aggressor::Unknown => "?",
    };
    let at = ts.map_or_else(|| "?".to_owned(), |ts| ts.millis().to_string());
    format!("{side} {} @ {} at {at}", trade.qty, trade.px)
}

#[cfg(test)]
mod tests;
