//! Reads the numbers of a frame eight or sixteen bytes at a time, without vector instructions.
//!
//! The files beside this one call it. What it does not read (a sign, an exponent) it leaves alone:
//! `None`, and the general decoder takes the frame. Numbers of more than 15 characters, as
//! turnovers are, are left to [`long`].
//!
//! Invariants: a number it gives is the one that [`Decimal::parse`] gives for the same text; it
//! never looks past the end of the slice. Start at [`quoted`].

use market_data_model::Decimal;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const ONES_16: u128 = (ONES as u128) << 64 | ONES as u128;
const HIGHS_16: u128 = (HIGHS as u128) << 64 | HIGHS as u128;

/// A decimal that ends at a quote: the number, and what follows the quote.
#[inline(always)]
pub(super) fn quoted(rest: &[u8]) -> Option<(Decimal, &[u8])> {
    let word = word(rest);
    let quotes = zeros(word ^ (ONES * b'"' as u64));
    let (digits, shape) = if quotes != 0 { scan_8(word, quotes) } else { scan_16(rest) };
    if shape == NONE {
        return None;
    }
    Some((Decimal::small(digits, (shape >> 8) as u8), rest.get((shape & 0xff) as usize + 1..)?))
}

/// Longest number that [`long`] looks for the end of: what a decimal can hold.
const LONG_MAX: usize = 40;

/// The same for a number of any length, without a sign: turnovers have 16 to 20 characters.
#[inline(never)]
pub(super) fn long(rest: &[u8]) -> Option<(Decimal, &[u8])> {
    let end = rest.iter().take(LONG_MAX).position(|byte| *byte == b'"')?;
    let number = Decimal::parse(&rest[..end]).ok().filter(|number| !number.is_negative())?;
    Some((number, &rest[end + 1..]))
}

/// A whole number that ends at a quote, in canonical spelling, and what follows the quote.
#[inline(always)]
pub(super) fn whole(rest: &[u8]) -> Option<(u64, &[u8])> {
    let word = word(rest);
    let length = quote(word);
    if length > 7 {
        return whole_16(rest);
    }
    Some((whole_8(word, length)?, rest.get(length as usize + 1..)?))
}

/// Where the first quote is of eight bytes; 8 if there is none.
#[inline(always)]
fn quote(word: u64) -> u32 {
    zeros(word ^ (ONES * b'"' as u64)).trailing_zeros() / 8
}

/// A whole number of at most seven digits in canonical spelling, at the start of eight bytes.
#[inline(always)]
fn whole_8(word: u64, length: u32) -> Option<u64> {
    let leads = word as u8 == b'0' && length > 1;
    // The quote and what follows it are shifted out; length 0 would leave them in.
    let digits = (word ^ (ONES * b'0' as u64)) << (8 * (7 - length)) << 8;
    if length == 0 || leads || !are_digits(digits) {
        return None;
    }
    Some(value_8(digits))
}

/// A whole number of thirteen digits that ends at a quote, as today's milliseconds do.
#[inline]
pub(super) fn thirteen(rest: &[u8]) -> Option<(u64, &[u8])> {
    let (word, after) = (u128::from_le_bytes(*rest.first_chunk::<16>()?), rest.get(14..)?);
    let digits = (word ^ (ONES_16 * b'0' as u128)) << 24;
    let (first, last) = (digits as u64, (digits >> 64) as u64);
    let leads = word as u8 == b'0';
    if leads || rest[13] != b'"' || !are_digits(first) || !are_digits(last) {
        return None;
    }
    Some((value_8(first) * 100_000_000 + value_8(last), after))
}

#[inline(never)]
fn whole_16(rest: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, shape) = scan_16(rest);
    if shape == NONE || shape > 0xff {
        return None;
    }
    Some((digits, rest.get(shape as usize + 1..)?))
}

/// The shape of what is no number. Otherwise a shape is the length, and the decimals above 8 bits:
/// with the digits it fits two registers.
const NONE: u64 = 0;

/// Where `byte` stands first.
pub(super) fn find(text: &[u8], byte: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(chunk) = text.get(at..)?.first_chunk::<8>() {
        let found = zeros(u64::from_le_bytes(*chunk) ^ (ONES * u64::from(byte)));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    text.get(at..)?.iter().position(|b| *b == byte).map(|n| at + n)
}

/// The first eight bytes, the first one lowest; what is not there is 0.
#[inline(always)]
fn word(rest: &[u8]) -> u64 {
    match rest.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The first sixteen bytes, the first one lowest; what is not there is 0.
fn word_16(rest: &[u8]) -> u128 {
    match (rest.first_chunk::<16>(), rest.last_chunk::<8>()) {
        (Some(bytes), _) => u128::from_le_bytes(*bytes),
        (None, Some(last)) => {
            let last = u128::from(u64::from_le_bytes(*last)) << (8 * (rest.len() - 8));
            u128::from(word(rest)) | last
        }
        (None, None) => u128::from(word(rest)),
    }
}

/// The high bit of each zero byte. Exact up to the first one; above it there may be false ones.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Up to seven characters before the lowest mark of `quotes`.
///
/// The point is taken out by moving the digits before it up by one byte. Where there is none, the
/// quote is taken out instead, so that both cases are the same arithmetic.
#[inline(always)]
fn scan_8(word: u64, quotes: u64) -> (u64, u64) {
    let quote = quotes & quotes.wrapping_neg();
    let points = zeros(word ^ (ONES * b'.' as u64)) & (quote - 1);
    let removed = (points | quote) & (points | quote).wrapping_neg();
    let (before, length) = ((removed >> 7) - 1, (quote.trailing_zeros() - 7) / 8);
    let whole = (removed.trailing_zeros() - 7) / 8;
    let digits = word ^ (ONES * b'0' as u64);
    let after = digits & !(before << 8 | 0xff) & ((quote >> 7) - 1);
    let digits = (digits & before) << 8 | after;
    let has_point = u32::from(points != 0);
    if !is_canonical(word as u8, whole, length, has_point) || !are_digits(digits) {
        return (0, NONE);
    }
    let value = value_8(digits << (8 * (7 - length + has_point)));
    (value, decimals(whole, length) << 8 | u64::from(length))
}

/// The same for 8 to 15 characters.
#[inline(never)]
fn scan_16(rest: &[u8]) -> (u64, u64) {
    let word = word_16(rest);
    let zeros = |word: u128| word.wrapping_sub(ONES_16) & !word & HIGHS_16;
    let quotes = zeros(word ^ (ONES_16 * b'"' as u128));
    let quote = quotes & quotes.wrapping_neg();
    if quote == 0 {
        return (0, NONE);
    }
    let points = zeros(word ^ (ONES_16 * b'.' as u128)) & (quote - 1);
    let removed = (points | quote) & (points | quote).wrapping_neg();
    let (before, length) = ((removed >> 7) - 1, (quote.trailing_zeros() - 7) / 8);
    let whole = (removed.trailing_zeros() - 7) / 8;
    let digits = word ^ (ONES_16 * b'0' as u128);
    let after = digits & !(before << 8 | 0xff) & ((quote >> 7) - 1);
    let digits = (digits & before) << 8 | after;
    let has_point = u32::from(points != 0);
    let all = are_digits(digits as u64) && are_digits((digits >> 64) as u64);
    if !is_canonical(word as u8, whole, length, has_point) || !all {
        return (0, NONE);
    }
    let digits = digits << (8 * (15 - length + has_point));
    let value = value_8(digits as u64) * 100_000_000 + value_8((digits >> 64) as u64);
    (value, decimals(whole, length) << 8 | u64::from(length))
}

/// Whether printing gives the text back: something before the point and after it, and no zero
/// that leads.
fn is_canonical(first: u8, whole: u32, length: u32, has_point: u32) -> bool {
    let leads = first == b'0' && whole > 1;
    whole > 0 && !leads && (has_point == 0 || whole + 1 < length)
}

fn decimals(whole: u32, length: u32) -> u64 {
    u64::from((length - whole).saturating_sub(1))
}

/// Whether every byte is 0 to 9.
fn are_digits(bytes: u64) -> bool {
    (bytes.wrapping_add(ONES * (0x7f - 9)) | bytes) & HIGHS == 0
}

/// Eight digits, the first one in the lowest byte, as a number.
fn value_8(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10) + (digits >> 8);
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(1 + (100 << 16)) >> 16;
    (fours & 0x0000_ffff_0000_ffff).wrapping_mul(1 + (10_000 << 32)) >> 32
}

/// A whole number without quotes, up to 15 digits and without a sign, and what follows it.
pub(super) fn natural(rest: &[u8]) -> Option<(u64, &[u8])> {
    let first = word(rest) ^ (ONES * b'0' as u64);
    let length = odd_bytes(first).trailing_zeros() / 8;
    if length < 8 {
        let leads = first as u8 == 0 && length > 1;
        if length == 0 || leads {
            return None;
        }
        let value = value_8(first << (8 * (8 - length)));
        return Some((value, rest.get(length as usize..)?));
    }
    let second = behind(rest) ^ (ONES * b'0' as u64);
    let more = odd_bytes(second).trailing_zeros() / 8;
    if more > 7 || first as u8 == 0 {
        return None;
    }
    // The shift is in two steps, because none of 64 bits is allowed.
    let low = value_8(second << (8 * (7 - more)) << 8);
    let value = value_8(first) * POWERS[more as usize & 7] + low;
    Some((value, rest.get(8 + more as usize..)?))
}

/// 10^0 to 10^7.
const POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The high bit of each byte that is not 0 to 9.
#[inline(always)]
fn odd_bytes(digits: u64) -> u64 {
    ((digits & !HIGHS).wrapping_add(ONES * (0x7f - 9)) | digits) & HIGHS
}

/// The bytes from the eighth to the sixteenth, of at least eight; what is not there is 0.
#[inline(always)]
fn behind(rest: &[u8]) -> u64 {
    match (rest.first_chunk::<16>(), rest.last_chunk::<8>()) {
        (Some(bytes), _) => (u128::from_le_bytes(*bytes) >> 64) as u64,
        (None, Some(last)) => {
            let missing = 16 - rest.len();
            u64::from_le_bytes(*last) >> 8 >> (8 * (missing - 1))
        }
        (None, None) => 0,
    }
}
