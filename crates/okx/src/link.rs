//! One connection's own state: up or down, back-off, keep-alive, request budget, rate of faults,
//! and the table of timers. Decides nothing about subscriptions; `feed.rs` asks it.
//!
//! Invariants: back-off grows to a bound and never gives up; a request is counted before it is
//! sent; a timer is in the table at most once.

use crate::limits;
use market_data_model::Nanos;
use market_data_model::time::SECOND;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkState {
    /// Not connected; a new attempt comes at its time.
    Down,
    /// Asked for.
    Opening,
    /// Open.
    Up,
    /// We asked to close it.
    Closing,
    /// Closed on request; stays so.
    Stopped,
}

/// Everything that a feed waits for. The number is a subscription's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// The handshake should be done.
    Open,
    /// The close should be done.
    Close,
    /// Time for a new connection.
    Retry,
    /// Look whether the socket is silent.
    Silence,
    /// The next request may go out.
    Send,
    /// An ack is due.
    Ack(u32),
    /// A snapshot is due.
    Snapshot(u32),
    /// A beat is due.
    Beat(u32),
    /// A refused or postponed subscription may be asked for again.
    Again(u32),
    /// The answer to a login is due, or a refused one may be tried again.
    Login,
    /// Missing trades may be asked for.
    Refill,
    /// A snapshot may be asked for again over REST.
    Fetch(u32),
    /// Missing bars may be asked for.
    Bars,
    /// A book's turn to be compared begins or ends.
    Witness,
    /// Missing settlements may be asked for. (Stands last: states of feeds hold these by number.)
    Funding,
}

/// Timers by time and by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimerTable {
    by_time: BTreeSet<(Nanos, Timer)>,
    by_name: BTreeMap<Timer, Nanos>,
}

impl Timer {
    /// Whose it is; `None` for those of the connection.
    pub(crate) fn subscription(self) -> Option<u32> {
        match self {
            Timer::Ack(sub) | Timer::Snapshot(sub) | Timer::Beat(sub) | Timer::Again(sub) => {
                Some(sub)
            }
            Timer::Fetch(sub) => Some(sub),
            Timer::Open | Timer::Close | Timer::Retry | Timer::Silence | Timer::Send => None,
            Timer::Login | Timer::Refill | Timer::Bars | Timer::Witness | Timer::Funding => None,
        }
    }
}

impl Timer {
    /// Whether it is of the feed rather than of its connection.
    pub(crate) fn is_of_feed(self) -> bool {
        matches!(self, Timer::Refill | Timer::Bars | Timer::Witness | Timer::Funding)
    }
}

impl TimerTable {
    pub(crate) fn set(&mut self, timer: Timer, at: Nanos) {
        self.stop(timer);
        self.by_time.insert((at, timer));
        self.by_name.insert(timer, at);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        if let Some(at) = self.by_name.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.by_name.contains_key(&timer)
    }

    /// Every timer that is set, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Timer, Nanos)> {
        let TimerTable { by_time: _, by_name } = self;
        by_name.iter().map(|(timer, at)| (*timer, *at))
    }

    /// A table of these.
    pub(crate) fn of(timers: Vec<(Timer, Nanos)>) -> TimerTable {
        let mut table = TimerTable::default();
        timers.into_iter().for_each(|(timer, at)| table.set(timer, at));
        table
    }

    pub(crate) fn next(&self) -> Option<Nanos> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes one timer that is due.
    pub(crate) fn pop(&mut self, now: Nanos) -> Option<Timer> {
        let (at, timer) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.stop(timer);
        Some(timer)
    }

    pub(crate) fn clear(&mut self) {
        self.by_time.clear();
        self.by_name.clear();
    }
}

/// One connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) state: LinkState,
    /// Connections asked for so far.
    pub(crate) number: u64,
    /// The venue's name for this one.
    pub(crate) conn_id: String,
    /// When the last frame came.
    pub(crate) heard: Nanos,
    pinged: Option<Nanos>,
    up_since: Option<Nanos>,
    attempts: u32,
    random: u64,
    sent: VecDeque<Nanos>,
    last_sent: Option<Nanos>,
    faults: u32,
    faults_since: Nanos,
    escalated: Option<Nanos>,
}

/// What the silence of a socket asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing yet; look again then.
    Look(Nanos),
    /// Send a ping, and look again then.
    Ping(Nanos),
    /// The connection is dead.
    Dead,
}

impl Link {
    pub(crate) fn new(seed: u64) -> Link {
        Link {
            state: LinkState::Down,
            number: 0,
            conn_id: String::new(),
            heard: Nanos(0),
            pinged: None,
            up_since: None,
            attempts: 0,
            random: seed,
            sent: VecDeque::new(),
            last_sent: None,
            faults: 0,
            faults_since: Nanos(0),
            escalated: None,
        }
    }

    pub(crate) fn opening(&mut self) {
        self.state = LinkState::Opening;
        self.number += 1;
        self.conn_id.clear();
    }

    pub(crate) fn opened(&mut self, now: Nanos) {
        self.state = LinkState::Up;
        self.heard = now;
        self.pinged = None;
        self.up_since = Some(now);
        self.sent.clear();
        self.last_sent = None;
        self.faults = 0;
        self.faults_since = now;
    }

    /// The connection is gone; says when to try again. `orderly` = we wanted it, so no back-off.
    pub(crate) fn closed(&mut self, now: Nanos, orderly: bool) -> Nanos {
        self.state = LinkState::Down;
        let lived = self.up_since.take().map_or(0, |since| now.since(since));
        if orderly || lived >= limits::RETRY_RESET_NS {
            self.attempts = 0;
        }
        let wait = match orderly {
            true => 0,
            false => {
                let doubled = limits::RETRY_MIN_NS << self.attempts.min(10);
                self.attempts += 1;
                doubled.min(limits::RETRY_MAX_NS)
            }
        };
        // Jitter of up to half as much again, so that many connections do not come back at once.
        let jitter = self.random() % (wait / 2 + SECOND / 10);
        now + wait + jitter
    }

    /// With another line beside it, a connection that lived for a moment comes back at once: while
    /// it is away the other one must not be lost.
    pub(crate) fn forgive(&mut self, now: Nanos) {
        if self.up_since.is_some_and(|since| now.since(since) >= limits::LINE_RESET_NS) {
            self.attempts = 0;
        }
    }

    fn random(&mut self) -> u64 {
        // splitmix64, public domain (Vigna, 2015).
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Looks how long the socket has been silent. Any frame counts as life, not only a pong.
    pub(crate) fn silence(&mut self, now: Nanos) -> Silence {
        if let Some(pinged) = self.pinged.filter(|pinged| *pinged > self.heard) {
            let patience = pinged + limits::PONG_WAIT_NS;
            return if now >= patience { Silence::Dead } else { Silence::Look(patience) };
        }
        let due = self.heard + limits::PING_AFTER_NS;
        if now < due {
            return Silence::Look(due);
        }
        self.pinged = Some(now);
        Silence::Ping(now + limits::PONG_WAIT_NS)
    }

    /// Requests that this connection may still send within the hour.
    pub(crate) fn requests_left_at(&mut self, now: Nanos) -> u32 {
        while self.sent.front().is_some_and(|at| now.since(*at) >= 3600 * SECOND) {
            self.sent.pop_front();
        }
        self.requests_left()
    }

    /// The same, as of the last request.
    pub(crate) fn requests_left(&self) -> u32 {
        limits::REQUESTS_PER_HOUR.saturating_sub(self.sent.len() as u32)
    }

    /// Whether it is one that a life can have made.
    pub(crate) fn is_sound(&self) -> bool {
        let counts = [self.attempts, self.faults];
        self.sent.len() <= limits::REQUESTS_PER_HOUR as usize
            && !counts.contains(&u32::MAX)
            && self.number != u64::MAX
    }

    /// When the next request may go out; `None` when the hour's budget is spent.
    pub(crate) fn may_send(&mut self, now: Nanos) -> Option<Nanos> {
        if self.requests_left_at(now) == 0 {
            return None;
        }
        let spaced = self.last_sent.map_or(now, |at| at + limits::REQUEST_SPACING_NS);
        Some(spaced.max(now))
    }

    pub(crate) fn sent(&mut self, now: Nanos) {
        self.sent.push_back(now);
        self.last_sent = Some(now);
    }

    /// No request before `until`: the venue said that we are too fast.
    pub(crate) fn hold_requests(&mut self, until: Nanos) {
        self.last_sent = Some(until - limits::REQUEST_SPACING_NS);
    }

    /// Counts a fault; says whether there have been too many of late.
    pub(crate) fn fault(&mut self, now: Nanos) -> bool {
        if now.since(self.faults_since) > limits::FAULT_WINDOW_NS {
            self.faults = 0;
            self.faults_since = now;
        }
        self.faults += 1;
        self.faults > limits::FAULTS_MAX
    }

    /// Whether one sick subscription may have the whole connection replaced now.
    pub(crate) fn may_escalate(&mut self, now: Nanos) -> bool {
        let spaced = self.escalated.is_none_or(|at| now.since(at) >= limits::ESCALATION_SPACING_NS);
        if spaced {
            self.escalated = Some(now);
        }
        spaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_grows_to_its_bound_and_a_long_life_resets_it() {
        let mut link = Link::new(7);
        let mut waits = Vec::new();
        for _ in 0..12 {
            link.opening();
            waits.push(link.closed(Nanos(0), false).0);
        }
        assert!(waits[0] < SECOND && waits[11] >= 30 * SECOND && waits[11] < 46 * SECOND);
        link.opening();
        link.opened(Nanos(0));
        let at = Nanos(limits::RETRY_RESET_NS);
        assert!(link.closed(at, false).since(at) < SECOND);
        assert!(link.closed(at, true).since(at) < SECOND / 10);
    }

    #[test]
    fn a_silent_socket_is_pinged_then_given_up() {
        let mut link = Link::new(1);
        link.opened(Nanos(0));
        let at = |s: u64| Nanos(s * SECOND);
        assert_eq!(link.silence(at(5)), Silence::Look(at(15)));
        assert_eq!(link.silence(at(15)), Silence::Ping(at(25)));
        assert_eq!(link.silence(at(20)), Silence::Look(at(25)));
        link.heard = at(22);
        assert_eq!(link.silence(at(25)), Silence::Look(at(37)));
        assert_eq!(link.silence(at(37)), Silence::Ping(at(47)));
        assert_eq!(link.silence(at(47)), Silence::Dead);
    }

    #[test]
    fn the_budget_is_an_hour_wide() {
        let mut link = Link::new(1);
        link.opened(Nanos(0));
        for i in 0..480 {
            let at = link.may_send(Nanos(i)).unwrap();
            link.sent(at);
        }
        assert_eq!(link.may_send(Nanos(60 * SECOND)), None);
        assert!(link.may_send(Nanos(3600 * SECOND)).is_some());
    }

    #[test]
    fn a_timer_is_in_the_table_once() {
        let mut timers = TimerTable::default();
        timers.set(Timer::Ack(1), Nanos(5));
        timers.set(Timer::Ack(1), Nanos(9));
        timers.set(Timer::Send, Nanos(7));
        assert_eq!(timers.next(), Some(Nanos(7)));
        assert_eq!(timers.pop(Nanos(8)), Some(Timer::Send));
        assert_eq!(timers.pop(Nanos(8)), None);
        assert_eq!(timers.pop(Nanos(9)), Some(Timer::Ack(1)));
        assert_eq!(timers.next(), None);
    }
}
