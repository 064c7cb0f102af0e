//! Up and down: opening, closing, silence, back-off, notices. Part of [`OkxFeed`].

use super::OkxFeed;
use super::sub::Stage;
use crate::codes;
use crate::limits;
use crate::link::{LinkState, Silence, Timer};
use market_data_model::*;
use std::sync::Arc;

impl OkxFeed {
    pub(super) fn say_session(
        &mut self,
        now: Nanos,
        step: SessionStep,
        reason: &str,
        out: &mut Outbox,
    ) {
        let session = Session {
            step,
            number: self.link.number,
            url: Arc::clone(&self.config.url),
            reason: match self.lines.at() {
                0 => reason.into(),
                line => format!("line {}: {reason}", line + 1).trim_end_matches(": ").into(),
            },
            conn_id: self.link.conn_id.clone(),
        };
        self.emit.session(now, session, out);
    }

    pub(super) fn open(&mut self, now: Nanos, out: &mut Outbox) {
        let idle = self.stopping || self.config.passive;
        if idle || self.link.state != LinkState::Down {
            return;
        }
        self.link.number = self.link.number.max(self.lines.number());
        self.link.opening();
        self.say_session(now, SessionStep::Opening, "", out);
        out.actions.push(Action::Open { url: Arc::clone(&self.config.url) });
        self.timers.set(Timer::Open, now + limits::OPEN_WAIT_NS);
    }

    pub(super) fn opened(&mut self, now: Nanos, out: &mut Outbox) {
        let expected = self.link.state == LinkState::Opening || self.config.passive;
        if !expected {
            return;
        }
        if self.config.passive {
            self.link.opening();
        }
        self.timers.stop(Timer::Open);
        self.link.opened(now);
        self.say_session(now, SessionStep::Up, "", out);
        if !self.config.sbe {
            self.timers.set(Timer::Silence, now + limits::PING_AFTER_NS);
        }
        self.ask_idle();
        if !self.lines.swapped {
            self.plan_rotation(now);
        }
    }

    /// Replaces the connection: everything on it is lost now, a new one follows.
    pub(super) fn replace(
        &mut self,
        now: Nanos,
        reason: &str,
        (whose, orderly): (Whose, bool),
        out: &mut Outbox,
    ) {
        if self.config.passive || !matches!(self.link.state, LinkState::Up | LinkState::Opening) {
            return;
        }
        self.say_session(now, SessionStep::Closing, reason, out);
        let cause = match whose {
            Whose::Ours => GapCause::Restart,
            Whose::Venue | Whose::Link => GapCause::Disconnect,
        };
        self.lose_all(now, (cause, whose), out);
        self.link.state = LinkState::Closing;
        self.orderly = orderly;
        out.actions.push(Action::Close);
        self.timers.set(Timer::Close, now + limits::CLOSE_WAIT_NS);
    }

    /// Forgets everything that belongs to this connection, opening gaps where data flowed.
    fn lose_all(&mut self, now: Nanos, why: (GapCause, Whose), out: &mut Outbox) {
        self.clear_timers(now);
        self.queue.clear();
        self.pending.clear();
        self.login.lost();
        self.binary.lost();
        for index in 0..self.subs.len() as u32 {
            let covered = self.is_covered(index);
            let sub = &mut self.subs[index as usize];
            if !covered {
                sub.lose(now, why, &mut self.emit, out);
                sub.started = false;
            }
            sub.leaving = 0;
            sub.attempts = 0;
            sub.stage = if sub.wanted { Stage::Idle } else { Stage::Gone };
        }
        self.unjoin(now);
    }

    pub(super) fn closed(&mut self, now: Nanos, code: Option<u16>, reason: &str, out: &mut Outbox) {
        let was = self.link.state;
        if matches!(was, LinkState::Down | LinkState::Stopped) {
            return;
        }
        if was != LinkState::Closing {
            self.login_cut_off(now, (code, reason));
            self.lose_all(now, (GapCause::Disconnect, Whose::Link), out);
            self.orderly = false;
        }
        self.clear_timers(now);
        let words = match code {
            Some(code) => format!("{code} {}: {reason}", codes::close_meaning(code)),
            None => reason.to_string(),
        };
        self.say_session(now, SessionStep::Down, &words, out);
        if self.lines.is_pair() {
            self.link.forgive(now);
        }
        let retry = self.link.closed(now, self.orderly);
        if self.stopping {
            self.link.state = LinkState::Stopped;
            return;
        }
        self.emit.stats.reconnects += 1;
        self.timers.set(Timer::Retry, retry);
    }

    pub(super) fn stop(&mut self, now: Nanos, out: &mut Outbox) {
        self.stopping = true;
        self.lines.over = None;
        self.lines.rotate_at = None;
        if !self.lines.swapped {
            self.on_other(out, |feed, out| feed.stop(now, out));
        }
        match self.link.state {
            LinkState::Up | LinkState::Opening => {
                self.replace(now, "stopping", (Whose::Ours, true), out);
            }
            LinkState::Closing | LinkState::Stopped => {}
            LinkState::Down => {
                self.clear_timers(now);
                self.link.state = LinkState::Stopped;
            }
        }
    }

    pub(super) fn look_for_silence(&mut self, now: Nanos, out: &mut Outbox) {
        match self.link.silence(now) {
            Silence::Look(at) => self.timers.set(Timer::Silence, at),
            Silence::Ping(at) => {
                out.actions.push(Action::Send("ping".into()));
                self.timers.set(Timer::Silence, at);
            }
            Silence::Dead => {
                let reason = "silent: no frame and no pong after our ping";
                self.replace(now, reason, (Whose::Link, false), out);
            }
        }
    }
}
