//! One instrument's book by price level; it holds exactly what it was told and can say whether
//! that is consistent, not whether it is true (that is the feed's business).
//!
//! Each side is a vector with the best level at its end, where most changes happen, keyed by the
//! price in whole units of the finest decimal seen so far. Quantities and prices keep their text.
//!
//! Invariants: keys strictly ordered; no level with quantity zero; one key, one level.

use crate::decimal::Px;
use crate::event::Level;
use std::fmt;

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
    /// The price does not fit 64 bits at the book's number of decimals.
    PriceRange(Px),
    /// Price or quantity is below zero.
    Negative,
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BookError::PriceRange(px) => write!(f, "price {px} does not fit the book's decimals"),
            BookError::Negative => f.write_str("a negative price or quantity"),
        }
    }
}

impl std::error::Error for BookError {}

#[derive(Clone, Copy, Debug)]
struct Row {
    key: i64,
    level: Level,
}

/// A local order book.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Ascending: the best bid is last.
    bids: Vec<Row>,
    /// Descending: the best ask is last.
    asks: Vec<Row>,
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

    /// Sets, replaces or (quantity zero) removes one level. Removing one that is not there is
    /// fine: OKX does so (captured 2022-02).
    ///
    /// # Errors
    /// [`BookError`]; the book is unchanged.
    pub fn apply(&mut self, side: Side, level: Level) -> Result<(), BookError> {
        let negative = |d: crate::Decimal| d.is_negative() && !d.is_zero();
        if negative(level.px.0) || negative(level.qty.0) {
            return Err(BookError::Negative);
        }
        let key = self.key(level.px)?;
        let rows = match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        };
        let at = match side {
            Side::Bid => rows.partition_point(|row| row.key < key),
            Side::Ask => rows.partition_point(|row| row.key > key),
        };
        let held = rows.get(at).is_some_and(|row| row.key == key);
        match (held, level.qty.0.is_zero()) {
            (true, true) => drop(rows.remove(at)),
            (true, false) => rows[at].level = level,
            (false, true) => {}
            (false, false) => rows.insert(at, Row { key, level }),
        }
        Ok(())
    }

    /// The price in whole units of the book's finest decimal, making that finer if needed.
    fn key(&mut self, px: Px) -> Result<i64, BookError> {
        let error = BookError::PriceRange(px);
        let scale = px.0.scale().max(self.scale);
        let key = px.0.at_scale(scale).and_then(|k| i64::try_from(k).ok()).ok_or(error)?;
        if scale > self.scale {
            self.rescale(scale).ok_or(error)?;
        }
        Ok(key)
    }

    fn rescale(&mut self, scale: u8) -> Option<()> {
        let by = 10i64.checked_pow(u32::from(scale - self.scale))?;
        // The largest keys are a side's ends; if they fit, all do.
        for rows in [&self.bids, &self.asks] {
            for row in [rows.first(), rows.last()].into_iter().flatten() {
                row.key.checked_mul(by)?;
            }
        }
        for row in self.bids.iter_mut().chain(&mut self.asks) {
            row.key *= by;
        }
        self.scale = scale;
        Some(())
    }

    /// Drops the worst levels beyond `depth` a side and says how many.
    pub fn truncate(&mut self, depth: usize) -> usize {
        let mut dropped = 0;
        for rows in [&mut self.bids, &mut self.asks] {
            let beyond = rows.len().saturating_sub(depth);
            rows.drain(..beyond);
            dropped += beyond;
        }
        dropped
    }

    /// The levels of a side, best first.
    pub fn levels(
        &self,
        side: Side,
    ) -> impl DoubleEndedIterator<Item = &Level> + ExactSizeIterator {
        let rows = match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        };
        rows.iter().rev().map(|row| &row.level)
    }

    /// The best level of a side; `None` when the side is empty, which is legal.
    pub fn best(&self, side: Side) -> Option<&Level> {
        let rows = match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        };
        rows.last().map(|row| &row.level)
    }

    /// How many levels a side has.
    pub fn depth(&self, side: Side) -> usize {
        match side {
            Side::Bid => self.bids.len(),
            Side::Ask => self.asks.len(),
        }
    }

    /// Whether the best bid is at or above the best ask. Legal in auctions and pre-quote.
    pub fn is_crossed(&self) -> bool {
        match (self.bids.last(), self.asks.last()) {
            (Some(bid), Some(ask)) => bid.key >= ask.key,
            _ => false,
        }
    }

    /// Whether the invariants in the file's first comment hold. A `false` is our own mistake.
    pub fn is_consistent(&self) -> bool {
        let full = |rows: &[Row]| rows.iter().all(|row| !row.level.qty.0.is_zero());
        self.bids.windows(2).all(|w| w[0].key < w[1].key)
            && self.asks.windows(2).all(|w| w[0].key > w[1].key)
            && full(&self.bids)
            && full(&self.asks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::{Decimal, Qty};
    use proptest::prelude::*;

    fn level(px: &str, qty: &str) -> Level {
        Level {
            px: Px(px.parse().unwrap()),
            qty: Qty(qty.parse().unwrap()),
            non_rpi: Qty(Decimal::NONE),
            orders: 1,
        }
    }

    #[test]
    fn keeps_text_through_a_finer_tick() {
        let mut book = Book::new();
        book.apply(Side::Bid, level("83726", "1")).unwrap();
        book.apply(Side::Bid, level("83725.9", "2.50")).unwrap();
        book.apply(Side::Bid, level("83725.95", "3")).unwrap();
        let text: Vec<_> = book.levels(Side::Bid).map(|l| format!("{}@{}", l.qty, l.px)).collect();
        assert_eq!(text, ["1@83726", "3@83725.95", "2.50@83725.9"]);
        assert!(book.is_consistent());
    }

    #[test]
    fn refuses_what_it_cannot_hold_and_stays_as_it_was() {
        let mut book = Book::new();
        book.apply(Side::Ask, level("9000000000000000000", "1")).unwrap();
        let fine = level("0.1", "1");
        assert_eq!(book.apply(Side::Ask, fine), Err(BookError::PriceRange(fine.px)));
        assert_eq!(book.apply(Side::Ask, level("-1", "1")), Err(BookError::Negative));
        assert_eq!(book.depth(Side::Ask), 1);
    }

    proptest! {
        /// Against a sorted map of (price in 1/1000) to quantity text.
        #[test]
        fn agrees_with_a_naive_map(
            steps in prop::collection::vec((any::<bool>(), 1i64..400, 0u8..4, 0u32..5), 0..300)
        ) {
            let mut book = Book::new();
            let mut naive = [std::collections::BTreeMap::new(), std::collections::BTreeMap::new()];
            for (bid, px, scale, qty) in steps {
                let text = Decimal::from_parts(i128::from(px), scale).unwrap().to_string();
                let (side, n) = if bid { (Side::Bid, 0) } else { (Side::Ask, 1) };
                book.apply(side, level(&text, &qty.to_string())).unwrap();
                let key = px * 10i64.pow(u32::from(3 - scale));
                if qty == 0 { naive[n].remove(&key); } else { naive[n].insert(key, (text, qty)); }
                prop_assert!(book.is_consistent());
            }
            let text = |l: &Level| (l.px.to_string(), l.qty.to_string().parse().unwrap());
            let ours = |side| book.levels(side).map(text).collect::<Vec<_>>();
            prop_assert_eq!(ours(Side::Bid), naive[0].values().rev().cloned().collect::<Vec<_>>());
            prop_assert_eq!(ours(Side::Ask), naive[1].values().cloned().collect::<Vec<_>>());
        }
    }
}
