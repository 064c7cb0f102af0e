//! Books for those who enter a feed in the middle.

use super::*;

fn opening(bench: &Bench) -> Batch {
    let mut batch = Batch::default();
    bench.feed.opening_books(bench.now, &mut batch);
    batch
}

#[test]
fn a_copy_begins_with_the_book_as_it_is_and_only_if_it_is_proven() {
    let subs = [sub("books", "B-U"), sub("books5", "B-U"), sub("trades", "B-U")];
    let mut bench = Bench::up(&subs);
    let whole = r#"{"arg":{"channel":"books5","instId":"B-U"},"data":[{"asks":[],"bids":[],"instId":"B-U","ts":"5","seqId":1}]}"#;
    bench.frame(whole);
    assert!(opening(&bench).is_empty());
    bench.book("snapshot", "1", -1, 7);
    bench.book("update", "2", 7, 9);
    let n = bench.out.events.headers().map(|header| header.n).max();
    let batch = opening(&bench);
    assert_eq!(
        batch.iter().map(|e| line(&e)).collect::<Vec<_>>(),
        ["orderbook_delta Snapshot Some(9) 2+0"]
    );
    let event = batch.get(0).unwrap();
    assert_eq!((event.channel(), event.inst_id()), ("books", "B-U"));
    assert_eq!((Some(event.header.n), event.header.ts_recv), (n, bench.now));
    let Body::Book(_, bids, _) = event.body else { panic!("no book") };
    assert_eq!(bids.iter().map(|l| l.px.to_string()).collect::<Vec<_>>(), ["2", "1"]);
    // It counts nowhere: the next event has the next number.
    bench.trade(5, 1);
    assert_eq!(bench.out.events.get(0).map(|e| e.header.n), n.map(|n| n + 1));
    // An update that does not follow takes it out of service.
    bench.book("update", "3", 8, 10);
    assert!(opening(&bench).is_empty());
    bench.input(Input::Closed { code: Some(1006), reason: "gone" });
    assert!(opening(&bench).is_empty());
}
