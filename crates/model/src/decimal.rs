//! Decimal numbers that keep the venue's text: exact value *and* number of decimals, in 16 bytes.
//!
//! Every price and quantity in the project is one of these. A number is parsed from canonical
//! decimal text and printed back byte for byte; text that does not fit is refused, never rounded.
//!
//! Invariants: `Decimal::parse(text)?.to_string() == text` for every accepted text; equality is
//! equality of text (`1.0` is not `1.00`), [`Decimal::cmp_value`] compares values; no float.
//!
//! Start at [`Decimal::parse`]. Why this type and not another: `docs/decisions/0001-numbers.md`.

mod state;

use crate::digits;
use std::cmp::Ordering;
use std::fmt;

/// Most decimals a number may have. OKX's longest seen is 32 digits in all (instrument limits,
/// captured 2026-04), 16 of them after the point (index prices, captured 2026).
pub const SCALE_MAX: u8 = 36;

const MANTISSA_HI_BITS: u32 = 56;
const MANTISSA_HI_MASK: u64 = (1 << MANTISSA_HI_BITS) - 1;
/// Where the scale begins in the second of [`Decimal::words`].
pub(crate) const WORD_SCALE_AT: u32 = MANTISSA_HI_BITS;
const SCALE_MASK: u64 = 0x7f;
const SIGN_BIT: u64 = 1 << 63;
/// Scale bits no number has; marks [`Decimal::NONE`].
const NONE_HI: u64 = u64::MAX;

/// An exact decimal: sign, a mantissa below 2^120, and 0 to 36 decimals.
///
/// Two decimals are equal when their *text* is equal, so `1.0 != 1.00` and `-0 != 0`. Use
/// [`Decimal::cmp_value`] to compare values.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    lo: u64,
    /// Bit 63: sign. Bits 56 to 62: scale. Bits 0 to 55: upper part of the mantissa.
    hi: u64,
}

/// Why a text is not a [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// The text is empty. OKX's way of saying "not available"; callers map it to absence.
    Empty,
    /// Not `-?(0|[1-9][0-9]*)(\.[0-9]+)?`: printing it back would give another text.
    NotCanonical,
    /// More digits than 120 bits hold, or more than [`SCALE_MAX`] decimals.
    TooLong,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecimalError::Empty => "empty",
            DecimalError::NotCanonical => "not a plain decimal number",
            DecimalError::TooLong => "more digits than an exact number here can hold",
        })
    }
}

impl std::error::Error for DecimalError {}

impl Decimal {
    /// The number `0`.
    pub const ZERO: Decimal = Decimal { lo: 0, hi: 0 };
    /// The number `1`.
    pub const ONE: Decimal = Decimal { lo: 1, hi: 0 };
    /// "No number": a sentinel for places where an `Option` would cost room. It prints as nothing
    /// and [`Decimal::some`] turns it into `None`.
    pub const NONE: Decimal = Decimal { lo: 0, hi: NONE_HI };

    /// Reads canonical decimal text.
    ///
    /// # Errors
    /// [`DecimalError`] when the text is empty, not canonical, or too long; nothing is rounded.
    pub fn parse(text: &[u8]) -> Result<Decimal, DecimalError> {
        let (sign, digits) = match text {
            [] => return Err(DecimalError::Empty),
            [b'-', rest @ ..] => (SIGN_BIT, rest),
            rest => (0, rest),
        };
        let (mantissa, scale) = if digits.len() <= 19 {
            let (mantissa, scale) = scan_short(digits)?;
            (u128::from(mantissa), scale)
        } else {
            scan_long(digits)?
        };
        Ok(Decimal::pack(sign, mantissa, scale))
    }

    /// The number `mantissa × 10^-scale`; `None` if it does not fit.
    pub fn from_parts(mantissa: i128, scale: u8) -> Option<Decimal> {
        let magnitude = mantissa.unsigned_abs();
        if scale > SCALE_MAX || magnitude >> 120 != 0 {
            return None;
        }
        Some(Decimal::pack(if mantissa < 0 { SIGN_BIT } else { 0 }, magnitude, scale))
    }

    /// The number `mantissa × 10^-scale` for a decoder that has both at hand. A scale above
    /// [`SCALE_MAX`] is a mistake of the caller's.
    #[inline]
    pub fn small(mantissa: u64, scale: u8) -> Decimal {
        debug_assert!(scale <= SCALE_MAX, "{scale} decimals");
        Decimal { lo: mantissa, hi: u64::from(scale & SCALE_MASK as u8) << MANTISSA_HI_BITS }
    }

    fn pack(sign: u64, mantissa: u128, scale: u8) -> Decimal {
        let hi = (mantissa >> 64) as u64;
        Decimal { lo: mantissa as u64, hi: sign | (u64::from(scale) << MANTISSA_HI_BITS) | hi }
    }

    /// `None` for [`Decimal::NONE`].
    pub fn some(self) -> Option<Decimal> {
        (self.hi != NONE_HI).then_some(self)
    }

    /// The digits, where they fit 64 bits and there is no sign: the common case, at no cost.
    #[inline]
    pub fn small_mantissa(self) -> Option<u64> {
        (self.hi & (SIGN_BIT | MANTISSA_HI_MASK) == 0).then_some(self.lo)
    }

    /// How many digits stand after the point, where [`Decimal::small_mantissa`] gives the digits.
    #[inline]
    pub(crate) fn small_scale(self) -> Option<u64> {
        let is_small = self.hi & (SIGN_BIT | MANTISSA_HI_MASK) == 0;
        is_small.then_some(self.hi >> MANTISSA_HI_BITS)
    }

    /// The number as two words, equal for equal texts only: the lower 64 bits of the digits; the 56
    /// bits above them, the number of decimals in bits 56 to 62, the sign in bit
    /// 63. Of [`Decimal::NONE`] words that no number has: the second one is all ones.
    #[inline(always)]
    pub fn words(self) -> [u64; 2] {
        [self.lo, self.hi]
    }

    fn magnitude(self) -> u128 {
        (u128::from(self.hi & MANTISSA_HI_MASK) << 64) | u128::from(self.lo)
    }

    /// The digits as a whole number, signed.
    pub fn mantissa(self) -> i128 {
        let magnitude = self.magnitude() as i128;
        if self.is_negative() { -magnitude } else { magnitude }
    }

    /// How many digits stand after the point.
    #[inline]
    pub fn scale(self) -> u8 {
        ((self.hi >> MANTISSA_HI_BITS) & SCALE_MASK) as u8
    }

    /// Whether the text has a minus sign (also `-0`).
    #[inline]
    pub fn is_negative(self) -> bool {
        self.hi & SIGN_BIT != 0
    }

    /// Whether the value is zero, whatever its number of decimals.
    #[inline]
    pub fn is_zero(self) -> bool {
        self.lo == 0 && self.hi & MANTISSA_HI_MASK == 0
    }

    /// The value as a whole number of `10^-scale`; `None` if that would round or overflow.
    pub fn at_scale(self, scale: u8) -> Option<i128> {
        let own = self.scale();
        if scale >= own {
            self.mantissa().checked_mul(10i128.checked_pow(u32::from(scale - own))?)
        } else {
            let unit = 10i128.checked_pow(u32::from(own - scale))?;
            let mantissa = self.mantissa();
            (mantissa % unit == 0).then(|| mantissa / unit)
        }
    }

    /// Compares values: `1.0` and `1.00` are equal here.
    pub fn cmp_value(self, other: Decimal) -> Ordering {
        let negative = self.is_negative() && !self.is_zero();
        let other_negative = other.is_negative() && !other.is_zero();
        match (negative, other_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
        }
    }

    fn cmp_magnitude(self, other: Decimal) -> Ordering {
        let (a, b) = (self.magnitude(), other.magnitude());
        if self.scale() == other.scale() {
            return a.cmp(&b);
        }
        // Whole parts first; then the fractions, both below 10^36, brought to one scale.
        let (unit_a, unit_b) = (power(self.scale()), power(other.scale()));
        let whole = (a / unit_a).cmp(&(b / unit_b));
        whole.then_with(|| {
            let scale = self.scale().max(other.scale());
            let fraction_a = (a % unit_a) * power(scale - self.scale());
            let fraction_b = (b % unit_b) * power(scale - other.scale());
            fraction_a.cmp(&fraction_b)
        })
    }

    /// Appends the text, exactly as it was parsed.
    pub fn write_to(self, out: &mut Vec<u8>) {
        match self.medium_text() {
            Some((text, length)) => digits::append(text, length, out),
            None => self.write_long(out),
        }
    }

    /// The text as a word, see [`digits::medium`], of at most [`digits::MEDIUM_MAX`] characters;
    /// `None` where it is longer or has a sign.
    #[inline(always)]
    pub(crate) fn medium_text(self) -> Option<(u128, usize)> {
        let scale = self.hi >> MANTISSA_HI_BITS;
        if self.hi & (SIGN_BIT | MANTISSA_HI_MASK) != 0
            || self.lo >= digits::MEDIUM
            || scale > digits::MEDIUM_DECIMALS
        {
            return None;
        }
        if self.lo < SHORT && scale < SHORT_DECIMALS {
            let (text, length) = short_text(self.lo, scale as u32);
            return Some((u128::from(text), length));
        }
        Some(digits::medium(self.lo, scale as u32))
    }

    #[inline(never)]
    fn write_long(self, out: &mut Vec<u8>) {
        if self.hi == NONE_HI {
            return;
        }
        if self.is_negative() {
            out.push(b'-');
        }
        // 2^120 has 37 digits; a scale of 36 can ask for leading zeros up to one whole digit.
        let mut digits = [b'0'; 40];
        let mut at = digits.len();
        let mut rest = self.magnitude();
        while rest > u128::from(u64::MAX) {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let mut rest = rest as u64;
        while rest >= 10 {
            let pair = 2 * (rest % 100) as usize;
            at -= 2;
            digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
            rest /= 100;
        }
        if rest > 0 {
            at -= 1;
            digits[at] = b'0' + rest as u8;
        }
        let scale = usize::from(self.scale());
        let start = at.min(digits.len() - scale - 1);
        let point = digits.len() - scale;
        out.extend_from_slice(&digits[start..point]);
        if scale > 0 {
            out.push(b'.');
            out.extend_from_slice(&digits[point..]);
        }
    }
}

/// `00` to `99`, two bytes each.
const PAIRS: [u8; 200] = {
    let mut pairs = [b'0'; 200];
    let mut i = 0;
    while i < 100 {
        pairs[2 * i] += i as u8 / 10;
        pairs[2 * i + 1] += i as u8 % 10;
        i += 1;
    }
    pairs
};

/// A number below this with fewer decimals than that fits the word of [`short_text`].
const SHORT: u64 = 10_000_000;
const SHORT_DECIMALS: u64 = 7;

/// The text of up to 7 digits, up to 6 of them decimals, the first character in the lowest byte,
/// and its length; what is above is not of it.
#[inline]
fn short_text(digits: u64, scale: u32) -> (u64, usize) {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    // The first digit is in the lowest byte. Those before the first one that is not zero go,
    // except for one whole digit.
    let all = digits::eight(digits);
    let needed = (8 - all.trailing_zeros() / 8).max(scale + 1);
    let text = (all | ZEROS) >> (8 * (8 - needed));
    if scale == 0 {
        return (text, needed as usize);
    }
    let point = 8 * (needed - scale);
    let whole = (1u64 << point) - 1;
    let text = (text & whole) | (u64::from(b'.') << point) | ((text & !whole) << 8);
    (text, needed as usize + 1)
}

fn power(scale: u8) -> u128 {
    10u128.pow(u32::from(scale))
}

/// Up to 19 characters: at most 19 digits, which a `u64` holds.
fn scan_short(digits: &[u8]) -> Result<(u64, u8), DecimalError> {
    let mut mantissa = 0u64;
    let mut point = None;
    for (i, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
        } else if byte == b'.' && point.is_none() {
            point = Some(i);
        } else {
            return Err(DecimalError::NotCanonical);
        }
    }
    Ok((mantissa, shape(digits, point)?))
}

fn scan_long(digits: &[u8]) -> Result<(u128, u8), DecimalError> {
    let mut mantissa = 0u128;
    let mut point = None;
    let mut overflow = false;
    for (i, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa.saturating_mul(10).saturating_add(u128::from(digit));
            overflow |= mantissa >> 120 != 0;
        } else if byte == b'.' && point.is_none() {
            point = Some(i);
        } else {
            return Err(DecimalError::NotCanonical);
        }
    }
    let scale = shape(digits, point)?;
    if overflow { Err(DecimalError::TooLong) } else { Ok((mantissa, scale)) }
}

/// Checks that the text is one that printing gives back, and says its number of decimals.
fn shape(digits: &[u8], point: Option<usize>) -> Result<u8, DecimalError> {
    let whole = point.unwrap_or(digits.len());
    let leading_zero = whole > 1 && digits[0] == b'0';
    let scale = digits.len() - point.map_or(digits.len(), |p| p + 1);
    if whole == 0 || leading_zero || (point.is_some() && scale == 0) {
        return Err(DecimalError::NotCanonical);
    }
    match u8::try_from(scale) {
        Ok(scale) if scale <= SCALE_MAX => Ok(scale),
        _ => Err(DecimalError::TooLong),
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(40);
        self.write_to(&mut text);
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Decimal {
    type Err = DecimalError;
    fn from_str(text: &str) -> Result<Decimal, DecimalError> {
        Decimal::parse(text.as_bytes())
    }
}

/// A price, in the instrument's quote unit (for options the coin, as OKX sends it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Px(pub Decimal);

/// A quantity, in the unit that the record states: base coin, contracts or quote coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Qty(pub Decimal);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Qty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
