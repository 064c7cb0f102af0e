//! Two connections for the same subscriptions. Part of [`OkxFeed`].
//!
//! A feed has a line in front, whose connection, timers, requests and standing of subscriptions
//! are in its own fields, and may have one beside it, whose are kept in [`Other`]. What concerns
//! the one beside is done by exchanging the two for the time it takes: all rules of a connection
//! hold for both, and are written once. Which rows come out is in `feed/arbiter.rs`; how one line
//! takes over from the other on purpose in `feed/handover.rs`. See decision 0027.
//!
//! Invariants: if a connection is up, the one in front is; the loss of a line is a loss of a
//! subscription only if the other line does not carry it; a feed with one line in its
//! configuration has a second one only while it hands over.

use super::OkxFeed;
use super::carry::{Carry, LINES_MAX, Tally};
use super::handover::Over;
use super::login::Login;
use super::sub::{Stage, Sub};
use crate::limits::{LINE_CHECK_NS, LINE_FADES_NS};
use crate::link::{Link, LinkState, Timer, TimerTable};
use crate::request::Op;
use crate::stats::LineStatus;
use market_data_model::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The lines of a feed.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// The number of the line in front.
    pub(super) front: u8,
    /// The line beside it.
    pub(super) other: Option<Box<Other>>,
    /// By subscription; empty while there is one line.
    pub(super) carry: Vec<Carry>,
    /// When somebody's patience with a hole ends: whose.
    pub(super) waits: BTreeSet<(Nanos, u32)>,
    /// The hand-over that is going on.
    pub(super) over: Option<Over>,
    /// When the connection is to be replaced although nothing is wrong with it.
    pub(super) rotate_at: Option<Nanos>,
    /// After the other line has gone: how long the one that is left may still bring what came out
    /// already, because its road is the longer one.
    pub(super) fading: Option<Nanos>,
    /// Hand-overs brought to their end.
    pub(super) overs: u64,
    pub(super) tallies: [Tally; LINES_MAX],
    /// What is wanted has changed, and not every line knows.
    pub(super) stale: bool,
    /// Subscriptions to begin anew, and on which line.
    pub(super) renewed: Vec<(u8, u32)>,
    /// Within an input: the two are exchanged.
    pub(super) swapped: bool,
    /// Within an input: the row in hand came by this line.
    pub(super) row: u8,
    /// Within an input: it came by the line beside, which is not exchanged for it.
    pub(super) hot: bool,
    /// Within an input: actions from here on belong to the line at hand.
    pub(super) mark: usize,
}

/// The line beside the one in front: what that one has in fields of the feed.
#[derive(Clone, Debug)]
pub(super) struct Other {
    pub(super) link: Link,
    pub(super) timers: TimerTable,
    pub(super) queue: VecDeque<(Op, Vec<u32>)>,
    pub(super) pending: BTreeMap<u64, (Op, Vec<u32>)>,
    pub(super) login: Login,
    pub(super) orderly: bool,
    pub(super) standings: Vec<Standing>,
}

/// How far a subscription has come on a line; see [`Sub`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) stage: Stage,
    attempts: u32,
    asked: Nanos,
    refusals: u32,
    leaving: u32,
}

impl Default for Standing {
    fn default() -> Standing {
        Standing { stage: Stage::Idle, attempts: 0, asked: Nanos(0), refusals: 0, leaving: 0 }
    }
}

impl Standing {
    fn swap(&mut self, sub: &mut Sub) {
        std::mem::swap(&mut self.stage, &mut sub.stage);
        std::mem::swap(&mut self.attempts, &mut sub.attempts);
        std::mem::swap(&mut self.asked, &mut sub.asked);
        std::mem::swap(&mut self.refusals, &mut sub.refusals);
        std::mem::swap(&mut self.leaving, &mut sub.leaving);
    }

    /// Whether it is one that a life can have made.
    pub(super) fn is_sound(&self) -> bool {
        ![self.attempts, self.refusals, self.leaving].contains(&u32::MAX)
    }
}

impl Other {
    fn new(seed: u64) -> Other {
        Other {
            link: Link::new(seed),
            timers: TimerTable::default(),
            queue: VecDeque::new(),
            pending: BTreeMap::new(),
            login: Login::default(),
            orderly: false,
            standings: Vec::new(),
        }
    }
}

impl Lines {
    /// Whether there are two at the moment.
    pub(super) fn is_pair(&self) -> bool {
        self.other.is_some()
    }

    /// Whether rows may come a second time, so that somebody has to look.
    pub(super) fn arbitrates(&self) -> bool {
        self.other.is_some() || self.fading.is_some()
    }

    /// The number of the line at hand.
    pub(super) fn at(&self) -> u8 {
        if self.swapped { 1 - self.front } else { self.front }
    }

    /// When something of both lines is due.
    pub(super) fn next(&self) -> Option<Nanos> {
        let patience = self.waits.first().map(|(at, _)| *at);
        let other = self.other.as_ref().and_then(|other| other.timers.next());
        let over = self.over.as_ref().map(|over| over.check);
        [patience, other, over, self.rotate_at, self.fading].into_iter().flatten().min()
    }

    /// Connections that the other line has asked for so far.
    pub(super) fn number(&self) -> u64 {
        self.other.as_ref().map_or(0, |other| other.link.number)
    }
}

impl OkxFeed {
    /// The feed starts, with as many lines as are configured.
    pub(super) fn start(&mut self, now: Nanos, out: &mut Outbox) {
        self.open(now, out);
        if self.wants_two() {
            self.open_other(now, out);
        }
    }

    /// Whether two lines are configured.
    pub(super) fn wants_two(&self) -> bool {
        self.config.lines > 1 && !self.config.sbe && !self.config.passive
    }

    pub(super) fn open_other(&mut self, now: Nanos, out: &mut Outbox) {
        if self.stopping || self.lines.is_pair() {
            return;
        }
        // Another jitter than the front's, so that they do not come back together.
        let seed = self.config.seed ^ (self.link.number << 8) ^ 0x5eed_0000_0000_0000;
        let mut other = Box::new(Other::new(seed));
        let stage = |sub: &Sub| if sub.wanted { Stage::Idle } else { Stage::Gone };
        let standing = |sub: &Sub| Standing { stage: stage(sub), ..Standing::default() };
        other.standings = self.subs.iter().map(standing).collect();
        self.lines.other = Some(other);
        // What the front has confirmed stands on it without a hole.
        let front = self.lines.front;
        self.lines.fading = None;
        self.lines.carry.resize_with(self.subs.len(), Carry::default);
        for carry in &mut self.lines.carry {
            carry.unjoin(1 - front);
            carry.joined[usize::from(front)] = true;
        }
        self.on_other(out, |feed, out| feed.open(now, out));
    }

    /// Does something with the other line at hand.
    pub(super) fn on_other(
        &mut self,
        out: &mut Outbox,
        act: impl FnOnce(&mut OkxFeed, &mut Outbox),
    ) {
        if !self.lines.is_pair() {
            return;
        }
        self.exchange(out);
        self.lines.swapped = !self.lines.swapped;
        act(self, out);
        self.exchange(out);
        self.lines.swapped = !self.lines.swapped;
    }

    /// Exchanges the two lines.
    fn exchange(&mut self, out: &mut Outbox) {
        self.seal(out);
        let Some(other) = &mut self.lines.other else { return };
        std::mem::swap(&mut self.link, &mut other.link);
        std::mem::swap(&mut self.timers, &mut other.timers);
        std::mem::swap(&mut self.queue, &mut other.queue);
        std::mem::swap(&mut self.pending, &mut other.pending);
        std::mem::swap(&mut self.login, &mut other.login);
        // What stands in for better books is the feed's, whichever line was refused.
        self.login.swap_stand_ins(&mut other.login);
        std::mem::swap(&mut self.orderly, &mut other.orderly);
        other.standings.resize_with(self.subs.len(), Standing::default);
        for (standing, sub) in other.standings.iter_mut().zip(&mut self.subs) {
            standing.swap(sub);
        }
    }

    /// What was asked for since the last seal is for the line at hand.
    pub(super) fn seal(&mut self, out: &mut Outbox) {
        let line = self.lines.at();
        let from = self.lines.mark.min(out.actions.len());
        for action in out.actions[from..].iter_mut().filter(|_| line > 0) {
            if !matches!(action, Action::Get { .. } | Action::Line { .. }) {
                let bare = std::mem::replace(action, Action::Close);
                *action = Action::Line { line, action: Box::new(bare) };
            }
        }
        self.lines.mark = out.actions.len();
    }

    /// News of the connection of a line.
    #[inline]
    pub(super) fn on_line(
        &mut self,
        now: Nanos,
        (line, news): (u8, LineNews<'_>),
        out: &mut Outbox,
    ) {
        self.lines.row = line;
        if line == self.lines.front {
            return self.news_of_line(now, news, out);
        }
        if !self.lines.is_pair() || usize::from(line) >= LINES_MAX {
            if let LineNews::Frame(bytes) = news {
                self.emit.stats.frames += 1;
                self.emit.stats.bytes += bytes.len() as u64;
                self.emit.stats.late_frames += 1;
            }
            return;
        }
        if let LineNews::Frame(bytes) = news
            && self.beside(now, bytes, out).is_some()
        {
            return;
        }
        self.on_other(out, |feed, out| feed.news_of_line(now, news, out));
    }

    #[inline]
    fn news_of_line(&mut self, now: Nanos, news: LineNews<'_>, out: &mut Outbox) {
        match news {
            LineNews::Opened => self.opened(now, out),
            LineNews::Frame(bytes) => self.frame(now, bytes, out),
            LineNews::Closed { code, reason } => self.closed(now, code, reason, out),
        }
    }

    /// A frame of the other line that needs nothing of it but its standing: data of a known shape
    /// on a confirmed subscription. `None` means that nothing has happened yet.
    fn beside(&mut self, now: Nanos, bytes: &[u8], out: &mut Outbox) -> Option<()> {
        if self.config.general_only {
            return None;
        }
        let (argument, _) = crate::fast::argument(bytes)?;
        let index = *self.by_argument.get(argument)? as usize;
        let other = self.lines.other.as_mut()?;
        let stage = other.standings.get(index)?.stage;
        let stands = other.link.state == LinkState::Up && stage == Stage::Live;
        if !(stands && self.subs[index].wanted) {
            return None;
        }
        let faults = self.faults_that_weigh();
        self.lines.hot = true;
        let taken = self.fast(now, bytes, out);
        self.lines.hot = false;
        taken?;
        self.emit.stats.frames += 1;
        self.emit.stats.bytes += bytes.len() as u64;
        if let Some(other) = &mut self.lines.other {
            other.link.heard = now;
        }
        if self.faults_that_weigh() != faults {
            self.on_other(out, |feed, out| feed.weigh_faults(now, faults, out));
        }
        Some(())
    }

    /// Whether a line is up and this subscription confirmed on it.
    pub(super) fn carries(&self, line: u8, index: u32) -> bool {
        if line == self.lines.at() {
            let stage = self.subs[index as usize].stage;
            return self.link.state == LinkState::Up && stage == Stage::Live;
        }
        let Some(other) = &self.lines.other else { return false };
        let stage = other.standings.get(index as usize).map(|standing| standing.stage);
        other.link.state == LinkState::Up && stage == Some(Stage::Live)
    }

    /// Whether the line that is not at hand has this subscription without a hole.
    pub(super) fn is_covered(&self, index: u32) -> bool {
        let line = 1 - self.lines.at();
        let sub = &self.subs[index as usize];
        let line = usize::from(line);
        let whole =
            |carry: &Carry| !carry.deaf[line] && (sub.follow.is_none() || carry.joined[line]);
        self.lines.is_pair()
            && self.carries(1 - self.lines.at(), index)
            && self.lines.carry.get(index as usize).map_or(sub.follow.is_none(), whole)
    }

    /// News of a subscription on the line at hand are nobody's while the other one carries it.
    pub(super) fn is_told(&self, index: u32) -> bool {
        self.lines.swapped && self.carries(self.lines.front, index)
    }

    /// The connection at hand is lost: nothing that came by it goes on.
    pub(super) fn unjoin(&mut self, now: Nanos) {
        let line = self.lines.at();
        for (index, carry) in (0..).zip(&mut self.lines.carry) {
            carry.unjoin(line);
            // What the other line has ahead of a hole waits for this one, and in vain.
            let in_vain = carry.held.iter().any(|held| held.line != line);
            if let Some(until) = carry.until.filter(|_| in_vain) {
                carry.until = Some(now);
                self.lines.waits.remove(&(until, index));
                self.lines.waits.insert((now, index));
            }
        }
    }

    /// What is due of both lines.
    pub(super) fn tick_lines(&mut self, now: Nanos, out: &mut Outbox) {
        let due = |other: &Other| other.timers.next().is_some_and(|at| at <= now);
        if self.lines.other.as_deref().is_some_and(due) {
            self.on_other(out, |feed, out| feed.tick(now, out));
        }
        while let Some((_, index)) = self.lines.waits.first().copied().filter(|(at, _)| *at <= now)
        {
            self.lose_patience(now, index, out);
        }
        if self.lines.fading.is_some_and(|at| at <= now) {
            self.lines.fading = None;
            self.lines.carry.clear();
        }
        if self.lines.rotate_at.is_some_and(|at| at <= now) {
            self.lines.rotate_at = Some(now + self.config.rotate_ns.max(LINE_CHECK_NS));
            self.hand_over(now, "planned rotation", Whose::Ours, out);
        }
        if self.lines.over.as_ref().is_some_and(|over| over.check <= now) {
            self.check_over(now, out);
        }
    }

    /// Ends an input: what is wanted is asked for on each line, requests go out, and a line that
    /// is up comes to the front.
    #[inline]
    pub(super) fn end_input(&mut self, now: Nanos, out: &mut Outbox) {
        let Lines { other, front, renewed, .. } = &self.lines;
        if other.is_none() && *front == 0 && renewed.is_empty() {
            self.lines.stale = false;
            // Nearly always there is nothing to ask for.
            if self.login.waiting || self.login.is_due() || !self.queue.is_empty() {
                self.finish(now, out);
            }
            return;
        }
        self.end_of_pair(now, out);
    }

    fn end_of_pair(&mut self, now: Nanos, out: &mut Outbox) {
        if std::mem::take(&mut self.lines.stale) && self.lines.is_pair() {
            self.reconcile(now);
            self.on_other(out, |feed, _| feed.reconcile(now));
        }
        for (line, index) in std::mem::take(&mut self.lines.renewed) {
            match line == self.lines.front {
                true => self.renew_here(index),
                false => self.on_other(out, |feed, _| feed.renew_here(index)),
            }
        }
        self.finish(now, out);
        if self.lines.is_pair() {
            self.settle_lines(now, out);
        }
        if self.lines.other.as_deref().is_some_and(has_requests) {
            self.on_other(out, |feed, out| feed.finish(now, out));
        }
        self.seal(out);
    }

    fn settle_lines(&mut self, now: Nanos, out: &mut Outbox) {
        let state = |feed: &OkxFeed| feed.lines.other.as_ref().map(|other| other.link.state);
        let down = self.link.state == LinkState::Down && !self.wants_two();
        match state(self) {
            Some(LinkState::Up) if self.link.state != LinkState::Up => self.promote(now, out),
            Some(LinkState::Opening) if down => self.promote(now, out),
            _ => {}
        }
        if self.wants_two() || self.lines.over.is_some() {
            return;
        }
        // One line too many.
        match state(self) {
            Some(LinkState::Up | LinkState::Opening) => self.on_other(out, |feed, out| {
                feed.replace(now, "not needed any more", (Whose::Ours, true), out);
            }),
            Some(LinkState::Down | LinkState::Stopped) => self.drop_other(now, out),
            Some(LinkState::Closing) | None => {}
        }
    }

    /// The other line comes to the front.
    pub(super) fn promote(&mut self, now: Nanos, out: &mut Outbox) {
        self.exchange(out);
        self.lines.front = 1 - self.lines.front;
        self.lines.over = None;
        self.plan_rotation(now);
        if let Some(other) = &mut self.lines.other {
            let theirs: Vec<_> = other.timers.iter().filter(|(t, _)| t.is_of_feed()).collect();
            for (timer, at) in theirs {
                other.timers.stop(timer);
                self.timers.set(timer, at);
            }
        }
        for index in 0..self.subs.len() as u32 {
            let sub = &self.subs[index as usize];
            let blind = sub.follow.as_ref().is_some_and(|follow| follow.live().is_none());
            if blind && sub.stage == Stage::Live && !self.timers.is_set(Timer::Snapshot(index)) {
                self.resync(now, index, out);
            }
        }
    }

    pub(super) fn plan_rotation(&mut self, now: Nanos) {
        let plans = self.config.rotate_ns > 0 && !self.config.sbe && !self.config.passive;
        self.lines.rotate_at = plans.then(|| now + self.config.rotate_ns);
    }

    /// There is one line from here on.
    fn drop_other(&mut self, now: Nanos, out: &mut Outbox) {
        for index in 0..self.lines.carry.len() as u32 {
            self.lose_patience(now, index, out);
        }
        self.lines.other = None;
        self.lines.waits.clear();
        self.lines.fading = Some(now + LINE_FADES_NS);
    }

    /// Each line, for reports.
    pub(super) fn line_statuses(&self) -> Vec<LineStatus> {
        let front = (self.lines.front, &self.link);
        let other = self.lines.other.as_ref().map(|other| (1 - self.lines.front, &other.link));
        let mut lines: Vec<_> = [Some(front), other].into_iter().flatten().collect();
        lines.sort_by_key(|(line, _)| *line);
        let status = |(line, link): (u8, &Link)| {
            let tally = self.lines.tallies[usize::from(line)];
            LineStatus {
                line,
                front: line == self.lines.front,
                link: link.state,
                first: tally.first,
                copies: tally.copies,
                late_ns: tally.late_ns,
                late_max_ns: tally.late_max_ns,
                missed: tally.missed,
            }
        };
        lines.into_iter().map(status).collect()
    }
}

fn has_requests(other: &Other) -> bool {
    let asks = !other.queue.is_empty() || other.login.is_due();
    other.login.waiting || (asks && !other.timers.is_set(Timer::Send))
}

/// What is kept of [`Other`] in the state of a feed.
type OtherState = (
    Link,
    Vec<(Timer, Nanos)>,
    VecDeque<(Op, Vec<u32>)>,
    BTreeMap<u64, (Op, Vec<u32>)>,
    Login,
    bool,
    Vec<Standing>,
);

/// What is kept of [`Lines`] in the state of a feed.
pub(super) type LinesState =
    (u8, Option<OtherState>, Vec<Carry>, Option<Over>, [Option<Nanos>; 2], u64, [Tally; LINES_MAX]);

impl Lines {
    /// As a [`LinesState`].
    pub(super) fn state(&self) -> impl Serialize {
        let Lines { front, other, carry, over, rotate_at, fading, overs, tallies, .. } = self;
        let other = other.as_deref().map(|other| {
            let Other { link, timers, queue, pending, login, orderly, standings } = other;
            let timers: Vec<(Timer, Nanos)> = timers.iter().collect();
            (link, timers, queue, pending, login, orderly, standings)
        });
        (front, other, carry, over, [*rotate_at, *fading], overs, tallies)
    }

    /// The lines that were in this state, of a feed with so many subscriptions.
    pub(super) fn restored(state: LinesState, subs: usize) -> Result<Lines, &'static str> {
        let (front, other, carry, over, [rotate_at, fading], overs, tallies) = state;
        let exists = |index: &u32| (*index as usize) < subs;
        let other = match other {
            None => None,
            Some((link, timers, queue, pending, login, orderly, standings)) => {
                let asked = queue.iter().chain(pending.values()).flat_map(|(_, list)| list);
                let timed = timers.iter().filter_map(|(timer, _)| timer.subscription());
                let known = asked.copied().chain(timed).chain(login.stand_ins());
                let sound = link.is_sound() && login.is_sound() && standings.len() <= subs;
                if !sound || !known.into_iter().all(|index| exists(&index)) {
                    return Err("its other line is none");
                }
                if !standings.iter().all(Standing::is_sound) {
                    return Err("its other line has counted to the end");
                }
                let timers = TimerTable::of(timers);
                Some(Box::new(Other { link, timers, queue, pending, login, orderly, standings }))
            }
        };
        let carried = carry.len() <= subs && carry.iter().all(Carry::is_sound);
        if usize::from(front) >= LINES_MAX
            || !carried
            || (other.is_none() && fading.is_none() && !carry.is_empty())
        {
            return Err("what its lines carry cannot be");
        }
        let waits = (0..).zip(&carry).filter_map(|(index, carry)| Some((carry.until?, index)));
        let waits = waits.collect();
        let lines = Lines {
            front,
            other,
            carry,
            waits,
            over,
            rotate_at,
            fading,
            overs,
            tallies,
            ..Lines::default()
        };
        Ok(lines)
    }
}
