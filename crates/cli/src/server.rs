//! A running server as a client sees it: its address, the token, and questions over REST.
//!
//! `health` asks once, `top` again and again (and over a socket of its own, `cmd/top/link.rs`).
//!
//! `server/tls.rs` encrypts what goes to an `https` address.
//!
//! Invariants: the token is in a header and nowhere else; an answer is at most [`BODY_MAX`]; every
//! wait has an end.

use crate::failure::Failure;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
#[cfg(feature = "top")]
use market_data_serve::Token;
#[cfg(feature = "top")]
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tls::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

mod tls;

/// Longest body of an answer.
const BODY_MAX: usize = 16 << 20;
/// What is said of a server that speaks in secret only.
pub const NOT_PLAIN: &str = "it does not answer in plain http; is it an https address?";
/// Longest wait for a connection or an answer.
pub const WAIT: Duration = Duration::from_secs(5);
/// The variable that holds the token, as for the server.
#[cfg(feature = "top")]
pub const TOKEN_ENV: &str = "MARKET_DATA_SERVE_TOKEN";

/// One connection for questions; somebody must poll the second half meanwhile.
type Line = (SendRequest<Empty<Bytes>>, Connection<TokioIo<Socket>, Empty<Bytes>>);

/// Something to read from and write to.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection, encrypted or not.
pub type Socket = Box<dyn Wire>;

/// A server, and what it wants to be shown.
#[derive(Clone)]
pub struct Address {
    /// Host and port.
    pub authority: String,
    /// `Authorization`, marked so that it is never printed.
    pub bearer: Option<HeaderValue>,
    /// How it is encrypted; `None` = it is not.
    tls: Option<Tls>,
}

impl Address {
    /// Reads an address such as `http://127.0.0.1:9870` or `10.0.0.5:9870`, and the token. The
    /// certificates in `ca` are trusted, too.
    ///
    /// # Errors
    /// When it is none, or the token or the certificates cannot be read or used.
    #[cfg(feature = "top")]
    pub fn read(
        text: &str,
        ca: Option<&Path>,
        token_file: Option<&Path>,
    ) -> Result<Address, Failure> {
        Ok(Address { bearer: token(token_file)?, ..Address::open(text, ca)? })
    }

    /// The same, for what needs no token.
    ///
    /// # Errors
    /// When it is no address, or the certificates cannot be read or used.
    pub fn open(text: &str, ca: Option<&Path>) -> Result<Address, Failure> {
        let bad = |why: &str| {
            let hint = "a server's address looks like http://127.0.0.1:9870";
            Failure::new(format!("cannot attach to {text:?}: {why}"), hint)
        };
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| bad("it is no address"))?;
        let encrypted = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(bad("it is neither an http nor an https address")),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("it has a path"));
        }
        let host =
            uri.host().filter(|host| !host.is_empty()).ok_or_else(|| bad("it has no host"))?;
        let usual = if encrypted { 443 } else { 80 };
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(usual));
        let tls = match (encrypted, ca) {
            (false, None) => None,
            (false, Some(_)) => return Err(bad("--ca needs an https address")),
            (true, ca) => Some(Tls::new(host, ca)?),
        };
        Ok(Address { authority, bearer: None, tls })
    }

    /// A server of our own, on this machine.
    #[cfg(feature = "top")]
    pub fn here(address: SocketAddr) -> Address {
        Address { authority: address.to_string(), bearer: None, tls: None }
    }

    /// For a person.
    pub fn shown(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Connects.
    ///
    /// # Errors
    /// In words.
    pub async fn dial(&self) -> Result<Socket, String> {
        let dial = async {
            let socket = TcpStream::connect(&self.authority).await.map_err(|e| e.to_string())?;
            match &self.tls {
                None => Ok(Box::new(socket) as Socket),
                Some(tls) => tls.shake_hands(socket).await,
            }
        };
        let late = |_| format!("no connection within {} s", WAIT.as_secs());
        timeout(WAIT, dial).await.map_err(late)?
    }

    /// Whether what goes there is encrypted.
    #[cfg(feature = "top")]
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether a server of ours says that it speaks in secret only.
    pub fn wants_tls(&self, body: &[u8]) -> bool {
        let said = b"\"not_encrypted\"";
        self.tls.is_none() && body.windows(said.len()).any(|part| part == said)
    }

    /// What went wrong between us and a server, in words.
    pub fn trouble(&self, error: &hyper::Error) -> String {
        match error.is_parse() && self.tls.is_none() {
            true => NOT_PLAIN.to_owned(),
            false => error.to_string(),
        }
    }

    /// A connection for questions.
    ///
    /// # Errors
    /// In words.
    pub async fn line(&self) -> Result<Line, String> {
        let io = TokioIo::new(self.dial().await?);
        http1::handshake(io).await.map_err(|error| error.to_string())
    }

    /// Status and body of one answer.
    ///
    /// # Errors
    /// In words, when none comes.
    pub async fn ask(
        &self,
        sender: &mut SendRequest<Empty<Bytes>>,
        path: &str,
    ) -> Result<(u16, String), String> {
        let mut request = Request::get(path).header(HOST, &self.authority);
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let answer = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
            Ok::<_, hyper::Error>((status, body))
        };
        let late = |_| format!("no answer to {path} within {} s", WAIT.as_secs());
        let answer = timeout(WAIT, answer).await.map_err(late)?;
        let (status, body) = answer.map_err(|error| self.trouble(&error))?;
        let body = body.map_err(|error| format!("{path} broke off: {error}"))?.to_bytes();
        match status == 400 && self.wants_tls(&body) {
            true => Err(NOT_PLAIN.to_owned()),
            false => Ok((status, String::from_utf8_lossy(&body).into_owned())),
        }
    }

    /// One answer, on a connection of its own.
    ///
    /// # Errors
    /// In words, when none comes.
    pub async fn ask_once(&self, path: &str) -> Result<(u16, String), String> {
        let (mut sender, connection) = self.line().await?;
        let answer = self.ask(&mut sender, path);
        tokio::pin!(answer);
        tokio::select! {
            biased;
            answered = &mut answer => answered,
            ended = connection => match ended {
                // All of the answer may have been read before the connection closed.
                Ok(()) => answer.await,
                Err(error) => Err(self.trouble(&error)),
            },
        }
    }
}

#[cfg(feature = "top")]
fn token(file: Option<&Path>) -> Result<Option<HeaderValue>, Failure> {
    let hint = "a token is 16 to 512 letters, digits and signs, the server's own";
    let (text, place) = match file {
        Some(path) => {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::new(format!("cannot read the token file {place}: {error}"), hint)
            })?;
            (text.lines().next().unwrap_or_default().to_owned(), place)
        }
        None => match std::env::var(TOKEN_ENV) {
            Ok(text) => (text, TOKEN_ENV.to_owned()),
            Err(_) => return Ok(None),
        },
    };
    let text = text.trim();
    let bearer = Token::new(text).and_then(|_| format!("Bearer {text}").parse().ok());
    let mut bearer: HeaderValue =
        bearer.ok_or_else(|| Failure::new(format!("cannot use the token of {place}"), hint))?;
    bearer.set_sensitive(true);
    Ok(Some(bearer))
}
