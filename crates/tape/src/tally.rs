//! How many records of each feed, between which times.
//!
//! The writer keeps one a block, a segment and a stretch of loss. At most [`FEEDS_MAX`] feeds are
//! kept apart; the rest are counted as [`ALL_FEEDS`], so memory is bounded.

use crate::limits::FEEDS_MAX;
use crate::record::ALL_FEEDS;
use market_data_model::{FeedId, Nanos};

/// The records of one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedRange {
    /// Which feed; [`ALL_FEEDS`] for what concerns no single one.
    pub feed: FeedId,
    /// How many records.
    pub records: u64,
    /// How many bytes of payload.
    pub bytes: u64,
    /// The earliest time.
    pub min_ts: Nanos,
    /// The latest time.
    pub max_ts: Nanos,
}

impl FeedRange {
    fn join(&mut self, other: &FeedRange) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.min_ts = self.min_ts.min(other.min_ts);
        self.max_ts = self.max_ts.max(other.max_ts);
    }
}

/// Ranges sorted by feed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    rows: Vec<FeedRange>,
    /// Where the feed of the last record is: records come in runs.
    last: usize,
}

impl Tally {
    #[inline]
    pub(crate) fn add(&mut self, feed: FeedId, ts: Nanos, bytes: usize) {
        let bytes = bytes as u64;
        self.join(&FeedRange { feed, records: 1, bytes, min_ts: ts, max_ts: ts });
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        other.rows.iter().for_each(|row| self.join(row));
    }

    #[inline]
    pub(crate) fn join(&mut self, row: &FeedRange) {
        match self.rows.get_mut(self.last) {
            Some(mine) if mine.feed == row.feed => mine.join(row),
            _ => self.join_another(*row),
        }
    }

    fn join_another(&mut self, mut row: FeedRange) {
        let mut place = self.rows.binary_search_by_key(&row.feed, |mine| mine.feed);
        if place.is_err() && row.feed != ALL_FEEDS && self.rows.len() >= FEEDS_MAX {
            row.feed = ALL_FEEDS;
            place = self.rows.binary_search_by_key(&row.feed, |mine| mine.feed);
        }
        match place {
            Ok(at) => {
                self.rows[at].join(&row);
                self.last = at;
            }
            Err(at) => {
                self.rows.insert(at, row);
                self.last = at;
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.last = 0;
    }

    pub(crate) fn rows(&self) -> &[FeedRange] {
        &self.rows
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn records(&self) -> u64 {
        self.rows.iter().map(|row| row.records).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_feeds_are_counted_together() {
        let mut tally = Tally::default();
        for feed in 0..FEEDS_MAX as u32 + 10 {
            tally.add(FeedId(feed), Nanos(feed.into()), 1);
        }
        assert_eq!(tally.rows().len(), FEEDS_MAX + 1);
        assert_eq!(tally.records(), FEEDS_MAX as u64 + 10);
        assert_eq!(tally.rows().last().map(|row| (row.feed, row.records)), Some((ALL_FEEDS, 10)));
    }
}
