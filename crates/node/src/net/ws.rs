//! One WebSocket: opened with a timeout, read without copying, written without ever waiting.
//!
//! The driver waits with [`Socket::poll_ready`] and then takes what one read has brought, frame by
//! frame, with [`Socket::take`]. A message of one frame is handed out where it lies
//! ([`frames`](super::frames)); pings, closes, messages in several frames and all that the protocol
//! forbids are tungstenite's business, which is given those frames one at a time.
//!
//! Messages are queued at once and flushed while waiting, so that a peer which takes nothing
//! cannot keep us from reading what it sends.
//!
//! Invariants: the queue of unsent bytes is bounded; a peer that takes nothing for
//! [`WRITE_WAIT`] counts as gone; protocol pings are answered by the library; text that is none
//! is never handed out.

use super::frames::{CONTROL, FIN, Next, TEXT, is_text};
use super::pipe::{Head, Pipe};
use super::{Dialer, USER_AGENT};
use crate::error::chain;
use bytes::Bytes;
use hyper::Uri;
use hyper::header::HeaderValue;
use std::future::{Future as _, poll_fn};
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

/// Longest message we take. The longest seen are lists of instruments of 1 to 2 MB.
const MESSAGE_MAX: usize = 16 << 20;
/// Most bytes waiting to be sent.
const UNSENT_MAX: usize = 1 << 20;
/// How long a peer may take nothing before it counts as gone.
const WRITE_WAIT: Duration = Duration::from_secs(10);
/// How long a venue that pings by itself may say nothing at all. OKX's binary socket pings 20 s
/// after each pong (docs, read 2026-11-23).
const VENUE_PING_WAIT: Duration = Duration::from_secs(50);
/// Most bytes of a refusal's words that are kept.
const WORDS_MAX: usize = 256;
/// How long a polite close may take.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Most reads in a row that bring nothing to take.
const READS_MAX: u32 = 64;
/// Bytes that the library reads at once: what it gets are small frames.
const LIBRARY_READ: usize = 4096;

/// What a socket yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// One text (or binary) message.
    Frame(&'a [u8]),
    /// The end.
    Closed(End),
}

/// How a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The peer's close code if it sent one.
    pub code: Option<u16>,
    /// Why, in words.
    pub reason: String,
}

/// A connection that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenError {
    /// In words, with the HTTP status if the other side answered.
    pub reason: String,
}

/// An open WebSocket.
pub(crate) struct Socket {
    library: WebSocket<Pipe>,
    /// What can be taken.
    held: Held,
    /// The last message that came in parts.
    joined: Bytes,
    /// Whether the library has the beginning of a message in several frames.
    in_parts: bool,
    /// How many reads have brought bytes.
    reads: u64,
    /// `reads` at the last frame.
    stamped: u64,
    /// Running while bytes wait to be sent, since the peer took some last.
    stuck: Option<Pin<Box<Sleep>>>,
    /// Why nothing can be sent any more: the end, once what has come is used up.
    broken: Option<End>,
    /// Where the venue pings by itself: running since the last sign of life.
    quiet: Option<Pin<Box<Sleep>>>,
}

/// What a socket holds ready.
enum Held {
    /// Nothing, as far as is known.
    Nothing,
    /// A message where it lies.
    Here(Range<usize>),
    /// A message that came in parts.
    Joined,
    /// The end; for good.
    End(End),
}

impl Socket {
    /// Dials and shakes hands, in at most `wait`.
    pub async fn open(dialer: &Dialer, url: &str, wait: Duration) -> Result<Socket, OpenError> {
        Socket::open_with(dialer, url, wait, &[]).await
    }

    /// The same with a login in the headers; such a venue pings by itself, and one that does not
    /// for [`VENUE_PING_WAIT`] counts as gone.
    pub async fn open_signed(
        dialer: &Dialer,
        url: &str,
        wait: Duration,
        headers: &[(&'static str, String)],
    ) -> Result<Socket, OpenError> {
        let mut socket = Socket::open_with(dialer, url, wait, headers).await?;
        socket.quiet = Some(Box::pin(tokio::time::sleep(VENUE_PING_WAIT)));
        Ok(socket)
    }

    async fn open_with(
        dialer: &Dialer,
        url: &str,
        wait: Duration,
        headers: &[(&'static str, String)],
    ) -> Result<Socket, OpenError> {
        match tokio::time::timeout(wait, Socket::shake_hands(dialer, url, headers)).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(reason)) => Err(OpenError { reason }),
            Err(_) => Err(OpenError {
                reason: format!("no answer from {url} within {} s", wait.as_secs()),
            }),
        }
    }

    async fn shake_hands(
        dialer: &Dialer,
        url: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Socket, String> {
        let uri: Uri = url.parse().map_err(|e| format!("{url} is not an address: {e}"))?;
        let stream = dialer.dial(&uri).await.map_err(|e| e.0)?;
        let mut request = url.into_client_request().map_err(|e| format!("{url}: {e}"))?;
        request.headers_mut().insert("User-Agent", HeaderValue::from_static(USER_AGENT));
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| format!("{name} cannot be sent: it is no text of a header"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(*name, value);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX))
            .max_write_buffer_size(UNSENT_MAX)
            .read_buffer_size(LIBRARY_READ);
        let head = Head::new(stream);
        match tokio_tungstenite::client_async_with_config(request, head, Some(config)).await {
            Ok((shaken, _)) => Ok(Socket::over(shaken.into_inner().into_pipe(), config)),
            Err(WsError::Http(answer)) => {
                let body = answer.body().as_deref().unwrap_or_default();
                let words = String::from_utf8_lossy(&body[..body.len().min(WORDS_MAX)]);
                let words = if words.is_empty() { String::new() } else { format!(": {words}") };
                Err(format!("{url} refused the handshake with HTTP {}{words}", answer.status()))
            }
            Err(error) => Err(format!("no WebSocket at {url}: {}", chain(&error))),
        }
    }

    fn over(pipe: Pipe, config: WebSocketConfig) -> Socket {
        Socket {
            library: WebSocket::from_raw_socket(pipe, Role::Client, Some(config)),
            held: Held::Nothing,
            joined: Bytes::new(),
            in_parts: false,
            // What came with the handshake is stamped when it is taken.
            reads: 1,
            stamped: 0,
            stuck: None,
            broken: None,
            quiet: None,
        }
    }

    /// Whether something has been read since this was asked last. Frames between which nothing has
    /// were read together.
    pub fn has_read(&mut self) -> bool {
        std::mem::replace(&mut self.stamped, self.reads) != self.reads
    }

    /// What is here already, if anything; neither waits nor reads.
    pub fn take(&mut self) -> Option<Incoming<'_>> {
        self.advance();
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => None,
            Held::Here(message) => {
                Some(Incoming::Frame(self.library.get_ref().frames.get(message)))
            }
            Held::Joined => Some(Incoming::Frame(&self.joined)),
            Held::End(end) => {
                self.held = Held::End(end.clone());
                Some(Incoming::Closed(end))
            }
        }
    }

    /// Ready as soon as there is something to take; reads only where there is nothing yet.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.library.get_mut().wake(cx.waker());
        if self.stuck.is_some() {
            self.flush();
        }
        for _ in 0..READS_MAX {
            let needed = self.advance();
            if !matches!(self.held, Held::Nothing) {
                return Poll::Ready(());
            }
            match self.library.get_mut().poll_fill(needed, cx) {
                Poll::Ready(true) => self.reads += 1,
                // The library says what that means.
                Poll::Ready(false) => self.hand_over(0),
                Poll::Pending => return self.poll_limits(cx),
            }
            if let Some(quiet) = &mut self.quiet {
                quiet.as_mut().reset(Instant::now() + VENUE_PING_WAIT);
            }
        }
        // Nothing but pings, one behind the other: others come first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready if nothing is to come any more, though nobody has said so: nothing was to be read.
    fn poll_limits(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_over = |limit: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>| {
            limit.as_mut().is_some_and(|limit| limit.as_mut().poll(cx).is_ready())
        };
        if is_over(&mut self.stuck, cx) {
            self.breaks(format!("took no byte from us for {} s", WRITE_WAIT.as_secs()));
        }
        if is_over(&mut self.quiet, cx) {
            self.end(format!("silent: not even a ping for {} s", VENUE_PING_WAIT.as_secs()));
        } else if let Some(end) = self.broken.take() {
            self.held = Held::End(end);
        }
        if self.has_ended() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Looks for something to take; gives the bytes that the frame at the front has.
    fn advance(&mut self) -> usize {
        while matches!(self.held, Held::Nothing) {
            let frames = &mut self.library.get_mut().frames;
            let (first, length, message) = match frames.next(MESSAGE_MAX) {
                Next::Part(needed) => return needed,
                Next::Frame { first, length, message } => (first, length, message),
            };
            let is_good = |message: &Range<usize>| {
                let bytes = frames.get(message.clone());
                first != TEXT || is_text(bytes)
            };
            match message.filter(|message| !self.in_parts && is_good(message)) {
                Some(message) => {
                    frames.skip(length);
                    self.held = Held::Here(message);
                }
                None => {
                    self.hand_over(length);
                    // Pings and closes come between the parts of a message.
                    if first & CONTROL == 0 {
                        self.in_parts = first & FIN == 0;
                    }
                }
            }
        }
        0
    }

    /// Gives the library the first bytes of what has come: one frame, or none at the end.
    fn hand_over(&mut self, length: usize) {
        self.library.get_mut().give(length);
        match self.library.read() {
            Ok(Message::Text(text)) => self.hold(text.into()),
            Ok(Message::Binary(bytes)) => self.hold(bytes),
            Ok(Message::Close(frame)) => {
                let code = frame.as_ref().map(|frame| frame.code.into());
                let words = frame.map_or(String::new(), |frame| frame.reason.to_string());
                let reason = if words.is_empty() { "closed by the venue".into() } else { words };
                self.held = Held::End(End { code, reason });
            }
            // A pong waits to be flushed, or nothing does.
            Ok(_) => {}
            Err(error) if is_wait(&error) => {}
            Err(error) => self.end(said(&error)),
        }
        self.flush();
    }

    fn hold(&mut self, message: Bytes) {
        (self.joined, self.held) = (message, Held::Joined);
    }

    /// Sends what waits to be sent, as far as the peer takes it.
    fn flush(&mut self) {
        match self.library.flush() {
            Ok(()) => self.stuck = None,
            Err(error) if is_wait(&error) => {
                let took = self.library.get_mut().has_written();
                if took || self.stuck.is_none() {
                    self.stuck = Some(Box::pin(tokio::time::sleep(WRITE_WAIT)));
                }
            }
            Err(error) => self.breaks(said(&error)),
        }
    }

    /// Nothing can be sent any more.
    fn breaks(&mut self, reason: String) {
        self.stuck = None;
        self.broken.get_or_insert(End { code: None, reason });
    }

    fn end(&mut self, reason: String) {
        if !self.has_ended() {
            self.held = Held::End(End { code: None, reason });
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.held, Held::End(_))
    }

    /// Queues one text message and starts sending it; failures show at the next read.
    pub fn send(&mut self, text: String) {
        self.queue(Message::text(text));
    }

    fn queue(&mut self, message: Message) {
        if self.has_ended() || self.broken.is_some() {
            return;
        }
        match self.library.write(message) {
            Err(error) if !is_wait(&error) => self.breaks(said(&error)),
            // What the peer does not take at once is queued.
            _ => self.flush(),
        }
    }

    /// Says goodbye and waits a little for the answer.
    pub async fn close(mut self) {
        self.queue(Message::Close(None));
        let farewell = async {
            while !self.has_ended() {
                poll_fn(|cx| self.poll_ready(cx)).await;
                self.take();
            }
        };
        // Whether the peer answered or not, the connection is over.
        drop(tokio::time::timeout(CLOSE_WAIT, farewell).await);
    }
}

/// What the library could not do, in words.
fn said(error: &WsError) -> String {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => "the connection ended".to_owned(),
        error => format!("the connection broke: {}", chain(error)),
    }
}

/// Whether it is only that the peer gives or takes nothing at the moment.
fn is_wait(error: &WsError) -> bool {
    matches!(error, WsError::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
impl Socket {
    /// The next thing that arrives.
    pub async fn next(&mut self) -> Incoming<'_> {
        poll_fn(|cx| self.poll_ready(cx)).await;
        self.take().expect("it is ready")
    }

    /// What has arrived, if anything; never waits.
    pub fn try_next(&mut self) -> Option<Incoming<'_>> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.poll_ready(&mut cx).is_ready().then(|| self.take().expect("it is ready"))
    }
}

#[cfg(test)]
mod tests;
