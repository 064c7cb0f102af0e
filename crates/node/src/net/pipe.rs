//! The byte stream below a WebSocket: during the handshake, and as the library sees it afterwards.
//!
//! During the handshake the library reads through [`Head`], which keeps what comes behind the
//! answer. From then on bytes are read into [`Frames`], and the library gets those frames that it
//! is given ([`Pipe::give`]), one at a time.
//!
//! Invariant: the library never has a byte of a frame that it was not given.

use super::dial::ByteStream;
use super::frames::Frames;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How an answer to a handshake begins that opens a WebSocket.
const SWITCHING: &[u8] = b"HTTP/1.1 101";
/// What ends the head of an answer.
const END: &[u8] = b"\r\n\r\n";

/// A byte stream that gives no byte behind the head of an answer that opens a WebSocket.
pub(super) struct Head {
    stream: Box<dyn ByteStream>,
    head: Vec<u8>,
    rest: Vec<u8>,
}

impl Head {
    /// A stream of which nothing has been read.
    pub fn new(stream: Box<dyn ByteStream>) -> Head {
        Head { stream, head: Vec::new(), rest: Vec::new() }
    }

    /// The stream behind the handshake.
    pub fn into_pipe(self) -> Pipe {
        let frames = Frames::new(&self.rest);
        let waker = Waker::noop().clone();
        Pipe { stream: self.stream, waker, frames, given: 0, end: None, written: false }
    }
}

impl AsyncRead for Head {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = out.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, out))?;
        this.head.extend_from_slice(&out.filled()[before..]);
        if this.head.starts_with(SWITCHING)
            && let Some(at) = this.head.windows(END.len()).position(|four| four == END)
        {
            let behind = this.head.len() - at - END.len();
            let last = out.filled().len() - behind.min(out.filled().len() - before);
            this.rest = out.filled()[last..].to_vec();
            out.set_filled(last);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Head {
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

/// See the file's first comment.
pub(super) struct Pipe {
    stream: Box<dyn ByteStream>,
    /// Whom to wake when the peer takes bytes again.
    waker: Waker,
    pub frames: Frames,
    /// So many bytes of `frames` are the library's.
    given: usize,
    /// How reading has ended, until the library has been told.
    end: Option<io::Result<usize>>,
    /// Whether the peer has taken a byte since that was asked last.
    written: bool,
}

impl Pipe {
    /// Wakes this task from here on.
    pub fn wake(&mut self, waker: &Waker) {
        if !self.waker.will_wake(waker) {
            self.waker.clone_from(waker);
        }
    }

    /// Reads what is there; `needed` are the bytes of the frame at the front. `false` = reading has
    /// ended, and the library knows how.
    pub fn poll_fill(&mut self, needed: usize, cx: &mut Context<'_>) -> Poll<bool> {
        let mut room = ReadBuf::new(self.frames.room(needed));
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room));
        let count = room.filled().len();
        self.frames.came(count);
        let end = match read {
            Ok(()) if count > 0 => return Poll::Ready(true),
            read => read.map(|()| 0),
        };
        self.end = Some(end);
        Poll::Ready(false)
    }

    /// Whether the peer has taken a byte since this was asked last.
    pub fn has_written(&mut self) -> bool {
        std::mem::take(&mut self.written)
    }

    /// The library may read so many bytes.
    pub fn give(&mut self, count: usize) {
        self.given = count;
    }
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let here = self.frames.here();
        let count = self.given.min(here.len()).min(out.len());
        if count == 0 {
            return self.end.take().unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()));
        }
        out[..count].copy_from_slice(&here[..count]);
        self.frames.skip(count);
        self.given -= count;
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut cx = Context::from_waker(&self.waker);
        let written = now(Pin::new(&mut self.stream).poll_write(&mut cx, bytes));
        self.written |= written.as_ref().is_ok_and(|count| *count > 0);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut cx = Context::from_waker(&self.waker);
        now(Pin::new(&mut self.stream).poll_flush(&mut cx))
    }
}

fn now<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
