//! The shell around the pure feeds, and the library's front door.
//!
//! ```text
//! let mut client =
//!     Client::builder().subscribe("BTC-USDT", ["trades", "books"]).connect().await?;
//! while let Some(event) = client.next().await {
//!     if let Body::Trade(trade) = event.view().body {
//!         println!("{} {}", trade.px, trade.qty);
//!     }
//! }
//! ```
//!
//! (`examples/watch_trades.rs` is the whole program.)
//!
//! This is the only crate with sockets, files, clocks, tasks and `await`. Read in this order:
//! [`Client`], then [`Service`] underneath it, then `live.rs` (the loop that waits), `bus.rs` (who
//! gets what), `net/` (how bytes travel), `bootstrap.rs`, `supervisor.rs` and `follow.rs` (the
//! instrument list), [`sim_server`] (the pretend exchange behind a local WebSocket).
//!
//! Invariants: no queue is unbounded; no event is lost without an event that says so; a receive
//! stamp is taken once, at the read.
#![forbid(unsafe_code)]

pub mod backfill;
mod bootstrap;
mod bus;
mod client;
mod clock;
pub mod config;
pub mod convert;
mod credentials;
mod error;
mod fleet;
mod follow;
mod home;
mod latency;
mod live;
mod metrics;
mod net;
mod options;
mod recorder;
pub mod replay;
pub mod retain;
mod service;
#[cfg(feature = "sim")]
pub mod sim_server;
pub mod sink;
mod skew;
mod supervisor;
pub mod take_over;
#[cfg(test)]
mod testing;
mod venue;

pub use bootstrap::{Prepared, instruments, prepare};
pub use client::{Client, ClientBuilder};
pub use config::Config;
pub use credentials::{Credentials, CredentialsError, ENV as CREDENTIALS_ENV};
pub use error::Error;
pub use latency::{Hop, Latency};
pub use live::BookUnavailable;
pub use metrics::{FeedReport, Metrics, SinkCounts};
pub use net::{ProxyError, ProxySetting, TlsTrust};
pub use options::{LineSettings, OneCore, ParquetSettings, ServiceOptions, TapeSettings, Want};
pub use recorder::TapeReport;
pub use replay::{ReplayEnd, ReplaySettings, Speed};
pub use service::{Ended, Predecessor, Service, SinkReport, StopReport};
pub use sink::{
    Counter, Delivery, EventReceiver, InOrder, JsonLines, Lost, Overflow, Processor, ProcessorSink,
    Sink, SinkError, SinkSpec, TradeOrder, channel_sink,
};
pub use supervisor::Changed;
pub use venue::{FeedStats, FeedStatus};

pub use market_data_model as model;
pub use market_data_model::batch::Event;
pub use market_data_model::{Batch, Body, Book, Command, EventRef, Subscription};
pub use market_data_okx::every::{ALL, LeftOut};
pub use market_data_okx::plan::{Connection, Plan};
pub use market_data_okx::{Endpoints, Region};
