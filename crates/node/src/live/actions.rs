//! Performs what a feed asks for. Nothing here waits: connections and answers come back through the
//! driver's one `select`.
//!
//! Invariant: every close is answered with a closed, and every get with a response.

use super::{Driver, GETS_MAX, HANDSHAKE_WAIT, on};
use crate::clock::wall_now;
use crate::net::Socket;
use crate::venue::Driven;
use bytes::Bytes;
use market_data_model::time::SECOND;
use market_data_model::{Action, Input, LineNews, Nanos};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl<F: Driven> Driver<F> {
    /// Performs actions until none is left.
    pub(super) fn settle(&mut self) {
        while !self.out.actions.is_empty() {
            let actions = std::mem::take(&mut self.out.actions);
            if let Some(tape) = &mut self.setup.tape {
                tape.actions(&actions);
            }
            for action in actions {
                if self.restart.is_some() {
                    // Those of a feed that has just failed.
                    break;
                }
                match action {
                    Action::Line { line, action } => self.perform(line, *action),
                    action => self.perform(0, action),
                }
            }
        }
    }

    fn perform(&mut self, line: u8, action: Action) {
        match action {
            Action::Open { url } => {
                self.hang_up(line);
                let (io, admitted) = (Arc::clone(&self.setup.io), self.admitted);
                self.admitted = false;
                let signed = self.setup.credentials.clone().filter(|_| self.setup.signed);
                let ahead_ns = self.setup.metrics.skew.ahead_ns();
                let opening = Box::pin(async move {
                    if !admitted {
                        io.gate.pass().await;
                    }
                    let dialer = if line == 0 { &io.dialer } else { &io.second };
                    let Some(credentials) = signed else {
                        return Socket::open(dialer, &url, HANDSHAKE_WAIT).await;
                    };
                    // The signature is good for 30 s, so it is made behind the gate.
                    let seconds = wall_now().0.saturating_add_signed(ahead_ns) / SECOND;
                    let headers = credentials.headers(seconds);
                    Socket::open_signed(dialer, &url, HANDSHAKE_WAIT, &headers).await
                });
                self.wires.open(line, opening);
            }
            Action::Send(text) => {
                if let Some(socket) = self.wires.socket(line) {
                    socket.send(text);
                }
            }
            Action::Close => {
                self.hang_up(line);
                self.give(on(line, LineNews::Closed { code: None, reason: "closed by us" }));
            }
            Action::Login { at } => self.log_in(line, at),
            Action::Get { id, path } => self.get(id, path),
            // A line has no lines.
            Action::Line { .. } => {}
        }
    }

    /// Signs and sends a login, with the venue's clock as far as it is known. It goes to the
    /// socket and nowhere else.
    fn log_in(&mut self, line: u8, at: Nanos) {
        let ahead_ns = self.setup.metrics.skew.ahead_ns();
        let socket = self.wires.socket(line);
        let (Some(credentials), Some(socket)) = (&self.setup.credentials, socket) else { return };
        tracing::debug!(feed = self.id.0, ahead_ns, "logging in");
        socket.send(credentials.login(at.0.saturating_add_signed(ahead_ns) / SECOND));
    }

    pub(super) fn hang_up(&mut self, line: u8) {
        while self.closing.try_join_next().is_some() {}
        if let Some(socket) = self.wires.take(line) {
            if let Some(tap) = &mut self.setup.tap {
                tap.down(line);
            }
            self.closing.spawn(socket.close());
        }
        self.numbers.connected.store(self.wires.is_connected(), Relaxed);
    }

    fn get(&mut self, id: u64, path: String) {
        if self.gets.len() >= GETS_MAX {
            let body = b"too many requests under way";
            return self.give(Input::Response { id, status: 0, body });
        }
        let rest = Arc::clone(&self.setup.io.rest);
        self.gets.spawn(async move {
            match rest.get_in_turn(&path).await {
                Ok((status, body)) => (id, status, body),
                Err(error) => (id, 0, Bytes::from(error.0)),
            }
        });
    }
}
