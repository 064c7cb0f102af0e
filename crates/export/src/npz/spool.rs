//! The events of one npz file, sorted twice with bounded memory.
//!
//! A backtest sees events in two orders: by the venue's time, as its matching engine did, and by
//! the time of receipt, as we did. Neither order is the order of arrival, and a day of one
//! instrument may not fit the memory. So what waits is now and then written as one run, sorted by
//! one time in one file and by the other in a second; at the end the runs are merged.
//!
//! Invariants: at one time trades come before levels, and otherwise what arrived first comes
//! first; merging holds one small buffer a run.

use crate::error::ExportError;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

/// Bytes of an item in a file.
const BYTES: usize = 48;
/// Items that a merge reads at once from each run.
const AHEAD: usize = 512;

/// One event, once: what the two orders share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// Flags of hftbacktest without those that say whose order this is.
    pub ev: u64,
    /// The venue's time, nanoseconds.
    pub exch_ts: i64,
    /// Our time, nanoseconds.
    pub local_ts: i64,
    /// Price.
    pub px: f64,
    /// Quantity.
    pub qty: f64,
    /// Counts up as events arrive.
    pub number: u64,
}

/// Which of the two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The venue's.
    Exch,
    /// Ours.
    Local,
}

/// What items are sorted by.
pub type Key = (i64, bool, u64);

impl Item {
    /// What it is sorted by.
    pub fn key(&self, order: Order) -> Key {
        let ts = match order {
            Order::Exch => self.exch_ts,
            Order::Local => self.local_ts,
        };
        (ts, self.ev & 0xff != super::TRADE, self.number)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let words = [self.ev, self.exch_ts as u64, self.local_ts as u64];
        let rest = [self.px.to_bits(), self.qty.to_bits(), self.number];
        for word in words.into_iter().chain(rest) {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn read(bytes: &[u8]) -> Option<Item> {
        let word = |i: usize| {
            let bytes = bytes.get(8 * i..8 * i + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        Some(Item {
            ev: word(0)?,
            exch_ts: word(1)? as i64,
            local_ts: word(2)? as i64,
            px: f64::from_bits(word(3)?),
            qty: f64::from_bits(word(4)?),
            number: word(5)?,
        })
    }
}

/// See the file's first comment.
pub struct Spool {
    places: [PathBuf; 2],
    items: Vec<Item>,
    /// Lengths of the runs written, in items.
    runs: Vec<u64>,
    count: u64,
    /// The least difference of the two times, nanoseconds.
    latency_min: i64,
}

impl Spool {
    /// An empty one that may use these two files.
    pub fn new(places: [PathBuf; 2]) -> Spool {
        Spool { places, items: Vec::new(), runs: Vec::new(), count: 0, latency_min: i64::MAX }
    }

    /// Appends an event; its number is set here.
    pub fn push(&mut self, item: Item) {
        self.latency_min = self.latency_min.min(item.local_ts.saturating_sub(item.exch_ts));
        self.items.push(Item { number: self.count, ..item });
        self.count += 1;
    }

    /// Events in memory.
    pub fn waiting(&self) -> usize {
        self.items.len()
    }

    /// By how much our times must be moved so that nothing is received before it happened.
    pub fn shift(&self) -> u64 {
        self.latency_min.min(0).unsigned_abs()
    }

    /// Writes what is in memory as a run.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn spill(&mut self) -> Result<(), ExportError> {
        if self.items.is_empty() {
            return Ok(());
        }
        for (place, order) in self.places.iter().zip([Order::Exch, Order::Local]) {
            self.items.sort_unstable_by_key(|item| item.key(order));
            let mut bytes = Vec::with_capacity(self.items.len() * BYTES);
            self.items.iter().for_each(|item| item.write(&mut bytes));
            let opened = OpenOptions::new().append(true).create(true).open(place);
            opened.and_then(|mut f| f.write_all(&bytes)).map_err(ExportError::io(place))?;
        }
        self.runs.push(self.items.len() as u64);
        self.items = Vec::new();
        Ok(())
    }

    /// All events in one order.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn sorted(&self, order: Order) -> Result<Sorted, ExportError> {
        let mut last = self.items.clone();
        last.sort_unstable_by_key(|item| Reverse(item.key(order)));
        let mut runs = vec![Run { rest: 0, at: 0, items: last }];
        let place = &self.places[usize::from(order == Order::Local)];
        let mut file = None;
        let mut at = 0;
        if !self.runs.is_empty() {
            file = Some(File::open(place).map_err(ExportError::io(place))?);
        }
        for length in &self.runs {
            runs.push(Run { rest: *length, at, items: Vec::new() });
            at += length * BYTES as u64;
        }
        let mut sorted =
            Sorted { order, file, place: place.clone(), runs, heads: BinaryHeap::new() };
        for run in 0..sorted.runs.len() {
            sorted.pull(run)?;
        }
        Ok(sorted)
    }

    /// Takes the files away.
    pub fn remove(self) {
        for place in self.places.iter().filter(|_| !self.runs.is_empty()) {
            // It is in a directory that is taken away at the end anyway.
            let _ = std::fs::remove_file(place);
        }
    }
}

struct Run {
    /// Items not read yet.
    rest: u64,
    /// Where they begin.
    at: u64,
    /// Items read, last first.
    items: Vec<Item>,
}

struct Head(Key, usize, Item);

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Head) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// The events of a [`Spool`] in one order.
pub struct Sorted {
    order: Order,
    file: Option<File>,
    place: PathBuf,
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<Head>>,
}

impl Sorted {
    /// The next event.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn next(&mut self) -> Result<Option<Item>, ExportError> {
        let Some(Reverse(Head(_, run, item))) = self.heads.pop() else { return Ok(None) };
        self.pull(run)?;
        Ok(Some(item))
    }

    /// Puts the next item of a run among the heads.
    fn pull(&mut self, index: usize) -> Result<(), ExportError> {
        let run = &mut self.runs[index];
        if run.items.is_empty()
            && run.rest > 0
            && let Some(file) = &mut self.file
        {
            read_ahead(run, file).map_err(ExportError::io(&self.place))?;
        }
        if let Some(item) = run.items.pop() {
            self.heads.push(Reverse(Head(item.key(self.order), index, item)));
        }
        Ok(())
    }
}

fn read_ahead(run: &mut Run, file: &mut File) -> io::Result<()> {
    let count = run.rest.min(AHEAD as u64);
    let mut bytes = vec![0; count as usize * BYTES];
    file.seek(SeekFrom::Start(run.at))?;
    file.read_exact(&mut bytes)?;
    run.items.extend(bytes.chunks_exact(BYTES).filter_map(Item::read).rev());
    run.rest -= count;
    run.at += bytes.len() as u64;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_on_the_disk_change_nothing(
            rows in prop::collection::vec((0i64..50, 0i64..50, 1u64..3), 0..2000),
            spill in 1usize..700,
        ) {
            let home = tempfile::tempdir().unwrap();
            let mut spool = Spool::new([home.path().join("a"), home.path().join("b")]);
            let mut all = Vec::new();
            for (i, (exch_ts, local_ts, ev)) in rows.into_iter().enumerate() {
                let (number, px) = (i as u64, i as f64);
                let item = Item { ev, exch_ts, local_ts, px, qty: 1.0, number };
                all.push(item);
                spool.push(item);
                if spool.waiting() >= spill {
                    spool.spill().unwrap();
                }
            }
            for order in [Order::Exch, Order::Local] {
                all.sort_by_key(|item| item.key(order));
                let mut sorted = spool.sorted(order).unwrap();
                let mut got = Vec::new();
                while let Some(item) = sorted.next().unwrap() {
                    got.push(item);
                }
                prop_assert_eq!(&got, &all);
            }
            let least = all.iter().map(|item| item.local_ts - item.exch_ts).min().unwrap_or(0);
            prop_assert_eq!(spool.shift(), least.min(0).unsigned_abs());
        }
    }
}
