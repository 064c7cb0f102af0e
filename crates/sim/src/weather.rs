//! Faults that come with time rather than with a frame.
//!
//! `exchange.rs` calls [`Exchange::weather`] once a second, but only while the profile has such
//! faults. Instruments also live through their states here: listings, halts, expiry.
//!
//! Invariants: every fault ends by itself; only the preopen fault expires an instrument, once,
//! apart from the calendar.
//!
//! Start at [`Exchange::weather`].

use std::borrow::Cow;

use crate::api::{ConnId, ToClient};
use crate::calendar::SECOND;
use crate::channel::{Channel, FeedKey, Target};
use crate::engine::Side;
use crate::exchange::{Event, Exchange};
use crate::instrument::Kind;
use crate::market::{Birth, Market};
use crate::net::Frame;
use crate::table;

/// Listings in the life of one exchange.
const LISTINGS_MAX: u32 = 6;
/// How long an event contract is settled before it expires. OKX documents no time.
const SETTLING_NS: u64 = 60 * SECOND;

impl Exchange {
    /// Schedules the weather if the profile has any.
    pub(crate) fn forecast(&mut self) {
        let f = self.config.faults;
        let any = [
            f.reset,
            f.heartbeat,
            f.silence,
            f.nopong,
            f.notice,
            f.abort,
            f.onesided,
            f.preopen,
            f.evict,
        ];
        self.cancel(Event::Weather);
        if any.iter().any(|&rate| rate > 0) {
            self.schedule(self.now_ns + SECOND, Event::Weather);
        }
    }

    /// One second's chance for everything.
    pub(crate) fn weather(&mut self) {
        self.schedule(self.now_ns + SECOND, Event::Weather);
        let conns: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in conns {
            self.trouble(conn);
        }
        for n in 0..self.markets.len() {
            if self.watched(n) {
                self.disturb(n);
            }
        }
        if self.shelf.is_none() && self.net.rng.hit(self.config.faults.preopen) {
            self.shuffle_list();
        }
    }

    /// What can happen to a connection.
    fn trouble(&mut self, conn: ConnId) {
        let now = self.now_ns;
        let f = self.config.faults;
        if self.net.hit(f.silence, "silence") {
            let until = now + self.net.rng.between(25, 120) * SECOND;
            let one = self.pick_sub(conn).filter(|_| self.net.rng.below(2) == 0);
            if let Some(state) = self.conns.get_mut(&conn) {
                match one {
                    Some(key) => drop(state.mutes.insert(key, until)),
                    None => state.silent_until_ns = until,
                }
            }
        }
        if self.net.hit(f.nopong, "nopong") {
            let until = now + self.net.rng.between(30, 90) * SECOND;
            if let Some(state) = self.conns.get_mut(&conn) {
                state.nopong_until_ns = until;
            }
        }
        if self.net.hit(f.notice, "notice") {
            self.announce_upgrade(conn);
        }
        if self.net.rng.hit(f.evict)
            && let Some(key) = self.pick_sub(conn)
        {
            self.net.count("evict");
            self.evict(conn, key, Some("evict"));
        }
        if self.net.hit(f.abort, "abort") {
            let how = match self.net.rng.below(5) {
                0 => close(4004, "No data received in 30s."),
                1 => close(4005, "Buffer is full, cannot write data."),
                2 => close(4006, "Abnormal disconnection"),
                _ => ToClient::Abort,
            };
            self.end(conn, how, Some("abort"));
        }
    }

    fn pick_sub(&mut self, conn: ConnId) -> Option<FeedKey> {
        let subs = &self.conns.get(&conn)?.subs;
        let at = self.net.rng.below(subs.len() as u64) as usize;
        subs.get(at).copied()
    }

    fn announce_upgrade(&mut self, conn: ConnId) {
        let Some(state) = self.conns.get(&conn) else { return };
        let msg = "The connection will soon be closed for a service upgrade. Please reconnect.";
        let text = format!(
            "{{\"event\":\"notice\",\"code\":\"64008\",\"msg\":\"{msg}\",\"connId\":\"{}\"}}",
            state.hex
        );
        self.say(conn, text, Some("notice"));
        let after = self.net.rng.between(5, 60) * SECOND;
        self.cancel(Event::Upgrade(conn));
        self.schedule(self.now_ns + after, Event::Upgrade(conn));
    }

    /// What can happen to a market.
    fn disturb(&mut self, n: usize) {
        let now = self.now_ns;
        let f = self.config.faults;
        if self.net.hit(f.reset, "reset") {
            self.markets[n].reset_seq();
        }
        if self.net.rng.hit(f.heartbeat) {
            let until = now + self.net.rng.between(10, 25) * SECOND;
            self.markets[n].quiet_until_ns = until;
        }
        if self.net.hit(f.onesided, "onesided") {
            let until = now + self.net.rng.between(2, 10) * SECOND;
            let which = self.net.rng.below(3);
            if which != 1 {
                self.markets[n].dig_hole(Side::Bid, until);
            }
            if which != 0 {
                self.markets[n].dig_hole(Side::Ask, until);
            }
            self.publish_now(n);
            let grid = 100_000_000;
            self.schedule(now.div_ceil(grid) * grid, Event::Grid(n));
        }
    }

    /// A listing, a halt, an odd state, or the one expiry.
    fn shuffle_list(&mut self) {
        let action = self.net.rng.below(5);
        if action < 2 && self.listings < LISTINGS_MAX {
            self.net.count("preopen");
            return self.list_another();
        }
        if action == 2 && !self.expired_one {
            let last = self.markets.iter().rposition(|market| market.inst.kind == Kind::Option);
            if let Some(n) = last {
                self.net.count("preopen");
                self.expired_one = true;
                return self.set_state(n, "expired");
            }
        }
        let listed = self.markets.len() - self.spreads;
        let n = self.net.rng.below(listed as u64) as usize;
        let n = if n < self.born { n } else { n + self.spreads };
        let state = match self.net.rng.below(5) {
            0 => "rebase",
            1 => "post_only",
            2 => "quantum_halt",
            _ => "suspend",
        };
        if self.markets[n].inst.state == "live" {
            self.net.count("preopen");
            self.set_state(n, state);
            let back = self.now_ns + self.net.rng.between(5, 20) * SECOND;
            self.schedule(back, Event::Life(n));
        }
    }

    fn list_another(&mut self) {
        self.listings += 1;
        let inst = table::listing(self.config.market, self.now_ns, self.listings);
        let number = self.markets.len();
        let birth = Birth {
            seed: self.config.seed,
            number: number - self.spreads,
            now_ns: self.now_ns,
            assets: &self.assets,
            history: false,
        };
        self.by_id.insert(inst.id.clone(), number);
        self.markets.push(Market::new(inst, birth));
        self.markets[number].pace_ppm = self.pace.ppm;
        self.announce(number);
        let next = self.now_ns + self.net.rng.between(5, 15) * SECOND;
        self.schedule(next, Event::Life(number));
    }

    /// An instrument goes on to its next state.
    pub(crate) fn live_on(&mut self, n: usize) {
        let now = self.now_ns;
        let inst = &mut self.markets[n].inst;
        if inst.exp_ns.is_some_and(|at| at <= now) {
            if inst.kind == Kind::Events && !matches!(&*inst.state, "settling" | "expired") {
                self.set_state(n, "settling");
                self.schedule(now + SETTLING_NS, Event::Life(n));
            } else if inst.state != "expired" {
                self.set_state(n, "expired");
            }
        } else if inst.blank {
            inst.blank = false;
            inst.code = Some(300_000 + (n - self.spreads) as i64);
            let next = now + self.net.rng.between(5, 15) * SECOND;
            self.markets[n].inst.auction_end_ns = Some(next);
            self.markets[n].inst.open_type = "call_auction";
            self.announce(n);
            self.schedule(next, Event::Life(n));
        } else if inst.in_auction() {
            self.open_market(n);
        } else if inst.state != "expired" {
            self.set_state(n, "live");
        }
    }

    /// Ends what gathered orders, and lets them trade.
    pub(crate) fn open_market(&mut self, n: usize) {
        // The book first, so that nobody sees a crossed one of an instrument said to be live.
        self.markets[n].end_auction(&self.assets, self.now_ns);
        self.publish_now(n);
        self.grid(n);
        self.set_state(n, "live");
        if self.markets[n].inst.open_type == "call_auction" {
            let row = crate::auction::ended(&self.markets[n], self.now_ns);
            self.push_rows((Target::Inst(n), Channel::CallAuction), vec![row]);
        }
    }

    pub(crate) fn set_state(&mut self, n: usize, state: &'static str) {
        self.markets[n].inst.state = Cow::Borrowed(state);
        self.announce(n);
        if state == "expired" {
            self.drop_instrument(n);
        }
    }

    /// Pushes one changed row on the `instruments` channel.
    pub(crate) fn announce(&mut self, n: usize) {
        let inst = &self.markets[n].inst;
        if inst.kind == Kind::Events {
            let row = crate::rest_families::market_row(inst, &self.assets);
            self.push_rows((Target::Type(Kind::Events.name()), Channel::EventMarkets), vec![row]);
        }
        let inst = &self.markets[n].inst;
        let margin = inst.kind == Kind::Spot && inst.quote == "USDT" && !inst.blank;
        let mut views = vec![(inst.kind.name(), false)];
        if margin {
            views.push(("MARGIN", true));
        }
        for (name, margin) in views {
            let key = (Target::Type(name), Channel::Instruments);
            let Some(feed) = self.feeds.get(&key) else { continue };
            let (text, fields) = self.markets[n].inst.row(margin);
            let truth = self.config.truth.then(|| feed.truth(vec![fields]));
            let frame: Frame = feed.frame(None, &text, truth);
            self.push(key, &frame);
        }
    }
}

fn close(code: u16, reason: &str) -> ToClient {
    ToClient::Close { code, reason: reason.to_owned() }
}
