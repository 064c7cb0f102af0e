//! Make before break: a connection is replaced by one that has caught up. Part of [`OkxFeed`].
//!
//! OKX announces the end of a connection (notice 64008, 60 s ahead; docs, read 2026-11-23), an
//! operator asks for a new one, or a configured time is over. The other line is opened, if it is
//! not there already; when it has everything that the front has, and some time more for what is
//! on its way, it comes to the front and the old connection is closed.
//!
//! Invariant: the connection in front is not closed before the other one stands in for all that
//! it carries. See decision 0027.

use super::OkxFeed;
use super::sub::Stage;
use crate::limits::{HAND_OVER_LINGER_NS, HAND_OVER_WAIT_NS, LINE_CHECK_NS};
use crate::link::LinkState;
use market_data_model::*;
use serde::{Deserialize, Serialize};

/// A hand-over that is going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Over {
    reason: String,
    /// Whether the venue wants it.
    venue: bool,
    since: Nanos,
    /// Since when the other line has everything.
    ready: Option<Nanos>,
    /// When to look again.
    pub(super) check: Nanos,
}

impl OkxFeed {
    /// The connection at hand is to be replaced without a loss.
    pub(super) fn hand_over(&mut self, now: Nanos, reason: &str, whose: Whose, out: &mut Outbox) {
        if self.link.state != LinkState::Up || self.config.passive {
            return;
        }
        if self.config.sbe || self.lines.swapped {
            // The front goes on; or there cannot be two.
            return self.replace(now, reason, (whose, true), out);
        }
        if self.lines.over.is_some() {
            return;
        }
        let reason = reason.chars().take(256).collect();
        let venue = whose == Whose::Venue;
        self.lines.over = Some(Over { reason, venue, since: now, ready: None, check: now });
        self.open_other(now, out);
    }

    /// Looks how far the other line has come.
    pub(super) fn check_over(&mut self, now: Nanos, out: &mut Outbox) {
        let ready = self.has_successor();
        let Some(over) = &mut self.lines.over else { return };
        over.check = now + LINE_CHECK_NS;
        if !ready {
            over.ready = None;
            // A connection that the venue means to end is not worth giving up for.
            if !over.venue && now.since(over.since) > HAND_OVER_WAIT_NS {
                self.lines.over = None;
            }
            return;
        }
        let since = *over.ready.get_or_insert(now);
        if now.since(since) < HAND_OVER_LINGER_NS {
            return;
        }
        let (reason, venue) = (std::mem::take(&mut over.reason), over.venue);
        let whose = if venue { Whose::Venue } else { Whose::Ours };
        self.promote(now, out);
        self.lines.overs += 1;
        self.on_other(out, |feed, out| feed.replace(now, &reason, (whose, true), out));
    }

    /// Whether the other line has all that the front has.
    fn has_successor(&self) -> bool {
        let Some(other) = &self.lines.other else { return false };
        if other.link.state != LinkState::Up {
            return false;
        }
        (0..).zip(&self.subs).filter(|(_, sub)| sub.wanted).all(|(index, sub)| {
            let asked = sub.stage == Stage::Asked || sub.stage == Stage::Leaving;
            let waits = self.lines.carry.get(index as usize);
            let waits = waits.is_some_and(|carry| !carry.held.is_empty());
            match sub.stage {
                Stage::Live => self.is_covered(index) && !waits,
                _ => !asked && !waits,
            }
        })
    }
}
