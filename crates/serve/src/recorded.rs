//! A server of a recording alone: the hub takes what is on the tape as if it came now, so that
//! lists, bars and gaps are there; moments of it are read from the tape itself (`scrub.rs`).
//!
//! Invariant: what is held is bounded as it is live, however long the tape is.

use crate::hub::Hub;
use market_data::replay::{Past, past};
use market_data_model::{Events, Nanos};
use market_data_tape::reader::{ReadError, Tape};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;

impl Hub {
    /// Takes all that a tape holds, for a server without a service. Returns at its end, or soon
    /// after `goes_on` says no; blocks meanwhile.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn play(&self, tape: &Tape, goes_on: impl Fn() -> bool) -> Result<(), ReadError> {
        past(tape, Nanos(0), |past| {
            match past {
                Past::Books(events) | Past::Input { events, .. } => self.take_events(events),
                Past::Hole => self.hole(),
            }
            if goes_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    }

    fn take_events(&self, events: Events<'_>) {
        let mut state = self.lock();
        for event in events.iter() {
            state.past.put(&event, events.names());
            state.take(&event, events.names());
        }
        self.counts.events.fetch_add(events.len() as u64, Relaxed);
    }

    /// Something is not on the tape, nobody knows of whom.
    fn hole(&self) {
        let mut state = self.lock();
        let last = state.store.entries().iter().map(|entry| entry.last).max().unwrap_or_default();
        let feeds: BTreeSet<_> = state.store.entries().iter().map(|entry| entry.feed).collect();
        for feed in feeds {
            state.store.lost(feed, last);
        }
    }
}
