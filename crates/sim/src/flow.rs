//! The orders that move a market: resting, cancelled, taking, and those that keep it deep.
//!
//! [`Market::act`] calls these in a burst. The flow pulls the book towards the fair price of
//! `instrument.rs`, so derivatives follow their index. All chance comes from the market's own
//! stream, so markets do not disturb each other.
//!
//! Invariants: every change of the engine bumps the sequence id; a side in a hole gets no orders.
//! Start at [`Market::follow`].

use crate::engine::{Side, Take};
use crate::instrument::Asset;
use crate::market::Market;

impl Market {
    /// Takes what stands on the wrong side of the fair price; rebuilds a book left far behind.
    pub(crate) fn follow(&mut self, fair: i64, now_ns: u64) {
        let far = (fair / 100).max(40 * self.spacing());
        let bid = self.engine.best(Side::Bid);
        let ask = self.engine.best(Side::Ask);
        let below = bid.is_some_and(|bid| bid > fair + far);
        let above = ask.is_some_and(|ask| ask < fair - far);
        if below || above {
            self.engine.keep_best(Side::Bid, 0);
            self.engine.keep_best(Side::Ask, 0);
            self.bump();
            self.seed_side(Side::Bid, fair, now_ns);
            self.seed_side(Side::Ask, fair, now_ns);
        } else if ask.is_some_and(|ask| ask < fair) {
            self.sweep(Side::Ask, fair, now_ns);
        } else if bid.is_some_and(|bid| bid > fair) {
            self.sweep(Side::Bid, fair, now_ns);
        }
    }

    fn sweep(&mut self, from: Side, limit: i64, now_ns: u64) {
        let lots = self.rng.size(self.inst.heat.lots * 4).max(self.inst.min_lots);
        let retail = self.rng.below(3) == 0;
        self.take(Take { from, lots, limit, retail }, now_ns);
    }

    /// A taker order of usual size that walks at most a few levels.
    pub(crate) fn cross(&mut self, fair: i64, now_ns: u64) {
        let from = if self.rng.below(2) == 0 { Side::Bid } else { Side::Ask };
        let reach = (fair / 2_000).max(2 * self.spacing());
        let Some(best) = self.engine.best(from) else { return };
        let limit = if from == Side::Ask { best + reach } else { best - reach };
        let lots = self.rng.size(self.inst.heat.lots).max(self.inst.min_lots);
        let retail = self.rng.below(3) == 0;
        self.take(Take { from, lots, limit, retail }, now_ns);
    }

    fn take(&mut self, order: Take, now_ns: u64) {
        if self.inst.state == "post_only" {
            return;
        }
        let fills = self.engine.take(order);
        if fills.is_empty() {
            return;
        }
        self.takers += 1;
        self.bump();
        for fill in fills {
            self.record(fill, order.from == Side::Ask, now_ns);
        }
    }

    /// A usual distance between levels, in ticks, so that 400 of them span about half a percent.
    fn spacing(&self) -> i64 {
        let px = self.last.map_or(10_000, |last| last.px);
        (px / 80_000).clamp(1, 12)
    }

    fn hole(&self, side: Side, now_ns: u64) -> bool {
        self.bare[side as usize] || now_ns < self.holes_until_ns[side as usize]
    }

    /// A resting order, mostly near the top.
    pub(crate) fn rest(&mut self, fair: i64, now_ns: u64) {
        let side = if self.rng.below(2) == 0 { Side::Bid } else { Side::Ask };
        if self.hole(side, now_ns) {
            return;
        }
        let depth = self.depth();
        let px = match side {
            Side::Bid => {
                let top = self.engine.best(Side::Ask).map_or(fair, |ask| ask.min(fair + 1));
                top - 1 - depth
            }
            Side::Ask => {
                let top = self.engine.best(Side::Bid).map_or(fair, |bid| bid.max(fair - 1));
                top + 1 + depth
            }
        };
        let lots = self.rng.size(self.inst.heat.lots).max(self.inst.min_lots);
        if self.engine.add(side, px, lots) {
            self.bump();
        }
    }

    /// An order in an auction, on either side of the fair price.
    pub(crate) fn gather(&mut self, fair: i64, now_ns: u64) {
        let side = if self.rng.below(2) == 0 { Side::Bid } else { Side::Ask };
        if self.hole(side, now_ns) {
            return;
        }
        let reach = (fair / 500).max(3);
        let px = fair - reach + self.rng.below(2 * reach as u64 + 1) as i64;
        let lots = self.rng.size(self.inst.heat.lots).max(self.inst.min_lots);
        if self.engine.queue(side, px, lots) {
            self.bump();
        }
    }

    /// How far behind the best possible price, in ticks: often at it, sometimes far away.
    fn depth(&mut self) -> i64 {
        if self.rng.below(5) < 2 {
            return self.rng.below(4) as i64;
        }
        let a = self.rng.below(1_000) as i64;
        let b = self.rng.below(1_000) as i64;
        let width = self.spacing() * self.inst.heat.levels as i64;
        width * a / 1_000 * b / 1_000 * b / 1_000
    }

    pub(crate) fn withdraw(&mut self) {
        let side = if self.rng.below(2) == 0 { Side::Bid } else { Side::Ask };
        let levels = self.engine.side(side).len() as u64;
        if levels < 3 {
            return;
        }
        let (a, b) = (self.rng.below(levels), self.rng.below(levels));
        let age = self.rng.below(8) as usize;
        if self.engine.cancel(side, a.min(b) as usize, age) {
            self.bump();
        }
    }

    pub(crate) fn retail(&mut self) {
        let side = if self.rng.below(2) == 0 { Side::Bid } else { Side::Ask };
        let near = self.engine.side(side).len().min(3) as u64;
        let at = self.rng.below(near) as usize;
        let lots = self.rng.size(self.inst.heat.lots / 2 + 1);
        if near > 0 {
            self.engine.add_rpi(side, at, lots);
            self.bump();
        }
    }

    /// Keeps both sides at their depth: far orders come and go.
    pub(crate) fn tend(&mut self, fair: i64, now_ns: u64) {
        for side in [Side::Bid, Side::Ask] {
            let levels = self.engine.side(side).len();
            let want = self.inst.heat.levels;
            if self.hole(side, now_ns) {
                continue;
            }
            if levels == 0 {
                self.seed_side(side, fair, now_ns);
            } else if levels > want + want / 8 + 2 {
                self.engine.keep_best(side, want);
                self.bump();
            } else if levels < want {
                self.deepen(side);
            }
        }
    }

    /// Adds one level behind the worst one.
    fn deepen(&mut self, side: Side) {
        let Some(worst) = self.engine.side(side).last().map(|level| level.px) else { return };
        let step = 1 + self.rng.below(2 * self.spacing() as u64) as i64;
        let px = if side == Side::Bid { worst - step } else { worst + step };
        let lots = self.rng.size(self.inst.heat.lots * 2).max(self.inst.min_lots);
        if self.engine.add(side, px, lots) {
            self.bump();
        }
    }

    pub(crate) fn seed_sides(&mut self, assets: &[Asset], now_ns: u64) {
        let fair = self.inst.fair(assets, now_ns);
        // Some options have nobody on one side.
        let thin = self.inst.heat.levels <= 6 && self.inst.strike.is_some();
        self.bare = [thin && self.rng.below(4) == 0, thin && self.rng.below(8) == 0];
        self.seed_side(Side::Bid, fair, now_ns);
        self.seed_side(Side::Ask, fair, now_ns);
    }

    fn seed_side(&mut self, side: Side, fair: i64, now_ns: u64) {
        if self.hole(side, now_ns) {
            return;
        }
        let gap = self.spacing();
        let mut px = fair;
        for n in 0..self.inst.heat.levels {
            let step = 1 + self.rng.below(if n < 4 { 2 } else { 2 * gap as u64 }) as i64;
            px = if side == Side::Bid { px - step } else { px + step };
            for _ in 0..self.rng.between(1, 3) {
                let lots = self.rng.size(self.inst.heat.lots * 2).max(self.inst.min_lots);
                self.engine.add(side, px, lots);
            }
        }
        self.bump();
    }
}
