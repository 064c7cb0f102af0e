//! One WebSocket: opened with a timeout, read without copying, written without ever waiting.
//!
//! The driver calls [`Socket::next`] and, for frames that are already here, [`Socket::try_next`].
//! Messages are queued at once and flushed while reading, so that a peer which takes nothing
//! cannot keep us from reading what it sends.
//!
//! Invariants: the queue of unsent bytes is bounded; a peer that takes nothing for
//! [`WRITE_WAIT`] counts as gone; protocol pings are answered by the library.

use super::dial::ByteStream;
use super::{Dialer, USER_AGENT};
use crate::error::chain;
use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use hyper::Uri;
use hyper::header::HeaderValue;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

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

/// What a socket yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// One text (or binary) message.
    Frame(Bytes),
    /// The end, with the peer's close code if it sent one.
    Closed {
        /// The close code.
        code: Option<u16>,
        /// Why, in words.
        reason: String,
    },
}

/// A connection that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenError {
    /// In words, with the HTTP status if the other side answered.
    pub reason: String,
}

/// A byte stream that counts how often it has given bytes.
struct Counted {
    stream: Box<dyn ByteStream>,
    reads: u64,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.reads += u64::from(read.is_ready());
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// An open WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<Counted>,
    /// Running while bytes wait to be sent.
    stuck: Option<Pin<Box<Sleep>>>,
    /// Where the venue pings by itself: running since the last sign of life.
    quiet: Option<Pin<Box<Sleep>>>,
    /// What ended it, kept until read.
    broken: Option<Incoming>,
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
        let stream = Counted { stream, reads: 0 };
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
            .max_write_buffer_size(UNSENT_MAX);
        let shaken = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
        match shaken.await {
            Ok((stream, _)) => Ok(Socket { stream, stuck: None, quiet: None, broken: None }),
            Err(WsError::Http(answer)) => {
                let body = answer.body().as_deref().unwrap_or_default();
                let words = String::from_utf8_lossy(&body[..body.len().min(WORDS_MAX)]);
                let words = if words.is_empty() { String::new() } else { format!(": {words}") };
                Err(format!("{url} refused the handshake with HTTP {}{words}", answer.status()))
            }
            Err(error) => Err(format!("no WebSocket at {url}: {}", chain(&error))),
        }
    }

    /// How many reads have brought bytes. Frames between which it does not change came together.
    pub fn reads(&self) -> u64 {
        self.stream.get_ref().reads
    }

    /// The next thing that arrives. Cancel safe.
    pub async fn next(&mut self) -> Incoming {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// What has already arrived, if anything; never waits.
    pub fn try_next(&mut self) -> Option<Incoming> {
        self.next().now_or_never()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if let Some(end) = self.broken.take() {
            return Poll::Ready(end);
        }
        if let Some(stuck) = &mut self.stuck {
            match self.stream.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => self.stuck = None,
                Poll::Ready(Err(error)) => return Poll::Ready(closed(&error)),
                Poll::Pending if stuck.as_mut().poll(cx).is_ready() => {
                    let reason = format!("took no byte from us for {} s", WRITE_WAIT.as_secs());
                    return Poll::Ready(Incoming::Closed { code: None, reason });
                }
                Poll::Pending => {}
            }
        }
        loop {
            let next = self.stream.poll_next_unpin(cx);
            if let Some(quiet) = &mut self.quiet {
                if next.is_ready() {
                    quiet.as_mut().reset(Instant::now() + VENUE_PING_WAIT);
                } else if quiet.as_mut().poll(cx).is_ready() {
                    let seconds = VENUE_PING_WAIT.as_secs();
                    let reason = format!("silent: not even a ping for {seconds} s");
                    return Poll::Ready(Incoming::Closed { code: None, reason });
                }
            }
            return match next {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(Message::Text(text)))) => {
                    Poll::Ready(Incoming::Frame(text.into()))
                }
                Poll::Ready(Some(Ok(Message::Binary(bytes)))) => {
                    Poll::Ready(Incoming::Frame(bytes))
                }
                Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                    let code = frame.as_ref().map(|f| f.code.into());
                    let words = frame.map_or(String::new(), |f| f.reason.to_string());
                    let reason =
                        if words.is_empty() { "closed by the venue".into() } else { words };
                    Poll::Ready(Incoming::Closed { code, reason })
                }
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(Some(Err(error))) => Poll::Ready(closed(&error)),
                Poll::Ready(None) => {
                    let reason = "the connection ended".to_owned();
                    Poll::Ready(Incoming::Closed { code: None, reason })
                }
            };
        }
    }

    /// Queues one text message and starts sending it; failures show at the next read.
    pub fn send(&mut self, text: String) {
        self.queue(Message::text(text));
    }

    fn queue(&mut self, message: Message) {
        if self.broken.is_some() {
            return;
        }
        match self.stream.start_send_unpin(message) {
            Ok(()) => {
                if self.stream.flush().now_or_never().is_none() && self.stuck.is_none() {
                    self.stuck = Some(Box::pin(tokio::time::sleep(WRITE_WAIT)));
                }
            }
            Err(error) => self.broken = Some(closed(&error)),
        }
    }

    /// Says goodbye and waits a little for the answer.
    pub async fn close(mut self) {
        self.queue(Message::Close(None));
        let farewell = async { while !matches!(self.next().await, Incoming::Closed { .. }) {} };
        // Whether the peer answered or not, the connection is over.
        drop(tokio::time::timeout(CLOSE_WAIT, farewell).await);
    }
}

fn closed(error: &WsError) -> Incoming {
    Incoming::Closed { code: None, reason: format!("the connection broke: {}", chain(error)) }
}
