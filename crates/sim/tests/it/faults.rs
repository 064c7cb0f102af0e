//! Each fault fires under its own profile only, and ends.

use std::collections::BTreeSet;

use market_data_sim::{Exchange, FaultProfile, MarketSize, Opened, SimConfig, ToClient};
use serde_json::Value;

use crate::rig::{NaiveBook, Rig, SECOND, START, config, text, units};

/// A client that reconnects and subscribes again, for some minutes.
fn live_through(profile: &str, seed: u64, seconds: u64) -> Rig {
    let truth = matches!(profile, "corrupt" | "truncate");
    let mut rig = Rig::new(SimConfig { truth, ..config(seed, MarketSize::Small, profile) });
    let ids = ["BTC-USDT", "BTC-USDT-SWAP"];
    let mut left = seconds;
    while left > 0 {
        let conn = rig.insist("/ws/v5/public");
        rig.subscribe(conn, &["books", "tickers", "trades"], &ids);
        for round in 0..3 {
            rig.run(10 * SECOND);
            let args = "[{\"channel\":\"trades\",\"instId\":\"BTC-USDT\"}]";
            let op = if round % 2 == 0 { "unsubscribe" } else { "subscribe" };
            rig.send(conn, &format!("{{\"op\":\"{op}\",\"args\":{args}}}"));
            rig.exchange.rest(rig.now, "/api/v5/public/time");
        }
        rig.exchange.gone(rig.now, conn);
        left = left.saturating_sub(30);
    }
    rig
}

#[test]
fn each_fault_fires_under_its_profile_and_only_there() {
    for info in FaultProfile::all() {
        // Odd files are of those who ask for files.
        if matches!(info.name, "mixed" | "blackout" | "oddfile") {
            continue;
        }
        let rig = live_through(info.name, 1, 400);
        let fired: Vec<&str> = rig.exchange.faults_injected().keys().copied().collect();
        let wanted: &[&str] = if info.name == "none" { &[] } else { &[info.name] };
        assert_eq!(fired, wanted);
        let touched: BTreeSet<&str> = rig.out.iter().filter_map(|d| d.fault).collect();
        assert!(touched.iter().all(|name| *name == info.name), "{touched:?}");
    }
}

#[test]
fn mixed_fires_everything() {
    let mut fired = BTreeSet::new();
    for seed in 0..12 {
        fired.extend(live_through("mixed", seed, 400).exchange.faults_injected().into_keys());
    }
    for info in FaultProfile::all().iter().filter(|info| info.survivable) {
        let meta = matches!(info.name, "none" | "mixed" | "oddfile");
        assert!(meta || fired.contains(info.name), "{} never fired: {fired:?}", info.name);
    }
}

#[test]
fn profiles_are_found_by_name() {
    assert!(FaultProfile::named("nonsense").is_none());
    for info in FaultProfile::all() {
        assert_eq!(FaultProfile::named(info.name).unwrap().name, info.name);
    }
    assert_eq!(FaultProfile::named("none"), Some(FaultProfile::none()));
}

/// Whether a strict reader would take it for a good frame.
pub fn acceptable(sent: &str) -> bool {
    if sent == "pong" {
        return true;
    }
    let Ok(frame) = serde_json::from_str::<Value>(sent) else { return false };
    let Some(data) = frame.get("data") else { return frame["event"].is_string() };
    let number = |value: &Value| {
        value.as_str().is_some_and(|t| {
            let digits = t.strip_prefix('-').unwrap_or(t);
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        })
    };
    let need: &[&str] = match frame["arg"]["channel"].as_str() {
        Some("books") => &["ts"],
        Some("trades") => &["px", "sz", "ts", "tradeId", "count"],
        _ => &[
            "last",
            "lastSz",
            "open24h",
            "high24h",
            "low24h",
            "vol24h",
            "volCcy24h",
            "sodUtc0",
            "sodUtc8",
            "askPx",
            "askSz",
            "bidPx",
            "bidSz",
            "ts",
        ],
    };
    data.as_array().unwrap().iter().all(|row| {
        let named = need.iter().all(|name| number(&row[*name]));
        let levels = ["asks", "bids"].iter().all(|side| match row[*side].as_array() {
            Some(levels) => levels.iter().flat_map(|l| l.as_array().unwrap()).all(&number),
            None => frame["arg"]["channel"] != "books",
        });
        let ids = frame["arg"]["channel"] == "tickers" || row["seqId"].is_i64();
        named && levels && ids
    })
}

#[test]
fn damage_is_always_visible() {
    for profile in ["corrupt", "truncate"] {
        let mut harmed = 0;
        for seed in 0..6 {
            let rig = live_through(profile, seed, 120);
            for delivery in &rig.out {
                let Some(sent) = text(delivery) else { continue };
                let bad = delivery.fault.is_some();
                harmed += usize::from(bad);
                assert_eq!(acceptable(sent), !bad, "seed {seed}: {sent}");
                assert!(!bad || delivery.truth.is_none());
            }
        }
        assert!(harmed > 20, "{profile} {harmed}");
    }
}

#[test]
fn gaps_show_in_the_chain_and_resets_link() {
    for (profile, gaps, falls) in [("seqgap", true, false), ("reset", false, true)] {
        let mut rig = Rig::new(config(2, MarketSize::Small, profile));
        let conn = rig.open("/ws/v5/public");
        rig.subscribe(conn, &["books"], &["BTC-USDT"]);
        rig.run(300 * SECOND);
        let (mut book, mut broken) = (NaiveBook::default(), 0);
        for frame in rig.frames().iter().filter(|frame| frame.get("data").is_some()) {
            if book.apply(frame).is_err() {
                broken += 1;
                book.seq = frame["data"][0]["prevSeqId"].as_i64();
            }
        }
        assert_eq!((broken > 0, book.falls > 0), (gaps, falls), "{profile}");
    }
}

#[test]
fn quiet_books_beat() {
    let mut rig = Rig::new(config(2, MarketSize::Small, "heartbeat"));
    let conn = rig.open("/ws/v5/public");
    rig.subscribe(conn, &["books"], &["BTC-USDT"]);
    rig.run(300 * SECOND);
    let mut book = NaiveBook::default();
    for frame in rig.frames().iter().filter(|frame| frame.get("data").is_some()) {
        book.apply(frame).unwrap();
    }
    assert!(book.beats > 3, "{}", book.beats);
}

#[test]
fn sides_go_and_come_back() {
    let mut rig = Rig::new(config(2, MarketSize::Small, "onesided"));
    let conn = rig.open("/ws/v5/public");
    rig.subscribe(conn, &["books", "bbo-tbt"], &["BTC-USDT"]);
    rig.run(300 * SECOND);
    let mut book = NaiveBook::default();
    let (mut empty, mut both) = (0, 0);
    for frame in
        rig.frames().iter().filter(|f| f["arg"]["channel"] == "books" && f["data"] != Value::Null)
    {
        book.apply(frame).unwrap();
        empty += usize::from(book.bids.is_empty() || book.asks.is_empty());
        both += usize::from(!book.bids.is_empty() && !book.asks.is_empty());
    }
    assert!(empty > 5 && both > 100, "{empty} {both}");
}

#[test]
fn instruments_come_and_go() {
    let mut states = BTreeSet::new();
    for seed in 0..6 {
        let mut rig = Rig::new(config(seed, MarketSize::Small, "preopen"));
        let conn = rig.open("/ws/v5/public");
        for kind in ["SPOT", "SWAP", "FUTURES", "OPTION"] {
            let arg = format!("{{\"channel\":\"instruments\",\"instType\":\"{kind}\"}}");
            rig.send(conn, &format!("{{\"op\":\"subscribe\",\"args\":[{arg}]}}"));
        }
        rig.run(200 * SECOND);
        for frame in rig.frames().iter().filter(|frame| frame.get("data").is_some()) {
            for row in frame["data"].as_array().unwrap() {
                let state = row["state"].as_str().unwrap();
                let id = row["instId"].as_str().unwrap();
                let blank = row["tickSz"] == "";
                assert_eq!(blank, row["instIdCode"].is_null());
                assert!(!blank || id.is_empty() || id.starts_with("LISTING-"), "{id}");
                states.insert((state.to_owned(), blank, id.is_empty()));
            }
        }
        rig.exchange.set_faults(FaultProfile::none());
        rig.run(60 * SECOND);
        let list = rig.exchange.instruments();
        let settled = list.iter().all(|inst| matches!(&*inst.state, "live" | "expired"));
        assert!(settled, "{list:?}");
        assert!(list.iter().filter(|inst| inst.state == "expired").count() <= 1);
        let newest = list.iter().find(|inst| inst.inst_id.starts_with("NEW"));
        if let Some(inst) = newest {
            rig.out.clear();
            rig.subscribe(conn, &["books", "tickers"], &[&inst.inst_id]);
            rig.run(20 * SECOND);
            let rows = rig.rows("books", &inst.inst_id);
            assert!(rows.len() > 3, "{inst:?} {:?}", rig.frames());
        }
    }
    let seen: BTreeSet<&str> = states.iter().map(|(state, ..)| state.as_str()).collect();
    for state in ["preopen", "live", "suspend", "expired", "rebase", "post_only", "quantum_halt"] {
        assert!(seen.contains(state), "{state} {seen:?}");
    }
    assert!(states.contains(&("preopen".to_owned(), true, true)));
}

#[test]
fn after_calm_everything_comes_back() {
    for info in FaultProfile::all() {
        for seed in 0..2 {
            let mut rig = Rig::new(config(seed, MarketSize::Small, info.name));
            if info.name != "blackout" {
                let conn = rig.insist("/ws/v5/public");
                rig.subscribe(conn, &["books", "trades"], &["BTC-USDT", "BTC-USDT-SWAP"]);
                rig.run(120 * SECOND);
            } else {
                let opened = rig.exchange.open(START + SECOND, "/ws/v5/public");
                assert!(matches!(opened, Opened::Refused { status: 503, .. }));
                rig.now += 2 * SECOND;
            }
            rig.exchange.set_faults(FaultProfile::none());
            rig.run(21 * SECOND);
            rig.out.clear();
            let conn = rig.open("/ws/v5/public");
            rig.subscribe(conn, &["books"], &["BTC-USDT"]);
            let mut book = NaiveBook::default();
            rig.run(30 * SECOND);
            for delivery in rig.out.iter().filter(|d| d.conn == conn) {
                let Some(sent) = text(delivery) else { continue };
                assert!(delivery.fault.is_none());
                let frame: Value = serde_json::from_str(sent).unwrap_or_default();
                if frame.get("data").is_some() {
                    book.apply(&frame).unwrap();
                }
            }
            let published = rig.exchange.published("books", "BTC-USDT").unwrap();
            assert!(book.agrees(&published), "{} {seed}", info.name);
            assert!(book.updates > 20 && units(&book.bids[0].0) < units(&book.asks[0].0));
        }
    }
}

#[test]
fn nothing_follows_a_close() {
    for profile in ["abort", "notice", "mixed", "slowack", "reorder"] {
        for seed in 0..2 {
            let rig = live_through(profile, seed, 300);
            let mut closed = BTreeSet::new();
            for delivery in &rig.out {
                assert!(!closed.contains(&delivery.conn), "{profile} {seed}");
                if matches!(delivery.what, ToClient::Close { .. } | ToClient::Abort) {
                    closed.insert(delivery.conn);
                }
            }
        }
    }
}

#[test]
fn a_refused_handshake_is_no_connection() {
    let mut exchange = Exchange::new(config(1, MarketSize::Small, "refuse"));
    let opened: Vec<bool> = (1..60)
        .map(|n| matches!(exchange.open(START + n * SECOND, "/ws/v5/public"), Opened::Accepted(_)))
        .collect();
    assert!(opened.contains(&true) && opened.contains(&false));
}
