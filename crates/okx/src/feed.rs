//! One OKX connection from birth to death, with no socket in it.
//!
//! The drivers in the shell call it: live, replay, torture, fuzz. It cannot fail and cannot wait:
//! whatever comes in becomes events and actions. Its parts: `feed/session.rs` (up, down, silence),
//! `feed/asks.rs` (requests, acks, refusals, resyncs), `feed/login.rs` (who needs a login),
//! `feed/refill.rs` (trades that never came), `feed/bars.rs` (bars that never came),
//! `feed/funding.rs` (settlements that nobody heard of), `feed/known.rs` (what the process before
//! knew), `feed/successor.rs` (silent until that one has ended), `feed/lines.rs`,
//! `feed/arbiter.rs` and `feed/handover.rs` (two connections for the same subscriptions),
//! `feed/data.rs` (rows to events),
//! `feed/fast.rs` (the short way), `feed/binary.rs` (the binary socket),
//! `feed/instruments.rs` (what the venue says of instruments),
//! `feed/upcoming.rs` (what it announced),
//! `feed/opening.rs` (books for those who enter in the middle), `feed/witness.rs` (a second witness
//! of live books),
//! `feed/sub.rs` (one subscription), `feed/emit.rs` (headers and gaps), `feed/checkpoint.rs` (the
//! whole state as bytes, and back).
//!
//! Invariants: same inputs, same outputs; no input panics; a book can be read only while the link
//! is up and its chain unbroken; every subscription wanted is asked for on every connection.
//!
//! Start at [`OkxFeed::handle`]; the test to run is `market-data torture`.

use crate::channel::books::BookRow;
use crate::channel::{self, Form, KeyKind};
use crate::fast::{Instructions, Kit};
use crate::link::{Link, LinkState, Timer, TimerTable};
use crate::request::Op;
use crate::stats::{FeedStats, FeedStatus};
use bars::Bars;
use emit::{Emitter, Place};
use funding::Funding;
use lines::Lines;
use login::Login;
use market_data_model::*;
use refill::Refill;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use sub::{Stage, Sub};
use witness::Witness;

pub use checkpoint::RestoreError;

mod arbiter;
mod asks;
mod bars;
mod binary;
mod carry;
mod checkpoint;
mod data;
mod emit;
mod fast;
mod figures;
mod funding;
mod handover;
mod instruments;
mod known;
mod lines;
mod login;
mod opening;
mod refill;
mod session;
mod sub;
mod successor;
#[cfg(test)]
mod tests;
mod tries;
mod upcoming;
mod witness;

/// What a feed is made with.
#[derive(Clone, Debug)]
pub struct OkxConfig {
    /// Names the feed in its events.
    pub feed: FeedId,
    /// Where to connect.
    pub url: Arc<str>,
    /// What to subscribe to on every connection.
    pub subscriptions: Vec<Subscription>,
    /// What is known of the instruments, from the catalogue.
    pub instruments: Vec<Arc<Instrument>>,
    /// Levels in the `orderbook` views emitted after each verified change; 0 emits none.
    pub view_depth: u16,
    /// Whether each verified change of an incremental book is emitted.
    pub deltas: bool,
    /// Seeds the jitter of the back-off.
    pub seed: u64,
    /// Whether the driver has credentials: then channels that need a login get one.
    pub login: bool,
    /// Whether trades that never came are fetched over REST.
    pub refill: bool,
    /// Whether each bar says what it is worth, and bars that never came are fetched over REST.
    pub bars: bool,
    /// Whether settlements of funding that came while nobody listened are fetched over REST.
    pub funding: bool,
    /// Nothing comes out before [`Command::TakeOver`] says how far the process before had come.
    pub successor: bool,
    /// What the feeds of the process before knew of these subscriptions: what came meanwhile is
    /// missing.
    pub known: Vec<Known>,
    /// The connection is one to the binary socket: `instIdCode` in requests, data in SBE, the login
    /// in the handshake, which is the driver's business. [`OkxConfig::login`] is then of no use.
    pub sbe: bool,
    /// How many connections carry the subscriptions, 1 or 2; with 2 the loss of either is no loss.
    /// The binary socket has one whatever is said here.
    pub lines: u8,
    /// How long a connection is used before another one takes over from it, in ns; 0 = for ever.
    pub rotate_ns: u64,
    /// Time between two turns of books to be compared with what else the venue says of them, in
    /// ns; 0 = never. The books of a binary socket are not.
    pub witness_ns: u64,
    /// Decode only: take frames that nobody asked for, perform nothing, wait for nothing.
    pub passive: bool,
    /// Every frame through the general decoder; for differential tests and fuzzing.
    pub general_only: bool,
    /// What the fast path may make use of.
    pub instructions: Instructions,
}

impl OkxConfig {
    /// A feed with nothing to subscribe to, emitting changes and no views.
    pub fn new(feed: FeedId, url: &str) -> OkxConfig {
        OkxConfig {
            feed,
            url: url.into(),
            subscriptions: Vec::new(),
            instruments: Vec::new(),
            view_depth: 0,
            deltas: true,
            seed: u64::from(feed.0),
            login: false,
            refill: false,
            bars: false,
            funding: false,
            successor: false,
            known: Vec::new(),
            sbe: false,
            lines: 1,
            rotate_ns: 0,
            witness_ns: 0,
            passive: false,
            general_only: false,
            instructions: Instructions::Best,
        }
    }
}

/// Why a book cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLive {
    /// No such subscription on this feed.
    Unknown,
    /// The connection is not up.
    LinkDown,
    /// Its snapshot has not come yet, or its chain broke and a new one is on its way.
    AwaitingSnapshot,
}

impl fmt::Display for NotLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotLive::Unknown => "no such book is subscribed",
            NotLive::LinkDown => "the connection is down",
            NotLive::AwaitingSnapshot => "the book waits for a snapshot",
        })
    }
}

impl std::error::Error for NotLive {}

/// One OKX connection's state machine. See the file's first comment.
#[derive(Clone, Debug)]
pub struct OkxFeed {
    config: OkxConfig,
    /// Whether changes of books are told to readers beside; not part of the state.
    beside: bool,
    emit: Emitter,
    link: Link,
    timers: TimerTable,
    subs: Vec<Sub>,
    by_key: BTreeMap<Subscription, u32>,
    /// The text of an argument as the venue sends it, to its subscription.
    by_argument: FxHashMap<Box<[u8]>, u32>,
    queue: VecDeque<(Op, Vec<u32>)>,
    /// Requests sent, by id, with the subscriptions not yet answered.
    pending: BTreeMap<u64, (Op, Vec<u32>)>,
    requests: u64,
    /// REST requests under way: which subscription's instrument they ask about.
    gets: BTreeMap<u64, u32>,
    get_number: u64,
    login: Login,
    refill: Refill,
    bars: Bars,
    witness: Witness,
    funding: Funding,
    /// What a successor has to say once it may; `None` = it comes out at once.
    held: Option<Box<successor::Held>>,
    binary: binary::Binary,
    lines: Lines,
    /// Room for the book row being read.
    row: BookRow,
    /// Room for the flat record being read.
    figure: crate::channel::figures::FigureRow,
    /// What the fast path keeps from one frame to the next; not part of the state.
    kit: Kit,
    /// Whether the close under way was our wish, so that no back-off follows.
    orderly: bool,
    stopping: bool,
}

impl OkxFeed {
    /// A feed that waits for [`Input::Start`].
    pub fn new(config: OkxConfig) -> OkxFeed {
        let (mut emit, kit) = (Emitter::new(config.feed), Kit::new(config.instructions));
        for instrument in &config.instruments {
            emit.learn(instrument);
        }
        let wanted = config.subscriptions.clone();
        let mut feed = OkxFeed {
            link: Link::new(config.seed),
            held: config.successor.then(Box::default),
            config,
            beside: false,
            emit,
            timers: TimerTable::default(),
            subs: Vec::new(),
            by_key: BTreeMap::new(),
            by_argument: FxHashMap::default(),
            queue: VecDeque::new(),
            pending: BTreeMap::new(),
            requests: 0,
            gets: BTreeMap::new(),
            get_number: 0,
            login: Login::default(),
            refill: Refill::default(),
            bars: Bars::default(),
            witness: Witness::default(),
            funding: Funding::default(),
            binary: Default::default(),
            lines: Lines::default(),
            row: BookRow::default(),
            figure: Default::default(),
            kit,
            orderly: false,
            stopping: false,
        };
        for subscription in wanted {
            feed.add(subscription);
        }
        feed.begin_known();
        feed
    }

    /// The live book of a channel and instrument.
    ///
    /// # Errors
    /// [`NotLive`] when it is not proven right at this moment. There is no "last known" book.
    pub fn book(&self, channel: &str, inst_id: &str) -> Result<&Book, NotLive> {
        let sub = self.find(channel, inst_id).ok_or(NotLive::Unknown)?;
        let follow = sub.follow.as_ref().ok_or(NotLive::Unknown)?;
        if self.link.state != LinkState::Up {
            return Err(NotLive::LinkDown);
        }
        follow.live().ok_or(NotLive::AwaitingSnapshot)
    }

    /// The venue's id of that live book; `None` when it is not live or has no ids.
    pub fn book_seq(&self, channel: &str, inst_id: &str) -> Option<i64> {
        self.book(channel, inst_id).ok()?;
        self.find(channel, inst_id)?.follow.as_ref()?.last()
    }

    /// What has been counted.
    pub fn stats(&self) -> &FeedStats {
        &self.emit.stats
    }

    /// Where the feed stands.
    pub fn status(&self) -> FeedStatus {
        let wanted = || self.subs.iter().filter(|sub| sub.wanted);
        let up = self.link.state == LinkState::Up;
        FeedStatus {
            link: self.link.state,
            session: self.link.number,
            wanted: wanted().count(),
            live: wanted().filter(|sub| up && sub.is_live()).count(),
            refused: wanted().filter(|sub| sub.stage == Stage::Refused).count(),
            open_gaps: self.subs.iter().filter(|sub| sub.gap.is_some()).count()
                + self.refill.holes()
                + self.bars.holes()
                + self.funding.holes(),
            trades_filled: self.refill.filled(),
            bars_filled: self.bars.filled(),
            bars_missing: self.bars.missing(),
            requests_left: self.link.requests_left(),
            lines: self.line_statuses(),
            hand_overs: self.lines.overs,
            witnesses: self.witness_statuses(),
        }
    }

    /// Chooses anew what is emitted of incremental books: every verified change or not, and views
    /// of so many levels a side (0 = none).
    pub fn emit_books(&mut self, deltas: bool, view_depth: u16) {
        (self.config.deltas, self.config.view_depth) = (deltas, view_depth);
    }

    /// Tells each verified change of incremental books even if that is not configured, for readers
    /// beside: such an event has the `n` of the one before and is counted nowhere, so that whoever
    /// leaves it out has what the feed would have said without this call.
    pub fn emit_changes_beside(&mut self) {
        self.beside = true;
    }

    /// Whether it has been told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The subscriptions that are wanted but not live at the moment, for reports.
    pub fn not_live(&self) -> impl Iterator<Item = &Subscription> {
        let up = self.link.state == LinkState::Up;
        let waiting = move |sub: &&Sub| sub.wanted && !(up && sub.is_live());
        self.subs.iter().filter(waiting).map(|sub| &sub.subscription)
    }

    fn find(&self, channel: &str, key: &str) -> Option<&Sub> {
        self.subs
            .iter()
            .find(|sub| &*sub.subscription.channel == channel && &*sub.subscription.key == key)
    }

    /// The index of a subscription, made if it is new.
    fn add(&mut self, subscription: Subscription) -> u32 {
        if let Some(index) = self.by_key.get(&subscription) {
            return *index;
        }
        let spec = channel::find(&subscription.channel);
        let kind = spec.map_or(KeyKind::InstId, |s| s.key);
        let channel = Some(self.emit.channel(&subscription.channel));
        let inst = match kind {
            _ if subscription.key.is_empty() => None,
            KeyKind::InstType if spec.is_some_and(|s| s.form == Form::Instruments) => None,
            kind => Some(self.emit.instrument(kind, &subscription.key)),
        };
        let index = self.subs.len() as u32;
        self.by_key.insert(subscription.clone(), index);
        self.subs.push(Sub::new(subscription, spec, Place { channel, inst }));
        if self.config.bars {
            self.join_bars(index);
        }
        index
    }

    fn command(&mut self, now: Nanos, command: Command, out: &mut Outbox) {
        match command {
            Command::Subscribe(list) => self.want_for_itself(list),
            Command::Unsubscribe(list) => self.unwant(now, list, out),
            Command::Reconnect if self.link.state == LinkState::Up => {
                self.replace(now, "a new connection was asked for", (Whose::Ours, true), out);
            }
            Command::Reconnect => {}
            Command::HandOver => {
                self.hand_over(now, "a hand-over was asked for", Whose::Ours, out);
            }
            Command::Resync(subscription) => {
                if let Some(index) = self.by_key.get(&subscription).copied() {
                    self.distrust(now, index, (GapCause::Restart, Whose::Ours), out);
                }
            }
            Command::Instruments(list) => {
                for instrument in &list {
                    self.instrument_changed(now, instrument, None, out);
                }
            }
            Command::TakeOver(known) => self.take_over(now, known, out),
            Command::Stop => self.stop(now, out),
        }
    }

    fn tick(&mut self, now: Nanos, out: &mut Outbox) {
        let mut unanswered = Vec::new();
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Open => self.replace(now, "the handshake took too long", LINK, out),
                Timer::Close => self.closed(now, None, "the close took too long", out),
                Timer::Retry => self.open(now, out),
                Timer::Silence => self.look_for_silence(now, out),
                Timer::Send => {}
                Timer::Ack(sub) => unanswered.push(sub),
                Timer::Snapshot(sub) => self.snapshot_missed(now, sub, out),
                Timer::Beat(sub) => self.beat_missed(now, sub, out),
                Timer::Again(sub) => self.again(now, sub, out),
                Timer::Login => self.login_due(now, out),
                Timer::Refill => self.refill_next(now, out),
                Timer::Fetch(sub) => self.depth_due(sub),
                Timer::Bars => self.bars_next(now, out),
                Timer::Witness => self.witness_next(now, out),
                Timer::Funding => self.funding_next(now, out),
            }
        }
        self.unanswered(now, unanswered, out);
    }
}

impl OkxFeed {
    /// What an input leads to on the line at hand: logins and requests.
    fn finish(&mut self, now: Nanos, out: &mut Outbox) {
        if self.login.waiting {
            self.log_in(now, out);
        }
        self.send_queued(now, out);
    }
}

/// The network's fault, not wished for.
const LINK: (Whose, bool) = (Whose::Link, false);

impl Feed for OkxFeed {
    fn handle(&mut self, now: Nanos, input: Input<'_>, out: &mut Outbox) {
        self.upcoming(now, out);
        self.lines.mark = out.actions.len();
        match input {
            Input::Start => {
                self.miss_known(now, out);
                self.start(now, out);
                self.plan_witness(now);
            }
            Input::Opened => self.on_line(now, (0, LineNews::Opened), out),
            Input::Frame(bytes) if self.lines.front == 0 => {
                // As `on_line` does, which takes everything else.
                self.lines.row = 0;
                self.frame(now, bytes, out);
            }
            Input::Frame(bytes) => self.on_line(now, (0, LineNews::Frame(bytes)), out),
            Input::Closed { code, reason } => {
                self.on_line(now, (0, LineNews::Closed { code, reason }), out);
            }
            Input::Line { line, news } => self.on_line(now, (line, news), out),
            Input::Tick => {
                self.tick(now, out);
                self.tick_lines(now, out);
            }
            Input::Response { id, status, body } => self.response(now, (id, status, body), out),
            Input::Command(command) => self.command(now, command, out),
        }
        self.end_input(now, out);
        self.fetch_depths(out);
        // Again, for rows just learnt that are older than what they announce.
        self.upcoming(now, out);
        out.events.set_names(self.emit.names());
        self.keep_back(out);
    }

    fn deadline(&self) -> Option<Nanos> {
        if self.config.passive {
            return None;
        }
        let timers = [self.timers.next(), self.lines.next(), self.upcoming_at()];
        timers.into_iter().flatten().min()
    }
}
