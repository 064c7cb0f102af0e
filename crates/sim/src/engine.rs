//! A small matching engine: one instrument's orders by price, then by age.
//!
//! `market.rs` feeds it orders; the published books are read from it. It knows nothing of time,
//! channels or texts. It is a sorted vector on purpose: the oracle must be too simple to be wrong.
//!
//! Invariants: a level has at least one organic order; `lots` is the sum of its orders; the best
//! bid is below the best ask, except between [`Engine::queue`] and [`Engine::uncross`]; retail
//! (RPI) size never stands alone at a price.
//!
//! Start at [`Engine::take`].

/// Bids or asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Bid,
    Ask,
}

/// All orders at one price.
#[derive(Clone, Debug)]
pub struct Level {
    /// In ticks.
    pub px: i64,
    /// Sizes in lots, oldest first.
    orders: Vec<i64>,
    /// Their sum.
    pub lots: i64,
    /// Retail price improvement size, which organic books do not show.
    pub rpi: i64,
}

impl Level {
    /// How many organic orders stand here.
    pub fn count(&self) -> u32 {
        self.orders.len() as u32
    }
}

/// One match between a taker and a maker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill {
    /// In ticks.
    pub px: i64,
    /// In lots.
    pub lots: i64,
    /// The maker was a retail order, `source` 1.
    pub rpi: bool,
}

/// A taker order.
#[derive(Clone, Copy, Debug)]
pub struct Take {
    /// The side it takes from.
    pub from: Side,
    /// How much it wants, in lots.
    pub lots: i64,
    /// The worst price it accepts, in ticks.
    pub limit: i64,
    /// It may match retail orders.
    pub retail: bool,
}

/// One instrument's order book.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Engine {
    /// The levels of a side, best first.
    pub fn side(&self, side: Side) -> &[Level] {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut Vec<Level> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// The best price of a side.
    pub fn best(&self, side: Side) -> Option<i64> {
        self.side(side).first().map(|level| level.px)
    }

    /// Adds a resting order; refuses one that would cross.
    pub fn add(&mut self, side: Side, px: i64, lots: i64) -> bool {
        let crosses = match side {
            Side::Bid => self.best(Side::Ask).is_some_and(|ask| px >= ask),
            Side::Ask => self.best(Side::Bid).is_some_and(|bid| px <= bid),
        };
        !crosses && self.queue(side, px, lots)
    }

    /// Adds an order that nothing matches yet, as in an auction; it may cross.
    pub fn queue(&mut self, side: Side, px: i64, lots: i64) -> bool {
        if px <= 0 || lots <= 0 {
            return false;
        }
        let levels = self.side_mut(side);
        let found = levels.binary_search_by(|level| match side {
            Side::Bid => px.cmp(&level.px),
            Side::Ask => level.px.cmp(&px),
        });
        match found {
            Ok(at) => {
                levels[at].orders.push(lots);
                levels[at].lots += lots;
            }
            Err(at) => levels.insert(at, Level { px, orders: vec![lots], lots, rpi: 0 }),
        }
        true
    }

    /// Adds retail size to an existing level.
    pub fn add_rpi(&mut self, side: Side, at: usize, lots: i64) {
        if let Some(level) = self.side_mut(side).get_mut(at) {
            level.rpi += lots;
        }
    }

    /// Cancels one order, by level and by age; the last one takes its level with it.
    pub fn cancel(&mut self, side: Side, at: usize, age: usize) -> bool {
        let levels = self.side_mut(side);
        let Some(level) = levels.get_mut(at) else { return false };
        let nth = age % level.orders.len().max(1);
        level.lots -= level.orders.remove(nth);
        if level.orders.is_empty() {
            levels.remove(at);
        }
        true
    }

    /// Cancels everything worse than the best `keep` levels.
    pub fn keep_best(&mut self, side: Side, keep: usize) {
        self.side_mut(side).truncate(keep);
    }

    /// The same orders in ticks a tenth as large.
    pub fn refine(&mut self) {
        for level in self.bids.iter_mut().chain(&mut self.asks) {
            level.px *= 10;
        }
    }

    /// Ends an auction: what stands at `px` or on its wrong side is cancelled.
    pub fn uncross(&mut self, px: i64) {
        self.bids.retain(|level| level.px < px);
        self.asks.retain(|level| level.px > px);
    }

    /// Matches a taker order and gives the fills in their order; what is left over is gone.
    pub fn take(&mut self, order: Take) -> Vec<Fill> {
        let mut fills = Vec::new();
        let mut left = order.lots;
        let levels = self.side_mut(order.from);
        let mut emptied = 0;
        for level in levels.iter_mut() {
            let reachable = match order.from {
                Side::Bid => level.px >= order.limit,
                Side::Ask => level.px <= order.limit,
            };
            if left == 0 || !reachable {
                break;
            }
            left -= take_level(level, left, order.retail, &mut fills);
            if level.orders.is_empty() {
                emptied += 1;
            }
        }
        levels.drain(..emptied);
        fills
    }
}

/// Takes up to `want` lots from one level and says how many it got.
fn take_level(level: &mut Level, want: i64, retail: bool, fills: &mut Vec<Fill>) -> i64 {
    let mut got = 0;
    if retail && level.rpi > 0 {
        got = level.rpi.min(want);
        level.rpi -= got;
        fills.push(Fill { px: level.px, lots: got, rpi: true });
    }
    let mut done = 0;
    for order in &mut level.orders {
        if got == want {
            break;
        }
        let part = (*order).min(want - got);
        *order -= part;
        got += part;
        level.lots -= part;
        fills.push(Fill { px: level.px, lots: part, rpi: false });
        done += usize::from(*order == 0);
    }
    level.orders.drain(..done);
    got
}
