//! How connections, sinks, the tape and gaps fare, as `/api/v1/feeds` and `/api/v1/gaps` say.
//!
//! Invariant: a rate is of frames between two answers, so there is none before the second.

use crate::said::{millis, number, text};
use serde_json::Value;

/// Most feeds, sinks and gaps kept.
const LIST_MAX: usize = 500;

/// One connection. `None` is not known yet.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    pub number: u64,
    pub url: String,
    pub connected: bool,
    pub frames: u64,
    /// Frames a second.
    pub rate: Option<u64>,
    pub live: Option<u64>,
    pub waiting: Option<u64>,
    pub age_ms: Option<u64>,
    /// From the venue's stamp to our read, µs: median and 99th percentile.
    pub delay_us: Option<(u64, u64)>,
    pub faults: u64,
    pub gaps: u64,
    pub gaps_open: u64,
    pub reconnects: u64,
}

/// One sink.
#[derive(Clone, Debug)]
pub struct Sink {
    pub name: String,
    pub delivered: u64,
    pub dropped: u64,
    pub depth: u64,
}

/// The tape.
#[derive(Clone, Debug)]
pub struct Tape {
    pub records: u64,
    pub bytes: u64,
    pub lost: u64,
    pub error: Option<String>,
}

/// One gap.
#[derive(Clone, Debug)]
pub struct Gap {
    /// `None`: of a whole connection.
    pub inst: Option<String>,
    pub channel: Option<String>,
    pub cause: String,
    pub whose: String,
    pub open: bool,
    /// Unix ms.
    pub from: Option<u64>,
    pub to: Option<u64>,
    pub lost: Option<u64>,
    pub healed: Option<String>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Health {
    /// Whether the server has said anything.
    pub known: bool,
    pub feeds: Vec<Feed>,
    pub sinks: Vec<Sink>,
    pub tape: Option<Tape>,
    pub gaps: Vec<Gap>,
    at: u64,
}

impl Health {
    /// Takes `/api/v1/feeds`.
    pub fn load_feeds(&mut self, now_ms: u64, body: &Value) {
        let list = |name: &str| body.get(name).and_then(Value::as_array).cloned();
        let (Some(feeds), Some(sinks)) = (list("feeds"), list("sinks")) else { return };
        let took = now_ms.saturating_sub(self.at);
        let before = std::mem::take(&mut self.feeds);
        self.feeds = feeds.iter().take(LIST_MAX).map(feed).collect();
        for feed in &mut self.feeds {
            let old = before.iter().find(|old| old.number == feed.number);
            feed.rate = old.and_then(|old| {
                let frames = feed.frames.checked_sub(old.frames)?;
                frames.saturating_mul(1000).checked_div(took)
            });
        }
        self.sinks = sinks.iter().take(LIST_MAX).map(sink).collect();
        self.tape = body.get("tape").filter(|tape| tape.is_object()).map(|tape| Tape {
            records: number(tape, "records").unwrap_or(0),
            bytes: number(tape, "bytes").unwrap_or(0),
            lost: number(tape, "lost").unwrap_or(0),
            error: text(tape, "error"),
        });
        (self.known, self.at) = (true, now_ms);
    }

    /// Takes `/api/v1/gaps`.
    pub fn load_gaps(&mut self, body: &Value) {
        let Some(gaps) = body.get("gaps").and_then(Value::as_array) else { return };
        self.gaps = gaps.iter().take(LIST_MAX).map(gap).collect();
    }

    /// Connections that are up.
    pub fn up(&self) -> usize {
        self.feeds.iter().filter(|feed| feed.connected).count()
    }

    /// Subscriptions that are live, and all of them.
    pub fn live(&self) -> (u64, u64) {
        let sum = |of: fn(&Feed) -> Option<u64>| {
            self.feeds.iter().filter_map(of).fold(0, u64::saturating_add)
        };
        let live = sum(|feed| feed.live);
        (live, live.saturating_add(sum(|feed| feed.waiting)))
    }

    /// Gaps that are open.
    pub fn open(&self) -> u64 {
        self.feeds.iter().map(|feed| feed.gaps_open).fold(0, u64::saturating_add)
    }

    /// Frames a second over all connections; `None` while no rate is known.
    pub fn rate(&self) -> Option<u64> {
        self.feeds.iter().filter_map(|feed| feed.rate).reduce(u64::saturating_add)
    }

    /// Whether everything wanted is there.
    pub fn is_well(&self) -> bool {
        let (live, all) = self.live();
        let tape = self.tape.as_ref().is_none_or(|tape| tape.error.is_none());
        self.up() == self.feeds.len() && live == all && self.open() == 0 && tape
    }
}

fn feed(of: &Value) -> Feed {
    let whole = |field| number(of, field).unwrap_or(0);
    let delay = of.get("venueToReceiveUs");
    let part = |field| of.get("subscriptions").and_then(|parts| number(parts, field));
    Feed {
        number: whole("feed"),
        url: text(of, "url").unwrap_or_default(),
        connected: of.get("connected").and_then(Value::as_bool).unwrap_or(false),
        frames: whole("frames"),
        rate: None,
        live: part("live"),
        waiting: part("waiting"),
        age_ms: number(of, "lastFrameAgeMs"),
        delay_us: delay.and_then(|delay| Some((number(delay, "p50")?, number(delay, "p99")?))),
        faults: whole("faults"),
        gaps: whole("gaps"),
        gaps_open: whole("gapsOpen"),
        reconnects: whole("reconnects"),
    }
}

fn sink(of: &Value) -> Sink {
    let whole = |field| number(of, field).unwrap_or(0);
    Sink {
        name: text(of, "name").unwrap_or_default(),
        delivered: whole("delivered"),
        dropped: whole("dropped"),
        depth: whole("depth"),
    }
}

fn gap(of: &Value) -> Gap {
    let end = |field| of.get(field).and_then(|end| millis(end, "tsRecv"));
    let open = of.get("event").and_then(Value::as_str) == Some("opened");
    let said = millis(of, "tsRecv");
    Gap {
        inst: text(of, "instId"),
        channel: text(of, "channel"),
        cause: text(of, "cause").unwrap_or_default(),
        whose: text(of, "whose").unwrap_or_default(),
        open,
        from: end("from").or(said),
        to: if open { None } else { end("to").or(said) },
        lost: number(of, "lost"),
        healed: text(of, "healed"),
    }
}
