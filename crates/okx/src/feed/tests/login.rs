//! Dialogues about logins: granted, refused, unanswered, cut off, too late.

use super::*;

const TBT: &str = r#"{"channel":"books-l2-tbt","instId":"B-U"}"#;
const GRANTED: &str = r#"{"event":"login","code":"0","msg":"","connId":"c"}"#;

fn tbt() -> Subscription {
    sub("books-l2-tbt", "B-U")
}

fn refusal(code: &str) -> String {
    format!(r#"{{"event":"error","code":"{code}","msg":"No.","connId":"c"}}"#)
}

fn ask(id: u32, args: &str) -> String {
    format!(r#"send {{"id":"m{id}","op":"subscribe","args":[{args}]}}"#)
}

fn bench(subscriptions: &[Subscription]) -> Bench {
    let mut config = OkxConfig::new(FeedId(1), "wss://test/public");
    config.subscriptions = subscriptions.to_vec();
    config.login = true;
    Bench::of(config)
}

/// A feed that has just asked for its login.
fn asked(subscriptions: &[Subscription]) -> Bench {
    let mut bench = bench(subscriptions);
    bench.input(Input::Start);
    assert_eq!(bench.input(Input::Opened), ["login 0", "session up"]);
    bench
}

/// A feed that is logged in and has its book.
fn inside() -> Bench {
    let mut bench = asked(&[tbt()]);
    bench.pass(1);
    bench.frame(GRANTED);
    bench.ack("subscribe", &tbt());
    bench.pass(1);
    bench
}

fn kinds(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split(' ').next().unwrap()).collect()
}

fn has(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.contains(text))
}

#[test]
fn what_needs_no_login_does_not_wait_for_it() {
    let mut bench = asked(&[sub("trades", "B-U"), tbt()]);
    assert_eq!(bench.pass(1), [ask(1, r#"{"channel":"trades","instId":"B-U"}"#)]);
    assert_eq!(bench.ack("subscribe", &sub("trades", "B-U")), ["subscribed trades/B-U "]);
    assert_eq!(bench.frame(GRANTED), [ask(2, TBT)]);
    assert_eq!(bench.ack("subscribe", &tbt()), ["subscribed books-l2-tbt/B-U "]);
    assert_eq!(bench.pass(9), [""; 0], "nobody waits for an answer that has come");
}

#[test]
fn nobody_logs_in_without_need_or_without_credentials() {
    let mut bench = bench(&[sub("trades", "B-U")]);
    bench.input(Input::Start);
    assert_eq!(kinds(&bench.input(Input::Opened)), ["send", "session"]);
    let mut bench = Bench::new(&[tbt()]);
    bench.input(Input::Start);
    assert_eq!(bench.input(Input::Opened), [ask(1, TBT), "session up".to_owned()]);
    assert_eq!(bench.frame(GRANTED), [""; 0]);
}

#[test]
fn subscriptions_asked_for_later_log_in_then_and_only_once() {
    let mut bench = bench(&[sub("trades", "B-U")]);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    bench.pass(1);
    let want = |key| Input::Command(Command::Subscribe(vec![sub("books50-l2-tbt", key)]));
    assert_eq!(bench.input(want("B-U")), ["login 0"]);
    assert_eq!(bench.input(want("C-U")), [""; 0], "one login is on its way");
    bench.pass(1);
    let lines = bench.frame(GRANTED);
    assert!(lines.len() == 1 && has(&lines, "B-U") && has(&lines, "C-U"), "{lines:?}");
    bench.pass(1);
    assert_eq!(kinds(&bench.input(want("D-U"))), ["send"]);
}

#[test]
fn a_refused_login_is_news_of_what_waited_and_a_book_has_its_stand_in() {
    let subs = [sub("economic-calendar", ""), tbt(), sub("trades", "B-U")];
    for code in ["60005", "60009", "60024", "60007", "60032", "50110"] {
        let mut bench = asked(&subs);
        bench.pass(1);
        bench.ack("subscribe", &subs[2]);
        let refused = [
            ask(2, BOOKS),
            format!("refused economic-calendar/ {code}"),
            format!("refused books-l2-tbt/B-U {code}"),
        ];
        assert_eq!(bench.frame(&refusal(code)), refused);
        assert_eq!((bench.feed.status().live, bench.feed.status().refused), (1, 2));
        // Such credentials are no better later, and another try would cost this connection.
        bench.ack("subscribe", &sub("books", "B-U"));
        bench.book("snapshot", "1", -1, 7);
        let lines = bench.pass(60);
        assert!(!has(&lines, "login") && !has(&lines, "l2-tbt"), "{lines:?}");
    }
}

#[test]
fn the_close_after_a_refusal_leads_to_one_connection_without_login() {
    let mut bench = asked(&[tbt()]);
    bench.frame(&refusal("60007"));
    bench.input(Input::Closed { code: Some(4001), reason: "Login failed" });
    assert!(has(&bench.pass(2), "open"));
    let lines = bench.input(Input::Opened);
    assert_eq!(lines, [ask(1, BOOKS).as_str(), "session up", "refused books-l2-tbt/B-U 60007"]);
    bench.ack("subscribe", &sub("books", "B-U"));
    // A connection that comes later tries again.
    bench.book("snapshot", "1", -1, 7);
    bench.pass(20);
    bench.input(Input::Closed { code: Some(1006), reason: "" });
    bench.pass(2);
    let lines = bench.input(Input::Opened);
    assert_eq!(lines[..1], ["login 0"]);
}

#[test]
fn a_close_with_4001_says_no_by_itself_and_another_close_does_not() {
    let mut bench = asked(&[tbt()]);
    bench.input(Input::Closed { code: Some(1006), reason: "" });
    bench.pass(2);
    assert_eq!(bench.input(Input::Opened), ["login 0", "session up"]);
    bench.input(Input::Closed { code: Some(4001), reason: "Login failed" });
    bench.pass(4);
    assert!(has(&bench.input(Input::Opened), "refused books-l2-tbt/B-U 4001"));
}

#[test]
fn connections_lost_over_a_login_end_in_one_without() {
    let mut bench = asked(&[tbt()]);
    for _ in 1..limits::LOGIN_ATTEMPTS_MAX {
        bench.input(Input::Closed { code: Some(1006), reason: "" });
        bench.pass(40);
        assert_eq!(bench.input(Input::Opened)[0], "login 0");
    }
    bench.input(Input::Closed { code: Some(1006), reason: "" });
    bench.pass(40);
    let lines = bench.input(Input::Opened);
    assert!(!has(&lines, "login") && has(&lines, "refused books-l2-tbt/B-U"), "{lines:?}");
}

#[test]
fn a_login_without_answer_is_asked_again_and_given_up_after_some() {
    let mut bench = asked(&[tbt()]);
    let wait = limits::LOGIN_WAIT_NS / SECOND + 1;
    for _ in 1..limits::LOGIN_ATTEMPTS_MAX {
        assert_eq!(bench.pass(wait), ["login 0"]);
        bench.frame("pong");
    }
    let lines = bench.pass(wait);
    assert!(has(&lines, "refused books-l2-tbt/B-U") && has(&lines, BOOKS), "{lines:?}");
    // The answer that comes at last counts.
    let lines = bench.frame(GRANTED);
    assert!(has(&lines, TBT), "{lines:?}");
}

#[test]
fn a_repeated_login_that_is_refused_as_such_was_granted() {
    let mut bench = asked(&[tbt()]);
    assert_eq!(bench.pass(limits::LOGIN_WAIT_NS / SECOND + 1), ["login 0"]);
    bench.pass(1);
    assert_eq!(bench.frame(&refusal("60031")), [ask(1, TBT)]);
}

#[test]
fn what_time_can_heal_is_tried_again_later_and_later() {
    let mut bench = asked(&[sub("economic-calendar", "")]);
    let mut waits = Vec::new();
    bench.frame(&refusal("60006"));
    for _ in 0..8 {
        let since = bench.now;
        while !has(&bench.pass(1), "login 0") {
            bench.frame("pong");
            assert!(bench.now.since(since) < 3600 * SECOND, "tried again within an hour");
        }
        waits.push(bench.now.since(since) / SECOND);
        assert!(has(&bench.frame(&refusal("63999")), "refused economic-calendar/ 63999"));
    }
    assert!(waits[0] <= 16 && waits.is_sorted(), "{waits:?}");
    assert!(waits[7] >= 590 && waits[7] <= 610, "{waits:?}");
}

#[test]
fn the_stand_in_leaves_when_the_book_is_there() {
    let mut bench = asked(&[tbt()]);
    bench.frame(&refusal("60006"));
    bench.pass(1);
    bench.ack("subscribe", &sub("books", "B-U"));
    bench.book("snapshot", "1", -1, 7);
    assert!(has(&bench.pass(16), "login 0"));
    assert!(has(&bench.frame(GRANTED), TBT));
    bench.pass(1);
    let lines = bench.ack("subscribe", &tbt());
    let leave = format!(r#"send {{"id":"m3","op":"unsubscribe","args":[{BOOKS}]}}"#);
    assert!(lines.contains(&leave), "{lines:?}");
    // OKX evicts it at that moment, which is then no eviction but its end.
    assert_eq!(bench.ack("unsubscribe", &sub("books", "B-U")), ["unsubscribed books/B-U "]);
    assert_eq!(bench.ack("unsubscribe", &sub("books", "B-U")), [""; 0]);
    assert_eq!(bench.feed.status().wanted, 1);
}

#[test]
fn a_stand_in_that_somebody_wants_for_itself_stays() {
    let mut bench = asked(&[sub("books50-l2-tbt", "B-U")]);
    bench.frame(&refusal("60006"));
    bench.input(Input::Command(Command::Subscribe(vec![sub("books", "B-U")])));
    bench.pass(16);
    bench.frame(GRANTED);
    bench.pass(1);
    let lines = bench.ack("subscribe", &sub("books50-l2-tbt", "B-U"));
    assert!(!has(&lines, "unsubscribe"), "{lines:?}");
}

#[test]
fn a_stand_in_leaves_with_the_book_that_nobody_wants() {
    let mut bench = asked(&[tbt()]);
    bench.frame(&refusal("60005"));
    bench.pass(1);
    bench.ack("subscribe", &sub("books", "B-U"));
    let lines = bench.input(Input::Command(Command::Unsubscribe(vec![tbt()])));
    assert!(has(&lines, "unsubscribe") && has(&lines, BOOKS), "{lines:?}");
    assert_eq!(bench.feed.status().wanted, 0);
}

#[test]
fn each_connection_logs_in_anew() {
    let mut bench = inside();
    bench.input(Input::Closed { code: Some(1006), reason: "" });
    bench.pass(2);
    assert_eq!(bench.input(Input::Opened), ["login 0", "session up"]);
    bench.pass(1);
    assert_eq!(bench.frame(GRANTED), [ask(2, TBT)]);
}

#[test]
fn an_error_about_something_else_is_no_answer_to_a_login() {
    let mut bench = asked(&[tbt(), sub("trades", "B-U")]);
    bench.pass(1);
    let about_trades = r#"{"id":"m1","event":"error","code":"60018","msg":"no"}"#;
    assert_eq!(bench.frame(about_trades), ["refused trades/B-U 60018"]);
    bench.frame(r#"{"id":"m1","event":"error","code":"60027","msg":"no"}"#);
    assert!(has(&bench.frame(GRANTED), TBT), "the login is still under way");
}

#[test]
fn a_login_is_a_request_like_others() {
    let bench = asked(&[tbt(), sub("trades", "B-U")]);
    assert_eq!(bench.feed.status().requests_left, limits::REQUESTS_PER_HOUR - 1);
    assert_eq!(bench.feed.deadline(), Some(bench.now + limits::REQUEST_SPACING_NS));
}

#[test]
fn a_tier_refused_after_the_login_falls_back_as_ever() {
    let mut bench = asked(&[tbt()]);
    bench.pass(1);
    bench.frame(GRANTED);
    let refused = r#"{"id":"m1","event":"error","code":"64003","msg":"fee tier"}"#;
    assert_eq!(bench.frame(refused), ["refused books-l2-tbt/B-U 64003"]);
    assert!(has(&bench.pass(1), BOOKS));
    assert!(has(&bench.pass(11), TBT), "and is asked for again, without a login");
}

#[test]
fn a_restored_feed_goes_on_with_its_login() {
    let stages: [&[&str]; 4] = [&[], &[GRANTED], &["60006"], &["60006", GRANTED]];
    for stage in stages {
        let mut bench = asked(&[tbt(), sub("trades", "B-U")]);
        for said in stage {
            bench.pass(1);
            let text = if said.len() == 5 { refusal(said) } else { said.to_string() };
            bench.frame(&text);
        }
        let mut bytes = Vec::new();
        bench.feed.checkpoint(&mut bytes);
        let config = bench.feed.config.clone();
        let mut other = bench.clone();
        other.feed = OkxFeed::restore(config, &bytes).unwrap();
        for _ in 0..2 {
            assert_eq!(bench.pass(20), other.pass(20));
            assert_eq!(bench.frame(GRANTED), other.frame(GRANTED));
            let closed = || Input::Closed { code: None, reason: "" };
            assert_eq!(bench.input(closed()), other.input(closed()));
            assert_eq!(bench.pass(2), other.pass(2));
            assert_eq!(bench.input(Input::Opened), other.input(Input::Opened));
        }
    }
}
