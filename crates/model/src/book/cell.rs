//! A level as a book keeps it: 8 bytes instead of the 56 of a [`Level`].
//!
//! `ladder.rs` keeps cells, `book.rs` makes them and turns them back. The price is not in a cell,
//! only its number of decimals: the key beside it says the rest. What a cell has no room for (a
//! quantity of more than twelve digits, more than 16,383 orders, a second quantity, more than 15
//! decimals) makes it *wide*: the ladder keeps the level itself apart.
//!
//! Invariants: a cell that is neither empty nor wide gives back the level it was made of, text for
//! text; no other cell than [`EMPTY`] is 0.

use crate::decimal::{Decimal, Px, Qty, WORD_SCALE_AT};
use crate::event::Level;

/// From the lowest bit: digits of the quantity, orders, decimals of the quantity and of the price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell(u64);

const QTY_BITS: u32 = 42;
const ORDERS_BITS: u32 = 14;
const SCALE_BITS: u32 = 4;
const ORDERS_AT: u32 = QTY_BITS;
const QTY_SCALE_AT: u32 = ORDERS_AT + ORDERS_BITS;
const PX_SCALE_AT: u32 = QTY_SCALE_AT + SCALE_BITS;
const _: () = assert!(PX_SCALE_AT + SCALE_BITS == u64::BITS);
/// A number's second word has its scale where a cell has that of a quantity.
const _: () = assert!(QTY_SCALE_AT == WORD_SCALE_AT);
/// The bits of a number's second word that are set in a usual one.
const SCALES: u64 = ((1 << SCALE_BITS) - 1) << WORD_SCALE_AT;
/// Digits of a usual price; times ten to the [`FINER_BITS`] they are no more than a price may have.
const PX_BITS: u32 = 38;
/// How many decimals more than its price a book of usual levels has, in bits.
const FINER_BITS: u32 = 3;
const _: () = assert!(super::PRICE_MAX as u64 >> PX_BITS >= super::UNITS[(1 << FINER_BITS) - 1]);

/// No level: nothing is there, or it is to be removed.
pub(super) const EMPTY: Cell = Cell(0);
/// The level is kept elsewhere. No level has this cell: its quantity would be one too large.
pub(super) const WIDE: Cell = Cell(u64::MAX);

impl Cell {
    /// What is kept of a level.
    #[inline(always)]
    pub(super) fn new(level: &Level) -> Cell {
        let (px, qty) = (level.px.0, level.qty.0);
        let (Some(px_scale), Some(digits), Some(qty_scale)) =
            (px.small_scale(), qty.small_mantissa(), qty.small_scale())
        else {
            return Cell::wide(level);
        };
        let orders = u64::from(level.orders);
        let beyond = ((digits | digits.wrapping_add(1)) >> QTY_BITS)
            | (orders >> ORDERS_BITS)
            | ((px_scale | qty_scale) >> SCALE_BITS);
        if beyond != 0 || level.non_rpi.0 != Decimal::NONE {
            return Cell::wide(level);
        }
        let scales = qty_scale << QTY_SCALE_AT | px_scale << PX_SCALE_AT;
        let all = digits | orders << ORDERS_AT | scales;
        Cell(if digits == 0 { 0 } else { all })
    }

    /// The price in whole units of `scale` decimals, and what is kept, of a level as nearly all
    /// are; `None` says only that it has to be looked at closer. One branch for all of it.
    #[inline(always)]
    pub(super) fn usual(level: &Level, scale: u8) -> Option<(i64, Cell)> {
        let ([price, px], [digits, qty]) = (level.px.0.words(), level.qty.0.words());
        let (orders, finer) =
            (u64::from(level.orders), u64::from(scale).wrapping_sub(px >> WORD_SCALE_AT));
        let beyond = (px | qty) & !SCALES
            | ((digits | digits.wrapping_add(1)) >> QTY_BITS)
            | (orders >> ORDERS_BITS)
            | (price >> PX_BITS)
            | (finer >> FINER_BITS)
            | !level.non_rpi.0.words()[1];
        if beyond != 0 {
            return None;
        }
        let units = price * super::UNITS[finer as usize % (1 << FINER_BITS)];
        let all = digits | orders << ORDERS_AT | qty | px << (PX_SCALE_AT - QTY_SCALE_AT);
        Some((units.cast_signed(), Cell(if digits == 0 { 0 } else { all })))
    }

    #[cold]
    fn wide(level: &Level) -> Cell {
        if level.qty.0.is_zero() { EMPTY } else { WIDE }
    }

    /// The level again, of a cell that is neither empty nor wide. `price` is in whole units of
    /// `scale` decimals.
    #[inline]
    pub(super) fn level(self, price: u64, scale: u8) -> Level {
        let bits = |at: u32, count: u32| (self.0 >> at) & ((1 << count) - 1);
        let (px_scale, qty_scale) = (bits(PX_SCALE_AT, SCALE_BITS), bits(QTY_SCALE_AT, SCALE_BITS));
        let finer = usize::from(scale) - px_scale as usize;
        // The price is a multiple of 10^finer, so a multiplication can undo one. A price of 64 bits
        // that has 20 decimals too many is 0.
        let digits = FIFTHS.get(finer).map_or(0, |fifth| (price >> finer).wrapping_mul(*fifth));
        Level {
            px: Px(Decimal::small(digits, px_scale as u8)),
            qty: Qty(Decimal::small(bits(0, QTY_BITS), qty_scale as u8)),
            non_rpi: Qty(Decimal::NONE),
            orders: bits(ORDERS_AT, ORDERS_BITS) as u32,
        }
    }
}

/// What undoes a multiplication by five, once, twice and so on, of a number of 64 bits.
const FIFTHS: [u64; 20] = {
    let mut fifths = [1u64; 20];
    let mut i = 1;
    while i < fifths.len() {
        // 5 times this is 1 above 4 times 2^64.
        fifths[i] = fifths[i - 1].wrapping_mul(0xcccc_cccc_cccc_cccd);
        i += 1;
    }
    fifths
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_has_its_own_decimals_again() {
        for (finer, unit) in super::super::UNITS.iter().enumerate() {
            for digits in [0, 1, 3, 7, 10, 837_259, 9_999_999_999, u64::MAX] {
                let Some(price) = digits.checked_mul(*unit) else { continue };
                let (px, qty) = (Decimal::small(digits, 0), Decimal::small(5, 1));
                let non_rpi = Qty(Decimal::NONE);
                let level = Level { px: Px(px), qty: Qty(qty), non_rpi, orders: 2 };
                assert_eq!(Cell::new(&level).level(price, finer as u8), level, "{digits} {finer}");
            }
        }
    }

    /// What is usual is what the closer look says, and what cannot be kept so is not usual.
    #[test]
    fn the_short_look_at_a_level_agrees_with_the_closer_one() {
        let ten = |n: u32| 10u64.pow(n);
        let edges =
            [0, 1, 9, ten(5), 1 << 37, (1 << 38) - 1, 1 << 38, (1 << 42) - 2, 1 << 42, u64::MAX];
        let mut usual = 0;
        for (px, px_scale) in edges.into_iter().flat_map(|n| [0, 1, 7, 15, 16].map(|s| (n, s))) {
            for (qty, qty_scale) in edges.into_iter().flat_map(|n| [0, 8, 15, 16].map(|s| (n, s))) {
                for orders in [0, 1, (1 << 14) - 1, 1 << 14] {
                    let (px, qty) = (Decimal::small(px, px_scale), Decimal::small(qty, qty_scale));
                    let non_rpi = Qty(Decimal::NONE);
                    let level = Level { px: Px(px), qty: Qty(qty), non_rpi, orders };
                    for scale in [0, 1, 2, 8, 15, 16] {
                        let Some((price, cell)) = Cell::usual(&level, scale) else { continue };
                        usual += 1;
                        assert_eq!(cell, Cell::new(&level));
                        assert_eq!(px.at_scale(scale), Some(i128::from(price)));
                        assert!(cell == EMPTY || cell.level(price as u64, scale) == level);
                    }
                    let odd = [
                        Level { non_rpi: Qty(qty), ..level },
                        Level { px: Px(Decimal::NONE), ..level },
                        Level { qty: Qty(Decimal::from_parts(-1, 1).unwrap()), ..level },
                        Level { px: Px(Decimal::from_parts(1 << 70, 1).unwrap()), ..level },
                    ];
                    assert_eq!(odd.map(|level| Cell::usual(&level, px_scale)), [None; 4]);
                }
            }
        }
        assert!(usual > 1000, "{usual}");
    }
}
