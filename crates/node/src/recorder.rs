//! Records every input of every feed on a tape, and never holds a feed up for it.
//!
//! The service starts one recorder; each driver has a [`Lane`] and hands over what its feed was
//! given in [`Chunk`]s, one at each publishing, through a bounded queue. One thread owns the
//! [`TapeWriter`](market_data_tape::TapeWriter): files are touched there and nowhere else.
//!
//! Invariants: an input is in the chunk before the feed handles it, and the chunk is in the queue
//! before anybody gets the events; when the queue is full or the disk refuses, nothing waits: what
//! is lost is counted, told on the tape, published as a gap of ours and logged.
//!
//! Start at [`start`]; then `lane.rs` (the driver's side), `thread.rs` (the disk's side),
//! `known.rs` (what the process before has left), `rounds.rs` (when feeds leave their states on the
//! tape), `anchors.rs`
//! (a second witness over REST), `news.rs` (what is published about losses).

mod anchors;
mod chunk;
mod config;
mod converter;
mod haste;
mod known;
mod lane;
mod news;
mod rounds;
mod thread;

#[cfg(test)]
mod sick_disk_tests;
#[cfg(test)]
mod tests;

pub(crate) use anchors::{Anchors, followed};
pub(crate) use chunk::Chunk;
pub(crate) use config::{feed_config, tape_config};
pub(crate) use known::known;
pub(crate) use lane::{Lane, Lanes};
pub(crate) use news::publish as publish_news;

use crate::error::Error;
use crate::options::TapeSettings;
use market_data_model::{FeedId, Nanos};
use market_data_tape::writer::TapeStats;
use market_data_tape::{Compression, TapeOptions, TapeWriter};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Most chunks that wait for the disk.
const CHUNKS_MAX: usize = 4096;
/// Most bytes that wait for the disk, events that are still to be digested included.
const QUEUE_BYTES_MAX: usize = 128 << 20;
/// Most losses that wait to be published.
const NEWS_MAX: usize = 1024;
/// Most chunks kept for reuse, and the largest of them in bytes.
const SPARE_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 1 << 20;

/// How a recorder stands, or how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TapeReport {
    /// Where it records.
    pub dir: PathBuf,
    /// Records on the tape.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Bytes on the disk, after compression.
    pub stored_bytes: u64,
    /// Blocks that were not compressed, because the recorder could not keep up.
    pub hurried_blocks: u64,
    /// Records lost, or handed to a disk that then failed.
    pub lost_records: u64,
    /// Times that writing failed.
    pub failures: u64,
    /// Why it cannot write at the moment; `None` while all is well.
    pub failing: Option<String>,
    /// How long the last chunk waited for the recorder, in ns.
    pub lag_ns: u64,
    /// Bytes that wait for the recorder.
    pub queue_bytes: u64,
    /// Times that what came out of a feed found no room: the inputs are on the tape, and no sum
    /// over what came of them.
    pub sums_forgotten: u64,
    /// Answers of the REST side that found the queue full and are not on the tape.
    pub anchors_dropped: u64,
    /// Segments that became Parquet files.
    pub converted: u64,
    /// Times that this failed.
    pub convert_failures: u64,
    /// After the end: what is lost without a word of it on the tape; `None` if nothing is.
    pub ended_badly: Option<String>,
    /// After the end: whether the recorder was still busy when we stopped waiting.
    pub unfinished: bool,
}

/// What lanes, thread and metrics share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub dir: PathBuf,
    pub records: AtomicU64,
    pub bytes: AtomicU64,
    pub stored_bytes: AtomicU64,
    pub hurried_blocks: AtomicU64,
    /// Lost by the writer.
    pub lost: AtomicU64,
    /// Lost because the queue was full, and not yet accounted for by the writer.
    pub dropped: AtomicU64,
    pub failures: AtomicU64,
    /// Chunks whose outputs found no room, so that no sum covers their inputs.
    pub sums_forgotten: AtomicU64,
    /// Answers of the REST side for which there was no room.
    pub anchors_dropped: AtomicU64,
    pub lag_ns: AtomicU64,
    pub queue_bytes: AtomicUsize,
    /// Raised when each feed is to leave its state on the tape.
    pub round: AtomicU64,
    /// Segments that became Parquet files, and times that this failed.
    pub converted: AtomicU64,
    pub convert_failures: AtomicU64,
    /// When the log last said that lanes lose, so that it does so once in a while only.
    pub overflow_logged: AtomicU64,
    failing: Mutex<Option<String>>,
    spare: Mutex<Vec<Chunk>>,
}

impl Shared {
    pub fn report(&self) -> TapeReport {
        TapeReport {
            dir: self.dir.clone(),
            records: self.records.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            stored_bytes: self.stored_bytes.load(Relaxed),
            hurried_blocks: self.hurried_blocks.load(Relaxed),
            lost_records: self.lost.load(Relaxed) + self.dropped.load(Relaxed),
            failures: self.failures.load(Relaxed),
            failing: self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            lag_ns: self.lag_ns.load(Relaxed),
            queue_bytes: self.queue_bytes.load(Relaxed) as u64,
            sums_forgotten: self.sums_forgotten.load(Relaxed),
            anchors_dropped: self.anchors_dropped.load(Relaxed),
            converted: self.converted.load(Relaxed),
            convert_failures: self.convert_failures.load(Relaxed),
            ended_badly: None,
            unfinished: false,
        }
    }

    /// What the writer has counted.
    pub fn count(&self, stats: &TapeStats) {
        self.records.store(stats.records, Relaxed);
        self.bytes.store(stats.bytes, Relaxed);
        self.stored_bytes.store(stats.stored_bytes, Relaxed);
        self.hurried_blocks.store(stats.hurried_blocks, Relaxed);
        self.lost.store(stats.lost_records, Relaxed);
    }

    pub fn set_failing(&self, why: Option<&str>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        *failing = why.map(str::to_owned);
    }

    /// An empty chunk, with the memory of a used one if there is one.
    pub fn chunk(&self, feed: FeedId) -> Chunk {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut chunk = spare.unwrap_or_default();
        chunk.feed = feed;
        chunk
    }

    pub fn recycle(&self, mut chunk: Chunk) {
        chunk.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX && chunk.capacity() <= SPARE_BYTES_MAX {
            spare.push(chunk);
        }
    }
}

/// A stretch of a feed's inputs that is not on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TapeLoss {
    pub feed: FeedId,
    /// `n` of the feed's last event that the recorder has seen.
    pub n: u64,
    /// Receive time of the first record lost.
    pub from: Nanos,
    /// Receive time of the last record lost; `None` while it goes on.
    pub to: Option<Nanos>,
}

/// A running recorder, as the service holds it.
pub(crate) struct Recorder {
    pub shared: Arc<Shared>,
    /// Losses to publish.
    pub news: mpsc::Receiver<TapeLoss>,
    /// How the thread ended: what is lost without a word, if anything.
    pub ended: oneshot::Receiver<Option<String>>,
}

/// Opens the directory and starts the thread. It ends when the last lane is gone.
///
/// A directory that cannot be used at the moment is no error: the recorder says so and tries
/// again, like a disk that fails later. Blocks while the end of an existing tape is read.
///
/// # Errors
/// When another process records there, a setting is out of range, or there is no thread to be had.
pub(crate) fn start(settings: &TapeSettings, about: String) -> Result<(Recorder, Lanes), Error> {
    use market_data_tape::writer::OpenError;
    let options = options(settings, about);
    let opened = TapeWriter::open(&settings.dir, options.clone(), crate::clock::wall_now());
    let place = match opened {
        Ok(writer) => Ok(writer),
        Err(OpenError::Io { doing, path, error }) => {
            Err(format!("cannot {doing} {}: {error}", path.display()))
        }
        Err(error) => return Err(Error::Tape(error)),
    };
    run(settings, options, (Some(place), None))
}

/// Starts the thread, which touches nothing before it hears from the sender: until then another
/// process records. What the lanes send waits in memory, no more than [`QUEUE_BYTES_MAX`]; dropping
/// the sender unheard means that nothing is ever recorded.
///
/// # Errors
/// When there is no thread to be had.
pub(crate) fn start_later(
    settings: &TapeSettings,
    about: String,
) -> Result<(Recorder, Lanes, SyncSender<()>), Error> {
    let (begin, begun) = std::sync::mpsc::sync_channel(1);
    let (recorder, lanes) = run(settings, options(settings, about), (None, Some(begun)))?;
    Ok((recorder, lanes, begin))
}

fn run(
    settings: &TapeSettings,
    options: TapeOptions,
    (place, begun): (Option<Result<TapeWriter, String>>, Option<Receiver<()>>),
) -> Result<(Recorder, Lanes), Error> {
    let round = AtomicU64::new(1);
    let shared = Arc::new(Shared { dir: settings.dir.clone(), round, ..Shared::default() });
    let (chunks, queue) = std::sync::mpsc::sync_channel(CHUNKS_MAX);
    let (news_sender, news) = mpsc::channel(NEWS_MAX);
    let (done, ended) = oneshot::channel();
    let what = |what: &str| {
        let what = format!("start a thread for {what}");
        move |source| Error::Io { what, source }
    };
    let parquet = settings.parquet.clone();
    let wake = parquet.map(|parquet| converter::start(parquet, Arc::clone(&shared))).transpose();
    let mut thread =
        thread::Recording::new(Arc::clone(&shared), options, settings.digests, news_sender, place);
    thread.converter = wake.map_err(what("Parquet files"))?;
    let work = move || {
        let begins = begun.is_none_or(|begun| thread.wait(&queue, &begun));
        let lost = if begins { thread.run(&queue) } else { None };
        // Nobody listens once the service was dropped.
        drop(done.send(lost));
    };
    std::thread::Builder::new().name("tape".to_owned()).spawn(work).map_err(what("the tape"))?;
    let lanes = Lanes { shared: Arc::clone(&shared), chunks, digests: settings.digests };
    Ok((Recorder { shared, news, ended }, lanes))
}

/// How a tape is written, from the settings.
pub(crate) fn options(settings: &TapeSettings, about: String) -> TapeOptions {
    let ns = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let defaults = TapeOptions::default();
    let sync_ns = ns(settings.sync);
    TapeOptions {
        compression: match settings.level {
            0 => Compression::None,
            level => Compression::Zstd(level),
        },
        block_ns: defaults.block_ns.min(sync_ns),
        sync_ns,
        segment_bytes: settings.rotate_bytes,
        segment_ns: ns(settings.rotate),
        config: about,
        ..defaults
    }
}
