//! The driver with a puppet for a feed and a real WebSocket server on this machine.

use super::*;
use crate::bus::{Queue, Way};
use crate::net::{ProxySetting, TlsTrust};
use crate::sink::{
    Delivery, EventReceiver, Inline, Lost, Overflow, Sink, SinkError, SinkRun, channel_sink,
};
use crate::testing::{Puppet, echo_http, listener, rude_server};
use futures_util::{SinkExt as _, StreamExt as _};
use market_data_model::{Body, Subscription};
use std::net::SocketAddr;
use std::sync::Mutex;
use tokio_tungstenite::tungstenite::Message;

struct Stage {
    asks: mpsc::Sender<Ask>,
    events: EventReceiver,
    driver: tokio::task::JoinHandle<()>,
    metrics: Arc<Metrics>,
    seen: std::collections::VecDeque<(u32, u64, String)>,
    batches: usize,
}

type Running = (mpsc::Sender<Ask>, tokio::task::JoinHandle<()>, Arc<Metrics>);

/// Runs a puppet that connects to `ws`, with `web` for REST.
fn stage(ws: SocketAddr, web: SocketAddr) -> Stage {
    let (spec, events) = channel_sink("test", 4096, Overflow::Wait);
    let SinkRun::Queue(sender) = spec.run else { panic!("a channel sink is a queue") };
    let (asks, driver, metrics) = run(ws, web, Way::Queue(sender));
    Stage { asks, events, driver, metrics, seen: std::collections::VecDeque::new(), batches: 0 }
}

/// Runs it into this sink.
fn run(ws: SocketAddr, web: SocketAddr, way: Way) -> Running {
    let dialer = Arc::new(Dialer::new(&ProxySetting::None, &TlsTrust::Bundled).unwrap());
    let rest = Arc::new(Rest::new(Arc::clone(&dialer), &format!("http://{web}"), false).unwrap());
    let metrics = Arc::new(Metrics::default());
    let counters = metrics.add_queue("test");
    let queue = Queue { way, overflow: Overflow::Wait, changes: false, counters };
    let (asks_sender, asks) = mpsc::channel(16);
    let url: Arc<str> = format!("ws://{ws}/ws").into();
    let address = Arc::clone(&url);
    let setup = Setup {
        make: Box::new(move |feed| Made { feed: Puppet::new(feed, &address), config: Vec::new() }),
        url,
        carried: Arc::new(Mutex::new(vec![Subscription::new("books", "BTC-USDT")])),
        ids: Arc::new(AtomicU32::new(1)),
        current: Arc::default(),
        io: Arc::new(Io { second: Arc::clone(&dialer), dialer, rest, gate: Gate::new() }),
        metrics: Arc::clone(&metrics),
        publisher: Publisher::new(&[queue]),
        asks,
        news: mpsc::channel(16).0,
        credentials: Some(Credentials::new("k", "sim", "p").unwrap()),
        signed: false,
        tape: None,
        tap: None,
        busy: false,
    };
    (asks_sender, tokio::spawn(Driver::new(setup).run()), metrics)
}

impl Stage {
    /// The next event: feed, `n`, and what it says.
    async fn next(&mut self) -> (u32, u64, String) {
        while self.seen.is_empty() {
            let next = tokio::time::timeout(Duration::from_secs(20), self.events.recv());
            let delivery = next.await.expect("an event within 20 s").expect("the driver goes on");
            let Delivery::Batch(batch) = delivery else { panic!("nothing is lost here") };
            self.batches += 1;
            for event in batch.iter() {
                let text = match event.body {
                    Body::Raw(raw) => raw.row.trim_matches('"').to_owned(),
                    Body::Session(s) => format!("{} {}", s.step.as_str(), s.reason),
                    Body::Gap(g) => {
                        let (cause, whose) = (g.cause.as_str(), g.whose.as_str());
                        format!("gap {} {} {cause} {whose}", event.channel(), event.inst_id())
                    }
                    _ => event.body.kind().to_owned(),
                };
                self.seen.push_back((event.header.feed.0, event.header.n, text));
            }
        }
        self.seen.pop_front().unwrap()
    }

    async fn expect(&mut self, text: &str) {
        let (_, _, said) = self.next().await;
        assert!(said.contains(text), "{said:?} instead of {text:?}");
    }

    async fn stop(self) {
        self.asks.send(Ask::Command(Command::Stop)).await.ok().unwrap();
        tokio::time::timeout(Duration::from_secs(20), self.driver).await.unwrap().unwrap();
    }
}

/// Sends these texts on every connection at once, then reads until the end; returns what it read.
async fn server(texts: Vec<String>) -> (SocketAddr, mpsc::Receiver<String>) {
    let (listener, address) = listener().await;
    let (read, seen) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (texts, read) = (texts.clone(), read.clone());
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                for text in texts {
                    socket.feed(Message::text(text)).await.unwrap();
                }
                socket.flush().await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    let said = match message {
                        Message::Text(text) => text.to_string(),
                        Message::Close(frame) => format!("close {frame:?}"),
                        _ => continue,
                    };
                    drop(read.send(said).await);
                }
            });
        }
    });
    (address, seen)
}

#[tokio::test]
async fn a_burst_becomes_few_batches_in_order() {
    let texts = (0..200).map(|n| format!("frame {n}")).collect();
    let (ws, _) = server(texts).await;
    let mut stage = stage(ws, ws);
    stage.expect("up").await;
    for n in 0..200 {
        let (feed, at, text) = stage.next().await;
        assert_eq!((feed, at, text), (1, n + 2, format!("frame {n}")));
    }
    assert!(stage.batches < 100, "{} batches for 200 frames", stage.batches);
    let metrics = Arc::clone(&stage.metrics);
    stage.stop().await;
    assert_eq!(metrics.okx_messages_received_total(), 200);
    assert!(metrics.render().contains("okx_messages_received_total{feed=\"1\"} 200\n"));
}

/// Tells how many events each batch has.
struct Sizes(std::sync::mpsc::Sender<usize>);

impl Sink for Sizes {
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<(), SinkError> {
        self.0.send(batch.len()).map_err(|_| SinkError::ReaderGone)
    }

    fn lost(&mut self, _lost: &Lost) -> Result<(), SinkError> {
        panic!("nothing is lost here")
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_sink_called_at_once_waits_for_one_read_and_one_behind_a_queue_for_four() {
    // A read of 16 KiB brings 16 of these, and may complete one more.
    let texts: Vec<_> = (0..200).map(|n| format!("{n:01000}")).collect();
    let (ws, _) = server(texts.clone()).await;
    let (sizes, told) = std::sync::mpsc::channel();
    let counters = Metrics::default().add_queue("sizes");
    let (inline, _ended) = Inline::new(Box::new(Sizes(sizes)), &counters);
    let (asks, driver, metrics) = run(ws, ws, Way::Inline(Arc::new(inline)));
    while metrics.okx_messages_received_total() < 200 {
        tokio::task::yield_now().await;
    }
    asks.send(Ask::Command(Command::Stop)).await.ok().unwrap();
    driver.await.unwrap();
    let sizes: Vec<usize> = told.iter().collect();
    assert!(sizes.iter().all(|size| *size <= 17), "{sizes:?}");

    let mut stage = stage(ws, ws);
    for _ in 0..201 {
        stage.next().await;
        // What the batch holds besides.
        assert!(stage.seen.len() < 4 * 17, "{}", stage.seen.len());
    }
    stage.stop().await;
}

/// Tells what it hears; the first time it waits until everything has been sent.
struct Late(Option<std::sync::mpsc::Receiver<()>>, std::sync::mpsc::Sender<String>);

impl Sink for Late {
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<(), SinkError> {
        if let Some(sent) = self.0.take() {
            sent.recv().map_err(|_| SinkError::ReaderGone)?;
        }
        for event in batch.iter() {
            if let Body::Raw(raw) = event.body {
                self.1.send(raw.row.clone()).map_err(|_| SinkError::ReaderGone)?;
            }
        }
        Ok(())
    }

    fn lost(&mut self, _lost: &Lost) -> Result<(), SinkError> {
        panic!("nothing is lost here")
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A timer that waits for frames would say that none came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_does_not_overtake_frames_that_are_here() {
    const FRAMES: usize = 60;
    let (listener, address) = listener().await;
    let (sent, all_sent) = std::sync::mpsc::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        // Several reads, the first of which makes the timer due.
        socket.feed(Message::text("tick 0")).await.unwrap();
        for n in 0..FRAMES {
            socket.feed(Message::text(format!("{n:01000}"))).await.unwrap();
        }
        socket.flush().await.unwrap();
        sent.send(()).unwrap();
        while socket.next().await.is_some() {}
    });
    let (heard, told) = std::sync::mpsc::channel();
    let counters = Metrics::default().add_queue("late");
    let (inline, _ended) = Inline::new(Box::new(Late(Some(all_sent), heard)), &counters);
    let (asks, driver, metrics) = run(address, address, Way::Inline(Arc::new(inline)));
    while metrics.okx_messages_received_total() <= FRAMES as u64 {
        tokio::task::yield_now().await;
    }
    asks.send(Ask::Command(Command::Stop)).await.ok().unwrap();
    driver.await.unwrap();
    let told: Vec<String> = told.iter().collect();
    assert_eq!(told.len(), FRAMES + 1);
    assert_eq!(told.iter().position(|said| said.contains("ticked")), Some(FRAMES));
}

#[tokio::test]
async fn actions_are_performed_and_answered() {
    let web = echo_http().await;
    let texts = ["send 3", "get /path?x=1", "tick 5", "hello"].map(String::from).to_vec();
    let (ws, mut seen) = server(texts).await;
    let mut stage = stage(ws, web);
    stage.expect("up").await;
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(stage.next().await.2);
    }
    said.sort();
    assert_eq!(said, ["5 200 GET /path?x=1 HTTP/1.1", "hello", "ticked"]);
    assert_eq!(seen.recv().await.unwrap(), "xxx");
    let (reply, answer) = oneshot::channel();
    let ask = Ask::Book { channel: "books".into(), inst_id: "BTC-USDT".into(), reply };
    stage.asks.send(ask).await.ok().unwrap();
    let refusal = answer.await.unwrap().unwrap_err().to_string();
    assert!(refusal.contains("no strings attached to books"), "{refusal}");
    stage.stop().await;
    assert!(seen.recv().await.unwrap().starts_with("close"), "we say goodbye");
}

#[tokio::test]
async fn an_answer_that_never_came_has_status_zero() {
    let (ws, _) = server(vec!["get /x".to_owned()]).await;
    let (gone, web) = listener().await;
    drop(gone);
    let mut stage = stage(ws, web);
    stage.expect("up").await;
    stage.expect("5 0 cannot reach").await;
    stage.stop().await;
}

#[tokio::test]
async fn a_close_asked_for_is_answered() {
    let (ws, mut seen) = server(vec!["close".to_owned()]).await;
    let mut stage = stage(ws, ws);
    stage.expect("up").await;
    stage.expect("down None closed by us").await;
    assert!(seen.recv().await.unwrap().starts_with("close"));
    stage.stop().await;
}

#[tokio::test]
async fn a_refused_handshake_is_a_closed_with_the_status() {
    let ws = rude_server("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n").await;
    let mut stage = stage(ws, ws);
    let (_, _, said) = stage.next().await;
    assert!(said.contains("429"), "{said}");
    assert_eq!(stage.metrics.okx_connection_errors_total(), 1);
    assert!(!stage.metrics.reports()[0].connected);
    stage.stop().await;
}

#[tokio::test]
async fn a_panic_is_marked_as_ours_and_a_fresh_feed_takes_over() {
    let texts = ["before", "panic", "never seen"].map(String::from).to_vec();
    let (ws, _) = server(texts).await;
    let mut stage = stage(ws, ws);
    let mut said = Vec::new();
    for _ in 0..6 {
        said.push(stage.next().await);
    }
    let text = |i: usize| said[i].2.as_str();
    assert_eq!(text(1), "before");
    assert_eq!(text(2), "gap books BTC-USDT restart ours");
    assert!(text(3).starts_with("down") && text(3).contains("as told"), "{}", text(3));
    assert_eq!((said[3].0, said[3].1), (1, 4), "the old feed counts to its end");
    assert_eq!((said[4].0, said[4].1), (2, 1), "the fresh one has its own id and count");
    assert!(text(4).starts_with("up"));
    assert_eq!(text(5), "before");
    // The fresh feed meets the same frame, so the count may be ahead already.
    assert!(!stage.metrics.render().contains("market_data_feed_panics_total 0\n"));
    stage.driver.abort();
}
