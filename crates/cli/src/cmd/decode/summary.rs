//! What `decode --summary` counts, and its one JSON object.
//!
//! Invariant: the names of the object's fields never change; types of records not seen are 0.

use market_data_okx::FeedStats;
use market_data_okx::channel::flat_kinds;
use serde::Serialize;
use std::collections::BTreeMap;

/// Every `type` a record can have besides those of [`flat_kinds`], so that a missing one reads 0
/// instead of being absent.
const TYPES: [&str; 11] = [
    "ticker",
    "kline",
    "orderbook",
    "orderbook_delta",
    "trade",
    "instrument",
    "gap",
    "session",
    "subscription",
    "fault",
    "raw",
];

/// Counts over all files.
#[derive(Serialize)]
pub struct Summary {
    /// Lines that held a frame.
    pub frames: u64,
    records: BTreeMap<&'static str, u64>,
    faults: u64,
    unknown: Unknown,
    books: Books,
}

#[derive(Serialize, Default)]
struct Unknown {
    channels: u64,
    fields: u64,
    values: u64,
}

#[derive(Serialize, Default)]
struct Books {
    checksum_checked: u64,
    checksum_ok: u64,
    checksum_zero: u64,
    chain_checked: u64,
    chain_ok: u64,
    gaps: u64,
    resets: u64,
    heartbeats: u64,
    snapshots: u64,
    updates: u64,
}

impl Default for Summary {
    fn default() -> Summary {
        Summary {
            frames: 0,
            records: TYPES.into_iter().chain(flat_kinds()).map(|kind| (kind, 0)).collect(),
            faults: 0,
            unknown: Unknown::default(),
            books: Books::default(),
        }
    }
}

impl Summary {
    /// Counts one record.
    pub fn count(&mut self, kind: &'static str) {
        *self.records.entry(kind).or_default() += 1;
    }

    /// Adds what one file's feed has counted.
    pub fn add(&mut self, stats: &FeedStats) {
        self.faults += stats.faults;
        self.unknown.channels += stats.unknown_channels;
        self.unknown.fields += stats.unknown_fields;
        self.unknown.values += stats.unknown_values;
        let (sum, book) = (&mut self.books, &stats.book);
        sum.checksum_checked += book.checksum_checked;
        sum.checksum_ok += book.checksum_ok;
        sum.checksum_zero += book.checksum_zero;
        sum.chain_checked += book.chain_checked;
        sum.chain_ok += book.chain_ok;
        sum.gaps += book.gaps;
        sum.resets += book.resets;
        sum.heartbeats += book.heartbeats;
        sum.snapshots += book.snapshots;
        sum.updates += book.updates;
    }

    /// The object, on one line.
    ///
    /// # Errors
    /// Never in practice: every field is a number.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}
