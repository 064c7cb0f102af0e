//! Trades in the order of their ids, for consumers that rather wait than sort.
//!
//! Trades that never came are fetched, and come out after the live ones that were received
//! meanwhile; all lie within a gap. [`TradeOrder`] holds the live ones back while the gap is open
//! and lets everything out before the record that closes it. Nothing else is delayed, and nothing
//! at all where nothing is missing. [`InOrder`] does that before any other sink.
//!
//! Invariants: every event that goes in comes out, once; what is not a trade keeps its order; of
//! one feed, channel and instrument ids ascend, unless its gap was longer than [`PATIENCE`] or
//! [`MOST`] trades were held, which [`TradeOrder::given_up`] counts. No clock: time is what the
//! events say.

use super::{Lost, Sink, SinkError};
use market_data_model::batch::Names;
use market_data_model::event::{FeedId, Header, Trade};
use market_data_model::{Batch, Body, EventRef, Nanos};
use market_data_okx::channel::{self, Form};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Trades that are held at most, of all instruments.
pub const MOST: usize = 200_000;
/// How long a trade is held at most: the feed gives up a hole before.
pub const PATIENCE: Nanos = Nanos(300_000_000_000);

/// A feed's trades of one channel and instrument.
type Key = (FeedId, u16, u32);

#[derive(Debug)]
struct Held {
    /// The gaps that are open, by their numbers.
    open: BTreeSet<u64>,
    /// What waits, and the words that its headers refer to.
    rows: Vec<(Header, Trade)>,
    names: Arc<Names>,
    /// Whether this gap's trades are held no more.
    given_up: bool,
}

/// Puts the trades of each instrument into the order of their ids; see the file's first comment.
#[derive(Debug, Default)]
pub struct TradeOrder {
    held: BTreeMap<Key, Held>,
    rows: usize,
    given_up: u64,
}

impl TradeOrder {
    /// Takes a batch, and gives what is due: the same batch where nothing is held.
    pub fn take(&mut self, batch: Arc<Batch>, mut give: impl FnMut(Arc<Batch>)) {
        let Some(last) = batch.headers().last().copied() else { return };
        self.lose_patience(last.ts_recv, &mut give);
        // A batch is of one feed.
        let mut held = self.held.range((last.feed, 0, 0)..=(last.feed, u16::MAX, u32::MAX));
        if held.next().is_none() && !batch.iter().any(|event| opens(&event)) {
            return give(batch);
        }
        let mut out = Batch::default();
        out.set_names(batch.names());
        for event in batch.iter() {
            self.event(&event, batch.names(), &mut out);
        }
        if !out.is_empty() {
            give(Arc::new(out));
        }
    }

    /// Lets out what a feed's gaps hold: some of its events were lost, perhaps their ends.
    pub fn lost(&mut self, feed: FeedId, give: impl FnMut(Arc<Batch>)) {
        self.let_out(|key, _| key.0 == feed, give);
        // What closes them may never come; the next gap is a new one.
        self.held.retain(|key, _| key.0 != feed);
    }

    /// Lets out everything, at the end.
    pub fn end(&mut self, give: impl FnMut(Arc<Batch>)) {
        self.let_out(|_, _| true, give);
    }

    /// How often an instrument's trades were let out before its gap had closed.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    fn event(&mut self, event: &EventRef<'_>, names: &Arc<Names>, out: &mut Batch) {
        let Some(key) = key(event) else { return out.push(event) };
        match event.body {
            Body::Gap(gap) if !gap.closed && opens(event) => {
                let fresh = || Held {
                    open: BTreeSet::new(),
                    rows: Vec::new(),
                    names: Arc::clone(names),
                    given_up: false,
                };
                self.held.entry(key).or_insert_with(fresh).open.insert(gap.id);
            }
            Body::Gap(gap) if gap.closed => {
                let Some(held) = self.held.get_mut(&key) else { return out.push(event) };
                held.open.remove(&gap.id);
                if held.open.is_empty() {
                    self.rows -= held.rows.len();
                    put(held, out);
                    self.held.remove(&key);
                }
            }
            Body::Trade(trade) => {
                if let Some(held) = self.held.get_mut(&key).filter(|held| !held.given_up) {
                    held.names = Arc::clone(names);
                    held.rows.push((*event.header, *trade));
                    self.rows += 1;
                    if self.rows > MOST {
                        self.rows -= held.rows.len();
                        held.given_up = true;
                        self.given_up += 1;
                        put(held, out);
                    }
                    return;
                }
            }
            _ => {}
        }
        out.push(event);
    }

    fn lose_patience(&mut self, now: Nanos, give: impl FnMut(Arc<Batch>)) {
        let old = |held: &Held| {
            held.rows.first().is_some_and(|(first, _)| now.since(first.ts_recv) > PATIENCE.0)
        };
        self.let_out(|_, held| old(held), give);
    }

    fn let_out(&mut self, which: impl Fn(&Key, &Held) -> bool, mut give: impl FnMut(Arc<Batch>)) {
        for (key, held) in &mut self.held {
            if held.given_up || !which(key, held) {
                continue;
            }
            held.given_up = true;
            self.given_up += 1;
            self.rows -= held.rows.len();
            let mut out = Batch::default();
            out.set_names(&held.names);
            put(held, &mut out);
            if !out.is_empty() {
                give(Arc::new(out));
            }
        }
    }
}

/// Moves what is held to a batch, by id.
fn put(held: &mut Held, out: &mut Batch) {
    held.rows.sort_by_key(|(_, trade)| trade.trade_id);
    held.rows.drain(..).for_each(|(header, trade)| out.push_trade(header, trade));
}

fn key(event: &EventRef<'_>) -> Option<Key> {
    Some((event.header.feed, event.header.channel?, event.header.inst?))
}

/// Whether a gap of trades begins here.
fn opens(event: &EventRef<'_>) -> bool {
    let trades = || channel::find(event.channel()).is_some_and(|spec| spec.form == Form::Trade);
    matches!(event.body, Body::Gap(gap) if !gap.closed) && trades()
}

/// A sink that gets the trades of each instrument in the order of their ids.
#[derive(Debug)]
pub struct InOrder<S> {
    sink: S,
    order: TradeOrder,
}

impl<S> InOrder<S> {
    /// Stands before `sink`.
    pub fn new(sink: S) -> InOrder<S> {
        InOrder { sink, order: TradeOrder::default() }
    }
}

impl<S: Sink> Sink for InOrder<S> {
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<(), SinkError> {
        let (sink, mut outcome) = (&mut self.sink, Ok(()));
        self.order.take(Arc::clone(batch), |batch| hand_on(sink, &mut outcome, &batch));
        outcome
    }

    fn lost(&mut self, lost: &Lost) -> Result<(), SinkError> {
        let (sink, mut outcome) = (&mut self.sink, Ok(()));
        self.order.lost(lost.feed, |batch| hand_on(sink, &mut outcome, &batch));
        outcome.and_then(|()| self.sink.lost(lost))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.sink.flush()
    }

    fn end(&mut self) -> Result<(), SinkError> {
        let (sink, mut outcome) = (&mut self.sink, Ok(()));
        self.order.end(|batch| hand_on(sink, &mut outcome, &batch));
        outcome.and_then(|()| self.sink.end())
    }
}

/// Hands a batch on, unless one before it failed.
fn hand_on(sink: &mut impl Sink, outcome: &mut Result<(), SinkError>, batch: &Arc<Batch>) {
    if outcome.is_ok() {
        *outcome = sink.batch(batch);
    }
}

#[cfg(test)]
mod tests;
