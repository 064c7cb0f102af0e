//! Reads a tape: its segments in order, by time if asked, around damage.
//!
//! Replay, `verify` and `convert` use it. It never writes, and it can read a tape that is being
//! written: what is not on the disk yet is not there yet.
//!
//! Invariants: a record is handed out only when the sums over it hold; whatever is skipped is
//! reported as [`Damage`]; memory is one block. Start at [`Tape::open`], then [`Tape::records`].

mod entrance;
mod records;
pub(crate) mod segment;

pub use entrance::{Entrance, Way};
pub use records::Records;

use crate::format::{self, Footer, Index, SegmentHeader};
use crate::record::Record;
use market_data_model::Nanos;
use segment::{SegmentReader, Step};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Why a tape cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file system said no.
    #[error("cannot read {path}: {error}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Nothing that could be a segment.
    #[error("{path} holds no tape: there is no file tape-*.mdt in it")]
    Empty {
        /// Which directory.
        path: PathBuf,
    },
    /// A later format.
    #[error("{path} has tape format {version}; this program reads format {}", format::VERSION)]
    TooNew {
        /// Which segment.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ReadError + '_ {
    move |error| ReadError::Io { path: path.to_owned(), error }
}

/// One segment file of a tape.
#[derive(Clone, Debug)]
pub struct SegmentInfo {
    /// Where it is.
    pub path: PathBuf,
    /// Its number: by its name, or by its header when the name says nothing.
    pub number: Option<u64>,
    /// Its length when the tape was opened.
    pub bytes: u64,
    /// Its header; `None` if damaged.
    pub header: Option<SegmentHeader>,
    /// Its footer; `None` if it was not closed (still being written, or a crash).
    pub footer: Option<Footer>,
}

impl SegmentInfo {
    fn read(path: &Path) -> Result<SegmentInfo, ReadError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = format::segment_number(name);
        let mut reader = SegmentInfo::reader(path, number)?;
        let header = match reader.step(&mut Vec::new(), |_| false).map_err(io_error(path))? {
            Step::Header(header) => Some(header),
            _ => None,
        };
        if let Some(header) = &header
            && header.version > format::VERSION
        {
            return Err(ReadError::TooNew { path: path.to_owned(), version: header.version });
        }
        let number = number.or(header.as_ref().map(|header| header.number));
        let footer = reader.footer().map_err(io_error(path))?;
        Ok(SegmentInfo { path: path.to_owned(), number, bytes: reader.len(), header, footer })
    }

    fn reader(path: &Path, number: Option<u64>) -> Result<SegmentReader<File>, ReadError> {
        let file = File::open(path).map_err(io_error(path))?;
        SegmentReader::new(file, number).map_err(io_error(path))
    }

    /// Times of its first and last record, by the heads of the blocks; `None` when it holds no
    /// whole block.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn times(&self) -> Result<Option<(Nanos, Nanos)>, ReadError> {
        if let Some(footer) = self.footer.as_ref().filter(|footer| footer.blocks > 0) {
            return Ok(Some((footer.min_ts, footer.max_ts)));
        }
        let mut all: Option<(Nanos, Nanos)> = None;
        let mut reader = SegmentInfo::reader(&self.path, self.number)?;
        loop {
            match reader.step(&mut Vec::new(), |_| false).map_err(io_error(&self.path))? {
                Step::Block(head, _) => {
                    let (first, last) = all.unwrap_or((head.min_ts, head.max_ts));
                    all = Some((first.min(head.min_ts), last.max(head.max_ts)));
                }
                Step::End => return Ok(all),
                _ => {}
            }
        }
    }

    /// The segment's index; `None` if it was not closed or the index is damaged.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn index(&self) -> Result<Option<Index>, ReadError> {
        let Some(footer) = &self.footer else { return Ok(None) };
        let mut reader = SegmentInfo::reader(&self.path, self.number)?;
        reader.index(footer).map_err(io_error(&self.path))
    }
}

/// A tape on disk.
#[derive(Clone, Debug)]
pub struct Tape {
    segments: Vec<SegmentInfo>,
}

/// Which records: those with `from <= ts < to`; `None` = no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first time wanted.
    pub from: Option<Nanos>,
    /// The first time not wanted.
    pub to: Option<Nanos>,
}

impl Range {
    /// Every record.
    pub const ALL: Range = Range { from: None, to: None };

    /// Whether a record of that time is wanted.
    pub fn holds(&self, ts: Nanos) -> bool {
        self.from.is_none_or(|from| ts >= from) && self.to.is_none_or(|to| ts < to)
    }

    fn meets(&self, min_ts: Nanos, max_ts: Nanos) -> bool {
        self.from.is_none_or(|from| max_ts >= from) && self.to.is_none_or(|to| min_ts < to)
    }
}

/// What reading gives.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// Something between the records that is not as it should be.
    Damage(Damage),
}

/// Bytes or records that are missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// In which file.
    pub segment: PathBuf,
    /// From which byte.
    pub offset: u64,
    /// How many bytes were skipped; 0 when the bytes are fine and their content is not.
    pub bytes: u64,
    /// What is wrong.
    pub kind: DamageKind,
    /// Records lost for it, beyond those that a [`Lost`](crate::Lost) record explains; `None` when
    /// nothing after the damage says.
    pub records_lost: Option<u64>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// The segment ends in the middle of a block.
    Torn,
    /// The segment header.
    Header,
    /// There is no block where one should begin.
    Head,
    /// The sum over a block's bytes does not hold.
    Payload,
    /// The sums hold, but what is under them is not a block of records.
    Undecodable,
    /// The sum over the index does not hold.
    Index,
    /// The index does not say what the blocks say.
    IndexDiffers,
    /// The footer is damaged, or does not say what the blocks say.
    Footer,
    /// Record numbers are missing and no record says why.
    Missing,
    /// Record numbers come a second time.
    Repeated,
    /// The file's name and its header disagree, or it belongs to another tape.
    Misplaced,
    /// The disk cannot read these bytes.
    Unreadable,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DamageKind::Torn => "the segment ends in the middle of a block",
            DamageKind::Header => "the segment header is damaged",
            DamageKind::Head => "the head of a block is damaged",
            DamageKind::Payload => "the sum over a block does not hold",
            DamageKind::Undecodable => "a block's sums hold but its records cannot be read",
            DamageKind::Index => "the index is damaged",
            DamageKind::IndexDiffers => "the index does not agree with the blocks",
            DamageKind::Footer => "the footer is damaged",
            DamageKind::Missing => "records are missing",
            DamageKind::Repeated => "record numbers come a second time",
            DamageKind::Misplaced => "the file is not the one its name says",
            DamageKind::Unreadable => "the disk cannot read it",
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.segment.file_name().unwrap_or(self.segment.as_os_str());
        write!(f, "{} at byte {}: {}", name.to_string_lossy(), self.offset, self.kind)?;
        if self.bytes > 0 {
            write!(f, ", {} bytes skipped", self.bytes)?;
        }
        match self.records_lost {
            Some(0) => f.write_str(", no record lost"),
            Some(1) => f.write_str(", 1 record lost"),
            Some(records) => write!(f, ", {records} records lost"),
            None => f.write_str(", an unknown number of records lost"),
        }
    }
}

impl Tape {
    /// Opens a tape: a directory of segments, or one segment file.
    ///
    /// Reads headers and footers only. A directory without a segment is an error; a damaged
    /// segment is not.
    ///
    /// # Errors
    /// [`ReadError`] when there is nothing to read, or the format is a later one.
    pub fn open(path: &Path) -> Result<Tape, ReadError> {
        let mut segments = Vec::new();
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(io_error(path))? {
                let entry = entry.map_err(io_error(path))?;
                let name = entry.file_name();
                if name.to_str().and_then(format::segment_number).is_some() {
                    segments.push(SegmentInfo::read(&entry.path())?);
                }
            }
        } else {
            segments.push(SegmentInfo::read(path)?);
        }
        if segments.is_empty() {
            return Err(ReadError::Empty { path: path.to_owned() });
        }
        segments.sort_by(|a, b| (a.number, &a.path).cmp(&(b.number, &b.path)));
        Ok(Tape { segments })
    }

    /// The segments in order.
    pub fn segments(&self) -> &[SegmentInfo] {
        &self.segments
    }

    /// How long all segments are together.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Times of the first and of the last record, by the heads of the blocks; `None` when there is
    /// no whole block.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn times(&self) -> Result<Option<(Nanos, Nanos)>, ReadError> {
        let mut all: Option<(Nanos, Nanos)> = None;
        for segment in &self.segments {
            let Some((from, to)) = segment.times()? else { continue };
            let (first, last) = all.unwrap_or((from, to));
            all = Some((first.min(from), last.max(to)));
        }
        Ok(all)
    }

    /// The records of a range, in the order in which they were put.
    ///
    /// With a bound, segments and blocks outside are not read (so not checked either): closed
    /// segments are entered by a binary search in their index.
    pub fn records(&self, range: Range) -> Records<'_> {
        Records::new(self, range)
    }
}
