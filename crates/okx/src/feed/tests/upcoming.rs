//! A finer tick was announced: it holds from its time on, whether or not the venue says so again.

use super::*;

/// The row of a swap, and what it says of its tick.
fn row(tick: &str, changes: &str) -> String {
    format!(
        r#"{{"instType":"SWAP","instId":"B-U","state":"live","tickSz":"{tick}","upcChg":[{changes}]}}"#
    )
}

/// To `0.001`, so many seconds after the beginning.
fn finer(bench: &Bench, seconds: u64) -> String {
    let at = (bench.now + seconds * SECOND).millis();
    format!(r#"{{"param":"tickSz","newValue":"0.001","effTime":"{at}"}}"#)
}

fn news(row: &str) -> String {
    format!(r#"{{"arg":{{"channel":"instruments","instType":"SWAP"}},"data":[{row}]}}"#)
}

fn tick(bench: &Bench) -> String {
    let names = bench.feed.emit.names();
    let known = names.instruments.iter().find(|x| &*x.inst_id == "B-U").unwrap();
    known.tick_sz.map_or_else(String::new, |tick| tick.to_string())
}

fn followed() -> [Subscription; 2] {
    [sub("instruments", "SWAP"), sub("books", "B-U")]
}

/// The records of instruments among what came out last: when they hold, and their rows.
fn said(bench: &Bench) -> Vec<(Option<u64>, String)> {
    let one = |event: EventRef<'_>| match event.body {
        Body::Instrument(x) => Some((
            event.header.ts_event.map(|ts| ts.since(bench.now - 3 * SECOND)),
            x.row.to_string(),
        )),
        _ => None,
    };
    bench.out.events.iter().filter_map(one).collect()
}

#[test]
fn an_announced_tick_holds_from_its_time_on_and_is_said() {
    let mut bench = Bench::up(&followed());
    bench.book("snapshot", "1.50", -1, 7);
    let announced = row("0.01", &finer(&bench, 3));
    let due = bench.now + 3 * SECOND;
    let due = Nanos::from_millis(due.millis());
    assert_eq!(bench.frame(&news(&announced)), ["instrument instruments/B-U"]);
    assert_eq!((tick(&bench), bench.feed.deadline()), ("0.01".into(), Some(due)));
    bench.now = due - 1_000_001;
    assert_eq!(bench.input(Input::Tick), [""; 0], "a nanosecond before");
    bench.now = due - 1_000_000;
    assert_eq!(bench.input(Input::Tick), ["instrument instruments/B-U"]);
    assert_eq!(tick(&bench), "0.001");
    let event = bench.out.events.iter().next().unwrap();
    assert_eq!(event.header.ts_event, Some(due));
    assert_eq!(said(&bench)[0].1, row("0.001", ""));
    // The chain of the book goes on, now in finer steps.
    assert_eq!(bench.book("update", "1.505", 7, 9), ["orderbook_delta Delta Some(9) 1+0"]);
    let book = bench.feed.book("books", "B-U").unwrap();
    let bids: Vec<String> = book.levels(Side::Bid).map(|level| level.px.to_string()).collect();
    assert_eq!(bids, ["1.505", "1.50"], "and the venue's own text stays");
    // What the venue says itself is said as ever, and is no change.
    assert_eq!(bench.frame(&news(&row("0.001", ""))), ["instrument instruments/B-U"]);
    assert_eq!(said(&bench), [(None, row("0.001", ""))]);
}

#[test]
fn it_comes_before_whatever_else_comes_then_and_without_news_it_is_only_known() {
    for (follows, said) in [(&followed()[..], true), (&followed()[1..], false)] {
        let mut bench = Bench::up(follows);
        let announced = row("0.01", &finer(&bench, 1));
        let known = instrument(&announced);
        bench.input(Input::Command(Command::Instruments(vec![known])));
        bench.now = bench.now + SECOND;
        let lines = bench.book("snapshot", "1.505", -1, 7);
        let first = if said {
            "instrument instruments/B-U"
        } else {
            "orderbook_delta Snapshot Some(7) 1+0"
        };
        assert!(lines[0].starts_with(first), "{lines:?}");
        assert_eq!(tick(&bench), "0.001");
    }
}

#[test]
fn a_row_that_is_older_than_its_change_is_said_and_then_put_right() {
    let mut bench = Bench::up(&followed());
    let announced = row("0.01", &finer(&bench, 1));
    bench.now = bench.now + 60 * SECOND;
    let twice = ["instrument instruments/B-U"; 2];
    assert_eq!(bench.frame(&news(&announced)), twice);
    let rows: Vec<String> = said(&bench).into_iter().map(|(_, row)| row).collect();
    assert_eq!(rows, [announced, row("0.001", "")]);
    assert_eq!(tick(&bench), "0.001");
}

#[test]
fn a_change_survives_a_lost_connection_and_a_checkpoint() {
    let mut bench = Bench::up(&followed());
    let announced = row("0.01", &finer(&bench, 90));
    bench.frame(&news(&announced));
    bench.reconnect(&followed());
    let mut bytes = Vec::new();
    bench.feed.checkpoint(&mut bytes);
    let mut config = OkxConfig::new(FeedId(1), "wss://test/public");
    config.subscriptions = followed().to_vec();
    let mut again = bench.clone();
    again.feed = OkxFeed::restore(config, &bytes).unwrap();
    let (one, other) = (bench.pass(100), again.pass(100));
    assert_eq!(one, other);
    assert!(one.contains(&"instrument instruments/B-U".to_owned()), "{one:?}");
    assert_eq!((tick(&bench), tick(&again)), ("0.001".into(), "0.001".into()));
    bench.input(Input::Command(Command::Stop));
    assert_eq!(bench.feed.upcoming_at(), None);
}

fn instrument(row: &str) -> Arc<Instrument> {
    let raw = crate::json::parse(row.as_bytes()).unwrap();
    Arc::new(crate::catalogue::instrument_from_row(raw).unwrap())
}
