//! A feed over the binary socket: what it asks for, how its books begin, and what it makes of
//! messages that should not come. Messages are written here by hand, after the documented layout.
#![allow(clippy::unwrap_used)]

use market_data_model::{Action, Body, Command, Feed as _, FeedId, Input, Instrument, Nanos};
use market_data_model::{Outbox, Subscription};
use market_data_okx::{OkxConfig, OkxFeed, RestoreError};
use proptest::prelude::*;
use std::sync::Arc;

const CODE: i64 = 77;
const BOOK: &str = "books-l2-tbt";
const ACK: &str =
    r#"{"event":"subscribe","arg":{"channel":"books-l2-tbt","instIdCode":77},"connId":"c"}"#;

fn config(channels: &[&str]) -> OkxConfig {
    let mut config = OkxConfig::new(FeedId(1), "wss://example.test/ws/v5/public-sbe");
    config.subscriptions = channels.iter().map(|one| Subscription::new(one, "A-B")).collect();
    let mut known = Instrument::named("A-B");
    (known.state, known.inst_id_code) = ("live".into(), Some(CODE));
    config.instruments = vec![Arc::new(known)];
    (config.sbe, config.login) = (true, true);
    config
}

fn head(out: &mut Vec<u8>, block: u16, template: u16, code: i64) {
    for number in [block, template, 1, 0] {
        out.extend(number.to_le_bytes());
    }
    out.extend(code.to_le_bytes());
    out.extend(1_791_369_352_001_000i64.to_le_bytes());
}

fn group(out: &mut Vec<u8>, levels: &[(i64, i64)]) {
    out.extend(20u16.to_le_bytes());
    out.extend((levels.len() as u16).to_le_bytes());
    for (px, sz) in levels {
        out.extend(px.to_le_bytes());
        out.extend(sz.to_le_bytes());
        out.extend(1i32.to_le_bytes());
    }
}

fn change(code: i64, (prev, seq): (i64, i64), bids: &[(i64, i64)]) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, 42, 1001, code);
    for number in [0, seq, prev] {
        out.extend(i64::to_le_bytes(number));
    }
    out.extend([0xff, 0]);
    group(&mut out, &[]);
    group(&mut out, bids);
    out
}

fn whole(code: i64, seq: i64, bids: &[(i64, i64)]) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, 26, 1006, code);
    out.extend(seq.to_le_bytes());
    out.extend([0xff, 0]);
    group(&mut out, &[(2000, 1)]);
    group(&mut out, bids);
    out
}

/// A feed, its time, and what it said last.
struct Rig {
    feed: OkxFeed,
    ms: u64,
}

impl Rig {
    fn up(channels: &[&str]) -> Rig {
        let mut rig = Rig { feed: OkxFeed::new(config(channels)), ms: 0 };
        rig.give(Input::Start);
        rig
    }

    /// With its book confirmed and a snapshot asked for, by request 1.
    fn asked() -> Rig {
        let mut rig = Rig::up(&[BOOK]);
        rig.give(Input::Opened);
        let said = rig.give(Input::Frame(ACK.as_bytes()));
        let get = "get 1 /api/v5/market/books-sbe?instIdCode=77&source=0";
        assert!(said.contains(&get.to_owned()), "{said:?}");
        rig
    }

    /// What came out, in short words.
    fn give(&mut self, input: Input<'_>) -> Vec<String> {
        self.ms += 10;
        let mut out = Outbox::default();
        self.feed.handle(Nanos::from_millis(1_791_369_352_000 + self.ms), input, &mut out);
        let mut said = Vec::new();
        for event in out.events.iter() {
            said.push(match event.body {
                Body::Book(book, ..) => format!("book {:?} {:?}", book.prev_seq, book.seq),
                Body::Gap(gap) => format!("gap {} {}", gap.cause.as_str(), gap.closed),
                Body::Fault(fault) => format!("fault {} {}", fault.code.as_str(), fault.reason),
                Body::Subscription(news) => format!("{} {}", news.step.as_str(), news.reason),
                body => body.kind().to_owned(),
            });
        }
        said.extend(out.actions.iter().map(|action| match action {
            Action::Get { id, path } => format!("get {id} {path}"),
            Action::Send(text) => format!("send {text}"),
            action => format!("{action:?}"),
        }));
        said
    }

    fn frame(&mut self, bytes: &[u8]) -> Vec<String> {
        self.give(Input::Frame(bytes))
    }

    fn answer(&mut self, id: u64, body: &[u8]) -> Vec<String> {
        self.give(Input::Response { id, status: 200, body })
    }

    fn wait(&mut self, ms: u64) -> Vec<String> {
        self.ms += ms;
        self.give(Input::Tick)
    }

    fn bids(&self) -> String {
        let book = self.feed.book(BOOK, "A-B").unwrap();
        let levels = book.levels(market_data_model::Side::Bid);
        levels.map(|l| format!("{}x{}", l.px, l.qty)).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn codes_are_asked_for_and_nothing_else_is_sent() {
    let mut rig = Rig::up(&["bbo-tbt", BOOK]);
    let said = rig.give(Input::Opened);
    let wanted = r#"send {"id":"m1","op":"subscribe","args":[{"channel":"bbo-tbt","instIdCode":77},{"channel":"books-l2-tbt","instIdCode":77}]}"#;
    assert_eq!(said, ["session", wanted], "no login, no ping");
    rig.frame(ACK.as_bytes());
    rig.frame(&ACK.replace(BOOK, "bbo-tbt").into_bytes());
    for _ in 0..30 {
        let said = rig.wait(1000);
        assert!(!said.contains(&"send ping".to_owned()), "{said:?}");
    }
    assert!(rig.frame(b"ping").is_empty(), "OKX answers text with 60012");
}

#[test]
fn a_book_begins_where_its_snapshot_meets_the_stream() {
    let mut rig = Rig::asked();
    assert!(rig.frame(&change(CODE, (90, 100), &[(1000, 1)])).is_empty());
    assert!(rig.frame(&change(CODE, (100, 120), &[(1001, 2)])).is_empty());
    assert!(rig.frame(&change(CODE, (120, 130), &[(1002, 3)])).is_empty());
    assert!(rig.feed.book(BOOK, "A-B").is_err());
    let said = rig.answer(1, &whole(CODE, 110, &[(999, 9), (1000, 1)]));
    assert_eq!(
        said,
        ["book None Some(110)", "book Some(110) Some(120)", "book Some(120) Some(130)"]
    );
    assert_eq!(rig.bids(), "100.2x3 100.1x2 100x1 99.9x9");
}

#[test]
fn a_snapshot_older_than_the_stream_is_asked_for_again() {
    let mut rig = Rig::asked();
    rig.frame(&change(CODE, (120, 130), &[(1002, 3)]));
    assert!(rig.answer(1, &whole(CODE, 110, &[(1000, 1)])).is_empty());
    assert!(rig.feed.book(BOOK, "A-B").is_err());
    assert_eq!(rig.wait(1000).len(), 1, "asked again");
    let said = rig.answer(2, &whole(CODE, 125, &[(1000, 1)]));
    assert_eq!(said, ["book None Some(125)", "book Some(125) Some(130)"]);
    assert_eq!(rig.bids(), "100.2x3 100x1");
}

#[test]
fn a_change_that_shows_a_live_snapshot_too_old_opens_a_gap() {
    let mut rig = Rig::asked();
    rig.answer(1, &whole(CODE, 110, &[(1000, 1)]));
    assert_eq!(rig.bids(), "100x1");
    assert!(rig.frame(&change(CODE, (90, 100), &[(7, 7)])).is_empty(), "older than it");
    assert_eq!(rig.frame(&change(CODE, (120, 130), &[(1002, 3)])), ["gap sequence false"]);
    assert!(rig.feed.book(BOOK, "A-B").is_err());
    rig.wait(1000);
    let said = rig.answer(2, &whole(CODE, 130, &[(1000, 1)]));
    assert_eq!(said, ["gap sequence true", "book None Some(130)"]);
}

#[test]
fn a_broken_chain_is_a_gap_and_a_resync() {
    let mut rig = Rig::asked();
    rig.answer(1, &whole(CODE, 110, &[(1000, 1)]));
    rig.frame(&change(CODE, (110, 120), &[(1001, 1)]));
    let mut exponents = change(CODE, (120, 125), &[]);
    (exponents[0], exponents[2]) = (42, 0xea);
    exponents.truncate(50);
    assert_eq!(rig.frame(&exponents), ["book Some(120) Some(125)"], "1002 is a link");
    rig.frame(&change(CODE, (125, 130), &[]));
    let said = rig.frame(&change(CODE, (140, 150), &[]));
    assert_eq!(said[0], "gap sequence false");
    let unsubscribe = r#""op":"unsubscribe","args":[{"channel":"books-l2-tbt","instIdCode":77}]"#;
    assert!(said.iter().chain(&rig.wait(60)).any(|s| s.contains(unsubscribe)), "{said:?}");
}

#[test]
fn what_cannot_be_placed_or_read_is_a_fault() {
    let mut rig = Rig::asked();
    let said = rig.frame(&change(78, (1, 2), &[]));
    assert_eq!(said, ["fault bad_row instIdCode 78 of books-l2-tbt is none that was asked for"]);
    let mut other = change(CODE, (1, 2), &[]);
    other[4] = 9;
    assert!(rig.frame(&other)[0].starts_with("fault bad_envelope schema 9"));
    let mut unknown = change(CODE, (1, 2), &[]);
    unknown[2] = 0xeb;
    assert!(rig.frame(&unknown).is_empty());
    assert_eq!(rig.feed.stats().unknown_values, 1);
    let refusal = br#"{"code":"50011","msg":"Too Many Requests","data":[]}"#;
    assert!(rig.answer(1, refusal)[0].starts_with("fault bad_response HTTP 200 and no book"));
    rig.wait(1000);
    let foreign = rig.answer(2, &whole(78, 5, &[]));
    assert!(foreign[0].starts_with("fault bad_response the book is of instIdCode 78"));
    assert!(rig.feed.book(BOOK, "A-B").is_err());
}

#[test]
fn what_is_listed_anew_is_asked_for_under_its_new_code() {
    let mut rig = Rig::asked();
    rig.answer(1, &whole(CODE, 110, &[(1000, 1)]));
    let mut anew = Instrument::named("A-B");
    (anew.state, anew.inst_id_code) = ("live".into(), Some(CODE + 1));
    let mut said = rig.give(Input::Command(Command::Instruments(vec![Arc::new(anew)])));
    said.extend(rig.wait(60));
    assert!(said.iter().any(|s| s.contains("unsubscribe") && s.contains(":77}")), "{said:?}");
    let mut said = rig.frame(&ACK.replace("\"subscribe", "\"unsubscribe").into_bytes());
    said.extend(rig.wait(60));
    assert!(said.iter().any(|s| s.contains("subscribe") && s.contains(":78}")), "{said:?}");
    assert!(rig.frame(&change(CODE, (110, 120), &[])).is_empty(), "the old one trails");
    assert_eq!(rig.feed.stats().late_frames, 1);
}

#[test]
fn without_a_code_it_is_refused_in_words() {
    let mut config = config(&["trades"]);
    config.instruments.clear();
    let mut rig = Rig { feed: OkxFeed::new(config), ms: 0 };
    rig.give(Input::Start);
    assert_eq!(rig.give(Input::Opened)[1], "refused it has no instIdCode (yet)");
}

/// A feed in the middle of a book's beginning, or behind it.
fn lived(joined: bool) -> Rig {
    let mut rig = Rig::asked();
    rig.frame(&change(CODE, (90, 100), &[(1000, 1)]));
    if joined {
        rig.answer(1, &whole(CODE, 110, &[(999, 9)]));
    }
    rig
}

#[test]
fn a_restored_feed_goes_on_as_the_original() {
    for joined in [false, true] {
        let mut one = lived(joined);
        let mut bytes = Vec::new();
        one.feed.checkpoint(&mut bytes);
        assert_eq!(bytes[0], 8);
        let mut json = config(&[BOOK]);
        json.sbe = false;
        let other_socket = RestoreError::Malformed("it is of the other kind of socket");
        assert_eq!(OkxFeed::restore(json, &bytes).unwrap_err(), other_socket);
        let feed = OkxFeed::restore(config(&[BOOK]), &bytes).unwrap();
        let mut other = Rig { feed, ms: one.ms };
        for id in [1, 2] {
            let body = whole(CODE, 110, &[(999, 9)]);
            assert_eq!(one.answer(id, &body), other.answer(id, &body));
            let next = change(CODE, (105, 130), &[(5, 5)]);
            assert_eq!(one.frame(&next), other.frame(&next));
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        one.feed.checkpoint(&mut ours);
        other.feed.checkpoint(&mut theirs);
        assert_eq!(ours, theirs);
    }
}

proptest! {
    #[test]
    fn any_messages_and_answers_are_fine(
        inputs in prop::collection::vec(
            (0u8..6, prop::collection::vec(any::<u8>(), 0..90), 80i64..140, 0i64..20),
            1..40,
        ),
    ) {
        let mut rig = Rig::asked();
        let mut id = 1;
        for (what, noise, prev, step) in inputs {
            let mut bytes = match what {
                0 => noise.clone(),
                1 => whole(CODE, prev + step, &[(1000, 1)]),
                _ => change(CODE, (prev, prev + step), &[(1000 + step, prev)]),
            };
            if what > 3 && !bytes.is_empty() {
                for (n, byte) in noise.iter().enumerate().take(3) {
                    let at = (usize::from(*byte) * (n + 7)) % bytes.len();
                    bytes[at] ^= byte;
                }
            }
            match what {
                1 | 3 => { id += 1; rig.answer(id - 1, &bytes) }
                _ => rig.frame(&bytes),
            };
            rig.wait(300);
            let mut state = Vec::new();
            rig.feed.checkpoint(&mut state);
            prop_assert!(OkxFeed::restore(config(&[BOOK]), &state).is_ok());
        }
    }
}
