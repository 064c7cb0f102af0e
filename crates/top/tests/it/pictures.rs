//! Pictures of every state, at several sizes. The state machine behind them is `state.rs`.

use super::desk::{Desk, gap};
use market_data_top::{Asked, Input, Key};
use serde_json::json;

#[test]
fn live_at_every_width() {
    let mut desk = Desk::live();
    for (width, height) in [(160, 44), (120, 32), (80, 24)] {
        insta::assert_snapshot!(format!("live_{width}"), desk.picture(width, height));
    }
    // Narrow: one panel at a time.
    insta::assert_snapshot!("narrow_list", desk.picture(44, 14));
    desk.put(Input::Key(Key::Tab));
    insta::assert_snapshot!("narrow_book", desk.picture(44, 20));
    desk.put(Input::Key(Key::Tab));
    insta::assert_snapshot!("narrow_trades", desk.picture(30, 10));
    desk.put(Input::Key(Key::Tab));
    insta::assert_snapshot!("narrow_health", desk.picture(60, 12));
    assert_eq!(desk.picture(27, 8).trim(), "28 × 8 at least");
}

#[test]
fn before_anything_came_and_when_there_is_nothing() {
    let mut desk = Desk::new();
    insta::assert_snapshot!("connecting", desk.picture(110, 24));
    desk.put(Input::Opened);
    desk.put(Input::Answer(Asked::Watch, r#"{"watch":[]}"#));
    insta::assert_snapshot!("empty", desk.picture(110, 24));
}

#[test]
fn a_stale_book_is_gone_with_its_reason_and_comes_back() {
    let mut desk = Desk::live();
    let healthy = desk.picture(120, 32);
    desk.record("books", 2, &gap("opened"));
    let mut gaps = json!({"gaps": [gap("opened"), gap("closed")]});
    gaps["gaps"][1]["instId"] = json!("ETH-USDT");
    desk.put(Input::Answer(Asked::Gaps, &gaps.to_string()));
    let mut list = super::desk::watch();
    list["watch"][0]["stale"] =
        json!({"channel": "books", "cause": "sequence", "since": super::desk::START + 1_000});
    desk.put(Input::Answer(Asked::Watch, &list.to_string()));
    insta::assert_snapshot!("stale", desk.picture(120, 32));
    desk.keys("h");
    insta::assert_snapshot!("health", desk.picture(150, 20));
    desk.keys("h");
    desk.put(Input::Answer(Asked::Gaps, r#"{"gaps":[]}"#));
    desk.put(Input::Answer(Asked::Watch, &super::desk::watch().to_string()));
    desk.record("books", 3, &super::desk::book(1));
    assert_eq!(desk.picture(120, 32), healthy);
}

#[test]
fn a_lost_connection_says_since_when_and_why() {
    let mut desk = Desk::live();
    desk.now += 1_000;
    let again_ms = desk.now + 4_000;
    desk.put(Input::Lost { why: "the server is stopping", again_ms });
    desk.now += 1_500;
    desk.put(Input::Tick);
    insta::assert_snapshot!("disconnected", desk.picture(120, 32));
    insta::assert_snapshot!("disconnected_narrow", desk.picture(44, 14));
}

#[test]
fn losses_filter_and_keys() {
    let mut desk = Desk::live();
    let lost = json!({"sub": desk.sub("trades"), "seq": 13, "lost": 17});
    desk.put(Input::Frame(&lost.to_string()));
    desk.keys("/eth");
    insta::assert_snapshot!("filter", desk.picture(120, 26));
    desk.put(Input::Key(Key::Escape));
    desk.keys("?");
    insta::assert_snapshot!("keys", desk.picture(80, 24));
    // Without colours the same letters, but for what lies behind the bars.
    desk.keys("?");
    assert!(desk.picture(120, 26).contains("BTC-USDT"));
}
