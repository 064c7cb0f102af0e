//! A mantissa and an exponent to the decimal that JSON would have.
//!
//! The value is `mantissa × 10^exponent`, exact. JSON on the same channels has no zeros at the end
//! (none of 34,106 prices and sizes of books and trades in captures of 2022-02 to 2026-07 has
//! one), so they are left out here. That OKX does so for every instrument is not documented; the
//! value is the same either way.

use super::fields::Odd;
use market_data_model::Decimal;
use market_data_model::decimal::SCALE_MAX;

/// The decimal of a price or size.
///
/// # Errors
/// [`Odd`] when it has more digits than an exact number here can hold.
pub fn decimal(mantissa: i64, exponent: i8) -> Result<Decimal, Odd> {
    if mantissa == 0 {
        return Ok(Decimal::ZERO);
    }
    let (mut digits, mut exponent_left) = (i128::from(mantissa), i32::from(exponent));
    while exponent_left < 0 && digits % 10 == 0 {
        digits /= 10;
        exponent_left += 1;
    }
    let exact = if exponent_left <= 0 {
        let scale = u8::try_from(-exponent_left).ok().filter(|scale| *scale <= SCALE_MAX);
        scale.and_then(|scale| Decimal::from_parts(digits, scale))
    } else {
        let unit = 10i128.checked_pow(exponent_left.unsigned_abs());
        unit.and_then(|unit| digits.checked_mul(unit))
            .and_then(|whole| Decimal::from_parts(whole, 0))
    };
    exact.ok_or_else(|| Odd(format!("{mantissa} × 10^{exponent}: too long for an exact number")))
}
