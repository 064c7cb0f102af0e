//! `instruments`: the list of the pretend exchange as a table and as rows.

use crate::run::{fails, run};
use serde_json::Value;

#[test]
fn a_pattern_of_one_kind_is_a_table() {
    let ran = run(&["instruments", "BTC-*", "--type", "swap", "--sim"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let mut lines = ran.stdout.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let columns = ["instrument", "kind", "state", "tick", "lot", "contract", "listed", "ends"];
    assert_eq!(head, columns);
    let rows: Vec<&str> = lines.collect();
    assert!(rows.iter().all(|row| row.starts_with("BTC-") && row.contains(" SWAP ")), "{rows:?}");
    let inverse = rows.iter().find(|row| row.starts_with("BTC-USD-SWAP "));
    assert!(inverse.is_some_and(|row| row.contains("100 USD inverse")), "{rows:?}");
}

#[test]
fn rows_are_the_venues_own() {
    let ran = run(&["instruments", "BTCUSDT", "--sim", "--json"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1));
    let row: Value = serde_json::from_str(&ran.stdout).expect("a row is JSON");
    assert_eq!((&row["instId"], &row["instType"]), (&"BTC-USDT".into(), &"SPOT".into()));
    assert!(row["lotSz"].is_string());
}

#[test]
fn those_of_a_tape_are_the_venues_own_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let tape = folder.path().join("tape").display().to_string();
    let ran = run(&["run", "--sim", "--for", "2s", "--no-serve", "--tape", &tape]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let of_tape = run(&["instruments", "BTC-USDT-SWAP", "--json", "--tape", &tape]);
    let of_venue = run(&["instruments", "BTC-USDT-SWAP", "--json", "--sim"]);
    assert_eq!((of_tape.code, of_tape.stderr.as_str()), (Some(0), ""));
    let row = |text: &str| -> Value { serde_json::from_str(text).expect("a row is JSON") };
    let (ours, theirs) = (row(&of_tape.stdout), row(&of_venue.stdout));
    for field in ["instId", "instType", "tickSz", "lotSz", "ctVal", "state"] {
        assert_eq!(ours[field], theirs[field], "{field}");
    }
    let none = run(&["instruments", "--tape", "/nowhere/tape"]);
    assert!(none.code == Some(2) && none.stderr.contains("/nowhere/tape"), "{}", none.stderr);
}

#[test]
fn what_does_not_exist_is_refused_with_a_way_out() {
    fails(
        &["instruments", "NOPE", "--sim"],
        "error: unknown instrument \"NOPE\"; ids look like BTC-USDT, BTC-USDT-SWAP\n\n\
         hint: a pattern such as 'BTC-*' lists everything that fits\n",
    );
}
