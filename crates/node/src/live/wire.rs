//! The sockets of a driver: one for each line of its feed.
//!
//! Invariant: what is asked of a line that has no socket is nothing. Start at [`Wires::poll`].

use super::Wake;
use crate::net::{OpenError, Socket};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How many lines a feed may have.
const LINES: usize = 2;

/// A connection on its way.
pub(super) type Opening = Pin<Box<dyn Future<Output = Result<Socket, OpenError>> + Send>>;

/// One line.
#[derive(Default)]
struct Wire {
    socket: Option<Box<Socket>>,
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
            *wire = Wire { socket: Some(Box::new(socket)), opening: None };
        }
    }

    /// Gives up what is open or on its way.
    pub(super) fn take(&mut self, line: u8) -> Option<Box<Socket>> {
        std::mem::take(self.of(line)?).socket
    }

    /// Lends out what is open, until [`Wires::give_back`].
    pub(super) fn lend(&mut self, line: u8) -> Option<Box<Socket>> {
        self.of(line)?.socket.take()
    }

    /// What was lent.
    pub(super) fn give_back(&mut self, line: u8, socket: Box<Socket>) {
        if let Some(wire) = self.of(line) {
            wire.socket = Some(socket);
        }
    }

    /// What is open.
    pub(super) fn socket(&mut self, line: u8) -> Option<&mut Socket> {
        self.of(line)?.socket.as_deref_mut()
    }

    /// Reads a line on which nothing is to be had yet, and says whether there is something then.
    /// Never waits.
    pub(super) async fn look(&mut self, line: u8) -> bool {
        let Some(socket) = self.socket(line) else { return false };
        poll_fn(|cx| Poll::Ready(socket.poll_ready(cx).is_ready())).await
    }

    /// What comes next on any line; a frame is left where it is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        // A line that always brings something must not keep the other one from opening.
        for (line, wire) in (0..).zip(&mut self.0) {
            if let Some(opening) = &mut wire.opening
                && let Poll::Ready(opened) = opening.as_mut().poll(cx)
            {
                wire.opening = None;
                return Poll::Ready(Wake::Opened(line, Box::new(opened)));
            }
        }
        for (line, wire) in (0..).zip(&mut self.0) {
            if let Some(socket) = &mut wire.socket
                && socket.poll_ready(cx).is_ready()
            {
                return Poll::Ready(Wake::Incoming(line));
            }
        }
        Poll::Pending
    }
}
