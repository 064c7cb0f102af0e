//! The past before the start, page by page and as daily files: both are the same trades.

use crate::rig::{SECOND, START, config};
use market_data_sim::{Exchange, MarketSize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const DAY: u64 = 86_400;

fn ask(exchange: &mut Exchange, now: &mut u64, path: &str) -> Value {
    *now += SECOND / 5;
    let reply = exchange.rest(*now, path);
    serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{path}: {}", reply.body))
}

/// The newest day that has a file, counted from 1970 in UTC+8.
fn day() -> u64 {
    (START / SECOND + 8 * 3_600) / DAY - 2
}

fn listing(first: u64, last: u64) -> String {
    let at = |day: u64| day * DAY * 1_000;
    format!(
        "/api/v5/public/market-data-history?module=1&instType=SWAP&instFamilyList=BTC-USDT\
         &dateAggrType=daily&begin={}&end={}",
        at(first),
        at(last)
    )
}

/// Name and path of each file listed.
fn files(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let group = answer["data"][0]["details"][0]["groupDetails"].as_array().unwrap();
    let path = |file: &Value| text(&file["url"]).replace("https://static.okx.com", "");
    group.iter().map(|file| (text(&file["filename"]), path(file))).collect()
}

/// The one file of a zip that is stored.
fn stored(zip: &[u8]) -> &[u8] {
    let number = |at: usize, bytes: usize| {
        zip[at..at + bytes].iter().rev().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    assert_eq!((&zip[..4], number(8, 2)), (&b"PK\x03\x04"[..], 0));
    let (size, name) = (number(18, 4), number(26, 2));
    &zip[30 + name..30 + name + size]
}

#[test]
fn a_file_says_what_the_pages_say() {
    let mut exchange = Exchange::new(config(1, MarketSize::Small, "none"));
    let mut now = START + SECOND;
    let listed = files(&ask(&mut exchange, &mut now, &listing(day() - 4, day() + 1)));
    assert_eq!(listed.len(), 5, "newest first, the last day is not there yet: {listed:?}");
    assert!(listed[0].0 > listed[4].0 && listed[0].0.starts_with("BTC-USDT-SWAP-trades-20"));
    let reply = exchange.rest(now + SECOND, &listed[1].1);
    assert_eq!((reply.status, reply.content_type), (200, "application/zip"));
    let text = String::from_utf8(stored(&reply.bytes).to_vec()).unwrap();
    let mut lines = text.lines();
    let header = "instrument_name,trade_id,side,price,size,created_time,source";
    assert_eq!(lines.next(), Some(header));
    let rows: Vec<Vec<String>> =
        lines.map(|line| line.split(',').map(str::to_owned).collect()).collect();
    assert!(rows.len() > 5_000, "{}", rows.len());
    // From the end of the day downwards.
    let end = ((day() - 1) * DAY + DAY - 8 * 3_600) * 1_000;
    let newest = format!("type=2&after={end}");
    let mut page = ask(&mut exchange, &mut now, &history(&newest));
    let mut wanted = rows.iter().rev();
    loop {
        let trades = page["data"].as_array().unwrap().clone();
        for trade in &trades {
            let at: u64 = trade["ts"].as_str().unwrap().parse().unwrap();
            if at < end - DAY * 1_000 {
                assert_eq!(wanted.next(), None);
                return;
            }
            let row = wanted.next().unwrap();
            let plain = |text: &str| text.strip_suffix(".0").unwrap_or(text).to_owned();
            let ours = [&row[0], &row[1], &row[2], &plain(&row[3]), &plain(&row[4]), &row[5]];
            let names = ["instId", "tradeId", "side", "px", "sz", "ts"];
            assert_eq!(ours, names.map(|name| trade[name].as_str().unwrap()));
        }
        let last = trades.last().unwrap()["tradeId"].as_str().unwrap();
        page = ask(&mut exchange, &mut now, &history(&format!("after={last}")));
    }
}

fn history(rest: &str) -> String {
    format!("/api/v5/market/history-trades?instId=BTC-USDT-SWAP&limit=100&{rest}")
}

#[test]
fn bars_and_payments_have_files_as_well() {
    let mut exchange = Exchange::new(config(1, MarketSize::Small, "none"));
    let mut now = START + SECOND;
    let path = listing(day(), day()).replace("module=1", "module=2");
    let bars = files(&ask(&mut exchange, &mut now, &path));
    let reply = exchange.rest(now, &bars[0].1);
    assert_eq!(stored(&reply.bytes).split(|byte| *byte == b'\n').count(), 1_442);
    let path = listing(day(), day()).replace("module=1", "module=3").replace("BTC-USDT", "ANY");
    let payments = files(&ask(&mut exchange, &mut now, &path));
    let text = exchange.rest(now, &payments[0].1).bytes;
    let text = String::from_utf8(stored(&text).to_vec()).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("BTC-USDT-SWAP,")).count(), 3);
}

#[test]
fn the_list_has_limits() {
    let mut exchange = Exchange::new(config(1, MarketSize::Small, "none"));
    let mut now = START + SECOND;
    let mut code = |path: &str| {
        now += SECOND;
        ask(&mut exchange, &mut now, path)["code"].as_str().unwrap().to_owned()
    };
    let good = listing(day() - 9, day());
    assert_eq!(code(&good), "0");
    assert_eq!(code(&listing(day() - 10, day())), "50076");
    let eleven = ["BTC-USDT"; 11].join(",");
    assert_eq!(code(&good.replace("=BTC-USDT", &format!("={eleven}"))), "51000");
    assert_eq!(code(&good.replace("module=1", "module=9")), "51000");
    assert_eq!(code(&good.replace("instType=SWAP", "instType=SPOT")), "50014");
    assert_eq!(code(&good.replace("&begin", "&x")), "50014");
    let codes: BTreeSet<String> = (0..8)
        .map(|_| ask(&mut exchange, &mut (START + 9_000 * SECOND), &good)["code"].to_string())
        .collect();
    assert!(codes.contains("\"50011\""), "{codes:?}");
}

#[test]
fn odd_files_are_odd_in_every_way() {
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 1..6 {
        let mut exchange = Exchange::new(config(seed, MarketSize::Small, "oddfile"));
        let mut now = START + SECOND;
        let listed = files(&ask(&mut exchange, &mut now, &listing(day() - 9, day())));
        *kinds.entry("missing").or_default() += 10 - listed.len() as u32;
        for (_, path) in listed {
            now += SECOND;
            let zip = exchange.rest(now, &path).bytes;
            if !zip.windows(4).any(|four| four == b"PK\x05\x06") {
                *kinds.entry("cut").or_default() += 1;
                continue;
            }
            let text = stored(&zip);
            let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            let id = |line: &&[u8]| -> u64 {
                let cells = std::str::from_utf8(line).unwrap().split(',').nth(1).unwrap();
                cells.parse().unwrap()
            };
            if lines[0].ends_with(b"\r") {
                *kinds.entry("crlf").or_default() += 1;
            } else if lines[0].starts_with(b"trade_id/\xb4\xe9") {
                *kinds.entry("chinese").or_default() += 1;
            } else {
                let ids: Vec<u64> =
                    lines[1..].iter().filter(|line| !line.is_empty()).map(id).collect();
                let sorted = ids.is_sorted();
                let holes = ids.windows(2).any(|two| two[1] > two[0] + 1);
                let kind = if sorted && holes { "holes" } else { "unsorted" };
                let kind = if sorted && !holes { "none" } else { kind };
                *kinds.entry(kind).or_default() += 1;
            }
        }
    }
    let all = ["chinese", "crlf", "cut", "holes", "missing", "none", "unsorted"];
    assert!(kinds.keys().copied().eq(all) && kinds["missing"] > 0, "{kinds:?}");
}
