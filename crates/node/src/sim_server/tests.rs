//! The whole node against the pretend exchange, over real sockets of this machine.

use super::*;
use crate::sink::{Overflow, Sink, SinkError, SinkSpec, channel_sink};
use crate::{
    Body, BookUnavailable, Client, Command, Counter, Delivery, Error, EventReceiver, ProxySetting,
    Service, ServiceOptions, Want, prepare,
};
use market_data_model::event::{GapCause, SessionStep};
use market_data_model::{Batch, Side};
use market_data_sim::MarketSize;
use std::sync::Arc;

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn sim(seed: u64, faults: FaultProfile) -> SimServer {
    println!("seed {seed}, faults {}", faults.name);
    let start = crate::clock::wall_now().0;
    let config = SimConfig { market: MarketSize::Full, faults, ..SimConfig::new(seed, start) };
    serve(SimOptions { listen: ([127, 0, 0, 1], 0).into(), config }).await.unwrap()
}

pub(super) fn options(sim: &SimServer, instruments: &[&str], channels: &[&str]) -> ServiceOptions {
    ServiceOptions {
        endpoints: sim.endpoints(),
        proxy: ProxySetting::None,
        wants: vec![Want::new(instruments.to_vec(), channels.to_vec())],
        view_depth: 5,
        ..ServiceOptions::default()
    }
}

pub(super) async fn start(options: ServiceOptions) -> (Service, EventReceiver) {
    let prepared = prepare(&options).await.unwrap();
    let (sink, events) = channel_sink("test", 65_536, Overflow::Wait);
    (Service::start(options, prepared, vec![sink]).unwrap(), events)
}

/// Reads until `done` says so; what it takes is checked for holes in `n`.
pub(super) async fn until(
    events: &mut EventReceiver,
    mut done: impl FnMut(&crate::EventRef<'_>) -> bool,
) {
    let mut counts = BTreeMap::new();
    let read = async {
        loop {
            let Some(Delivery::Batch(batch)) = events.recv().await else {
                panic!("the service goes on and loses nothing")
            };
            for event in batch.iter() {
                let next: &mut u64 = counts.entry(event.header.feed).or_insert(event.header.n);
                assert_eq!(event.header.n, *next, "a hole in the numbers of {:?}", event.header);
                *next += 1;
                if done(&event) {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it happens within a minute");
}

#[tokio::test]
async fn every_channel_arrives_on_its_own_socket() {
    let sim = sim(3, FaultProfile::none()).await;
    let channels = ["tickers", "trades", "books", "books5", "bbo-tbt", "candle1m", "trades-all"];
    let options = options(&sim, &["BTCUSDT", "BTC-USDT-SWAP"], &channels);
    let prepared = prepare(&options).await.unwrap();
    assert_eq!(prepared.plan.connections.len(), 2, "public and business");
    let (mut service, mut events) = start(options).await;
    let mut missing: std::collections::BTreeSet<_> = channels
        .iter()
        .flat_map(|c| ["BTC-USDT", "BTC-USDT-SWAP"].map(|i| (c.to_string(), i.to_owned())))
        .collect();
    until(&mut events, |event| {
        if matches!(event.body, Body::Ticker(_) | Body::Trade(_) | Body::Bar(_) | Body::Book(..)) {
            missing.remove(&(event.channel().to_owned(), event.inst_id().to_owned()));
        }
        missing.is_empty()
    })
    .await;
    let book = service.book("books", "BTC-USDT").await.unwrap();
    assert!(book.is_consistent() && book.depth(Side::Bid) > 100);
    let refused = service.book("books", "ETH-USDT").await.unwrap_err();
    assert!(matches!(refused, BookUnavailable::NotSubscribed { .. }), "{refused}");
    let reports = service.feeds();
    assert!(reports.iter().all(|r| r.connected && r.stats.faults == 0), "{reports:?}");
    let ended = tokio::time::timeout(Duration::from_millis(10), service.ended()).await;
    assert!(ended.is_err(), "no sink has ended");
    drop(events);
    let report = service.stop().await;
    assert_eq!(report.feeds_unfinished, 0);
    assert!(report.feeds.iter().all(|feed| !feed.connected));
    sim.close().await;
}

#[tokio::test]
async fn drills_open_and_close_gaps() {
    let sim = sim(4, FaultProfile::none()).await;
    let (service, mut events) = start(options(&sim, &["BTC-USDT"], &["books"])).await;
    let is_live = |event: &crate::EventRef<'_>| matches!(event.body, Body::Book(..));
    until(&mut events, is_live).await;
    service.command(None, Command::Reconnect).await;
    let mut steps = Vec::new();
    until(&mut events, |event| {
        match event.body {
            Body::Session(x) => steps.push(x.step),
            Body::Gap(gap) if gap.closed => return event.channel() == "books",
            _ => {}
        }
        false
    })
    .await;
    assert!(steps.ends_with(&[SessionStep::Down, SessionStep::Opening, SessionStep::Up]));
    let books = crate::Subscription::new("books", "BTC-USDT");
    service.command(None, Command::Resync(books)).await;
    let mut opened = None;
    until(&mut events, |event| match event.body {
        Body::Gap(gap) if !gap.closed && event.channel() == "books" => {
            opened = Some(gap.cause);
            false
        }
        Body::Gap(_) => opened.is_some(),
        _ => false,
    })
    .await;
    assert_eq!(opened, Some(GapCause::Restart));
    let report = service.feeds().remove(0);
    assert_eq!((report.stats.reconnects, report.stats.resyncs), (1, 1));
    drop(events);
    service.stop().await;
    sim.close().await;
}

/// Reads until `done` says so; there is no gap, and of each book and each trade nothing is missing.
async fn unbroken(
    events: &mut EventReceiver,
    mut done: impl FnMut(&crate::EventRef<'_>) -> bool,
    ends: &mut BTreeMap<(String, String), i64>,
) {
    let mut look = |event: &crate::EventRef<'_>| {
        let key = (event.channel().to_owned(), event.inst_id().to_owned());
        match event.body {
            Body::Gap(gap) => panic!("a gap of {key:?}: {gap:?}"),
            Body::Book(book, ..) if book.kind == crate::model::BookKind::Delta => {
                let before = ends.insert(key, book.seq.unwrap());
                assert_eq!(before, book.prev_seq);
            }
            Body::Book(book, ..) if book.kind == crate::model::BookKind::Snapshot => {
                assert_eq!(ends.insert(key, book.seq.unwrap()), None, "a second snapshot");
            }
            Body::Trade(trade) => {
                let fills = i64::from(trade.count.unwrap_or(1));
                let id = trade.trade_id as i64;
                let before = ends.insert(key, id);
                assert!(before.is_none_or(|before| id - fills == before), "{before:?} {trade:?}");
            }
            _ => {}
        }
        done(event)
    };
    let read = async {
        loop {
            let Some(Delivery::Batch(batch)) = events.recv().await else {
                panic!("the service goes on and loses nothing")
            };
            // To the end of the batch: what is left out would be missed.
            let found = batch.iter().filter(|event| look(event)).count();
            if found > 0 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it happens within a minute");
}

#[tokio::test]
async fn hand_overs_lose_nothing() {
    let sim = sim(6, FaultProfile::none()).await;
    let channels = ["books", "trades", "tickers"];
    let (service, mut events) = start(options(&sim, &["BTC-USDT", "ETH-USDT"], &channels)).await;
    let mut ends = BTreeMap::new();
    let is_live = |event: &crate::EventRef<'_>| matches!(event.body, Body::Book(..));
    unbroken(&mut events, is_live, &mut ends).await;
    for _ in 0..2 {
        service.hand_over().await;
        let is_down = |event: &crate::EventRef<'_>| match event.body {
            Body::Session(session) => session.step == SessionStep::Down,
            _ => false,
        };
        unbroken(&mut events, is_down, &mut ends).await;
        unbroken(&mut events, is_live, &mut ends).await;
    }
    assert_eq!(ends.len(), 4, "{ends:?}");
    drop(events);
    let report = service.stop().await.feeds.remove(0);
    assert_eq!(report.status.map(|status| status.hand_overs), Some(2));
    assert_eq!((report.stats.reconnects, report.stats.resyncs), (2, 0));
    sim.close().await;
}

#[tokio::test]
async fn the_loss_of_either_line_is_no_loss() {
    let sim = sim(7, FaultProfile::none()).await;
    let mut options = options(&sim, &["BTC-USDT", "ETH-USDT"], &["books", "trades"]);
    options.lines.lines = 2;
    let (service, mut events) = start(options).await;
    let mut ends = BTreeMap::new();
    // Both are up, and both have brought something.
    let lines = || service.feeds()[0].status.as_ref().map_or(Vec::new(), |s| s.lines.clone());
    let whole = || {
        let lines = lines();
        lines.len() == 2 && lines.iter().all(market_data_okx::LineStatus::is_up)
    };
    for _ in 0..3 {
        unbroken(&mut events, |_| whole(), &mut ends).await;
        let mut books = 0;
        let some = |event: &crate::EventRef<'_>| {
            books += usize::from(matches!(event.body, Body::Book(..)));
            books > 40
        };
        unbroken(&mut events, some, &mut ends).await;
        // Drops the connection in front, whichever that is.
        service.command(None, Command::Reconnect).await;
    }
    unbroken(&mut events, |event| matches!(event.body, Body::Book(..)), &mut ends).await;
    drop(events);
    let report = service.stop().await.feeds.remove(0);
    assert_eq!(report.stats.resyncs, 0);
    assert!(report.stats.reconnects >= 3, "{report:?}");
    sim.close().await;
}

#[tokio::test]
async fn a_connection_that_dies_comes_back() {
    // Four connections in ten die each second.
    let abort = FaultProfile { name: "abort", abort: 400_000, ..FaultProfile::none() };
    let sim = sim(5, abort).await;
    let (service, mut events) = start(options(&sim, &["BTC-USDT"], &["books"])).await;
    let mut ups = 0;
    until(&mut events, |event| {
        ups += usize::from(matches!(event.body, Body::Session(x) if x.step == SessionStep::Up));
        ups == 2
    })
    .await;
    sim.set_faults(FaultProfile::none()).await;
    until(&mut events, |event| matches!(event.body, Body::Gap(gap) if gap.closed)).await;
    assert!(service.metrics().okx_connection_errors_total() >= 1);
    assert!(!sim.faults_injected().await.is_empty());
    drop(events);
    service.stop().await;
    sim.close().await;
}

#[tokio::test]
async fn what_does_not_exist_is_refused_with_suggestions() {
    let sim = sim(6, FaultProfile::none()).await;
    let error = prepare(&options(&sim, &["BTC-USDX"], &["trades"])).await.unwrap_err();
    assert!(matches!(error, Error::Resolve(_)), "{error:?}");
    assert!(error.to_string().contains("BTC-USDT"), "{error}");
    let error = prepare(&options(&sim, &["BTC-USDT"], &["trade"])).await.unwrap_err();
    assert!(matches!(error, Error::Plan(_)) && error.to_string().contains("trades"), "{error}");
    let error = prepare(&options(&sim, &[], &["trades"])).await.unwrap_err();
    assert!(matches!(error, Error::Nothing), "{error}");
    let swaps = prepare(&options(&sim, &["*-USDT-SWAP"], &["trades"])).await.unwrap();
    assert!(swaps.subscriptions.len() > 5, "{:?}", swaps.subscriptions);
    let news: Vec<_> = swaps.subscriptions.iter().filter(|s| &*s.key == "SWAP").collect();
    assert_eq!(news.len(), 1, "changes of swaps are followed");
    sim.close().await;
}

#[tokio::test]
async fn options_are_loaded_when_a_wish_can_mean_them() {
    let sim = sim(7, FaultProfile::none()).await;
    let wide = prepare(&options(&sim, &["BTC-USD-*-C"], &["tickers"])).await.unwrap();
    assert!(wide.subscriptions.iter().any(|s| s.key.ends_with("-C")), "{:?}", wide.subscriptions);
    let one = wide.subscriptions.iter().find(|s| s.key.ends_with("-C")).unwrap().key.clone();
    let narrow = prepare(&options(&sim, &[&one], &["tickers"])).await.unwrap();
    assert!(narrow.catalogue.get(&one).is_some());
    sim.close().await;
}

#[tokio::test]
async fn the_front_door_opens() {
    let builder = Client::builder().subscribe("btc/usdt", ["trades", "books"]).view_depth(1).sim(8);
    let mut client = builder.connect().await.unwrap();
    let first_book = async {
        while let Some(event) = client.next().await {
            if let Body::Book(..) = event.view().body {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(PATIENCE, first_book).await.unwrap());
    let book = client.book("BTCUSDT", "books").await.unwrap();
    assert!(book.depth(Side::Bid) > 0 && !book.is_crossed());
    assert!(client.book("BTC-USDT", "tickers").await.is_err());
    assert!(client.metrics().okx_messages_received_total() > 0);
    assert_eq!(client.close().await.feeds_unfinished, 0);
}

/// Takes nothing until told.
struct Slow(std::sync::mpsc::Receiver<()>);

impl Sink for Slow {
    fn batch(&mut self, _: &Arc<Batch>) -> Result<(), SinkError> {
        // An error means that the test is over.
        self.0.recv().map_err(|_| SinkError::ReaderGone)
    }
    fn lost(&mut self, _: &crate::Lost) -> Result<(), SinkError> {
        Ok(())
    }
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[tokio::test]
async fn stopping_is_bounded_even_when_a_sink_is_stuck() {
    let sim = sim(9, FaultProfile::none()).await;
    let options = options(&sim, &["BTC-USDT"], &["trades", "books"]);
    let prepared = prepare(&options).await.unwrap();
    let counter = Counter::new();
    let (go, told) = std::sync::mpsc::channel();
    let sinks = vec![
        SinkSpec::new("counter", 64, Overflow::Wait, counter.clone()),
        SinkSpec::new("stuck", 1, Overflow::Wait, Slow(told)),
    ];
    let service = Service::start(options, prepared, sinks).unwrap();
    let metrics = service.metrics();
    let held = async {
        let waits = |text: String| text.contains("market_data_sink_events_total{sink=\"stuck\"} 0");
        while waits(metrics.render()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.unwrap();
    let start = tokio::time::Instant::now();
    let report = service.stop().await;
    assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
    let by_name = |name: &str| report.sinks.iter().find(|s| s.name == name).unwrap();
    assert!(by_name("stuck").unfinished);
    assert!(!by_name("counter").unfinished && by_name("counter").error.is_none());
    assert_eq!(by_name("counter").events, counter.counts().events);
    drop(go);
    sim.close().await;
}

#[tokio::test]
async fn a_refused_path_is_http_and_rest_answers() {
    let sim = sim(10, FaultProfile::none()).await;
    let dialer = crate::net::Dialer::new(&ProxySetting::None, &crate::TlsTrust::Bundled).unwrap();
    let base = format!("ws://{}", sim.address());
    let wait = Duration::from_secs(5);
    let private = crate::net::Socket::open(&dialer, &format!("{base}/ws/v5/private"), wait).await;
    let reason = private.err().unwrap().reason;
    assert!(reason.contains("HTTP 4"), "{reason}");
    let dialer = Arc::new(dialer);
    let rest = crate::net::Rest::new(dialer, &format!("http://{}", sim.address()), false).unwrap();
    let (status, body) = rest.get("/api/v5/public/time").await.unwrap();
    assert_eq!(status, 200, "{body:?}");
    sim.close().await;
}

#[tokio::test]
async fn news_of_instruments_reach_the_catalogue() {
    let restless = FaultProfile { name: "preopen", preopen: 1_000_000, ..FaultProfile::none() };
    let sim = sim(11, restless).await;
    let (service, mut events) = start(options(&sim, &["*-USDT", "*-SWAP"], &["tickers"])).await;
    let mut changed = None;
    until(&mut events, |event| match event.body {
        Body::Instrument(x) if !event.channel().is_empty() && !x.inst_id.is_empty() => {
            changed = Some(Arc::clone(x));
            true
        }
        _ => false,
    })
    .await;
    let changed = changed.unwrap();
    let arrived = async {
        while service.instrument(&changed.inst_id).is_none_or(|x| x.row != changed.row) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.unwrap();
    drop(events);
    service.stop().await;
    sim.close().await;
}

#[tokio::test]
async fn a_refresh_that_fails_is_counted_and_nothing_else() {
    let sim = sim(12, FaultProfile::none()).await;
    let mut options = options(&sim, &["BTC-USDT"], &["tickers"]);
    options.refresh = Duration::from_secs(1);
    let (service, mut events) = start(options).await;
    until(&mut events, |event| matches!(event.body, Body::Ticker(_))).await;
    let broken = FaultProfile { name: "resterror", resterror: 1_000_000, ..FaultProfile::none() };
    sim.set_faults(broken).await;
    let metrics = service.metrics();
    let counted = async {
        while metrics.render().contains("market_data_refresh_errors_total 0\n") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.unwrap();
    assert!(service.instrument("BTC-USDT").is_some());
    until(&mut events, |event| matches!(event.body, Body::Ticker(_))).await;
    drop(events);
    service.stop().await;
    sim.close().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped_alone() {
    let mut world = World::new(SimConfig::new(13, 1_795_437_636_000_000_000));
    let mut clients = Vec::new();
    for room in [1, 64] {
        let (outbox, messages) = mpsc::channel(room);
        let (reply, answer) = oneshot::channel();
        world.take(Ask::Open {
            path: "/ws/v5/public".to_owned(),
            headers: Vec::new(),
            outbox,
            reply,
        });
        let Ok(Opened::Accepted(conn)) = answer.await else { panic!("the path is served") };
        let ask = r#"{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},
            {"channel":"trades","instId":"BTC-USDT"},{"channel":"tickers","instId":"BTC-USDT"}]}"#;
        world.take(Ask::Receive { conn, message: Message::text(ask) });
        clients.push((conn, messages));
    }
    let now = world.clock.now().0 + 1_000_000_000;
    world.exchange.advance(now);
    world.deliver(now);
    let [(slow, slow_messages), (quick, _quick_messages)] = &mut clients[..] else { panic!() };
    assert!(matches!(slow_messages.recv().await, Some(ToClient::Text(_))));
    assert_eq!(slow_messages.recv().await, None, "then its queue ends, and 4005 is sent");
    assert!(!world.clients.contains_key(slow) && world.clients.contains_key(quick));
    assert!(world.exchange.subscriptions(*slow).is_empty());
    assert_eq!(world.exchange.subscriptions(*quick).len(), 3);
}

/// The pretend exchange with its clock this far behind ours.
async fn sim_behind(seconds: u64) -> SimServer {
    let start = crate::clock::wall_now().0 - seconds * 1_000_000_000;
    let config = SimConfig::new(3, start);
    serve(SimOptions { listen: ([127, 0, 0, 1], 0).into(), config }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_put_right_for_the_login() {
    let sim = sim_behind(3600).await;
    let mut options = options(&sim, &["BTC-USDT"], &["books-l2-tbt"]);
    options.credentials = sim.credentials();
    let (service, mut events) = start(options).await;
    let mut refusals = Vec::new();
    until(&mut events, |event| match event.body {
        Body::Subscription(x) if event.channel() == "books-l2-tbt" && !x.code.is_empty() => {
            refusals.push(x.code.clone());
            false
        }
        Body::Book(..) => event.channel() == "books-l2-tbt",
        _ => false,
    })
    .await;
    assert!(refusals.iter().all(|code| code == "60006"), "{refusals:?}");
    service.stop().await;
    sim.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_would_go_out_unencrypted_does_not() {
    let sim = sim(1, FaultProfile::none()).await;
    let mut options = options(&sim, &["BTC-USDT"], &["books-l2-tbt"]);
    options.credentials = sim.credentials();
    let prepared = prepare(&options).await.unwrap();
    options.endpoints = options.endpoints.with_public("ws://192.0.2.1/ws/v5/public").unwrap();
    let error = Service::start(options, prepared, Vec::new()).err().unwrap().to_string();
    assert!(error.contains("ws://192.0.2.1") && error.contains("wss://"), "{error}");
    sim.close().await;
}
