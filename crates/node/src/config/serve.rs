//! The section `[serve]`.

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// The local server: WebSocket, REST, metrics and the page.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Serve {
    /// Whether to serve.
    pub enabled: bool,
    /// Where to listen; absent: 127.0.0.1:9870, or any free port if that one is taken.
    pub address: Option<String>,
    /// A file whose first line is the token that clients must show.
    pub token_file: Option<PathBuf>,
    /// The token itself; only the environment sets it (`MARKET_DATA_SERVE_TOKEN`).
    #[serde(skip)]
    pub token: Option<Secret>,
    /// A certificate with its chain, PEM; with `key_file`, connections are encrypted.
    pub cert_file: Option<PathBuf>,
    /// The certificate's key, PEM.
    pub key_file: Option<PathBuf>,
    /// Whether clients made for OKX are served, with the frames as they were received.
    pub okx: bool,
    /// Most connections at one time.
    pub max_clients: usize,
    /// Most subscriptions of one WebSocket client.
    pub max_subscriptions: usize,
    /// Most records that wait for one slow WebSocket client.
    pub queue: usize,
    /// How much of the stream is kept in memory for clients that join from the past, in bytes.
    pub history_bytes: usize,
    /// Longest time for the head of a request to come, in ms.
    pub head_ms: u64,
    /// Most bytes of a head.
    pub head_bytes: usize,
    /// Longest time for a WebSocket client to say nothing, not even a pong, in ms.
    pub idle_ms: u64,
    /// Most messages of one WebSocket client a second, over ten seconds.
    pub max_requests: u32,
}

impl Default for Serve {
    fn default() -> Serve {
        Serve {
            enabled: true,
            address: None,
            token_file: None,
            token: None,
            cert_file: None,
            key_file: None,
            okx: false,
            max_clients: 256,
            max_subscriptions: 64,
            queue: 4096,
            history_bytes: 64 << 20,
            head_ms: 15_000,
            head_bytes: 32 << 10,
            idle_ms: 60_000,
            max_requests: 100,
        }
    }
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}
