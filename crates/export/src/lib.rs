//! Events as files that other tools read: tardis.dev CSV, hftbacktest npz, plain CSV and NDJSON.
//!
//! `market-data export` replays a tape and hands every event to [`Export::event`], in order. The
//! formats, column by column, are in `docs/exports.md`.
//!
//! Invariants: the same events give the same bytes; a file has its name only once it is whole;
//! memory and open files are bounded however many instruments and days there are; what is missing
//! is in `gaps.csv` beside the data; no number is rounded, except where a format itself demands a
//! float (`float.rs`).
//!
//! In reading order: `options.rs` what is wanted; `export.rs` the front door, the window of time
//! and the lanes; `mirror.rs` the book behind the rows; `tardis.rs`, `npz.rs`, `plain.rs` the
//! formats; `aside.rs` the files beside them; `folder.rs` and `gzip.rs` the bytes on the disk.
#![forbid(unsafe_code)]

mod aside;
mod days;
mod derivative;
mod desk;
mod error;
mod export;
mod float;
mod folder;
mod gzip;
mod mirror;
mod name;
mod npz;
mod options;
mod plain;
mod row;
mod tardis;

pub use error::ExportError;
pub use export::{Export, Loss, Report, Wanted};
pub use float::nearest;
pub use folder::Made;
pub use options::{Amount, DataType, Format, Kind, Offer, Options, Types};
