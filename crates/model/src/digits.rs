//! Numbers as text, up to sixteen digits at a time, without a loop or a division a digit.
//!
//! `decimal.rs` and `wire.rs` call it. A text is given as the bytes of a word, the first character
//! lowest, with its length; what is above is not of it. [`append`] puts such a word at the end of a
//! text with one store.
//!
//! Invariant: what comes out is what `Display` gives for the same number.

/// A number below this has at most sixteen digits.
const SIXTEEN: u64 = 10_000_000_000_000_000;
/// A number below this has at most [`MEDIUM_DECIMALS`] digits.
pub(crate) const MEDIUM: u64 = 1_000_000_000_000;
/// Most decimals of a [`medium`] text: one less than a whole digit, twelve digits and a point fit.
pub(crate) const MEDIUM_DECIMALS: u64 = 11;
/// Longest [`medium`] text: twelve digits and a point.
pub(crate) const MEDIUM_MAX: usize = 13;
const ZEROS: u128 = u128::from_le_bytes([b'0'; 16]);

/// Appends the first `length` bytes of a word; `length` is at most 16.
#[inline(always)]
pub(crate) fn append(word: u128, length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length;
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(end);
}

/// The digits of a number below 10^8, the first one in the lowest byte. All lanes at once: two of
/// four digits, then four of two, then eight of one; a division is a multiplication and a shift
/// that is exact for so few digits.
#[inline(always)]
pub(crate) fn eight(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - tens * 10) << 8)
}

/// The digits of a number below 10^16, all sixteen of them.
#[inline(always)]
fn sixteen(number: u64) -> u128 {
    let (high, low) = (number / 100_000_000, number % 100_000_000);
    u128::from(eight(high)) | u128::from(eight(low)) << 64
}

/// The text of a number below [`MEDIUM`] with at most [`MEDIUM_DECIMALS`] decimals: at most
/// [`MEDIUM_MAX`] characters.
#[inline(always)]
pub(crate) fn medium(digits: u64, scale: u32) -> (u128, usize) {
    let all = sixteen(digits);
    // Zeros before the first other digit go, except for one whole digit.
    let needed = (16 - (all | 1 << 127).trailing_zeros() / 8).max(scale + 1);
    let text = (all | ZEROS) >> (8 * (16 - needed));
    let point = 8 * (needed - scale);
    let whole = (1u128 << point) - 1;
    let pointed = (text & whole) | (u128::from(b'.') << point) | ((text & !whole) << 8);
    let has_point = scale > 0;
    (if has_point { pointed } else { text }, needed as usize + usize::from(has_point))
}

/// The text of a whole number below 10^8; above it there is nothing.
#[inline(always)]
pub(crate) fn short(number: u64) -> (u64, usize) {
    let all = eight(number);
    let needed = 8 - (all | 1 << 63).trailing_zeros() / 8;
    ((all | ZEROS as u64) >> (8 * (8 - needed)), needed as usize)
}

/// Appends a whole number.
#[inline]
pub(crate) fn whole(number: u64, out: &mut Vec<u8>) {
    if number < 100_000_000 {
        let (text, length) = short(number);
        return append(u128::from(text), length, out);
    }
    let (above, rest) = (number / SIXTEEN, number % SIXTEEN);
    let all = sixteen(rest);
    if above > 0 {
        whole(above, out);
        return append(all | ZEROS, 16, out);
    }
    let needed = 16 - all.trailing_zeros() / 8;
    append((all | ZEROS) >> (8 * (16 - needed)), needed as usize, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole_text(number: u64) -> String {
        let mut out = b"x".to_vec();
        whole(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn medium_text(digits: u64, scale: u32) -> String {
        let (word, length) = medium(digits, scale);
        assert!(length <= MEDIUM_MAX, "{digits} {scale}");
        let mut out = Vec::new();
        append(word, length, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn plain(digits: u64, scale: usize) -> String {
        let text = format!("{digits:0width$}", width = scale + 1);
        let (whole, fraction) = text.split_at(text.len() - scale);
        if scale == 0 { whole.into() } else { format!("{whole}.{fraction}") }
    }

    #[test]
    fn every_length_at_its_ends() {
        for power in 0..20 {
            let unit = 10u64.pow(power);
            for number in [unit - 1, unit, unit + 1, unit.saturating_mul(9), u64::MAX / unit] {
                assert_eq!(whole_text(number), format!("x{number}"));
                for scale in 0..=MEDIUM_DECIMALS as u32 {
                    let number = number % MEDIUM;
                    assert_eq!(medium_text(number, scale), plain(number, scale as usize));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(4000)
        })]

        #[test]
        fn any_number(number: u64, shift in 0u32..64, scale in 0..=MEDIUM_DECIMALS as u32) {
            let number = number >> shift;
            prop_assert_eq!(whole_text(number), format!("x{number}"));
            let number = number % MEDIUM;
            prop_assert_eq!(medium_text(number, scale), plain(number, scale as usize));
        }
    }
}
