//! Processes that end in the middle of a life, and those that follow them: the feeds are thrown
//! away, their connections die, time passes, and new feeds begin where the tapes of the old ones
//! end, as `run` does (decision 0026).
//!
//! A process that is killed does not keep all of its tape: up to a second of the end is cut off, by
//! chance. One that is told to stop keeps everything. What a reader of the tapes has been told goes
//! on in the judges of the new feeds (`whole.rs`, `bars.rs`). `life.rs` calls [`Life::restart`].
//!
//! Invariants: nothing of a process but its tape reaches the next one; every process is replayed
//! like a whole life; the chances taken here are of their own stream.

use super::chance::Chance;
use super::counts::Figure;
use super::driver::Rig;
use super::judge::{Complaint, place};
use super::life::{Life, Violation};
use super::manners::Handshakes;
use super::tape::Taped;
use market_data_model::{Command, Known, Nanos, Subscription};
use market_data_okx::HandshakeGate;
use std::collections::BTreeMap;

const SECOND: u64 = 1_000_000_000;
/// One life in so many is lived by one process.
const ONE_EVERY: u64 = 2;
/// Inputs between two ends of processes.
const STEPS_MIN: u64 = 500;
const STEPS_MAX: u64 = 2_500;
/// One process in so many is told to stop; the others are killed.
const STOPPED_EVERY: u64 = 3;
/// One kill in so many costs nothing of the tape.
const KEPT_EVERY: u64 = 4;
/// How long nobody is there, in seconds.
const AWAY: [u64; 6] = [1, 2, 5, 20, 60, 150];

/// Chooses when processes end.
#[derive(Clone, Debug)]
pub(super) struct Reborn {
    chance: Chance,
    /// At which input the next one ends; `None` = none does.
    at: Option<u64>,
}

impl Reborn {
    /// The choices of one life.
    pub(super) fn new(seed: u64, wanted: bool) -> Reborn {
        let mut chance = Chance::new(seed, 23);
        let some = wanted && !chance.one_in(ONE_EVERY);
        let at = some.then(|| chance.between(STEPS_MIN, STEPS_MAX));
        Reborn { chance, at }
    }

    /// Whether a process ends here.
    pub(super) fn is_due(&self, step: u64) -> bool {
        self.at.is_some_and(|at| step >= at)
    }
}

impl Life {
    /// The process ends, and another one follows it.
    pub(super) fn restart(&mut self) -> Result<(), Violation> {
        let stopped = self.reborn.chance.one_in(STOPPED_EVERY);
        let mut lost = 0;
        if stopped {
            for feed in 0..self.rigs.len() {
                self.give(feed, Taped::Command(Command::Stop), None)?;
            }
            let until = self.now + self.reborn.chance.below(SECOND);
            while self.now < until {
                self.advance()?;
            }
        } else if !self.reborn.chance.one_in(KEPT_EVERY) {
            lost = self.reborn.chance.below(SECOND);
        }
        self.counts.more(Figure::Restarts, 1);
        self.counts.more(Figure::Kills, (!stopped).into());
        let cut = Nanos(self.now - lost);
        let known = self.bury(cut)?;
        self.sleep();
        self.rise(cut, known)?;
        let next = self.reborn.chance.between(STEPS_MIN, STEPS_MAX);
        self.reborn.at = Some(self.step + next);
        Ok(())
    }

    /// What the tapes say that each feed knew. (A service has each subscription on one feed only;
    /// here two feeds may have the same.)
    fn bury(&mut self, cut: Nanos) -> Result<Vec<Vec<Known>>, Violation> {
        let mut all = Vec::new();
        for feed in 0..self.rigs.len() {
            all.push(self.verify(feed, cut)?);
            self.account_of(feed);
        }
        Ok(all)
    }

    /// The connections die, and nobody is there for a while.
    fn sleep(&mut self) {
        for rig in &mut self.rigs {
            for conn in rig.wires.iter_mut().filter_map(|wire| wire.accepted.take()) {
                self.exchange.gone(self.now, conn);
            }
        }
        self.network.clear();
        let away = *self.reborn.chance.pick(&AWAY) * SECOND + self.reborn.chance.below(SECOND);
        let until = self.now + away;
        while self.now < until {
            self.now = (self.now + SECOND).min(until);
            self.exchange.advance(self.now);
            self.look_who_trades();
        }
        self.deliveries.clear();
        self.exchange.deliveries(&mut self.deliveries);
        self.deliveries.clear();
    }

    fn rise(&mut self, cut: Nanos, known: Vec<Vec<Known>>) -> Result<(), Violation> {
        self.catalogue = Default::default();
        self.bootstrap();
        (self.gate, self.handshakes) = (HandshakeGate::new(), Handshakes::default());
        let old = std::mem::take(&mut self.rigs);
        for (number, (mut before, known)) in old.into_iter().zip(known).enumerate() {
            let mut part = before.part.clone();
            part.subscriptions = before.wanted.iter().cloned().collect();
            let own = |one: &Known| before.wanted.contains(&one.subscription);
            let own = known.into_iter().filter(own).collect();
            let mut rig = self.rig(number, part, own);
            rig.attempts = before.attempts;
            let lost = inherit(&mut rig, &mut before, cut);
            self.rigs.push(rig);
            match lost {
                Ok(lost) => self.counts.more(Figure::NotKept, lost),
                Err(complaint) => return Err(self.violation(number, complaint)),
            }
        }
        for feed in 0..self.rigs.len() {
            self.give(feed, Taped::Start, None)?;
        }
        Ok(())
    }
}

/// What a reader of the tapes knows goes on in the judge of the new feed. Says how much that was
/// told was not kept.
fn inherit(rig: &mut Rig, before: &mut Rig, cut: Nanos) -> Result<u64, Complaint> {
    let known: BTreeMap<(String, String), Known> = rig
        .config
        .known
        .iter()
        .map(|known| {
            let Subscription { channel, key } = &known.subscription;
            ((channel.to_string(), place(channel, key).to_owned()), known.clone())
        })
        .collect();
    rig.judge.known = rig.config.known.iter().map(|known| known.subscription.clone()).collect();
    rig.judge.may_cross = std::mem::take(&mut before.judge.may_cross);
    let mut lost = 0;
    for key in before.judge.ledger.keys_mut() {
        let of = known.get(&(key.channel.clone(), key.key.clone()));
        let wanted = rig.wanted.iter().any(|s| *s.channel == *key.channel && *s.key == *key.key);
        let own = rig.judge.ledger.key(&key.channel, &key.key);
        let last = of.and_then(|known| known.last);
        if key.channel.starts_with("trades") {
            own.whole = std::mem::take(&mut key.whole);
            own.newest_trade = last;
            if !wanted {
                own.whole.ends();
            }
            let cut = own.whole.cut(cut, of);
            let complain = |text| Complaint::about("restart", &key.channel, &key.key, text);
            lost += cut.map_err(complain)?;
        }
        if key.channel.contains("candle") {
            own.bars = std::mem::take(&mut key.bars);
            lost += own.bars.cut(cut, last.filter(|_| rig.config.bars));
        }
    }
    Ok(lost)
}
