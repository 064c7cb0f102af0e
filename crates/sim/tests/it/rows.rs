//! Frames with several rows, as OKX sends them: a reader of `data[0]` alone would lose some.

use market_data_sim::Truth;
use serde_json::Value;

use crate::rig::{Rig, SECOND, text};

/// The rows of a frame as texts, in the order of `names`.
fn texts(row: &Value, names: &[&str]) -> Vec<String> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match row {
        Value::Array(cells) => cells.iter().map(plain).collect(),
        object => names.iter().map(|name| plain(&object[*name])).collect(),
    }
}

/// How many rows each frame of a channel has, after comparing them with the truth.
fn counts(rig: &Rig, channel: &str) -> Vec<usize> {
    let mut counts = Vec::new();
    for delivery in &rig.out {
        let Some(truth) = delivery.truth.as_deref().filter(|truth| truth.channel == channel) else {
            continue;
        };
        let frame: Value = serde_json::from_str(text(delivery).unwrap()).unwrap();
        let data = frame["data"].as_array().unwrap();
        assert_eq!(data.len(), truth.rows.len());
        for (row, (names, values)) in data.iter().zip(named(truth)) {
            assert_eq!(texts(row, &names), values, "{frame}");
        }
        counts.push(data.len());
    }
    counts
}

fn named(truth: &Truth) -> impl Iterator<Item = (Vec<&'static str>, Vec<String>)> + '_ {
    truth.rows.iter().map(|row| row.iter().cloned().unzip())
}

fn mixed(counts: &[usize]) -> bool {
    let more = counts.iter().filter(|count| **count > 1).count();
    more > 3 && more < counts.len() / 2
}

#[test]
fn trades_of_one_burst_share_a_frame_now_and_then() {
    for seed in 0..4 {
        let mut rig = Rig::small(seed);
        let public = rig.open("/ws/v5/public");
        let business = rig.open("/ws/v5/business");
        rig.subscribe(public, &["trades"], &["BTC-USDT", "BTC-USDT-SWAP"]);
        rig.subscribe(business, &["trades-all"], &["BTC-USDT", "BTC-USDT-SWAP"]);
        rig.run(200 * SECOND);
        let rows = counts(&rig, "trades");
        assert!(mixed(&rows), "seed {seed}: {rows:?}");
        assert!(rows.iter().any(|count| *count > 2), "seed {seed}: {rows:?}");
        assert!(counts(&rig, "trades-all").iter().all(|count| *count == 1), "as documented");
    }
}

#[test]
fn a_bars_last_row_and_the_next_ones_first_share_a_frame_sometimes() {
    for seed in 0..4 {
        let mut rig = Rig::small(seed);
        let business = rig.open("/ws/v5/business");
        rig.subscribe(business, &["candle1s", "mark-price-candle1m"], &["BTC-USDT"]);
        rig.subscribe(business, &["index-candle1m"], &["BTC-USD"]);
        rig.run(1_800 * SECOND);
        for (channel, confirm) in
            [("candle1s", 8), ("mark-price-candle1m", 5), ("index-candle1m", 5)]
        {
            let rows = counts(&rig, channel);
            assert!(mixed(&rows), "seed {seed} {channel}: {rows:?}");
            assert!(rows.iter().all(|count| *count <= 2));
            let shared = rig.frames().into_iter().filter(|frame| {
                frame["arg"]["channel"] == channel && frame["data"].get(1).is_some()
            });
            for frame in shared {
                let (last, first) = (&frame["data"][0], &frame["data"][1]);
                assert_eq!((&last[confirm], &first[confirm]), (&"1".into(), &"0".into()));
                let open = |row: &Value| row[0].as_str().unwrap().parse::<u64>().unwrap();
                assert!(open(last) < open(first), "seed {seed} {channel}: {frame}");
            }
        }
    }
}

#[test]
fn a_year_is_a_bar_of_mark_prices() {
    let mut rig = Rig::small(1);
    let business = rig.open("/ws/v5/business");
    rig.subscribe(business, &["mark-price-candle1Yutc"], &["BTC-USDT-SWAP"]);
    rig.run(3 * SECOND);
    assert_eq!(rig.events()[0]["event"], "subscribe");
    let rows = rig.rows("mark-price-candle1Yutc", "BTC-USDT-SWAP");
    assert!(rows.len() >= 3);
    // 2026-01-01 00:00 UTC.
    assert!(rows.iter().all(|row| row[0] == "1767225600000" && row[5] == "0"), "{rows:?}");
    assert!(rows.iter().all(|row| row.as_array().unwrap().len() == 6));
}

#[test]
fn the_year_ends_on_the_first_of_january() {
    // 2026-12-31 23:59:50 UTC.
    let late = market_data_sim::SimConfig::new(1, 1_798_761_590 * SECOND);
    let start = late.start_ns;
    let mut rig = Rig::new(late);
    rig.now = start;
    let business = rig.open("/ws/v5/business");
    rig.subscribe(business, &["mark-price-candle1Yutc"], &["BTC-USDT"]);
    rig.run(20 * SECOND);
    let rows = rig.rows("mark-price-candle1Yutc", "BTC-USDT");
    let closed: Vec<&Value> = rows.iter().filter(|row| row[5] == "1").map(|row| &row[0]).collect();
    assert_eq!(closed, [&Value::from("1767225600000")]);
    assert_eq!(rows.last().unwrap()[0], "1798761600000");
}
