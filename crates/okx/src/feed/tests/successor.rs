//! Dialogues with a feed that takes over from one of another process.

use super::*;

fn both() -> Vec<Subscription> {
    vec![sub("books", "B-U"), sub("trades", "B-U")]
}

/// A feed that is up and silent, with everything confirmed.
fn silent(subscriptions: &[Subscription]) -> Bench {
    let mut config = OkxConfig::new(FeedId(1), "wss://test/public");
    config.subscriptions = subscriptions.to_vec();
    (config.refill, config.bars, config.successor) = (true, true, true);
    let mut bench = Bench::of(config);
    assert_eq!(bench.input(Input::Start), ["open"]);
    bench.input(Input::Opened);
    bench.pass(1);
    for subscription in subscriptions {
        assert!(bench.ack("subscribe", subscription).is_empty());
    }
    bench
}

fn known(channel: &str, last: Option<u64>) -> Known {
    Known { subscription: sub(channel, "B-U"), last, heard: Nanos(7) }
}

fn told(bench: &mut Bench, known: Vec<Known>) -> Vec<String> {
    let lines = bench.input(Input::Command(Command::TakeOver(known)));
    let numbers: Vec<u64> = bench.out.events.headers().map(|header| header.n).collect();
    let wanted: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, wanted, "no number is left out");
    lines
}

fn trades_of(lines: &[String]) -> Vec<&str> {
    lines.iter().filter(|line| line.starts_with("trade")).map(|line| &line[6..8]).collect()
}

#[test]
fn nothing_is_heard_before_the_old_process_has_ended_and_what_it_told_never() {
    let mut bench = silent(&both());
    assert!(bench.book("snapshot", "1", -1, 10).is_empty());
    for id in 11..=15 {
        assert!(bench.trade(id, 1).is_empty());
    }
    assert!(bench.book("update", "1", 10, 12).is_empty());
    assert!(bench.feed.book("books", "B-U").is_ok(), "its book is live all the same");
    let mut state = Vec::new();
    bench.feed.checkpoint(&mut state);
    assert!(state.is_empty(), "what is held back is in no state");
    let lines = told(&mut bench, vec![known("trades", Some(13)), known("books", None)]);
    assert_eq!(trades_of(&lines), ["14", "15"]);
    let books = lines.iter().filter(|line| line.starts_with("orderbook")).count();
    assert_eq!(books, 2, "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("gap")), "{lines:?}");
    // From here on it is a feed like any other.
    assert_eq!(bench.trade(16, 1), ["trade 16 2@1.50"]);
    assert_eq!(bench.out.events.headers().next().unwrap().n, lines.len() as u64 + 1);
    bench.feed.checkpoint(&mut state);
    let config = bench.feed.config.clone();
    assert!(!OkxFeed::restore(config, &state).unwrap().is_silent());
}

#[test]
fn what_neither_has_is_a_gap_of_ours_that_is_filled() {
    let mut bench = silent(&both());
    bench.trade(15, 2);
    let lines = told(&mut bench, vec![known("trades", Some(11))]);
    assert_eq!(lines[0], "get /api/v5/market/trades?instId=B-U&limit=500");
    assert_eq!(trades_of(&lines), ["15"]);
    assert_eq!(lines.last().unwrap(), "gap trades/B-U restart ours");
    let row = |id| {
        let rest = r#""px":"1.50","sz":"2","side":"buy","ts":"1791369351001""#;
        format!(r#"{{"instId":"B-U","tradeId":"{id}",{rest}}}"#)
    };
    let body = format!(r#"{{"code":"0","msg":"","data":[{},{}]}}"#, row(13), row(12));
    let lines = bench.input(Input::Response { id: 1, status: 200, body: body.as_bytes() });
    assert_eq!(trades_of(&lines), ["12", "13"]);
    assert_eq!(lines.last().unwrap(), "closed trades/B-U restart lost Some(0) Some(Rest)");
    assert_eq!(bench.trade(16, 1), ["trade 16 2@1.50"]);
}

#[test]
fn a_series_without_a_row_goes_on_from_the_last_one_of_the_old_process() {
    let mut bench = silent(&both());
    let lines = told(&mut bench, vec![known("trades", Some(20))]);
    assert!(!lines.iter().any(|line| line.starts_with("gap")));
    assert_eq!(bench.trade(21, 1), ["trade 21 2@1.50"]);
    let mut bench = silent(&both());
    told(&mut bench, vec![known("trades", Some(20))]);
    let lines = bench.trade(23, 1);
    assert_eq!(lines[0], "get /api/v5/market/trades?instId=B-U&limit=500");
}

#[test]
fn bars_that_the_old_process_told_are_left_out_and_others_fetched() {
    let minute = |n: u64, confirm: u8| {
        let ts = 1_791_369_300_000 + n * 60_000;
        format!(
            r#"{{"arg":{{"channel":"candle1m","instId":"B-U"}},"data":[["{ts}","1","1","1","1","1","1","1","{confirm}"]]}}"#
        )
    };
    let at = |n: u64| Some(1_791_369_300_000 + n * 60_000);
    let minutes = [sub("candle1m", "B-U")];
    let mut bench = silent(&minutes);
    for (n, confirm) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)] {
        assert!(bench.frame(&minute(n, confirm)).is_empty());
    }
    let mut other = bench.clone();
    let bars = |lines: &[String]| lines.iter().filter(|line| line.starts_with("kline")).count();
    let lines = told(&mut bench, vec![known("candle1m", at(1))]);
    assert_eq!(bars(&lines), 3, "minute 1 twice, and minute 2: {lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("gap") || line.starts_with("get")));
    // The old one had not told the minute before.
    let before = 1_791_369_300_000 - 60_000;
    let lines = told(&mut other, vec![known("candle1m", Some(before))]);
    assert_eq!(bars(&lines), 5);
    assert!(lines[0].starts_with("get /api/v5/market/candles?instId=B-U&bar=1m"), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "gap candle1m/B-U restart ours");
}

#[test]
fn ids_that_began_anew_are_not_taken_for_old_ones() {
    let mut bench = silent(&both());
    bench.trade(15, 1);
    let lines = told(&mut bench, vec![known("trades", Some(5_000_000))]);
    assert_eq!(trades_of(&lines), ["15"]);
}

#[test]
fn a_feed_that_holds_too_much_is_spent_and_says_nothing_ever() {
    let mut bench = silent(&both());
    let rest = r#""px":"1.50","sz":"2","side":"buy","ts":"1791369351001","count":"1""#;
    for begin in (0..=limits::HELD_EVENTS_MAX).step_by(5_000) {
        let row = |id| format!(r#"{{"instId":"B-U","tradeId":"{id}",{rest}}}"#);
        let rows = (begin..begin + 5_000).map(row).collect::<Vec<_>>().join(",");
        let arg = r#"{"channel":"trades","instId":"B-U"}"#;
        bench.frame(&format!(r#"{{"arg":{arg},"data":[{rows}]}}"#));
    }
    assert!(bench.feed.is_spent());
    assert!(told(&mut bench, vec![known("trades", Some(13))]).is_empty());
    assert!(bench.trade(400_000, 1).is_empty());
}
