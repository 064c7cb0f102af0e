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
fn what_does_not_exist_is_refused_with_a_way_out() {
    fails(
        &["instruments", "NOPE", "--sim"],
        "error: unknown instrument \"NOPE\"; ids look like BTC-USDT, BTC-USDT-SWAP\n\n\
         hint: a pattern such as 'BTC-*' lists everything that fits\n",
    );
}
