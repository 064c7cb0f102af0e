//! The pretend exchange behind one local port: its sockets and its REST, as OKX lays them out.
//!
//! `market-data sim`, `--sim` and [`ClientBuilder::sim`](crate::ClientBuilder::sim) start it. One
//! task owns the exchange and its time; connections only carry messages.
//!
//! Invariants: nothing but this task touches the exchange; a client that does not read is closed
//! with 4005, as OKX does, and holds nobody up.

use crate::clock::Clock;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{Method, Response, StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::serve::ListenerExt as _;
use market_data_model::Nanos;
use market_data_okx::Endpoints;
use market_data_sim::{
    ConnId, Delivery, Exchange, FaultProfile, FromClient, Opened, RestReply, SimConfig, ToClient,
};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Messages waiting for the exchange.
const INBOX: usize = 1024;
/// Messages waiting for one client before it counts as too slow.
const OUTBOX: usize = 4096;
/// How long a last word to a client may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How the pretend exchange is started.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What the exchange is like.
    pub config: SimConfig,
}

/// A running pretend exchange.
pub struct SimServer {
    address: SocketAddr,
    inbox: mpsc::Sender<Ask>,
    tasks: JoinSet<()>,
}

enum Ask {
    Open { path: String, outbox: mpsc::Sender<ToClient>, reply: oneshot::Sender<Opened> },
    Receive { conn: ConnId, message: Message },
    Gone { conn: ConnId },
    Rest { path: String, reply: oneshot::Sender<RestReply> },
    Faults { faults: FaultProfile },
    Stop,
    Injected { reply: oneshot::Sender<BTreeMap<&'static str, u64>> },
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
    tasks.spawn(World::new(options.config).run(asks));
    let router = Router::new().fallback(handle).with_state(inbox.clone());
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
    Ok(SimServer { address, inbox, tasks })
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

    /// Replaces the fault profile.
    pub async fn set_faults(&self, faults: FaultProfile) {
        // Without its task the exchange is being closed.
        drop(self.inbox.send(Ask::Faults { faults }).await);
    }

    /// How often each fault fired, by its name.
    pub async fn faults_injected(&self) -> BTreeMap<&'static str, u64> {
        let (reply, answer) = oneshot::channel();
        drop(self.inbox.send(Ask::Injected { reply }).await);
        answer.await.unwrap_or_default()
    }

    /// Ends it, connections included.
    pub async fn close(mut self) {
        drop(self.inbox.send(Ask::Stop).await);
        self.tasks.shutdown().await;
    }
}

/// The exchange, its time, and the ways to its clients.
struct World {
    exchange: Exchange,
    clock: Clock,
    clients: HashMap<ConnId, mpsc::Sender<ToClient>>,
    due: Vec<Delivery>,
}

impl World {
    fn new(config: SimConfig) -> World {
        let clock = Clock::starting_at(Nanos(config.start_ns));
        World { exchange: Exchange::new(config), clock, clients: HashMap::new(), due: Vec::new() }
    }

    async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        loop {
            let wait = self.clock.until(Nanos(self.exchange.next_at()));
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(Ask::Stop) | None => return self.say_goodbye(),
                    Some(ask) => self.take(ask),
                },
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.clock.now().0;
            self.exchange.advance(now);
            self.deliver(now);
        }
    }

    fn take(&mut self, ask: Ask) {
        let now = self.clock.now().0;
        match ask {
            Ask::Open { path, outbox, reply } => {
                let opened = self.exchange.open(now, &path);
                if let Opened::Accepted(conn) = opened {
                    self.clients.insert(conn, outbox);
                }
                if let Err(Opened::Accepted(conn)) = reply.send(opened) {
                    self.forget(now, conn);
                }
            }
            Ask::Receive { conn, message } => {
                let message = match &message {
                    Message::Text(text) => FromClient::Text(text),
                    Message::Binary(bytes) => FromClient::Binary(bytes),
                    Message::Ping(bytes) => FromClient::Ping(bytes),
                    Message::Pong(bytes) => FromClient::Pong(bytes),
                    Message::Close(_) => FromClient::Close,
                };
                self.exchange.receive(now, conn, message);
            }
            Ask::Gone { conn } => self.forget(now, conn),
            Ask::Rest { path, reply } => {
                // Whoever asked may have gone.
                drop(reply.send(self.exchange.rest(now, &path)));
            }
            Ask::Stop => {}
            Ask::Faults { faults } => self.exchange.set_faults(faults),
            Ask::Injected { reply } => drop(reply.send(self.exchange.faults_injected())),
        }
    }

    fn deliver(&mut self, now: u64) {
        let mut due = std::mem::take(&mut self.due);
        self.exchange.deliveries(&mut due);
        for delivery in due.drain(..) {
            let Some(client) = self.clients.get(&delivery.conn) else { continue };
            let last = matches!(delivery.what, ToClient::Close { .. } | ToClient::Abort);
            if client.try_send(delivery.what).is_err() {
                tracing::debug!(conn = delivery.conn.0, "a client does not read; closing it");
                self.forget(now, delivery.conn);
            } else if last {
                self.clients.remove(&delivery.conn);
            }
        }
        self.due = due;
    }

    fn say_goodbye(&mut self) {
        for (_, client) in self.clients.drain() {
            let what = ToClient::Close { code: 1001, reason: "the pretend exchange ends".into() };
            // A client whose queue is full does not read it anyway.
            drop(client.try_send(what));
        }
    }

    fn forget(&mut self, now: u64, conn: ConnId) {
        self.clients.remove(&conn);
        self.exchange.gone(now, conn);
    }
}

async fn handle(
    State(inbox): State<mpsc::Sender<Ask>>,
    method: Method,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response<Body> {
    let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    if uri.path().starts_with("/ws/") {
        return match upgrade {
            Ok(upgrade) => socket(inbox, path, upgrade).await,
            Err(rejection) => rejection.into_response(),
        };
    }
    if method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let (reply, answer) = oneshot::channel();
    drop(inbox.send(Ask::Rest { path, reply }).await);
    match answer.await {
        Ok(reply) => {
            tokio::time::sleep(Duration::from_nanos(reply.delay_ns)).await;
            response(reply.status, reply.content_type, reply.body)
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn socket(
    inbox: mpsc::Sender<Ask>,
    path: String,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    let (outbox, messages) = mpsc::channel(OUTBOX);
    let (reply, answer) = oneshot::channel();
    drop(inbox.send(Ask::Open { path, outbox, reply }).await);
    match answer.await {
        Ok(Opened::Accepted(conn)) => {
            let guard = Guard { conn, inbox: inbox.clone() };
            upgrade.on_upgrade(move |socket| async move {
                carry(socket, conn, &inbox, messages).await;
                drop(guard);
            })
        }
        Ok(Opened::Refused { status, body }) => {
            let kind = if body.starts_with('{') { "application/json" } else { "text/html" };
            response(status, kind, body)
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
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

fn response(status: u16, kind: &'static str, body: String) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    ([("content-type", kind)], (status, body)).into_response()
}

#[cfg(test)]
mod tests;
