//! The pretend exchange judged by a client that shares no code with it.

mod faults;
mod flow;
mod protocol;
mod rest;
mod rig;
