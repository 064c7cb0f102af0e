//! Instants in nanoseconds since 1970 UTC, and the little calendar that bars need.
//!
//! Nothing here reads a clock. Civil dates follow Howard Hinnant's `days_from_civil` (public
//! domain, 2013), proleptic Gregorian, no leap seconds, as Unix time has none.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

/// One second in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;
/// One millisecond in nanoseconds.
pub const MILLI: u64 = 1_000_000;
/// One day in milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// An instant: nanoseconds since 1970-01-01 00:00 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The instant `ms` milliseconds after 1970.
    pub fn from_millis(ms: u64) -> Nanos {
        Nanos(ms.saturating_mul(MILLI))
    }

    /// Whole milliseconds since 1970.
    pub fn millis(self) -> u64 {
        self.0 / MILLI
    }

    /// Nanoseconds since `earlier`, zero when it is not earlier.
    pub fn since(self, earlier: Nanos) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Nanos {
    type Output = Nanos;
    fn add(self, ns: u64) -> Nanos {
        Nanos(self.0.saturating_add(ns))
    }
}

impl Sub<u64> for Nanos {
    type Output = Nanos;
    fn sub(self, ns: u64) -> Nanos {
        Nanos(self.0.saturating_sub(ns))
    }
}

/// Prints `2026-11-23T12:40:36.123456789Z`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / SECOND;
        let (year, month, day) = civil((seconds / 86_400) as i64);
        let of_day = seconds % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60,
            self.0 % SECOND
        )
    }
}

/// Days since 1970 of a civil date; months outside 1 to 12 carry into the year.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The civil date (year, month, day) of a number of days since 1970.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prints_a_known_instant() {
        let at = Nanos(1_795_437_636_123_456_789);
        assert_eq!(at.to_string(), "2026-11-23T12:40:36.123456789Z");
        assert_eq!(days(2024, 2, 29) + 1, days(2024, 3, 1));
        assert_eq!(days(2026, 13, 1), days(2027, 1, 1));
    }

    proptest! {
        #[test]
        fn dates_go_both_ways(day in -1_000_000i64..1_000_000) {
            let (y, m, d) = civil(day);
            prop_assert_eq!(days(y, m, d), day);
        }
    }
}
