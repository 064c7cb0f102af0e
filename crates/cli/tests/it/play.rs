//! What was recorded, played again: into the sinks of `run`, and over OKX's protocol to another
//! client.

#[cfg(unix)]
use crate::run::run_until_told;
use crate::run::{Ran, command, identical, run, shown};
use market_data_model::Input;
use market_data_tape::Entry;
use market_data_tape::reader::{Item, Range, Tape};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Records the pretend exchange; its records are on stdout.
fn record(dir: &str, time: &str, more: &[&str]) -> Ran {
    let args = ["run", "--sim", "--for", time, "--tape", dir, "--log-level", "error"];
    let ran = run(&[&args, more].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

/// The same lines, and the first that differ if not.
#[track_caller]
fn same(one: &str, other: &str) {
    if let Some((n, pair)) =
        one.lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other)
    {
        panic!("line {n}: {pair:#?}");
    }
    assert_eq!(one.lines().count(), other.lines().count());
    assert!(one == other);
}

#[test]
fn a_replay_into_sinks_gives_what_replay_prints() {
    let folder = folder();
    let path = |name: &str| shown(&folder.path().join(name));
    let dir = path("tape");
    record(&dir, "3s", &[]);
    let printed = run(&["replay", &dir, "--json"]);
    let before: Vec<_> = std::fs::read_dir(&dir).expect("the tape").collect();
    let (file, copy) = (path("out.ndjson"), path("copy"));
    let settings = format!("[output]\nsinks = [\"stdout\", {file:?}]\nqueue = 1\n");
    let settings = crate::run::file(&folder, "node.toml", &settings);
    let args = ["run", "--replay", &dir, "--config", &settings, "--log-level", "error"];
    let ran = run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    same(&ran.stdout, &printed.stdout);
    let written = std::fs::read_to_string(&file).expect("the sink's file");
    same(&written, &printed.stdout);
    let lines = printed.stdout.lines().count();
    assert!(
        ran.stderr.contains(&format!("  {file}: {} events\n", grouped(lines))),
        "{}",
        ran.stderr
    );
    let after: Vec<_> = std::fs::read_dir(&dir).expect("the tape").collect();
    assert_eq!(before.len(), after.len(), "nothing is recorded");

    let ran = run(&[&args[..], &["--tape", &copy]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    identical(&copy);
    let copied = run(&["replay", &copy, "--json"]);
    same(&copied.stdout, &printed.stdout);
    let ran = run(&[&args[..], &["--tape", &dir]].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("into itself"), "{}", ran.stderr);

    let middle: Value =
        serde_json::from_str(printed.stdout.lines().nth(lines / 2).expect("a line")).expect("JSON");
    let middle = middle["tsRecv"].as_u64().expect("a time").to_string();
    let args = ["--from", middle.as_str(), "--json"];
    let rest = run(&[&["replay", &dir], &args[..]].concat());
    let ran = run(&[&["run", "--replay", &dir, "--log-level", "error"], &args[..]].concat());
    assert!(ran.stdout == rest.stdout && !rest.stdout.is_empty(), "{}", ran.stderr);
}

fn grouped(number: usize) -> String {
    let text = number.to_string();
    match text.len() {
        0..=3 => text,
        n => format!("{},{}", &text[..n - 3], &text[n - 3..]),
    }
}

/// A `market-data sim --tape`, ended with the test.
struct Served {
    child: Child,
    url: String,
    rest: std::thread::JoinHandle<String>,
}

impl Served {
    fn start(dir: &str, more: &[&str]) -> Served {
        let args = ["sim", "--tape", dir, "--listen", "127.0.0.1:0", "--log-level", "error"];
        let mut child = command(&[&args, more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let (mut url, mut line) = (None, String::new());
        while url.is_none() && stderr.read_line(&mut line).expect("it talks") > 0 {
            url = line.trim().strip_prefix("REST      http://").map(|at| format!("ws://{at}"));
            line.clear();
        }
        // Keep reading, so that the child never waits for us.
        let rest = std::thread::spawn(move || {
            let mut rest = String::new();
            drop(stderr.read_to_string(&mut rest));
            rest
        });
        Served { child, url: url.expect("it says where it listens"), rest }
    }

    /// Waits until the tape is over.
    fn end(mut self) -> String {
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        self.rest.join().expect("its words")
    }
}

/// The data frames of a tape, by the beginning of their text: channel and instrument.
fn frames(dir: &str) -> BTreeMap<String, Vec<String>> {
    let tape = Tape::open(Path::new(dir)).expect("a tape");
    let mut frames = BTreeMap::<_, Vec<_>>::new();
    let mut records = tape.records(Range::ALL);
    while let Some(item) = records.read().expect("readable") {
        let Item::Record(record) = item else { panic!("the tape is whole") };
        let Ok(Entry::Input(Input::Frame(bytes))) = record.entry() else { continue };
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        if let Some((argument, _)) = text.split_once('}').filter(|_| text.starts_with("{\"arg\"")) {
            frames.entry(argument.to_owned()).or_default().push(text);
        }
    }
    frames
}

/// What records say of the venue, by channel and instrument: everything but who received it when.
fn said(text: &str) -> BTreeMap<(String, String), Vec<Value>> {
    let mut said = BTreeMap::<_, Vec<_>>::new();
    for line in text.lines() {
        let mut record: Value = serde_json::from_str(line).expect("each line is JSON");
        let word = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let key = (word("channel"), word("instId"));
        if !["ticker", "trade", "bar", "kline", "orderbook", "orderbook_delta"]
            .contains(&record["type"].as_str().unwrap_or_default())
        {
            continue;
        }
        let fields = record.as_object_mut().expect("an object");
        for name in ["feed", "n", "tsRecv"] {
            fields.remove(name);
        }
        said.entry(key).or_default().push(record);
    }
    said
}

/// Serves a tape to another `run`, which records it; gives the directory and what was printed.
fn serve_to_another(folder: &TempDir, dir: &str, more: &[&str]) -> (String, String) {
    let served = Served::start(dir, more);
    let again = shown(&folder.path().join("again"));
    let out = shown(&folder.path().join("again.ndjson"));
    let settings = format!("[output]\nsinks = [{out:?}]\n[log]\nlevel = \"error\"\n");
    let settings = crate::run::file(folder, "again.toml", &settings);
    let mut client = command(&["run", "--url", &served.url, "--config", &settings])
        .args(["--tape", &again])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let words = served.end();
    assert!(words.contains("the tape is over: "), "{words}");
    let pid = client.id().to_string();
    let killed = std::process::Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.expect("kill is there").success());
    assert_eq!(client.wait().expect("it ends").code(), Some(0));
    let text = std::fs::read_to_string(&out).expect("the sink's file");
    (again, text)
}

/// Subscriptions of `run` without settings: four channels of three instruments, and two lists.
const SUBSCRIPTIONS: &str = "14";

#[cfg(unix)]
#[test]
fn a_tape_served_to_another_client_says_the_same() {
    let folder = folder();
    let dir = shown(&folder.path().join("tape"));
    let live = record(&dir, "4s", &[]);
    let (again, text) =
        serve_to_another(&folder, &dir, &["--speed", "max", "--wait", SUBSCRIPTIONS]);
    assert_eq!(frames(&again), frames(&dir), "byte for byte");
    let (first, second) = (said(&live.stdout), said(&text));
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    assert!(first.len() >= 12, "{:?}", first.keys());
    for (key, records) in &first {
        assert_eq!(records, &second[key], "{key:?}");
    }
    identical(&again);
}

#[cfg(unix)]
#[test]
fn a_tape_served_from_the_middle_begins_with_true_books() {
    let folder = folder();
    let dir = shown(&folder.path().join("tape"));
    let live = record(&dir, "4s", &[]);
    let middle = live.stdout.lines().filter(|line| line.contains("\"type\":\"orderbook\""));
    let middle: Vec<&str> = middle.collect();
    let middle: Value = serde_json::from_str(middle[middle.len() / 2]).expect("JSON");
    let middle = middle["tsRecv"].as_u64().expect("a time").to_string();
    let args = ["--speed", "max", "--wait", SUBSCRIPTIONS, "--from", &middle];
    let (again, text) = serve_to_another(&folder, &dir, &args);
    let (recorded, served) = (frames(&dir), frames(&again));
    let books: Vec<_> = served.iter().filter(|(arg, _)| arg.contains("\"books\"")).collect();
    assert_eq!(books.len(), 3, "{:?}", served.keys());
    for (argument, frames) in books {
        assert!(frames[0].contains("\"action\":\"snapshot\""), "{argument}: {}", frames[0]);
        assert!(!recorded[argument].contains(&frames[0]), "the snapshot is made, not recorded");
        let rest = &recorded[argument][recorded[argument].len() - (frames.len() - 1)..];
        assert_eq!(&frames[1..], rest, "then byte for byte");
    }
    // Each view of a book is one that was seen live, by its id.
    let views = |said: &BTreeMap<_, Vec<Value>>| -> BTreeSet<String> {
        said.values()
            .flatten()
            .filter(|r| r["type"] == "orderbook")
            .map(|r| r.to_string())
            .collect()
    };
    let (first, second) = (views(&said(&live.stdout)), views(&said(&text)));
    assert!(
        second.len() > 10 && second.is_subset(&first),
        "{:?}",
        second.difference(&first).next()
    );
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let odd =
            record["type"] == "fault" || (record["type"] == "gap" && record["lost"] != Value::Null);
        assert!(!odd, "{line}");
    }
}

#[test]
fn wishes_that_meet_nothing_and_times_outside_are_told() {
    let folder = folder();
    let dir = shown(&folder.path().join("tape"));
    record(&dir, "2s", &[]);
    let all = run(&["replay", &dir, "--json"]);
    let wanted = ["replay", &dir, "--json", "--inst", "*-SWAP,NO-SUCH", "--channels", "b*,candle*"];
    let ran = run(&wanted);
    let fits = |line: &&str| {
        line.contains("\"instId\":\"BTC-USDT-SWAP\"")
            && (line.contains("\"channel\":\"books\"") || line.contains("\"channel\":\"candle1m\""))
    };
    let expected: Vec<&str> = all.stdout.lines().filter(fits).collect();
    assert!(!expected.is_empty());
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        ran.stderr,
        "note: --inst NO-SUCH fits nothing that was played; there is BTC-USDT, BTC-USDT-SWAP, \
         ETH-USDT\n"
    );
    for (flag, time, words) in [
        ("--from", "2100-01-01T00:00:00Z", "is after the end of the tape"),
        ("--to", "2020-01-01T00:00:00Z", "is before the beginning of the tape"),
    ] {
        for command in
            [&["replay", dir.as_str()][..], &["run", "--replay", &dir], &["sim", "--tape", &dir]]
        {
            let ran = run(&[command, &[flag, time]].concat());
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{command:?}");
            assert!(ran.stderr.contains(words), "{command:?}: {}", ran.stderr);
            assert!(ran.stderr.contains("hint: the tape goes from 20"), "{}", ran.stderr);
        }
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_replay_with_whole_lines() {
    let folder = folder();
    let dir = shown(&folder.path().join("tape"));
    record(&dir, "2s", &[]);
    let ran = run_until_told(&["replay", &dir, "--json", "--speed", "0.01"], "-INT");
    assert_eq!(ran.code, Some(130));
    assert_eq!(ran.stderr, "interrupted\n");
    let text = ran.stdout;
    assert!(text.ends_with('\n'));
    let all = run(&["replay", &dir, "--json"]);
    assert!(all.stdout.starts_with(&text) && text.len() < all.stdout.len());
}
