//! Requests and what becomes of them: subscribe, unsubscribe, acks, refusals, resyncs. Part of
//! [`OkxFeed`].
//!
//! The rules that keep one sick subscription from hurting others: a resync has requests of its
//! own, which it shares with nothing but others that wait at the same time, so that many at once
//! do not spend the hour's requests; an error is pinned on the argument it names, and the rest of
//! its request goes on; retries wait longer each time; a connection is replaced on one
//! subscription's account at most once in [`limits::ESCALATION_SPACING_NS`].

use super::OkxFeed;
use super::sub::Stage;
use crate::channel::KeyKind;
use crate::codes::{Reaction, reaction};
use crate::frame::EventFrame;
use crate::limits;
use crate::link::{LinkState, Timer};
use crate::request::{self, Op};
use crate::sbe::request::ARGUMENT_MORE;
use market_data_model::*;

/// The number of the request that an event answers.
pub(super) fn request_number(id: &str) -> Option<u64> {
    id.strip_prefix('m')?.parse().ok()
}

impl OkxFeed {
    pub(super) fn want(&mut self, list: Vec<Subscription>) {
        self.lines.stale = true;
        for subscription in list {
            let index = self.add(subscription);
            let sub = &mut self.subs[index as usize];
            if !sub.wanted {
                sub.wanted = true;
                // A subscription that is still leaving begins anew when its end is confirmed.
                if sub.stage == Stage::Gone {
                    sub.stage = Stage::Idle;
                }
            }
        }
        self.ask_idle();
    }

    pub(super) fn unwant(&mut self, now: Nanos, list: Vec<Subscription>, out: &mut Outbox) {
        let mut leaving = Vec::new();
        for subscription in &list {
            let Some(&index) = self.by_key.get(subscription) else { continue };
            let stand_in = self.login_stand_in(index);
            for index in std::iter::once(index).chain(stand_in) {
                if self.end(now, index, out) {
                    leaving.push(index);
                }
            }
        }
        self.enqueue(Op::Unsubscribe, &leaving);
    }

    /// Ends a subscription for good; says whether the venue must be told.
    fn end(&mut self, now: Nanos, index: u32, out: &mut Outbox) -> bool {
        let sub = &mut self.subs[index as usize];
        sub.wanted = false;
        self.lines.stale = true;
        // What follows is no gap: nobody wants it.
        if let Some(follow) = &mut sub.follow {
            follow.invalidate();
        }
        sub.started = false;
        sub.heal(now, (None, None, None), &mut self.emit, out);
        self.abandon_holes(now, index, out);
        self.abandon_bars(now, index, out);
        self.abandon_funding(now, index, out);
        self.stop_timers(index);
        let sub = &mut self.subs[index as usize];
        let told = matches!(sub.stage, Stage::Asked | Stage::Live);
        sub.stage = match sub.stage {
            Stage::Asked | Stage::Live | Stage::Leaving => Stage::Leaving,
            Stage::Idle | Stage::Refused | Stage::Gone => Stage::Gone,
        };
        if sub.stage == Stage::Leaving && !told {
            self.timers.set(Timer::Ack(index), now + limits::ACK_WAIT_NS);
        }
        told
    }

    /// Makes the line at hand ask for what is wanted, and for nothing else.
    pub(super) fn reconcile(&mut self, now: Nanos) {
        let mut leaving = Vec::new();
        for index in 0..self.subs.len() as u32 {
            let sub = &mut self.subs[index as usize];
            match (sub.wanted, sub.stage) {
                (true, Stage::Gone) => sub.stage = Stage::Idle,
                (false, Stage::Asked | Stage::Live) => {
                    sub.stage = Stage::Leaving;
                    self.stop_timers(index);
                    leaving.push(index);
                }
                (false, Stage::Idle | Stage::Refused) => {
                    sub.stage = Stage::Gone;
                    self.stop_timers(index);
                }
                (false, Stage::Leaving) if !self.timers.is_set(Timer::Ack(index)) => {
                    self.timers.set(Timer::Ack(index), now + limits::ACK_WAIT_NS);
                }
                _ => {}
            }
        }
        self.enqueue(Op::Unsubscribe, &leaving);
        self.ask_idle();
    }

    /// Begins a subscription anew on the line at hand; see [`OkxFeed::renew`].
    pub(super) fn renew_here(&mut self, index: u32) {
        let sub = &mut self.subs[index as usize];
        if sub.wanted && matches!(sub.stage, Stage::Asked | Stage::Live) {
            sub.stage = Stage::Leaving;
            self.stop_timers(index);
            self.enqueue(Op::Unsubscribe, &[index]);
        }
    }

    fn stop_timers(&mut self, index: u32) {
        for timer in
            [Timer::Ack(index), Timer::Snapshot(index), Timer::Beat(index), Timer::Again(index)]
                .into_iter()
                .chain([Timer::Fetch(index)])
        {
            self.timers.stop(timer);
        }
    }

    /// Asks for everything that is wanted and not asked for yet.
    pub(super) fn ask_idle(&mut self) {
        if self.link.state != LinkState::Up || self.config.passive {
            return;
        }
        let mut idle = Vec::new();
        let outside = self.config.login && !self.config.sbe && !self.login.is_in();
        for (index, sub) in self.subs.iter_mut().enumerate() {
            if sub.wanted && sub.stage == Stage::Idle {
                if outside && sub.needs_login() {
                    self.login.waiting = true;
                    continue;
                }
                sub.stage = Stage::Asked;
                idle.push(index as u32);
            }
        }
        self.enqueue(Op::Subscribe, &idle);
    }

    fn enqueue(&mut self, op: Op, list: &[u32]) {
        if self.config.passive {
            return;
        }
        if let [index] = list
            && self.joins(op, *index)
        {
            return;
        }
        let subs = &self.subs;
        let more = if self.config.sbe { ARGUMENT_MORE } else { 0 };
        let bytes_of =
            |index: &u32| request::argument_bytes(&subs[*index as usize].subscription) + more;
        let runs = request::split(list, bytes_of);
        let runs: Vec<_> = runs.map(<[u32]>::to_vec).collect();
        self.queue.extend(runs.into_iter().map(|run| (op, run)));
    }

    /// Puts a sick subscription into the last request that waits, if that is one of sick ones and
    /// there is room; says whether it did.
    fn joins(&mut self, op: Op, index: u32) -> bool {
        let (subs, sbe) = (&self.subs, self.config.sbe);
        let is_sick = |index: &u32| {
            let sub = &subs[*index as usize];
            sub.resyncs > 0 || sub.refusals > 0
        };
        let Some((waits, list)) = self.queue.back_mut() else { return false };
        if *waits != op || !is_sick(&index) || !list.iter().all(is_sick) || list.contains(&index) {
            return false;
        }
        let more = if sbe { ARGUMENT_MORE } else { 0 };
        let bytes_of =
            |index: &u32| request::argument_bytes(&subs[*index as usize].subscription) + more;
        list.push(index);
        let fits = request::split(list, bytes_of).count() == 1;
        if !fits {
            list.pop();
        }
        fits
    }

    /// Sends what may be sent now; the rest waits for its timer.
    pub(super) fn send_queued(&mut self, now: Nanos, out: &mut Outbox) {
        while self.link.state == LinkState::Up && (self.login.is_due() || !self.queue.is_empty()) {
            match self.link.may_send(now) {
                None => {
                    let reason = "the hour's 480 requests are spent";
                    return self.replace(now, reason, (Whose::Ours, true), out);
                }
                Some(at) if at > now => return self.timers.set(Timer::Send, at),
                Some(_) => {}
            }
            if self.login.is_due() {
                self.send_login(now, out);
                continue;
            }
            let Some((op, list)) = self.queue.pop_front() else { return };
            self.send(now, op, list, out);
        }
    }

    fn send(&mut self, now: Nanos, op: Op, mut list: Vec<u32>, out: &mut Outbox) {
        // What changed its mind while waiting is not asked for.
        let subs = &mut self.subs;
        let stage = if op == Op::Subscribe { Stage::Asked } else { Stage::Leaving };
        list.retain(|index| subs[*index as usize].stage == stage);
        if self.config.sbe && op == Op::Subscribe {
            self.assign_codes(now, &mut list, out);
        }
        if list.is_empty() {
            return;
        }
        self.requests += 1;
        let id = format!("m{}", self.requests);
        let text = if self.config.sbe {
            self.binary_request(op, &id, &list)
        } else {
            let args = list.iter().map(|index| &self.subs[*index as usize].subscription);
            request::text(op, &id, args)
        };
        out.actions.push(Action::Send(text));
        self.link.sent(now);
        self.emit.stats.requests += 1;
        for index in &list {
            let sub = &mut self.subs[*index as usize];
            match op {
                Op::Subscribe => {
                    sub.attempts += 1;
                    sub.asked = now;
                }
                Op::Unsubscribe => sub.leaving += 1,
            }
            self.timers.set(Timer::Ack(*index), now + limits::ACK_WAIT_NS);
        }
        self.pending.insert(self.requests, (op, list));
    }

    fn is_queued(&self, op: Op, index: u32) -> bool {
        self.queue.iter().any(|(queued, list)| *queued == op && list.contains(&index))
    }

    fn answered(&mut self, index: u32, op: Op) {
        self.pending.retain(|_, (asked, list)| {
            if *asked == op {
                list.retain(|i| *i != index);
            }
            !list.is_empty()
        });
    }

    /// Acks that did not come: ask again, together, and after some attempts on a new connection.
    pub(super) fn unanswered(&mut self, now: Nanos, list: Vec<u32>, out: &mut Outbox) {
        let mut again = Vec::new();
        for index in list {
            let sub = &mut self.subs[index as usize];
            match (sub.stage, sub.wanted) {
                (Stage::Asked, _) if sub.attempts >= limits::ACK_ATTEMPTS_MAX => {
                    sub.attempts = 0;
                    // Its acks are lost, but not its data.
                    if sub.heard.is_some_and(|heard| heard > sub.asked) {
                        self.confirm(now, index, out);
                        continue;
                    }
                    if self.link.may_escalate(now) {
                        let reason = "subscriptions are not confirmed";
                        return self.replace(now, reason, (Whose::Venue, false), out);
                    }
                    self.refuse(now, index, ("", "not confirmed after several attempts"), out);
                }
                (Stage::Asked, _) => {
                    self.answered(index, Op::Subscribe);
                    again.push(index);
                }
                // It waits for the budget, or because OKX was asked too often: who has not been
                // asked cannot answer, and what is given up here is served for ever.
                (Stage::Leaving, _) if self.is_queued(Op::Unsubscribe, index) => {
                    self.timers.set(Timer::Ack(index), now + limits::ACK_WAIT_NS);
                }
                (Stage::Leaving, true) => {
                    self.answered(index, Op::Unsubscribe);
                    self.begin_anew(index);
                }
                (Stage::Leaving, false) => {
                    self.answered(index, Op::Unsubscribe);
                    self.subs[index as usize].stage = Stage::Gone;
                }
                _ => {}
            }
        }
        self.enqueue(Op::Subscribe, &again);
    }

    fn begin_anew(&mut self, index: u32) {
        self.subs[index as usize].stage = Stage::Asked;
        self.subs[index as usize].attempts = 0;
        self.enqueue(Op::Subscribe, &[index]);
    }

    /// An `event` message.
    pub(super) fn event(
        &mut self,
        now: Nanos,
        event: &EventFrame<'_>,
        text: &[u8],
        out: &mut Outbox,
    ) {
        if !event.conn_id.is_empty() && self.link.conn_id.is_empty() {
            self.link.conn_id = event.conn_id.chars().take(64).collect();
        }
        match &*event.event {
            "subscribe" => self.subscribed(now, event, out),
            "unsubscribe" => self.unsubscribed(now, event, out),
            "error" if self.login_refused(now, event, out) => {}
            "error" => self.refused(now, event, text, out),
            "notice" if event.code == "64008" => {
                let reason = format!("notice 64008: {}", event.msg);
                self.hand_over(now, &reason, Whose::Venue, out);
            }
            "login" if self.login_said(now, event, out) => {}
            "login" if event.code == "0" || event.code.is_empty() => {}
            "notice" | "login" | "channel-conn-count-error" if self.config.passive => {}
            "notice" | "login" | "channel-conn-count-error" => {
                let reason = format!("{} {}: {}", event.event, event.code, event.msg);
                let fault = (reason, text);
                self.emit.fault(now, Default::default(), FaultCode::VenueError, fault, out);
            }
            "channel-conn-count" => {}
            _ => self.emit.stats.unknown_values += 1,
        }
    }

    fn index_of(&mut self, event: &EventFrame<'_>) -> Option<u32> {
        self.index_of_argument(event.arg?)
    }

    fn subscribed(&mut self, now: Nanos, event: &EventFrame<'_>, out: &mut Outbox) {
        let Some(index) = self.index_of(event) else { return };
        self.answered(index, Op::Subscribe);
        let sub = &self.subs[index as usize];
        let place = sub.place;
        match sub.stage {
            Stage::Leaving => return,
            Stage::Gone => {
                // It was confirmed after we had given it up: end it again.
                self.subs[index as usize].stage = Stage::Leaving;
                return self.enqueue(Op::Unsubscribe, &[index]);
            }
            Stage::Idle | Stage::Asked | Stage::Live | Stage::Refused => {}
        }
        if !self.is_told(index) {
            self.emit.news(now, place, (SubscriptionStep::Subscribed, "", ""), out);
        }
        self.timers.stop(Timer::Ack(index));
        self.confirm(now, index, out);
    }

    /// A subscription works.
    fn confirm(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        let sub = &mut self.subs[index as usize];
        sub.stage = Stage::Live;
        sub.attempts = 0;
        sub.refusals = 0;
        sub.started = true;
        if sub.follow.is_none() && !self.awaits_funding(index) && !self.await_bars(now, index) {
            let sub = &mut self.subs[index as usize];
            sub.heal(now, (None, None, Some(Healed::Resumed)), &mut self.emit, out);
        }
        let sub = &self.subs[index as usize];
        let awaits = sub.follow.as_ref().is_some_and(|f| f.live().is_none());
        self.timers.stop(Timer::Again(index));
        self.relieve(now, index, out);
        if awaits {
            self.want_depth(index);
            self.timers.set(Timer::Snapshot(index), now + limits::SNAPSHOT_WAIT_NS);
        }
        self.await_beat(now, index);
    }

    /// Waits for the next sign of life of a channel that promises them.
    pub(super) fn await_beat(&mut self, now: Nanos, index: u32) {
        let sub = &self.subs[index as usize];
        if let Some(beat) = sub.spec.and_then(|spec| spec.beat_ns) {
            self.timers.set(Timer::Beat(index), now + (beat << sub.silent));
        }
    }

    fn unsubscribed(&mut self, now: Nanos, event: &EventFrame<'_>, out: &mut Outbox) {
        let Some(index) = self.index_of(event) else { return };
        self.answered(index, Op::Unsubscribe);
        let sub = &mut self.subs[index as usize];
        let place = sub.place;
        // An answer to a request of ours is no eviction, even when it comes twice.
        let asked = sub.leaving > 0 || request_number(&event.id).is_some();
        sub.leaving = sub.leaving.saturating_sub(1);
        if sub.stage == Stage::Leaving {
            self.timers.stop(Timer::Ack(index));
            if sub.wanted {
                return self.begin_anew(index);
            }
            sub.stage = Stage::Gone;
            self.emit.news(now, place, (SubscriptionStep::Unsubscribed, "", ""), out);
        } else if !asked && sub.wanted {
            if !self.is_told(index) {
                self.emit.news(now, place, (SubscriptionStep::Evicted, "", ""), out);
            }
            self.withdraw(now, index, GapCause::Evicted, out);
        }
    }

    fn refused(&mut self, now: Nanos, event: &EventFrame<'_>, text: &[u8], out: &mut Outbox) {
        let request = request_number(&event.id);
        let asked = request.and_then(|n| self.pending.get(&n).cloned());
        let (op, list) = asked.unwrap_or((Op::Subscribe, Vec::new()));
        // An answer to a question that an earlier answer has settled; a conflict of books (64004)
        // is the one error that follows its own ack.
        let settled = request.is_some_and(|n| n <= self.requests) && list.is_empty();
        let moot = settled && event.code != "64004";
        let named = if moot { None } else { self.named_in(&event.msg, event, &list) };
        let about = named.map_or(list, |index| vec![index]);
        let reaction = reaction(&event.code);
        if reaction == Reaction::Ours && !self.config.passive {
            let words = format!("{}: {}", event.code, event.msg);
            self.emit.fault(now, Default::default(), FaultCode::VenueError, (words, text), out);
        }
        // Whatever it was about.
        if reaction == Reaction::Slow {
            self.link.hold_requests(now + limits::TOO_FREQUENT_WAIT_NS);
        }
        if about.is_empty() {
            let news = (SubscriptionStep::Refused, &*event.code, &*event.msg);
            return self.emit.news(now, Default::default(), news, out);
        }
        let alone = named.is_some() || about.len() == 1;
        for index in about {
            self.answered(index, op);
            self.react(now, index, (op, reaction, alone), (&event.code, &event.msg), out);
        }
    }

    fn react(
        &mut self,
        now: Nanos,
        index: u32,
        (op, reaction, alone): (Op, Reaction, bool),
        words: (&str, &str),
        out: &mut Outbox,
    ) {
        let sub = &self.subs[index as usize];
        if op == Op::Unsubscribe {
            // Its end was refused: as good as ended; the next step asks anew or forgets it.
            self.timers.set(Timer::Ack(index), now);
            return;
        }
        match reaction {
            // An account may have none of those that need a login, or all.
            Reaction::FallBack if !alone && sub.needs_login() => {
                self.refuse(now, index, words, out);
                self.fall_back(index);
            }
            // Which of several it was about is not known: the others are confirmed on their own,
            // and what stays unanswered is asked for again when its ack is overdue.
            Reaction::Refuse | Reaction::FallBack if !alone => {}
            // It does answer, only not with a yes: no fault of the connection.
            Reaction::Slow | Reaction::Later if sub.attempts >= limits::ACK_ATTEMPTS_MAX => {
                self.subs[index as usize].attempts = 0;
                self.refuse(now, index, words, out);
            }
            Reaction::Slow | Reaction::Later if sub.stage == Stage::Asked => {
                self.timers.set(Timer::Ack(index), now + limits::TOO_FREQUENT_WAIT_NS);
            }
            Reaction::Slow | Reaction::Later => {}
            Reaction::FallBack => {
                self.refuse(now, index, words, out);
                self.fall_back(index);
            }
            Reaction::Refuse | Reaction::Ours => {
                self.refuse(now, index, words, out);
                self.ask_what_it_is(index, out);
            }
        }
    }

    /// The subscription that an error's words name (`… channel:tickers,instId:X doesn't exist`).
    fn named_in(&mut self, msg: &str, event: &EventFrame<'_>, list: &[u32]) -> Option<u32> {
        if let Some(index) = self.index_of(event) {
            return Some(index);
        }
        let after = |word: &str| {
            let rest = &msg[msg.find(word)? + word.len()..];
            let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
            Some(&rest[..end])
        };
        let channel = after("channel:")?;
        if self.config.sbe {
            let index = self.binary.index(channel, after("instIdCode:")?.parse().ok()?)?;
            return (list.is_empty() || list.contains(&index)).then_some(index);
        }
        let kind = crate::channel::find(channel).map_or(KeyKind::InstId, |spec| spec.key);
        let mut key = kind.lead().and_then(|name| after(&format!("{name}:"))).map(str::to_owned);
        for name in kind.more() {
            if let (Some(key), Some(value)) = (&mut key, after(&format!("{name}:"))) {
                key.push_str(&format!(",{name}={value}"));
            }
        }
        let subscription = Subscription::new(channel, &key.unwrap_or_default());
        let index = *self.by_key.get(&subscription)?;
        (list.is_empty() || list.contains(&index)).then_some(index)
    }

    pub(super) fn refuse(
        &mut self,
        now: Nanos,
        index: u32,
        (code, msg): (&str, &str),
        out: &mut Outbox,
    ) {
        let sub = &self.subs[index as usize];
        if matches!(sub.stage, Stage::Leaving | Stage::Gone | Stage::Idle) {
            return;
        }
        let place = sub.place;
        if !self.is_told(index) {
            self.emit.news(now, place, (SubscriptionStep::Refused, code, msg), out);
        }
        self.withdraw(now, index, GapCause::Refused, out);
    }

    /// The venue does not serve it: out of service, and asked for again after a growing wait.
    pub(super) fn withdraw(&mut self, now: Nanos, index: u32, cause: GapCause, out: &mut Outbox) {
        let covered = self.is_covered(index);
        let sub = &mut self.subs[index as usize];
        if !covered {
            sub.lose(now, (cause, Whose::Venue), &mut self.emit, out);
        }
        sub.stage = Stage::Refused;
        let wait = limits::REFUSED_WAIT_MIN_NS << sub.refusals.min(10);
        sub.refusals += 1;
        self.stop_timers(index);
        if !self.config.passive {
            let at = now + wait.min(limits::REFUSED_WAIT_MAX_NS);
            self.timers.set(Timer::Again(index), at);
        }
    }

    /// A refused or postponed subscription's time has come.
    pub(super) fn again(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        let sub = &mut self.subs[index as usize];
        match sub.stage {
            Stage::Refused if sub.wanted => {
                if self.link.requests_left_at(now) < limits::REQUESTS_RESERVED {
                    let at = now + limits::REFUSED_WAIT_MAX_NS;
                    return self.timers.set(Timer::Again(index), at);
                }
                sub.stage = Stage::Idle;
                self.ask_idle();
            }
            Stage::Live if sub.gap.is_some() || !sub.is_live() => {
                sub.resyncs = 0;
                sub.resyncs_since = now;
                self.resync(now, index, out);
            }
            _ => {}
        }
    }

    /// Something is wrong with this subscription's data: gap, then resync.
    pub(super) fn distrust(
        &mut self,
        now: Nanos,
        index: u32,
        why: (GapCause, Whose),
        out: &mut Outbox,
    ) {
        self.subs[index as usize].lose(now, why, &mut self.emit, out);
        self.resync(now, index, out);
    }

    /// The venue lists another instrument under the same name: what was asked for was of the one
    /// that is gone, and the venue says nothing of such an end.
    pub(super) fn renew(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        self.abandon_bars(now, index, out);
        self.abandon_funding(now, index, out);
        if self.lines.is_pair() {
            self.lines.renewed.push((1 - self.lines.at(), index));
        }
        let sub = &mut self.subs[index as usize];
        if sub.stage == Stage::Live {
            return self.distrust(now, index, (GapCause::Restart, Whose::Venue), out);
        }
        sub.stage = Stage::Leaving;
        self.stop_timers(index);
        self.enqueue(Op::Unsubscribe, &[index]);
    }

    /// Unsubscribe, then subscribe, on this connection and with requests of their own. Nothing
    /// happens while one is already under way.
    pub(super) fn resync(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        let sub = &mut self.subs[index as usize];
        let idle = self.timers.is_set(Timer::Again(index));
        if self.config.passive || idle || sub.stage != Stage::Live || !sub.wanted {
            return;
        }
        if now.since(sub.resyncs_since) > limits::RESYNC_WINDOW_NS {
            sub.resyncs = 0;
            sub.resyncs_since = now;
        }
        sub.resyncs += 1;
        let storm = sub.resyncs > limits::RESYNCS_MAX;
        let poor = self.link.requests_left_at(now) < 4;
        if storm || poor {
            if self.link.may_escalate(now) {
                let reason = format!("{} does not recover", sub.subscription.key);
                return self.replace(now, &reason, (Whose::Venue, false), out);
            }
            self.stop_timers(index);
            return self.timers.set(Timer::Again(index), now + limits::RESYNC_WINDOW_NS);
        }
        sub.stage = Stage::Leaving;
        self.emit.stats.resyncs += 1;
        self.stop_timers(index);
        self.enqueue(Op::Unsubscribe, &[index]);
    }

    pub(super) fn snapshot_missed(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        if !self.subs[index as usize].is_live() {
            self.resync(now, index, out);
        }
    }

    /// A channel with a guaranteed beat: too long without one means that it is dead.
    pub(super) fn beat_missed(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        let sub = &mut self.subs[index as usize];
        let Some(beat) = sub.spec.and_then(|s| s.beat_ns) else { return };
        if sub.stage != Stage::Live {
            return;
        }
        // What says nothing after it was asked for again is asked less and less often.
        // (What answers being asked, and says no more, is no better.)
        let fresh = sub.heard.is_some_and(|heard| heard > sub.asked + limits::SNAPSHOT_WAIT_NS);
        let due = sub.heard.unwrap_or_default() + beat;
        if fresh {
            sub.silent = 0;
        } else if due <= now {
            sub.silent = (sub.silent + 1).min(limits::BEAT_DOUBLINGS_MAX);
        }
        if due > now {
            return self.timers.set(Timer::Beat(index), due);
        }
        self.distrust(now, index, (GapCause::Silence, Whose::Venue), out);
    }
}
