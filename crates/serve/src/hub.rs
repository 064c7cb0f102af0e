//! Where events meet clients: a sink of the service that keeps the present state and hands every
//! record to who wants it.
//!
//! One lock holds the state and the list of subscriptions, so that a client that joins gets the
//! state and then exactly what follows it. The sink's thread holds it for one batch at a time.
//!
//! Invariants: nothing here waits for a client; each record becomes text once, however many
//! clients get it.

use crate::book::{Text, text};
use crate::client::{Outbox, Policy, Sub};
use crate::store::{Entry, Fresh, Kept, Store};
use market_data::{Lost, Overflow, Sink, SinkError, SinkSpec};
use market_data_model::event::FeedId;
use market_data_model::{Batch, EventRef, Subscription};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Batches that wait for the hub before some are dropped.
const QUEUE: usize = 8192;
/// Trades that a client gets when it joins: of one instrument, and of each that a pattern fits.
const TRADES_AT_JOIN: (usize, usize) = (20, 1);

/// What the sink and the server share.
pub struct Hub {
    state: Mutex<State>,
    pub(crate) counts: Counts,
}

/// The server's own figures.
#[derive(Default)]
pub(crate) struct Counts {
    /// Events taken.
    pub events: AtomicU64,
    /// Frames handed to WebSocket clients.
    pub frames: AtomicU64,
    /// Records that slow clients lost.
    pub lost: Arc<AtomicU64>,
    /// WebSocket clients so far, and at the moment.
    pub clients: AtomicU64,
    pub clients_now: AtomicU64,
    /// HTTP requests, and those refused.
    pub requests: AtomicU64,
    pub refused: AtomicU64,
    /// Connections turned away because there were too many.
    pub turned_away: AtomicU64,
}

/// What the lock protects.
#[derive(Default)]
pub(crate) struct State {
    pub store: Store,
    /// Channels that are followed; empty: not known.
    channels: BTreeSet<String>,
    subs: Vec<Arc<Sub>>,
    /// Rises whenever `subs` changes.
    generation: u64,
}

impl Hub {
    /// A hub and the sink that fills it. `channels` are those that are followed: clients who ask
    /// for others are told so.
    pub fn new(channels: impl IntoIterator<Item = String>) -> (Arc<Hub>, SinkSpec) {
        let hub = Arc::new(Hub {
            state: Mutex::new(State {
                generation: 1,
                channels: channels.into_iter().collect(),
                ..State::default()
            }),
            counts: Counts::default(),
        });
        let sink = HubSink(Arc::clone(&hub));
        let spec = SinkSpec::new("serve", QUEUE, Overflow::DropAndMark, sink).with_changes();
        (hub, spec)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books that the server cannot show because events were lost on the way to it: a resync by
    /// the named feed brings them back. Each is told once.
    pub fn take_torn(&self) -> Vec<(FeedId, Subscription)> {
        self.lock().store.take_torn()
    }

    /// The channels that are followed; empty: not known.
    pub(crate) fn channels(&self) -> BTreeSet<String> {
        self.lock().channels.clone()
    }

    /// These channels are followed, too.
    pub(crate) fn follow(&self, channels: impl IntoIterator<Item = String>) {
        self.lock().channels.extend(channels);
    }

    /// Adds a subscription: `answer` (of how many channels and instruments it is about at the
    /// moment), then what is known of them, then all that follows.
    pub(crate) fn subscribe(&self, sub: Sub, answer: impl FnOnce(usize) -> String) {
        let mut state = self.lock();
        let sub = Arc::new(sub);
        sub.client.open(&sub);
        let wanted: Vec<u32> = (0..)
            .zip(state.store.entries())
            .filter(|(_, entry)| sub.wants(&entry.channel, &entry.inst))
            .map(|(at, _)| at)
            .collect();
        sub.client.answer(answer(wanted.len()));
        let (one, many) = TRADES_AT_JOIN;
        let trades_max = if sub.inst.is_exact() { one } else { many };
        for at in wanted {
            match state.store.entry(at).map(|entry| &entry.kept) {
                Some(Kept::Trades(trades)) => {
                    let first = trades.len().saturating_sub(trades_max);
                    for (_, text) in trades.range(first..) {
                        sub.client.offer(&sub, Some(at), text, false);
                    }
                }
                Some(Kept::Nothing) | None => {}
                Some(_) => sub.client.mark(&sub, at),
            }
        }
        state.subs.push(sub);
        state.generation += 1;
    }

    /// Ends a subscription; whether there was one.
    pub(crate) fn unsubscribe(&self, client: &Outbox, sub: u64) -> bool {
        let mut state = self.lock();
        state.subs.retain(|s| s.id != sub || s.client.id != client.id);
        state.generation += 1;
        client.forget(sub)
    }

    /// A client has gone.
    pub(crate) fn leave(&self, client: &Outbox) {
        let mut state = self.lock();
        state.subs.retain(|s| s.client.id != client.id);
        state.generation += 1;
    }

    /// Takes a batch, as the sink does.
    fn take(&self, batch: &Batch) {
        let mut state = self.lock();
        for event in batch.iter() {
            state.take(&event, batch.names());
        }
        self.counts.events.fetch_add(batch.len() as u64, Relaxed);
    }
}

impl State {
    fn take(&mut self, event: &EventRef<'_>, names: &Arc<market_data_model::batch::Names>) {
        match self.store.take(event, names) {
            Fresh::Nothing => {}
            Fresh::Link { text } => {
                let all = |sub: &&Arc<Sub>| sub.channel.as_str() == "*" && sub.inst.as_str() == "*";
                for sub in self.subs.iter().filter(all) {
                    sub.client.offer(sub, None, &text, false);
                }
            }
            Fresh::Record { at, text, state } => {
                for sub in self.route(at).iter() {
                    match sub.policy {
                        Policy::Conflate if state => sub.client.mark(sub, at),
                        _ => sub.client.offer(sub, Some(at), &text, state),
                    }
                }
            }
            Fresh::Book { at } => self.tell_book(at, event),
        }
    }

    fn tell_book(&mut self, at: u32, event: &EventRef<'_>) {
        let route = self.route(at);
        let Some(Entry { kept: Kept::Book(book), .. }) = self.store.entry(at) else { return };
        let mut made: Vec<(Option<u16>, Text)> = Vec::new();
        for sub in route.iter() {
            if sub.policy == Policy::Conflate {
                sub.client.mark(sub, at);
                continue;
            }
            let found = made.iter().find(|(depth, _)| *depth == sub.depth);
            let record = match (found, sub.depth) {
                (Some((_, text)), _) => Arc::clone(text),
                (None, None) => text(event),
                (None, Some(depth)) => match book.view(depth) {
                    Some(text) => text,
                    None => continue,
                },
            };
            if found.is_none() {
                made.push((sub.depth, Arc::clone(&record)));
            }
            // After a loss the present state heals, be it a view or a start for the changes.
            sub.client.offer(sub, Some(at), &record, true);
        }
    }

    /// Who wants a place's records.
    fn route(&mut self, at: u32) -> Arc<[Arc<Sub>]> {
        let State { store, subs, generation, channels: _ } = self;
        let Some(entry) = store.entry_mut(at) else { return Arc::new([]) };
        if entry.route.0 != *generation {
            let wants = |sub: &&Arc<Sub>| sub.wants(&entry.channel, &entry.inst);
            let route = subs.iter().filter(wants).cloned().collect();
            entry.route = (*generation, route);
        }
        Arc::clone(&entry.route.1)
    }
}

struct HubSink(Arc<Hub>);

impl Sink for HubSink {
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<(), SinkError> {
        self.0.take(batch);
        Ok(())
    }

    fn lost(&mut self, lost: &Lost) -> Result<(), SinkError> {
        let mut state = self.0.lock();
        let mut told: BTreeSet<(u64, u64)> = BTreeSet::new();
        for at in state.store.lost(lost.feed, lost.to) {
            for sub in state.route(at).iter() {
                if told.insert((sub.client.id, sub.id)) {
                    sub.client.lose(sub, lost.events);
                }
            }
        }
        // It is a gap like any other, for those who look at all of them.
        for event in lost.to_batch().iter() {
            state.take(&event, &Arc::default());
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
