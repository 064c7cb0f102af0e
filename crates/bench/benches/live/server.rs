//! A server that acknowledges what it is asked for and then sends frames as fast as they are taken,
//! or so many a second. It runs in a process of its own, so that the client's processor time can be
//! told from its own.
//!
//! It answers REST with a list of the instruments of `market.rs` and a WebSocket with an ack
//! for each argument; on each socket come the frames that were asked for there. Start at [`serve`].
//!
//! Invariant: what is sent of one argument is in the generated order, so chains and ids hold.

use market_data_bench::frames::Group;
use market_data_bench::market;
use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// Frames written at once where there is no rate: what a socket's buffers hold anyway.
const CHUNK: usize = 1 << 18;
/// How long nothing may be asked for before the frames begin.
const QUIET: Duration = Duration::from_millis(700);

/// What is served.
#[derive(Clone, Debug)]
pub struct Serving {
    /// How many frames are made.
    pub frames: usize,
    /// Frames a second on each socket; 0 = as fast as they are taken.
    pub rate: u64,
    /// Certificate and key, if it is TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Serves for ever. Prints the port when it is ready.
///
/// # Errors
/// When no port can be had.
pub fn serve(serving: Serving) -> io::Result<()> {
    let stream = market::generate(7, serving.frames);
    let frames: Vec<_> = stream.select(Group::Mix).into_iter().map(Frame::new).collect();
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("port {}", listener.local_addr()?.port());
    let frames = Arc::new(frames);
    for stream in listener.incoming() {
        let (stream, serving, frames) = (stream?, serving.clone(), Arc::clone(&frames));
        std::thread::spawn(move || {
            // A client that has gone is no news.
            let _ = stream.set_nodelay(true);
            let _ = match &serving.tls {
                Some(config) => rustls::ServerConnection::new(Arc::clone(config))
                    .map_err(io::Error::other)
                    .and_then(|tls| {
                        let timeout = stream.try_clone()?;
                        let both = rustls::StreamOwned::new(tls, stream);
                        connection(both, &timeout, &serving, &frames)
                    }),
                None => stream
                    .try_clone()
                    .and_then(|timeout| connection(stream, &timeout, &serving, &frames)),
            };
        });
    }
    Ok(())
}

/// A frame on the wire and what it belongs to.
struct Frame {
    argument: Box<[u8]>,
    bytes: Vec<u8>,
}

impl Frame {
    /// A text message as a server sends it.
    fn new(frame: &[u8]) -> Frame {
        let mut bytes = vec![0x81];
        match frame.len() {
            short @ 0..126 => bytes.push(short as u8),
            middle @ 126..65_536 => {
                bytes.push(126);
                bytes.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                bytes.push(127);
                bytes.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(frame);
        // `{"arg":` and the argument, which ends with the first brace.
        let end = frame.iter().position(|byte| *byte == b'}').map_or(0, |at| at + 1);
        Frame { argument: frame[7.min(end)..end].into(), bytes }
    }
}

fn connection(
    stream: impl Read + Write,
    raw: &std::net::TcpStream,
    serving: &Serving,
    frames: &[Frame],
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let mut stream = reader.into_inner();
    let path = head.split(' ').nth(1).unwrap_or_default();
    if !path.starts_with("/ws/") {
        let body = instruments(path);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
        )?;
        write!(stream, "content-length: {}\r\n\r\n{body}", body.len())?;
        return stream.flush();
    }
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value.trim())
    });
    let accept = tungstenite::handshake::derive_accept_key(key.unwrap_or_default().as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    )?;
    stream.flush()?;
    let role = tungstenite::protocol::Role::Server;
    let mut socket = WebSocket::from_raw_socket(stream, role, None);
    raw.set_read_timeout(Some(QUIET))?;
    let asked = acknowledge(&mut socket)?;
    let frames = frames.iter().filter(|frame| asked.contains(&frame.argument));
    send(socket.get_mut(), serving.rate, frames.map(|frame| &*frame.bytes))?;
    // Nothing more comes; the client decides when it is over.
    raw.set_read_timeout(None)?;
    while socket.read().is_ok() {}
    Ok(())
}

/// Answers requests until none has come for a while, and gives the arguments asked for.
fn acknowledge(socket: &mut WebSocket<impl Read + Write>) -> io::Result<HashSet<Box<[u8]>>> {
    let mut asked = HashSet::new();
    loop {
        let text = match socket.read() {
            Ok(Message::Text(text)) => text,
            Ok(_) => continue,
            Err(tungstenite::Error::Io(error)) if is_timeout(&error) && !asked.is_empty() => {
                return Ok(asked);
            }
            Err(tungstenite::Error::Io(error)) if is_timeout(&error) => continue,
            Err(error) => return Err(io::Error::other(error)),
        };
        let request: serde_json::Value = serde_json::from_str(&text)?;
        for arg in request["args"].as_array().into_iter().flatten() {
            // Keys in alphabetical order, as OKX and the market have them.
            asked.insert(arg.to_string().into_bytes().into());
            let ack = serde_json::json!({"event": "subscribe", "arg": arg, "connId": "bench"});
            socket.send(Message::text(ack.to_string())).map_err(io::Error::other)?;
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn send<'a>(
    to: &mut impl Write,
    rate: u64,
    frames: impl Iterator<Item = &'a [u8]>,
) -> io::Result<()> {
    if rate == 0 {
        let mut chunk = Vec::with_capacity(CHUNK * 2);
        for frame in frames {
            chunk.extend_from_slice(frame);
            if chunk.len() >= CHUNK {
                to.write_all(&chunk)?;
                chunk.clear();
            }
        }
        to.write_all(&chunk)?;
        return to.flush();
    }
    let start = Instant::now();
    for (n, frame) in frames.enumerate() {
        let due = Duration::from_nanos(n as u64 * 1_000_000_000 / rate);
        // A sleep is too coarse between frames that are microseconds apart.
        while start.elapsed() < due {
            std::hint::spin_loop();
        }
        to.write_all(frame)?;
        to.flush()?;
    }
    Ok(())
}

/// The answer of `/api/v5/public/instruments?instType=…`.
fn instruments(path: &str) -> String {
    let rows: Vec<_> = market::instruments()
        .filter(|(_, kind)| path.contains(&format!("instType={kind}")))
        .map(|(id, kind)| {
            serde_json::json!({
                "instType": kind, "instId": id, "state": "live", "tickSz": "0.1", "lotSz": "1",
                "minSz": "1", "ctVal": "1", "ctType": "linear", "instFamily": "", "uly": "",
            })
        })
        .collect();
    serde_json::json!({"code": "0", "msg": "", "data": rows}).to_string()
}
