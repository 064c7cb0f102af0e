//! What the writer tells its owner: errors, news, counters.
//!
//! The recorder turns these into log lines, metrics, health, and `gap` events labelled ours.

use crate::record::Lost;
use market_data_model::{FeedId, Nanos};
use std::io;
use std::path::{Path, PathBuf};

/// Why recording cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another recorder has the directory.
    #[error("{} is being recorded to by another process{}; stop it or choose another directory",
        dir.display(), holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The other's process id, if it wrote it down.
        holder: Option<u32>,
    },
    /// The file system said no.
    #[error("cannot {doing} {path}: {error}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// A later version of this program has recorded here.
    #[error("{} has tape format {version}, and this program writes format {}; record to another \
        directory, or with the program that made it", path.display(), crate::format::VERSION)]
    TooNew {
        /// The segment.
        path: PathBuf,
        /// Its format.
        version: u16,
    },
    /// An option is out of its range.
    #[error("tape option {0}")]
    Option(String),
}

impl OpenError {
    pub(super) fn io(doing: &'static str, path: &Path, error: io::Error) -> OpenError {
        OpenError::Io { doing, path: path.to_owned(), error }
    }
}

/// Recording ended while it was failing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the tape could not be closed: {why}; {lost_records} records are lost")]
pub struct CloseError {
    /// What went wrong.
    pub why: String,
    /// Records that are not on the tape, or may not be.
    pub lost_records: u64,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Put {
    /// It is in memory or further.
    Kept,
    /// It is lost and counted.
    Lost,
}

/// Something the owner should log, publish or act upon.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// A segment file was made.
    SegmentOpened {
        /// Which.
        path: PathBuf,
    },
    /// A segment file is complete and will not change any more.
    SegmentClosed {
        /// Which.
        path: PathBuf,
        /// Its records.
        records: u64,
        /// Its length.
        bytes: u64,
    },
    /// Writing failed; from here on records are lost.
    Failed {
        /// When.
        at: Nanos,
        /// Why, in words.
        why: String,
    },
    /// Writing goes on in a new segment; these are the gaps, by feed.
    Resumed {
        /// When.
        at: Nanos,
        /// What was lost.
        lost: Vec<(FeedId, Lost)>,
    },
    /// One record is longer than any may be, and lost.
    TooLong {
        /// Whose.
        feed: FeedId,
        /// When it was received.
        ts: Nanos,
        /// How long it is.
        bytes: usize,
    },
}

/// What was found of a recorder that did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverReport {
    /// The segment that was not closed, or the last one if it was killed between two.
    pub segment: PathBuf,
    /// Records in it that are good.
    pub kept_records: u64,
    /// Bytes cut off its end.
    pub cut_bytes: u64,
    /// Latest time among the records kept; `None` if there are none.
    pub last_ts: Option<Nanos>,
}

/// Why writing is not possible at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Since when.
    pub since: Nanos,
    /// When it was tried last.
    pub tried: Nanos,
    /// Why, in words.
    pub why: String,
}

/// Counters since the writer was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapeStats {
    /// Records put, the writer's own included.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Blocks written.
    pub blocks: u64,
    /// Of these, those that were not compressed for want of time
    /// ([`hurry`](crate::TapeWriter::hurry)).
    pub hurried_blocks: u64,
    /// Bytes written, before compression.
    pub raw_bytes: u64,
    /// Bytes written to the file.
    pub stored_bytes: u64,
    /// Times that data were forced to the disk.
    pub syncs: u64,
    /// Segments made.
    pub segments: u64,
    /// Times that writing failed.
    pub failures: u64,
    /// Records lost, or handed to a disk that then failed.
    pub lost_records: u64,
}
