//! File names and days.
//!
//! Invariant: different ids give different names, and none leaves the directory.

use market_data_model::Nanos;
use market_data_model::time::{DAY_MS, MILLI, civil};
use std::fmt::Write as _;

/// One day in nanoseconds.
const DAY_NS: u64 = DAY_MS as u64 * MILLI;
/// Longest name made of an id, in bytes; longer ones end in a sum.
const NAME_MAX: usize = 120;

/// A UTC day, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u64);

impl Day {
    /// The day of an instant.
    pub fn of(at: Nanos) -> Day {
        Day(at.0 / DAY_NS)
    }

    /// Its first instant.
    pub fn start(self) -> Nanos {
        Nanos(self.0.saturating_mul(DAY_NS))
    }

    /// `2026-11-23`.
    pub fn dashed(self) -> String {
        let (year, month, day) = civil(self.0 as i64);
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `20261123`.
    pub fn compact(self) -> String {
        self.dashed().replace('-', "")
    }
}

/// An instrument's id as part of a file name. What is not a letter, a digit, `-`, `_` or a dot
/// within becomes `%` and two hexadecimal digits; no id at all is `_`.
pub fn part(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for (i, byte) in id.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || byte == b'-' || (byte == b'.' && i > 0);
        if plain || (byte == b'_' && id.len() > 1) {
            name.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(name, "%{byte:02X}");
        }
    }
    if name.is_empty() {
        name.push('_');
    }
    if name.len() > NAME_MAX {
        let mut sum = flate2::Crc::new();
        sum.update(id.as_bytes());
        name.truncate(NAME_MAX);
        let _ = write!(name, "~{:08x}{:x}", sum.sum(), id.len());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_and_ids() {
        assert_eq!(Day::of(Nanos(1_795_437_636_123_456_789)).dashed(), "2026-11-23");
        assert_eq!(Day::of(Day(20_780).start()), Day(20_780));
        assert_eq!(part("BTC-USD-261225-100000-C"), "BTC-USD-261225-100000-C");
        assert_eq!(part("../A_B.C"), "%2E.%2FA_B.C");
        assert_eq!((part(""), part("_")), ("_".to_owned(), "%5F".to_owned()));
        assert!(part(&"é".repeat(300)).len() < 160);
    }

    proptest! {
        #[test]
        fn two_ids_two_names(a in ".{0,12}", b in ".{0,12}") {
            prop_assert_eq!(a == b, part(&a) == part(&b));
            prop_assert!(!part(&a).contains(['/', '\\']) && !part(&a).starts_with('.'));
        }
    }
}
