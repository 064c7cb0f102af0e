//! A row of four texts in brackets, two decimals, a zero and a whole number, as venues write a
//! level of a book: `["83729.6","70.03","0","4"],`.
//!
//! Where everything ends is known from the quotes alone, so that the next row need not wait for the
//! numbers of this one. `avx2.rs` reads both decimals in one go, `neon.rs` one after the other.

use super::Digits;

/// A row that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The first decimal.
    pub first: Digits,
    /// The second one.
    pub second: Digits,
    /// The whole number: up to seven digits, no zero that leads.
    pub count: u32,
    /// Whether a comma follows the row (there is another one) or the end of the array.
    pub more: bool,
    /// How many bytes it took, what follows it included.
    pub length: usize,
}

/// Where the first decimal begins.
pub(super) const FIRST_AT: usize = 2;
/// `","0","`, above a byte of nothing.
const BETWEEN: u64 = u64::from_le_bytes(*b"\0\",\"0\",\"");
/// `","`, above a byte of nothing.
const COMMAS: u32 = u32::from_le_bytes(*b"\0\",\"");
/// `["`
const START: u16 = u16::from_le_bytes(*b"[\"");
/// `"],`
const END_MORE: u32 = u32::from_le_bytes(*b"\"],\0");
/// `"]]`
const END: u32 = u32::from_le_bytes(*b"\"]]\0");
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Where the texts of a row begin and end, if it is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    pub first_end: usize,
    pub second_at: usize,
    pub second_end: usize,
    pub count_end: usize,
}

impl Marks {
    /// From the quotes of 64 bytes; `None` when the row does not fit them or a decimal has not 1 to
    /// 16 characters.
    #[inline(always)]
    pub fn of(quotes: u64) -> Option<Marks> {
        let without_lowest = |bits: u64| bits & bits.wrapping_sub(1);
        let place = |bits: u64| bits.trailing_zeros() as usize;
        let after_first = without_lowest(quotes);
        let after_second = without_lowest(without_lowest(after_first));
        let of_count = without_lowest(without_lowest(without_lowest(after_second)));
        let (first_end, second_end) = (place(after_first), place(after_second));
        let (second_at, count_end) = (first_end + 3, place(without_lowest(of_count)));
        let first_fits = first_end.wrapping_sub(FIRST_AT + 1) < 16;
        let second_fits = second_end.wrapping_sub(second_at + 1) < 16;
        let all_fit = (second_at <= 48) & (second_end <= 56) & (count_end <= 60);
        let marks = Marks { first_end, second_at, second_end, count_end };
        (first_fits & second_fits & all_fit).then_some(marks)
    }

    /// The whole number and whether another row follows, if everything besides the decimals is as
    /// it should be and `odd`, what is wrong with them, is 0.
    #[inline(always)]
    pub fn rest(self, chunk: &[u8; 64], odd: u64) -> Option<(u32, bool)> {
        let start = u16::from_le_bytes(*at(chunk, 0)?) ^ START;
        let commas = u32::from_le_bytes(*at(chunk, self.first_end)?) << 8 ^ COMMAS;
        let between = u64::from_le_bytes(*at(chunk, self.second_end)?);
        let end = u32::from_le_bytes(*at(chunk, self.count_end)?);
        let more = end as u8 == b'"' && end >> 16 & 0xff == u32::from(b',');
        let end = end & 0x00ff_ffff ^ if more { END_MORE } else { END };
        let length = self.count_end.wrapping_sub(self.second_end + 7);
        // The eight bytes that end with the number; those before it count as zeros.
        let word = u64::from_le_bytes(*at(chunk, self.count_end.wrapping_sub(8))?);
        let own = u64::MAX << ((64 - 8 * (length & 7)) % 64);
        let digits = (word ^ (ONES * u64::from(b'0'))) & own;
        let odd_digits = (digits.wrapping_add(ONES * (0x7f - 9)) | digits) & HIGHS;
        let leads = u64::from((length > 1) & (between >> 56 == u64::from(b'0')));
        let shape = u64::from(start) | u64::from(commas) | between << 8 ^ BETWEEN | u64::from(end);
        if odd | shape | odd_digits | leads != 0 || length.wrapping_sub(1) >= 7 {
            return None;
        }
        Some((value(digits), more))
    }
}

/// Some of the bytes.
#[inline(always)]
pub(super) fn at<const N: usize>(chunk: &[u8; 64], place: usize) -> Option<&[u8; N]> {
    chunk.get(place..)?.first_chunk()
}

/// Eight digits, the first one in the lowest byte, as a number.
#[inline(always)]
fn value(digits: u64) -> u32 {
    let pairs = digits.wrapping_mul(10) + (digits >> 8);
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(1 + (100 << 16)) >> 16;
    ((fours & 0x0000_ffff_0000_ffff).wrapping_mul(1 + (10_000 << 32)) >> 32) as u32
}
