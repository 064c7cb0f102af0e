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
//! [`mod@verify`], [`mod@compact`], [`mod@prune`].
#![forbid(unsafe_code)]

pub mod archive;
pub mod chunk;
pub mod compact;
pub mod disk;
pub mod error;
pub mod manifest;
mod number;
pub mod place;
pub mod prune;
pub mod read;
pub mod schema;
pub mod segment;
mod tree;
pub mod verify;
pub mod write;

pub use archive::Archive;
pub use compact::{Compacted, compact};
pub use error::Error;
pub use manifest::{Made, Manifest, Segment};
pub use segment::{Parts, SegmentWriter, WriteOptions};
pub use verify::{Finding, Verified, Wrong, verify};
