//! A service with its server, and clients of both kinds.

use futures_util::{SinkExt as _, StreamExt as _};
use market_data::sim_server::{SimOptions, SimServer, serve};
use market_data::{ProxySetting, Service, ServiceOptions, TapeSettings, Want, prepare};
use market_data_serve::{Hub, ServeOptions, Server, Token, bind};
use market_data_sim::SimConfig;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Frames a second of the usual exchange: enough that no test waits for the next one.
const RATE: u32 = 100;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Desk {
    sim: SimServer,
    service: Service,
    server: Server,
    pub address: SocketAddr,
}

impl Desk {
    pub async fn open() -> Desk {
        Desk::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ServeOptions)) -> Desk {
        let desk = Desk::unready(change).await;
        desk.wait_until_ready().await;
        desk
    }

    /// A desk that may not have received anything yet.
    pub async fn unready(change: impl FnOnce(&mut ServeOptions)) -> Desk {
        Desk::opened(RATE, None, change).await
    }

    /// An exchange that sends so many frames a second, and a tape.
    pub async fn busy(
        rate: u32,
        tape: Option<&std::path::Path>,
        change: impl FnOnce(&mut ServeOptions),
    ) -> Desk {
        let desk = Desk::opened(rate, tape, change).await;
        desk.wait_until_ready().await;
        desk
    }

    async fn opened(
        rate: u32,
        tape: Option<&std::path::Path>,
        change: impl FnOnce(&mut ServeOptions),
    ) -> Desk {
        let mut config = SimConfig::new(7, 1_795_441_238_000_000_000);
        config.rate = rate;
        let listen = ([127, 0, 0, 1], 0).into();
        let sim = serve(SimOptions { listen, config }).await.unwrap();
        let mut wants = vec![
            Want::new(["BTC-USDT", "ETH-USDT"], ["tickers", "trades", "books", "candle1m"]),
            Want::new(["BTC-USDT-SWAP"], ["books5", "mark-price", "funding-rate"]),
        ];
        if tape.is_some() {
            let all = ["trades", "trades-all", "bbo-tbt", "books", "candle1s"];
            wants.push(Want::new(["*-USDT", "*-USDT-SWAP"], all));
        }
        let options = ServiceOptions {
            endpoints: sim.endpoints(),
            proxy: ProxySetting::None,
            wants,
            view_depth: 10,
            deltas: false,
            tape: tape.map(TapeSettings::new),
            ..ServiceOptions::default()
        };
        let prepared = prepare(&options).await.unwrap();
        let channels = prepared.subscriptions.iter().map(|s| s.channel.to_string());
        let (hub, sink) = Hub::new(channels);
        hub.know(prepared.catalogue.iter());
        let mut serve_options =
            ServeOptions { address: listen, named: true, ..ServeOptions::default() };
        serve_options.tape = tape.map(std::path::Path::to_owned);
        change(&mut serve_options);
        let bound = bind(&serve_options).await.unwrap();
        let service = Service::start(options, prepared, vec![sink]).unwrap();
        let server = Server::start(bound, serve_options, hub, service.metrics(), None);
        let address = server.address();
        Desk { sim, service, server, address }
    }

    async fn wait_until_ready(&self) {
        let ready = async {
            loop {
                // Every book has come once the confirmed subscriptions are all live.
                if get(self.address, "/readyz", "").await.0 == 200 {
                    return;
                }
            }
        };
        timeout(PATIENCE, ready).await.unwrap();
    }

    pub async fn stop_server(self) {
        self.server.stop().await;
        self.service.stop().await;
        self.sim.close().await;
    }

    pub async fn client(&self) -> Client {
        self.client_at("/ws").await.unwrap()
    }

    pub async fn client_at(&self, path: &str) -> Option<Client> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}{path}", self.address);
        Some(Client(client_async(url, socket).await.ok()?.0))
    }

    /// A client that offers these sub-protocols, as a page does; the one that the server took.
    pub async fn client_with(&self, protocols: &str) -> Option<(Client, Option<String>)> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        let name = "sec-websocket-protocol";
        request.headers_mut().insert(name, protocols.parse().unwrap());
        let (client, answer) = client_async(request, socket).await.ok()?;
        let taken = answer.headers().get(name).and_then(|taken| taken.to_str().ok());
        Some((Client(client), taken.map(str::to_owned)))
    }

    /// JSON of a path, which must answer 200.
    pub async fn json(&self, path: &str) -> Value {
        let (status, _, body) = get(self.address, path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

pub fn token() -> Token {
    Token::new("0123456789abcdef0123").unwrap()
}

pub struct Client(WebSocketStream<TcpStream>);

impl Client {
    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn send(&mut self, message: Message) {
        // The server may have closed already.
        drop(self.0.send(message).await);
    }

    /// The next frame with what is in it; `None` once it is over.
    pub async fn frame(&mut self) -> Option<Message> {
        timeout(PATIENCE, self.0.next()).await.unwrap()?.ok()
    }

    /// The next text; the close code once it is over.
    pub async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.unwrap() {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|f| f.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Reads until the connection is closed; the code.
    pub async fn end(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

/// Status, head and body of a GET; `more` are further lines of its head.
pub async fn get(address: SocketAddr, path: &str, more: &str) -> (u16, String, String) {
    let host = if more.contains("Host:") { String::new() } else { format!("Host: {address}\r\n") };
    ask(address, &format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n{more}\r\n")).await
}

/// The body of a GET that must answer 200, whatever is in it.
pub async fn bytes(address: SocketAddr, path: &str, more: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    answer.split_off(body)
}

pub async fn ask(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap();
    // A connection that was cut may still have brought an answer.
    drop(read);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head.to_owned(), body.to_owned())
}
