//! The local server: what the service receives, for programs (`/ws`, `/api/v1`), for operators
//! (`/metrics`, `/healthz`, `/readyz`) and for people (`/`). The contract is `docs/api.md`.
//!
//! ```text
//! let (hub, sink) = Hub::new(channels);          // before the service: its sink
//! let listener = bind(&options.address)?;
//! let service = Service::start(…, vec![sink])?;
//! let server = Server::start(listener, options, hub, service.metrics(), None)?;
//! ```
//!
//! Read `hub.rs` (events to clients), `store.rs` and `book.rs` (the present state), `past.rs` and
//! `join.rs` (what was), `scrub.rs` and `recorded.rs` (the same, page by page), `client.rs` (what
//! waits for one client), `record.rs` and `pack.rs` (how a record is written), `ws.rs` and `ask.rs`
//! (the socket), `rest.rs` (everything else), `guard.rs` (who may come in), `server.rs`
//! (connections), `tls.rs` (encrypted ones).
//!
//! Invariants: nothing here ever holds a feed back; no queue is unbounded; a book that missed
//! something is not served as live; no bytes from outside make it panic.
#![forbid(unsafe_code)]

mod ask;
mod book;
mod client;
mod guard;
mod hub;
mod join;
mod options;
mod pack;
mod page;
mod past;
mod pattern;
mod place;
mod record;
mod recorded;
mod rest;
mod scrub;
mod server;
mod store;
mod tls;
mod ws;

pub use hub::Hub;
pub use options::{DEFAULT_ADDRESS, OptionsError, ServeOptions, Token};
pub use server::{Bound, Server, bind};
