//! How often a hole was asked for in vain. Part of [`OkxFeed`](super::OkxFeed).
//!
//! Two things, which must not be added up: an answer that brought nothing says something about
//! what the venue has, and a refusal says nothing. A time in which REST refuses everything leaves
//! the answers after it as many chances as they had before.
//!
//! Invariant: in the state of a feed it is one number, as it was when both were counted together.

use crate::limits;
use serde::{Deserialize, Serialize};

/// Answers that brought nothing, and refusals, each in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub(crate) struct Tries {
    looks: u16,
    refusals: u16,
}

impl Tries {
    /// Whether nothing was asked in vain.
    pub(crate) fn is_first(self) -> bool {
        self == Tries::default()
    }

    /// How often it was asked, for who asks here and there by turns.
    pub(crate) fn count(self) -> u32 {
        u32::from(self.looks) + u32::from(self.refusals)
    }

    /// An answer brought nothing; gives back how many did in a row.
    pub(crate) fn look(&mut self) -> u32 {
        (self.looks, self.refusals) = (self.looks.saturating_add(1), 0);
        u32::from(self.looks)
    }

    /// An answer brought something, and something is left: what is left has all its chances. The
    /// one who was asked is asked again.
    pub(crate) fn progress(&mut self) {
        (self.looks, self.refusals) = (u16::from(self.count() % 2 == 1), 0);
    }

    /// It was refused, or nothing answered; gives back how many did so in a row.
    pub(crate) fn refused(&mut self) -> u32 {
        self.refusals = self.refusals.saturating_add(1);
        u32::from(self.refusals)
    }

    /// Something else is asked for, by somebody who knows the first endpoint to be of no use.
    pub(crate) fn onward() -> Tries {
        Tries { looks: 1, refusals: 0 }
    }

    /// Whether it is one that answers can have made.
    pub(crate) fn is_sound(self) -> bool {
        let most = limits::REFILL_TRIES_MAX.max(limits::BARS_LOOKS_MAX) * 2;
        self.count() <= most
    }
}

/// How long to wait after so many refusals in a row: twice as long each time, up to a bound.
pub(crate) fn wait_after(refusals: u32) -> u64 {
    (limits::REFILL_WAIT_MIN_NS << refusals.min(8)).min(limits::REFILL_WAIT_MAX_NS)
}

impl From<u32> for Tries {
    fn from(both: u32) -> Tries {
        Tries { looks: (both & 0xffff) as u16, refusals: (both >> 16) as u16 }
    }
}

impl From<Tries> for u32 {
    fn from(tries: Tries) -> u32 {
        u32::from(tries.looks) | u32::from(tries.refusals) << 16
    }
}
