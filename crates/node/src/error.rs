//! What can fail for a user or a machine, in words that say what failed and what to do next.
//!
//! The venue's oddities are events, never errors of this kind.

use market_data_okx::catalogue::ResolveError;
use market_data_okx::plan::PlanError;

/// Why something could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] crate::credentials::CredentialsError),
    /// An instrument was named that does not exist, or the name means several.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The subscriptions cannot be laid out on connections.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Nothing was asked for.
    #[error("nothing to subscribe to: name at least one instrument and one channel")]
    Nothing,
    /// The instrument list could not be had.
    #[error("cannot load the instruments from {url}: {why}")]
    Bootstrap {
        /// What was asked.
        url: String,
        /// What went wrong, last time.
        why: String,
        /// What the user can do.
        hint: &'static str,
    },
    /// The proxy setting cannot be used.
    #[error(transparent)]
    Proxy(#[from] crate::net::ProxyError),
    /// The certificates to trust could not be loaded.
    #[error("cannot load the certificates to trust: {0}")]
    Tls(String),
    /// An address of the venue cannot be used.
    #[error("cannot use the address {url}: {why}")]
    Address {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The pretend exchange did not start.
    #[error("cannot start the pretend exchange: {0}")]
    Sim(String),
    /// A tape cannot be played.
    #[error("cannot play the tape: {0}")]
    Replay(String),
    /// What is followed cannot be changed.
    #[error("cannot change what is followed: {0}")]
    Change(&'static str),
    /// What is played would be recorded over itself.
    #[error("cannot record a replay of {dir} into itself", dir = dir.display())]
    ReplayIntoItself {
        /// The directory.
        dir: std::path::PathBuf,
    },
    /// Recording cannot start.
    #[error("cannot record: {0}")]
    Tape(market_data_tape::writer::OpenError),
    /// Another process cannot be taken over from.
    #[error("cannot take over: {0}")]
    TakeOver(String),
    /// A file or a socket of this machine.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried, for example `open out.ndjson`.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// What the user can do about it, if we know.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Bootstrap { hint, .. } => Some(hint),
            Error::Proxy(_) => Some(
                "proxies look like http://user:password@host:port, \
                 socks5://host:port or socks5h://host:port",
            ),
            Error::Tape(_) => Some(
                "choose another directory (`run --tape DIR`, `watch --record DIR`), or record \
                 nothing (`run --no-tape`)",
            ),
            Error::TakeOver(_) => Some(
                "the log of the other process may say what keeps it; without --take-over a new \
                 process begins where the tape of the old one ends",
            ),
            Error::Replay(_) => {
                Some("name the directory that `market-data run` recorded to (by default `tape`)")
            }
            Error::ReplayIntoItself { .. } => Some("choose another directory with --tape"),
            Error::Nothing => Some("for example: BTC-USDT with trades and books"),
            _ => None,
        }
    }
}

/// An error and everything under it, as one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    // Deeper chains than this only repeat themselves.
    for _ in 0..6 {
        let Some(inner) = source else { break };
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = inner.source();
    }
    text
}
