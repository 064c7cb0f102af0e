//! OKX as pure functions and one state machine: bytes in, events and actions out.
//!
//! Nothing here reads a clock, opens a socket, starts a thread, touches a file or prints. Read in
//! this order: [`limits`] (every number OKX imposes), [`channel`] (what we understand),
//! [`frame`] (the envelope), [`follow`] (may an update touch a book?), [`link`] (one connection's
//! timers and back-off), [`feed`] (all of it together); `fast` is a short cut through [`frame`] and
//! [`channel`] for the shapes that come all the time. Beside them: [`endpoints`], [`plan`] and
//! [`catalogue`] for what happens before a connection exists, and [`past`] for the past.
#![forbid(unsafe_code)]

pub mod catalogue;
pub mod channel;
pub mod codes;
pub mod endpoints;
pub mod every;
mod fast;
pub mod feed;
pub mod follow;
pub mod frame;
pub mod json;
pub mod limits;
pub mod link;
pub mod past;
pub mod plan;
pub mod request;
pub mod rest_book;
pub mod sbe;
pub mod server_time;
pub mod stats;
pub mod turnover;

pub use endpoints::{Endpoints, Region};
pub use fast::Instructions;
pub use feed::{NotLive, OkxConfig, OkxFeed, RestoreError};
pub use limits::HandshakeGate;
pub use stats::{BookStats, FeedStats, FeedStatus, LineStatus, WitnessStatus};
