//! What frames hold, counted by a plain walk over a JSON tree, to hold every peer against.
//!
//! A peer that returns errors would be fast. So each pass counts what came out, and
//! [`Truth::check`] compares that, and the best prices of every book at the end, before anything
//! is timed. The best prices are those of [`market_data_bench::reference`], which a test of that
//! crate holds against our feed.

use market_data_bench::reference::Reference;
use serde_json::Value;
use std::collections::BTreeMap;

/// The frames of some connections, as text.
pub type Texts<'a> = [Vec<&'a str>];

/// Best bid and best ask in billionths, by connection and instrument.
pub type Best = BTreeMap<(usize, String), (i64, i64)>;

/// How much of each kind there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Trades.
    pub trades: u64,
    /// Rows of incremental books.
    pub changes: u64,
    /// Levels in them, both sides.
    pub levels: u64,
    /// Rows of `tickers`.
    pub tickers: u64,
    /// Rows of `bbo-tbt`.
    pub tops: u64,
    /// Levels of `books5`, both sides.
    pub five: u64,
    /// Bars.
    pub bars: u64,
}

impl Counts {
    /// One number, so that no work can be left out.
    pub fn sum(&self) -> u64 {
        self.trades + self.changes + self.levels + self.tickers + self.tops + self.five + self.bars
    }
}

/// What some frames hold.
#[derive(Debug, Default)]
pub struct Truth {
    /// All of it.
    pub counts: Counts,
    /// Bars that are final.
    pub closed_bars: u64,
    /// Most decimals of a price and of a quantity, by instrument.
    pub decimals: BTreeMap<String, (u8, u8)>,
    /// Where the incremental books end.
    pub best: Best,
}

impl Truth {
    /// Counts.
    pub fn of(streams: &Texts<'_>) -> Truth {
        let mut truth = Truth::default();
        for (stream, frames) in streams.iter().enumerate() {
            let mut reference = Reference::new(true);
            for frame in frames {
                reference.take(frame.as_bytes());
                truth.count(frame);
            }
            // Of `books`; the best of the others are in their frames.
            for (inst_id, book) in &reference.books[0] {
                if let (Some(bid), Some(ask)) = (book.bids.first(), book.asks.first()) {
                    truth.best.insert((stream, inst_id.to_string()), (bid.0, ask.0));
                }
            }
        }
        truth
    }

    /// Compares what a peer decoded.
    ///
    /// # Errors
    /// The text says who, what came out and what should have.
    pub fn check(&self, who: &str, want: Counts, got: Counts, best: &Best) -> Result<(), String> {
        if got != want {
            return Err(format!("{who} decoded\n  {got:?}, but the frames hold\n  {want:?}"));
        }
        match self.best.iter().find(|(key, prices)| best.get(key) != Some(prices)) {
            None => Ok(()),
            Some((key, prices)) => Err(format!(
                "{who} ends with {:?} as best prices of {key:?}; they are {prices:?}",
                best.get(key)
            )),
        }
    }

    fn count(&mut self, frame: &str) {
        let Ok(frame) = serde_json::from_str::<Value>(frame) else { return };
        let channel = frame["arg"]["channel"].as_str().unwrap_or("");
        let inst_id = frame["arg"]["instId"].as_str().unwrap_or("");
        for row in frame["data"].as_array().into_iter().flatten() {
            let levels = self.levels(inst_id, row);
            self.note(inst_id, &row["px"], &row["sz"]);
            self.note(inst_id, &row["bidPx"], &row["bidSz"]);
            self.note(inst_id, &row["askPx"], &row["askSz"]);
            match channel {
                "trades" | "trades-all" => self.counts.trades += 1,
                "tickers" => self.counts.tickers += 1,
                "bbo-tbt" => self.counts.tops += 1,
                "books5" => self.counts.five += levels,
                "books" | "books-l2-tbt" | "books50-l2-tbt" => {
                    self.counts.changes += 1;
                    self.counts.levels += levels;
                }
                name if name.contains("candle") => {
                    let cells = row.as_array().map_or(&[][..], Vec::as_slice);
                    self.counts.bars += 1;
                    self.closed_bars += u64::from(cells.last().is_some_and(|cell| cell == "1"));
                }
                _ => {}
            }
        }
    }

    fn levels(&mut self, inst_id: &str, row: &Value) -> u64 {
        let mut count = 0;
        for level in ["asks", "bids"].iter().filter_map(|side| row[side].as_array()).flatten() {
            self.note(inst_id, &level[0], &level[1]);
            count += 1;
        }
        count
    }

    fn note(&mut self, inst_id: &str, px: &Value, qty: &Value) {
        if !self.decimals.contains_key(inst_id) {
            self.decimals.insert(inst_id.to_owned(), (0, 0));
        }
        let held = self.decimals.get_mut(inst_id).expect("it was put there above");
        *held = (held.0.max(decimals(px)), held.1.max(decimals(qty)));
    }
}

fn decimals(number: &Value) -> u8 {
    let text = number.as_str().unwrap_or("");
    text.split_once('.').map_or(0, |(_, after)| u8::try_from(after.len()).unwrap_or(u8::MAX))
}
