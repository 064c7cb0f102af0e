//! One life: a pretend exchange, a few feeds, the road between them, and a judge beside each feed.
//!
//! Time is invented and jumps to whatever comes next. Everything a feed is given goes through
//! [`Life::give`], which records it, hands it to the feed, has the result judged, and performs the
//! actions; nothing else touches a feed. `run.rs` makes lives; the end of one is in `ending.rs`.
//!
//! Invariants: the same options give the same life; a feed is given nothing between two inputs at
//! one instant but what it asked for. Start at [`Life::run`].

use super::cast::{self, Part};
use super::catalogue;
use super::chance::Chance;
use super::counts::{Counts, Figure};
use super::driver::{Rig, Socket, Wire};
use super::judge::{Complaint, Seen};
use super::looks::Answered;
use super::manners::Handshakes;
use super::network::{Letter, Network};
use super::reborn::Reborn;
use super::rest::RestRoad;
use super::restore::Restorer;
use super::rot;
use super::rows;
use super::tape::Taped;
use super::upcoming::Announced;
use market_data_model::{Command, Feed, FeedId, InstType, Known, Nanos, Subscription};
use market_data_okx::catalogue::Catalogue;
use market_data_okx::{HandshakeGate, OkxConfig};
use market_data_sim::{Delivery, Exchange, FaultProfile, MarketSize, SimConfig, SimInstrument};

/// Midnight of 2026-11-23 UTC; lives begin within the 30 days after it.
const EPOCH_NS: u64 = 1_795_392_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;
/// The longest life: a feed that nobody lets in makes few steps.
const LIFE_MAX_NS: u64 = 3_600 * SECOND;
/// Ticks at one instant before a deadline counts as stuck.
const TICKS_AT_ONCE_MAX: u32 = 1_000;
/// One life in so many has books of 400 levels and instruments of every type.
const DEEP_EVERY: u64 = 16;
/// One life in so many is spelled otherwise than OKX spells it today, frame by frame.
const RESPELL_EVERY: u64 = 3;
/// A tick that no deadline asked for comes once in so many moments.
const EARLY_TICK_EVERY: u64 = 400;
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
    /// Whether processes end and are followed by others.
    pub restarts: bool,
    /// Whether it is on the whole catalogue (`catalogue.rs`).
    pub catalogue: bool,
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
    pub(super) chance: Chance,
    tick_lag_ns: u64,
    drill_every: u64,
    knows_all: bool,
    pub(super) gate: HandshakeGate,
    pub(super) handshakes: Handshakes,
    pub(super) deliveries: Vec<Delivery>,
    /// Ends of subscriptions by the exchange whose news went on its way unharmed.
    pub(super) evictions_heard: u64,
    /// Frames get a space where OKX sends none: the same JSON, but not the shape that is expected.
    pub(super) respell: bool,
    /// When it was looked last which instruments trade.
    pub(super) looked: u64,
    /// Takes feeds apart now and then.
    restorer: Restorer,
    /// What is wrong with REST beyond single errors.
    pub(super) rest: RestRoad,
    /// Ends processes now and then.
    pub(super) reborn: Reborn,
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

    /// Lives the whole life; how each feed was made, and everything it was given.
    #[cfg(test)]
    pub(super) fn inputs(options: LifeOptions) -> Vec<(OkxConfig, Vec<(Nanos, Taped)>)> {
        let mut life = Life::new(options);
        let end = life.live();
        assert!(end.is_ok(), "this life goes wrong");
        life.rigs.into_iter().map(|rig| (rig.config, rig.tape.into_inputs())).collect()
    }

    fn new(options: LifeOptions) -> Life {
        let mut chance = Chance::new(options.seed, 1);
        let start = EPOCH_NS + chance.below(30 * DAY);
        let deep = chance.one_in(DEEP_EVERY) || options.catalogue;
        let market = if deep { MarketSize::Full } else { MarketSize::Small };
        let mut exchange = Exchange::new(SimConfig {
            market,
            truth: true,
            faults: options.faults,
            lives: options.catalogue,
            ..SimConfig::new(options.seed, start)
        });
        let mut now = start;
        if options.catalogue {
            now += catalogue::enters_after(options.seed) * SECOND;
            exchange.advance(now);
        }
        let respell = chance.one_in(RESPELL_EVERY);
        let tick_lag_ns = *chance.pick(&[0, 1_000, 1_000_000, 40_000_000]);
        let drill_every = if options.drills { chance.between(300, 1_500) } else { 0 };
        Life {
            exchange,
            rigs: Vec::new(),
            network: Network::default(),
            now,
            start,
            counts: Counts::default(),
            step: 0,
            catalogue: Catalogue::new(),
            chance,
            tick_lag_ns,
            drill_every,
            knows_all: true,
            gate: HandshakeGate::new(),
            handshakes: Handshakes::default(),
            deliveries: Vec::new(),
            evictions_heard: 0,
            respell,
            looked: 0,
            restorer: Restorer::new(options.seed),
            rest: RestRoad::new(options.seed, options.faults.resterror > 0),
            reborn: Reborn::new(options.seed, options.restarts),
            options,
        }
    }

    fn live(&mut self) -> Result<(), Violation> {
        let before = self.exchange.instruments();
        self.bootstrap();
        let listed = self.exchange.instruments();
        let most = self.options.instruments;
        let parts = if self.options.catalogue {
            self.counts.more(Figure::CatalogueLives, 1);
            catalogue::cast(&mut self.chance, &listed, most)
        } else {
            cast::cast(&mut self.chance, &listed, most)
        };
        for (number, part) in parts.into_iter().enumerate() {
            let rig = self.rig(number, part, Vec::new());
            self.rigs.push(rig);
        }
        self.check_catalogue(&before, &listed)?;
        for feed in 0..self.rigs.len() {
            self.give(feed, Taped::Start, None)?;
        }
        while self.step < self.options.steps && self.now < self.start + LIFE_MAX_NS {
            self.advance()?;
            self.interfere()?;
            if self.reborn.is_due(self.step) {
                self.restart()?;
            }
        }
        self.end()
    }

    /// Learns the instruments over REST, as the shell does before it makes feeds.
    pub(super) fn bootstrap(&mut self) {
        let mut types: Vec<_> =
            self.exchange.instruments().iter().map(|i| i.inst_type.clone()).collect();
        types.sort();
        types.dedup();
        let types: Vec<_> = types.iter().map(|t| InstType::parse(t)).collect();
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
                Err(_) => self.knows_all = false,
            }
        }
    }

    /// What REST said of every instrument that did not change meanwhile is in the catalogue.
    fn check_catalogue(
        &self,
        before: &[SimInstrument],
        listed: &[SimInstrument],
    ) -> Result<(), Violation> {
        let steady = listed.iter().filter(|i| before.contains(i) && !i.inst_id.is_empty());
        for sent in steady.filter(|i| self.knows_all && i.state != "expired") {
            let wrong = match self.catalogue.get(&sent.inst_id) {
                None => Some("missing".to_owned()),
                // It may have been another while REST was asked.
                Some(known) if self.options.faults.preopen > 0 => {
                    let state = known.state.to_string();
                    rows::misread(known, &SimInstrument { state, ..sent.clone() })
                }
                Some(known) => rows::misread(known, sent),
            };
            if let Some(why) = wrong {
                let complaint = Complaint::about("catalogue", "", &sent.inst_id, why);
                return Err(self.violation(0, complaint));
            }
        }
        Ok(())
    }

    pub(super) fn rig(&mut self, number: usize, part: Part, ended: Vec<Known>) -> Rig {
        let url = format!("wss://sim{}", part.path);
        let mut config = OkxConfig::new(FeedId(number as u32), &url);
        config.subscriptions = part.subscriptions.clone();
        let known = |s: &Subscription| self.catalogue.get(&s.key).cloned();
        config.instruments = part.candidates.iter().filter_map(known).collect();
        config.instruments.dedup();
        config.view_depth = part.view_depth;
        config.deltas = part.deltas;
        config.seed = part.seed;
        config.login = part.login;
        config.refill = part.refill;
        config.lines = part.lines;
        config.rotate_ns = part.rotate_ns;
        config.witness_ns = part.witness_ns;
        if self.options.faults.rot > 0 {
            rot::suit(&mut config);
        }
        config.bars = part.bars;
        config.known = ended;
        let is_news = |s: &&Subscription| &*s.channel == "instruments";
        let kind = part.candidates.iter().find(is_news).map_or("", |s| &*s.key).to_owned();
        let announced = Announced::new(&kind, &config.instruments);
        let possible = config.lines > 1 || config.rotate_ns > 0;
        let mut rig = Rig::new(config, part, &mut self.chance);
        rig.judge.pairs.possible = possible;
        rig.judge.announced = announced;
        rig
    }

    /// Jumps to whatever comes next and lets it happen.
    pub(super) fn advance(&mut self) -> Result<(), Violation> {
        let deadline = self.rigs.iter().filter_map(|r| r.feed.deadline()).min();
        let next = [
            Some(self.exchange.next_at()),
            self.network.next_at(),
            deadline.map(|at| at.0 + self.tick_lag_ns),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(u64::MAX);
        self.now = next.clamp(self.now, self.now + SECOND);
        self.exchange.advance(self.now);
        self.look_who_trades();
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
        let open = |wire: &&Wire| matches!(wire.socket, Socket::Open(_));
        for wire in self.rigs[feed].wires.iter().filter(open) {
            let waited = wire.manners.waited(self.now);
            waited.map_err(|text| self.violation(feed, Complaint::new("manners", text)))?;
        }
        Ok(())
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
        match self.restorer.before_input(rig) {
            Ok(restored) => self.counts.more(Figure::Restored, restored.into()),
            Err(text) => return Err(self.violation(feed, Complaint::new("restore", text))),
        }
        let mut out = std::mem::take(&mut rig.out);
        out.clear();
        rig.feed.handle(now, input.input(), &mut out);
        let (line, bare) = input.bare();
        let answered = match bare {
            Taped::Response(id, status, body) => {
                Some((rig.asked.remove(id).unwrap_or_default(), *status, body))
            }
            _ => None,
        };
        let answered =
            answered.as_ref().map(|(path, status, body)| Answered { path, status: *status, body });
        let seen = match (bare, letter) {
            (Taped::Frame(..), Some(letter)) => Seen::Frame(letter),
            (Taped::Command(command), _) => Seen::Command(command),
            (Taped::Opened, _) => Seen::Opened,
            (Taped::Closed(..), _) => Seen::Closed,
            _ => answered.as_ref().map_or(Seen::Other, Seen::Response),
        };
        rig.judge.pairs.two = rig.is_pair();
        let judged = rig.judge.after(now, (line, &seen), &rig.feed, &out, &mut self.counts);
        rig.tape.record(now, input, &out);
        let done = judged.map_err(|complaint| self.violation(feed, complaint));
        let done = done.and_then(|()| self.perform(feed, &out));
        self.spread(feed, &out);
        self.rigs[feed].out = out;
        done
    }

    /// Lets a person interfere now and then, or a timer go off too early.
    fn interfere(&mut self) -> Result<(), Violation> {
        if self.chance.one_in(EARLY_TICK_EVERY) {
            let feed = self.chance.below(self.rigs.len() as u64) as usize;
            self.give(feed, Taped::Tick, None)?;
        }
        if !self.chance.one_in(self.drill_every) {
            return Ok(());
        }
        let feed = self.chance.below(self.rigs.len() as u64) as usize;
        let rig = &mut self.rigs[feed];
        let Some(command) = cast::drill(&mut self.chance, &rig.part, &rig.wanted) else {
            return Ok(());
        };
        if self.options.faults.rot > 0 && matches!(command, Command::HandOver) {
            return Ok(());
        }
        match &command {
            Command::Subscribe(list) => rig.wanted.extend(list.iter().cloned()),
            Command::Unsubscribe(list) => rig.wanted.retain(|s| !list.contains(s)),
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

    /// Adds what a feed has counted itself.
    pub(super) fn account_of(&mut self, feed: usize) {
        let rig = &self.rigs[feed];
        let stats = rig.feed.stats();
        self.counts.more(Figure::TwoLines, (rig.config.lines > 1).into());
        let status = rig.feed.status();
        self.counts.more(Figure::HandOvers, status.hand_overs);
        for said in &status.witnesses {
            self.counts.more(Figure::WitnessesAgreed, said.agree);
            self.counts.more(Figure::WitnessesDiffered, said.differ);
            self.counts.more(Figure::WitnessesSkipped, said.skipped);
        }
        self.counts.more(Figure::RotsTaken, rig.judge.rots.taken);
        self.counts.more(Figure::RotsFound, rig.judge.rots.found);
        self.counts.more(Figure::Resyncs, stats.resyncs);
        self.counts.more(Figure::Reconnects, stats.reconnects);
    }

    fn account(&mut self) {
        self.counts.more(Figure::Lives, 1);
        self.counts.more(Figure::Millis, (self.now - self.start) / 1_000_000);
        (0..self.rigs.len()).for_each(|feed| self.account_of(feed));
        for (kind, count) in self.exchange.faults_injected() {
            *self.counts.faults.entry(kind.to_owned()).or_default() += count;
        }
    }
}
