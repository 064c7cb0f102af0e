//! What a tape holds of each channel and instrument, and what it misses.
//!
//! `verify.rs` hands over what a replay meets. Gaps come from three places: those that the feed
//! itself recorded, records that our recorder lost, and ids that do not follow each other.
//!
//! Invariants: what happens after a feed was told to stop is nobody's loss; what cannot be proven
//! is counted apart and never called clean.

use super::series::Series;
use market_data::replay::{AnchorCount, FeedLife, Step};
use market_data_model::event::{Gap, GapCause, Whose};
use market_data_model::{Body, BookKind, EventRef, FeedId, Nanos};
use market_data_tape::{ALL_FEEDS, Lost};
use std::collections::BTreeMap;

/// Gaps kept apart a row; further ones are counted only.
const GAPS_MAX: usize = 1000;

/// The cause of what our recorder lost.
pub const RECORDER: &str = GapCause::Recorder.as_str();

/// Channel and instrument.
pub type Key = (String, String);

/// One stretch that cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Its number within the feed; `None` for what our recorder lost.
    pub id: Option<(FeedId, u64)>,
    /// Why.
    pub cause: &'static str,
    /// Whose fault.
    pub whose: &'static str,
    /// Receive time of the last good data before; `None` = there was none.
    pub from: Option<Nanos>,
    /// Receive time of the first good data after; `None` = it did not end on this tape.
    pub to: Option<Nanos>,
    /// Trades that are missing; `None` = not known.
    pub lost: Option<u64>,
}

/// How a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything is there and proven.
    Clean,
    /// Something is missing or wrong, and it is known where.
    Gap,
    /// Nothing is known to be missing, but not everything could be proven.
    Unverifiable,
}

impl State {
    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Clean => "clean",
            State::Gap => "gap",
            State::Unverifiable => "unverifiable",
        }
    }
}

/// A stretch of receive times, both ends included.
pub type Stretch = (Nanos, Nanos);

/// One channel of one instrument.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Records of market data.
    pub records: u64,
    /// Of these, behind a place where the tape misses something of their feed.
    pub unverifiable: u64,
    /// Time of the first record.
    pub from: Option<Nanos>,
    /// Time of the last record.
    pub to: Option<Nanos>,
    /// Stretches that cannot be trusted, in order.
    pub holes: Vec<Hole>,
    /// More of them than are kept.
    pub more_holes: u64,
    /// When a feed ran that had subscribed to it; of more than are kept the last one is extended.
    pub covered: Vec<Stretch>,
    /// Where records could not be proven; of more than are kept the last one is extended.
    pub unproven: Vec<Stretch>,
    /// Its bars, if it has any.
    pub bars: Series,
    /// Trades whose ids were compared.
    pub ids: u64,
    /// Trade ids that are missing between the first and the last.
    pub ids_missing: u64,
    /// Changes of the book that follow the change before.
    pub links: u64,
    /// Changes that do not, without a gap that says so.
    pub links_broken: u64,
    /// What the venue's REST side said of the book.
    pub anchors: AnchorCount,
    pub(super) last_id: Option<u64>,
    pub(super) last_seq: Option<Option<i64>>,
    /// Whether the last record could be proven.
    pub(super) proven: bool,
}

impl Row {
    /// How many gaps there are, those that are not kept included.
    pub fn gaps(&self) -> u64 {
        self.holes.len() as u64 + self.more_holes
    }

    /// How it stands.
    pub fn state(&self) -> State {
        let unproven = |hole: &Hole| hole.cause == GapCause::Unverifiable.as_str();
        let (soft, hard): (Vec<&Hole>, Vec<&Hole>) = self.holes.iter().partition(|h| unproven(h));
        let wrong = self.ids_missing + self.links_broken + self.anchors.differ;
        if !hard.is_empty() || self.more_holes + wrong > 0 {
            State::Gap
        } else if !soft.is_empty() || self.unverifiable + self.bars.absent > 0 {
            State::Unverifiable
        } else {
            State::Clean
        }
    }

    /// A record of market data.
    fn data(&mut self, at: Nanos, verifiable: bool) {
        self.records += 1;
        self.from.get_or_insert(at);
        self.to = Some(at);
        if !verifiable {
            self.unverifiable += 1;
            let go_on = !self.proven || self.unproven.len() == GAPS_MAX;
            match self.unproven.last_mut() {
                Some(last) if go_on => last.1 = at,
                _ => self.unproven.push((at, at)),
            }
        }
        self.proven = verifiable;
    }

    fn hole(&mut self, hole: Hole) {
        self.bars.interrupted();
        if self.holes.len() < GAPS_MAX {
            self.holes.push(hole);
        } else {
            self.more_holes += 1;
        }
    }

    fn gap(&mut self, feed: FeedId, gap: &Gap) {
        let id = Some((feed, gap.id));
        if !gap.closed || gap.from == gap.to {
            // From here on a snapshot begins a new chain.
            self.last_seq = None;
        }
        let known = self.holes.iter_mut().rev().find(|hole| hole.id == id);
        match known {
            Some(hole) => (hole.to, hole.lost) = (gap.to, gap.lost),
            None => self.hole(Hole {
                id,
                cause: gap.cause.as_str(),
                whose: gap.whose.as_str(),
                from: gap.from,
                to: gap.to,
                lost: gap.lost,
            }),
        }
    }

    fn trade(&mut self, id: u64, count: Option<u32>, merges: bool) {
        if merges && count.is_none() {
            // Nothing says how many trades the row stands for.
            self.last_id = None;
            return;
        }
        self.ids += 1;
        let first = (id + 1).saturating_sub(count.unwrap_or(1).into());
        if let Some(last) = self.last_id {
            self.ids_missing += first.saturating_sub(last + 1);
        }
        self.last_id = Some(self.last_id.map_or(id, |last| last.max(id)));
    }

    fn link(&mut self, kind: BookKind, prev_seq: Option<i64>, seq: Option<i64>) {
        if kind == BookKind::Delta {
            match self.last_seq {
                Some(last) if last == prev_seq => self.links += 1,
                _ => self.links_broken += 1,
            }
        }
        self.last_seq = Some(seq);
    }
}

/// A time between two recordings in which nobody recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Last input of the recording before.
    pub from: Nanos,
    /// When the next one began.
    pub to: Nanos,
}

/// A feed: what it subscribed to, and the times of its first and its last record.
#[derive(Debug)]
struct Running {
    keys: Vec<Key>,
    from: Nanos,
    to: Nanos,
}

/// Everything that a replay has met.
#[derive(Debug, Default)]
pub struct Account {
    /// By channel and instrument.
    pub rows: BTreeMap<Key, Row>,
    /// When nobody recorded, on purpose.
    pub pauses: Vec<Pause>,
    /// The feeds that run.
    feeds: BTreeMap<FeedId, Running>,
    /// Losses of feeds whose start comes behind them.
    unplaced: Vec<(FeedId, Lost)>,
}

impl Account {
    /// A feed was made; all before it had stopped since then, if there is a time.
    pub fn started(&mut self, life: &FeedLife, stopped: Option<Nanos>) {
        let keys: Vec<Key> = life
            .subscriptions
            .iter()
            .map(|s| (s.channel.to_string(), s.key.to_string()))
            .filter(|(channel, _)| channel != "instruments")
            .collect();
        if let Some(from) = stopped {
            self.pauses.push(Pause { from, to: life.from });
            std::mem::take(&mut self.feeds).into_values().for_each(|feed| self.covered(feed));
        }
        for key in &keys {
            let row = self.rows.entry(key.clone()).or_default();
            row.last_seq = None;
            row.bars.interrupted();
            if stopped.is_some() {
                row.last_id = None;
            }
        }
        let running = Running { keys, from: life.from, to: life.from };
        if let Some(before) = self.feeds.insert(life.feed, running) {
            self.covered(before);
        }
        // A feed that only begins here cannot have lost anything before.
        if life.unverifiable.is_some() {
            for (feed, lost) in self.unplaced.clone() {
                if feed == life.feed || feed == ALL_FEEDS {
                    self.hole(life.feed, &lost);
                }
            }
        }
        self.unplaced.retain(|(feed, _)| *feed != life.feed);
    }

    /// What the venue's REST side said of a feed's books.
    pub fn anchors(&mut self, life: &FeedLife) {
        for (key, count) in &life.anchors {
            self.rows.entry(key.clone()).or_default().anchors.add(count);
        }
    }

    /// Whether there is a row with such answers.
    pub fn has_anchors(&self) -> bool {
        self.rows.values().any(|row| row.anchors.all > 0)
    }

    /// The tape is at its end.
    pub fn finish(&mut self) {
        std::mem::take(&mut self.feeds).into_values().for_each(|feed| self.covered(feed));
    }

    fn covered(&mut self, feed: Running) {
        let Running { keys, from, to } = feed;
        for key in keys {
            let covered = &mut self.rows.entry(key).or_default().covered;
            let full = covered.len() == GAPS_MAX;
            match covered.last_mut().filter(|_| full) {
                Some(last) => last.1 = to,
                None => covered.push((from, to)),
            }
        }
    }

    /// A feed handled an input.
    pub fn step(&mut self, feed: FeedId, at: Nanos, step: &Step<'_>) {
        if let Some(running) = self.feeds.get_mut(&feed) {
            running.to = running.to.max(at);
        }
        for event in step.events.iter() {
            if let Body::Gap(gap) = event.body
                && !step.stopped
                && !event.channel().is_empty()
            {
                self.row(&event).gap(feed, gap);
            }
            self.data(&event, step.verifiable);
        }
        for event in step.witness.iter() {
            if let Body::Book(book, ..) = event.body
                && book.kind != BookKind::View
            {
                self.row(&event).link(book.kind, book.prev_seq, book.seq);
            }
        }
    }

    /// The recorder lost records of a feed; `feeds` are those that run and are concerned.
    pub fn lost(&mut self, feed: FeedId, lost: Lost, feeds: &[FeedId]) {
        feeds.iter().for_each(|feed| self.hole(*feed, &lost));
        if feeds.is_empty() && self.unplaced.len() < GAPS_MAX {
            self.unplaced.push((feed, lost));
        }
    }

    fn hole(&mut self, feed: FeedId, lost: &Lost) {
        for key in self.feeds.get(&feed).iter().flat_map(|running| &running.keys) {
            let row = self.rows.entry(key.clone()).or_default();
            row.last_seq = None;
            row.hole(Hole {
                id: None,
                cause: RECORDER,
                whose: Whose::Ours.as_str(),
                from: Some(lost.from),
                to: Some(lost.to),
                lost: None,
            });
        }
    }

    fn row(&mut self, event: &EventRef<'_>) -> &mut Row {
        let key = (event.channel().to_owned(), event.inst_id().to_owned());
        self.rows.entry(key).or_default()
    }

    fn data(&mut self, event: &EventRef<'_>, verifiable: bool) {
        match event.body {
            Body::Ticker(_) | Body::Trade(_) | Body::Bar(_) | Body::Book(..) | Body::Raw(_) => {}
            _ => return,
        }
        let merges = event.channel() == "trades";
        let row = self.row(event);
        row.data(event.header.ts_recv, verifiable);
        match event.body {
            Body::Trade(trade) => row.trade(trade.trade_id, trade.count, merges),
            Body::Bar(bar) => row.bars.bar(bar),
            _ => {}
        }
    }
}
