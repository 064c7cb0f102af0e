//! What the tape promises, as tests. One binary; `support` holds what they share.
//!
//! Seeds are printed when a test fails; nothing here sleeps, and no clock is read.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod damage;
mod faults;
mod kill;
mod round_trip;
mod seek;
mod support;
mod torn;
mod writing;
