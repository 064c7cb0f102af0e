//! Writes numbers as OKX does: plain decimals without trailing zeros.

use std::io::Write as _;

/// Appends `units × 10^-decimals`; `units` is not negative.
pub fn number(out: &mut Vec<u8>, units: i64, decimals: u32) {
    let one = 10i64.pow(decimals);
    put(out, format_args!("{}", units / one));
    let (mut rest, mut width) = (units % one, decimals as usize);
    if rest == 0 {
        return;
    }
    while rest % 10 == 0 {
        rest /= 10;
        width -= 1;
    }
    put(out, format_args!(".{rest:0width$}"));
}

/// Appends formatted text.
pub fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes every write");
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_look_like_the_venues() {
        for (units, decimals, text) in
            [(0, 2, "0"), (837259, 1, "83725.9"), (4512, 9, "0.000004512"), (1200, 3, "1.2")]
        {
            let mut out = Vec::new();
            super::number(&mut out, units, decimals);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
