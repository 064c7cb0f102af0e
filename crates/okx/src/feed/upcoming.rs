//! When announced changes of this feed's instruments are due. Part of [`OkxFeed`].
//!
//! OKX says in an instrument's row which step will change and when (`upcChg`), and the feed makes
//! it so at that time by its own clock, whether or not the venue says it again. A feed that follows
//! the news of that kind says so in an `instrument` record with the time of the change; the others
//! only know it.
//!
//! Invariants: what is due follows from what is known of the instruments, so it is no state of its
//! own; a change comes before whatever else is handed in at its time or later.

use super::OkxFeed;
use crate::catalogue::upcoming::{in_force, next_change};
use crate::channel::Form;
use crate::link::LinkState;
use market_data_model::{InstType, Instrument, Nanos, Outbox};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When each instrument changes next, by its place in the names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upcoming {
    by_inst: BTreeMap<u32, Nanos>,
    /// The first of them.
    first: Option<Nanos>,
}

impl Upcoming {
    /// This is what is known of an instrument from here on.
    pub(crate) fn note(&mut self, index: u32, instrument: &Instrument) {
        let differs = match next_change(instrument) {
            Some(at) => self.by_inst.insert(index, at) != Some(at),
            None => self.by_inst.remove(&index).is_some(),
        };
        if differs {
            self.first = self.by_inst.values().min().copied();
        }
    }

    /// When the next change is due; may have passed.
    pub(crate) fn next(&self) -> Option<Nanos> {
        self.first
    }

    fn due(&self, now: Nanos) -> Vec<u32> {
        self.by_inst.iter().filter(|(_, at)| **at <= now).map(|(index, _)| *index).collect()
    }
}

impl OkxFeed {
    /// Brings into force what was announced for now or before.
    #[inline]
    pub(super) fn upcoming(&mut self, now: Nanos, out: &mut Outbox) {
        if self.emit.upcoming.next().is_none_or(|at| at > now) {
            return;
        }
        self.come_into_force(now, out);
    }

    #[cold]
    fn come_into_force(&mut self, now: Nanos, out: &mut Outbox) {
        for index in self.emit.upcoming.due(now) {
            let Some((since, changed)) = in_force(self.emit.known(index), now) else { continue };
            let changed = Arc::new(changed);
            match self.channel_of_news(changed.inst_type.as_ref()) {
                Some(channel) => self.emit.came_into_force(now, (channel, since), &changed, out),
                None => drop(self.emit.learn(&changed)),
            }
        }
    }

    /// When the next change is due, for a feed that still does anything.
    pub(super) fn upcoming_at(&self) -> Option<Nanos> {
        let stopped = self.link.state == LinkState::Stopped;
        self.emit.upcoming.next().filter(|_| !stopped)
    }

    /// The channel on which news of that kind of instrument are followed here.
    fn channel_of_news(&self, kind: Option<&InstType>) -> Option<u16> {
        let kind = kind?.as_str();
        let of_kind = |sub: &&super::Sub| {
            let news = sub.spec.is_some_and(|spec| spec.form == Form::Instruments);
            news && sub.wanted && *sub.subscription.key == *kind
        };
        self.subs.iter().find(of_kind).and_then(|sub| sub.place.channel)
    }
}
