//! Trades from before the exchange existed: as many as one likes, none of them kept.
//!
//! REST `history-trades` and the daily files read them, so both say the same. The `n`-th trade
//! before the oldest one that the market remembers is a pure function of the seed and of `n`: ids
//! go down by one, times never rise, prices follow the path.
//!
//! Start at [`Past::of`].

use crate::calendar::{MILLI, SECOND};
use crate::instrument::{Asset, Instrument, Kind};
use crate::market::{Market, Trade};
use crate::rng::mix;

/// Trades that happen together.
const BURST: u64 = 3;
/// Least mean time between two trades.
const WAIT_MIN: u64 = 15 * SECOND;

/// Where the past of a market ends: what it remembers begins there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verge {
    /// The id of the oldest trade that it remembers.
    pub id: u64,
    /// When that was.
    pub at_ns: u64,
    /// Decimals of its prices then.
    pub px_places: u32,
    /// What everything is drawn from.
    pub seed: u64,
}

/// The trades before the [`Verge`] of a market, counted from 1 backwards.
pub struct Past<'a> {
    inst: Instrument,
    /// How many of today's ticks one of then was.
    finer: i64,
    assets: &'a [Asset],
    verge: Verge,
    pace_ns: u64,
    count: u64,
}

impl<'a> Past<'a> {
    /// The past of a market; nothing for one that has none.
    pub fn of(market: &Market, assets: &'a [Asset]) -> Option<Self> {
        let verge = market.verge?;
        let mut inst = market.inst.clone();
        if inst.kind == Kind::Spread {
            return None;
        }
        let finer = 10i64.pow(inst.px_places.saturating_sub(verge.px_places));
        inst.px_places = verge.px_places;
        let pace_ns = (inst.heat.wait_ns * 4).max(WAIT_MIN) / MILLI * MILLI;
        let age = verge.at_ns.saturating_sub(inst.list_ns);
        let count = (age / (pace_ns * BURST)).saturating_sub(1) * BURST;
        let count = count.min(verge.id.saturating_sub(1));
        Some(Self { inst, finer, assets, verge, pace_ns, count })
    }

    /// The `n`-th trade before the verge; nothing before the first one ever.
    pub fn trade(&self, n: u64) -> Option<Trade> {
        if !(1..=self.count).contains(&n) {
            return None;
        }
        let bits = mix(self.verge.seed ^ mix(n));
        let at_ns = self.at(n);
        let ticks = self.inst.fair(self.assets, at_ns) + (bits >> 40) as i64 % 3 - 1;
        let lots = self.inst.heat.lots / (2 + (bits >> 8) as i64 % 9);
        Some(Trade {
            id: self.verge.id - n,
            px: ticks.max(1) * self.finer,
            lots: self.inst.min_lots.max(lots),
            buy: bits & 1 == 0,
            rpi: (bits >> 20).is_multiple_of(31),
            at_ns,
            taker: 0,
            seq: 0,
        })
    }

    /// The first of them, counted backwards, that happened before `ns`.
    pub fn before(&self, ns: u64) -> u64 {
        let bursts = self.verge.at_ns.saturating_sub(ns) / (self.pace_ns * BURST);
        let mut n = bursts.saturating_sub(2) * BURST + 1;
        while n <= self.count && self.at(n) >= ns {
            n += 1;
        }
        n
    }

    /// The first of them, counted backwards, whose id is below `id`.
    pub fn below(&self, id: u64) -> u64 {
        self.verge.id.saturating_sub(id) + 1
    }

    /// How many of them happened between two moments.
    pub fn number_between(&self, from: u64, to: u64) -> u64 {
        let end = self.count + 1;
        self.before(from).min(end) - self.before(to).min(end)
    }

    fn at(&self, n: u64) -> u64 {
        let (burst, within) = ((n - 1) / BURST, (n - 1) % BURST);
        let length = self.pace_ns * BURST;
        let bits = mix(self.verge.seed ^ mix(burst ^ 0x7061_7374));
        let jitter = bits % (length * 9 / 10 / MILLI) * MILLI;
        // Some of a burst share their millisecond.
        let later = (BURST - 1 - within) * (bits >> 50 & 1) * MILLI;
        self.verge.at_ns - (burst + 1) * length + jitter + later
    }
}
