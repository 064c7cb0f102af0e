//! How long a record takes, hop by hop: from the venue to us, from the read to the record, from the
//! record to each sink.
//!
//! Drivers and sinks note a whole batch at once; anybody may read at any time. Quantiles are exact
//! to two digits.
//!
//! Invariants: reading never waits for a feed longer than a copy takes; what is negative (two
//! clocks disagree) counts as 0.

use hdrhistogram::Histogram;
use market_data_model::event::Header;
use market_data_model::{Batch, Nanos};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest duration told apart, in ns; longer ones count as this.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// Upper ends of the buckets shown to Prometheus, in microseconds.
const BUCKETS_US: [u64; 22] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
    200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// How the durations of a hop are spread, in ns. All zero when there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many records.
    pub count: u64,
    /// The middle one.
    pub p50: u64,
    /// 90 of 100 took no longer.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1,000.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

/// The durations of one hop, in ns; exact to two digits, an hour at most.
pub struct Hop(Mutex<Histogram<u64>>);

impl Default for Hop {
    fn default() -> Hop {
        Hop::new()
    }
}

impl std::fmt::Debug for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.report().fmt(f)
    }
}

impl Hop {
    /// One without durations.
    pub fn new() -> Hop {
        let made = Histogram::new_with_bounds(1, LONGEST_NS, 2);
        Hop(Mutex::new(made.expect("the bounds are in order and two digits are allowed")))
    }

    fn lock(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `count` records took so long.
    pub fn note(&self, ns: u64, count: u64) {
        self.lock().saturating_record_n(ns, count);
    }

    /// Each of these was received then and is done at `now`.
    pub fn note_all(&self, received: impl IntoIterator<Item = Nanos>, now: Nanos) {
        let mut hop = self.lock();
        for at in received {
            hop.saturating_record(now.since(at));
        }
    }

    /// How they are spread.
    pub fn report(&self) -> Latency {
        Hop::of(&self.lock())
    }

    /// A copy of it, as it is.
    pub fn copy(&self) -> Hop {
        Hop(Mutex::new(self.lock().clone()))
    }

    /// How those are spread that came after a copy was made.
    pub fn since(&self, copy: &Hop) -> Latency {
        let mut hop = self.lock().clone();
        // Both have the same bounds, and nothing is ever taken out.
        let _ = hop.subtract(&*copy.lock());
        Hop::of(&hop)
    }

    fn of(hop: &Histogram<u64>) -> Latency {
        let at = |quantile| hop.value_at_quantile(quantile);
        let count = hop.len();
        Latency {
            count,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: hop.max(),
        }
    }

    /// Appends the rows of a Prometheus histogram, in seconds, each with this label (not empty).
    pub fn render(&self, name: &str, label: &str, out: &mut String) {
        let hop = self.lock().clone();
        let mut rows = hop.iter_recorded().map(|row| (row.value_iterated_to(), row)).peekable();
        let (mut below, mut sum) = (0, 0);
        // Writing to a string cannot fail.
        for us in BUCKETS_US {
            while let Some((ns, row)) = rows.next_if(|(ns, _)| *ns <= us * 1000) {
                below += row.count_since_last_iteration();
                sum += u128::from(ns) * u128::from(row.count_since_last_iteration());
            }
            let (whole, rest) = (us / 1_000_000, us % 1_000_000);
            let _ = writeln!(out, "{name}_bucket{{{label},le=\"{whole}.{rest:06}\"}} {below}");
        }
        for (ns, row) in rows {
            sum += u128::from(ns) * u128::from(row.count_since_last_iteration());
        }
        let (all, ns) = (hop.len(), sum % 1_000_000_000);
        let _ = writeln!(out, "{name}_bucket{{{label},le=\"+Inf\"}} {all}");
        let _ = writeln!(out, "{name}_sum{{{label}}} {}.{ns:09}", sum / 1_000_000_000);
        let _ = writeln!(out, "{name}_count{{{label}}} {all}");
    }
}

/// The hops of one feed.
pub(crate) struct Hops {
    /// From the venue's own time to the read, by our clock put right.
    pub venue: Hop,
    /// From the read to the record.
    pub decoded: Hop,
}

impl Hops {
    pub fn new() -> Hops {
        Hops { venue: Hop::new(), decoded: Hop::new() }
    }

    /// Notes the events of a batch, which were made by `decoded`. `ahead` is how far the venue's
    /// clock is ahead of ours, in ns.
    pub fn note(&self, batch: &Batch, decoded: Nanos, ahead: i64) {
        let (mut venue, mut made) = (self.venue.lock(), self.decoded.lock());
        // Frames of one read are a few ns apart.
        let same = |one: &Header, other: &Header| one.ts_recv.0 >> 10 == other.ts_recv.0 >> 10;
        for (first, count) in runs(batch, same) {
            made.saturating_record_n(decoded.since(first.ts_recv), count);
        }
        // Times of the venue are whole milliseconds.
        for (first, count) in runs(batch, |a, b| a.ts_event == b.ts_event && same(a, b)) {
            let Some(ts) = first.ts_event else { continue };
            let recv = Nanos(first.ts_recv.0.saturating_add_signed(ahead));
            venue.saturating_record_n(recv.since(ts), count);
        }
    }
}

/// Events behind one another that are the same in this, as the first of them and their number.
fn runs(
    batch: &Batch,
    same: impl Fn(&Header, &Header) -> bool,
) -> impl Iterator<Item = (&Header, u64)> {
    let mut headers = batch.headers().peekable();
    std::iter::from_fn(move || {
        let (first, mut count) = (headers.next()?, 1);
        while headers.next_if(|header| same(first, header)).is_some() {
            count += 1;
        }
        Some((first, count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use market_data_model::Ticker;
    use market_data_model::event::FeedId;

    fn batch(times: &[(Option<u64>, u64)]) -> Batch {
        let mut batch = Batch::default();
        for (n, (ts_event, ts_recv)) in times.iter().enumerate() {
            let header = Header {
                feed: FeedId(1),
                n: n as u64,
                channel: None,
                inst: None,
                ts_event: ts_event.map(Nanos),
                ts_recv: Nanos(*ts_recv),
            };
            batch.push_ticker(header, Ticker::default());
        }
        batch
    }

    #[test]
    fn every_event_is_noted_once_in_each_hop() {
        let hops = Hops::new();
        let ms = 1_000_000;
        let times = [
            (Some(100 * ms), 103 * ms),
            (Some(100 * ms), 103 * ms + 1),
            (None, 103 * ms + 2),
            // The venue's clock is ahead of ours.
            (Some(200 * ms), 103 * ms + 3),
        ];
        hops.note(&batch(&times), Nanos(104 * ms), 0);
        let (venue, decoded) = (hops.venue.report(), hops.decoded.report());
        assert_eq!((venue.count, decoded.count), (3, 4));
        let near = |ns: u64, to: u64| ns.abs_diff(to) <= to / 50;
        assert!(near(venue.p50, 3 * ms) && near(venue.max, 3 * ms), "{venue:?}");
        assert!(near(decoded.p50, ms) && near(decoded.max, ms), "{decoded:?}");
        hops.note(&batch(&times[..1]), Nanos(104 * ms), 40 * ms as i64);
        assert!(near(hops.venue.report().max, 43 * ms));
    }

    #[test]
    fn prometheus_gets_buckets_that_add_up() {
        let hop = Hop::new();
        hop.note(1_500, 3);
        hop.note(4_000_000, 2);
        hop.note(20_000_000_000, 1);
        let mut text = String::new();
        hop.render("x", "feed=\"1\"", &mut text);
        let has = |line: &str| assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        has("x_bucket{feed=\"1\",le=\"0.000001\"} 0");
        has("x_bucket{feed=\"1\",le=\"0.000002\"} 3");
        has("x_bucket{feed=\"1\",le=\"0.005000\"} 5");
        has("x_bucket{feed=\"1\",le=\"10.000000\"} 5");
        has("x_bucket{feed=\"1\",le=\"+Inf\"} 6");
        has("x_count{feed=\"1\"} 6");
        let sum = text.lines().find_map(|l| l.strip_prefix("x_sum{feed=\"1\"} 20."));
        assert!(sum.is_some(), "{text}");
    }
}
