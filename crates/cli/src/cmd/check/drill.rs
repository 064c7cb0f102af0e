//! The drills of `check`: connections dropped and a book restarted on purpose, and whether
//! everything came back.
//!
//! `check.rs` starts them at their time, shows every record to [`Drills::take`], and asks
//! [`Drills::look`] a few times a second whether the service stands again.
//!
//! Invariants: a drill has recovered only when news of it were seen among the records *and* the
//! service reports everything live; times are measured from the order to that moment.

use crate::source::unix_ns;
use market_data::{FeedReport, Service};
use market_data_model::{
    Body, BookKind, Command, EventRef, FeedId, Nanos, SessionStep, Subscription,
};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Every connection was told to reconnect; one drill each.
    Reconnect,
    /// One book was told to begin anew.
    Resync(Subscription),
}

/// One drill.
#[derive(Clone, Debug)]
pub struct Drill {
    /// What was done.
    pub act: Act,
    /// On which connection.
    pub feed: FeedId,
    /// When.
    pub asked: Nanos,
    seen: bool,
    /// How long it took until all was well again, in nanoseconds; `None` = not yet.
    pub recovered_ns: Option<u64>,
}

/// All drills of one run.
#[derive(Debug, Default)]
pub struct Drills {
    /// In the order they were begun.
    pub all: Vec<Drill>,
}

impl Drills {
    /// Tells every connection to reconnect.
    pub async fn reconnect_all(&mut self, service: &Service) {
        for report in service.feeds() {
            self.begin(Act::Reconnect, report.feed);
            service.command(Some(report.feed), Command::Reconnect).await;
        }
    }

    /// Tells the connection `feed` to begin one book anew.
    pub async fn resync(&mut self, service: &Service, feed: FeedId, book: &Subscription) {
        self.begin(Act::Resync(book.clone()), feed);
        service.command(Some(feed), Command::Resync(book.clone())).await;
    }

    fn begin(&mut self, act: Act, feed: FeedId) {
        let asked = Nanos(unix_ns());
        self.all.push(Drill { act, feed, asked, seen: false, recovered_ns: None });
    }

    /// Looks for news of the drills in a record.
    pub fn take(&mut self, event: &EventRef<'_>) {
        for drill in self.all.iter_mut().filter(|drill| !drill.seen) {
            if drill.feed != event.header.feed || event.header.ts_recv < drill.asked {
                continue;
            }
            drill.seen = match (&drill.act, event.body) {
                (Act::Reconnect, Body::Session(session)) => session.step == SessionStep::Up,
                (Act::Resync(book), Body::Book(change, ..)) => {
                    change.kind == BookKind::Snapshot
                        && event.channel() == &*book.channel
                        && event.inst_id() == &*book.key
                }
                _ => false,
            };
        }
    }

    /// Looks whether connections that were drilled are well again.
    pub fn look(&mut self, reports: &[FeedReport]) {
        let now = Nanos(unix_ns());
        for drill in self.all.iter_mut().filter(|d| d.seen && d.recovered_ns.is_none()) {
            let well = |report: &&FeedReport| report.feed == drill.feed && is_well(report);
            if reports.iter().any(|report| well(&report)) {
                drill.recovered_ns = Some(now.since(drill.asked));
            }
        }
    }

    /// Whether every drill has recovered.
    pub fn are_over(&self) -> bool {
        self.all.iter().all(|drill| drill.recovered_ns.is_some())
    }
}

/// Whether a connection is up with everything live and no gap open.
pub fn is_well(report: &FeedReport) -> bool {
    report.connected
        && report.status.as_ref().is_some_and(|s| s.live == s.wanted && s.open_gaps == 0)
}
