//! One life: a pretend exchange, a few feeds, the road between them, and a judge beside each feed.
//!
//! Time is invented and jumps to whatever comes next. Everything a feed is given goes through
//! [`Life::give`], which records it, hands it to the feed, has the result judged, and performs the
//! actions; nothing else touches a feed. `run.rs` makes lives; the end of one is in `ending.rs`.
//!
//! Invariants: the same options give the same life; a feed is given nothing between two inputs at
//! one instant but what it asked for. Start at [`Life::run`].

use super::cast::{self, Part};
use super::chance::Chance;
use super::counts::{Counts, Figure};
use super::judge::{Complaint, Judge, Seen};
use super::manners::{self, Handshakes, Manners};
use super::network::{Addressed, Lane, Letter, Network, Parcel};
use super::tape::{Tape, Taped};
use market_data_model::{
    Action, Body, Command, Feed, FeedId, Instrument, Nanos, Outbox, Subscription,
};
use market_data_okx::catalogue::Catalogue;
use market_data_okx::{HandshakeGate, OkxConfig, OkxFeed};
use market_data_sim::{
    ConnId, Delivery, Exchange, FaultProfile, FromClient, MarketSize, Opened, SimConfig, ToClient,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Midnight of 2026-11-23 UTC; lives begin within the 30 days after it.
const EPOCH_NS: u64 = 1_795_392_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;
/// Ticks at one instant before a deadline counts as stuck.
const TICKS_AT_ONCE_MAX: u32 = 1_000;
/// Inputs shown of a life that went wrong.
const HISTORY_LINES: usize = 24;

/// Everything that decides a life.
#[derive(Clone, Debug)]
pub struct LifeOptions {
    /// Decides every chance.
    pub seed: u64,
    /// Inputs to feeds before the faults end.
    pub steps: u64,
    /// What goes wrong.
    pub faults: FaultProfile,
    /// At most so many instruments.
    pub instruments: usize,
    /// Whether people interfere.
    pub drills: bool,
}

/// What became of a life.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was seen.
    pub counts: Counts,
    /// What went wrong first.
    pub failure: Option<Failure>,
}

/// A violation.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How many inputs had been given.
    pub step: u64,
    /// When, since the start of the life.
    pub after_ns: u64,
    /// Which feed, by number and path.
    pub feed: String,
    /// Which promise is broken.
    pub rule: &'static str,
    /// How, with both sides.
    pub what: String,
    /// The inputs that led to it.
    pub history: Vec<String>,
}

/// Where a feed's socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    Idle,
    Opening,
    Open(ConnId),
    /// The feed asked to close; it has not heard yet that it is closed.
    Closing,
}

/// One feed with everything around it.
pub(super) struct Rig {
    pub(super) part: Part,
    pub(super) config: OkxConfig,
    pub(super) feed: OkxFeed,
    pub(super) judge: Judge,
    pub(super) tape: Tape,
    pub(super) wanted: BTreeSet<Subscription>,
    pub(super) socket: Socket,
    attempt: u64,
    up: Lane,
    down: Lane,
    manners: Manners,
    out: Outbox,
}

/// A complaint about one feed.
pub(super) struct Violation {
    pub(super) feed: usize,
    pub(super) complaint: Complaint,
}

/// A life going on.
pub struct Life {
    pub(super) options: LifeOptions,
    pub(super) exchange: Exchange,
    pub(super) rigs: Vec<Rig>,
    pub(super) network: Network,
    pub(super) now: u64,
    pub(super) start: u64,
    pub(super) counts: Counts,
    pub(super) step: u64,
    pub(super) catalogue: Catalogue,
    chance: Chance,
    tick_lag_ns: u64,
    drill_every: u64,
    gate: HandshakeGate,
    handshakes: Handshakes,
    deliveries: Vec<Delivery>,
}

impl Life {
    /// Lives the whole life.
    pub fn run(options: LifeOptions) -> Outcome {
        let mut life = Life::new(options);
        let end = life.live();
        life.account();
        let failure = end.err().map(|violation| life.failure(violation));
        Outcome { counts: life.counts, failure }
    }

    fn new(options: LifeOptions) -> Life {
        let mut chance = Chance::new(options.seed, 1);
        let start = EPOCH_NS + chance.below(30 * DAY);
        let exchange = Exchange::new(SimConfig {
            seed: options.seed,
            start_ns: start,
            market: MarketSize::Small,
            truth: true,
            faults: options.faults,
        });
        let tick_lag_ns = *chance.pick(&[0, 1_000, 1_000_000, 40_000_000]);
        let drill_every = options.drills.then(|| chance.between(300, 1_500)).unwrap_or(0);
        Life {
            exchange,
            rigs: Vec::new(),
            network: Network::default(),
            now: start,
            start,
            counts: Counts::default(),
            step: 0,
            catalogue: Catalogue::new(),
            chance,
            tick_lag_ns,
            drill_every,
            gate: HandshakeGate::new(),
            handshakes: Handshakes::default(),
            deliveries: Vec::new(),
            options,
        }
    }

    fn live(&mut self) -> Result<(), Violation> {
        self.bootstrap()?;
        let listed = self.exchange.instruments();
        let parts = cast::cast(&mut self.chance, &listed, self.options.instruments);
        for (number, part) in parts.into_iter().enumerate() {
            let rig = self.rig(number, part);
            self.rigs.push(rig);
        }
        for feed in 0..self.rigs.len() {
            self.give(feed, Taped::Start, None)?;
        }
        while self.step < self.options.steps {
            self.advance()?;
            self.interfere()?;
        }
        self.end()
    }

    /// Learns the instruments over REST, as the shell does before it makes feeds.
    fn bootstrap(&mut self) -> Result<(), Violation> {
        let mut types: Vec<_> =
            self.exchange.instruments().iter().map(|i| i.inst_type.clone()).collect();
        types.sort();
        types.dedup();
        let types: Vec<_> =
            types.iter().map(|t| market_data_model::InstType::parse(t)).collect();
        let mut paths = Catalogue::requests(&types);
        let mut tries = 0;
        while let Some(path) = paths.pop() {
            let reply = self.exchange.rest(self.now, &path);
            self.now += reply.delay_ns + SECOND;
            self.exchange.advance(self.now);
            let body = reply.body.as_bytes();
            match self.catalogue.apply_response(&path, reply.status, body) {
                Ok(applied) => paths.extend(applied.follow_up),
                Err(_) if tries < 60 => {
                    tries += 1;
                    paths.push(path);
                }
                // A blackout: the feeds begin without knowing any instrument.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn rig(&mut self, number: usize, part: Part) -> Rig {
        let url = format!("wss://sim{}", part.path);
        let mut config = OkxConfig::new(FeedId(number as u32), &url);
        config.subscriptions = part.subscriptions.clone();
        let known = |s: &Subscription| self.catalogue.get(&s.key).cloned();
        config.instruments = part.candidates.iter().filter_map(known).collect();
        config.instruments.dedup();
        config.view_depth = part.view_depth;
        config.deltas = part.deltas;
        config.seed = part.seed;
        Rig {
            feed: OkxFeed::new(config.clone()),
            judge: Judge::new(number as u32, &part),
            tape: Tape::default(),
            wanted: part.subscriptions.iter().cloned().collect(),
            socket: Socket::Idle,
            attempt: 0,
            up: Lane::new(&mut self.chance),
            down: Lane::new(&mut self.chance),
            manners: Manners::default(),
            out: Outbox::default(),
            config,
            part,
        }
    }

    /// Jumps to whatever comes next and lets it happen.
    pub(super) fn advance(&mut self) -> Result<(), Violation> {
        let deadline = self.rigs.iter().filter_map(|r| r.feed.deadline()).min();
        let next = [
            Some(self.exchange.next_at()),
            self.network.next_at(),
            deadline.map(|at| at.0 + self.tick_lag_ns),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(self.now + SECOND);
        self.now = self.now.max(next);
        self.exchange.advance(self.now);
        self.collect()?;
        while let Some(addressed) = self.network.take(self.now) {
            self.arrive(addressed)?;
            self.collect()?;
        }
        for feed in 0..self.rigs.len() {
            self.tick(feed)?;
        }
        Ok(())
    }

    fn tick(&mut self, feed: usize) -> Result<(), Violation> {
        let mut ticks = 0;
        let due = |rig: &Rig, now| rig.feed.deadline().is_some_and(|at| at.0 <= now);
        while due(&self.rigs[feed], self.now) {
            self.give(feed, Taped::Tick, None)?;
            ticks += 1;
            if ticks > TICKS_AT_ONCE_MAX {
                let at = self.rigs[feed].feed.deadline();
                let text = format!("the deadline {at:?} stays although Tick was given");
                return Err(self.violation(feed, Complaint::new("deadline", text)));
            }
        }
        if matches!(self.rigs[feed].socket, Socket::Open(_)) {
            let waited = self.rigs[feed].manners.waited(self.now);
            waited.map_err(|text| self.violation(feed, Complaint::new("manners", text)))?;
        }
        Ok(())
    }

    /// Takes what the exchange sends and puts it on the road.
    fn collect(&mut self) -> Result<(), Violation> {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        self.exchange.deliveries(&mut deliveries);
        for delivery in deliveries.drain(..) {
            self.post(delivery)?;
        }
        self.deliveries = deliveries;
        Ok(())
    }

    fn post(&mut self, delivery: Delivery) -> Result<(), Violation> {
        let open = Socket::Open(delivery.conn);
        let Some(feed) = self.rigs.iter().position(|rig| rig.socket == open || rig.knows(delivery.conn))
        else {
            return Ok(());
        };
        if let ToClient::Ping(payload) = &delivery.what {
            // The socket library answers these; the feed never sees them.
            self.exchange.receive(self.now, delivery.conn, FromClient::Pong(payload));
            return Ok(());
        }
        let parcel = match delivery.what {
            ToClient::Text(text) => {
                let (truth, fault) = (delivery.truth, delivery.fault);
                if let Some(code) = manners::reproach(&text).filter(|_| fault.is_none()) {
                    let text = format!("the exchange answers with error {code}: {text}");
                    return Err(self.violation(feed, Complaint::new("manners", text)));
                }
                Parcel::Frame(Letter { text, truth, fault })
            }
            ToClient::Close { code, reason } => Parcel::Closed { code: Some(code), reason },
            ToClient::Abort => Parcel::Closed { code: None, reason: "connection reset".into() },
            ToClient::Ping(_) | ToClient::Pong(_) => return Ok(()),
        };
        let rig = &mut self.rigs[feed];
        let at = rig.down.arrival(self.now.max(delivery.at_ns), &mut self.chance);
        self.network.put(at, feed, rig.attempt, parcel);
        Ok(())
    }

    /// A parcel has arrived at its end of the road.
    fn arrive(&mut self, addressed: Addressed) -> Result<(), Violation> {
        let Addressed { feed, attempt, parcel } = addressed;
        let stale = attempt != 0 && attempt != self.rigs[feed].attempt;
        match parcel {
            Parcel::Knock if !stale && self.rigs[feed].socket == Socket::Opening => {
                self.knock(feed);
            }
            Parcel::Upload(conn, text) => {
                self.exchange.receive(self.now, conn, FromClient::Text(&text));
            }
            Parcel::Hangup(conn) => self.exchange.gone(self.now, conn),
            Parcel::Ask { id, path } => {
                let reply = self.exchange.rest(self.now, &path);
                let at = self.now + reply.delay_ns + 1_000_000;
                let (status, body) = (reply.status, reply.body);
                self.network.put(at, feed, 0, Parcel::Response { id, status, body });
            }
            _ if stale => {}
            Parcel::Opened(conn) if self.rigs[feed].socket == Socket::Opening => {
                let rig = &mut self.rigs[feed];
                rig.socket = Socket::Open(conn);
                rig.manners = Manners::new(self.now);
                self.give(feed, Taped::Opened, None)?;
            }
            Parcel::Frame(letter) if self.rigs[feed].hears() => {
                self.rigs[feed].manners.heard(self.now);
                let taped = Taped::Frame(letter.text.clone(), letter.fault);
                self.give(feed, taped, Some(&letter))?;
            }
            Parcel::Closed { code, reason } if self.rigs[feed].socket != Socket::Idle => {
                let rig = &mut self.rigs[feed];
                rig.socket = Socket::Idle;
                // What is still under way belongs to no connection any more.
                rig.attempt += 1;
                self.give(feed, Taped::Closed(code, reason), None)?;
            }
            Parcel::Response { id, status, body } => {
                self.give(feed, Taped::Response(id, status, body), None)?;
            }
            Parcel::Command(command) => self.give(feed, Taped::Command(command), None)?,
            Parcel::Knock | Parcel::Opened(_) | Parcel::Frame(_) | Parcel::Closed { .. } => {}
        }
        Ok(())
    }

    fn knock(&mut self, feed: usize) {
        let rig = &mut self.rigs[feed];
        let parcel = match self.exchange.open(self.now, rig.part.path) {
            Opened::Accepted(conn) => {
                rig.accepted = Some(conn);
                Parcel::Opened(conn)
            }
            Opened::Refused { status, .. } => {
                Parcel::Closed { code: None, reason: format!("HTTP {status}") }
            }
        };
        let at = rig.down.arrival(self.now, &mut self.chance);
        self.network.put(at, feed, rig.attempt, parcel);
    }

    /// Hands one input to a feed, has the result judged, and does what the feed asks for.
    pub(super) fn give(
        &mut self,
        feed: usize,
        input: Taped,
        letter: Option<&Letter>,
    ) -> Result<(), Violation> {
        self.step += 1;
        let now = Nanos(self.now);
        let rig = &mut self.rigs[feed];
        let mut out = std::mem::take(&mut rig.out);
        out.clear();
        rig.feed.handle(now, input.input(), &mut out);
        let seen = match (&input, letter) {
            (Taped::Frame(..), Some(letter)) => Seen::Frame(letter),
            (Taped::Command(command), _) => Seen::Command(command),
            (Taped::Opened, _) => Seen::Opened,
            (Taped::Closed(..), _) => Seen::Closed,
            (Taped::Response(..), _) => Seen::Response,
            _ => Seen::Other,
        };
        let judged = rig.judge.after(now, &seen, &rig.feed, &out, &mut self.counts);
        rig.tape.record(now, input, &out);
        let done = judged.map_err(|complaint| self.violation(feed, complaint));
        let done = done.and_then(|()| self.perform(feed, &out));
        self.spread(feed, &out);
        self.rigs[feed].out = out;
        done
    }

    fn perform(&mut self, feed: usize, out: &Outbox) -> Result<(), Violation> {
        for action in &out.actions {
            let done = match action {
                Action::Open { .. } => self.open(feed),
                Action::Send(text) => self.send(feed, text),
                Action::Close => {
                    self.close(feed);
                    Ok(())
                }
                Action::Get { id, path } => {
                    let parcel = Parcel::Ask { id: *id, path: path.clone() };
                    self.network.put(self.now + 20_000_000, feed, 0, parcel);
                    Ok(())
                }
            };
            done.map_err(|text| self.violation(feed, Complaint::new("manners", text)))?;
        }
        Ok(())
    }

    fn open(&mut self, feed: usize) -> Result<(), String> {
        let rig = &mut self.rigs[feed];
        if rig.socket != Socket::Idle {
            return Err(format!("asks for a connection while the socket is {:?}", rig.socket));
        }
        rig.socket = Socket::Opening;
        rig.attempt += 1;
        let admitted = self.gate.admit(Nanos(self.now)).0;
        self.counts.more(Figure::Handshakes, 1);
        self.handshakes.start(admitted)?;
        let at = rig.up.arrival(admitted, &mut self.chance);
        self.network.put(at, feed, rig.attempt, Parcel::Knock);
        Ok(())
    }

    fn send(&mut self, feed: usize, text: &str) -> Result<(), String> {
        let rig = &mut self.rigs[feed];
        let Socket::Open(conn) = rig.socket else {
            return Err(format!("sends {text} while the socket is {:?}", rig.socket));
        };
        if let Some(request) = rig.manners.sent(self.now, text)? {
            rig.judge.asked(&request);
            self.counts.more(Figure::Requests, 1);
        }
        let at = rig.up.arrival(self.now, &mut self.chance);
        self.network.put(at, feed, rig.attempt, Parcel::Upload(conn, text.to_owned()));
        Ok(())
    }

    fn close(&mut self, feed: usize) {
        let rig = &mut self.rigs[feed];
        if matches!(rig.socket, Socket::Idle | Socket::Closing) {
            return;
        }
        if let Some(conn) = rig.accepted.take() {
            let at = rig.up.arrival(self.now, &mut self.chance);
            self.network.put(at, feed, rig.attempt, Parcel::Hangup(conn));
        }
        rig.socket = Socket::Closing;
        // Some frames may still be read between asking to close and being closed.
        if self.chance.one_in(2) {
            self.network.forget_frames(feed, rig.attempt);
        }
        let at = self.now + self.chance.below(60_000_000);
        let parcel = Parcel::Closed { code: None, reason: "closed on request".into() };
        self.network.put(at, feed, rig.attempt, parcel);
    }

    /// Tells the other feeds which instruments changed, as the shell does.
    fn spread(&mut self, feed: usize, out: &Outbox) {
        let mut changed: Vec<Arc<Instrument>> = Vec::new();
        for event in out.events.iter() {
            if let Body::Instrument(instrument) = event.body
                && self.catalogue.apply_row(instrument)
            {
                changed.push(Arc::clone(instrument));
            }
        }
        if changed.is_empty() {
            return;
        }
        for other in (0..self.rigs.len()).filter(|other| *other != feed) {
            let command = Command::Instruments(changed.clone());
            self.network.put(self.now, other, 0, Parcel::Command(command));
        }
    }

    /// Lets a person interfere now and then.
    fn interfere(&mut self) -> Result<(), Violation> {
        if !self.chance.one_in(self.drill_every) {
            return Ok(());
        }
        let feed = self.chance.below(self.rigs.len() as u64) as usize;
        let rig = &mut self.rigs[feed];
        let Some(command) = cast::drill(&mut self.chance, &rig.part, &rig.wanted) else {
            return Ok(());
        };
        match &command {
            Command::Subscribe(list) => rig.wanted.extend(list.iter().cloned()),
            Command::Unsubscribe(list) => list.iter().for_each(|s| drop(rig.wanted.remove(s))),
            _ => {}
        }
        self.counts.more(Figure::Drills, 1);
        self.give(feed, Taped::Command(command), None)
    }

    pub(super) fn violation(&self, feed: usize, complaint: Complaint) -> Violation {
        Violation { feed, complaint }
    }

    fn failure(&self, violation: Violation) -> Failure {
        let Violation { feed, complaint } = violation;
        let rig = &self.rigs[feed];
        Failure {
            step: self.step,
            after_ns: self.now - self.start,
            feed: format!("{feed} ({})", rig.part.path),
            rule: complaint.rule,
            history: rig.tape.tail(Nanos(self.start), &complaint.about, HISTORY_LINES),
            what: complaint.text,
        }
    }

    fn account(&mut self) {
        self.counts.more(Figure::Lives, 1);
        self.counts.more(Figure::Millis, (self.now - self.start) / 1_000_000);
        for rig in &self.rigs {
            let stats = rig.feed.stats();
            self.counts.more(Figure::Resyncs, stats.resyncs);
            self.counts.more(Figure::Reconnects, stats.reconnects);
        }
        for (kind, count) in self.exchange.faults_injected() {
            *self.counts.faults.entry(kind.to_owned()).or_default() += count;
        }
    }
}

impl Rig {
    /// Whether frames still reach the feed.
    fn hears(&self) -> bool {
        matches!(self.socket, Socket::Open(_) | Socket::Closing)
    }

    /// Whether the exchange has accepted this feed under that name.
    fn knows(&self, conn: ConnId) -> bool {
        self.accepted == Some(conn)
    }
}
