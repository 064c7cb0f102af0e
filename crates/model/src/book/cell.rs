//! A level as a book keeps it: 8 bytes instead of the 56 of a [`Level`].
//!
//! `ladder.rs` keeps cells, `book.rs` makes them and turns them back. The price is not in a cell,
//! only its number of decimals: the key beside it says the rest. What a cell has no room for (a
//! quantity of more than twelve digits, more than 16,383 orders, a second quantity, more than 15
//! decimals) makes it *wide*: the ladder keeps the level itself apart.
//!
//! Invariants: a cell that is neither empty nor wide gives back the level it was made of, text for
//! text; no other cell than [`EMPTY`] is 0.

use crate::decimal::{Decimal, Px, Qty};
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
        let beyond = (digits.wrapping_add(1) >> QTY_BITS)
            | (orders >> ORDERS_BITS)
            | ((px_scale | qty_scale) >> SCALE_BITS);
        if beyond != 0 || level.non_rpi.0 != Decimal::NONE {
            return Cell::wide(level);
        }
        let all =
            digits | orders << ORDERS_AT | qty_scale << QTY_SCALE_AT | px_scale << PX_SCALE_AT;
        Cell(if digits == 0 { 0 } else { all })
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
        let digits = match usize::from(scale) - px_scale as usize {
            0 => price,
            // A price of 64 bits that has 20 decimals too many is 0.
            finer => super::UNITS.get(finer).map_or(0, |unit| price / unit),
        };
        Level {
            px: Px(Decimal::small(digits, px_scale as u8)),
            qty: Qty(Decimal::small(bits(0, QTY_BITS), qty_scale as u8)),
            non_rpi: Qty(Decimal::NONE),
            orders: bits(ORDERS_AT, ORDERS_BITS) as u32,
        }
    }
}
