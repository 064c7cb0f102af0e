//! SIGHUP: `run` follows what its file subscribes to by then, and refuses one that it cannot use.

use crate::run::{command, file};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// `run` with its records and its log, line by line.
struct Running {
    child: Child,
    records: Receiver<Value>,
    log: Receiver<Value>,
    /// Where the book of BTC-USDT stands.
    seq: Value,
}

fn lines(from: impl Read + Send + 'static) -> Receiver<Value> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // The words at the end are no JSON.
            let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
            if send.send(value).is_err() {
                return;
            }
        }
    });
    lines
}

impl Running {
    fn start(config: &str) -> Running {
        let args = ["run", "--config", config, "--sim", "--no-tape", "--no-serve"];
        let mut child = command(&args)
            .args(["--log-format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let records = lines(child.stdout.take().expect("stdout is piped"));
        let log = lines(child.stderr.take().expect("stderr is piped"));
        Running { child, records, log, seq: Value::Null }
    }

    fn tell(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(told.expect("kill is there").success());
    }

    /// The log up to the line that says this.
    fn said(&self, text: &str) -> Vec<Value> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &Value| line.to_string().contains(text)) {
            lines.push(self.log.recv_timeout(PATIENCE).expect("the log goes on"));
        }
        lines
    }

    /// Reads records until one is of this channel and instrument; BTC-USDT must lose nothing.
    fn until(&mut self, channel: &str, inst_id: &str) {
        loop {
            let record = self.records.recv_timeout(PATIENCE).expect("records go on");
            assert_ne!(record["type"], "gap", "{record}");
            if record["type"] == "orderbook_delta" && record["instId"] == "BTC-USDT" {
                let first = self.seq.is_null() && record["isSnapshot"] == true;
                assert!(first || record["prevUpdateId"] == self.seq, "{record} after {}", self.seq);
                self.seq = record["lastUpdateId"].clone();
            }
            if record["channel"] == channel && record["instId"] == inst_id {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended by itself in a test that passes.
        drop(self.child.kill());
    }
}

fn settings(instruments: &str, depth: u32) -> String {
    format!(
        "[[subscribe]]\ninstruments = [{instruments}]\nchannels = [\"books\"]\n\
         [books]\nview_depth = {depth}\ndeltas = true\n"
    )
}

#[test]
fn a_hangup_changes_what_is_followed_and_a_bad_file_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(&folder, "settings.toml", &settings("\"BTC-USDT\", \"ETH-USDT\"", 5));
    let mut run = Running::start(&config);
    run.until("books", "ETH-USDT");

    for (bad, why) in
        [(settings("\"BTC-USDX\"", 5), "BTC-USDX"), ("[subscribe".to_owned(), "settings.toml")]
    {
        file(&folder, "settings.toml", &bad);
        run.tell("-HUP");
        let line = run.said("the new settings are refused").pop().expect("a line");
        assert!(line.to_string().contains(why), "{line}");
        run.until("books", "ETH-USDT");
    }

    file(&folder, "settings.toml", &settings("\"BTC-USDT\", \"SOL-USDT\"", 7));
    run.tell("-HUP");
    let log = run.said("\"ending\"");
    let all = log.iter().map(Value::to_string).collect::<String>();
    for text in ["books.view_depth", "books SOL-USDT", "books ETH-USDT", "\"kept\":2"] {
        assert!(all.contains(text), "{text} in {all}");
    }
    run.until("books", "SOL-USDT");
    run.said("everything is live");
    for _ in 0..20 {
        run.until("books", "BTC-USDT");
    }
    run.tell("-TERM");
    assert!(run.child.wait().expect("it ends").success());
}
