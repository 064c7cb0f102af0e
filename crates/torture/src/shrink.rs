//! Makes a failed life smaller: fewer steps, fewer instruments, fewer kinds of faults, as long as
//! the same promise stays broken.
//!
//! `mod.rs` calls it once, for the first failure of a run. Start at [`shrink`].

use super::life::{Failure, LifeOptions};
use market_data_sim::FaultProfile;

/// A rate in a fault profile.
type Rate = fn(&mut FaultProfile) -> &mut u32;

/// Every kind of fault that can be left out.
pub(super) const KINDS: &[(&str, Rate)] = &[
    ("drop", |p| &mut p.drop),
    ("duplicate", |p| &mut p.duplicate),
    ("reorder", |p| &mut p.reorder),
    ("truncate", |p| &mut p.truncate),
    ("corrupt", |p| &mut p.corrupt),
    ("rot", |p| &mut p.rot),
    ("seqgap", |p| &mut p.seqgap),
    ("reset", |p| &mut p.reset),
    ("heartbeat", |p| &mut p.heartbeat),
    ("silence", |p| &mut p.silence),
    ("nopong", |p| &mut p.nopong),
    ("notice", |p| &mut p.notice),
    ("abort", |p| &mut p.abort),
    ("refuse", |p| &mut p.refuse),
    ("slowack", |p| &mut p.slowack),
    ("errorack", |p| &mut p.errorack),
    ("late", |p| &mut p.late),
    ("onesided", |p| &mut p.onesided),
    ("preopen", |p| &mut p.preopen),
    ("evict", |p| &mut p.evict),
    ("resterror", |p| &mut p.resterror),
    ("oddfile", |p| &mut p.oddfile),
    ("blackout", |p| &mut p.blackout),
];

/// Leaves out the people who interfere.
pub(super) const DRILLS: &str = "drills";

/// Leaves out the ends of processes.
pub(super) const RESTARTS: &str = "restarts";

/// Lives tried at most.
const TRIES_MAX: u32 = 80;

/// A failure and the smallest life found that shows it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The seed.
    pub seed: u64,
    /// What went wrong first, in the life as it was asked for.
    pub first: Failure,
    /// What goes wrong in the small life.
    pub small: Failure,
    /// Steps of the small life.
    pub steps: u64,
    /// Instruments of the small life.
    pub instruments: usize,
    /// Kinds left out of the small life.
    pub without: Vec<&'static str>,
}

/// Leaves one kind of trouble out of a life.
pub(super) fn leave_out(options: &mut LifeOptions, kind: &str) {
    if kind == DRILLS {
        options.drills = false;
    }
    if kind == RESTARTS {
        options.restarts = false;
    }
    if let Some((_, rate)) = KINDS.iter().find(|(name, _)| *name == kind) {
        *rate(&mut options.faults) = 0;
    }
}

fn is_in(options: &LifeOptions, kind: &str) -> bool {
    if kind == DRILLS {
        return options.drills;
    }
    if kind == RESTARTS {
        return options.restarts;
    }
    let mut faults = options.faults;
    KINDS.iter().any(|(name, rate)| *name == kind && *rate(&mut faults) > 0)
}

struct Shrinker {
    options: LifeOptions,
    failure: Failure,
    tries: u32,
}

impl Shrinker {
    /// Keeps `options` if they show the same broken promise.
    fn attempt(&mut self, options: LifeOptions) -> bool {
        if self.tries >= TRIES_MAX {
            return false;
        }
        self.tries += 1;
        let Some(failure) = super::live(options.clone()).failure else { return false };
        if failure.rule != self.failure.rule {
            return false;
        }
        self.options = options;
        self.failure = failure;
        self.cut();
        true
    }

    /// Steps after the failure do not matter, if it happened while faults still did.
    fn cut(&mut self) {
        if self.failure.step > 0 {
            self.options.steps = self.options.steps.min(self.failure.step);
        }
    }

    fn fewer_instruments(&mut self) {
        for instruments in 1..self.options.instruments.min(4) {
            if self.attempt(LifeOptions { instruments, ..self.options.clone() }) {
                return;
            }
        }
    }

    fn fewer_kinds(&mut self) {
        for kind in KINDS.iter().map(|(name, _)| *name).chain([DRILLS, RESTARTS]) {
            if is_in(&self.options, kind) {
                let mut fewer = self.options.clone();
                leave_out(&mut fewer, kind);
                self.attempt(fewer);
            }
        }
    }

    /// The smallest number of steps, as far as halving finds it.
    fn fewer_steps(&mut self) {
        let mut low = 0;
        while low + 1 < self.options.steps {
            let steps = low + (self.options.steps - low) / 2;
            if !self.attempt(LifeOptions { steps, ..self.options.clone() }) {
                low = steps;
            }
            if self.tries >= TRIES_MAX {
                return;
            }
        }
    }
}

/// Finds a smaller life with the same broken promise.
pub(super) fn shrink(options: LifeOptions, first: Failure) -> Shrunk {
    let seed = options.seed;
    let mut shrinker = Shrinker { options, failure: first.clone(), tries: 0 };
    shrinker.cut();
    shrinker.fewer_instruments();
    shrinker.fewer_kinds();
    shrinker.fewer_steps();
    let Shrinker { options, failure: small, .. } = shrinker;
    let left = KINDS.iter().map(|(name, _)| *name).chain([DRILLS, RESTARTS]);
    let without = left.filter(|kind| !is_in(&options, kind)).collect();
    Shrunk { seed, first, small, steps: options.steps, instruments: options.instruments, without }
}
