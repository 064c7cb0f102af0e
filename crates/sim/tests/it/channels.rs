//! Every public channel: who gets it, what its rows are called, and whether the figures of one
//! market belong together.

use std::collections::{BTreeMap, BTreeSet};

use market_data_sim::{ConnId, MarketSize, SimConfig};
use serde_json::Value;

use crate::rig::{Rig, SECOND, config, units};

/// Subscribes to arguments given as `channel name value name value`.
fn ask(rig: &mut Rig, conn: ConnId, args: &[&str]) {
    let arg = |text: &&str| {
        let words: Vec<&str> = text.split(' ').collect();
        let mut out = format!("{{\"channel\":\"{}\"", words[0]);
        for pair in words[1..].chunks(2) {
            out.push_str(&format!(",\"{}\":\"{}\"", pair[0], pair[1]));
        }
        out + "}"
    };
    let args: Vec<String> = args.iter().map(arg).collect();
    rig.send(conn, &format!("{{\"op\":\"subscribe\",\"args\":[{}]}}", args.join(",")));
}

fn full(seed: u64) -> Rig {
    Rig::new(config(seed, MarketSize::Full, "none"))
}

/// Rows of a channel, whatever they are about.
fn rows(rig: &Rig, channel: &str) -> Vec<Value> {
    let frames = rig.frames();
    let mine = frames.iter().filter(|f| f["arg"]["channel"] == channel && f.get("data").is_some());
    mine.flat_map(|frame| frame["data"].as_array().unwrap().clone()).collect()
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_else(|| panic!("{name} in {row}"))
}

fn number(row: &Value, name: &str) -> f64 {
    text(row, name).parse().unwrap_or_else(|_| panic!("{name} in {row}"))
}

fn keys(row: &Value) -> BTreeSet<&str> {
    row.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Channel, keys of captured rows or of the documentation's.
const KEYS: &[(&str, &str)] = &[
    ("option-trades", "instFamily instId markPx optType px side sz tradeId fillVol fwdPx idxPx ts"),
    (
        "opt-summary",
        "instType instId uly delta gamma vega theta lever markVol bidVol askVol realVol deltaBS \
         gammaBS thetaBS vegaBS volLv fwdPx ts",
    ),
    ("price-limit", "instType instId buyLmt sellLmt ts enabled"),
    ("estimated-price", "instType instId settleType settlePx ts"),
    ("liquidation-orders", "details instFamily instId instType uly"),
    (
        "adl-warning",
        "maxBal adlRecBal bal instType ccy instFamily maxBalTs adlType state adlBal ts decRate \
         adlRate adlRecRate",
    ),
    (
        "status",
        "begin end env href maintType preOpenBegin scheDesc serviceType state system title ts",
    ),
    ("block-tickers", "instType instId volCcy24h vol24h ts"),
    ("public-block-trades", "fillVol fwdPx groupId idxPx instId markPx px side sz tradeId ts"),
    ("public-struc-block-trades", "cTime blockTdId groupId legs"),
    (
        "economic-calendar",
        "calendarId date region category event refDate actual previous forecast importance \
         prevInitial ccy unit ts",
    ),
    ("sprd-tickers", "sprdId last lastSz askPx askSz bidPx bidSz open24h high24h low24h vol24h ts"),
    ("sprd-public-trades", "sprdId side sz px tradeId ts"),
    ("sprd-bbo-tbt", "asks bids ts seqId"),
    ("sprd-books5", "asks bids ts seqId"),
    ("sprd-books-l2-tbt", "asks bids ts checksum prevSeqId seqId"),
    (
        "funding-rate",
        "formulaType fundingRate fundingTime impactValue instId instType interestRate \
         maxFundingRate method minFundingRate nextFundingRate nextFundingTime premium \
         prevFundingTime settFundingRate settState ts",
    ),
];

const SPREAD: &str = "BTC-USDT_BTC-USDT-SWAP";

/// Listens to every channel of [`KEYS`] for twenty minutes.
fn everything() -> Rig {
    // 2026-11-26 07:55 UTC, in the half hour before deliveries and settlements.
    let start = 1_795_679_700 * SECOND;
    let mut rig = Rig::new(SimConfig {
        start_ns: start,
        truth: false,
        ..config(2, MarketSize::Full, "none")
    });
    rig.now = start;
    let public = rig.open("/ws/v5/public");
    let business = rig.open("/ws/v5/business");
    rig.login(business);
    ask(
        &mut rig,
        public,
        &[
            "option-trades instType OPTION instFamily BTC-USD",
            "opt-summary instFamily BTC-USD",
            "price-limit instId BTC-USDT-SWAP",
            "estimated-price instType FUTURES instFamily BTC-USD",
            "estimated-price instType OPTION instFamily BTC-USD",
            "liquidation-orders instType SWAP",
            "liquidation-orders instType MARGIN",
            "adl-warning instType SWAP",
            "adl-warning instType FUTURES instFamily BTC-USD",
            "status",
            "funding-rate instId BTC-USDT-SWAP",
            "call-auction-details instId BTC-USDT",
        ],
    );
    let spread = |channel: &str| format!("{channel} sprdId {SPREAD}");
    let spreads = ["sprd-tickers", "sprd-public-trades", "sprd-bbo-tbt", "sprd-books5"];
    for channel in spreads.iter().chain(&["sprd-books-l2-tbt", "sprd-candle1m"]) {
        ask(&mut rig, business, &[&spread(channel)]);
    }
    ask(
        &mut rig,
        business,
        &["block-tickers instId BTC-USDT-SWAP", "public-struc-block-trades", "economic-calendar"],
    );
    let options: Vec<String> =
        rig.exchange.instruments().iter().map(|i| i.inst_id.clone()).collect();
    let legs: Vec<&str> = options.iter().map(String::as_str).collect();
    rig.subscribe(business, &["public-block-trades"], &legs);
    let refused: Vec<Value> = rig.events().into_iter().filter(|e| e["event"] == "error").collect();
    assert!(refused.is_empty(), "{refused:?}");
    rig.run(1_200 * SECOND);
    rig
}

#[test]
fn rows_of_every_channel_have_their_keys() {
    let rig = everything();
    let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for frame in rig.frames().into_iter().filter(|frame| frame.get("data").is_some()) {
        let rows = told.entry(text(&frame["arg"], "channel").to_owned()).or_default();
        rows.extend(frame["data"].as_array().unwrap().iter().cloned());
    }
    for (channel, names) in KEYS {
        let wanted: BTreeSet<&str> = names.split_whitespace().collect();
        assert!(told.contains_key(*channel), "no row of {channel}");
        for row in &told[*channel] {
            assert_eq!(keys(row), wanted, "{channel}");
        }
    }
    for row in &told["sprd-candle1m"] {
        assert_eq!(row.as_array().unwrap().len(), 7, "{row}");
    }
    assert!(!told.contains_key("call-auction-details"), "nobody auctions BTC-USDT");
    for row in &told["liquidation-orders"] {
        for detail in row["details"].as_array().unwrap() {
            let names = ["bkLoss", "bkPx", "ccy", "posSide", "side", "sz", "ts"];
            assert_eq!(keys(detail), BTreeSet::from(names));
            assert!(number(detail, "sz") > 0.0);
        }
    }
    for block in &told["public-struc-block-trades"] {
        for leg in block["legs"].as_array().unwrap() {
            assert_eq!(keys(leg), BTreeSet::from(["px", "sz", "instId", "side", "tradeId"]));
        }
    }
}

#[test]
fn event_contracts_settle_before_they_expire() {
    let mut rig = full(2);
    let list = rig.exchange.instruments();
    let event = list.iter().find(|inst| inst.inst_type == "EVENTS").unwrap();
    let id = event.inst_id.clone();
    // A minute more than the half hour in which its price is estimated.
    rig.now = (event.exp_time.parse::<u64>().unwrap() - 31 * 60_000) * 1_000_000;
    let conn = rig.open("/ws/v5/public");
    let estimate = format!("estimated-price instType EVENTS instId {id}");
    ask(&mut rig, conn, &["event-contract-markets instType EVENTS", "instruments instType EVENTS"]);
    ask(&mut rig, conn, &[&estimate]);
    rig.run(33 * 60 * SECOND);
    let rows = rows(&rig, "event-contract-markets");
    let mine: Vec<&Value> = rows.iter().filter(|row| row["instId"] == *id).collect();
    let states: Vec<&str> = mine.iter().map(|row| text(row, "state")).collect();
    assert_eq!(states, ["settling", "expired"]);
    assert_eq!((&mine[0]["outcome"], &mine[0]["disputed"]), (&"0".into(), &false.into()));
    let yes = number(mine[1], "settleValue") > number(mine[1], "floorStrike");
    assert_eq!(mine[1]["outcome"], if yes { "1" } else { "2" });
    let names = "seriesId eventId instId listTime fixTime expTime state outcome floorStrike \
                 capStrike settleValue disputed hitDir";
    assert_eq!(keys(mine[0]), names.split_whitespace().collect());
    let estimates = self::rows(&rig, "estimated-price");
    assert!(estimates.len() > 1_000 && estimates.iter().all(|row| row["settleType"] == "exercise"));
}

#[test]
fn arguments_come_back_as_they_were_sent() {
    let mut rig = full(1);
    let public = rig.open("/ws/v5/public");
    let option = option_id(&rig);
    let asked = [
        format!("option-trades instType OPTION instId {option}"),
        "option-trades instType OPTION instFamily BTC-USD".to_owned(),
        "opt-summary instFamily ETH-USD".to_owned(),
        "status".to_owned(),
    ];
    for text in &asked {
        rig.out.clear();
        ask(&mut rig, public, &[text]);
        let frames = rig.frames();
        assert_eq!(frames[0]["event"], "subscribe", "{text}");
        assert_eq!(frames.len(), 2, "{text}: a first push");
        assert_eq!(frames[0]["arg"], frames[1]["arg"], "{text}");
    }
}

fn option_id(rig: &Rig) -> String {
    let list = rig.exchange.instruments();
    list.iter().find(|inst| inst.inst_type == "OPTION").unwrap().inst_id.clone()
}

#[test]
fn wrong_arguments_are_refused() {
    let mut rig = full(1);
    let public = rig.open("/ws/v5/public");
    let business = rig.open("/ws/v5/business");
    let table = [
        (public, "opt-summary instFamily BTC-USDT", "60018"),
        (public, "opt-summary uly BTC-USD", "64000"),
        (public, "option-trades instFamily BTC-USD", "60018"),
        (public, "option-trades instType SWAP instFamily BTC-USD", "60018"),
        (public, "estimated-price instType EVENTS instFamily BTC-USD", "60018"),
        (public, "estimated-price instType OPTION instId BTC-USDT-SWAP", "60018"),
        (public, "liquidation-orders instType SPOT", "60018"),
        (public, "liquidation-orders instId BTC-USDT-SWAP", "60018"),
        (public, "adl-warning", "60018"),
        (public, "event-contract-markets instType SWAP", "60018"),
        (public, "books-elp instId BTC-USDT", "60018"),
        (public, "sprd-tickers sprdId BTC-USDT_BTC-USDT-SWAP", "64001"),
        (public, "block-tickers instId BTC-USDT", "64001"),
        (business, "status", "64002"),
        (business, "sprd-tickers instId BTC-USDT", "60018"),
        (business, "sprd-tickers sprdId BTC-USDT", "60018"),
        (business, "candle1m instId BTC-USDT_BTC-USDT-SWAP", "60018"),
        (business, "sprd-candle1s sprdId BTC-USDT_BTC-USDT-SWAP", "60018"),
        (business, "economic-calendar", "60011"),
    ];
    for (conn, arg, code) in table {
        rig.out.clear();
        ask(&mut rig, conn, &[arg]);
        let events = rig.events();
        assert_eq!(events.len(), 1, "{arg}");
        assert_eq!(events[0]["code"], code, "{arg}");
    }
}

#[test]
fn option_trades_are_the_trades_of_the_options() {
    let mut rig = full(4);
    let conn = rig.open("/ws/v5/public");
    ask(&mut rig, conn, &["option-trades instType OPTION instFamily BTC-USD"]);
    let list = rig.exchange.instruments();
    let mine = list.iter().filter(|i| i.inst_type == "OPTION" && i.inst_family == "BTC-USD");
    let ids: Vec<&str> = mine.map(|inst| inst.inst_id.as_str()).collect();
    rig.subscribe(conn, &["trades"], &ids);
    rig.out.clear();
    rig.run(1_200 * SECOND);
    let mut by_id: BTreeMap<String, (i128, u64)> = BTreeMap::new();
    for row in rows(&rig, "trades") {
        let sum = by_id.entry(text(&row, "instId").to_owned()).or_default();
        sum.0 += units(text(&row, "sz"));
        sum.1 += text(&row, "count").parse::<u64>().unwrap();
    }
    let mut singles: BTreeMap<String, (i128, u64)> = BTreeMap::new();
    for row in rows(&rig, "option-trades") {
        assert_eq!(text(&row, "instFamily"), "BTC-USD");
        let sum = singles.entry(text(&row, "instId").to_owned()).or_default();
        sum.0 += units(text(&row, "sz"));
        sum.1 += 1;
        let (index, forward) = (number(&row, "idxPx"), number(&row, "fwdPx"));
        assert!((0.99..1.05).contains(&(forward / index)), "{row}");
        assert!(number(&row, "fillVol") > 0.3 && number(&row, "markPx") >= 0.0, "{row}");
    }
    assert!(by_id.len() > 4, "{by_id:?}");
    assert_eq!(by_id, singles);
}

/// The normal distribution, by a sum that has nothing to do with the exchange's.
fn cdf(x: f64) -> f64 {
    let steps = 4_000;
    let from = -9.0;
    let width = (x - from) / f64::from(steps);
    let density = |at: f64| (-at * at / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (0..steps).map(|n| density(from + (f64::from(n) + 0.5) * width) * width).sum()
}

#[test]
fn greeks_belong_to_one_volatility() {
    let mut rig = full(6);
    let conn = rig.open("/ws/v5/public");
    let list = rig.exchange.instruments();
    for family in ["BTC-USD", "ETH-USD", "BTC-USD_UM"] {
        ask(&mut rig, conn, &[&format!("opt-summary instFamily {family}")]);
    }
    let mine: Vec<_> = list.iter().filter(|inst| inst.inst_type == "OPTION").collect();
    let ids: Vec<&str> = mine.iter().map(|inst| inst.inst_id.as_str()).collect();
    rig.subscribe(conn, &["mark-price"], &ids);
    let found = rows(&rig, "opt-summary");
    assert!(found.len() > 12);
    for row in &found {
        let id = text(row, "instId");
        let inst = mine.iter().find(|inst| inst.inst_id == id).unwrap();
        let years =
            (inst.exp_time.parse::<f64>().unwrap() - number(row, "ts")) / (365.0 * 86_400_000.0);
        let parts: Vec<&str> = id.split('-').collect();
        let strike: f64 = parts[3].parse().unwrap();
        let call = parts[4] == "C";
        let (forward, vol) = (number(row, "fwdPx"), number(row, "markVol"));
        let deviation = vol * years.sqrt();
        let d1 = (forward / strike).ln() / deviation + deviation / 2.0;
        let (n1, n2) = (cdf(d1), cdf(d1 - deviation));
        let price = if call {
            n1 - strike / forward * n2
        } else {
            strike / forward * (1.0 - n2) - (1.0 - n1)
        };
        let delta = if call { n1 } else { n1 - 1.0 };
        let density = (-d1 * d1 / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let near = |name: &str, wanted: f64| {
            let off = (number(row, name) - wanted).abs();
            assert!(off < 1e-5 * wanted.abs() + 2e-9, "{id} {name}: {wanted} in {row}");
        };
        near("deltaBS", delta);
        near("delta", delta - price);
        near("gammaBS", density / (forward * deviation));
        near("vegaBS", forward * density * years.sqrt() / 100.0);
        near("thetaBS", -forward * density * vol / (2.0 * years.sqrt()) / 365.0);
        near("vega", density * years.sqrt() / 100.0);
        let mark = number(&rig.rows("mark-price", id)[0], "markPx");
        let dollars = id.contains("_UM");
        let (wanted, tick) = if dollars { (price * forward, 1.0) } else { (price, 0.0001) };
        assert!((mark - wanted).abs() <= tick, "{id}: marked at {mark}, worth {wanted}");
        for (name, sign) in [("bidVol", -1.0), ("askVol", 1.0)] {
            let quoted = text(row, name);
            assert!(quoted.is_empty() || (number(row, name) - vol) * sign > 0.0, "{row}");
        }
    }
}

#[test]
fn marks_stay_near_their_index_and_inside_the_limits() {
    let mut rig = full(8);
    let conn = rig.open("/ws/v5/public");
    let id = "BTC-USDT-SWAP";
    rig.subscribe(conn, &["mark-price", "price-limit", "open-interest", "funding-rate"], &[id]);
    rig.subscribe(conn, &["index-tickers"], &["BTC-USDT"]);
    rig.run(300 * SECOND);
    let last = |channel: &str, name: &str| number(rows(&rig, channel).last().unwrap(), name);
    let (mark, index) = (last("mark-price", "markPx"), last("index-tickers", "idxPx"));
    assert!((mark / index - 1.0).abs() < 0.002, "{mark} {index}");
    let (buy, sell) = (last("price-limit", "buyLmt"), last("price-limit", "sellLmt"));
    assert!(sell < mark && mark < buy && buy < mark * 1.1);
    assert!(rows(&rig, "price-limit").iter().all(|row| row["enabled"] == true));
    for row in rows(&rig, "open-interest") {
        assert!(number(&row, "oi") >= 0.0 && number(&row, "oiUsd") >= 0.0);
        // A contract is a hundredth of a bitcoin.
        assert!((number(&row, "oiCcy") * 100.0 - number(&row, "oi")).abs() < 1e-3, "{row}");
    }
}

#[test]
fn funding_follows_the_premium_and_is_paid_on_time() {
    let mut rig = full(8);
    let body = |rig: &mut Rig, path: &str| -> Vec<Value> {
        let reply = rig.exchange.rest(rig.now, &format!("/api/v5/public/{path}"));
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(body["code"], "0", "{path}: {body}");
        body["data"].as_array().unwrap().clone()
    };
    for (id, hours) in [("BTC-USDT-SWAP", 8), ("PEPE-USDT-SWAP", 4), ("SATS-USDT-SWAP", 2)] {
        let row = body(&mut rig, &format!("funding-rate?instId={id}"))[0].clone();
        let ms = |name: &str| text(&row, name).parse::<u64>().unwrap();
        assert_eq!(ms("nextFundingTime") - ms("fundingTime"), hours * 3_600_000, "{id}");
        assert_eq!(ms("fundingTime") - ms("prevFundingTime"), hours * 3_600_000, "{id}");
        assert_eq!(text(&row, "nextFundingRate"), "");
        // 16 places, as the captures have them.
        assert_eq!(text(&row, "premium").split('.').nth(1).unwrap().len(), 16);
        let bound = number(&row, "maxFundingRate");
        assert!(number(&row, "fundingRate").abs() <= bound);
        let history = body(&mut rig, &format!("funding-rate-history?instId={id}"));
        assert_eq!(text(&history[0], "fundingTime"), text(&row, "prevFundingTime"));
        assert_eq!(text(&history[0], "realizedRate"), text(&row, "settFundingRate"));
        assert!(history.len() > 100);
        // The rate of a whole period from the premiums of its minutes.
        let end = ms("prevFundingTime");
        let begin = end - hours * 3_600_000;
        let mut premiums = Vec::new();
        let mut after = end + 1;
        while after > begin {
            let page = format!("premium-history?instId={id}&after={after}");
            let page = body(&mut rig, &page);
            after = text(page.last().unwrap(), "ts").parse().unwrap();
            premiums.extend(page);
            rig.now += SECOND;
        }
        let inside: Vec<f64> = premiums
            .iter()
            .filter(|row| number(row, "ts") >= begin as f64)
            .map(|row| number(row, "premium"))
            .collect();
        assert!(inside.len() as u64 >= hours * 60);
        let mean = inside.iter().sum::<f64>() / inside.len() as f64;
        let wanted = (mean + (0.0001 - mean).clamp(-0.0005, 0.0005)).clamp(-bound, bound);
        let paid = number(&row, "settFundingRate");
        assert!((paid - wanted).abs() < 0.000_02, "{id}: paid {paid}, wanted {wanted}");
    }
}

/// CRC32 with a table, unlike the exchange's.
fn crc32(bytes: &[u8]) -> i32 {
    let table: Vec<u32> = (0..256u32)
        .map(|n| (0..8).fold(n, |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 }))
        .collect();
    let step = |crc: u32, byte: &u8| table[((crc ^ u32::from(*byte)) & 255) as usize] ^ (crc >> 8);
    !bytes.iter().fold(u32::MAX, step) as i32
}

#[test]
fn spread_books_link_and_their_checksums_hold() {
    for seed in 0..3 {
        let mut rig = Rig::small(seed);
        let conn = rig.open("/ws/v5/business");
        for channel in ["sprd-books-l2-tbt", "sprd-bbo-tbt", "sprd-tickers", "sprd-public-trades"] {
            ask(&mut rig, conn, &[&format!("{channel} sprdId {SPREAD}")]);
        }
        rig.run(300 * SECOND);
        let (mut book, mut last, mut checked, mut below) =
            ([BTreeMap::new(), BTreeMap::new()], -1, 0, 0);
        for frame in rig.frames() {
            if frame["arg"]["channel"] != "sprd-books-l2-tbt" || frame.get("data").is_none() {
                continue;
            }
            let row = &frame["data"][0];
            assert_eq!(row["prevSeqId"], last, "{frame}");
            last = row["seqId"].as_i64().unwrap();
            for (side, name) in ["bids", "asks"].iter().enumerate() {
                for level in row[*name].as_array().unwrap() {
                    assert_eq!(level.as_array().unwrap().len(), 3);
                    let (px, sz) = (level[0].as_str().unwrap(), level[1].as_str().unwrap());
                    below += usize::from(px.starts_with('-'));
                    match sz {
                        "0" => drop(book[side].remove(&units(px))),
                        _ => drop(book[side].insert(units(px), format!("{px}:{sz}"))),
                    }
                }
            }
            let bids: Vec<&String> = book[0].values().rev().take(25).collect();
            let asks: Vec<&String> = book[1].values().take(25).collect();
            let mut parts: Vec<&str> = Vec::new();
            for n in 0..25 {
                parts.extend(bids.get(n).map(|text| text.as_str()));
                parts.extend(asks.get(n).map(|text| text.as_str()));
            }
            assert_eq!(row["checksum"], crc32(parts.join(":").as_bytes()), "{frame}");
            checked += 1;
        }
        assert!(checked > 50 && below > 50, "seed {seed}: {checked} {below}");
        let prices: Vec<f64> =
            rows(&rig, "sprd-public-trades").iter().map(|row| number(row, "px")).collect();
        // 420 millionths of 91,000 dollars below the spot.
        assert!(!prices.is_empty() && prices.iter().all(|px| (-80.0..-10.0).contains(px)));
        let last = rows(&rig, "sprd-tickers").last().unwrap().clone();
        assert_eq!(number(&last, "last"), *prices.last().unwrap());
    }
}

#[test]
fn blocks_are_told_late_and_the_same_on_both_sides() {
    let mut rig = full(3);
    let conn = rig.open("/ws/v5/business");
    ask(&mut rig, conn, &["public-struc-block-trades"]);
    rig.run(600 * SECOND);
    let told = rows(&rig, "public-struc-block-trades");
    assert!(told.len() > 5);
    for delivery in rig.out.iter().filter(|delivery| delivery.truth.is_some()) {
        let frame: Value = serde_json::from_str(crate::rig::text(delivery).unwrap()).unwrap();
        let agreed = number(&frame["data"][0], "cTime");
        let late = delivery.at_ns as f64 / 1e6 - agreed;
        assert!((900_000.0..902_000.0).contains(&late), "{late}");
    }
    let reply = rig.exchange.rest(rig.now, "/api/v5/rfq/public-trades");
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    let listed = body["data"].as_array().unwrap();
    for row in told {
        assert!(listed.contains(&row), "{row}");
    }
}

#[test]
fn an_unasked_channel_costs_nothing() {
    let frames = |extra: bool| {
        let mut rig = Rig::small(5);
        let conn = rig.open("/ws/v5/public");
        if extra {
            ask(&mut rig, conn, &["option-trades instType OPTION instFamily BTC-USD", "status"]);
        }
        rig.subscribe(conn, &["books", "trades"], &["BTC-USDT"]);
        rig.run(60 * SECOND);
        let texts: Vec<String> =
            rig.out.iter().filter_map(crate::rig::text).map(str::to_owned).collect();
        let mine = texts.into_iter().filter(|text| text.contains("\"BTC-USDT\""));
        mine.collect::<Vec<String>>()
    };
    assert_eq!(frames(false), frames(true), "markets do not disturb each other");
}
