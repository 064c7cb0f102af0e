//! Channels that poll their state: mark price, index, open interest, funding, price limits.
//!
//! `exchange.rs` calls [`Exchange::poll`] at each channel's own pace; a state goes out when it
//! changed, or when its guaranteed beat is due. Mark prices and indices are pure functions of
//! time, so nothing is remembered but the last state.

use crate::bars::Ohlc;
use crate::calendar::{MILLI, SECOND};
use crate::channel::{Channel, FeedKey, Target};
use crate::exchange::{Event, Exchange};
use crate::feed::{Fields, Memory};
use crate::{auction, bounds, funding, rows};

/// How often a channel looks, and after how long it repeats itself (3.2 of the notes).
fn pace(channel: Channel) -> (u64, u64) {
    match channel {
        Channel::MarkPrice => (200 * MILLI, 10 * SECOND),
        Channel::IndexTickers => (100 * MILLI, 60 * SECOND),
        Channel::OpenInterest => (3 * SECOND, u64::MAX),
        Channel::FundingRate => (60 * SECOND, 60 * SECOND),
        Channel::PriceLimit | Channel::EstimatedPrice => (200 * MILLI, u64::MAX),
        _ => (SECOND, SECOND),
    }
}

/// The part of a row whose change makes it go out: all but its time.
pub fn state_text(row: &Fields) -> String {
    let texts = row.iter().filter(|(name, _)| *name != "ts").map(|(_, text)| text.as_str());
    texts.collect::<Vec<_>>().join(",")
}

impl Exchange {
    /// When a polling channel looks next.
    pub(crate) fn next_look(&self, key: FeedKey) -> u64 {
        let (every, _) = pace(key.1);
        self.now_ns / every * every + every
    }

    /// Looks at a channel's state and pushes it if there is a reason.
    pub(crate) fn poll(&mut self, key: FeedKey) {
        let now = self.now_ns;
        if matches!(key.1, Channel::MarkCandle(_) | Channel::IndexCandle(_)) {
            return self.tick_price_candle(key);
        }
        let (every, beat) = pace(key.1);
        self.schedule(self.next_look(key), Event::Slow(key));
        if self.has_news(key) {
            for rows in self.news(key, now.saturating_sub(every)) {
                self.push_rows(key, rows);
            }
            return;
        }
        let Some(row) = self.state_row(key) else { return };
        let state = state_text(&row);
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        let due = now >= feed.last_push_ns.saturating_add(beat);
        let Memory::State(before) = &mut feed.memory else { return };
        if *before == state && !due {
            return;
        }
        *before = state;
        self.push_rows(key, vec![row]);
    }

    /// The newest row of a polling channel.
    pub(crate) fn state_row(&self, key: FeedKey) -> Option<Fields> {
        let now = self.now_ns;
        match key {
            (Target::Inst(n), Channel::MarkPrice) => {
                Some(rows::mark_price(&self.markets[n].inst, &self.assets, now))
            }
            (Target::Inst(n), Channel::OpenInterest) => {
                Some(rows::open_interest(&self.markets[n].inst, &self.assets, now))
            }
            (Target::Inst(n), Channel::FundingRate) => {
                Some(funding::row(&self.markets[n].inst, now))
            }
            (Target::Index(n), Channel::IndexTickers) => {
                Some(rows::index_ticker(&self.indices[n], &self.assets, now))
            }
            (Target::Inst(n), Channel::PriceLimit) => {
                Some(bounds::price_limit(&self.markets[n].inst, &self.assets, now))
            }
            (Target::Inst(n), Channel::CallAuction) => auction::row(&self.markets[n], now),
            _ => None,
        }
    }

    /// Once a second: the price moves the open bar, or ends it.
    fn tick_price_candle(&mut self, key: FeedKey) {
        let now = self.now_ns;
        self.schedule(now + SECOND, Event::Slow(key));
        let px = match key.0 {
            Target::Inst(n) => self.markets[n].inst.fair(&self.assets, now),
            Target::Index(n) => self.indices[n].as_inst.fair(&self.assets, now),
            _ => return,
        };
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        let Memory::Candle { bar, open, .. } = &mut feed.memory else { return };
        open.touch(px);
        let ended = (bar.end(open.open_ns) <= now).then_some(*open);
        if ended.is_some() {
            *open = Ohlc::flat(now, px);
            open.touch(px);
        }
        let begun = *open;
        if let Some(closed) = ended {
            return self.push_turn(key, &closed, &begun);
        }
        let row = self.candle_row(key, &begun, false);
        self.push_rows(key, vec![row]);
    }
}
