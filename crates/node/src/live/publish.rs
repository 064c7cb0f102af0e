//! Hands what a feed has said to the recorder and to the sinks.
//!
//! Invariant: the recorder has the inputs before anybody gets the events.

use super::{Driver, REPORT_EVERY, SPARE_MAX};
use crate::venue::Driven;
use market_data_model::{Batch, Nanos};
use std::sync::Arc;

/// A batch as everybody shall have it, and with what is told beside.
pub(super) struct Leaving {
    plain: Arc<Batch>,
    all: Arc<Batch>,
}

impl<F: Driven> Driver<F> {
    /// Records what the feed was given, shares what it has said, and its numbers.
    pub(super) async fn publish(&mut self) {
        let mut leaving = std::mem::take(&mut self.leaving);
        self.gather(&mut leaving);
        if let Some(tap) = &mut self.setup.tap {
            tap.flush();
        }
        let made = if leaving.is_empty() { Nanos(0) } else { self.clock.now() };
        let mut rare = false;
        // What is told beside is nobody's news but its readers'; it is not on the tape.
        for Leaving { plain, .. } in leaving.iter().filter(|leaving| !leaving.plain.is_empty()) {
            rare |= self.account(plain, made);
        }
        self.report(rare);
        self.record_state(false);
        if let Some(tape) = &mut self.setup.tape {
            tape.send();
        }
        for Leaving { plain, all } in leaving.drain(..) {
            self.setup.publisher.publish_both(&plain, &all, made).await;
            drop(plain);
            if self.spare.len() < SPARE_MAX {
                self.spare.push_back(all);
            }
        }
        self.leaving = leaving;
    }

    /// Everything that has been said and not been published.
    fn gather(&mut self, leaving: &mut Vec<Leaving>) {
        let said = (!self.out.events.is_empty()).then(|| {
            let mut batch = self.recycle();
            match Arc::get_mut(&mut batch) {
                Some(empty) => std::mem::swap(empty, &mut self.out.events),
                None => batch = Arc::new(std::mem::take(&mut self.out.events)),
            }
            batch
        });
        for all in self.ready.drain(..).map(Arc::new).chain(said) {
            leaving.push(Leaving { plain: self.setup.publisher.plain(&all), all });
        }
    }

    /// Notes what a batch, made at `made`, says about the service; whether it says anything rare.
    fn account(&mut self, batch: &Arc<Batch>, made: Nanos) -> bool {
        let skew = &self.setup.metrics.skew;
        self.numbers.hops.note(batch, made, skew.ahead_ns());
        let seen = self.observer.look(batch, &self.numbers, skew.estimate());
        self.last_n = seen.last_n;
        if seen.instruments && self.setup.news.try_send(Arc::clone(batch)).is_err() {
            // The next refresh over REST brings what is missed here.
            let feed = self.id.0;
            tracing::debug!(feed, "the supervisor is busy; news of instruments skipped");
        }
        if let Some(tape) = &mut self.setup.tape {
            tape.events(batch);
        }
        seen.rare
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
    fn recycle(&mut self) -> Arc<Batch> {
        let free = self.spare.iter().rposition(|batch| Arc::strong_count(batch) == 1);
        let mut batch = free.and_then(|at| self.spare.remove(at)).unwrap_or_default();
        if let Some(batch) = Arc::get_mut(&mut batch) {
            batch.clear();
        }
        batch
    }

    pub(super) fn report(&mut self, rare: bool) {
        self.numbers.copy(self.feed.stats());
        self.report_due = true;
        let now = self.clock.at();
        if rare || now.duration_since(self.reported) >= REPORT_EVERY {
            self.numbers.replace(self.feed.stats().clone(), self.feed.status());
            self.reported = now;
            self.report_due = false;
        }
    }
}
