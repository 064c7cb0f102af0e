//! Trades that never came, fetched over REST. Part of [`OkxFeed`].
//!
//! The ids of a row prove which fills before it are missing (decision 0006). Such a hole keeps its
//! gap open while `market/trades` (the newest 500) and `market/history-trades` (three months, by
//! id) are asked for it, one request at a time; what they give comes out in the order of ids,
//! marked as filled, while live rows go on. Then the gap closes: `rest` when every id came, else
//! `resumed` with the number of those that REST does not have either. See decision 0022.
//!
//! Invariants: no id comes out twice; an id that was neither sent nor fetched is counted in a
//! `gap`; there is one request under way at most; holes and their sizes are bounded.

use super::OkxFeed;
use super::tries::{Tries, wait_after};
use crate::channel::{Unknowns, trades};
use crate::json;
use crate::limits;
use crate::link::Timer;
use market_data_model::*;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// From this id to that one.
type Range = (u64, u64);

/// What is being fetched, and what was of late.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Refill {
    holes: Vec<Hole>,
    asked: Option<Asked>,
    /// The next request not before.
    due: Nanos,
    /// Holes filled of late: a row of theirs that comes after all is none.
    done: VecDeque<(u32, Range)>,
    /// How many trades came this way.
    filled: u64,
    /// The row in hand is the last that a hole misses.
    full: bool,
}

/// Ids that never came, with the gap that says so.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hole {
    index: u32,
    gap: Gap,
    all: Range,
    /// What is left to fetch, ascending.
    missing: Vec<Range>,
    /// What REST does not have.
    gone: u64,
    tries: Tries,
    due: Nanos,
}

/// A request under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    get: u64,
    gap: u64,
    ids: Range,
}

/// What an answer is.
enum Answer {
    /// These trades, ascending.
    Rows(Vec<(Option<Nanos>, Trade)>),
    /// None for the moment.
    Later,
    /// None, ever.
    Never,
}

impl Refill {
    /// How many trades were fetched.
    pub(crate) fn filled(&self) -> u64 {
        self.filled
    }

    /// How many gaps are being filled.
    pub(crate) fn holes(&self) -> usize {
        self.holes.len()
    }

    /// Whose holes there are.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = u32> {
        let open = self.holes.iter().map(|hole| hole.index);
        open.chain(self.done.iter().map(|(index, _)| *index))
    }

    /// Whether some trades of this subscription are being fetched.
    pub(super) fn is_open(&self, index: u32) -> bool {
        self.holes.iter().any(|hole| hole.index == index)
    }

    /// The lowest id of this subscription that is being fetched.
    pub(super) fn first_missing(&self, index: u32) -> Option<u64> {
        let open = self.holes.iter().filter(|hole| hole.index == index);
        open.filter_map(|hole| hole.missing.first().map(|range| range.0)).min()
    }

    /// Whether it is one that rows can have made.
    pub(crate) fn is_sound(&self) -> bool {
        let whole = |hole: &Hole| {
            let apart = hole.missing.windows(2).all(|pair| pair[0].1 < pair[1].0);
            let ordered = hole.missing.iter().all(|(from, to)| from <= to);
            let within = hole.missing.iter().all(|r| r.0 >= hole.all.0 && r.1 <= hole.all.1);
            apart && ordered && within && hole.tries.is_sound() && hole.all.1 < u64::MAX - 1
        };
        self.holes.len() <= limits::REFILL_HOLES_MAX
            && self.done.len() <= limits::REFILL_REMEMBERED
            && self.holes.iter().all(whole)
            && self.filled < u64::MAX
    }

    /// Whether a hole of this size finds room.
    fn admits(&self, lost: u64) -> bool {
        lost <= limits::REFILL_TRADES_MAX && self.holes.len() < limits::REFILL_HOLES_MAX
    }
}

impl OkxFeed {
    /// Ids prove that `lost` fills before `first` never came: fetches them, or says so.
    pub(super) fn hole(
        &mut self,
        now: Nanos,
        index: u32,
        (first, lost): (u64, u64),
        out: &mut Outbox,
    ) {
        let sub = &mut self.subs[index as usize];
        let told = i64::try_from(first).unwrap_or(i64::MAX);
        let wanted = self.config.refill && !self.config.passive && sub.wanted;
        if !wanted || lost == 0 || first <= lost || !self.refill.admits(lost) {
            if lost > 0 {
                self.bars.made.broken(index);
            }
            return sub.prove_lost(now, (told, lost), &mut self.emit, out);
        }
        let gap = sub.gap_of_lost(now, (told, lost), &mut self.emit, out);
        let all = (first - lost, first - 1);
        let hole = Hole {
            index,
            gap,
            all,
            missing: vec![all],
            gone: 0,
            tries: Tries::default(),
            due: now,
        };
        self.refill.holes.push(hole);
        self.refill_next(now, out);
    }

    /// A row older than the newest: whether it is told already, or one that is being fetched.
    pub(super) fn is_refilled(&mut self, index: u32, ids: Range) -> bool {
        let touches = |range: &Range| ids.0 <= range.1 && ids.1 >= range.0;
        if self.refill.done.iter().any(|(of, range)| *of == index && touches(range)) {
            return true;
        }
        let mut holes = self.refill.holes.iter_mut();
        let Some(hole) = holes.find(|hole| hole.index == index && touches(&hole.all)) else {
            return false;
        };
        if !hole.missing.iter().any(|range| range.0 <= ids.0 && ids.1 <= range.1) {
            return true;
        }
        remove(&mut hole.missing, ids);
        self.refill.full = hole.missing.is_empty();
        false
    }

    /// A late row has come out: it may have been the last of its hole.
    pub(super) fn close_full(&mut self, now: Nanos, out: &mut Outbox) {
        if std::mem::take(&mut self.refill.full)
            && let Some(at) = self.refill.holes.iter().position(|hole| hole.missing.is_empty())
        {
            self.close_if_full(now, at, out);
            self.refill_next(now, out);
        }
    }

    /// Nobody wants these trades any more.
    pub(super) fn abandon_holes(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        while let Some(at) = self.refill.holes.iter().position(|hole| hole.index == index) {
            give_up_all(&mut self.refill.holes[at]);
            self.close_hole(now, at, None, out);
        }
    }

    /// Forgets what a connection waited for; what is asked over REST goes on.
    pub(super) fn clear_timers(&mut self, now: Nanos) {
        self.timers.clear();
        if let Some(due) = self.bars_due().filter(|_| !self.stopping) {
            self.timers.set(Timer::Bars, due.max(now));
        }
        if let Some(due) = self.funding_due().filter(|_| !self.stopping) {
            self.timers.set(Timer::Funding, due.max(now));
        }
        if let Some(due) = self.refill_due().filter(|_| !self.stopping) {
            self.timers.set(Timer::Refill, due.max(now));
        }
        if let Some(due) = self.witness_due().filter(|_| !self.lines.swapped) {
            self.timers.set(Timer::Witness, due.max(now));
        }
    }

    /// When the next request is due; `None` = there is none to make.
    fn refill_due(&self) -> Option<Nanos> {
        if self.refill.asked.is_some() {
            return None;
        }
        let first = self.refill.holes.iter().map(|hole| hole.due).min()?;
        Some(first.max(self.refill.due))
    }

    /// Asks for the next piece, now or when its time has come.
    pub(super) fn refill_next(&mut self, now: Nanos, out: &mut Outbox) {
        let Some(due) = self.refill_due().filter(|_| !self.stopping) else {
            return self.timers.stop(Timer::Refill);
        };
        if due > now {
            return self.timers.set(Timer::Refill, due);
        }
        self.timers.stop(Timer::Refill);
        let Some(hole) = self.refill.holes.iter().find(|hole| hole.due <= now) else { return };
        let Some(&(from, _)) = hole.missing.first() else { return };
        let sub = &self.subs[hole.index as usize];
        let key = &sub.subscription.key;
        let newest = sub.series.as_ref().and_then(|series| series.last()).unwrap_or(hole.all.1);
        let recent = hole.tries.is_first() && newest.saturating_sub(from) < limits::REFILL_RECENT;
        let (path, to) = if recent {
            let limit = limits::REST_TRADES_MAX;
            (format!("/api/v5/market/trades?instId={key}&limit={limit}"), hole.all.1)
        } else {
            let page = limits::REST_HISTORY_TRADES_MAX;
            // Rows below an id, the highest first: so many ids from the lowest on, no more.
            let after = from.saturating_add(page).min(hole.all.1 + 1);
            let path = "/api/v5/market/history-trades";
            (format!("{path}?instId={key}&type=1&after={after}&limit={page}"), after - 1)
        };
        let gap = hole.gap.id;
        self.get_number += 1;
        self.refill.asked = Some(Asked { get: self.get_number, gap, ids: (from, to) });
        out.actions.push(Action::Get { id: self.get_number, path });
    }

    /// An answer; says whether it was to a question of this file.
    pub(super) fn refill_answer(
        &mut self,
        now: Nanos,
        (id, status, body): (u64, u16, &[u8]),
        out: &mut Outbox,
    ) -> bool {
        let Some(asked) = self.refill.asked.take_if(|asked| asked.get == id) else { return false };
        self.refill.due = now + limits::REFILL_SPACING_NS;
        if let Some(at) = self.refill.holes.iter().position(|hole| hole.gap.id == asked.gap) {
            let index = self.refill.holes[at].index;
            match self.read_answer(index, (status, body)) {
                Answer::Rows(rows) => self.fill(now, at, (rows, asked.ids), out),
                Answer::Later => {
                    let hole = &mut self.refill.holes[at];
                    let refusals = hole.tries.refused();
                    hole.due = now + wait_after(refusals);
                    if refusals >= limits::REFILL_TRIES_MAX {
                        give_up_all(hole);
                    }
                }
                Answer::Never => give_up_all(&mut self.refill.holes[at]),
            }
            self.close_if_full(now, at, out);
        }
        self.refill_next(now, out);
        true
    }

    fn read_answer(&self, index: u32, (status, body): (u16, &[u8])) -> Answer {
        let Ok(raw) = json::parse(body) else { return Answer::Later };
        let code = raw.field("code").and_then(|code| code.text());
        match (status, code.as_deref()) {
            (200, Some("0")) => {}
            // Wrong parameter, or an instrument that is listed no more (docs, 2026-08-22).
            (_, Some("51000" | "51001" | "50014")) => return Answer::Never,
            _ => return Answer::Later,
        }
        let mut rows = Vec::new();
        for row in raw.field("data").into_iter().flat_map(|data| data.items()) {
            // An unreadable row is one that did not come: its id stays missing, and is said to be.
            let Ok(read) = trades::decode(row, &mut Unknowns::default()) else { continue };
            if self.foreign(index, read.inst_id.as_deref()).is_none() {
                rows.push((read.ts, read.trade));
            }
        }
        rows.sort_by_key(|(_, trade)| trade.trade_id);
        Answer::Rows(rows)
    }

    fn fill(
        &mut self,
        now: Nanos,
        at: usize,
        (rows, asked): (Vec<(Option<Nanos>, Trade)>, Range),
        out: &mut Outbox,
    ) {
        let index = self.refill.holes[at].index;
        let place = self.subs[index as usize].place;
        let before = left(&self.refill.holes[at]);
        for (ts, trade) in rows {
            let hole = &mut self.refill.holes[at];
            let id = trade.trade_id;
            if !hole.missing.iter().any(|range| range.0 <= id && id <= range.1) {
                continue;
            }
            remove(&mut hole.missing, (id, id));
            self.refill.filled += 1;
            self.emit.stats.trades += 1;
            let header = self.emit.header(now, place, ts);
            let filled = Some(FilledFrom::Rest);
            out.events.push_trade(header, Trade { filled, ..trade });
            self.trade_made(now, index, (ts, &trade), out);
        }
        let hole = &mut self.refill.holes[at];
        if hole.missing.first().is_none_or(|range| range.0 > asked.1) {
            (hole.tries, hole.due) = (Tries::default(), now);
            return;
        }
        if left(hole) < before {
            // A page that was cut short; the history has the rest.
            (hole.tries, hole.due) = (Tries::onward(), now);
            return;
        }
        // The history may be a little behind (`market/trades` is the first try, at no cost).
        let looks = hole.tries.look();
        if looks > limits::REFILL_LOOKS_MAX {
            give_up(hole, asked);
            (hole.tries, hole.due) = (Tries::onward(), now);
        } else if looks > 1 {
            hole.due = now + (limits::REFILL_WAIT_MIN_NS << looks);
        }
    }

    fn close_if_full(&mut self, now: Nanos, at: usize, out: &mut Outbox) {
        let hole = &self.refill.holes[at];
        if !hole.missing.is_empty() {
            return;
        }
        let healed = if hole.gone == 0 { Healed::Rest } else { Healed::Resumed };
        if hole.gone == 0 {
            if self.refill.done.len() == limits::REFILL_REMEMBERED {
                self.refill.done.pop_front();
            }
            self.refill.done.push_back((hole.index, hole.all));
        }
        self.close_hole(now, at, Some(healed), out);
    }

    /// Closes a hole's gap, which says what is gone.
    fn close_hole(&mut self, now: Nanos, at: usize, healed: Option<Healed>, out: &mut Outbox) {
        let hole = self.refill.holes.remove(at);
        // The first id behind the hole.
        let to_id = i64::try_from(hole.all.1 + 1).ok();
        let closing = (to_id, Some(hole.gone), healed);
        let place = self.subs[hole.index as usize].place;
        if hole.gone > 0 {
            self.bars.made.broken_before(hole.index);
        }
        self.emit.close_gap(now, place, hole.gap, closing, out);
        self.compare_bars(now, hole.index, out);
    }
}

/// How many ids are left to fetch.
fn left(hole: &Hole) -> u64 {
    hole.missing.iter().map(|(from, to)| to - from + 1).sum()
}

/// What is missing of these ids will not be asked for again.
fn give_up(hole: &mut Hole, ids: Range) {
    let before = left(hole);
    remove(&mut hole.missing, ids);
    hole.gone += before - left(hole);
}

/// None of what is missing will be asked for again.
fn give_up_all(hole: &mut Hole) {
    give_up(hole, hole.all);
}

/// Takes ids out of ascending ranges.
fn remove(ranges: &mut Vec<Range>, ids: Range) {
    let parts = std::mem::take(ranges);
    for (from, to) in parts {
        if to < ids.0 || from > ids.1 {
            ranges.push((from, to));
            continue;
        }
        if from < ids.0 {
            ranges.push((from, ids.0 - 1));
        }
        if to > ids.1 {
            ranges.push((ids.1 + 1, to));
        }
    }
}
