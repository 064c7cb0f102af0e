//! Torture: seeded lives of real feeds against a pretend exchange that misbehaves, without sockets
//! and without a clock, judged after every input by somebody who shares no code with the decoder.
//!
//! `market-data torture` calls [`run`], and so does `main.rs` for mutants; nothing else prints.
//!
//! Read in this order: `life.rs` (one life), `cast.rs` and `catalogue.rs` (who plays), `driver.rs`
//! and `network.rs` (sockets and the road),
//! `judge.rs` with `books.rs`, `series.rs`, `refill.rs`, `bars.rs`, `rows.rs`, `damage.rs`,
//! `pairs.rs` (two lines), `rot.rs` (books wrong without a sign), `ledger.rs`, `mirror.rs` and
//! `manners.rs` (what is demanded), `upcoming.rs` (announced changes),
//! `looks.rs` (what could have been had), `rest.rs` (the REST side), `reborn.rs` and `whole.rs`
//! (ends of processes, and what stands on their tapes together),
//! `restore.rs` (feeds become bytes and go on), `ending.rs` and `reckon.rs`
//! (recovery, stop, replay, the exchange's own tape), `shrink.rs` (a smaller
//! history of a failure), `report.rs` (what is said).
//!
//! Invariants: one seed, one life; the result of a run does not depend on the number of threads.
#![forbid(unsafe_code)]

mod bars;
mod books;
mod cast;
mod catalogue;
mod chance;
mod counts;
mod damage;
mod driver;
mod ending;
mod json;
mod judge;
mod ledger;
mod life;
mod looks;
mod manners;
mod mirror;
mod network;
mod pairs;
mod reborn;
mod reckon;
mod refill;
mod report;
mod rest;
mod restore;
mod rot;
mod rows;
mod series;
mod shrink;
mod tape;
mod upcoming;
mod whole;

pub use report::Report;

use counts::Counts;
use life::{Failure, Life, LifeOptions, Outcome};
use market_data_sim::FaultProfile;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A run of many lives under one fault profile.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed of the first life; the next life has the next seed.
    pub seed: u64,
    /// How many lives.
    pub lives: u64,
    /// Inputs to feeds in one life, before the faults end.
    pub steps: u64,
    /// The profile.
    pub faults: FaultProfile,
    /// Fault kinds (or `drills`, or `restarts`) left out of the profile.
    pub without: Vec<String>,
    /// At most so many instruments in a life.
    pub instruments: usize,
    /// How many lives at a time.
    pub threads: usize,
    /// All lives are on the whole catalogue, instead of some.
    pub catalogue: bool,
}

impl Options {
    /// What `market-data torture` does unless told otherwise, under this profile.
    pub fn new(faults: FaultProfile) -> Options {
        Options {
            seed: 1,
            lives: 100,
            steps: 4000,
            faults,
            without: Vec::new(),
            instruments: 4,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            catalogue: false,
        }
    }
}

/// The names that [`Options::without`] may hold.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    shrink::KINDS.iter().map(|(name, _)| *name).chain([shrink::DRILLS, shrink::RESTARTS])
}

/// Lives every life, stops at the first that goes wrong, and shrinks that one.
pub fn run(options: &Options) -> Report {
    let lives = usize::try_from(options.lives).unwrap_or(usize::MAX);
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(Vec::new());
    let next = AtomicU64::new(0);
    let first_bad = AtomicU64::new(u64::MAX);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= options.lives || number > first_bad.load(Ordering::Relaxed) {
                return;
            }
            let outcome = live(life_options(options, options.seed.wrapping_add(number)));
            if outcome.failure.is_some() {
                first_bad.fetch_min(number, Ordering::Relaxed);
            }
            let mut held = outcomes.lock().unwrap_or_else(|poison| poison.into_inner());
            let index = number as usize;
            if held.len() <= index {
                held.resize_with(index + 1, || None);
            }
            held[index] = Some(outcome);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads.clamp(1, lives.max(1)) {
            scope.spawn(work);
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(|poison| poison.into_inner());
    sum(options, outcomes)
}

/// Adds up the lives before the first that went wrong, whatever others were lived meanwhile.
fn sum(options: &Options, outcomes: Vec<Option<Outcome>>) -> Report {
    let mut counts = Counts::default();
    for (number, outcome) in outcomes.into_iter().flatten().enumerate() {
        counts.add(&outcome.counts);
        if let Some(failure) = outcome.failure {
            let seed = options.seed.wrapping_add(number as u64);
            let shrunk = shrink::shrink(life_options(options, seed), failure);
            return Report { options: options.clone(), counts, failure: Some(shrunk) };
        }
    }
    Report { options: options.clone(), counts, failure: None }
}

fn life_options(options: &Options, seed: u64) -> LifeOptions {
    let mut life = LifeOptions {
        seed,
        steps: options.steps,
        faults: options.faults,
        instruments: options.instruments,
        drills: true,
        restarts: true,
        catalogue: options.catalogue || catalogue::is_one(seed),
    };
    options.without.iter().for_each(|kind| shrink::leave_out(&mut life, kind));
    life
}

/// One life; a panic in a feed is a violation like any other.
fn live(options: LifeOptions) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| Life::run(options))).unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        let failure = Failure {
            step: 0,
            after_ns: 0,
            feed: "unknown".into(),
            rule: "panic",
            what: words,
            history: Vec::new(),
        };
        Outcome { counts: Counts::default(), failure: Some(failure) }
    })
}

#[cfg(test)]
mod tests;
