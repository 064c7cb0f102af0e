//! The one task that owns a pretend exchange, its time, and the ways to its clients.
//!
//! `sim_server.rs` starts it; connections talk to it through a bounded inbox. With a [`Show`] it
//! also hands the exchange what a tape holds, at its time.
//!
//! Invariants: newcomers get a whole book before anything that follows it; a client that does not
//! read is closed with 4005, and only a tape that is played faster than it came waits for it, and
//! only for a while. Start at [`World::run`].

use super::show::{Next, Show};
use super::{Ask, OUTBOX, TapeEnd, TapeOptions};
use crate::clock::{Clock, wall_now};
use axum::extract::ws::Message;
use market_data_model::Nanos;
use market_data_sim::{
    ConnId, Delivery, Exchange, FromClient, Opened, RestReply, SimConfig, ToClient,
};
use market_data_tape::reader::{Range, ReadError, Tape};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Most records of a tape between two looks at clients; fewer in tests, whose tapes are short.
const STEPS_MAX: usize = if cfg!(test) { 48 } else { 256 };
/// Room that every client must have before a hurried tape goes on.
const ROOM: usize = OUTBOX / 2;
/// How often a hurried tape looks whether there is room again.
const ROOM_LOOK: Duration = Duration::from_millis(1);
/// How long a hurried tape waits for a client that reads nothing.
const STALL: Duration = Duration::from_secs(10);
/// What clients are told at the end.
const THE_END: &str = "The tape has ended. The connection will be closed.";

/// The exchange, its time, and the ways to its clients.
pub(super) struct World<'t> {
    pub(super) exchange: Exchange,
    pub(super) clock: Clock,
    pub(super) clients: HashMap<ConnId, mpsc::Sender<ToClient>>,
    due: Vec<Delivery>,
    stage: Option<Stage<'t>>,
}

/// A tape on its way to clients.
pub(super) struct Stage<'t> {
    show: Show<'t>,
    options: TapeOptions,
    begun: bool,
    /// When the last client without room had some, or was found to have none.
    stalled: Option<Instant>,
}

impl<'t> Stage<'t> {
    /// A tape that nobody has asked for yet.
    pub fn new(show: Show<'t>, options: &TapeOptions) -> Stage<'t> {
        Stage { show, options: options.clone(), begun: false, stalled: None }
    }
}

/// Serves a tape until it ends or is told to; blocks. `ready` hears when clients may come.
pub(super) fn show(
    tape: &Tape,
    options: &TapeOptions,
    asks: mpsc::Receiver<Ask>,
    ready: oneshot::Sender<Result<(), ReadError>>,
) -> TapeEnd {
    let failed = |error: String| TapeEnd { frames: 0, gaps: 0, error: Some(error) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(error.to_string()),
    };
    runtime.block_on(async {
        let now = wall_now();
        let config = SimConfig { faults: options.faults, ..SimConfig::new(options.seed, now.0) };
        let mut exchange = Exchange::recorded(config);
        let range = Range { from: options.from, to: options.to };
        let mut show = Show::new(tape, range, options.speed);
        let prepared = show
            .list(&mut exchange)
            .and_then(|()| show.seek(&mut exchange, now.0))
            .inspect(|()| tracing::debug!(listed = show.listed(), "the tape is ready"));
        let good = prepared.is_ok();
        // Whoever started us may have gone.
        if ready.send(prepared).is_err() || !good {
            return failed("it was not started".to_owned());
        }
        World::of(exchange, now, Some(Stage::new(show, options))).run(asks).await
    })
}

impl World<'static> {
    pub fn new(config: SimConfig) -> World<'static> {
        let start = Nanos(config.start_ns);
        World::of(Exchange::new(config), start, None)
    }
}

impl<'t> World<'t> {
    /// An exchange, and what it shows if it has no market of its own.
    pub fn of(exchange: Exchange, start: Nanos, stage: Option<Stage<'t>>) -> World<'t> {
        let clock = Clock::starting_at(start);
        World { exchange, clock, clients: HashMap::new(), due: Vec::new(), stage }
    }

    /// Runs until it is told to stop, or the tape is over.
    pub async fn run(mut self, mut asks: mpsc::Receiver<Ask>) -> TapeEnd {
        loop {
            let wait = self.clock.until(Nanos(self.exchange.next_at()));
            let wait = match self.tape_wait() {
                Ok(Some(tape)) => wait.min(tape),
                Ok(None) => wait,
                Err(error) => return self.end(Some(error.to_string())),
            };
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(Ask::Stop) | None => {
                        self.say_goodbye("the pretend exchange ends");
                        return self.end(None);
                    }
                    Some(ask) => self.take(ask),
                },
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.clock.now().0;
            self.exchange.advance(now);
            self.welcome(now);
            match self.play(now) {
                Ok(true) => {}
                Ok(false) => {
                    self.deliver(now);
                    return self.end(None);
                }
                Err(error) => return self.end(Some(error.to_string())),
            }
            self.deliver(now);
        }
    }

    pub(super) fn take(&mut self, ask: Ask) {
        let now = self.clock.now().0;
        match ask {
            Ask::Open { path, headers, outbox, reply } => {
                let opened = self.exchange.open_signed(now, &path, &headers);
                if let Opened::Accepted(conn) = opened {
                    self.clients.insert(conn, outbox);
                }
                if let Err(Opened::Accepted(conn)) = reply.send(opened) {
                    self.forget(now, conn);
                }
            }
            Ask::Receive { conn, message } => {
                let message = match &message {
                    Message::Text(text) => FromClient::Text(text),
                    Message::Binary(bytes) => FromClient::Binary(bytes),
                    Message::Ping(bytes) => FromClient::Ping(bytes),
                    Message::Pong(bytes) => FromClient::Pong(bytes),
                    Message::Close(_) => FromClient::Close,
                };
                self.exchange.receive(now, conn, message);
            }
            Ask::Gone { conn } => self.forget(now, conn),
            Ask::Rest { path, reply } => {
                // Whoever asked may have gone.
                drop(reply.send(self.rest(now, &path)));
            }
            Ask::Stop => {}
            #[cfg(test)]
            Ask::Skip { by } => {
                let ahead = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
                self.clock = Clock::starting_at(Nanos(now) + ahead);
            }
            Ask::Faults { faults } => self.exchange.set_faults(faults),
            Ask::Injected { reply } => drop(reply.send(self.exchange.faults_injected())),
        }
    }

    fn rest(&mut self, now: u64, path: &str) -> RestReply {
        match &self.stage {
            None => self.exchange.rest(now, path),
            Some(Stage { show, .. }) => {
                let at = show.time().0;
                self.exchange.rest_recorded(now, path, at, |id| show.book(id))
            }
        }
    }

    /// How long the tape has to wait; `None` without one, and until its clients are there.
    fn tape_wait(&mut self) -> Result<Option<Duration>, ReadError> {
        let room = self.has_room();
        let Some(stage) = &mut self.stage else { return Ok(None) };
        if !stage.begun {
            return Ok(None);
        }
        Ok(Some(match stage.show.next()? {
            Next::Due | Next::End if room => Duration::ZERO,
            Next::Due | Next::End => ROOM_LOOK,
            Next::In(wait) => wait,
        }))
    }

    /// Gives those who have just subscribed to a book the whole of it.
    pub(super) fn welcome(&mut self, now: u64) {
        let Some(Stage { show, .. }) = &self.stage else { return };
        for (conn, id) in self.exchange.newcomers() {
            // While the recording proves no book, they wait for its next snapshot.
            if let Some(book) = show.book(id) {
                self.exchange.welcome(now, conn, id, &book);
            }
        }
    }

    /// Hands over what is due of the tape; false when it is over.
    pub(super) fn play(&mut self, now: u64) -> Result<bool, ReadError> {
        if !self.look_for_room(now) {
            return Ok(true);
        }
        let Some(stage) = &mut self.stage else { return Ok(true) };
        if !stage.begun {
            if self.exchange.subscribed() < stage.options.wait {
                return Ok(true);
            }
            stage.begun = true;
            stage.show.begin();
            tracing::info!(from = %stage.show.time(), "the tape begins");
        }
        for _ in 0..STEPS_MAX {
            match stage.show.next()? {
                Next::Due => stage.show.step(&mut self.exchange, now)?,
                Next::In(_) => break,
                Next::End => {
                    self.exchange.end_all(now, THE_END);
                    if !stage.options.again {
                        return Ok(false);
                    }
                    tracing::info!("the tape is over, and begins anew");
                    stage.begun = false;
                    stage.show.rewind(&mut self.exchange, now)?;
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Whether a hurried tape may go on. A client that has read nothing for too long is closed.
    fn look_for_room(&mut self, now: u64) -> bool {
        let room = self.has_room();
        let Some(stage) = &mut self.stage else { return true };
        if room {
            stage.stalled = None;
            return true;
        }
        let since = *stage.stalled.get_or_insert_with(Instant::now);
        if since.elapsed() >= STALL {
            stage.stalled = None;
            let stuck = self.clients.iter().filter(|(_, client)| client.capacity() < ROOM);
            let stuck: Vec<ConnId> = stuck.map(|(conn, _)| *conn).collect();
            for conn in stuck {
                tracing::info!(conn = conn.0, "a client does not read; closing it");
                self.forget(now, conn);
            }
        }
        false
    }

    fn has_room(&self) -> bool {
        let hurried = self.stage.as_ref().is_some_and(|s| s.options.speed.is_hurried());
        !hurried || self.clients.values().all(|client| client.capacity() >= ROOM)
    }

    pub(super) fn deliver(&mut self, now: u64) {
        let mut due = std::mem::take(&mut self.due);
        self.exchange.deliveries(&mut due);
        for delivery in due.drain(..) {
            let Some(client) = self.clients.get(&delivery.conn) else { continue };
            let last = matches!(delivery.what, ToClient::Close { .. } | ToClient::Abort);
            if client.try_send(delivery.what).is_err() {
                tracing::debug!(conn = delivery.conn.0, "a client does not read; closing it");
                self.forget(now, delivery.conn);
            } else if last {
                self.clients.remove(&delivery.conn);
            }
        }
        self.due = due;
    }

    pub(super) fn say_goodbye(&mut self, why: &str) {
        for (_, client) in self.clients.drain() {
            let what = ToClient::Close { code: 1001, reason: why.to_owned() };
            // A client whose queue is full does not read it anyway.
            drop(client.try_send(what));
        }
    }

    fn forget(&mut self, now: u64, conn: ConnId) {
        self.clients.remove(&conn);
        self.exchange.gone(now, conn);
    }

    fn end(self, error: Option<String>) -> TapeEnd {
        let (frames, gaps) =
            self.stage.as_ref().map_or((0, 0), |stage| (stage.show.frames, stage.show.gaps));
        TapeEnd { frames, gaps, error }
    }
}
