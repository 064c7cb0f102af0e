//! `watch`, `run`, `check` and `sim` against the pretend exchange, over a real local socket.

#[cfg(unix)]
use crate::run::run_until_told;
use crate::run::{command, file, run, shown};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

fn records(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn is_market_data(record: &Value) -> bool {
    let news = ["session", "subscription", "gap", "fault"];
    !news.iter().any(|kind| record["type"] == *kind)
}

#[test]
fn watch_prints_as_many_records_as_asked_for() {
    let ran = run(&["watch", "BTC-USDT", "--sim", "--count", "50", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let records = records(&ran.stdout);
    assert_eq!(records.iter().filter(|r| is_market_data(r)).count(), 50);
    for record in &records {
        assert_eq!((&record["v"], &record["exchange"]), (&Value::from(1), &Value::from("okx")));
        assert!(record["tsRecv"].is_u64() && record["n"].is_u64(), "{record}");
    }
    let kinds = ["ticker", "trade", "orderbook", "kline"];
    for kind in kinds {
        assert!(records.iter().any(|r| r["type"] == kind), "no {kind} among the first 50");
    }
}

#[test]
fn watch_for_people_is_plain_in_a_pipe_and_takes_every_spelling() {
    let args = ["watch", "btcusdt", "BTC/USDT:USDT", "--sim", "--for", "1s", "--channels", "books"];
    let ran = run(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(!ran.stdout.contains('\x1b'));
    for inst_id in ["BTC-USDT ", "BTC-USDT-SWAP "] {
        let view = |line: &&str| line.contains(inst_id) && line.contains("  bid ");
        assert!(ran.stdout.lines().any(|line| view(&line)), "{inst_id}\n{}", ran.stdout);
    }
}

#[test]
fn watch_says_no_when_too_little_came() {
    let args = [
        "watch",
        "BTC-USDT",
        "--sim",
        "--for",
        "500ms",
        "--count",
        "1000000",
        "--channels",
        "trades",
    ];
    let ran = run(&args);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("only "), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(" of 1000000 records in 500 ms\n"), "{}", ran.stderr);
}

#[test]
fn watch_ends_well_when_its_reader_leaves() {
    let mut child = command(&["watch", "BTC-USDT", "--sim", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut reader = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line comes out");
    drop(reader);
    let output = child.wait_with_output().expect("the command ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_short_check_passes_and_shows_its_drills() {
    // Books are compared with REST for the first time after five seconds.
    let ran = run(&["check", "--sim", "--duration", "9s", "--json"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).expect("the report is JSON");
    assert_eq!(report["verdict"], "PASS");
    assert_eq!(report["reasons"], Value::Array(Vec::new()));
    assert_eq!((&report["openGaps"], &report["unexplained"]), (&Value::from(0), &Value::from(0)));
    let drills = report["drills"].as_array().expect("drills are listed");
    assert_eq!(drills.len(), 3, "two connections and a book: {report}");
    assert!(drills.iter().all(|drill| drill["recoveredMs"].is_u64()), "{report}");
    let channels = report["channels"].as_array().expect("channels are listed");
    let books = channels.iter().find(|c| c["channel"] == "books").expect("books are among them");
    assert_eq!((&books["resyncs"], &books["reconnects"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(books["accuracyPercent"], "100.00");
    assert_eq!(books["gapsOpened"], books["gapsClosed"]);
    let said = ["agree", "differ", "skipped"].map(|name| report["witness"][name].as_u64());
    assert!(
        matches!(said, [Some(agree), Some(0), Some(skipped)] if agree + skipped > 0),
        "{report}"
    );
}

#[test]
fn a_check_that_fails_says_why() {
    let ran =
        run(&["check", "--sim", "--duration", "2s", "--no-drills", "--min-messages", "999999"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let verdict = ran.stdout.lines().position(|line| line == "FAIL").expect("the verdict is shown");
    let reason = ran.stdout.lines().nth(verdict + 1).expect("a reason follows");
    assert!(reason.ends_with(" messages came, at least 999,999 were expected"), "{reason}");
}

#[test]
fn check_recovers_from_injected_faults() {
    let args = ["check", "--sim", "--sim-faults", "abort", "--sim-seed", "5", "--duration", "8s"];
    let ran = run(&args);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("\nPASS\n"), "{}", ran.stdout);
}

#[test]
fn a_dry_run_prints_the_plan_and_starts_nothing() {
    let ran = run(&["run", "--sim", "--dry-run", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let plan: Value = serde_json::from_str(&ran.stdout).expect("the plan is JSON");
    let connections = plan["connections"].as_array().expect("connections are listed");
    let paths: Vec<_> = connections.iter().map(|c| c["path"].as_str()).collect();
    assert_eq!(paths, [Some("public"), Some("business")]);
    assert_eq!(plan["requests"], 2);
    let ran = run(&["run", "--sim", "--dry-run"]);
    let row = "         2  business  candle1m     BTC-USDT-SWAP";
    assert!(ran.stdout.lines().any(|line| line == row), "{}", ran.stdout);
}

#[test]
fn run_hands_records_to_its_sinks_and_says_what_it_did() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = shown(&folder.path().join("out.ndjson"));
    let settings = format!(
        "[[subscribe]]\ninstruments = [\"BTC-USDT\"]\nchannels = [\"trades\", \"books\"]\n\
         [output]\nsinks = [{out:?}]\n[log]\nlevel = \"error\"\n"
    );
    let path = file(&folder, "node.toml", &settings);
    let ran = run(&["run", "--config", &path, "--sim", "--for", "1500ms", "--no-tape"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
    let written = std::fs::read_to_string(&out).expect("the sink's file is there");
    let records = records(&written);
    let down = |r: &Value| r["type"] == "session" && r["event"] == "down";
    assert!(records.iter().any(down), "the end of the connection is flushed, too");
    assert!(records.iter().any(|r| r["type"] == "orderbook"));
    let last = ran.stderr.lines().last().expect("the sinks are summed up");
    assert_eq!(last, format!("  {out}: {} events", records.len()));
}

/// A `market-data sim` of its own, ended with the test.
struct Sim {
    child: Child,
    url: String,
}

impl Sim {
    fn start() -> Sim {
        let mut child = command(&["sim", "--listen", "127.0.0.1:0", "--seed", "9"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut url = None;
        let mut line = String::new();
        while url.is_none() && stderr.read_line(&mut line).expect("it talks") > 0 {
            url = line.trim().strip_prefix("REST      http://").map(|at| format!("ws://{at}"));
            line.clear();
        }
        // Keep reading, so that the child never waits for us.
        std::thread::spawn(move || {
            let mut rest = Vec::new();
            drop(stderr.read_to_end(&mut rest));
        });
        Sim { child, url: url.expect("it says where it listens") }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_sim_serves_other_processes() {
    let sim = Sim::start();
    let ran = run(&["watch", "ETH-USDT", "--url", &sim.url, "--count", "5", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(records(&ran.stdout).iter().any(|r| r["instId"] == "ETH-USDT"));
}

#[cfg(unix)]
#[test]
fn sigterm_ends_the_service_with_everything_flushed() {
    let ran = run_until_told(&["run", "--sim", "--no-tape", "--log-level", "error"], "-TERM");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let text = ran.stdout;
    assert!(text.ends_with('\n'), "no record is cut off");
    let records = records(&text);
    assert!(records.iter().any(|r| r["type"] == "session" && r["event"] == "down"), "{text}");
}

#[test]
fn completions_and_fault_profiles_are_data() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.contains("market-data") && ran.stdout.contains("watch"), "{shell}");
    }
    let ran = run(&["sim", "--list-faults"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains("seqgap") && ran.stdout.contains("blackout"), "{}", ran.stdout);
}
