//! Instruments live through everything that can happen to one, and say so.

use std::collections::BTreeMap;

use market_data_sim::{MarketSize, SimConfig};
use serde_json::Value;

use crate::rig::{NaiveBook, Rig, SECOND, START, config, units};

/// Everything that was pushed in four minutes; whoever can be listened to is listened to.
fn play(seed: u64) -> Rig {
    let mut rig = Rig::new(SimConfig { lives: true, ..config(seed, MarketSize::Small, "none") });
    let conn = rig.open("/ws/v5/public");
    for kind in ["SPOT", "SWAP", "FUTURES", "EVENTS"] {
        let arg = format!("{{\"channel\":\"instruments\",\"instType\":\"{kind}\"}}");
        rig.send(conn, &format!("{{\"op\":\"subscribe\",\"args\":[{arg}]}}"));
    }
    let mut heard: Vec<(String, String)> = Vec::new();
    for _ in 0..260 {
        rig.run(SECOND);
        let live = rig.exchange.subscriptions(conn);
        heard.retain(|id| live.iter().any(|(channel, about)| channel == "books" && *about == id.0));
        for inst in rig.exchange.instruments() {
            let name = (inst.inst_id.clone(), inst.list_time.clone());
            let named = !inst.inst_id.is_empty() && !inst.inst_id.starts_with("LISTING");
            if named && inst.state != "expired" && !heard.contains(&name) {
                rig.subscribe(conn, &["books", "call-auction-details"], &[&inst.inst_id]);
                heard.push(name);
            }
        }
    }
    rig
}

/// The rows of `instruments` by id, with the second at which each came.
fn told(rig: &Rig) -> BTreeMap<String, Vec<(u64, Value)>> {
    let mut told: BTreeMap<String, Vec<(u64, Value)>> = BTreeMap::new();
    for delivery in &rig.out {
        let Some(text) = crate::rig::text(delivery).filter(|text| *text != "pong") else {
            continue;
        };
        let frame: Value = serde_json::from_str(text).unwrap();
        if frame["arg"]["channel"] == "instruments" && frame.get("data").is_some() {
            let row = frame["data"][0].clone();
            let id = row["instId"].as_str().unwrap().to_owned();
            told.entry(id).or_default().push(((delivery.at_ns - START) / SECOND, row));
        }
    }
    told
}

fn states(rows: &[(u64, Value)]) -> Vec<(u64, &str)> {
    rows.iter().map(|(at, row)| (*at, row["state"].as_str().unwrap())).collect()
}

#[test]
fn the_script_is_played() {
    let rig = play(1);
    let told = told(&rig);
    let blank = &told["LISTING-SPOT-AUCT-USDT"][0].1;
    assert_eq!((&blank["state"], &blank["tickSz"]), (&"preopen".into(), &"".into()));
    assert!(blank["instIdCode"].is_null());
    let nameless: Vec<&str> =
        told[""].iter().map(|(_, row)| row["instType"].as_str().unwrap()).collect();
    assert_eq!(nameless, ["SPOT", "FUTURES"]);
    assert_eq!(told[""][1].1["instFamily"], "SUI-USDT", "which family, but not which id");
    let auction = &told["AUCT-USDT"];
    assert_eq!(states(auction), [(40, "preopen"), (75, "live")]);
    assert_eq!(auction[0].1["openType"], "call_auction");
    let ends = ((START + 75 * SECOND) / 1_000_000).to_string();
    assert_eq!(auction[0].1["contTdSwTime"], ends);
    assert_eq!(told["PREQ-USDT"][0].1["openType"], "pre_quote");
    let halt = &told["HALT-USDT"];
    assert_eq!(states(halt), [(55, "suspend"), (80, "live"), (82, "live"), (95, "live")]);
    let least: Vec<&str> = halt.iter().map(|(_, row)| row["minSz"].as_str().unwrap()).collect();
    assert_eq!(least, ["1", "1", "1", "2"]);
    assert_eq!((&halt[2].1["upcChg"][0]["newValue"]), "2");
    let split = &told["SPLT-USDT-SWAP"];
    let wanted = [(50, "rebase"), (65, "rebase"), (66, "post_only"), (72, "live")];
    assert_eq!(states(split), wanted);
    assert_eq!((&split[0].1["ctVal"], &split[1].1["ctVal"]), (&"1".into(), &"10".into()));
    let tick = &told["TICK-USDT-SWAP"];
    assert_eq!((&tick[0].1["tickSz"], &tick[1].1["tickSz"]), (&"0.0001".into(), &"0.00001".into()));
    let plan = &tick[0].1["upcChg"][0];
    assert_eq!((&plan["param"], &plan["newValue"]), (&"tickSz".into(), &tick[1].1["tickSz"]));
    let effective = (START + tick[1].0 * SECOND) / 1_000_000;
    assert_eq!(plan["effTime"], effective.to_string());
    assert_eq!(tick[1].1["upcChg"], Value::Array(Vec::new()));
    let (old, new) = (&told["RENA-USDT-SWAP"], &told["RENB-USDT-SWAP"]);
    assert_eq!(states(old), [(90, "expired")]);
    assert_eq!(states(new), [(90, "rebase"), (98, "post_only"), (105, "live")]);
    assert_eq!(old[0].1["instIdCode"], new[0].1["instIdCode"], "a rename keeps the code");
    let gone = &told["GONE-USDT"];
    assert_eq!(states(gone), [(20, "live"), (120, "expired"), (150, "live")]);
    assert_eq!(gone[0].1["expTime"], ((START + 120 * SECOND) / 1_000_000).to_string());
    assert_ne!(gone[1].1["instIdCode"], gone[2].1["instIdCode"], "a relisting does not");
    assert_eq!(gone[2].1["expTime"], "");
    let event = told.iter().find(|(id, _)| id.starts_with("BTC-ABOVE")).unwrap().1;
    let wanted =
        [(30, "preopen"), (85, "live"), (160, "live"), (180, "settling"), (240, "expired")];
    assert_eq!(states(event), wanted);
    let perp = told.iter().find(|(id, _)| id.contains("XPERP")).unwrap().1;
    assert_eq!(perp[0].1["ruleType"], "xperp");
    let future = told.iter().find(|(id, _)| id.starts_with("SUI-USDT-")).unwrap().1;
    assert_eq!(states(future), [(45, "live"), (165, "live"), (200, "expired")]);
}

#[test]
fn books_cross_before_the_opening_only_and_survive_a_finer_tick() {
    let rig = play(2);
    let mut books: BTreeMap<String, NaiveBook> = BTreeMap::new();
    let mut crossed: BTreeMap<String, u64> = BTreeMap::new();
    let mut finer = false;
    for delivery in &rig.out {
        let Some(text) = crate::rig::text(delivery).filter(|text| *text != "pong") else {
            continue;
        };
        let frame: Value = serde_json::from_str(text).unwrap();
        if frame["arg"]["channel"] != "books" || frame.get("data").is_none() {
            continue;
        }
        let id = frame["arg"]["instId"].as_str().unwrap().to_owned();
        let book = books.entry(id.clone()).or_default();
        book.apply(&frame).unwrap();
        if let (Some(bid), Some(ask)) = (book.bids.first(), book.asks.first())
            && units(&bid.0) >= units(&ask.0)
        {
            crossed.insert(id.clone(), (delivery.at_ns - START) / SECOND);
        }
        if id == "TICK-USDT-SWAP" {
            finer |= book.asks.iter().any(|level| level.0.split('.').nth(1).unwrap().len() > 4);
            let px = units(&book.asks[0].0) / 10i128.pow(16);
            assert!((14_000..16_500).contains(&px), "{frame}");
        }
    }
    assert!(finer, "prices use the finer tick");
    assert!(crossed["AUCT-USDT"] < 75 && crossed["PREQ-USDT"] < 70, "{crossed:?}");
    let others: Vec<&String> = crossed
        .keys()
        .filter(|id| !id.starts_with("AUCT") && !id.starts_with("PREQ") && !id.contains("ABOVE"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn an_auction_says_where_it_balances() {
    let rig = play(3);
    let rows = rig.rows("call-auction-details", "AUCT-USDT");
    assert!(rows.len() > 30, "a row a second: {}", rows.len());
    let (last, before) = rows.split_last().unwrap();
    assert_eq!((&last["state"], &last["eqPx"]), (&"continuous_trading".into(), &"".into()));
    assert!(before.iter().all(|row| row["state"] == "call_auction"));
    let matched = |row: &Value| units(row["matchedSz"].as_str().unwrap());
    assert!(before.iter().filter(|row| matched(row) > 0).count() > 10);
    for row in before.iter().filter(|row| matched(row) > 0) {
        assert!(units(row["eqPx"].as_str().unwrap()) > 0, "{row}");
    }
    assert!(rig.rows("call-auction-details", "PREQ-USDT").is_empty(), "a pre-quote is no auction");
}

#[test]
fn without_it_nothing_happens() {
    let list = |lives| {
        let config = SimConfig { lives, ..config(1, MarketSize::Full, "none") };
        market_data_sim::Exchange::new(config).instruments()
    };
    let (without, with) = (list(false), list(true));
    assert_eq!(with[..without.len()], without[..]);
    assert_eq!(with.len(), without.len() + 7);
}
