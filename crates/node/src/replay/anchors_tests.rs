//! Answers behind the frames, ahead of them, between them, and about nothing, on a tape of its own.

use crate::recorder::tape_config;
use crate::replay::{AnchorCount, PlayOptions, ReplayOptions, play};
use market_data_model::{FeedId, Input, Nanos, Side, Subscription};
use market_data_okx::{OkxConfig, rest_book};
use market_data_tape::reader::Tape;
use market_data_tape::{Anchor, Entry, FeedStart, TapeOptions, TapeWriter, encode_config};
use std::convert::Infallible;
use std::ops::ControlFlow;

const FEED: FeedId = FeedId(1);
const T: u64 = 1_795_478_390_000_000_000;

enum Said {
    /// Action, id before, id, bids.
    Frame(&'static str, i64, i64, &'static str),
    /// Status, id, bids.
    Rest(u16, i64, &'static str),
}
use Said::{Frame, Rest};

fn text(said: &Said) -> String {
    let row = |bids: &str, ids: String| {
        format!(r#""data":[{{"asks":[],"bids":[{bids}],"ts":"1795478390000",{ids}}}]"#)
    };
    match said {
        Frame(action, before, seq, bids) => {
            let ids = format!(r#""seqId":{seq},"prevSeqId":{before}"#);
            let arg = r#""arg":{"channel":"books","instId":"BTC-USDT"}"#;
            format!(r#"{{{arg},"action":"{action}",{}}}"#, row(bids, ids))
        }
        Rest(_, seq, bids) => {
            format!(r#"{{"code":"0","msg":"",{}}}"#, row(bids, format!(r#""seqId":{seq}"#)))
        }
    }
}

fn count(said: &[Said]) -> AnchorCount {
    let folder = tempfile::tempdir().unwrap();
    let mut config = OkxConfig::new(FEED, "wss://example/");
    config.subscriptions = vec![Subscription::new("books", "BTC-USDT")];
    let config = encode_config(&tape_config(&config));
    let mut writer = TapeWriter::open(folder.path(), TapeOptions::default(), Nanos(T)).unwrap();
    let start = FeedStart { venue: "okx", config: &config, again: false };
    let mut at = T;
    let mut put = |entry: Entry<'_>| {
        at += 1_000_000;
        let _ = writer.put(FEED, Nanos(at), &entry);
    };
    put(Entry::FeedStart(start));
    put(Entry::Input(Input::Start));
    put(Entry::Input(Input::Opened));
    let path = rest_book::path("BTC-USDT");
    for said in said {
        let text = text(said);
        match said {
            Frame(..) => put(Entry::Input(Input::Frame(text.as_bytes()))),
            Rest(status, ..) => {
                let body = text.as_bytes();
                put(Entry::Anchor(Anchor { path: &path, status: *status, body }));
            }
        }
    }
    writer.close(Nanos(at)).unwrap();
    let replay = ReplayOptions { witness: true, ..ReplayOptions::default() };
    let options = PlayOptions { replay, ..PlayOptions::default() };
    let tape = Tape::open(folder.path()).unwrap();
    let end = play(&tape, &options, |_| Ok::<_, Infallible>(ControlFlow::Continue(()))).unwrap();
    let key = ("books".to_owned(), "BTC-USDT".to_owned());
    end.lives[0].anchors.get(&key).cloned().unwrap_or_default()
}

const ONE: &str = r#"["10.0","1","0","1"]"#;
const TWO: &str = r#"["10.0","1","0","1"],["9.5","2","0","3"]"#;
const THREE: &str = r#"["9.5","2","0","3"]"#;

fn three(rest: impl IntoIterator<Item = (usize, Said)>) -> AnchorCount {
    let mut said = vec![
        Frame("snapshot", -1, 10, ONE),
        Frame("update", 10, 12, r#"["9.5","2","0","3"]"#),
        Frame("update", 12, 15, r#"["10.0","0","0","0"]"#),
    ];
    let mut rest: Vec<_> = rest.into_iter().collect();
    rest.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    rest.into_iter().for_each(|(at, rest)| said.insert(at, rest));
    count(&said)
}

fn numbers(count: &AnchorCount) -> [u64; 3] {
    [count.agree, count.differ, count.not_comparable()]
}

#[test]
fn answers_behind_the_frames_at_them_and_ahead_of_them_are_compared() {
    assert_eq!(numbers(&three([])), [0, 0, 0]);
    for at in 1..=3 {
        // The first answer is where the copy of the book begins.
        let first = (1, Rest(200, 10, ONE));
        for (seq, bids) in [(10, ONE), (12, TWO), (15, THREE)] {
            let found = three([(at, Rest(200, seq, bids)), (1, Rest(200, 10, ONE))]);
            assert_eq!(numbers(&found), [2, 0, 0], "{seq} after {at} frames");
        }
        let found = three([(at, Rest(200, 12, ONE)), first]);
        assert_eq!(numbers(&found), [2, 0, 0], "one level is all that both have");
    }
    assert_eq!(numbers(&three([(0, Rest(200, 12, TWO))])), [1, 0, 0], "before the snapshot");
}

#[test]
fn what_cannot_be_compared_is_counted_apart() {
    for (at, rest, why) in [
        (1, Rest(200, 11, ONE), "between two frames, ahead"),
        (3, Rest(200, 14, TWO), "between two frames, behind"),
        (3, Rest(200, 10, ONE), "before the copy begins"),
        (1, Rest(200, 99, ONE), "never reached"),
        (1, Rest(429, 10, ONE), "refused"),
        (1, Rest(200, 10, "7"), "no levels"),
    ] {
        assert_eq!(numbers(&three([(at, rest)])), [0, 0, 1], "{why}");
    }
    let lost = [
        Frame("snapshot", -1, 10, ONE),
        Rest(200, 10, ONE),
        Frame("update", 11, 12, TWO),
        Rest(200, 12, TWO),
    ];
    assert_eq!(numbers(&count(&lost)), [1, 0, 1], "the chain is broken");
}

#[test]
fn the_first_difference_is_told() {
    let cases = [
        (r#"["10.0","1","0","1"],["9.5","2.0","0","3"]"#, "9.5", Some("2"), Some("2.0")),
        (r#"["10.0","1","0","2"],["9.5","9","0","3"]"#, "10.0", Some("1"), Some("1")),
        (r#"["9.5","2","0","3"]"#, "10.0", Some("1"), None),
        (r#"["11","4","0","3"],["10.0","1","0","1"]"#, "11", None, Some("4")),
    ];
    for (bids, px, ours, theirs) in cases {
        let found = three([(2, Rest(200, 12, bids)), (2, Rest(200, 12, TWO))]);
        assert_eq!(numbers(&found), [1, 1, 0], "{bids}");
        let x = found.difference.unwrap();
        let qty = |level: Option<market_data_model::event::Level>| level.map(|l| l.qty.to_string());
        assert_eq!((x.seq, x.side, x.px.to_string().as_str()), (12, Side::Bid, px));
        assert_eq!((qty(x.ours).as_deref(), qty(x.theirs).as_deref()), (ours, theirs), "{bids}");
    }
}
