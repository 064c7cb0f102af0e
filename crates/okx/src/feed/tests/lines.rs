//! Two lines and one stream: what comes out when one of them, or both, lose something.

use super::*;

fn pair(subscriptions: &[Subscription]) -> Bench {
    let mut config = OkxConfig::new(FeedId(1), "wss://test/public");
    config.subscriptions = subscriptions.to_vec();
    config.lines = 2;
    let mut bench = Bench::of(config);
    let lines = bench.input(Input::Start);
    assert_eq!(lines[0], "open");
    assert_eq!(lines[1], "line 1: Open { url: \"wss://test/public\" }");
    for line in [0, 1] {
        bench.on(line, LineNews::Opened);
        for subscription in subscriptions {
            bench.ack_on(line, subscription);
        }
    }
    bench
}

impl Bench {
    fn on(&mut self, line: u8, news: LineNews<'_>) -> Vec<String> {
        match (line, news) {
            (0, LineNews::Opened) => self.input(Input::Opened),
            (0, LineNews::Frame(bytes)) => self.input(Input::Frame(bytes)),
            (0, LineNews::Closed { code, reason }) => self.input(Input::Closed { code, reason }),
            (line, news) => self.input(Input::Line { line, news }),
        }
    }

    fn ack_on(&mut self, line: u8, subscription: &Subscription) -> Vec<String> {
        let (channel, key) = (&subscription.channel, &subscription.key);
        let text = format!(
            r#"{{"event":"subscribe","arg":{{"channel":"{channel}","instId":"{key}"}},"connId":"c"}}"#
        );
        self.on(line, LineNews::Frame(text.as_bytes()))
    }

    fn book_on(&mut self, line: u8, action: &str, prev: i64, seq: i64) -> Vec<String> {
        let ts = 1_791_369_351_000 + seq;
        let text = format!(
            r#"{{"arg":{{"channel":"books","instId":"B-U"}},"action":"{action}","data":[{{"asks":[],"bids":[["1","{seq}","0","1"]],"ts":"{ts}","seqId":{seq},"prevSeqId":{prev}}}]}}"#
        );
        self.on(line, LineNews::Frame(text.as_bytes()))
    }

    fn trade_on(&mut self, line: u8, id: u64, count: u64) -> Vec<String> {
        let text = format!(
            r#"{{"arg":{{"channel":"trades","instId":"B-U"}},"data":[{{"instId":"B-U","tradeId":"{id}","px":"1.50","sz":"2","side":"buy","ts":"1791369351001","count":"{count}","source":"0","seqId":5}}]}}"#
        );
        self.on(line, LineNews::Frame(text.as_bytes()))
    }

    fn close(&mut self, line: u8) -> Vec<String> {
        self.on(line, LineNews::Closed { code: Some(1006), reason: "gone" })
    }

    /// Brings a line back, to where the book is at `seq`.
    fn back(&mut self, line: u8, seq: i64) {
        self.pass(2);
        self.on(line, LineNews::Opened);
        self.ack_on(line, &sub("books", "B-U"));
        self.book_on(line, "snapshot", -1, seq);
    }

    fn seq(&self) -> Option<i64> {
        self.feed.book_seq("books", "B-U")
    }
}

fn delta(seq: i64) -> Vec<String> {
    vec![format!("orderbook_delta Delta Some({seq}) 1+0")]
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_first_copy_comes_out_and_the_loss_of_either_line_is_no_loss() {
    let mut bench = pair(&[sub("books", "B-U")]);
    assert_eq!(bench.book_on(1, "snapshot", -1, 5), ["orderbook_delta Snapshot Some(5) 1+0"]);
    assert_eq!(bench.book_on(0, "snapshot", -1, 5), NOTHING);
    assert_eq!(bench.book_on(0, "update", 5, 7), delta(7));
    assert_eq!(bench.book_on(1, "update", 5, 7), NOTHING);
    assert_eq!(bench.book_on(1, "update", 7, 9), delta(9));
    // The front goes; what it had brought first stays, and the other goes on.
    assert_eq!(bench.close(0), ["session down 1006 closed without a close frame: gone"]);
    assert_eq!(bench.seq(), Some(9));
    assert_eq!(bench.book_on(1, "update", 9, 10), delta(10));
    bench.back(0, 10);
    assert_eq!(bench.close(1).len(), 1);
    assert_eq!(bench.seq(), Some(10));
    assert_eq!(bench.book_on(0, "update", 10, 12), delta(12));
    let stats = bench.feed.stats();
    assert_eq!((stats.gaps_opened, stats.resyncs, stats.reconnects), (0, 0, 2));
}

#[test]
fn a_hole_of_one_line_is_bridged_by_the_other_in_order() {
    let mut bench = pair(&[sub("books", "B-U"), sub("trades", "B-U")]);
    for line in [0, 1] {
        bench.book_on(line, "snapshot", -1, 5);
        bench.trade_on(line, 100, 1);
    }
    assert_eq!(bench.book_on(0, "update", 7, 9), NOTHING);
    assert_eq!(bench.book_on(0, "update", 9, 11), NOTHING);
    let lines = bench.book_on(1, "update", 5, 7);
    assert_eq!(lines, [delta(7), delta(9), delta(11)].concat());
    assert_eq!(bench.book_on(1, "update", 7, 9), NOTHING);
    assert_eq!(bench.trade_on(1, 104, 2), NOTHING);
    assert_eq!(bench.trade_on(0, 102, 2), ["trade 102 2@1.50", "trade 104 2@1.50"]);
    assert_eq!(bench.trade_on(0, 104, 2), NOTHING);
    assert_eq!(bench.trade_on(1, 102, 2), NOTHING);
    bench.pass(3);
    assert_eq!(bench.feed.stats().gaps_opened, 0);
    assert_eq!(bench.seq(), Some(11));
}

#[test]
fn what_both_lines_lost_is_a_gap_at_once() {
    let mut bench = pair(&[sub("books", "B-U"), sub("trades", "B-U")]);
    for line in [0, 1] {
        bench.book_on(line, "snapshot", -1, 5);
        bench.trade_on(line, 100, 1);
    }
    assert_eq!(bench.trade_on(1, 103, 1), NOTHING);
    let lines = bench.trade_on(0, 103, 1);
    assert_eq!(lines[0], "gap trades/B-U sequence venue");
    assert_eq!(lines[1], "closed trades/B-U sequence lost Some(2) Some(Resumed)");
    assert_eq!(lines[2..], ["trade 103 2@1.50"]);
    // One of them comes after all, and once.
    assert_eq!(bench.trade_on(1, 101, 1), ["trade 101 2@1.50"]);
    assert_eq!(bench.trade_on(0, 101, 1), NOTHING);
    assert_eq!(bench.book_on(0, "update", 7, 9), NOTHING);
    let lines = bench.book_on(1, "update", 7, 9);
    assert!(lines.contains(&"gap books/B-U sequence venue".to_owned()), "{lines:?}");
    assert_eq!(bench.seq(), None);
}

/// An id that has no next one, and then a venue that counts from the start again.
#[test]
fn the_largest_id_is_an_id_like_any_other() {
    let mut bench = pair(&[sub("trades", "B-U")]);
    let last = format!("trade {} 2@1.50", u64::MAX);
    assert_eq!(bench.trade_on(0, u64::MAX, 1), [last]);
    assert_eq!(bench.trade_on(1, u64::MAX, 1), NOTHING);
    let lines = bench.trade_on(0, 5, 1);
    assert!(lines.contains(&"trade 5 2@1.50".to_owned()), "{lines:?}");
}

#[test]
fn patience_with_a_hole_ends() {
    let mut bench = pair(&[sub("books", "B-U"), sub("trades", "B-U")]);
    for line in [0, 1] {
        bench.book_on(line, "snapshot", -1, 5);
        bench.trade_on(line, 100, 1);
    }
    bench.book_on(0, "update", 7, 9);
    bench.trade_on(0, 103, 1);
    let lines = bench.pass(3);
    assert!(lines.contains(&"gap books/B-U sequence venue".to_owned()), "{lines:?}");
    assert!(lines.contains(&"trade 103 2@1.50".to_owned()), "{lines:?}");
    assert_eq!(bench.feed.stats().trades_lost, 2);
}

#[test]
fn a_hole_has_no_hope_when_the_other_line_goes() {
    let mut bench = pair(&[sub("books", "B-U")]);
    for line in [0, 1] {
        bench.book_on(line, "snapshot", -1, 5);
    }
    assert_eq!(bench.book_on(1, "update", 7, 9), NOTHING);
    bench.close(0);
    let lines = bench.pass(0);
    assert!(lines.contains(&"gap books/B-U sequence venue".to_owned()), "{lines:?}");
    // And the line that is left asks for a snapshot.
    bench.pass(1);
    assert_eq!(bench.feed.stats().resyncs, 1);
}

#[test]
fn a_line_that_has_no_snapshot_yet_stands_in_for_nobody() {
    let mut bench = pair(&[sub("books", "B-U")]);
    bench.book_on(0, "snapshot", -1, 5);
    let lines = bench.close(0);
    assert_eq!(lines[0], "gap books/B-U disconnect link");
    assert_eq!(bench.book_on(1, "snapshot", -1, 6)[1], "orderbook_delta Snapshot Some(6) 1+0");
}

#[test]
fn a_snapshot_ahead_of_the_live_book_waits_for_it() {
    let mut bench = pair(&[sub("books", "B-U")]);
    bench.book_on(0, "snapshot", -1, 5);
    assert_eq!(bench.book_on(1, "snapshot", -1, 9), NOTHING);
    assert_eq!(bench.book_on(1, "update", 9, 11), NOTHING);
    assert_eq!(bench.book_on(0, "update", 5, 7), delta(7));
    assert_eq!(bench.book_on(0, "update", 7, 9), [delta(9), delta(11)].concat());
    bench.close(0);
    assert_eq!(bench.seq(), Some(11));
}

#[test]
fn a_snapshot_that_contradicts_the_live_book_ends_its_service() {
    let mut bench = pair(&[sub("books", "B-U")]);
    bench.book_on(0, "snapshot", -1, 5);
    bench.book_on(0, "update", 5, 7);
    let other = r#"{"arg":{"channel":"books","instId":"B-U"},"action":"snapshot","data":[{"asks":[],"bids":[["1","8","0","1"]],"ts":"1791369351007","seqId":7,"prevSeqId":-1}]}"#;
    let lines = bench.on(1, LineNews::Frame(other.as_bytes()));
    assert!(lines.iter().any(|line| line.starts_with("fault bad_book books/B-U")), "{lines:?}");
    assert!(lines.contains(&"gap books/B-U unverifiable ours".to_owned()), "{lines:?}");
}

#[test]
fn tickers_come_out_once_and_never_back_in_time() {
    let subs = [sub("tickers", "B-U")];
    let mut bench = pair(&subs);
    let mut ticker = |line: u8, ts: u64| {
        let text = format!(
            r#"{{"arg":{{"channel":"tickers","instId":"B-U"}},"data":[{{"instType":"SPOT","instId":"B-U","last":"1","ts":"{ts}"}}]}}"#
        );
        bench.on(line, LineNews::Frame(text.as_bytes())).len()
    };
    assert_eq!([ticker(0, 10), ticker(1, 10), ticker(1, 20), ticker(0, 20)], [1, 0, 1, 0]);
    assert_eq!([ticker(1, 30), ticker(0, 25), ticker(0, 30)], [1, 0, 0]);
}

#[test]
fn a_notice_leads_to_a_hand_over_without_a_gap() {
    let subs = [sub("books", "B-U"), sub("trades", "B-U")];
    let mut bench = Bench::up(&subs);
    bench.book_on(0, "snapshot", -1, 5);
    bench.trade_on(0, 100, 1);
    let notice = r#"{"event":"notice","code":"64008","msg":"soon","connId":"c"}"#;
    assert_eq!(bench.frame(notice)[0], "line 1: Open { url: \"wss://test/public\" }");
    bench.on(1, LineNews::Opened);
    subs.iter().for_each(|s| assert_eq!(bench.ack_on(1, s), NOTHING));
    // Not before the book is there, however long that takes.
    assert!(!bench.pass(5).contains(&"close".to_owned()));
    bench.book_on(1, "snapshot", -1, 5);
    bench.book_on(1, "update", 5, 7);
    assert_eq!(bench.book_on(0, "update", 5, 7), NOTHING);
    let lines = bench.pass(2);
    assert!(lines.contains(&"close".to_owned()), "{lines:?}");
    bench.on(0, LineNews::Closed { code: None, reason: "closed by us" });
    assert_eq!(bench.book_on(1, "update", 7, 9), delta(9));
    assert_eq!(bench.trade_on(1, 101, 1), ["trade 101 2@1.50"]);
    assert_eq!(bench.feed.stats().gaps_opened, 0);
    assert_eq!(bench.feed.status().hand_overs, 1);
    assert_eq!(bench.feed.status().lines.len(), 1);
    // And back again, on request.
    assert_eq!(bench.input(Input::Command(Command::HandOver))[0], "open");
}

#[test]
fn a_planned_rotation_comes_when_it_is_due() {
    let mut config = OkxConfig::new(FeedId(1), "wss://test/public");
    config.subscriptions = vec![sub("trades", "B-U")];
    config.rotate_ns = 60 * SECOND;
    let mut bench = Bench::of(config);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    bench.ack("subscribe", &sub("trades", "B-U"));
    for _ in 0..5 {
        bench.pass(10);
        bench.frame("pong");
    }
    assert!(bench.pass(12).iter().any(|line| line.starts_with("line 1: Open")));
}

#[test]
fn the_state_of_two_lines_comes_back() {
    let mut bench = pair(&[sub("books", "B-U"), sub("trades", "B-U")]);
    for line in [0, 1] {
        bench.book_on(line, "snapshot", -1, 5);
        bench.trade_on(line, 100, 1);
    }
    bench.book_on(1, "update", 7, 9);
    bench.trade_on(0, 103, 1);
    let mut state = Vec::new();
    bench.feed.checkpoint(&mut state);
    let mut again = bench.clone();
    again.feed = OkxFeed::restore(bench.feed.config.clone(), &state).unwrap();
    for one in [&mut bench, &mut again] {
        assert_eq!(one.book_on(0, "update", 5, 7), [delta(7), delta(9)].concat());
        assert_eq!(one.close(0).len(), 1);
        assert_eq!(one.trade_on(1, 101, 1)[0], "trade 101 2@1.50");
        one.pass(9);
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    bench.feed.checkpoint(&mut left);
    again.feed.checkpoint(&mut right);
    assert_eq!(left, right);
}

#[test]
fn what_is_asked_for_later_is_asked_for_on_both_lines() {
    let mut bench = pair(&[sub("trades", "B-U")]);
    bench.pass(1);
    let asked = |lines: Vec<String>| lines.iter().filter(|l| l.contains("books")).count();
    let one = vec![sub("books", "B-U")];
    let mut sent = asked(bench.input(Input::Command(Command::Subscribe(one.clone()))));
    sent += asked(bench.pass(1));
    assert_eq!(sent, 2);
    for line in [0, 1] {
        bench.ack_on(line, &one[0]);
    }
    sent = asked(bench.input(Input::Command(Command::Unsubscribe(one))));
    sent += asked(bench.pass(1));
    assert_eq!(sent, 2);
}
