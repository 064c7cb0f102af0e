//! Under every fault, a client that follows the chain holds the exchange's book or none.

use market_data_sim::{FaultProfile, MarketSize, ToClient};
use serde_json::Value;

use crate::faults::acceptable;
use crate::rig::{NaiveBook, Rig, SECOND, config, text};

/// Lives of a client for one book; says how often a live book was compared.
fn follow(profile: &str, seed: u64) -> usize {
    let mut rig = Rig::new(config(seed, MarketSize::Small, profile));
    let mut compared = 0;
    for _ in 0..6 {
        let conn = rig.insist("/ws/v5/public");
        rig.subscribe(conn, &["books"], &["BTC-USDT-SWAP"]);
        let mut book: Option<NaiveBook> = None;
        for _ in 0..20 {
            rig.run(2 * SECOND);
            let mut lost = false;
            for delivery in std::mem::take(&mut rig.out) {
                if matches!(delivery.what, ToClient::Close { .. } | ToClient::Abort) {
                    book = None;
                }
                let Some(sent) = text(&delivery).filter(|sent| acceptable(sent)) else { continue };
                let frame: Value = serde_json::from_str(sent).unwrap_or_default();
                if frame.get("data").is_none() || delivery.conn != conn {
                    continue;
                }
                take(&mut book, &frame, &mut lost);
                if let Some(book) = &book {
                    let truth = delivery.truth.as_ref().unwrap().book.as_ref().unwrap();
                    if book.seq == Some(truth.seq) {
                        assert!(book.agrees(truth), "{profile} {seed}: {sent}");
                        compared += 1;
                    }
                }
            }
            if lost && book.is_none() {
                let arg = "{\"channel\":\"books\",\"instId\":\"BTC-USDT-SWAP\"}";
                for op in ["unsubscribe", "subscribe"] {
                    rig.send(conn, &format!("{{\"op\":\"{op}\",\"args\":[{arg}]}}"));
                }
            }
        }
        rig.exchange.gone(rig.now, conn);
        rig.out.clear();
    }
    compared
}

/// Applies a frame by the rules of section 4.3.
fn take(book: &mut Option<NaiveBook>, frame: &Value, lost: &mut bool) {
    if frame["action"] == "snapshot" {
        let fresh = book.insert(NaiveBook::default());
        assert_eq!(fresh.apply(frame), Ok(()));
        return;
    }
    let row = &frame["data"][0];
    let (seq, prev) = (row["seqId"].as_i64(), row["prevSeqId"].as_i64());
    match book {
        Some(held) if held.seq == prev => assert_eq!(held.apply(frame), Ok(())),
        Some(held) if held.seq == seq && prev < seq => {}
        _ => {
            *book = None;
            *lost = true;
        }
    }
}

#[test]
fn whoever_follows_the_chain_is_right() {
    for info in FaultProfile::all().iter().filter(|info| info.survivable) {
        let seeds = if info.name == "mixed" { 4 } else { 1 };
        let compared: usize = (0..seeds).map(|seed| follow(info.name, seed)).sum();
        assert!(compared > 150, "{}: {compared}", info.name);
    }
}
