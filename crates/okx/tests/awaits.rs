//! What a feed waits for goes away when it comes, also on the fast path, which leaves the table of
//! timers alone while a book is live.
#![allow(clippy::unwrap_used)]

use market_data_model::*;
use market_data_okx::{OkxConfig, OkxFeed, limits};

const ARG: &str = r#""arg":{"channel":"books","instId":"B-U"}"#;

#[test]
fn a_snapshot_ends_the_wait_for_it() {
    for general_only in [false, true] {
        let mut config = OkxConfig::new(FeedId(1), "test");
        config.subscriptions = vec![Subscription::new("books", "B-U")];
        config.general_only = general_only;
        let (mut feed, mut out) = (OkxFeed::new(config), Outbox::default());
        feed.handle(Nanos(1), Input::Start, &mut out);
        feed.handle(Nanos(2), Input::Opened, &mut out);
        let ack = format!(r#"{{"event":"subscribe",{ARG},"connId":"a"}}"#);
        feed.handle(Nanos(3), Input::Frame(ack.as_bytes()), &mut out);
        let awaited = Nanos(3) + limits::SNAPSHOT_WAIT_NS;
        assert!(feed.deadline().unwrap() <= awaited);
        let row = r#"{"asks":[],"bids":[],"ts":"1791369351001","seqId":1,"prevSeqId":-1}"#;
        let frame = format!(r#"{{{ARG},"action":"snapshot","data":[{row}]}}"#);
        feed.handle(Nanos(4), Input::Frame(frame.as_bytes()), &mut out);
        assert!(feed.book("books", "B-U").is_ok());
        // Nothing is due at that time any more, whatever else is due before.
        while feed.deadline().unwrap() < awaited {
            let now = feed.deadline().unwrap();
            feed.handle(now, Input::Frame(b"pong"), &mut out);
            feed.handle(now, Input::Tick, &mut out);
        }
        assert_ne!(feed.deadline().unwrap(), awaited);
    }
}
