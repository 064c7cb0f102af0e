//! An API key of the venue's, for the public channels that want a login; and its signature.
//!
//! The driver (`live/actions.rs`) signs with it when a feed asks for a login. Feeds, tapes, logs
//! and errors never see it.
//!
//! Invariants: nothing here prints a key, a secret, a passphrase or a signature, neither in
//! `Debug` nor in an error; a file that others may read is refused. Somebody who gives this
//! process a `log` logger at trace level sees what the WebSocket library sends, logins included.
//!
//! Start at [`Credentials`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use market_data_model::wire;
use sha2::Sha256;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The environment's names of key, secret and passphrase.
pub const ENV: [&str; 3] = ["OKX_API_KEY", "OKX_API_SECRET", "OKX_API_PASSPHRASE"];
/// Their names in a file.
const FIELDS: [&str; 3] = ["key", "secret", "passphrase"];
/// What is signed after the time: the words of OKX's documentation (read 2026-08-22).
const SIGNED: &str = "GET/users/self/verify";
/// Longest of the three that is taken, in bytes (OKX's have 36, 32 and at most 32).
const BYTES_MAX: usize = 256;

/// Key, secret and passphrase. Comparing and copying are cheap; printing says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    key: Arc<str>,
    secret: Arc<str>,
    passphrase: Arc<str>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(not shown)")
    }
}

/// Why there are no credentials. Never says what they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read the credentials {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the file's owner may read or write it.
    #[error(
        "cannot use the credentials {path}: others may read the file (mode {mode:03o}); \
         `chmod 600` makes it yours alone",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// What is in the file is not `key`, `secret` and `passphrase` in TOML.
    #[error("cannot use the credentials {place}: {why}")]
    Form {
        /// The file, or the variable.
        place: String,
        /// What is wrong; never the text itself.
        why: String,
    },
    /// Some of the three variables are set and others are not.
    #[error("cannot log in: {missing} is not set, but another of the three is")]
    Incomplete {
        /// The first that is missing.
        missing: &'static str,
    },
    /// The socket is not opened without a login.
    #[error(
        "cannot open {url} without an API key: OKX's binary socket wants a login for everything"
    )]
    Needed {
        /// The address.
        url: String,
    },
    /// The way to the venue is not encrypted.
    #[error("cannot log in at {url}: the passphrase would go there unencrypted; use wss://")]
    Unencrypted {
        /// The address.
        url: String,
    },
}

impl Credentials {
    /// These three.
    ///
    /// # Errors
    /// [`CredentialsError::Form`] when one is empty, too long, or has control characters.
    pub fn new(key: &str, secret: &str, passphrase: &str) -> Result<Credentials, CredentialsError> {
        Credentials::of("given", FIELDS, [key, secret, passphrase])
    }

    /// The three variables of [`ENV`]; `None` when none is set (or all are empty).
    ///
    /// # Errors
    /// When only some are set, or one cannot be a credential.
    pub fn from_env() -> Result<Option<Credentials>, CredentialsError> {
        Credentials::from_vars(|name| std::env::var(name).ok())
    }

    fn from_vars(
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Credentials>, CredentialsError> {
        let found = ENV.map(|name| var(name).filter(|text| !text.is_empty()));
        if found.iter().all(Option::is_none) {
            return Ok(None);
        }
        for (name, text) in ENV.iter().zip(&found) {
            if text.is_none() {
                return Err(CredentialsError::Incomplete { missing: name });
            }
        }
        let texts = found.each_ref().map(|text| text.as_deref().unwrap_or_default());
        Credentials::of("of the environment", ENV, texts).map(Some)
    }

    /// Reads a TOML file with `key`, `secret` and `passphrase`, and nothing else in it.
    ///
    /// # Errors
    /// When it cannot be read, others than its owner may read it (on Unix), or it holds something
    /// else.
    pub fn from_file(path: &Path) -> Result<Credentials, CredentialsError> {
        let read = |source| CredentialsError::Read { path: path.to_owned(), source };
        let mut file = std::fs::File::open(path).map_err(read)?;
        refuse_exposed(path, &file.metadata().map_err(read)?)?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut file, &mut text).map_err(read)?;
        Credentials::from_toml(&path.display().to_string(), &text)
    }

    fn from_toml(place: &str, text: &str) -> Result<Credentials, CredentialsError> {
        let form = |why: String| CredentialsError::Form { place: place.to_owned(), why };
        // The parser's own words would show the line.
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].lines().count().max(1));
            let line = line.map_or(String::new(), |line| format!(" (line {line})"));
            form(format!("it is not TOML{line}; it should say key = \"…\", and so on"))
        })?;
        if table.keys().any(|name| !FIELDS.contains(&name.as_str())) {
            return Err(form(format!("it may hold {} and nothing else", FIELDS.join(", "))));
        }
        let of = |name: &'static str| match table.get(name) {
            Some(toml::Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(form(format!("{name} is not a text in quotes"))),
            None => Err(form(format!("{name} is missing"))),
        };
        let [key, secret, passphrase] = FIELDS;
        Credentials::of(place, FIELDS, [of(key)?, of(secret)?, of(passphrase)?])
    }

    fn of(
        place: &str,
        names: [&str; 3],
        texts: [&str; 3],
    ) -> Result<Credentials, CredentialsError> {
        for (name, text) in names.iter().zip(texts) {
            let wrong = match text {
                "" => "is empty",
                _ if text.len() > BYTES_MAX => "is longer than any of OKX's",
                _ if text.contains(char::is_control) => "has a line break or control character",
                _ => continue,
            };
            let why = format!("{name} {wrong}");
            return Err(CredentialsError::Form { place: place.to_owned(), why });
        }
        let [key, secret, passphrase] = texts.map(Arc::from);
        Ok(Credentials { key, secret, passphrase })
    }

    /// The headers that log in with the handshake, for the venue's clock at `unix_seconds`.
    pub(crate) fn headers(&self, unix_seconds: u64) -> [(&'static str, String); 4] {
        let timestamp = unix_seconds.to_string();
        let sign = sign(&self.secret, &timestamp);
        [
            ("OK-ACCESS-KEY", self.key.to_string()),
            ("OK-ACCESS-SIGN", sign),
            ("OK-ACCESS-TIMESTAMP", timestamp),
            ("OK-ACCESS-PASSPHRASE", self.passphrase.to_string()),
        ]
    }

    /// The request that logs in, for the venue's clock at `unix_seconds`.
    pub(crate) fn login(&self, unix_seconds: u64) -> String {
        let timestamp = unix_seconds.to_string();
        let sign = sign(&self.secret, &timestamp);
        let mut out = b"{\"op\":\"login\",\"args\":[{".to_vec();
        let fields = [
            ("apiKey", &*self.key),
            ("passphrase", &*self.passphrase),
            ("timestamp", &*timestamp),
            ("sign", &*sign),
        ];
        for (n, (name, value)) in fields.into_iter().enumerate() {
            out.extend_from_slice(if n > 0 { b",\"" } else { b"\"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            wire::escape(value, &mut out);
        }
        out.extend_from_slice(b"}]}");
        String::from_utf8(out).expect("made of strings only")
    }
}

/// Base64 of HMAC-SHA256 over the time and [`SIGNED`].
fn sign(secret: &str, timestamp: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(timestamp.as_bytes());
    mac.update(SIGNED.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Whether a login may go to this address: encrypted, or without leaving the machine.
pub(crate) fn may_go_to(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("ws://") else { return url.starts_with("wss://") };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, about: &std::fs::Metadata) -> Result<(), CredentialsError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(CredentialsError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &std::fs::Metadata) -> Result<(), CredentialsError> {
    Ok(())
}

#[cfg(test)]
mod tests;
