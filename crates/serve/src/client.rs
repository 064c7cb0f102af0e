//! One WebSocket client as the hub sees it: what waits for it, and what happens when that is too
//! much.
//!
//! The hub puts records in ([`Outbox::offer`]) and never waits; the client's own task takes frames
//! out ([`Outbox::take`]). A state that newer ones replace waits as a token: what is sent is the
//! state at the moment of sending, so a slow client costs no memory and misses only what is old.
//!
//! Invariants: at most `records_max` records and [`BYTES_MAX`] bytes wait; tokens are at most one
//! for each subscription, channel and instrument; `seq` is given at the very end, so it has no
//! holes; the hub's lock is taken before an outbox's, never after.

use crate::hub::{Hub, State};
use crate::join::Out;
use crate::pattern::Pattern;
use crate::record::{Frame, Record};
use market_data_model::Nanos;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Bytes of records that may wait for one client.
const BYTES_MAX: usize = 8 << 20;
/// Answers that may wait for one client: who asks more without reading is closed.
const ANSWERS_MAX: usize = 256;
/// Records and bytes of what was that may wait for one client; more is made when these are taken.
const PAST_MAX: usize = 256;
const PAST_BYTES_MAX: usize = 1 << 20;

/// What happens when a client is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It loses records and is told how many.
    Gap,
    /// Only the newest state of each instrument waits.
    Conflate,
    /// It is closed.
    Disconnect,
}

/// One subscription.
pub(crate) struct Sub {
    /// Its number with the client.
    pub id: u64,
    pub inst: Pattern,
    pub channel: Pattern,
    pub depth: Option<u16>,
    pub interval: Duration,
    pub policy: Policy,
    /// Whether records are sent in the binary form.
    pub binary: bool,
    pub client: Arc<Outbox>,
}

impl Sub {
    /// Whether it is about that channel of that instrument.
    pub fn wants(&self, channel: &str, inst: &str) -> bool {
        self.channel.matches(channel) && self.inst.matches(inst)
    }
}

/// How the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    pub code: u16,
    pub reason: &'static str,
}

enum Item {
    Answer(String),
    Record { sub: u64, record: Arc<Record> },
    Lost { sub: u64, count: Option<u64> },
    State { sub: u64, at: u32 },
}

impl Item {
    fn received(&self) -> Option<Nanos> {
        match self {
            Item::Record { record, .. } => record.received(),
            _ => None,
        }
    }
}

/// One subscription's account.
#[derive(Default)]
struct Lane {
    depth: Option<u16>,
    interval: Duration,
    binary: bool,
    seq: u64,
    /// Records lost since the last word about that.
    lost: u64,
    /// Places of which a token waits, and whether what comes meanwhile counts as lost.
    dirty: HashMap<u32, bool>,
    /// When a state may be sent again, in that order.
    held: BTreeSet<(Instant, u32)>,
    sent: HashMap<u32, Instant>,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<Item>,
    /// By their numbers; few, so that a tree finds one sooner than a hash.
    lanes: BTreeMap<u64, Lane>,
    records: usize,
    bytes: usize,
    answers: usize,
    close: Option<Close>,
    /// The client has gone.
    gone: bool,
    /// Templates of the binary form that it was told.
    told: HashSet<u32>,
}

/// See the file's first comment.
pub(crate) struct Outbox {
    /// Its number with the hub.
    pub id: u64,
    inner: Mutex<Inner>,
    /// Something waits.
    pub ready: Notify,
    /// Something was taken out, or the client has gone.
    drained: Notify,
    records_max: usize,
    lost_total: Arc<AtomicU64>,
}

/// What is to be sent.
pub(crate) struct Taken {
    pub frames: Vec<Frame>,
    /// When those that go out as they come were received.
    pub received: Vec<Nanos>,
    pub close: Option<Close>,
    /// When to look again although nothing came.
    pub again: Option<Instant>,
}

impl Outbox {
    pub fn new(id: u64, records_max: usize, lost_total: &Arc<AtomicU64>) -> Arc<Outbox> {
        Arc::new(Outbox {
            id,
            inner: Mutex::default(),
            ready: Notify::new(),
            drained: Notify::new(),
            records_max: records_max.max(1),
            lost_total: Arc::clone(lost_total),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer to something the client asked.
    pub fn answer(&self, text: String) {
        let mut inner = self.lock();
        if inner.close.is_some() {
            return;
        }
        if inner.answers >= ANSWERS_MAX {
            inner.end(Close { code: 1008, reason: "too many requests without reading answers" });
        } else {
            inner.answers += 1;
            inner.queue.push_back(Item::Answer(text));
        }
        drop(inner);
        self.ready.notify_one();
    }

    /// Ends the connection once what waits is sent; nothing more is let in.
    pub fn close(&self, close: Close) {
        self.lock().close.get_or_insert(close);
        self.ready.notify_one();
    }

    /// Opens a subscription's account.
    pub fn open(&self, sub: &Sub) {
        let (depth, interval, binary) = (sub.depth, sub.interval, sub.binary);
        self.lock().lanes.insert(sub.id, Lane { depth, interval, binary, ..Lane::default() });
    }

    /// Ends it; what waits of it is not sent. Whether there was one.
    pub fn forget(&self, sub: u64) -> bool {
        self.lock().lanes.remove(&sub).is_some()
    }

    /// Whether a subscription's account is open, and its client there.
    pub fn has(&self, sub: u64) -> bool {
        let inner = self.lock();
        !inner.gone && inner.lanes.contains_key(&sub)
    }

    /// The client has gone, or is about to go.
    pub fn leave(&self) {
        self.lock().gone = true;
        self.drained.notify_waiters();
    }

    /// The client has gone: what waits is for nobody. Whoever still knows of it keeps no more than
    /// its name.
    pub fn empty(&self) {
        let mut inner = self.lock();
        *inner = Inner { gone: true, ..Inner::default() };
    }

    /// Waits until there is room for what was; false once the client has gone.
    pub async fn room(&self) -> bool {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            // From here on, nothing that is taken out goes unnoticed.
            drained.as_mut().enable();
            if let Some(answer) = self.has_room() {
                return answer;
            }
            drained.await;
        }
    }

    /// Waits until the client has gone.
    pub async fn left(&self) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            if self.lock().gone {
                return;
            }
            drained.await;
        }
    }

    /// `None`: not yet.
    fn has_room(&self) -> Option<bool> {
        let inner = self.lock();
        if inner.gone || inner.close.is_some() {
            return Some(false);
        }
        let most = PAST_MAX.min(self.records_max.div_ceil(2));
        (inner.records < most && inner.bytes < PAST_BYTES_MAX).then_some(true)
    }

    /// Puts in what was, which [`Outbox::room`] has waited for. False if the subscription is over.
    pub fn put(&self, sub: &Sub, out: Out) -> bool {
        let mut inner = self.lock();
        if inner.close.is_some() || !inner.lanes.contains_key(&sub.id) {
            return false;
        }
        match out {
            Out::Record(record) => {
                inner.records += 1;
                inner.bytes += record.text().len();
                inner.queue.push_back(Item::Record { sub: sub.id, record });
            }
            Out::Lost(count) => {
                self.lost_total.fetch_add(count.unwrap_or(0), Relaxed);
                inner.queue.push_back(Item::Lost { sub: sub.id, count });
            }
        }
        drop(inner);
        self.ready.notify_one();
        true
    }

    /// The state of a place is to be sent when the client is ready for it.
    pub fn mark(&self, sub: &Sub, at: u32) {
        let mut inner = self.lock();
        inner.mark(sub.id, at, false);
        drop(inner);
        self.ready.notify_one();
    }

    /// Offers a record. `state`: after a loss the state of the place is sent instead of what came
    /// in between.
    pub fn offer(&self, sub: &Sub, at: Option<u32>, record: &Arc<Record>, state: bool) {
        let mut inner = self.lock();
        if inner.close.is_some() {
            return;
        }
        let full =
            inner.records >= self.records_max || inner.bytes + record.text().len() > BYTES_MAX;
        if full && sub.policy == Policy::Disconnect {
            inner.end(Close { code: 1008, reason: "too slow for the policy `disconnect`" });
            drop(inner);
            return self.ready.notify_one();
        }
        let Some(lane) = inner.lanes.get_mut(&sub.id) else { return };
        let waits = state && !lane.dirty.is_empty();
        if let Some(counts) = at.filter(|_| waits).and_then(|at| lane.dirty.get(&at)) {
            // The state that waits covers it.
            if *counts {
                lane.lost += 1;
                self.lost_total.fetch_add(1, Relaxed);
            }
            return;
        }
        if full {
            lane.lost += 1;
            self.lost_total.fetch_add(1, Relaxed);
            if let Some(at) = at.filter(|_| state) {
                inner.mark(sub.id, at, true);
            }
            return;
        }
        let lost = std::mem::take(&mut lane.lost);
        // Whoever has something to send looks again by himself.
        let sleeps = inner.queue.is_empty();
        if lost > 0 {
            inner.queue.push_back(Item::Lost { sub: sub.id, count: Some(lost) });
        }
        inner.records += 1;
        inner.bytes += record.text().len();
        inner.queue.push_back(Item::Record { sub: sub.id, record: Arc::clone(record) });
        drop(inner);
        if sleeps {
            self.ready.notify_one();
        }
    }

    /// The server itself lost events that this subscription should have had.
    pub fn lose(&self, sub: &Sub, count: u64) {
        let mut inner = self.lock();
        if inner.close.is_some() {
            return;
        }
        let Some(lane) = inner.lanes.get_mut(&sub.id) else { return };
        lane.lost += count;
        self.lost_total.fetch_add(count, Relaxed);
        drop(inner);
        self.ready.notify_one();
    }

    /// Takes at most `max` frames out.
    pub fn take(&self, hub: &Hub, max: usize, now: Instant) -> Taken {
        let mut inner = self.lock();
        let most = inner.queue.len().min(max);
        let (mut frames, mut received) = (Vec::with_capacity(most), Vec::with_capacity(most));
        inner.release(now);
        while frames.len() < max {
            if matches!(inner.queue.front(), Some(Item::State { .. })) {
                // The hub's lock comes first.
                drop(inner);
                let state = hub.lock();
                inner = self.lock();
                inner.states((hub, &state), now, max, &mut frames);
                continue;
            }
            match inner.queue.pop_front() {
                Some(item) => {
                    received.extend(item.received());
                    inner.send(hub, item, &mut frames);
                }
                None => break,
            }
        }
        if inner.queue.is_empty() {
            inner.say_lost(&mut frames);
        }
        let again = inner.lanes.values().filter_map(|lane| Some(lane.held.first()?.0)).min();
        let close = inner.close.filter(|_| inner.queue.is_empty());
        drop(inner);
        self.drained.notify_waiters();
        Taken { frames, received, close, again }
    }
}

impl Inner {
    /// Ends the connection at once: what waits is dropped.
    fn end(&mut self, close: Close) {
        self.queue.clear();
        (self.records, self.bytes, self.answers) = (0, 0, 0);
        self.lanes.clear();
        self.close = Some(close);
    }

    fn mark(&mut self, sub: u64, at: u32, counts: bool) {
        if self.close.is_some() {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&sub) else { return };
        if lane.dirty.contains_key(&at) {
            return;
        }
        lane.dirty.insert(at, counts);
        self.queue.push_back(Item::State { sub, at });
    }

    /// Puts tokens whose time has come back into the queue.
    fn release(&mut self, now: Instant) {
        if self.close.is_some() {
            return;
        }
        let Inner { queue, lanes, .. } = self;
        for (sub, lane) in lanes {
            while lane.held.first().is_some_and(|(due, _)| *due <= now) {
                let Some((_, at)) = lane.held.pop_first() else { break };
                lane.sent.remove(&at);
                queue.push_back(Item::State { sub: *sub, at });
            }
        }
    }

    /// Turns the tokens at the front of the queue into frames.
    fn states(
        &mut self,
        (hub, state): (&Hub, &State),
        now: Instant,
        max: usize,
        frames: &mut Vec<Frame>,
    ) {
        while let Some(Item::State { sub, at }) = self.queue.front() {
            let (sub, at) = (*sub, *at);
            if frames.len() >= max {
                return;
            }
            self.queue.pop_front();
            let Inner { lanes, told, .. } = self;
            let Some(lane) = lanes.get_mut(&sub) else { continue };
            if let Some(sent) = lane.sent.get(&at).filter(|_| !lane.interval.is_zero()) {
                let due = *sent + lane.interval;
                if due > now {
                    lane.held.insert((due, at));
                    continue;
                }
            }
            lane.dirty.remove(&at);
            if !lane.interval.is_zero() {
                lane.sent.insert(at, now);
            }
            lane.say_lost(sub, frames);
            if let Some(text) = state.store.entry(at).and_then(|entry| entry.state(lane.depth)) {
                lane.frame(sub, &Record::new(text), (hub, told), frames);
            }
        }
    }

    fn send(&mut self, hub: &Hub, item: Item, frames: &mut Vec<Frame>) {
        match item {
            Item::Answer(text) => {
                self.answers = self.answers.saturating_sub(1);
                frames.push(Frame::Text(text));
            }
            Item::Record { sub, record } => {
                self.records = self.records.saturating_sub(1);
                self.bytes = self.bytes.saturating_sub(record.text().len());
                if let Some(lane) = self.lanes.get_mut(&sub) {
                    lane.frame(sub, &record, (hub, &mut self.told), frames);
                }
            }
            Item::Lost { sub, count } => {
                if let Some(lane) = self.lanes.get_mut(&sub) {
                    frames.push(lane.lost(sub, count));
                }
            }
            // Those are `states`' business, which looks at the store.
            Item::State { .. } => self.queue.push_front(item),
        }
    }

    fn say_lost(&mut self, frames: &mut Vec<Frame>) {
        for (sub, lane) in &mut self.lanes {
            lane.say_lost(*sub, frames);
        }
    }
}

/// A record as clients get it. This is done for each record and client, so the text is made once
/// at its full length.
fn wrapped(sub: u64, seq: u64, record: &str) -> String {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
    let names = r#"{"sub":,"seq":,"record":}"#.len();
    let mut frame = String::with_capacity(names + digits(sub) + digits(seq) + record.len());
    // Writing to a string cannot fail.
    let _ = write!(frame, "{{\"sub\":{sub},\"seq\":{seq},\"record\":");
    frame.push_str(record);
    frame.push('}');
    frame
}

impl Lane {
    /// A record as the next frame, after its template if the client does not know that one.
    fn frame(
        &mut self,
        sub: u64,
        record: &Record,
        (hub, told): (&Hub, &mut HashSet<u32>),
        frames: &mut Vec<Frame>,
    ) {
        self.seq += 1;
        let seq = self.seq;
        if !self.binary {
            let text = record.text();
            return frames.push(Frame::Text(wrapped(sub, seq, text)));
        }
        let packed = record.packed(&hub.templates);
        if told.insert(packed.template) {
            frames.push(Frame::Text(hub.templates.told(packed.template)));
        }
        frames.push(Frame::Binary(packed.message(sub, seq)));
    }

    fn lost(&mut self, sub: u64, count: Option<u64>) -> Frame {
        self.seq += 1;
        let count = count.map_or("null".to_owned(), |count| count.to_string());
        Frame::Text(format!("{{\"sub\":{sub},\"seq\":{},\"lost\":{count}}}", self.seq))
    }

    fn say_lost(&mut self, sub: u64, frames: &mut Vec<Frame>) {
        if self.lost > 0 {
            let count = std::mem::take(&mut self.lost);
            frames.push(self.lost(sub, Some(count)));
        }
    }
}
