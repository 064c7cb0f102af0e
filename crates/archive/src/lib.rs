//! Events as Parquet tables in a directory tree that proves itself, and back.
//!
//! `convert` writes archives from tapes, `verify` checks them, anything that reads Parquet reads
//! them: the tables are in `docs/parquet-schema.md`. Nothing here waits, reads a clock or knows a
//! venue; which fields a record has is the model's business (`fields::visit`).
//!
//! Invariants: a record that was read back is the record that was taken, as text; the same
//! segment gives the same files, byte for byte; an archive is never half of something, whatever
//! ends the process; memory does not grow with the recording.
//!
//! Read the modules in this order: [`place`] (where a record goes), [`schema`] (its columns),
//! [`chunk`], [`mod@write`], [`read`], [`manifest`], [`archive`], [`segment`],
//! [`mod@verify`], [`mod@compact`], [`mod@prune`], [`mod@merge`].
#![forbid(unsafe_code)]

pub mod archive;
pub mod chunk;
pub mod compact;
pub mod disk;
pub mod error;
pub mod facts;
pub mod manifest;
pub mod merge;
pub mod number;
pub mod place;
pub mod prune;
pub mod ranges;
pub mod read;
pub mod schema;
pub mod segment;
pub mod stream;
mod tree;
pub mod verify;
pub mod write;

pub use archive::Archive;
pub use compact::{Compacted, compact};
pub use error::Error;
pub use facts::Facts;
pub use manifest::{FILLS_FROM, Fill, Made, Manifest, Segment};
pub use merge::{Difference, Merged, Share, merge};
pub use ranges::Ranges;
pub use segment::{Parts, SegmentWriter, WriteOptions};
pub use stream::Stream;
pub use verify::{Finding, Verified, Wrong, verify};
