//! The only place that reads a clock: Unix nanoseconds that never go back.
//!
//! One per feed, owned by its driver. Wall time is what people compare with other machines, but it
//! jumps when the machine's clock is set; the feeds' timers must live through that.
//!
//! Invariants: every reading is larger than the one before; time never runs slower than nine
//! tenths of real time, so a wall clock that was set back only delays timers a little.

use market_data_model::Nanos;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Unix nanoseconds, strictly increasing.
#[derive(Clone, Debug)]
pub struct Clock {
    wall: bool,
    last: Nanos,
    at: Instant,
}

impl Clock {
    /// Follows the machine's wall clock.
    pub fn wall() -> Clock {
        Clock { wall: true, last: wall_now(), at: Instant::now() }
    }

    /// Starts at `start` and follows the runtime's own time, which tests can pause.
    #[cfg(any(test, feature = "sim"))]
    pub fn starting_at(start: Nanos) -> Clock {
        Clock { wall: false, last: start, at: Instant::now() }
    }

    /// The time, at least one nanosecond later than ever before.
    pub fn now(&mut self) -> Nanos {
        let at = Instant::now();
        let passed = nanos(at.duration_since(self.at));
        let next = if self.wall {
            wall_now().max(self.last + passed / 10 * 9)
        } else {
            self.last + passed
        };
        self.at = at;
        self.last = next.max(self.last + 1);
        self.last
    }

    /// The time of the reading before, for what came with it: a nanosecond later.
    pub fn again(&mut self) -> Nanos {
        self.last = self.last + 1;
        self.last
    }

    /// How long from now until `deadline`; zero when it has passed.
    pub fn until(&mut self, deadline: Nanos) -> Duration {
        Duration::from_nanos(deadline.since(self.now()))
    }

    /// The reading before, as it was.
    pub(crate) fn last(&self) -> Nanos {
        self.last
    }

    /// When that was, by the runtime's time.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// When it will be `deadline`, by the runtime's time; the moment of the reading before when
    /// that was later, `None` when it is too far away to be told.
    pub(crate) fn when(&self, deadline: Nanos) -> Option<Instant> {
        self.at.checked_add(Duration::from_nanos(deadline.since(self.last)))
    }
}

/// The machine's wall clock, for stamps that need not increase.
pub(crate) fn wall_now() -> Nanos {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(Nanos(0), |d| Nanos(nanos(d)))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How long the calling thread has worked so far, in ns of a core; `None` where nothing says it.
pub(crate) fn thread_ns() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let (seconds, rest) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
        Some(seconds * 1_000_000_000 + rest)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_the_runtime_and_never_repeats() {
        let mut clock = Clock::starting_at(Nanos(1_000));
        let first = clock.now();
        assert_eq!(first, Nanos(1_001), "same instant, next nanosecond");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), Nanos(2_000_001_001));
        assert_eq!(clock.until(Nanos(2_000_001_002 + 5)), Duration::from_nanos(5));
        let now = Instant::now();
        assert_eq!((clock.last(), clock.at()), (Nanos(2_000_001_002), now));
        let soon = now + Duration::from_nanos(5);
        assert_eq!(clock.when(Nanos(2_000_001_002 + 5)), Some(soon));
        assert_eq!(clock.when(Nanos(7)), Some(now), "it has passed");
    }

    #[test]
    fn goes_on_when_the_wall_clock_was_set_back() {
        let mut clock = Clock::wall();
        let hour = 3_600_000_000_000;
        clock.last = clock.last + hour;
        let before = clock.last;
        let after = clock.now();
        assert!(after > before && after.since(before) < hour / 2);
    }
}
