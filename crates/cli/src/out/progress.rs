//! How far a long command is: bytes of all bytes, records, rate, time left, on the status line.
//!
//! Every command that goes through a file or a tape makes one [`Progress`], calls
//! [`Progress::at`] as often as it likes (once a record is fine) and [`Progress::done`] before it
//! prints its result.
//!
//! Invariants: nothing is shown unless stderr is a terminal; the line is drawn a few times a
//! second at most, and the clock is read not much more often; it is gone when the progress is.

use super::console::Console;
use super::number::{counted, grouped, percent, size};
use crate::duration::Words;
use std::time::{Duration, Instant};

/// Time between two drawings.
const REDRAW: Duration = Duration::from_millis(250);
/// Nothing is said of the time left before this.
const GUESS_AFTER: Duration = Duration::from_secs(2);
/// Most calls between two looks at the clock.
const STRIDE_MAX: u32 = 1024;

/// See the file's first comment.
pub struct Progress<'c> {
    console: &'c Console,
    what: &'static str,
    /// Whether it is about parts of a thousand, not bytes.
    parts: bool,
    total: u64,
    began: Instant,
    drawn: Instant,
    looked: Instant,
    /// Calls between two looks at the clock, and those left.
    stride: u32,
    left: u32,
}

impl<'c> Progress<'c> {
    /// Nothing done yet, of `total_bytes`; 0 when nobody knows.
    pub fn new(console: &'c Console, total_bytes: u64) -> Progress<'c> {
        let now = Instant::now();
        Progress {
            console,
            what: "",
            parts: false,
            total: total_bytes,
            began: now,
            drawn: now,
            looked: now,
            stride: 1,
            left: 1,
        }
    }

    /// What is being done, for commands of several passes: `checking the sums`.
    pub fn doing(mut self, what: &'static str) -> Progress<'c> {
        self.what = what;
        self
    }

    /// Not bytes are counted but parts of something else: their numbers are not shown.
    pub fn of_parts(mut self) -> Progress<'c> {
        self.parts = true;
        self
    }

    /// Everything up to here is done: bytes read and records handled, both since the beginning.
    pub fn at(&mut self, bytes: u64, records: u64) {
        if !self.console.has_status() {
            return;
        }
        self.left -= 1;
        if self.left > 0 {
            return;
        }
        let now = Instant::now();
        let since = now.duration_since(self.looked);
        self.looked = now;
        self.stride = if since < REDRAW / 16 { (self.stride * 2).min(STRIDE_MAX) } else { 1 };
        self.left = self.stride;
        if now.duration_since(self.drawn) >= REDRAW {
            self.drawn = now;
            let done = Done { bytes, records, took: now.duration_since(self.began) };
            self.console.status(&line((self.what, self.parts), self.total, &done));
        }
    }

    /// Takes the line away.
    pub fn done(self) {}
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.console.status("");
    }
}

struct Done {
    bytes: u64,
    records: u64,
    took: Duration,
}

fn line((what, parts): (&str, bool), total: u64, done: &Done) -> String {
    let ms = u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = |number: u64| number.saturating_mul(1000) / ms;
    let bytes = done.bytes.min(total);
    let mut line = what.to_owned();
    if !line.is_empty() {
        line.push_str("  ");
    }
    match percent(bytes, total) {
        Some(part) if parts => line.push_str(&format!("{part} %")),
        None if parts => {}
        Some(part) => line.push_str(&format!("{part} %  {} of {}", size(bytes), size(total))),
        None => line.push_str(&size(done.bytes)),
    }
    let records = counted(done.records, "record", "records");
    line.push_str(&format!("  {records}  {}/s", grouped(per_second(done.records))));
    if done.took >= GUESS_AFTER && bytes > 0 && total > 0 {
        let left_ms = u128::from(total - bytes) * u128::from(ms) / u128::from(bytes);
        // Whole seconds: tenths of a guess are noise.
        let left = Duration::from_secs(u64::try_from(left_ms / 1000).unwrap_or(u64::MAX));
        let left = if left.is_zero() { "< 1 s".to_owned() } else { Words(left).to_string() };
        line.push_str(&format!("  {} left", left.replace(".0 s", " s")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, bytes: u64, records: u64) -> Done {
        Done { bytes, records, took: Duration::from_secs(seconds) }
    }

    #[test]
    fn the_line_says_what_is_known_and_no_more() {
        assert_eq!(
            line(("", false), 4_000_000, &at(1, 1_000_000, 5_000)),
            "25.00 %  1.0 MB of 4.0 MB  5,000 records  5,000/s"
        );
        assert_eq!(
            line(("checking", false), 4_000_000, &at(10, 1_000_000, 50_000)),
            "checking  25.00 %  1.0 MB of 4.0 MB  50,000 records  5,000/s  30 s left"
        );
        assert_eq!(line(("", false), 0, &at(10, 77, 1)), "77 B  1 record  0/s");
        // A tape that grows while it is read.
        assert!(line(("", false), 10, &at(10, 20, 1)).starts_with("100.00 %  10 B of 10 B"));
    }
}
