//! The consumers, in a process of their own: what they ask comes on stdin, what they got goes to
//! stdout. They read frames from the bare socket, as cheaply as they can and still check
//! everything, because they run on the server's cores.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, block_in_place};

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a consumer follows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// One channel of one instrument.
    One,
    /// Everything.
    All,
}

impl What {
    pub fn named(word: &str) -> Result<What, Failure> {
        match word {
            "one" => Ok(What::One),
            "all" => Ok(What::All),
            other => Err(format!("`one` or `all`, not {other:?}").into()),
        }
    }
}

/// What consumers got while it was measured.
#[derive(Default)]
pub struct Figures {
    pub records: u64,
    pub bytes: u64,
    /// Holes in the server's own numbers.
    pub holes: u64,
    /// Holes in what the records say of themselves: ids of books, numbers of feeds.
    pub broken: u64,
    pub lost: u64,
    /// Seconds of a core.
    pub processor: f64,
}

impl Figures {
    fn add(&mut self, other: &Figures) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.holes += other.holes;
        self.broken += other.broken;
        self.lost += other.lost;
    }

    fn text(&self) -> String {
        let Figures { records, bytes, holes, broken, lost, processor } = self;
        format!("{records} {bytes} {holes} {broken} {lost} {processor}")
    }

    pub fn read(text: &str) -> Result<Figures, Failure> {
        let words: Vec<&str> = text.split(' ').collect();
        let [records, bytes, holes, broken, lost, processor] = words[..] else {
            return Err(format!("no figures: {text}").into());
        };
        Ok(Figures {
            records: records.parse()?,
            bytes: bytes.parse()?,
            holes: holes.parse()?,
            broken: broken.parse()?,
            lost: lost.parse()?,
            processor: processor.parse()?,
        })
    }
}

/// What is going on: connecting, measuring, over.
const MEASURING: u8 = 1;
const OVER: u8 = 2;

/// The number behind a name.
fn number(bytes: &[u8], name: &str) -> Option<u64> {
    let at = bytes.windows(name.len()).position(|part| part == name.as_bytes())?;
    let digits = bytes[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    let read = |all: Option<u64>, digit: &u8| {
        all.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit - b'0')).map(Some)?
    };
    digits.fold(None, read)
}

/// Asks for the socket, and for what is to come.
async fn ask(address: SocketAddr, inst: &str, channel: &str) -> Result<TcpStream, Failure> {
    let mut socket = TcpStream::connect(address).await?;
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await?);
    }
    if !answer.starts_with(b"HTTP/1.1 101 ") {
        return Err(String::from_utf8_lossy(&answer).into_owned().into());
    }
    let text = format!(r#"{{"op":"subscribe","inst":"{inst}","channel":"{channel}"}}"#);
    // Masked by zeros, which is as good as by anything else (RFC 6455, 5.3).
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len())?, 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    socket.write_all(&frame).await?;
    Ok(socket)
}

/// One consumer's account of what it reads.
#[derive(Default)]
struct Account {
    figures: Figures,
    seq: u64,
    /// Of the book that is followed, the last id.
    book: Option<u64>,
    /// Of each feed, the last number of an event.
    feeds: HashMap<u64, u64>,
}

impl Account {
    /// Takes whole frames from the front of `bytes`; how many bytes they were.
    fn take(&mut self, bytes: &[u8], everything: bool, measures: bool) -> usize {
        let mut taken = 0;
        while let [first, second, rest @ ..] = &bytes[taken..] {
            let (head, len) = match (second, rest) {
                (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
                (127, rest) if rest.len() >= 8 => {
                    (10, rest[..8].iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
                }
                (126 | 127, _) => break,
                (len, _) => (2, usize::from(*len)),
            };
            let Some(body) = bytes[taken..].get(head..head + len) else { break };
            if *first == 0x81 {
                self.message(body, everything, measures);
            }
            taken += head + len;
        }
        taken
    }

    fn message(&mut self, body: &[u8], everything: bool, measures: bool) {
        let front = &body[..body.len().min(48)];
        let Some(seq) = number(front, "\"seq\":") else { return };
        self.figures.holes += u64::from(seq != self.seq + 1);
        self.seq = seq;
        let lost = front.windows(7).any(|part| part == b"\"lost\":");
        self.figures.lost += u64::from(lost);
        if everything {
            // Records of what is known begin; from there on every event of a feed comes, and
            // changes of a book beside it have the number of the one before.
            if let Some((feed, n)) = number(body, "\"feed\":").zip(number(body, "\"n\":"))
                && measures
            {
                let last = self.feeds.insert(feed, n).unwrap_or(n);
                self.figures.broken += u64::from(n != last && n != last + 1);
            }
        } else if let Some(before) = number(body, "\"prevUpdateId\":") {
            self.figures.broken += u64::from(self.book.is_some_and(|book| book != before));
            self.book = number(body, "\"lastUpdateId\":");
        }
        if measures {
            self.figures.records += 1;
            self.figures.bytes += body.len() as u64;
        }
    }
}

async fn consume(
    mut socket: TcpStream,
    everything: bool,
    state: Arc<AtomicU8>,
) -> Result<Figures, Failure> {
    let mut account = Account::default();
    let (mut buffer, mut filled) = (vec![0; 64 << 10], 0);
    while state.load(Relaxed) != OVER {
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        let wait = std::time::Duration::from_millis(500);
        let Ok(read) = tokio::time::timeout(wait, socket.read(&mut buffer[filled..])).await else {
            continue;
        };
        match read? {
            0 => return Err("a consumer was closed".into()),
            count => filled += count,
        }
        let measures = state.load(Relaxed) == MEASURING;
        let taken = account.take(&buffer[..filled], everything, measures);
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
    }
    Ok(account.figures)
}

/// The next line that is said to us.
fn heard() -> Result<String, Failure> {
    let mut line = String::new();
    block_in_place(|| std::io::stdin().read_line(&mut line))?;
    Ok(line.trim_end().to_owned())
}

/// Connects, measures and ends as it is told.
pub async fn main(processor: fn() -> f64) -> Result<(), Failure> {
    let argument = |place| std::env::args().nth(place).ok_or("three arguments are needed");
    let address: SocketAddr = argument(2)?.parse()?;
    let (consumers, slow): (usize, u64) = (argument(3)?.parse()?, argument(4)?.parse()?);
    let mut asks = Vec::new();
    while let Some((inst, channel)) = heard()?.split_once(' ') {
        asks.push((inst.to_owned(), channel.to_owned()));
    }
    let mut asleep = Vec::new();
    for _ in 0..slow {
        asleep.push(ask(address, "*", "*").await?);
    }
    let (state, mut running) = (Arc::new(AtomicU8::new(0)), JoinSet::new());
    for (inst, channel) in asks.iter().cycle().take(consumers) {
        let socket = ask(address, inst, channel).await?;
        running.spawn(consume(socket, inst == "*", Arc::clone(&state)));
    }
    println!("connected");
    heard()?;
    let spent = processor();
    state.store(MEASURING, Relaxed);
    heard()?;
    let spent = processor() - spent;
    state.store(OVER, Relaxed);
    let mut all = Figures { processor: spent, ..Figures::default() };
    while let Some(figures) = running.join_next().await {
        all.add(&figures??);
    }
    println!("{}", all.text());
    drop(asleep);
    Ok(())
}
