//! Every bound and default of the tape, with its reason. Checked against each other at compile
//! time.
//!
//! Figures were measured with `cargo bench -p market-data-bench --bench tape`
//! (`docs/decisions/0007-tape.md` holds the table).

use market_data_model::time::{MILLI, SECOND};

/// Longest payload of one record. OKX's longest REST answer seen is below 8 MiB (2026-11).
pub const RECORD_BYTES_MAX: usize = 64 << 20;
/// Largest block, before compression, that a reader accepts: one full block and one full record.
pub const BLOCK_RAW_MAX: usize = RECORD_BYTES_MAX + BLOCK_BYTES_MAX + 64;
/// Largest value of [`TapeOptions::block_bytes`](crate::TapeOptions::block_bytes).
pub const BLOCK_BYTES_MAX: usize = 16 << 20;
/// Most feeds that are counted apart; further ones are counted together as
/// [`ALL_FEEDS`](crate::ALL_FEEDS).
pub const FEEDS_MAX: usize = 4096;
/// Most unread [`News`](crate::News); older ones are dropped first.
pub const NEWS_MAX: usize = 256;
/// Largest configuration text of a segment header.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;

/// Default size of a block before compression.
pub const BLOCK_BYTES: usize = 256 << 10;
/// Default longest time a record waits in memory.
pub const BLOCK_NS: u64 = 200 * MILLI;
/// Default longest time until a record is on the disk itself.
pub const SYNC_NS: u64 = SECOND;
/// Default number of stored bytes after which they are forced to the disk.
pub const SYNC_BYTES: u64 = 1 << 20;
/// Default size of a segment file.
pub const SEGMENT_BYTES: u64 = 1 << 30;
/// Default time covered by a segment file.
pub const SEGMENT_NS: u64 = 3600 * SECOND;
/// Default time between two attempts to resume after a failure.
pub const RETRY_NS: u64 = SECOND;
/// Default zstd level.
pub const LEVEL: i32 = 1;

const _: () = assert!(BLOCK_BYTES <= BLOCK_BYTES_MAX, "the default block fits its own bound");
const _: () = assert!(BLOCK_NS < SYNC_NS, "a block is full of time before a sync is due");
const _: () = assert!(BLOCK_RAW_MAX < u32::MAX as usize, "lengths of blocks are 32 bits wide");
