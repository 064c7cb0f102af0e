//! Clients that join from the past: what was, then what is, without a hole and without a repeat.
//!
//! A joiner goes along the stream of each feed. If the memory (`past.rs`) reaches back far enough
//! it begins there; otherwise on the tape (`join/tape.rs`), until the memory holds everything that
//! follows. Having come to the memory's end, it becomes an ordinary subscription under the hub's
//! lock, so nothing can come in between. It puts records into the client's queue only as there is
//! room; who falls out of the memory goes back to the tape, or is told of a loss.
//!
//! Invariants: a record is handed on if and only if it is of the subscription and behind `from`,
//! once; a book begins with a snapshot of it as it was there, and each change follows the one
//! before; nothing here runs on the feeds' or the sink's threads, and the hub's lock is held for a
//! few blocks at most.

use crate::book::{Text, text};
use crate::client::Sub;
use crate::hub::Hub;
use crate::past::{Books, Past, Point};
use crate::record::Record;
use market_data_model::batch::Names;
use market_data_model::event::{FeedId, GapCause, Header};
use market_data_model::{Batch, Body, EventRef, Nanos};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod tape;

/// Most clients that read the tape at one time.
pub(crate) const READERS_MAX: usize = 16;
/// Blocks of the memory that are looked at in one go.
const BLOCKS_AT_ONCE: usize = 4;
/// Longest time for a client to take what one go has made.
const PATIENCE: Duration = Duration::from_secs(60);
/// How far back the tape is read again by one who fell out of the memory. Feeds are not in step
/// to the nanosecond on the tape.
const BACK_NS: u64 = 5_000_000_000;

/// From where on a client wants the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct From {
    /// Of feeds that are not named: what was received then or later.
    pub base: Nanos,
    /// Of these: what comes after that event.
    pub after: BTreeMap<FeedId, Point>,
}

impl From {
    fn is_new(&self, feed: FeedId, (at, n): Point) -> bool {
        match self.after.get(&feed) {
            Some(known) => (at, n) > *known,
            None => at >= self.base,
        }
    }

    /// The earliest time that is of interest.
    fn earliest(&self) -> Nanos {
        self.after.values().map(|(at, _)| *at).min().map_or(self.base, |at| at.min(self.base))
    }
}

/// What a client is to be sent.
pub(crate) enum Out {
    Record(Arc<Record>),
    /// So many events are missing; `None`: nobody knows how many.
    Lost(Option<u64>),
}

/// Why somebody cannot join.
pub(crate) type Refusal = (&'static str, String);

/// See the file's first comment.
pub(crate) struct Joiner {
    sub: Arc<Sub>,
    from: From,
    /// Of each feed, up to when the tape has given everything.
    read: BTreeMap<FeedId, Nanos>,
    /// Of each feed, the last event that was met.
    met: BTreeMap<FeedId, Point>,
    /// Feeds whose books have begun.
    begun: BTreeSet<FeedId>,
    books: Books,
}

impl Joiner {
    fn new(sub: &Arc<Sub>, from: From) -> Joiner {
        Joiner {
            sub: Arc::clone(sub),
            from,
            read: BTreeMap::new(),
            met: BTreeMap::new(),
            begun: BTreeSet::new(),
            books: Books::default(),
        }
    }

    /// Takes the next event of the stream.
    fn take(&mut self, event: &EventRef<'_>, names: &Arc<Names>, out: &mut Vec<Out>) {
        let Header { feed, n, ts_recv: at, .. } = *event.header;
        if self.read.get(&feed).is_some_and(|read| at <= *read) {
            return;
        }
        let new = self.from.is_new(feed, (at, n));
        if new && self.begun.insert(feed) {
            self.begin(feed, out);
        }
        let of_link = event.channel().is_empty();
        if !of_link || !matches!(event.body, Body::Gap(_)) {
            // Those gaps do not come from the feed, and have times of their own.
            self.met.insert(feed, (at, n));
        }
        if new && of_link {
            self.lost_before_us(event, out);
        }
        let wanted = match of_link {
            true => self.sub.channel.as_str() == "*" && self.sub.inst.as_str() == "*",
            false => self.sub.wants(event.channel(), event.inst_id()),
        };
        if !wanted && !of_link {
            return;
        }
        let changed = self.books.take(event, names);
        let text: Option<Text> = match event.body {
            _ if !new || !wanted => None,
            Body::Book(..) => changed.and_then(|book| match self.sub.depth {
                None => Some(text(event)),
                Some(depth) => book.view(depth),
            }),
            _ => Some(text(event)),
        };
        out.extend(text.map(|text| Out::Record(Record::new(text))));
    }

    /// The server's own queue lost events then.
    fn lost_before_us(&self, event: &EventRef<'_>, out: &mut Vec<Out>) {
        if let Body::Gap(gap) = event.body
            && gap.cause == GapCause::SlowConsumer
        {
            let count = gap.to_id.zip(gap.from_id).map(|(to, from)| to - from + 1);
            out.push(Out::Lost(count.and_then(|count| u64::try_from(count).ok())));
        }
    }

    /// The books of a feed, as they are before the first event that is handed on.
    fn begin(&self, feed: FeedId, out: &mut Vec<Out>) {
        for book in self.books.live_of(feed) {
            let text = match self.sub.depth {
                None => book.snapshot(),
                Some(depth) => book.view(depth),
            };
            out.extend(text.map(|text| Out::Record(Record::new(text))));
        }
    }

    fn all_begun(&self) -> bool {
        self.books.feeds().is_subset(&self.begun)
    }

    /// The same of all feeds that have said nothing since.
    fn begin_rest(&mut self, out: &mut Vec<Out>) {
        for feed in self.books.feeds() {
            if self.begun.insert(feed) {
                self.begin(feed, out);
            }
        }
    }

    /// Something is missing, nobody knows of whom.
    fn hole(&mut self, out: &mut Vec<Out>) {
        self.books.lose_all();
        if !self.begun.is_empty() {
            out.push(Out::Lost(None));
        }
    }

    /// Is to go on from the tape, behind everything that was met. Blocks of the memory hold whole
    /// inputs, so of each feed that is everything up to a time.
    fn again(&mut self) {
        for (feed, (at, _)) in &self.met {
            let read = self.read.entry(*feed).or_insert(*at);
            *read = (*at).max(*read);
        }
    }

    /// Whether the memory holds everything that is to follow. `whole`: the tape has been read to
    /// its end.
    fn is_covered_by(&self, past: &Past, whole: bool) -> bool {
        let read = self.read.values().max();
        let reached = match past.began() {
            None => true,
            Some(began) => whole || self.from.base >= began || read.is_some_and(|at| *at >= began),
        };
        reached && self.missing_of(past).next().is_none()
    }

    /// Feeds of which the memory has let go something that was not met.
    fn missing_of(&self, past: &Past) -> impl Iterator<Item = FeedId> {
        let lacks = |(feed, gone): (&FeedId, &Point)| {
            let read = self.read.get(feed).is_some_and(|at| *at >= gone.0);
            (!read && self.from.is_new(*feed, *gone)).then_some(*feed)
        };
        past.gone().iter().filter_map(lacks)
    }
}

/// How far a joiner got in the memory.
enum Step {
    More(Vec<Arc<Batch>>),
    /// It follows the stream as others do.
    Live,
    /// The memory has let go of what comes next.
    Fell,
}

/// Makes the client's answer: from where the past comes, and how many places it is about.
pub(crate) type Answer<'a> = &'a (dyn Fn(&str, usize) -> String + Send + Sync);

impl Hub {
    /// Lets a subscription begin in the past; its account is open already. Returns when it is an
    /// ordinary one, or over.
    pub(crate) async fn join(
        self: &Arc<Hub>,
        sub: &Arc<Sub>,
        from: From,
        answer: Answer<'_>,
    ) -> Result<(), Refusal> {
        let mut joiner = Joiner::new(sub, from);
        let mut at = self.enter_memory(&mut joiner);
        let tape = self.tape();
        if at.is_none() && tape.is_none() {
            return Err(self.too_old(None));
        }
        let mut answer = Some(answer);
        loop {
            let start = match (at.take(), &tape) {
                (Some(start), _) => start,
                (None, Some(dir)) => match self.read(dir, joiner, answer.take()).await? {
                    Some((read, start)) => {
                        joiner = read;
                        start
                    }
                    None => return Ok(()),
                },
                (None, None) => return Ok(()),
            };
            if let Some(answer) = answer.take() {
                sub.client.answer(answer("memory", self.matches(sub)));
            }
            if !self.remembered(&mut joiner, start).await {
                return Ok(());
            }
            // It fell out of the memory.
            if tape.is_none() {
                // What is known now, and the news that something is missing.
                if deliver(sub, vec![Out::Lost(None)]).await {
                    self.follow(&mut self.lock(), sub, &Books::default());
                }
                return Ok(());
            }
            joiner.again();
        }
    }

    /// Goes through the memory. False when all is done, or the client has gone; true when the
    /// memory has let go of what comes next.
    async fn remembered(&self, joiner: &mut Joiner, mut at: u64) -> bool {
        loop {
            match self.step(joiner, at) {
                Step::Live => return false,
                Step::Fell => return true,
                Step::More(blocks) => {
                    at += blocks.len() as u64;
                    let mut out = Vec::new();
                    if blocks.is_empty() {
                        joiner.begin_rest(&mut out);
                    }
                    for batch in &blocks {
                        for event in batch.iter() {
                            joiner.take(&event, batch.names(), &mut out);
                        }
                    }
                    drop(blocks);
                    if !deliver(&joiner.sub, out).await || !joiner.sub.client.has(joiner.sub.id) {
                        return false;
                    }
                    // Where nothing is for this client, nothing else gives others their turn.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn matches(&self, sub: &Sub) -> usize {
        let state = self.lock();
        state.store.entries().iter().filter(|e| sub.wants(&e.channel, &e.inst)).count()
    }

    /// Where in the memory a joiner can begin, if it can.
    fn enter_memory(&self, joiner: &mut Joiner) -> Option<u64> {
        let state = self.lock();
        let past = &state.past;
        // Of a feed that is named, what came before the memory began was another run's.
        let began = past.began()?;
        if joiner.from.earliest() < began || !joiner.is_covered_by(past, false) {
            return None;
        }
        let (first, books) = past.first();
        joiner.books = books.only(|channel, inst| joiner.sub.wants(channel, inst));
        Some(first)
    }

    /// Where in the memory a joiner that comes from the tape goes on, if it can yet.
    fn after_tape(&self, joiner: &Joiner, whole: bool) -> Option<u64> {
        let state = self.lock();
        joiner.is_covered_by(&state.past, whole).then(|| state.past.first().0)
    }

    /// The memory as it is, for who cannot be helped otherwise.
    fn first_block(&self) -> u64 {
        self.lock().past.first().0
    }

    /// Feeds of which neither the tape nor the memory has given everything yet.
    fn missing(&self, joiner: &Joiner) -> Vec<FeedId> {
        joiner.missing_of(&self.lock().past).collect()
    }

    fn step(&self, joiner: &Joiner, at: u64) -> Step {
        let mut state = self.lock();
        match state.past.blocks(at, BLOCKS_AT_ONCE) {
            None => Step::Fell,
            Some(blocks) if blocks.is_empty() && joiner.all_begun() => {
                self.follow(&mut state, &joiner.sub, &joiner.books);
                Step::Live
            }
            Some(blocks) => Step::More(blocks),
        }
    }

    /// From when on one could join.
    fn too_old(&self, tape: Option<Nanos>) -> Refusal {
        let memory = self.lock().past.reaches_back_to();
        let what = match (tape, memory) {
            (Some(tape), _) => format!("the tape begins at {}", tape.0),
            (None, Some(memory)) => {
                format!("nothing is recorded, and the memory reaches back to {}", memory.0)
            }
            (None, None) => "nothing is recorded, and nothing has come yet".to_owned(),
        };
        ("too_old", format!("`from` is too old: {what} (ns)"))
    }

    /// Reads the tape, on a thread of its own, as fast as the client takes it. `None` if the
    /// client has gone.
    async fn read(
        self: &Arc<Hub>,
        dir: &Arc<Path>,
        joiner: Joiner,
        mut answer: Option<Answer<'_>>,
    ) -> Result<Option<(Joiner, u64)>, Refusal> {
        let sub = Arc::clone(&joiner.sub);
        let place = match answer {
            // Who is on the way already waits for its turn.
            None => self.readers.acquire().await.ok(),
            Some(_) => self.readers.try_acquire().ok(),
        };
        let Some(_place) = place else {
            let what = format!("{READERS_MAX} clients read the tape already; try again");
            return Err(("busy", what));
        };
        let mut reading = tape::start(Arc::clone(self), Arc::clone(dir), joiner);
        loop {
            let said = tokio::select! {
                said = reading.recv() => said,
                () = sub.client.left() => return Ok(None),
            };
            let Some(said) = said else { break };
            match said {
                tape::Said::Found => {
                    if let Some(answer) = answer.take() {
                        sub.client.answer(answer("tape", self.matches(&sub)));
                    }
                }
                tape::Said::Chunk(out) => {
                    if !deliver(&sub, out).await {
                        return Ok(None);
                    }
                }
                tape::Said::Refused(refusal) => return Err(refusal),
                tape::Said::Done(joiner, at) => return Ok(Some((*joiner, at))),
            }
        }
        Err(("tape_unreadable", "reading the tape has ended too early".to_owned()))
    }
}

/// Puts records into the client's queue as there is room. False when the client has gone, or has
/// been sent away because it takes nothing.
async fn deliver(sub: &Sub, out: Vec<Out>) -> bool {
    let all = async {
        for one in out {
            if !sub.client.room().await || !sub.client.put(sub, one) {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| {
        let reason = "too slow to join from the past";
        sub.client.close(crate::client::Close { code: 1008, reason });
        false
    })
}
