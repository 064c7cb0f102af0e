//! What happened in a stretch of time: open, high, low, close, volume.
//!
//! The market keeps one of these a minute, candle feeds keep one a bar, and the 24 h figures are
//! sums of them. Volumes are exact integers; only an instrument can print them.
//!
//! Invariant: an `Ohlc` with trades has low <= open, close <= high. Start at [`Ohlc`].

use crate::calendar::{Bar, MINUTE};
use crate::instrument::{Asset, Instrument};
use crate::rng::mix;

/// One bar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ohlc {
    /// When it opens.
    pub open_ns: u64,
    /// First price, in ticks.
    pub o: i64,
    /// Highest price.
    pub h: i64,
    /// Lowest price.
    pub l: i64,
    /// Last price.
    pub c: i64,
    /// Volume in lots.
    pub lots: i64,
    /// Sum of ticks times lots.
    pub turn: i128,
    /// Coins in 10^-8, for inverse contracts.
    pub coin_e8: i128,
    /// Whether anything happened in it; otherwise the prices repeat the close before.
    pub traded: bool,
}

impl Ohlc {
    /// A bar without trades: the close before it, no volume.
    pub fn flat(open_ns: u64, px: i64) -> Self {
        Self { open_ns, o: px, h: px, l: px, c: px, lots: 0, turn: 0, coin_e8: 0, traded: false }
    }

    /// Adds a trade.
    pub fn trade(&mut self, inst: &Instrument, px: i64, lots: i64) {
        self.touch(px);
        self.lots += lots;
        self.turn += i128::from(px) * i128::from(lots);
        self.coin_e8 += inst.coins_e8(px, lots);
    }

    /// Moves the price without volume (mark and index bars).
    pub fn touch(&mut self, px: i64) {
        if !self.traded {
            (self.o, self.h, self.l) = (px, px, px);
            self.traded = true;
        }
        self.h = self.h.max(px);
        self.l = self.l.min(px);
        self.c = px;
    }

    /// The same bar in ticks a tenth as large.
    pub fn refine(&mut self) {
        for px in [&mut self.o, &mut self.h, &mut self.l, &mut self.c] {
            *px *= 10;
        }
        self.turn *= 10;
    }

    /// Appends a later bar.
    pub fn extend(&mut self, later: &Self) {
        if later.traded {
            self.touch(later.o);
            self.h = self.h.max(later.h);
            self.l = self.l.min(later.l);
            self.c = later.c;
        }
        self.lots += later.lots;
        self.turn += later.turn;
        self.coin_e8 += later.coin_e8;
    }
}

/// The past that nobody traded: what a bar from `from` to `to` looked like before the exchange
/// existed, sampled four times a step.
pub fn invent(inst: &Instrument, assets: &[Asset], from: u64, to: u64, step: u64) -> Ohlc {
    let mut bar = Ohlc::flat(from, inst.fair(assets, from));
    let quarter = (step / 4).max(1);
    let mut at = from;
    while at < to {
        bar.touch(inst.fair(assets, at));
        if (at - from).is_multiple_of(step) {
            let lots = invented_lots(inst, at, step.min(to - at));
            let px = bar.c;
            bar.lots += lots;
            bar.turn += i128::from(px) * i128::from(lots);
            bar.coin_e8 += inst.coins_e8(px, lots);
        }
        at += quarter;
    }
    bar.touch(inst.fair(assets, to));
    bar
}

/// A believable volume for `length` nanoseconds from `at`.
fn invented_lots(inst: &Instrument, at: u64, length: u64) -> i64 {
    let a_minute = i128::from(lots_a_minute(inst));
    let percent = i128::from(60 + mix((at / 1_000_000) ^ inst.heat.wait_ns) % 90);
    (a_minute * percent / 100 * i128::from(length) / i128::from(MINUTE)) as i64
}

/// The volume of a usual minute.
pub fn lots_a_minute(inst: &Instrument) -> i64 {
    let bursts = (MINUTE / inst.heat.wait_ns.max(1)).max(1) as i64;
    inst.heat.lots.saturating_mul(bursts) / 4 + 1
}

/// The bar of `kind` that opens at `open_ns`, invented before `start_ns` (never, if that is 0)
/// and from live minutes after; `minutes` are in order.
pub fn assemble(
    (inst, assets): (&Instrument, &[Asset]),
    (kind, open_ns): (Bar, u64),
    (start_ns, minutes): (u64, &std::collections::VecDeque<Ohlc>),
) -> Ohlc {
    let end = kind.end(open_ns);
    let mut bar = if open_ns < start_ns {
        invent(inst, assets, open_ns, end.min(start_ns), kind.sample())
    } else {
        let before = minutes.partition_point(|m| m.open_ns < open_ns);
        let px = match before.checked_sub(1).and_then(|n| minutes.get(n)) {
            Some(minute) => minute.c,
            // A fresh listing has no start of its own before which to invent.
            None => inst.fair(assets, if start_ns == 0 { open_ns } else { start_ns }),
        };
        Ohlc::flat(open_ns, px)
    };
    let first = minutes.partition_point(|m| m.open_ns < open_ns.max(start_ns / MINUTE * MINUTE));
    for minute in minutes.range(first..).take_while(|m| m.open_ns < end) {
        bar.extend(minute);
    }
    bar
}
