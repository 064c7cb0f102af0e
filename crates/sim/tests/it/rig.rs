//! A driver and a naive client: a sorted vector per book, built from frames with `serde_json`.

use std::collections::BTreeMap;

use market_data_sim::{
    ConnId, Delivery, Exchange, FaultProfile, FromClient, MarketSize, Opened, SimConfig, ToClient,
    TruthBook,
};
use serde_json::Value;

/// 2026-11-23 12:00:03.5 UTC.
pub const START: u64 = 1_795_435_203_500_000_000;
pub const SECOND: u64 = 1_000_000_000;

/// Decimal text as a whole number of 10^-20.
pub fn units(text: &str) -> i128 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    assert!(!whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()), "{text}");
    assert!(part.len() <= 20 && part.bytes().all(|b| b.is_ascii_digit()), "{text}");
    assert!(!text.contains('.') || (!part.is_empty() && !part.ends_with('0')), "zeros: {text}");
    sign * format!("{whole}{part:0<20}").parse::<i128>().unwrap()
}

pub struct Rig {
    pub exchange: Exchange,
    pub now: u64,
    pub out: Vec<Delivery>,
    pinged: u64,
    conns: Vec<ConnId>,
}

pub fn config(seed: u64, market: MarketSize, profile: &str) -> SimConfig {
    let faults = FaultProfile::named(profile).unwrap();
    SimConfig { market, truth: true, faults, ..SimConfig::new(seed, START) }
}

impl Rig {
    pub fn new(config: SimConfig) -> Self {
        let exchange = Exchange::new(config);
        Self { exchange, now: START, out: Vec::new(), pinged: START, conns: Vec::new() }
    }

    pub fn small(seed: u64) -> Self {
        Self::new(config(seed, MarketSize::Small, "none"))
    }

    pub fn open(&mut self, path: &str) -> ConnId {
        self.now += SECOND / 2;
        match self.exchange.open(self.now, path) {
            Opened::Accepted(conn) => {
                self.conns.push(conn);
                conn
            }
            Opened::Refused { status, body } => panic!("{status} {body}"),
        }
    }

    /// Opens a connection, or tries again until it works.
    pub fn insist(&mut self, path: &str) -> ConnId {
        loop {
            self.now += SECOND;
            if let Opened::Accepted(conn) = self.exchange.open(self.now, path) {
                self.conns.push(conn);
                return conn;
            }
        }
    }

    pub fn send(&mut self, conn: ConnId, text: &str) {
        self.exchange.receive(self.now, conn, FromClient::Text(text));
        self.exchange.deliveries(&mut self.out);
    }

    pub fn subscribe(&mut self, conn: ConnId, channels: &[&str], ids: &[&str]) {
        let mut args = Vec::new();
        for id in ids {
            for channel in channels {
                args.push(format!("{{\"channel\":\"{channel}\",\"instId\":\"{id}\"}}"));
            }
        }
        self.send(conn, &format!("{{\"op\":\"subscribe\",\"args\":[{}]}}", args.join(",")));
    }

    pub fn login(&mut self, conn: ConnId) {
        self.login_as(conn, "sim", "sim", 0);
    }

    /// The same as somebody else, with a clock that is off by some seconds.
    pub fn login_as(&mut self, conn: ConnId, key: &str, secret: &str, off: i64) {
        let time = ((self.now / SECOND) as i64 + off).to_string();
        let sign = market_data_sim::signature(secret, &time);
        let arg = format!(
            "{{\"apiKey\":\"{key}\",\"passphrase\":\"{key}\",\"timestamp\":\"{time}\",\
             \"sign\":\"{sign}\"}}"
        );
        self.send(conn, &format!("{{\"op\":\"login\",\"args\":[{arg}]}}"));
    }

    /// Jumps from event to event, pinging every 15 s.
    pub fn run(&mut self, for_ns: u64) {
        self.run_with(for_ns, |_, _| {});
    }

    /// The same, calling `look` after every jump with what was delivered by it.
    pub fn run_with(&mut self, for_ns: u64, mut look: impl FnMut(&Exchange, &[Delivery])) {
        let until = self.now + for_ns;
        while self.now < until {
            let ping = self.pinged + 15 * SECOND;
            let next = self.exchange.next_at().min(ping).max(self.now + 1).min(until);
            self.now = next;
            self.exchange.advance(next);
            if next >= self.pinged + 15 * SECOND {
                self.pinged = next;
                for conn in self.conns.clone() {
                    self.exchange.receive(next, conn, FromClient::Text("ping"));
                }
            }
            let before = self.out.len();
            self.exchange.deliveries(&mut self.out);
            look(&self.exchange, &self.out[before..]);
        }
    }

    /// Everything delivered so far as JSON; panics on a frame that does not parse.
    pub fn frames(&self) -> Vec<Value> {
        let texts = self.out.iter().filter_map(text).filter(|text| *text != "pong");
        texts.map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// Rows of a channel's data frames.
    pub fn rows(&self, channel: &str, id: &str) -> Vec<Value> {
        let about = |frame: &&Value| frame["arg"]["channel"] == channel && is_data(frame, id);
        let frames = self.frames();
        let found = frames.iter().filter(about);
        found.flat_map(|frame| frame["data"].as_array().unwrap().clone()).collect()
    }

    pub fn events(&self) -> Vec<Value> {
        self.frames().into_iter().filter(|frame| frame.get("event").is_some()).collect()
    }
}

fn is_data(frame: &Value, id: &str) -> bool {
    frame.get("data").is_some() && frame["arg"]["instId"] == id
}

pub fn text(delivery: &Delivery) -> Option<&str> {
    match &delivery.what {
        ToClient::Text(text) => Some(text),
        _ => None,
    }
}

type Levels = Vec<(String, String, String)>;

/// One book, as stupid as possible.
#[derive(Default, Clone, PartialEq, Debug)]
pub struct NaiveBook {
    pub seq: Option<i64>,
    pub bids: Levels,
    pub asks: Levels,
    pub updates: usize,
    pub beats: usize,
    pub falls: usize,
}

impl NaiveBook {
    /// Applies a frame; an error when the chain does not link.
    pub fn apply(&mut self, frame: &Value) -> Result<(), String> {
        let row = &frame["data"][0];
        let seq = row["seqId"].as_i64().unwrap();
        let action = frame.get("action").and_then(Value::as_str);
        if action != Some("update") {
            assert_eq!(action.is_some(), row.get("prevSeqId").is_some());
            (self.bids, self.asks) = (Vec::new(), Vec::new());
        } else {
            let prev = row["prevSeqId"].as_i64().unwrap();
            if self.seq != Some(prev) {
                return Err(format!("gap: have {:?}, update from {prev}", self.seq));
            }
            let empty =
                [&row["asks"], &row["bids"]].iter().all(|s| s.as_array().unwrap().is_empty());
            assert_eq!(empty, seq == prev, "levels move the id, beats do not: {frame}");
            self.updates += usize::from(!empty);
            self.beats += usize::from(empty);
            self.falls += usize::from(seq < prev);
        }
        self.seq = Some(seq);
        change(&mut self.bids, &row["bids"]);
        change(&mut self.asks, &row["asks"]);
        self.bids.sort_by_key(|level| -units(&level.0));
        self.asks.sort_by_key(|level| units(&level.0));
        Ok(())
    }

    pub fn agrees(&self, truth: &TruthBook) -> bool {
        let side = |mine: &Levels, theirs: &[market_data_sim::TruthLevel]| {
            mine.len() == theirs.len()
                && mine
                    .iter()
                    .zip(theirs)
                    .all(|(a, b)| a.0 == b.px && a.1 == b.sz && a.2 == b.orders.to_string())
        };
        self.seq == Some(truth.seq)
            && side(&self.bids, &truth.bids)
            && side(&self.asks, &truth.asks)
    }
}

fn change(side: &mut Levels, rows: &Value) {
    for row in rows.as_array().unwrap() {
        let cell = |n: usize| row[n].as_str().unwrap().to_owned();
        units(&cell(0));
        units(&cell(1));
        side.retain(|level| level.0 != cell(0));
        if cell(1) != "0" {
            side.push((cell(0), cell(1), cell(3)));
        }
    }
}

/// Every book on one connection.
#[derive(Default)]
pub struct Books(pub BTreeMap<(String, String), NaiveBook>);

impl Books {
    /// Applies a delivery if it is a book frame, and gives its key.
    pub fn apply(&mut self, delivery: &Delivery) -> Option<(String, String)> {
        let frame: Value = serde_json::from_str(text(delivery)?).ok()?;
        let channel = frame["arg"]["channel"].as_str()?.to_owned();
        if !(channel.starts_with("books") || channel == "bbo-tbt") || frame.get("data").is_none() {
            return None;
        }
        let key = (channel, frame["arg"]["instId"].as_str()?.to_owned());
        self.0.entry(key.clone()).or_default().apply(&frame).unwrap();
        Some(key)
    }
}
