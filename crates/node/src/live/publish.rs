//! Hands what a feed has said to the recorder and to the sinks.
//!
//! Invariant: the recorder has the inputs before anybody gets the events.

use super::{Driver, REPORT_EVERY, SPARE_MAX};
use crate::venue::Driven;
use market_data_model::{Batch, Nanos};
use std::sync::Arc;
use tokio::time::Instant;

impl<F: Driven> Driver<F> {
    /// Records what the feed was given, shares what it has said, and its numbers.
    pub(super) async fn publish(&mut self) {
        let mut batches = std::mem::take(&mut self.ready);
        if !self.out.events.is_empty() {
            let fresh = self.recycle();
            batches.push(std::mem::replace(&mut self.out.events, fresh));
        }
        let batches: Vec<Arc<Batch>> = batches.into_iter().map(Arc::new).collect();
        if let Some(tap) = &mut self.setup.tap {
            tap.flush();
        }
        let mut rare = false;
        let made = if batches.is_empty() { Nanos(0) } else { self.clock.now() };
        let ahead = self.setup.metrics.skew.ahead_ns();
        let plain: Vec<Arc<Batch>> =
            batches.iter().map(|batch| self.setup.publisher.plain(batch)).collect();
        // What is told beside is nobody's news but its readers'; it is not on the tape.
        for batch in plain.iter().filter(|batch| !batch.is_empty()) {
            self.numbers.hops.note(batch, made, ahead);
            let seen = self.observer.look(batch, &self.numbers, self.setup.metrics.skew.estimate());
            self.last_n = seen.last_n;
            rare |= seen.rare;
            if seen.instruments && self.setup.news.try_send(Arc::clone(batch)).is_err() {
                // The next refresh over REST brings what is missed here.
                let feed = self.id.0;
                tracing::debug!(feed, "the supervisor is busy; news of instruments skipped");
            }
            if let Some(tape) = &mut self.setup.tape {
                tape.events(batch);
            }
        }
        self.report(rare);
        self.record_state(false);
        if let Some(tape) = &mut self.setup.tape {
            tape.send();
        }
        for (plain, batch) in plain.into_iter().zip(batches) {
            self.setup.publisher.publish_both(&plain, &batch, made).await;
            drop(plain);
            if self.spare.len() < SPARE_MAX {
                self.spare.push_back(batch);
            }
        }
    }

    /// Leaves the feed's state on the tape if the recorder waits for one, or if it is the last.
    pub(super) fn record_state(&mut self, last: bool) {
        // A feed that has failed is a fresh one already, and has been given nothing.
        let Some(tape) = self.setup.tape.as_mut().filter(|_| self.restart.is_none()) else {
            return;
        };
        if last || tape.wants_state() {
            let feed = &self.feed;
            tape.state(|out| feed.checkpoint(out));
        }
    }

    /// An empty batch, with the memory of the one used last among those that everybody has read:
    /// the processor has that in its caches.
    fn recycle(&mut self) -> Batch {
        let free = self.spare.iter().rposition(|batch| Arc::strong_count(batch) == 1);
        let used = free.and_then(|at| self.spare.remove(at)).map(Arc::try_unwrap);
        match used {
            Some(Ok(mut batch)) => {
                batch.clear();
                batch
            }
            _ => Batch::default(),
        }
    }

    pub(super) fn report(&mut self, rare: bool) {
        self.numbers.copy(self.feed.stats());
        self.report_due = true;
        if rare || self.reported.elapsed() >= REPORT_EVERY {
            self.numbers.replace(self.feed.stats().clone(), self.feed.status());
            self.reported = Instant::now();
            self.report_due = false;
        }
    }
}
