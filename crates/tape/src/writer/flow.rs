//! The second half of the writer: from a full block to the disk, and back from failure.
//!
//! `writer.rs` calls these methods. Every failure ends in [`TapeWriter::fail`], every recovery
//! begins in [`TapeWriter::resume`]; there is no other place where `failure` is set or cleared.

use super::segment::{OpenSegment, SyncError};
use super::{Failure, News, TapeWriter, loss, recover};
use crate::format::{self, SegmentHeader};
use crate::record::{Entry, FeedStart};
use market_data_model::{FeedId, Nanos};
use std::io;

/// What a failure does to the segment's records that are not known to be on the disk.
enum Fate {
    /// They may be there, and forcing them to the disk may still succeed.
    Unsure,
    /// They may be there. Forcing has failed, and a second try proves nothing: a system tells of
    /// bytes that it could not write once, and then forgets them (Linux since 4.13).
    Unsynced,
    /// The file is gone, with everything in it.
    Gone,
}

impl TapeWriter {
    /// At the head of a block: tells losses; at the head of a segment: repeats the feeds' starts,
    /// but for the feed whose own start comes next.
    pub(super) fn prelude(&mut self, ts: Nanos, starting: Option<FeedId>) {
        if self.failure.is_some() || !self.block.is_empty() {
            return;
        }
        if !self.lost.is_empty() {
            let rows = self.lost.rows();
            for (feed, lost) in rows {
                self.push_own(feed, ts, &Entry::Lost(lost));
            }
            self.told.merge(&std::mem::take(&mut self.lost));
        }
        if self.segment.is_some() {
            return;
        }
        // Taken out while they are written: the loop below needs the writer as a whole.
        let feeds = std::mem::take(&mut self.feeds);
        for (feed, (venue, config)) in &feeds {
            if Some(*feed) != starting && self.failure.is_none() {
                let start = FeedStart { venue, config, again: true };
                self.push_own(*feed, ts, &Entry::FeedStart(start));
                if self.block.is_full() {
                    self.flush(ts);
                }
            }
        }
        self.feeds = feeds;
    }

    fn push_own(&mut self, feed: FeedId, ts: Nanos, entry: &Entry<'_>) {
        let pushed = self.push(feed, ts, entry);
        assert!(pushed.is_ok(), "a record of the writer's own is never too long");
    }

    /// Hands the block to the operating system.
    pub(super) fn flush(&mut self, now: Nanos) {
        if self.failure.is_some() || self.block.is_empty() {
            return;
        }
        if self.segment.is_none()
            && let Err(error) = self.open_segment(now)
        {
            return self.fail(now, "cannot make a segment", &error, Fate::Unsure);
        }
        let Some(segment) = &mut self.segment else { return };
        let written = self.block.encode(segment.number).and_then(|(head, stored)| {
            segment.append(&head, stored).map(|()| (head, stored.len()))
        });
        match written {
            Err(error) => self.fail(now, "cannot write", &error, Fate::Unsure),
            Ok((head, stored_len)) => {
                segment.count(&self.block.tally, &std::mem::take(&mut self.told));
                self.stats.hurried_blocks += u64::from(self.block.is_hurried());
                self.block.reset();
                self.stats.blocks += 1;
                self.stats.raw_bytes += u64::from(head.raw_len);
                self.stats.stored_bytes += stored_len as u64;
                self.after_block(now);
            }
        }
    }

    fn after_block(&mut self, now: Nanos) {
        let Some(segment) = &self.segment else { return };
        let (bytes, unsynced) = (segment.bytes, segment.unsynced_bytes);
        if bytes >= self.options.segment_bytes {
            self.close_segment(now);
        } else if unsynced >= self.options.sync_bytes {
            self.sync_segment(now);
        }
    }

    fn open_segment(&mut self, now: Nanos) -> io::Result<()> {
        // A number is used up by the attempt: two files never share one.
        let number = self.next_number;
        self.next_number += 1;
        let header = SegmentHeader {
            version: format::VERSION,
            number,
            created: now,
            first_ordinal: self.block.first_ordinal(),
            tape_id: *self.tape_id.get_or_insert(now.0),
            project: self.options.project.clone(),
            config: self.options.config.clone(),
        };
        let segment = OpenSegment::create(&mut *self.storage, &self.dir, &header)?;
        self.stats.segments += 1;
        self.tell(News::SegmentOpened { path: segment.path.clone() });
        self.segment = Some(segment);
        Ok(())
    }

    pub(super) fn sync_segment(&mut self, now: Nanos) {
        let Some(segment) = &mut self.segment else { return };
        match segment.sync() {
            Ok(()) => {
                self.stats.syncs += 1;
                self.oldest_unsynced = self.block.since();
            }
            Err(error) => self.fail_sync(now, error),
        }
    }

    pub(super) fn close_segment(&mut self, now: Nanos) {
        let Some(segment) = &mut self.segment else { return };
        match segment.close() {
            Ok(()) => {
                self.stats.syncs += 1;
                self.oldest_unsynced = self.block.since();
                let (records, bytes) = (segment.tally.records(), segment.bytes);
                let path = std::mem::take(&mut segment.path);
                self.segment = None;
                self.tell(News::SegmentClosed { path, records, bytes });
            }
            Err(error) => self.fail_sync(now, error),
        }
    }

    fn fail_sync(&mut self, now: Nanos, error: SyncError) {
        match error {
            SyncError::Write(error) => self.fail(now, "cannot write", &error, Fate::Unsure),
            SyncError::Io(error) => {
                self.fail(now, "cannot force to the disk", &error, Fate::Unsynced);
            }
            SyncError::Deleted => {
                let error = io::Error::new(io::ErrorKind::NotFound, "somebody deleted it");
                self.fail(now, "the segment is gone", &error, Fate::Gone);
            }
        }
    }

    /// The one way into failure: leaves the segment, counts what is lost.
    fn fail(&mut self, now: Nanos, doing: &str, error: &io::Error, fate: Fate) {
        let path = self.segment.as_ref().map_or(&*self.dir, |segment| &segment.path);
        let why = format!("{doing} ({}): {error}", path.display());
        self.lost.because(&why);
        let mut lost = self.block.tally.records();
        self.lost.sure.merge(&self.block.tally);
        self.lost.merge(&std::mem::take(&mut self.told));
        self.block.reset();
        if let Some(mut segment) = self.segment.take() {
            self.left = Some(segment.path.clone());
            match fate {
                Fate::Gone => {
                    lost += segment.tally.records();
                    self.lost.sure.merge(&segment.tally);
                    self.lost.merge(&segment.told);
                }
                // What was written whole may still be saved.
                Fate::Unsure if segment.sync().is_ok() => {}
                Fate::Unsure | Fate::Unsynced => {
                    lost += segment.unsynced.records();
                    self.lost.unsure.merge(&segment.unsynced);
                    self.lost.merge_unsure(&segment.told_unsynced);
                }
            }
        }
        self.stats.lost_records += lost;
        self.stats.failures += 1;
        self.oldest_unsynced = None;
        self.failure = Some(Failure { since: now, tried: now, why: why.clone() });
        self.tell(News::Failed { at: now, why });
    }

    /// Tries to go on in a new segment, whose first records tell what was lost.
    pub(super) fn resume(&mut self, now: Nanos) {
        let Some(failure) = self.failure.take() else { return };
        if let Err(error) = self.reacquire(now) {
            let why = format!("cannot use {}: {error}", self.dir.display());
            self.failure = Some(Failure { tried: now, why, ..failure });
            return;
        }
        let before = (self.lost.clone(), self.next_ordinal, self.stats, self.news.clone());
        let lost = self.lost.rows();
        self.left = None;
        self.prelude(now, None);
        self.sync(now);
        match self.failure.take() {
            None => self.tell(News::Resumed { at: now, lost }),
            Some(again) => {
                // The attempt left nothing behind, so it is as if it had not been made.
                if self.attempt_is_gone() {
                    (self.lost, self.next_ordinal, self.stats, self.news) = before;
                }
                self.failure = Some(Failure { since: failure.since, ..again });
            }
        }
    }

    /// Makes sure that the directory is there and still ours.
    fn reacquire(&mut self, now: Nanos) -> io::Result<()> {
        self.storage.create_dir(&self.dir)?;
        if let Some(lock) = &self.lock
            && lock.has_name()?
        {
            return Ok(());
        }
        self.lock = None;
        match self.storage.lock(&self.dir, now)? {
            Ok(lock) => {
                if let Some(since) = lock.left_open() {
                    // Of another recorder that had the directory meanwhile, and was killed.
                    self.lost.merge(&loss::crash(Some(since), now, 0, false));
                }
                self.lock = Some(lock);
            }
            Err(_) => return Err(io::Error::other("another recorder has taken it meanwhile")),
        }
        let last = recover::segments(&mut *self.storage, &self.dir)?
            .last()
            .map(|(n, _)| n.saturating_add(1));
        self.next_number = self.next_number.max(last.unwrap_or(0));
        Ok(())
    }

    /// Removes the segment that a failed attempt to resume has left, if it has left one.
    fn attempt_is_gone(&mut self) -> bool {
        match self.left.take().map(|path| self.storage.remove(&path)) {
            None | Some(Ok(())) => true,
            Some(Err(error)) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}
