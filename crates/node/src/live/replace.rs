//! What happens when a feed panics: its stretch is marked as ours and a fresh feed takes over.
//!
//! A panic is a mistake of this project, never of the venue. The other feeds go on; this one's
//! subscriptions each get an open gap under the old feed's id, which closes with the old feed: the
//! fresh one has an id of its own and counts from one.

use super::Driver;
use crate::fleet::lock;
use crate::metrics::FeedMetrics;
use crate::venue::{self, Driven};
use market_data_model::batch::{Names, Other};
use market_data_model::event::{FeedId, Gap, GapCause, Header, Session, SessionStep, Whose};
use market_data_model::{Batch, Instrument, Nanos, Subscription};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Longest pause before a fresh feed starts.
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl<F: Driven> Driver<F> {
    pub(super) fn replace_feed(&mut self, now: Nanos, why: &str) {
        tracing::error!(
            feed = self.id.0,
            why,
            "a feed failed by a mistake of ours; starting afresh"
        );
        self.setup.metrics.panics.fetch_add(1, Relaxed);
        self.hang_up(0);
        self.hang_up(1);
        self.gets.abort_all();
        self.gets.detach_all();
        self.out.actions.clear();
        if let Some(tape) = &mut self.setup.tape {
            tape.failed(now, why);
        }
        let silent = self.feed.is_silent();
        let said = self.out.events.iter().last().map_or(self.last_n, |event| event.header.n);
        let (url, subscriptions) = (&self.setup.url, lock(&self.setup.carried).clone());
        let reason = format!("a mistake of ours: {why}");
        append(
            &mut self.out.events,
            url,
            &subscriptions,
            &reason,
            At { feed: self.id, n: said, now },
        );
        if silent {
            // Nobody has heard of the feed that fails.
            self.out.events.clear();
        }
        self.numbers.replaced.store(true, Relaxed);
        self.id = FeedId(self.setup.ids.fetch_add(1, Relaxed));
        self.setup.current.store(self.id.0, Relaxed);
        self.numbers = self.setup.metrics.add_feed(FeedMetrics::new(self.id, &self.setup.url));
        self.make_feed();
        let pause = Duration::from_millis(500).saturating_mul(1 << self.panics.min(6));
        self.panics += 1;
        self.restart = Some(pause.min(PAUSE_MAX));
    }

    /// A fresh feed under the id of the moment. The old one's events are not its own any more when
    /// they are published, so they are not summed up for the tape; its inputs are complete.
    fn make_feed(&mut self) {
        let made = (self.setup.make)(self.id);
        self.feed = made.feed;
        let now = self.clock.now();
        if let Some(tape) = &mut self.setup.tape {
            tape.start(now, self.id, made.config);
        }
    }
}

struct At {
    feed: FeedId,
    n: u64,
    now: Nanos,
}

/// Ends the old feed's story: one gap a subscription, then the end of the session.
fn append(batch: &mut Batch, url: &Arc<str>, subscriptions: &[Subscription], reason: &str, at: At) {
    // The old names may be in use by events before these, so ours go behind them.
    let mut names = Names::clone(batch.names());
    names.venue = venue::NAME;
    let mut n = at.n;
    let mut header = |channel, inst| {
        n += 1;
        Header { feed: at.feed, n, channel, inst, ts_event: None, ts_recv: at.now }
    };
    for (id, subscription) in (1..).zip(subscriptions) {
        let channel = u16::try_from(names.channels.len()).ok();
        let inst = u32::try_from(names.instruments.len()).ok();
        names.channels.push(Arc::clone(&subscription.channel));
        names.instruments.push(Arc::new(Instrument::named(&subscription.key)));
        let gap = Gap {
            // From the far end, so that they meet none of the feed's own.
            id: u64::MAX - id,
            closed: false,
            cause: GapCause::Restart,
            whose: Whose::Ours,
            from_id: None,
            to_id: None,
            from: Some(at.now),
            to: None,
            lost: None,
            healed: None,
        };
        batch.push_other(header(channel, inst), Other::Gap(gap));
    }
    let session = Session {
        step: SessionStep::Down,
        number: 0,
        url: Arc::clone(url),
        reason: reason.to_owned(),
        conn_id: String::new(),
    };
    batch.push_other(header(None, None), Other::Session(session));
    batch.set_names(&Arc::new(names));
}

/// What a panic said.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no words".to_owned())
}
