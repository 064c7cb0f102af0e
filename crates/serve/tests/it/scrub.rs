//! Pages of the tape, against a client that has seen everything when it came.

use super::desk::{Client, Desk, get};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// Frames after which a client that joins has what was known before, and only news follow.
const JOINED: usize = 60;
/// Records that are looked at, about.
const LOOKED_AT: usize = 200;
/// Frames a second of the exchange.
const RATE: u32 = 1500;
const PATIENCE: Duration = Duration::from_secs(60);

fn at(record: &Value) -> u64 {
    record["tsRecv"].as_u64().unwrap()
}

fn is(record: &Value, kind: &str) -> bool {
    record["type"] == *kind
}

/// What a client of everything about an instrument gets. Behind the first time and before the
/// second it is all that came.
async fn watch(client: &mut Client) -> (Vec<Value>, u64, u64) {
    let ask = r#"{"op":"subscribe","inst":"BTC-USDT","channel":"*","policy":"gap"}"#;
    client.say(ask).await;
    let mut seen: Vec<Value> = Vec::new();
    let (mut base, mut last) = (0, BTreeMap::new());
    loop {
        let mut frame = client.next().await.unwrap();
        assert!(frame.get("lost").is_none(), "{frame}");
        let Some(record) = frame.get_mut("record").map(Value::take) else { continue };
        if seen.len() < JOINED {
            base = base.max(at(&record));
        }
        // Feeds are not in step: what came is whole up to where the slowest is.
        last.insert(record["feed"].as_u64(), at(&record));
        seen.push(record);
        let end = last.values().min().copied().unwrap_or_default();
        let looked_at = |record: &&Value| at(record) > base && at(record) < end;
        if seen.len() > JOINED + LOOKED_AT
            && last.len() > 1
            && seen.iter().filter(looked_at).count() > LOOKED_AT
        {
            return (seen, base, end);
        }
    }
}

fn by_feed<'a>(
    records: impl Iterator<Item = &'a Value>,
    (base, end): (u64, u64),
) -> BTreeMap<u64, Vec<&'a Value>> {
    let mut all: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for record in records.filter(|record| at(record) > base && at(record) < end) {
        all.entry(record["feed"].as_u64().unwrap()).or_default().push(record);
    }
    all
}

/// Every page from one time to another, each of few records.
async fn pages(desk: &Desk, base: u64, end: u64) -> (Vec<Value>, usize) {
    let (mut from, mut all, mut count) = (base + 1, Vec::new(), 0);
    while from < end {
        let to = end.min(from + 400_000_000);
        let path = format!("/api/v1/tape/page?inst=BTC-USDT&from={from}&to={to}&limit=90");
        let mut page = desk.json(&path).await;
        let next = page["next"].as_u64().unwrap();
        let Value::Array(records) = page["records"].take() else { panic!("no list: {page}") };
        assert!(
            (from..=to).contains(&next) && records.iter().all(|r| (from..next).contains(&at(r)))
        );
        assert!(page["state"].as_array().unwrap().is_empty());
        // A full page says nothing about the end.
        assert!(page["end"] == false || records.len() < 90, "{} of {to}", page["next"]);
        count += usize::from(next > from);
        all.extend(records);
        from = next;
    }
    (all, count)
}

/// Levels of a side, as every change until `end` has made them.
fn book(seen: &[Value], side: &str, end: u64) -> (BTreeMap<String, String>, Value) {
    let (mut levels, mut id) = (BTreeMap::new(), Value::Null);
    let changes = seen.iter().filter(|r| is(r, "orderbook_delta") && r["channel"] == "books");
    for change in changes.filter(|change| at(change) < end) {
        if change["isSnapshot"] == true {
            levels.clear();
        }
        for level in change[side].as_array().unwrap() {
            let (price, quantity) = (level[0].as_str().unwrap(), level[1].as_str().unwrap());
            match quantity.chars().all(|c| matches!(c, '0' | '.')) {
                true => levels.remove(price),
                false => levels.insert(price.to_owned(), quantity.to_owned()),
            };
        }
        id = change["lastUpdateId"].clone();
    }
    (levels, id)
}

#[tokio::test]
async fn pages_are_what_came_and_begin_with_what_was_known() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::busy(RATE, Some(dir.path()), |_| {}).await;
    let mut client = desk.client().await;
    let (seen, base, end) = timeout(PATIENCE, watch(&mut client)).await.unwrap();
    let (got, count) = timeout(PATIENCE, pages(&desk, base, end)).await.unwrap();
    assert!(got.is_sorted_by_key(at) && count > 2, "{count} pages");
    let (live, paged) = (by_feed(seen.iter(), (base, end)), by_feed(got.iter(), (base, end)));
    let differ = live.iter().filter(|(feed, records)| paged.get(feed) != Some(records)).count();
    assert!(differ == 0 && live.len() == paged.len(), "{} seen, {} paged", seen.len(), got.len());

    let moment = base + (end - base) / 2;
    let path =
        format!("/api/v1/tape/page?inst=BTC-USDT&state=1&others=1&from={moment}&to={moment}");
    let page = desk.json(&path).await;
    let state = page["state"].as_array().unwrap();
    assert!(state.iter().all(|record| at(record) < moment) && page["next"] == moment);
    let start = |r: &&Value| is(r, "orderbook_delta") && r["channel"] == "books";
    let start = state.iter().find(start).unwrap();
    for side in ["bids", "asks"] {
        let (levels, id) = book(&seen, side, moment);
        assert_eq!((&start["lastUpdateId"], &start["isSnapshot"]), (&id, &true.into()));
        let there = start[side].as_array().unwrap();
        assert!(there.len() > 100 && there.len() == levels.len().min(400), "{}", levels.len());
        assert!(there.iter().all(|l| levels[l[0].as_str().unwrap()] == l[1].as_str().unwrap()));
    }
    let last = |list: &[Value]| list.iter().rfind(|r| is(r, "trade") && at(r) < moment).cloned();
    let trades = |list: &[Value]| -> Vec<Value> {
        list.iter().filter(|r| r["channel"] == "trades").cloned().collect()
    };
    assert_eq!(last(&trades(state)), last(&trades(&seen)));
    assert!(state.iter().any(|r| is(r, "ticker") && r["instId"] == "ETH-USDT"));
    desk.stop_server().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_said() {
    let desk = Desk::unready(|_| {}).await;
    assert_eq!(desk.json("/api/v1/tape").await["tape"], Value::Null);
    for (query, code) in [
        ("from=1&to=2", "bad_query"),
        ("inst=BTC-USDT&from=1", "bad_query"),
        ("inst=BTC-USDT&from=-1&to=1", "bad_query"),
        ("inst=BTC-USDT&from=1&to=2&state=yes", "bad_query"),
        ("inst=BTC-USDT&from=1&to=2&limit=0", "bad_query"),
        ("inst=BTC-USDT&from=1&to=2", "no_tape"),
    ] {
        let path = format!("/api/v1/tape/page?{query}");
        let (status, _, body) = get(desk.address, &path, "").await;
        assert!(matches!(status, 400 | 404) && body.contains(code), "{query}: {status} {body}");
    }
    desk.stop_server().await;
}
