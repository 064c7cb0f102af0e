//! The end of a life: the faults stop, and everything must be well again; then the feeds are
//! stopped, and must stay so; then each is given its whole tape once more, and must answer the
//! same.
//!
//! `life.rs` calls [`Life::end`].

use super::books;
use super::catalogue;
use super::counts::Figure;
use super::driver::{Rig, Socket, Wire};
use super::judge::{Complaint, narrowest, place};
use super::life::{Life, Violation};
use super::restore::same_state;
use super::rows;
use super::tape::Taped;
use market_data_model::{Command, Feed, Known, Nanos, Subscription};
use market_data_okx::OkxFeed;
use market_data_okx::link::LinkState;
use market_data_sim::FaultProfile;
use std::collections::BTreeSet;

const SECOND: u64 = 1_000_000_000;
/// How long full health may take once nothing goes wrong any more.
const RECOVERY_MAX_NS: u64 = 300 * SECOND;
/// Between two looks at the health.
const LOOK_EVERY_NS: u64 = SECOND / 10;
/// How often lists are fetched anew in lives on the whole catalogue.
const REFRESH_EVERY_NS: u64 = 20 * SECOND;
/// One life in so many has all its JSON read back, which takes longer than making it.
const READ_BACK_EVERY: u64 = 4;
/// How long stopped feeds are watched.
const STOPPED_NS: u64 = 60 * SECOND;

/// Channel and key.
type About = (String, String);

/// Books that equalled what the exchange had published, since the last fault.
type Proven = BTreeSet<(usize, Subscription)>;

fn about(subscription: &Subscription) -> About {
    (subscription.channel.to_string(), subscription.key.to_string())
}

impl Life {
    pub(super) fn end(&mut self) -> Result<(), Violation> {
        self.recover()?;
        self.stop()?;
        self.reckon()?;
        for feed in 0..self.rigs.len() {
            self.verify(feed, Nanos(u64::MAX))?;
        }
        Ok(())
    }

    fn recover(&mut self) -> Result<(), Violation> {
        self.exchange.set_faults(FaultProfile::none());
        self.rest.calm();
        let from = self.now;
        let mut look = self.now;
        let mut ill = None;
        let mut proven = Proven::new();
        let mut refresh = self.now;
        while self.now < from + RECOVERY_MAX_NS {
            if self.options.catalogue && self.now >= refresh {
                refresh = self.now + REFRESH_EVERY_NS;
                self.refresh()?;
            }
            self.advance()?;
            if self.now < look {
                continue;
            }
            look = self.now + LOOK_EVERY_NS;
            ill = (0..self.rigs.len()).find_map(|feed| {
                let why = self.illness(feed, &mut proven)?;
                Some((feed, why))
            });
            if ill.is_none() {
                let took = (self.now - from) / 1_000_000;
                self.counts.more(Figure::RecoveryMillis, took);
                self.counts.most(Figure::RecoveryMillisMax, took);
                return Ok(());
            }
        }
        let (feed, (about, why)) = ill.unwrap_or_default();
        let (channel, key) = &about;
        let text = format!("still ill 5 minutes after the last fault: {channel} {key}: {why}");
        let complaint = Complaint { rule: "recovery", text, about };
        Err(self.violation(feed, complaint))
    }

    /// What is not well with a feed: the key it is about, and why. `None` = it is in full health.
    fn illness(&self, feed: usize, proven: &mut Proven) -> Option<(About, String)> {
        let rig = &self.rigs[feed];
        let excused = self.excused();
        if rig.wanted.iter().all(|s| excused.contains(&*s.key)) {
            // Nothing can be subscribed, and the exchange ends such connections after 30 s.
            return None;
        }
        let open = rig.open();
        if open.len() < usize::from(rig.config.lines) {
            let sockets = rig.wires.iter().map(|wire| wire.socket).collect::<Vec<_>>();
            return Some((About::default(), format!("the sockets are {sockets:?}")));
        }
        let served = open.iter().flat_map(|conn| self.exchange.subscriptions(*conn));
        let served: BTreeSet<Subscription> = served
            .collect::<Vec<_>>()
            .iter()
            .map(|(channel, key)| Subscription::new(channel, key))
            .collect();
        let mut unheard = self.unheard_evictions();
        let waiting: Vec<&Subscription> = rig.feed.not_live().collect();
        for wanted in rig.wanted.iter().filter(|s| !excused.contains(&*s.key)) {
            let ill = |why: &str| Some((about(wanted), why.to_owned()));
            let called = Subscription::new(&wanted.channel, narrowest(&wanted.key));
            if !served.contains(&called) {
                // No reader can know of an end that was not told, where nothing beats.
                if unheard > 0 && !rows::is_book(&wanted.channel) && !waiting.contains(&wanted) {
                    unheard -= 1;
                    continue;
                }
                return ill("wanted, but the exchange does not serve it");
            }
            if waiting.contains(&wanted) {
                return ill("wanted, but not live");
            }
            if !rows::is_book(&wanted.channel) {
                continue;
            }
            // What is on its way would make the two differ; once proven is enough.
            let under_way = self.network.has_frame_of(feed, &wanted.channel, &wanted.key);
            if !under_way {
                if let Some(why) = self.unlike_published(rig, wanted) {
                    return ill(why);
                }
                proven.insert((feed, wanted.clone()));
            } else if !proven.contains(&(feed, wanted.clone())) && !self.is_hot(rig, wanted) {
                return ill("never at rest, so never compared");
            }
        }
        let called = |s: &Subscription| Subscription::new(&s.channel, narrowest(&s.key));
        let wanted: BTreeSet<Subscription> = rig.wanted.iter().map(called).collect();
        let extra = served.iter().find(|s| !wanted.contains(s));
        if let Some(extra) = extra {
            return Some((about(extra), "served, but nobody wants it".into()));
        }
        let mut gaps = rig.judge.ledger.open();
        let (id, channel, key) = gaps.find(|(_, _, key)| !excused.contains(*key))?;
        Some(((channel.to_owned(), key.to_owned()), format!("gap {id} is still open")))
    }

    /// Instruments that cannot be well: expired, suspended, not listed (any more, yet, or ever).
    pub(super) fn excused(&self) -> BTreeSet<String> {
        let listed = self.exchange.instruments();
        let live = |key: &str| listed.iter().any(|i| i.inst_id == key && i.state == "live");
        let mut excused = BTreeSet::new();
        for rig in &self.rigs {
            for wanted in &rig.wanted {
                let by_id = catalogue::names_instrument(&wanted.channel, &wanted.key);
                if by_id && !live(narrowest(&wanted.key)) {
                    excused.insert(wanted.key.to_string());
                }
            }
        }
        excused
    }

    /// How often the exchange ended a subscription and the word of it was lost on the way.
    fn unheard_evictions(&self) -> u64 {
        let injected = self.exchange.faults_injected().get("evict").copied().unwrap_or(0);
        injected.saturating_sub(self.evictions_heard)
    }

    /// Of the whole catalogue some books change so often that something is always on its way. Those
    /// are held to each frame that came, after every input, and nothing more can be asked.
    fn is_hot(&self, rig: &Rig, wanted: &Subscription) -> bool {
        self.options.catalogue && rig.feed.book(&wanted.channel, &wanted.key).is_ok()
    }

    fn unlike_published(&self, rig: &Rig, wanted: &Subscription) -> Option<&'static str> {
        let Some(published) = self.exchange.published(&wanted.channel, &wanted.key) else {
            return Some("the exchange publishes no such book");
        };
        let key = place(&wanted.channel, &wanted.key);
        if rig.feed.book(&wanted.channel, &wanted.key).is_err() {
            return Some("the book is not live");
        }
        match rig.judge.ledger.find(&wanted.channel, key) {
            Some(key) if books::same_book(key, &published) => None,
            _ => Some("the live book is not what the exchange has published"),
        }
    }

    fn stop(&mut self) -> Result<(), Violation> {
        for feed in 0..self.rigs.len() {
            self.give(feed, Taped::Command(Command::Stop), None)?;
        }
        let from = self.now;
        while self.now < from + STOPPED_NS {
            self.advance()?;
        }
        for feed in 0..self.rigs.len() {
            let rig = &self.rigs[feed];
            let (link, deadline) = (rig.feed.status().link, rig.feed.deadline());
            let open = |wire: &Wire| wire.socket != Socket::Idle;
            if rig.wires.iter().any(open) || link != LinkState::Stopped || deadline.is_some() {
                let text = format!(
                    "stopped a minute ago, but sockets are open ({}), the link is {link:?}, the \
                     deadline {deadline:?}",
                    rig.wires.iter().any(open)
                );
                return Err(self.violation(feed, Complaint::new("stop", text)));
            }
        }
        Ok(())
    }

    /// Gives a feed its whole tape once more; what it knew of each subscription after the inputs up
    /// to `cut`.
    pub(super) fn verify(&mut self, feed: usize, cut: Nanos) -> Result<Vec<Known>, Violation> {
        let rig = &self.rigs[feed];
        let audited = rig.judge.audit(&rig.feed, rig.tape.frames());
        audited.map_err(|complaint| self.violation(feed, complaint))?;
        if self.options.seed.is_multiple_of(READ_BACK_EVERY)
            && let Err(text) = rig.tape.read_back()
        {
            return Err(self.violation(feed, Complaint::new("json", text)));
        }
        let mut fresh = OkxFeed::new(rig.config.clone());
        let mut known = Vec::new();
        let at_cut = (cut, |feed: &OkxFeed| known = feed.known());
        if let Err(text) = rig.tape.replay(&mut fresh, at_cut) {
            return Err(self.violation(feed, Complaint::new("replay", text)));
        }
        if let Err(text) = same_state(&fresh, &rig.feed) {
            return Err(self.violation(feed, Complaint::new("restore", text)));
        }
        self.counts.more(Figure::Replayed, rig.tape.len() as u64);
        Ok(known)
    }
}
