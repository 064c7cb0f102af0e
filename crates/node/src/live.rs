//! The only loop that waits: for a frame, a deadline, a command, or an answer.
//!
//! One task per connection owns the feed, its socket and its clock; nobody else touches them.
//! Start at [`Driver::run`]. The journey of a frame: [`Driver::incoming`] stamps and hands it over,
//! the feed appends events, [`Driver::publish`] shares them.
//!
//! Invariants: a frame is stamped once, right after the read; a batch is what one read brings, or
//! a few where more is there already and somebody has to be woken for each batch; frames come
//! before timers, so a silence watchdog never fires over frames that wait to be read; a feed that
//! panics is replaced and its stretch marked as ours.

mod actions;
mod alarm;
pub(crate) mod cut;
mod frames;
mod observe;
mod publish;
mod replace;
#[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "the relay is of that feature"))]
pub(crate) mod tap;
#[cfg(test)]
mod tests;
mod wire;

use crate::bus::Publisher;
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::fleet::Carried;
use crate::metrics::{FeedMetrics, Metrics};
use crate::net::{Dialer, Gate, OpenError, Rest, Socket};
use crate::recorder::Lane;
use crate::venue::Driven;
use alarm::Alarm;
use bytes::Bytes;
use market_data_model::batch::Names;
use market_data_model::event::FeedId;
use market_data_model::{Batch, Book, Command, Input, LineNews, Nanos, Outbox, Subscription};
use observe::Observer;
use publish::Leaving;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tap::Tap;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::Wires;

pub(crate) use replace::words;

/// How long a handshake may take; less than feeds wait, so that its own words are reported.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(12);
/// Most requests of a feed under way at once.
const GETS_MAX: usize = 16;
/// How often a feed's account of itself is renewed.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Rounds of reads for which a timer waits behind frames that are here already: more than a system
/// keeps for a socket (6 MB are usual), and less than a tenth of a second's work.
const ROUNDS_MAX: u32 = 512;
/// Batches of one read after which a driver that shares its thread lets others on.
const TURN: u32 = 8;
/// Batches kept for reuse.
const SPARE_MAX: usize = 8;

/// Why a book cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookUnavailable {
    /// Nobody asked for this channel of this instrument.
    #[error("{channel} of {inst_id} is not subscribed")]
    NotSubscribed {
        /// The channel asked for.
        channel: String,
        /// The instrument asked for.
        inst_id: String,
    },
    /// There is no proven book at the moment; there will be one again.
    #[error("the book is not live: {reason}")]
    NotLive {
        /// Why, in words.
        reason: String,
    },
    /// The service has stopped.
    #[error("the service has stopped")]
    Stopped,
}

/// Where an answer about a book goes.
pub(crate) type BookReply = oneshot::Sender<Result<Book, BookUnavailable>>;

/// What a driver can be asked.
pub(crate) enum Ask {
    Command(Command),
    Book {
        channel: String,
        inst_id: String,
        reply: BookReply,
    },
    /// Show the relay this book, between the frames.
    #[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "the relay is of that feature"))]
    Show(Subscription),
    /// Behave as if the feed had panicked.
    #[cfg(test)]
    Fail,
}

/// The ways out, shared by all drivers of a service.
pub(crate) struct Io {
    pub dialer: Arc<Dialer>,
    /// The way out of a second line.
    pub second: Arc<Dialer>,
    pub rest: Arc<Rest>,
    pub gate: Gate,
}

/// A feed, and how it was made.
pub(crate) struct Made<F> {
    pub feed: F,
    /// For the tape; empty when nothing is recorded.
    pub config: Vec<u8>,
}

/// What a driver is made of.
pub(crate) struct Setup<F> {
    /// Makes a feed; called again after a panic, with a new id.
    pub make: Box<dyn FnMut(FeedId) -> Made<F> + Send>,
    pub url: Arc<str>,
    /// What the feed is subscribed to, for the gaps that a panic leaves.
    pub carried: Carried,
    /// The next free feed id of the process.
    pub ids: Arc<AtomicU32>,
    /// The id of the feed running at the moment, kept up to date.
    pub current: Arc<AtomicU32>,
    pub io: Arc<Io>,
    pub metrics: Arc<Metrics>,
    pub publisher: Publisher,
    pub asks: mpsc::Receiver<Ask>,
    /// Batches with news of instruments.
    pub news: mpsc::Sender<Arc<Batch>>,
    /// What logs in; the feed only knows whether it is there.
    pub credentials: Option<Credentials>,
    /// Whether the login is in the headers of the handshake, as the binary socket wants it.
    pub signed: bool,
    /// The way to the recorder, if there is one.
    pub tape: Option<Lane>,
    /// The way to whoever relays frames, if somebody does.
    pub tap: Option<Tap>,
    /// Whether the socket is looked at again and again instead of waiting for it.
    pub busy: bool,
}

/// One connection's driver.
pub(crate) struct Driver<F> {
    setup: Setup<F>,
    id: FeedId,
    feed: F,
    numbers: Arc<FeedMetrics>,
    clock: Clock,
    out: Outbox,
    /// The names of `out`'s events.
    names: Arc<Names>,
    /// Events cut off `out` because the names have changed since.
    ready: Vec<Batch>,
    /// Memory for what is about to be published.
    leaving: Vec<Leaving>,
    observer: Observer,
    wires: Wires,
    /// Most reads of a line that become one batch.
    reads_max: u32,
    /// The gate was passed before the feed started.
    admitted: bool,
    gets: JoinSet<(u64, u16, Bytes)>,
    closing: JoinSet<()>,
    spare: VecDeque<Arc<Batch>>,
    last_n: u64,
    alarm: Alarm,
    reported: Instant,
    report_due: bool,
    /// For how many rounds a timer has waited behind frames.
    put_off: u32,
    /// Batches since others were let on.
    turn: u32,
    /// When the fresh feed starts, after a panic.
    restart: Option<Duration>,
    panics: u32,
    stopping: bool,
}

enum Wake {
    /// Something can be taken from a line.
    Incoming(u8),
    Opened(u8, Box<Result<Socket, OpenError>>),
    Response((u64, u16, Bytes)),
    Ask(Ask),
    Abandoned,
    Alarm,
}

impl<F: Driven> Driver<F> {
    /// A driver for a feed that has not started.
    pub fn new(mut setup: Setup<F>) -> Driver<F> {
        let id = FeedId(setup.ids.fetch_add(1, Relaxed));
        setup.current.store(id.0, Relaxed);
        let numbers = setup.metrics.add_feed(FeedMetrics::new(id, &setup.url));
        let made = (setup.make)(id);
        let mut clock = Clock::wall();
        if let Some(tape) = &mut setup.tape {
            tape.start(clock.now(), id, made.config);
        }
        let direct = setup.tape.is_none() && setup.publisher.is_direct();
        Driver {
            reads_max: if direct { 1 } else { frames::READS_MAX },
            id,
            feed: made.feed,
            numbers,
            clock,
            out: Outbox::default(),
            names: Arc::default(),
            ready: Vec::new(),
            leaving: Vec::new(),
            observer: Observer::default(),
            wires: Wires::default(),
            admitted: false,
            gets: JoinSet::new(),
            closing: JoinSet::new(),
            spare: VecDeque::new(),
            last_n: 0,
            alarm: Alarm::new(),
            reported: Instant::now(),
            report_due: false,
            put_off: 0,
            turn: 0,
            restart: None,
            panics: 0,
            stopping: false,
            setup,
        }
    }

    /// Runs the feed until it is told to stop.
    pub async fn run(mut self) {
        self.setup.io.gate.pass().await;
        self.admitted = true;
        self.give(Input::Start);
        loop {
            self.settle();
            self.publish().await;
            if self.stopping && (self.restart.is_some() || self.wires.are_idle()) {
                break;
            }
            if let Some(pause) = self.restart.take() {
                tokio::time::sleep(pause).await;
                self.give(Input::Start);
                continue;
            }
            self.turn = (self.turn + 1) % TURN;
            if self.reads_max == 1 && self.turn == 0 {
                // Sinks that are called at once leave nothing else to wait for.
                tokio::task::yield_now().await;
            }
            let wake = self.wait().await;
            self.wake(wake).await;
        }
        self.finish().await;
    }

    async fn wait(&mut self) -> Wake {
        let tick = self.feed.deadline().and_then(|at| self.clock.when(at));
        let report = self.report_due.then(|| self.reported + REPORT_EVERY);
        self.alarm.set([tick, report].into_iter().flatten().min());
        if !self.setup.busy {
            return poll_fn(|cx| self.poll_wake(cx)).await;
        }
        loop {
            let look = poll_fn(|cx| Poll::Ready(self.poll_wake(cx))).await;
            if let Poll::Ready(wake) = look {
                return wake;
            }
            // The runtime looks whether bytes have come, and comes back at once.
            tokio::task::yield_now().await;
        }
    }

    /// Frames come first. *Cancel safety:* nothing is lost.
    fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        if let Poll::Ready(wake) = self.wires.poll(cx) {
            return Poll::Ready(wake);
        }
        while !self.gets.is_empty() {
            match self.gets.poll_join_next(cx) {
                Poll::Ready(Some(Ok(response))) => return Poll::Ready(Wake::Response(response)),
                Poll::Ready(_) => {}
                Poll::Pending => break,
            }
        }
        if !self.stopping
            && let Poll::Ready(ask) = self.setup.asks.poll_recv(cx)
        {
            return Poll::Ready(ask.map_or(Wake::Abandoned, Wake::Ask));
        }
        self.alarm.poll(cx).map(|()| Wake::Alarm)
    }

    async fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Incoming(line) => self.incoming(line).await,
            Wake::Opened(line, result) => self.opened(line, *result),
            Wake::Response((id, status, body)) => {
                self.give(Input::Response { id, status, body: &body });
            }
            Wake::Ask(ask) => self.answer(ask),
            Wake::Abandoned => self.answer(Ask::Command(Command::Stop)),
            Wake::Alarm => {
                self.clock.now();
                if self.is_due() {
                    self.give(Input::Tick);
                }
            }
        }
    }

    /// Whether a deadline of the feed had come at the last reading of the clock.
    fn is_due(&self) -> bool {
        self.feed.deadline().is_some_and(|at| at <= self.clock.last())
    }

    /// Whatever else is due, so that a busy socket cannot starve timers, commands and answers.
    async fn others(&mut self) {
        if self.is_due() {
            // What a timer waits for may be among what has come since.
            let more = self.wires.look(0).await | self.wires.look(1).await;
            self.put_off = if more { self.put_off + 1 } else { ROUNDS_MAX };
            if self.put_off >= ROUNDS_MAX {
                self.put_off = 0;
                self.give(Input::Tick);
            }
        } else {
            self.put_off = 0;
        }
        for _ in 0..GETS_MAX {
            let Some(done) = self.gets.try_join_next() else { break };
            if let Ok((id, status, body)) = done {
                self.give(Input::Response { id, status, body: &body });
            }
        }
        for _ in 0..GETS_MAX {
            if self.restart.is_some() {
                // They are for the fresh feed.
                break;
            }
            let Ok(ask) = self.setup.asks.try_recv() else { break };
            self.answer(ask);
        }
    }

    fn opened(&mut self, line: u8, result: Result<Socket, OpenError>) {
        match result {
            Ok(socket) => {
                self.wires.opened(line, socket);
                self.numbers.connected.store(true, Relaxed);
                self.give(on(line, LineNews::Opened));
            }
            Err(error) => self.lost(line, None, &error.reason),
        }
    }

    /// The connection broke, or could not be made.
    fn lost(&mut self, line: u8, code: Option<u16>, reason: &str) {
        drop(self.wires.take(line));
        self.numbers.connected.store(self.wires.is_connected(), Relaxed);
        self.numbers.connection_errors.fetch_add(1, Relaxed);
        if let Some(tap) = &mut self.setup.tap {
            tap.down(line);
        }
        self.give(on(line, LineNews::Closed { code, reason }));
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Command(command) => {
                self.stopping |= matches!(command, Command::Stop);
                self.give(Input::Command(command));
            }
            #[cfg(test)]
            Ask::Fail => {
                let now = self.clock.now();
                self.replace_feed(now, "as told");
            }
            Ask::Book { channel, inst_id, reply } => {
                let book = self.feed.book(&channel, &inst_id).cloned();
                // The asker may have gone meanwhile.
                drop(reply.send(book.map_err(|reason| BookUnavailable::NotLive { reason })));
            }
            Ask::Show(key) => {
                let Some(tap) = &mut self.setup.tap else { return };
                let (channel, inst_id) = (&*key.channel, &*key.key);
                let seq = self.feed.book_seq(channel, inst_id);
                let book = self.feed.book(channel, inst_id).ok().cloned().zip(seq);
                tap.book(key, book);
            }
        }
    }

    fn give(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        self.give_at(now, input);
    }

    fn give_at(&mut self, now: Nanos, input: Input<'_>) {
        if let Err(why) = self.handle(now, input) {
            self.replace_feed(now, &why);
        }
    }

    /// Has the feed handle an input; says why it cannot go on, if it cannot.
    fn handle(&mut self, now: Nanos, input: Input<'_>) -> Result<(), String> {
        if self.restart.is_some() {
            return Ok(());
        }
        if let Some(tape) = &mut self.setup.tape {
            tape.input(now, &input);
        }
        let (feed, out) = (&mut self.feed, &mut self.out);
        let said = out.events.len();
        let handled = catch_unwind(AssertUnwindSafe(|| feed.handle(now, input, out)));
        if !Arc::ptr_eq(&self.names, self.out.events.names()) {
            let names = std::mem::replace(&mut self.names, Arc::clone(self.out.events.names()));
            if said > 0 && cut::is_replaced(&names, &self.names) {
                self.ready.push(cut::cut(&mut self.out.events, said, &names));
            }
        }
        handled.map_err(|panic| words(&*panic))?;
        match self.feed.is_spent() {
            true => Err("it held back more than it may".to_owned()),
            false => Ok(()),
        }
    }

    async fn finish(mut self) {
        self.report(true);
        self.record_state(true);
        if let Some(tape) = &mut self.setup.tape {
            tape.end();
        }
        while self.closing.join_next().await.is_some() {}
        self.setup.publisher.finish(Duration::from_secs(2)).await;
    }
}

/// News of a line as an input: those of the first have inputs of their own.
fn on(line: u8, news: LineNews<'_>) -> Input<'_> {
    match (line, news) {
        (0, LineNews::Opened) => Input::Opened,
        (0, LineNews::Frame(bytes)) => Input::Frame(bytes),
        (0, LineNews::Closed { code, reason }) => Input::Closed { code, reason },
        (line, news) => Input::Line { line, news },
    }
}
