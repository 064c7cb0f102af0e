//! A life of a connection to the binary socket: arbitrary messages in SBE, arbitrary answers of
//! REST, acks, ticks and lost connections, in any order.
//!
//! The first byte says how the feed is made (passive, changes of books), then come records: what
//! ([`Life::record`] lists it), a length of two bytes, little-endian, and so many bytes.
//!
//! Promises watched: no panic; the same life twice gives the same records; `n` counts up by one; a
//! gap opens once and closes once; each change of a book names the one before; whoever follows the
//! changes holds exactly the book that can be read; no text `ping` is sent, and nothing at all by a
//! passive feed; a tick makes its deadline go away.
//!
//! Start at [`run`].

use crate::feed::Copy;
use market_data_model::*;
use market_data_okx::{OkxConfig, OkxFeed, sbe};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// More records than this are ignored, so that one input stays short.
const RECORDS_MAX: usize = 256;
/// What the feed follows, and under which code.
const KNOWN: [(&str, i64); 2] = [("A-B", 77), ("C-D", 78)];

/// See the file's first comment.
pub fn run(bytes: &[u8]) {
    if let Ok(head) = sbe::head(bytes) {
        assert!(sbe::is_binary(bytes), "{head:?}");
    }
    assert_eq!(live(bytes), live(bytes), "the same inputs gave other records");
}

/// Lives one life; gives its records.
pub fn live(bytes: &[u8]) -> Vec<u8> {
    let (flags, mut rest) = bytes.split_first().unwrap_or((&2, &[]));
    let mut life = Life::new(*flags);
    life.step(Input::Start);
    for _ in 0..RECORDS_MAX {
        let Some(([what, low, high], more)) = rest.split_first_chunk() else { break };
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(more.len());
        let (payload, more) = more.split_at(length);
        rest = more;
        life.now = life.now + 1_000_000;
        life.record(*what, payload);
    }
    life.step(Input::Command(Command::Stop));
    life.said
}

struct Life {
    feed: OkxFeed,
    passive: bool,
    deltas: bool,
    now: Nanos,
    n: u64,
    gaps: BTreeSet<u64>,
    /// Books as a reader of the changes has them, and where their chains stand.
    copies: BTreeMap<(String, String), (Copy, Option<i64>)>,
    asked: Vec<Value>,
    gets: Vec<u64>,
    said: Vec<u8>,
}

impl Life {
    fn new(flags: u8) -> Life {
        let mut config = OkxConfig::new(FeedId(3), "wss://fuzz/ws/v5/public-sbe");
        (config.passive, config.deltas) = (flags & 1 != 0, flags & 2 != 0);
        (config.sbe, config.login, config.refill) = (true, true, flags & 4 != 0);
        for (id, code) in KNOWN {
            let mut known = Instrument::named(id);
            (known.state, known.inst_id_code) = ("live".into(), Some(code));
            config.instruments.push(Arc::new(known));
            let channels = sbe::CHANNELS.iter().map(|channel| Subscription::new(channel, id));
            config.subscriptions.extend(channels);
        }
        Life {
            passive: config.passive,
            deltas: config.deltas,
            feed: OkxFeed::new(config),
            now: Nanos::from_millis(1_791_369_352_000),
            n: 0,
            gaps: BTreeSet::new(),
            copies: BTreeMap::new(),
            asked: Vec::new(),
            gets: Vec::new(),
            said: Vec::new(),
        }
    }

    fn record(&mut self, what: u8, payload: &[u8]) {
        match what % 8 {
            0 => self.step(Input::Opened),
            1 => self.acks(),
            2 => {
                let id = self.gets.pop().unwrap_or(1);
                self.step(Input::Response { id, status: 200, body: payload });
            }
            3 => self.deadline(),
            4 => self.step(Input::Closed { code: None, reason: "gone" }),
            5 => {
                let (id, code) = KNOWN[payload.len() % KNOWN.len()];
                let mut news = Instrument::named(id);
                let more = payload.first().copied().unwrap_or(0) % 2;
                (news.state, news.inst_id_code) = ("live".into(), Some(code + i64::from(more)));
                self.step(Input::Command(Command::Instruments(vec![Arc::new(news)])));
            }
            _ => self.step(Input::Frame(payload)),
        }
    }

    /// The venue confirms everything asked so far.
    fn acks(&mut self) {
        for request in std::mem::take(&mut self.asked) {
            for arg in request["args"].as_array().expect("a request has arguments") {
                assert!(arg["instIdCode"].is_i64() && arg.get("instId").is_none(), "{request}");
                let ack = serde_json::json!({"id": request["id"], "event": request["op"],
                    "arg": arg, "connId": "c"});
                self.step(Input::Frame(ack.to_string().as_bytes()));
            }
        }
    }

    fn deadline(&mut self) {
        let Some(at) = self.feed.deadline() else { return };
        self.now = self.now.max(at);
        for _ in 0..100 {
            self.step(Input::Tick);
            if self.feed.deadline().is_none_or(|next| next > self.now) {
                return;
            }
        }
        panic!("the deadline {at} does not go away");
    }

    fn step(&mut self, input: Input<'_>) {
        let mut out = Outbox::default();
        self.feed.handle(self.now, input, &mut out);
        for event in out.events.iter() {
            wire::write_json(&event, &mut self.said);
            self.event(&event);
        }
        assert!(!self.passive || out.actions.is_empty(), "{:?}", out.actions);
        for action in out.actions {
            match action {
                Action::Send(text) => {
                    self.asked.push(serde_json::from_str(&text).expect("requests are JSON"));
                }
                Action::Get { id, .. } => self.gets.push(id),
                Action::Open { .. } | Action::Close => self.asked.clear(),
                Action::Line { .. } => panic!("the binary socket has one line"),
                Action::Login { .. } => panic!("the login is in the handshake"),
            }
        }
        assert_eq!(self.feed.status().open_gaps, self.gaps.len(), "open gaps");
        self.books();
    }

    fn event(&mut self, event: &EventRef<'_>) {
        self.n += 1;
        assert_eq!(event.header.n, self.n, "numbers of events");
        match event.body {
            Body::Gap(gap) if gap.closed => assert!(self.gaps.remove(&gap.id), "{gap:?}"),
            Body::Gap(gap) => assert!(self.gaps.insert(gap.id), "{gap:?}"),
            Body::Book(change, bids, asks) if change.kind != BookKind::View => {
                let key = (event.channel().to_owned(), event.inst_id().to_owned());
                let (copy, seq) = self.copies.entry(key).or_default();
                let delta = change.kind == BookKind::Delta;
                assert!(!delta || change.prev_seq == *seq, "{change:?} after {seq:?}");
                copy.take(change, bids, asks);
                *seq = change.seq;
            }
            _ => {}
        }
    }

    fn books(&self) {
        for (id, _) in KNOWN {
            let Ok(book) = self.feed.book("books-l2-tbt", id) else { continue };
            let key = ("books-l2-tbt".to_owned(), id.to_owned());
            let copy = self.copies.get(&key);
            assert!(!self.deltas || copy.is_some_and(|(copy, _)| copy.is(book)), "{id}: {book:?}");
        }
    }
}

/// Where fuzzing starts: a book that begins, goes on, breaks and begins anew; prices and trades.
pub fn seeds() -> Vec<Vec<u8>> {
    let record = |what: u8, payload: &[u8]| {
        let length = u16::try_from(payload.len()).unwrap_or(0).to_le_bytes();
        [&[what], &length[..], payload].concat()
    };
    let up = [record(0, &[]), record(3, &[]), record(1, &[])].concat();
    let body: Vec<u8> = [
        // To the question for the other book, which this is not.
        record(2, &message(1006, &[10], &[&[(2000, 1)], &[(1000, 1)]])),
        record(2, &message(1006, &[10], &[&[(2000, 1)], &[(1000, 1)]])),
        record(6, &message(1001, &[0, 12, 9], &[&[(2000, 0), (2001, 4)], &[(999, 2)]])),
        record(6, &message(1002, &[0, 13, 12], &[])),
        record(6, &message(1001, &[0, 20, 15], &[&[], &[]])),
        record(3, &[]),
        record(1, &[]),
        record(6, &message(1000, &[7, 100, 5, 99, 4], &[])),
        record(6, &message(1005, &[100, 3, 7, 9], &[])),
        record(5, &[1]),
        record(4, &[]),
    ]
    .concat();
    (0..8).map(|flags| [&[flags], &up[..], &body[..]].concat()).collect()
}

/// A message of instrument 77: fields of eight bytes, exponents and the like as they fall, groups.
fn message(template: u16, fields: &[i64], groups: &[&[(i64, i64)]]) -> Vec<u8> {
    let mut root: Vec<u8> = 77i64.to_le_bytes().to_vec();
    root.extend(1_791_369_352_001_000i64.to_le_bytes());
    fields.iter().for_each(|field| root.extend(field.to_le_bytes()));
    root.extend([0xff, 0]);
    let mut out = Vec::new();
    let length = u16::try_from(root.len()).unwrap_or(0);
    [length, template, 1, 0].iter().for_each(|word| out.extend(word.to_le_bytes()));
    out.extend(root);
    for levels in groups {
        out.extend(20u16.to_le_bytes());
        out.extend(u16::try_from(levels.len()).unwrap_or(0).to_le_bytes());
        for (px, sz) in *levels {
            out.extend(px.to_le_bytes());
            out.extend(sz.to_le_bytes());
            out.extend(1i32.to_le_bytes());
        }
    }
    out
}
