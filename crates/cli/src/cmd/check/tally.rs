//! Counts what arrived, per channel, from the records alone.
//!
//! `check` shows every record to [`Tally::take`]; the report reads the counts. The service's own
//! counters are not used here, so that the two can be compared.
//!
//! Invariants: a message is counted once however many rows it had; a gap that is closed was
//! opened; silence is measured per channel and instrument and reported as the longest.

use market_data_model::{
    Body, EventRef, FaultCode, FeedId, Nanos, SessionStep, Subscription, SubscriptionStep,
};
use std::collections::{BTreeMap, BTreeSet};

/// What one channel did.
#[derive(Debug, Default)]
pub struct ChannelTally {
    /// Messages that brought records.
    pub messages: u64,
    /// Records of market data.
    pub records: u64,
    /// When the first of them came.
    pub first_at: Option<Nanos>,
    /// Subscriptions expected.
    pub keys: u64,
    /// Rows that could not be read exactly.
    pub row_faults: u64,
    /// Every fault that names the channel, rows included.
    pub faults: u64,
    /// Gaps opened.
    pub gaps_opened: u64,
    /// Gaps closed.
    pub gaps_closed: u64,
    /// Subscriptions ended and begun anew on the same connection.
    pub resyncs: u64,
    /// Longest time without a record on one instrument, in nanoseconds.
    pub silence_ns_max: u64,
    /// The connections that carried it.
    pub feeds: BTreeSet<FeedId>,
    open: BTreeSet<(FeedId, u64)>,
    last_message: Option<(FeedId, Nanos)>,
    subscribed: BTreeSet<(FeedId, String)>,
    last_by_key: BTreeMap<String, Nanos>,
}

impl ChannelTally {
    /// Gaps that are open.
    pub fn gaps_open(&self) -> u64 {
        self.open.len() as u64
    }

    fn heard(&mut self, key: &str, at: Nanos) {
        match self.last_by_key.get_mut(key) {
            Some(last) => {
                self.silence_ns_max = self.silence_ns_max.max(at.since(*last));
                *last = at.max(*last);
            }
            None => {
                self.last_by_key.insert(key.to_owned(), at);
            }
        }
    }
}

/// What one connection did.
#[derive(Debug, Default, Clone, Copy)]
pub struct FeedTally {
    /// Sessions that were up.
    pub sessions: u64,
    /// Sessions that ended.
    pub ends: u64,
}

/// Everything counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// By channel, in the venue's spelling.
    pub channels: BTreeMap<String, ChannelTally>,
    /// By connection.
    pub feeds: BTreeMap<FeedId, FeedTally>,
    /// Faults that name no channel: frames nobody could read, complaints of the venue.
    pub link_faults: u64,
}

impl Tally {
    /// Expects these from `now` on, so that one that never speaks counts as silent.
    pub fn expect(&mut self, subscriptions: &[Subscription], now: Nanos) {
        for subscription in subscriptions {
            let channel = self.channels.entry(subscription.channel.to_string()).or_default();
            channel.last_by_key.insert(subscription.key.to_string(), now);
            channel.keys += 1;
        }
    }

    /// Counts one record.
    pub fn take(&mut self, event: &EventRef<'_>) {
        let (feed, at) = (event.header.feed, event.header.ts_recv);
        match event.body {
            Body::Session(session) => {
                let tally = self.feeds.entry(feed).or_default();
                tally.sessions += u64::from(session.step == SessionStep::Up);
                tally.ends += u64::from(session.step == SessionStep::Down);
                if session.step == SessionStep::Up {
                    let channels = self.channels.values_mut();
                    channels.for_each(|c| c.subscribed.retain(|(of, _)| *of != feed));
                }
                return;
            }
            Body::Fault(_) if event.channel().is_empty() => {
                self.link_faults += 1;
                return;
            }
            _ if event.channel().is_empty() => return,
            _ => {}
        }
        let channel = match self.channels.get_mut(event.channel()) {
            Some(channel) => channel,
            None => self.channels.entry(event.channel().to_owned()).or_default(),
        };
        channel.feeds.insert(feed);
        match event.body {
            Body::Fault(fault) => {
                channel.faults += 1;
                channel.row_faults += u64::from(spoils_a_row(fault.code));
            }
            Body::Gap(gap) if gap.closed => {
                channel.gaps_closed += u64::from(channel.open.remove(&(feed, gap.id)));
            }
            Body::Gap(gap) => {
                channel.gaps_opened += u64::from(channel.open.insert((feed, gap.id)));
            }
            Body::Subscription(news) if news.step == SubscriptionStep::Subscribed => {
                // Confirmed a second time on one connection: it was begun anew. News of a kind of
                // instruments do not say which kind, so they cannot be told apart.
                let key = event.inst_id();
                let first = channel.subscribed.insert((feed, key.to_owned()));
                channel.resyncs += u64::from(!first && !key.is_empty());
            }
            Body::Subscription(_) => {}
            _ => {
                channel.records += 1;
                channel.first_at.get_or_insert(at);
                if channel.last_message != Some((feed, at)) {
                    channel.last_message = Some((feed, at));
                    channel.messages += 1;
                }
                channel.heard(event.inst_id(), at);
            }
        }
    }

    /// Counts the silence that lasts until `now`.
    pub fn finish(&mut self, now: Nanos) {
        for channel in self.channels.values_mut() {
            let longest = channel.last_by_key.values().map(|last| now.since(*last)).max();
            channel.silence_ns_max = channel.silence_ns_max.max(longest.unwrap_or(0));
        }
    }

    /// Gaps open over all channels.
    pub fn gaps_open(&self) -> u64 {
        self.channels.values().map(ChannelTally::gaps_open).sum()
    }

    /// Messages over all channels.
    pub fn messages(&self) -> u64 {
        self.channels.values().map(|channel| channel.messages).sum()
    }

    /// Sessions that ended, over all connections.
    pub fn reconnects(&self) -> u64 {
        self.feeds.values().map(|feed| feed.ends).sum()
    }

    /// Sessions that ended on the connections that carry `channel`.
    pub fn reconnects_of(&self, channel: &ChannelTally) -> u64 {
        channel.feeds.iter().filter_map(|feed| self.feeds.get(feed)).map(|feed| feed.ends).sum()
    }
}

fn spoils_a_row(code: FaultCode) -> bool {
    match code {
        FaultCode::BadRow | FaultCode::BadTime | FaultCode::BadBook => true,
        FaultCode::BadJson
        | FaultCode::BadEnvelope
        | FaultCode::VenueError
        | FaultCode::BadResponse
        | FaultCode::BarDiffers
        | FaultCode::BookDiffers => false,
    }
}
