//! Which segments of a tape may go, by age or when there is too much.
//!
//! `market-data prune` and the recorder's converter ask [`plan`] and delete with [`drop_segments`].
//!
//! Invariants: the oldest go first and none is skipped; the last segment stays; unless told
//! otherwise, only what is in an archive, by number and SHA-256, goes.

use market_data_archive::disk::sum_file;
use market_data_archive::{Error, Manifest, Segment};
use market_data_model::Nanos;
use market_data_tape::Tape;
use market_data_tape::reader::SegmentInfo;
use std::path::PathBuf;

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Segments whose last record is older than this may go. `None` = none is too old.
    pub from: Option<Nanos>,
    /// The oldest go until no more bytes than this are left. `None` = any number.
    pub max_bytes: Option<u64>,
}

/// What may go, and why not more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Going {
    /// The segments, oldest first.
    pub segments: Vec<(PathBuf, u64)>,
    /// The first that should go and may not: it is not in the archive.
    pub unconverted: Option<PathBuf>,
}

/// What of a tape may go. `archive` is the root's manifest of where it was converted to; without
/// one everything counts as converted.
///
/// # Errors
/// When a segment cannot be read.
pub fn plan(tape: &Tape, archive: Option<&Manifest>, keep: Keep) -> Result<Going, Error> {
    let mut total: u64 = tape.segments().iter().map(|segment| segment.bytes).sum();
    let mut going = Going::default();
    let Some((_, segments)) = tape.segments().split_last() else { return Ok(going) };
    for segment in segments {
        // Also of one that a crash has left without a footer; of one that cannot be read nobody
        // knows how old it is.
        let last = segment.times().ok().flatten().map(|(_, last)| last);
        let old = keep.from.is_some_and(|from| last.is_some_and(|last| last < from));
        let much = keep.max_bytes.is_some_and(|max| total > max);
        if !old && !much {
            break;
        }
        if let Some(archive) = archive
            && !is_in(archive, segment)?
        {
            going.unconverted = Some(segment.path.clone());
            break;
        }
        total -= segment.bytes;
        going.segments.push((segment.path.clone(), segment.bytes));
    }
    Ok(going)
}

fn is_in(archive: &Manifest, segment: &SegmentInfo) -> Result<bool, Error> {
    let Some(number) = segment.number else { return Ok(false) };
    let like = |other: &&Segment| other.number == number && other.bytes == segment.bytes;
    match archive.segments.iter().find(like) {
        Some(known) => Ok(sum_file(&segment.path)?.0 == known.sha256),
        None => Ok(false),
    }
}

/// Deletes them, oldest first.
///
/// # Errors
/// [`Error::Io`] at the first that cannot be deleted.
pub fn drop_segments(going: &Going) -> Result<(), Error> {
    going.segments.iter().try_for_each(|(path, _)| market_data_archive::disk::remove(path))
}
