//! Clients that join from the past at random moments, against one that has seen everything.
//!
//! In the gate there are few. `JOINS=100 JOINS_SEED=1`, then 2 and so on, for more: each join is
//! compared with all that has come so far, so ten times a hundred are sooner over than a thousand.

use super::desk::Desk;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;

/// One record as some client got it.
#[derive(Debug)]
struct Seen {
    text: String,
    head: Head,
}

/// What is looked at of each.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    channel: Option<String>,
    inst_id: Option<String>,
    feed: u64,
    n: u64,
    ts_recv: u64,
    last_update_id: Option<i64>,
}

impl Seen {
    /// Of a frame with a record; `None` of others.
    fn read(frame: &str) -> Option<(u64, Seen)> {
        let (before, text) = frame.split_once(",\"record\":")?;
        let text = text.strip_suffix('}')?.to_owned();
        let (_, seq) = before.split_once("\"seq\":")?;
        Some((seq.parse().ok()?, Seen { head: serde_json::from_str(&text).unwrap(), text }))
    }

    fn value(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn inst(&self) -> &str {
        self.head.inst_id.as_deref().unwrap_or_default()
    }

    fn is_change(&self) -> bool {
        self.head.kind == "orderbook_delta"
    }

    fn is_start(&self) -> bool {
        self.text.contains("\"isSnapshot\":true")
    }

    fn id(&self) -> Option<i64> {
        self.head.last_update_id
    }
}

/// Numbers by a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// What a client asked for.
#[derive(Clone, Debug)]
struct Ask {
    inst: &'static str,
    channel: &'static str,
    depth: Option<u16>,
    from: Value,
}

/// Clients that join at the same time.
const AT_ONCE: usize = 14;

const ASKS: [(&str, &str, Option<u16>); 9] = [
    ("BTC-USDT", "trades", None),
    ("*", "trades", None),
    ("BTC-USDT", "books", None),
    ("*", "books", None),
    ("ETH-USDT", "books", Some(5)),
    ("BTC-USDT-SWAP", "books5", None),
    ("ETH-USDT", "trades-all", None),
    ("*", "bbo-tbt", None),
    ("*", "*", None),
];

impl Ask {
    fn wants(&self, seen: &Seen) -> bool {
        let fits = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        fits(self.inst, seen.inst())
            && fits(self.channel, seen.head.channel.as_deref().unwrap_or_default())
    }

    /// Whether a record is behind `from`, by the words of the document.
    fn is_new(&self, seen: &Seen) -> bool {
        let at = seen.head.ts_recv;
        match &self.from {
            Value::Number(time) => at >= time.as_u64().unwrap(),
            last if last["feed"] == seen.head.feed => {
                (at, seen.head.n) > (last["tsRecv"].as_u64().unwrap(), last["n"].as_u64().unwrap())
            }
            last => at >= last["tsRecv"].as_u64().unwrap(),
        }
    }
}

/// The whole stream, as far as it has come.
#[derive(Clone)]
struct Oracle {
    seen: Arc<Mutex<Vec<Arc<Seen>>>>,
    count: watch::Receiver<usize>,
}

impl Oracle {
    async fn reaches(&self, count: usize) {
        self.count.clone().wait_for(|have| *have >= count).await.unwrap();
    }

    fn len(&self) -> usize {
        *self.count.borrow()
    }
}

async fn watch_all(desk: &Desk) -> (Oracle, usize) {
    let mut client = desk.client().await;
    client.say(r#"{"op":"subscribe","inst":"*","channel":"*"}"#).await;
    let matches = client.next().await.unwrap()["matches"].as_u64().unwrap() as usize;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (counted, count) = watch::channel(0);
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut last = 0;
        while let Some(frame) = client.frame().await {
            let Message::Text(text) = frame else { continue };
            let (seq, one) = Seen::read(&text).unwrap_or_else(|| panic!("the oracle: {text}"));
            assert_eq!(seq, last + 1);
            last = seq;
            let mut kept = kept.lock().unwrap();
            kept.push(Arc::new(one));
            counted.send_replace(kept.len());
        }
    });
    (Oracle { seen, count }, matches)
}

/// Joins, and reads until well behind the moment at which it joined.
async fn join(desk: &Desk, oracle: &Oracle, ask: &Ask, slow: bool) -> (bool, Vec<Seen>) {
    let mut client = desk.client().await;
    let mut request = json!({
        "op": "subscribe", "inst": ask.inst, "channel": ask.channel, "from": ask.from,
    });
    if let Some(depth) = ask.depth {
        request["depth"] = depth.into();
    }
    let now = oracle.seen.lock().unwrap().last().unwrap().head.ts_recv;
    client.say(&request.to_string()).await;
    let mut answer = client.next().await.unwrap();
    while answer["code"] == "busy" {
        // Others read the tape; they come to its end.
        oracle.reaches(oracle.len() + 50).await;
        client.say(&request.to_string()).await;
        answer = client.next().await.unwrap();
    }
    assert_eq!(answer["type"], "subscribed", "{answer} {ask:?}");
    let (mut all, mut late) = (Vec::new(), 0);
    while late < 6 {
        let Some(frame) = client.frame().await else { panic!("closed: {ask:?}") };
        let Message::Text(text) = frame else { continue };
        let (seq, one) = Seen::read(&text).unwrap_or_else(|| panic!("{text} {ask:?}"));
        assert_eq!(seq, all.len() as u64 + 1, "a hole in seq");
        late += usize::from(one.head.ts_recv > now);
        all.push(one);
        if slow && all.len() % 100 == 0 {
            oracle.reaches(oracle.len() + 20).await;
        }
    }
    (answer["from"] == "tape", all)
}

/// Compares what a client got with the whole stream.
fn compare(oracle: &[Arc<Seen>], ask: &Ask, got: &[Seen]) {
    let view = |one: &Seen| ask.depth.is_some() && one.head.kind == "orderbook";
    let incremental = |one: &&Seen| one.is_change() || view(one);
    let mut feeds: BTreeMap<u64, Vec<&Seen>> = BTreeMap::new();
    for one in got.iter().filter(|one| !incremental(one)) {
        feeds.entry(one.head.feed).or_default().push(one);
    }
    for (feed, list) in &feeds {
        let of_feed = oracle.iter().filter(|one| one.head.feed == *feed && !one.is_change());
        let due = of_feed.filter(|one| ask.wants(one) && ask.is_new(one));
        let due: Vec<&str> = due.map(|one| &*one.text).take(list.len()).collect();
        let had: Vec<&str> = list.iter().map(|one| &*one.text).collect();
        for (i, (due, had)) in due.iter().zip(&had).enumerate() {
            assert_eq!(due, had, "record {i} of {} from feed {feed}: {ask:?}", had.len());
        }
        assert_eq!(due.len(), had.len());
    }
    let mut books: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for one in got.iter().filter(incremental) {
        assert!(ask.wants(one));
        books.entry(one.inst()).or_default().push(one);
    }
    for (inst, list) in books {
        compare_book(oracle, ask, inst, &list);
    }
}

fn compare_book(oracle: &[Arc<Seen>], ask: &Ask, inst: &str, list: &[&Seen]) {
    let of_book = |one: &&Arc<Seen>| one.is_change() && one.inst() == inst;
    let all: Vec<&Seen> = oracle.iter().filter(of_book).map(|one| &**one).collect();
    let new = all.iter().position(|one| ask.is_new(one)).unwrap_or(all.len());
    // It begins with the book as it was there, or with the venue's own start after it.
    let own = new < all.len()
        && match ask.depth {
            None => all[new].text == list[0].text,
            Some(_) => all[new].is_start() && all[new].id() == list[0].id(),
        };
    assert!(own || all[new - 1].id() == list[0].id(), "{inst} begins elsewhere: {ask:?}");
    for (due, had) in all[new..].iter().zip(&list[usize::from(!own)..]) {
        match ask.depth {
            None => assert_eq!(due.text, had.text, "{inst} {ask:?}"),
            Some(_) => assert_eq!(due.id(), had.id(), "{inst} {ask:?}"),
        }
    }
    if ask.depth.is_none() && !own {
        let book = |changes: &[&Seen]| -> [BTreeMap<String, Value>; 2] {
            let begun = changes.iter().rposition(|one| one.is_start()).unwrap();
            let mut sides = [BTreeMap::new(), BTreeMap::new()];
            for change in changes[begun..].iter().map(|one| one.value()) {
                for (side, name) in sides.iter_mut().zip(["bids", "asks"]) {
                    for level in change[name].as_array().unwrap() {
                        match level[1].as_str() {
                            Some("0") => drop(side.remove(level[0].as_str().unwrap())),
                            _ => {
                                drop(side.insert(level[0].as_str().unwrap().into(), level.clone()))
                            }
                        }
                    }
                }
            }
            sides
        };
        assert_eq!(book(&all[..new]), book(&list[..1]), "{inst} {ask:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_joins_from_the_past_misses_nothing_and_gets_nothing_twice() {
    let joins: usize = std::env::var("JOINS").map_or(48, |text| text.parse().unwrap());
    let seed = std::env::var("JOINS_SEED").map_or(20_261_129, |text| text.parse().unwrap());
    println!("{joins} joins, seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::busy(600, Some(folder.path()), |options| {
        // As little memory as there can be, so that most have to read the tape.
        (options.history_bytes, options.queue) = (0, 1 << 20);
    });
    let desk = Arc::new(desk.await);
    let (oracle, states) = watch_all(&desk).await;
    oracle.reaches(states + 2000).await;
    let known = oracle.seen.lock().unwrap()[..states].iter().map(|s| s.head.ts_recv).max();
    let mut dice = Dice(seed);
    let (mut running, mut from_tape, mut done) = (tokio::task::JoinSet::new(), 0, 0);
    for number in 0..joins + AT_ONCE {
        if number >= AT_ONCE {
            let (ask, (tape, got)): (Ask, (bool, Vec<Seen>)) =
                running.join_next().await.unwrap().unwrap();
            from_tape += usize::from(tape);
            done += 1;
            if done % 25 == 0 {
                println!("{done} of {joins}, {from_tape} from the tape");
            }
            let have = oracle.len() + 1;
            oracle.reaches(have).await;
            let last = got.iter().map(|s| s.head.ts_recv).max().unwrap();
            // What the client has, the oracle has, a moment later.
            while oracle.seen.lock().unwrap().last().unwrap().head.ts_recv <= last {
                oracle.reaches(oracle.len() + 1).await;
            }
            oracle.reaches(oracle.len() + 50).await;
            let all = oracle.seen.lock().unwrap().clone();
            tokio::task::spawn_blocking(move || compare(&all, &ask, &got)).await.unwrap();
        }
        if number < joins {
            let (inst, channel, depth) = ASKS[dice.roll(ASKS.len())];
            let from = {
                let seen = oracle.seen.lock().unwrap();
                // One in eight goes far back; the memory holds some thousand records.
                let far = if dice.roll(8) == 0 { 40_000 } else { 8000 };
                let back = if inst == "*" { 4000 } else { far }.min(seen.len() - states);
                let one = &seen[seen.len() - 1 - dice.roll(back)];
                let at = one.head.ts_recv.max(known.unwrap() + 1);
                match dice.roll(2) {
                    0 => json!(at),
                    _ if at != one.head.ts_recv => json!(at),
                    _ => json!({"feed": one.head.feed, "n": one.head.n, "tsRecv": at}),
                }
            };
            let ask = Ask { inst, channel, depth, from };
            let (desk, oracle, slow) = (Arc::clone(&desk), oracle.clone(), dice.roll(6) == 0);
            running.spawn(async move {
                let got = join(&desk, &oracle, &ask, slow).await;
                (ask, got)
            });
        }
    }
    let records = oracle.len();
    println!("{done} joined, {from_tape} of them from the tape; {records} records");
    assert!(done == joins && from_tape > 0 && from_tape < joins, "{from_tape} of {done}");
    let Ok(desk) = Arc::try_unwrap(desk) else { panic!("the desk is in use") };
    desk.stop_server().await;
}
