//! How a tape is written.

use crate::limits;
use std::fmt;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By zstd at this level (1 is fast, 19 is small).
    Zstd(i32),
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::None => f.write_str("none"),
            Compression::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

/// How a tape is written. Defaults in [`limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeOptions {
    /// How blocks are compressed.
    pub compression: Compression,
    /// Bytes of records after which a block is written.
    pub block_bytes: usize,
    /// Longest time that a record waits in memory, in ns.
    pub block_ns: u64,
    /// Longest time until a record is forced to the disk, in ns.
    pub sync_ns: u64,
    /// Stored bytes after which they are forced to the disk.
    pub sync_bytes: u64,
    /// Bytes after which a new segment begins.
    pub segment_bytes: u64,
    /// Time after which a new segment begins, in ns.
    pub segment_ns: u64,
    /// Time between two attempts to resume after a failure, in ns.
    pub retry_ns: u64,
    /// The project's version, for the segment header.
    pub project: String,
    /// The recorder's configuration as text, for the segment header.
    pub config: String,
}

impl Default for TapeOptions {
    fn default() -> TapeOptions {
        TapeOptions {
            compression: Compression::Zstd(limits::LEVEL),
            block_bytes: limits::BLOCK_BYTES,
            block_ns: limits::BLOCK_NS,
            sync_ns: limits::SYNC_NS,
            sync_bytes: limits::SYNC_BYTES,
            segment_bytes: limits::SEGMENT_BYTES,
            segment_ns: limits::SEGMENT_NS,
            retry_ns: limits::RETRY_NS,
            project: concat!("market-data ", env!("CARGO_PKG_VERSION")).to_owned(),
            config: String::new(),
        }
    }
}

impl TapeOptions {
    /// Says which option is out of its range, and what the range is.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=limits::BLOCK_BYTES_MAX).contains(&self.block_bytes) {
            let max = limits::BLOCK_BYTES_MAX;
            return Err(format!("block_bytes is {}; it must be 1 to {max}", self.block_bytes));
        }
        if let Compression::Zstd(level) = self.compression
            && !zstd::compression_level_range().contains(&level)
        {
            let range = zstd::compression_level_range();
            let (min, max) = (range.start(), range.end());
            return Err(format!("compression is zstd:{level}; levels are {min} to {max}"));
        }
        if self.config.len() > limits::CONFIG_BYTES_MAX || self.project.len() > 1024 {
            let max = limits::CONFIG_BYTES_MAX;
            return Err(format!("config has {} bytes; at most {max} fit", self.config.len()));
        }
        if self.segment_bytes == 0 || self.segment_ns == 0 || self.retry_ns == 0 {
            return Err("segment_bytes, segment_ns and retry_ns must not be 0".to_owned());
        }
        Ok(())
    }
}
