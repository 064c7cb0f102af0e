//! What a client has to ask before it can list everything: families of options, series of events.

use std::collections::BTreeSet;

use market_data_sim::{Exchange, MarketSize};
use serde_json::Value;

use crate::rig::{SECOND, START, config};

/// The rows of a good answer.
fn get(exchange: &mut Exchange, path: &str) -> Vec<Value> {
    let reply = exchange.rest(START + SECOND, &format!("/api/v5/public/{path}"));
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(body["code"], "0", "{path}: {body}");
    body["data"].as_array().unwrap().clone()
}

fn texts(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
}

fn code(exchange: &mut Exchange, path: &str) -> (u16, String) {
    let reply = exchange.rest(START + SECOND, &format!("/api/v5/public/{path}"));
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    (reply.status, body["code"].as_str().unwrap().to_owned())
}

fn full() -> Exchange {
    Exchange::new(config(1, MarketSize::Full, "none"))
}

#[test]
fn underlyings_are_those_of_the_type() {
    for size in [MarketSize::Small, MarketSize::Full] {
        let mut exchange = Exchange::new(config(1, size, "none"));
        for kind in ["SWAP", "FUTURES", "OPTION"] {
            let answer = get(&mut exchange, &format!("underlying?instType={kind}"));
            assert_eq!(answer.len(), 1, "one list in a list");
            let names: Vec<String> = serde_json::from_value(answer[0].clone()).unwrap();
            let list = exchange.instruments();
            let mine = list.iter().filter(|inst| inst.inst_type == kind);
            let wanted: BTreeSet<String> = mine.map(|inst| inst.uly.clone()).collect();
            assert_eq!(names.len(), wanted.len(), "nothing twice: {names:?}");
            assert_eq!(BTreeSet::from_iter(names), wanted, "{kind}");
        }
    }
    for path in ["underlying?instType=SPOT", "underlying?instType=EVENTS"] {
        assert_eq!(code(&mut full(), path), (200, "51000".to_owned()), "{path}");
    }
    assert_eq!(code(&mut full(), "underlying"), (400, "50014".to_owned()));
}

#[test]
fn tick_bands_name_every_option_family() {
    let mut exchange = full();
    let bands = get(&mut exchange, "instrument-tick-bands?instType=OPTION");
    let families = texts(&bands, "instFamily");
    assert_eq!(families, ["BTC-USD", "ETH-USD", "BTC-USD_UM"]);
    let mut found = BTreeSet::new();
    for (family, row) in families.iter().zip(&bands) {
        let path = format!("instruments?instType=OPTION&instFamily={family}");
        for inst in get(&mut exchange, &path) {
            assert_eq!(inst["tickSz"], row["tickBand"][0]["tickSz"], "{inst}");
            let coin = if family.ends_with("_UM") { "linear" } else { "inverse" };
            assert_eq!(inst["ctType"], coin, "{inst}");
            found.insert(inst["instId"].as_str().unwrap().to_owned());
        }
    }
    let list = exchange.instruments();
    let options = list.into_iter().filter(|inst| inst.inst_type == "OPTION");
    assert_eq!(found, options.map(|inst| inst.inst_id).collect());
    let one = get(&mut exchange, "instrument-tick-bands?instType=OPTION&instFamily=ETH-USD");
    assert_eq!(one, bands[1..2]);
    let events = get(&mut exchange, "instrument-tick-bands?instType=EVENTS");
    assert_eq!(texts(&events, "instFamily"), [""]);
    assert_eq!(events[0]["tickBand"][0]["maxPx"], "0.99");
    assert_eq!(code(&mut exchange, "instrument-tick-bands?instType=SWAP").1, "51000");
    assert_eq!(code(&mut exchange, "instrument-tick-bands").1, "50014");
    assert_eq!(code(&mut exchange, "instrument-tick-bands").0, 429, "5 requests in 2 s");
}

#[test]
fn an_option_in_dollars_costs_what_the_one_in_coins_does() {
    let mut exchange = full();
    let mark = |family: &str, exchange: &mut Exchange| {
        let rows = get(exchange, &format!("mark-price?instType=OPTION&instFamily={family}"));
        let calls = |row: &&Value| row["instId"].as_str().unwrap().ends_with("-90000-C");
        let text = rows.iter().find(calls).unwrap()["markPx"].as_str().unwrap().to_owned();
        crate::rig::units(&text) / 10i128.pow(16)
    };
    let (coin, dollars) = (mark("BTC-USD", &mut exchange), mark("BTC-USD_UM", &mut exchange));
    // 91,000 dollars a coin, give or take a tick of 0.0001 coins.
    assert!((dollars / 91_000 - coin).abs() <= 2, "{coin} {dollars}");
}

#[test]
fn events_are_found_from_their_series() {
    let mut exchange = full();
    let series = get(&mut exchange, "event-contract/series");
    assert_eq!(texts(&series, "seriesId"), ["BTC-ABOVE-DAILY"]);
    assert_eq!(series[0]["settlement"]["underlying"], "BTC-USDT");
    let path = "event-contract/series?seriesId=BTC-ABOVE-DAILY";
    assert_eq!(get(&mut exchange, path), series);
    let of = |what: &str| format!("event-contract/{what}?seriesId=BTC-ABOVE-DAILY");
    let events = get(&mut exchange, &of("events"));
    assert_eq!(texts(&events, "eventId"), ["BTC-ABOVE-DAILY-261125-1600"]);
    let event = format!("{}&eventId=BTC-ABOVE-DAILY-261125-1600&state=live", of("markets"));
    let markets = get(&mut exchange, &event);
    assert_eq!(texts(&markets, "floorStrike"), ["92000", "91000"], "highest first");
    assert!(markets.iter().all(|row| row["outcome"] == "0" && row["disputed"] == false));
    let listed = get(&mut exchange, "instruments?instType=EVENTS&seriesId=BTC-ABOVE-DAILY");
    let ids = |rows: &[Value]| BTreeSet::from_iter(texts(rows, "instId"));
    assert_eq!(ids(&listed), ids(&markets));
    let exp = markets[0]["expTime"].as_str().unwrap();
    assert_eq!(events[0]["expTime"], exp);
    let (after, before) = (format!("after={exp}"), format!("before={exp}"));
    for (only, count) in [(&*after, 0), (&*before, 0), ("limit=1", 1), ("state=preopen", 0)] {
        let page = get(&mut exchange, &format!("{}&{only}", of("markets")));
        assert_eq!(page.len(), count, "{only}: both bounds are exclusive");
    }
    assert_eq!(code(&mut exchange, "event-contract/events").1, "50014");
    let mut small = Exchange::new(config(1, MarketSize::Small, "none"));
    assert!(get(&mut small, "event-contract/series").is_empty());
}

#[test]
fn expired_events_have_an_outcome() {
    let mut exchange = full();
    let after = START + 2 * 86_400 * SECOND;
    let mut ask = |what: &str| {
        let path = format!("/api/v5/public/{what}seriesId=BTC-ABOVE-DAILY");
        let body: Value = serde_json::from_str(&exchange.rest(after, &path).body).unwrap();
        body["data"].as_array().unwrap().clone()
    };
    for row in ask("event-contract/markets?state=expired&") {
        let number = |name: &str| crate::rig::units(row[name].as_str().unwrap());
        let yes = number("settleValue") > number("floorStrike");
        assert_eq!(row["outcome"], if yes { "1" } else { "2" }, "{row}");
    }
    assert_eq!(ask("event-contract/markets?state=expired&").len(), 2);
    assert_eq!(ask("event-contract/events?state=expired&").len(), 1);
    assert!(ask("instruments?instType=EVENTS&").is_empty());
}
