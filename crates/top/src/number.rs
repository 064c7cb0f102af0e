//! Decimal texts as pictures need them: differences, percentages, shares. Whole numbers only.
//!
//! Invariant: what cannot be computed is `None`, never a guess.

use market_data_model::Decimal;

/// Blocks of a line of prices, from the lowest to the highest.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Blocks of a bar, by eighths of a cell.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Reads one; `None` if it is no number.
pub fn read(text: &str) -> Option<Decimal> {
    Decimal::parse(text.as_bytes()).ok()?.some()
}

/// Both at the finer of their scales.
fn aligned(a: Decimal, b: Decimal) -> Option<(i128, i128, u8)> {
    let scale = a.scale().max(b.scale());
    Some((a.at_scale(scale)?, b.at_scale(scale)?, scale))
}

/// `a - b` as text.
pub fn difference(a: &str, b: &str) -> Option<String> {
    let (a, b, scale) = aligned(read(a)?, read(b)?)?;
    Some(Decimal::from_parts(a.checked_sub(b)?, scale)?.to_string())
}

/// `a + b`.
pub fn sum(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b, scale) = aligned(a, b)?;
    Decimal::from_parts(a.checked_add(b)?, scale)
}

/// `part` of `whole` in `of` parts (a thousand, a cell's eighths), rounded down, within 0 to `of`.
pub fn share(part: Decimal, whole: Decimal, of: u16) -> u16 {
    let share = || {
        let (part, whole, _) = aligned(part, whole)?;
        let share = part.checked_mul(i128::from(of))?.checked_div(whole)?;
        u16::try_from(share.clamp(0, i128::from(of))).ok()
    };
    share().unwrap_or(0)
}

/// How far a price has come since another, in hundredths of a percent, rounded to the nearest.
pub fn change(last: &str, open: &str) -> Option<i128> {
    let (last, open, _) = aligned(read(last)?, read(open)?)?;
    if open <= 0 {
        return None;
    }
    let twice = last.checked_sub(open)?.checked_mul(20_000)?;
    let rounded = twice.checked_add(open * twice.signum())?;
    Some(rounded / open.checked_mul(2)?)
}

/// `+1.23 %`; the sign is always there, so that colour need not say it.
pub fn percent(hundredths: i128) -> String {
    let sign = match hundredths.signum() {
        1 => "+",
        -1 => "-",
        _ => " ",
    };
    let size = hundredths.unsigned_abs();
    format!("{sign}{}.{:02} %", size / 100, size % 100)
}

/// A line of blocks, of the last `width` prices; what is no number leaves no block.
pub fn spark<'a>(prices: impl DoubleEndedIterator<Item = &'a str>, width: usize) -> String {
    let mut prices: Vec<Decimal> = prices.rev().filter_map(read).take(width).collect();
    prices.reverse();
    let scale = prices.iter().map(|px| px.scale()).max().unwrap_or(0);
    let levels: Vec<i128> = prices.iter().filter_map(|px| px.at_scale(scale)).collect();
    let (Some(low), Some(high)) = (levels.iter().min(), levels.iter().max()) else {
        return String::new();
    };
    let range = high.saturating_sub(*low);
    let block = |level: &i128| {
        let at = level.saturating_sub(*low).saturating_mul(7).checked_div(range).unwrap_or(3);
        BLOCKS[usize::try_from(at.clamp(0, 7)).unwrap_or(0)]
    };
    levels.iter().map(block).collect()
}

/// A bar of `eighths` eighths of a cell.
pub fn bar(eighths: u16) -> String {
    let mut bar = "█".repeat(usize::from(eighths / 8));
    bar.push_str(EIGHTHS[usize::from(eighths % 8)]);
    bar
}

/// With a comma between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A large quantity, cut (never rounded) to four digits or so: `1,305 M`.
pub fn cut(text: &str) -> String {
    let whole = text.split('.').next().unwrap_or_default();
    let digits = whole.trim_start_matches('-').len();
    let (drop, unit) = match digits {
        0..=6 => return text.chars().take(8).collect::<String>().trim_end_matches('.').to_owned(),
        7..=9 => (3, " k"),
        10..=12 => (6, " M"),
        _ => (9, " B"),
    };
    let kept = whole.get(..whole.len() - drop).unwrap_or(whole);
    kept.parse().map_or_else(|_| kept.to_owned(), grouped) + unit
}

/// A stretch of time in ms: `850 ms`, `12 s`, `3 m 05 s`, `2 h 07 m`, `3 d 04 h`.
pub fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{s} s"),
        60..3600 => format!("{} m {:02} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {:02} m", s / 3600, s / 60 % 60),
        _ => format!("{} d {:02} h", s / 86_400, s / 3600 % 24),
    }
}

/// Microseconds: `640 µs`, `12.3 ms`, `1.2 s`.
pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us / 100 % 10),
        _ => format!("{}.{} s", us / 1_000_000, us / 100_000 % 10),
    }
}

/// `HH:MM:SS` of a time in Unix ms, UTC.
pub fn clock(ms: u64) -> String {
    let s = ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_exact_and_signs_are_said() {
        assert_eq!(difference("91000.2", "91000.10").as_deref(), Some("0.10"));
        assert_eq!(difference("x", "1"), None);
        assert_eq!(change("101", "100"), Some(100));
        assert_eq!(change("89996", "90001"), Some(-1), "-0.0056 % is -0.01 %");
        assert_eq!((change("1", "0"), change("", "1")), (None, None));
        assert_eq!([percent(123), percent(-5), percent(0)], ["+1.23 %", "-0.05 %", " 0.00 %"]);
        assert_eq!(spark(["1", "2", "x", "3"].into_iter(), 9), "▁▄█");
        assert_eq!(spark(["1", "2", "3"].into_iter(), 2), "▁█");
        assert_eq!(spark(["5", "5"].into_iter(), 2), "▄▄", "no movement is a line in the middle");
        assert_eq!(bar(19), "██▍");
        assert_eq!(
            [cut("1305076588.305"), cut("14390.00001439"), cut("7.5")],
            ["1,305 M", "14390.00", "7.5"]
        );
        assert_eq!([span(850), span(65_000), span(7_620_000)], ["850 ms", "1 m 05 s", "2 h 07 m"]);
        assert_eq!([micros(640), micros(12_345)], ["640 µs", "12.3 ms"]);
        assert_eq!(clock(1_795_441_238_191), "13:40:38");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(a in "\\PC{0,45}", b in "-?[0-9]{1,39}\\.?[0-9]{0,36}") {
            for (a, b) in [(&a, &b), (&b, &a), (&b, &b)] {
                let _ = (difference(a, b), change(a, b), cut(a));
                let _ = spark([a.as_str(), b.as_str()].into_iter(), 3);
                if let (Some(a), Some(b)) = (read(a), read(b)) {
                    prop_assert!(share(a, b, 800) <= 800);
                    let _ = sum(a, b);
                }
            }
        }
    }
}
