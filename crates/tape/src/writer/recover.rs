//! What a recorder finds when it starts: where to go on, and what a crash left behind.
//!
//! `TapeWriter::open` calls [`recover`]. Only the last segment can be torn by a crash; it is cut
//! at the end of its last good block. Good blocks behind damage stay.
//!
//! Invariant: nothing before the end of the last good block is touched.

use super::{OpenError, RecoverReport, loss};
use crate::format::{VERSION, segment_number};
use crate::reader::DamageKind;
use crate::reader::segment::{SegmentReader, Step};
use crate::storage::{SegmentFile, Storage};
use market_data_model::Nanos;
use std::io;
use std::path::{Path, PathBuf};

/// Where a recorder goes on.
#[derive(Default)]
pub(super) struct Place {
    pub(super) next_number: u64,
    pub(super) next_ordinal: u64,
    /// `None` on a new tape.
    pub(super) tape_id: Option<u64>,
    pub(super) report: Option<RecoverReport>,
    pub(super) lost: loss::Losses,
}

/// The numbers and paths of the segments, in order.
pub(super) fn segments(storage: &mut dyn Storage, dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let names = storage.list(dir)?;
    let numbered = |name: &String| segment_number(name).map(|number| (number, dir.join(name)));
    let mut segments: Vec<_> = names.iter().filter_map(numbered).collect();
    segments.sort();
    Ok(segments)
}

/// Finds the place to go on and cuts the torn tail. `left_open` says since when the recorder before
/// had the directory, if it did not leave it in order.
pub(super) fn recover(
    storage: &mut dyn Storage,
    dir: &Path,
    (left_open, now): (Option<Nanos>, Nanos),
) -> Result<Place, OpenError> {
    let listing = segments(storage, dir).map_err(|e| OpenError::io("list", dir, e))?;
    let mut place = Place { next_number: 1, ..Place::default() };
    if let Some((last, path)) = listing.last() {
        place.next_number = after(*last).map_err(|e| OpenError::io("record after", path, e))?;
    }
    // When the last record came that is on the tape, of what is known.
    let mut last_ts = None;
    let (mut is_last, mut torn) = (true, false);
    for (number, path) in listing.iter().rev() {
        let found = look(storage, path, *number).map_err(|e| OpenError::io("read", path, e))?;
        if let Some(version) = found.too_new {
            return Err(OpenError::TooNew { path: path.clone(), version });
        }
        if found.foreign {
            continue;
        }
        last_ts = last_ts.max(found.last_ts);
        place.tape_id = place.tape_id.or(found.tape_id);
        if place.next_ordinal == 0 {
            place.next_ordinal = found.next_ordinal.unwrap_or(0);
        }
        if std::mem::take(&mut is_last) {
            torn = !found.closed;
            if torn {
                cut(storage, path, &found)
                    .map_err(|e| OpenError::io("cut the torn tail of", path, e))?;
            }
            if torn || left_open.is_some() {
                place.report = Some(RecoverReport {
                    segment: path.clone(),
                    kept_records: found.records,
                    cut_bytes: if torn { found.len - found.good_end } else { 0 },
                    last_ts: found.last_ts,
                });
            }
        }
        if found.next_ordinal.is_some() && last_ts.is_some() && place.tape_id.is_some() {
            break;
        }
    }
    if torn || left_open.is_some() {
        let cut_bytes = place.report.as_ref().map_or(0, |report| report.cut_bytes);
        place.lost = loss::crash(last_ts.max(left_open), now, cut_bytes, torn);
    }
    Ok(place)
}

/// The number of the next segment.
fn after(number: u64) -> io::Result<u64> {
    number.checked_add(1).ok_or_else(|| io::Error::other("it has the last number"))
}

/// What one segment file holds.
#[derive(Default)]
struct Found {
    len: u64,
    closed: bool,
    /// End of the last good block, or of the header; 0 if there is neither.
    good_end: u64,
    records: u64,
    next_ordinal: Option<u64>,
    last_ts: Option<Nanos>,
    tape_id: Option<u64>,
    /// Its format, if that is a later one.
    too_new: Option<u16>,
    /// It is another segment under this name.
    foreign: bool,
}

fn look(storage: &mut dyn Storage, path: &Path, number: u64) -> io::Result<Found> {
    let file = storage.open_segment(path)?;
    let mut reader: SegmentReader<Box<dyn SegmentFile>> = SegmentReader::new(file, Some(number))?;
    let mut found = Found { len: reader.len(), ..Found::default() };
    let mut raw = Vec::new();
    if let Some(footer) = reader.footer()? {
        found.closed = true;
        found.next_ordinal = Some(footer.end_ordinal);
        found.last_ts = (footer.blocks > 0).then_some(footer.max_ts);
        if let Step::Header(header) = reader.step(&mut raw, |_| false)? {
            found.too_new = (header.version > VERSION).then_some(header.version);
            found.tape_id = Some(header.tape_id);
        }
        return Ok(found);
    }
    loop {
        match reader.step(&mut raw, |_| true)? {
            Step::Header(header) if header.version > VERSION => {
                found.too_new = Some(header.version);
                return Ok(found);
            }
            Step::Header(header) if header.number != number => {
                found.foreign = true;
                return Ok(found);
            }
            Step::Header(header) => {
                found.tape_id = Some(header.tape_id);
                found.next_ordinal = Some(header.first_ordinal);
                found.good_end = header.encode().len() as u64;
            }
            Step::Block(head, offset) => {
                found.records += u64::from(head.records);
                found.next_ordinal = Some(head.end_ordinal());
                found.last_ts = found.last_ts.max(Some(head.max_ts));
                found.good_end = offset + head.total_len();
            }
            // Nobody can say where its end is to be cut; it may be read the next time.
            Step::Bad { offset, bytes, kind: DamageKind::Unreadable }
                if offset + bytes == found.len =>
            {
                return Err(io::Error::other("the disk cannot read the end of it"));
            }
            Step::Index(_) | Step::Footer(_) | Step::Bad { .. } => {}
            Step::End => return Ok(found),
        }
    }
}

fn cut(storage: &mut dyn Storage, path: &Path, found: &Found) -> io::Result<()> {
    if found.good_end == 0 {
        return storage.remove(path);
    }
    if found.good_end < found.len {
        let mut file = storage.open_segment(path)?;
        file.cut(found.good_end)?;
        file.sync()?;
    }
    Ok(())
}
