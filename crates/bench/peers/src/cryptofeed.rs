//! cryptofeed 2.4: a Python process that is told which frames to take, then asked for passes.
//!
//! `PEERS_PYTHON` names an interpreter that has it (`run.sh` makes one). The process counts its own
//! processor time, so waiting for it costs nobody; it runs only while the others wait.

use crate::truth::{Best, Counts, Texts};
use market_data_bench::frames::channel;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Names it in the table.
pub const NAME: &str = "cryptofeed 2.4.1";

/// The running process.
pub struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    frames: PathBuf,
}

/// Whether it has the channel of a frame: its mix is without `bbo-tbt` and `books5`.
pub fn takes(frame: &str) -> bool {
    match channel(frame.as_bytes()) {
        "books" | "books-l2-tbt" | "books50-l2-tbt" | "trades" | "tickers" => true,
        name => name.starts_with("candle"),
    }
}

/// What should come out: its book says what changed and not how many levels it was told.
pub fn wanted(all: Counts) -> Counts {
    Counts { levels: 0, tops: 0, five: 0, ..all }
}

impl Peer {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no interpreter or it has no cryptofeed; the text says which.
    pub fn start() -> Result<Peer, String> {
        let python = std::env::var_os("PEERS_PYTHON").ok_or("PEERS_PYTHON is not set")?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cryptofeed_peer.py");
        let mut child = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", python.display()))?;
        let to = child.stdin.take().expect("it was asked for");
        let from = BufReader::new(child.stdout.take().expect("it was asked for"));
        let frames = std::env::temp_dir().join(format!("market-data-peers-{}", std::process::id()));
        let mut peer = Peer { child, to, from, frames };
        let hello = peer.answer()?;
        match hello["version"].as_str() {
            Some(version) if NAME.ends_with(version) => Ok(peer),
            version => Err(format!("the interpreter has version {version:?}, not {NAME}")),
        }
    }

    /// Gives it frames; what it made of them in a first pass.
    ///
    /// # Errors
    /// When the frames cannot be written or the process fails.
    pub fn load(&mut self, streams: &Texts<'_>) -> Result<(Counts, Best), String> {
        // A frame a line, an empty line after each connection.
        let text: String = streams.iter().map(|frames| frames.join("\n") + "\n\n").collect();
        std::fs::write(&self.frames, text)
            .map_err(|e| format!("cannot write {}: {e}", self.frames.display()))?;
        let path = self.frames.display().to_string();
        let answer = self.ask(&format!("load {path}"))?;
        let count = |name: &str| answer[name].as_u64().unwrap_or(0);
        let counts = Counts {
            trades: count("trades"),
            changes: count("changes"),
            tickers: count("tickers"),
            bars: count("bars"),
            ..Counts::default()
        };
        let best = answer["best"].as_array().into_iter().flatten().filter_map(|row| {
            let stream = usize::try_from(row[0].as_u64()?).ok()?;
            Some(((stream, row[1].as_str()?.to_owned()), (row[2].as_i64()?, row[3].as_i64()?)))
        });
        Ok((counts, best.collect()))
    }

    /// Nanoseconds of its processor time that one pass from nothing takes.
    ///
    /// # Errors
    /// When the process fails.
    pub fn pass(&mut self) -> Result<f64, String> {
        let answer = self.ask("pass")?;
        answer["ns"].as_f64().ok_or_else(|| format!("{NAME} answered {answer}"))
    }

    fn ask(&mut self, what: &str) -> Result<Value, String> {
        writeln!(self.to, "{what}").map_err(|e| format!("{NAME} does not listen: {e}"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(|e| format!("{NAME} does not answer: {e}"))?;
        serde_json::from_str(&line).map_err(|_| format!("{NAME} ended; its own words are above"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // What cannot be stopped or removed here has ended or is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.frames);
    }
}
