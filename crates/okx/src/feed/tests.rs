//! Dialogues with a feed: what goes in, what comes out, in lines of text.
//!
//! The seeded simulation (`market-data torture`) is the strong test of this state machine; these
//! pin single rules and the bug classes that other connectors shipped, by name.

use super::*;
use crate::limits;
use market_data_model::time::SECOND;

mod bars;
mod flat;
mod funding;
mod held;
mod lines;
mod lives;
mod login;
mod many;
mod opening;
mod refill;
mod relisted;
mod successor;
mod upcoming;
mod witness;

#[derive(Clone)]
struct Bench {
    feed: OkxFeed,
    now: Nanos,
    out: Outbox,
}

fn sub(channel: &str, key: &str) -> Subscription {
    Subscription::new(channel, key)
}

impl Bench {
    fn new(subscriptions: &[Subscription]) -> Bench {
        let mut config = OkxConfig::new(FeedId(1), "wss://test/public");
        config.subscriptions = subscriptions.to_vec();
        Bench::of(config)
    }

    fn of(config: OkxConfig) -> Bench {
        Bench {
            feed: OkxFeed::new(config),
            now: Nanos(1_791_369_350 * SECOND),
            out: Outbox::default(),
        }
    }

    /// A feed that is up and has everything confirmed.
    fn up(subscriptions: &[Subscription]) -> Bench {
        let mut bench = Bench::new(subscriptions);
        bench.input(Input::Start);
        bench.input(Input::Opened);
        for subscription in subscriptions {
            bench.ack("subscribe", subscription);
        }
        bench.pass(1);
        bench
    }

    fn input(&mut self, input: Input<'_>) -> Vec<String> {
        self.out.clear();
        self.now = self.now + 1_000_000;
        self.feed.handle(self.now, input, &mut self.out);
        let actions = self.out.actions.iter().map(|action| match action {
            Action::Open { .. } => "open".into(),
            Action::Send(text) => format!("send {text}"),
            Action::Close => "close".into(),
            Action::Login { at } => format!("login {}", at.since(self.now)),
            Action::Get { path, .. } => format!("get {path}"),
            Action::Line { line, action } => format!("line {line}: {action:?}"),
        });
        let mut lines: Vec<String> = actions.collect();
        lines.extend(self.out.events.iter().map(|event| line(&event)));
        lines
    }

    fn frame(&mut self, text: &str) -> Vec<String> {
        self.input(Input::Frame(text.as_bytes()))
    }

    fn ack(&mut self, event: &str, subscription: &Subscription) -> Vec<String> {
        let (channel, key) = (&subscription.channel, &subscription.key);
        let field = channel::find(channel).and_then(|s| s.key.lead()).unwrap_or("instId");
        self.frame(&format!(
            r#"{{"event":"{event}","arg":{{"channel":"{channel}","{field}":"{key}"}},"connId":"c"}}"#
        ))
    }

    fn book(&mut self, action: &str, bid: &str, prev: i64, seq: i64) -> Vec<String> {
        self.frame(&format!(
            r#"{{"arg":{{"channel":"books","instId":"B-U"}},"action":"{action}","data":[{{"asks":[],"bids":[["{bid}","1","0","1"]],"ts":"1791369351001","seqId":{seq},"prevSeqId":{prev}}}]}}"#
        ))
    }

    fn trade(&mut self, id: u64, count: u64) -> Vec<String> {
        self.frame(&format!(
            r#"{{"arg":{{"channel":"trades","instId":"B-U"}},"data":[{{"instId":"B-U","tradeId":"{id}","px":"1.50","sz":"2","side":"buy","ts":"1791369351001","count":"{count}","source":"0","seqId":5}}]}}"#
        ))
    }

    /// Lets time pass until `seconds` from now, ticking at every deadline.
    fn pass(&mut self, seconds: u64) -> Vec<String> {
        let end = self.now + seconds * SECOND;
        let mut lines = Vec::new();
        while let Some(at) = self.feed.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            lines.extend(self.input(Input::Tick));
        }
        self.now = end;
        lines
    }

    fn reconnect(&mut self, subscriptions: &[Subscription]) {
        self.input(Input::Closed { code: Some(1006), reason: "gone" });
        assert!(self.pass(2).contains(&"open".to_string()));
        self.input(Input::Opened);
        for subscription in subscriptions {
            self.ack("subscribe", subscription);
        }
    }
}

fn line(event: &EventRef<'_>) -> String {
    let place = format!("{}/{}", event.channel(), event.inst_id());
    match event.body {
        Body::Trade(x) => format!("trade {} {}@{}", x.trade_id, x.qty, x.px),
        Body::Book(x, bids, asks) => {
            format!("{} {:?} {:?} {}+{}", event.body.kind(), x.kind, x.seq, bids.len(), asks.len())
        }
        Body::Gap(x) if x.closed => {
            format!("closed {place} {} lost {:?} {:?}", x.cause.as_str(), x.lost, x.healed)
        }
        Body::Gap(x) => format!("gap {place} {} {}", x.cause.as_str(), x.whose.as_str()),
        Body::Session(x) => format!("session {} {}", x.step.as_str(), x.reason).trim().into(),
        Body::Subscription(x) => format!("{} {place} {}", x.step.as_str(), x.code),
        Body::Fault(x) => format!("fault {} {place} {}", x.code.as_str(), x.reason),
        body => format!("{} {place}", body.kind()),
    }
}

const BOOKS: &str = r#"{"channel":"books","instId":"B-U"}"#;

#[test]
fn opens_asks_and_delivers() {
    let subs = [sub("books", "B-U"), sub("trades", "B-U")];
    let mut bench = Bench::new(&subs);
    assert_eq!(bench.input(Input::Start), ["open", "session opening"]);
    assert_eq!(
        bench.input(Input::Opened),
        [
            r#"send {"id":"m1","op":"subscribe","args":[{"channel":"books","instId":"B-U"},{"channel":"trades","instId":"B-U"}]}"#,
            "session up"
        ]
    );
    assert_eq!(bench.ack("subscribe", &subs[0]), ["subscribed books/B-U "]);
    assert_eq!(bench.feed.book("books", "B-U").err(), Some(NotLive::AwaitingSnapshot));
    assert_eq!(bench.book("snapshot", "1", -1, 7), ["orderbook_delta Snapshot Some(7) 1+0"]);
    assert_eq!(bench.book("update", "2", 7, 9), ["orderbook_delta Delta Some(9) 1+0"]);
    assert_eq!(bench.feed.book("books", "B-U").unwrap().depth(Side::Bid), 2);
    assert_eq!(bench.feed.book_seq("books", "B-U"), Some(9));
    // Data may come before its ack.
    assert_eq!(bench.trade(10, 1), ["trade 10 2@1.50"]);
    assert_eq!(bench.feed.status().live, 1);
    bench.ack("subscribe", &subs[1]);
    assert_eq!(bench.feed.status().live, 2);
}

#[test]
fn a_gap_resyncs_one_book_on_the_same_connection() {
    let mut bench = Bench::up(&[sub("books", "B-U"), sub("trades", "B-U")]);
    bench.book("snapshot", "1", -1, 7);
    assert_eq!(
        bench.book("update", "2", 8, 9),
        [
            format!(r#"send {{"id":"m2","op":"unsubscribe","args":[{BOOKS}]}}"#).as_str(),
            "gap books/B-U sequence venue"
        ]
    );
    assert_eq!(bench.feed.book("books", "B-U").err(), Some(NotLive::AwaitingSnapshot));
    // Late updates do not start a storm, and the other subscription goes on.
    assert_eq!(bench.book("update", "2", 9, 10), [""; 0]);
    assert_eq!(bench.trade(10, 1), ["trade 10 2@1.50"]);
    bench.pass(1);
    assert_eq!(
        bench.ack("unsubscribe", &sub("books", "B-U")),
        [format!(r#"send {{"id":"m3","op":"subscribe","args":[{BOOKS}]}}"#)]
    );
    bench.ack("subscribe", &sub("books", "B-U"));
    assert_eq!(
        bench.book("snapshot", "3", -1, 20),
        [
            "closed books/B-U sequence lost None Some(Snapshot)",
            "orderbook_delta Snapshot Some(20) 1+0"
        ]
    );
}

#[test]
fn a_missing_snapshot_is_asked_for_again_then_the_connection_is_replaced() {
    let mut bench = Bench::up(&[sub("books", "B-U")]);
    let mut resyncs = 0;
    for _ in 0..limits::RESYNCS_MAX + 2 {
        let lines = bench.pass(limits::SNAPSHOT_WAIT_NS / SECOND + 1);
        if lines.iter().any(|l| l.contains("unsubscribe")) {
            resyncs += 1;
            bench.ack("unsubscribe", &sub("books", "B-U"));
            bench.pass(1);
            bench.ack("subscribe", &sub("books", "B-U"));
        }
        if lines.contains(&"close".to_string()) {
            assert_eq!(resyncs, limits::RESYNCS_MAX);
            return;
        }
    }
    panic!("the connection was never replaced");
}

#[test]
fn reconnect_restores_every_subscription_and_says_what_was_lost() {
    let subs = [sub("books", "B-U"), sub("trades", "B-U"), sub("tickers", "B-U")];
    let mut bench = Bench::up(&subs);
    bench.book("snapshot", "1", -1, 7);
    bench.trade(100, 1);
    assert_eq!(
        bench.input(Input::Closed { code: Some(4004), reason: "" }),
        [
            "gap books/B-U disconnect link",
            "gap trades/B-U disconnect link",
            "gap tickers/B-U disconnect link",
            "session down 4004 no data for 30 s:",
        ]
    );
    assert_eq!(bench.feed.book("books", "B-U").err(), Some(NotLive::LinkDown));
    assert_eq!(bench.pass(2), ["open", "session opening"]);
    let lines = bench.input(Input::Opened);
    assert_eq!(lines[0].matches("channel").count(), 3);
    assert_eq!(
        bench.trade(105, 2),
        ["closed trades/B-U disconnect lost Some(3) Some(Resumed)", "trade 105 2@1.50"]
    );
    bench.ack("subscribe", &subs[2]);
    bench.book("snapshot", "1", -1, 3);
    assert_eq!(bench.feed.status().open_gaps, 0);
}

#[test]
fn what_a_gap_cost_is_said_even_when_the_ack_came_first() {
    let subs = [sub("trades", "B-U")];
    let mut bench = Bench::up(&subs);
    bench.trade(100, 1);
    bench.reconnect(&subs);
    assert_eq!(
        bench.trade(104, 1),
        [
            "gap trades/B-U disconnect link",
            "closed trades/B-U disconnect lost Some(3) Some(Resumed)",
            "trade 104 2@1.50"
        ]
    );
    bench.reconnect(&subs);
    assert_eq!(bench.trade(105, 1), ["trade 105 2@1.50"]);
}

#[test]
fn bug_class_47_the_first_trade_after_subscribing_may_be_a_replay() {
    let subs = [sub("trades", "B-U")];
    let mut bench = Bench::up(&subs);
    bench.trade(100, 1);
    bench.reconnect(&subs);
    assert_eq!(bench.trade(100, 1), [""; 0]);
    assert_eq!(bench.feed.stats().trades_repeated, 1);
}

#[test]
fn bug_class_49_one_refused_instrument_leaves_its_neighbours_alone() {
    let subs = [sub("tickers", "A-U"), sub("tickers", "X-U")];
    let mut bench = Bench::new(&subs);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    bench.ack("subscribe", &subs[0]);
    let error = r#"{"id":"m1","event":"error","code":"60018","msg":"Wrong URL or channel:tickers,instId:X-U doesn't exist. Please use the correct URL","connId":"c"}"#;
    assert_eq!(bench.frame(error), ["refused tickers/X-U 60018"]);
    assert_eq!((bench.feed.status().live, bench.feed.status().refused), (1, 1));
    // Asked for again, alone and later and later.
    let lines = bench.pass(limits::REFUSED_WAIT_MIN_NS / SECOND + 1);
    assert!(lines.iter().any(|l| l.contains(r#""args":[{"channel":"tickers","instId":"X-U"}]"#)));
}

#[test]
fn an_error_that_names_nothing_is_isolated_by_what_stays_unconfirmed() {
    let subs = [sub("tickers", "A-U"), sub("tickers", "X-U")];
    let mut bench = Bench::new(&subs);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    bench.frame(r#"{"id":"m1","event":"error","code":"60018","msg":"no"}"#);
    bench.ack("subscribe", &subs[0]);
    let lines = bench.pass(limits::ACK_WAIT_NS / SECOND + 1);
    assert!(lines[0].contains(r#""args":[{"channel":"tickers","instId":"X-U"}]"#));
    assert_eq!(
        bench.frame(r#"{"id":"m2","event":"error","code":"60018","msg":"no"}"#),
        ["refused tickers/X-U 60018"]
    );
}

#[test]
fn bug_class_24_text_ping_within_20_s_and_pong_before_json() {
    let mut bench = Bench::up(&[sub("tickers", "A-U")]);
    assert_eq!(bench.pass(16), ["send ping"]);
    assert_eq!(bench.frame("pong"), [""; 0]);
    assert_eq!(bench.feed.stats().pongs, 1);
    assert_eq!(bench.feed.stats().faults, 0);
    let lines = bench.pass(30);
    assert_eq!(lines[0], "send ping");
    assert!(lines.contains(&"close".to_string()), "{lines:?}");
}

#[test]
fn bug_class_28_a_book_without_its_beat_is_resynced() {
    let mut bench = Bench::up(&[sub("books", "B-U"), sub("tickers", "A-U")]);
    bench.book("snapshot", "1", -1, 7);
    let mut lines = Vec::new();
    for _ in 0..10 {
        lines.extend(bench.pass(10));
        bench.frame("pong");
    }
    assert!(lines.contains(&"gap books/B-U silence venue".to_string()), "{lines:?}");
    assert_eq!(bench.feed.stats().resyncs, 1);
    assert_eq!(bench.feed.status().session, 1);
}

#[test]
fn bug_class_26_a_notice_starts_a_hand_over() {
    let mut bench = Bench::up(&[sub("books", "B-U")]);
    bench.book("snapshot", "1", -1, 7);
    let lines = bench.frame(r#"{"event":"notice","code":"64008","msg":"soon","connId":"c"}"#);
    let open = r#"line 1: Open { url: "wss://test/public" }"#;
    assert_eq!(lines, [open, "session opening line 2"]);
    // The venue ends the connection before there is another.
    let lines = bench.input(Input::Closed { code: Some(1012), reason: "" });
    assert_eq!(lines[0], "gap books/B-U disconnect link");
    assert_eq!(bench.feed.status().link, LinkState::Opening);
}

#[test]
fn bug_class_40_late_frames_after_unsubscribing_are_counted_and_dropped() {
    let mut bench = Bench::up(&[sub("trades", "B-U")]);
    let lines = bench.input(Input::Command(Command::Unsubscribe(vec![sub("trades", "B-U")])));
    assert!(lines[0].contains("unsubscribe"));
    assert_eq!(bench.trade(1, 1), [""; 0]);
    assert_eq!(bench.ack("unsubscribe", &sub("trades", "B-U")), ["unsubscribed trades/B-U "]);
    assert_eq!(bench.trade(2, 1), [""; 0]);
    assert_eq!((bench.feed.stats().late_frames, bench.feed.stats().faults), (2, 0));
}

#[test]
fn an_eviction_is_a_gap_and_is_asked_for_again() {
    let mut bench = Bench::up(&[sub("books", "B-U")]);
    bench.book("snapshot", "1", -1, 7);
    assert_eq!(
        bench.ack("unsubscribe", &sub("books", "B-U")),
        ["evicted books/B-U ", "gap books/B-U evicted venue"]
    );
    assert!(bench.pass(11).iter().any(|l| l.contains("\"subscribe\"")));
}

#[test]
fn bug_class_21_a_tier_refusal_falls_back_to_the_public_book() {
    let mut bench = Bench::new(&[sub("books-l2-tbt", "B-U")]);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    let lines = bench.frame(r#"{"id":"m1","event":"error","code":"64003","msg":"fee tier"}"#);
    assert_eq!(lines, ["refused books-l2-tbt/B-U 64003"]);
    assert!(bench.pass(1)[0].contains(r#"{"channel":"books","instId":"B-U"}"#));
}

#[test]
fn bug_class_20_every_row_counts_and_an_odd_one_spoils_no_neighbour() {
    let mut bench = Bench::up(&[sub("trades", "B-U")]);
    let lines = bench.frame(
        r#"{"arg":{"channel":"trades","instId":"B-U"},"data":[{"tradeId":"1","px":"1","sz":"1","side":"buy","ts":"5","count":"1"},{"tradeId":"2","px":"1x","sz":"1"},{"tradeId":"3","px":"1","sz":"1","side":"sell","ts":"5","count":"1"}]}"#,
    );
    assert_eq!(
        lines,
        [
            "trade 1 1@1",
            "fault bad_row trades/B-U px is \"1x\": not a plain decimal number",
            "gap trades/B-U sequence venue",
            "closed trades/B-U sequence lost Some(1) Some(Resumed)",
            "trade 3 1@1"
        ]
    );
}

#[test]
fn unknown_channels_are_kept_raw_and_counted() {
    let mut bench = Bench::up(&[sub("tickers", "A-U")]);
    let frame = r#"{"arg":{"channel":"weather","instId":"A-U"},"data":[{"t":"21.50"},[1]]}"#;
    assert_eq!(bench.frame(frame), ["raw weather/A-U", "raw weather/A-U"]);
    assert_eq!(bench.feed.stats().unknown_channels, 1);
    assert_eq!(bench.feed.stats().faults, 0);
}

#[test]
fn too_many_faults_in_a_short_time_replace_the_connection() {
    let mut bench = Bench::up(&[sub("tickers", "A-U")]);
    let mut lines = Vec::new();
    for _ in 0..=limits::FAULTS_MAX {
        lines.extend(bench.frame("{"));
    }
    assert!(lines.contains(&"close".to_string()));
    assert!(lines.iter().any(|l| l.contains("too many faults")));
}

#[test]
fn an_expired_instrument_is_ended_and_a_listed_one_is_asked_for() {
    let subs = [sub("tickers", "A-U"), sub("instruments", "SPOT")];
    let mut bench = Bench::up(&subs);
    let row = |state: &str| {
        format!(
            r#"{{"arg":{{"channel":"instruments","instType":"SPOT"}},"data":[{{"instType":"SPOT","instId":"A-U","state":"{state}","instIdCode":null}}]}}"#
        )
    };
    let lines = bench.frame(&row("expired"));
    assert!(lines[0].contains("unsubscribe") && lines[1] == "instrument instruments/A-U");
    assert_eq!(bench.feed.status().wanted, 1);
}

#[test]
fn stop_closes_and_stays_down() {
    let mut bench = Bench::up(&[sub("tickers", "A-U")]);
    let lines = bench.input(Input::Command(Command::Stop));
    assert_eq!(lines[0], "close");
    bench.input(Input::Closed { code: None, reason: "" });
    assert_eq!(bench.pass(100), [""; 0]);
    assert_eq!(bench.feed.status().link, LinkState::Stopped);
}

#[test]
fn a_large_plan_is_asked_for_in_spaced_requests_that_fit() {
    let subs: Vec<_> = (0..900).map(|i| sub("tickers", &format!("COIN{i}-USDT"))).collect();
    let mut bench = Bench::new(&subs);
    bench.input(Input::Start);
    let mut lines = bench.input(Input::Opened);
    lines.extend(bench.pass(5));
    let sends: Vec<_> = lines.iter().filter(|l| l.starts_with("send")).collect();
    assert!(sends.len() > 8 && sends.iter().all(|s| s.len() <= limits::REQUEST_BYTES_MAX + 5));
    assert_eq!(sends.iter().map(|s| s.matches("instId").count()).sum::<usize>(), 900);
}

#[test]
fn a_handshake_that_fails_is_tried_for_ever() {
    let mut bench = Bench::new(&[sub("tickers", "A-U")]);
    bench.input(Input::Start);
    for _ in 0..50 {
        bench.input(Input::Closed { code: None, reason: "HTTP 503" });
        let lines = bench.pass(46);
        assert_eq!(lines, ["open", "session opening"]);
    }
}

#[test]
fn rows_that_trail_an_ended_subscription_do_not_confirm_the_next_one() {
    let mut bench = Bench::up(&[sub("trades", "B-U")]);
    bench.trade(10, 1);
    let resync = Input::Command(Command::Resync(sub("trades", "B-U")));
    assert!(bench.input(resync)[0].contains("unsubscribe"));
    // The end is confirmed, the new request waits for its turn, and a row trails.
    assert_eq!(bench.ack("unsubscribe", &sub("trades", "B-U")), [""; 0]);
    assert_eq!(
        bench.trade(11, 1),
        ["closed trades/B-U restart lost Some(0) Some(Resumed)", "trade 11 2@1.50"]
    );
    assert!(bench.pass(1)[0].contains("\"subscribe\""));
    bench.trade(12, 1);
    // Its ack never comes, so it is asked for again.
    assert!(bench.pass(11)[0].contains("\"subscribe\""));
}

#[test]
fn a_refusal_of_a_question_that_an_earlier_ack_has_settled_changes_nothing() {
    let subs = [sub("books5", "B-U")];
    let mut bench = Bench::new(&subs);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    // The first request's ack is late, so it is asked for again; then both are answered.
    assert!(bench.pass(11)[0].contains("\"id\":\"m2\""));
    bench.ack("subscribe", &subs[0]);
    let error = r#"{"id":"m2","event":"error","code":"60018","msg":"channel:books5,instId:B-U doesn't exist"}"#;
    assert_eq!(bench.frame(error), ["refused / 60018"]);
    assert_eq!((bench.feed.status().live, bench.feed.status().refused), (0, 0));
    let snapshot = r#"{"arg":{"channel":"books5","instId":"B-U"},"data":[{"asks":[],"bids":[],"instId":"B-U","ts":"5","seqId":1}]}"#;
    assert_eq!(bench.frame(snapshot), ["orderbook View Some(1) 0+0"]);
    assert_eq!(bench.feed.status().live, 1);
}

#[test]
fn an_answer_that_comes_twice_is_no_eviction() {
    let mut bench = Bench::up(&[sub("books", "B-U")]);
    bench.book("snapshot", "1", -1, 7);
    let twice = r#"{"id":"m1","event":"unsubscribe","arg":{"channel":"books","instId":"B-U"}}"#;
    assert_eq!(bench.frame(twice), [""; 0]);
    assert!(bench.feed.book("books", "B-U").is_ok());
}

#[test]
fn a_passive_feed_never_acts() {
    let mut config = OkxConfig::new(FeedId(1), "file");
    config.passive = true;
    config.subscriptions = vec![sub("books", "B-U")];
    let feed = OkxFeed::new(config);
    let mut bench = Bench { feed, now: Nanos(SECOND), out: Outbox::default() };
    for input in [
        Input::Start,
        Input::Opened,
        Input::Frame(b"ping"),
        Input::Closed { code: None, reason: "" },
    ] {
        bench.input(input);
        assert_eq!((bench.out.actions.as_slice(), bench.feed.deadline()), (&[][..], None));
    }
    bench.now = bench.now + 3600 * SECOND;
    bench.input(Input::Tick);
    assert_eq!(bench.out.actions, []);
}

#[test]
fn a_refused_book_whose_snapshot_still_comes_keeps_its_retry() {
    let mut bench = Bench::new(&[sub("books", "B-U")]);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    let error = r#"{"id":"m1","event":"error","code":"60018","msg":"channel:books,instId:B-U doesn't exist"}"#;
    assert_eq!(bench.frame(error), ["refused books/B-U 60018"]);
    bench.book("snapshot", "1", -1, 7);
    assert!(bench.feed.book("books", "B-U").is_ok());
    assert!(bench.pass(11).iter().any(|line| line.contains("\"subscribe\"")));
}
