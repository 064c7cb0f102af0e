//! What the server is told to do, and what it refuses to do.
//!
//! Invariant: nobody outside this machine gets in without a token, and no token is ever printed.

use crate::tls;
use market_data::config::Serve;
use rustls::ServerConfig;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// Where it listens unless told otherwise.
pub const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9870);
/// Fewest and most bytes of a token.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 16..=512;

/// Longest time for a client to take nothing, unless a program says otherwise.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// Least bytes of a head: hyper takes no less.
const HEAD_BYTES_MIN: usize = 8192;

/// Settings of the server that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Not an address.
    #[error("cannot serve on {text:?}: it is no address like 127.0.0.1:9870")]
    Address {
        /// What was given.
        text: String,
    },
    /// Others could reach it, and no token is set.
    #[error(
        "will not serve on {address}: others can reach it, and no token is set; \
         name a file with one (token_file in [serve]) or set MARKET_DATA_SERVE_TOKEN, \
         or serve on 127.0.0.1"
    )]
    Open {
        /// The address.
        address: SocketAddr,
    },
    /// The file cannot be read.
    #[error("cannot read the token file {path}: {source}", path = path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The token is too short to be one, or has letters that no header can carry.
    #[error("cannot use the token of {place}: it must be 16 to 512 letters, digits and signs")]
    Token {
        /// The file or the variable.
        place: String,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot serve encrypted: {path}: {why}", path = path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why, in words.
        why: String,
    },
    /// A certificate without a key, or a key without a certificate.
    #[error("cannot serve encrypted: cert_file and key_file in [serve] go together")]
    TlsHalf,
    /// The address cannot be listened on.
    #[error("cannot serve on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What clients must show. Its text is never printed.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

impl Token {
    /// Reads one; `None` if that is no token.
    pub fn new(text: &str) -> Option<Token> {
        let sound = TOKEN_BYTES.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| Token(text.as_bytes().into()))
    }

    /// Whether somebody shows it, in a time that tells nothing but the length.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

/// What the server is told to do.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen.
    pub address: SocketAddr,
    /// Whether the user named that address: then no other is taken instead.
    pub named: bool,
    /// What clients must show; `None` = nothing.
    pub token: Option<Token>,
    /// How connections are encrypted; `None` = they are not.
    pub tls: Option<Arc<ServerConfig>>,
    /// Most connections at one time.
    pub max_clients: usize,
    /// Most subscriptions of one WebSocket client.
    pub max_subscriptions: usize,
    /// Most records that wait for one slow WebSocket client.
    pub queue: usize,
    /// How much of the stream is kept in memory for those who join from the past, in bytes.
    pub history_bytes: usize,
    /// Longest time for the head of a request to come.
    pub head_wait: Duration,
    /// Most bytes of a head, 8192 at least.
    pub head_bytes: usize,
    /// Longest time for a client to take nothing of what is written to it.
    pub write_wait: Duration,
    /// Longest time for a WebSocket client to say nothing, not even a pong.
    pub idle_wait: Duration,
    /// Most messages of one WebSocket client a second, over ten seconds.
    pub max_requests: u32,
    /// Where the service records; `None`: nowhere, so only the memory can tell what was.
    pub tape: Option<PathBuf>,
}

impl Default for ServeOptions {
    fn default() -> ServeOptions {
        ServeOptions::limits(&Serve::default())
    }
}

impl ServeOptions {
    /// The limits of the settings, on the usual address.
    fn limits(config: &Serve) -> ServeOptions {
        ServeOptions {
            address: DEFAULT_ADDRESS,
            named: false,
            token: None,
            tls: None,
            max_clients: config.max_clients.max(1),
            max_subscriptions: config.max_subscriptions.max(1),
            queue: config.queue.max(1),
            history_bytes: config.history_bytes,
            head_wait: Duration::from_millis(config.head_ms.max(1)),
            head_bytes: config.head_bytes.max(HEAD_BYTES_MIN),
            write_wait: WRITE_WAIT,
            idle_wait: Duration::from_millis(config.idle_ms.max(1)),
            max_requests: config.max_requests.max(1),
            tape: None,
        }
    }

    /// What the settings say.
    ///
    /// # Errors
    /// [`OptionsError`]: no address, no usable token, or others could reach it without one.
    pub fn from_config(config: &Serve) -> Result<ServeOptions, OptionsError> {
        let address = match &config.address {
            None => DEFAULT_ADDRESS,
            Some(text) => {
                let text = text.trim().replace("localhost:", "127.0.0.1:");
                text.parse().map_err(|_| OptionsError::Address { text })?
            }
        };
        let token = match (&config.token, &config.token_file) {
            (Some(secret), _) => {
                let place = "MARKET_DATA_SERVE_TOKEN".to_owned();
                Some(Token::new(secret.reveal().trim()).ok_or(OptionsError::Token { place })?)
            }
            (None, Some(path)) => {
                let read = std::fs::read_to_string(path);
                let path = path.clone();
                let text = read.map_err(|source| OptionsError::TokenFile { path, source })?;
                let token = text.lines().next().map(str::trim).and_then(Token::new);
                let place = config.token_file.iter().map(|p| p.display().to_string()).collect();
                Some(token.ok_or(OptionsError::Token { place })?)
            }
            (None, None) => None,
        };
        let tls = match (&config.cert_file, &config.key_file) {
            (Some(cert), Some(key)) => Some(tls::load(cert, key)?),
            (None, None) => None,
            _ => return Err(OptionsError::TlsHalf),
        };
        if !address.ip().is_loopback() && token.is_none() {
            return Err(OptionsError::Open { address });
        }
        let named = config.address.is_some();
        Ok(ServeOptions { address, named, token, tls, ..ServeOptions::limits(config) })
    }
}
