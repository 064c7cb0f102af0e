//! `/ws`: the chain of a book, late joiners, options, and what hostile clients get.

use super::desk::{Client, Desk};
use market_data_model::{Book, Decimal, Level, Px, Qty, Side};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// A client's copy of a book, made of records only.
#[derive(Default)]
struct Copy {
    book: Book,
    id: Option<i64>,
    seq: u64,
    changes: u64,
}

impl Copy {
    fn take(&mut self, message: &Value) {
        let seq = message["seq"].as_u64().unwrap();
        assert_eq!(seq, self.seq + 1, "a hole in seq");
        self.seq = seq;
        let record = &message["record"];
        if record["type"] != "orderbook_delta" {
            return;
        }
        if record["isSnapshot"] == true {
            self.book.clear();
        } else {
            assert_eq!(record["prevUpdateId"].as_i64(), self.id, "the chain is broken");
            self.changes += 1;
        }
        self.id = record["lastUpdateId"].as_i64();
        for (side, name) in [(Side::Bid, "bids"), (Side::Ask, "asks")] {
            for level in record[name].as_array().unwrap() {
                self.book.apply(side, read(level)).unwrap();
            }
        }
        self.book.truncate(record["depth"].as_u64().unwrap() as usize);
    }

    fn side(&self, side: Side) -> Vec<Value> {
        let level = |l: Level| json!([l.px.to_string(), l.qty.to_string(), l.orders]);
        self.book.levels(side).map(level).collect()
    }
}

fn read(level: &Value) -> Level {
    let number = |i: usize| level[i].as_str().unwrap().parse::<Decimal>().unwrap();
    Level {
        px: Px(number(0)),
        qty: Qty(number(1)),
        non_rpi: Qty(Decimal::NONE),
        orders: level[2].as_u64().unwrap() as u32,
    }
}

async fn subscribed(client: &mut Client, request: &str) -> Value {
    client.say(request).await;
    let answer = client.next().await.unwrap();
    assert_eq!(answer["type"], "subscribed", "{answer}");
    answer
}

/// Follows a book through `changes` changes, then compares with REST at one id.
async fn follow_and_compare(desk: &Desk, changes: u64) {
    let mut client = desk.client().await;
    let ask = r#"{"op":"subscribe","id":"x","inst":"BTC-USDT","channel":"books"}"#;
    let answer = subscribed(&mut client, ask).await;
    assert_eq!((&answer["id"], &answer["matches"]), (&json!("x"), &json!(1)));
    let mut copy = Copy::default();
    copy.take(&client.next().await.unwrap());
    assert!(copy.id.is_some(), "a snapshot comes first");
    while copy.changes < changes {
        copy.take(&client.next().await.unwrap());
    }
    let rest = desk.json("/api/v1/book?inst=BTC-USDT").await;
    assert_eq!(rest["state"], "live");
    while copy.id < rest["lastUpdateId"].as_i64() {
        copy.take(&client.next().await.unwrap());
    }
    assert_eq!(copy.id, rest["lastUpdateId"].as_i64(), "both pass every id");
    assert!(copy.book.depth(Side::Bid) > 20);
    assert_eq!(copy.side(Side::Bid), *rest["bids"].as_array().unwrap());
    assert_eq!(copy.side(Side::Ask), *rest["asks"].as_array().unwrap());
}

#[tokio::test]
async fn a_book_is_a_snapshot_and_every_change_after_it() {
    let desk = Desk::open().await;
    follow_and_compare(&desk, 30).await;
    // A late joiner is as well off.
    follow_and_compare(&desk, 5).await;
    desk.stop_server().await;
}

#[tokio::test]
async fn patterns_views_and_the_newest_state() {
    let desk = Desk::open().await;
    let mut client = desk.client().await;
    let ask = r#"{"op":"subscribe","inst":"*-USDT","channel":"books","depth":3}"#;
    assert_eq!(subscribed(&mut client, ask).await["matches"], 2);
    let mut seen = std::collections::BTreeSet::new();
    for seq in 1..20 {
        let message = client.next().await.unwrap();
        assert_eq!(message["seq"], seq);
        let record = &message["record"];
        assert_eq!((&record["type"], &record["depth"]), (&json!("orderbook"), &json!(3)));
        assert_eq!(record["bids"].as_array().unwrap().len(), 3);
        seen.insert(record["instId"].to_string());
    }
    assert_eq!(seen.len(), 2);
    let mut client = desk.client().await;
    let ask = r#"{"op":"subscribe","inst":"BTC-USDT","channel":"tickers",
        "policy":"conflate","interval":300}"#;
    subscribed(&mut client, ask).await;
    let mut last = 0;
    for seq in 1..4 {
        let message = client.next().await.unwrap();
        assert_eq!(message["seq"], seq);
        let at = message["record"]["tsRecv"].as_u64().unwrap();
        assert!(at > last, "an old state came again");
        last = at;
    }
    // Trades and whole books, and the end of a subscription.
    let mut client = desk.client().await;
    subscribed(&mut client, r#"{"op":"subscribe","inst":"*","channel":"trades"}"#).await;
    while client.next().await.unwrap()["record"]["type"] != "trade" {}
    client.say(r#"{"op":"unsubscribe","sub":1,"id":9}"#).await;
    loop {
        let message = client.next().await.unwrap();
        if message["type"] == "unsubscribed" {
            break;
        }
        assert!(message["record"].is_object());
    }
    client.say(r#"{"op":"ping","id":4}"#).await;
    assert_eq!(client.next().await.unwrap(), json!({"type": "pong", "id": 4}));
    let ask = r#"{"op":"subscribe","inst":"BTC-USDT-SWAP","channel":"books5"}"#;
    subscribed(&mut client, ask).await;
    let record = &client.next().await.unwrap()["record"];
    assert_eq!((&record["type"], &record["depth"]), (&json!("orderbook"), &json!(5)));
    desk.stop_server().await;
}

#[tokio::test]
async fn whatever_a_client_says_it_is_answered_in_words() {
    let desk = Desk::with(|options| options.max_subscriptions = 1).await;
    let mut client = desk.client().await;
    for (said, code) in [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        (r#"{"op":"subscribe","surprise":1}"#, "bad_json"),
        (r#"{"op":"subscribe","depth":-1}"#, "bad_json"),
        (r#"{"op":"fly"}"#, "bad_op"),
        (r#"{"op":"ping","id":[1]}"#, "bad_id"),
        (r#"{"op":"subscribe","channel":"books"}"#, "bad_inst"),
        (r#"{"op":"subscribe","inst":"","channel":"books"}"#, "bad_inst"),
        (r#"{"op":"subscribe","inst":"*"}"#, "bad_channel"),
        (r#"{"op":"subscribe","inst":"*","channel":"moon"}"#, "bad_channel"),
        (r#"{"op":"subscribe","inst":"*","channel":"*","depth":0}"#, "bad_depth"),
        (r#"{"op":"subscribe","inst":"*","channel":"*","depth":401}"#, "bad_depth"),
        (r#"{"op":"subscribe","inst":"*","channel":"*","policy":"hope"}"#, "bad_policy"),
        (r#"{"op":"subscribe","inst":"*","channel":"*","interval":100}"#, "bad_interval"),
        (r#"{"op":"unsubscribe","sub":7}"#, "bad_sub"),
    ] {
        client.say(said).await;
        let answer = client.next().await.unwrap();
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{said}");
    }
    subscribed(&mut client, r#"{"op":"subscribe","inst":"none","channel":"trades"}"#).await;
    client.say(r#"{"op":"subscribe","inst":"none","channel":"trades"}"#).await;
    assert_eq!(client.next().await.unwrap()["code"], "too_many_subscriptions");
    let mut client = desk.client().await;
    client.send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(client.end().await, Some(1003));
    let mut client = desk.client().await;
    client.send(Message::text("x".repeat(1 << 20))).await;
    // A huge frame ends the connection, with or without a word that gets through.
    assert!(matches!(client.end().await, None | Some(1009)));
    // Nobody else has noticed.
    follow_and_compare(&desk, 3).await;
    desk.stop_server().await;
}

#[tokio::test]
async fn stopping_closes_clients_with_a_word() {
    let desk = Desk::open().await;
    let (mut busy, mut idle) = (desk.client().await, desk.client().await);
    subscribed(&mut busy, r#"{"op":"subscribe","inst":"*","channel":"*"}"#).await;
    let ends = async { (busy.end().await, idle.end().await) };
    let (ends, ()) = tokio::join!(ends, desk.stop_server());
    assert_eq!(ends, (Some(1001), Some(1001)));
}
