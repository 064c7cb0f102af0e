//! Dialogues about a second witness: what is compared, with what, and what comes of it.

use super::*;

const ASK: &str = "get /api/v5/market/books?instId=B-U&sz=400";
const NOTHING: [&str; 0] = [];
/// The venue's time of a row with this id.
fn ts(seq: i64) -> i64 {
    1_791_369_351_000 + seq
}

fn config(channels: &[&str]) -> OkxConfig {
    let mut config = OkxConfig::new(FeedId(1), "wss://test/public");
    config.subscriptions = channels.iter().map(|channel| sub(channel, "B-U")).collect();
    config.seed = 0;
    config.witness_ns = 10 * SECOND;
    config
}

/// A feed with a live book at 7 (bids 1 and 2, ask 9) whose turn has just begun.
fn started(channels: &[&str]) -> Bench {
    let mut bench = Bench::of(config(channels));
    bench.input(Input::Start);
    bench.input(Input::Opened);
    for channel in channels {
        bench.ack("subscribe", &sub(channel, "B-U"));
    }
    bench.snapshot(7);
    for channel in channels.iter().filter(|channel| **channel != "books") {
        bench.whole(channel, 7, "2");
    }
    bench.turn();
    bench
}

/// Bids 1 and 2 of these quantities, an ask at 9.
fn levels(one: &str, two: &str) -> String {
    format!(r#""asks":[["9","1","0","1"]],"bids":[["2","{two}","0","1"],["1","{one}","0","1"]]"#)
}

fn rest(levels: &str, seq: i64) -> String {
    let ts = ts(seq);
    format!(r#"{{"code":"0","msg":"","data":[{{{levels},"ts":"{ts}","seqId":{seq}}}]}}"#)
}

impl Bench {
    /// Lets time pass until the next turn begins; says how many seconds.
    fn turn(&mut self) -> u64 {
        for seconds in 0.. {
            self.frame("pong");
            if self.pass(1).contains(&ASK.to_owned()) {
                return seconds;
            }
            assert!(seconds < 4_000, "nobody asks");
        }
        0
    }

    fn snapshot(&mut self, seq: i64) -> Vec<String> {
        self.books("snapshot", &levels("1", "1"), -1, seq)
    }

    fn books(&mut self, action: &str, levels: &str, prev: i64, seq: i64) -> Vec<String> {
        let ts = ts(seq);
        self.frame(&format!(
            r#"{{"arg":{{"channel":"books","instId":"B-U"}},"action":"{action}","data":[{{{levels},"ts":"{ts}","seqId":{seq},"prevSeqId":{prev}}}]}}"#
        ))
    }

    /// The quantity of the best bid becomes `qty`.
    fn best(&mut self, qty: &str, prev: i64, seq: i64) -> Vec<String> {
        let levels = format!(r#""asks":[],"bids":[["2","{qty}","0","1"]]"#);
        self.books("update", &levels, prev, seq)
    }

    /// A whole book with these two best levels.
    fn whole(&mut self, channel: &str, seq: i64, bid: &str) -> Vec<String> {
        let ts = ts(seq);
        let levels = match channel {
            "bbo-tbt" => format!(r#""asks":[["9","1","0","1"]],"bids":[["{bid}","1","0","1"]]"#),
            _ => levels("1", "1"),
        };
        self.frame(&format!(
            r#"{{"arg":{{"channel":"{channel}","instId":"B-U"}},"data":[{{{levels},"instId":"B-U","ts":"{ts}","seqId":{seq}}}]}}"#
        ))
    }

    fn answer(&mut self, id: u64, levels: &str, seq: i64) -> Vec<String> {
        let body = rest(levels, seq);
        self.input(Input::Response { id, status: 200, body: body.as_bytes() })
    }

    /// Agreements, differences, and what could not be compared, of each witness.
    fn said(&self) -> Vec<(&'static str, [u64; 3])> {
        let witnesses = self.feed.status().witnesses;
        let all = witnesses.iter().map(|w| (w.witness, [w.agree, w.differ, w.skipped]));
        all.filter(|(_, said)| *said != [0; 3]).collect()
    }
}

#[test]
fn a_book_is_compared_at_the_same_id_and_nothing_else_happens() {
    let mut bench = started(&["books"]);
    assert_eq!(bench.answer(1, &levels("1", "1"), 7), NOTHING);
    assert_eq!(bench.said(), [("rest", [1, 0, 0])]);
    // What the book was when it was asked about, although it has changed meanwhile.
    bench.turn();
    bench.best("5", 7, 9);
    assert_eq!(bench.answer(2, &levels("1", "1"), 7), NOTHING);
    assert_eq!(bench.said(), [("rest", [2, 0, 0])]);
    // An answer ahead of the book waits for it.
    bench.turn();
    assert_eq!(bench.answer(3, &levels("1", "6"), 12), NOTHING);
    assert_eq!(bench.best("4", 9, 10).len(), 1);
    assert_eq!(bench.said(), [("rest", [2, 0, 0])]);
    assert_eq!(bench.best("6", 10, 12).len(), 1);
    assert_eq!(bench.said(), [("rest", [3, 0, 0])]);
    // The same number written longer is the same number.
    bench.turn();
    bench.answer(4, &levels("1.0", "6.00"), 12);
    assert_eq!(bench.said(), [("rest", [4, 0, 0])]);
    assert_eq!(bench.feed.stats().faults, 0);
}

#[test]
fn what_names_another_id_says_nothing_and_the_book_has_another_turn() {
    let mut bench = started(&["books"]);
    // Between two pushes: the book never was there.
    bench.best("5", 7, 20);
    assert_eq!(bench.answer(1, &levels("1", "3"), 9), NOTHING);
    assert_eq!(bench.said(), [("rest", [0, 0, 1])]);
    // An old copy, no answer, an answer of nothing, and none that ever comes.
    bench.turn();
    assert_eq!(bench.answer(2, &levels("8", "8"), 6), NOTHING);
    bench.turn();
    bench.input(Input::Response { id: 3, status: 429, body: br#"{"code":"50011","data":[]}"# });
    bench.turn();
    bench.input(Input::Response { id: 4, status: 0, body: b"no answer" });
    bench.turn();
    bench.pass(6);
    assert_eq!(bench.said(), [("rest", [0, 0, 5])]);
    // It comes after all.
    assert_eq!(bench.answer(5, &levels("8", "8"), 20), NOTHING);
    // An answer ahead of a book that never comes so far.
    bench.turn();
    assert_eq!(bench.answer(6, &levels("8", "8"), 30), NOTHING);
    assert!(bench.best("5", 20, 31).len() == 1);
    assert_eq!(bench.said(), [("rest", [0, 0, 6])]);
    assert_eq!(bench.feed.book_seq("books", "B-U"), Some(31));
    assert_eq!(bench.feed.stats().gaps_opened, 0);
}

#[test]
fn what_differs_ends_the_books_service_and_it_begins_anew() {
    let mut bench = started(&["books"]);
    let lines = bench.answer(1, &levels("1", "3"), 7);
    assert_eq!(
        lines,
        [
            format!(r#"send {{"id":"m2","op":"unsubscribe","args":[{BOOKS}]}}"#).as_str(),
            "fault book_differs books/B-U rest has the bid 3 @ 2 (1 orders), the book has \
             1 @ 2 (1 orders), at seqId 7",
            "gap books/B-U contradicted ours",
        ]
    );
    assert_eq!(bench.feed.book("books", "B-U").err(), Some(NotLive::AwaitingSnapshot));
    let mut bytes = Vec::new();
    bench.feed.checkpoint(&mut bytes);
    assert!(OkxFeed::restore(config(&["books"]), &bytes).is_ok());
    bench.pass(1);
    bench.ack("unsubscribe", &sub("books", "B-U"));
    bench.ack("subscribe", &sub("books", "B-U"));
    let lines = bench.snapshot(40);
    assert_eq!(lines[0], "closed books/B-U contradicted lost None Some(Snapshot)");
    assert_eq!(bench.said(), [("rest", [0, 1, 0])]);
    bench.turn();
    assert_eq!(bench.answer(2, &levels("1", "1"), 40), NOTHING);
    assert_eq!(bench.said(), [("rest", [1, 1, 0])]);
}

#[test]
fn a_level_that_one_side_alone_has_is_a_difference() {
    let ask = r#""asks":[["9","1","0","1"]]"#;
    for (bids, why) in [
        (r#"[["3","1","0","1"],["2","1","0","1"],["1","1","0","1"]]"#, "bid 1 @ 3 (1 orders), the"),
        (r#"[["1","1","0","1"]]"#, "bid nothing, the book has 1 @ 2 "),
        (r#"[["2","1","0","1"]]"#, "bid nothing, the book has 1 @ 1 "),
        (r#"[["2","1","0","1"],["1","1","0","2"]]"#, "bid 1 @ 1 (2 orders), the book has 1 @ 1 "),
        (
            r#"[["2","1","0","1"],["1","1","0","1"],["0.5","1","0","1"]]"#,
            "bid 1 @ 0.5 (1 orders), the book has nothing",
        ),
    ] {
        let mut bench = started(&["books"]);
        let lines = bench.answer(1, &format!(r#"{ask},"bids":{bids}"#), 7);
        assert!(lines.len() == 3 && lines[1].contains(why), "{why}: {lines:?}");
    }
}

#[test]
fn other_channels_are_witnesses_while_the_book_has_its_turn() {
    let channels = ["books", "bbo-tbt", "books5"];
    let mut bench = started(&channels);
    // `bbo-tbt` comes before the push that it belongs to, `books5` behind it.
    assert_eq!(bench.whole("bbo-tbt", 9, "2").len(), 1);
    assert_eq!(bench.best("1", 7, 9).len(), 1);
    assert_eq!(bench.whole("books5", 9, "2").len(), 1);
    assert_eq!(bench.said(), [("bbo-tbt", [1, 0, 0]), ("books5", [1, 0, 0])]);
    bench.answer(1, &levels("1", "1"), 9);
    let all = |n| [("rest", [n, 0, 0]), ("bbo-tbt", [n, 0, 0]), ("books5", [n, 0, 0])];
    assert_eq!(bench.said(), all(1));
    // Nobody listens between two turns.
    bench.whole("bbo-tbt", 9, "1.5");
    assert_eq!(bench.feed.stats().faults, 0);
    bench.turn();
    bench.whole("bbo-tbt", 10, "1.5");
    let lines = bench.best("1", 9, 10);
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(
        lines[2],
        "fault book_differs books/B-U bbo-tbt has the bid nothing, the book has 1 @ 2 (1 orders), \
         at seqId 10"
    );
    assert_eq!(bench.said()[1], ("bbo-tbt", [1, 1, 0]));
    assert_eq!(bench.said()[2], ("books5", [1, 0, 1]));
}

#[test]
fn ids_that_go_down_or_come_again_prove_nothing() {
    let mut bench = started(&["books"]);
    bench.best("5", 7, 2);
    assert_eq!(bench.said(), [("rest", [0, 0, 1])]);
    assert_eq!(bench.answer(1, &levels("1", "1"), 7), NOTHING);
    // The book is at 7 again, and REST may still have the older one.
    bench.best("6", 2, 7);
    assert!((19..40).contains(&bench.turn()));
    // What is dated long before the book came so far is of another book of that id.
    bench.best("6", 7, 5_000);
    let body = rest(&levels("1", "1"), 5_000).replace(&ts(5_000).to_string(), &ts(7).to_string());
    bench.input(Input::Response { id: 2, status: 200, body: body.as_bytes() });
    assert_eq!(bench.said(), [("rest", [0, 0, 2])]);
    assert_eq!(bench.feed.stats().gaps_opened, 0);
}

#[test]
fn a_book_that_is_contradicted_again_and_again_is_asked_about_less_and_less() {
    let mut bench = started(&["books"]);
    let mut waits = Vec::new();
    for id in 1..7 {
        bench.answer(id, &levels("1", "3"), 7);
        bench.pass(1);
        bench.ack("unsubscribe", &sub("books", "B-U"));
        bench.ack("subscribe", &sub("books", "B-U"));
        bench.snapshot(7);
        let mut waited = 0;
        loop {
            bench.frame("pong");
            bench.books("update", r#""asks":[],"bids":[]"#, 7, 7);
            waited += 1;
            if bench.pass(1).contains(&ASK.to_owned()) {
                break;
            }
        }
        waits.push(waited);
    }
    assert!(waits[0] <= 10 && waits.is_sorted() && waits[5] > 150, "{waits:?}");
}

#[test]
fn nobody_asks_about_what_is_not_live_or_has_no_ids_over_rest() {
    let mut bench = Bench::of(config(&["books-rpi", "bbo-tbt", "trades", "books"]));
    bench.input(Input::Start);
    bench.input(Input::Opened);
    for channel in ["books-rpi", "bbo-tbt", "trades", "books"] {
        bench.ack("subscribe", &sub(channel, "B-U"));
    }
    bench.whole("bbo-tbt", 7, "2");
    assert!(!bench.pass(9).contains(&ASK.to_owned()));
    bench.snapshot(7);
    bench.turn();
    // It is gone when the answer comes.
    bench.best("1", 8, 9);
    assert_eq!(bench.answer(1, &levels("8", "8"), 7), NOTHING);
    bench.pass(6);
    assert_eq!(bench.said(), [("rest", [0, 0, 1]), ("bbo-tbt", [0, 0, 1])]);
}

#[test]
fn the_witness_stays_with_the_feed_through_lost_connections() {
    let mut bench = started(&["books"]);
    bench.answer(1, &levels("1", "1"), 7);
    for _ in 0..2 {
        bench.reconnect(&[sub("books", "B-U")]);
        bench.snapshot(7);
        bench.turn();
        bench.pass(6);
    }
    assert_eq!(bench.said(), [("rest", [1, 0, 2])]);
    bench.input(Input::Command(Command::Stop));
    bench.input(Input::Closed { code: None, reason: "closed on request" });
    assert_eq!(bench.feed.deadline(), None);
}

#[test]
fn of_two_lines_the_book_that_comes_out_is_compared() {
    let mut two = config(&["books"]);
    two.lines = 2;
    let mut bench = Bench::of(two);
    bench.input(Input::Start);
    let on = |bench: &mut Bench, line: u8, text: &str| match line {
        0 => bench.frame(text),
        _ => bench.input(Input::Line { line, news: LineNews::Frame(text.as_bytes()) }),
    };
    let ack = r#"{"event":"subscribe","arg":{"channel":"books","instId":"B-U"},"connId":"c"}"#;
    let row = |action: &str, bids: &str, prev: i64, seq: i64| {
        let ts = ts(seq);
        format!(
            r#"{{"arg":{{"channel":"books","instId":"B-U"}},"action":"{action}","data":[{{"asks":[],"bids":{bids},"ts":"{ts}","seqId":{seq},"prevSeqId":{prev}}}]}}"#
        )
    };
    bench.input(Input::Opened);
    bench.input(Input::Line { line: 1, news: LineNews::Opened });
    for line in [0, 1] {
        on(&mut bench, line, ack);
        on(&mut bench, line, &row("snapshot", r#"[["1","1","0","1"]]"#, -1, 7));
    }
    bench.turn();
    // One change by each line, the second copy of either dropped.
    on(&mut bench, 1, &row("update", r#"[["2","1","0","1"]]"#, 7, 9));
    on(&mut bench, 0, &row("update", r#"[["2","1","0","1"]]"#, 7, 9));
    on(&mut bench, 0, &row("update", r#"[["3","1","0","1"]]"#, 9, 10));
    on(&mut bench, 1, &row("update", r#"[["3","1","0","1"]]"#, 9, 10));
    let bids = r#""asks":[],"bids":[["2","1","0","1"],["1","1","0","1"]]"#;
    assert_eq!(bench.answer(1, bids, 9), NOTHING);
    assert_eq!(bench.said(), [("rest", [1, 0, 0])]);
    // The front goes, and the turns go on; a difference ends the book on both.
    bench.input(Input::Closed { code: Some(1006), reason: "gone" });
    on(&mut bench, 1, &row("update", r#"[["4","1","0","1"]]"#, 10, 12));
    bench.turn();
    let lines = bench.answer(2, bids, 12);
    assert!(lines.contains(&"gap books/B-U contradicted ours".to_owned()), "{lines:?}");
    assert!(bench.feed.book("books", "B-U").is_err());
    on(&mut bench, 1, &row("update", r#"[["5","1","0","1"]]"#, 12, 13));
    assert!(bench.feed.book("books", "B-U").is_err());
    on(&mut bench, 1, ack.replace("subscribe", "unsubscribe").as_str());
    bench.pass(1);
    on(&mut bench, 1, ack);
    on(&mut bench, 1, &row("snapshot", r#"[["1","1","0","1"]]"#, -1, 15));
    assert_eq!(bench.feed.book_seq("books", "B-U"), Some(15));
}

#[test]
fn a_turn_survives_as_bytes() {
    let mut bench = started(&["books", "bbo-tbt"]);
    bench.best("5", 7, 9);
    bench.whole("bbo-tbt", 11, "2");
    let bytes = |feed: &OkxFeed| {
        let mut bytes = Vec::new();
        feed.checkpoint(&mut bytes);
        bytes
    };
    let mut other = bench.clone();
    other.feed = OkxFeed::restore(config(&["books", "bbo-tbt"]), &bytes(&bench.feed)).unwrap();
    for bench in [&mut bench, &mut other] {
        assert_eq!(bench.answer(1, &levels("1", "5"), 9), NOTHING);
        assert_eq!(bench.said(), [("rest", [1, 0, 0])]);
        bench.best("1", 9, 11);
        assert_eq!(bench.said()[1], ("bbo-tbt", [1, 0, 0]));
        bench.turn();
    }
    assert_eq!(bytes(&bench.feed), bytes(&other.feed));
}
