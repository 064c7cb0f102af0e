//! What the screen asks for, and what it makes of the answers.

use super::desk::{Desk, book, gap, trade, watch};
use market_data_top::{Asked, Input, Key};
use serde_json::{Value, json};

/// What was asked since, as `op channel inst`.
fn asked(desk: &Desk, since: usize) -> Vec<String> {
    let word = |of: &Value, field: &str| of[field].as_str().unwrap_or("-").to_owned();
    let line = |ask: &Value| match ask["op"].as_str() {
        Some("subscribe") => format!("{} {}", word(ask, "channel"), word(ask, "inst")),
        _ => format!("end {}", ask["sub"]),
    };
    desk.said[since..].iter().map(line).collect()
}

#[test]
fn it_follows_what_is_chosen_and_only_that() {
    let mut desk = Desk::open();
    assert_eq!(asked(&desk, 0), ["tickers *", "books BTC-USDT", "trades BTC-USDT"]);
    assert_eq!(desk.said[1]["depth"], 50);
    assert_eq!(desk.said[1]["policy"], "conflate");
    let since = desk.said.len();
    desk.put(Input::Key(Key::Down));
    let swap = "BTC-USDT-SWAP";
    let expected = ["end 2", "end 3"].map(str::to_owned).into_iter().chain(
        ["books", "trades", "mark-price", "funding-rate"].map(|name| format!("{name} {swap}")),
    );
    assert_eq!(asked(&desk, since), expected.collect::<Vec<_>>());
    // The list comes again: nothing has changed, nothing is asked.
    let since = desk.said.len();
    desk.put(Input::Answer(Asked::Watch, &watch().to_string()));
    assert_eq!(asked(&desk, since), Vec::<String>::new());
    // The confirmations come after the next choice: what is not wanted any more is ended.
    desk.put(Input::Key(Key::Down));
    let since = desk.said.len();
    desk.confirm();
    let ended: Vec<String> = (4..8).map(|sub| format!("end {sub}")).collect();
    assert_eq!(asked(&desk, since), ended);
}

#[test]
fn a_hole_or_a_loss_begins_the_subscription_anew() {
    let mut desk = Desk::live();
    let since = desk.said.len();
    let sub = desk.sub("books");
    desk.record("books", 3, &book(3));
    assert_eq!(asked(&desk, since), [format!("end {sub}"), "books BTC-USDT".to_owned()]);
    assert!(desk.picture(120, 32).contains("waiting for the book"), "it is not shown meanwhile");
    // What still comes of the old one is not looked at.
    let late = json!({"sub": sub, "seq": 4, "record": book(9)});
    desk.put(Input::Frame(&late.to_string()));
    assert!(!desk.picture(120, 32).contains("14767456269"));
    desk.confirm();
    desk.record("books", 1, &book(4));
    assert!(desk.picture(120, 32).contains("14767456264"));
    let lost = json!({"sub": desk.sub("trades"), "seq": 13, "lost": 17});
    desk.put(Input::Frame(&lost.to_string()));
    assert!(desk.picture(120, 32).contains("17 records were lost here"));
}

#[test]
fn after_a_reconnect_everything_is_asked_again_and_nothing_old_is_believed() {
    let mut desk = Desk::live();
    let old = desk.sub("books");
    let since = desk.said.len();
    desk.put(Input::Lost { why: "reset", again_ms: desk.now + 500 });
    assert!(desk.picture(120, 32).contains("no connection, so no book"));
    let first = desk.picture(120, 32);
    desk.now += 700;
    desk.put(Input::Lost { why: "refused", again_ms: desk.now + 1_000 });
    let second = desk.picture(120, 32);
    let since_when = |picture: &str| picture.split("since ").nth(1).unwrap()[..8].to_owned();
    assert_eq!(since_when(&first), since_when(&second), "one loss, however many attempts");
    desk.put(Input::Opened);
    assert_eq!(asked(&desk, since), ["tickers *", "books BTC-USDT", "trades BTC-USDT"]);
    let late = json!({"sub": old, "seq": 2, "record": book(2)});
    desk.put(Input::Frame(&late.to_string()));
    assert!(desk.picture(120, 32).contains("waiting for the book"));
}

#[test]
fn a_gap_takes_the_book_away_until_the_next_one() {
    let mut desk = Desk::live();
    desk.record("books", 2, &gap("opened"));
    let picture = desk.picture(120, 32);
    assert!(picture.contains("ids did not link") && !picture.contains("spread"));
    desk.record("books", 3, &gap("closed"));
    assert!(!desk.picture(120, 32).contains("spread"), "closed is not a book yet");
    desk.record("books", 4, &book(2));
    assert!(desk.picture(120, 32).contains("spread 0.1"));
}

#[test]
fn prices_move_with_tickers_and_the_choice_stays() {
    let mut desk = Desk::live();
    let ticker = json!({"type": "ticker", "channel": "tickers", "instId": "ETH-USDT",
        "price": "3161.5", "open24h": "3010", "high24h": "3170", "low24h": "2990",
        "volume": "1", "quoteVolume": "2000000000"});
    desk.record("tickers", 1, &ticker);
    let picture = desk.picture(120, 32);
    assert!(picture.contains("3161.5   +5.03 %"), "{picture}");
    let order = |desk: &Desk| -> Vec<String> {
        let picture = desk.picture(120, 32);
        let names = picture
            .lines()
            .filter_map(|line| line.get(3..)?.trim_start_matches(['▌', ' ']).split(' ').next());
        names.filter(|name| name.contains("-USDT")).map(str::to_owned).collect()
    };
    let server = ["BTC-USDT", "BTC-USDT-SWAP", "ETH-USDT", "PEPE-USDT"];
    assert_eq!(order(&desk), server);
    desk.keys("s");
    assert_eq!(order(&desk), server, "by name they stand the same way");
    desk.keys("s");
    assert_eq!(order(&desk), ["ETH-USDT", "PEPE-USDT", "BTC-USDT", "BTC-USDT-SWAP"]);
    desk.keys("s");
    assert_eq!(order(&desk), ["ETH-USDT", "BTC-USDT", "BTC-USDT-SWAP", "PEPE-USDT"]);
    assert!(desk.picture(120, 32).contains("▌BTC-USDT "));
    let since = desk.said.len();
    desk.keys("/pepe");
    let last = asked(&desk, since).split_off(asked(&desk, since).len() - 2);
    assert_eq!(last, ["books PEPE-USDT", "trades PEPE-USDT"]);
}

#[test]
fn keys_do_what_the_help_says() {
    let mut desk = Desk::live();
    desk.keys("/q");
    assert!(!desk.quit, "a letter of the filter");
    desk.put(Input::Key(Key::Escape));
    desk.keys("?q");
    assert!(!desk.quit, "any key closes the help");
    desk.put(Input::Key(Key::End));
    assert!(desk.picture(120, 32).contains("▌PEPE-USDT"));
    desk.put(Input::Key(Key::Home));
    desk.put(Input::Key(Key::PageDown));
    assert!(desk.picture(120, 32).contains("▌PEPE-USDT"), "it stops at the end");
    desk.keys("q");
    assert!(desk.quit);
    let mut desk = Desk::new();
    desk.keys("/?");
    desk.put(Input::Key(Key::Interrupt));
    assert!(desk.quit, "Ctrl-C ends it wherever it is");
}

#[test]
fn a_refusal_is_said() {
    let mut desk = Desk::open();
    let id = desk.said[1]["id"].clone();
    let error = json!({"type": "error", "id": id, "code": "too_many_subscriptions",
        "message": "at most 1 on one connection"});
    desk.put(Input::Frame(&error.to_string()));
    assert!(desk.picture(120, 32).contains("The server refused: at most 1 on one connection"));
    desk.record("trades", 1, &trade(1));
}
