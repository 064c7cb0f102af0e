//! What a damaged frame still says to a strict reader: the oracle's own reading of frames that the
//! simulator mangled and therefore gives no truth for.
//!
//! The judge asks it what a feed may have taken from such a frame: rows that are whole, or a book
//! row of which nothing that matters is broken (a bad time stamp does not spoil a book). It shares
//! no code with the decoder or with `model::Book`.
//!
//! Start at [`read`].

use super::json::Json;
use super::manners;
use super::rows;
use market_data_sim::{Truth, TruthBook, TruthLevel};

/// The readable part of a damaged data frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// The frame's channel.
    pub channel: String,
    /// The frame's instrument or kind.
    pub key: String,
    /// Names and texts per row, for channels that are not books.
    pub rows: Vec<Vec<(String, String)>>,
    /// The book row, for book channels, if its levels are all readable.
    pub book: Option<BookRow>,
}

/// A readable book row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookRow {
    whole: bool,
    seq: Option<i64>,
    prev: Option<i64>,
    bids: Vec<TruthLevel>,
    asks: Vec<TruthLevel>,
}

/// Reads what is left of a frame; `None` when it is no JSON, or no data.
pub fn read(text: &str) -> Option<Remains> {
    let json = Json::parse(text)?;
    let arg = json.get("arg")?;
    let data = json.get("data")?.list();
    let channel = arg.text("channel").to_owned();
    let mut remains =
        Remains { key: manners::narrowest(arg).to_owned(), rows: Vec::new(), book: None, channel };
    if rows::is_book(&remains.channel) {
        let whole = rows::is_whole(&remains.channel) || json.text("action") == "snapshot";
        let cells = if remains.channel.starts_with("sprd-") { 3 } else { 4 };
        remains.book = data.first().and_then(|row| book_row(row, whole, cells));
    } else {
        let of = |row: &Json| rows::unfold(&remains.channel, named(&remains.channel, row));
        remains.rows = data.iter().flat_map(of).collect();
    }
    Some(remains)
}

fn named(channel: &str, row: &Json) -> Vec<(String, String)> {
    let cell = |value: &Json| match value {
        Json::List(_) | Json::Object(_) if channel != "instruments" => String::new(),
        other => other.plain(),
    };
    let each = rows::each(channel);
    let whole = |name: &str, value: &Json| match each {
        Some(each) if each == name => value.plain(),
        _ => cell(value),
    };
    match row {
        Json::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), whole(k, v))).collect(),
        Json::List(cells) => {
            let names = rows::bar_columns(channel).iter();
            names.zip(cells).map(|(name, v)| ((*name).to_owned(), cell(v))).collect()
        }
        _ => Vec::new(),
    }
}

fn book_row(row: &Json, whole: bool, cells: usize) -> Option<BookRow> {
    let levels = |list: &[Json]| list.iter().map(|cell| level(cell, cells)).collect();
    let side = |name: &str| -> Option<Vec<_>> { levels(row.get(name)?.list()) };
    let id = |name: &str| match row.get(name) {
        Some(Json::Number(text)) => text.parse().ok(),
        _ => None,
    };
    Some(BookRow {
        whole,
        seq: id("seqId"),
        prev: id("prevSeqId"),
        bids: side("bids")?,
        asks: side("asks")?,
    })
}

/// A level of so many cells: price, size, something between, and the number of orders.
fn level(level: &Json, cells: usize) -> Option<TruthLevel> {
    let (px, sz, orders) = match level.list() {
        [Json::Text(px), Json::Text(sz), Json::Text(third), Json::Text(orders)] if cells == 4 => {
            price(third)?;
            (px, sz, orders)
        }
        [Json::Text(px), Json::Text(sz), Json::Text(orders)] if cells == 3 => (px, sz, orders),
        _ => return None,
    };
    price(px)?;
    price(sz)?;
    Some(TruthLevel { px: px.clone(), sz: sz.clone(), orders: orders.parse().ok()? })
}

/// A decimal text as a whole number of 10^-18, to compare prices.
fn price(text: &str) -> Option<i128> {
    if let Some(text) = text.strip_prefix('-').filter(|text| !text.starts_with('-')) {
        return price(text).map(|number| -number);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 18 {
        return None;
    }
    format!("{whole}{fraction:0<18}").parse().ok()
}

impl BookRow {
    /// Whether it is a whole book.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The book that follows if the row is taken; `None` when it cannot be taken after `base`.
    pub fn after(&self, base: Option<&Truth>) -> Option<TruthBook> {
        if self.whole {
            let book = TruthBook {
                seq: self.seq.unwrap_or(0),
                bids: self.bids.clone(),
                asks: self.asks.clone(),
            };
            return Some(book);
        }
        let mut book = base?.book.clone()?;
        if self.prev != Some(book.seq) {
            return None;
        }
        book.seq = self.seq?;
        self.bids.iter().for_each(|l| put(&mut book.bids, l, |held, new| held > new));
        self.asks.iter().for_each(|l| put(&mut book.asks, l, |held, new| held < new));
        Some(book)
    }
}

fn put(levels: &mut Vec<TruthLevel>, level: &TruthLevel, better: fn(i128, i128) -> bool) {
    let Some(new) = price(&level.px) else { return };
    let held = |l: &TruthLevel| price(&l.px).unwrap_or_default();
    let at = levels.iter().take_while(|l| better(held(l), new)).count();
    if levels.get(at).is_some_and(|l| held(l) == new) {
        levels.remove(at);
    }
    if price(&level.sz) != Some(0) {
        levels.insert(at, level.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(book: TruthBook) -> Truth {
        Truth { channel: "books".into(), inst_id: "X".into(), rows: vec![], book: Some(book) }
    }

    #[test]
    fn a_bad_time_does_not_spoil_a_book_row() {
        let snapshot = r#"{"arg":{"channel":"books","instId":"X"},"action":"snapshot","data":[{
            "asks":[["2","1","0","1"],["3.5","1","0","1"]],"bids":[],"ts":["1"],"seqId":5,"prevSeqId":-1}]}"#;
        let base = read(snapshot).unwrap().book.unwrap().after(None).unwrap();
        let update = r#"{"arg":{"channel":"books","instId":"X"},"action":"update","data":[{
            "asks":[["2","0","0","0"],["3","4","0","1"]],"bids":[["1","1","0","1"]],"ts":"x1",
            "seqId":9,"prevSeqId":5}]}"#;
        let row = read(update).unwrap().book.unwrap();
        let after = row.after(Some(&truth(base))).unwrap();
        let text: Vec<_> = after.asks.iter().map(|l| l.px.as_str()).collect();
        assert_eq!((after.seq, text, after.bids.len()), (9, vec!["3", "3.5"], 1));
        assert_eq!(row.after(None), None);
        assert_eq!(read(&update.replace("\"3\"", "\"3x\"")).unwrap().book, None);
        assert_eq!(read("{\u{1}"), None);
    }

    #[test]
    fn bars_get_their_columns() {
        let text = r#"{"arg":{"channel":"candle1m","instId":"X"},"data":[["5","1","2","1","2"]]}"#;
        let remains = read(text).unwrap();
        assert_eq!(remains.rows[0][4], ("c".to_owned(), "2".to_owned()));
    }
}
