//! One connection as the exchange sees it.
//!
//! `exchange.rs` holds them by id; `request.rs` changes what they are subscribed to. Only state
//! and the questions asked of it, no frames.
//!
//! Invariant: `subs` holds a feed at most once, in order of subscription. Start at [`Conn`].

use std::collections::{BTreeMap, VecDeque};

use crate::calendar::{HOUR, SECOND};
use crate::channel::{Endpoint, FeedKey};

/// A connection without subscription, data or pings ends after this (OKX docs, 2026-08-22).
pub const IDLE_NS: u64 = 30 * SECOND;
/// Requests per connection and hour (OKX docs, 2026-08-22).
const REQUESTS_MAX: usize = 480;
/// Bytes in one request (OKX docs, 2026-08-22).
pub const REQUEST_BYTES_MAX: usize = 64 * 1_024;
/// Channels on one connection; OKX documents code 4009 but no number, so this one is ours.
pub const CHANNELS_MAX: usize = 2_000;
/// Connections that may be opened in a second from one address (OKX docs, 2026-08-22).
pub const HANDSHAKES_MAX: usize = 3;

/// One connection.
pub struct Conn {
    pub endpoint: Endpoint,
    /// `connId`, eight hexadecimal digits.
    pub hex: String,
    pub opened_ns: u64,
    /// Last push, answer or ping.
    pub last_alive_ns: u64,
    pub subs: Vec<FeedKey>,
    /// It has subscribed to something once.
    pub ever_subscribed: bool,
    /// The VIP level of who logged in.
    pub tier: Option<u8>,
    requests: VecDeque<u64>,
    /// When it last answered a ping, or was opened.
    pub last_pong_ns: u64,
    /// Nothing is delivered until then.
    pub silent_until_ns: u64,
    /// Nothing of one feed is delivered until then.
    pub mutes: BTreeMap<FeedKey, u64>,
    /// Pings stay unanswered until then.
    pub nopong_until_ns: u64,
    /// No event frame may leave before this, so that acks keep their order.
    pub ack_floor_ns: u64,
    /// Requests that wait to be read, and when they will be.
    pub backlog: VecDeque<(u64, String)>,
}

impl Conn {
    /// A fresh connection.
    pub fn new(endpoint: Endpoint, hex: String, now_ns: u64) -> Self {
        Self {
            endpoint,
            hex,
            opened_ns: now_ns,
            last_alive_ns: now_ns,
            subs: Vec::new(),
            ever_subscribed: false,
            tier: None,
            requests: VecDeque::new(),
            last_pong_ns: now_ns,
            silent_until_ns: 0,
            mutes: BTreeMap::new(),
            nopong_until_ns: 0,
            ack_floor_ns: 0,
            backlog: VecDeque::new(),
        }
    }

    /// When it will have been idle for too long.
    pub fn idle_at(&self) -> u64 {
        let since = if self.ever_subscribed { self.last_alive_ns } else { self.opened_ns };
        since + IDLE_NS
    }

    /// Counts a request; false when there were too many in the last hour.
    pub fn may_request(&mut self, now_ns: u64) -> bool {
        while self.requests.front().is_some_and(|&at| at + HOUR <= now_ns) {
            self.requests.pop_front();
        }
        if self.requests.len() >= REQUESTS_MAX {
            return false;
        }
        self.requests.push_back(now_ns);
        true
    }

    /// Whether a feed's frames reach it.
    pub fn hears(&self, key: FeedKey, now_ns: u64) -> bool {
        now_ns >= self.silent_until_ns && self.mutes.get(&key).is_none_or(|&until| now_ns >= until)
    }

    /// Ends everything that a fault had started.
    pub fn calm(&mut self) {
        self.silent_until_ns = 0;
        self.nopong_until_ns = 0;
        self.mutes.clear();
    }
}
