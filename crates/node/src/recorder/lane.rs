//! One driver's way to the recorder.
//!
//! The driver calls [`Lane::input`] before each input, and [`Lane::send`] when it publishes.
//! Nothing here waits or touches a file.
//!
//! Invariants: what does not fit into the queue is counted and told with the next chunk that does;
//! a feed whose start did not fit is announced again.

use super::{Chunk, QUEUE_BYTES_MAX, Shared};
use crate::venue;
use market_data_model::{Action, Batch, FeedId, Input, Nanos};
use market_data_tape::FeedRange;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError};

/// The recorder's rounds begin with 1: after a loss a state is wanted at once.
const NO_ROUND: u64 = 0;
/// What an event costs of the queue's memory, besides its levels, in bytes.
const EVENT_BYTES: usize = 160;
/// Time between two log lines about a full queue, in ns.
const LOG_EVERY_NS: u64 = 1_000_000_000;
/// What a level costs, in bytes.
const LEVEL_BYTES: usize = 40;

/// Makes lanes.
#[derive(Clone)]
pub(crate) struct Lanes {
    pub shared: Arc<Shared>,
    pub chunks: SyncSender<Chunk>,
    pub digests: bool,
}

impl Lanes {
    /// A lane for a driver whose feeds emit views of `view_depth` levels.
    pub fn lane(&self, view_depth: u16) -> Lane {
        Lane {
            shared: Arc::clone(&self.shared),
            chunks: self.chunks.clone(),
            digests: self.digests,
            event_bytes: EVENT_BYTES + 2 * usize::from(view_depth) * LEVEL_BYTES,
            chunk: Chunk::default(),
            config: Vec::new(),
            running: false,
            announced: false,
            lost: Vec::new(),
            last: Nanos(0),
            round: NO_ROUND,
        }
    }
}

/// See the file's first comment.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    chunks: SyncSender<Chunk>,
    digests: bool,
    event_bytes: usize,
    chunk: Chunk,
    /// Whether there is a feed.
    running: bool,
    /// How the feed was made.
    config: Vec<u8>,
    /// Whether the recorder knows that.
    announced: bool,
    /// What did not fit, by feed.
    lost: Vec<FeedRange>,
    last: Nanos,
    /// The last round of states that it has taken part in.
    round: u64,
}

impl Lane {
    /// A feed was made; what follows is its.
    pub fn start(&mut self, now: Nanos, feed: FeedId, config: Vec<u8>) {
        self.end();
        self.last = now;
        self.chunk = self.shared.chunk(feed);
        self.config = config;
        self.running = true;
        self.chunk.feed_start(now, venue::NAME, &self.config, false);
        self.announced = true;
        // A feed that has just been made can be entered at its start.
        self.round = self.shared.round.load(Relaxed);
    }

    /// Whether the recorder waits for the feed's state.
    pub fn wants_state(&self) -> bool {
        self.running && self.round != self.shared.round.load(Relaxed)
    }

    /// Takes the feed's state behind all of its inputs so far, as `write` appends it.
    pub fn state(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.running && !self.chunk.failed {
            let round = self.shared.round.load(Relaxed);
            self.announce(self.last);
            self.chunk.state(self.last, write);
            if self.chunk.has_state {
                self.round = round;
            }
        }
    }

    /// The feed is about to handle this.
    pub fn input(&mut self, now: Nanos, input: &Input<'_>) {
        self.last = now;
        self.announce(now);
        self.chunk.input(now, input);
    }

    /// Says again whose the records are, if the recorder may not know.
    fn announce(&mut self, now: Nanos) {
        if !std::mem::replace(&mut self.announced, true) {
            self.chunk.feed_start(now, venue::NAME, &self.config, true);
        }
    }

    /// The feed failed by a mistake of ours; its last input is on the tape.
    pub fn failed(&mut self, now: Nanos, why: &str) {
        self.chunk.failed = true;
        let feed = self.chunk.feed.0;
        self.chunk.note(now, &format!("feed {feed} failed by a mistake of ours: {why}"));
    }

    /// The feed wants these done.
    pub fn actions(&mut self, actions: &[Action]) {
        if self.digests {
            self.chunk.actions.extend_from_slice(actions);
        }
    }

    /// These events came out, and are about to be published.
    pub fn events(&mut self, batch: &Arc<Batch>) {
        let Some(last) = batch.get(batch.len().wrapping_sub(1)) else { return };
        if last.header.feed != self.chunk.feed {
            // The last words of a feed that failed; they are not all its own.
            return;
        }
        self.chunk.last_n = last.header.n;
        if self.digests {
            self.chunk.cost += batch.len() * self.event_bytes;
            self.chunk.batches.push(Arc::clone(batch));
        }
    }

    /// Hands over what has gathered.
    pub fn send(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        let feed = self.chunk.feed;
        let mut chunk = std::mem::replace(&mut self.chunk, self.shared.chunk(feed));
        chunk.lost = std::mem::take(&mut self.lost);
        chunk.cost += chunk.bytes();
        let cost = chunk.cost;
        // Counted first, so that the recorder never takes off what was not put on.
        let queued = self.shared.queue_bytes.fetch_add(cost, Relaxed);
        if queued > 0 && queued + cost > QUEUE_BYTES_MAX {
            // The inputs are worth more than a sum over what came of them. Sums begin anew behind
            // the feed's state.
            chunk.forget_outputs();
            self.shared.sums_forgotten.fetch_add(1, Relaxed);
            if !chunk.has_state {
                self.round = NO_ROUND;
            }
            self.shared.queue_bytes.fetch_sub(cost - chunk.cost, Relaxed);
        }
        if queued > 0 && queued + chunk.cost > QUEUE_BYTES_MAX {
            return self.lose(chunk, "its queue is full");
        }
        match self.chunks.try_send(chunk) {
            Ok(()) => {}
            Err(TrySendError::Full(chunk)) => self.lose(chunk, "its queue is full"),
            Err(TrySendError::Disconnected(chunk)) => {
                self.lose(chunk, "its thread failed by a mistake of ours");
            }
        }
    }

    fn lose(&mut self, mut chunk: Chunk, why: &str) {
        self.shared.queue_bytes.fetch_sub(chunk.cost, Relaxed);
        self.announced = false;
        self.round = NO_ROUND;
        if let Some(range) = chunk.as_loss() {
            self.shared.dropped.fetch_add(range.records, Relaxed);
            let logged = Nanos(self.shared.overflow_logged.load(Relaxed));
            if range.max_ts.since(logged) >= LOG_EVERY_NS {
                self.shared.overflow_logged.store(range.max_ts.0, Relaxed);
                let feed = range.feed.0;
                tracing::error!(feed, why, "the recorder loses records");
            }
            self.lost.append(&mut chunk.lost);
            join(&mut self.lost, range);
        } else {
            self.lost.append(&mut chunk.lost);
        }
        self.shared.recycle(chunk);
    }

    /// The feed has ended.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.running) {
            self.chunk.end(self.last);
            self.send();
        }
    }
}

/// A driver that was ended by force leaves its last inputs all the same.
impl Drop for Lane {
    fn drop(&mut self) {
        // What came out of them may not be here.
        self.chunk.failed |= std::thread::panicking();
        self.end();
    }
}

/// Adds a loss to the account of its feed.
pub(super) fn join(account: &mut Vec<FeedRange>, range: FeedRange) {
    // A feed is followed by a fresh one at most once in a while; the list stays short.
    match account.iter_mut().find(|known| known.feed == range.feed) {
        Some(known) => {
            known.records += range.records;
            known.bytes += range.bytes;
            known.min_ts = known.min_ts.min(range.min_ts);
            known.max_ts = known.max_ts.max(range.max_ts);
        }
        None => account.push(range),
    }
}
