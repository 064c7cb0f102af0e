//! Settlements of funding that nobody heard of, fetched over REST. Part of [`OkxFeed`].
//!
//! A row of `funding-rate` says when the last settlement was and when the next one is. While rows
//! come, each settlement is told by them: `settFundingRate` of the first row behind it. After a
//! loss (a lost connection, a restart, a silence across a settlement) the first row shows how far
//! things have come; what was settled meanwhile is fetched from `funding-rate-history` and comes
//! out as records of that name, in the order of time, marked as fetched. The gap of the loss stays
//! open until then, and closes as `rest`.
//!
//! Nothing numbers settlements, and their interval may change. So an answer is whole only if it
//! reaches from the settlement told last to the one that the row names: both are asked for, and
//! until the newer one is there, the history is behind and is asked again.
//!
//! Invariants: no settlement is fetched into two records; each one between two rows was told, was
//! fetched, or lies in a gap that closes as `resumed`; there is one request under way at most; what
//! is fetched is bounded.

use super::OkxFeed;
use super::tries::wait_after;
use crate::channel::figures::{FigureRow, decode};
use crate::channel::{Form, Unknowns};
use crate::json::{self, Raw};
use crate::limits;
use crate::link::Timer;
use crate::past::PAYMENTS;
use crate::past::funding::{FORM, HISTORY};
use market_data_model::figures::{Cell, Figures, Sheet};
use market_data_model::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The record of `funding-rate`.
const KIND: &str = "funding";
/// No settlement is later than this (the year 2286), in ms.
const TIME_MAX_MS: u64 = 10_000_000_000_000;

/// How far each instrument has come, and what is being fetched.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Funding {
    series: BTreeMap<u32, Series>,
    holes: Vec<Hole>,
    asked: Option<Asked>,
    /// The next request not before.
    due: Nanos,
}

/// Times of settlements of one instrument, in ms.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Series {
    /// What the first row here said was the last one.
    first: u64,
    /// The last one; nothing is missing before it but what holes have.
    told: u64,
    /// The next one, if a row has said so.
    next: Option<u64>,
}

/// Settlements that nobody heard of, with the gap that says so.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hole {
    index: u32,
    gap: Gap,
    /// The last one that was told before, in ms.
    from: u64,
    /// The last one that is missing.
    to: u64,
    /// Older than this is still to be asked for.
    after: u64,
    /// Rows that were fetched, by time.
    rows: BTreeMap<u64, Box<str>>,
    /// Answers in a row that brought nothing.
    tries: u32,
    due: Nanos,
}

/// A request under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    get: u64,
    gap: u64,
}

/// What an answer is.
enum Answer {
    Rows(Vec<(u64, Box<str>)>),
    /// None for the moment.
    Later,
    /// None, ever.
    Never,
}

/// What a page was good for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Page {
    /// There is another one below it.
    More,
    /// The history is behind.
    Behind,
    /// Nothing is left to ask for.
    Last,
}

impl Funding {
    /// How many gaps are being filled.
    pub(crate) fn holes(&self) -> usize {
        self.holes.len()
    }

    /// Whose settlements are followed.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = u32> {
        self.series.keys().copied().chain(self.holes.iter().map(|hole| hole.index))
    }

    /// Whether it is one that rows can have made.
    pub(crate) fn is_sound(&self) -> bool {
        let whole = |hole: &Hole| {
            hole.rows.len() <= limits::FUNDING_MISSING_MAX
                && hole.from < hole.to
                && hole.to < TIME_MAX_MS
                && hole.after <= TIME_MAX_MS
                && hole.tries < u32::MAX
        };
        let known = |series: &Series| {
            series.first.max(series.told).max(series.next.unwrap_or(0)) < TIME_MAX_MS
        };
        self.holes.len() <= limits::BAR_HOLES_MAX
            && self.holes.iter().all(whole)
            && self.series.values().all(known)
    }

    /// The last settlement before which nothing is missing, in ms.
    pub(super) fn told(&self, index: u32) -> Option<u64> {
        let told = self.series.get(&index)?.told;
        let open = self.holes.iter().filter(|hole| hole.index == index).map(|hole| hole.from);
        Some(open.fold(told, u64::min))
    }

    /// As far as this they are known from before.
    pub(super) fn begin(&mut self, index: u32, told: u64) {
        if told < TIME_MAX_MS {
            self.series.insert(index, Series { first: told, told, next: None });
        }
    }
}

impl OkxFeed {
    /// Whether settlements of this subscription are followed.
    pub(super) fn is_funding(&self, index: u32) -> bool {
        let sub = &self.subs[index as usize];
        let form = sub.spec.map(|spec| spec.form);
        let funding = matches!(form, Some(Form::Figures(form)) if form.sheet.kind == KIND);
        self.config.funding && !self.config.passive && sub.wanted && funding
    }

    /// Whether the gap of this subscription stays open until a row shows what was settled.
    pub(super) fn awaits_funding(&self, index: u32) -> bool {
        self.is_funding(index) && self.funding.series.contains_key(&index)
    }

    /// A row is about to be told: what it says was settled since the one before.
    pub(super) fn settled(
        &mut self,
        now: Nanos,
        index: u32,
        (sheet, cells): (&Sheet, &[Cell]),
        out: &mut Outbox,
    ) {
        if sheet.kind != KIND || !self.is_funding(index) {
            return;
        }
        let time = |name: &str| {
            let cell = sheet.columns.iter().position(|column| column.name == name);
            match cell.and_then(|at| cells.get(at)) {
                Some(Cell::Count(at)) => Some(*at).filter(|at| *at < TIME_MAX_MS),
                _ => None,
            }
        };
        // Rows of 2021 name no last settlement: they prove nothing.
        let Some(told) = time("prevFundingTime") else { return self.resume(now, index, out) };
        let next = time("fundingTime");
        let Some(series) = self.funding.series.get_mut(&index) else {
            self.funding.series.insert(index, Series { first: told, told, next });
            return self.resume(now, index, out);
        };
        let was = *series;
        if told < was.told {
            return self.resume(now, index, out);
        }
        (series.told, series.next) = (told, next);
        let lost = self.subs[index as usize].gap.is_some();
        let unheard = lost || was.next.is_some_and(|next| told > next);
        match told > was.told && unheard {
            true => self.hole_of_funding(now, index, (was.told, told), out),
            false => self.resume(now, index, out),
        }
    }

    fn resume(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        let closing = (None, None, Some(Healed::Resumed));
        self.subs[index as usize].heal(now, closing, &mut self.emit, out);
    }

    /// The old process was told of settlements up to `last`; rows here may begin later.
    pub(super) fn join_funding(
        &mut self,
        now: Nanos,
        (index, last, heard): (u32, u64, Nanos),
        out: &mut Outbox,
    ) {
        match self.funding.series.get(&index).map(|series| series.first) {
            None if self.is_funding(index) => self.funding.begin(index, last),
            Some(first) if first > last => {
                self.inside_restart(now, (index, heard), out, |feed, out| {
                    feed.hole_of_funding(now, index, (last, first), out);
                });
            }
            _ => {}
        }
    }

    /// Nobody heard of what was settled after `from`, up to `to`.
    fn hole_of_funding(
        &mut self,
        now: Nanos,
        index: u32,
        (from, to): (u64, u64),
        out: &mut Outbox,
    ) {
        let blank = Gap {
            id: 0,
            closed: false,
            cause: GapCause::Silence,
            whose: Whose::Venue,
            from_id: i64::try_from(from).ok(),
            to_id: None,
            from: self.subs[index as usize].heard,
            to: None,
            lost: None,
            healed: None,
        };
        let sub = &mut self.subs[index as usize];
        let gap = match sub.gap.take() {
            Some(gap) => Gap { from_id: blank.from_id, ..gap },
            None => self.emit.open_gap(now, sub.place, blank, out),
        };
        let (rows, after, tries) = (BTreeMap::new(), to + 1, 0);
        let at = self.funding.holes.len();
        self.funding.holes.push(Hole { index, gap, from, to, after, rows, tries, due: now });
        if at >= limits::BAR_HOLES_MAX {
            self.close_hole_of_funding(now, at, Some(Healed::Resumed), out);
        }
        self.funding_next(now, out);
    }

    /// Nobody wants these any more.
    pub(super) fn abandon_funding(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        while let Some(at) = self.funding.holes.iter().position(|hole| hole.index == index) {
            self.funding.holes[at].rows.clear();
            self.close_hole_of_funding(now, at, None, out);
        }
        self.funding.series.remove(&index);
    }

    /// When the next request is due; `None` = there is none to make.
    pub(super) fn funding_due(&self) -> Option<Nanos> {
        if self.funding.asked.is_some() {
            return None;
        }
        let first = self.funding.holes.iter().map(|hole| hole.due).min()?;
        Some(first.max(self.funding.due))
    }

    /// Asks for the next page, now or when its time has come.
    pub(super) fn funding_next(&mut self, now: Nanos, out: &mut Outbox) {
        let Some(due) = self.funding_due().filter(|_| !self.stopping) else {
            return self.timers.stop(Timer::Funding);
        };
        if due > now {
            return self.timers.set(Timer::Funding, due);
        }
        self.timers.stop(Timer::Funding);
        let Some(hole) = self.funding.holes.iter().find(|hole| hole.due <= now) else { return };
        let (after, before, gap) = (hole.after, hole.from.saturating_sub(1), hole.gap.id);
        let key = &self.subs[hole.index as usize].subscription.key;
        let page = limits::REST_PAYMENTS_MAX;
        // Both are exclusive, so that both ends are in the answer.
        let path = format!("{HISTORY}?instId={key}&after={after}&before={before}&limit={page}");
        self.get_number += 1;
        self.funding.asked = Some(Asked { get: self.get_number, gap });
        out.actions.push(Action::Get { id: self.get_number, path });
    }

    /// An answer; says whether it was to a question of this file.
    pub(super) fn funding_answer(
        &mut self,
        now: Nanos,
        (id, status, body): (u64, u16, &[u8]),
        out: &mut Outbox,
    ) -> bool {
        let Some(asked) = self.funding.asked.take_if(|asked| asked.get == id) else { return false };
        self.funding.due = now + limits::FUNDING_SPACING_NS;
        if let Some(at) = self.funding.holes.iter().position(|hole| hole.gap.id == asked.gap) {
            let hole = &mut self.funding.holes[at];
            let page = match read(&self.subs[hole.index as usize].subscription.key, status, body) {
                Answer::Rows(rows) => hole.take(rows),
                Answer::Later => Page::Behind,
                Answer::Never => Page::Last,
            };
            match page {
                Page::More => (hole.tries, hole.due) = (0, now),
                Page::Behind => {
                    hole.tries += 1;
                    hole.due = now + wait_after(hole.tries);
                }
                Page::Last => {}
            }
            if page == Page::Last || hole.tries >= limits::FUNDING_LOOKS_MAX {
                self.close_hole_of_funding(now, at, Some(Healed::Resumed), out);
            }
        }
        self.funding_next(now, out);
        true
    }

    /// Tells what was fetched, and closes the gap.
    fn close_hole_of_funding(
        &mut self,
        now: Nanos,
        at: usize,
        healed: Option<Healed>,
        out: &mut Outbox,
    ) {
        let hole = self.funding.holes.remove(at);
        let place = self.subs[hole.index as usize].place;
        let whole = hole.is_whole();
        let channel = Some(self.emit.channel(&PAYMENTS.into()));
        let mut record = FigureRow::default();
        for text in hole.rows.range(hole.from + 1..=hole.to).map(|(_, text)| text) {
            let Ok(row) = json::parse(text.as_bytes()) else { continue };
            // It was read before.
            if decode(row, None, &FORM, &mut record, &mut Unknowns::default()).is_err() {
                continue;
            }
            record.mark_fetched();
            self.emit.stats.figures += 1;
            let header = self.emit.header(now, super::Place { channel, ..place }, None);
            out.events.push_figures(header, Figures::new(&FORM.sheet, &record.cells, &record.text));
        }
        let lost = whole.then_some(0).filter(|_| healed.is_some());
        let healed = healed.map(|healed| if whole { Healed::Rest } else { healed });
        let closing = (i64::try_from(hole.to).ok(), lost, healed);
        self.emit.close_gap_of_bars(now, place, hole.gap, closing, out);
    }
}

impl Hole {
    /// Whether what was fetched reaches from end to end.
    fn is_whole(&self) -> bool {
        self.rows.contains_key(&self.from) && self.rows.contains_key(&self.to)
    }

    fn take(&mut self, rows: Vec<(u64, Box<str>)>) -> Page {
        let within = |at: &u64| (self.from..self.after).contains(at);
        let rows: Vec<_> = rows.into_iter().filter(|(at, _)| within(at)).collect();
        let newest = self.rows.contains_key(&self.to) || rows.iter().any(|row| row.0 == self.to);
        let last_look = self.tries + 1 >= limits::FUNDING_LOOKS_MAX;
        if !newest && !last_look {
            return Page::Behind;
        }
        let Some(lowest) = rows.iter().map(|(at, _)| *at).min() else { return Page::Last };
        if self.rows.len() + rows.len() > limits::FUNDING_MISSING_MAX {
            return Page::Last;
        }
        self.rows.extend(rows);
        self.after = lowest;
        if lowest == self.from { Page::Last } else { Page::More }
    }
}

/// What an answer says of this instrument.
fn read(key: &str, status: u16, body: &[u8]) -> Answer {
    let Ok(raw) = json::parse(body) else { return Answer::Later };
    match (status, raw.field("code").and_then(Raw::text).as_deref()) {
        (200, Some("0")) => {}
        // Wrong parameter, or an instrument that is listed no more (docs, 2026-08-22).
        (_, Some("51000" | "51001" | "50014")) => return Answer::Never,
        _ => return Answer::Later,
    }
    let mut rows = Vec::new();
    let mut record = FigureRow::default();
    for row in raw.field("data").into_iter().flat_map(|data| data.items()) {
        // An unreadable row is one that did not come.
        let read = decode(row, None, &FORM, &mut record, &mut Unknowns::default());
        if read.is_ok()
            && record.inst_id == key
            && let Some(at) = record.paid_ms()
            && rows.len() < limits::REST_PAYMENTS_MAX
        {
            rows.push((at, row.as_str().into()));
        }
    }
    Answer::Rows(rows)
}
