//! What is listed while everything runs is followed, over real sockets of this machine: where there
//! is room, on another connection where there is none, after a mistake of ours, and anew.

use super::tests::{options, start, until};
use super::*;
use crate::live::Ask as DriverAsk;
use crate::{Body, EventReceiver, EventRef, Service, Want, prepare};
use market_data_model::event::{GapCause, Whose};
use market_data_okx::limits::DEEP_BOOKS_PER_CONNECTION;
use market_data_sim::MarketSize;
use std::collections::BTreeSet;

/// What is listed during the play.
const NEW: &str = "SUI-USDT-2";
/// Who plays in it.
const CAST: [&str; 6] = ["GONE", "HALT", "TICK", "SPLT", "RENA", "SUI"];

/// An exchange whose play of lives began so many seconds ago.
async fn entered(seconds: u64) -> SimServer {
    let start = crate::clock::wall_now().0 - seconds * 1_000_000_000;
    let (market, universe) = (MarketSize::Full, 120);
    let config = SimConfig { market, universe, lives: true, ..SimConfig::new(3, start) };
    let sim = serve(SimOptions { listen: ([127, 0, 0, 1], 0).into(), config }).await.unwrap();
    sim.skip(Duration::from_secs(seconds)).await;
    sim
}

/// Lets the play go on in strides, each read before the next, until `done` says so.
async fn play(
    sim: &SimServer,
    events: &mut EventReceiver,
    mut done: impl FnMut(&EventRef<'_>) -> bool,
) {
    let mut over = false;
    while !over {
        sim.skip(Duration::from_secs(1)).await;
        let mut count = 0;
        until(events, |event| {
            count += 1;
            over = over || done(event);
            over || count == 20
        })
        .await;
    }
}

fn is_book_of(event: &EventRef<'_>, front: &str) -> bool {
    matches!(event.body, Body::Book(..)) && event.inst_id().starts_with(front)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_without_room_gets_a_connection_and_the_others_lose_nothing() {
    let sim = entered(38).await;
    let pattern = prepare(&options(&sim, &["SUI-*"], &["books"])).await.unwrap();
    let all = prepare(&options(&sim, &["*-USDT", "*-SWAP"], &["books"])).await.unwrap();
    let deep = |s: &&crate::Subscription| &*s.channel == "books";
    let plays = |id: &str| CAST.iter().any(|name| id.starts_with(name));
    let others = all.subscriptions.iter().filter(deep).filter(|s| !plays(&s.key));
    let room = DEEP_BOOKS_PER_CONNECTION - pattern.subscriptions.iter().filter(deep).count();
    let names: Vec<&str> = others.map(|s| &*s.key).take(room).collect();
    assert_eq!(names.len(), room, "the exchange lists enough");
    let mut options = options(&sim, &names, &["books"]);
    options.wants.push(Want::new(["SUI-*"], ["books"]));
    let planned = prepare(&options).await.unwrap().subscriptions.len();
    let (service, mut events) = start(options).await;
    let mut live = BTreeSet::new();
    until(&mut events, |event| {
        if let Body::Book(..) = event.body {
            live.insert(event.inst_id().to_owned());
        }
        live.len() == DEEP_BOOKS_PER_CONNECTION
    })
    .await;
    assert_eq!(service.feeds().len(), 1, "they all fit on one connection");
    let mut listed = None;
    play(&sim, &mut events, |event| {
        assert!(!matches!(event.body, Body::Gap(_)), "{} {:?}", event.inst_id(), event.body);
        let found = is_book_of(event, NEW);
        listed = listed
            .take()
            .or_else(|| found.then(|| (event.header.feed, event.inst_id().to_owned())));
        found
    })
    .await;
    let (feed, id) = listed.unwrap();
    assert_eq!(feed.0, 2, "its own connection");
    assert!(service.book("books", &id).await.is_ok(), "and it is found there");
    let status = |at: usize| service.feeds()[at].status.clone().unwrap();
    assert_eq!((service.feeds().len(), status(0).wanted), (2, planned));
    service.stop().await;
    sim.close().await;
}

/// Waits for a book of `front` by a feed; says which.
async fn book_of(events: &mut EventReceiver, front: &str, by: impl Fn(u32) -> bool) -> u32 {
    let mut found = 0;
    until(events, |event| {
        if is_book_of(event, front) && by(event.header.feed.0) {
            found = event.header.feed.0;
        }
        found > 0
    })
    .await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_feed_after_a_mistake_of_ours_has_what_was_listed_since() {
    let sim = entered(38).await;
    let wanted = options(&sim, &["BTC-USDT", "SUI-*"], &["books"]);
    let (service, mut events): (Service, _) = start(wanted).await;
    play(&sim, &mut events, |event| is_book_of(event, NEW)).await;
    assert_eq!(service.feeds().len(), 1, "there was room for it");
    assert!(service.lines()[0].asks.send(DriverAsk::Fail).await.is_ok());
    let mut lost = BTreeSet::new();
    until(&mut events, |event| {
        if let Body::Gap(gap) = event.body
            && (gap.cause, gap.whose) == (GapCause::Restart, Whose::Ours)
        {
            lost.insert(event.inst_id().to_owned());
        }
        lost.iter().any(|id| id.starts_with(NEW))
    })
    .await;
    assert_eq!(book_of(&mut events, NEW, |feed| feed > 1).await, 2, "the fresh feed");
    assert!(service.feeds()[0].replaced);
    service.stop().await;
    sim.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_by_name_is_followed_when_it_is_listed_anew() {
    let sim = entered(112).await;
    let (service, mut events) = start(options(&sim, &["BTC-USDT", "GONE-USDT"], &["books"])).await;
    book_of(&mut events, "GONE-USDT", |_| true).await;
    let mut ended = false;
    play(&sim, &mut events, |event| {
        let gone = matches!(event.body, Body::Instrument(x) if &*x.state == "expired");
        ended |= gone && event.inst_id() == "GONE-USDT";
        ended && is_book_of(event, "GONE-USDT")
    })
    .await;
    assert!(service.book("books", "GONE-USDT").await.is_ok());
    service.stop().await;
    sim.close().await;
}
