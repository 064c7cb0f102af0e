//! `decode`: captured frames in, records or counts out.

use crate::run::{command, fails, file, run, run_with, shown};
use serde_json::Value;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Stdio;

const TICKER: &str = concat!(
    r#"{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instType":"SPOT","#,
    r#""instId":"BTC-USDT","last":"43560.10","lastSz":"0.5","askPx":"43560.2","#,
    r#""askSz":"1","bidPx":"43560","bidSz":"2","open24h":"43000","high24h":"44000","#,
    r#""low24h":"42000","sodUtc0":"43100","sodUtc8":"43200","volCcy24h":"100","#,
    r#""vol24h":"2","ts":"1795437636123"}]}"#,
);

/// The captures lie outside of the project; `OKX_CORPUS` names them elsewhere.
fn corpus() -> Option<Vec<String>> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let root = std::env::var_os("OKX_CORPUS").map_or(here, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(root.join("okx")) else {
        eprintln!("skipped: no captures at {}; set OKX_CORPUS", root.display());
        return None;
    };
    let mut files: Vec<String> =
        entries.map(|entry| shown(&entry.expect("the folder can be read").path())).collect();
    files.retain(|f| !f.ends_with(".sent.tsv") && !f.ends_with(".prov.jsonl"));
    files.sort();
    Some(files)
}

fn summary(files: &[String]) -> Value {
    let mut args = vec!["decode", "--summary"];
    args.extend(files.iter().map(String::as_str));
    let ran = run(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(ran.stdout.lines().count(), 1, "one object");
    serde_json::from_str(&ran.stdout).expect("a summary is JSON")
}

#[test]
fn every_captured_frame_decodes_and_every_checksum_verifies() {
    let Some(files) = corpus() else { return };
    let all = summary(&files);
    assert_eq!(all["frames"], 4041);
    assert_eq!(all["faults"], 0);
    assert_eq!(all["books"]["checksum_ok"], 3745);
    // Captures whose books somebody cut cannot verify; everything else must, without exception.
    let cut = ["single-frames"];
    let whole: Vec<String> =
        files.into_iter().filter(|f| !cut.iter().any(|word| f.contains(word))).collect();
    let whole = summary(&whole);
    assert_eq!(whole["books"]["checksum_checked"], 3745);
    assert_eq!(whole["books"]["checksum_ok"], 3745);
    assert_eq!(whole["faults"], 0);
}

#[test]
fn records_keep_the_venues_numbers_and_stamps() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = file(&folder, "x.tsv", &format!("17\t{TICKER}\n99\tpong\n"));
    let ran = run(&["decode", "--json", &path]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let records: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ticker = records.iter().find(|r| r["type"] == "ticker").expect("a ticker came out");
    assert_eq!(ticker["price"], "43560.10");
    assert_eq!(ticker["tsRecv"], 17);
    assert_eq!(ticker["timestamp"], 1_795_437_636_123_u64);
}

#[test]
fn lines_for_people_have_no_colours_in_a_pipe() {
    let ran = run_with(&["decode", "-"], &format!("{TICKER}\n"));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let line = ran.stdout.lines().last().expect("a line came out");
    assert_eq!(
        line,
        "12:40:36.123  BTC-USDT   tickers   bid        2@43560 | ask 1@43560.2       last \
         43560.10  24h 42000 to 44000  vol 2"
    );
    assert!(!ran.stdout.contains('\x1b'));
}

#[test]
fn stdin_may_mix_both_formats_and_frames_nobody_understands_are_faults() {
    let text = format!("{TICKER}\n5\t{TICKER}\n{{\"arg\":\npong\n\n");
    let ran = run_with(&["decode", "--summary", "-"], &text);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let summary: Value = serde_json::from_str(&ran.stdout).expect("a summary is JSON");
    assert_eq!(summary["frames"], 4);
    assert_eq!(summary["records"]["ticker"], 2);
    assert_eq!(summary["records"]["trade"], 0, "types not seen are there, too");
    assert_eq!(summary["faults"], 1);
    for field in ["channels", "fields", "values"] {
        assert_eq!(summary["unknown"][field], 0);
    }
    for field in [
        "checksum_checked",
        "checksum_ok",
        "checksum_zero",
        "chain_checked",
        "chain_ok",
        "gaps",
        "resets",
        "heartbeats",
        "snapshots",
        "updates",
    ] {
        assert_eq!(summary["books"][field], 0, "{field}");
    }
}

#[test]
fn files_that_cannot_be_decoded_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = shown(&folder.path().join("no.jsonl"));
    fails(
        &["decode", &missing],
        &format!(
            "error: cannot read {missing}: no such file\n\nhint: check the path, or use `-` to \
             read stdin\n"
        ),
    );
    let sent = file(&folder, "a.sent.tsv", "1\t{}\n");
    fails(
        &["decode", &sent],
        &format!(
            "error: cannot decode {sent}: it holds what the client sent, not received frames\n\n\
             hint: name the file next to it, without `.sent` or `.prov`\n"
        ),
    );
    let unstamped = file(&folder, "b.tsv", "1\tpong\n{}\n");
    fails(
        &["decode", "--summary", &unstamped],
        &format!(
            "error: {unstamped}:2: no receive time\n\nhint: lines of a .tsv are receive time in \
             nanoseconds, a tab, the frame; a file of frames alone is named .jsonl\n"
        ),
    );
    let folder = shown(folder.path());
    fails(
        &["decode", &folder],
        &format!(
            "error: cannot decode {folder}: it is a folder\n\nhint: name the files in it, such as \
             {folder}/*.jsonl\n"
        ),
    );
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // More than a pipe holds, so that the command must notice.
    let path = file(&folder, "x.jsonl", &format!("{TICKER}\n").repeat(20_000));
    let mut child = command(&["decode", "--json", &path])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut some = [0; 64];
    let mut stdout = child.stdout.take().expect("stdout is piped");
    stdout.read_exact(&mut some).expect("something comes out");
    drop(stdout);
    let output = child.wait_with_output().expect("the command ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
