//! A recorder of funding rates is away while the exchange settles: what it missed is fetched, in
//! order, none twice and none left out, and a replay says the same.

use crate::restart::{Records, exchange_with, record_with};
use crate::run::{identical, run, shown};
use crate::take_over::rows;
use serde_json::Value;

const INSTRUMENTS: [&str; 2] = ["BTC-USDT-SWAP", "ETH-USDT-SWAP"];

/// Reads until each instrument has had a rate, and no gap is open.
fn until_heard(lines: &mut Records) {
    let (mut heard, mut open) = (std::collections::BTreeSet::new(), 0);
    for line in lines {
        let record: Value = serde_json::from_str(&line.expect("a line")).expect("it is JSON");
        match (record["type"].as_str(), record["event"].as_str()) {
            (Some("gap"), Some("opened")) => open += 1,
            (Some("gap"), _) => open -= 1,
            (Some("funding"), _) => drop(heard.insert(record["instId"].to_string())),
            _ => {}
        }
        if heard.len() == INSTRUMENTS.len() && open == 0 {
            return;
        }
    }
    panic!("it ended before every rate was heard");
}

#[test]
fn settlements_that_nobody_heard_of_are_fetched() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = shown(&folder.path().join("tape"));
    let what = (&INSTRUMENTS[..], &["funding-rate"][..]);
    // The same exchange, before and after: its rates are a function of time.
    let mut url = String::new();
    for (start, signal) in [
        ("2026-11-20T23:30:00Z", "-TERM"),
        // Between two settlements nothing is missed.
        ("2026-11-20T23:40:00Z", "-KILL"),
        ("2026-11-22T09:00:00Z", "-KILL"),
        ("2026-11-22T16:30:00Z", "-TERM"),
    ] {
        let (exchange, at) = exchange_with(&["--start", start]);
        let (mut running, mut lines) = record_with(&at, &dir, what, &["--no-serve"]);
        until_heard(&mut lines);
        // What was said is on the tape.
        std::thread::sleep(std::time::Duration::from_millis(400));
        running.signal(signal);
        lines.for_each(drop);
        running.0.wait().expect("it ends");
        if start == "2026-11-22T16:30:00Z" {
            url = at;
            check(&dir, &url);
        }
        drop(exchange);
    }
    assert!(!url.is_empty());
    identical(&dir);
}

fn check(dir: &str, url: &str) {
    let ran = run(&["replay", dir, "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let records: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    for inst in INSTRUMENTS {
        let ours = records.iter().filter(|r| r["type"] == "funding_rate_history");
        let ours = ours.filter(|r| r["instId"] == inst).inspect(|record| {
            assert_eq!(record["filledFrom"], "rest");
            assert_eq!(record["channel"], "funding-rate-history");
        });
        let fields = ["fundingTime", "realizedRate", "fundingRate"];
        let text = |record: &Value, name: &str| match &record[name] {
            Value::Number(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let say = |record: &Value| fields.map(|name| text(record, name));
        let ours: Vec<_> = ours.map(say).collect();
        let path = "/api/v5/public/funding-rate-history";
        let mut theirs: Vec<_> =
            rows(url, &format!("{path}?instId={inst}&limit=5")).iter().map(say).collect();
        theirs.reverse();
        // 00:00, 08:00 and 16:00 of the 21st, 00:00 and 08:00, and 16:00 of the 22nd.
        assert_eq!(ours.len(), 6, "{inst}: {ours:?}");
        assert_eq!(ours[1..], theirs, "{inst}");
        let gaps = records.iter().filter(|r| r["type"] == "gap" && r["instId"] == inst);
        let closed: Vec<_> = gaps
            .filter(|gap| gap["event"] == "closed" && gap["cause"] == "restart")
            .map(|gap| gap["healed"].as_str().unwrap_or_default())
            .collect();
        assert_eq!(closed, ["resumed", "rest", "rest"], "{inst}");
    }
}
