//! A recorder that is ended or killed while its exchange goes on: the process that follows begins
//! where the tape ends, and nothing is missing on it.
//!
//! `RESTARTS=20 cargo test -p market-data-cli a_process_that_follows` does so more often than the
//! suite does, each way. What is on the tape is read here from the records that a replay prints.

use crate::run::{command, identical, run, shown};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

pub const INSTRUMENTS: [&str; 2] = ["BTC-USDT", "ETH-USDT-SWAP"];
pub const CHANNELS: [&str; 5] = ["books", "tickers", "trades", "trades-all", "candle1s"];
/// How long nobody records: some bars of a second end meanwhile.
const AWAY: Duration = Duration::from_millis(1_300);

/// A process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Running {
    pub fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.0.id().to_string()]).status();
        assert!(told.expect("kill is there").success());
    }
}

/// The exchange, and where it listens.
fn exchange() -> (Running, String) {
    exchange_with(&[])
}

/// The same, with further flags.
pub fn exchange_with(flags: &[&str]) -> (Running, String) {
    let args = [&["sim", "--listen", "127.0.0.1:0", "--seed", "11"], flags].concat();
    let mut child = command(&args).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut said = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    let running = Running(child);
    let first = said.next().expect("it greets").expect("it writes UTF-8");
    let at = first.split(" on ").nth(1).and_then(|rest| rest.split(',').next());
    let url = format!("ws://{}", at.expect("it says where"));
    // Whoever closes the pipe would end it.
    std::thread::spawn(move || said.for_each(drop));
    (running, url)
}

/// What a recorder says.
pub type Records = Lines<BufReader<ChildStdout>>;

fn record(url: &str, dir: &str) -> (Running, Records) {
    record_with(url, dir, (&INSTRUMENTS, &CHANNELS), &["--no-serve"])
}

/// A recorder of these channels of these instruments, with further flags.
pub fn record_with(
    url: &str,
    dir: &str,
    (instruments, channels): (&[&str], &[&str]),
    flags: &[&str],
) -> (Running, Records) {
    let args = ["run", "--url", url, "--tape", dir, "--json", "--log-level", "error"];
    let mut child = command(&[&args, flags].concat())
        .env("MARKET_DATA_SUBSCRIBE_INSTRUMENTS", instruments.join(","))
        .env("MARKET_DATA_SUBSCRIBE_CHANNELS", channels.join(","))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the command starts");
    let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    (Running(child), lines)
}

/// Reads records until every series has finished a bar, every book is live, and each gap that
/// opened has closed.
pub fn until_well(lines: &mut Records) {
    let (mut open, mut finished, mut books, mut traded) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in lines {
        let record: Value = serde_json::from_str(&line.expect("a line")).expect("it is JSON");
        let inst = record["instId"].as_str().unwrap_or_default().to_owned();
        match (record["type"].as_str(), record["channel"].as_str()) {
            (Some("gap"), _) => {
                let id = (record["feed"].as_u64(), record["gap"].as_u64());
                match record["event"].as_str() {
                    Some("opened") => open.insert(id),
                    _ => open.remove(&id),
                };
            }
            (Some("kline"), _) if record["isClosed"] == true => drop(finished.insert(inst)),
            (Some("trade"), Some(channel)) => drop(traded.insert((channel.to_owned(), inst))),
            (Some("orderbook"), Some("books")) => drop(books.insert(inst)),
            _ => {}
        }
        let (of, all) = (INSTRUMENTS.len(), 2 * INSTRUMENTS.len());
        let some = finished.len() == of && books.len() == of && traded.len() == all;
        if some && open.is_empty() {
            return;
        }
    }
    panic!("it ended before it was well");
}

/// What the tape says, apart from the code that wrote it.
#[derive(Default)]
struct Read {
    trades: BTreeMap<(String, String), BTreeSet<u64>>,
    bars: BTreeMap<String, BTreeMap<u64, u64>>,
    restarts: BTreeMap<String, u64>,
}

fn read(dir: &str) -> Read {
    let ran = run(&["replay", dir, "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let mut read = Read::default();
    for line in ran.stdout.lines() {
        let record: Value = serde_json::from_str(line).expect("it is JSON");
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let (channel, inst) = (text("channel"), text("instId"));
        match text("type").as_str() {
            "trade" => {
                let id: u64 = text("tradeId").parse().expect("an id");
                let count = record["count"].as_u64().unwrap_or(1);
                let ids = read.trades.entry((channel, inst)).or_default();
                ids.extend(id + 1 - count..=id);
            }
            "kline" if record["isClosed"] == true => {
                let time = |name: &str| record[name].as_u64().expect("a time");
                read.bars.entry(inst).or_default().insert(time("openTime"), time("closeTime"));
            }
            "kline" => assert_ne!(record["state"], "missing", "{line}"),
            "gap" if record["cause"] == "restart" && record["event"] == "closed" => {
                *read.restarts.entry(channel).or_default() += 1;
            }
            _ => {}
        }
    }
    read
}

#[test]
fn a_process_that_follows_another_misses_nothing() {
    let times = std::env::var("RESTARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = shown(&folder.path().join("tape"));
    let (_exchange, url) = exchange();
    let ends: Vec<&str> = (0..times).flat_map(|_| ["-TERM", "-KILL"]).chain(["-TERM"]).collect();
    for signal in &ends {
        let (mut running, mut lines) = record(&url, &dir);
        until_well(&mut lines);
        running.signal(signal);
        lines.for_each(drop);
        running.0.wait().expect("it ends");
        std::thread::sleep(AWAY);
    }
    identical(&dir);
    let read = read(&dir);
    assert_eq!(read.trades.len(), 2 * INSTRUMENTS.len());
    for (of, ids) in &read.trades {
        let (first, last) = (ids.first().expect("some"), ids.last().expect("some"));
        assert_eq!(last - first + 1, ids.len() as u64, "{of:?} is not complete");
    }
    assert_eq!(read.bars.len(), INSTRUMENTS.len());
    for (of, bars) in &read.bars {
        let mut next = None;
        for (open, close) in bars {
            assert!(next.is_none_or(|next| next == *open), "{of}: {next:?} to {open} is absent");
            next = Some(*close);
        }
        // So many seconds went by without anybody recording.
        assert!(bars.len() > ends.len(), "{of}: {} bars", bars.len());
    }
    // Of a process that was killed the last second may not be on the tape; the last one was not.
    let each = INSTRUMENTS.len();
    for channel in ["books", "trades", "trades-all", "candle1s", "tickers"] {
        let gaps = read.restarts.get(channel).copied().unwrap_or(0);
        assert!(gaps >= each as u64, "{channel}: {gaps} gaps for {each} instruments");
    }
}

#[test]
fn a_tape_of_somebody_else_is_no_reason_not_to_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("tape");
    std::fs::create_dir(&dir).expect("the folder takes a folder");
    std::fs::write(dir.join("tape-0-000001.mdt"), b"not a tape at all").expect("and a file");
    let (_exchange, url) = exchange();
    let (mut running, mut lines) = record(&url, &shown(&dir));
    until_well(&mut lines);
    running.signal("-TERM");
    lines.for_each(drop);
    assert!(running.0.wait().expect("it ends").success());
}
