//! Whether the recorder leaves out compression because it is too much work.
//!
//! Compressing is most of what recording costs. A recorder that cannot keep up would lose records
//! once its queue is full, and one that works all the time takes the processor from the feeds that
//! share it; larger files are the smaller evil. Where it is the disk that is slow they would be no
//! help, so whoever is in haste and falls behind no slower than before gives it up for a while.
//!
//! Invariant: what is decided depends on the times and numbers given alone. `thread.rs` asks after
//! each chunk.

use market_data_model::Nanos;
use market_data_model::time::{MILLI, SECOND};

/// So many bytes in the queue are behind: an eighth of what it may hold.
const BEHIND: usize = super::QUEUE_BYTES_MAX / 8;
/// So many are as good as none.
const CAUGHT_UP: usize = BEHIND / 16;
/// Over how long the recorder's work is measured.
const WINDOW_NS: u64 = 100 * MILLI;
/// Percent of a core that the recorder works at most of the time, and that it may work without
/// compressing if it is to begin with that again: compressing is four times the work.
const BUSY: u64 = 60;
const IDLE: u64 = BUSY / 5;
/// How long it must have been neither behind nor busy before it compresses again.
const CALM_NS: u64 = SECOND;
/// How long haste may take to show that it helps.
const TRIAL_NS: u64 = 500 * MILLI;
/// How long it is not tried again if it does not.
const GIVEN_UP_NS: u64 = 30 * SECOND;

/// See the file's first comment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Haste {
    state: State,
    /// Since when the work of the moment is measured, and what the recorder had worked until then;
    /// `None` before the first measurement, or where it cannot be measured.
    window: Option<(Nanos, u64)>,
    /// Percent of a core in the window before.
    work: u64,
    /// When it was asked last. A clock that was set back begins everything anew.
    asked: Nanos,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// When it was not behind at all for the last time, if it ever was.
    Calm {
        low: Option<Nanos>,
    },
    On(Trial),
    /// It does not help; not tried again before then.
    GivenUp {
        until: Nanos,
    },
}

/// What is needed to say whether haste helps, and when it is over.
#[derive(Clone, Copy, Debug)]
struct Trial {
    since: Nanos,
    /// Bytes in the queue then.
    queued: usize,
    /// How many had gathered when it began, and how long that took; 0 = nobody knows.
    gathered: usize,
    gathered_ns: u64,
    /// When it was last behind or busy.
    pressed: Nanos,
}

impl Trial {
    /// Whether a trial is over.
    fn is_over(&self, now: Nanos) -> bool {
        now.since(self.since) >= TRIAL_NS
    }

    /// Whether the queue has grown in it, and faster than before it began.
    fn is_vain(&self, now: Nanos, queued: usize) -> bool {
        let Some(grown) = queued.checked_sub(self.queued).filter(|grown| *grown > 0) else {
            return false;
        };
        if self.gathered_ns == 0 {
            return queued >= BEHIND;
        }
        let before = self.gathered as u128 * u128::from(now.since(self.since));
        grown as u128 * u128::from(self.gathered_ns) > before
    }
}

impl Default for State {
    fn default() -> State {
        State::Calm { low: None }
    }
}

impl Haste {
    pub(super) fn is_on(&self) -> bool {
        matches!(self.state, State::On(_))
    }

    /// So many bytes are in the queue: whether compression is left out from now on; `None` if
    /// nothing changes. `worked` says how long the recorder has worked so far, in ns of a core.
    pub(super) fn look(
        &mut self,
        now: Nanos,
        queued: usize,
        worked: impl FnOnce() -> Option<u64>,
    ) -> Option<bool> {
        let was = self.is_on();
        if now < std::mem::replace(&mut self.asked, now) {
            *self = Haste { asked: now, ..Haste::default() };
        }
        self.measure(now, worked);
        self.state = match self.state {
            State::Calm { low } if queued >= BEHIND => {
                State::on(now, queued, low.map_or(0, |low| now.since(low)))
            }
            State::Calm { .. } if self.work >= BUSY => State::on(now, queued, 0),
            State::Calm { low } if queued > CAUGHT_UP => State::Calm { low },
            State::Calm { .. } => State::Calm { low: Some(now) },
            State::On(trial) if trial.is_over(now) && trial.is_vain(now, queued) => {
                State::GivenUp { until: now + GIVEN_UP_NS }
            }
            State::On(trial) if trial.is_over(now) && queued > CAUGHT_UP => {
                // It helps; whether it goes on to help is another trial.
                State::On(Trial { since: now, queued, pressed: now, ..trial })
            }
            State::On(trial) if queued > CAUGHT_UP || self.work > IDLE => {
                State::On(Trial { pressed: now, ..trial })
            }
            State::On(trial) if now.since(trial.pressed) >= CALM_NS => State::default(),
            State::GivenUp { until } if now >= until => State::default(),
            stays => stays,
        };
        (self.is_on() != was).then_some(!was)
    }

    fn measure(&mut self, now: Nanos, worked: impl FnOnce() -> Option<u64>) {
        match self.window {
            Some((since, _)) if now.since(since) < WINDOW_NS => {}
            None => self.window = worked().map(|worked| (now, worked)),
            Some((since, before)) => {
                let worked = worked().unwrap_or(before);
                let hundredths = worked.saturating_sub(before).saturating_mul(100);
                self.work = hundredths / now.since(since);
                self.window = Some((now, worked));
            }
        }
    }
}

impl State {
    fn on(now: Nanos, queued: usize, gathered_ns: u64) -> State {
        let gathered = queued.saturating_sub(CAUGHT_UP);
        State::On(Trial { since: now, queued, gathered, gathered_ns, pressed: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Nanos {
        Nanos(1_000 * SECOND + ms * MILLI)
    }

    fn look(haste: &mut Haste, ms: u64, queued: usize) -> Option<bool> {
        haste.look(at(ms), queued, || None)
    }

    #[test]
    fn it_begins_when_behind_and_ends_after_a_second_of_having_caught_up() {
        let mut haste = Haste::default();
        for (ms, queued, says) in [
            (0, 0, None),
            (9, BEHIND - 1, None),
            (10, BEHIND, Some(true)),
            (600, BEHIND, None), // no worse than at its beginning
            (700, 0, None),
            (1_500, CAUGHT_UP + 1, None), // behind once more
            (2_499, CAUGHT_UP, None),
            (2_500, CAUGHT_UP, Some(false)),
            (2_501, BEHIND, Some(true)), // at once, if it is needed again
        ] {
            assert_eq!(look(&mut haste, ms, queued), says, "{ms} ms");
        }
    }

    #[test]
    fn it_is_given_up_for_a_while_where_the_queue_grows_no_slower() {
        let grown = BEHIND - CAUGHT_UP;
        for (ms, more, helps) in [
            (499, 9 * grown, true), // too early to tell
            (500, grown, true),     // as fast as before
            (500, grown + 1, false),
            (1_000, 2 * grown, true),
            (1_000, 2 * grown + 1, false),
        ] {
            let mut haste = Haste::default();
            assert_eq!(look(&mut haste, 0, CAUGHT_UP), None);
            assert_eq!(look(&mut haste, 100, BEHIND - 1), None);
            assert_eq!(look(&mut haste, 500, BEHIND), Some(true));
            let given_up = (!helps).then_some(false);
            assert_eq!(look(&mut haste, 500 + ms, BEHIND + more), given_up, "{ms} ms, {more}");
            assert_eq!(haste.is_on(), helps);
        }
        let state = State::GivenUp { until: at(30_000) };
        let mut haste = Haste { state, ..Haste::default() };
        assert_eq!(look(&mut haste, 29_999, 5 * BEHIND), None);
        assert_eq!(look(&mut haste, 30_000, 5 * BEHIND), None, "the time is over");
        assert_eq!(look(&mut haste, 30_001, 5 * BEHIND), Some(true));
        assert_eq!(look(&mut haste, 30_501, 5 * BEHIND), None, "it helps");
        assert_eq!(look(&mut haste, 31_000, 6 * BEHIND), None);
        assert_eq!(look(&mut haste, 31_001, 6 * BEHIND), Some(false), "now it does not");
    }

    #[test]
    fn it_is_given_up_as_well_where_it_began_because_there_was_much_to_do() {
        let mut haste = Haste::default();
        for (ms, queued, says) in [
            (0, 0, None),
            (100, 0, Some(true)),
            (600, BEHIND - 1, None), // not behind yet
            (1_099, BEHIND, None),
            (1_100, BEHIND, Some(false)),
        ] {
            let worked = Some(ms * MILLI);
            assert_eq!(haste.look(at(ms), queued, || worked), says, "{ms} ms");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_ends_it() {
        let mut haste = Haste::default();
        assert_eq!(look(&mut haste, 5_000, BEHIND), Some(true));
        assert_eq!(look(&mut haste, 1_000, 0), Some(false));
        assert_eq!(look(&mut haste, 1_001, BEHIND), Some(true));
    }

    #[test]
    fn it_begins_when_busy_and_ends_when_there_is_time_to_compress() {
        let mut haste = Haste::default();
        for (ms, worked_ms, says) in [
            (0, 5, None),
            (50, 55, None),  // too short to tell
            (100, 64, None), // 59 of 100 ms
            (200, 124, Some(true)),
            (1_200, 254, None), // 13 percent
            (2_199, 374, None), // 12 percent, but not for long enough
            (2_200, 374, Some(false)),
        ] {
            let worked = Some(worked_ms * MILLI);
            assert_eq!(haste.look(at(ms), 0, || worked), says, "{ms} ms");
        }
    }
}
