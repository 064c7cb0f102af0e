//! The pretend exchange behind one local port: its sockets and its REST, as OKX lays them out.
//!
//! `market-data sim`, `--sim` and [`ClientBuilder::sim`](crate::ClientBuilder::sim) start it. One
//! task (`world`) owns the exchange and its time; connections only carry messages. With a tape
//! ([`serve_tape`], `show`) the exchange sends what was recorded, and has no market of its own.
//!
//! Invariants: nothing but that task touches the exchange; a client that does not read is closed
//! with 4005, as OKX does, and holds nobody up.

pub mod relay;
mod show;
mod world;

use crate::credentials::Credentials;
use crate::error::Error;
use crate::replay::Speed;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::serve::ListenerExt as _;
use market_data_model::Nanos;
use market_data_okx::Endpoints;
use market_data_sim::{ConnId, FaultProfile, Opened, RestReply, SimConfig, ToClient};
use market_data_tape::reader::Tape;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use world::World;

/// Messages waiting for the exchange.
const INBOX: usize = 1024;
/// Messages waiting for one client before it counts as too slow.
const OUTBOX: usize = 4096;
/// Longest message of a client that is taken in, in bytes. OKX takes requests of 64 KiB.
const MESSAGE_MAX: usize = 64 << 10;
/// How long connections that are ending may hold up the end of all.
const GUESTS_WAIT: Duration = Duration::from_secs(5);
/// How long a last word to a client may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The list of daily files, and where they are on OKX.
const DAILY_FILES: &str = "/api/v5/public/market-data-history";
const DAILY_FILES_ORIGIN: &str = "https://static.okx.com";

/// How the pretend exchange is started.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What the exchange is like.
    pub config: SimConfig,
}

/// How a tape is served.
#[derive(Clone, Debug)]
pub struct TapeOptions {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The tape: a directory, or one segment file.
    pub path: PathBuf,
    /// How fast. Faster than it came, slow clients are waited for; otherwise they are closed with
    /// 4005, as OKX does.
    pub speed: Speed,
    /// The first receive time to serve; `None` = from the beginning.
    pub from: Option<Nanos>,
    /// The first receive time not to serve; `None` = to the end.
    pub to: Option<Nanos>,
    /// Begin when so many subscriptions are there; 0 = at once.
    pub wait: usize,
    /// At the end close every connection, and begin anew.
    pub again: bool,
    /// What the network between does to it.
    pub faults: FaultProfile,
    /// Seed of the faults.
    pub seed: u64,
}

impl TapeOptions {
    /// All of it as it came, for the first who subscribes, on a free port of this machine.
    pub fn new(path: impl Into<PathBuf>) -> TapeOptions {
        TapeOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            path: path.into(),
            speed: Speed::Thousandths(1000),
            from: None,
            to: None,
            wait: 1,
            again: false,
            faults: FaultProfile::none(),
            seed: 1,
        }
    }
}

/// How a tape that was served ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeEnd {
    /// Recorded frames that were due, whether or not somebody listened.
    pub frames: u64,
    /// Times that the recording misses something, or that its connection was lost.
    pub gaps: u64,
    /// Why it ended early, if it did.
    pub error: Option<String>,
}

/// A running pretend exchange.
pub struct SimServer {
    address: SocketAddr,
    inbox: mpsc::Sender<Ask>,
    tasks: JoinSet<()>,
    /// Ends when the last connection has.
    guests: mpsc::Receiver<()>,
    ended: Option<oneshot::Receiver<TapeEnd>>,
    credentials: Option<Credentials>,
}

/// Headers of a handshake, by name.
type Headers = Vec<(String, String)>;

enum Ask {
    Open {
        path: String,
        headers: Headers,
        outbox: mpsc::Sender<ToClient>,
        reply: oneshot::Sender<Opened>,
    },
    Receive {
        conn: ConnId,
        message: Message,
    },
    Gone {
        conn: ConnId,
    },
    Rest {
        path: String,
        reply: oneshot::Sender<RestReply>,
    },
    Faults {
        faults: FaultProfile,
    },
    Stop,
    /// Time jumps ahead.
    #[cfg(test)]
    Skip {
        by: Duration,
    },
    Injected {
        reply: oneshot::Sender<BTreeMap<&'static str, u64>>,
    },
}

/// Starts the pretend exchange.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(options: SimOptions) -> io::Result<SimServer> {
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let (inbox, asks) = mpsc::channel(INBOX);
    let mut tasks = JoinSet::new();
    let key = options.config.keys.first();
    let credentials =
        key.and_then(|key| Credentials::new(&key.key, &key.secret, &key.passphrase).ok());
    let world = World::new(options.config);
    tasks.spawn(async move { drop(world.run(asks).await) });
    let guests = listen(listener, &inbox, &mut tasks);
    Ok(SimServer { address, inbox, tasks, guests, ended: None, credentials })
}

/// Serves a tape over OKX's protocol: whoever subscribes gets what was recorded, paced as it came.
///
/// Returns when it can be connected to; with a `from`, everything before it is run first.
///
/// # Errors
/// When the address cannot be listened on, or the tape cannot be read.
pub async fn serve_tape(options: TapeOptions) -> Result<SimServer, Error> {
    let at = options.listen;
    let listener = tokio::net::TcpListener::bind(at).await;
    let io = |source| Error::Io { what: format!("listen on {at}"), source };
    let listener = listener.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let unreadable = |error: market_data_tape::reader::ReadError| Error::Replay(error.to_string());
    let tape = Tape::open(&options.path).map_err(unreadable)?;
    let (inbox, asks) = mpsc::channel(INBOX);
    let (ready, is_ready) = oneshot::channel();
    let (over, ended) = oneshot::channel();
    // A thread of its own, because it reads files.
    let work = move || {
        let end = world::show(&tape, &options, asks, ready);
        // Nobody listens once the server was dropped.
        drop(over.send(end));
    };
    let what = "start a thread for the tape".to_owned();
    let thread = std::thread::Builder::new().name("sim tape".to_owned()).spawn(work);
    thread.map_err(|source| Error::Io { what, source })?;
    match is_ready.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(unreadable(error)),
        Err(_) => return Err(Error::Replay("its thread failed".to_owned())),
    }
    let mut tasks = JoinSet::new();
    let guests = listen(listener, &inbox, &mut tasks);
    Ok(SimServer { address, inbox, tasks, guests, ended: Some(ended), credentials: None })
}

/// What a connection needs.
#[derive(Clone)]
struct Door {
    inbox: mpsc::Sender<Ask>,
    /// Kept by each connection as long as it lives; nothing is ever sent.
    guest: mpsc::Sender<()>,
}

fn listen(
    listener: tokio::net::TcpListener,
    inbox: &mpsc::Sender<Ask>,
    tasks: &mut JoinSet<()>,
) -> mpsc::Receiver<()> {
    let (guest, guests) = mpsc::channel(1);
    let door = Door { inbox: inbox.clone(), guest };
    let router = Router::new().fallback(handle).with_state(door);
    let listener = listener.tap_io(|tcp| {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch Nagle off");
        }
    });
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the pretend exchange stopped listening");
        }
    });
    guests
}

impl SimServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its sockets and its REST.
    pub fn endpoints(&self) -> Endpoints {
        let base = format!("ws://{}", self.address);
        Endpoints::local(&base).expect("a socket address makes a base address")
    }

    /// Its first key, which is for everybody; `None` if it has none.
    pub fn credentials(&self) -> Option<Credentials> {
        self.credentials.clone()
    }

    /// Replaces the fault profile.
    pub async fn set_faults(&self, faults: FaultProfile) {
        // Without its task the exchange is being closed.
        drop(self.inbox.send(Ask::Faults { faults }).await);
    }

    /// Lets the exchange's time jump ahead; everything due on the way happens.
    #[cfg(test)]
    pub(crate) async fn skip(&self, by: Duration) {
        drop(self.inbox.send(Ask::Skip { by }).await);
    }

    /// How often each fault fired, by its name.
    pub async fn faults_injected(&self) -> BTreeMap<&'static str, u64> {
        let (reply, answer) = oneshot::channel();
        drop(self.inbox.send(Ask::Injected { reply }).await);
        answer.await.unwrap_or_default()
    }

    /// Waits for the end of the tape, when its last frames and a close have been sent. Pends for
    /// ever without a tape, or when it begins anew.
    ///
    /// *Cancel safety:* a call that is dropped loses nothing, until one has returned.
    pub async fn ended(&mut self) -> TapeEnd {
        let end = match &mut self.ended {
            Some(ended) => ended.await,
            None => std::future::pending().await,
        };
        self.ended = None;
        end.unwrap_or_else(|_| TapeEnd {
            frames: 0,
            gaps: 0,
            error: Some("its thread failed by a mistake of ours".to_owned()),
        })
    }

    /// Ends it, connections included.
    pub async fn close(mut self) {
        drop(self.inbox.send(Ask::Stop).await);
        self.tasks.shutdown().await;
        // Whoever has got the last word needs a moment to read it.
        drop(tokio::time::timeout(GUESTS_WAIT, self.guests.recv()).await);
    }
}

async fn handle(
    State(Door { inbox, guest }): State<Door>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response<Body> {
    let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    if uri.path().starts_with("/ws/") {
        return match upgrade {
            Ok(upgrade) => socket(Door { inbox, guest }, (path, signed(&headers)), upgrade).await,
            Err(rejection) => rejection.into_response(),
        };
    }
    if method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let (reply, answer) = oneshot::channel();
    drop(inbox.send(Ask::Rest { path, reply }).await);
    match answer.await {
        Ok(mut reply) => {
            tokio::time::sleep(Duration::from_nanos(reply.delay_ns)).await;
            if uri.path() == DAILY_FILES
                && let Some(host) = headers.get("host").and_then(|host| host.to_str().ok())
            {
                // They are here, on the same port.
                reply.body = reply.body.replace(DAILY_FILES_ORIGIN, &format!("http://{host}"));
            }
            let bytes = if reply.bytes.is_empty() { reply.body.into_bytes() } else { reply.bytes };
            response(reply.status, reply.content_type, bytes)
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn socket(
    Door { inbox, guest }: Door,
    (path, headers): (String, Headers),
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    let (outbox, messages) = mpsc::channel(OUTBOX);
    let (reply, answer) = oneshot::channel();
    drop(inbox.send(Ask::Open { path, headers, outbox, reply }).await);
    match answer.await {
        Ok(Opened::Accepted(conn)) => {
            let guard = Guard { conn, inbox: inbox.clone() };
            let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
            upgrade.on_upgrade(move |socket| async move {
                carry(socket, conn, &inbox, messages).await;
                drop(guard);
                drop(guest);
            })
        }
        Ok(Opened::Refused { status, body }) => {
            let kind = if body.starts_with('{') { "application/json" } else { "text/html" };
            response(status, kind, body.into_bytes())
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// The headers that sign a handshake.
fn signed(headers: &HeaderMap) -> Headers {
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with("ok-access-"));
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    ours.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Tells the exchange that a connection has gone, however it went.
struct Guard {
    conn: ConnId,
    inbox: mpsc::Sender<Ask>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (conn, inbox) = (self.conn, self.inbox.clone());
        // Outside a runtime everything is ending anyway.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(inbox.send(Ask::Gone { conn }).await) });
        }
    }
}

/// Carries messages both ways until either side ends.
async fn carry(
    mut socket: WebSocket,
    conn: ConnId,
    inbox: &mpsc::Sender<Ask>,
    mut messages: mpsc::Receiver<ToClient>,
) {
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(ToClient::Text(text)) => {
                    let sent = socket.send(Message::text(&*text));
                    tokio::select! {
                        sent = sent => if sent.is_err() { return },
                        // The queue was full: the client does not read.
                        () = cut_off(&messages) => return,
                    }
                }
                Some(ToClient::Binary(bytes)) => {
                    let sent = socket.send(Message::Binary(bytes.to_vec().into()));
                    tokio::select! {
                        sent = sent => if sent.is_err() { return },
                        () = cut_off(&messages) => return,
                    }
                }
                Some(ToClient::Ping(bytes)) => {
                    if socket.send(Message::Ping(bytes.into())).await.is_err() { return }
                }
                // The library has answered the ping already.
                Some(ToClient::Pong(_)) => {}
                Some(ToClient::Close { code, reason }) => {
                    return last_word(socket, code, reason).await;
                }
                Some(ToClient::Abort) => return,
                None => {
                    let reason = "Buffer is full, cannot write data".to_owned();
                    return last_word(socket, 4005, reason).await;
                }
            },
            message = socket.recv() => match message {
                Some(Ok(message)) => {
                    let ends = matches!(message, Message::Close(_));
                    if inbox.send(Ask::Receive { conn, message }).await.is_err() || ends {
                        return;
                    }
                }
                Some(Err(_)) | None => return,
            },
        }
    }
}

/// Ends when the exchange has dropped its end of a full queue.
async fn cut_off(messages: &mpsc::Receiver<ToClient>) {
    while !messages.is_closed() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(LAST_WORD).await;
}

/// Sends a close frame and waits a little for the client's own.
async fn last_word(mut socket: WebSocket, code: u16, reason: String) {
    let goodbye = async {
        let frame = CloseFrame { code, reason: reason.into() };
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // A client that does not answer is dropped all the same.
    drop(tokio::time::timeout(LAST_WORD, goodbye).await);
}

fn response(status: u16, kind: &'static str, body: Vec<u8>) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    ([("content-type", kind)], (status, body)).into_response()
}

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod listing_tests;
#[cfg(test)]
mod tape_tests;
#[cfg(test)]
mod tests;
