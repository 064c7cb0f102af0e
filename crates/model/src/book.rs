//! One instrument's book by price level; it holds exactly what it was told and can say whether
//! that is consistent, not whether it is true (that is the feed's business).
//!
//! Levels are found by their price in whole units of the finest decimal seen so far, near the best
//! price without a search (`book/ladder.rs`, one side; `book/window.rs`, its near part;
//! `book/cell.rs`, one level). Quantities and prices keep their text. Why this layout:
//! `docs/decisions/0008-fast-path.md`.
//!
//! Invariants: keys strictly ordered; no level with quantity zero; one key, one level.

use crate::decimal::Px;
use crate::event::Level;
use cell::Cell;
use ladder::{Ladder, Row};
use std::fmt;

mod cell;
mod ladder;
mod state;
#[cfg(test)]
mod tests;
mod window;

/// A side of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Buyers.
    Bid,
    /// Sellers.
    Ask,
}

/// Why a level cannot be put in a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookError {
    /// The price does not fit 63 bits at the book's number of decimals.
    PriceRange(Px),
    /// The quantity is below zero. Prices may be: those of spreads are differences.
    Negative,
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BookError::PriceRange(px) => write!(f, "price {px} does not fit the book's decimals"),
            BookError::Negative => f.write_str("a negative quantity"),
        }
    }
}

impl std::error::Error for BookError {}

/// A local order book.
#[derive(Clone, Debug, Default)]
pub struct Book {
    bids: Ladder,
    asks: Ladder,
    /// Decimals of the keys: the most seen in a price of this book.
    scale: u8,
}

impl Book {
    /// An empty book.
    pub fn new() -> Book {
        Book::default()
    }

    /// Forgets every level, keeps the memory.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
        self.scale = 0;
    }

    fn side(&self, side: Side) -> &Ladder {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    /// Sets, replaces or (quantity zero) removes one level. Removing one that is not there is
    /// fine: OKX does so (captured 2022-02).
    ///
    /// # Errors
    /// [`BookError`]; the book is unchanged.
    #[inline]
    pub fn apply(&mut self, side: Side, level: Level) -> Result<(), BookError> {
        self.apply_all(side, std::slice::from_ref(&level))
    }

    /// The same for several levels of one side, in order.
    ///
    /// # Errors
    /// [`BookError`] of the first level that cannot be put in; those before it are in the book.
    #[inline]
    pub fn apply_all(&mut self, side: Side, levels: &[Level]) -> Result<(), BookError> {
        let mut left = levels;
        while let Some((level, after)) = left.split_first() {
            let count = match side {
                Side::Bid => self.bids.put_usual::<true>(left),
                Side::Ask => self.asks.put_usual::<false>(left),
            };
            match count {
                0 => {
                    self.put_any(side, level)?;
                    left = after;
                }
                count => left = &left[count..],
            }
        }
        Ok(())
    }

    /// Puts one level in, whatever it is like.
    #[inline]
    fn put_any(&mut self, side: Side, level: &Level) -> Result<(), BookError> {
        let (price, cell) = match Cell::usual(level, self.scale) {
            Some(usual) => usual,
            None => match self.odd_price(level)? {
                Some(price) => (price, Cell::new(level)),
                None => return Ok(()),
            },
        };
        let (ladder, key) = match side {
            Side::Bid => (&mut self.bids, -price),
            Side::Ask => (&mut self.asks, price),
        };
        ladder.put(key, cell, level);
        Ok(())
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.bids.best_key().is_none() && self.asks.best_key().is_none()
    }

    /// The price in whole units of the book's finest decimal, making that finer if needed; `None`
    /// if nothing can be there to remove.
    #[inline(never)]
    fn odd_price(&mut self, level: &Level) -> Result<Option<i64>, BookError> {
        let (px, qty) = (level.px, level.qty.0);
        if qty.is_zero() && px.0.scale() > self.scale {
            return Ok(at_scale(px, self.scale));
        }
        if qty.is_negative() && !qty.is_zero() {
            return Err(BookError::Negative);
        }
        let error = BookError::PriceRange(px);
        let scale = px.0.scale().max(self.scale);
        let price = at_scale(px, scale).filter(|_| scale <= SCALE_MAX).ok_or(error)?;
        if self.is_empty() {
            self.scale = scale;
            self.bids.set_scale(scale);
            self.asks.set_scale(scale);
        } else if scale > self.scale {
            self.rescale(scale).ok_or(error)?;
        }
        Ok(Some(price))
    }

    fn rescale(&mut self, scale: u8) -> Option<()> {
        let by = 10i64.checked_pow(u32::from(scale - self.scale))?;
        if !(self.bids.can_scale(by) && self.asks.can_scale(by)) {
            return None;
        }
        self.bids.scale(by, scale);
        self.asks.scale(by, scale);
        self.scale = scale;
        Some(())
    }

    /// Drops the worst levels beyond `depth` a side and says how many.
    pub fn truncate(&mut self, depth: usize) -> usize {
        self.bids.truncate(depth) + self.asks.truncate(depth)
    }

    /// The levels of a side, best first.
    pub fn levels(
        &self,
        side: Side,
    ) -> impl DoubleEndedIterator<Item = Level> + ExactSizeIterator + '_ {
        let side = self.side(side);
        side.iter().map(|row| side.level(row))
    }

    /// The best level of a side; `None` when the side is empty, which is legal.
    #[inline]
    pub fn best(&self, side: Side) -> Option<Level> {
        self.side(side).best()
    }

    /// How many levels a side has.
    pub fn depth(&self, side: Side) -> usize {
        self.side(side).len()
    }

    /// Whether the best bid is at or above the best ask. Legal in auctions and pre-quote.
    #[inline]
    pub fn is_crossed(&self) -> bool {
        match (self.bids.best_key(), self.asks.best_key()) {
            (Some(bid), Some(ask)) => -bid >= ask,
            _ => false,
        }
    }

    /// Whether the invariants in the file's first comment hold. A `false` is our own mistake.
    pub fn is_consistent(&self) -> bool {
        let sides = [(Side::Bid, &self.bids), (Side::Ask, &self.asks)];
        sides.into_iter().all(|(side, ladder)| {
            let holds = |row: Row| {
                let level = ladder.level(row);
                let price = if side == Side::Bid { -row.key } else { row.key };
                at_scale(level.px, self.scale) == Some(price) && !level.qty.0.is_zero()
            };
            ladder.is_consistent() && ladder.iter().all(holds)
        })
    }
}

/// Largest price in units, below zero as well as above: two of them never differ by more than 64
/// bits hold, whatever their signs.
const PRICE_MAX: i64 = i64::MAX / 2;

/// Most decimals of a book's keys: one more would not fit them for any price but zero.
const SCALE_MAX: u8 = 36;

/// A price in whole units of so many decimals; `None` if it does not fit.
fn at_scale(px: Px, scale: u8) -> Option<i64> {
    let price = i64::try_from(px.0.at_scale(scale)?).ok()?;
    (price.unsigned_abs() <= PRICE_MAX.unsigned_abs()).then_some(price)
}

/// Powers of ten.
const UNITS: [u64; 20] = {
    let mut units = [1; 20];
    let mut i = 1;
    while i < units.len() {
        units[i] = units[i - 1] * 10;
        i += 1;
    }
    units
};
