//! What becomes of an instrument while it is subscribed, state by state. `docs/okx.md` lists where
//! each stage of a life is held.

use super::*;

fn news(row: &str) -> String {
    format!(r#"{{"arg":{{"channel":"instruments","instType":"SPOT"}},"data":[{row}]}}"#)
}

fn row(state: &str, more: &str) -> String {
    format!(r#"{{"instType":"SPOT","instId":"B-U","state":"{state}","instIdCode":7{more}}}"#)
}

fn followed() -> [Subscription; 3] {
    [sub("instruments", "SPOT"), sub("books", "B-U"), sub("trades", "B-U")]
}

/// A live book of an instrument in this state.
fn lived(state: &str, more: &str) -> Bench {
    let mut bench = Bench::up(&followed());
    bench.frame(&news(&row(state, more)));
    bench.book("snapshot", "1.50", -1, 7);
    bench
}

/// A change that puts an ask at or below the best bid.
fn cross(bench: &mut Bench, prev: i64, seq: i64) -> Vec<String> {
    bench.frame(&format!(
        r#"{{"arg":{{"channel":"books","instId":"B-U"}},"action":"update","data":[{{"asks":[["1.49","1","0","1"]],"bids":[],"ts":"1791369351001","seqId":{seq},"prevSeqId":{prev}}}]}}"#
    ))
}

#[test]
fn a_halt_or_a_state_nobody_knows_ends_nothing() {
    let states = ["suspend", "rebase", "post_only", "settling", "live", "a-word-of-tomorrow"];
    for state in states {
        let mut bench = lived("live", "");
        assert_eq!(bench.frame(&news(&row(state, ""))), ["instrument instruments/B-U"], "{state}");
        assert!(bench.feed.book("books", "B-U").is_ok(), "{state}");
        assert_eq!(bench.book("update", "1.40", 7, 8), ["orderbook_delta Delta Some(8) 1+0"]);
        assert_eq!(bench.feed.status().wanted, 3);
    }
}

#[test]
fn a_crossed_book_is_said_only_of_what_trades_continuously() {
    let auction = |bench: &Bench, seconds: u64| {
        format!(r#","contTdSwTime":"{}""#, (bench.now + seconds * SECOND).millis())
    };
    let fault = |lines: &[String]| lines.iter().any(|line| line.starts_with("fault"));
    for state in ["preopen", "suspend", "rebase", "post_only", "settling"] {
        assert!(!fault(&cross(&mut lived(state, ""), 7, 8)), "{state}");
    }
    assert!(fault(&cross(&mut lived("live", ""), 7, 8)));
    // An opening auction or a pre-quote: live, but not continuous yet.
    let mut bench = lived("live", "");
    let until = auction(&bench, 60);
    bench.frame(&news(&row("live", &until)));
    assert!(!fault(&cross(&mut bench, 7, 8)));
    assert!(bench.feed.book("books", "B-U").is_ok(), "and it can be read");
    let mut bench = lived("live", "");
    let until = auction(&bench, 60);
    bench.frame(&news(&row("live", &until)));
    bench.now = bench.now + 61 * SECOND;
    assert!(fault(&cross(&mut bench, 7, 8)));
}

#[test]
fn an_end_that_is_announced_ends_nothing_before_its_time() {
    let mut bench = lived("live", "");
    let end = format!(r#","expTime":"{}""#, (bench.now + 30 * SECOND).millis());
    assert_eq!(bench.frame(&news(&row("live", &end))), ["instrument instruments/B-U"]);
    for _ in 0..4 {
        bench.pass(9);
        bench.frame("pong");
    }
    assert_eq!(bench.feed.status().wanted, 3, "the venue has not said that it has ended");
    let lines = bench.frame(&news(&row("expired", &end)));
    assert!(lines[0].contains(r#""op":"unsubscribe""#), "{lines:?}");
    assert_eq!(bench.feed.status().wanted, 1);
    assert!(bench.feed.book("books", "B-U").is_err());
    assert!(!lines.iter().any(|line| line.starts_with("gap")), "nobody misses it");
}

#[test]
fn an_announced_row_without_id_or_units_is_said_and_touches_nobody() {
    for id in ["", "LISTING-SPOT-NEW-U"] {
        let mut bench = lived("live", "");
        let blank = format!(
            r#"{{"instType":"SPOT","instId":"{id}","state":"preopen","instIdCode":null,"tickSz":"","listTime":"1791369360000"}}"#
        );
        let lines = bench.frame(&news(&blank));
        assert_eq!(lines, [format!("instrument instruments/{id}")]);
        assert_eq!((bench.feed.status().wanted, bench.feed.status().live), (3, 3));
    }
}

#[test]
fn a_renamed_instrument_ends_under_its_old_name_and_begins_under_the_new() {
    let mut bench = lived("live", "");
    bench.frame(&news(&row("expired", "")));
    let renamed = row("rebase", "").replace("B-U", "C-U");
    assert_eq!(bench.frame(&news(&renamed)), ["instrument instruments/C-U"]);
    // What trails under the old name is nobody's.
    assert_eq!(bench.trade(5, 1), [""; 0]);
    let books = sub("books", "C-U");
    bench.input(Input::Command(Command::Subscribe(vec![books.clone()])));
    let asked = bench.pass(1);
    assert!(asked[0].contains(r#""instId":"C-U""#), "{asked:?}");
    assert_eq!(bench.ack("subscribe", &books), ["subscribed books/C-U "]);
}

#[test]
fn an_x_perp_is_a_future_with_funding() {
    let text = r#"{"instType":"FUTURES","instId":"BTC-USD_UM_XPERP-310404","instFamily":"BTC-USD_UM","uly":"BTC-USD","ruleType":"xperp","state":"live"}"#;
    let raw = crate::json::parse(text.as_bytes()).unwrap();
    let perp = crate::catalogue::instrument_from_row(raw).unwrap();
    assert!(perp.is_subscribable());
    let funding = channel::find("funding-rate").unwrap();
    assert!(funding.suits_one(&perp));
    let dated = Instrument { row: text.replace("xperp", "normal").into(), ..perp.clone() };
    assert!(!funding.suits_one(&dated), "a future with an end pays none");
    assert_eq!((perp.inst_type, &*perp.inst_family), (Some(InstType::Futures), "BTC-USD_UM"));
    assert_eq!(&*perp.row, text, "and what it is called is handed on");
}
