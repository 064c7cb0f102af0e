//! `backfill`, `merge` and `report`, as their users see them.

use crate::archive::{converted, verified};
use crate::damage::original;
use crate::run::{run, shown};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

#[test]
fn the_past_is_fetched_once_and_is_part_of_the_archive() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = shown(&folder.path().join("parquet"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let hour = now / 3600 * 3600;
    let (from, to) = ((hour - 50 * 3600).to_string(), (hour - 2 * 3600).to_string());
    let args = [
        "backfill",
        "--inst",
        "BTC-USDT-SWAP,ETH-USD*SWAP",
        "--channels",
        "candle15m,funding-rate",
        "--from",
        &from,
        "--to",
        &to,
        "--out",
        &dir,
        "--sim",
    ];
    let ran = run(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    verified(&[&dir], 0, &["Parquet files whole: "]);
    let again = run(&[&args[..], &["--json"]].concat());
    let report: Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!((&report["requests"], &report["records"]), (&0.into(), &0.into()), "{report}");
    assert!(report["there"].as_u64() > Some(3), "{report}");
    let ran = run(&["report", &dir, "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    let fetched = |channel: &str| {
        let ours = rows.iter().filter(|row| row["channel"] == channel);
        ours.filter(|row| row["instId"] == "BTC-USDT-SWAP")
            .map(|row| row["fetched"].as_u64().unwrap_or(0))
            .sum::<u64>()
    };
    assert_eq!((ran.code, fetched("candle15m")), (Some(0), 48 * 4));
    assert_eq!(fetched("funding-rate-history"), 6);
}

#[test]
fn whole_days_come_from_daily_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = shown(&folder.path().join("parquet"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    // The newest day of UTC+8 that has a file by now, and two minutes on either side.
    let day = (now + 8 * 3600) / 86_400 - 2;
    let (from, to) = (day * 86_400 - 8 * 3600 - 120, (day + 1) * 86_400 - 8 * 3600 + 120);
    let (from, to) = (from.to_string(), to.to_string());
    let args = ["backfill", "--inst", "BTC-USDT", "--channels", "trades", "--from", &from];
    let args = [&args[..], &["--to", &to, "--out", &dir, "--sim", "--json"]].concat();
    let ran = run(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let done: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let daily = &done["daily"];
    assert!(daily["files"] == 1 && daily["records"].as_u64() > Some(4_000), "{done}");
    assert!(done["requests"].as_u64() < Some(20) && done["absent"] == 0, "{done}");
    assert!(daily["compared"].as_u64() > Some(10) && daily["differing"][0].is_null(), "{done}");
    verified(&[&dir], 0, &["Parquet files whole: "]);
    let ran = run(&["report", &dir]);
    assert!(ran.stdout.contains("none missing, none twice"), "{}", ran.stdout);
}

#[test]
fn what_has_no_past_is_refused_with_advice() {
    let args = ["backfill", "--inst", "BTC-USDT", "--out", "x", "--sim", "--from", "2026-11-01"];
    let ran = run(&[&args[..], &["--to", "2026-11-02", "--channels", "books"]].concat());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("books cannot be fetched") && ran.stderr.contains("hint: "));
    let ran = run(&[&args[..], &["--to", "2026-10-02"]].concat());
    assert!(ran.code == Some(2) && ran.stderr.contains("--from must lie before --to"));
}

#[test]
fn a_tape_and_its_archive_give_the_same_report_but_for_rest() {
    let (folder, dir) = converted(original());
    let page = folder.path().join("report.html");
    let tape = run(&["report", &shown(original()), "--json"]);
    let archive = run(&["report", &shown(&dir), "--json", "--html", &shown(&page)]);
    assert_eq!((tape.code, archive.code), (Some(0), Some(0)), "{}", tape.stdout);
    let rows = |text: &str| {
        let report: Value = serde_json::from_str(text).expect("JSON");
        let mut rows = report["rows"].as_array().expect("rows").clone();
        for row in &mut rows {
            // Archives hold no answers and no witnesses.
            row["rest"] = Value::Null;
            row["witness"] = Value::Null;
        }
        rows
    };
    let (ours, theirs) = (rows(&tape.stdout), rows(&archive.stdout));
    assert_eq!(ours, theirs);
    assert!(ours.iter().any(|row| row["hours"][0]["ids"].as_u64() > Some(10)));
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.starts_with("<!doctype html>") && !page.contains("<script"));
    let words = run(&["report", &shown(&dir)]);
    assert!(words.stdout.contains("none missing, none twice"), "{}", words.stdout);
    // One archive is no two.
    let out = shown(&folder.path().join("merged"));
    let ran = run(&["merge", &shown(&dir), &shown(&dir), "-o", &out]);
    assert!(ran.code == Some(2) && ran.stderr.contains("two of them are the same"));
}
