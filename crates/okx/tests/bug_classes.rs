//! Bug classes that others reported against OKX feeds, where they touch decoding or subscription
//! and no test elsewhere bears their name. `docs/bug-classes.md` has the whole list.
#![allow(clippy::unwrap_used)]

use market_data_model::*;
use market_data_okx::channel::{self, KeyKind, Path};
use market_data_okx::limits::REQUEST_BYTES_MAX;
use market_data_okx::past::{Row, Walk, Wish};
use market_data_okx::plan::plan;
use market_data_okx::request::{self, Op};
use market_data_okx::{OkxConfig, OkxFeed};
use serde_json::Value;

/// What a passive feed makes of these frames, as JSON.
fn decoded(frames: &[&str]) -> Vec<Value> {
    let mut config = OkxConfig::new(FeedId(1), "test");
    (config.passive, config.view_depth) = (true, 5);
    let mut feed = OkxFeed::new(config);
    let mut out = Outbox::default();
    feed.handle(Nanos(1), Input::Opened, &mut out);
    out.clear();
    for (i, frame) in frames.iter().enumerate() {
        feed.handle(Nanos(2 + i as u64), Input::Frame(frame.as_bytes()), &mut out);
    }
    let json = |event: EventRef<'_>| {
        let mut line = Vec::new();
        wire::write_json(&event, &mut line);
        serde_json::from_slice(&line).unwrap()
    };
    out.events.iter().map(json).collect()
}

fn one(frame: &str) -> Value {
    let mut all = decoded(&[frame]);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn bug_class_1_bars_and_their_like_go_to_the_business_socket() {
    for (name, key) in [
        ("candle1m", "BTC-USDT"),
        ("trades-all", "BTC-USDT"),
        ("mark-price-candle1D", "BTC-USDT-SWAP"),
        ("index-candle1D", "BTC-USD"),
        ("sprd-candle1m", "BTC-USDT_BTC-USDT-SWAP"),
        ("sprd-books-l2-tbt", "BTC-USDT_BTC-USDT-SWAP"),
        ("block-tickers", "BTC-USDT-SWAP"),
        ("public-struc-block-trades", ""),
    ] {
        let made = plan(&[Subscription::new(name, key)]).unwrap();
        assert_eq!(made.connections[0].path, Path::Business, "{name}");
    }
}

#[test]
fn bug_class_2_index_bars_want_an_index_and_not_a_swap() {
    for name in ["index-candle1m", "index-tickers"] {
        let refused = plan(&[Subscription::new(name, "BTC-USD-SWAP")]).unwrap_err().to_string();
        assert!(refused.contains("underlying"), "{refused}");
        assert!(plan(&[Subscription::new(name, "BTC-USD")]).is_ok());
    }
}

#[test]
fn bug_class_3_a_daily_bar_says_in_whose_day_it_is() {
    let bar = |name: &str| {
        one(&format!(
            r#"{{"arg":{{"channel":"{name}","instId":"BTC-USDT"}},"data":[["1785081600000","1","2","1","1","1","1","1","1"]]}}"#
        ))
    };
    assert_eq!(bar("candle1D")["interval"], "1d");
    assert_eq!(bar("candle1Dutc")["interval"], "1d@utc");
}

const SWAP_BAR: &str = r#"{"arg":{"channel":"candle1m","instId":"BTC-USDT-SWAP"},"data":[["1785096000000","1","2","1","1","700","7","470000","0"]]}"#;
const SWAP_TICKER: &str = r#"{"arg":{"channel":"tickers","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","last":"1","vol24h":"700","volCcy24h":"7","ts":"1785096000000"}]}"#;

#[test]
fn bug_class_4_and_39_contracts_are_not_taken_for_coins() {
    let mut config = OkxConfig::new(FeedId(1), "test");
    config.passive = true;
    let mut swap = Instrument::named("BTC-USDT-SWAP");
    swap.inst_type = Some(InstType::Swap);
    config.instruments = vec![swap.into()];
    let mut feed = OkxFeed::new(config);
    let mut out = Outbox::default();
    feed.handle(Nanos(1), Input::Opened, &mut out);
    out.clear();
    for frame in [SWAP_TICKER, SWAP_BAR] {
        feed.handle(Nanos(2), Input::Frame(frame.as_bytes()), &mut out);
    }
    for event in out.events.iter() {
        let mut line = Vec::new();
        wire::write_json(&event, &mut line);
        let json: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&json["volume"], &json["unit"]), (&"700".into(), &"contracts".into()));
        assert_eq!(json["baseVolume"], "7");
        assert_ne!(json["quoteVolume"], "7");
    }
}

#[test]
fn bug_class_5_an_unfinished_bar_says_so() {
    assert_eq!(one(SWAP_BAR)["isClosed"], false);
    assert_eq!(one(&SWAP_BAR.replace(r#""0"]]"#, r#""1"]]"#))["isClosed"], true);
}

#[test]
fn bug_class_7_every_bar_that_can_be_subscribed_is_delivered() {
    for spec in channel::bars::BARS {
        let (key, field) = match spec.key {
            KeyKind::Spread => ("A-B_A-B-SWAP", "sprdId"),
            _ => ("A-B", "instId"),
        };
        let cells = match spec.name {
            name if name.starts_with("sprd") => 7,
            name if name.starts_with("candle") => 9,
            _ => 6,
        };
        let mut row = vec!["\"1785096000000\""];
        row.resize(cells, "\"1\"");
        let text = request::text(Op::Subscribe, "m1", [Subscription::new(spec.name, key)].iter());
        let arg = format!(r#"{{"channel":"{}","{field}":"{key}"}}"#, spec.name);
        assert!(text.contains(&arg), "{text}");
        let bar = one(&format!(r#"{{"arg":{arg},"data":[[{}]]}}"#, row.join(",")));
        assert_eq!(bar["type"], "kline", "{bar}");
        assert_eq!((&bar["channel"], &bar["instId"]), (&spec.name.into(), &key.into()));
    }
}

#[test]
fn bug_class_12_a_dead_checksum_is_ignored() {
    let frame = |action: &str, prev: i64, seq: i64| {
        format!(
            r#"{{"arg":{{"channel":"books","instId":"B-U"}},"action":"{action}","data":[{{"asks":[],"bids":[["{seq}","1","0","1"]],"ts":"5","checksum":0,"seqId":{seq},"prevSeqId":{prev}}}]}}"#
        )
    };
    let all = decoded(&[&frame("snapshot", -1, 7), &frame("update", 7, 9)]);
    assert!(all.iter().all(|r| r["type"] != "gap" && r["type"] != "fault"), "{all:?}");
    assert_eq!(all.last().unwrap()["lastUpdateId"], 9);
}

#[test]
fn bug_class_22_each_depth_is_a_channel_of_its_own() {
    for (name, depth) in [("bbo-tbt", 1), ("books5", 5), ("books", 400), ("sprd-books5", 5)] {
        let channel::Form::Book(form) = channel::find(name).unwrap().form else { panic!() };
        assert_eq!(form.depth, depth, "{name}");
    }
}

#[test]
fn bug_class_29_requests_are_cut_by_bytes() {
    let all: Vec<_> =
        (0..3000).map(|i| Subscription::new("mark-price", &format!("COIN{i}-USDT-SWAP"))).collect();
    let texts: Vec<_> = request::split(&all, request::argument_bytes)
        .map(|run| request::text(Op::Subscribe, "m1", run.iter()))
        .collect();
    assert!(texts.len() > 1 && texts.iter().all(|text| text.len() <= REQUEST_BYTES_MAX));
}

fn funding(extra: &str) -> Value {
    one(&format!(
        r#"{{"arg":{{"channel":"funding-rate","instId":"B-U-SWAP"}},"data":[{{"instType":"SWAP","instId":"B-U-SWAP","fundingRate":"0.0001","fundingTime":"1785110400000","nextFundingTime":"1785124800000"{extra},"ts":"1785096000000"}}]}}"#
    ))
}

#[test]
fn bug_class_37_a_blank_next_funding_rate_is_absent() {
    assert_eq!(funding(r#","nextFundingRate":"""#)["nextFundingRate"], Value::Null);
    assert_eq!(funding("")["nextFundingRate"], Value::Null);
}

#[test]
fn bug_class_38_the_funding_interval_is_what_the_venue_says() {
    let record = funding("");
    let time = |name: &str| record[name].as_u64().unwrap();
    assert_eq!(time("nextFundingTime") - time("fundingTime"), 4 * 3_600_000);
}

#[test]
fn bug_class_41_families_are_named_by_inst_family_and_never_by_uly() {
    for (channel, key) in [
        ("opt-summary", "BTC-USD_UM"),
        ("option-trades", "OPTION,instFamily=BTC-USD_UM"),
        ("estimated-price", "FUTURES,instFamily=BTC-USD"),
    ] {
        let text = request::text(Op::Subscribe, "m1", [Subscription::new(channel, key)].iter());
        assert!(text.contains(r#""instFamily":"BTC-USD"#) && !text.contains("uly"), "{text}");
    }
}

#[test]
fn bug_class_42_spot_and_margin_are_one_subscription() {
    let twice =
        [Subscription::new("tickers", "BTC-USDT"), Subscription::new("tickers", "BTC-USDT")];
    assert_eq!(plan(&twice).unwrap().subscriptions(), 1);
}

#[test]
fn bug_class_43_public_channels_ask_for_no_login() {
    let login: Vec<_> =
        channel::CHANNELS.iter().filter(|spec| spec.login).map(|spec| spec.name).collect();
    assert_eq!(login, ["books-l2-tbt", "books50-l2-tbt", "economic-calendar"]);
}

#[test]
fn bug_class_48_empty_and_one_sided_books_are_books() {
    let row = |bids: &str, seq: u64| {
        format!(
            r#"{{"arg":{{"channel":"bbo-tbt","instId":"B-USD-261225-1-C"}},"data":[{{"asks":[],"bids":{bids},"ts":"5","seqId":{seq}}}]}}"#
        )
    };
    let all = decoded(&[&row("[]", 1), &row(r#"[["1","1","0","1"]]"#, 2)]);
    let kinds: Vec<_> = all.iter().map(|r| r["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["orderbook", "orderbook"]);
}

#[test]
fn bug_class_50_a_row_at_time_zero_is_no_spread_book() {
    let row = |ts: &str, bid: &str| {
        format!(
            r#"{{"arg":{{"channel":"sprd-bbo-tbt","sprdId":"A_B"}},"data":[{{"asks":[],"bids":[["{bid}","1","1"]],"ts":"{ts}","seqId":{bid}}}]}}"#
        )
    };
    let all = decoded(&[&row("5", "1"), &row("0", "2"), &row("6", "3")]);
    let kinds: Vec<_> = all.iter().map(|r| r["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["orderbook", "fault", "orderbook"]);
    assert_eq!(all[2]["bids"][0][0], "3");
}

#[test]
fn bug_class_52_an_index_is_kept_apart_from_the_pair_and_from_the_dollar() {
    let index = |id: &str| {
        format!(
            r#"{{"arg":{{"channel":"index-tickers","instId":"{id}"}},"data":[{{"instId":"{id}","idxPx":"1","ts":"5"}}]}}"#
        )
    };
    let pair = r#"{"arg":{"channel":"tickers","instId":"BTC-USDC"},"data":[{"instType":"SPOT","instId":"BTC-USDC","last":"1","ts":"5"}]}"#;
    let all = decoded(&[pair, &index("BTC-USDC"), &index("BTC-USD")]);
    let said: Vec<_> = all.iter().map(|r| (r["instId"].as_str(), r["instType"].as_str())).collect();
    assert_eq!(
        said,
        [(Some("BTC-USDC"), Some("SPOT")), (Some("BTC-USDC"), None), (Some("BTC-USD"), None)]
    );
}

/// One value of a query.
fn asked<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

/// What OKX answers of these times or ids: newest first, both cursors exclusive, `after` for what
/// is older, and never more than the endpoint has to give (docs, 2026-08-22).
fn page(all: &[u64], path: &str, most: usize) -> Vec<u64> {
    let bound = |name, none| asked(path, name).map_or(none, |text| text.parse().unwrap());
    let (after, before): (u64, Option<u64>) =
        (bound("after", u64::MAX), { asked(path, "before").map(|text| text.parse().unwrap()) });
    let within = |x: &&u64| **x < after && before.is_none_or(|before| **x > before);
    let limit: usize = asked(path, "limit").map_or(100, |text| text.parse().unwrap());
    all.iter().rev().filter(within).take(limit.min(most)).copied().collect()
}

/// The minutes that a walk through this stretch brings, and its requests.
fn walked(channel: &str, all: &[u64], (from_ms, to_ms): (u64, u64), most: usize) -> Walked {
    let (channel, inst_id) = (channel.to_owned(), "BTC-USDT".to_owned());
    let wish = Wish { channel: channel.clone(), inst_id, from_ms, to_ms, now_ms: u64::MAX / 4 };
    let mut walk = Walk::new(wish, Vec::new(), None).unwrap();
    let (mut rows, mut paths) = (Vec::new(), Vec::new());
    while let Some(path) = walk.path() {
        let traded = channel.starts_with("candle");
        let bar = |ms: &u64| {
            let volumes = if traded { "\"1\",\"1\",\"1\"," } else { "" };
            format!("[\"{ms}\",\"1\",\"1\",\"1\",\"1\",{volumes}\"1\"]")
        };
        let data: Vec<String> = page(all, &path, most).iter().map(bar).collect();
        let body = format!("{{\"code\":\"0\",\"msg\":\"\",\"data\":[{}]}}", data.join(","));
        walk.take((200, body.as_bytes()), &mut rows);
        paths.push(path);
        assert!(paths.len() < 100, "it does not end: {paths:?}");
    }
    let open = |row: &Row| match row {
        Row::Bar(bar) => Some(bar.open_ms),
        _ => None,
    };
    let mut opens: Vec<u64> = rows.iter().filter_map(open).collect();
    opens.sort_unstable();
    Walked { opens, paths }
}

struct Walked {
    opens: Vec<u64>,
    paths: Vec<String>,
}

const MINUTE: u64 = 60_000;

fn minutes() -> Vec<u64> {
    (0..2_000).map(|minute| minute * MINUTE).collect()
}

#[test]
fn bug_class_8_after_is_what_is_older() {
    let stretch = (500 * MINUTE, 1_500 * MINUTE);
    let Walked { paths, .. } = walked("candle1m", &minutes(), stretch, 300);
    let number = |path: &String, name| asked(path, name).unwrap().parse::<u64>().unwrap();
    let after: Vec<u64> = paths.iter().map(|path| number(path, "after")).collect();
    // From the end down: `before` alone would bring the newest page again and again.
    assert_eq!(after, [1_500, 1_200, 900, 600].map(|minute| minute * MINUTE));
    assert!(paths.iter().all(|path| number(path, "before") < stretch.0));
}

#[test]
fn bug_class_9_no_bar_is_dropped_where_pages_meet() {
    for (channel, most) in [("candle1m", 300), ("mark-price-candle1m", 100)] {
        let (from, to) = (500, 1_500);
        let Walked { opens, .. } = walked(channel, &minutes(), (from * MINUTE, to * MINUTE), most);
        let expected: Vec<u64> = (from..to).map(|minute| minute * MINUTE).collect();
        assert_eq!(opens, expected, "{channel}");
    }
}

#[test]
fn bug_class_10_each_endpoint_gives_so_many_rows() {
    let stretch = (500 * MINUTE, 1_500 * MINUTE);
    for (channel, most) in
        [("candle1m", 300), ("mark-price-candle1m", 100), ("index-candle1m", 100)]
    {
        let Walked { paths, opens } = walked(channel, &minutes(), stretch, most);
        assert_eq!((paths.len(), opens.len()), (1_000_usize.div_ceil(most), 1_000), "{channel}");
        for path in paths {
            assert_eq!(asked(&path, "limit"), Some(most.to_string().as_str()), "{path}");
        }
    }
}

#[test]
fn bug_class_11_bars_of_a_second_come_from_the_history() {
    let seconds: Vec<u64> = (0..200).map(|second| second * 1_000).collect();
    let Walked { paths, opens } = walked("candle1s", &seconds, (10_000, 150_000), 300);
    assert_eq!(opens.len(), 140);
    assert!(paths.iter().all(|path| path.starts_with("/api/v5/market/history-candles?")));
}

#[test]
fn bug_class_51_old_trades_are_asked_for_by_id_and_an_empty_page_is_not_the_end() {
    let fill = |id: &u64| {
        format!(
            "{{\"instId\":\"BTC-USDT\",\"tradeId\":\"{id}\",\"px\":\"1\",\"sz\":\"2\",\
             \"side\":\"buy\",\"ts\":\"{}\"}}",
            id * 1_000
        )
    };
    let all: Vec<u64> = (1..=1_000).collect();
    let (channel, inst_id) = ("trades".to_owned(), "BTC-USDT".to_owned());
    let wish = Wish { channel, inst_id, from_ms: 300_000, to_ms: 700_000, now_ms: 1_000_000 };
    let mut walk = Walk::new(wish, Vec::new(), None).unwrap();
    let (mut rows, mut requests) = (Vec::new(), 0_u64);
    while let Some(path) = walk.path() {
        requests += 1;
        // By time there is `after` only (50039 else), and a time says which ids are below it.
        let of = if asked(&path, "type") == Some("2") {
            assert_eq!(asked(&path, "before"), None);
            let id = asked(&path, "after").unwrap().parse::<u64>().unwrap() / 1_000;
            path.replace(asked(&path, "after").unwrap(), &id.to_string())
        } else {
            path
        };
        let data = if requests.is_multiple_of(2) { Vec::new() } else { page(&all, &of, 100) };
        let data: Vec<String> = data.iter().map(fill).collect();
        let body = format!("{{\"code\":\"0\",\"msg\":\"\",\"data\":[{}]}}", data.join(","));
        walk.take((200, body.as_bytes()), &mut rows);
        assert!(requests < 100, "it does not end");
    }
    let id = |row: &Row| match row {
        Row::Trade(_, trade) => Some(trade.trade_id),
        _ => None,
    };
    let mut ids: Vec<u64> = rows.iter().filter_map(id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (300..700).collect::<Vec<u64>>());
}
