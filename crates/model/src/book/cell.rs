//! A level as a book keeps it: 24 bytes instead of the 56 of a [`Level`].
//!
//! `ladder.rs` keeps cells, `book.rs` makes them and turns them back. The price is not in a cell,
//! only its number of decimals: the key beside it says the rest. What a cell has no room for (a
//! quantity beyond 64 bits, a sign) makes it *wide*: the ladder keeps the level
//! itself apart.
//!
//! Invariant: a cell that is not wide gives back the level it was made of, text for text.

use crate::decimal::{Decimal, Px, Qty};
use crate::event::Level;

/// See the file's first comment. Three whole words, so that it travels in registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// The digits of the quantity; 0 exactly where the level is to be removed.
    qty: u64,
    non_rpi: u64,
    /// From the lowest bit: orders (32 bits), decimals of the price, of the quantity, and of
    /// `non_rpi` (8 bits each; [`ABSENT`] if there is none), whether it is wide.
    rest: u64,
}

/// No number of decimals: there is no such quantity.
const ABSENT: u8 = u8::MAX;
const WIDE: u64 = 1 << 56;

impl Cell {
    /// What is kept of a level.
    #[inline(always)]
    pub(super) fn new(level: &Level) -> Cell {
        let (px, qty, non_rpi) = (level.px.0, level.qty.0, level.non_rpi.0);
        let (Some(_), Some(digits)) = (px.small_mantissa(), qty.small_mantissa()) else {
            return Cell::wide(level);
        };
        let scales = u64::from(px.scale()) << 32 | u64::from(qty.scale()) << 40;
        let rest = u64::from(level.orders) | scales;
        if non_rpi == Decimal::NONE {
            return Cell { qty: digits, non_rpi: 0, rest: rest | u64::from(ABSENT) << 48 };
        }
        match non_rpi.small_mantissa() {
            Some(second) => {
                let rest = rest | u64::from(non_rpi.scale()) << 48;
                Cell { qty: digits, non_rpi: second, rest }
            }
            None => Cell::wide(level),
        }
    }

    #[cold]
    fn wide(level: &Level) -> Cell {
        Cell { qty: u64::from(!level.qty.0.is_zero()), non_rpi: 0, rest: WIDE }
    }

    /// Whether the level is wanted, not to be removed.
    #[inline(always)]
    pub(super) fn is_wanted(&self) -> bool {
        self.qty != 0
    }

    /// Whether the ladder has to keep the level itself.
    #[inline(always)]
    pub(super) fn is_wide(&self) -> bool {
        self.rest & WIDE != 0
    }

    /// The level again, of a cell that is not wide. `price` is in whole units of `scale` decimals.
    #[inline]
    pub(super) fn level(&self, price: u64, scale: u8) -> Level {
        let [px_scale, qty_scale, non_rpi_scale] = [32, 40, 48].map(|at| (self.rest >> at) as u8);
        let digits = match usize::from(scale - px_scale) {
            0 => price,
            // A price of 64 bits that has 20 decimals too many is 0.
            finer => super::UNITS.get(finer).map_or(0, |unit| price / unit),
        };
        let non_rpi = match non_rpi_scale {
            ABSENT => Decimal::NONE,
            scale => Decimal::small(self.non_rpi, scale),
        };
        Level {
            px: Px(Decimal::small(digits, px_scale)),
            qty: Qty(Decimal::small(self.qty, qty_scale)),
            non_rpi: Qty(non_rpi),
            orders: self.rest as u32,
        }
    }
}
