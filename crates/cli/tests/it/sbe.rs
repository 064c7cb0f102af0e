//! One market of the pretend exchange, as JSON and over the binary socket: the same books, best
//! prices and trades from both. The exchange and the decoder were written apart, each from the
//! documented layout, and share no code. And the service over that socket, from end to end.

use market_data_model::{Action, Body, BookKind, Feed as _, FeedId, Input, Nanos, Outbox, Side};
use market_data_model::{Level, Subscription};
use market_data_okx::catalogue::instrument_from_row;
use market_data_okx::{OkxConfig, OkxFeed, json};
use market_data_sim::{
    ConnId, Exchange, FaultProfile, FromClient, MarketSize, Opened, SimConfig, ToClient, signature,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// 2026-11-23 12:00:03.5 UTC.
const START: u64 = 1_795_435_203_500_000_000;
const SECOND: u64 = 1_000_000_000;
const CHANNELS: [&str; 3] = ["bbo-tbt", "trades", "books-l2-tbt"];

/// A feed, its connection, and what it has said.
struct Client {
    feed: OkxFeed,
    path: &'static str,
    conn: Option<ConnId>,
    /// Answers on their way.
    answers: VecDeque<(u64, u64, u16, Vec<u8>)>,
    out: Outbox,
    /// Every state of the book, by id.
    books: BTreeMap<i64, String>,
    /// What a consumer of changes makes of them: an unbroken chain from each snapshot on.
    chain: Option<i64>,
    bests: BTreeMap<i64, String>,
    trades: BTreeMap<u64, String>,
    gaps: Vec<String>,
    faults: Vec<String>,
}

fn text(levels: impl Iterator<Item = Level>) -> String {
    let one = |l: Level| format!("{}x{}x{}", l.px, l.qty, l.orders);
    levels.map(one).collect::<Vec<_>>().join(" ")
}

impl Client {
    fn new(exchange: &mut Exchange, id: &str, sbe: bool) -> Client {
        let path = if sbe { "/ws/v5/public-sbe" } else { "/ws/v5/public" };
        let mut config = OkxConfig::new(FeedId(u32::from(sbe)), path);
        config.subscriptions = CHANNELS.map(|channel| Subscription::new(channel, id)).to_vec();
        (config.sbe, config.login) = (sbe, true);
        let kind = if id.ends_with("SWAP") { "SWAP" } else { "SPOT" };
        let list = format!("/api/v5/public/instruments?instType={kind}");
        let body = loop {
            // Under some profiles REST fails now and then.
            let body = exchange.rest(START, &list).body;
            if body.contains("instIdCode") {
                break body;
            }
        };
        let rows = json::parse(body.as_bytes()).expect("JSON").field("data").expect("data");
        let known = rows.items().map(|row| instrument_from_row(row).expect("an instrument"));
        config.instruments = known.filter(|one| &*one.inst_id == id).map(Arc::new).collect();
        Client {
            feed: OkxFeed::new(config),
            path,
            conn: None,
            answers: VecDeque::new(),
            out: Outbox::default(),
            books: BTreeMap::new(),
            chain: None,
            bests: BTreeMap::new(),
            trades: BTreeMap::new(),
            gaps: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn give(&mut self, exchange: &mut Exchange, now: u64, input: Input<'_>) {
        self.feed.handle(Nanos(now), input, &mut self.out);
        self.note();
        for action in std::mem::take(&mut self.out.actions) {
            self.perform(exchange, now, action);
        }
    }

    fn perform(&mut self, exchange: &mut Exchange, now: u64, action: Action) {
        let time = (now / SECOND).to_string();
        let sign = signature("sim", &time);
        match action {
            Action::Open { .. } => {
                let headers =
                    [("key", "sim"), ("passphrase", "sim"), ("timestamp", &time), ("sign", &sign)];
                let headers =
                    headers.map(|(name, value)| (format!("ok-access-{name}"), value.to_owned()));
                match exchange.open_signed(now, self.path, &headers) {
                    Opened::Accepted(conn) => {
                        self.conn = Some(conn);
                        self.give(exchange, now, Input::Opened);
                    }
                    Opened::Refused { status, .. } => {
                        let reason = format!("HTTP {status}");
                        self.give(exchange, now, Input::Closed { code: None, reason: &reason });
                    }
                }
            }
            Action::Send(text) => self.send(exchange, now, &text),
            Action::Login { .. } => {
                let login = format!(
                    r#"{{"op":"login","args":[{{"apiKey":"sim","passphrase":"sim","timestamp":"{time}","sign":"{sign}"}}]}}"#
                );
                self.send(exchange, now, &login);
            }
            Action::Get { id, path } => {
                let reply = exchange.rest(now, &path);
                let body =
                    if reply.bytes.is_empty() { reply.body.into_bytes() } else { reply.bytes };
                self.answers.push_back((now + reply.delay_ns, id, reply.status, body));
            }
            Action::Line { .. } => panic!("the binary socket has one line"),
            Action::Close => {
                if let Some(conn) = self.conn.take() {
                    exchange.receive(now, conn, FromClient::Close);
                    exchange.gone(now, conn);
                }
                self.give(exchange, now, Input::Closed { code: None, reason: "closed by us" });
            }
        }
    }

    fn send(&self, exchange: &mut Exchange, now: u64, text: &str) {
        if let Some(conn) = self.conn {
            exchange.receive(now, conn, FromClient::Text(text));
        }
    }

    fn take(&mut self, exchange: &mut Exchange, now: u64, what: &ToClient) {
        match what {
            ToClient::Text(text) => self.give(exchange, now, Input::Frame(text.as_bytes())),
            ToClient::Binary(bytes) => self.give(exchange, now, Input::Frame(bytes)),
            ToClient::Ping(bytes) => {
                let conn = self.conn.expect("it sent a ping");
                exchange.receive(now, conn, FromClient::Pong(bytes));
            }
            ToClient::Pong(_) => {}
            ToClient::Close { code, reason } => {
                self.conn = None;
                self.give(exchange, now, Input::Closed { code: Some(*code), reason });
            }
            ToClient::Abort => {
                self.conn = None;
                self.give(exchange, now, Input::Closed { code: None, reason: "gone" });
            }
        }
    }

    /// When something of its own is due.
    fn due(&self) -> u64 {
        let answer = self.answers.iter().map(|(at, ..)| *at).min();
        let tick = self.feed.deadline().map(|at| at.0);
        answer.into_iter().chain(tick).min().unwrap_or(u64::MAX)
    }

    fn look(&mut self, exchange: &mut Exchange, now: u64) {
        for (at, id, status, body) in std::mem::take(&mut self.answers) {
            if at > now {
                self.answers.push_back((at, id, status, body));
                continue;
            }
            self.give(exchange, now, Input::Response { id, status, body: &body });
        }
        if self.feed.deadline().is_some_and(|at| at.0 <= now) {
            self.give(exchange, now, Input::Tick);
        }
    }

    /// Writes down what came out, and the state of the book.
    fn note(&mut self) {
        let id = self.feed.status().wanted;
        assert!(id <= CHANNELS.len(), "nothing else is subscribed");
        for event in self.out.events.iter() {
            let ts = event.header.ts_event;
            match event.body {
                Body::Trade(t) => {
                    let said = format!("{ts:?} {} {t:?}", event.inst_id());
                    let before = self.trades.insert(t.trade_id, said);
                    assert!(before.is_none(), "trade {} came twice", t.trade_id);
                }
                Body::Book(book, bids, asks) if event.channel() == "bbo-tbt" => {
                    let bids = text(bids.iter().copied());
                    // The exchange stamps the first push of a subscription differently, so no time.
                    let said = format!("{bids} / {}", text(asks.iter().copied()));
                    self.bests.insert(book.seq.expect("an id"), said);
                }
                Body::Book(book, ..) => {
                    if book.kind == BookKind::Delta {
                        assert_eq!(book.prev_seq, self.chain, "the chain of changes");
                    }
                    self.chain = book.seq;
                }
                Body::Gap(gap) => self.gaps.push(format!(
                    "{} {} {}",
                    event.channel(),
                    gap.cause.as_str(),
                    if gap.closed { "closed" } else { "open" }
                )),
                Body::Fault(fault) => self.faults.push(format!("{fault:?}")),
                _ => {}
            }
        }
        self.out.events.clear();
        let subscribed = self.feed.not_live().all(|one| &*one.channel != "books-l2-tbt");
        if !subscribed {
            return;
        }
        let key = CHANNELS[2];
        for id in ["BTC-USDT", "TICK-USDT-SWAP"] {
            let Some(seq) = self.feed.book_seq(key, id) else { continue };
            if let std::collections::btree_map::Entry::Vacant(free) = self.books.entry(seq) {
                let book = self.feed.book(key, id).expect("it has an id, so it is live");
                let (bids, asks) = (book.levels(Side::Bid), book.levels(Side::Ask));
                free.insert(format!("{} / {}", text(bids), text(asks)));
            }
        }
    }
}

/// Drives both for so many seconds.
fn both(seed: u64, id: &str, profile: &str, seconds: u64) -> [Client; 2] {
    let faults = FaultProfile::named(profile).expect("a profile");
    let lives = id.starts_with("TICK");
    let config =
        SimConfig { market: MarketSize::Small, faults, lives, ..SimConfig::new(seed, START) };
    let mut exchange = Exchange::new(config);
    let mut clients = [false, true].map(|sbe| Client::new(&mut exchange, id, sbe));
    let mut now = START + SECOND;
    for client in &mut clients {
        client.give(&mut exchange, now, Input::Start);
        now += SECOND;
    }
    let until = now + seconds * SECOND;
    let mut arrived = Vec::new();
    while now < until {
        let due = clients.iter().map(Client::due).min().unwrap_or(u64::MAX);
        now = exchange.next_at().min(due).max(now + 1).min(until);
        exchange.advance(now);
        exchange.deliveries(&mut arrived);
        for delivery in arrived.drain(..) {
            let to = clients.iter_mut().find(|client| client.conn == Some(delivery.conn));
            if let Some(client) = to {
                client.take(&mut exchange, now, &delivery.what);
            }
        }
        for client in &mut clients {
            client.look(&mut exchange, now);
        }
    }
    clients
}

/// How many of `ours` are in `theirs` too; each of them must be the same there.
fn same<K: Ord + std::fmt::Debug + Copy>(
    what: &str,
    ours: &BTreeMap<K, String>,
    theirs: &BTreeMap<K, String>,
) -> usize {
    let common: BTreeSet<K> = ours.keys().filter(|key| theirs.contains_key(key)).copied().collect();
    for key in &common {
        assert_eq!(ours[key], theirs[key], "{what} {key:?}: JSON is left, SBE is right");
    }
    common.len()
}

#[test]
fn json_and_sbe_say_the_same() {
    for (seed, id) in [(1, "BTC-USDT"), (2, "BTC-USDT"), (1, "TICK-USDT-SWAP")] {
        let [json, sbe] = both(seed, id, "none", 120);
        let books = same("book", &json.books, &sbe.books);
        let bests = same("best", &json.bests, &sbe.bests);
        let trades = same("trade", &json.trades, &sbe.trades);
        eprintln!("seed {seed} {id}: {books} books, {bests} best prices, {trades} trades the same");
        assert!(books > 100 && bests > 100 && trades > 5, "{books} {bests} {trades}");
        for client in [&json, &sbe] {
            assert!(client.gaps.is_empty() && client.faults.is_empty(), "{:?}", client.faults);
        }
        // Between the first and last that both have, each has every trade of the other.
        let ids = |client: &Client| client.trades.keys().copied().collect::<BTreeSet<u64>>();
        let (a, b) = (ids(&json), ids(&sbe));
        let common: BTreeSet<u64> = a.intersection(&b).copied().collect();
        let (first, last) = (common.first().expect("some"), common.last().expect("some"));
        let within = |ids: &BTreeSet<u64>| ids.range(first..=last).count();
        assert_eq!([within(&a), within(&b)], [common.len(); 2], "every trade");
    }
}

/// All that may befall the connection, but damage within a message: SBE has no sum to prove one by.
const PROFILES: [&str; 14] = [
    "drop",
    "duplicate",
    "reorder",
    "truncate",
    "seqgap",
    "reset",
    "heartbeat",
    "notice",
    "abort",
    "slowack",
    "errorack",
    "late",
    "onesided",
    "resterror",
];

#[test]
fn a_bad_network_leaves_no_wrong_book() {
    for profile in PROFILES {
        let [json, sbe] = both(1, "BTC-USDT", profile, 90);
        let books = same("book", &json.books, &sbe.books);
        let bests = same("best", &json.bests, &sbe.bests);
        let trades = same("trade", &json.trades, &sbe.trades);
        let opened = sbe.gaps.iter().filter(|gap| gap.ends_with("open")).count();
        eprintln!(
            "{profile}: {books} books, {bests} best prices, {trades} trades the same; over SBE \
             {opened} gaps, {} faults",
            sbe.faults.len()
        );
        assert!(books > 50, "{profile}: {books} books in common");
        assert!(opened > 0 || !matches!(profile, "drop" | "seqgap" | "abort"), "{profile}");
    }
}

/// The service against the pretend exchange behind a real local WebSocket.
#[test]
fn the_service_follows_books_and_trades_over_the_binary_socket() {
    let dir = tempfile::tempdir().expect("a folder");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(live(&dir));
    crate::run::identical(dir.path().to_str().expect("a path"));
}

async fn live(dir: &tempfile::TempDir) {
    let mut client = market_data::Client::builder()
        .sim(7)
        .sbe(true)
        .subscribe("BTC-USDT", CHANNELS)
        .subscribe("ETH-USDT-SWAP", CHANNELS)
        .view_depth(5)
        .record(dir.path())
        .connect()
        .await
        .expect("a connection");
    let (mut seen, mut urls) = (BTreeMap::<(String, String), u32>::new(), BTreeSet::new());
    let enough = |seen: &BTreeMap<(String, String), u32>| {
        seen.len() == 6 && seen.values().all(|count| *count >= 10)
    };
    let look = async {
        while !enough(&seen) {
            let event = client.next().await.expect("the service goes on");
            let event = event.view();
            match event.body {
                Body::Trade(_) | Body::Book(..) => {
                    let key = (event.channel().to_owned(), event.inst_id().to_owned());
                    *seen.entry(key).or_default() += 1;
                }
                Body::Session(session) => drop(urls.insert(session.url.to_string())),
                Body::Fault(fault) => panic!("{fault:?}"),
                Body::Gap(gap) => panic!("{gap:?}"),
                _ => {}
            }
        }
    };
    let done = tokio::time::timeout(std::time::Duration::from_secs(60), look).await;
    assert!(done.is_ok(), "not everything came: {seen:?}");
    assert!(urls.iter().any(|url| url.ends_with("/ws/v5/public-sbe")), "{urls:?}");
    let book = client.book("BTC-USDT", "books-l2-tbt").await.expect("a live book");
    assert!(book.levels(Side::Bid).count() > 20);
    client.close().await;
}

/// What a client of the binary socket received in twenty seconds, as `decode --sbe` takes it; and
/// the trades in it as the exchange means them.
fn capture(exchange: &mut Exchange, code: &str) -> (String, Vec<[String; 3]>) {
    let time = (START / SECOND).to_string();
    let sign = signature("sim", &time);
    let headers = [("key", "sim"), ("passphrase", "sim"), ("timestamp", &time), ("sign", &sign)];
    let headers = headers.map(|(name, value)| (format!("ok-access-{name}"), value.to_owned()));
    let opened = exchange.open_signed(START, "/ws/v5/public-sbe", &headers);
    let Opened::Accepted(conn) = opened else { panic!("the key is good: {opened:?}") };
    let arg = |channel| format!(r#"{{"channel":"{channel}","instIdCode":{code}}}"#);
    let args = CHANNELS.map(arg).join(",");
    let ask = format!(r#"{{"op":"subscribe","args":[{args}]}}"#);
    exchange.receive(START, conn, FromClient::Text(&ask));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (mut lines, mut trades, mut arrived) = (String::new(), Vec::new(), Vec::new());
    for step in 1..=200 {
        let now = START + step * SECOND / 10;
        exchange.advance(now);
        exchange.deliveries(&mut arrived);
        for delivery in arrived.drain(..) {
            let frame = match &delivery.what {
                ToClient::Text(text) => text.to_string(),
                ToClient::Binary(bytes) => hex(bytes),
                _ => continue,
            };
            lines.push_str(&format!("{}\t{frame}\n", delivery.at_ns));
            let truth = delivery.truth.iter().filter(|truth| truth.channel == "trades");
            for row in truth.flat_map(|truth| &truth.rows) {
                let of = |name| row.iter().find(|(field, _)| *field == name).map(|x| x.1.clone());
                trades.push(["tradeId", "px", "sz"].map(|name| of(name).expect("a field")));
            }
        }
        if step == 20 {
            let path = format!("/api/v5/market/books-sbe?instIdCode={code}&source=0");
            let reply = exchange.rest(now, &path);
            lines.push_str(&format!("{now}\t{}\n", hex(&reply.bytes)));
        }
    }
    (lines, trades)
}

#[test]
fn captured_binary_frames_are_decoded_with_names_books_and_trades() {
    let config = SimConfig { truth: true, ..SimConfig::new(5, START) };
    let mut exchange = Exchange::new(config);
    let list = exchange.rest(START, "/api/v5/public/instruments?instType=SPOT").body;
    let rows: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let rows = rows["data"].as_array().expect("a list");
    let btc = rows.iter().find(|row| row["instId"] == "BTC-USDT").expect("it is listed");
    let (lines, sent) = capture(&mut exchange, &btc["instIdCode"].to_string());
    assert!(sent.len() > 5, "{}", sent.len());
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name, text: &str| crate::run::file(&folder, name, text);
    let (capture, list) = (file("binary.tsv", &lines), file("spot.json", &list));
    let known = ["decode", "--sbe", "--json", "--instruments", &list, &capture];
    let ran = crate::run::run(&known);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let (mut trades, mut chain, mut changes) = (Vec::new(), serde_json::Value::Null, 0);
    for line in ran.stdout.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(
            !["fault", "gap", "raw"].contains(&record["type"].as_str().expect("a type")),
            "{line}"
        );
        match (record["type"].as_str(), record["channel"].as_str()) {
            (Some("trade"), _) => {
                assert_eq!(
                    (&record["instId"], &record["unit"]),
                    (&"BTC-USDT".into(), &"base".into())
                );
                let of = |name: &str| record[name].as_str().expect("text").to_owned();
                trades.push(["tradeId", "price", "quantity"].map(of));
            }
            (Some("orderbook_delta"), Some("books-l2-tbt")) => {
                assert!(record["isSnapshot"] == true || record["prevUpdateId"] == chain, "{line}");
                chain = record["lastUpdateId"].clone();
                changes += 1;
            }
            _ => {}
        }
    }
    assert_eq!(trades, sent);
    assert!(changes > 50, "{changes} changes of the book");
    // Without the list they are called by their codes, and lose nothing.
    let ran = crate::run::run(&["decode", "--sbe", "--json", &capture]);
    let coded = format!("\"instId\":\"#{}\"", btc["instIdCode"]);
    assert_eq!(ran.stdout.matches("\"type\":\"trade\"").count(), sent.len());
    assert!(ran.stdout.contains(&coded), "{coded}");
}
