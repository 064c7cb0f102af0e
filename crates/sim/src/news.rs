//! Channels that tell of what has happened since they last looked.
//!
//! `slow.rs` asks at each channel's pace; the answers come from timetables and from markets, and
//! REST answers from the same. Nothing is computed for channels without listeners.
//!
//! Invariant: what is told depends on time and markets alone, not on who listens. Start at
//! [`Exchange::news`].

use std::collections::BTreeSet;

use crate::blocks::{self, Blocks};
use crate::calendar::MINUTE;
use crate::channel::{Channel, FeedKey, Target};
use crate::exchange::Exchange;
use crate::feed::Fields;
use crate::market::Trade;
use crate::slow::state_text;
use crate::{bounds, jumps, notices, options};

/// `block-tickers` repeats itself after this.
const BLOCK_BEAT_NS: u64 = 5 * MINUTE;

impl Exchange {
    /// Whether a channel looks for news.
    pub(crate) fn has_news(&self, key: FeedKey) -> bool {
        matches!(
            key.1,
            Channel::OptSummary
                | Channel::EstimatedPrice
                | Channel::Liquidations
                | Channel::AdlWarning
                | Channel::Status
                | Channel::BlockTickers
                | Channel::BlockTrades
                | Channel::StrucBlockTrades
                | Channel::EconomicCalendar
        )
    }

    /// What a newcomer gets at once from a channel of news.
    pub(crate) fn first_news(&self, key: FeedKey) -> Option<Vec<Fields>> {
        let now = self.now_ns;
        match key.1 {
            Channel::Status => Some(vec![notices::maintenance(now)]),
            Channel::OptSummary => self.news(key, now).into_iter().next(),
            Channel::BlockTickers => self.block_ticker(key.0).map(|row| vec![row]),
            Channel::OptionTrades => {
                // The last trade again, which OKX tells readers to ignore.
                let last = |n: usize| self.markets[n].last.map(|trade| (trade.at_ns, n, trade));
                let (_, n, trade) =
                    self.members(key.0).into_iter().filter_map(last).max_by_key(|l| (l.0, l.1))?;
                Some(vec![options::trade(&self.markets[n].inst, &self.assets, &trade)])
            }
            _ => None,
        }
    }

    /// What happened after `from` up to now, as the rows of one frame after the other.
    pub(crate) fn news(&self, key: FeedKey, from: u64) -> Vec<Vec<Fields>> {
        let now = self.now_ns;
        let (target, channel) = key;
        let alone = |row: Fields| vec![row];
        match channel {
            Channel::OptSummary => {
                let rows = self.members(target).into_iter().filter_map(|n| self.summary(n));
                Some(rows.collect::<Vec<_>>()).filter(|rows| !rows.is_empty()).into_iter().collect()
            }
            Channel::EstimatedPrice => {
                let row =
                    |n: usize| bounds::estimated_price(&self.markets[n].inst, &self.assets, now);
                self.members(target).into_iter().filter_map(row).map(alone).collect()
            }
            Channel::Liquidations => self.liquidations(target).into_iter().map(alone).collect(),
            Channel::AdlWarning => self.warnings(target).into_iter().map(alone).collect(),
            Channel::Status => changed(notices::maintenance, from, now),
            Channel::EconomicCalendar => changed(notices::report, from, now),
            Channel::StrucBlockTrades => {
                let fresh = self.blocks().between(from, now);
                fresh.map(|block| vec![blocks::block_row(&self.markets, &block)]).collect()
            }
            Channel::BlockTrades => {
                let Target::Inst(n) = target else { return Vec::new() };
                let inst = &self.markets[n].inst;
                let fresh = self.legs_of(n, from);
                let row = |trade: &Trade| vec![blocks::leg_row(inst, &self.assets, trade)];
                fresh.iter().map(row).collect()
            }
            Channel::BlockTickers => {
                let Target::Inst(n) = target else { return Vec::new() };
                let beat = now / BLOCK_BEAT_NS > from / BLOCK_BEAT_NS;
                let due = beat || !self.legs_of(n, from).is_empty();
                due.then(|| self.block_ticker(target).map(alone)).flatten().into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// An option's `opt-summary` row.
    pub(crate) fn summary(&self, n: usize) -> Option<Fields> {
        let market = &self.markets[n];
        options::summary(&market.inst, &self.assets, market.bare, self.now_ns)
    }

    /// The timetable of block trades.
    pub(crate) fn blocks(&self) -> Blocks<'_> {
        Blocks { seed: self.config.seed, markets: &self.markets[..self.born], assets: &self.assets }
    }

    /// The legs in one instrument that became public after `from`.
    fn legs_of(&self, n: usize, from: u64) -> Vec<Trade> {
        let fresh = self.blocks().between(from, self.now_ns).flat_map(|block| block.legs);
        fresh.filter(|(leg, _)| *leg == n).map(|(_, trade)| trade).collect()
    }

    fn block_ticker(&self, target: Target) -> Option<Fields> {
        let Target::Inst(n) = target else { return None };
        let legs = self.blocks().of_a_day(self.now_ns).flat_map(|block| block.legs);
        let mine: Vec<Trade> = legs.filter(|(leg, _)| *leg == n).map(|(_, trade)| trade).collect();
        Some(blocks::ticker_row(&self.markets[n].inst, &mine, self.now_ns))
    }

    /// The forced orders of the last second.
    fn liquidations(&self, target: Target) -> Vec<Fields> {
        let Target::Type(kind) = target else { return Vec::new() };
        let spot = kind == "MARGIN";
        let members = self.members(Target::Type(if spot { "SPOT" } else { kind }));
        let when = (self.config.seed, self.now_ns);
        let row = |n: usize| {
            let inst = &self.markets[n].inst;
            let margin = !spot || inst.quote == "USDT";
            margin.then(|| jumps::liquidations(inst, kind, &self.assets, when)).flatten()
        };
        members.into_iter().filter_map(row).collect()
    }

    /// The families that are in trouble.
    fn warnings(&self, target: Target) -> Vec<Fields> {
        let mut seen = BTreeSet::new();
        let members = self.members(target).into_iter().map(|n| &self.markets[n].inst);
        let families = members.filter(|inst| seen.insert(inst.family.clone()));
        families.filter_map(|inst| jumps::warning(inst, &self.assets, self.now_ns)).collect()
    }
}

/// The row of a timetable, if it is another one than at `from`.
fn changed(row: fn(u64) -> Fields, from: u64, now: u64) -> Vec<Vec<Fields>> {
    let (before, after) = (row(from), row(now));
    if state_text(&before) == state_text(&after) { Vec::new() } else { vec![vec![after]] }
}
