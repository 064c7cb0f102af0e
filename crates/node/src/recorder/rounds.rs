//! When feeds leave their states on the tape, so that a replay can begin near any time.
//!
//! The recorder's thread counts here and raises the number that lanes look at; each driver answers
//! with its feed's state when it next publishes.
//!
//! Invariant: states take a small share of the tape, however large they are.

use super::Shared;
use market_data_model::Nanos;
use market_data_tape::TapeOptions;
use std::sync::atomic::Ordering::Relaxed;

/// Rounds to a full segment, by bytes and by time.
const BY_BYTES: u64 = 16;
const BY_TIME: u64 = 4;
/// So many times the bytes of a round's states come before the next round.
const SHARE: u64 = 32;

/// See the file's first comment.
pub(super) struct Rounds {
    every_bytes: u64,
    every_ns: u64,
    /// Bytes since the last round, and when it was.
    bytes: u64,
    since: Nanos,
    /// Bytes of its states.
    states: u64,
}

impl Rounds {
    pub fn new(options: &TapeOptions, now: Nanos) -> Rounds {
        Rounds {
            every_bytes: options.segment_bytes / BY_BYTES,
            every_ns: options.segment_ns / BY_TIME,
            bytes: 0,
            since: now,
            states: 0,
        }
    }

    /// Counts bytes that were put on the tape.
    pub fn put(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Counts a state.
    pub fn state(&mut self, bytes: usize) {
        self.states += bytes as u64;
    }

    /// Begins a round if one is due.
    pub fn look(&mut self, shared: &Shared, now: Nanos) {
        let due = self.bytes >= self.every_bytes || now.since(self.since) >= self.every_ns;
        if due && self.bytes / SHARE >= self.states {
            self.begin(shared, now);
        }
    }

    /// Begins a round: a segment has begun, or something was lost.
    pub fn begin(&mut self, shared: &Shared, now: Nanos) {
        (self.bytes, self.states, self.since) = (0, 0, now);
        shared.round.fetch_add(1, Relaxed);
    }
}
