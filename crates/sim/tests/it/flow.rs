//! Books, trades, candles and tickers agree with each other and with the truth.

use market_data_sim::{Exchange, MarketSize, SimConfig};
use serde_json::Value;

use crate::rig::{Books, Rig, SECOND, config, text, units};

const BOOKS: &[&str] = &["books", "books5", "bbo-tbt", "books-rpi"];

#[test]
fn books_from_frames_are_the_truth_and_the_published_book() {
    for seed in 0..5 {
        let mut rig = Rig::small(seed);
        let conn = rig.open("/ws/v5/public");
        rig.login(conn);
        let list = rig.exchange.instruments();
        let ids: Vec<&str> = list.iter().map(|inst| inst.inst_id.as_str()).collect();
        rig.subscribe(conn, BOOKS, &ids);
        rig.subscribe(conn, &["books50-l2-tbt"], &ids[..2]);
        rig.subscribe(conn, &["books-l2-tbt"], &ids[2..4]);
        let mut books = Books::default();
        rig.out.iter().for_each(|delivery| drop(books.apply(delivery)));
        let mut compared = 0;
        rig.run_with(45 * SECOND, |exchange, fresh| {
            for delivery in fresh {
                let Some(key) = books.apply(delivery) else { continue };
                let truth = delivery.truth.as_ref().unwrap();
                assert_eq!((&truth.channel, &truth.inst_id), (&key.0, &key.1));
                let book = &books.0[&key];
                assert!(book.agrees(truth.book.as_ref().unwrap()), "seed {seed} {key:?}");
            }
            for (channel, id) in exchange.subscriptions(conn) {
                let Some(published) = exchange.published(&channel, &id) else { continue };
                let book = &books.0[&(channel, id)];
                assert!(book.agrees(&published), "seed {seed}");
                compared += 1;
            }
        });
        let busy = &books.0[&("books".to_owned(), "BTC-USDT".to_owned())];
        assert!(busy.updates > 100 && compared > 1_000, "seed {seed}: {}", busy.updates);
    }
}

#[test]
fn trades_agree_with_single_fills() {
    for seed in 0..6 {
        let mut rig = Rig::small(seed);
        let public = rig.open("/ws/v5/public");
        let business = rig.open("/ws/v5/business");
        let ids = ["BTC-USDT", "BTC-USD-SWAP"];
        rig.subscribe(public, &["trades"], &ids);
        rig.subscribe(business, &["trades-all"], &ids);
        rig.run(90 * SECOND);
        for id in ids {
            let rows = rig.rows("trades", id);
            let fills = rig.rows("trades-all", id);
            let number =
                |row: &Value, name: &str| row[name].as_str().unwrap().parse::<u64>().unwrap();
            let counted: u64 = rows.iter().map(|row| number(row, "count")).sum();
            assert!(rows.len() > 20 && counted > rows.len() as u64, "aggregation happens");
            assert_eq!(counted, fills.len() as u64);
            for pair in rows.windows(2) {
                let before = number(&pair[1], "tradeId") - number(&pair[1], "count");
                assert_eq!(before, number(&pair[0], "tradeId"));
            }
            let sum = |rows: &[Value]| -> i128 {
                rows.iter().map(|row| units(row["sz"].as_str().unwrap())).sum()
            };
            assert_eq!(sum(&rows), sum(&fills));
            assert!(rows.iter().all(|row| row["seqId"].is_i64()));
            assert!(fills.iter().any(|row| row["source"] == "1"), "retail trades exist");
        }
    }
}

#[test]
fn candles_are_what_the_trades_imply() {
    for seed in 0..4 {
        let mut rig = Rig::small(seed);
        let business = rig.open("/ws/v5/business");
        let id = "BTC-USDT";
        rig.subscribe(business, &["candle1s", "candle1m", "candle5m", "trades-all"], &[id]);
        rig.run(400 * SECOND);
        let fills = rig.rows("trades-all", id);
        for (name, length) in [("candle1s", 1_000), ("candle1m", 60_000), ("candle5m", 300_000)] {
            let rows = rig.rows(name, id);
            let closed: Vec<&Value> = rows.iter().filter(|row| row[8] == "1").collect();
            let least = [300, 5, 1];
            assert!(
                closed.len() >= least[usize::from(length > 1_000) + usize::from(length > 60_000)]
            );
            for (n, pair) in closed.windows(2).enumerate() {
                // The bars before had begun before the subscription.
                let (before, bar) = (pair[0], pair[1]);
                check_bar(before, bar, &fills, length, &format!("seed {seed} {name} {n}"));
            }
        }
    }
}

fn check_bar(before: &Value, bar: &Value, fills: &[Value], length: u64, what: &str) {
    let ms = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let open = ms(&bar[0]);
    assert_eq!(open, ms(&before[0]) + length, "{what}: no bar is left out");
    let inside: Vec<&Value> =
        fills.iter().filter(|fill| (open..open + length).contains(&ms(&fill["ts"]))).collect();
    let px = |fill: &&Value| units(fill["px"].as_str().unwrap());
    let cell = |n: usize| units(bar[n].as_str().unwrap());
    let lots: i128 = inside.iter().map(|fill| units(fill["sz"].as_str().unwrap())).sum();
    assert_eq!(cell(5), lots, "{what}");
    match (inside.first(), inside.last()) {
        (Some(first), Some(last)) => {
            assert_eq!((cell(1), cell(4)), (px(first), px(last)), "{what}");
            assert_eq!(cell(2), inside.iter().map(px).max().unwrap(), "{what}");
            assert_eq!(cell(3), inside.iter().map(px).min().unwrap(), "{what}");
        }
        _ => assert!((1..=4).all(|n| bar[n] == before[4]), "{what}: a flat bar"),
    }
}

#[test]
fn candles_come_at_most_once_a_second_and_close_once() {
    let mut rig = Rig::new(config(5, MarketSize::Full, "none"));
    let business = rig.open("/ws/v5/business");
    rig.subscribe(business, &["candle1m", "candle1Dutc", "candle1D"], &["BTC-USDT"]);
    rig.run(150 * SECOND);
    let rows = rig.rows("candle1m", "BTC-USDT");
    let closed = rows.iter().filter(|row| row[8] == "1").count();
    assert!((2..=3).contains(&closed));
    assert!(rows.len() <= 150 + 2 * closed + 1, "{}", rows.len());
    assert!(rows.len() > 100);
    let day = |name| rig.rows(name, "BTC-USDT")[0][0].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(day("candle1Dutc") % 86_400_000, 0);
    assert_eq!(day("candle1D") % 86_400_000, 57_600_000, "16:00 UTC");
}

#[test]
fn tickers_follow_trades_and_the_top_of_the_book() {
    let mut rig = Rig::small(7);
    let public = rig.open("/ws/v5/public");
    rig.subscribe(public, &["books", "tickers", "trades"], &["ETH-USDT"]);
    let mut books = Books::default();
    let (mut last, mut seen) = (None, 0);
    rig.run_with(120 * SECOND, |_, _| {});
    for delivery in &rig.out {
        books.apply(delivery);
        let Some(truth) = &delivery.truth else { continue };
        let get = |name: &str| {
            let row = truth.rows.last()?;
            row.iter().find(|(key, _)| *key == name).map(|(_, text)| text.clone())
        };
        if truth.channel == "trades" {
            last = get("px");
        } else if truth.channel == "tickers" {
            seen += 1;
            if last.is_some() {
                assert_eq!(get("last"), last);
            }
            let book = &books.0[&("books".to_owned(), "ETH-USDT".to_owned())];
            assert_eq!(get("bidPx").unwrap(), book.bids[0].0);
            assert_eq!(get("askPx").unwrap(), book.asks[0].0);
            let n = |name: &str| units(&get(name).unwrap());
            assert!(n("low24h") <= n("last") && n("last") <= n("high24h"));
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_default_subscription_looks_alive_from_the_first_second() {
    let mut rig = Rig::new(SimConfig::new(1, crate::rig::START));
    let public = rig.open("/ws/v5/public");
    let business = rig.open("/ws/v5/business");
    rig.subscribe(public, &["tickers", "trades", "books"], &["BTC-USDT"]);
    rig.subscribe(business, &["candle1m"], &["BTC-USDT"]);
    let first = rig.out.len();
    assert!(first >= 7, "acks and first frames: {first}");
    rig.run(SECOND);
    assert!(rig.out.len() - first >= 8);
    rig.run(59 * SECOND);
    let rate = (rig.out.len() - first) / 60;
    assert!((10..=40).contains(&rate), "{rate} frames a second");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let life = |seed: u64| {
        let mut rig = Rig::new(config(seed, MarketSize::Small, "mixed"));
        let conn = rig.insist("/ws/v5/public");
        rig.subscribe(conn, &["books", "trades", "tickers", "mark-price"], &["BTC-USDT-SWAP"]);
        rig.run(60 * SECOND);
        let all = rig.out.iter().map(|d| format!("{} {:?} {:?}\n", d.at_ns, d.what, d.fault));
        let mut all: String = all.collect();
        let rest = rig.exchange.rest(rig.now, "/api/v5/market/candles?instId=BTC-USDT");
        all.push_str(&rest.body);
        all
    };
    for seed in 0..5 {
        assert_eq!(life(seed), life(seed));
    }
    assert_ne!(life(1), life(2));
}

#[test]
fn it_does_not_matter_how_often_time_is_told() {
    let life = |hop: u64| {
        let mut rig = Rig::new(config(6, MarketSize::Small, "mixed"));
        let conn = rig.insist("/ws/v5/public");
        rig.subscribe(conn, &["books", "bbo-tbt", "trades", "tickers"], &["BTC-USDT"]);
        let start = rig.now;
        for n in 1..=25 * SECOND / hop {
            rig.exchange.advance(start + n * hop);
            rig.exchange.deliveries(&mut rig.out);
        }
        rig.out.iter().map(|d| (d.at_ns, d.what.clone())).collect::<Vec<_>>()
    };
    let seconds = life(SECOND);
    assert!(seconds.len() > 50);
    assert_eq!(seconds, life(SECOND / 200));
    assert_eq!(seconds, life(25 * SECOND));
}

#[test]
fn faults_do_not_change_the_market() {
    let trades = |profile: &str| {
        let mut rig = Rig::new(config(9, MarketSize::Small, profile));
        let conn = rig.open("/ws/v5/public");
        rig.subscribe(conn, &["trades"], &["BTC-USDT"]);
        rig.run(30 * SECOND);
        let found = rig.exchange.rest(rig.now, "/api/v5/market/trades?instId=BTC-USDT");
        found.body
    };
    assert_eq!(trades("none"), trades("drop"));
    assert_eq!(trades("none"), trades("duplicate"));
}

#[test]
fn books_beat_after_a_minute_without_change() {
    let mut rig = Rig::small(2);
    let conn = rig.open("/ws/v5/public");
    let list = rig.exchange.instruments();
    let option = list.iter().find(|inst| inst.inst_type == "OPTION").unwrap().inst_id.clone();
    rig.subscribe(conn, &["books", "books5", "bbo-tbt"], &[&option]);
    let mut books = Books::default();
    rig.run_with(1_200 * SECOND, |_, _| {});
    rig.out.iter().for_each(|delivery| drop(books.apply(delivery)));
    let times: Vec<u64> = rig
        .out
        .iter()
        .filter(|d| d.truth.as_ref().is_some_and(|truth| truth.channel == "books"))
        .map(|d| d.at_ns)
        .collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 60 * SECOND));
}

#[test]
fn every_frame_parses_on_every_channel() {
    let mut rig = Rig::new(config(11, MarketSize::Full, "none"));
    let public = rig.open("/ws/v5/public");
    let business = rig.open("/ws/v5/business");
    let list = rig.exchange.instruments();
    let ids: Vec<&str> = list.iter().map(|inst| inst.inst_id.as_str()).collect();
    assert!(ids.len() >= 48, "{}", ids.len());
    rig.subscribe(public, &["tickers", "trades", "books5", "mark-price"], &ids);
    rig.subscribe(business, &["candle1m", "mark-price-candle1m", "trades-all"], &ids);
    rig.subscribe(public, &["index-tickers"], &["BTC-USDT", "BTC-USD", "ETH-USDC"]);
    rig.subscribe(business, &["index-candle1m", "index-candle1D"], &["BTC-USD"]);
    rig.subscribe(public, &["funding-rate", "open-interest"], &["BTC-USD-SWAP", "BTC-USDT-SWAP"]);
    rig.run(12 * SECOND);
    let errors: Vec<Value> = rig.events().into_iter().filter(|e| e["event"] == "error").collect();
    assert!(errors.is_empty(), "{errors:?}");
    let frames = rig.frames();
    assert!(frames.len() > 1_000);
    let rows = rig.rows("mark-price-candle1m", "BTC-USDT");
    assert!(rows.iter().all(|row| row.as_array().unwrap().len() == 6) && rows.len() > 5);
    assert!(rig.rows("index-tickers", "BTC-USD").len() > 20);
    for delivery in &rig.out {
        let Some(truth) = &delivery.truth else { continue };
        let sent = text(delivery).unwrap();
        for (_, value) in truth.rows.iter().flatten() {
            assert!(sent.contains(value.as_str()), "{value} in {sent}");
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "measures how long construction really takes")]
fn a_small_exchange_is_cheap() {
    let started = std::time::Instant::now();
    for seed in 0..200 {
        let _ = Exchange::new(config(seed, MarketSize::Small, "none"));
    }
    // A debug build on a busy machine; a release build takes about a tenth.
    assert!(started.elapsed().as_millis() < 2_000, "{:?}", started.elapsed());
    println!("construction: {:?} each", started.elapsed() / 200);
}
