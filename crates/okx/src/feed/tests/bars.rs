//! Dialogues about bars that never came.

use super::*;
use market_data_model::Bar;

/// A minute, and when the bench begins to have bars (15:15 on 2026-10-07).
const MINUTE: u64 = 60_000;
const T0: u64 = 1_791_369_300_000;

fn candles() -> Subscription {
    sub("candle1m", "B-U")
}

fn trades() -> Subscription {
    sub("trades-all", "B-U")
}

/// The cells of a bar, so many minutes after the beginning.
fn cells(minute: u64, px: u64, volume: &str, confirm: u8) -> String {
    let ts = T0 + minute * MINUTE;
    format!(r#"["{ts}","{px}","{px}","{px}","{px}","{volume}","8","9","{confirm}"]"#)
}

fn pushed(rows: &[String]) -> String {
    let rows = rows.join(",");
    format!(r#"{{"arg":{{"channel":"candle1m","instId":"B-U"}},"data":[{rows}]}}"#)
}

fn answer(rows: &[String]) -> String {
    format!(r#"{{"code":"0","msg":"","data":[{}]}}"#, rows.join(","))
}

fn trade(id: u64, minute: u64, second: u64, px: &str) -> String {
    let ts = T0 + minute * MINUTE + second * 1000;
    format!(
        r#"{{"arg":{{"channel":"trades-all","instId":"B-U"}},"data":[{{"instId":"B-U","tradeId":"{id}","px":"{px}","sz":"2","side":"buy","ts":"{ts}"}}]}}"#
    )
}

fn said(bar: &Bar) -> String {
    let minute = (bar.open_ms - T0) / MINUTE;
    let state = bar.state.map_or("none", BarState::as_str);
    let flow = bar.flow.map_or(String::new(), |flow| format!(" of {}", flow.trades));
    format!("bar {minute} {state}{flow}")
}

struct Rig(Bench);

impl Rig {
    /// A feed that follows bars, with everything confirmed.
    fn new(subscriptions: &[Subscription]) -> Rig {
        let mut config = OkxConfig::new(FeedId(1), "wss://test/business");
        config.subscriptions = subscriptions.to_vec();
        (config.bars, config.refill) = (true, true);
        let mut rig = Rig(Bench::of(config));
        rig.0.now = Nanos::from_millis(T0 + 10 * MINUTE);
        rig.input(Input::Start);
        rig.input(Input::Opened);
        rig.0.pass(1);
        subscriptions.iter().for_each(|one| drop(rig.0.ack("subscribe", one)));
        rig
    }

    fn input(&mut self, input: Input<'_>) -> Vec<String> {
        let lines = self.0.input(input);
        let mut bars = self.0.out.events.iter().filter_map(|event| match event.body {
            Body::Bar(bar) => Some(said(bar)),
            _ => None,
        });
        let or_bar = |line: String| match line.starts_with("kline") {
            true => bars.next().unwrap_or(line),
            false => line,
        };
        lines.into_iter().map(or_bar).collect()
    }

    fn frame(&mut self, text: &str) -> Vec<String> {
        self.input(Input::Frame(text.as_bytes()))
    }

    fn bars(&mut self, rows: &[String]) -> Vec<String> {
        self.frame(&pushed(rows))
    }

    fn get(&mut self, id: u64, status: u16, body: &str) -> Vec<String> {
        self.input(Input::Response { id, status, body: body.as_bytes() })
    }

    fn lose(&mut self, subscriptions: &[Subscription]) {
        self.0.reconnect(subscriptions);
    }
}

fn path(name: &str, (from, to): (u64, u64)) -> String {
    let (before, after) = (T0 + from * MINUTE - 1, T0 + to * MINUTE + 1);
    format!("get /api/v5/market/{name}?instId=B-U&bar=1m&after={after}&before={before}&limit=300")
}

#[test]
fn a_series_without_holes_says_what_each_bar_is_worth() {
    let mut rig = Rig::new(&[candles()]);
    assert_eq!(rig.bars(&[cells(0, 5, "1", 0)]), ["bar 0 forming"]);
    let lines = rig.bars(&[cells(0, 5, "1", 1), cells(1, 5, "0", 0)]);
    assert_eq!(lines, ["bar 0 confirmed", "bar 1 forming"]);
    assert_eq!(rig.bars(&[cells(1, 5, "0", 1)]), ["bar 1 no_trades"]);
    assert_eq!(rig.bars(&[cells(2, 6, "3", 0)]), ["bar 2 forming"]);
    assert_eq!(rig.0.feed.status().open_gaps, 0);
}

#[test]
fn what_ended_while_the_connection_was_lost_is_fetched_in_order() {
    let mut rig = Rig::new(&[candles()]);
    rig.bars(&[cells(0, 5, "1", 0)]);
    rig.lose(&[candles()]);
    // The ack proves nothing about bars.
    assert_eq!(rig.0.feed.status().open_gaps, 1);
    let lines = rig.bars(&[cells(3, 5, "1", 0)]);
    assert_eq!(lines, [path("candles", (0, 2)), "bar 3 forming".into()]);
    let rows = [cells(3, 9, "1", 0), cells(2, 7, "0", 1), cells(1, 6, "1", 1), cells(0, 5, "1", 1)];
    let lines = rig.get(1, 200, &answer(&rows));
    assert_eq!(
        lines,
        [
            "bar 0 filled_from_rest",
            "bar 1 filled_from_rest",
            "bar 2 no_trades",
            "closed candle1m/B-U disconnect lost Some(0) Some(Rest)"
        ]
    );
    assert_eq!(rig.0.feed.status().bars_filled, 3);
}

#[test]
fn a_series_that_missed_nothing_goes_on_with_its_next_row() {
    let mut rig = Rig::new(&[candles()]);
    rig.bars(&[cells(0, 5, "1", 0)]);
    rig.lose(&[candles()]);
    let lines = rig.bars(&[cells(0, 5, "2", 0)]);
    assert_eq!(
        lines,
        ["closed candle1m/B-U disconnect lost Some(0) Some(Resumed)", "bar 0 forming"]
    );
}

#[test]
fn a_silent_series_is_asked_about() {
    let mut rig = Rig::new(&[candles()]);
    rig.bars(&[cells(0, 5, "1", 0)]);
    rig.lose(&[candles()]);
    let asked = rig.0.pass(12);
    assert!(asked.iter().any(|line| line.contains("/market/candles?")), "{asked:?}");
    let lines = rig.get(1, 200, &answer(&[cells(1, 6, "1", 0), cells(0, 5, "1", 1)]));
    assert_eq!(
        lines,
        ["bar 0 filled_from_rest", "closed candle1m/B-U disconnect lost Some(0) Some(Rest)"]
    );
    // The next row follows.
    assert_eq!(rig.bars(&[cells(1, 6, "2", 0)]), ["bar 1 forming"]);
}

#[test]
fn a_last_word_that_was_lost_on_the_way_is_fetched() {
    let mut rig = Rig::new(&[candles()]);
    rig.bars(&[cells(0, 5, "1", 0)]);
    let lines = rig.bars(&[cells(1, 5, "1", 0)]);
    assert_eq!(
        lines,
        [path("candles", (0, 0)), "gap candle1m/B-U sequence venue".into(), "bar 1 forming".into()]
    );
    // An answer of a cache that is behind, then the row itself, late.
    assert_eq!(rig.get(1, 200, &answer(&[cells(0, 4, "1", 0)])), [""; 0]);
    let lines = rig.bars(&[cells(0, 5, "1", 1)]);
    assert_eq!(
        lines,
        ["bar 0 confirmed", "closed candle1m/B-U sequence lost Some(0) Some(Resumed)"]
    );
}

#[test]
fn what_nobody_has_is_said_to_be_missing() {
    let mut rig = Rig::new(&[candles()]);
    rig.bars(&[cells(0, 5, "1", 0)]);
    rig.bars(&[cells(2, 5, "1", 0)]);
    let mut lines = rig.get(1, 200, &answer(&[cells(1, 5, "1", 1)]));
    assert_eq!(lines, ["bar 1 filled_from_rest"]);
    let mut names = Vec::new();
    for id in 2..12 {
        let asked = rig.0.pass(60);
        names.extend(asked.iter().filter_map(|line| line.split('?').next().map(str::to_owned)));
        lines = rig.get(id, 200, &answer(&[]));
        if !lines.is_empty() {
            break;
        }
    }
    // Both endpoints were asked.
    assert!(names.iter().any(|name| name.ends_with("/candles")), "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("/history-candles")), "{names:?}");
    assert_eq!(lines, ["bar 0 missing", "closed candle1m/B-U sequence lost Some(1) Some(Resumed)"]);
    assert_eq!(rig.0.feed.status().bars_missing, 1);
}

#[test]
fn a_refusal_for_good_ends_the_asking() {
    let mut rig = Rig::new(&[candles()]);
    rig.bars(&[cells(0, 5, "1", 0)]);
    rig.bars(&[cells(1, 5, "1", 0)]);
    let lines = rig.get(1, 200, r#"{"code":"51001","msg":"no such instrument"}"#);
    assert_eq!(lines, ["bar 0 missing", "closed candle1m/B-U sequence lost Some(1) Some(Resumed)"]);
}

#[test]
fn a_long_hole_is_asked_for_from_its_oldest_bar_a_page_at_a_time() {
    let mut rig = Rig::new(&[candles()]);
    rig.0.now = Nanos::from_millis(T0 + 2_000 * MINUTE);
    rig.bars(&[cells(0, 5, "1", 0)]);
    let lines = rig.bars(&[cells(1_700, 5, "1", 0)]);
    assert_eq!(lines[0], path("history-candles", (0, 299)));
    let mut filled = 0;
    for page in 0..6 {
        let rows: Vec<_> =
            (page * 300..1_700.min(page * 300 + 300)).rev().map(|n| cells(n, 5, "1", 1)).collect();
        let lines = rig.get(page + 1, 200, &answer(&rows));
        filled += lines.iter().filter(|line| line.ends_with("filled_from_rest")).count();
        rig.0.pass(1);
    }
    assert_eq!((filled, rig.0.feed.status().open_gaps), (1_700, 0));
}

#[test]
fn a_bar_tells_what_its_trades_say_once_they_are_proven_complete() {
    let mut rig = Rig::new(&[candles(), trades()]);
    rig.frame(&trade(10, 0, 59, "5"));
    rig.bars(&[cells(1, 6, "0", 0)]);
    rig.frame(&trade(11, 1, 1, "6"));
    rig.frame(&trade(12, 1, 30, "6"));
    // Volume, and so everything, agrees: no trade can be missing.
    assert_eq!(rig.bars(&[cells(1, 6, "4", 1), cells(2, 6, "0", 0)])[0], "bar 1 confirmed of 2");
    // The last trade of the second bar comes after it: it is told again when ids prove it.
    rig.frame(&trade(13, 2, 1, "7"));
    assert_eq!(rig.bars(&[cells(2, 7, "4", 1)]), ["bar 2 confirmed"]);
    assert_eq!(rig.frame(&trade(14, 2, 59, "7")), ["trade 14 2@7"]);
    assert_eq!(rig.frame(&trade(15, 3, 2, "7")), ["trade 15 2@7", "bar 2 confirmed of 2"]);
}

#[test]
fn a_bar_that_is_not_what_its_trades_say_is_a_fault_with_both_values() {
    let mut rig = Rig::new(&[candles(), trades()]);
    rig.frame(&trade(10, 0, 59, "5"));
    rig.bars(&[cells(1, 6, "0", 0)]);
    rig.frame(&trade(11, 1, 1, "6"));
    rig.bars(&[cells(1, 6, "7", 1)]);
    assert_eq!(
        rig.frame(&trade(12, 2, 0, "6"))[1],
        "fault bar_differs candle1m/B-U volume is 7, its trades say 2"
    );
}

#[test]
fn nothing_is_claimed_while_a_trade_may_be_missing() {
    let mut rig = Rig::new(&[candles(), trades()]);
    rig.frame(&trade(10, 0, 59, "5"));
    rig.bars(&[cells(1, 6, "0", 0)]);
    rig.frame(&trade(11, 1, 1, "6"));
    rig.bars(&[cells(1, 6, "4", 1)]);
    // Trade 12 never came: its gap is open, and the bar is not compared.
    assert!(!rig.frame(&trade(13, 2, 0, "6")).iter().any(|line| line.starts_with("bar")));
    let row =
        r#"{"instId":"B-U","tradeId":"12","px":"6","sz":"2","side":"sell","ts":"1791369400000"}"#;
    let lines = rig.get(1, 200, &answer(&[row.to_owned()]));
    assert_eq!(lines.last().map(String::as_str), Some("bar 1 confirmed of 2"), "{lines:?}");
}

#[test]
fn what_rest_does_not_have_is_made_of_its_trades() {
    let mut rig = Rig::new(&[candles(), trades()]);
    rig.frame(&trade(10, 0, 59, "5"));
    rig.bars(&[cells(1, 6, "0", 0)]);
    rig.frame(&trade(11, 1, 1, "6"));
    rig.frame(&trade(12, 1, 2, "8"));
    rig.frame(&trade(13, 2, 0, "7"));
    rig.bars(&[cells(2, 7, "0", 0)]);
    let lines = rig.get(1, 200, r#"{"code":"51000","msg":"Parameter bar error"}"#);
    assert_eq!(
        lines,
        [
            "bar 1 rebuilt_from_trades of 2",
            "closed candle1m/B-U sequence lost Some(0) Some(Resumed)"
        ]
    );
}

#[test]
fn a_feed_that_knows_where_the_one_before_ended_fetches_what_came_between() {
    let mut before = Rig::new(&[candles(), trades()]);
    before.bars(&[cells(0, 5, "1", 1), cells(1, 5, "1", 0)]);
    before.frame(&trade(10, 1, 1, "5"));
    let known = before.0.feed.known();
    let mut config = OkxConfig::new(FeedId(2), "wss://test/business");
    config.subscriptions = vec![candles(), trades()];
    (config.bars, config.refill, config.known) = (true, true, known);
    let mut rig = Rig(Bench::of(config));
    rig.0.now = Nanos::from_millis(T0 + 10 * MINUTE);
    let lines = rig.input(Input::Start);
    assert!(lines.contains(&"gap candle1m/B-U restart ours".to_owned()), "{lines:?}");
    assert!(lines.contains(&"gap trades-all/B-U restart ours".to_owned()), "{lines:?}");
    rig.input(Input::Opened);
    rig.0.pass(1);
    for one in [candles(), trades()] {
        rig.0.ack("subscribe", &one);
    }
    assert_eq!(rig.bars(&[cells(3, 5, "1", 0)])[0], path("candles", (1, 2)));
    assert!(rig.frame(&trade(13, 3, 1, "5"))[0].starts_with("get /api/v5/market/trades?"));
}

#[test]
fn a_time_of_refusals_and_short_pages_make_no_bar_missing() {
    let mut rig = Rig::new(&[candles()]);
    rig.bars(&[cells(0, 5, "1", 0)]);
    rig.bars(&[cells(9, 5, "1", 0)]);
    for id in 1..=11 {
        assert_eq!(rig.get(id, 429, r#"{"code":"50011"}"#), [""; 0]);
        rig.0.pass(60);
    }
    // Nothing yet, then a bar at a time, the newest first.
    assert_eq!(rig.get(12, 200, &answer(&[])), [""; 0]);
    for (id, minute) in (13..=21).zip((0..9).rev()) {
        rig.0.pass(60);
        let lines = rig.get(id, 200, &answer(&[cells(minute, 5, "1", 1)]));
        assert_eq!(lines[0], format!("bar {minute} filled_from_rest"));
        let closed = "closed candle1m/B-U sequence lost Some(0) Some(Rest)".to_owned();
        assert_eq!(lines.contains(&closed), minute == 0, "{lines:?}");
    }
    assert_eq!(rig.0.feed.status().bars_missing, 0);
}

#[test]
fn the_trades_of_a_second_are_known_when_it_is_concluded_that_nobody_has_its_bar() {
    let seconds = sub("candle1s", "B-U");
    let mut rig = Rig::new(&[seconds, trades()]);
    let bar = |second: u64| {
        let ts = T0 + second * 1000;
        let row = format!(r#"["{ts}","6","6","6","6","0","0","0","0"]"#);
        let arg = r#"{"channel":"candle1s","instId":"B-U"}"#;
        format!(r#"{{"arg":{arg},"data":[{row}]}}"#)
    };
    rig.frame(&trade(10, 0, 0, "5"));
    rig.frame(&bar(1));
    // A trade a second, and the end of the first bar never comes.
    for second in 1..60 {
        rig.frame(&trade(10 + second, 0, second, "6"));
    }
    rig.frame(&bar(2));
    let lines = rig.get(1, 200, r#"{"code":"51000","msg":"Parameter bar error"}"#);
    let said = rig.0.out.events.iter().find_map(|event| match event.body {
        Body::Bar(bar) => bar.state,
        _ => None,
    });
    assert_eq!(said, Some(BarState::RebuiltFromTrades), "{lines:?}");
}
