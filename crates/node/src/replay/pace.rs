//! Says how long a replay has to wait, to keep to the times at which things were received.
//!
//! `replay`, `run --replay` and `sim --tape` ask it before each record; they do the waiting.
//!
//! Invariants: `max` never waits; whatever stands on the tape, one wait is bounded.

use market_data_model::Nanos;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::Instant;

/// Longest single wait: a tape with a hole in it goes on after this.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// Most decimals of a speed.
const DECIMALS_MAX: usize = 3;

/// How fast to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// As fast as it goes.
    Max,
    /// This many thousandths of the speed at which it came.
    Thousandths(u64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
        let fits = !whole.is_empty() && whole.len() <= 6 && part.len() <= DECIMALS_MAX;
        let number = (fits && digits(whole) && digits(part))
            .then(|| format!("{whole}{part:0<DECIMALS_MAX$}").parse::<u64>().ok());
        match number.flatten() {
            Some(number) if number > 0 => Ok(Speed::Thousandths(number)),
            _ => Err("not a speed; write 1, 10, 0.5 or max".to_owned()),
        }
    }
}

impl Speed {
    /// Faster than it came: whoever cannot keep up is waited for.
    pub fn is_hurried(self) -> bool {
        match self {
            Speed::Max => true,
            Speed::Thousandths(speed) => speed > 1000,
        }
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Speed::Max => f.pad("max"),
            Speed::Thousandths(speed) if speed % 1000 == 0 => write!(f, "{}", speed / 1000),
            Speed::Thousandths(speed) => {
                let part = format!("{:03}", speed % 1000);
                write!(f, "{}.{}", speed / 1000, part.trim_end_matches('0'))
            }
        }
    }
}

/// See the file's first comment.
#[derive(Clone, Debug)]
pub struct Pace {
    speed: Speed,
    base: Option<(Instant, Nanos)>,
}

impl Pace {
    /// A pace that begins with the first record.
    pub fn new(speed: Speed) -> Pace {
        Pace { speed, base: None }
    }

    /// Nobody waits for the time between two recordings.
    pub fn rebase(&mut self) {
        self.base = None;
    }

    /// How long the record of that time has to wait.
    pub fn left(&mut self, at: Nanos) -> Duration {
        let Speed::Thousandths(speed) = self.speed else { return Duration::ZERO };
        let (began, first) = *self.base.get_or_insert_with(|| (Instant::now(), at));
        let ns = u128::from(at.since(first)) * 1000 / u128::from(speed);
        let due = Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX));
        due.saturating_sub(began.elapsed()).min(WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_difference_and_catches_up() {
        let mut pace = Pace::new(Speed::Thousandths(2000));
        assert_eq!(pace.left(Nanos(5_000_000_000)), Duration::ZERO, "the first sets the base");
        assert_eq!(pace.left(Nanos(7_000_000_000)), Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(pace.left(Nanos(7_000_000_000)), Duration::ZERO);
        assert_eq!(pace.left(Nanos(13_000_000_000)), Duration::from_secs(1));
        pace.rebase();
        assert_eq!(pace.left(Nanos(13_000_000_000)), Duration::ZERO);
        assert_eq!(Pace::new(Speed::Max).left(Nanos(u64::MAX)), Duration::ZERO);
    }

    #[test]
    fn speeds_are_read_exactly() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("1".parse(), Ok(Speed::Thousandths(1000)));
        assert_eq!("0.25".parse(), Ok(Speed::Thousandths(250)));
        for text in ["max", "1", "0.25", "1000.005"] {
            assert_eq!(text.parse::<Speed>().map(|speed| speed.to_string()).as_deref(), Ok(text));
        }
        for bad in ["", "0", "0.0", "-1", "1x", "1.2345", ".5", "9999999"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }
}
