//! Decimals as Parquet holds them: DECIMAL(38,18), big-endian in 16 bytes, and the letter that
//! says how many decimals the venue wrote.
//!
//! Invariant: `decode(encode(x))` is `x`, text for text; what does not fit says so.

use market_data_model::Decimal;

/// Digits of the column type.
pub const PRECISION: i32 = 38;
/// Decimals of the column type: OKX's longest are 16 (index prices, captured 2026).
pub const SCALE: u8 = 18;
/// There is no number.
pub const ABSENT: u8 = b'-';
/// The number does not fit; its text is in the column `exact`.
pub const TOO_LONG: u8 = b'!';

const LETTERS: &[u8; SCALE as usize + 1] = b"0123456789abcdefghi";
const LIMIT: u128 = 10u128.pow(PRECISION as u32);

const UNITS: [u128; SCALE as usize + 1] = units();

const fn units() -> [u128; SCALE as usize + 1] {
    let mut units = [1u128; SCALE as usize + 1];
    let mut at = 1;
    while at < units.len() {
        units[at] = units[at - 1] * 10;
        at += 1;
    }
    units
}

/// The number as a whole number of 10^-18 with its letter; `None` with [`ABSENT`] or [`TOO_LONG`].
#[inline]
pub fn encode(value: Decimal) -> (Option<i128>, u8) {
    let scale = value.scale();
    if let Some(digits) = value.small_mantissa()
        && scale <= SCALE
    {
        let value = u128::from(digits) * UNITS[usize::from(SCALE - scale)];
        if value < LIMIT {
            return (Some(value as i128), LETTERS[usize::from(scale)]);
        }
    }
    encode_long(value)
}

#[cold]
fn encode_long(value: Decimal) -> (Option<i128>, u8) {
    let Some(value) = value.some() else { return (None, ABSENT) };
    let scale = value.scale();
    if scale > SCALE || value.is_negative() && value.is_zero() {
        return (None, TOO_LONG);
    }
    let unit = UNITS[usize::from(SCALE - scale)];
    let magnitude = value.mantissa().unsigned_abs().checked_mul(unit);
    match magnitude.filter(|magnitude| *magnitude < LIMIT) {
        Some(x) if value.is_negative() => (Some(-(x as i128)), LETTERS[usize::from(scale)]),
        Some(x) => (Some(x as i128), LETTERS[usize::from(scale)]),
        None => (None, TOO_LONG),
    }
}

/// The number that was encoded; `None` if this is not an encoded number.
pub fn decode(value: i128, letter: u8) -> Option<Decimal> {
    let scale = LETTERS.iter().position(|l| *l == letter)?;
    let unit = UNITS[usize::from(SCALE) - scale] as i128;
    let mantissa = value / unit;
    if mantissa * unit != value {
        return None;
    }
    Decimal::from_parts(mantissa, scale as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round(text: &str) -> Option<String> {
        let number = Decimal::parse(text.as_bytes()).expect("a number");
        let (value, letter) = encode(number);
        value.and_then(|value| decode(value, letter)).map(|number| number.to_string())
    }

    #[test]
    fn what_fits_comes_back_and_the_rest_says_so() {
        for text in
            ["0", "0.00", "-1.50", "43560.10", "99999999999999999999", "1.000000000000000001"]
        {
            assert_eq!(round(text).as_deref(), Some(text));
        }
        for text in ["-0", "-0.0", "100000000000000000000", "1.0000000000000000001"] {
            assert_eq!(round(text), None, "{text}");
        }
        assert_eq!(encode(Decimal::NONE), (None, ABSENT));
    }

    proptest! {
        #[test]
        fn any_number_comes_back_or_is_refused(mantissa in any::<i128>(), scale in 0u8..37) {
            let Some(number) = Decimal::from_parts(mantissa >> 8, scale) else { return Ok(()) };
            match encode(number) {
                (Some(value), letter) => prop_assert_eq!(decode(value, letter), Some(number)),
                (None, letter) => prop_assert_eq!(letter, TOO_LONG),
            }
        }
    }
}
