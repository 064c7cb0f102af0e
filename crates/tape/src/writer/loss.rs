//! What could not be written, by feed, until it can be told.
//!
//! Invariant: memory does not grow with the loss.

use crate::record::{ALL_FEEDS, Lost};
use crate::tally::{FeedRange, Tally};
use market_data_model::{FeedId, Nanos};

#[derive(Clone, Debug, Default)]
pub(super) struct Losses {
    /// Never reached the disk.
    pub(super) sure: Tally,
    /// Handed to the disk, which then failed.
    pub(super) unsure: Tally,
    /// Lost by a recorder before this one; its number is not known.
    pub(super) unknown: Option<Lost>,
    /// The first cause.
    pub(super) why: String,
}

impl Losses {
    pub(super) fn is_empty(&self) -> bool {
        self.sure.is_empty() && self.unsure.is_empty() && self.unknown.is_none()
    }

    pub(super) fn clear(&mut self) {
        *self = Losses::default();
    }

    pub(super) fn because(&mut self, why: &str) {
        if self.why.is_empty() {
            self.why.push_str(why);
        }
    }

    pub(super) fn merge(&mut self, other: &Losses) {
        self.sure.merge(&other.sure);
        self.unsure.merge(&other.unsure);
        if self.unknown.is_none() {
            self.unknown.clone_from(&other.unknown);
        }
        self.because(&other.why);
    }

    /// Told once already, in a place that may be gone.
    pub(super) fn merge_unsure(&mut self, told: &Losses) {
        self.unsure.merge(&told.sure);
        self.unsure.merge(&told.unsure);
        if self.unknown.is_none() {
            self.unknown.clone_from(&told.unknown);
        }
        self.because(&told.why);
    }

    /// One record a feed.
    pub(super) fn rows(&self) -> Vec<(FeedId, Lost)> {
        let mut rows: Vec<(FeedId, Lost)> = Vec::new();
        rows.extend(self.unknown.clone().map(|lost| (ALL_FEEDS, lost)));
        let start = rows.len();
        for row in self.sure.rows() {
            let mut lost = self.row(row);
            lost.records = Some(row.records);
            rows.push((row.feed, lost));
        }
        for row in self.unsure.rows() {
            let mut lost = self.row(row);
            lost.unsure = row.records;
            match rows[start..].iter_mut().find(|(feed, _)| *feed == row.feed) {
                Some((_, known)) => {
                    known.from = known.from.min(lost.from);
                    known.to = known.to.max(lost.to);
                    known.unsure += lost.unsure;
                    known.bytes += lost.bytes;
                }
                None => rows.push((row.feed, lost)),
            }
        }
        rows
    }

    fn row(&self, row: &FeedRange) -> Lost {
        Lost {
            from: row.min_ts,
            to: row.max_ts,
            records: Some(0),
            unsure: 0,
            bytes: row.bytes,
            why: self.why.clone(),
        }
    }
}

/// The loss that a crash leaves behind; whether the segment before was `torn`.
pub(super) fn crash(last_ts: Option<Nanos>, now: Nanos, cut_bytes: u64, torn: bool) -> Losses {
    let why = match torn {
        true => "the recorder before this one ended without closing its segment",
        false => "the recorder before this one was killed",
    };
    let unknown = Lost {
        from: last_ts.unwrap_or(now),
        to: now,
        records: None,
        unsure: 0,
        bytes: cut_bytes,
        why: why.to_owned(),
    };
    Losses { unknown: Some(unknown), ..Losses::default() }
}
