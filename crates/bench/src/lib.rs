//! What the benches are made of: frames to decode, systems to decode them, a clock that counts
//! only our own time.
//!
//! Only `benches/feed.rs` and the tests below use it; nothing that ships depends on it. It has its
//! own reference decoder and book on purpose, so that a figure has something to be compared with
//! in the same run, and so that two independent readings of one stream can be held against each
//! other.
//!
//! Invariants: the same seed gives the same frames; every pass starts from nothing; no float holds
//! a price or a quantity.
//!
//! Start at [`systems`]. Run `cargo bench -p market-data-bench`.
#![forbid(unsafe_code)]

pub mod frames;
pub mod market;
pub mod measure;
pub mod reference;
pub mod rng;
pub mod settings;
pub mod systems;
pub mod text;

#[cfg(test)]
mod tests;
