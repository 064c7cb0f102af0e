//! The last stretch of the stream, kept in memory for clients that join from the past.
//!
//! The hub puts every event in, behind its lock; joiners take blocks of it out by their numbers
//! and fall behind if they are too slow. What the memory lets go of is followed by books of its
//! own, so that a book can be begun anywhere in it.
//!
//! Invariants: at most `bytes_max` bytes are kept, by an estimate, and one block; blocks are
//! numbered without holes, and an input's events are in one; `books` is what the events before the
//! first block make.

use crate::book::{Mirror, Step};
use market_data_model::batch::Names;
use market_data_model::event::{FeedId, GapCause, Header};
use market_data_model::{Batch, Body, EventRef, Level, Nanos};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Events of a block, at most.
const BLOCK_EVENTS: usize = 256;
/// Least memory, so that what the recorder has not yet written is surely here.
const BYTES_MIN: usize = 1 << 20;
/// What an event takes besides its levels, about.
const EVENT_BYTES: usize = 192;
/// Events kept, whatever they take: a bound for what the estimate does not see.
const EVENTS_MAX: usize = 4 << 20;

/// Books by channel and instrument, as some place of the stream has them.
#[derive(Clone, Default)]
pub(crate) struct Books(BTreeMap<Arc<str>, BTreeMap<Arc<str>, Mirror>>);

impl Books {
    /// Takes an event; the book it has changed, if a client is to hear of that.
    pub fn take(&mut self, event: &EventRef<'_>, names: &Arc<Names>) -> Option<&Mirror> {
        match event.body {
            Body::Book(change, bids, asks) => {
                let mirror = self.mirror(event.channel(), event.inst_id());
                let step = mirror.take((event.header, names), change, (bids, asks));
                (step == Step::Taken).then_some(&*mirror)
            }
            Body::Gap(gap) if event.channel().is_empty() => {
                if gap.cause == GapCause::SlowConsumer {
                    self.lose(event.header.feed);
                }
                None
            }
            Body::Gap(gap) if !gap.closed => {
                if let Some(mirror) = self.get_mut(event.channel(), event.inst_id()) {
                    mirror.lose();
                }
                None
            }
            _ => None,
        }
    }

    /// Events of a feed are missing here: its books have to start anew.
    pub fn lose(&mut self, feed: FeedId) {
        for mirror in self.0.values_mut().flat_map(BTreeMap::values_mut) {
            if mirror.header().is_some_and(|header| header.feed == feed) {
                mirror.lose();
            }
        }
    }

    /// The same of every feed.
    pub fn lose_all(&mut self) {
        self.0.values_mut().flat_map(BTreeMap::values_mut).for_each(Mirror::lose);
    }

    /// The incremental books of a feed that may be shown.
    pub fn live_of(&self, feed: FeedId) -> impl Iterator<Item = &Mirror> {
        let of_feed = move |mirror: &&Mirror| {
            mirror.has_changes()
                && mirror.is_live()
                && mirror.header().is_some_and(|header| header.feed == feed)
        };
        self.0.values().flat_map(BTreeMap::values).filter(of_feed)
    }

    /// Whose books they are.
    pub fn feeds(&self) -> BTreeSet<FeedId> {
        let headers = self.0.values().flat_map(BTreeMap::values).filter_map(Mirror::header);
        headers.map(|header| header.feed).collect()
    }

    /// A copy of those that somebody wants.
    pub fn only(&self, wanted: impl Fn(&str, &str) -> bool) -> Books {
        let mut copy = Books::default();
        for (channel, mirrors) in &self.0 {
            for (inst, mirror) in mirrors.iter().filter(|(inst, _)| wanted(channel, inst)) {
                let of = copy.0.entry(Arc::clone(channel)).or_default();
                of.insert(Arc::clone(inst), mirror.clone());
            }
        }
        copy
    }

    /// One of them.
    pub fn get(&self, channel: &str, inst: &str) -> Option<&Mirror> {
        self.0.get(channel)?.get(inst)
    }

    fn get_mut(&mut self, channel: &str, inst: &str) -> Option<&mut Mirror> {
        self.0.get_mut(channel)?.get_mut(inst)
    }

    fn mirror(&mut self, channel: &str, inst: &str) -> &mut Mirror {
        // Looked up twice, so that names are copied once.
        if self.get(channel, inst).is_none() {
            let of = self.0.entry(channel.into()).or_default();
            of.insert(inst.into(), Mirror::default());
        }
        self.0.entry(channel.into()).or_default().entry(inst.into()).or_default()
    }
}

/// Where a feed's stream stands: receive time and `n` of an event.
pub(crate) type Point = (Nanos, u64);

/// See the file's first comment.
pub(crate) struct Past {
    blocks: VecDeque<(Arc<Batch>, usize)>,
    /// The block that is being filled, and what it takes.
    open: Batch,
    open_bytes: usize,
    /// Number of the first block.
    first: u64,
    bytes: usize,
    events: usize,
    bytes_max: usize,
    books: Books,
    /// Of each feed, the last event that is no longer here.
    gone: BTreeMap<FeedId, Point>,
    /// When the first event of all came.
    began: Option<Nanos>,
}

impl Past {
    pub fn new(bytes_max: usize) -> Past {
        Past {
            blocks: VecDeque::new(),
            open: Batch::default(),
            open_bytes: 0,
            first: 0,
            bytes: 0,
            events: 0,
            bytes_max: bytes_max.max(BYTES_MIN),
            books: Books::default(),
            gone: BTreeMap::new(),
            began: None,
        }
    }

    /// See the file's first comment.
    pub fn set_bytes_max(&mut self, bytes: usize) {
        self.bytes_max = bytes.max(BYTES_MIN);
    }

    /// Takes the next event of the stream.
    pub fn put(&mut self, event: &EventRef<'_>, names: &Arc<Names>) {
        self.began.get_or_insert(event.header.ts_recv);
        let header = |header: &Header| (header.feed, header.ts_recv);
        let last = self.open.headers().last().map(header);
        // An input's events stay together.
        let full = last != Some(header(event.header))
            && (self.open.len() >= BLOCK_EVENTS || self.open_bytes * 16 > self.bytes_max);
        if full || !Arc::ptr_eq(self.open.names(), names) {
            self.seal();
            self.open.set_names(names);
        }
        let levels = match event.body {
            Body::Book(_, bids, asks) => bids.len() + asks.len(),
            _ => 0,
        };
        self.open_bytes += EVENT_BYTES + levels * size_of::<Level>();
        self.open.push(event);
    }

    fn seal(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let (batch, bytes) = (std::mem::take(&mut self.open), std::mem::take(&mut self.open_bytes));
        self.open.set_names(batch.names());
        self.bytes += bytes;
        self.events += batch.len();
        self.blocks.push_back((Arc::new(batch), bytes));
        while self.bytes > self.bytes_max || self.events > EVENTS_MAX {
            let Some((batch, bytes)) = self.blocks.pop_front() else { break };
            self.bytes -= bytes;
            self.events -= batch.len();
            self.first += 1;
            for event in batch.iter() {
                let Header { feed, ts_recv, n, .. } = *event.header;
                self.gone.insert(feed, (ts_recv, n));
                self.books.take(&event, batch.names());
            }
        }
    }

    /// Number of the first block that is here, and the books before it.
    pub fn first(&self) -> (u64, &Books) {
        (self.first, &self.books)
    }

    /// Of each feed, the last event that is no longer here.
    pub fn gone(&self) -> &BTreeMap<FeedId, Point> {
        &self.gone
    }

    /// When the first event of all came; `None` if none has come yet.
    pub fn began(&self) -> Option<Nanos> {
        self.began
    }

    /// From when on everything is here.
    pub fn reaches_back_to(&self) -> Option<Nanos> {
        let gone = self.gone.values().map(|(at, _)| Nanos(at.0 + 1)).max();
        gone.or(self.began)
    }

    /// Blocks from number `at` on, `max` at most; none is the end. `None` when that is gone.
    pub fn blocks(&mut self, at: u64, max: usize) -> Option<Vec<Arc<Batch>>> {
        self.seal();
        let skip = usize::try_from(at.checked_sub(self.first)?).ok()?;
        Some(self.blocks.iter().skip(skip).take(max).map(|(batch, _)| Arc::clone(batch)).collect())
    }
}
