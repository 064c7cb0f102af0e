//! The server end to end: the service against the pretend exchange, real sockets, real clients.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod crowd;
mod desk;
mod fuzz;
mod handshakes;
mod hostile;
mod http;
mod joins;
mod scrub;
mod stream;
mod tls;
