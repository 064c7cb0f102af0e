//! Logging in, for the public channels that want it. Part of [`OkxFeed`].
//!
//! The feed holds no secret. It asks for a login ([`Action::Login`]), the driver signs and sends
//! it, and what the venue answers comes back as a frame. Without credentials
//! ([`OkxConfig::login`](super::OkxConfig::login)) nothing here happens: the venue refuses those
//! channels one by one.
//!
//! The rules: one login a connection, and before everything else on it, because OKX ends the
//! connection after one that it refuses (4001): what has not begun loses nothing. What needs no
//! login does not wait for it. A refused login is news of each subscription that waits, with the
//! venue's own code and words; of a book, `books` stands in. It is tried again after a growing
//! wait: where time can heal it, then; where the credentials are no good, on the next connection
//! after that, because each try costs the neighbours a connection.
//!
//! Start at [`OkxFeed::log_in`].

use super::OkxFeed;
use super::asks::request_number;
use super::sub::Stage;
use crate::channel::Form;
use crate::codes::{LoginAnswer, login_answer};
use crate::frame::EventFrame;
use crate::limits;
use crate::link::Timer;
use market_data_model::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest words of a refusal that are kept, in letters.
const WORDS_MAX: usize = 256;

/// Where this connection's login stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Nobody has asked for it.
    #[default]
    Out,
    /// It goes out as soon as a request may.
    Due,
    /// Sent; no answer yet.
    Asked,
    /// Granted.
    In,
    /// Refused, on this connection or an earlier one; not asked for before its time.
    Refused,
}

/// The login of a feed. `Sub`s that wait for it are wanted and idle.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Login {
    step: Step,
    /// A subscription may have begun to wait since [`OkxFeed::log_in`] looked last.
    pub(super) waiting: bool,
    /// Logins without an answer in a row, on any connection.
    attempts: u32,
    /// Refusals in a row.
    refusals: u32,
    /// After a refusal: when it may be tried again.
    again: Nanos,
    /// After a refusal: whether time alone may heal it.
    passing: bool,
    /// After a refusal: the venue's code and words.
    code: String,
    words: String,
    /// Public books that are followed in the place of better ones, and only for that.
    stand_ins: BTreeSet<u32>,
}

impl Login {
    pub(super) fn is_in(&self) -> bool {
        self.step == Step::In
    }

    pub(super) fn is_due(&self) -> bool {
        self.step == Step::Due
    }

    /// The connection is gone. A refusal is remembered.
    pub(super) fn lost(&mut self) {
        if self.step != Step::Refused {
            self.step = Step::Out;
        }
        self.waiting = false;
    }

    pub(super) fn stand_ins(&self) -> impl Iterator<Item = u32> {
        self.stand_ins.iter().copied()
    }

    /// Exchanges what stands in for better books, and nothing else.
    pub(super) fn swap_stand_ins(&mut self, other: &mut Login) {
        std::mem::swap(&mut self.stand_ins, &mut other.stand_ins);
    }

    /// Whether it is one that a life can have made.
    pub(super) fn is_sound(&self) -> bool {
        self.attempts <= limits::LOGIN_ATTEMPTS_MAX && self.refusals != u32::MAX
    }

    fn refuse(&mut self, now: Nanos, code: &str, words: &str) {
        let wait = limits::LOGIN_REFUSED_WAIT_NS << self.refusals.min(10);
        self.step = Step::Refused;
        self.attempts = 0;
        self.refusals = self.refusals.saturating_add(1).min(u32::MAX - 1);
        self.again = now + wait.min(limits::REFUSED_WAIT_MAX_NS);
        self.passing = login_answer(code) != Some(LoginAnswer::Final);
        self.code = code.chars().take(WORDS_MAX).collect();
        self.words = words.chars().take(WORDS_MAX).collect();
    }
}

impl OkxFeed {
    /// Subscriptions wait for a login: it is asked for, or they are told that there is none.
    pub(super) fn log_in(&mut self, now: Nanos, out: &mut Outbox) {
        self.login.waiting = false;
        match self.login.step {
            Step::Out if self.login.attempts >= limits::LOGIN_ATTEMPTS_MAX => {
                self.login.refuse(now, "", UNANSWERED);
                self.refuse_waiting(now, out);
            }
            Step::Out => self.login.step = Step::Due,
            Step::Refused if now >= self.login.again => self.login.step = Step::Due,
            Step::Refused => self.refuse_waiting(now, out),
            Step::Due | Step::Asked | Step::In => {}
        }
    }

    pub(super) fn send_login(&mut self, now: Nanos, out: &mut Outbox) {
        out.actions.push(Action::Login { at: now });
        self.link.sent(now);
        self.emit.stats.requests += 1;
        self.login.step = Step::Asked;
        self.login.attempts += 1;
        self.timers.set(Timer::Login, now + limits::LOGIN_WAIT_NS);
    }

    /// A `login` event; says whether it was the answer waited for.
    pub(super) fn login_said(
        &mut self,
        now: Nanos,
        event: &EventFrame<'_>,
        out: &mut Outbox,
    ) -> bool {
        let asked = self.login.step == Step::Asked;
        match &*event.code {
            // An answer that comes after we have given it up is an answer.
            "0" | "" if asked || self.login.step == Step::Refused => self.login_granted(),
            "0" | "" => return false,
            code if asked => self.login_denied(now, (code, &event.msg), out),
            _ => return false,
        }
        true
    }

    /// An `error` event; says whether it was the answer to our login. OKX names no request in it,
    /// so its code must be one of a login's.
    pub(super) fn login_refused(
        &mut self,
        now: Nanos,
        event: &EventFrame<'_>,
        out: &mut Outbox,
    ) -> bool {
        let about_another = event.arg.is_some() || request_number(&event.id).is_some();
        if self.login.step != Step::Asked || about_another {
            return false;
        }
        match login_answer(&event.code) {
            None => return false,
            Some(LoginAnswer::Granted) => self.login_granted(),
            Some(_) => self.login_denied(now, (&event.code, &event.msg), out),
        }
        true
    }

    fn login_granted(&mut self) {
        let stand_ins = std::mem::take(&mut self.login.stand_ins);
        self.login = Login { step: Step::In, stand_ins, ..Login::default() };
        self.timers.stop(Timer::Login);
        self.wake_waiting();
        self.ask_idle();
    }

    fn login_denied(&mut self, now: Nanos, (code, words): (&str, &str), out: &mut Outbox) {
        self.timers.stop(Timer::Login);
        self.login.refuse(now, code, words);
        self.refuse_waiting(now, out);
    }

    /// The connection ended while a login was under way. OKX may say no by that alone.
    pub(super) fn login_cut_off(&mut self, now: Nanos, (code, reason): (Option<u16>, &str)) {
        if self.login.step == Step::Asked && code == Some(4001) {
            self.login.refuse(now, "4001", reason);
        }
    }

    /// The answer is overdue, or a refused login may be tried again.
    pub(super) fn login_due(&mut self, now: Nanos, out: &mut Outbox) {
        match self.login.step {
            Step::Asked if self.login.attempts < limits::LOGIN_ATTEMPTS_MAX => {
                self.login.step = Step::Due;
            }
            Step::Asked => self.login_denied(now, ("", UNANSWERED), out),
            Step::Refused if self.link.requests_left_at(now) < limits::REQUESTS_RESERVED => {
                self.timers.set(Timer::Login, now + limits::REFUSED_WAIT_MAX_NS);
            }
            Step::Refused => {
                self.wake_waiting();
                self.ask_idle();
            }
            Step::Out | Step::Due | Step::In => {}
        }
    }

    /// What was refused for want of a login is idle again. What the venue refused for its own
    /// sake has a timer.
    fn wake_waiting(&mut self) {
        for (index, sub) in (0..).zip(&mut self.subs) {
            let refused = sub.wanted && sub.stage == Stage::Refused && sub.needs_login();
            if refused && !self.timers.is_set(Timer::Again(index)) {
                sub.stage = Stage::Idle;
            }
        }
    }

    /// There is no login for now: says so to all that wait for one.
    fn refuse_waiting(&mut self, now: Nanos, out: &mut Outbox) {
        let (code, words) = (self.login.code.clone(), self.login.words.clone());
        for index in 0..self.subs.len() as u32 {
            let sub = &self.subs[index as usize];
            if !(sub.wanted && sub.stage == Stage::Idle && sub.needs_login()) {
                continue;
            }
            let news = (SubscriptionStep::Refused, &*code, &*words);
            self.emit.news(now, sub.place, news, out);
            self.withdraw(now, index, GapCause::Refused, out);
            // It comes back with a login, not by itself.
            self.timers.stop(Timer::Again(index));
            self.fall_back(index);
        }
        if self.login.passing {
            self.timers.set(Timer::Login, self.login.again);
        }
    }

    /// Somebody wants these, not only in the place of others.
    pub(super) fn want_for_itself(&mut self, list: Vec<Subscription>) {
        for subscription in &list {
            if let Some(index) = self.by_key.get(subscription) {
                self.login.stand_ins.remove(index);
            }
        }
        self.want(list);
    }

    /// A book that needs a login or a tier: the public one instead.
    pub(super) fn fall_back(&mut self, index: u32) {
        let Some(public) = self.public_book(index) else { return };
        let wanted = |index: &u32| self.subs[*index as usize].wanted;
        let known = self.by_key.get(&public).is_some_and(wanted);
        let index = self.add(public.clone());
        if !known {
            self.login.stand_ins.insert(index);
        }
        self.want(vec![public]);
    }

    /// A book that needs a login is there: what stood in for it is not needed any more. Nobody has
    /// asked for its end, so its readers are told: a gap of ours, which closes unhealed.
    pub(super) fn relieve(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        if let Some(stand_in) = self.login_stand_in(index) {
            let why = (GapCause::Restart, Whose::Ours);
            self.subs[stand_in as usize].lose(now, why, &mut self.emit, out);
            let public = self.subs[stand_in as usize].subscription.clone();
            self.unwant(now, vec![public], out);
        }
    }

    /// What stands in for this book, if anything does; from here on it does not.
    pub(super) fn login_stand_in(&mut self, index: u32) -> Option<u32> {
        let stand_in = *self.by_key.get(&self.public_book(index)?)?;
        self.login.stand_ins.remove(&stand_in).then_some(stand_in)
    }

    fn public_book(&self, index: u32) -> Option<Subscription> {
        let sub = &self.subs[index as usize];
        let is_book = sub.spec.is_some_and(|spec| matches!(spec.form, Form::Book(_)));
        let key = &sub.subscription.key;
        let elsewhere = self.config.sbe; // `books` is on another socket
        (is_book && sub.needs_login() && !elsewhere).then(|| Subscription::new("books", key))
    }
}

/// Why there is no login when the venue said nothing.
const UNANSWERED: &str = "the login was not answered";
