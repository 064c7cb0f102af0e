//! The fast path and the general decoder say the same of every frame: the same events, actions,
//! counters and books, byte for byte, whatever the frame looks like.
//!
//! Frames are generated as OKX sends them and as it might, then damaged here and there, and given
//! to four feeds: as always, without vectors of 64 bytes, without any, and with `general_only`.
//! Seeds are printed on failure; `FAST_FRAMES=5000000` tries that many frames. The captures are run
//! too where they are at hand (`OKX_CORPUS`). That plain frames really take the fast path is tested
//! beside it, in `src/fast/tests.rs`.
#![allow(clippy::unwrap_used)]

use market_data_model::*;
use market_data_okx::{Instructions, OkxConfig, OkxFeed};
use std::path::{Path, PathBuf};

/// Random numbers from a seed (splitmix64, public domain).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const INSTRUMENTS: [&str; 3] = ["BTC-USDT", "B-U", "ETH-USD-261225-4000-C"];

const CHANNELS: [&str; 16] = [
    "books",
    "books",
    "books",
    "books",
    "books-l2-tbt",
    "books50-l2-tbt",
    "books-rpi",
    "books5",
    "bbo-tbt",
    "trades",
    "trades-all",
    "tickers",
    "candle1m",
    "mark-price-candle1H",
    "index-candle1Dutc",
    "sprd-candle1m",
];

/// Numbers that a decoder might read wrongly, besides ordinary ones; `_` for space and nothing.
const ODD_NUMBERS: &str = "0 0.0 00 01 -1 -0 +1 1e5 1E-7 .5 5. 1.2.3 _ _1 1_ 1,2 9 9999999 99999999 \
    12345678 123456.7 1234567.8 0.00000001 999999999999999 9999999999999999 99999999999999.9 \
    12345678901234567890 0.000000000000001 0.0000000000000001 39016.8143629068452065 4294967295 \
    4294967296 9223372036854775807 9223372036854775808 18446744073709551615 \
    18446744073709551616 1\\u0030 0x1 NaN １";

/// Frames of a few connections' worth of subscriptions, chained as the venue chains them.
struct Venue {
    rng: Rng,
    seqs: Vec<i64>,
    trade_id: u64,
    /// One in so many values is odd; 0 for none.
    odd: usize,
}

impl Venue {
    fn odd_number(&mut self) -> String {
        let all: Vec<_> = ODD_NUMBERS.split(' ').collect();
        match self.rng.pick(&all) {
            "_" => String::new(),
            text => text.replace('_', " "),
        }
    }

    fn number(&mut self) -> String {
        if self.odd > 0 && self.rng.one_in(self.odd) {
            return self.odd_number();
        }
        let whole = self.rng.next() % 10u64.pow(self.rng.below(9) as u32);
        let decimals = self.rng.below(10);
        if decimals == 0 {
            return whole.to_string();
        }
        let fraction = self.rng.next() % 10u64.pow(decimals as u32);
        format!("{whole}.{fraction:0decimals$}")
    }

    /// A price of one of 60 ticks, so that levels meet again; far away now and then.
    fn price(&mut self) -> String {
        if self.odd > 0 && self.rng.one_in(self.odd) {
            return self.odd_number();
        }
        let ticks = if self.rng.one_in(20) { 100_000 } else { 60 };
        let tick = self.rng.below(ticks);
        match self.rng.below(40) {
            0 => format!("{}.{:03}", 870 + tick / 100, tick % 100 * 10 + 5),
            _ if tick.is_multiple_of(10) => format!("{}", 870 + tick / 10),
            _ => format!("{}.{}", 870 + tick / 10, tick % 10),
        }
    }

    fn levels(&mut self, most: usize, rpi: bool) -> String {
        let count = self.rng.below(most + 1);
        let mut out = String::from("[");
        for i in 0..count {
            let (px, orders) = (self.price(), self.rng.below(30));
            let qty = if self.rng.one_in(3) { "0".into() } else { self.number() };
            let third = if rpi { self.number() } else { "0".into() };
            out += if i > 0 { "," } else { "" };
            out += &format!(r#"["{px}","{qty}","{third}","{orders}"]"#);
        }
        out + "]"
    }

    fn stamp(&mut self) -> String {
        match self.rng.below(60) {
            0 => self.rng.pick(&["0", "", "1", "18446744073709551615", "x"]).to_string(),
            _ => format!("17913693{:05}", self.rng.below(100_000)),
        }
    }

    fn frame(&mut self) -> String {
        let channel = self.rng.below(CHANNELS.len());
        let inst = self.rng.below(INSTRUMENTS.len());
        let (name, key) = (CHANNELS[channel], INSTRUMENTS[inst]);
        let rows = if self.rng.one_in(6) { 1 + self.rng.below(3) } else { 1 };
        let mut data = Vec::new();
        let mut action = "";
        for _ in 0..rows {
            let row = match name {
                "trades" | "trades-all" => self.trade(name, key),
                "tickers" => self.ticker(key),
                "books5" => self.book((5, false), None, key),
                "bbo-tbt" => self.book((1, false), None, key),
                name if name.contains("candle") => self.bar(name),
                name => {
                    let seq = self.seqs[channel * INSTRUMENTS.len() + inst];
                    let snapshot = seq == 0 || self.rng.one_in(60);
                    action = if snapshot { "snapshot" } else { "update" };
                    let prev = if snapshot { -1 } else { seq };
                    let (most, rpi) = (if snapshot { 60 } else { 12 }, name == "books-rpi");
                    let next = match self.rng.below(30) {
                        0 => prev.max(1),
                        1 => 1 + self.rng.below(50) as i64,
                        _ => seq + 1 + self.rng.below(99) as i64,
                    };
                    self.seqs[channel * INSTRUMENTS.len() + inst] = next;
                    self.book((most, rpi), Some((prev, next)), key)
                }
            };
            data.push(row);
        }
        if !action.is_empty() && self.rng.one_in(50) {
            action = self.rng.pick(&["", "snapshot", "update", "partial"]);
        }
        let key_field = match name.starts_with("sprd") {
            true => "sprdId",
            false if self.rng.one_in(200) => "instFamily",
            false => "instId",
        };
        let action = if action.is_empty() { "".into() } else { format!(r#","action":"{action}""#) };
        let arg = format!(r#"{{"channel":"{name}","{key_field}":"{key}"}}"#);
        format!(r#"{{"arg":{arg}{action},"data":[{}]}}"#, data.join(","))
    }

    fn book(&mut self, (most, rpi): (usize, bool), ids: Option<(i64, i64)>, key: &str) -> String {
        let (asks, bids) = (self.levels(most, rpi), self.levels(most, rpi));
        let mut tail = vec![format!(r#""ts":"{}""#, self.stamp())];
        match self.rng.below(4) {
            0 => {}
            1 => {
                // Rarely one that does not fit 32 bits, which is as good as none.
                let wide = i64::from(self.rng.one_in(10)) << 32;
                tail.push(format!(r#""checksum":{}"#, i64::from(self.rng.next() as i32) + wide));
            }
            _ => tail.push(r#""checksum":0"#.into()),
        }
        match ids {
            Some((prev, seq)) => {
                let (a, b) = (format!(r#""seqId":{seq}"#), format!(r#""prevSeqId":{prev}"#));
                tail.extend(if self.rng.one_in(2) { [a, b] } else { [b, a] });
            }
            None => {
                tail.push(format!(r#""seqId":{}"#, 1 + self.rng.below(9)));
                tail.push(format!(r#""instId":"{key}""#));
            }
        }
        match self.rng.below(30) {
            0 => drop(tail.remove(0)),
            1 => drop(tail.pop()),
            2 => tail.push(tail[0].clone()),
            3 => tail.push(r#""seqId":9007199254740993"#.into()),
            4 => tail.reverse(),
            _ => {}
        }
        let tail = tail.join(",");
        match self.rng.below(3) {
            0 => format!(r#"{{"bids":{bids},"asks":{asks},{tail}}}"#),
            _ => format!(r#"{{"asks":{asks},"bids":{bids},{tail}}}"#),
        }
    }

    fn trade(&mut self, name: &str, key: &str) -> String {
        self.trade_id += self.rng.below(4) as u64;
        let mut fields = vec![
            format!(r#""instId":"{key}","tradeId":"{}""#, self.trade_id),
            format!(r#""px":"{}","sz":"{}""#, self.number(), self.number()),
            format!(r#""side":"{}""#, self.rng.pick(&["buy", "sell", "buy", "sell", "hold"])),
            format!(r#""ts":"{}""#, self.stamp()),
        ];
        if name == "trades" && !self.rng.one_in(5) {
            fields.push(format!(r#""count":"{}""#, self.rng.below(5)));
        }
        if !self.rng.one_in(5) {
            let source = self.rng.pick(&["0", "1", "0", "1", "0", "1", "", "7"]);
            fields.push(format!(r#""source":"{source}""#));
        }
        if !self.rng.one_in(5) {
            fields.push(format!(r#""seqId":{}"#, self.rng.below(99_999_999)));
        }
        if self.rng.one_in(20) {
            let (a, b) = (self.rng.below(fields.len()), self.rng.below(fields.len()));
            fields.swap(a, b);
        }
        format!("{{{}}}", fields.join(","))
    }

    fn ticker(&mut self, key: &str) -> String {
        let kind = self.rng.pick(&["SPOT", "SWAP", "FUTURES", "OPTION", "MARGIN", "MOON"]);
        let mut row = format!(r#"{{"instType":"{kind}","instId":"{key}""#);
        for name in [
            "last",
            "lastSz",
            "askPx",
            "askSz",
            "bidPx",
            "bidSz",
            "open24h",
            "high24h",
            "low24h",
            "sodUtc0",
            "sodUtc8",
            "volCcy24h",
            "vol24h",
        ] {
            let value = if self.rng.one_in(30) { String::new() } else { self.number() };
            row += &format!(r#","{name}":"{value}""#);
        }
        row + &format!(r#","ts":"{}"}}"#, self.stamp())
    }

    fn bar(&mut self, name: &str) -> String {
        let length = match name {
            name if name.starts_with("candle") => [9, 9, 9, 7, 6][self.rng.below(5)],
            name if name.starts_with("sprd") => 6 + self.rng.below(2),
            _ => 6,
        };
        let mut row = format!(r#"["{}""#, self.stamp());
        for _ in 2..length {
            row += &format!(r#","{}""#, self.number());
        }
        row + &format!(r#","{}"]"#, self.rng.pick(&["0", "1", "0", "1", "2"]))
    }

    /// One to three small pieces of damage.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        const PIECES: [&str; 22] = [
            "\"",
            ",",
            "[",
            "]",
            "{",
            "}",
            ":",
            ".",
            "0",
            "-",
            " ",
            "\n",
            "null",
            "\\u0030",
            "é",
            "\"0\"",
            ",\"seqId\":5",
            ",\"ts\":\"1\"",
            ",\"instId\":\"B-U\"",
            ",\"x\":1",
            "[]",
            "e1",
        ];
        for _ in 0..1 + self.rng.below(3) {
            let at = self.rng.below(bytes.len() + 1);
            let to = (at + 1 + self.rng.below(12)).min(bytes.len());
            match self.rng.below(7) {
                0 if at < bytes.len() => bytes[at] = self.rng.next() as u8,
                1 => bytes.insert(at, self.rng.next() as u8),
                2 => drop(bytes.drain(at.min(to)..to)),
                3 => bytes.truncate(at),
                4 => {
                    let piece = bytes[at.min(to)..to].to_vec();
                    bytes.splice(at..at, piece);
                }
                5 if at < bytes.len() => bytes[at] ^= 1 << self.rng.below(8),
                _ => drop(bytes.splice(at..at, self.rng.pick(&PIECES).bytes())),
            }
        }
    }
}

/// Feeds with the fast path, whatever it may make use of, and one without.
struct Pair {
    fast: [OkxFeed; 3],
    general: OkxFeed,
    out: [Outbox; 4],
    now: u64,
}

impl Pair {
    fn new(passive: bool) -> Pair {
        let mut config = OkxConfig::new(FeedId(1), "test");
        (config.passive, config.view_depth) = (passive, 3);
        if !passive {
            let all = CHANNELS.iter().flat_map(|c| INSTRUMENTS.map(|i| Subscription::new(c, i)));
            config.subscriptions = all.collect();
        }
        let general = OkxConfig { general_only: true, ..config.clone() };
        let fast = [Instructions::Best, Instructions::Narrow, Instructions::Plain];
        let fast = fast.map(|allowed| OkxConfig { instructions: allowed, ..config.clone() });
        let (fast, general) = (fast.map(OkxFeed::new), OkxFeed::new(general));
        let mut pair = Pair { fast, general, out: Default::default(), now: 1 };
        pair.input(&Input::Start);
        pair.input(&Input::Opened);
        if !passive {
            for argument in CHANNELS.iter().flat_map(|c| INSTRUMENTS.map(|i| (c, i))) {
                let (name, key) = argument;
                let arg = format!(r#"{{"channel":"{name}","instId":"{key}"}}"#);
                let ack = format!(r#"{{"event":"subscribe","arg":{arg},"connId":"a"}}"#);
                pair.input(&Input::Frame(ack.as_bytes()));
            }
        }
        pair
    }

    fn input(&mut self, input: &Input<'_>) {
        self.now += 1_000_000;
        let feeds = self.fast.iter_mut().chain([&mut self.general]);
        for (feed, out) in feeds.zip(&mut self.out) {
            out.clear();
            feed.handle(Nanos(self.now), input.clone(), out);
        }
        let [fast @ .., other] = &self.out;
        let said = lines(&other.events);
        for (feed, out) in self.fast.iter().zip(fast) {
            assert_eq!(out.actions, other.actions);
            assert_eq!(lines(&out.events), said);
            assert_eq!(feed.stats(), self.general.stats());
            assert_eq!(feed.deadline(), self.general.deadline());
        }
    }

    fn books_agree(&self) {
        self.fast.iter().for_each(|feed| self.agrees(feed));
    }

    fn agrees(&self, feed: &OkxFeed) {
        assert_eq!(feed.status(), self.general.status());
        for (channel, inst) in CHANNELS.iter().flat_map(|c| INSTRUMENTS.map(|i| (c, i))) {
            let (one, other) = (feed.book(channel, inst), self.general.book(channel, inst));
            let levels = |book: &Book, side| book.levels(side).collect::<Vec<_>>();
            match (one, other) {
                (Ok(one), Ok(other)) => {
                    assert!(one.is_consistent() && other.is_consistent());
                    assert_eq!(levels(one, Side::Bid), levels(other, Side::Bid));
                    assert_eq!(levels(one, Side::Ask), levels(other, Side::Ask));
                }
                (one, other) => assert_eq!(one.err(), other.err()),
            }
            let seq = self.general.book_seq(channel, inst);
            assert_eq!(feed.book_seq(channel, inst), seq);
        }
    }
}

fn lines(events: &Batch) -> String {
    let mut out = Vec::new();
    for event in events.iter() {
        wire::write_json(&event, &mut out);
        out.push(b'\n');
    }
    String::from_utf8(out).unwrap()
}

/// How many frames to try.
fn frames() -> usize {
    let asked = std::env::var("FAST_FRAMES").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { 60_000 } else { 400_000 })
}

/// Says which life and frame it was when a comparison fails.
struct Tell(u64, String);

impl Drop for Tell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}, frame {}", self.0, self.1);
        }
    }
}

fn live(seed: u64, count: usize) {
    let mut rng = Rng(seed);
    let odd = [0, 400, 60][rng.below(3)];
    let damaged = [0, 12, 3][rng.below(3)];
    let mut pair = Pair::new(rng.one_in(2));
    let slots = CHANNELS.len() * INSTRUMENTS.len();
    let mut venue = Venue { rng, seqs: vec![0; slots], trade_id: 1000, odd };
    let mut tell = Tell(seed, String::new());
    for _ in 0..count {
        let mut bytes = venue.frame().into_bytes();
        if damaged > 0 && venue.rng.one_in(damaged) {
            venue.damage(&mut bytes);
        }
        tell.1 = String::from_utf8_lossy(&bytes).into_owned();
        pair.input(&Input::Frame(&bytes));
        if venue.rng.one_in(100) {
            pair.input(&Input::Tick);
        }
    }
    pair.books_agree();
}

#[test]
fn generated_and_damaged_frames() {
    const LIFE: usize = 200;
    for seed in 0..(frames() / LIFE) as u64 {
        live(seed, LIFE);
    }
}

/// Every place of a plain frame, with every byte that means something there.
#[test]
fn every_byte_of_a_frame() {
    let mut venue = Venue { rng: Rng(7), seqs: vec![0; 45], trade_id: 1, odd: 0 };
    let mut plain: Vec<String> = Vec::new();
    while plain.len() < 12 {
        let frame = venue.frame();
        if frame.len() < 500 && !frame.contains("MOON") {
            plain.push(frame);
        }
    }
    for frame in &plain {
        for at in 0..frame.len() {
            let mut pair = Pair::new(true);
            for byte in *b"\"\\,:[]{}.-+01589 eE\x00\x1f\x80\xff" {
                let mut bytes = frame.clone().into_bytes();
                pair.input(&Input::Frame(&bytes));
                bytes[at] = byte;
                pair.input(&Input::Frame(&bytes));
            }
            pair.input(&Input::Frame(&frame.as_bytes()[..at]));
        }
    }
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "jsonl" || e == "tsv") {
            out.push(path);
        }
    }
}

/// Written frames, and captured ones where they are at hand: as they are, then damaged.
#[test]
fn frames_from_files() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let mut paths = Vec::new();
    files(&Path::new(root).join("testdata/okx"), &mut paths);
    assert!(paths.len() > 5);
    let captured = std::env::var_os("OKX_CORPUS").map(PathBuf::from);
    let captured = captured.unwrap_or(Path::new(root).join("../shared/corpus"));
    files(&captured.join("okx"), &mut paths);
    paths.sort();
    for (seed, path) in paths.iter().enumerate() {
        let text = std::fs::read_to_string(path).unwrap();
        let mut tell = Tell(seed as u64, String::new());
        for damaged in [0, 20, 3] {
            let mut pair = Pair::new(true);
            let rng = Rng(seed as u64);
            let mut venue = Venue { rng, seqs: Vec::new(), trade_id: 0, odd: 0 };
            for line in text.lines().filter(|line| !line.is_empty()) {
                let frame = line.split_once('\t').map_or(line, |(_, frame)| frame);
                let mut bytes = frame.as_bytes().to_vec();
                if damaged > 0 && venue.rng.one_in(damaged) {
                    venue.damage(&mut bytes);
                }
                tell.1 = format!("{}: {}", path.display(), String::from_utf8_lossy(&bytes));
                pair.input(&Input::Frame(&bytes));
            }
            pair.books_agree();
        }
    }
}
