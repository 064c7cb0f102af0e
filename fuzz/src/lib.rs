//! What the fuzz targets do with arbitrary bytes: one module a target, one function `run` each.
//!
//! The files in `fuzz_targets/` only call them. `any_bytes.rs` in the tests of okx and of tape runs
//! the same files as property tests, so a target that no longer compiles fails the suite.
//! `fuzz/run.sh` fuzzes for real.
//!
//! Invariants: `run` never fails for any bytes unless the project breaks a promise; no clock, no
//! randomness.
#![forbid(unsafe_code)]

pub mod catalogue;
pub mod decimal;
pub mod feed;
pub mod frame;
pub mod json;
pub mod oracle;
pub mod resolve;
pub mod sbe;
pub mod seeds;
pub mod tape;
