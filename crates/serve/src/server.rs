//! Connections: accepting them, limiting them, ending them.
//!
//! Invariants: at most `max_clients` connections, and some that are being turned away in words; a
//! head that does not come in time ends its connection, so does one that is too large, and an
//! answer that is not taken; [`Server::stop`] returns within a bounded time.

use crate::hub::Hub;
use crate::options::{OptionsError, ServeOptions};
use crate::place::Placed;
use crate::rest;
use crate::scrub::SCRUBBERS_MAX;
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use market_data::{Hop, Metrics};
use market_data_model::Subscription;
use market_data_model::event::FeedId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long connections may take to end.
const END_WAIT: Duration = Duration::from_secs(3);
/// How long to wait after accepting has failed, for example because files ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Most connections, whatever the settings say.
const CLIENTS_MAX: u32 = 100_000;
/// What a connection too many is told.
const FULL: Refusal = Refusal {
    status: "503 Service Unavailable",
    code: "full",
    message: "as many clients as may be are connected; max_clients in [serve] is their number",
};
/// What is told to who speaks plain text where all is encrypted.
const PLAIN: Refusal = Refusal {
    status: "400 Bad Request",
    code: "not_encrypted",
    message: "this port is encrypted: https:// and wss://",
};
/// First byte of whatever a TLS client says (RFC 8446, 5.1: a handshake).
const HANDSHAKE: u8 = 22;
/// Connections that are being told so at one time; others are just closed. An answer is so short
/// that it never waits for the other side.
const REFUSALS_MAX: usize = 1024;
/// Those of them that are listened to until they end, how long, and how much they may still say.
const LINGERERS_MAX: usize = 256;
const LINGER_WAIT: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 16 << 10;

/// What all connections share.
pub(crate) struct Shared {
    pub hub: Arc<Hub>,
    pub metrics: Arc<Metrics>,
    pub options: ServeOptions,
    pub stop: watch::Sender<bool>,
    /// Places of those who go through the tape by hand.
    pub scrubbers: Arc<Semaphore>,
}

/// An address that is listened on.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// Where.
    pub address: SocketAddr,
    /// Whether it is another than the default because that one was taken.
    pub moved: bool,
}

/// Listens, so that a taken address is known before anything else starts. If the default address
/// is taken and the user named none, any free port will do.
///
/// # Errors
/// [`OptionsError::Listen`].
pub async fn bind(options: &ServeOptions) -> Result<Bound, OptionsError> {
    let wanted = options.address;
    let error = |source| OptionsError::Listen { address: wanted, source };
    let (listener, moved) = match TcpListener::bind(wanted).await {
        Ok(listener) => (listener, false),
        Err(_) if !options.named => {
            let free = SocketAddr::new(wanted.ip(), 0);
            (TcpListener::bind(free).await.map_err(error)?, true)
        }
        Err(source) => return Err(error(source)),
    };
    let address = listener.local_addr().map_err(error)?;
    Ok(Bound { listener, address, moved })
}

/// A running server.
pub struct Server {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    address: SocketAddr,
}

impl Server {
    /// Starts to serve, the routes of `beside` as well. Call within a tokio runtime.
    pub fn start(
        bound: Bound,
        options: ServeOptions,
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
        beside: Option<Router>,
    ) -> Server {
        let (stop, _) = watch::channel(false);
        hub.remember(options.history_bytes, options.tape.as_deref());
        let scrubbers = Arc::new(Semaphore::new(SCRUBBERS_MAX));
        let shared = Arc::new(Shared { hub, metrics, options, stop, scrubbers });
        let mut tasks = JoinSet::new();
        let router = rest::router(&shared, beside);
        tasks.spawn(accept(bound.listener, router, Arc::clone(&shared)));
        Server { shared, tasks, address: bound.address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From receipt to the end of the write to a client's socket, of what goes out as it comes.
    pub fn written(&self) -> &Hop {
        &self.shared.hub.counts.written
    }

    /// See [`Hub::take_torn`].
    pub fn take_torn(&self) -> Vec<(FeedId, Subscription)> {
        self.shared.hub.take_torn()
    }

    /// These channels are received from here on, too: clients may ask for them.
    pub fn follow(&self, channels: impl IntoIterator<Item = String>) {
        self.shared.hub.follow_too(channels);
    }

    /// Sends clients what waits for them, closes them with 1001, and ends.
    pub async fn stop(mut self) {
        self.shared.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        drop(timeout(END_WAIT, all).await);
        self.tasks.shutdown().await;
    }
}

/// An answer to who is not let in as far as a request.
struct Refusal {
    status: &'static str,
    code: &'static str,
    message: &'static str,
}

impl Refusal {
    /// Says it and closes. If there is room among `lingerers`, what the client still sends is
    /// taken, or else it may be told of a broken connection before it has read the answer.
    async fn tell(&self, mut socket: TcpStream, lingerers: &Semaphore) {
        let Refusal { status, code, message } = self;
        let body = format!("{{\"error\":{{\"code\":\"{code}\",\"message\":\"{message}\"}}}}");
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        let all = async {
            socket.write_all(answer.as_bytes()).await?;
            socket.shutdown().await?;
            let Ok(_place) = lingerers.try_acquire() else { return Ok(0) };
            tokio::io::copy(&mut socket.take(LINGER_BYTES), &mut tokio::io::sink()).await
        };
        // Best effort: who does not take it has only the end of the connection.
        drop(timeout(LINGER_WAIT, all).await);
    }
}

async fn accept(listener: TcpListener, router: Router, shared: Arc<Shared>) {
    let most = shared.options.max_clients.min(CLIENTS_MAX as usize) as u32;
    let tls = shared.options.tls.clone().map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(most as usize));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let lingerers = Arc::new(Semaphore::new(LINGERERS_MAX));
    let mut connections = JoinSet::new();
    let mut stop = shared.stop.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok((socket, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        match Arc::clone(&room).try_acquire_owned() {
            Ok(place) => {
                let (router, shared) = (router.clone(), Arc::clone(&shared));
                let lingerers = Arc::clone(&lingerers);
                let tls = tls.clone().map(|tls| (tls, lingerers));
                connections.spawn(greet((socket, place), router, shared, tls));
            }
            Err(_) => {
                shared.hub.counts.turned_away.fetch_add(1, Relaxed);
                // Words make no sense within TLS, and a handshake for them is too much to ask.
                let words =
                    Arc::clone(&refusals).try_acquire_owned().ok().filter(|_| tls.is_none());
                if let Some(one) = words {
                    let lingerers = Arc::clone(&lingerers);
                    connections.spawn(async move {
                        FULL.tell(socket, &lingerers).await;
                        drop(one);
                    });
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    // Sockets that were upgraded to WebSocket live on as tasks of their own.
    drop(room.acquire_many(most).await);
}

/// Serves a connection, encrypted if it is to be.
async fn greet(
    (socket, place): (TcpStream, OwnedSemaphorePermit),
    router: Router,
    shared: Arc<Shared>,
    tls: Option<(TlsAcceptor, Arc<Semaphore>)>,
) {
    // Without it, small frames wait for each other.
    drop(socket.set_nodelay(true));
    let write_wait = shared.options.write_wait;
    let Some((tls, lingerers)) = tls else {
        return converse(Placed::new(socket, place, write_wait), router, shared).await;
    };
    // A client that does not shake hands in time, or at all, is the other side's business.
    let shaken = async {
        let mut first = [0];
        if matches!(socket.peek(&mut first).await, Ok(1)) && first != [HANDSHAKE] {
            PLAIN.tell(socket, &lingerers).await;
            return None;
        }
        tls.accept(Placed::new(socket, place, write_wait)).await.ok()
    };
    if let Ok(Some(socket)) = timeout(shared.options.head_wait, shaken).await {
        converse(socket, router, shared).await;
    }
}

async fn converse<S>(socket: S, router: Router, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stop = shared.stop.subscribe();
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(shared.options.head_wait);
    http.max_buf_size(shared.options.head_bytes);
    let service = TowerToHyperService::new(router);
    let connection = http.serve_connection(TokioIo::new(socket), service).with_upgrades();
    tokio::pin!(connection);
    let stopped = tokio::select! {
        // An error is the other side's: it broke off, or was too slow or too long.
        _ = &mut connection => false,
        _ = stop.wait_for(|stop| *stop) => true,
    };
    if stopped {
        connection.as_mut().graceful_shutdown();
        drop(connection.await);
    }
}
