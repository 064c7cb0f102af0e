//! A pretend OKX and a bad network, written from the documentation and from captured frames
//! without looking at `okx`.
//!
//! Drivers call [`Exchange`]: the torture loop with an invented time, `market-data sim` with the
//! real one. The crate never imports `okx` or `model` (it is the oracle that judges them), never
//! opens a socket, reads a clock, starts a thread, touches a file or prints.
//!
//! Invariants: the same configuration and the same calls give the same bytes; a number in a frame
//! is exact decimal text; a [`Truth`] is attached only to bytes that were not mangled; nothing is
//! delivered on a connection after its close.
//!
//! Start reading at `api.rs` (what goes in and out), then `exchange.rs` (what happens when), then
//! `market.rs`. Test with `cargo test -p market-data-sim`.

mod api;
mod auction;
mod bars;
mod blocks;
mod book;
mod bounds;
mod calendar;
mod channel;
mod engine;
mod exchange;
mod faults;
mod feed;
mod files;
mod fixed;
mod flow;
mod funding;
mod instrument;
mod jumps;
mod listen;
mod listing;
mod login;
mod mangle;
mod market;
mod net;
mod news;
mod notices;
mod options;
mod pace;
mod past;
mod path;
mod publish;
mod query;
mod recorded;
mod recorded_rest;
mod request;
mod rest;
mod rest_copies;
mod rest_families;
mod rest_market;
mod rest_more;
mod rest_spreads;
mod rng;
mod rows;
mod sbe;
mod sbe_feed;
mod script;
mod session;
mod sign;
mod slow;
mod table;
mod text;
mod universe;
mod vol;
mod weather;
mod zip;

pub use api::{
    ConnId, Delivery, FromClient, MarketSize, Opened, RestReply, SimConfig, SimInstrument, SimKey,
    ToClient, Truth, TruthBook, TruthLevel,
};
pub use exchange::Exchange;
pub use faults::{FaultInfo, FaultProfile};
pub use recorded::{RecordedBook, RecordedFeed, RecordedId, RecordedInstrument, RecordedLevel};
pub use sign::signature;
