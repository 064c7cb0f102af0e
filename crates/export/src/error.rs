//! What can go wrong while files are made: the disk, or a directory that is not ours to fill.

use std::io;
use std::path::{Path, PathBuf};

/// Why an export ended without its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The file system said no.
    #[error("cannot write {path}: {error}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// There is something in the directory.
    #[error("{path} is not empty: it holds {found}")]
    NotEmpty {
        /// Which directory.
        path: PathBuf,
        /// The name of something in it.
        found: String,
    },
    /// Somebody asked to stop.
    #[error("interrupted: nothing was written to {path}")]
    Interrupted {
        /// The directory that was to be filled.
        path: PathBuf,
    },
}

impl ExportError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> ExportError + '_ {
        move |error| ExportError::Io { path: path.to_owned(), error }
    }
}
