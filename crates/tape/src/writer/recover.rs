//! What a recorder finds when it starts: where to go on, and what a crash left behind.
//!
//! `TapeWriter::open` calls [`recover`]. Only the last segment can be torn by a crash; it is cut
//! at the end of its last good block. Good blocks behind damage stay.
//!
//! Invariant: nothing before the end of the last good block is touched.

use super::{OpenError, RecoverReport, loss};
use crate::format::segment_number;
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

/// Finds the place to go on and cuts the torn tail.
pub(super) fn recover(
    storage: &mut dyn Storage,
    dir: &Path,
    now: Nanos,
) -> Result<Place, OpenError> {
    let listing = segments(storage, dir).map_err(|e| OpenError::io("list", dir, e))?;
    let mut place = Place { next_number: 1, ..Place::default() };
    let Some((last, _)) = listing.last() else { return Ok(place) };
    place.next_number = last + 1;
    for (at, (number, path)) in listing.iter().enumerate().rev() {
        let is_last = at + 1 == listing.len();
        let found = look(storage, path, *number).map_err(|e| OpenError::io("read", path, e))?;
        if is_last && !found.closed {
            cut(storage, path, &found)
                .map_err(|e| OpenError::io("cut the torn tail of", path, e))?;
            let cut_bytes = found.len - found.good_end;
            place.lost = loss::crash(found.last_ts, now, cut_bytes);
            place.report = Some(RecoverReport {
                segment: path.clone(),
                kept_records: found.records,
                cut_bytes,
                last_ts: found.last_ts,
            });
        }
        place.tape_id = place.tape_id.or(found.tape_id);
        if let Some(ordinal) = found.next_ordinal {
            place.next_ordinal = ordinal;
            break;
        }
    }
    Ok(place)
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
}

fn look(storage: &mut dyn Storage, path: &Path, number: u64) -> io::Result<Found> {
    let file = storage.open_segment(path)?;
    let mut reader: SegmentReader<Box<dyn SegmentFile>> = SegmentReader::new(file, Some(number))?;
    let mut found = Found { len: reader.len(), ..Found::default() };
    let mut raw = Vec::new();
    if let Some(footer) = reader.footer()? {
        found.closed = true;
        found.next_ordinal = Some(footer.end_ordinal);
        if let Step::Header(header) = reader.step(&mut raw, |_| false)? {
            found.tape_id = Some(header.tape_id);
        }
        return Ok(found);
    }
    loop {
        match reader.step(&mut raw, |_| true)? {
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
