//! Durations as people write them: `500ms`, `30s`, `5m`, `1h30m`, `1d`.
//!
//! The command line uses [`parse`] for every flag that takes a time and [`Words`] to print one.
//!
//! Invariants: a number without a unit is refused, and so is anything but whole numbers; nothing
//! overflows silently.

use std::fmt;
use std::time::Duration;

const ADVICE: &str = "write whole numbers with a unit, such as 500ms, 30s, 5m or 1h30m";

/// Reads a duration longer than zero.
///
/// # Errors
/// In words, with advice, when the text is not a duration or is zero.
pub fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(format!("empty; {ADVICE}"));
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| format!("not a duration; {ADVICE}"))?;
        let unit = unit_ms(unit).ok_or_else(|| format!("no such unit of time; {ADVICE}"))?;
        total = number
            .checked_mul(unit)
            .and_then(|ms| total.checked_add(Duration::from_millis(ms)))
            .ok_or("too long")?;
        rest = tail;
    }
    if total.is_zero() { Err(format!("zero; {ADVICE}")) } else { Ok(total) }
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

/// Prints a duration in its two largest units: `1.2 s`, `4 m 05 s`, `2 h 03 m`.
pub struct Words(pub Duration);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let seconds = ms / 1000;
        let text = match seconds {
            0 => format!("{ms} ms"),
            1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
            60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
            _ => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse(" 500ms "), Ok(Duration::from_millis(500)));
        for bad in ["", "5", "s", "5x", "1.5s", "-1s", "0s", "99999999999999999999s", "5 m"] {
            assert!(parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn prints_two_units() {
        let words = |ms| Words(Duration::from_millis(ms)).to_string();
        assert_eq!([words(12), words(1_250), words(245_000)], ["12 ms", "1.2 s", "4 m 05 s"]);
        assert_eq!(words(7_380_000), "2 h 03 m");
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in ".{0,24}") {
            let _ = parse(&text);
        }
    }
}
