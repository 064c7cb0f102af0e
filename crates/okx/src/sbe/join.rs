//! Where a snapshot from REST meets the stream of changes of one book.
//!
//! The binary socket sends no snapshot after a subscription. OKX's rule (docs, read 2026-11-23):
//! subscribe, keep what comes, ask REST; when the snapshot is older than the first change kept,
//! ask again; leave out changes with `seqId` up to the snapshot's; the first one taken must have
//! `prevSeqId <= snapshot < seqId`. From there on the chain holds by identity, and
//! `crate::follow` judges.
//!
//! `feed/binary.rs` calls this. Invariant: what is kept is bounded, and what is thrown away for
//! that makes the snapshot too old, which asks for another one; it is never skipped in silence.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most changes kept while a snapshot is on its way (ours: 20 s at the channel's 10 ms).
pub const KEPT_MAX: usize = 2000;
/// Most bytes of them (ours).
pub const KEPT_BYTES_MAX: usize = 4 << 20;
/// Most changes in a row that a snapshot may be ahead of the stream (ours: 10 s at 10 ms; the
/// snapshot is from a cache of half a second).
pub const AHEAD_MAX: u32 = 1000;

/// How a change stands to the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The snapshot has it already.
    Old,
    /// It is the one that goes on from the snapshot.
    Joins,
    /// There are changes between the snapshot and it: the snapshot is too old.
    TooOld,
}

/// Judges the change from `prev` to `seq` against a snapshot at `at`.
pub fn fit(at: i64, prev: i64, seq: i64) -> Fit {
    // Ids that go down are a reset of the venue's: below it order says nothing, only identity.
    if prev == at {
        Fit::Joins
    } else if seq < prev {
        Fit::TooOld
    } else if seq <= at {
        Fit::Old
    } else if prev < at {
        Fit::Joins
    } else {
        Fit::TooOld
    }
}

/// How far a book has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Not subscribed: nothing is asked for.
    #[default]
    Idle,
    /// A snapshot is to be asked for as soon as one may.
    Wanted,
    /// It is to be asked for later; a timer runs.
    Resting,
    /// It has been asked for, by this request.
    Asked(u64),
    /// The book is the snapshot; so many changes in a row were older.
    Joining(u32),
    /// A change has gone on from it: the chain holds by itself.
    Linked,
}

/// One book on its way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Join {
    /// How far it is.
    pub step: Step,
    kept: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl Join {
    /// Whether changes must be kept because there is no snapshot yet.
    pub fn keeps(&self) -> bool {
        !matches!(self.step, Step::Joining(_) | Step::Linked)
    }

    /// Keeps a change. What is too much empties the room first.
    pub fn keep(&mut self, message: &[u8]) {
        if self.kept.len() >= KEPT_MAX || self.bytes + message.len() > KEPT_BYTES_MAX {
            self.forget();
        }
        self.bytes += message.len();
        self.kept.push_back(message.into());
    }

    /// The oldest change kept.
    pub fn first(&self) -> Option<&[u8]> {
        self.kept.front().map(|kept| &**kept)
    }

    /// Takes the oldest change kept.
    pub fn take(&mut self) -> Option<Box<[u8]>> {
        let taken = self.kept.pop_front()?;
        self.bytes -= taken.len();
        Some(taken)
    }

    /// Throws away what is kept.
    pub fn forget(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }

    /// Whether it is one that a life can have made.
    pub fn is_sound(&self) -> bool {
        let bytes: usize = self.kept.iter().map(|kept| kept.len()).sum();
        let ahead = match self.step {
            Step::Joining(ahead) => ahead,
            _ => 0,
        };
        self.kept.len() <= KEPT_MAX && bytes == self.bytes && ahead <= AHEAD_MAX
    }
}
