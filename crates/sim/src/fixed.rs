//! Numbers with 48 binary places, for what needs logarithms and a normal distribution.
//!
//! `vol.rs` prices options with them. The crate has no floats, and the standard library's would
//! differ between platforms in the last digit; these give the same bytes everywhere.
//!
//! Invariant: good to about 12 decimal places for values below 10^6. Start at [`cdf`].

/// 1 in these units.
pub const ONE: i128 = 1 << 48;
/// The natural logarithm of 2.
const LN_2: i128 = ratio(693_147_180_559_945_309, 1_000_000_000_000_000_000);
/// One divided by the square root of two pi.
const PDF_0: i128 = ratio(398_942_280_401_432_678, 1_000_000_000_000_000_000);
/// Beyond this many deviations the distribution counts as 0 or 1.
const FAR: i128 = 7 * ONE;
/// From this many deviations on the tail is summed instead of the middle.
const TAIL: i128 = 2 * ONE;

/// A fraction.
pub const fn ratio(above: i128, below: i128) -> i128 {
    (above << 48) / below
}

/// A product.
pub fn mul(a: i128, b: i128) -> i128 {
    (a * b) >> 48
}

/// A quotient; `b` is not 0.
pub fn div(a: i128, b: i128) -> i128 {
    (a << 48) / b
}

/// The square root; 0 for what has none.
pub fn sqrt(a: i128) -> i128 {
    let wide = u128::try_from(a).unwrap_or(0) << 48;
    wide.isqrt() as i128
}

/// The natural logarithm of a positive number.
pub fn ln(a: i128) -> i128 {
    let mut mantissa = a.max(1);
    let mut twos = 0;
    while mantissa >= ONE + ONE / 2 {
        mantissa >>= 1;
        twos += 1;
    }
    while mantissa < ONE * 3 / 4 {
        mantissa <<= 1;
        twos -= 1;
    }
    let y = div(mantissa - ONE, mantissa + ONE);
    let square = mul(y, y);
    let (mut sum, mut power, mut n) = (0, y, 1);
    while power != 0 && n < 40 {
        sum += power / n;
        power = mul(power, square);
        n += 2;
    }
    2 * sum + twos * LN_2
}

/// The exponential of a number that is not above 40.
pub fn exp(a: i128) -> i128 {
    if a < -40 * ONE {
        return 0;
    }
    let twos = (a.min(40 * ONE) + LN_2 / 2).div_euclid(LN_2);
    let rest = a.min(40 * ONE) - twos * LN_2;
    let (mut sum, mut term, mut n) = (ONE, ONE, 1);
    while n < 24 {
        term = mul(term, rest) / n;
        sum += term;
        n += 1;
    }
    if twos >= 0 { sum << twos } else { sum >> -twos }
}

/// The density of the normal distribution.
pub fn pdf(a: i128) -> i128 {
    let a = a.clamp(-FAR, FAR);
    mul(PDF_0, exp(-mul(a, a) / 2))
}

/// The normal distribution.
pub fn cdf(a: i128) -> i128 {
    if a.abs() >= FAR {
        return if a > 0 { ONE } else { 0 };
    }
    if a.abs() >= TAIL {
        // Laplace's continued fraction, from its far end; it needs the fewer terms the farther out.
        let terms = 8 + 240 / (mul(a, a) >> 48);
        let far = (1..terms).rev().fold(a.abs(), |sum, n| a.abs() + div(n << 48, sum));
        let tail = div(pdf(a), far);
        return if a > 0 { ONE - tail } else { tail };
    }
    // a + a^3/3 + a^5/(3*5) + ...: every term has the same sign, so nothing cancels.
    let square = mul(a, a);
    let (mut sum, mut term, mut n) = (0, a, 1);
    while term != 0 && n < 400 {
        sum += term;
        n += 2;
        term = mul(term, square) / n;
    }
    ONE / 2 + mul(pdf(a), sum)
}

/// As a whole number of 10^-`places`, rounded to the nearest.
pub fn units(a: i128, places: u32) -> i128 {
    (a * 10i128.pow(places) + ONE / 2) >> 48
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Differs from a value given in 10^-12 by at most a few of them.
    fn near(a: i128, e12: i128) -> bool {
        (units(a, 12) - e12).abs() <= 20
    }

    #[test]
    fn values_of_tables() {
        assert!(near(ln(ratio(2, 1)), 693_147_180_560));
        assert!(near(ln(ratio(1, 10)), -2_302_585_092_994));
        assert!(near(exp(ONE), 2_718_281_828_459));
        assert!(near(exp(-3 * ONE), 49_787_068_368));
        assert!(near(sqrt(2 * ONE), 1_414_213_562_373));
        // The usual quantiles.
        assert!(near(cdf(0), 500_000_000_000));
        assert!(near(cdf(ONE), 841_344_746_069));
        assert!(near(cdf(ratio(-196, 100)), 24_997_895_148));
        assert!(near(cdf(-3 * ONE), 1_349_898_032));
        assert!(near(cdf(5 * ONE), 999_999_713_348));
        assert!(near(pdf(ONE), 241_970_724_519));
        assert_eq!((cdf(9 * ONE), cdf(-9 * ONE)), (ONE, 0));
    }

    #[test]
    fn inverse_functions() {
        for n in 1..200 {
            let a = ratio(n, 7);
            let back = exp(ln(a));
            assert!((back - a).abs() < a / 1_000_000_000_000 + 64, "{n}: {back} {a}");
            assert!((mul(sqrt(a), sqrt(a)) - a).abs() < 256, "{n}");
        }
    }
}
