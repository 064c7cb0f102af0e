//! The way to the server: one WebSocket, and questions over REST beside it; both begun anew for
//! ever when they fail.
//!
//! Invariants: the token is in a header and nowhere else; an answer is at most [`BODY_MAX`]; every
//! wait has an end.

use crate::failure::Failure;
use crate::source::unix_ns;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use market_data_serve::Token;
use market_data_top::Asked;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Longest body of an answer.
const BODY_MAX: usize = 16 << 20;
/// Longest wait for a connection or an answer.
const WAIT: Duration = Duration::from_secs(5);
/// The server pings every 20 s; one that says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// First and longest wait before another attempt.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];
/// What is asked over REST, and every so many seconds.
const QUESTIONS: [(Asked, &str, u32); 3] = [
    (Asked::Watch, "/api/v1/watch", 3),
    (Asked::Feeds, "/api/v1/feeds", 1),
    (Asked::Gaps, "/api/v1/gaps?limit=100", 2),
];
/// The variable that holds the token, as for the server.
const TOKEN_ENV: &str = "MARKET_DATA_SERVE_TOKEN";

/// A server, and what it wants to be shown.
#[derive(Clone)]
pub struct Address {
    /// Host and port.
    authority: String,
    /// `Authorization`, marked so that it is never printed.
    bearer: Option<HeaderValue>,
}

/// What comes of the connection.
pub enum News {
    Opened,
    Frame(String),
    Answer(Asked, String),
    Lost { why: String, again_ms: u64 },
}

impl Address {
    /// Reads an address such as `http://127.0.0.1:9870` or `10.0.0.5:9870`, and the token.
    ///
    /// # Errors
    /// When it is none, or the token cannot be read or used.
    pub fn read(text: &str, token_file: Option<&Path>) -> Result<Address, Failure> {
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
        Ok(Address { authority, bearer: token(token_file)? })
    }

    /// A server of our own, on this machine.
    pub fn here(address: SocketAddr) -> Address {
        Address { authority: address.to_string(), bearer: None }
    }

    /// For a person.
    pub fn shown(&self) -> String {
        format!("http://{}", self.authority)
    }

    async fn dial(&self) -> Result<TcpStream, String> {
        match timeout(WAIT, TcpStream::connect(&self.authority)).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no connection within {} s", WAIT.as_secs())),
        }
    }

    fn request<B>(&self, path: &str, body: B) -> Result<Request<B>, String> {
        let mut request = Request::get(path).header(HOST, &self.authority);
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        request.body(body).map_err(|error| error.to_string())
    }

    async fn socket(&self) -> Result<WebSocketStream<TcpStream>, String> {
        use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
        let socket = self.dial().await?;
        let url = format!("ws://{}/ws", self.authority);
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        if let Some(bearer) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        }
        match timeout(WAIT, client_async(request, socket)).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(WsError::Http(answer))) if answer.status() == 401 => Err(format!(
                "it wants {} token (--token-file or {TOKEN_ENV})",
                if self.bearer.is_some() { "another" } else { "a" }
            )),
            Ok(Err(WsError::Http(answer))) => Err(format!("it answers {}", answer.status())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", WAIT.as_secs())),
        }
    }
}

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

/// Keeps the connection, until nobody listens.
pub async fn keep(address: Address, tell: mpsc::Sender<News>, mut to_say: mpsc::Receiver<String>) {
    let [first, longest] = AGAIN;
    let mut wait = first;
    loop {
        let opened = Instant::now();
        let why = match address.socket().await {
            Ok(socket) => {
                // What was to be said to the connection before is of no use to this one.
                while to_say.try_recv().is_ok() {}
                if tell.send(News::Opened).await.is_err() {
                    return;
                }
                let talk = converse(socket, &tell, &mut to_say);
                tokio::select! {
                    why = talk => why,
                    why = ask(&address, &tell) => why,
                }
            }
            Err(why) => why,
        };
        if opened.elapsed() > longest {
            wait = first;
        }
        let again_ms = unix_ns() / 1_000_000 + u64::try_from(wait.as_millis()).unwrap_or(0);
        if tell.send(News::Lost { why, again_ms }).await.is_err() {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

/// Hands frames on and says what is to be said, until it is over; why it is.
async fn converse(
    socket: WebSocketStream<TcpStream>,
    tell: &mpsc::Sender<News>,
    to_say: &mut mpsc::Receiver<String>,
) -> String {
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            said = to_say.recv() => {
                let Some(said) = said else { return "nobody listens".to_owned() };
                match timeout(WAIT, sink.send(Message::text(said))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return error.to_string(),
                    Err(_) => return "it takes nothing any more".to_owned(),
                }
            }
            heard = timeout(SILENCE_MAX, stream.next()) => match heard {
                Ok(Some(Ok(Message::Text(text)))) => {
                    if tell.send(News::Frame(text.as_str().to_owned())).await.is_err() {
                        return "nobody listens".to_owned();
                    }
                }
                Ok(Some(Ok(Message::Close(Some(frame))))) if !frame.reason.is_empty() => {
                    return frame.reason.as_str().to_owned();
                }
                Ok(Some(Ok(Message::Close(_))) | None) => return "it was closed".to_owned(),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return error.to_string(),
                Err(_) => return format!("silent for {} s", SILENCE_MAX.as_secs()),
            },
        }
    }
}

/// Asks over REST, on one connection, until that fails; why it did.
async fn ask(address: &Address, tell: &mpsc::Sender<News>) -> String {
    match ask_on(address, tell).await {
        Ok(never) => match never {},
        Err(why) => why,
    }
}

async fn ask_on(
    address: &Address,
    tell: &mpsc::Sender<News>,
) -> Result<std::convert::Infallible, String> {
    let io = TokioIo::new(address.dial().await?);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(|error| error.to_string())?;
    let talk = async {
        let mut every = interval(Duration::from_secs(1));
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut second = 0_u32;
        loop {
            every.tick().await;
            let due = |each: &&(Asked, &str, u32)| second.is_multiple_of(each.2);
            for (asked, path, _) in QUESTIONS.iter().filter(due) {
                let request = address.request(path, Empty::<Bytes>::new())?;
                let answer = async {
                    let answer = sender.send_request(request).await?;
                    let status = answer.status();
                    let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
                    Ok::<_, hyper::Error>((status, body))
                };
                let answer = timeout(WAIT, answer).await;
                let (status, body) = answer
                    .map_err(|_| format!("no answer to {path} within {} s", WAIT.as_secs()))?
                    .map_err(|error| error.to_string())?;
                let body = body.map_err(|error| format!("{path} broke off: {error}"))?.to_bytes();
                if !status.is_success() {
                    return Err(format!("{path} answers {status}"));
                }
                let body = String::from_utf8_lossy(&body).into_owned();
                tell.send(News::Answer(*asked, body)).await.map_err(|_| "nobody listens")?;
            }
            second = second.wrapping_add(1);
        }
    };
    tokio::select! {
        result = talk => result,
        ended = connection => match ended {
            Ok(()) => Err("it was closed".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    }
}
