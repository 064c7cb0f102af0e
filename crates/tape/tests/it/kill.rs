//! A recorder that is killed keeps every record that it had synced.
//!
//! The test starts itself as a child, which records without end and prints how many records are
//! on the disk; the parent kills it at some line.

use crate::support::*;
use market_data_tape::{Range, TapeOptions, TapeWriter};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

const DIR: &str = "MARKET_DATA_TAPE_KILL_DIR";

fn options() -> TapeOptions {
    TapeOptions { sync_ns: 20_000_000, block_ns: 5_000_000, segment_bytes: 300_000, ..small() }
}

/// The child. Does nothing unless the parent has named a directory.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let mut tape = TapeWriter::open(Path::new(&dir), options(), T0).expect("opens");
    let mut out = std::io::stdout().lock();
    // Bounded, so that a child whose parent died ends.
    for (i, made) in frames(50_000, 1).iter().enumerate() {
        let syncs = tape.stats().syncs;
        put_all(&mut tape, std::slice::from_ref(made));
        tape.tick(made.ts);
        // A sync takes everything put so far.
        if tape.stats().syncs > syncs {
            writeln!(out, "synced {}", i + 1).expect("the parent listens");
        }
    }
}

#[test]
fn a_killed_recorder_keeps_what_it_had_synced() {
    let records = frames(50_000, 1);
    for round in 1..=8u64 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut synced = 0;
        let mut lines = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some(count) = line.strip_prefix("synced ") else { continue };
            synced = count.parse::<usize>().unwrap();
            lines += 1;
            if lines == round * round * 3 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(synced > 0, "the child synced nothing");
        let end = records[synced - 1].ts;
        let next = TapeWriter::open(dir.path(), options(), end).unwrap();
        drop(next);
        let said = read(dir.path(), Range::ALL);
        assert_eq!(said.damage, []);
        assert!(said.lines.len() >= synced, "{} of {synced} synced", said.lines.len());
        for (line, made) in said.lines.iter().zip(&records) {
            assert_eq!(*line, made.line());
        }
    }
}
