//! How fast the markets go, so that a wanted number of frames a second comes out.
//!
//! `exchange.rs` asks once a second when [`SimConfig::rate`](crate::SimConfig::rate) is set: what
//! was sent in the last second against what is wanted makes every market's waiting times longer or
//! shorter. The cadence of the channels stays (10 ms for the fastest), so too much asked of too
//! few subscriptions ends at the fastest pace.
//!
//! Invariant: without a rate the markets keep their own pace and nothing is drawn. Start at
//! [`Exchange::keep_pace`].

use crate::calendar::SECOND;
use crate::exchange::{Event, Exchange};

/// The pace that an instrument has of itself.
pub const USUAL_PPM: u64 = 1_000_000;
/// The fastest: the quietest instrument then acts every 10 ms.
const FASTEST_PPM: u64 = 1_000;
/// The slowest.
const SLOWEST_PPM: u64 = 100_000_000;
/// How much faster or slower it gets within one second, at most.
const STEP_MAX: u64 = 4;

/// What the pace is, and what it was measured by.
pub struct Pace {
    /// Of every market's waiting times.
    pub ppm: u64,
    /// Frames sent up to the last look.
    sent: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { ppm: USUAL_PPM, sent: 0 }
    }
}

/// A waiting time at a pace.
pub fn paced(wait_ns: u64, ppm: u64) -> u64 {
    if ppm == USUAL_PPM { wait_ns } else { wait_ns / USUAL_PPM * ppm }
}

impl Exchange {
    /// Begins to look, if a rate is wanted.
    pub(crate) fn start_pace(&mut self) {
        if self.config.rate > 0 {
            self.schedule(self.now_ns + SECOND, Event::Pace);
        }
    }

    /// Compares the last second with the wanted rate.
    pub(crate) fn keep_pace(&mut self) {
        self.schedule(self.now_ns + SECOND, Event::Pace);
        let sent = self.net.sent - self.pace.sent;
        self.pace.sent = self.net.sent;
        if self.feeds.is_empty() {
            return;
        }
        let before = self.pace.ppm;
        let wanted = before.saturating_mul(sent) / u64::from(self.config.rate.max(1));
        let step = wanted.clamp(before / STEP_MAX, before.saturating_mul(STEP_MAX));
        self.pace.ppm = step.clamp(FASTEST_PPM, SLOWEST_PPM);
        for market in &mut self.markets {
            market.pace_ppm = self.pace.ppm;
        }
    }
}
