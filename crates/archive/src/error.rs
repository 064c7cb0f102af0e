//! Why an archive cannot be written or read.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong, with what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error("cannot {what} {path}: {error}")]
    Io {
        /// What was tried: `read`, `write`, …
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Something could not be written as Parquet.
    #[error("cannot encode {path}: {error}")]
    Encode {
        /// Which file.
        path: PathBuf,
        /// What parquet said.
        error: parquet::errors::ParquetError,
    },
    /// A file cannot be read as one of an archive.
    #[error("cannot read {path}: {error}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        error: crate::read::ReadError,
    },
    /// A manifest is damaged, or somebody changed it.
    #[error("{path} is not as it was written: {why}")]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// In what way.
        why: String,
    },
    /// The directory holds something else.
    #[error("{path} is not an archive and not empty")]
    Foreign {
        /// Which directory.
        path: PathBuf,
    },
    /// The directory holds another tape, or the same with other settings.
    #[error("{path} was made {was}, not {wanted}")]
    Different {
        /// Which archive.
        path: PathBuf,
        /// From what, or how.
        was: String,
        /// What was asked for.
        wanted: String,
    },
    /// Another process writes there.
    #[error("another process writes to {path}")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A segment's rows have been merged with those of others.
    #[error("segment {segment} is part of the compacted file {path}")]
    Compacted {
        /// Which segment.
        segment: u64,
        /// Which file.
        path: PathBuf,
    },
    /// Archives that cannot be merged with each other.
    #[error("these archives cannot be merged: {0}")]
    Merge(String),
    /// The caller had enough.
    #[error("stopped")]
    Stopped,
    /// The thread that writes files is gone, by a mistake of ours.
    #[error("the writing thread failed: {0}")]
    Thread(String),
}

impl Error {
    /// Wraps what the file system said.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |error| Error::Io { what, path, error }
    }
}
