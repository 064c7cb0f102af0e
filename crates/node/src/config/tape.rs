//! The section `[tape]`.

use crate::options::TapeSettings;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Where everything received is recorded.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Tape {
    /// Whether to record.
    pub enabled: bool,
    /// The directory, made if it is not there.
    pub dir: PathBuf,
    /// Seconds after which a new segment file begins.
    pub rotate_seconds: u64,
    /// Bytes after which a new segment file begins.
    pub rotate_bytes: u64,
    /// Milliseconds until something received is on the disk itself, at most.
    pub sync_ms: u64,
    /// Compression by zstd, 1 to 19; 0 = none.
    pub level: i32,
    /// Whether sums over what came out go on the tape, for `replay --check`.
    pub digests: bool,
}

impl Default for Tape {
    fn default() -> Tape {
        let TapeSettings { dir, rotate, rotate_bytes, sync, level, digests } =
            TapeSettings::new("tape");
        let sync_ms = u64::try_from(sync.as_millis()).unwrap_or(u64::MAX);
        let rotate_seconds = rotate.as_secs();
        Tape { enabled: true, dir, rotate_seconds, rotate_bytes, sync_ms, level, digests }
    }
}

impl Tape {
    /// The settings as a service takes them.
    pub fn settings(&self) -> TapeSettings {
        TapeSettings {
            dir: self.dir.clone(),
            rotate: Duration::from_secs(self.rotate_seconds),
            rotate_bytes: self.rotate_bytes,
            sync: Duration::from_millis(self.sync_ms),
            level: self.level,
            digests: self.digests,
        }
    }
}
