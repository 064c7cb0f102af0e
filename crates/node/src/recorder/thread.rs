//! The recorder's thread: takes chunks, puts them on the tape, digests what came out of them.
//!
//! Everything that blocks on a disk is here. [`Recording::run`] ends when the last lane is gone.
//!
//! Invariants: a digest covers whole chunks, so it stands right behind the inputs that it is about,
//! and a feed's state right behind a digest; after a loss a feed is not digested until its next
//! state, because a replay cannot know what it knew.

use super::converter::Wake;
use super::haste::Haste;
use super::lane::join;
use super::rounds::Rounds;
use super::{Chunk, Shared, TapeLoss};
use crate::clock::{thread_ns, wall_now};
use crate::recorder::chunk::Part;
use market_data_model::{FeedId, Nanos};
use market_data_okx::limits::CHECKPOINT_BYTES_MAX;
use market_data_tape::writer::OpenError;
use market_data_tape::{
    ALL_FEEDS, Entry, FeedRange, FeedStart, FeedState, Lost, News, OutputDigest,
};
use market_data_tape::{Put, TapeOptions, TapeWriter};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Inputs after which a digest is put on the tape.
const DIGEST_INPUTS: u64 = 4096;
/// Time after which one is, if anything came in.
const DIGEST_NS: u64 = 1_000_000_000;
/// Longest nap: the tape's times are short, and this is only a guard.
const NAP_MAX: Duration = Duration::from_secs(1);
/// How often somebody who waits for another process looks whether it is gone.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Why lanes lose.
const FULL: &str = "the recorder's queue was full";

/// See the file's first comment.
pub(super) struct Recording {
    shared: Arc<Shared>,
    options: TapeOptions,
    digests: bool,
    news: mpsc::Sender<TapeLoss>,
    place: Place,
    feeds: BTreeMap<FeedId, Running>,
    rounds: Rounds,
    haste: Haste,
    /// Whether a segment has been opened.
    writes: bool,
    /// Who turns complete segments into Parquet files, if somebody does.
    pub(super) converter: Option<Wake>,
}

/// Where records go.
enum Place {
    Tape(Box<TapeWriter>),
    /// The directory cannot be used yet.
    Nowhere {
        lost: Vec<FeedRange>,
        tried: Nanos,
        why: String,
    },
}

struct Running {
    venue: &'static str,
    config: Vec<u8>,
    /// `None` after a loss.
    digest: Option<OutputDigest>,
    /// When the last one was put, or the feed began.
    digested: Nanos,
    last_n: u64,
}

impl Recording {
    pub fn new(
        shared: Arc<Shared>,
        options: TapeOptions,
        digests: bool,
        news: mpsc::Sender<TapeLoss>,
        opened: Option<Result<TapeWriter, String>>,
    ) -> Recording {
        let now = wall_now();
        let mut recording = Recording {
            rounds: Rounds::new(&options, now),
            haste: Haste::default(),
            writes: false,
            converter: None,
            shared,
            options,
            digests,
            news,
            place: Place::Nowhere { lost: Vec::new(), tried: now, why: String::new() },
            feeds: BTreeMap::new(),
        };
        match opened {
            None => {}
            Some(Ok(writer)) => recording.opened(writer),
            Some(Err(why)) => {
                let dir = recording.shared.dir.display();
                tracing::error!(%dir, %why, "recording has failed; trying again, the feeds go on");
                recording.shared.failures.fetch_add(1, Relaxed);
                recording.shared.set_failing(Some(&why));
                recording.place = Place::Nowhere { lost: Vec::new(), tried: now, why };
            }
        }
        recording
    }

    /// Waits until this process is the one that records, and then records what came meanwhile.
    /// False if it never is: the service ends, or gives up.
    pub fn wait(&mut self, queue: &Receiver<Chunk>, begun: &Receiver<()>) -> bool {
        // Bounded by the lanes: what is here counts as queued.
        let mut held = Vec::new();
        loop {
            match begun.try_recv() {
                Ok(()) => break,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return false,
            }
            match queue.recv_timeout(LOOK_EVERY) {
                Ok(chunk) => held.push(chunk),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        self.try_again(wall_now());
        for chunk in held {
            self.work(chunk);
        }
        true
    }

    fn work(&mut self, chunk: Chunk) {
        self.take(&chunk);
        let queued = self.shared.queue_bytes.fetch_sub(chunk.cost, Relaxed) - chunk.cost;
        self.shared.recycle(chunk);
        let now = wall_now();
        self.hurry(now, queued);
        self.tick(now);
    }

    /// Leaves out compression where that lets the recorder keep up.
    fn hurry(&mut self, now: Nanos, queued: usize) {
        let Some(on) = self.haste.look(now, queued, thread_ns) else { return };
        if let Place::Tape(writer) = &mut self.place {
            writer.hurry(on);
        }
        match on {
            true => tracing::info!(queued, "much to record: blocks are not compressed"),
            false => tracing::info!(queued, "blocks are compressed again"),
        }
    }

    /// Records until the last lane is gone; says what is lost without a word on the tape.
    pub fn run(mut self, queue: &Receiver<Chunk>) -> Option<String> {
        if let Some(converter) = &self.converter {
            // For what an earlier process left.
            converter.call();
        }
        loop {
            match queue.recv_timeout(self.nap()) {
                Ok(chunk) => self.work(chunk),
                Err(RecvTimeoutError::Timeout) => self.tick(wall_now()),
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            }
        }
    }

    fn nap(&self) -> Duration {
        let due = match &self.place {
            Place::Tape(writer) => writer.due(),
            Place::Nowhere { tried, .. } => Some(*tried + self.options.retry_ns),
        };
        let nap = due.map(|due| Duration::from_nanos(due.since(wall_now())));
        nap.unwrap_or(NAP_MAX).min(NAP_MAX)
    }

    fn tick(&mut self, now: Nanos) {
        match &mut self.place {
            Place::Tape(writer) => writer.tick(now),
            Place::Nowhere { tried, .. } if now.since(*tried) >= self.options.retry_ns => {
                self.try_again(now);
            }
            Place::Nowhere { .. } => {}
        }
        self.tell();
    }

    fn take(&mut self, chunk: &Chunk) {
        if let Some(last) = chunk.last_ts() {
            self.shared.lag_ns.store(wall_now().since(last), Relaxed);
        }
        for range in &chunk.lost {
            self.overflowed(range);
        }
        let mut kept = true;
        let mut ended = None;
        let mut state = None;
        for part in chunk.parts() {
            match part {
                Part::Put(ts, entry) => kept &= self.put(chunk.feed, ts, &entry) == Put::Kept,
                Part::State(ts, bytes) => state = Some((ts, bytes)),
                Part::End(ts) => ended = Some(ts),
            }
        }
        self.digest(chunk, kept, ended);
        if let Some((ts, bytes)) = state {
            self.state(chunk.feed, ts, bytes);
        }
        self.rounds.put(chunk.bytes());
        self.rounds.look(&self.shared, wall_now());
        if ended.is_some() {
            self.feeds.remove(&chunk.feed);
            if let Place::Tape(writer) = &mut self.place {
                writer.end_feed(chunk.feed);
            }
        }
    }

    fn put(&mut self, feed: FeedId, ts: Nanos, entry: &Entry<'_>) -> Put {
        if let Entry::FeedStart(start) = entry {
            let known = self.feeds.get(&feed).filter(|_| start.again);
            let running = Running {
                last_n: known.map_or(0, |known| known.last_n),
                venue: crate::venue::NAME,
                config: start.config.to_vec(),
                digest: (self.digests && !start.again).then(OutputDigest::default),
                digested: ts,
            };
            self.feeds.insert(feed, running);
        }
        match &mut self.place {
            Place::Tape(writer) => writer.put(feed, ts, entry),
            Place::Nowhere { lost, .. } => {
                let fresh = !lost.iter().any(|range| range.feed == feed);
                join(lost, FeedRange { feed, records: 1, bytes: 0, min_ts: ts, max_ts: ts });
                self.shared.lost.fetch_add(1, Relaxed);
                if fresh {
                    self.publish(feed, ts, None);
                }
                Put::Lost
            }
        }
    }

    /// Adds what came out of the chunk's inputs; puts the sum now and then.
    fn digest(&mut self, chunk: &Chunk, kept: bool, ended: Option<Nanos>) {
        let Some(running) = self.feeds.get_mut(&chunk.feed) else { return };
        if chunk.last_n > 0 {
            running.last_n = chunk.last_n;
        }
        if !kept || chunk.failed {
            running.digest = None;
        }
        let Some(digest) = &mut running.digest else { return };
        digest.add_inputs(chunk.inputs);
        let batches = chunk.batches.iter();
        batches.for_each(|batch| digest.add_events(batch.events(0..batch.len())));
        digest.add_actions(&chunk.actions);
        let Some(ts) = chunk.last_ts() else { return };
        let due = digest.inputs() >= DIGEST_INPUTS || ts.since(running.digested) >= DIGEST_NS;
        if digest.inputs() > 0 && (due || chunk.has_state || ended.is_some()) {
            let outputs = digest.take();
            running.digested = ts;
            if self.put(chunk.feed, ts, &Entry::Outputs(outputs)) == Put::Lost
                && let Some(running) = self.feeds.get_mut(&chunk.feed)
            {
                running.digest = None;
            }
        }
    }

    /// Puts the state of a feed behind everything that was put of it; sums begin anew there.
    fn state(&mut self, feed: FeedId, ts: Nanos, state: &[u8]) {
        let Some(running) = self.feeds.get_mut(&feed) else { return };
        if state.len() > CHECKPOINT_BYTES_MAX {
            let bytes = state.len();
            return tracing::warn!(feed = feed.0, bytes, "its state is too large for the tape");
        }
        let config = std::mem::take(&mut running.config);
        let entry = Entry::State(FeedState { venue: running.venue, config: &config, state });
        let put = self.put(feed, ts, &entry);
        self.rounds.state(config.len() + state.len());
        let Some(running) = self.feeds.get_mut(&feed) else { return };
        running.config = config;
        running.digest = (self.digests && put == Put::Kept).then(OutputDigest::default);
        running.digested = ts;
    }

    /// Lanes had to drop these.
    fn overflowed(&mut self, range: &FeedRange) {
        self.shared.dropped.fetch_sub(range.records, Relaxed);
        match &mut self.place {
            Place::Tape(writer) => {
                writer.lose_range(range, FULL);
                self.publish(range.feed, range.min_ts, Some(range.max_ts));
            }
            Place::Nowhere { lost, .. } => {
                join(lost, *range);
                self.shared.lost.fetch_add(range.records, Relaxed);
            }
        }
        if let Some(running) = self.feeds.get_mut(&range.feed) {
            running.digest = None;
        }
    }

    fn try_again(&mut self, now: Nanos) {
        let opened = TapeWriter::open(&self.shared.dir, self.options.clone(), now);
        let failed = match opened {
            Ok(writer) => return self.opened(writer),
            Err(OpenError::Io { doing, path, error }) => {
                format!("cannot {doing} {}: {error}", path.display())
            }
            Err(error) => error.to_string(),
        };
        if let Place::Nowhere { tried, why, .. } = &mut self.place {
            *tried = now;
            if *why != failed {
                tracing::error!(why = %failed, "recording still fails");
                self.shared.set_failing(Some(&failed));
                *why = failed;
            }
        }
    }

    /// The directory can be used: says what was lost before, and who is running.
    fn opened(&mut self, mut writer: TapeWriter) {
        let dir = self.shared.dir.display();
        if let Some(found) = writer.recovered() {
            let (cut_bytes, kept) = (found.cut_bytes, found.kept_records);
            let segment = found.segment.display();
            tracing::warn!(%segment, kept, cut_bytes, "the recorder before this one was killed");
        }
        tracing::info!(%dir, "recording");
        let (lost, why) = match &mut self.place {
            Place::Nowhere { lost, why, .. } => (std::mem::take(lost), std::mem::take(why)),
            Place::Tape(_) => (Vec::new(), String::new()),
        };
        self.shared.lost.store(0, Relaxed);
        for range in &lost {
            writer.lose_range(range, &why);
        }
        writer.hurry(self.haste.is_on());
        let now = wall_now();
        self.rounds.begin(&self.shared, now);
        for (feed, running) in &mut self.feeds {
            running.digest = None;
            let start = FeedStart { venue: running.venue, config: &running.config, again: true };
            // What becomes of it is in the news.
            let _ = writer.put(*feed, now, &Entry::FeedStart(start));
        }
        self.place = Place::Tape(Box::new(writer));
        self.shared.set_failing(None);
        for range in &lost {
            tracing::warn!(feed = range.feed.0, records = range.records, "recording goes on");
            self.publish(range.feed, range.min_ts, Some(range.max_ts));
        }
    }

    /// Logs, counts and publishes what the writer says.
    fn tell(&mut self) {
        loop {
            let Place::Tape(writer) = &mut self.place else { return };
            let stats = writer.stats();
            let shared = &self.shared;
            shared.count(&stats);
            shared.failures.store(stats.failures, Relaxed);
            shared.set_failing(writer.failure().map(|failure| failure.why.as_str()));
            let Some(news) = writer.news() else { return };
            match news {
                News::SegmentOpened { path } => {
                    if std::mem::replace(&mut self.writes, true) {
                        self.rounds.begin(&self.shared, wall_now());
                    }
                    tracing::debug!(segment = %path.display(), "a segment of the tape begins");
                }
                News::SegmentClosed { path, records, bytes } => {
                    let segment = path.display();
                    tracing::info!(%segment, records, bytes, "a segment of the tape is complete");
                    if let Some(converter) = &self.converter {
                        converter.call();
                    }
                }
                News::Failed { at, why } => {
                    tracing::error!(%why, "recording has failed; trying again, the feeds go on");
                    let feeds: Vec<_> = self.feeds.keys().copied().collect();
                    feeds.into_iter().for_each(|feed| self.publish(feed, at, None));
                }
                News::Resumed { lost, .. } => self.resumed(&lost),
                News::TooLong { feed, ts, bytes } => {
                    self.rounds.begin(&self.shared, wall_now());
                    tracing::error!(feed = feed.0, bytes, "one input is too long for the tape");
                    self.publish(feed, ts, Some(ts));
                }
                _ => {}
            }
        }
    }

    fn resumed(&mut self, lost: &[(FeedId, Lost)]) {
        self.rounds.begin(&self.shared, wall_now());
        for (feed, loss) in lost {
            let (records, unsure, why) = (loss.records, loss.unsure, &loss.why);
            tracing::warn!(feed = feed.0, records, unsure, %why, "recording goes on");
            let feeds: Vec<FeedId> = match *feed {
                ALL_FEEDS => self.feeds.keys().copied().collect(),
                feed => vec![feed],
            };
            for feed in feeds {
                if let Some(running) = self.feeds.get_mut(&feed) {
                    running.digest = None;
                }
                self.publish(feed, loss.from, Some(loss.to));
            }
        }
    }

    fn publish(&self, feed: FeedId, from: Nanos, to: Option<Nanos>) {
        let n = self.feeds.get(&feed).map_or(0, |running| running.last_n);
        if self.news.try_send(TapeLoss { feed, n, from, to }).is_err() {
            tracing::warn!(feed = feed.0, "too many losses of the tape to publish them all");
        }
    }

    /// Puts the sums of feeds whose end found no room.
    fn sum_up(&mut self, now: Nanos) {
        let feeds = std::mem::take(&mut self.feeds);
        for (feed, running) in feeds {
            if let Some(mut digest) = running.digest.filter(|digest| digest.inputs() > 0) {
                // If it is lost, the writer says so.
                let _ = self.put(feed, now, &Entry::Outputs(digest.take()));
            }
        }
    }

    fn close(mut self) -> Option<String> {
        let now = wall_now();
        if matches!(self.place, Place::Nowhere { .. }) {
            self.try_again(now);
        }
        let dropped = self.shared.dropped.load(Relaxed);
        if dropped > 0 {
            let (feed, records) = (ALL_FEEDS, dropped);
            self.overflowed(&FeedRange { feed, records, bytes: 0, min_ts: now, max_ts: now });
        } else if matches!(self.place, Place::Tape(_)) {
            self.sum_up(now);
        }
        let shared = Arc::clone(&self.shared);
        let place = std::mem::replace(
            &mut self.place,
            Place::Nowhere { lost: Vec::new(), tried: now, why: String::new() },
        );
        let writer = match place {
            Place::Tape(writer) => writer,
            Place::Nowhere { why, .. } => return Some(why),
        };
        match writer.close(now) {
            Ok(stats) => {
                shared.count(&stats);
                None
            }
            Err(error) => Some(error.to_string()),
        }
    }
}
