//! What a second witness of a book needs: REST's copies are each true of their moment and not in
//! order, and a rotten frame says something else than the exchange's book and looks like any other.

use market_data_sim::{MarketSize, TruthBook};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::faults::acceptable;
use crate::rig::{NaiveBook, Rig, SECOND, config, text};

/// The exchange's own book after each push of `books` of BTC-USDT, by its id.
fn pushed(rig: &Rig, books: &mut BTreeMap<i64, TruthBook>) {
    for delivery in &rig.out {
        if let Some(book) = delivery.truth.as_ref().and_then(|truth| truth.book.as_ref()) {
            books.insert(book.seq, book.clone());
        }
    }
}

/// Whether the answer shows this book.
fn shows(answer: &Value, book: &TruthBook) -> bool {
    let frame = serde_json::json!({"data": [answer]});
    let mut naive = NaiveBook::default();
    naive.apply(&frame).is_ok() && naive.agrees(book)
}

#[test]
fn copies_over_rest_are_true_of_their_moment_and_not_in_order() {
    let mut rig = Rig::new(config(3, MarketSize::Small, "none"));
    let conn = rig.open("/ws/v5/public");
    rig.subscribe(conn, &["books"], &["BTC-USDT"]);
    let (mut books, mut answers) = (BTreeMap::new(), Vec::new());
    for _ in 0..300 {
        rig.run(SECOND / 3);
        pushed(&rig, &mut books);
        rig.out.clear();
        let reply = rig.exchange.rest(rig.now, "/api/v5/market/books?instId=BTC-USDT&sz=400");
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        answers.push((rig.now, body["data"][0].clone()));
    }
    let ids: Vec<i64> = answers.iter().map(|(_, row)| row["seqId"].as_i64().unwrap()).collect();
    let older = ids.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(older > 10, "{older} went back");
    let mut same = 0;
    for (now, row) in &answers {
        let age = now / 1_000_000 - row["ts"].as_str().unwrap().parse::<u64>().unwrap();
        assert!(age <= 10_000, "{age} ms old");
        if let Some(book) = books.get(&row["seqId"].as_i64().unwrap()) {
            assert!(shows(row, book), "{row}");
            same += 1;
        }
    }
    assert!(same > 60 && same < answers.len(), "{same} of {}", answers.len());
}

#[test]
fn a_rotten_update_looks_like_any_other_and_is_wrong_in_one_size() {
    let (mut rotten, mut wrong) = (0, 0);
    for seed in 0..4 {
        let mut rig = Rig::new(config(seed, MarketSize::Small, "rot"));
        let conn = rig.open("/ws/v5/public");
        rig.subscribe(conn, &["books", "trades"], &["BTC-USDT"]);
        let mut book = NaiveBook::default();
        let mut after = false;
        rig.run(90 * SECOND);
        for delivery in std::mem::take(&mut rig.out) {
            let Some(sent) = text(&delivery).filter(|sent| *sent != "pong") else { continue };
            assert!(acceptable(sent), "{sent}");
            let frame: Value = serde_json::from_str(sent).unwrap();
            if frame["arg"]["channel"] != "books" || frame.get("data").is_none() {
                assert_eq!(delivery.fault, None, "{sent}");
                continue;
            }
            assert_eq!(book.apply(&frame), Ok(()), "the chain holds");
            if delivery.fault.is_some() {
                assert!(delivery.truth.is_none() && frame["action"] == "update");
                rotten += 1;
                after = true;
            } else if let Some(truth) = &delivery.truth {
                let right = book.agrees(truth.book.as_ref().unwrap());
                wrong += usize::from(after && !right);
                after = false;
            }
        }
    }
    assert!(rotten > 4 && wrong > 2, "{rotten}, {wrong}");
}
