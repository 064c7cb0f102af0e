//! The one place where a number becomes a float: files whose format knows nothing else.
//!
//! hftbacktest's arrays hold `f64`. The conversion is from the exact decimal to the nearest one,
//! ties to even, so the shortest text of the float is the venue's number wherever that has 15
//! digits or fewer.

use market_data_model::Decimal;

/// Powers of ten that an `f64` holds exactly.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The `f64` nearest to an exact number; NaN for [`Decimal::NONE`].
pub fn nearest(number: Decimal) -> f64 {
    if let Some(digits) = number.small_mantissa()
        && digits < 1 << 53
        && let Some(power) = EXACT.get(usize::from(number.scale()))
    {
        // Both are exact, so the division rounds once, to the nearest (Clinger 1990).
        return digits as f64 / power;
    }
    let mut text = Vec::with_capacity(40);
    number.write_to(&mut text);
    std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_what_the_text_says(mantissa in -(1i128 << 119)..1i128 << 119, scale in 0u8..=36) {
            let number = Decimal::from_parts(mantissa, scale).unwrap();
            let want: f64 = number.to_string().parse().unwrap();
            prop_assert_eq!(nearest(number).to_bits(), want.to_bits());
        }

        #[test]
        fn is_what_the_text_says_of_usual_numbers(mantissa in 0u64..1 << 60, scale in 0u8..=24) {
            let number = Decimal::small(mantissa, scale);
            prop_assert_eq!(nearest(number), number.to_string().parse::<f64>().unwrap());
        }
    }

    #[test]
    fn knows_absence() {
        assert!(nearest(Decimal::NONE).is_nan());
    }
}
