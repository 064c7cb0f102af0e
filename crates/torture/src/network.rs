//! The road between the feeds and the pretend exchange: everything on it takes time, and nothing
//! overtakes anything on the same connection in the same direction.
//!
//! `life.rs` puts parcels in and takes them out when they are due. Loss, damage and reordering are
//! the simulator's business; here only time passes.
//!
//! Invariants: parcels come out ordered by time, then by the order of putting in; two parcels of
//! one lane never change places. Start at [`Network::put`].

use super::chance::Chance;
use market_data_model::Command;
use market_data_sim::{ConnId, Truth};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something under way.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A handshake arrives at the exchange.
    Knock,
    /// A text frame arrives at the exchange.
    Upload(ConnId, String),
    /// The end of a connection arrives at the exchange.
    Hangup(ConnId),
    /// A REST request arrives at the exchange.
    Ask {
        /// The feed's number for it.
        id: u64,
        /// Path and query.
        path: String,
    },
    /// The handshake succeeded, as the feed hears.
    Opened(ConnId),
    /// A text frame arrives at the feed.
    Frame(Letter),
    /// The end of the connection, as the feed hears.
    Closed {
        /// The close code.
        code: Option<u16>,
        /// In words.
        reason: String,
    },
    /// The answer to a REST request.
    Response {
        /// The feed's number for the request.
        id: u64,
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// A person wants something.
    Command(Command),
}

/// A text frame on its way to a feed.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The bytes.
    pub text: Arc<str>,
    /// What they say, if they are data and whole.
    pub truth: Option<Arc<Truth>>,
    /// The fault that touched it.
    pub fault: Option<&'static str>,
}

/// A parcel with the feed it belongs to and the connection attempt during which it was sent.
#[derive(Clone, Debug)]
pub struct Addressed {
    /// Which feed, by position.
    pub feed: usize,
    /// Which of its attempts to connect; 0 for what belongs to none.
    pub attempt: u64,
    /// What.
    pub parcel: Parcel,
}

/// One direction of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lane {
    latency_ns: u64,
    jitter_ns: u64,
    last_ns: u64,
}

impl Lane {
    /// A lane with a seeded character: from a rack away to another continent.
    pub fn new(chance: &mut Chance) -> Lane {
        let latency_ns = *chance.pick(&[100_000, 2_000_000, 20_000_000, 90_000_000, 180_000_000]);
        Lane { latency_ns, jitter_ns: latency_ns / 4 + 50_000, last_ns: 0 }
    }

    /// When something sent at `now` arrives: never before what was sent earlier.
    pub fn arrival(&mut self, now: u64, chance: &mut Chance) -> u64 {
        let at = now + self.latency_ns + chance.below(self.jitter_ns);
        self.last_ns = self.last_ns.max(at);
        self.last_ns
    }
}

/// Everything under way.
#[derive(Debug, Default)]
pub struct Network {
    queue: BTreeMap<(u64, u64), Addressed>,
    put: u64,
}

impl Network {
    /// Puts a parcel on the road, to come out at `at`.
    pub fn put(&mut self, at: u64, feed: usize, attempt: u64, parcel: Parcel) {
        self.put += 1;
        self.queue.insert((at, self.put), Addressed { feed, attempt, parcel });
    }

    /// When the next parcel is due.
    pub fn next_at(&self) -> Option<u64> {
        self.queue.keys().next().map(|&(at, _)| at)
    }

    /// The next parcel due at or before `now`.
    pub fn take(&mut self, now: u64) -> Option<Addressed> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Whether data of that channel and key is under way to a feed.
    pub fn has_frame_of(&self, feed: usize, channel: &str, key: &str) -> bool {
        self.queue.values().filter(|a| a.feed == feed).any(|addressed| {
            let Parcel::Frame(letter) = &addressed.parcel else { return false };
            let truth = letter.truth.as_ref();
            truth.is_some_and(|truth| truth.channel == channel && truth.inst_id == key)
        })
    }

    /// Forgets everything under way.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// Forgets the frames under way to one connection attempt.
    pub fn forget_frames(&mut self, feed: usize, attempt: u64) {
        self.queue.retain(|_, a| {
            a.feed != feed || a.attempt != attempt || !matches!(a.parcel, Parcel::Frame(_))
        });
    }
}
