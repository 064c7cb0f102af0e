//! Dialogues about trades that never came.

use super::*;

fn trades() -> Subscription {
    sub("trades", "B-U")
}

fn live(id: u64, count: u64) -> String {
    format!(
        r#"{{"arg":{{"channel":"trades","instId":"B-U"}},"data":[{{"instId":"B-U","tradeId":"{id}","px":"1","sz":"2","side":"buy","ts":"1791369350776","count":"{count}","source":"0","seqId":5}}]}}"#
    )
}

fn row(id: u64) -> String {
    format!(
        r#"{{"instId":"B-U","tradeId":"{id}","px":"1.50","sz":"2","side":"sell","ts":"1791369350776","source":"0"}}"#
    )
}

fn answer(ids: impl Iterator<Item = u64>) -> String {
    let rows: Vec<String> = ids.map(row).collect();
    format!(r#"{{"code":"0","msg":"","data":[{}]}}"#, rows.join(","))
}

/// A feed that refills and has its trades up to 100.
fn started() -> Bench {
    let mut config = OkxConfig::new(FeedId(1), "wss://test/public");
    config.subscriptions = vec![trades()];
    config.refill = true;
    let mut bench = Bench::of(config);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    bench.pass(1);
    bench.ack("subscribe", &trades());
    bench.frame(&live(100, 1));
    bench
}

fn get(bench: &mut Bench, id: u64, status: u16, body: &str) -> Vec<String> {
    bench.input(Input::Response { id, status, body: body.as_bytes() })
}

fn kinds(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split(' ').next().unwrap()).collect()
}

#[test]
fn what_is_missing_comes_in_the_order_of_ids_and_closes_its_gap() {
    let mut bench = started();
    let lines = bench.frame(&live(106, 2));
    assert_eq!(lines[0], "get /api/v5/market/trades?instId=B-U&limit=500", "{lines:?}");
    assert_eq!(kinds(&lines), ["get", "gap", "trade"]);
    // The answer has more than was asked for, and the newest first, as OKX sends it.
    let lines = get(&mut bench, 1, 200, &answer((90..=110).rev()));
    assert_eq!(kinds(&lines), ["trade", "trade", "trade", "trade", "closed"]);
    for (line, id) in lines.iter().take(4).zip(101..) {
        assert!(line.contains(&id.to_string()), "{line}");
    }
    assert_eq!(lines[4], "closed trades/B-U sequence lost Some(0) Some(Rest)");
    // Both of it are told; nothing comes twice.
    assert_eq!(bench.frame(&live(104, 1)), [""; 0]);
    assert_eq!(bench.feed.status().trades_filled, 4);
}

#[test]
fn a_late_row_is_taken_and_not_fetched() {
    let mut bench = started();
    bench.frame(&live(104, 1));
    assert_eq!(kinds(&bench.frame(&live(102, 2))), ["trade"]);
    let lines = get(&mut bench, 1, 200, &answer(101..=104));
    assert_eq!(kinds(&lines), ["trade", "closed"]);
    // Had the late row been all of it, the gap would close with it.
    bench.frame(&live(106, 1));
    assert_eq!(kinds(&bench.frame(&live(105, 1))), ["trade", "closed"]);
}

#[test]
fn what_rest_does_not_have_is_lost_and_said() {
    let mut bench = started();
    bench.frame(&live(104, 1));
    let mut ids = vec![get(&mut bench, 1, 200, &answer([101, 103].into_iter()))];
    for id in 2..6 {
        let asked = bench.pass(60);
        let path = "/api/v5/market/history-trades?instId=B-U&type=1&after=104&limit=100";
        assert!(asked.contains(&format!("get {path}")), "{asked:?}");
        ids.push(get(&mut bench, id, 200, &answer(90..=101)));
    }
    assert_eq!(kinds(&ids[0]), ["trade", "trade"]);
    assert_eq!(ids[4], ["closed trades/B-U sequence lost Some(1) Some(Resumed)"]);
}

#[test]
fn a_refusal_is_waited_for_and_a_wrong_question_is_not() {
    let mut bench = started();
    bench.frame(&live(104, 1));
    for (id, status, body) in
        [(1, 429, r#"{"code":"50011"}"#), (2, 0, "no answer"), (3, 200, r#"{"code":"50013"}"#)]
    {
        assert_eq!(get(&mut bench, id, status, body), [""; 0]);
        assert_eq!(kinds(&bench.pass(60)).iter().filter(|kind| **kind == "get").count(), 1);
    }
    let lines = get(&mut bench, 4, 200, r#"{"code":"51001","msg":"no such instrument"}"#);
    assert_eq!(lines, ["closed trades/B-U sequence lost Some(3) Some(Resumed)"]);
}

#[test]
fn a_long_hole_is_asked_for_from_its_lowest_id_a_hundred_at_a_time() {
    let mut bench = started();
    let lines = bench.frame(&live(1101, 1));
    let path = |after| {
        format!("get /api/v5/market/history-trades?instId=B-U&type=1&after={after}&limit=100")
    };
    assert_eq!(lines[0], path(201));
    let mut got = 0;
    for page in 0..10 {
        let from = 101 + page * 100;
        let lines = get(&mut bench, page + 1, 200, &answer(from..from + 100));
        got += lines.iter().filter(|line| line.starts_with("trade")).count();
        if page < 5 {
            assert!(bench.pass(1).contains(&path(from + 200)));
        } else {
            bench.pass(1);
        }
    }
    assert_eq!(got, 1000);
    assert_eq!(bench.feed.status().open_gaps, 0);
}

#[test]
fn nobody_asks_for_what_nobody_wants() {
    let mut bench = started();
    bench.frame(&live(104, 1));
    let lines = bench.input(Input::Command(Command::Unsubscribe(vec![trades()])));
    assert!(
        lines.contains(&"closed trades/B-U sequence lost Some(3) None".to_owned()),
        "{lines:?}"
    );
    assert_eq!(get(&mut bench, 1, 200, &answer(101..=104)), [""; 0]);
}

#[test]
fn a_time_of_refusals_takes_no_chances_from_the_answers_after_it() {
    let mut bench = started();
    bench.frame(&live(104, 1));
    for id in 1..=11 {
        assert_eq!(get(&mut bench, id, 503, ""), [""; 0]);
        bench.pass(60);
    }
    // The history is behind, three times.
    for id in 12..=14 {
        assert_eq!(get(&mut bench, id, 200, &answer(90..=100)), [""; 0], "{id}");
        bench.pass(60);
    }
    let lines = get(&mut bench, 15, 200, &answer(90..=104));
    assert_eq!(kinds(&lines), ["trade", "trade", "trade", "closed"]);
}

#[test]
fn pages_that_are_cut_short_are_asked_for_until_nothing_is_left() {
    let mut bench = started();
    bench.frame(&live(111, 1));
    for (get_id, id) in (1..=10).zip((101..=110).rev()) {
        let lines = get(&mut bench, get_id, 200, &answer(id..=id));
        assert!(lines[0].starts_with("trade"), "{lines:?}");
        assert_eq!(lines.iter().any(|line| line.ends_with("lost Some(0) Some(Rest)")), id == 101);
        bench.pass(1);
    }
    assert_eq!(bench.feed.status().open_gaps, 0);
}
