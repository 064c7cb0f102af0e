//! A feed of a process that takes over from another: silent until that one has ended. Part of
//! [`OkxFeed`].
//!
//! It connects and follows everything while the old process still records, and keeps what it would
//! have said. Then [`Command::TakeOver`] says how far the old feeds had come: trades and finished
//! bars that those have told are taken out of it, what neither has is a gap that is filled like any
//! other, and everything else comes out at once, under the times at which it was received. See
//! decision 0033.
//!
//! Invariants: nothing comes out before the command; no trade and no finished bar that the old
//! process told comes out, and each one after comes out or lies in a gap; `n` has no holes; what is
//! kept is bounded: a feed that would keep more is spent, stays silent for ever, and its driver
//! makes another one.

use super::OkxFeed;
use crate::channel::Form;
use crate::channel::trades::Series;
use crate::limits::HELD_EVENTS_MAX;
use market_data_model::*;
use std::collections::BTreeMap;

/// What a feed would have said.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    events: Batch,
    spent: bool,
}

/// What the old process has told of one subscription: its index here, and the last id or time.
type Told = (u32, u64);

impl OkxFeed {
    /// Whether everything that it has to say is held back.
    pub fn is_silent(&self) -> bool {
        self.held.is_some()
    }

    /// Whether it has held back more than it may, and will never say anything.
    pub fn is_spent(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.spent)
    }

    /// Keeps what came out, while that is not to be heard.
    pub(super) fn keep_back(&mut self, out: &mut Outbox) {
        let Some(held) = &mut self.held else { return };
        if !held.spent && held.events.len() + out.events.len() > HELD_EVENTS_MAX {
            **held = Held { spent: true, ..Held::default() };
        }
        if !held.spent {
            out.events.iter().for_each(|event| held.events.push(&event));
        }
        out.events.clear();
    }

    /// The old process has ended, and these are the places that its feeds had come to.
    pub(super) fn take_over(&mut self, now: Nanos, known: Vec<Known>, out: &mut Outbox) {
        self.keep_back(out);
        let Some(mut held) = self.held.take_if(|held| !held.spent) else { return };
        held.events.set_names(self.emit.names());
        let mut told: BTreeMap<(Option<u16>, Option<u32>), Told> = BTreeMap::new();
        for Known { subscription, last, .. } in &known {
            if let (Some(index), Some(last)) = (self.by_key.get(subscription), last) {
                let place = self.subs[*index as usize].place;
                told.insert((place.channel, place.inst), (*index, *last));
            }
        }
        let firsts = self.let_go(&held.events, &told, out);
        for Known { subscription, last, heard } in known {
            let Some(index) = self.by_key.get(&subscription).copied() else { continue };
            if let Some(last) = last {
                self.join_on(now, (index, last, heard), firsts.get(&index).copied(), out);
            }
        }
    }

    /// Lets out what the old process has not told; says with what each series begins here.
    fn let_go(
        &mut self,
        events: &Batch,
        told: &BTreeMap<(Option<u16>, Option<u32>), Told>,
        out: &mut Outbox,
    ) -> BTreeMap<u32, u64> {
        let (mut firsts, mut trades) = (BTreeMap::new(), 0);
        let (mut n, mut before) = (0, 0);
        for event in events.iter() {
            // Changes beside have the number of the event before them.
            let counts = event.header.n != before;
            before = event.header.n;
            if let Some((index, last)) = told.get(&(event.header.channel, event.header.inst))
                && let Some((first, again)) = self.position(*index, *last, &event.body)
            {
                firsts.entry(*index).or_insert(first);
                if again {
                    trades += u64::from(matches!(event.body, Body::Trade(_)));
                    continue;
                }
            }
            n += u64::from(counts);
            out.events.push_under(Header { n, ..*event.header }, &event);
        }
        self.emit.renumbered(n, trades);
        firsts
    }

    /// Where a row is in its series, and whether the old process has told it; `None` if it is in
    /// none, or was fetched.
    fn position(&self, index: u32, last: u64, body: &Body<'_>) -> Option<(u64, bool)> {
        match body {
            Body::Trade(trade) if trade.filled.is_none() => {
                let fills = self.fills_of(index, trade).unwrap_or(1);
                let id = trade.trade_id;
                // Far below is another numbering.
                let again = id <= last && last - id < Series::RESTART;
                Some((id.saturating_sub(fills - 1), again))
            }
            Body::Trade(trade) => {
                let again = trade.trade_id <= last && last - trade.trade_id < Series::RESTART;
                again.then_some((trade.trade_id, true))
            }
            Body::Bar(bar) => Some((bar.open_ms, bar.open_ms < last)),
            _ => None,
        }
    }

    /// Goes on from where the old process was: what neither has lies in a gap.
    fn join_on(
        &mut self,
        now: Nanos,
        (index, last, heard): (u32, u64, Nanos),
        first: Option<u64>,
        out: &mut Outbox,
    ) {
        let form = self.subs[index as usize].spec.map(|spec| spec.form);
        let behind = match form {
            Some(Form::Trade) => last.saturating_add(1),
            Some(Form::Bar(..)) if self.config.bars => last,
            Some(Form::Figures(_)) => return self.join_funding(now, (index, last, heard), out),
            _ => return,
        };
        match (first, form) {
            (None, Some(Form::Trade)) => {
                // The next row proves whether anything is missing before it.
                if let Some(series) = &mut self.subs[index as usize].series
                    && series.last().is_none()
                {
                    series.take(last, None);
                }
            }
            (None, _) => self.bars.begin_unless_begun(index, last),
            (Some(first), Some(Form::Trade)) if first > behind => {
                self.inside_restart(now, (index, heard), out, |feed, out| {
                    feed.hole(now, index, (first, first - behind), out);
                });
            }
            (Some(first), Some(Form::Bar(..))) if first > behind => {
                self.inside_restart(now, (index, heard), out, |feed, out| {
                    feed.hole_before(now, index, (behind, first), out);
                });
            }
            _ => {}
        }
    }

    /// Runs `missed` with a gap of ours open, which it takes; a gap that is open already is of what
    /// comes later, and stays.
    pub(super) fn inside_restart(
        &mut self,
        now: Nanos,
        (index, heard): (u32, Nanos),
        out: &mut Outbox,
        missed: impl FnOnce(&mut OkxFeed, &mut Outbox),
    ) {
        let sub = &mut self.subs[index as usize];
        let (later, unproven) = (sub.gap.take(), sub.unproven.take());
        let (was, started) = (sub.heard.replace(heard), std::mem::replace(&mut sub.started, true));
        let gap = Gap {
            id: 0,
            closed: false,
            cause: GapCause::Restart,
            whose: Whose::Ours,
            from_id: None,
            to_id: None,
            from: Some(heard),
            to: None,
            lost: None,
            healed: None,
        };
        sub.gap = Some(self.emit.open_gap(now, sub.place, gap, out));
        missed(self, out);
        let sub = &mut self.subs[index as usize];
        (sub.heard, sub.started) = (was, started);
        (sub.gap, sub.unproven) = (later, unproven);
    }
}
