//! The one place that turns events of the link into log lines.
//!
//! Sessions are news (info), gaps wake people (warn), faults are for those who look (debug, a few
//! a second), and single events are for those who search (trace).

use crate::metrics::FeedMetrics;
use market_data_model::event::{Gap, GapCause, SessionStep, SubscriptionStep, Whose};
use market_data_model::{Batch, Body, EventRef};
use market_data_okx::codes::{self, LoginAnswer};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;

/// Faults logged per second and feed.
const FAULTS_PER_SECOND: u32 = 5;
/// Gaps of one kind that open or close together and are still logged one by one.
const GAPS_APART: u32 = 3;

/// What a look at a batch has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Something about the link or its subscriptions.
    pub rare: bool,
    /// News of instruments.
    pub instruments: bool,
    /// `n` of the last event.
    pub last_n: u64,
}

/// Looks at what one feed says.
#[derive(Debug, Default)]
pub(super) struct Observer {
    faults: u32,
    since: Option<Instant>,
}

impl Observer {
    /// Logs what is worth it. `clock`: how far the venue's is ahead of ours, and the error of that.
    pub fn look(&mut self, batch: &Batch, numbers: &FeedMetrics, clock: Clock) -> Seen {
        let last = batch.get(batch.len().wrapping_sub(1));
        let last_n = last.map_or(0, |event| event.header.n);
        let mut seen = Seen { last_n, ..Seen::default() };
        if batch.is_plain() {
            return seen;
        }
        gaps(batch);
        for event in batch.iter() {
            match event.body {
                Body::Ticker(_) | Body::Trade(_) | Body::Bar(_) | Body::Book(..) => continue,
                Body::Figures(_) | Body::Raw(_) => continue,
                Body::Instrument(_) => seen.instruments = true,
                Body::Fault(_) => self.fault(&event),
                Body::Gap(_) => seen.rare = true,
                Body::Session(_) | Body::Subscription(_) => {
                    seen.rare = true;
                    link(&event, numbers, clock);
                }
            }
        }
        seen
    }

    fn fault(&mut self, event: &EventRef<'_>) {
        let Body::Fault(fault) = event.body else { return };
        let fresh = self.since.is_none_or(|since| since.elapsed() > Duration::from_secs(1));
        if fresh {
            if self.faults > FAULTS_PER_SECOND {
                let more = self.faults - FAULTS_PER_SECOND;
                tracing::debug!(feed = event.header.feed.0, more, "more faults");
            }
            self.faults = 0;
            self.since = Some(Instant::now());
        }
        self.faults += 1;
        if self.faults <= FAULTS_PER_SECOND {
            let (feed, code) = (event.header.feed.0, fault.code.as_str());
            let (channel, instrument) = (event.channel(), event.inst_id());
            tracing::debug!(feed, code, channel, instrument, reason = %fault.reason, "fault");
        }
    }
}

/// Gaps come in crowds when a connection goes: then one line says how many, and each is at debug.
fn gaps(batch: &Batch) {
    let of = |event: &EventRef<'_>| match event.body {
        Body::Gap(gap) => Some((gap.closed, gap.cause, event.header.feed.0, gap.whose)),
        _ => None,
    };
    let mut crowds: Vec<((bool, GapCause, u32, Whose), u32)> = Vec::new();
    for kind in batch.iter().filter_map(|event| of(&event)) {
        match crowds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => crowds.push((kind, 1)),
        }
    }
    let crowded = |kind| crowds.iter().any(|(k, count)| *k == kind && *count > GAPS_APART);
    for event in batch.iter() {
        if let (Body::Gap(x), Some(kind)) = (event.body, of(&event)) {
            gap(&event, x, crowded(kind));
        }
    }
    for ((closed, cause, feed, whose), count) in crowds {
        if count <= GAPS_APART {
            continue;
        }
        let (cause, whose) = (cause.as_str(), whose.as_str());
        match (closed, whose) {
            (false, "ours") => tracing::info!(feed, count, cause, whose, "gaps opened"),
            (false, _) => tracing::warn!(feed, count, cause, whose, "gaps opened"),
            (true, _) => tracing::info!(feed, count, cause, whose, "gaps closed"),
        }
    }
}

/// One gap. What we did ourselves on purpose wakes nobody.
fn gap(event: &EventRef<'_>, gap: &Gap, crowded: bool) {
    let (feed, channel, instrument) = (event.header.feed.0, event.channel(), event.inst_id());
    let (id, cause, whose) = (gap.id, gap.cause.as_str(), gap.whose.as_str());
    if gap.closed {
        let healed = gap.healed.map_or("", |h| h.as_str());
        let ms = gap.to.zip(gap.from).map_or(0, |(to, from)| to.since(from) / 1_000_000);
        let lost = gap.lost;
        if crowded {
            tracing::debug!(feed, channel, instrument, id, cause, healed, lost, ms, "gap closed");
        } else {
            tracing::info!(feed, channel, instrument, id, cause, healed, lost, ms, "gap closed");
        }
    } else if crowded {
        tracing::debug!(feed, channel, instrument, id, cause, whose, "gap opened");
    } else if gap.whose == Whose::Ours && gap.cause != GapCause::Contradicted {
        tracing::info!(feed, channel, instrument, id, cause, whose, "gap opened");
    } else {
        tracing::warn!(feed, channel, instrument, id, cause, whose, "gap opened");
    }
}

/// See [`Metrics::clock_ahead_ns`](crate::Metrics::clock_ahead_ns).
type Clock = Option<(i64, u64)>;

/// How far our clock is off, for whom the venue has refused because of it.
fn clock_words(clock: Clock) -> String {
    let Some((ahead_ns, error_ns)) = clock else {
        return "how far ours is off from the venue's is not measured yet".to_owned();
    };
    let seconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64();
    let (off, error) = (seconds(ahead_ns.unsigned_abs()), seconds(error_ns));
    let way = if ahead_ns > 0 { "behind" } else { "ahead of" };
    format!("ours is {off:.1} s {way} the venue's, give or take {error:.1} s")
}

fn link(event: &EventRef<'_>, numbers: &FeedMetrics, clock: Clock) {
    let feed = event.header.feed.0;
    match event.body {
        Body::Session(x) => {
            let (number, url, reason) = (x.number, &*x.url, x.reason.as_str());
            let errors = numbers.connection_errors.load(Relaxed);
            match x.step {
                SessionStep::Opening => tracing::debug!(feed, number, url, reason, "opening"),
                SessionStep::Up => tracing::info!(feed, number, url, "connected"),
                SessionStep::Closing => tracing::info!(feed, number, reason, "closing"),
                SessionStep::Down => tracing::info!(feed, number, url, reason, errors, "down"),
            }
        }
        Body::Subscription(x) => {
            let (channel, instrument) = (event.channel(), event.inst_id());
            let (code, reason) = (x.code.as_str(), x.reason.as_str());
            match x.step {
                SubscriptionStep::Subscribed | SubscriptionStep::Unsubscribed => {
                    tracing::debug!(
                        feed,
                        channel,
                        instrument,
                        step = x.step.as_str(),
                        "subscription"
                    );
                }
                SubscriptionStep::Refused | SubscriptionStep::Evicted => {
                    let step = x.step.as_str();
                    if codes::login_answer(code) == Some(LoginAnswer::Clock) {
                        let clock = clock_words(clock);
                        return tracing::warn!(
                            feed,
                            channel,
                            instrument,
                            code,
                            reason,
                            clock,
                            "login refused"
                        );
                    }
                    tracing::warn!(feed, channel, instrument, code, reason, step, "subscription");
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_said_in_seconds_and_direction() {
        let ms = 1_000_000;
        let words = [Some((42_000 * ms, 50 * ms as u64)), Some((-61_500 * ms, 900 * ms as u64))];
        assert_eq!(
            words.map(clock_words),
            [
                "ours is 42.0 s behind the venue's, give or take 0.1 s",
                "ours is 61.5 s ahead of the venue's, give or take 0.9 s"
            ]
        );
        assert!(clock_words(None).contains("not measured"));
    }
}
