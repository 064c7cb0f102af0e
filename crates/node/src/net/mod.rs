//! How bytes reach the venue: proxies, TCP, TLS, WebSocket and REST, all over one dialer.
//!
//! The drivers and the bootstrap call this; nothing here knows what the bytes mean.

mod dial;
mod download;
mod frames;
mod gate;
mod pipe;
mod proxy;
mod rest;
mod tls;
mod ws;

pub use proxy::{ProxyError, ProxySetting};
pub use tls::TlsTrust;

pub(crate) use dial::{DialError, Dialer};
pub(crate) use download::Unfetched;
pub(crate) use gate::Gate;
pub(crate) use rest::Rest;
pub(crate) use ws::{End, Incoming, OpenError, Socket};

/// What we call ourselves towards servers.
pub(crate) const USER_AGENT: &str = concat!("market-data/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
