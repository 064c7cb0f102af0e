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
        let chunk: &[u8; 64] = rest.first_chunk()?;
        let quotes = self.quotes(chunk);
        // `["` px `","` qty `","0","` orders `"]` and a comma or the end of the array: every end is
        // known from the quotes alone, so that the next level need not wait for these numbers.
        let after_px = without_lowest(quotes);
        let (px_end, qty_at) = (place(after_px), place(without_lowest(after_px)) + 1);
        let after_qty = without_lowest(without_lowest(after_px));
        let qty_end = place(after_qty);
        let of_orders = without_lowest(without_lowest(without_lowest(after_qty)));
        let (orders_at, orders_end) = (qty_end + 7, place(without_lowest(of_orders)));
        let end: &[u8; 3] = at(chunk, orders_end)?;
        let more = end[2] == b',';
        let px = self.decimal(at(chunk, 2)?, px_end.wrapping_sub(2))?;
        let qty = self.decimal(at(chunk, qty_at)?, qty_end.wrapping_sub(qty_at))?;
        let between = u64::from_le_bytes(*at(chunk, qty_end)?) << 8;
        let commas = u32::from_le_bytes(*at(chunk, px_end)?) << 8;
        let start = u16::from_le_bytes(*at(chunk, 0)?);
        let shape = (start ^ START) as u64 | (commas ^ COMMAS) as u64 | between ^ BETWEEN;
        let orders = orders(at(chunk, orders_at)?, orders_end.wrapping_sub(orders_at))?;
        if shape != 0 || end[..2] != *b"\"]" || !(more || end[2] == b']') {
            return None;
        }
        let level = Level {
            px: Px(Decimal::small(px.mantissa, px.scale)),
            qty: Qty(Decimal::small(qty.mantissa, qty.scale)),
            non_rpi: Qty(Decimal::NONE),
            orders,
        };
        Some((level, more, &rest[orders_end + 3..]))
    }
}

const START: u16 = u16::from_le_bytes(*b"[\"");
/// Above a byte of nothing.
const COMMAS: u32 = u32::from_le_bytes(*b"\0\",\"");
const BETWEEN: u64 = u64::from_le_bytes(*b"\0\",\"0\",\"");

#[inline(always)]
fn at<const N: usize>(chunk: &[u8; 64], place: usize) -> Option<&[u8; N]> {
    chunk.get(place..)?.first_chunk()
}

/// The place of the lowest bit; 64 if there is none.
#[inline(always)]
fn place(bits: u64) -> usize {
    bits.trailing_zeros() as usize
}

#[inline(always)]
fn without_lowest(bits: u64) -> u64 {
    bits & bits.wrapping_sub(1)
}

/// A whole number of so many digits, at most 7, before a quote.
#[inline(always)]
fn orders(text: &[u8; 8], length: usize) -> Option<u32> {
    let word = u64::from_le_bytes(*text);
    if length > 7 {
        return None;
    }
    Some(number::whole_8(word, length as u32)? as u32)
}
