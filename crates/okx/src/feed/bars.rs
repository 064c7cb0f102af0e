//! Bars that never came, fetched over REST; and what each bar is worth. Part of [`OkxFeed`].
//!
//! A bar ends when the next one begins, so the rows of a series prove which finished bars before
//! them never came. Such a hole keeps its gap open while `market/candles` (the newest 1,440) and
//! `market/history-candles` are asked for it, one request at a time; what they give comes out in
//! the order of time, marked as filled, while live rows go on. After a loss the gap stays open
//! until a row, or REST, has shown how far the series has come. What nobody has is made of the
//! trades in it (`bars/made.rs`), if they are complete, or said to be missing. Then the gap closes:
//! `rest` when every bar came, else `resumed` with the number of those that are missing. See
//! decision 0025.
//!
//! Invariants: no bar is fetched twice; every bar between two that came was told, is said to be
//! missing, or lies in a gap that is open; there is one request under way at most; holes and their
//! sizes are bounded.

mod endpoints;
pub(super) mod made;

use super::OkxFeed;
use super::tries::{Tries, wait_after};
use crate::channel::{BarSpec, Form, bars};
use crate::json;
use crate::limits;
use crate::link::Timer;
use made::Made;
use market_data_model::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far each series has come, and what is being fetched.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Bars {
    series: BTreeMap<u32, Series>,
    holes: Vec<Hole>,
    asked: Option<Asked>,
    /// The next request not before.
    due: Nanos,
    /// How many bars came this way, and how many nobody has.
    filled: u64,
    missing: u64,
    /// The row in hand is the last that a hole misses.
    full: bool,
    pub(super) made: Made,
}

/// How far one series has come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Series {
    /// Opening time of the first bar whose end was not told, in ms.
    next: u64,
    /// Opening time of the last finished bar before it.
    last: Option<u64>,
}

/// Bars that never came, with the gap that says so.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hole {
    index: u32,
    gap: Gap,
    /// Opening time of the first, in ms.
    from: u64,
    /// Opening time of the first bar behind it; `None` = not known yet.
    end: Option<u64>,
    /// Opening times of what is left to fetch, ascending.
    missing: Vec<u64>,
    /// Whether any was fetched.
    filled: bool,
    /// What nobody has.
    gone: u64,
    /// Nobody could say how far the series had come.
    unknown: bool,
    tries: Tries,
    due: Nanos,
}

/// A request under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    get: u64,
    gap: u64,
    /// The last bar asked for, by its opening time in ms.
    to: u64,
}

/// What an answer is.
enum Answer {
    /// These bars, ascending.
    Rows(Vec<Bar>),
    /// None for the moment.
    Later,
    /// None, ever.
    Never,
}

impl Bars {
    /// How many bars were fetched.
    pub(crate) fn filled(&self) -> u64 {
        self.filled
    }

    /// How many bars nobody has.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// How many gaps are being filled.
    pub(crate) fn holes(&self) -> usize {
        self.holes.len()
    }

    /// Whose series there are.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = u32> {
        let open = self.holes.iter().map(|hole| hole.index);
        open.chain(self.series.keys().copied()).chain(self.made.subscriptions())
    }

    /// Whether it is one that rows can have made.
    pub(crate) fn is_sound(&self) -> bool {
        let whole = |hole: &Hole| {
            hole.missing.windows(2).all(|pair| pair[0] < pair[1])
                && hole.missing.len() <= limits::BARS_MISSING_MAX
                && hole.missing.iter().all(|at| *at < TIME_MAX_MS)
                && hole.from < 2 * TIME_MAX_MS
                && hole.tries.is_sound()
                && hole.gone < u64::MAX / 2
        };
        self.holes.len() <= limits::BAR_HOLES_MAX
            && self.holes.iter().all(whole)
            && self.series.values().all(|series| series.next < 2 * TIME_MAX_MS)
            && self.filled.max(self.missing) < u64::MAX / 2
            && self.made.is_sound()
    }

    /// What must be told again of a series if this feed is never heard of again, from where on:
    /// opening time of the first bar whose end was not told, or that is being fetched, in ms.
    pub(super) fn proven(&self, index: u32) -> Option<u64> {
        let series = self.series.get(&index)?;
        let open = self.holes.iter().filter(|hole| hole.index == index);
        let first = open.map(|hole| hole.missing.first().copied().unwrap_or(hole.from)).min();
        Some(first.unwrap_or(series.next).min(series.next))
    }

    /// As far as this the series is known from before.
    pub(super) fn begin(&mut self, index: u32, next: u64) {
        if next < TIME_MAX_MS {
            self.series.insert(index, Series { next, last: None });
        }
    }

    /// The same, unless rows have shown where it is.
    pub(super) fn begin_unless_begun(&mut self, index: u32, next: u64) {
        if !self.series.contains_key(&index) {
            self.begin(index, next);
        }
    }
}

/// No bar opens later than this (the year 2286), in ms.
const TIME_MAX_MS: u64 = 10_000_000_000_000;

/// What a bar is worth as the venue sent it.
pub(super) fn state_of(bar: &Bar, filled: bool) -> Option<BarState> {
    let traded = bar.volume.is_none_or(|volume| !volume.0.is_zero());
    Some(match bar.closed? {
        false => BarState::Forming,
        true if !traded => BarState::NoTrades,
        true if filled => BarState::FilledFromRest,
        true => BarState::Confirmed,
    })
}

impl OkxFeed {
    /// Whether the bars of this subscription are followed.
    pub(super) fn follows_bars(&self, index: u32) -> bool {
        let sub = &self.subs[index as usize];
        self.config.bars && !self.config.passive && sub.wanted && self.size_of(index).is_some()
    }

    fn size_of(&self, index: u32) -> Option<(BarKind, &'static BarSpec)> {
        match self.subs[index as usize].spec?.form {
            Form::Bar(kind, size) => Some((kind, size)),
            _ => None,
        }
    }

    /// A row is about to be told: what it is worth, and what it proves missing.
    pub(super) fn follow(&mut self, now: Nanos, index: u32, bar: Bar, out: &mut Outbox) -> Bar {
        self.prove_bars(now, index, &bar, out);
        let bar = Bar { state: state_of(&bar, false), ..bar };
        self.bars.made.told(index, bar, &self.refill)
    }

    fn prove_bars(&mut self, now: Nanos, index: u32, bar: &Bar, out: &mut Outbox) {
        if bar.open_ms > now.millis().saturating_add(limits::BARS_AHEAD_MS) {
            // Either clock is wrong, and nothing can be concluded.
            let sub = &mut self.subs[index as usize];
            return sub.heal(now, (None, None, Some(Healed::Resumed)), &mut self.emit, out);
        }
        let closed = bar.closed == Some(true);
        let after = |series: Series| match closed {
            true => Series { next: bar.close_ms, last: Some(bar.open_ms) },
            false => Series { next: bar.open_ms, ..series },
        };
        let Some(series) = self.bars.series.get(&index).copied() else {
            let series = after(Series { next: bar.open_ms, last: None });
            self.bars.series.insert(index, series);
            let sub = &mut self.subs[index as usize];
            return sub.heal(now, (None, None, Some(Healed::Resumed)), &mut self.emit, out);
        };
        if closed {
            self.no_longer_missing(index, bar.open_ms);
        }
        if self.shown(now, index, bar.open_ms, out) {
            self.bars_next(now, out);
        }
        let series = self.bars.series.get(&index).copied().unwrap_or(series);
        if bar.open_ms > series.next {
            self.hole_of_bars(now, index, (series, bar.open_ms), out);
        }
        if bar.open_ms > series.next || (closed && bar.open_ms == series.next) {
            self.bars.series.insert(index, after(series));
        }
    }

    fn no_longer_missing(&mut self, index: u32, open_ms: u64) {
        for hole in self.bars.holes.iter_mut().filter(|hole| hole.index == index) {
            if let Ok(at) = hole.missing.binary_search(&open_ms) {
                hole.missing.remove(at);
                self.bars.full |= hole.missing.is_empty() && hole.end.is_some();
            }
        }
    }

    /// The series has come to this bar: a hole whose end was not known ends before it.
    /// Says whether there was one.
    fn shown(&mut self, now: Nanos, index: u32, open_ms: u64, out: &mut Outbox) -> bool {
        let open_ended = |hole: &Hole| hole.index == index && hole.end.is_none();
        let Some(at) = self.bars.holes.iter().position(open_ended) else { return false };
        let hole = &self.bars.holes[at];
        if open_ms < hole.from {
            return false;
        }
        let bounds = (hole.from, open_ms);
        let (missing, too_many) = (self.between(index, bounds), self.too_many(index, bounds));
        let hole = &mut self.bars.holes[at];
        (hole.end, hole.due, hole.tries) = (Some(open_ms), now, Tries::default());
        match missing {
            Some(missing) => hole.missing = missing,
            None => hole.gone = too_many,
        }
        if let Some(series) = self.bars.series.get_mut(&index)
            && series.next < open_ms
        {
            // What is missing up to here is this hole's business.
            series.next = open_ms;
        }
        self.close_hole_if_full(now, at, out);
        true
    }

    /// Nobody told the bars from `next` up to the one that opens at `open_ms`.
    pub(super) fn hole_before(
        &mut self,
        now: Nanos,
        index: u32,
        (next, open_ms): (u64, u64),
        out: &mut Outbox,
    ) {
        self.hole_of_bars(now, index, (Series { next, last: None }, open_ms), out);
    }

    /// Rows prove that the bars from `series.next` to `open_ms` never came.
    fn hole_of_bars(
        &mut self,
        now: Nanos,
        index: u32,
        (series, open_ms): (Series, u64),
        out: &mut Outbox,
    ) {
        let known = |hole: &Hole| hole.index == index && hole.end == Some(open_ms);
        if self.bars.holes.iter().any(known) {
            return;
        }
        let bounds = (series.next, open_ms);
        let missing = self.between(index, bounds);
        let blank = Gap {
            id: 0,
            closed: false,
            cause: GapCause::Sequence,
            whose: Whose::Venue,
            from_id: series.last.and_then(|last| i64::try_from(last).ok()),
            to_id: None,
            from: self.subs[index as usize].heard,
            to: None,
            lost: None,
            healed: None,
        };
        let sub = &mut self.subs[index as usize];
        let gap = match sub.gap.take() {
            Some(gap) => gap,
            None => self.emit.open_gap(now, sub.place, blank, out),
        };
        let gone = if missing.is_none() { self.too_many(index, bounds) } else { 0 };
        let missing = missing.unwrap_or_default();
        let (from, end) = (series.next, Some(open_ms));
        let (filled, unknown, tries) = (false, false, Tries::default());
        let hole = Hole { index, gap, from, end, missing, filled, gone, unknown, tries, due: now };
        let at = self.bars.holes.len();
        self.bars.holes.push(hole);
        if at >= limits::BAR_HOLES_MAX {
            self.give_up_bars(now, at, u64::MAX, out);
        }
        self.close_hole_if_full(now, at, out);
        self.bars_next(now, out);
    }

    /// The opening times of the bars between; `None` when they are too many to fetch.
    fn between(&self, index: u32, (from, end): (u64, u64)) -> Option<Vec<u64>> {
        let (_, size) = self.size_of(index)?;
        let (mut all, mut at) = (Vec::new(), from);
        while at < end {
            if all.len() == limits::BARS_MISSING_MAX {
                return None;
            }
            all.push(at);
            at = size.close_ms(at).max(at + 1);
        }
        Some(all)
    }

    fn too_many(&self, index: u32, (from, end): (u64, u64)) -> u64 {
        let length = self.size_of(index).map_or(1, |(_, size)| size.close_ms(from) - from);
        end.saturating_sub(from).div_ceil(length.max(1))
    }

    /// A subscription works again after a loss: its gap stays open until something shows how far
    /// the series has come. Says whether it does.
    pub(super) fn await_bars(&mut self, now: Nanos, index: u32) -> bool {
        let Some(series) = self.bars.series.get(&index).copied() else { return false };
        if !self.follows_bars(index) || self.subs[index as usize].gap.is_none() {
            return false;
        }
        let open_ended = |hole: &Hole| hole.index == index && hole.end.is_none();
        if let Some(hole) = self.bars.holes.iter_mut().find(|hole| open_ended(hole)) {
            // One gap tells it all: the one before is still open.
            hole.due = now + limits::BARS_QUIET_NS;
            return false;
        }
        if self.bars.holes.len() >= limits::BAR_HOLES_MAX {
            return false;
        }
        let Some(mut gap) = self.subs[index as usize].gap.take() else { return false };
        gap.from_id = gap.from_id.or(series.last.and_then(|last| i64::try_from(last).ok()));
        self.bars.holes.push(Hole {
            index,
            gap,
            from: series.next,
            end: None,
            missing: Vec::new(),
            filled: false,
            gone: 0,
            unknown: false,
            tries: Tries::default(),
            due: now + limits::BARS_QUIET_NS,
        });
        let due = self.bars_due();
        due.into_iter().for_each(|due| self.timers.set(Timer::Bars, due));
        true
    }

    /// Nobody wants these bars any more.
    pub(super) fn abandon_bars(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        while let Some(at) = self.bars.holes.iter().position(|hole| hole.index == index) {
            let hole = &mut self.bars.holes[at];
            hole.gone += hole.missing.len() as u64;
            self.close_hole_of_bars(now, at, None, out);
        }
        // Whoever wants them again begins anew.
        self.bars.series.remove(&index);
        self.bars.made.forget(index);
    }

    /// A row has come out: it may have been the last of its hole.
    pub(super) fn close_full_bars(&mut self, now: Nanos, out: &mut Outbox) {
        while std::mem::take(&mut self.bars.full) {
            let full = |hole: &Hole| hole.missing.is_empty() && hole.end.is_some();
            let Some(at) = self.bars.holes.iter().position(full) else { return };
            self.close_hole_if_full(now, at, out);
            self.bars.full = self.bars.holes.iter().any(full);
            self.bars_next(now, out);
        }
    }

    /// When the next request is due; `None` = there is none to make.
    pub(super) fn bars_due(&self) -> Option<Nanos> {
        if self.bars.asked.is_some() {
            return None;
        }
        let first = self.bars.holes.iter().map(|hole| hole.due).min()?;
        Some(first.max(self.bars.due))
    }

    /// Asks for the next piece, now or when its time has come.
    pub(super) fn bars_next(&mut self, now: Nanos, out: &mut Outbox) {
        loop {
            let Some(due) = self.bars_due().filter(|_| !self.stopping) else {
                return self.timers.stop(Timer::Bars);
            };
            if due > now {
                return self.timers.set(Timer::Bars, due);
            }
            self.timers.stop(Timer::Bars);
            let Some(at) = self.bars.holes.iter().position(|hole| hole.due <= now) else { return };
            if self.ask_for_bars(at, out) {
                return;
            }
            // There is nobody to ask.
            self.give_up_bars(now, at, u64::MAX, out);
            self.close_hole_if_full(now, at, out);
        }
    }

    /// Asks for what a hole misses first; false when the venue has no answer to that.
    fn ask_for_bars(&mut self, at: usize, out: &mut Outbox) -> bool {
        let hole = &self.bars.holes[at];
        let Some((kind, size)) = self.size_of(hole.index) else { return false };
        let newest = self.bars.series.get(&hole.index).map_or(0, |series| series.next);
        let newest = newest.max(hole.end.unwrap_or(0));
        let Some(rest) = endpoints::of(kind, size.suffix) else { return false };
        let (from, to) = match (hole.missing.first(), hole.end) {
            (Some(&from), _) => {
                let length = (size.close_ms(from) - from).max(1);
                let fits = |at: &&u64| (**at - from) / length < rest.page as u64;
                let last = hole.missing.iter().take_while(fits).last();
                (from, last.copied().unwrap_or(from))
            }
            // Whatever there is; the first of it shows how far the series has come.
            (None, None) => (hole.from, TIME_MAX_MS),
            (None, Some(_)) => return false,
        };
        let length = (size.close_ms(from) - from).max(1);
        let near = newest.saturating_sub(from) / length < limits::BARS_RECENT;
        let key = &self.subs[hole.index as usize].subscription.key;
        let path = rest.path((key, size.suffix), (from, to), (near, hole.tries.count()));
        let gap = hole.gap.id;
        self.get_number += 1;
        self.bars.asked = Some(Asked { get: self.get_number, gap, to });
        out.actions.push(Action::Get { id: self.get_number, path });
        true
    }

    /// An answer; says whether it was to a question of this file.
    pub(super) fn bars_answer(
        &mut self,
        now: Nanos,
        (id, status, body): (u64, u16, &[u8]),
        out: &mut Outbox,
    ) -> bool {
        let Some(asked) = self.bars.asked.take_if(|asked| asked.get == id) else { return false };
        self.bars.due = now + limits::BARS_SPACING_NS;
        let at = |feed: &OkxFeed| feed.bars.holes.iter().position(|hole| hole.gap.id == asked.gap);
        if let Some(at) = at(self) {
            match self.read_bars(self.bars.holes[at].index, (status, body)) {
                Answer::Rows(rows) => self.fill_bars(now, at, (rows, asked.to), out),
                Answer::Later => {
                    let hole = &mut self.bars.holes[at];
                    let refusals = hole.tries.refused();
                    hole.due = now + wait_after(refusals);
                    if refusals >= limits::REFILL_TRIES_MAX {
                        self.give_up_bars(now, at, u64::MAX, out);
                    }
                }
                Answer::Never => self.give_up_bars(now, at, u64::MAX, out),
            }
        }
        if let Some(at) = at(self) {
            self.close_hole_if_full(now, at, out);
        }
        self.bars_next(now, out);
        true
    }

    fn read_bars(&self, index: u32, (status, body): (u16, &[u8])) -> Answer {
        let Some((kind, size)) = self.size_of(index) else { return Answer::Never };
        let Ok(raw) = json::parse(body) else { return Answer::Later };
        let code = raw.field("code").and_then(|code| code.text());
        match (status, code.as_deref()) {
            (200, Some("0")) => {}
            // Wrong parameter, or an instrument that is listed no more (docs, 2026-08-22).
            (_, Some("51000" | "51001" | "50014")) => return Answer::Never,
            _ => return Answer::Later,
        }
        let rows = raw.field("data").into_iter().flat_map(|data| data.items());
        // An unreadable row is one that did not come: its bar stays missing, and is said to be.
        let mut rows: Vec<Bar> =
            rows.filter_map(|row| bars::decode(row, kind, size).ok()).collect();
        rows.sort_by_key(|bar| bar.open_ms);
        Answer::Rows(rows)
    }

    fn fill_bars(&mut self, now: Nanos, at: usize, (rows, to): (Vec<Bar>, u64), out: &mut Outbox) {
        let hole = &self.bars.holes[at];
        let index = hole.index;
        if hole.end.is_none() {
            let newest = rows.last().filter(|bar| bar.open_ms >= hole.from);
            let shown = newest.map(|bar| match bar.closed {
                Some(true) => bar.close_ms,
                _ => bar.open_ms,
            });
            // A caught-up series has nothing newer than what was told.
            let (gap, from) = (hole.gap.id, hole.from);
            self.shown(now, index, shown.unwrap_or(from).min(TIME_MAX_MS - 1), out);
            let Some(found) = self.bars.holes.iter().position(|hole| hole.gap.id == gap) else {
                return;
            };
            // Asked again at once if these rows were not all: the page has an end.
            return self.take_rows(now, found, (rows, to), out);
        }
        self.take_rows(now, at, (rows, to), out);
    }

    fn take_rows(&mut self, now: Nanos, at: usize, (rows, to): (Vec<Bar>, u64), out: &mut Outbox) {
        let hole = &mut self.bars.holes[at];
        let (index, place) = (hole.index, self.subs[hole.index as usize].place);
        let mut some = false;
        for bar in rows.into_iter().filter(|bar| bar.closed == Some(true)) {
            let Ok(found) = hole.missing.binary_search(&bar.open_ms) else { continue };
            hole.missing.remove(found);
            (hole.filled, some) = (true, true);
            self.bars.filled += 1;
            self.emit.stats.bars += 1;
            let (state, filled) = (state_of(&bar, true), Some(FilledFrom::Rest));
            let bar = Bar { state, filled, ..bar };
            let bar = self.bars.made.told(index, bar, &self.refill);
            let header = self.emit.header(now, place, None);
            out.events.push_bar(header, bar);
        }
        let left = hole.missing.first().is_some_and(|first| *first <= to);
        if !left || (some && to == TIME_MAX_MS) {
            (hole.tries, hole.due) = (Tries::default(), now);
            return;
        }
        if some {
            // A page that was cut short, or one of a cache that is behind.
            hole.tries.progress();
            hole.due = now;
            return;
        }
        // The caches of the venue may be behind, each on its own.
        let looks = hole.tries.look();
        hole.due = now + (limits::REFILL_WAIT_MIN_NS << looks.min(5));
        if looks > limits::BARS_LOOKS_MAX {
            (hole.tries, hole.due) = (Tries::onward(), now);
            self.give_up_bars(now, at, to, out);
        }
    }

    /// What is missing up to there will not be asked for again: it is made of its trades, or said
    /// to be nowhere.
    fn give_up_bars(&mut self, now: Nanos, at: usize, to: u64, out: &mut Outbox) {
        let hole = &mut self.bars.holes[at];
        hole.unknown |= hole.end.is_none();
        hole.end.get_or_insert(hole.from);
        let (index, cut) = (hole.index, hole.missing.partition_point(|open_ms| *open_ms <= to));
        let gone: Vec<u64> = hole.missing.drain(..cut).collect();
        let place = self.subs[index as usize].place;
        let Some((kind, size)) = self.size_of(index) else { return };
        for open_ms in gone {
            let made = self.bars.made.rebuilt(index, open_ms, &self.refill);
            let made = made.map(|bar| Bar { interval: size.interval, ..bar });
            let none = Px(Decimal::NONE);
            let bar = made.unwrap_or(Bar {
                kind,
                interval: size.interval,
                open_ms,
                close_ms: size.close_ms(open_ms),
                open: none,
                high: none,
                low: none,
                close: none,
                volume: None,
                volume_ccy: None,
                volume_quote: None,
                closed: None,
                state: Some(BarState::Missing),
                filled: None,
                flow: None,
            });
            let is_gone = bar.state == Some(BarState::Missing);
            self.bars.holes[at].gone += u64::from(is_gone);
            self.emit.stats.bars += 1;
            let header = self.emit.header(now, place, None);
            out.events.push_bar(header, bar);
        }
    }

    fn close_hole_if_full(&mut self, now: Nanos, at: usize, out: &mut Outbox) {
        let hole = &self.bars.holes[at];
        if !hole.missing.is_empty() || hole.end.is_none() {
            return;
        }
        let whole = hole.gone == 0 && hole.filled;
        let healed = if whole { Healed::Rest } else { Healed::Resumed };
        self.close_hole_of_bars(now, at, Some(healed), out);
    }

    /// Closes a hole's gap, which says what is gone.
    fn close_hole_of_bars(
        &mut self,
        now: Nanos,
        at: usize,
        healed: Option<Healed>,
        out: &mut Outbox,
    ) {
        let hole = self.bars.holes.remove(at);
        self.bars.missing += hole.gone;
        let to_id = hole.end.filter(|_| !hole.unknown).and_then(|end| i64::try_from(end).ok());
        let place = self.subs[hole.index as usize].place;
        let closing = (to_id, Some(hole.gone).filter(|_| !hole.unknown), healed);
        self.emit.close_gap_of_bars(now, place, hole.gap, closing, out);
    }
}
