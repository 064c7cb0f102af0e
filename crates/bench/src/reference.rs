//! What a careful programmer writes first: serde_json into borrowed structs, and a book of two
//! sorted vectors. The figures of the real decoder are read against this one, from the same run.
//!
//! It takes the channel from the first bytes, looks once whether the frame is text and reads the
//! whole of it into the struct of that channel. It checks the chain and nothing else: no odd
//! shapes, no number of decimals kept in books, no events made. Start at [`Reference::take`].

use crate::frames::channel;
use rustc_hash::FxHashMap;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Push<'a, T> {
    #[serde(borrow)]
    arg: Argument<'a>,
    action: Option<&'a str>,
    data: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument<'a> {
    inst_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookRow<'a> {
    #[serde(borrow)]
    asks: Vec<[&'a str; 4]>,
    bids: Vec<[&'a str; 4]>,
    ts: &'a str,
    seq_id: Option<i64>,
    prev_seq_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TradeRow<'a> {
    trade_id: &'a str,
    px: &'a str,
    sz: &'a str,
    side: &'a str,
    ts: &'a str,
    count: Option<&'a str>,
    seq_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TickerRow<'a> {
    last: &'a str,
    last_sz: &'a str,
    ask_px: &'a str,
    ask_sz: &'a str,
    bid_px: &'a str,
    bid_sz: &'a str,
    open24h: &'a str,
    high24h: &'a str,
    low24h: &'a str,
    sod_utc0: &'a str,
    sod_utc8: &'a str,
    vol_ccy24h: &'a str,
    vol24h: &'a str,
    ts: &'a str,
}

/// A number as digits and how many of them stand after the point.
type Number = (i64, u8);

/// One price: key, quantity, its decimals, orders.
pub type Row = (i64, i64, u8, u32);

/// Prices in books are whole billionths.
pub const KEY_DECIMALS: u8 = 9;

fn number(text: &str) -> Number {
    let (mut digits, mut decimals, mut after) = (0i64, 0, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                digits = digits.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
                decimals += after;
            }
            b'.' => after = 1,
            _ => {}
        }
    }
    (digits, decimals)
}

fn whole(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// Two sorted vectors, the best level first.
#[derive(Clone, Debug, Default)]
pub struct SortedBook {
    /// Ascending.
    pub asks: Vec<Row>,
    /// Descending.
    pub bids: Vec<Row>,
    seq: i64,
}

impl SortedBook {
    /// Empties it.
    pub fn clear(&mut self) {
        self.asks.clear();
        self.bids.clear();
    }

    /// Sets one level, or removes it when the quantity is zero.
    pub fn apply(&mut self, is_bid: bool, row: Row) {
        let rows = if is_bid { &mut self.bids } else { &mut self.asks };
        let found = match is_bid {
            true => rows.binary_search_by(|held| row.0.cmp(&held.0)),
            false => rows.binary_search_by(|held| held.0.cmp(&row.0)),
        };
        match (found, row.1) {
            (Ok(at), 0) => drop(rows.remove(at)),
            (Ok(at), _) => rows[at] = row,
            (Err(_), 0) => {}
            (Err(at), _) => rows.insert(at, row),
        }
    }

    /// Drops levels beyond `depth` a side.
    pub fn truncate(&mut self, depth: usize) {
        self.asks.truncate(depth);
        self.bids.truncate(depth);
    }
}

/// The reference decoder with its books.
#[derive(Debug, Default)]
pub struct Reference {
    /// Books by channel and instrument; empty when only decoding.
    pub books: [FxHashMap<Box<str>, SortedBook>; 3],
    with_books: bool,
    asks: Vec<Row>,
    bids: Vec<Row>,
}

impl Reference {
    /// With or without books.
    pub fn new(with_books: bool) -> Reference {
        Reference { with_books, ..Reference::default() }
    }

    /// Takes one frame; the sum is there so that nothing can be left out. Frames of other channels
    /// and shapes give `None`.
    pub fn take(&mut self, frame: &[u8]) -> Option<u64> {
        let name = channel(frame);
        let frame = std::str::from_utf8(frame).ok()?;
        match name {
            "books" | "books-l2-tbt" | "books50-l2-tbt" => self.books(0, 400, frame),
            "books5" => self.books(1, 5, frame),
            "bbo-tbt" => self.books(2, 1, frame),
            "trades" | "trades-all" => trades(frame),
            "tickers" => tickers(frame),
            name if name.contains("candle") => bars(frame),
            _ => None,
        }
    }

    fn books(&mut self, kind: usize, depth: usize, frame: &str) -> Option<u64> {
        let push: Push<'_, BookRow<'_>> = serde_json::from_str(frame).ok()?;
        let mut sum = 0;
        for row in &push.data {
            read_levels(&row.asks, &mut self.asks);
            read_levels(&row.bids, &mut self.bids);
            sum += whole(row.ts) + self.asks.len() as u64 + self.bids.len() as u64;
            sum = self.asks.iter().chain(&self.bids).fold(sum, |s, r| s ^ r.0 as u64 ^ r.1 as u64);
            if self.with_books {
                self.apply((kind, push.arg.inst_id), depth, push.action, row);
            }
        }
        Some(sum)
    }

    fn apply(
        &mut self,
        (kind, inst_id): (usize, &str),
        depth: usize,
        action: Option<&str>,
        row: &BookRow<'_>,
    ) {
        let books = &mut self.books[kind];
        if !books.contains_key(inst_id) {
            books.insert(inst_id.into(), SortedBook::default());
        }
        let Some(book) = books.get_mut(inst_id) else { return };
        if action != Some("update") {
            book.clear();
        } else if row.prev_seq_id.is_some_and(|prev| prev != book.seq) {
            return;
        }
        book.seq = row.seq_id.unwrap_or(0);
        for row in &self.asks {
            book.apply(false, *row);
        }
        for row in &self.bids {
            book.apply(true, *row);
        }
        book.truncate(depth);
    }
}

fn read_levels(from: &[[&str; 4]], to: &mut Vec<Row>) {
    to.clear();
    to.extend(from.iter().map(|[px, qty, _, orders]| {
        let (digits, decimals) = number(px);
        let scale = u32::from(KEY_DECIMALS.saturating_sub(decimals));
        let (qty, qty_decimals) = number(qty);
        (digits.wrapping_mul(10i64.pow(scale)), qty, qty_decimals, whole(orders) as u32)
    }));
}

fn trades(frame: &str) -> Option<u64> {
    let push: Push<'_, TradeRow<'_>> = serde_json::from_str(frame).ok()?;
    let row = |t: &TradeRow<'_>| {
        let (px, qty) = (number(t.px), number(t.sz));
        let buys = u64::from(t.side == "buy");
        px.0 as u64
            ^ qty.0 as u64
            ^ whole(t.trade_id)
            ^ whole(t.ts)
            ^ buys
            ^ t.count.map_or(0, whole)
            ^ t.seq_id.unwrap_or(0) as u64
    };
    Some(push.data.iter().fold(push.arg.inst_id.len() as u64, |s, t| s ^ row(t)))
}

fn tickers(frame: &str) -> Option<u64> {
    let push: Push<'_, TickerRow<'_>> = serde_json::from_str(frame).ok()?;
    let mut sum = 0;
    for t in &push.data {
        for text in [
            t.last,
            t.last_sz,
            t.ask_px,
            t.ask_sz,
            t.bid_px,
            t.bid_sz,
            t.open24h,
            t.high24h,
            t.low24h,
            t.sod_utc0,
            t.sod_utc8,
            t.vol_ccy24h,
            t.vol24h,
        ] {
            sum ^= number(text).0 as u64;
        }
        sum ^= whole(t.ts);
    }
    Some(sum)
}

fn bars(frame: &str) -> Option<u64> {
    let push: Push<'_, Vec<&str>> = serde_json::from_str(frame).ok()?;
    let row = |cells: &Vec<&str>| cells.iter().fold(0, |s, text| s ^ number(text).0 as u64);
    Some(push.data.iter().fold(0, |s, cells| s ^ row(cells)))
}
