//! What changed in a market becomes frames for those who listen.
//!
//! `exchange.rs` calls these when events fall due. Cadences are OKX's: best bid and offer and the
//! `tbt` books at once (activity is on a 10 ms grid), `books`, `books5` and `tickers` on a 100 ms
//! grid, candles at most once a second.
//!
//! Invariants: of one instrument the book channels go out in OKX's order; a book update's
//! `prevSeqId` is the `seqId` of the push before it; unchanged means unsent, until the beat.
//!
//! Start at [`Exchange::act`].

use crate::api::{ConnId, Truth};
use crate::bars::Ohlc;
use crate::book::Book;
use crate::calendar::{MILLI, SECOND};
use crate::channel::{BookKind, Channel, FeedKey, Target};
use crate::engine::Side;
use crate::exchange::{Event, Exchange};
use crate::feed::{Feed, Fields, LIVE, Memory, array, object};
use crate::market::{Market, Trade};
use crate::net::Frame;
use crate::rng::mix;
use crate::{options, rows};

/// The cadence of `books`, `books5`, `books-rpi` and `tickers`.
const GRID_NS: u64 = 100 * MILLI;
/// A book that did not change is confirmed after this.
const BEAT_NS: u64 = 60 * SECOND;
/// The same under the profile `heartbeat`.
const FAST_BEAT_NS: u64 = 5 * SECOND;

impl Exchange {
    /// A burst of activity: moves the market, then tells the channels that do not wait.
    pub(crate) fn act(&mut self, n: usize) {
        let now = self.now_ns;
        let changed = self.markets[n].act(&self.assets, now);
        let again = self.markets[n].next_act_ns;
        self.schedule(again, Event::Act(n));
        self.publish_now(n);
        if changed {
            self.schedule(now.div_ceil(GRID_NS) * GRID_NS, Event::Grid(n));
        }
    }

    /// The channels that do not wait for the grid.
    pub(crate) fn publish_now(&mut self, n: usize) {
        let keys: Vec<FeedKey> = self.keys_of(n).collect();
        let fresh = std::mem::take(&mut self.markets[n].fresh);
        for key in keys {
            match key.1 {
                Channel::Book(kind) if kind.at_once() => self.publish_book(key, n, kind),
                Channel::Trades => self.publish_trades(key, n, &fresh),
                Channel::TradesAll => self.publish_fills(key, n, &fresh),
                Channel::OptionTrades => self.publish_option_trades(key, n, &fresh),
                Channel::Candle(_) | Channel::SprdCandle(_) => self.feed_candle(key, n, &fresh),
                Channel::Sbe(kind) => self.publish_sbe(key, n, kind, &fresh),
                Channel::SprdTrades => self.publish_spread_trades(key, n, &fresh),
                _ => {}
            }
        }
        if !fresh.is_empty()
            && let Some(key) = self.family_trades(n)
        {
            self.publish_option_trades(key, n, &fresh);
        }
    }

    /// The channels on the 100 ms grid.
    pub(crate) fn grid(&mut self, n: usize) {
        let keys: Vec<FeedKey> = self.keys_of(n).collect();
        for key in keys {
            match key.1 {
                Channel::Book(kind) if !kind.at_once() => self.publish_book(key, n, kind),
                Channel::Tickers | Channel::SprdTickers => self.publish_ticker(key, n),
                _ => {}
            }
        }
    }

    fn publish_book(&mut self, key: FeedKey, n: usize, kind: BookKind) {
        let ts_ms = self.now_ns / MILLI;
        let market = &mut self.markets[n];
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        let Memory::Book(before) = &feed.memory else { return };
        if before.same(&market.engine) {
            return;
        }
        if market.seq == before.seq {
            market.seq += 1;
        }
        let after = Book::look(kind, &market.engine, market.seq);
        let data = if kind.whole() {
            after.whole(&market.inst, ts_ms, None)
        } else {
            after.update(before, &market.inst, ts_ms)
        };
        let truth = self.config.truth.then(|| book_truth(feed, &after, market));
        let frame = feed.frame((!kind.whole()).then_some("update"), &data, truth);
        feed.memory = Memory::Book(after);
        if !kind.whole() && self.net.hit(self.config.faults.seqgap, "seqgap") {
            return;
        }
        self.push(key, &frame);
    }

    /// The whole book of a feed as one frame.
    pub(crate) fn whole_book(&self, key: FeedKey) -> Option<Frame> {
        let feed = self.feeds.get(&key)?;
        let (Target::Inst(n), Channel::Book(kind)) = key else { return None };
        let Memory::Book(book) = &feed.memory else { return None };
        let market = &self.markets[n];
        let prev = (!kind.whole()).then_some(-1);
        let data = book.whole(&market.inst, self.now_ns / MILLI, prev);
        let truth = self.config.truth.then(|| book_truth(feed, book, market));
        Some(feed.frame((!kind.whole()).then_some("snapshot"), &data, truth))
    }

    /// Confirms a book that did not change for long enough.
    pub(crate) fn beat(&mut self, key: FeedKey) {
        let fast = self.config.faults.heartbeat > 0;
        let every = if fast { FAST_BEAT_NS } else { BEAT_NS };
        let Some(feed) = self.feeds.get(&key) else { return };
        let due = feed.last_push_ns + every;
        if due > self.now_ns {
            self.schedule(due, Event::Beat(key));
            return;
        }
        let (Target::Inst(n), Some(kind)) = (key.0, key.1.book()) else { return };
        let frame = if matches!(key.1, Channel::Sbe(_)) {
            self.sbe_beat(key)
        } else if kind.whole() {
            self.whole_book(key)
        } else {
            let Memory::Book(book) = &feed.memory else { return };
            let market = &self.markets[n];
            let data = book.beat(&market.inst, self.now_ns / MILLI);
            let truth = self.config.truth.then(|| book_truth(feed, book, market));
            Some(feed.frame(Some("update"), &data, truth))
        };
        if let Some(frame) = frame {
            if fast {
                self.net.count("heartbeat");
            }
            self.push(key, &frame);
        }
        self.schedule(self.now_ns + every, Event::Beat(key));
    }

    fn publish_trades(&mut self, key: FeedKey, n: usize, fresh: &[Trade]) {
        let same = |a: &Trade, b: &Trade| a.taker == b.taker && a.px == b.px && a.rpi == b.rpi;
        let Some(first) = fresh.first() else { return };
        let inst = &self.markets[n].inst;
        let rows = fresh.chunk_by(same).map(|fills| rows::trade_aggregate(inst, fills)).collect();
        self.push_due(key, rows, first.id);
    }

    fn publish_fills(&mut self, key: FeedKey, n: usize, fresh: &[Trade]) {
        for fill in fresh {
            let row = rows::trade_single(&self.markets[n].inst, fill);
            self.push_rows(key, vec![row]);
        }
    }

    /// One trade a push, as the fills come; an aggregate of `trades` covers several of them.
    fn publish_option_trades(&mut self, key: FeedKey, n: usize, fresh: &[Trade]) {
        for fill in fresh {
            let row = options::trade(&self.markets[n].inst, &self.assets, fill);
            self.push_rows(key, vec![row]);
        }
    }

    fn publish_spread_trades(&mut self, key: FeedKey, n: usize, fresh: &[Trade]) {
        for fill in fresh {
            let row = rows::spread_trade(&self.markets[n].inst, fill);
            self.push_rows(key, vec![row]);
        }
    }

    fn publish_ticker(&mut self, key: FeedKey, n: usize) {
        let state = ticker_state(&self.markets[n]);
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        match &mut feed.memory {
            Memory::State(before) if *before != state => *before = state,
            _ => return,
        }
        let market = &self.markets[n];
        let row = match key.1 {
            Channel::SprdTickers => rows::spread_ticker(market, &self.assets, self.now_ns),
            _ => rows::ticker(market, &self.assets, self.now_ns),
        };
        self.push_rows(key, vec![row]);
    }

    fn feed_candle(&mut self, key: FeedKey, n: usize, fresh: &[Trade]) {
        let now = self.now_ns;
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        let Memory::Candle { open, dirty, .. } = &mut feed.memory else { return };
        if fresh.is_empty() {
            return;
        }
        for fill in fresh {
            open.trade(&self.markets[n].inst, fill.px, fill.lots);
        }
        if !*dirty {
            *dirty = true;
            let at = (feed.last_push_ns + SECOND).max(now);
            self.schedule(at, Event::Candle(key));
        }
    }

    /// Pushes a changed candle, unless it was pushed less than a second ago.
    pub(crate) fn push_candle(&mut self, key: FeedKey) {
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        let due = feed.last_push_ns + SECOND;
        let Memory::Candle { open, dirty, .. } = &mut feed.memory else { return };
        if !*dirty {
            return;
        }
        if due > self.now_ns {
            self.schedule(due, Event::Candle(key));
            return;
        }
        *dirty = false;
        let bar = *open;
        let row = self.candle_row(key, &bar, false);
        self.push_rows(key, vec![row]);
    }

    /// The last push of a bar, and the first of the next.
    pub(crate) fn bar_ends(&mut self, key: FeedKey) {
        let now = self.now_ns;
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        let Memory::Candle { bar, open, dirty } = &mut feed.memory else { return };
        let closed = *open;
        let begun = Ohlc::flat(now, closed.c);
        (*open, *dirty) = (begun, false);
        let end = bar.end(now);
        self.push_turn(key, &closed, &begun);
        self.schedule(end, Event::BarEnd(key));
    }

    /// The last row of a bar and the first of the next.
    pub(crate) fn push_turn(&mut self, key: FeedKey, closed: &Ohlc, begun: &Ohlc) {
        let last = self.candle_row(key, closed, true);
        let first = self.candle_row(key, begun, false);
        self.push_due(key, vec![last, first], begun.open_ns ^ closed.c as u64);
    }

    /// Sends rows that fall due at once: a frame each, or one time in three all in one frame.
    /// What `mark` says about them decides, so that neither listeners nor faults do.
    fn push_due(&mut self, key: FeedKey, rows: Vec<Fields>, mark: u64) {
        if mix(self.config.seed ^ mark).is_multiple_of(3) {
            return self.push_rows(key, rows);
        }
        for row in rows {
            self.push_rows(key, vec![row]);
        }
    }

    /// A candle as its channel prints it.
    pub(crate) fn candle_row(&self, key: FeedKey, bar: &Ohlc, closed: bool) -> Fields {
        match key {
            (Target::Inst(n), Channel::Candle(_)) => {
                rows::candle(&self.markets[n].inst, bar, closed)
            }
            (Target::Inst(n), Channel::SprdCandle(_)) => {
                rows::spread_candle(&self.markets[n].inst, bar, closed)
            }
            (Target::Inst(n), _) => rows::price_candle(self.markets[n].inst.px_places, bar, closed),
            (Target::Index(n), _) => {
                rows::price_candle(self.indices[n].as_inst.px_places, bar, closed)
            }
            _ => Fields::new(),
        }
    }

    /// Sends rows of a channel that is not a book to everybody who listens.
    pub(crate) fn push_rows(&mut self, key: FeedKey, rows: Vec<Fields>) {
        if let Some(frame) = self.rows_frame(key, rows) {
            self.push(key, &frame);
        }
    }

    /// Rows of a channel that is not a book as a frame.
    pub(crate) fn rows_frame(&self, key: FeedKey, rows: Vec<Fields>) -> Option<Frame> {
        let feed = self.feeds.get(&key)?;
        let print = |row: &Fields| match key.1 {
            Channel::Candle(_)
            | Channel::MarkCandle(_)
            | Channel::IndexCandle(_)
            | Channel::SprdCandle(_) => array(row),
            _ => object(row, rows::RAW),
        };
        let data: Vec<String> = rows.iter().map(print).collect();
        let truth = self.config.truth.then(|| feed.truth(rows));
        Some(feed.frame(None, &data.join(","), truth))
    }

    /// Sends a frame to everybody who listens to a feed.
    pub(crate) fn push(&mut self, key: FeedKey, frame: &Frame) {
        self.push_if(key, frame, |_| true);
    }

    /// Sends a frame to those who listen to a feed and are `wanted`.
    pub(crate) fn push_if(&mut self, key: FeedKey, frame: &Frame, wanted: impl Fn(ConnId) -> bool) {
        let now = self.now_ns;
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        feed.last_push_ns = now;
        for listener in &feed.listeners {
            let Some(conn) = self.conns.get_mut(&listener.conn) else { continue };
            if listener.until_ns <= now || !wanted(listener.conn) {
                continue;
            }
            conn.last_alive_ns = now;
            if conn.hears(key, now) {
                let fault = (listener.until_ns != LIVE).then_some("late");
                self.net.text(&self.config.faults, (listener.conn, now), frame, fault);
            }
        }
    }
}

/// The part of a ticker whose change makes OKX push it.
pub fn ticker_state(market: &Market) -> String {
    let top = |side| market.engine.side(side).first().map(|l| (l.px, l.lots + l.rpi));
    format!("{:?}{:?}{:?}", market.last.map(|t| t.id), top(Side::Bid), top(Side::Ask))
}

pub(crate) fn book_truth(feed: &Feed, book: &Book, market: &Market) -> Truth {
    let mut truth = feed.truth(Vec::new());
    truth.book = Some(book.truth(&market.inst));
    truth
}
