//! Whole numbers and shares for people: `12,345` and `99.98 %`. No float.

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

/// `part` of `whole` in percent with two decimals, rounded down, so that 100.00 means all of it;
/// `None` of nothing.
pub fn percent(part: u64, whole: u64) -> Option<String> {
    if whole == 0 {
        return None;
    }
    let hundredths = u128::from(part) * 10_000 / u128::from(whole);
    Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
}

/// `1 gap`, `2 gaps`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Bytes in the unit that fits: `512 B`, `3.4 kB`, `12.3 MB`, `1.2 GB`. Rounded down.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes / 100 % 10),
        1_000_000..1_000_000_000 => {
            format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
        }
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_thousands_and_never_rounds_up_to_all() {
        assert_eq!([grouped(7), grouped(1_234), grouped(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!(percent(99_999, 100_000).as_deref(), Some("99.99"));
        assert_eq!(percent(3, 3).as_deref(), Some("100.00"));
        assert_eq!(percent(0, 0), None);
        assert_eq!([size(999), size(12_345_678)], ["999 B", "12.3 MB"]);
        assert_eq!(counted(1, "gap", "gaps") + &counted(0, "gap", "gaps"), "1 gap0 gaps");
    }
}
