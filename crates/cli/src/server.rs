//! A running server as a client sees it: its address, the token, and questions over REST.
//!
//! `health` asks once, `top` again and again (and over a socket of its own, `cmd/top/link.rs`).
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
use std::time::Duration;
#[cfg(feature = "top")]
use std::{net::SocketAddr, path::Path};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest body of an answer.
const BODY_MAX: usize = 16 << 20;
/// Longest wait for a connection or an answer.
pub const WAIT: Duration = Duration::from_secs(5);
/// The variable that holds the token, as for the server.
#[cfg(feature = "top")]
pub const TOKEN_ENV: &str = "MARKET_DATA_SERVE_TOKEN";

/// One connection for questions; somebody must poll the second half meanwhile.
type Line = (SendRequest<Empty<Bytes>>, Connection<TokioIo<TcpStream>, Empty<Bytes>>);

/// A server, and what it wants to be shown.
#[derive(Clone)]
pub struct Address {
    /// Host and port.
    pub authority: String,
    /// `Authorization`, marked so that it is never printed.
    pub bearer: Option<HeaderValue>,
}

impl Address {
    /// Reads an address such as `http://127.0.0.1:9870` or `10.0.0.5:9870`, and the token.
    ///
    /// # Errors
    /// When it is none, or the token cannot be read or used.
    #[cfg(feature = "top")]
    pub fn read(text: &str, token_file: Option<&Path>) -> Result<Address, Failure> {
        Ok(Address { bearer: token(token_file)?, ..Address::open(text)? })
    }

    /// The same, for what needs no token.
    ///
    /// # Errors
    /// When it is no address.
    pub fn open(text: &str) -> Result<Address, Failure> {
        let bad = |why: &str| {
            let hint = "a server's address looks like http://127.0.0.1:9870";
            Failure::new(format!("cannot attach to {text:?}: {why}"), hint)
        };
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| bad("it is no address"))?;
        match uri.scheme_str() {
            Some("http" | "ws") => {}
            Some("https" | "wss") => return Err(bad("only http is spoken here")),
            _ => return Err(bad("it is no http address")),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("it has a path"));
        }
        let host =
            uri.host().filter(|host| !host.is_empty()).ok_or_else(|| bad("it has no host"))?;
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        Ok(Address { authority, bearer: None })
    }

    /// A server of our own, on this machine.
    #[cfg(feature = "top")]
    pub fn here(address: SocketAddr) -> Address {
        Address { authority: address.to_string(), bearer: None }
    }

    /// For a person.
    pub fn shown(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Connects.
    ///
    /// # Errors
    /// In words.
    pub async fn dial(&self) -> Result<TcpStream, String> {
        match timeout(WAIT, TcpStream::connect(&self.authority)).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no connection within {} s", WAIT.as_secs())),
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
        let (status, body) = answer.map_err(|error| error.to_string())?;
        let body = body.map_err(|error| format!("{path} broke off: {error}"))?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
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
                Err(error) => Err(error.to_string()),
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
