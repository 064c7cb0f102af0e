//! One instrument alive: its engine, its ids, and what it remembers.
//!
//! `exchange.rs` calls [`Market::act`] when its time has come and publishes what changed;
//! `flow.rs` has the orders themselves. No channel, no connection, no text in here.
//!
//! Invariants: trade ids rise by one per fill; the sequence id rises by an irregular step with
//! every change of the engine, except at a legal reset.
//!
//! Start at [`Market::act`].

use std::collections::VecDeque;

use crate::bars::Ohlc;
use crate::calendar::{MINUTE, SECOND};
use crate::engine::{Engine, Fill, Side};
use crate::instrument::{Asset, Instrument};
use crate::past::Verge;
use crate::rng::{Rng, mix};

/// How many trades are kept for REST `history-trades`; OKX keeps three months of them.
pub const TRADES_KEPT: usize = 5_000;
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
    pub(crate) rng: Rng,
    pub next_act_ns: u64,
    /// How long it waits, in parts per million of what is usual for it.
    pub pace_ppm: u64,
    next_trade: u64,
    pub(crate) takers: u64,
    /// Trades of the last act, for publication.
    pub fresh: Vec<Trade>,
    pub trades: VecDeque<Trade>,
    pub minutes: VecDeque<Ohlc>,
    pub last: Option<Trade>,
    pub quiet_until_ns: u64,
    pub(crate) holes_until_ns: [u64; 2],
    /// Sides on which nobody ever quotes (some options).
    pub(crate) bare: [bool; 2],
    start_ns: u64,
    history: bool,
    /// Where the trades begin that nobody keeps.
    pub(crate) verge: Option<Verge>,
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
            pace_ppm: crate::pace::USUAL_PPM,
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
            history: birth.history,
            verge: None,
        };
        if birth.history {
            market.remember(birth.assets, birth.seed);
        }
        market.seed_sides(birth.assets, birth.now_ns);
        market.fix_act_time(birth.now_ns);
        market
    }

    /// When this market started to trade.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// Before when its past is invented; 0 for an instrument that had none.
    pub fn invented_until_ns(&self) -> u64 {
        if self.history { self.start_ns } else { 0 }
    }

    /// Trades that happened just before the exchange started to exist.
    fn remember(&mut self, assets: &[Asset], seed: u64) {
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
        self.verge = self.trades.front().map(|oldest| Verge {
            id: oldest.id,
            at_ns: oldest.at_ns,
            px_places: self.inst.px_places,
            seed: mix(seed ^ mix(oldest.id)),
        });
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
        while self.next_act_ns <= now_ns {
            let at = self.next_act_ns;
            self.act(assets, at);
        }
        self.fresh.clear();
    }

    /// One burst of order flow at `now_ns`; says whether the engine changed.
    pub fn act(&mut self, assets: &[Asset], now_ns: u64) -> bool {
        let wait = self.rng.wait(self.inst.heat.wait_ns);
        self.next_act_ns = now_ns + crate::pace::paced(wait, self.pace_ppm);
        self.fix_act_time(now_ns);
        self.fresh.clear();
        let auction = self.inst.in_auction();
        if !(auction || self.inst.trades()) || now_ns < self.quiet_until_ns {
            return false;
        }
        let before = self.seq;
        let fair = self.inst.fair(assets, now_ns);
        if auction {
            self.gather(fair, now_ns);
            return self.seq != before;
        }
        self.follow(fair, now_ns);
        for _ in 0..self.rng.between(1, 3) {
            match self.rng.below(100) {
                0..48 => self.rest(fair, now_ns),
                48..84 => self.withdraw(),
                84..88 => self.retail(),
                _ => self.cross(fair, now_ns),
            }
        }
        self.tend(fair, now_ns);
        self.seq != before
    }

    /// Ends an auction with a book around the fair price.
    pub fn end_auction(&mut self, assets: &[Asset], now_ns: u64) {
        self.engine.uncross(self.inst.fair(assets, now_ns));
        self.bump();
    }

    /// Makes its tick a tenth of what it was; every price stays what it is.
    pub fn refine(&mut self) {
        self.inst.px_places += 1;
        self.engine.refine();
        self.minutes.iter_mut().for_each(Ohlc::refine);
        self.trades.iter_mut().chain(&mut self.last).for_each(|trade| trade.px *= 10);
        self.fresh.clear();
    }

    pub(crate) fn bump(&mut self) {
        self.seq += 1 + self.rng.below(12) as i64;
    }

    pub(crate) fn record(&mut self, fill: Fill, buy: bool, at_ns: u64) {
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
}
