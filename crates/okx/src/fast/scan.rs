//! The two ways to read the numbers of a frame: plain arithmetic, which is everywhere, and vector
//! instructions, where the processor has them.
//!
//! `cursor.rs` and `books.rs` are written once over both. Invariants: both give the same for the
//! same text, or nothing where the other gives something (then the frame goes the general way, or
//! the level is read number by number). Start at [`Scan`].

use super::number;
use market_data_model::{Decimal, Level, Px, Qty};
use market_data_simd::Vectors;

/// A level, whether another one follows it, and what follows.
pub(super) type Read<'a> = (Level, bool, &'a [u8]);

/// A way to read numbers. All of it is inlined into one function, compiled for its instructions.
pub(super) trait Scan: Copy {
    /// A decimal that ends at a quote, and what follows the quote.
    fn quoted(self, rest: &[u8]) -> Option<(Decimal, &[u8])>;
    /// A whole number that ends at a quote, in canonical spelling, and what follows the quote.
    fn whole(self, rest: &[u8]) -> Option<(u64, &[u8])>;
    /// A whole level `["px","qty","0","orders"]` and the `,` or `]` after it, at once; `None` says
    /// only that it has to be read number by number.
    fn level(self, rest: &[u8]) -> Option<Read<'_>>;
}

/// Plain arithmetic on eight and sixteen bytes; see `number.rs`.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Scan for Plain {
    #[inline(always)]
    fn quoted(self, rest: &[u8]) -> Option<(Decimal, &[u8])> {
        number::quoted(rest)
    }

    #[inline(always)]
    fn whole(self, rest: &[u8]) -> Option<(u64, &[u8])> {
        number::whole(rest)
    }

    #[inline(always)]
    fn level(self, _rest: &[u8]) -> Option<Read<'_>> {
        None
    }
}

impl Scan for Vectors {
    #[inline(always)]
    fn quoted(self, rest: &[u8]) -> Option<(Decimal, &[u8])> {
        let Some(chunk) = rest.first_chunk() else { return number::quoted(rest) };
        let length = self.quotes_16(chunk).trailing_zeros() as usize;
        let number = self.decimal(chunk, length)?;
        Some((Decimal::small(number.mantissa, number.scale), rest.get(length + 1..)?))
    }

    #[inline(always)]
    fn whole(self, rest: &[u8]) -> Option<(u64, &[u8])> {
        let (number, rest) = self.quoted(rest)?;
        (number.scale() == 0).then_some((number.small_mantissa()?, rest))
    }

    #[inline(always)]
    fn level(self, rest: &[u8]) -> Option<Read<'_>> {
        let row = self.row(rest.first_chunk()?)?;
        let level = Level {
            px: Px(Decimal::small(row.first.mantissa, row.first.scale)),
            qty: Qty(Decimal::small(row.second.mantissa, row.second.scale)),
            non_rpi: Qty(Decimal::NONE),
            orders: row.count,
        };
        Some((level, row.more, rest.get(row.length..)?))
    }
}
