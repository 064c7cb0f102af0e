//! Asks the venue's REST side for the books that are followed, one at a time, and hands the
//! answers to the recorder: `verify` compares them with the books that the frames make.
//!
//! The service starts [`Anchors::run`] beside its feeds, which know nothing of it.
//!
//! Invariants: each book is asked for about once per interval, never two in a second; what fails
//! is passed over; an answer for which the recorder has no time is dropped and counted.

use super::{Lanes, QUEUE_BYTES_MAX};
use crate::clock::wall_now;
use crate::net::Rest;
use market_data_model::{FeedId, Subscription};
use market_data_okx::rest_book;
use market_data_tape::Anchor;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Least time between two requests.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest answer taken, in bytes; 400 levels a side are about 30 kB.
const BODY_MAX: usize = 1 << 20;

/// See the file's first comment.
pub(crate) struct Anchors {
    pub interval: Duration,
    pub rest: Arc<Rest>,
    pub lanes: Lanes,
    pub books: Vec<Followed>,
}

/// An instrument, and where the id of the feed is that follows its book.
pub(crate) struct Followed {
    feed: Arc<AtomicU32>,
    inst_id: Arc<str>,
}

/// The books among the subscriptions of a feed that the venue answers about.
pub(crate) fn followed(feed: &Arc<AtomicU32>, subscriptions: &[Subscription]) -> Vec<Followed> {
    let books = subscriptions.iter().filter(|s| rest_book::form(&s.channel).is_some());
    let ids: BTreeSet<&Arc<str>> = books.map(|s| &s.key).collect();
    let of = |id: &Arc<str>| Followed { feed: Arc::clone(feed), inst_id: Arc::clone(id) };
    ids.into_iter().map(of).collect()
}

impl Anchors {
    /// Asks until it is dropped.
    pub async fn run(self) {
        let count = u32::try_from(self.books.len()).unwrap_or(u32::MAX).max(1);
        let mut ticks = tokio::time::interval((self.interval / count).max(PAUSE_MIN));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first comes at once, when there is no book yet.
        ticks.tick().await;
        for book in self.books.iter().cycle() {
            ticks.tick().await;
            let path = rest_book::path(&book.inst_id);
            match self.rest.get(&path).await {
                Ok((status, body)) if body.len() <= BODY_MAX => {
                    let anchor = Anchor { path: &path, status, body: &body };
                    self.record(FeedId(book.feed.load(Relaxed)), &anchor);
                }
                Ok((_, body)) => tracing::debug!(path, bytes = body.len(), "too long an anchor"),
                Err(error) => tracing::debug!(path, %error, "no answer for an anchor"),
            }
        }
    }

    fn record(&self, feed: FeedId, anchor: &Anchor<'_>) {
        let shared = &self.lanes.shared;
        let mut chunk = shared.chunk(feed);
        chunk.anchor(wall_now(), anchor);
        chunk.cost = chunk.bytes();
        let cost = chunk.cost;
        let queued = shared.queue_bytes.fetch_add(cost, Relaxed);
        // Half of the queue belongs to the feeds alone.
        let sent =
            queued + cost <= QUEUE_BYTES_MAX / 2 && self.lanes.chunks.try_send(chunk).is_ok();
        if !sent {
            shared.queue_bytes.fetch_sub(cost, Relaxed);
            let dropped = shared.anchors_dropped.fetch_add(1, Relaxed) + 1;
            tracing::warn!(dropped, "the recorder has no time for an anchor");
        }
    }
}
