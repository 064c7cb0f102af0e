//! The section `[tape]`.

use crate::options::{ParquetSettings, TapeSettings};
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
    /// Time in which each followed book is asked for over REST once, for `verify`; `0s` = never.
    #[serde(deserialize_with = "time")]
    pub anchors: Duration,
    /// Whether what came while no process ran is fetched, as far as the tape says what came before.
    pub resume: bool,
    /// Where complete segments are converted to as Parquet files; empty = they are not.
    pub parquet: PathBuf,
    /// Milliseconds between snapshots of books there; 0 = no snapshots.
    pub parquet_book_ms: u64,
    /// Days after which converted segments are deleted; 0 = never.
    pub retain_days: u64,
    /// Bytes of tape above which the oldest converted segments are deleted; 0 = never.
    pub retain_bytes: u64,
}

impl Default for Tape {
    fn default() -> Tape {
        let of = TapeSettings::new("tape");
        let TapeSettings {
            dir, rotate, rotate_bytes, sync, level, digests, anchors, resume, ..
        } = of;
        let sync_ms = u64::try_from(sync.as_millis()).unwrap_or(u64::MAX);
        let rotate_seconds = rotate.as_secs();
        Tape {
            enabled: true,
            dir,
            rotate_seconds,
            rotate_bytes,
            sync_ms,
            level,
            digests,
            anchors,
            resume,
            parquet: PathBuf::new(),
            parquet_book_ms: 0,
            retain_days: 0,
            retain_bytes: 0,
        }
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
            anchors: self.anchors,
            resume: self.resume,
            parquet: self.parquet(),
        }
    }

    fn parquet(&self) -> Option<ParquetSettings> {
        let some = |number: u64| (number > 0).then_some(number);
        let days = some(self.retain_days);
        (!self.parquet.as_os_str().is_empty()).then(|| ParquetSettings {
            dir: self.parquet.clone(),
            book_interval_ms: some(self.parquet_book_ms),
            retain: days.map(|days| Duration::from_secs(days.saturating_mul(86_400))),
            retain_bytes: some(self.retain_bytes),
        })
    }
}

fn time<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse_time(&text).map_err(serde::de::Error::custom)
}

/// A whole number with its unit: `0s`, `90s`, `10m`, `2h`.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let time = seconds.zip(number.parse::<u64>().ok()).and_then(|(s, n)| n.checked_mul(s));
    let why =
        || format!("{text:?} is no time; write a whole number with a unit, such as 90s or 10m");
    time.map(Duration::from_secs).ok_or_else(why)
}
