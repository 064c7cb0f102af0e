//! Gives every batch to every sink, and makes loss visible when a sink cannot keep up.
//!
//! Each feed's driver holds a [`Publisher`]; each sink drains one bounded queue. The rule for a
//! full queue is the sink's: [`Overflow::Wait`] holds the feed back (the venue's connection then
//! fills up, and may be closed by the venue, which the feed reports as a gap),
//! [`Overflow::DropAndMark`] drops the newest batches and puts one [`Lost`] before the next one
//! that is delivered.
//!
//! Invariants: no queue is unbounded; no event is dropped without being counted and marked; a
//! sink that has ended holds nobody back.

use crate::metrics::QueueCounters;
use crate::sink::{Ended, Inline, Lost, Overflow};
use market_data_model::{Batch, Body, BookChange, BookKind, Nanos};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

/// One place in a sink's queue: what was lost before it, then a batch. Only the last item of a
/// feed may have no batch.
#[derive(Debug)]
pub(crate) struct Item {
    pub lost: Vec<Lost>,
    pub batch: Option<Arc<Batch>>,
    /// When the batch was made; 0 if that is of no interest.
    pub made: Nanos,
}

/// How a sink is reached.
#[derive(Clone)]
pub(crate) enum Way {
    /// Through its queue.
    Queue(mpsc::Sender<Item>),
    /// At once, on the feed's own thread.
    Inline(Arc<Inline>),
}

/// One sink, as feeds see it.
#[derive(Clone)]
pub(crate) struct Queue {
    pub way: Way,
    pub overflow: Overflow,
    /// Whether it gets changes of books that the options leave out.
    pub changes: bool,
    pub counters: Arc<QueueCounters>,
}

/// One feed's way to all sinks.
pub(crate) struct Publisher {
    lanes: Vec<Lane>,
    /// Whether the feed tells changes of books that only some lanes shall have.
    beside: bool,
}

struct Lane {
    queue: Queue,
    lost: Vec<Lost>,
    ended: bool,
}

impl Publisher {
    /// A way to these queues.
    pub fn new(queues: &[Queue]) -> Publisher {
        let lane = |queue: &Queue| Lane { queue: queue.clone(), lost: Vec::new(), ended: false };
        Publisher { lanes: queues.iter().map(lane).collect(), beside: false }
    }

    /// Says whether the feed tells changes of books that only some sinks shall have.
    pub fn beside(mut self, beside: bool) -> Publisher {
        self.beside = beside;
        self
    }

    /// Whether nobody has to be woken: every sink is called at once.
    pub fn is_direct(&self) -> bool {
        self.lanes.iter().all(|lane| matches!(lane.queue.way, Way::Inline(_)))
    }

    /// The batch as everybody else shall have it: without what is told beside.
    pub fn plain(&self, batch: &Arc<Batch>) -> Arc<Batch> {
        match self.beside && batch.iter().any(|event| is_change(&event.body)) {
            true => Arc::new(without_changes(batch)),
            false => Arc::clone(batch),
        }
    }

    /// Hands out a batch, and to sinks that want every change of books all of it.
    pub async fn publish_both(&mut self, plain: &Arc<Batch>, all: &Arc<Batch>, made: Nanos) {
        for lane in &mut self.lanes {
            let batch = if lane.queue.changes { all } else { plain };
            if !batch.is_empty() {
                lane.publish(batch, made).await;
            }
        }
    }

    /// Hands one batch, made at `made` (0 if that is of no interest), to every sink, in order;
    /// waits for those whose rule says so.
    pub async fn publish(&mut self, batch: &Arc<Batch>, made: Nanos) {
        for lane in &mut self.lanes {
            lane.publish(batch, made).await;
        }
    }

    /// Hands out markers of losses that no batch followed. Gives up after `wait`.
    pub async fn finish(mut self, wait: Duration) {
        let all = async {
            for lane in &mut self.lanes {
                if !lane.lost.is_empty() {
                    let lost = std::mem::take(&mut lane.lost);
                    lane.deliver(Item { lost, batch: None, made: Nanos(0) }).await;
                }
            }
        };
        if tokio::time::timeout(wait, all).await.is_err() {
            tracing::warn!("a sink is too slow to be told what it lost");
        }
    }
}

impl Lane {
    async fn publish(&mut self, batch: &Arc<Batch>, made: Nanos) {
        if self.ended {
            return;
        }
        let sender = match &self.queue.way {
            Way::Queue(sender) => sender,
            Way::Inline(sink) => {
                match sink.take(batch, made) {
                    Ok(()) => self.queue.counters.delivered(batch.len()),
                    Err(Ended) => self.end(),
                }
                return;
            }
        };
        let lost = std::mem::take(&mut self.lost);
        match sender.try_send(Item { lost, batch: Some(Arc::clone(batch)), made }) {
            Ok(()) => self.queue.counters.delivered(batch.len()),
            Err(TrySendError::Closed(_)) => self.end(),
            Err(TrySendError::Full(item)) if self.queue.overflow == Overflow::Wait => {
                let start = Instant::now();
                let (sink, waits) = (&self.queue.counters.name, self.queue.counters.waits());
                if waits == 0 {
                    tracing::warn!(%sink, "a slow sink holds feeds back");
                }
                self.deliver(item).await;
                self.queue.counters.waited(start.elapsed());
                if !self.ended {
                    self.queue.counters.delivered(batch.len());
                }
            }
            Err(TrySendError::Full(item)) => {
                self.lost = item.lost;
                self.drop_and_mark(batch);
            }
        }
    }

    async fn deliver(&mut self, item: Item) {
        let Way::Queue(sender) = &self.queue.way else { return };
        if sender.send(item).await.is_err() {
            self.end();
        }
    }

    fn drop_and_mark(&mut self, batch: &Batch) {
        if self.lost.is_empty() {
            tracing::warn!(sink = %self.queue.counters.name, "a slow sink loses events");
        }
        self.queue.counters.dropped(batch.len());
        add_lost(&mut self.lost, batch);
    }

    fn end(&mut self) {
        self.ended = true;
        tracing::debug!(sink = %self.queue.counters.name, "a sink has ended");
    }
}

fn is_change(body: &Body<'_>) -> bool {
    matches!(body, Body::Book(BookChange { kind: BookKind::Delta | BookKind::Snapshot, .. }, ..))
}

fn without_changes(batch: &Batch) -> Batch {
    let mut plain = Batch::default();
    plain.set_names(batch.names());
    batch.iter().filter(|e| !is_change(&e.body)).for_each(|event| plain.push(&event));
    plain
}

/// Adds a dropped batch to the account of its feed.
fn add_lost(account: &mut Vec<Lost>, batch: &Batch) {
    let (Some(first), Some(last)) = (batch.get(0), batch.get(batch.len().wrapping_sub(1))) else {
        return;
    };
    let mut new = Lost {
        feed: first.header.feed,
        batches: 1,
        events: batch.len() as u64,
        from_n: first.header.n,
        to_n: last.header.n,
        from: first.header.ts_recv,
        to: last.header.ts_recv,
    };
    // A feed is followed by a fresh one at most once in a while; the list stays short.
    match account.iter_mut().find(|lost| lost.feed == new.feed) {
        Some(lost) => {
            new.batches += lost.batches;
            new.events += lost.events;
            new.from_n = lost.from_n;
            new.from = lost.from;
            *lost = new;
        }
        None => account.push(new),
    }
}

#[cfg(test)]
mod tests;
