//! Who listens to which feed: joining, leaving, trailing.
//!
//! `request.rs` and `weather.rs` call these. A feed is made for its first listener and dies with
//! its last; making one sends the newcomer what OKX sends first: a snapshot, the last ticker, the
//! open candle.
//!
//! Invariant: a connection's `subs` and the feeds' live listeners say the same. Start at
//! [`Exchange::join`].

use std::collections::BTreeSet;

use crate::api::ConnId;
use crate::bars::{Ohlc, assemble, invent};
use crate::book::Book;
use crate::calendar::{Bar, MINUTE, SECOND};
use crate::channel::{BookKind, Channel, FeedKey, Target};
use crate::exchange::{Event, Exchange};
use crate::feed::{Feed, LIVE, Listener, Memory};
use crate::net::Frame;
use crate::publish::ticker_state;
use crate::rows;
use crate::slow::state_text;

impl Exchange {
    /// Starts a subscription, or starts it again, and sends what comes first.
    pub(crate) fn join(&mut self, conn: ConnId, key: FeedKey) {
        if key.1.follows_flow() {
            for n in self.members(key.0) {
                if !self.watched(n) {
                    self.catch_up(n);
                    let at = self.markets[n].next_act_ns;
                    self.schedule(at, Event::Act(n));
                }
            }
        }
        if !self.feeds.contains_key(&key) {
            self.make_feed(key);
        }
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        feed.listeners.retain(|listener| listener.conn != conn);
        feed.listeners.push(Listener { conn, until_ns: LIVE });
        if let Some(state) = self.conns.get_mut(&conn) {
            state.ever_subscribed = true;
            if !state.subs.contains(&key) {
                state.subs.push(key);
            }
        }
        if let (Target::Recorded(n), Some(shelf)) = (key.0, &mut self.shelf) {
            shelf.joined(conn, n);
        }
        if let Some(frame) = self.first_frame(key) {
            self.push_one(conn, key, &frame);
        }
    }

    pub(crate) fn push_one(&mut self, conn: ConnId, key: FeedKey, frame: &Frame) {
        let now = self.now_ns;
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.last_alive_ns = now;
        if state.hears(key, now) {
            self.net.text(&self.config.faults, (conn, now), frame, None);
        }
    }

    fn make_feed(&mut self, key: FeedKey) {
        let now = self.now_ns;
        let (target, channel) = key;
        let mut name = channel.name();
        let (mut arg, mut inst_id) = self.argument(key);
        if let Target::Recorded(n) = target {
            let Some(recorded) = self.shelf.as_ref().and_then(|shelf| shelf.feeds.get(n)) else {
                return;
            };
            name.clone_from(&recorded.channel);
            inst_id.clone_from(&recorded.about);
            let (channel, about) = (crate::text::json(&name), crate::text::json(&inst_id));
            arg = format!("{{\"channel\":{channel},\"instId\":{about}}}");
        }
        let memory = match (channel, target) {
            (channel, Target::Inst(n)) if channel.book().is_some() => {
                let kind = channel.book().unwrap_or(BookKind::Bbo);
                self.schedule(now + SECOND, Event::Beat(key));
                let market = &self.markets[n];
                Memory::Book(Book::look(kind, &market.engine, market.seq))
            }
            (Channel::Candle(bar) | Channel::SprdCandle(bar), Target::Inst(n)) => {
                let open = self.open_candle(n, bar);
                self.schedule(bar.end(open.open_ns), Event::BarEnd(key));
                Memory::Candle { bar, open, dirty: false }
            }
            (Channel::MarkCandle(bar) | Channel::IndexCandle(bar), _) => {
                let open = self.open_price_candle(target, bar);
                self.schedule(now / SECOND * SECOND + SECOND, Event::Slow(key));
                Memory::Candle { bar, open, dirty: false }
            }
            (Channel::Tickers | Channel::SprdTickers, Target::Inst(n)) => {
                Memory::State(ticker_state(&self.markets[n]))
            }
            (
                Channel::MarkPrice
                | Channel::IndexTickers
                | Channel::OpenInterest
                | Channel::FundingRate
                | Channel::PriceLimit
                | Channel::CallAuction,
                _,
            ) => {
                self.schedule(self.next_look(key), Event::Slow(key));
                Memory::State(self.state_row(key).as_ref().map(state_text).unwrap_or_default())
            }
            _ => {
                if self.has_news(key) {
                    self.schedule(self.next_look(key), Event::Slow(key));
                }
                Memory::Events
            }
        };
        let listeners = Vec::new();
        let feed = Feed { channel: name, inst_id, arg, listeners, memory, last_push_ns: now };
        self.feeds.insert(key, feed);
    }

    /// The argument of a feed's frames, and the name that its truths carry.
    fn argument(&self, key: FeedKey) -> (String, String) {
        let (target, channel) = key;
        let mut names: Vec<(&str, &str)> = Vec::new();
        match target {
            Target::Inst(n) => {
                let inst = &self.markets[n].inst;
                if let (Channel::Sbe(_), Some(code)) = (channel, inst.code) {
                    let name = channel.name();
                    let arg = format!("{{\"channel\":\"{name}\",\"instIdCode\":{code}}}");
                    return (arg, inst.id.clone());
                }
                if channel.names_type() {
                    names.push(("instType", inst.kind.name()));
                }
                names.push((if channel.of_spread() { "sprdId" } else { "instId" }, &inst.id));
            }
            Target::Index(n) => names.push(("instId", &self.indices[n].name)),
            Target::Type(name) => names.push(("instType", name)),
            Target::Family(kind, at) => {
                if channel.names_type() {
                    names.push(("instType", kind));
                }
                let family = self.families.iter().find(|(_, number)| **number == at);
                names.push(("instFamily", family.map_or("", |(name, _)| name)));
            }
            Target::All | Target::Recorded(_) => {}
        }
        let about = names.last().map_or(String::new(), |(_, text)| (*text).to_owned());
        let mut arg = format!("{{\"channel\":\"{}\"", channel.name());
        for (name, text) in names {
            arg.push_str(&format!(",\"{name}\":{}", crate::text::json(text)));
        }
        arg.push('}');
        (arg, about)
    }

    /// The bar that is open, from what has been traded in it so far.
    fn open_candle(&self, n: usize, bar: Bar) -> Ohlc {
        let market = &self.markets[n];
        let open_ns = bar.open(self.now_ns);
        if bar.sample() >= MINUTE {
            let live = (market.invented_until_ns(), &market.minutes);
            return assemble((&market.inst, &self.assets), (bar, open_ns), live);
        }
        let before = market.trades.iter().rev().find(|trade| trade.at_ns < open_ns);
        // Of what never traded a tick, as over REST.
        let px = before.or(market.last.as_ref()).map_or(1, |trade| trade.px);
        let mut made = Ohlc::flat(open_ns, px);
        for trade in market.trades.iter().filter(|trade| trade.at_ns >= open_ns) {
            made.trade(&market.inst, trade.px, trade.lots);
        }
        made
    }

    /// The open bar of a mark price or an index.
    fn open_price_candle(&self, target: Target, bar: Bar) -> Ohlc {
        let inst = match target {
            Target::Index(n) => &self.indices[n].as_inst,
            Target::Inst(n) => &self.markets[n].inst,
            _ => return Ohlc::flat(self.now_ns, 1),
        };
        invent(inst, &self.assets, bar.open(self.now_ns), self.now_ns, bar.sample())
    }

    /// What a newcomer gets at once.
    fn first_frame(&mut self, key: FeedKey) -> Option<Frame> {
        let (target, channel) = key;
        match (channel, target) {
            (Channel::Recorded, Target::Recorded(n)) => self.shelf.as_ref()?.first_frame(n),
            (Channel::Book(_), _) => self.whole_book(key),
            (Channel::Sbe(_), _) => None,
            (Channel::Tickers, Target::Inst(n)) => {
                let row = rows::ticker(&self.markets[n], &self.assets, self.now_ns);
                self.rows_frame(key, vec![row])
            }
            (Channel::SprdTickers, Target::Inst(n)) => {
                let row = rows::spread_ticker(&self.markets[n], &self.assets, self.now_ns);
                self.rows_frame(key, vec![row])
            }
            (
                Channel::Candle(_)
                | Channel::SprdCandle(_)
                | Channel::MarkCandle(_)
                | Channel::IndexCandle(_),
                _,
            ) => {
                let Memory::Candle { open, .. } = &self.feeds.get(&key)?.memory else {
                    return None;
                };
                let row = self.candle_row(key, open, false);
                self.rows_frame(key, vec![row])
            }
            _ => {
                let first = match self.state_row(key) {
                    Some(row) => vec![row],
                    None => self.first_news(key)?,
                };
                self.rows_frame(key, first)
            }
        }
    }

    /// Ends a subscription at once.
    pub(crate) fn leave(&mut self, conn: ConnId, key: FeedKey) {
        if let Some(state) = self.conns.get_mut(&conn) {
            state.subs.retain(|sub| *sub != key);
        }
        self.stop_listening(key, conn);
    }

    /// Ends a subscription whose frames keep coming for a while.
    pub(crate) fn trail(&mut self, conn: ConnId, key: FeedKey, until_ns: u64) {
        if let Some(state) = self.conns.get_mut(&conn) {
            state.subs.retain(|sub| *sub != key);
        }
        if let Some(feed) = self.feeds.get_mut(&key) {
            for listener in feed.listeners.iter_mut().filter(|listener| listener.conn == conn) {
                listener.until_ns = until_ns;
            }
            self.schedule(until_ns, Event::Prune(key));
        }
    }

    /// Drops listeners that have trailed long enough.
    pub(crate) fn prune(&mut self, key: FeedKey) {
        let now = self.now_ns;
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        feed.listeners.retain(|listener| listener.until_ns > now);
        if feed.listeners.is_empty() {
            self.drop_feeds(BTreeSet::from([key]));
        }
    }

    /// Takes a connection off a feed.
    fn stop_listening(&mut self, key: FeedKey, conn: ConnId) {
        if let (Target::Recorded(n), Some(shelf)) = (key.0, &mut self.shelf) {
            shelf.left(conn, n);
        }
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        feed.listeners.retain(|listener| listener.conn != conn);
        if feed.listeners.is_empty() {
            self.drop_feeds(BTreeSet::from([key]));
        }
    }

    /// Takes a connection off every feed.
    pub(crate) fn stop_listening_to_all(&mut self, conn: ConnId) {
        let mut dead = BTreeSet::new();
        for (key, feed) in &mut self.feeds {
            feed.listeners.retain(|listener| listener.conn != conn);
            if feed.listeners.is_empty() {
                dead.insert(*key);
            }
        }
        self.drop_feeds(dead);
        if let Some(shelf) = &mut self.shelf {
            shelf.all_left(conn);
        }
    }

    fn drop_feeds(&mut self, keys: BTreeSet<FeedKey>) {
        for key in &keys {
            self.feeds.remove(key);
        }
        self.cancel_feeds(&keys);
    }

    /// Ends every feed of an instrument, for everybody.
    pub(crate) fn drop_instrument(&mut self, n: usize) {
        let keys: Vec<FeedKey> = self.keys_of(n).collect();
        for state in self.conns.values_mut() {
            state.subs.retain(|key| key.0 != Target::Inst(n));
        }
        self.drop_feeds(keys.into_iter().collect());
    }
}
