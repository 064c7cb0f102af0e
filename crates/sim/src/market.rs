//! One instrument alive: its engine, the order flow that moves it, and what it remembers.
//!
//! `exchange.rs` calls [`Market::act`] when its time has come and publishes what changed. The
//! flow pulls the book towards the fair price of `instrument.rs`, so derivatives follow their
//! index. No channel, no connection, no text in here.
//!
//! Invariants: trade ids rise by one per fill; the sequence id rises by an irregular step with
//! every change of the engine, except at a legal reset.
//!
//! Start at [`Market::act`].

use std::collections::VecDeque;

use crate::bars::Ohlc;
use crate::calendar::{MINUTE, SECOND};
use crate::engine::{Engine, Fill, Side, Take};
use crate::instrument::{Asset, Instrument};
use crate::rng::{Rng, mix};

/// How many trades are kept for REST; OKX serves the newest 500.
pub const TRADES_KEPT: usize = 500;
/// How many live minutes are kept: a week.
const MINUTES_KEPT: usize = 7 * 1_440;
/// A sequence reset goes this far down, at least.
const RESET_FALL: u64 = 1_000;

/// One fill as the world sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trade {
    pub id: u64,
    pub px: i64,
    pub lots: i64,
    /// The taker bought.
    pub buy: bool,
    /// `source` 1.
    pub rpi: bool,
    pub at_ns: u64,
    /// Taker order, counted from 1; aggregation goes by it.
    pub taker: u64,
    pub seq: i64,
}

/// One instrument and its memory.
pub struct Market {
    pub inst: Instrument,
    pub engine: Engine,
    pub seq: i64,
    rng: Rng,
    pub next_act_ns: u64,
    next_trade: u64,
    takers: u64,
    /// Trades of the last act, for publication.
    pub fresh: Vec<Trade>,
    pub trades: VecDeque<Trade>,
    pub minutes: VecDeque<Ohlc>,
    pub last: Option<Trade>,
    pub quiet_until_ns: u64,
    holes_until_ns: [u64; 2],
    /// Sides on which nobody ever quotes (some options).
    bare: [bool; 2],
    start_ns: u64,
}

/// What [`Market::new`] needs besides the instrument.
#[derive(Clone, Copy)]
pub struct Birth<'a> {
    pub seed: u64,
    pub number: usize,
    pub now_ns: u64,
    pub assets: &'a [Asset],
    /// It has traded before, so that it has a last price.
    pub history: bool,
}

impl Market {
    /// A market with a full book.
    pub fn new(inst: Instrument, birth: Birth<'_>) -> Self {
        let mut rng = Rng::new(birth.seed, birth.number as u64 + 1_000);
        let seq = 1_000_000_000 + rng.below(90_000_000_000) as i64;
        let next_trade = 1_000_000 + rng.below(900_000_000);
        let next_act_ns = birth.now_ns + rng.wait(inst.heat.wait_ns);
        let mut market = Self {
            inst,
            engine: Engine::default(),
            seq,
            rng,
            next_act_ns,
            next_trade,
            takers: 0,
            fresh: Vec::new(),
            trades: VecDeque::new(),
            minutes: VecDeque::new(),
            last: None,
            quiet_until_ns: 0,
            holes_until_ns: [0; 2],
            bare: [false; 2],
            start_ns: birth.now_ns,
        };
        if birth.history {
            market.remember(birth.assets);
        }
        market.seed_sides(birth.assets, birth.now_ns);
        market.fix_act_time(birth.now_ns);
        market
    }

    /// When this market started to trade.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// Trades that happened just before the exchange started to exist.
    fn remember(&mut self, assets: &[Asset]) {
        let first = self.next_trade - 20;
        for n in 0..20 {
            let at_ns = self.start_ns - (20 - n) * self.inst.heat.wait_ns.max(SECOND / 4);
            let bits = mix(self.next_trade ^ n);
            let lots = self.inst.min_lots.max(self.inst.heat.lots / (2 + (bits >> 8) as i64 % 9));
            let px = self.inst.fair(assets, at_ns);
            let trade = Trade {
                id: first + n,
                px,
                lots,
                buy: bits & 1 == 0,
                rpi: false,
                at_ns,
                taker: 0,
                seq: self.seq - 20 + n as i64,
            };
            self.trades.push_back(trade);
            self.last = Some(trade);
        }
    }

    /// Activity falls on a grid of 10 ms, which makes every `tbt` channel keep its cadence.
    fn fix_act_time(&mut self, now_ns: u64) {
        const GRID: u64 = 10_000_000;
        let at = self.next_act_ns.max(now_ns + 1);
        self.next_act_ns = at.div_ceil(GRID) * GRID;
    }

    /// Restarts the ids lower; the next update bridges with `prevSeqId`.
    pub fn reset_seq(&mut self) {
        let fall = RESET_FALL + self.rng.below(1_000_000);
        self.seq = (self.seq - fall as i64).max(1);
    }

    /// Empties one side (or both) and keeps it empty until then.
    pub fn dig_hole(&mut self, side: Side, until_ns: u64) {
        self.holes_until_ns[side as usize] = until_ns;
        self.engine.keep_best(side, 0);
        self.bump();
    }

    /// Ends holes and quiet times.
    pub fn calm(&mut self) {
        self.quiet_until_ns = 0;
        self.holes_until_ns = [0; 2];
    }

    /// Makes up for time in which nobody looked, but not for more than `most` bursts.
    pub fn catch_up(&mut self, assets: &[Asset], now_ns: u64, most: u64) {
        let behind = now_ns.saturating_sub(self.next_act_ns) / self.inst.heat.wait_ns.max(1);
        if behind > most {
            self.next_act_ns = now_ns - most * self.inst.heat.wait_ns;
            self.fix_act_time(self.next_act_ns);
        }
        while self.next_act_ns < now_ns {
            let at = self.next_act_ns;
            self.act(assets, at);
        }
        self.fresh.clear();
    }

    /// One burst of order flow at `now_ns`; says whether the engine changed.
    pub fn act(&mut self, assets: &[Asset], now_ns: u64) -> bool {
        self.next_act_ns = now_ns + self.rng.wait(self.inst.heat.wait_ns);
        self.fix_act_time(now_ns);
        self.fresh.clear();
        if !self.inst.trades() || now_ns < self.quiet_until_ns {
            return false;
        }
        let before = self.seq;
        let fair = self.inst.fair(assets, now_ns);
        self.follow(fair, now_ns);
        for _ in 0..self.rng.between(1, 3) {
            match self.rng.below(100) {
                0..48 => self.rest(fair, now_ns),
                48..84 => self.withdraw(),
                84..87 => self.retail(),
                _ => self.cross(fair, now_ns),
            }
        }
        self.tend(fair, now_ns);
        self.seq != before
    }

    fn bump(&mut self) {
        self.seq += 1 + self.rng.below(12) as i64;
    }

    /// Takes what stands on the wrong side of the fair price; rebuilds a book left far behind.
    fn follow(&mut self, fair: i64, now_ns: u64) {
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
    fn cross(&mut self, fair: i64, now_ns: u64) {
        let from = if self.rng.below(2) == 0 { Side::Bid } else { Side::Ask };
        let reach = (fair / 2_000).max(2 * self.spacing());
        let Some(best) = self.engine.best(from) else { return };
        let limit = if from == Side::Ask { best + reach } else { best - reach };
        let lots = self.rng.size(self.inst.heat.lots).max(self.inst.min_lots);
        let retail = self.rng.below(3) == 0;
        self.take(Take { from, lots, limit, retail }, now_ns);
    }

    fn take(&mut self, order: Take, now_ns: u64) {
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

    fn record(&mut self, fill: Fill, buy: bool, at_ns: u64) {
        let trade = Trade {
            id: self.next_trade,
            px: fill.px,
            lots: fill.lots,
            buy,
            rpi: fill.rpi,
            at_ns,
            taker: self.takers,
            seq: self.seq,
        };
        self.next_trade += 1;
        self.last = Some(trade);
        self.fresh.push(trade);
        if self.trades.len() == TRADES_KEPT {
            self.trades.pop_front();
        }
        self.trades.push_back(trade);
        let open_ns = at_ns / MINUTE * MINUTE;
        if self.minutes.back().is_none_or(|minute| minute.open_ns != open_ns) {
            if self.minutes.len() == MINUTES_KEPT {
                self.minutes.pop_front();
            }
            self.minutes.push_back(Ohlc::flat(open_ns, trade.px));
        }
        if let Some(minute) = self.minutes.back_mut() {
            minute.trade(&self.inst, trade.px, trade.lots);
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
    fn rest(&mut self, fair: i64, now_ns: u64) {
        let side = if self.rng.below(2) == 0 { Side::Bid } else { Side::Ask };
        if self.hole(side, now_ns) {
            return;
        }
        let a = self.rng.below(1_000) as i64;
        let b = self.rng.below(1_000) as i64;
        let width = self.spacing() * self.inst.heat.levels as i64;
        let depth = width * a / 1_000 * b / 1_000 * b / 1_000;
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

    fn withdraw(&mut self) {
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

    fn retail(&mut self) {
        let side = if self.rng.below(2) == 0 { Side::Bid } else { Side::Ask };
        let near = self.engine.side(side).len().min(8) as u64;
        let at = self.rng.below(near) as usize;
        let lots = self.rng.size(self.inst.heat.lots / 2 + 1);
        if near > 0 {
            self.engine.add_rpi(side, at, lots);
            self.bump();
        }
    }

    /// Keeps both sides at their depth: far orders come and go.
    fn tend(&mut self, fair: i64, now_ns: u64) {
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

    fn seed_sides(&mut self, assets: &[Asset], now_ns: u64) {
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
