//! The tape: every input of every feed, in order, on disk, checked and seekable.
//!
//! The recorder (node) writes it, replay and `verify` read it. Nothing here waits, reads a clock
//! or knows a venue: time is an argument, files are reached through [`storage`], and what a record
//! means is the model's business. The bytes are described in `docs/tape-format.md`, so that a
//! reader can be written without this crate.
//!
//! Invariants: a record that was read back is the record that was put; every record has a number,
//! and a number that is missing is either explained by a [`Lost`] record or reported as
//! [`Damage`]; no error of a disk ends the recording; memory does not grow with the tape.
//!
//! Read the modules in this order: [`record`] (what is on the tape), [`feed_config`] (how a feed
//! was made), [`mod@format`] (the bytes around the records), [`writer`], [`reader`],
//! [`mod@verify`]. The tests in `tests/it` say what is promised.
#![forbid(unsafe_code)]

mod bytes;
pub mod digest;
pub mod feed_config;
pub mod format;
pub mod limits;
pub mod reader;
pub mod record;
pub mod storage;
mod tally;
pub mod verify;
pub mod writer;

pub use bytes::DecodeError;
pub use digest::OutputDigest;
pub use feed_config::{FeedConfig, decode_config, encode_config};
pub use reader::{Damage, DamageKind, Item, Range, Records, Tape};
pub use record::{ALL_FEEDS, Anchor, Entry, FeedStart, FeedState, Form, Lost, Outputs, Record};
pub use tally::FeedRange;
pub use verify::{Finding, Verified, verify};
pub use writer::{Compression, News, Put, RecoverReport, TapeOptions, TapeWriter};
