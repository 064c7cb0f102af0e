//! What an archive promises, tried on events of every kind.
//!
//! `ARCHIVE_SEED=7 cargo test -p market-data-archive` tries other events; the seed is printed.

mod ageing;
mod document;
mod merge;
mod proof;
mod round_trip;
mod support;
