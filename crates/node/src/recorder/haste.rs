//! Whether the recorder leaves out compression because it is behind.
//!
//! Compressing is most of what recording costs. A recorder that cannot keep up would lose records
//! once its queue is full; larger files are the smaller evil. Where the disk is what is slow they
//! would be no help, so whoever is in haste and falls behind all the same gives it up for a while.
//!
//! Invariant: what is decided depends on the times and numbers given alone. `thread.rs` asks after
//! each chunk.

use market_data_model::Nanos;
use market_data_model::time::{MILLI, SECOND};

/// So many bytes in the queue are behind: an eighth of what it may hold.
const BEHIND: usize = super::QUEUE_BYTES_MAX / 8;
/// So many are as good as none.
const CAUGHT_UP: usize = BEHIND / 16;
/// How long it must have caught up before it compresses again.
const CALM_NS: u64 = SECOND;
/// How long haste may take to show that it helps.
const TRIAL_NS: u64 = 500 * MILLI;
/// How long it is not tried again if it does not.
const GIVEN_UP_NS: u64 = 30 * SECOND;

/// See the file's first comment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Haste {
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
pub(super) struct Trial {
    since: Nanos,
    /// Bytes in the queue then, and how long they took to gather.
    queued: usize,
    gathered_ns: u64,
    /// When it was last behind.
    behind: Nanos,
}

impl Trial {
    /// Whether the queue has grown faster than before.
    fn is_vain(&self, now: Nanos, queued: usize) -> bool {
        let lasts = now.since(self.since);
        let grown = queued.saturating_sub(self.queued) as u128 * u128::from(self.gathered_ns);
        lasts >= TRIAL_NS && grown > (self.queued - CAUGHT_UP) as u128 * u128::from(lasts)
    }
}

impl Default for Haste {
    fn default() -> Haste {
        Haste::Calm { low: None }
    }
}

impl Haste {
    pub(super) fn is_on(self) -> bool {
        matches!(self, Haste::On(_))
    }

    /// So many bytes are in the queue: whether compression is left out from now on; `None` if
    /// nothing changes.
    pub(super) fn look(&mut self, now: Nanos, queued: usize) -> Option<bool> {
        let was = self.is_on();
        *self = match *self {
            Haste::Calm { low } if queued >= BEHIND => {
                let gathered_ns = low.map_or(0, |low| now.since(low));
                Haste::On(Trial { since: now, queued, gathered_ns, behind: now })
            }
            Haste::Calm { low } if queued > CAUGHT_UP => Haste::Calm { low },
            Haste::Calm { .. } => Haste::Calm { low: Some(now) },
            Haste::On(trial) if trial.is_vain(now, queued) => {
                Haste::GivenUp { until: now + GIVEN_UP_NS }
            }
            Haste::On(trial) if queued > CAUGHT_UP => Haste::On(Trial { behind: now, ..trial }),
            Haste::On(trial) if now.since(trial.behind) >= CALM_NS => Haste::default(),
            Haste::GivenUp { until } if now >= until => Haste::default(),
            stays => stays,
        };
        (self.is_on() != was).then_some(!was)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Nanos {
        Nanos(1_000 * SECOND + ms * MILLI)
    }

    #[test]
    fn it_begins_when_behind_and_ends_after_a_second_of_having_caught_up() {
        let mut haste = Haste::default();
        assert_eq!(haste.look(at(0), 0), None);
        assert_eq!(haste.look(at(9), BEHIND - 1), None);
        assert_eq!(haste.look(at(10), BEHIND), Some(true));
        assert_eq!(haste.look(at(600), BEHIND), None, "no worse than at its beginning");
        assert_eq!(haste.look(at(700), 0), None);
        assert_eq!(haste.look(at(1_500), CAUGHT_UP + 1), None, "behind once more");
        assert_eq!(haste.look(at(2_499), CAUGHT_UP), None);
        assert_eq!(haste.look(at(2_500), CAUGHT_UP), Some(false));
        assert_eq!(haste.look(at(2_501), BEHIND), Some(true), "at once, if it is needed again");
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
            assert_eq!(haste.look(at(0), CAUGHT_UP), None);
            assert_eq!(haste.look(at(100), BEHIND - 1), None);
            assert_eq!(haste.look(at(500), BEHIND), Some(true));
            let given_up = (!helps).then_some(false);
            assert_eq!(haste.look(at(500 + ms), BEHIND + more), given_up, "{ms} ms, {more} bytes");
            assert_eq!(haste.is_on(), helps);
        }
        let mut haste = Haste::GivenUp { until: at(30_000) };
        assert_eq!(haste.look(at(29_999), 5 * BEHIND), None);
        assert_eq!(haste.look(at(30_000), 5 * BEHIND), None, "the time is over");
        assert_eq!(haste.look(at(30_001), 5 * BEHIND), Some(true));
        assert_eq!(haste.look(at(90_001), 9 * BEHIND), None, "nothing to compare with");
    }
}
