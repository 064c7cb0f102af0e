//! Plays a tape into every sink, as if it came from the venue.
//!
//! `Service::replay` starts the thread; nothing here touches the network. The events are those of
//! [`play`](super::play); this file keeps the pace, makes batches, counts, and waits for sinks.
//!
//! Invariants: events go out in the tape's order; a full queue is waited for, whatever its sink's
//! rule says, because a tape can wait; being told to stop ends every wait. Start at [`run`].

use super::{Met, Pace, Place, PlayError, PlayOptions, Played, Speed, Step, play};
use crate::bus::{Publisher, Queue};
use crate::metrics::{FeedMetrics, Metrics};
use crate::options::TapeSettings;
use crate::venue::FeedStats;
use market_data_model::event::BookKind;
use market_data_model::{Batch, Body, FeedId, Nanos};
use market_data_tape::reader::{Range, Tape};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Most events of a batch.
const EVENTS_MAX: usize = 1024;
/// Most batches that are kept for their memory.
const SPARE_MAX: usize = 8;
/// A shorter wait than this gathers events instead.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// How often the accounts of the feeds are renewed.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Which tape a service plays instead of connecting, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaySettings {
    /// The tape: a directory, or one segment file.
    pub path: PathBuf,
    /// How fast.
    pub speed: Speed,
    /// The first receive time to hand on; `None` = from the beginning.
    pub from: Option<Nanos>,
    /// The first receive time not to hand on; `None` = to the end.
    pub to: Option<Nanos>,
    /// Copy the inputs to this tape, with their times and their sums; `None` = nowhere.
    pub copy: Option<TapeSettings>,
}

impl ReplaySettings {
    /// All of a tape, as fast as the sinks take it.
    pub fn new(path: impl Into<PathBuf>) -> ReplaySettings {
        ReplaySettings { path: path.into(), speed: Speed::Max, from: None, to: None, copy: None }
    }
}

/// How a replay into sinks ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayEnd {
    /// Records of the tape that were passed.
    pub records: u64,
    /// Places where the tape is damaged, or says that something is missing.
    pub holes: u64,
    /// It was told to stop before the end.
    pub stopped: bool,
    /// Why it ended early, if it failed.
    pub error: Option<String>,
}

/// What the thread needs.
pub(crate) struct Runner {
    pub tape: Tape,
    pub settings: ReplaySettings,
    pub metrics: Arc<Metrics>,
    pub queues: Vec<Queue>,
    /// True = stop.
    pub stop: watch::Receiver<bool>,
}

/// Plays until the end of the range, or until it is told to stop. Blocks.
pub(crate) fn run(runner: Runner) -> ReplayEnd {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return ReplayEnd { error: Some(error.to_string()), ..ReplayEnd::default() };
        }
    };
    let Runner { tape, settings, metrics, queues, stop } = runner;
    let mut on_way = OnWay {
        runtime,
        publisher: Publisher::new(&queues),
        stop,
        pace: Pace::new(settings.speed),
        batch: Batch::default(),
        feed: FeedId::default(),
        spare: Vec::new(),
        feeds: BTreeMap::new(),
        metrics,
        reported: Instant::now(),
        end: ReplayEnd::default(),
    };
    drop(queues);
    let range = Range { from: settings.from, to: settings.to };
    let options = PlayOptions { range, ..PlayOptions::default() };
    let played = play(&tape, &options, |played| Ok::<_, Infallible>(on_way.take(played)));
    match played {
        Ok(end) => on_way.end.records = end.progress.records,
        Err(PlayError::Read(error)) => on_way.end.error = Some(error.to_string()),
        Err(PlayError::Receiver(never)) => match never {},
    }
    on_way.publish();
    on_way.report();
    on_way.end
}

/// The end of a replay that could not tell.
pub(crate) fn failed() -> ReplayEnd {
    let error = Some("its thread failed by a mistake of ours, or a sink held it up".to_owned());
    ReplayEnd { error, ..ReplayEnd::default() }
}

/// Between the tape and the sinks.
struct OnWay {
    runtime: tokio::runtime::Runtime,
    publisher: Publisher,
    stop: watch::Receiver<bool>,
    pace: Pace,
    batch: Batch,
    /// Whose events are in it.
    feed: FeedId,
    /// Batches that were handed over.
    spare: Vec<Arc<Batch>>,
    feeds: BTreeMap<FeedId, Counted>,
    metrics: Arc<Metrics>,
    reported: Instant,
    end: ReplayEnd,
}

struct Counted {
    numbers: Arc<FeedMetrics>,
    stats: FeedStats,
}

impl OnWay {
    fn take(&mut self, played: Played<'_>) -> ControlFlow<()> {
        // Once a block of the tape, and after whatever takes time.
        let mut look = matches!(played, Played::Progress(_));
        match played {
            Played::Met(place, Met::Started(life, _)) => {
                self.pace.rebase();
                self.counted(place.feed, &life.url);
            }
            Played::Met(place, Met::Step(step)) => {
                look = self.wait(place.ts);
                self.step(place, &step);
            }
            Played::Met(_, Met::Lost(feed, lost, _)) => {
                self.end.holes += 1;
                let (feed, records, from, to) = (feed.0, lost.records, lost.from, lost.to);
                tracing::warn!(feed, records, %from, %to, why = %lost.why, "the tape has a gap");
            }
            Played::Damage(damage) => {
                self.end.holes += 1;
                tracing::warn!(%damage, "the tape is damaged");
            }
            Played::Unreadable(place, error) => {
                self.end.holes += 1;
                tracing::warn!(record = place.ordinal, %error, "a record cannot be read");
            }
            Played::Met(..) => {}
            Played::Progress(_) if self.reported.elapsed() >= REPORT_EVERY => self.report(),
            Played::Progress(_) => {}
        }
        self.end.stopped |= look && self.is_stopped();
        if self.end.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Waits for a record's turn; says whether it did.
    fn wait(&mut self, at: Nanos) -> bool {
        let left = self.pace.left(at);
        if left < WAIT_MIN {
            return false;
        }
        self.publish();
        self.report();
        let stop = &mut self.stop;
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // An error means that the service is gone, which is a stop, too.
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
        true
    }

    fn step(&mut self, place: Place, step: &Step<'_>) {
        let stats = &mut self.counted(place.feed, "").stats;
        if let Some(bytes) = step.frame_bytes {
            stats.frames += 1;
            stats.bytes += bytes;
        }
        if step.events.is_empty() {
            return;
        }
        for event in step.events.iter() {
            count(stats, &event.body, step.stopped);
        }
        // A batch is of one feed, and its events share what is known of instruments.
        let other = self.feed != place.feed;
        let renamed = !Arc::ptr_eq(self.batch.names(), step.events.names());
        if other || renamed || self.batch.len() >= EVENTS_MAX {
            self.publish();
            self.batch.set_names(step.events.names());
            self.feed = place.feed;
        }
        for event in step.events.iter() {
            self.batch.push(&event);
        }
    }

    fn counted(&mut self, feed: FeedId, url: &str) -> &mut Counted {
        self.feeds.entry(feed).or_insert_with(|| {
            let numbers = self.metrics.add_feed(FeedMetrics::new(feed, &url.into()));
            Counted { numbers, stats: FeedStats::default() }
        })
    }

    /// Hands the events over; waits for every sink that has no room.
    fn publish(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let fresh = self.fresh();
        let batch = Arc::new(std::mem::replace(&mut self.batch, fresh));
        self.batch.set_names(batch.names());
        let (publisher, stop) = (&mut self.publisher, &mut self.stop);
        let stopped = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = publisher.publish(&batch, Nanos(0)) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            }
        });
        self.end.stopped |= stopped;
        if self.spare.len() < SPARE_MAX {
            self.spare.push(batch);
        }
    }

    /// An empty batch, with the memory of one that everybody has read if there is one.
    fn fresh(&mut self) -> Batch {
        let free = self.spare.iter().position(|batch| Arc::strong_count(batch) == 1);
        let used = free.map(|at| Arc::try_unwrap(self.spare.swap_remove(at)));
        let mut batch = used.and_then(Result::ok).unwrap_or_default();
        batch.clear();
        batch
    }

    fn report(&mut self) {
        self.reported = Instant::now();
        for counted in self.feeds.values() {
            counted.numbers.copy(&counted.stats);
            counted.numbers.recount(counted.stats.clone());
            counted.numbers.connected.store(true, Relaxed);
        }
    }
}

/// Counts as a feed does. What stopping opened is nobody's news.
fn count(stats: &mut FeedStats, body: &Body<'_>, stopped: bool) {
    stats.records += 1;
    match body {
        Body::Ticker(_) => stats.tickers += 1,
        Body::Trade(_) => stats.trades += 1,
        Body::Bar(_) => stats.bars += 1,
        Body::Book(book, ..) if book.kind == BookKind::View => stats.views += 1,
        Body::Book(..) => stats.deltas += 1,
        Body::Instrument(_) => stats.instruments += 1,
        Body::Fault(_) => stats.faults += 1,
        Body::Raw(_) => stats.raws += 1,
        Body::Gap(gap) if gap.closed => stats.gaps_closed += 1,
        Body::Gap(_) if stopped => {}
        Body::Gap(_) => stats.gaps_opened += 1,
        Body::Session(session) => {
            let down = session.step == market_data_model::event::SessionStep::Down;
            stats.reconnects += u64::from(down && !stopped);
        }
        Body::Subscription(_) => {}
        _ => stats.figures += 1,
    }
}
