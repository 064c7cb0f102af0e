//! REST answers: shapes, paging, errors, and the keys of real bodies.

use std::collections::BTreeSet;
use std::path::PathBuf;

use market_data_sim::{Exchange, MarketSize};
use serde_json::Value;

use crate::rig::{SECOND, START, config, units};

fn exchange() -> Exchange {
    Exchange::new(config(1, MarketSize::Full, "none"))
}

fn get(exchange: &mut Exchange, path: &str) -> Value {
    let reply = exchange.rest(START + SECOND, &format!("/api/v5/{path}"));
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(body["code"], "0", "{path}: {body}");
    body["data"].clone()
}

fn failure(path: &str) -> (u16, String) {
    let reply = exchange().rest(START + SECOND, &format!("/api/v5/{path}"));
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(body["data"], Value::Array(Vec::new()));
    (reply.status, body["code"].as_str().unwrap().to_owned())
}

#[test]
fn candles_page_backwards_without_holes() {
    let mut exchange = exchange();
    let mut seen: Vec<u64> = Vec::new();
    let mut after = String::new();
    for _ in 0..8 {
        let path = format!("market/candles?instId=BTC-USDT&bar=1m&limit=300&after={after}");
        for row in get(&mut exchange, &path).as_array().unwrap() {
            let cell = |n: usize| row[n].as_str().unwrap();
            assert_eq!(cell(8) == "0", seen.is_empty(), "only the newest is open");
            let n = |at: usize| units(cell(at));
            assert!(n(3) <= n(1) && n(3) <= n(4) && n(1) <= n(2) && n(4) <= n(2) && n(5) > 0);
            seen.push(cell(0).parse().unwrap());
        }
        after = seen.last().unwrap().to_string();
    }
    assert_eq!(seen.len(), 1_440);
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1] + 60_000));
    let between = format!("before={}&after={}", seen[9], seen[4]);
    let rows = get(&mut exchange, &format!("market/candles?instId=BTC-USDT&{between}"));
    let found: Vec<&str> =
        rows.as_array().unwrap().iter().map(|r| r[0].as_str().unwrap()).collect();
    assert_eq!(found.len(), 4, "both bounds are exclusive: {found:?}");
    let history = format!("market/history-candles?instId=BTC-USDT&after={}", seen[1_439]);
    let rows = get(&mut exchange, &history);
    assert_eq!(rows[0][0].as_str().unwrap(), (seen[1_439] - 60_000).to_string());
    for bar in ["1H", "1D", "1Dutc", "1W", "1M", "3M"] {
        let rows = get(&mut exchange, &format!("market/candles?instId=ETH-USD-SWAP&bar={bar}"));
        assert!(!rows.as_array().unwrap().is_empty(), "{bar}");
    }
}

#[test]
fn prices_are_believable() {
    let mut exchange = exchange();
    let rows = get(&mut exchange, "market/tickers?instType=SPOT");
    let last = |id: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["instId"] == id).unwrap();
        units(row["last"].as_str().unwrap()) / 10i128.pow(14)
    };
    assert!((90_000_000_000..92_000_000_000).contains(&last("BTC-USDT")));
    assert!((2_950_000_000..3_050_000_000).contains(&last("ETH-USDT")));
    for row in get(&mut exchange, "market/tickers?instType=OPTION").as_array().unwrap() {
        // In coins, or in dollars.
        let most = if row["instId"].as_str().unwrap().contains("_UM") { 20_000 } else { 1 };
        assert!(units(row["last"].as_str().unwrap()) < most * 10i128.pow(20), "{row}");
    }
}

#[test]
fn errors_are_as_documented() {
    assert_eq!(failure("public/nothing").0, 404);
    assert_eq!(failure("public/instruments").1, "50014");
    assert_eq!(failure("public/instruments?instType=CHEESE").1, "51000");
    assert_eq!(failure("public/instruments?instType=OPTION").0, 400);
    assert_eq!(failure("public/instruments?instType=EVENTS").0, 400);
    assert_eq!(failure("market/ticker?instId=XXX-YYY").1, "51001");
    assert_eq!(failure("market/candles?instId=BTC-USDT&bar=1s").1, "51000");
    assert_eq!(failure("market/books?instId=BTC-USDT&sz=401").1, "51000");
    assert_eq!(failure("market/tickers?instType=MARGIN").1, "51000");
    let paged = "market/history-trades?instId=BTC-USDT&type=2&before=1";
    assert_eq!(failure(paged).1, "50039");
    let mut exchange = exchange();
    let replies: Vec<u16> = (0..41)
        .map(|_| exchange.rest(START, "/api/v5/market/books?instId=BTC-USDT").status)
        .collect();
    assert_eq!((replies[39], replies[40]), (200, 429));
}

/// Endpoint, a captured body of production, and how to ask for the same here.
const CAPTURED: &[(&str, &str, &str)] = &[
    ("public_instruments", "okxapi_2026-04_production__instType-SPOT.json", "instType=SPOT"),
    ("public_instruments", "okxapi_2026-04_production__instType-SWAP.json", "instType=SWAP"),
    ("public_instruments", "okxapi_2026-04_production__instType-MARGIN.json", "instType=MARGIN"),
    ("public_instruments", "okxapi_2026-04_production__instType-FUTURES.json", "instType=FUTURES"),
    (
        "public_instruments",
        "okxapi_2026-04_production__instType-OPTION_uly-BTC-USD.json",
        "instType=OPTION&uly=BTC-USD",
    ),
    (
        "public_instruments",
        "okxapi_2026-04_production__instType-EVENTS.json",
        "instType=EVENTS&seriesId=BTC-ABOVE-DAILY",
    ),
    ("public_funding-rate", "okxapi_2026-04_production__instId-ANY.json", "instId=ANY"),
    ("public_instrument-tick-bands", "okxapi_2026-04_production__OPTION.json", "instType=OPTION"),
    ("public_underlying", "okxapi_2026-04_production__FUTURES.json", "instType=FUTURES"),
    (
        "public_open-interest",
        "okxapi_2026-04_production__BTC-USDT-SWAP.json",
        "instType=SWAP&instId=BTC-USDT-SWAP",
    ),
    ("public_mark-price", "nautilus__mark_price.json", "instType=SWAP&instId=BTC-USDT-SWAP"),
    ("market_index-tickers", "nautilus__index_price.json", "instId=BTC-USDT"),
    ("market_candles", "nautilus__candlesticks_full.json", "instId=BTC-USDT-SWAP"),
    ("market_trades", "nautilus__trades.json", "instId=BTC-USDT"),
];

fn corpus() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let root = std::env::var_os("OKX_CORPUS").map_or(beside, PathBuf::from);
    root.join("rest").is_dir().then_some(root)
}

/// The JSON types by field name of the first row.
fn shape(row: &Value) -> BTreeSet<String> {
    match row {
        Value::Object(map) => map.iter().map(|(name, v)| format!("{name}:{}", kind(v))).collect(),
        Value::Array(cells) => cells.iter().map(kind).map(str::to_owned).collect(),
        other => BTreeSet::from([kind(other).to_owned()]),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
    }
}

#[test]
fn rows_have_the_keys_of_real_ones() {
    let Some(root) = corpus() else {
        println!("skipped: no corpus (set OKX_CORPUS)");
        return;
    };
    let mut exchange = exchange();
    for (endpoint, file, query) in CAPTURED {
        let path = root.join("rest").join(format!("api_v5_{endpoint}")).join(file);
        let real: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let asked = format!("{}?{query}", endpoint.replacen('_', "/", 1));
        let mine = get(&mut exchange, &asked);
        let (real, mine) = (shape(&real["data"][0]), shape(&mine[0]));
        let lost: Vec<&String> = real.difference(&mine).collect();
        assert!(lost.is_empty(), "{endpoint} {query} lacks {lost:?}");
    }
}
