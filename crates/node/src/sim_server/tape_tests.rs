//! A recording of the pretend exchange, served again without sockets: who comes when, and what
//! they must hold in the end.

use super::show::Show;
use super::tests::{options, sim, start, until};
use super::world::{Stage, World};
use super::*;
use crate::TapeSettings;
use axum::extract::ws::Message;
use market_data_model::{Body, Feed as _, FeedId, Input, Nanos, Outbox, Side};
use market_data_okx::{OkxConfig, OkxFeed};
use market_data_sim::Exchange;
use market_data_tape::Entry;
use market_data_tape::reader::{Item, Range};

const BOOKS: [&str; 2] = ["BTC-USDT", "ETH-USDT"];

/// Records a little of the pretend exchange.
async fn recorded(dir: &std::path::Path, faults: FaultProfile) -> Tape {
    let sim = sim(41, faults).await;
    let mut options = options(&sim, &BOOKS, &["books", "trades", "tickers", "candle1m"]);
    options.tape = Some(TapeSettings::new(dir));
    let (service, mut events) = start(options).await;
    let mut left = 400;
    until(&mut events, |event| {
        left -= u32::from(matches!(event.body, Body::Book(..)));
        left == 0
    })
    .await;
    drop(events);
    service.stop().await;
    sim.close().await;
    Tape::open(dir).unwrap()
}

/// Every data frame of the tape about this, in order.
fn frames_of(tape: &Tape, about: &str) -> Vec<String> {
    let mut frames = Vec::new();
    let mut records = tape.records(Range::ALL);
    while let Some(item) = records.read().unwrap() {
        let Item::Record(record) = item else { panic!("the tape is whole") };
        let Ok(Entry::Input(Input::Frame(bytes))) = record.entry() else { continue };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        if text.starts_with("{\"arg\"") && text.contains(about) {
            frames.push(text);
        }
    }
    frames
}

fn world(tape: &Tape, speed: Speed) -> World<'_> {
    let now = Nanos(1_795_437_636_000_000_000);
    let config = SimConfig::new(1, now.0);
    let mut exchange = Exchange::recorded(config);
    let mut show = Show::new(tape, Range::ALL, speed);
    show.list(&mut exchange).unwrap();
    show.seek(&mut exchange, now.0).unwrap();
    let options = TapeOptions { speed, ..TapeOptions::new("anywhere") };
    World::of(exchange, now, Some(Stage::new(show, &options)))
}

struct Guest {
    conn: ConnId,
    messages: mpsc::Receiver<ToClient>,
    texts: Vec<String>,
}

impl Guest {
    async fn come(world: &mut World<'_>, subscribe: &str) -> Guest {
        let (outbox, messages) = mpsc::channel(1 << 16);
        let (reply, answer) = oneshot::channel();
        world.take(Ask::Open {
            path: "/ws/v5/public".to_owned(),
            headers: Vec::new(),
            outbox,
            reply,
        });
        let Ok(Opened::Accepted(conn)) = answer.await else { panic!("the path is served") };
        let mut guest = Guest { conn, messages, texts: Vec::new() };
        guest.say(world, subscribe);
        guest
    }

    fn say(&mut self, world: &mut World<'_>, text: &str) {
        world.take(Ask::Receive { conn: self.conn, message: Message::text(text) });
        let now = world.clock.now().0;
        world.welcome(now);
        world.deliver(now);
    }

    /// The data frames that have come.
    fn data(&mut self) -> Vec<&str> {
        while let Ok(message) = self.messages.try_recv() {
            if let ToClient::Text(text) = message {
                self.texts.push(text.to_string());
            }
        }
        self.texts.iter().map(String::as_str).filter(|t| t.starts_with("{\"arg\"")).collect()
    }
}

const ASK: &str = r#"{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},
    {"channel":"books","instId":"ETH-USDT"},{"channel":"trades","instId":"BTC-USDT"},
    {"channel":"tickers","instId":"BTC-USDT"}]}"#;

/// What an independent run of these frames holds.
fn book(frames: &[&str], inst_id: &str) -> (Vec<String>, Option<i64>, u64) {
    let config = OkxConfig { passive: true, ..OkxConfig::new(FeedId(1), "test") };
    let mut feed = OkxFeed::new(config);
    let mut out = Outbox::default();
    let inputs = [Input::Start, Input::Opened].into_iter();
    let frames = frames.iter().map(|text| Input::Frame(text.as_bytes()));
    for (at, input) in inputs.chain(frames).enumerate() {
        feed.handle(Nanos(at as u64 + 1), input, &mut out);
    }
    let book = feed.book("books", inst_id).ok();
    let sides = book.into_iter().flat_map(|book| [Side::Bid, Side::Ask].map(|side| (book, side)));
    let levels = sides.flat_map(|(book, side)| book.levels(side));
    let levels = levels.map(|l| format!("{} {} {}", l.px, l.qty, l.orders)).collect();
    (levels, feed.book_seq("books", inst_id), feed.stats().gaps_opened)
}

#[tokio::test]
async fn whoever_comes_whenever_holds_the_recorded_book_in_the_end() {
    served_to_guests(FaultProfile::none()).await;
}

#[tokio::test]
async fn the_same_where_the_recording_has_gaps() {
    served_to_guests(FaultProfile::named("seqgap").unwrap()).await;
}

async fn served_to_guests(faults: FaultProfile) {
    let folder = tempfile::tempdir().unwrap();
    let tape = recorded(folder.path(), faults).await;
    tokio::time::pause();
    let mut world = world(&tape, Speed::Max);
    let mut guests = vec![Guest::come(&mut world, ASK).await];
    loop {
        let now = world.clock.now().0;
        let goes_on = world.play(now).unwrap();
        world.deliver(now);
        if !goes_on {
            break;
        }
        // OKX allows three handshakes a second: the clock moves on.
        tokio::time::advance(Duration::from_secs(1)).await;
        guests.push(Guest::come(&mut world, ASK).await);
    }
    assert!(guests.len() > 3, "the tape is long enough for some: {}", guests.len());
    // Who came for the last few records may still wait for a whole book.
    guests.pop();
    let recorded = frames_of(&tape, "");
    let recorded: Vec<&str> = recorded.iter().map(String::as_str).collect();
    for (n, guest) in guests.iter_mut().enumerate() {
        let data = guest.data();
        for inst_id in BOOKS {
            let (expected, last, gaps) = book(&recorded, inst_id);
            let (levels, seq, guests_gaps) = book(&data, inst_id);
            assert_eq!(seq, last, "guest {n}, {inst_id}");
            assert_eq!(levels, expected, "guest {n}, {inst_id}");
            assert!(guests_gaps <= gaps, "guest {n}, {inst_id}: no gap but the recorded ones");
        }
        // Nothing but the first snapshot of each book is ours.
        let ours = data.iter().filter(|text| !recorded.contains(text));
        let ours: Vec<_> = ours.map(|text| text.contains("\"action\":\"snapshot\"")).collect();
        assert!(ours.iter().all(|snapshot| *snapshot), "guest {n}");
        assert!(ours.len() <= if n == 0 { 0 } else { 2 }, "guest {n}: {}", ours.len());
        if faults.name == "none" && n > 0 {
            assert_eq!(ours.len(), 2, "guest {n}");
        }
    }
    let trades: Vec<String> = frames_of(&tape, "\"trades\",\"instId\":\"BTC-USDT\"");
    let first: Vec<&str> =
        guests[0].data().into_iter().filter(|t| t.contains("\"channel\":\"trades\"")).collect();
    assert_eq!(first, trades, "byte for byte");
}
