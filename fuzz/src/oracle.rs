//! The venue's book as a naive reader of the same frames sees it: serde_json, text, two maps.
//!
//! It only claims what it is sure of. Where a frame is odd in any way its claim is void until the
//! next plain snapshot; so a claim that differs from a book that can be read is a mistake of ours.
//!
//! Shares no code with the feed, the book or the numbers. Start at [`Oracle::frame`].

use market_data_model::{Book, Side};
use serde_json::Value;
use std::collections::BTreeMap;

/// One side: price without trailing zeros, to its text, quantity and orders as sent.
type Levels = BTreeMap<String, (String, String, String)>;

/// What is known of one book.
#[derive(Clone, Debug, PartialEq)]
enum Claim {
    /// Nothing.
    Void,
    /// It broke: nobody may read it before the next snapshot.
    Broken,
    /// It is this, at this id.
    Is { seq: Option<i64>, bids: Levels, asks: Levels },
}

/// Claims about every book of the frames seen.
#[derive(Default)]
pub struct Oracle {
    claims: BTreeMap<(String, String), Claim>,
}

/// Levels a side, and whether updates follow a snapshot.
fn form(channel: &str) -> Option<(usize, bool)> {
    Some(match channel {
        "books" | "books-l2-tbt" | "books-rpi" => (400, true),
        "books50-l2-tbt" => (50, true),
        "books5" => (5, false),
        "bbo-tbt" => (1, false),
        _ => return None,
    })
}

impl Oracle {
    /// Reads one frame; names the book that it is about.
    pub fn frame(&mut self, bytes: &[u8]) -> Option<(String, String)> {
        let value = match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => value,
            // No JSON at all changes nothing, but we read numbers that serde_json refuses.
            Err(error) if error.to_string().contains("out of range") => return self.doubt(),
            Err(_) => return None,
        };
        // Keys that stand there twice, escapes and spaces change the length: too odd to judge.
        if value.to_string().len() != bytes.len() {
            return self.doubt();
        }
        let (arg, data) = (&value["arg"], &value["data"]);
        let (channel, key) = (arg["channel"].as_str()?, arg["instId"].as_str()?);
        let (form, rows) = (form(channel)?, data.as_array()?);
        if value.get("event").is_some() {
            return None;
        }
        let place = (channel.to_owned(), key.to_owned());
        let claim = self.claims.entry(place.clone()).or_insert(Claim::Void);
        let is_snapshot = !form.1 || value["action"].as_str() == Some("snapshot");
        for row in rows {
            let read = read(row, channel == "books-rpi");
            *claim = match read {
                Some(row) => next(std::mem::replace(claim, Claim::Void), row, is_snapshot, form),
                None => Claim::Void,
            };
        }
        Some(place)
    }

    /// Claims nothing any more.
    fn doubt(&mut self) -> Option<(String, String)> {
        self.claims.clear();
        None
    }

    /// Compares the claim about a book with what can be read.
    pub fn judge(&self, channel: &str, key: &str, book: &Book, seq: Option<i64>) {
        match self.claims.get(&(channel.to_owned(), key.to_owned())) {
            None | Some(Claim::Void) => {}
            Some(Claim::Broken) => panic!("{channel} {key} can be read though it broke"),
            Some(Claim::Is { seq: right, bids, asks }) => {
                assert_eq!(seq, *right, "the id of {channel} {key}");
                assert_eq!(levels(book, Side::Bid), *bids, "bids of {channel} {key}");
                assert_eq!(levels(book, Side::Ask), *asks, "asks of {channel} {key}");
            }
        }
    }
}

struct Row {
    seq: Option<i64>,
    prev: Option<i64>,
    bids: Vec<[String; 4]>,
    asks: Vec<[String; 4]>,
}

fn next(claim: Claim, row: Row, is_snapshot: bool, (depth, incremental): (usize, bool)) -> Claim {
    let (mut bids, mut asks) = (Levels::new(), Levels::new());
    if !is_snapshot {
        let Claim::Is { seq: Some(last), bids: b, asks: a } = claim else { return claim };
        let (Some(prev), Some(seq)) = (row.prev, row.seq) else { return Claim::Void };
        let is_same = Claim::Is { seq: Some(last), bids: b.clone(), asks: a.clone() };
        match (prev == last, seq == last) {
            (false, true) if prev < last => return is_same,
            (true, true) if row.bids.is_empty() && row.asks.is_empty() => return is_same,
            (true, false) => {}
            _ => return Claim::Broken,
        }
        (bids, asks) = (b, a);
    } else if incremental && row.seq.is_none() {
        return Claim::Void;
    }
    apply(&mut bids, row.bids);
    apply(&mut asks, row.asks);
    if bids.len() > depth || asks.len() > depth {
        return Claim::Void;
    }
    Claim::Is { seq: row.seq, bids, asks }
}

fn apply(levels: &mut Levels, changes: Vec<[String; 4]>) {
    for [px, qty, _, orders] in changes {
        let key = value_of(&px);
        if value_of(&qty) == "0" {
            levels.remove(&key);
        } else {
            levels.insert(key, (px, qty, orders));
        }
    }
}

/// A plain row; `None` for anything the least bit odd.
fn read(row: &Value, is_rpi: bool) -> Option<Row> {
    let ids = ["seqId", "prevSeqId"].map(|name| row.get(name).map(Value::as_i64));
    if ids.contains(&Some(None)) || row.get("checksum").is_some_and(|c| c.as_i64() != Some(0)) {
        return None;
    }
    let side = |name: &str| {
        let levels = row[name].as_array()?.iter().map(|level| {
            let cells = level.as_array().filter(|cells| cells.len() == 4)?;
            let text = |n: usize| cells[n].as_str().map(str::to_owned);
            let level = [text(0)?, text(1)?, text(2)?, text(3)?];
            let plain = is_plain(&level[0], 9, 8)
                && is_plain(&level[1], 16, 12)
                && (is_plain(&level[2], 16, 12) || (!is_rpi && level[2].is_empty()))
                && is_plain(&level[3], 9, 0);
            plain.then_some(level)
        });
        levels.collect::<Option<Vec<_>>>()
    };
    Some(Row { seq: ids[0]?, prev: ids[1].flatten(), bids: side("bids")?, asks: side("asks")? })
}

/// Digits without a leading zero, then perhaps a point and digits.
fn is_plain(text: &str, whole_max: usize, decimals_max: usize) -> bool {
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text, None),
    };
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    digits(whole, whole_max)
        && (whole == "0" || !whole.starts_with('0'))
        && decimals.is_none_or(|decimals| digits(decimals, decimals_max))
}

/// The same text for the same value.
fn value_of(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

fn levels(book: &Book, side: Side) -> Levels {
    let level = |l: market_data_model::Level| {
        let (px, qty) = (l.px.to_string(), l.qty.to_string());
        (value_of(&px), (px, qty, l.orders.to_string()))
    };
    book.levels(side).map(level).collect()
}
