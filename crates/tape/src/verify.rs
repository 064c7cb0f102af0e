//! Reads a whole tape and says what is wrong with it.
//!
//! `market-data verify` calls it. It checks every sum, every record number, that every record can
//! be decoded, and that the times of a feed never step back. What the frames mean is checked
//! elsewhere, by running them again.
//!
//! Invariant: findings are handed on as they are found; memory does not grow with the tape.

use crate::reader::{Damage, Item, Range, ReadError, Tape};
use crate::record::{Entry, Lost, kind};
use crate::tally::{FeedRange, Tally};
use market_data_model::{FeedId, Nanos};
use std::collections::BTreeMap;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The tape is not as it was written.
    Damage(Damage),
    /// The recorder lost records and says so. Its own fault, honestly told.
    Lost {
        /// Whose records; [`ALL_FEEDS`](crate::ALL_FEEDS) when not known.
        feed: FeedId,
        /// Number of the record that says so.
        ordinal: u64,
        /// What it says.
        lost: Lost,
    },
    /// A record's payload is not what its kind says.
    Undecodable {
        /// Its number.
        ordinal: u64,
        /// Why.
        why: crate::DecodeError,
    },
    /// Within one feed, time went back.
    TimeBack {
        /// Which feed.
        feed: FeedId,
        /// Number of the record.
        ordinal: u64,
        /// Its time.
        ts: Nanos,
        /// The time before it.
        before: Nanos,
    },
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segment files.
    pub segments: u64,
    /// Segment files that were not closed: being written, or left by a crash.
    pub unclosed: u64,
    /// Blocks.
    pub blocks: u64,
    /// Records.
    pub records: u64,
    /// Bytes on disk.
    pub stored_bytes: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// Findings handed on.
    pub findings: u64,
    /// By feed.
    pub feeds: Vec<FeedRange>,
}

/// Reads everything and hands each finding to `found`.
///
/// # Errors
/// [`ReadError`] when the file system fails.
pub fn verify(tape: &Tape, found: impl FnMut(Finding)) -> Result<Verified, ReadError> {
    verify_watched(tape, found, |_, _| true)
}

/// The same; `watch` is told the bytes and records that are behind after each record, and ends it
/// by saying no: what is returned is then of the part that was read.
///
/// # Errors
/// [`ReadError`] when the file system fails.
pub fn verify_watched(
    tape: &Tape,
    mut found: impl FnMut(Finding),
    mut watch: impl FnMut(u64, u64) -> bool,
) -> Result<Verified, ReadError> {
    let mut verified = Verified {
        segments: tape.segments().len() as u64,
        unclosed: tape.segments().iter().filter(|s| s.footer.is_none()).count() as u64,
        stored_bytes: tape.segments().iter().map(|s| s.bytes).sum(),
        ..Verified::default()
    };
    let mut findings = 0;
    let mut tell = |finding| {
        findings += 1;
        found(finding);
    };
    let mut tally = Tally::default();
    let mut clocks = BTreeMap::new();
    let mut records = tape.records(Range::ALL);
    while let Some(item) = records.read()? {
        let record = match item {
            Item::Damage(damage) => {
                tell(Finding::Damage(damage));
                continue;
            }
            Item::Record(record) => record,
        };
        verified.records += 1;
        tally.add(record.feed, record.ts, record.payload.len());
        match record.entry() {
            Ok(Entry::Lost(lost)) => {
                tell(Finding::Lost { feed: record.feed, ordinal: record.ordinal, lost });
            }
            Ok(_) => {}
            Err(why) => tell(Finding::Undecodable { ordinal: record.ordinal, why }),
        }
        // A feed that is made anew may be on a clock that was set back. Remarks keep no time.
        if record.kind == kind::FEED_START {
            clocks.remove(&record.feed);
        }
        if record.is_input() && clocks.len() < crate::limits::FEEDS_MAX {
            let before = clocks.insert(record.feed, record.ts).unwrap_or(record.ts);
            if record.ts < before {
                let (feed, ordinal, ts) = (record.feed, record.ordinal, record.ts);
                tell(Finding::TimeBack { feed, ordinal, ts, before });
            }
        }
        if !watch(records.bytes(), verified.records) {
            break;
        }
    }
    verified.blocks = records.blocks();
    verified.bytes = tally.bytes();
    verified.feeds = tally.rows().to_vec();
    verified.findings = findings;
    Ok(verified)
}
