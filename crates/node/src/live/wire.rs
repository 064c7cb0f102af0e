//! The sockets of a driver: one for each line of its feed.
//!
//! Invariant: what is asked of a line that has no socket is nothing. Start at [`Wires::next`].

use super::Wake;
use crate::net::{Incoming, OpenError, Socket};
use std::future::{Future, pending};
use std::pin::Pin;

/// How many lines a feed may have.
const LINES: usize = 2;

/// A connection on its way.
pub(super) type Opening = Pin<Box<dyn Future<Output = Result<Socket, OpenError>> + Send>>;

/// One line.
#[derive(Default)]
struct Wire {
    socket: Option<Socket>,
    /// [`Socket::reads`] at the last frame.
    reads: u64,
    opening: Option<Opening>,
}

/// See the file's first comment.
#[derive(Default)]
pub(super) struct Wires([Wire; LINES]);

impl Wires {
    fn of(&mut self, line: u8) -> Option<&mut Wire> {
        self.0.get_mut(usize::from(line))
    }

    /// Whether nothing is open, and nothing on its way.
    pub(super) fn are_idle(&self) -> bool {
        self.0.iter().all(|wire| wire.socket.is_none() && wire.opening.is_none())
    }

    /// Whether anything is open.
    pub(super) fn is_connected(&self) -> bool {
        self.0.iter().any(|wire| wire.socket.is_some())
    }

    /// A connection is on its way.
    pub(super) fn open(&mut self, line: u8, opening: Opening) {
        if let Some(wire) = self.of(line) {
            wire.opening = Some(opening);
        }
    }

    /// It is there.
    pub(super) fn opened(&mut self, line: u8, socket: Socket) {
        if let Some(wire) = self.of(line) {
            // What came with the handshake is stamped now, not then.
            *wire = Wire { socket: Some(socket), reads: 0, opening: None };
        }
    }

    /// Gives up what is open or on its way.
    pub(super) fn take(&mut self, line: u8) -> Option<Socket> {
        std::mem::take(self.of(line)?).socket
    }

    /// What is open.
    pub(super) fn socket(&mut self, line: u8) -> Option<&mut Socket> {
        self.of(line)?.socket.as_mut()
    }

    /// Whether the socket has been read since the last frame.
    pub(super) fn has_read(&mut self, line: u8) -> bool {
        let Some(wire) = self.of(line) else { return false };
        let reads = wire.socket.as_ref().map_or(0, Socket::reads);
        std::mem::replace(&mut wire.reads, reads) != reads
    }

    /// What is here already.
    pub(super) fn try_next(&mut self, line: u8) -> Option<Incoming> {
        self.socket(line)?.try_next()
    }

    /// What comes next on any line. *Cancel safety:* nothing is lost.
    pub(super) async fn next(&mut self, busy: bool) -> Wake {
        let [first, second] = &mut self.0;
        tokio::select! {
            biased;
            incoming = read(&mut first.socket, busy) => Wake::Incoming(0, incoming),
            incoming = read(&mut second.socket, busy) => Wake::Incoming(1, incoming),
            opened = open(&mut first.opening) => {
                first.opening = None;
                Wake::Opened(0, Box::new(opened))
            }
            opened = open(&mut second.opening) => {
                second.opening = None;
                Wake::Opened(1, Box::new(opened))
            }
        }
    }
}

async fn read(socket: &mut Option<Socket>, busy: bool) -> Incoming {
    match socket {
        Some(socket) if busy => loop {
            if let Some(incoming) = socket.try_next() {
                return incoming;
            }
            // The runtime looks whether bytes have come, and comes back at once.
            tokio::task::yield_now().await;
        },
        Some(socket) => socket.next().await,
        None => pending().await,
    }
}

async fn open(opening: &mut Option<Opening>) -> Result<Socket, OpenError> {
    match opening {
        Some(opening) => opening.await,
        None => pending().await,
    }
}
