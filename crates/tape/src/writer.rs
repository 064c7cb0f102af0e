//! Writes a tape and outlives its disk.
//!
//! The recorder owns one [`TapeWriter`], calls [`put`](TapeWriter::put) for every record and
//! [`tick`](TapeWriter::tick) when [`due`](TapeWriter::due) has come. Calls block on the disk, so
//! it lives on a thread that may wait. It never reads a clock.
//!
//! Invariants: `put` and `tick` cannot fail; what could not be written is counted, and told on
//! the tape and as [`News`] when writing goes on; memory is one block whatever the disk does; a
//! segment that was left is never appended to. Start at [`TapeWriter::open`].

mod block;
mod flow;
mod loss;
mod options;
mod recover;
mod segment;
mod told;

pub use options::{Compression, TapeOptions};
pub use told::{CloseError, Failure, News, OpenError, Put, RecoverReport, TapeStats};

use crate::limits::{FEEDS_MAX, NEWS_MAX, RECORD_BYTES_MAX};
use crate::record::{Entry, FeedStart};
use crate::storage::{DirLock, Disk, LOCK_NAME, Storage};
use crate::tally::FeedRange;
use block::{Block, TooLong};
use loss::Losses;
use market_data_model::{FeedId, Nanos};
use segment::OpenSegment;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

/// Writes one tape.
pub struct TapeWriter {
    storage: Box<dyn Storage>,
    dir: PathBuf,
    options: TapeOptions,
    lock: Option<Box<dyn DirLock>>,
    block: Block,
    segment: Option<OpenSegment>,
    failure: Option<Failure>,
    /// Not told yet.
    lost: Losses,
    /// Told in the current block.
    told: Losses,
    next_ordinal: u64,
    next_number: u64,
    tape_id: Option<u64>,
    /// Time of the oldest record that is not on the disk.
    oldest_unsynced: Option<Nanos>,
    /// Feeds that run: venue and configuration, repeated in every segment.
    feeds: BTreeMap<FeedId, (String, Vec<u8>)>,
    news: VecDeque<News>,
    stats: TapeStats,
    recovered: Option<RecoverReport>,
    closed: bool,
    /// The segment that the last failure has left.
    left: Option<PathBuf>,
}

/// Whether `delay` ns have passed; a clock that was set back counts as passed.
fn elapsed(now: Nanos, since: Nanos, delay: u64) -> bool {
    now.since(since) >= delay || since.since(now) > delay
}

impl TapeWriter {
    /// Opens a directory for recording: takes its lock, cuts the torn tail of the last segment.
    ///
    /// # Errors
    /// [`OpenError`] when another recorder has the directory, the file system refuses, or an
    /// option is out of range.
    pub fn open(dir: &Path, options: TapeOptions, now: Nanos) -> Result<TapeWriter, OpenError> {
        TapeWriter::open_on(Box::new(Disk), dir, options, now)
    }

    /// As [`open`](TapeWriter::open), on another file system.
    ///
    /// # Errors
    /// As [`open`](TapeWriter::open).
    pub fn open_on(
        mut storage: Box<dyn Storage>,
        dir: &Path,
        options: TapeOptions,
        now: Nanos,
    ) -> Result<TapeWriter, OpenError> {
        options.check().map_err(OpenError::Option)?;
        storage.create_dir(dir).map_err(|e| OpenError::io("make", dir, e))?;
        let mut lock = match storage.lock(dir, now) {
            Ok(Ok(lock)) => lock,
            Ok(Err(held)) => {
                return Err(OpenError::Locked { dir: dir.to_owned(), holder: held.pid });
            }
            Err(e) => return Err(OpenError::io("lock", &dir.join(LOCK_NAME), e)),
        };
        let block = Block::new(options.compression, options.block_bytes)
            .map_err(|e| OpenError::Option(format!("compression is refused by zstd: {e}")));
        let place = recover::recover(&mut *storage, dir, (lock.left_open(), now));
        let (place, block) = match (place, block) {
            (Ok(place), Ok(block)) => (place, block),
            (Err(error), _) | (_, Err(error)) => {
                if lock.left_open().is_none() {
                    // Nobody has recorded meanwhile. If that cannot be said, a loss is told.
                    let _ = lock.leave();
                }
                return Err(error);
            }
        };
        Ok(TapeWriter {
            storage,
            dir: dir.to_owned(),
            options,
            lock: Some(lock),
            block,
            segment: None,
            failure: None,
            lost: place.lost,
            told: Losses::default(),
            next_ordinal: place.next_ordinal,
            next_number: place.next_number,
            tape_id: place.tape_id,
            oldest_unsynced: None,
            feeds: BTreeMap::new(),
            news: VecDeque::new(),
            stats: TapeStats::default(),
            recovered: place.report,
            closed: false,
            left: None,
        })
    }

    /// What was found of a recorder that did not end well; `None` if the last one did.
    pub fn recovered(&self) -> Option<&RecoverReport> {
        self.recovered.as_ref()
    }

    /// Why writing is not possible at the moment; `None` while all is well.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Counters.
    pub fn stats(&self) -> TapeStats {
        self.stats
    }

    /// The next thing to log, publish or act upon. Unread news are bounded; the oldest go first.
    pub fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Puts one record; `ts` is when it was received and must not be far from the time of `tick`.
    pub fn put(&mut self, feed: FeedId, ts: Nanos, entry: &Entry<'_>) -> Put {
        let mut starting = None;
        if let Entry::FeedStart(start) = entry {
            self.remember(feed, start);
            starting = Some(feed);
        }
        self.prelude(ts, starting);
        if self.failure.is_some() {
            self.lose(feed, ts, entry.payload_len());
            return Put::Lost;
        }
        if let Err(TooLong(bytes)) = self.push(feed, ts, entry) {
            self.flush(ts);
            self.lost.because("a record longer than any may be");
            self.lose(feed, ts, bytes);
            self.tell(News::TooLong { feed, ts, bytes });
            return Put::Lost;
        }
        if self.block.is_full() {
            self.flush(ts);
        }
        if self.failure.is_some() { Put::Lost } else { Put::Kept }
    }

    /// Accounts for records that never came here, because the way to the writer was full: they get
    /// numbers, and are told like those that a disk did not take.
    pub fn lose_range(&mut self, range: &FeedRange, why: &str) {
        self.flush(range.max_ts);
        self.next_ordinal += range.records;
        self.stats.lost_records += range.records;
        self.lost.because(why);
        self.lost.sure.join(range);
    }

    /// Whether blocks are stored as they are from the next one on, because whoever records cannot
    /// keep up and compressing is most of the work. A block says how it is stored.
    pub fn hurry(&mut self, on: bool) {
        self.block.hurried = on;
    }

    /// The feed has ended: its start is not repeated in later segments.
    pub fn end_feed(&mut self, feed: FeedId) {
        self.feeds.remove(&feed);
    }

    /// When [`tick`](TapeWriter::tick) must be called next; `None` = not before the next `put`.
    pub fn due(&self) -> Option<Nanos> {
        if let Some(failure) = &self.failure {
            return Some(failure.tried + self.options.retry_ns);
        }
        let block = self.block.since().map(|ts| ts + self.options.block_ns);
        let sync = self.oldest_unsynced.map(|ts| ts + self.options.sync_ns);
        let segment = self.segment.as_ref().map(|s| s.created + self.options.segment_ns);
        [block, sync, segment].into_iter().flatten().min()
    }

    /// Does what time asks for: hands a waiting block to the operating system, forces data to the
    /// disk, begins a new segment, tries to resume after a failure.
    pub fn tick(&mut self, now: Nanos) {
        if let Some(failure) = &self.failure {
            if elapsed(now, failure.tried, self.options.retry_ns) {
                self.resume(now);
            }
            return;
        }
        if self.block.since().is_some_and(|ts| elapsed(now, ts, self.options.block_ns)) {
            self.flush(now);
        }
        if self.oldest_unsynced.is_some_and(|ts| elapsed(now, ts, self.options.sync_ns)) {
            self.sync(now);
        }
        let segment_ns = self.options.segment_ns;
        if self.segment.as_ref().is_some_and(|s| elapsed(now, s.created, segment_ns)) {
            self.rotate(now);
        }
    }

    /// Hands everything to the operating system and forces it to the disk.
    pub fn sync(&mut self, now: Nanos) {
        self.flush(now);
        self.sync_segment(now);
    }

    /// Closes the current segment; the next record begins a new one.
    pub fn rotate(&mut self, now: Nanos) {
        self.flush(now);
        self.close_segment(now);
    }

    /// Writes everything, closes the segment and gives the directory back.
    ///
    /// # Errors
    /// [`CloseError`] when something is lost that could not be told on the tape.
    pub fn close(mut self, now: Nanos) -> Result<TapeStats, CloseError> {
        if self.failure.is_some() {
            self.resume(now);
        }
        if !self.lost.is_empty() {
            self.prelude(now, None);
        }
        self.rotate(now);
        self.closed = true;
        match &self.failure {
            None => {
                self.leave();
                Ok(self.stats)
            }
            Some(failure) => Err(CloseError {
                why: failure.why.clone(),
                lost_records: self.lost.sure.records() + self.lost.unsure.records(),
            }),
        }
    }

    /// Says that nothing is left in memory. If that cannot be said, the next recorder tells a loss
    /// that is none.
    fn leave(&mut self) {
        if let Some(lock) = &mut self.lock
            && self.lost.is_empty()
        {
            let _ = lock.leave();
        }
    }

    fn remember(&mut self, feed: FeedId, start: &FeedStart<'_>) {
        // Longer ones do not fit a record, so they cannot be repeated either.
        let fits = start.venue.len() + start.config.len() < RECORD_BYTES_MAX - 16;
        let known = self.feeds.contains_key(&feed);
        if fits && (known || self.feeds.len() < FEEDS_MAX) {
            self.feeds.insert(feed, (start.venue.to_owned(), start.config.to_vec()));
        }
    }

    fn tell(&mut self, news: News) {
        if self.news.len() >= NEWS_MAX {
            self.news.pop_front();
        }
        self.news.push_back(news);
    }

    /// Counts a record that will not be on the tape. It has a number all the same.
    fn lose(&mut self, feed: FeedId, ts: Nanos, bytes: usize) {
        self.next_ordinal += 1;
        self.stats.lost_records += 1;
        self.lost.sure.add(feed, ts, bytes);
    }

    fn push(&mut self, feed: FeedId, ts: Nanos, entry: &Entry<'_>) -> Result<(), TooLong> {
        let bytes = self.block.push(self.next_ordinal, feed, ts, entry)?;
        self.next_ordinal += 1;
        self.stats.records += 1;
        self.stats.bytes += bytes as u64;
        self.oldest_unsynced.get_or_insert(ts);
        Ok(())
    }
}

/// A writer that is dropped closes its segment as well as it can; [`TapeWriter::close`] says how
/// it went.
impl Drop for TapeWriter {
    fn drop(&mut self) {
        if !self.closed && self.failure.is_none() {
            let now = self.block.since().unwrap_or_default();
            self.rotate(now);
            // Whoever panics may have had more to record.
            if self.failure.is_none() && !std::thread::panicking() {
                self.leave();
            }
        }
    }
}
