//! Drills of two lines and of hand-overs: a little venue sends books and trades to each line on a
//! road of its own, lines are killed or replaced again and again, and downstream nothing is
//! missing, nothing comes twice and nothing is resynced.
//!
//! Time is invented. `LINES_DRILL_SECONDS=600` makes the first drill as long as it is meant to be,
//! `LINES_DRILL_HAND_OVERS=100` the second.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use market_data_model::time::SECOND;
use market_data_model::{
    Action, Body, BookKind, Command, Feed, FeedId, Input, LineNews, Nanos, Outbox, Side,
    Subscription,
};
use market_data_okx::{OkxConfig, OkxFeed};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const INSTRUMENTS: usize = 10;
/// One record in so many nanoseconds: 2,000 in a second.
const EVERY_NS: u64 = SECOND / 2_000;
const START: u64 = 1_791_369_350 * SECOND;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[derive(Default)]
struct Market {
    seq: i64,
    trade: u64,
    bids: BTreeMap<u64, u64>,
}

enum Parcel {
    Opened,
    Frame(String),
    Closed,
}

/// One connection as the venue has it, and the road from it.
struct Road {
    latency_ns: u64,
    last_ns: u64,
    up: bool,
    since: u64,
    subscribed: BTreeSet<(bool, usize)>,
    queue: VecDeque<(u64, Parcel)>,
}

struct Drill {
    now: u64,
    random: Random,
    markets: Vec<Market>,
    roads: [Road; 2],
    feed: OkxFeed,
    out: Outbox,
    chain: Vec<Option<i64>>,
    trades: Vec<Option<u64>>,
    records: u64,
}

impl Drill {
    fn new(config: OkxConfig, latencies: [u64; 2]) -> Drill {
        let road = |latency_ns| Road {
            latency_ns,
            last_ns: 0,
            up: false,
            since: 0,
            subscribed: BTreeSet::new(),
            queue: VecDeque::new(),
        };
        let mut drill = Drill {
            now: START,
            random: Random(7),
            markets: (0..INSTRUMENTS).map(|_| Market { seq: 1, ..Market::default() }).collect(),
            roads: latencies.map(road),
            feed: OkxFeed::new(config),
            out: Outbox::default(),
            chain: vec![None; INSTRUMENTS],
            trades: vec![None; INSTRUMENTS],
            records: 0,
        };
        drill.give(Input::Start);
        drill
    }

    fn config(lines: u8) -> OkxConfig {
        let mut config = OkxConfig::new(FeedId(1), "wss://venue.example");
        for n in 0..INSTRUMENTS {
            config.subscriptions.push(Subscription::new("books", &format!("I{n}-U")));
            config.subscriptions.push(Subscription::new("trades", &format!("I{n}-U")));
        }
        config.lines = lines;
        config
    }

    fn give(&mut self, input: Input<'_>) {
        self.out.clear();
        self.feed.handle(Nanos(self.now), input, &mut self.out);
        self.judge();
        for action in std::mem::take(&mut self.out.actions) {
            match action {
                Action::Line { line, action } => self.act(usize::from(line), *action),
                action => self.act(0, action),
            }
        }
    }

    /// What a careful reader would demand.
    fn judge(&mut self) {
        for event in self.out.events.iter() {
            let n = || event.inst_id()[1..].split('-').next().unwrap().parse::<usize>().unwrap();
            match event.body {
                Body::Gap(gap) => panic!("a gap of {}: {gap:?}", event.inst_id()),
                Body::Fault(fault) => panic!("a fault: {fault:?}"),
                Body::Trade(trade) => {
                    let held = &mut self.trades[n()];
                    assert!(held.is_none_or(|id| trade.trade_id == id + 1), "{held:?} {trade:?}");
                    *held = Some(trade.trade_id);
                    self.records += 1;
                }
                Body::Book(change, ..) => {
                    let held = &mut self.chain[n()];
                    match change.kind {
                        BookKind::Snapshot => assert_eq!(*held, None, "a second snapshot"),
                        _ => assert_eq!(*held, change.prev_seq),
                    }
                    *held = change.seq;
                    self.records += 1;
                }
                _ => {}
            }
        }
    }

    fn act(&mut self, line: usize, action: Action) {
        match action {
            Action::Open { .. } => {
                let at = self.now + 50_000_000;
                self.roads[line].queue.push_back((at, Parcel::Opened));
            }
            Action::Send(text) if text.starts_with('{') => self.request(line, &text),
            Action::Send(_) => self.post(line, "pong".into()),
            Action::Close => {
                self.cut(line);
                self.roads[line].queue.push_back((self.now, Parcel::Closed));
            }
            other => panic!("{other:?}"),
        }
    }

    fn request(&mut self, line: usize, text: &str) {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(json["op"], "subscribe", "nothing is ever ended");
        for arg in json["args"].as_array().unwrap() {
            let id = arg["instId"].as_str().unwrap();
            let n: usize = id[1..].split('-').next().unwrap().parse().unwrap();
            let books = arg["channel"] == "books";
            self.roads[line].subscribed.insert((books, n));
            let ack = format!(r#"{{"event":"subscribe","arg":{arg},"connId":"c"}}"#);
            self.post(line, ack);
            if books {
                let bids: Vec<String> = self.markets[n]
                    .bids
                    .iter()
                    .rev()
                    .map(|(px, qty)| format!(r#"["{px}","{qty}","0","1"]"#))
                    .collect();
                let seq = self.markets[n].seq;
                let text = self.book(n, ("snapshot", &bids.join(",")), (-1, seq));
                self.post(line, text);
            }
        }
    }

    fn book(&self, n: usize, (action, bids): (&str, &str), (prev, seq): (i64, i64)) -> String {
        let ts = self.now / 1_000_000;
        format!(
            r#"{{"arg":{{"channel":"books","instId":"I{n}-U"}},"action":"{action}","data":[{{"asks":[],"bids":[{bids}],"ts":"{ts}","checksum":0,"seqId":{seq},"prevSeqId":{prev}}}]}}"#
        )
    }

    fn post(&mut self, line: usize, text: String) {
        let road = &mut self.roads[line];
        let at = self.now + road.latency_ns + self.random.below(road.latency_ns / 2 + 1);
        road.last_ns = road.last_ns.max(at);
        road.queue.push_back((road.last_ns, Parcel::Frame(text)));
    }

    fn cut(&mut self, line: usize) {
        let road = &mut self.roads[line];
        road.up = false;
        road.subscribed.clear();
        road.queue.clear();
    }

    fn kill(&mut self, line: usize) {
        self.cut(line);
        self.roads[line].queue.push_back((self.now, Parcel::Closed));
    }

    /// One record of the market, to whoever has subscribed to it.
    fn trade_on(&mut self) {
        let n = self.random.below(INSTRUMENTS as u64) as usize;
        let books = self.random.below(4) > 0;
        let text = if books {
            let (px, qty) = (100 + self.random.below(50), self.random.below(5));
            let market = &mut self.markets[n];
            match qty {
                0 => drop(market.bids.remove(&px)),
                qty => drop(market.bids.insert(px, qty)),
            }
            let prev = market.seq;
            market.seq += 1 + self.random.below(9) as i64;
            let seq = market.seq;
            self.book(n, ("update", &format!(r#"["{px}","{qty}","0","1"]"#)), (prev, seq))
        } else {
            self.markets[n].trade += 1;
            let (id, ts) = (self.markets[n].trade, self.now / 1_000_000);
            format!(
                r#"{{"arg":{{"channel":"trades","instId":"I{n}-U"}},"data":[{{"instId":"I{n}-U","tradeId":"{id}","px":"1","sz":"2","side":"buy","ts":"{ts}","count":"1","source":"0","seqId":5}}]}}"#
            )
        };
        for line in 0..2 {
            if self.roads[line].subscribed.contains(&(books, n)) {
                self.post(line, text.clone());
            }
        }
    }

    /// Lets a twentieth of a second pass, with all its records.
    fn pass(&mut self) {
        for _ in 0..100 {
            self.now += EVERY_NS;
            self.trade_on();
            for line in 0..2 {
                while self.roads[line].queue.front().is_some_and(|(at, _)| *at <= self.now) {
                    let (_, parcel) = self.roads[line].queue.pop_front().unwrap();
                    self.arrive(line, &parcel);
                }
            }
            if self.feed.deadline().is_some_and(|at| at.0 <= self.now) {
                self.give(Input::Tick);
            }
        }
    }

    fn arrive(&mut self, line: usize, parcel: &Parcel) {
        let news = match parcel {
            Parcel::Opened => {
                (self.roads[line].up, self.roads[line].since) = (true, self.now);
                LineNews::Opened
            }
            Parcel::Frame(text) => LineNews::Frame(text.as_bytes()),
            Parcel::Closed => LineNews::Closed { code: Some(1006), reason: "killed" },
        };
        self.give(match (line, news) {
            (0, LineNews::Opened) => Input::Opened,
            (0, LineNews::Frame(bytes)) => Input::Frame(bytes),
            (0, LineNews::Closed { code, reason }) => Input::Closed { code, reason },
            (_, news) => Input::Line { line: 1, news },
        });
    }

    /// Whether a line has been there for long enough to have everything.
    fn is_whole(&self, line: usize) -> bool {
        self.roads[line].up && self.now - self.roads[line].since > SECOND
    }

    fn end(mut self) {
        (0..20).for_each(|_| self.pass());
        for n in 0..INSTRUMENTS {
            let id = format!("I{n}-U");
            let shown = self.feed.book("books", &id).unwrap();
            let seq = self.feed.book_seq("books", &id).unwrap();
            let behind = self.markets[n].seq - seq;
            assert!((0..200).contains(&behind), "the book of {id} is {behind} behind");
            assert!(shown.depth(Side::Bid) > 20);
        }
        assert_eq!((self.feed.stats().gaps_opened, self.feed.stats().resyncs), (0, 0));
    }
}

#[test]
fn either_of_two_lines_may_be_killed_at_any_time() {
    let seconds = setting("LINES_DRILL_SECONDS", 20);
    let mut drill = Drill::new(Drill::config(2), [4_000_000, 90_000_000]);
    let (mut kills, mut next) = (0, START + 3 * SECOND);
    while drill.now < START + seconds * SECOND {
        drill.pass();
        let line = drill.random.below(2) as usize;
        if drill.now >= next && drill.is_whole(0) && drill.is_whole(1) {
            drill.kill(line);
            kills += 1;
            next = drill.now + SECOND + drill.random.below(3 * SECOND);
        }
    }
    let status = drill.feed.status();
    println!("{seconds} s, {} records, {kills} kills, {:?}", drill.records, status.lines);
    assert!(kills >= seconds / 5, "{kills}");
    let expected = seconds * SECOND / EVERY_NS;
    assert!(drill.records > expected * 9 / 10, "{} of {expected}", drill.records);
    assert!(status.lines.iter().all(|line| line.first > 0 && line.missed == 0), "{status:?}");
    drill.end();
}

#[test]
fn hand_overs_under_load_lose_nothing() {
    let wanted = setting("LINES_DRILL_HAND_OVERS", 8);
    let mut drill = Drill::new(Drill::config(1), [60_000_000, 3_000_000]);
    (0..30).for_each(|_| drill.pass());
    while drill.feed.status().hand_overs < wanted {
        drill.pass();
        let [front] = &drill.feed.status().lines[..] else { continue };
        if !drill.is_whole(usize::from(front.line)) {
            continue;
        }
        if drill.random.below(2) == 0 {
            drill.give(Input::Command(Command::HandOver));
        } else {
            let notice = r#"{"event":"notice","code":"64008","msg":"soon","connId":"c"}"#;
            drill.arrive(usize::from(front.line), &Parcel::Frame(notice.into()));
        }
        assert!(drill.now < START + wanted * 10 * SECOND, "hand-overs hang");
    }
    println!("{} records, {wanted} hand-overs", drill.records);
    drill.end();
}
