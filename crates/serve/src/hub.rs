//! Where events meet clients: a sink of the service that keeps the present state and hands every
//! record to who wants it.
//!
//! One lock holds the state and the list of subscriptions, so that a client that joins gets the
//! state and then exactly what follows it. The sink's thread holds it for one batch at a time.
//!
//! Invariants: nothing here waits for a client; each record becomes text once, however many
//! clients get it.

use crate::book::{Mirror, text};
use crate::client::{Outbox, Policy, Sub};
use crate::join::READERS_MAX;
use crate::pack::Templates;
use crate::past::{Books, Past};
use crate::record::Record;
use crate::store::{Entry, Fresh, Kept, Store};
use market_data::config::Serve;
use market_data::{Hop, Lost, Overflow, Sink, SinkError, SinkSpec};
use market_data_model::event::FeedId;
use market_data_model::{Batch, EventRef, Instrument, Subscription};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Semaphore;

/// Batches that wait for the hub before some are dropped.
const QUEUE: usize = 8192;
/// Trades that a client gets when it joins: of one instrument, and of each that a pattern fits.
const TRADES_AT_JOIN: (usize, usize) = (20, 1);

/// What the sink and the server share.
pub struct Hub {
    state: Mutex<State>,
    pub(crate) counts: Counts,
    /// Of the binary form.
    pub(crate) templates: Templates,
    /// Places of clients that read the tape.
    pub(crate) readers: Semaphore,
    /// Held by the one of them that works at the moment.
    turn: Mutex<()>,
    /// Where the service records.
    tape: OnceLock<Arc<Path>>,
    /// The venue's instruments as they were at the start, by id.
    catalogue: OnceLock<Catalogue>,
}

/// Instruments by id.
type Catalogue = BTreeMap<Box<str>, Arc<Instrument>>;

/// The server's own figures.
#[derive(Default)]
pub(crate) struct Counts {
    /// From receipt to the end of the write to a client's socket, of what goes out as it comes.
    pub written: Hop,
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
pub(crate) struct State {
    pub store: Store,
    /// Channels that are followed; empty: not known.
    channels: BTreeSet<String>,
    pub past: Past,
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
                store: Store::default(),
                past: Past::new(Serve::default().history_bytes),
                channels: channels.into_iter().collect(),
                subs: Vec::new(),
                generation: 1,
            }),
            counts: Counts::default(),
            templates: Templates::default(),
            readers: Semaphore::new(READERS_MAX),
            turn: Mutex::default(),
            tape: OnceLock::new(),
            catalogue: OnceLock::new(),
        });
        let sink = HubSink(Arc::clone(&hub));
        let spec = SinkSpec::new("serve", QUEUE, Overflow::DropAndMark, sink).with_changes();
        (hub, spec)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how much of the stream is kept in memory for those who join from the past, and where
    /// the service records it.
    pub(crate) fn remember(&self, bytes: usize, tape: Option<&Path>) {
        self.lock().past.set_bytes_max(bytes);
        if let Some(tape) = tape {
            self.tape.get_or_init(|| tape.into());
        }
    }

    /// Says what the venue lists, followed or not. Once, at the start.
    pub fn know<'a>(&self, instruments: impl IntoIterator<Item = &'a Arc<Instrument>>) {
        let by_id = |one: &Arc<Instrument>| ((&*one.inst_id).into(), Arc::clone(one));
        self.catalogue.get_or_init(|| instruments.into_iter().map(by_id).collect());
    }

    pub(crate) fn catalogue(&self) -> impl Iterator<Item = (&Box<str>, &Arc<Instrument>)> {
        self.catalogue.get().into_iter().flatten()
    }

    pub(crate) fn tape(&self) -> Option<Arc<Path>> {
        self.tape.get().map(Arc::clone)
    }

    /// Held by who reads the tape, so that no more than one core does.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(crate) fn follow_too(&self, channels: impl IntoIterator<Item = String>) {
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
                        let record = Record::new(Arc::clone(text));
                        sub.client.offer(&sub, Some(at), &record, false);
                    }
                }
                Some(Kept::Nothing) | None => {}
                Some(_) => sub.client.mark(&sub, at),
            }
        }
        state.subs.push(sub);
        state.generation += 1;
    }

    /// Adds one that has come from the past; what its client has of books that are not as they are
    /// here begins anew.
    pub(crate) fn follow(&self, state: &mut State, sub: &Arc<Sub>, has: &Books) {
        if !sub.client.has(sub.id) {
            // It has gone, or wants no more of it, since it was on its way.
            return;
        }
        for (at, entry) in (0..).zip(state.store.entries()) {
            let Kept::Book(book) = &entry.kept else { continue };
            let wanted = book.is_live() && sub.wants(&entry.channel, &entry.inst);
            let same = |has: &Mirror| has.is_live() && has.seq() == book.seq();
            if wanted && !has.get(&entry.channel, &entry.inst).is_some_and(same) {
                sub.client.mark(sub, at);
            }
        }
        state.subs.push(Arc::clone(sub));
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
        client.leave();
        let mut state = self.lock();
        state.subs.retain(|s| s.client.id != client.id);
        state.generation += 1;
    }

    /// Takes a batch, as the sink does.
    fn take(&self, batch: &Batch) {
        let mut state = self.lock();
        for event in batch.iter() {
            state.past.put(&event, batch.names());
            state.take(&event, batch.names());
        }
        self.counts.events.fetch_add(batch.len() as u64, Relaxed);
    }
}

impl State {
    pub(crate) fn take(
        &mut self,
        event: &EventRef<'_>,
        names: &Arc<market_data_model::batch::Names>,
    ) {
        match self.store.take(event, names) {
            Fresh::Nothing => {}
            Fresh::Link { text } => {
                let all = |sub: &&Arc<Sub>| sub.channel.as_str() == "*" && sub.inst.as_str() == "*";
                let record = Record::live(text, event.header.ts_recv);
                for sub in self.subs.iter().filter(all) {
                    sub.client.offer(sub, None, &record, false);
                }
            }
            Fresh::Record { at, text, state } => {
                let record = Record::live(text, event.header.ts_recv);
                for sub in self.route(at).iter() {
                    match sub.policy {
                        Policy::Conflate if state => sub.client.mark(sub, at),
                        _ => sub.client.offer(sub, Some(at), &record, state),
                    }
                }
            }
            Fresh::Book { at } => self.tell_book(at, event),
        }
    }

    fn tell_book(&mut self, at: u32, event: &EventRef<'_>) {
        let route = self.route(at);
        let Some(Entry { kept: Kept::Book(book), .. }) = self.store.entry(at) else { return };
        let at_ns = event.header.ts_recv;
        let mut made: Vec<(Option<u16>, Arc<Record>)> = Vec::new();
        for sub in route.iter() {
            if sub.policy == Policy::Conflate {
                sub.client.mark(sub, at);
                continue;
            }
            let found = made.iter().find(|(depth, _)| *depth == sub.depth);
            let record = match (found, sub.depth) {
                (Some((_, record)), _) => Arc::clone(record),
                (None, None) => Record::live(text(event), at_ns),
                (None, Some(depth)) => match book.view(depth) {
                    Some(text) => Record::live(text, at_ns),
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
        let State { store, subs, generation, .. } = self;
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
        let batch = lost.to_batch();
        for event in batch.iter() {
            state.past.put(&event, batch.names());
            state.take(&event, batch.names());
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
