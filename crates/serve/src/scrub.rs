//! A stretch of the tape for who goes through it by hand: the state at a moment, and what came
//! after it, page by page at the reader's own pace.
//!
//! REST asks (`rest/tape.rs`); each page enters the tape anew at the last states before it, so
//! nothing is kept between two pages. The feeds run as they did then, so records are the same text
//! as `replay` and `/ws` give.
//!
//! Invariants: a record is on one page of a reader that goes on at `next`, and in the order of
//! receipt; a page holds `limit` records, [`BYTES_MAX`] bytes, and what else one input brought;
//! reading is off the feeds' and the sink's threads, one reader works at a time, and one that
//! nobody waits for any more ends.

use crate::book::{Text, text};
use crate::past::Books;
use crate::store::{Kept, Store};
use market_data::replay::{Past, past};
use market_data_model::batch::Names;
use market_data_model::{Body, EventRef, Nanos};
use market_data_tape::reader::{ReadError, Tape};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Most pages that are made at one time.
pub(crate) const SCRUBBERS_MAX: usize = 4;
/// How far before a moment reading begins, so that slow channels are known there.
const LEAD_NS: u64 = 60_000_000_000;
/// Feeds are not in step on the tape: what was received before a time may stand so far behind it.
pub(crate) const STEP_NS: u64 = 2_000_000_000;
/// Inputs after which others get their turn.
const TURN: u32 = 1024;
/// Most bytes of a page's records.
const BYTES_MAX: usize = 4 << 20;
/// Most trades of a state.
const TRADES_MAX: usize = 80;

/// Which page.
#[derive(Debug)]
pub(crate) struct Ask {
    pub inst: String,
    /// Whose `index-tickers` are wanted, too; may be empty.
    pub index: String,
    /// The first receive time, and the first that is not wanted.
    pub from: Nanos,
    pub to: Nanos,
    /// Whether to begin with the state at `from`.
    pub state: bool,
    /// Whether the last ticker of every other instrument is wanted.
    pub others: bool,
    /// Most records.
    pub limit: usize,
    /// Whether the tape is being written, so that its end is not settled yet.
    pub growing: bool,
}

impl Ask {
    fn wants(&self, event: &EventRef<'_>) -> bool {
        let (channel, inst) = (event.channel(), event.inst_id());
        !channel.is_empty()
            && (inst == self.inst || (channel == "index-tickers" && inst == self.index))
    }
}

/// What was there.
#[derive(Debug)]
pub(crate) struct Page {
    /// Where the next page begins: everything before is on this one.
    pub next: Nanos,
    /// There is nothing later on the tape at the moment.
    pub end: bool,
    pub state: Vec<Text>,
    /// In the order of receipt; `None`: here something is not on the tape.
    pub records: Vec<Option<Text>>,
    pub tickers: Vec<Text>,
}

/// What is said between two inputs.
pub(crate) trait Manners {
    /// Lets others have their turn; false when nobody waits for the page any more.
    fn go_on(&mut self) -> bool;
}

/// Reads a page; `None` if nobody waits for it any more.
///
/// # Errors
/// When the file system fails.
pub(crate) fn read(
    tape: &Tape,
    ask: &Ask,
    manners: &mut impl Manners,
) -> Result<Option<Page>, ReadError> {
    let lead = if ask.state { LEAD_NS } else { 0 };
    let mut reading = Reading::new(ask);
    let (mut inputs, mut left) = (0_u32, false);
    let mut end = true;
    past(tape, Nanos(ask.from.0.saturating_sub(lead)), |past| {
        match past {
            Past::Books(events) => reading.open(&events),
            Past::Input { at, events, .. } => {
                reading.last = reading.last.max(at);
                for event in events.iter() {
                    reading.take(&event, events.names());
                }
                if at.0 > reading.to.0.saturating_add(STEP_NS) {
                    end = false;
                    return ControlFlow::Break(());
                }
            }
            Past::Hole => reading.hole(),
        }
        inputs += 1;
        if inputs.is_multiple_of(TURN) && !manners.go_on() {
            left = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok((!left).then(|| reading.finish(end)))
}

struct Reading<'a> {
    ask: &'a Ask,
    /// What is known at `from`.
    before: Store,
    /// Books as far as the tape has been read: what tells their changes from mere views of them.
    books: Books,
    /// What came after, by time and then in the tape's order.
    after: BTreeMap<(Nanos, u64), Option<Text>>,
    count: u64,
    bytes: usize,
    /// The first time that is not on the page: `ask.to`, or less if the page is full.
    to: Nanos,
    /// Of other instruments, the last ticker before `from`, and the last on the page.
    tickers: [BTreeMap<Box<str>, (Nanos, Text)>; 2],
    /// The latest input that was met.
    last: Nanos,
}

impl<'a> Reading<'a> {
    fn new(ask: &'a Ask) -> Reading<'a> {
        Reading {
            ask,
            before: Store::default(),
            books: Books::default(),
            after: BTreeMap::new(),
            count: 0,
            bytes: 0,
            to: ask.to,
            tickers: <[BTreeMap<_, _>; 2]>::default(),
            last: Nanos(0),
        }
    }

    /// Books as they are where the tape is entered, which is before `from`.
    fn open(&mut self, events: &market_data_model::Events<'_>) {
        for event in events.iter().filter(|event| self.ask.wants(event)) {
            self.books.take(&event, events.names());
            if self.ask.state {
                self.before.take(&event, events.names());
            }
        }
    }

    fn take(&mut self, event: &EventRef<'_>, names: &Arc<Names>) {
        let at = event.header.ts_recv;
        if at >= self.to {
            return;
        }
        if !self.ask.wants(event) {
            if self.ask.others && matches!(event.body, Body::Ticker(_)) {
                self.ticker(event);
            }
            return;
        }
        let changed = self.books.take(event, names).is_some();
        let told = changed || !matches!(event.body, Body::Book(..));
        if at >= self.ask.from && told {
            self.put(at, Some(text(event)));
        } else if at < self.ask.from && self.ask.state {
            self.before.take(event, names);
        }
    }

    /// A ticker of another instrument: of those only the last counts.
    fn ticker(&mut self, event: &EventRef<'_>) {
        let at = event.header.ts_recv;
        let before = at < self.ask.from;
        if before && !self.ask.state {
            return;
        }
        let known = &mut self.tickers[usize::from(!before)];
        match known.get_mut(event.inst_id()) {
            Some(last) => *last = (at, text(event)),
            None => drop(known.insert(event.inst_id().into(), (at, text(event)))),
        }
    }

    fn put(&mut self, at: Nanos, what: Option<Text>) {
        let size = |what: &Option<Text>| what.as_ref().map_or(0, |text| text.len());
        self.count += 1;
        self.bytes += size(&what);
        self.after.insert((at, self.count), what);
        while self.after.len() > self.ask.limit || self.bytes > BYTES_MAX {
            // Full: it ends before the latest time, unless it has no other.
            let ends = self.after.first_key_value().zip(self.after.last_key_value());
            let Some((_, (last, _))) = ends.filter(|(a, b)| a.0.0 < b.0.0) else { break };
            self.to = last.0;
            let cut = self.after.split_off(&(self.to, 0));
            self.bytes -= cut.values().map(size).sum::<usize>();
        }
    }

    /// Here something is not on the tape, nobody knows of whom.
    fn hole(&mut self) {
        self.books.lose_all();
        if self.last < self.ask.from {
            let feeds: BTreeSet<_> = self.before.entries().iter().map(|entry| entry.feed).collect();
            for feed in feeds {
                self.before.lost(feed, self.last);
            }
        } else if self.last < self.to {
            self.put(self.last, None);
        }
    }

    fn finish(self, end: bool) -> Page {
        let mut next = self.to;
        if end {
            // What is being written may still bring earlier ones.
            let open = if self.ask.growing { STEP_NS } else { 0 };
            let reached = Nanos((self.last.0 + 1).saturating_sub(open));
            next = next.min(reached.max(self.ask.from));
        }
        let mut after = self.after;
        after.split_off(&(next, 0));
        let [before, during] = self.tickers;
        let mut state = state(&self.before);
        state.extend(before.into_values().map(|(_, text)| text));
        let during = during.into_values().filter(|(at, _)| *at < next);
        Page {
            next,
            // What a full page has cut off is later.
            end: end && self.to == self.ask.to && next < self.ask.to,
            state,
            records: after.into_values().collect(),
            tickers: during.map(|(_, text)| text).collect(),
        }
    }
}

/// What is known, as records: open gaps last, so that they are told of what they cover.
fn state(store: &Store) -> Vec<Text> {
    let mut all = Vec::new();
    for entry in store.entries() {
        match &entry.kept {
            Kept::Trades(trades) => {
                let first = trades.len().saturating_sub(TRADES_MAX);
                all.extend(trades.range(first..).map(|(_, text)| Arc::clone(text)));
            }
            Kept::Bars(_, _, bars) => all.extend(bars.values().map(|(_, text)| Arc::clone(text))),
            _ => all.extend(entry.state(None)),
        }
    }
    all.extend(store.open_gaps().cloned());
    all
}
