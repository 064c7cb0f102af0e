//! A pretend exchange, a service behind it, and clients that have only that service.

use super::super::SimServer;
use super::super::tests::{options, sim, start, until};
use super::*;
use crate::{Body, Command, EventReceiver, ServiceOptions};
use futures_util::{SinkExt as _, StreamExt as _};
use market_data_model::event::{BookKind, SessionStep};
use market_data_model::{Book, Side};
use market_data_okx::Endpoints;
use market_data_sim::FaultProfile;
use std::net::SocketAddr;
use tokio_tungstenite::tungstenite::Message;

/// An exchange, our service that follows it, and the relay.
struct Desk {
    sim: SimServer,
    service: Service,
    events: EventReceiver,
    relay: Relay,
    address: SocketAddr,
}

impl Desk {
    async fn open(seed: u64, instruments: &[&str], channels: &[&str]) -> Desk {
        let sim = sim(seed, FaultProfile::none()).await;
        let options = ServiceOptions { relay: true, ..options(&sim, instruments, channels) };
        let (mut service, events) = start(options).await;
        let relay = Relay::start(&mut service).expect("frames are handed on");
        assert!(Relay::start(&mut service).is_none(), "only one has them");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = relay.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Desk { sim, service, events, relay, address }
    }

    /// What a client of ours needs to take the relay for the venue.
    fn options(&self, instruments: &[&str], channels: &[&str]) -> ServiceOptions {
        let endpoints = Endpoints::local(&format!("ws://{}", self.address)).unwrap();
        ServiceOptions { endpoints, ..options(&self.sim, instruments, channels) }
    }

    async fn close(self) {
        drop(self.events);
        self.relay.close().await;
        assert_eq!(self.service.stop().await.feeds_unfinished, 0);
        self.sim.close().await;
    }
}

type Text =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A client without any of our code behind it, subscribed to one thing.
async fn client(address: SocketAddr, channel: &str, inst_id: &str) -> Text {
    let url = format!("ws://{address}/ws/v5/public");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let ask = format!(
        "{{\"op\":\"subscribe\",\"args\":[{{\"channel\":\"{channel}\",\"instId\":\"{inst_id}\"}}]}}"
    );
    socket.send(Message::text(ask)).await.unwrap();
    socket
}

/// The next text that is data; the end of the connection is an error with its reason.
async fn data(socket: &mut Text) -> Result<String, String> {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(30), socket.next());
        match next.await.expect("something within 30 s") {
            Some(Ok(Message::Text(text))) if text.contains("\"data\"") => {
                return Ok(text.to_string());
            }
            Some(Ok(Message::Text(text))) if text.contains("\"notice\"") => {
                assert!(text.contains("64008"), "{text}");
            }
            Some(Ok(Message::Close(frame))) => {
                return Err(frame.map_or_else(String::new, |f| f.reason.to_string()));
            }
            Some(Ok(_)) => {}
            other => return Err(format!("{other:?}")),
        }
    }
}

#[tokio::test]
async fn frames_come_out_as_the_venue_sent_them() {
    let desk = Desk::open(21, &["BTC-USDT"], &["trades", "tickers"]).await;
    let mut direct = client(desk.sim.address(), "trades", "BTC-USDT").await;
    let mut relayed = client(desk.address, "trades", "BTC-USDT").await;
    // Both join somewhere; from the first frame that both have, all must be the same.
    let mut one = Vec::new();
    let mut two = Vec::new();
    while one.len() < 40 {
        one.push(data(&mut direct).await.unwrap());
        two.push(data(&mut relayed).await.unwrap());
    }
    let from = |list: &[String], text: &String| list.iter().position(|t| t == text);
    let (first, second) = match (from(&one, &two[0]), from(&two, &one[0])) {
        (Some(at), _) => (&one[at..], &two[..]),
        (None, Some(at)) => (&one[..], &two[at..]),
        (None, None) => panic!("nothing in common:\n{}\n{}", one[0], two[0]),
    };
    let both = first.len().min(second.len());
    assert!(both > 12, "{both}");
    assert_eq!(first[..both], second[..both]);
    // What says how things stand is there at once, and is the last that came.
    let mut ticker = client(desk.address, "tickers", "BTC-USDT").await;
    assert!(data(&mut ticker).await.unwrap().contains("\"askPx\""));
    desk.close().await;
}

#[tokio::test]
async fn our_own_feed_behind_it_has_the_same_books_and_sees_no_gap() {
    let channels = ["books", "trades", "books5", "candle1m"];
    let desk = Desk::open(22, &["BTC-USDT", "BTC-USDT-SWAP"], &channels).await;
    // Several, because each joins in the middle of the stream.
    for _ in 0..3 {
        let (service, mut events) = start(desk.options(&["BTC-USDT"], &channels)).await;
        let (mut book, mut changes, mut gaps) = (Book::default(), 0, 0);
        until(&mut events, |event| {
            match event.body {
                Body::Book(change, bids, asks) if event.channel() == "books" => {
                    if change.kind == BookKind::Snapshot {
                        book.clear();
                    }
                    if change.kind != BookKind::View {
                        book.apply_all(Side::Bid, bids).unwrap();
                        book.apply_all(Side::Ask, asks).unwrap();
                        changes += 1;
                    }
                }
                Body::Gap(_) | Body::Fault(_) => gaps += 1,
                _ => {}
            }
            changes == 25
        })
        .await;
        assert_eq!(gaps, 0);
        assert!(book.is_consistent() && book.depth(Side::Bid) > 100, "{}", book.depth(Side::Bid));
        drop(events);
        service.stop().await;
    }
    desk.close().await;
}

#[tokio::test]
async fn a_loss_upstream_ends_those_who_listen_to_it_and_nobody_else() {
    let desk = Desk::open(23, &["BTC-USDT"], &["trades", "books", "candle1m"]).await;
    let mut trades = client(desk.address, "trades", "BTC-USDT").await;
    data(&mut trades).await.unwrap();
    let url = format!("ws://{}/ws/v5/business", desk.address);
    let (mut idle, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let (service, mut events) = start(desk.options(&["BTC-USDT"], &["books"])).await;
    until(&mut events, |event| matches!(event.body, Body::Book(..))).await;
    desk.service.command(None, Command::Reconnect).await;
    let reason = loop {
        match data(&mut trades).await {
            Ok(_) => {}
            Err(reason) => break reason,
        }
    };
    assert_eq!(reason, LOST);
    // A client that knows its trade connects again, and has a proven book again.
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
    assert!(steps.contains(&SessionStep::Down), "{steps:?}");
    // Who listened to nothing of it was left alone.
    idle.send(Message::text("ping")).await.unwrap();
    let pong = tokio::time::timeout(Duration::from_secs(10), idle.next()).await.unwrap();
    assert!(matches!(&pong, Some(Ok(Message::Text(text))) if text.as_str() == "pong"), "{pong:?}");
    drop(events);
    service.stop().await;
    desk.close().await;
}

#[tokio::test]
async fn what_we_do_not_follow_is_refused_in_the_words_of_the_venue() {
    let desk = Desk::open(24, &["BTC-USDT"], &["trades"]).await;
    let mut socket = client(desk.address, "trades", "ETH-USDT").await;
    let next = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap();
    let Some(Ok(Message::Text(text))) = next else { panic!("{next:?}") };
    assert!(text.contains("\"event\":\"error\"") && text.contains("60018"), "{text}");
    desk.close().await;
}

/// A REST request to the relay, by hand: its status and what came.
async fn get(address: SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = socket.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn rest_shows_the_proven_book_and_the_instruments() {
    let mut desk = Desk::open(25, &["BTC-USDT"], &["books"]).await;
    until(&mut desk.events, |event| matches!(event.body, Body::Book(..))).await;
    let book = get(desk.address, "/api/v5/market/books?instId=BTC-USDT&sz=5").await;
    assert!(book.contains("\"code\":\"0\"") && book.contains("\"seqId\""), "{book}");
    let instruments = get(desk.address, "/api/v5/public/instruments?instType=SPOT").await;
    assert!(instruments.contains("\"instId\":\"BTC-USDT\""), "{instruments}");
    let unknown = get(desk.address, "/api/v5/market/books?instId=NO-SUCH").await;
    assert!(unknown.contains("51001"), "{unknown}");
    desk.close().await;
}
