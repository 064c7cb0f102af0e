//! The two ways to read the numbers of a frame: plain arithmetic, which is everywhere, and vector
//! instructions, where the processor has them.
//!
//! `cursor.rs` and `books.rs` are written once over both. Invariants: both give the same for the
//! same text, or nothing where the other gives something (then the frame goes the general way, or
//! the level is read number by number). Start at [`Scan`].

use super::number;
use market_data_model::{Decimal, Level, Px, Qty};
use market_data_simd::{Row, Vectors, Wide};

/// A level, whether another one follows it, and what follows.
pub(super) type Read<'a> = (Level, bool, &'a [u8]);

/// A way to read numbers. All of it is inlined into one function, compiled for its instructions.
pub(super) trait Scan: Copy {
    /// A decimal that ends at a quote, and what follows the quote.
    fn quoted(self, rest: &[u8]) -> Option<(Decimal, &[u8])>;
    /// A whole number that ends at a quote, in canonical spelling, and what follows the quote.
    fn whole(self, rest: &[u8]) -> Option<(u64, &[u8])>;
    /// One without quotes, up to 15 digits and without a sign, and what follows it.
    fn natural(self, rest: &[u8]) -> Option<(u64, &[u8])>;
    /// One of thirteen digits that ends at a quote, as today's milliseconds do, and what follows
    /// the quote.
    fn thirteen(self, rest: &[u8]) -> Option<(u64, &[u8])>;
    /// A whole level `["px","qty","0","orders"]` and the `,` or `]` after it, at once; `None` says
    /// only that it has to be read number by number.
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
    /// The row of a level at the start; `None` as above.
    fn row(self, chunk: &[u8; 64]) -> Option<Row>;
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
    fn natural(self, rest: &[u8]) -> Option<(u64, &[u8])> {
        number::natural(rest)
    }

    #[inline(always)]
    fn thirteen(self, rest: &[u8]) -> Option<(u64, &[u8])> {
        number::thirteen(rest)
    }

    #[inline(always)]
    fn row(self, _chunk: &[u8; 64]) -> Option<Row> {
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
        let Some(chunk) = rest.first_chunk() else { return number::whole(rest) };
        let length = self.quotes_16(chunk).trailing_zeros() as usize;
        let value = self.digits(chunk, length)?;
        let leads = chunk[0] == b'0' && length > 1;
        Some((value, rest.get(length + 1..).filter(|_| !leads)?))
    }

    #[inline(always)]
    fn natural(self, rest: &[u8]) -> Option<(u64, &[u8])> {
        let Some(chunk) = rest.first_chunk() else { return number::natural(rest) };
        let length = self.digits_ahead(chunk);
        let leads = chunk[0] == b'0' && length > 1;
        if leads || length > 15 {
            return None;
        }
        Some((self.digits(chunk, length)?, rest.get(length..)?))
    }

    #[inline(always)]
    fn thirteen(self, rest: &[u8]) -> Option<(u64, &[u8])> {
        let chunk = rest.first_chunk()?;
        let after = rest.get(14..).filter(|_| chunk[13] == b'"' && chunk[0] != b'0')?;
        Some((self.digits(chunk, 13)?, after))
    }

    #[inline(always)]
    fn row(self, chunk: &[u8; 64]) -> Option<Row> {
        Vectors::row(self, chunk)
    }
}

impl Scan for Wide {
    #[inline(always)]
    fn quoted(self, rest: &[u8]) -> Option<(Decimal, &[u8])> {
        self.narrow().quoted(rest)
    }

    #[inline(always)]
    fn whole(self, rest: &[u8]) -> Option<(u64, &[u8])> {
        self.narrow().whole(rest)
    }

    #[inline(always)]
    fn natural(self, rest: &[u8]) -> Option<(u64, &[u8])> {
        self.narrow().natural(rest)
    }

    #[inline(always)]
    fn thirteen(self, rest: &[u8]) -> Option<(u64, &[u8])> {
        self.narrow().thirteen(rest)
    }

    #[inline(always)]
    fn row(self, chunk: &[u8; 64]) -> Option<Row> {
        Wide::row(self, chunk)
    }
}
