//! How far the venue's clock is ahead of ours, measured over REST now and then.
//!
//! A service's task asks; hops (`latency.rs`) are put right by it. Records are not: their receive
//! stamps are this machine's time, whatever it is.
//!
//! Invariant: an estimate comes with its error, which covers the whole way there and back.

use crate::clock::wall_now;
use crate::net::Rest;
use market_data_okx::server_time;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Time between two measurements.
const EVERY: Duration = Duration::from_secs(60);
/// Questions of one measurement; the one with the shortest way there and back counts.
const QUESTIONS: usize = 3;
/// The venue tells its time in whole milliseconds.
const HALF_MS: i64 = 500_000;
/// The error while nothing is known.
const UNKNOWN: u64 = u64::MAX;

/// What is known of the venue's clock.
#[derive(Debug)]
pub(crate) struct Skew {
    ahead_ns: AtomicI64,
    error_ns: AtomicU64,
}

impl Default for Skew {
    fn default() -> Skew {
        Skew { ahead_ns: AtomicI64::new(0), error_ns: AtomicU64::new(UNKNOWN) }
    }
}

impl Skew {
    /// How far the venue is ahead in ns; 0 while that is not known.
    pub fn ahead_ns(&self) -> i64 {
        self.ahead_ns.load(Relaxed)
    }

    /// The same with its error; `None` while it is not known.
    pub fn estimate(&self) -> Option<(i64, u64)> {
        let error = self.error_ns.load(Relaxed);
        (error != UNKNOWN).then(|| (self.ahead_ns(), error))
    }

    fn set(&self, (ahead, error): (i64, u64)) {
        self.ahead_ns.store(ahead, Relaxed);
        self.error_ns.store(error, Relaxed);
    }

    /// Measures for ever.
    pub async fn watch(self: Arc<Skew>, rest: Arc<Rest>) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let mut best: Option<(i64, u64)> = None;
            for _ in 0..QUESTIONS {
                let asked = wall_now();
                let answer = rest.get(server_time::PATH).await;
                let answered = wall_now();
                let Ok((200, body)) = answer else { continue };
                let Some(ts) = server_time::read(&body) else { continue };
                let one = estimate(asked.0, ts.0, answered.0);
                best = Some(best.filter(|best| best.1 <= one.1).unwrap_or(one));
            }
            if let Some(best) = best {
                self.set(best);
                tracing::debug!(ahead_ns = best.0, error_ns = best.1, "the venue's clock");
            }
        }
    }
}

/// How far ahead a clock is that said `ts` between the two, and by how much that can be wrong.
fn estimate(asked: u64, ts: u64, answered: u64) -> (i64, u64) {
    let half = answered.saturating_sub(asked) / 2;
    let ahead = ts.wrapping_sub(asked + half).cast_signed().saturating_add(HALF_MS);
    (ahead, half + HALF_MS.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_is_within_the_error() {
        let ms = 1_000_000u64;
        for (ahead, there, back) in [(0i64, 5, 5), (-70, 1, 30), (250, 40, 2)] {
            let asked = 1_000_000 * ms + 300_000;
            let venue = (asked + there * ms).saturating_add_signed(ahead * ms as i64);
            let said = venue / ms * ms;
            let (estimated, error) = estimate(asked, said, asked + (there + back) * ms);
            assert!(estimated.abs_diff(ahead * ms as i64) <= error, "{estimated} ± {error}");
            assert!(error <= (there + back) * ms / 2 + ms / 2);
        }
    }
}
