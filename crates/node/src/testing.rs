//! For tests only: tiny servers on this machine and a feed that does as it is told by its frames.

use crate::venue::{Driven, FeedStats, FeedStatus};
use market_data_model::batch::{Names, Other};
use market_data_model::event::{FeedId, Header, Raw, Session, SessionStep};
use market_data_model::{Action, Book, Command, Feed, Input, Nanos, Outbox};
use market_data_okx::link::LinkState;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A port of this machine, listened on.
pub async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads up to the end of an HTTP head.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Answers every GET with its own head as the body, by connections that are kept open.
pub async fn echo_http() -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                loop {
                    let head = read_head(&mut stream).await;
                    if head.is_empty() {
                        return;
                    }
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    address
}

/// Answers every connection's head with these bytes and hangs up.
pub async fn rude_server(answer: &'static str) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

/// A feed that emits what happens to it and obeys its frames:
/// `panic`, `login`, `get PATH`, `send LENGTH`, `close`, `tick`; anything else is emitted.
pub struct Puppet {
    feed: FeedId,
    url: Arc<str>,
    n: u64,
    names: Arc<Names>,
    deadline: Option<Nanos>,
    last: Nanos,
    stats: FeedStats,
}

impl Puppet {
    pub fn new(feed: FeedId, url: &str) -> Puppet {
        let names = Names { venue: "puppet", ..Names::default() };
        Puppet {
            feed,
            url: url.into(),
            n: 0,
            names: Arc::new(names),
            deadline: None,
            last: Nanos(0),
            stats: FeedStats::default(),
        }
    }

    fn emit(&mut self, now: Nanos, other: Other, out: &mut Outbox) {
        self.n += 1;
        let header = Header {
            feed: self.feed,
            n: self.n,
            channel: None,
            inst: None,
            ts_event: None,
            ts_recv: now,
        };
        out.events.push_other(header, other);
        out.events.set_names(&self.names);
    }

    fn say(&mut self, now: Nanos, text: &str, out: &mut Outbox) {
        self.emit(now, Other::Raw(Raw { row: format!("\"{text}\"") }), out);
    }

    fn session(&mut self, now: Nanos, step: SessionStep, reason: &str, out: &mut Outbox) {
        let (url, reason) = (Arc::clone(&self.url), reason.to_owned());
        let session = Session { step, number: 1, url, reason, conn_id: String::new() };
        self.emit(now, Other::Session(session), out);
    }

    fn obey(&mut self, now: Nanos, frame: &str, out: &mut Outbox) {
        match frame.split_once(' ').unwrap_or((frame, "")) {
            ("panic", _) => panic!("as told"),
            ("get", path) => out.actions.push(Action::Get { id: 5, path: path.to_owned() }),
            ("send", length) => {
                out.actions.push(Action::Send("x".repeat(length.parse().unwrap())));
            }
            ("login", _) => out.actions.push(Action::Login { at: now }),
            ("close", _) => out.actions.push(Action::Close),
            ("tick", ms) => self.deadline = Some(now + ms.parse::<u64>().unwrap() * 1_000_000),
            _ => self.say(now, frame, out),
        }
    }
}

impl Feed for Puppet {
    fn handle(&mut self, now: Nanos, input: Input<'_>, out: &mut Outbox) {
        assert!(now > self.last, "stamps increase");
        self.last = now;
        match input {
            Input::Start => out.actions.push(Action::Open { url: Arc::clone(&self.url) }),
            Input::Opened => self.session(now, SessionStep::Up, "", out),
            Input::Frame(bytes) => {
                self.stats.frames += 1;
                self.obey(now, std::str::from_utf8(bytes).unwrap(), out);
            }
            Input::Closed { code, reason } => {
                let reason = format!("{code:?} {reason}");
                self.session(now, SessionStep::Down, &reason, out);
            }
            Input::Tick => {
                assert!(self.deadline.take().is_some_and(|at| at <= now), "a tick is due");
                self.say(now, "ticked", out);
            }
            Input::Response { id, status, body } => {
                let body = String::from_utf8_lossy(body);
                let first = body.lines().next().unwrap_or_default();
                self.say(now, &format!("{id} {status} {first}"), out);
            }
            Input::Line { .. } => {}
            Input::Command(Command::Stop) => out.actions.push(Action::Close),
            Input::Command(_) => self.say(now, "commanded", out),
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        self.deadline
    }
}

impl Driven for Puppet {
    fn stats(&self) -> &FeedStats {
        &self.stats
    }

    fn status(&self) -> FeedStatus {
        FeedStatus {
            link: LinkState::Up,
            session: 1,
            wanted: 0,
            live: 0,
            refused: 0,
            open_gaps: 0,
            trades_filled: 0,
            bars_filled: 0,
            bars_missing: 0,
            requests_left: 480,
            lines: Vec::new(),
            hand_overs: 0,
            witnesses: Vec::new(),
        }
    }

    fn book(&self, channel: &str, _inst_id: &str) -> Result<&Book, String> {
        Err(format!("no strings attached to {channel}"))
    }
}
