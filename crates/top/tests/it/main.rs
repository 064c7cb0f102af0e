//! The screen from outside: what a server says goes in; what is to be done, and pictures, come out.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod desk;
mod hostile;
mod pictures;
mod state;
