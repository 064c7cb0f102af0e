//! A list as long as OKX's, and a wanted number of frames a second.

use std::collections::BTreeSet;

use market_data_sim::{Exchange, MarketSize, SimConfig, ToClient};

use crate::rig::{Rig, SECOND, START, config};

fn wide(universe: usize) -> SimConfig {
    SimConfig { universe, ..config(3, MarketSize::Full, "none") }
}

#[test]
fn a_universe_is_as_long_as_asked_and_leaves_the_table_alone() {
    let short = Exchange::new(wide(0)).instruments();
    let long = Exchange::new(wide(2_500)).instruments();
    assert_eq!(long.len(), 2_500);
    assert_eq!(long[..short.len()], short[..]);
    let ids: BTreeSet<&str> = long.iter().map(|inst| inst.inst_id.as_str()).collect();
    assert_eq!(ids.len(), long.len(), "no id twice");
    for kind in ["SPOT", "SWAP", "OPTION"] {
        let many = long.iter().filter(|inst| inst.inst_type == kind).count();
        assert!(many > 400, "{many} of {kind}");
    }
    assert_eq!(Exchange::new(wide(2_500)).instruments(), long);
}

#[test]
fn every_instrument_of_a_universe_can_be_had() {
    let mut rig = Rig::new(wide(1_500));
    let list = rig.exchange.instruments();
    let conn = rig.open("/ws/v5/public");
    let ids: Vec<&str> = list.iter().map(|inst| inst.inst_id.as_str()).collect();
    ids.chunks(300).for_each(|some| rig.subscribe(conn, &["tickers"], some));
    assert_eq!(rig.exchange.subscriptions(conn).len(), ids.len());
    let frames = rig.frames();
    let rows = frames.iter().filter(|frame| frame.get("data").is_some());
    for row in rows.map(|frame| &frame["data"][0]) {
        let px: f64 = row["last"].as_str().unwrap().parse().unwrap();
        assert!(px > 0.0, "{row}");
    }
    let underlying = "/api/v5/market/index-tickers?quoteCcy=USDT";
    let body = rig.exchange.rest(rig.now, underlying).body;
    assert!(body.matches("idxPx").count() > 400);
}

#[test]
fn a_rate_is_reached_up_and_down() {
    for wanted in [20, 1_000] {
        let rate = SimConfig { rate: wanted, ..config(3, MarketSize::Full, "none") };
        let mut rig = Rig::new(SimConfig { truth: false, ..rate });
        let list = rig.exchange.instruments();
        let conn = rig.open("/ws/v5/public");
        let ids: Vec<&str> = list.iter().map(|inst| inst.inst_id.as_str()).take(24).collect();
        rig.subscribe(conn, &["bbo-tbt", "trades"], &ids);
        rig.run(12 * SECOND);
        let from = rig.now;
        rig.run(20 * SECOND);
        let text = |what: &ToClient| matches!(what, ToClient::Text(_));
        let count = rig.out.iter().filter(|d| d.at_ns > from && text(&d.what)).count() as u32;
        let a_second = count / 20;
        assert!((wanted * 7 / 10..wanted * 13 / 10).contains(&a_second), "{wanted}: {a_second}");
    }
}

#[test]
fn without_a_rate_nothing_of_it_happens() {
    let mut exchange = Exchange::new(wide(0));
    exchange.advance(START + 100 * SECOND);
    assert!(exchange.next_at() > START + 200 * SECOND, "an exchange without clients sleeps");
}
