//! Times passes of several systems over the same frames in turn, and takes medians.
//!
//! It counts processor time of this thread (where the system can say it), because the machine is
//! shared. Interleaving makes a disturbance hit every system alike; compare the columns of one run.

use std::hint::black_box;

/// Processor time of this thread in nanoseconds.
#[cfg(unix)]
pub fn now_ns() -> u64 {
    read_ns(rustix::time::ClockId::ThreadCPUTime)
}

#[cfg(unix)]
fn read_ns(clock: rustix::time::ClockId) -> u64 {
    let at = rustix::time::clock_gettime(clock);
    at.tv_sec.unsigned_abs() * 1_000_000_000 + at.tv_nsec.unsigned_abs()
}

/// Time since the first call in nanoseconds.
#[cfg(not(unix))]
pub fn now_ns() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

/// Processor time of all threads of this process in nanoseconds.
#[cfg(unix)]
pub fn process_ns() -> u64 {
    read_ns(rustix::time::ClockId::ProcessCPUTime)
}

/// Not known here.
#[cfg(not(unix))]
pub fn process_ns() -> u64 {
    0
}

/// One thing to time: a pass gives a number, so that no work can be left out.
pub struct Case<'a> {
    /// For the table.
    pub name: &'static str,
    /// One pass from nothing.
    pub pass: Box<dyn FnMut() -> u64 + 'a>,
}

/// A pass is repeated until it lasts this long.
const SAMPLE_NS: u64 = 20_000_000;

/// Nanoseconds a pass of each case, median of `repetitions` taken in turn, there and back.
pub fn medians(cases: &mut [Case<'_>], repetitions: usize) -> Vec<f64> {
    let mut samples = vec![Vec::with_capacity(repetitions); cases.len()];
    let mut passes = vec![1u64; cases.len()];
    for (case, passes) in cases.iter_mut().zip(&mut passes) {
        let start = now_ns();
        black_box((case.pass)());
        let lasted = (now_ns() - start).max(1);
        *passes = if repetitions > 1 { SAMPLE_NS.div_ceil(lasted) } else { 1 };
    }
    for round in 0..repetitions {
        // There and back, because a case finds the caches as the one before has left them.
        for at in 0..cases.len() {
            let at = if round % 2 == 0 { at } else { cases.len() - 1 - at };
            let start = now_ns();
            for _ in 0..passes[at] {
                black_box((cases[at].pass)());
            }
            samples[at].push((now_ns() - start) as f64 / passes[at] as f64);
        }
    }
    samples.into_iter().map(median).collect()
}

/// The middle one.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
