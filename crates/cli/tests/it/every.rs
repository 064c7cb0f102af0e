//! The channel `all`: every public channel is followed, or left out with a reason.

use crate::run::{command, run};
use market_data_okx::channel;
use serde_json::Value;
use std::collections::BTreeSet;

fn names<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item[field].as_str()).collect()
}

#[test]
fn a_check_of_all_channels_has_a_row_or_a_reason_for_each() {
    let ran = run(&["check", "--sim", "--channels", "all", "--duration", "11s", "--json"]);
    assert_eq!((ran.code, ran.stderr.contains("left out")), (Some(0), false), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).expect("the report is JSON");
    assert_eq!(report["reasons"], Value::Array(Vec::new()));
    let left = names(&report["leftOut"], "channel");
    assert_eq!(left, ["books-l2-tbt", "books50-l2-tbt", "books-elp", "economic-calendar"]);
    let rows = names(&report["channels"], "channel");
    let said: BTreeSet<&str> = rows.iter().chain(&left).copied().collect();
    assert_eq!(said, channel::names().collect::<BTreeSet<_>>());
    for row in report["channels"].as_array().expect("channels are listed") {
        let spec = channel::find(row["channel"].as_str().unwrap_or_default());
        let promised = spec.and_then(|spec| spec.first_ns).is_some_and(|ns| ns <= 11_000_000_000);
        let first = row["firstMs"].as_u64();
        assert!(first.is_some_and(|ms| ms <= 11_000) || !promised, "{row}");
        assert_eq!(row["faults"], 0, "{row}");
    }
}

#[test]
fn run_takes_all_channels_as_well_and_says_what_it_leaves_out() {
    let ran = command(&["run", "--sim", "--dry-run", "--json"])
        .env("MARKET_DATA_SUBSCRIBE_CHANNELS", "all")
        .output()
        .expect("the command runs");
    assert_eq!(ran.status.code(), Some(0));
    let plan: Value = serde_json::from_slice(&ran.stdout).expect("the plan is JSON");
    let connections = plan["connections"].as_array().expect("connections are listed");
    let planned = connections.iter().flat_map(|c| names(&c["subscriptions"], "channel"));
    let planned: BTreeSet<&str> = planned.collect();
    assert_eq!(planned.len() + 4, channel::names().count());
}

#[test]
fn watch_takes_all_channels_as_well() {
    let args = ["watch", "BTC-USDT-SWAP", "--channels", "all", "--sim", "--count", "300", "--json"];
    let ran = run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("left out: books-elp: OKX ended it on 2026-10-31\n"));
    for kind in ["mark_price", "funding", "kline", "orderbook", "status", "spread_ticker"] {
        assert!(ran.stdout.contains(&format!("\"type\":\"{kind}\"")), "no {kind}");
    }
}

#[test]
fn a_pattern_with_a_least_turnover_means_fewer_and_says_when_it_means_none() {
    let plan = |min: Option<&str>| {
        let mut run = command(&["run", "--sim", "--dry-run", "--json"]);
        run.env("MARKET_DATA_SUBSCRIBE_INSTRUMENTS", "*-USDT-SWAP,LTC-USDT");
        run.env("MARKET_DATA_SUBSCRIBE_CHANNELS", "trades");
        if let Some(min) = min {
            run.env("MARKET_DATA_SUBSCRIBE_MIN_TURNOVER_24H", min);
        }
        let ran = run.output().expect("the command runs");
        let plan: Value = serde_json::from_slice(&ran.stdout).expect("the plan is JSON");
        let connections = plan["connections"].as_array().cloned().unwrap_or_default();
        let keys: Vec<String> = connections
            .iter()
            .flat_map(|c| names(&c["subscriptions"], "key"))
            .map(str::to_owned)
            .collect();
        keys
    };
    let (all, busy, none) =
        (plan(None), plan(Some("50000000.5")), plan(Some("1".repeat(30).as_str())));
    assert!(busy.len() < all.len() && busy.iter().any(|key| key == "BTC-USDT-SWAP"), "{busy:?}");
    assert_eq!(none.iter().filter(|key| key.contains("-SWAP")).count(), 0, "{none:?}");
    for keys in [&busy, &none] {
        let has = |key: &str| keys.iter().any(|k| k == key);
        assert!(
            has("LTC-USDT") && has("SWAP"),
            "what is named stays, and news is followed: {keys:?}"
        );
    }
}
