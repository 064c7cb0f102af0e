//! The pretend exchange judged by a client that shares no code with it.
#![allow(clippy::unwrap_used)]

mod anything;
mod auction;
mod chain;
mod channels;
mod families;
mod faults;
mod files;
mod flow;
mod lives;
mod login;
mod protocol;
mod rest;
mod rig;
mod rows;
mod sbe;
mod size;
mod window;
mod witness;
