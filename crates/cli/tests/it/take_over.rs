//! A recorder is replaced by another while the exchange goes on: on the tape of both together
//! every trade is once and as the exchange has it, every bar too, and there is a live book at every
//! moment.
//!
//! `TAKE_OVERS=20 cargo test -p market-data-cli one_process_takes_over` does so more often than the
//! suite does. What is on the tape is read here from the records that a replay prints; what the
//! exchange has, from its REST side.

use crate::restart::{CHANNELS, INSTRUMENTS, Records, exchange_with, record_with, until_well};
use crate::run::{fails, identical, run, shown};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What a server answers.
fn said(url: &str, path: &str) -> String {
    let at = url.strip_prefix("ws://").expect("it is a WebSocket");
    // A server begins a moment after the first records.
    let connect = |_| {
        let stream = TcpStream::connect(at);
        stream.inspect_err(|_| std::thread::sleep(Duration::from_millis(50))).ok()
    };
    let mut stream = (0..100).find_map(connect).expect("it listens");
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).expect("it takes requests");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    answer
}

/// The rows that the REST side answers with.
pub fn rows(url: &str, path: &str) -> Vec<Value> {
    let answer = said(url, path);
    let (from, to) = (answer.find('{').expect("an object"), answer.rfind('}').expect("its end"));
    let body: Value = serde_json::from_str(&answer[from..=to]).expect("it is JSON");
    assert_eq!(body["code"], "0", "{path}: {body}");
    body["data"].as_array().expect("it has rows").clone()
}

/// Every trade of an instrument from `first` to `last`, by id: price, size and side.
fn truth(url: &str, inst: &str, (first, last): (u64, u64)) -> BTreeMap<u64, [String; 3]> {
    let (mut all, mut after) = (BTreeMap::new(), last + 1);
    while after > first {
        let path = "/api/v5/market/history-trades";
        let page = rows(url, &format!("{path}?instId={inst}&type=1&after={after}&limit=100"));
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let row = |row: &Value| {
            let id: u64 = text(row, "tradeId").parse().expect("an id");
            (id, ["px", "sz", "side"].map(|name| text(row, name)))
        };
        let page: BTreeMap<u64, _> = page.iter().map(row).collect();
        let Some((lowest, _)) = page.first_key_value() else { break };
        after = *lowest;
        all.extend(page);
        // As often as OKX allows.
        std::thread::sleep(Duration::from_millis(110));
    }
    all.retain(|id, _| (first..=last).contains(id));
    all
}

/// What the tape says, apart from the code that wrote it.
#[derive(Default)]
struct Read {
    /// By instrument, of `trades-all`: each id with what it says.
    fills: BTreeMap<String, BTreeMap<u64, [String; 3]>>,
    /// By instrument, of `trades`: the ids that rows cover.
    rows: BTreeMap<String, BTreeMap<u64, u64>>,
    /// Closing to opening time of finished bars, and their text.
    bars: BTreeMap<String, BTreeMap<u64, (u64, String)>>,
    /// Instrument and opening time of finished bars, and whether they came with their trades.
    enriched: BTreeSet<(String, u64, bool)>,
    /// By instrument: when books were live, process by process.
    books: BTreeMap<String, Vec<(u64, u64)>>,
    /// By instrument: when the first trade was.
    since: BTreeMap<String, u64>,
    /// Gaps that are not of the end of a process.
    gaps: Vec<String>,
}

impl Read {
    fn take(&mut self, line: &str) {
        let record: Value = serde_json::from_str(line).expect("it is JSON");
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| record[name].as_u64().expect("a number");
        let (channel, inst) = (text("channel"), text("instId"));
        match text("type").as_str() {
            "trade" => {
                let id: u64 = text("tradeId").parse().expect("an id");
                assert!(record.get("filledFrom").is_none(), "nothing was to be fetched: {line}");
                let (twice, of) = match channel.as_str() {
                    "trades" => {
                        let count = record["count"].as_u64().unwrap_or(1);
                        (self.rows.entry(inst).or_default().insert(id, count).is_some(), id)
                    }
                    _ => {
                        self.since.entry(inst.clone()).or_insert_with(|| number("timestamp"));
                        let says = ["price", "quantity", "side"].map(text);
                        (self.fills.entry(inst).or_default().insert(id, says).is_some(), id)
                    }
                };
                assert!(!twice, "{of} comes twice: {line}");
            }
            "kline" if record["isClosed"] == true => {
                let says = ["open", "high", "low", "close", "volume"].map(text).join(" ");
                let bars = self.bars.entry(inst.clone()).or_default();
                let was = bars.insert(number("openTime"), (number("closeTime"), says.clone()));
                // Once its trades are proven complete it is told once more, with them.
                let enriched = record["enrichedFrom"] == "trades";
                let more = |(_, before): &(u64, String)| enriched && *before == says;
                let told = self.enriched.insert((inst, number("openTime"), enriched));
                assert!(told && was.as_ref().is_none_or(more), "a bar comes twice: {line}");
            }
            "orderbook" if channel == "books" => {
                let at = number("tsRecv");
                let books = self.books.entry(inst).or_default();
                match books.last_mut() {
                    Some(now) if at >= now.1 => now.1 = at,
                    // Time goes back where the records of the next process begin.
                    _ => books.push((at, at)),
                }
            }
            "gap" if record["event"] == "opened" && record["cause"] == "restart" => {}
            "gap" => self.gaps.push(line.to_owned()),
            _ => {}
        }
    }
}

fn read(dir: &str) -> Read {
    let ran = run(&["replay", dir, "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let mut read = Read::default();
    ran.stdout.lines().for_each(|line| read.take(line));
    read
}

/// Replaces it; gives the one that records from here on.
fn replaced(
    (mut old, lines): (crate::restart::Running, Records),
    (url, dir, serve): (&str, &str, &[&str]),
) -> (crate::restart::Running, Records) {
    let what = (&INSTRUMENTS[..], &CHANNELS[..]);
    let drain = std::thread::spawn(move || lines.for_each(drop));
    let flags = [serve, &["--take-over"]].concat();
    let (new, mut lines) = record_with(url, dir, what, &flags);
    until_well(&mut lines);
    assert!(old.0.wait().expect("it ends").success(), "the old one ends well");
    drain.join().expect("it says nothing more");
    (new, lines)
}

#[test]
fn one_process_takes_over_from_another_and_nothing_is_lost() {
    let times: usize = std::env::var("TAKE_OVERS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = shown(&folder.path().join("tape"));
    let (_exchange, url) = exchange_with(&[]);
    let what = (&INSTRUMENTS[..], &CHANNELS[..]);
    // A free port, of which the one after the other has to take the same.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("it has an address").to_string();
    drop(port);
    let serve = ["--serve", &*address];
    let (running, mut lines) = record_with(&url, &dir, what, &serve);
    until_well(&mut lines);
    let mut one = (running, lines);
    for _ in 0..times {
        one = replaced(one, (&url, &dir, &serve));
        let page = said(&format!("ws://{address}"), "/healthz");
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    }
    one.0.signal("-TERM");
    one.1.for_each(drop);
    assert!(one.0.0.wait().expect("it ends").success());
    identical(&dir);
    let verified = run(&["verify", &dir]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    let read = read(&dir);
    assert_eq!(read.gaps, Vec::<String>::new());
    for inst in INSTRUMENTS {
        let fills = &read.fills[inst];
        let (first, last) =
            (*fills.first_key_value().expect("some").0, *fills.last_key_value().expect("some").0);
        assert_eq!(fills, &truth(&url, inst, (first, last)), "{inst}: trades");
        assert_eq!(fills.len() as u64, last - first + 1, "{inst}: ids");
        let mut next = None;
        for (id, count) in &read.rows[inst] {
            assert!(next.is_none_or(|next| next == id + 1 - count), "{inst}: {next:?} to {id}");
            next = Some(id + 1);
        }
        let bars = &read.bars[inst];
        let mut next = None;
        for (open, (close, _)) in bars {
            assert!(next.is_none_or(|next| next == *open), "{inst}: {next:?} to {open}");
            next = Some(*close);
        }
        let path = "/api/v5/market/history-candles";
        let theirs = rows(&url, &format!("{path}?instId={inst}&bar=1s&limit=300"));
        let cells = |row: &Value| {
            let cell = |at: usize| row[at].as_str().unwrap_or_default().to_owned();
            (cell(0).parse().expect("a time"), [1, 2, 3, 4, 5].map(cell).join(" "))
        };
        let theirs: BTreeMap<u64, String> = theirs.iter().map(cells).collect();
        // Of older ones the exchange may have forgotten trades.
        for (open, (_, says)) in bars.range(read.since[inst]..) {
            assert_eq!(theirs.get(open), Some(says), "{inst}: the bar of {open}");
        }
        let books = &read.books[inst];
        assert_eq!(books.len(), times + 1, "{inst}: one book a process, {books:?}");
        for pair in books.windows(2) {
            assert!(pair[1].0 < pair[0].1, "{inst}: no live book between {pair:?}");
        }
    }
}

#[test]
fn there_must_be_somebody_to_take_over_from() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = shown(&folder.path().join("tape"));
    let what = format!("no process records in {dir}, so there is nothing to take over");
    let hint = "without --take-over a new process begins where the tape of the old one ends";
    let args = ["run", "--url", "ws://127.0.0.1:1", "--tape", &dir, "--take-over"];
    fails(&args, &format!("error: {what}\n\nhint: {hint}\n"));
}
