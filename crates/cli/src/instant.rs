//! Points in time as people write them: RFC 3339, or Unix seconds, milliseconds or nanoseconds.
//!
//! `replay` reads `--from` and `--to` with [`parse`].
//!
//! Invariants: a plain number is read by its length, so that each fits one unit only; a time
//! without a zone is refused.

use market_data_model::Nanos;
use market_data_model::time::SECOND;

const ADVICE: &str = "write 2026-11-23T14:00:00Z, or Unix seconds, milliseconds or nanoseconds";

/// Reads a point in time.
///
/// # Errors
/// In words, with advice.
pub fn parse(text: &str) -> Result<Nanos, String> {
    let text = text.trim();
    let at = if !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()) {
        let number = text.parse::<u64>().ok();
        // Seconds have 10 digits until the year 2286, milliseconds 13, nanoseconds 19.
        number.and_then(|number| match text.len() {
            0..=11 => number.checked_mul(SECOND),
            12..=14 => number.checked_mul(1_000_000),
            _ => Some(number),
        })
    } else {
        rfc3339(text)
    };
    at.map(Nanos).ok_or_else(|| format!("not a point in time; {ADVICE}"))
}

fn rfc3339(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, offset) = zone(time)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    if !fits || second > 59 || !(1970..=2500).contains(&year) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
    u64::try_from(seconds).ok()?.checked_mul(SECOND)?.checked_add(nanos(fraction)?)
}

/// Three numbers with two separators between them.
fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        part.bytes().all(|c| c.is_ascii_digit()).then(|| part.parse::<i64>().ok()).flatten()
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// The time of the day, and how many seconds its zone is ahead of UTC.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let at = text.rfind(['+', '-'])?;
    let (time, zone) = text.split_at(at);
    let (hours, minutes) = zone[1..].split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let ahead = hours * 3600 + minutes * 60;
    Some((time, if zone.starts_with('-') { -ahead } else { ahead }))
}

/// The fraction of a second, in nanoseconds.
fn nanos(digits: &str) -> Option<u64> {
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}").parse().ok()
}

/// Days since 1970 of a civil date (Howard Hinnant, public domain).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_means_the_same_instant() {
        let at = Nanos(1_795_441_238_000_000_000);
        for text in [
            "1795441238",
            "1795441238000",
            "1795441238000000000",
            "2026-11-23T13:40:38Z",
            "2026-11-23T21:40:38+08:00",
            "2026-11-23 08:40:38.000-05:00",
        ] {
            assert_eq!(parse(text), Ok(at), "{text}");
        }
        for bad in ["", "now", "2026-11-23", "2026-11-23T13:40:38", "2026-13-01T00:00:00Z", "-1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_can_be_read(ns in 0..4_000_000_000_000_000_000u64) {
            prop_assert_eq!(parse(&Nanos(ns).to_string()), Ok(Nanos(ns)));
        }

        #[test]
        fn no_text_breaks_it(text in ".{0,32}") {
            let _ = parse(&text);
        }
    }
}
