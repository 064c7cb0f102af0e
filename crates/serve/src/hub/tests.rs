//! Slow clients under each policy, and what is said of books that cannot be trusted.

use super::*;
use crate::client::{Close, Taken};
use crate::pattern::Pattern;
use crate::store::Stale;
use market_data_model::batch::{BookHead, Names, Other};
use market_data_model::event::*;
use market_data_model::{Decimal, Instrument, Level, Nanos, Px, Qty};
use serde_json::Value;
use std::time::{Duration, Instant};

fn number(n: u64) -> Decimal {
    Decimal::small(n, 1)
}

fn header(n: u64) -> Header {
    let (feed, ts_recv) = (FeedId(1), Nanos(n));
    Header { feed, n, channel: Some(0), inst: Some(0), ts_event: None, ts_recv }
}

fn batch(channel: &str, fill: impl FnOnce(&mut Batch)) -> Arc<Batch> {
    let mut batch = Batch::default();
    let (channels, instruments) = (vec![channel.into()], vec![Arc::new(Instrument::named("A-B"))]);
    batch.set_names(&Arc::new(Names { venue: "okx", channels, instruments }));
    fill(&mut batch);
    Arc::new(batch)
}

fn trade(id: u64) -> Arc<Batch> {
    let (px, qty) = (Px(number(10)), Qty(number(id)));
    let (aggressor, count, source, seq) = (Aggressor::Buyer, None, None, None);
    let trade = Trade { trade_id: id, px, qty, aggressor, count, source, seq, filled: None };
    batch("trades", |batch| batch.push_trade(header(id), trade))
}

fn ticker(n: u64) -> Arc<Batch> {
    let ticker = Ticker { last: Some(Px(number(n))), ..Ticker::default() };
    batch("tickers", |batch| batch.push_ticker(header(n), ticker))
}

/// A book whose only bid is of quantity `seq`.
fn book(kind: BookKind, prev: Option<i64>, seq: i64) -> Arc<Batch> {
    let (px, qty) = (Px(number(10)), Qty(number(seq.unsigned_abs())));
    let level = Level { px, qty, non_rpi: Qty(Decimal::NONE), orders: 1 };
    let head = BookHead { kind, prev_seq: prev, seq: Some(seq), depth: 400 };
    let bids = std::iter::once(level);
    batch("books", |batch| batch.push_book(header(9), head, bids, std::iter::empty()))
}

fn gap(closed: bool) -> Arc<Batch> {
    let (cause, whose) = (GapCause::Sequence, Whose::Venue);
    let (from_id, to_id, from, to, lost, healed) = (None, None, None, None, None, None);
    let gap = Gap { id: 3, closed, cause, whose, from_id, to_id, from, to, lost, healed };
    batch("books", |batch| batch.push_other(header(9), Other::Gap(gap)))
}

fn join(hub: &Hub, id: u64, room: usize, channel: &str, policy: Policy) -> Arc<Outbox> {
    let client = Outbox::new(id, room, &hub.counts.lost);
    let sub = Sub {
        id: 1,
        inst: Pattern::parse("*").unwrap(),
        channel: Pattern::parse(channel).unwrap(),
        depth: None,
        interval: Duration::ZERO,
        policy,
        binary: false,
        client: Arc::clone(&client),
    };
    hub.subscribe(sub, |_| "{}".to_owned());
    assert_eq!(client.take(hub, 1, Instant::now()).frames[0].text(), "{}");
    client
}

/// What waits, checked for holes in `seq` after `seq`.
fn read(hub: &Hub, client: &Outbox, seq: u64) -> (Vec<Value>, Option<Close>) {
    let Taken { frames, close, .. } = client.take(hub, usize::MAX, Instant::now());
    let values: Vec<Value> =
        frames.iter().map(|f| serde_json::from_str(f.text()).unwrap()).collect();
    for (value, seq) in values.iter().zip(seq + 1..) {
        assert_eq!(value["seq"], seq);
    }
    (values, close)
}

fn ids(values: &[Value], of: &str) -> Vec<String> {
    let word = |value: &Value| match &value["lost"] {
        Value::Null => value["record"][of].to_string().replace('"', ""),
        lost => format!("lost {lost}"),
    };
    values.iter().map(word).collect()
}

#[test]
fn who_is_slow_loses_and_is_told_and_nobody_else_is_harmed() {
    let (hub, _sink) = Hub::new([]);
    let slow = join(&hub, 1, 3, "trades", Policy::Gap);
    let fast = join(&hub, 2, 3, "trades", Policy::Gap);
    let mut seen = Vec::new();
    for id in 1..=8 {
        hub.take(&trade(id));
        seen.extend(ids(&read(&hub, &fast, id - 1).0, "tradeId"));
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(ids(&read(&hub, &slow, 0).0, "tradeId"), ["1", "2", "3", "lost 5"]);
    hub.take(&trade(9));
    assert_eq!(ids(&read(&hub, &slow, 4).0, "tradeId"), ["9"]);
    assert_eq!(hub.counts.lost.load(Relaxed), 5);
}

#[test]
fn a_slow_copy_of_a_book_starts_anew_after_a_loss() {
    let (hub, _sink) = Hub::new([]);
    hub.take(&book(BookKind::Snapshot, None, 1));
    let client = join(&hub, 1, 2, "books", Policy::Gap);
    for seq in 2..=4 {
        // Covered by the snapshot that waits.
        hub.take(&book(BookKind::Delta, Some(seq - 1), seq));
    }
    let (first, _) = read(&hub, &client, 0);
    assert_eq!(ids(&first, "lastUpdateId"), ["4"]);
    assert_eq!(first[0]["record"]["isSnapshot"], true);
    for seq in 5..=9 {
        hub.take(&book(BookKind::Delta, Some(seq - 1), seq));
    }
    let (then, _) = read(&hub, &client, 1);
    assert_eq!(ids(&then, "lastUpdateId"), ["5", "6", "lost 3", "9"]);
    assert_eq!(then[3]["record"]["isSnapshot"], true);
    hub.take(&book(BookKind::Delta, Some(9), 10));
    let (then, _) = read(&hub, &client, 5);
    assert_eq!(then[0]["record"]["prevUpdateId"], 9);
}

#[test]
fn the_newest_state_is_all_that_waits() {
    let (hub, _sink) = Hub::new([]);
    let client = join(&hub, 1, 1, "*", Policy::Conflate);
    for n in 1..=100 {
        hub.take(&ticker(n));
    }
    hub.take(&book(BookKind::Snapshot, None, 1));
    hub.take(&book(BookKind::Delta, Some(1), 2));
    let (values, close) = read(&hub, &client, 0);
    assert_eq!((values.len(), close), (2, None));
    assert_eq!(values[0]["record"]["price"], "10.0");
    assert_eq!(values[1]["record"]["lastUpdateId"], 2);
    assert_eq!(values[1]["record"]["isSnapshot"], true);
    assert_eq!(read(&hub, &client, 2).0.len(), 0);
}

#[test]
fn who_wants_all_or_nothing_is_closed() {
    let (hub, _sink) = Hub::new([]);
    let client = join(&hub, 1, 3, "trades", Policy::Disconnect);
    for id in 1..=4 {
        hub.take(&trade(id));
    }
    let (values, close) = read(&hub, &client, 0);
    assert_eq!((values.len(), close.map(|c| c.code)), (0, Some(1008)));
}

fn state(hub: &Hub) -> (bool, Option<&'static str>) {
    let state = hub.lock();
    let entry = state.store.find("books", "A-B").unwrap();
    let Kept::Book(book) = &entry.kept else { panic!("no book") };
    assert_eq!(entry.state(None).is_some(), book.is_live());
    assert_eq!(entry.state(Some(1)).is_some(), book.is_live());
    (book.is_live(), entry.stale.as_ref().map(|Stale { cause, .. }| *cause))
}

#[test]
fn a_book_with_a_hole_is_never_live() {
    let (hub, _sink) = Hub::new([]);
    hub.take(&book(BookKind::Snapshot, None, 1));
    assert_eq!(state(&hub), (true, None));
    hub.take(&gap(false));
    assert_eq!(state(&hub), (false, Some("sequence")));
    assert_eq!(hub.lock().store.gaps().count(), 1);
    hub.take(&gap(true));
    hub.take(&book(BookKind::Snapshot, None, 5));
    assert_eq!(state(&hub), (true, None));
    // A change that does not follow, as after a loss of our own.
    hub.take(&book(BookKind::Delta, Some(7), 8));
    assert_eq!(state(&hub), (false, Some("slow_consumer")));
    let torn = (FeedId(1), Subscription::new("books", "A-B"));
    assert_eq!((hub.take_torn(), hub.take_torn()), (vec![torn], vec![]));
    hub.take(&book(BookKind::Delta, Some(5), 6));
    assert_eq!(state(&hub), (false, Some("slow_consumer")));
    hub.take(&book(BookKind::Snapshot, None, 9));
    assert_eq!(state(&hub), (true, None));
}

#[test]
fn what_the_server_itself_loses_it_admits() {
    let (hub, _sink) = Hub::new([]);
    hub.take(&book(BookKind::Snapshot, None, 1));
    let client = join(&hub, 1, 10, "books", Policy::Gap);
    read(&hub, &client, 0);
    let (from, to) = (Nanos(1), Nanos(2));
    let lost = Lost { feed: FeedId(1), batches: 1, events: 6, from_n: 1, to_n: 6, from, to };
    HubSink(Arc::clone(&hub)).lost(&lost).unwrap();
    assert_eq!(state(&hub), (false, Some("slow_consumer")));
    assert_eq!(ids(&read(&hub, &client, 1).0, "x"), ["lost 6"]);
    assert_eq!(hub.take_torn().len(), 1);
    hub.take(&book(BookKind::Snapshot, None, 7));
    let (values, _) = read(&hub, &client, 2);
    assert_eq!(values[0]["record"]["isSnapshot"], true);
    assert_eq!(state(&hub), (true, None));
}
