//! Where prices wander: a pure function of (seed, asset, time), past and future alike.
//!
//! The market asks it for fair prices, REST for history before the exchange existed. It is value
//! noise at several periods, in parts per billion, shifted so that it is zero at the start. No
//! state, no floats.

use crate::calendar::{DAY, HOUR, MILLI, MINUTE, SECOND};
use crate::rng::mix;

/// (period in ns, amplitude in parts per billion).
static OCTAVES: &[(u64, i64)] = &[
    (9 * DAY, 60_000_000),
    (DAY, 22_000_000),
    (5 * HOUR, 9_000_000),
    (HOUR, 3_500_000),
    (11 * MINUTE, 1_300_000),
    (2 * MINUTE, 500_000),
    (17 * SECOND, 160_000),
    (2_300 * MILLI, 45_000),
];

/// The wandering of one asset.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    seed: u64,
    at_start: i64,
    /// How much of the usual wandering, in percent.
    percent: i64,
}

impl Path {
    /// The path of an asset, zero at `start_ns`; a stablecoin wanders by few `percent`.
    pub fn new(seed: u64, asset: u64, start_ns: u64, percent: i64) -> Self {
        let mut path = Self { seed: mix(seed ^ mix(asset ^ 0x7061_7468)), at_start: 0, percent };
        path.at_start = path.raw(start_ns);
        path
    }

    /// How far the price is from its reference at `ns`, in parts per billion.
    pub fn ppb(&self, ns: u64) -> i64 {
        (self.raw(ns) - self.at_start) * self.percent / 100
    }

    fn raw(&self, ns: u64) -> i64 {
        let mut sum = 0;
        for (k, &(period, amplitude)) in OCTAVES.iter().enumerate() {
            let cell = ns / period;
            let within = (ns % period) / (period / 4_096).max(1);
            let within = within.min(4_096) as i64;
            let a = self.lattice(k, cell);
            let b = self.lattice(k, cell + 1);
            // Both lattice values are in -1024..=1024.
            sum += (a * (4_096 - within) + b * within) / 4_096 * amplitude / 1_024;
        }
        sum
    }

    fn lattice(&self, octave: usize, cell: u64) -> i64 {
        let bits = mix(self.seed ^ mix(cell.wrapping_mul(16) + octave as u64));
        (bits % 2_049) as i64 - 1_024
    }
}
