//! One feed's life under arbitrary inputs, lived three times, watched after every input.
//!
//! The bytes are records, cut at 0xff. The first says how the feed is made, each other one is one
//! input ([`Life::record`] lists them): frames as they are, and in between the connection opens,
//! closes, time passes, requests are answered or refused, somebody asks for something. Inputs come
//! in any order, also in orders no driver would give.
//!
//! Promises watched: no panic; the same life twice gives the same bytes; frames spelled with a
//! space more, so that no shortcut takes them, mean the same; `n` counts up by one;
//! every record is one line of valid JSON; a gap opens once and closes once; whoever follows the
//! emitted changes holds exactly the book that can be read, and so does a naive reader of the
//! frames ([`crate::oracle`]); no book can be read while its gap is open or the link is down;
//! requests stay within the venue's limits; a tick makes its deadline go away; a passive feed does
//! nothing. Not tried: a tick that no deadline asked for.
//!
//! Start at [`run`].

use crate::oracle::Oracle;
use market_data_model::*;
use market_data_okx::catalogue::instrument_from_row;
use market_data_okx::channel::{self, Form};
use market_data_okx::link::LinkState;
use market_data_okx::{OkxConfig, OkxFeed, json, limits};
use serde_json::Value;
use serde_json::value::RawValue;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Ends a record. Never part of UTF-8, so a frame loses nothing by it.
pub const END: u8 = 0xff;

/// More records than this are ignored, so that one input stays short.
const RECORDS_MAX: usize = 256;

/// What can be subscribed to, by letter from `a`.
const PICKS: [(&str, &str); 18] = [
    ("books", "BTC-USDT"),
    ("trades", "BTC-USDT"),
    ("tickers", "BTC-USDT"),
    ("candle1m", "BTC-USDT"),
    ("books5", "BTC-USDT"),
    ("bbo-tbt", "BTC-USDT"),
    ("books-rpi", "BTC-USDT-SWAP"),
    ("books-l2-tbt", "BTC-USDT-SWAP"),
    ("books50-l2-tbt", "ETH-USDT"),
    ("trades-all", "BTC-USDT-SWAP"),
    ("books", "FRESH-USDT"),
    ("tickers", "BTC-USDT-SWAP"),
    ("candle1M", "BTC-USDT-SWAP"),
    ("mark-price-candle1H", "BTC-USDT-SWAP"),
    ("index-candle1m", "BTC-USD"),
    ("instruments", "SPOT"),
    ("status", ""),
    ("sprd-candle1m", "BTC-USDT_BTC-USDT-SWAP"),
];

/// See the file's first comment.
pub fn run(bytes: &[u8]) {
    let once = live(bytes, How { watched: true, respelled: false });
    let twice = live(bytes, How { watched: false, respelled: false });
    let respelled = live(bytes, How { watched: false, respelled: true });
    assert_eq!(once, twice, "the same inputs gave other outputs");
    assert_eq!(once.meaning, respelled.meaning, "another spelling gave another meaning");
}

/// How a life is lived.
#[derive(Clone, Copy)]
struct How {
    /// Books are looked at after every input.
    watched: bool,
    /// Frames get a space after their first brace.
    respelled: bool,
}

/// What came out of a life.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Digest {
    bytes: u64,
    /// Of faults only the code: their words show the frame.
    meaning: u64,
}

impl Digest {
    const EMPTY: Digest = Digest { bytes: 0xcbf2_9ce4_8422_2325, meaning: 0xcbf2_9ce4_8422_2325 };

    fn mix(&mut self, bytes: &[u8], meaning: &[u8]) {
        mix(&mut self.bytes, bytes);
        mix(&mut self.meaning, meaning);
    }
}

/// FNV-1a.
fn mix(sum: &mut u64, bytes: &[u8]) {
    for byte in bytes {
        *sum = (*sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
}

/// Lives one life; gives a digest of everything that came out.
fn live(bytes: &[u8], how: How) -> Digest {
    let mut records = bytes.split(|b| *b == END).take(RECORDS_MAX);
    let mut life = Life::new(records.next().unwrap_or_default(), how);
    for record in records {
        life.now = life.now + 1_000_000;
        life.record(record);
    }
    life.step(Input::Command(Command::Stop));
    life.digest
}

fn picks(letters: &[u8]) -> Vec<Subscription> {
    let pick = |letter: &u8| PICKS.get(usize::from(letter.wrapping_sub(b'a')));
    letters.iter().filter_map(pick).map(|(c, k)| Subscription::new(c, k)).collect()
}

/// The digits at the start of a record, as far as they fit.
fn digits(text: &[u8], most: usize) -> (u64, &[u8]) {
    let count = text.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
    let value = text[..count].iter().fold(0, |n, b| n * 10 + u64::from(b - b'0'));
    (value, &text[count..])
}

/// A consumer's copy of a book, from the records alone.
#[derive(Default)]
pub struct Copy {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Copy {
    fn apply(levels: &mut Vec<Level>, changes: &[Level], depth: u16, better: Ordering) {
        for change in changes {
            levels.retain(|held| held.px.0.cmp_value(change.px.0).is_ne());
            if !change.qty.0.is_zero() {
                levels.push(*change);
            }
        }
        levels.sort_by(|a, b| match a.px.0.cmp_value(b.px.0) {
            Ordering::Equal => Ordering::Equal,
            order if order == better => Ordering::Less,
            _ => Ordering::Greater,
        });
        levels.truncate(usize::from(depth));
    }

    /// Takes a change as it was told.
    pub fn take(&mut self, change: &BookChange, bids: &[Level], asks: &[Level]) {
        if change.kind != BookKind::Delta {
            *self = Copy::default();
        }
        Copy::apply(&mut self.bids, bids, change.depth, Ordering::Greater);
        Copy::apply(&mut self.asks, asks, change.depth, Ordering::Less);
    }

    /// Whether it holds exactly what the book holds.
    pub fn is(&self, book: &Book) -> bool {
        let same = |side, held: &[Level]| book.levels(side).eq(held.iter().copied());
        same(Side::Bid, &self.bids) && same(Side::Ask, &self.asks)
    }
}

/// Channel and instrument of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place(String, String);

impl Place {
    fn is(&self, channel: &str, inst_id: &str) -> bool {
        self.0 == channel && self.1 == inst_id
    }
}

struct Life {
    feed: OkxFeed,
    out: Outbox,
    now: Nanos,
    passive: bool,
    deltas: bool,
    how: How,
    n: u64,
    /// Gaps that are open, with their channel and instrument.
    gaps: BTreeMap<u64, Place>,
    copies: Vec<(Place, Copy)>,
    oracle: Oracle,
    /// Requests the pretend venue has not answered.
    asked: VecDeque<String>,
    gets: Vec<u64>,
    /// When requests were sent on this connection.
    sent: Vec<Nanos>,
    digest: Digest,
}

impl Life {
    /// `[letter][picks]`: the letter's bits are passive, deltas, which depth of views (two), and
    /// whether there are credentials.
    fn new(first: &[u8], how: How) -> Life {
        let flags = first.first().copied().unwrap_or(b'B');
        let mut config = OkxConfig::new(FeedId(9), "ws://fuzz");
        config.passive = flags & 1 != 0;
        config.deltas = flags & 2 != 0;
        config.login = flags & 16 != 0;
        config.view_depth = [0, 1, 5, 400][usize::from(flags >> 2) & 3];
        config.subscriptions = picks(first.get(1..).unwrap_or_default());
        Life {
            passive: config.passive,
            deltas: config.deltas,
            feed: OkxFeed::new(config),
            out: Outbox::default(),
            now: Nanos::from_millis(1_785_096_000_000),
            how,
            n: 0,
            gaps: BTreeMap::new(),
            copies: Vec::new(),
            oracle: Oracle::default(),
            asked: VecDeque::new(),
            gets: Vec::new(),
            sent: Vec::new(),
            digest: Digest::EMPTY,
        }
    }

    /// One record: a letter, then what it needs. Anything else is a frame as it stands.
    fn record(&mut self, record: &[u8]) {
        let (letter, rest) = record.split_first().unwrap_or((&b'f', &[]));
        match letter {
            b'f' => self.step(Input::Frame(rest)),
            b's' => self.step(Input::Start),
            b'o' => self.step(Input::Opened),
            b'c' => {
                let (code, reason) = digits(rest, 4);
                let code = (code > 0).then_some(code as u16);
                self.step(Input::Closed { code, reason: &String::from_utf8_lossy(reason) });
            }
            b'w' => self.now = self.now + digits(rest, 8).0 * 1_000_000,
            b't' => self.deadline(),
            b'T' if self.feed.deadline().is_some() => self.step(Input::Tick),
            b'r' => self.response(rest),
            b'a' => self.answer(None),
            b'e' => self.answer(Some(rest)),
            b'+' => self.step(Input::Command(Command::Subscribe(picks(rest)))),
            b'-' => self.step(Input::Command(Command::Unsubscribe(picks(rest)))),
            b'~' => picks(rest).into_iter().for_each(|pick| {
                self.step(Input::Command(Command::Resync(pick)));
            }),
            b'x' => self.step(Input::Command(Command::Reconnect)),
            b'i' => {
                let row = json::parse(rest).ok().and_then(|row| instrument_from_row(row).ok());
                let rows = row.into_iter().map(Arc::new).collect();
                self.step(Input::Command(Command::Instruments(rows)));
            }
            b'S' => self.step(Input::Command(Command::Stop)),
            _ => self.step(Input::Frame(record)),
        }
    }

    /// Waits for the deadline; after some ticks at that time there must be a later one or none.
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

    fn response(&mut self, rest: &[u8]) {
        let id = self.gets.pop().unwrap_or(1);
        let (status, body) = digits(rest, 3);
        self.step(Input::Response { id, status: status as u16, body });
    }

    /// The pretend venue answers everything asked so far: with acks, or with one error a request.
    fn answer(&mut self, error: Option<&[u8]>) {
        for request in std::mem::take(&mut self.asked) {
            let request: Value = serde_json::from_str(&request).expect("a request is JSON");
            let args = request["args"].as_array().expect("a request has arguments");
            let frames: Vec<Value> = match error {
                None => args
                    .iter()
                    .map(|arg| {
                        serde_json::json!({"id": request["id"], "event": request["op"],
                            "arg": arg, "connId": "c0ffee"})
                    })
                    .collect(),
                Some(rest) => {
                    let (code, words) = digits(rest, 5);
                    let words = match words {
                        [] => format!(
                            "channel:{},instId:{} no",
                            args[0]["channel"], args[0]["instId"]
                        )
                        .replace('"', ""),
                        words => String::from_utf8_lossy(words).into_owned(),
                    };
                    vec![serde_json::json!({"id": request["id"], "event": "error",
                        "code": code.to_string(), "msg": words})]
                }
            };
            for frame in frames {
                self.step(Input::Frame(frame.to_string().as_bytes()));
            }
        }
    }

    fn step(&mut self, input: Input<'_>) {
        let was_up = self.feed.status().link == LinkState::Up;
        let touched = match &input {
            Input::Frame(bytes) if self.how.watched => self.oracle.frame(bytes),
            _ => None,
        };
        self.out.clear();
        match input {
            Input::Frame([b'{', rest @ ..]) if self.how.respelled => {
                let frame = [b"{ ", rest].concat();
                self.feed.handle(self.now, Input::Frame(&frame), &mut self.out);
            }
            input => self.feed.handle(self.now, input, &mut self.out),
        }
        let out = std::mem::take(&mut self.out);
        out.events.iter().for_each(|event| self.event(&event));
        out.actions.iter().for_each(|action| self.action(action, was_up));
        if self.how.watched {
            self.books(touched.as_ref());
        }
        let (stats, status) = (self.feed.stats(), self.feed.status());
        assert_eq!(stats.records, self.n, "records");
        assert_eq!(status.open_gaps, self.gaps.len(), "open gaps");
        assert_eq!(stats.gaps_opened - stats.gaps_closed, self.gaps.len() as u64, "gaps");
        assert!(status.live <= status.wanted, "live subscriptions");
        assert!(stats.book.chain_ok <= stats.book.chain_checked, "chain");
        self.out = out;
    }

    fn event(&mut self, event: &EventRef<'_>) {
        self.n += 1;
        let header = event.header;
        assert_eq!((header.n, header.feed), (self.n, FeedId(9)), "the count of events");
        assert_eq!(header.ts_recv, self.now, "receive time");
        assert!(header.inst.is_none() || event.instrument().is_some(), "an unknown instrument");
        assert!(header.channel.is_none_or(|c| usize::from(c) < 9000), "an unknown channel");
        let mut line = Vec::new();
        wire::write_json(event, &mut line);
        let breaks = line.iter().any(|b| matches!(b, b'\n' | b'\r'));
        assert!(!breaks, "a record of two lines: {}", String::from_utf8_lossy(&line));
        let valid = serde_json::from_slice::<&RawValue>(&line);
        assert!(valid.is_ok(), "not JSON: {}", String::from_utf8_lossy(&line));
        match event.body {
            Body::Fault(fault) => self.digest.mix(&line, fault.code.as_str().as_bytes()),
            _ => self.digest.mix(&line, &line),
        }
        let place = || Place(event.channel().to_owned(), event.inst_id().to_owned());
        match event.body {
            Body::Gap(gap) if !gap.closed => {
                self.copies.retain(|(of, _)| !of.is(event.channel(), event.inst_id()));
                assert!(self.gaps.insert(gap.id, place()).is_none(), "a gap opened twice");
            }
            Body::Gap(gap) => {
                assert_eq!(self.gaps.remove(&gap.id), Some(place()), "a gap closed unopened");
            }
            Body::Book(change, bids, asks) if self.how.watched => {
                self.follow(place(), change, bids, asks)
            }
            _ => {}
        }
    }

    fn follow(&mut self, place: Place, change: &BookChange, bids: &[Level], asks: &[Level]) {
        let found = self.copies.iter().position(|(of, _)| *of == place);
        let is_view_of_incremental = change.kind == BookKind::View && is_incremental(&place.0);
        if !is_view_of_incremental {
            let at = found.unwrap_or_else(|| {
                self.copies.push((place, Copy::default()));
                self.copies.len() - 1
            });
            return self.copies[at].1.take(change, bids, asks);
        }
        if !self.deltas {
            return;
        }
        let copy = &self.copies[found.expect("a view follows a change")].1;
        let depth = usize::from(change.depth);
        assert!(copy.bids.iter().take(depth).eq(bids), "the view's bids of {place:?}");
        assert!(copy.asks.iter().take(depth).eq(asks), "the view's asks of {place:?}");
    }

    fn action(&mut self, action: &Action, was_up: bool) {
        // A ping as text is answered whatever the feed is for.
        let polite = *action == Action::Send("pong".into());
        assert!(!self.passive || polite, "a passive feed asks for {action:?}");
        let text = format!("{action:?}");
        self.digest.mix(text.as_bytes(), text.as_bytes());
        match action {
            Action::Open { .. } => {
                self.sent.clear();
                self.asked.clear();
            }
            Action::Send(text) if text == "ping" || text == "pong" => {}
            Action::Send(text) => self.request(text, was_up),
            Action::Get { id, path } => {
                assert!(path.starts_with("/api/v5/"), "{path}");
                self.gets.push(*id);
            }
            // A notice asks for a second line; nobody here makes one.
            Action::Close | Action::Line { .. } => {}
            Action::Login { at } => {
                assert_eq!(*at, self.now, "the time of a login");
                self.counted(was_up);
            }
        }
    }

    /// A request of any kind is sent.
    fn counted(&mut self, was_up: bool) {
        let up = was_up || self.feed.status().link == LinkState::Up;
        assert!(up, "a request without a connection");
        let spaced = |at: &Nanos| self.now.since(*at) >= limits::REQUEST_SPACING_NS;
        assert!(self.sent.last().is_none_or(spaced), "two requests at once");
        self.sent.push(self.now);
        let hour = self.sent.iter().filter(|at| self.now.since(**at) < 3_600_000_000_000).count();
        assert!(hour <= limits::REQUESTS_PER_HOUR as usize, "{hour} requests in an hour");
    }

    fn request(&mut self, text: &str, was_up: bool) {
        self.counted(was_up);
        assert!(text.len() <= limits::REQUEST_BYTES_MAX, "{} bytes", text.len());
        let request: Value = serde_json::from_str(text).expect("a request is JSON");
        let id = request["id"].as_str().expect("a request has an id");
        assert!(id.len() <= 32 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        assert!(request["args"].as_array().is_some_and(|args| !args.is_empty()), "{text}");
        self.asked.push_back(text.to_owned());
    }

    /// Looks at every book; compares level by level the one that a frame was about.
    fn books(&self, touched: Option<&(String, String)>) {
        let up = self.feed.status().link == LinkState::Up;
        for (channel, key) in PICKS {
            let Ok(book) = self.feed.book(channel, key) else {
                assert_eq!(self.feed.book_seq(channel, key), None, "an id without a book");
                continue;
            };
            assert!(up, "{channel} {key} can be read while the link is down");
            let in_gap = self.gaps.values().any(|gap| gap.is(channel, key));
            assert!(!in_gap, "{channel} {key} in a gap");
            if !touched.is_some_and(|(c, k)| c == channel && k == key) {
                continue;
            }
            assert!(book.is_consistent(), "{channel} {key} is not consistent");
            self.oracle.judge(channel, key, book, self.feed.book_seq(channel, key));
            if self.deltas || !is_incremental(channel) {
                let copy = self.copies.iter().find(|(of, _)| of.is(channel, key));
                let (_, copy) = copy.expect("a live book was emitted");
                assert!(copy.is(book), "{channel} {key} is not what was emitted");
            }
        }
    }
}

fn is_incremental(name: &str) -> bool {
    let form = channel::find(name).map(|spec| spec.form);
    matches!(form, Some(Form::Book(form)) if form.incremental)
}
