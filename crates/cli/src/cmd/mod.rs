//! One file a command: its flags, its examples, and `run`, which returns the exit code.
//!
//! `main.rs` calls them. A command returns `Err` for what failed (exit code 2) and exit code 1
//! when it worked and the answer is no.

pub mod backfill;
pub mod check;
pub mod compact;
pub mod completions;
pub mod convert;
pub mod decode;
pub mod export;
pub mod health;
pub mod instruments;
pub mod merge;
pub mod prune;
pub mod replay;
pub mod report;
pub mod run;
pub mod sim;
#[cfg(feature = "top")]
pub mod top;
pub mod torture;
#[cfg(feature = "s3")]
pub mod upload;
pub mod verify;
pub mod watch;
