//! Before an instrument is live its book may be crossed; once it is said to be live, never.

use market_data_sim::MarketSize;
use serde_json::Value;

use crate::rig::{NaiveBook, Rig, SECOND, config, units};

/// How many books of one exchange's listings were crossed before the instrument was live.
fn crossed(seed: u64) -> usize {
    let mut rig = Rig::new(config(seed, MarketSize::Small, "preopen"));
    let conn = rig.open("/ws/v5/public");
    let arg = "{\"channel\":\"instruments\",\"instType\":\"SPOT\"}";
    rig.send(conn, &format!("{{\"op\":\"subscribe\",\"args\":[{arg}]}}"));
    let ids = ["NEW1-USDT", "NEW2-USDT", "NEW3-USDT"];
    for _ in 0..120 {
        rig.run(SECOND);
        let wanted = rig.exchange.instruments();
        for id in ids.iter().filter(|id| wanted.iter().any(|inst| inst.inst_id == **id)) {
            let have = rig.exchange.subscriptions(conn);
            if !have.iter().any(|(channel, about)| channel == "books" && about == id) {
                rig.subscribe(conn, &["books"], &[id]);
            }
        }
    }
    ids.iter().map(|id| crossed_of(&rig, id)).sum()
}

fn crossed_of(rig: &Rig, id: &str) -> usize {
    let (mut book, mut live, mut count) = (NaiveBook::default(), false, 0);
    for frame in rig.frames().iter().filter(|frame| frame.get("data").is_some()) {
        if frame["arg"]["channel"] == "instruments" {
            let rows = frame["data"].as_array().unwrap();
            let mine = |row: &&Value| row["instId"] == id;
            live |= rows.iter().find(mine).is_some_and(|row| row["state"] == "live");
        } else if frame["arg"]["instId"] == id {
            book.apply(frame).unwrap();
        }
        if let (Some(bid), Some(ask)) = (book.bids.first(), book.asks.first()) {
            let crossed = units(&bid.0) >= units(&ask.0);
            assert!(!(live && crossed), "{id}: {frame}");
            count += usize::from(crossed);
        }
    }
    count
}

#[test]
fn books_cross_in_an_auction_only() {
    let crossed: Vec<usize> = (0..6).map(crossed).collect();
    assert!(crossed.iter().filter(|count| **count > 3).count() >= 3, "{crossed:?}");
}
