//! Turns a tape into an archive of Parquet files, segment by segment.
//!
//! `market-data convert` calls [`convert`], and so does the recorder when a segment is closed and
//! the settings ask for it. Feeds run as in a replay, but always emit changes of books.
//!
//! Invariants: what a segment becomes depends on the tape and the options alone; a segment is in
//! the archive whole or not at all; the tape is never written to.

use crate::replay::{
    BookOutput, Met, PlayError, PlayOptions, Played, Progress, ReplayOptions, play,
};
use market_data_archive::disk::sum_file;
use market_data_archive::{Archive, Made, Segment, SegmentWriter, WriteOptions};
use market_data_model::Nanos;
use market_data_tape::Tape;
use market_data_tape::reader::{Range, ReadError, SegmentInfo};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// How a tape is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvertOptions {
    /// Convert segments again that are in the archive.
    pub force: bool,
    /// Take a segment of the same number and length for the same, without reading it.
    pub by_length: bool,
    /// Leave out a last segment that is not closed: somebody may be writing it.
    pub closed_only: bool,
    /// Milliseconds between snapshots of a book; 0 = after each change; `None` = none.
    pub book_interval_ms: Option<u64>,
    /// Levels a side in them.
    pub book_depth: u16,
    /// Bytes of records that wait for their file, about.
    pub memory: usize,
}

impl Default for ConvertOptions {
    fn default() -> ConvertOptions {
        ConvertOptions {
            force: false,
            by_length: false,
            closed_only: false,
            book_interval_ms: None,
            book_depth: 20,
            memory: WriteOptions::default().memory,
        }
    }
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Segments converted.
    pub segments: u64,
    /// Segments that were in the archive already.
    pub skipped: u64,
    /// Files written.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Places where the tape is damaged.
    pub damages: u64,
}

/// Why a tape could not be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The tape cannot be read.
    #[error(transparent)]
    Tape(#[from] ReadError),
    /// The archive cannot be written.
    #[error(transparent)]
    Archive(#[from] market_data_archive::Error),
    /// The caller had enough.
    #[error("stopped")]
    Stopped,
}

/// Converts what is not converted yet. `each` hears of the progress, and breaks to stop.
///
/// # Errors
/// [`ConvertError`]. Segments that were finished before are in the archive.
pub fn convert(
    tape: &Tape,
    out: &Path,
    options: &ConvertOptions,
    mut each: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Converted, ConvertError> {
    let segments = tape.segments();
    let id = segments.iter().find_map(|segment| segment.header.as_ref()).map(|h| h.tape_id);
    let made = Made {
        tape: id.unwrap_or(0),
        book_interval_ms: options.book_interval_ms,
        book_depth: if options.book_interval_ms.is_some() { options.book_depth } else { 0 },
    };
    let mut archive = Archive::open(out, &made)?;
    let mut done = Converted::default();
    let mut plan = Plan::new(segments, &archive, options, &mut done)?;
    let Some(last) = plan.last() else { return Ok(done) };
    let books = BookOutput { deltas: true, view_depth: made.book_depth };
    let replay = ReplayOptions { books: Some(books), ..ReplayOptions::default() };
    let write = WriteOptions { memory: options.memory, book_interval_ms: made.book_interval_ms };
    let mut work = Work { archive: &mut archive, write, current: None, done: &mut done };
    let range = Range { from: plan.from, to: None };
    let ended = play(tape, &PlayOptions { range, replay, ..PlayOptions::default() }, |played| {
        match played {
            Played::Met(place, met) => {
                if plan.enters(place.ordinal) {
                    work.finish()?;
                    if plan.at > last {
                        return Ok(ControlFlow::Break(()));
                    }
                    work.begin(plan.wanted.get(&plan.at))?;
                }
                if let Met::Step(step) = met {
                    work.take(step.events)?;
                }
            }
            Played::Progress(progress) => {
                if each(progress).is_break() {
                    return Err(ConvertError::Stopped);
                }
            }
            Played::Damage(_) | Played::Unreadable(..) => work.done.damages += 1,
        }
        Ok(ControlFlow::Continue(()))
    });
    ended.map_err(|error| match error {
        PlayError::Read(error) => ConvertError::Tape(error),
        PlayError::Receiver(error) => error,
    })?;
    work.finish()?;
    Ok(done)
}

/// Which segments are wanted, and which one a record is in.
struct Plan {
    /// First record and number of each segment whose header is whole, in order. Records of another
    /// go with the segment before.
    starts: Vec<(u64, u64)>,
    /// What is to be converted, by number.
    wanted: BTreeMap<u64, Segment>,
    /// From when on the tape must be played; `None` = from its beginning.
    from: Option<Nanos>,
    /// The number of the segment where the tape is played.
    at: u64,
    /// The first record after it.
    end: u64,
}

impl Plan {
    fn new(
        segments: &[SegmentInfo],
        archive: &Archive,
        options: &ConvertOptions,
        done: &mut Converted,
    ) -> Result<Plan, ConvertError> {
        let mut plan =
            Plan { starts: Vec::new(), wanted: BTreeMap::new(), from: None, at: 0, end: 0 };
        for (i, segment) in segments.iter().enumerate() {
            let Some(header) = &segment.header else { continue };
            plan.starts.push((header.first_ordinal, header.number));
            if i + 1 == segments.len() && segment.footer.is_none() && options.closed_only {
                continue;
            }
            let mut known = archive.root().segments.iter();
            let like =
                |other: &Segment| (other.number, other.bytes) == (header.number, segment.bytes);
            if options.by_length && known.any(like) {
                done.skipped += 1;
                continue;
            }
            let (sha256, bytes) = sum_file(&segment.path)?;
            let source = Segment::new(header.number, bytes, sha256);
            if archive.has(&source) && !options.force {
                done.skipped += 1;
            } else {
                plan.wanted.insert(header.number, source);
            }
        }
        // Not simply of the first: a clock may have been set back between two.
        for segment in segments {
            if segment.header.as_ref().is_some_and(|h| plan.wanted.contains_key(&h.number))
                && let Some((first, _)) = segment.times()?
            {
                plan.from = Some(plan.from.map_or(first, |from: Nanos| from.min(first)));
            }
        }
        Ok(plan)
    }

    fn last(&self) -> Option<u64> {
        self.wanted.keys().next_back().copied()
    }

    /// Whether this record is the first of a segment that was not entered yet; it is then.
    fn enters(&mut self, ordinal: u64) -> bool {
        if ordinal < self.end {
            return false;
        }
        let next = self.starts.partition_point(|(first, _)| *first <= ordinal);
        self.end = self.starts.get(next).map_or(u64::MAX, |(first, _)| *first);
        let number = next.checked_sub(1).and_then(|at| self.starts.get(at)).map(|(_, n)| *n);
        let Some(number) = number else { return false };
        let entered = number != self.at;
        self.at = number;
        entered
    }
}

struct Work<'a> {
    archive: &'a mut Archive,
    write: WriteOptions,
    current: Option<(Segment, SegmentWriter)>,
    done: &'a mut Converted,
}

impl Work<'_> {
    fn begin(&mut self, segment: Option<&Segment>) -> Result<(), ConvertError> {
        if let Some(segment) = segment {
            let writer = self.archive.begin(segment, self.write)?;
            self.current = Some((segment.clone(), writer));
        }
        Ok(())
    }

    fn take(&mut self, events: market_data_model::Events<'_>) -> Result<(), ConvertError> {
        if let Some((_, writer)) = &mut self.current {
            for event in events.iter() {
                writer.take(&event)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ConvertError> {
        let Some((segment, writer)) = self.current.take() else { return Ok(()) };
        let parts = writer.finish()?;
        self.done.segments += 1;
        self.done.files += parts.files.len() as u64;
        self.done.records += parts.records();
        self.done.rows += parts.rows();
        self.done.bytes += parts.bytes();
        self.archive.commit(segment, parts)?;
        Ok(())
    }
}
