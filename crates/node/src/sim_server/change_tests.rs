//! What is followed is changed while everything runs, over real sockets of this machine.

use super::tests::{options, sim, start, until};
use super::*;
use crate::{Body, Error, EventReceiver, EventRef, Service, ServiceOptions, Want, prepare};
use market_data_model::BookKind;
use market_data_model::event::SubscriptionStep;
use std::collections::BTreeSet;

async fn change(service: &Service, options: &ServiceOptions, wants: &[Want]) -> crate::Changed {
    let options = ServiceOptions { wants: wants.to_vec(), ..options.clone() };
    let prepared = prepare(&options).await.unwrap();
    service.change(options.wants, prepared).await.unwrap()
}

fn names(list: &[crate::Subscription]) -> Vec<String> {
    list.iter().map(|s| format!("{} {}", s.channel, s.key)).collect()
}

/// Whoever keeps BTC-USDT: its book goes on change by change, its trades id by id, and nobody
/// says that anything is missing.
#[derive(Default)]
struct Untouched {
    seq: Option<i64>,
    trade: Option<u64>,
    changes: usize,
}

impl Untouched {
    fn take(&mut self, event: &EventRef<'_>) {
        assert!(!matches!(event.body, Body::Gap(_)), "{} {:?}", event.inst_id(), event.body);
        if event.inst_id() != "BTC-USDT" {
            return;
        }
        match event.body {
            Body::Book(book, ..) if book.kind == BookKind::Delta => {
                assert_eq!(book.prev_seq, self.seq, "the chain goes on");
                self.seq = book.seq;
                self.changes += 1;
            }
            Body::Book(book, ..) if book.kind == BookKind::Snapshot => {
                assert_eq!(self.seq, None, "one snapshot and no other");
                self.seq = book.seq;
            }
            Body::Trade(trade) if event.channel() == "trades" => {
                let first = trade.trade_id - u64::from(trade.count.unwrap_or(1)) + 1;
                assert!(self.trade.is_none_or(|last| first == last + 1), "every trade");
                self.trade = Some(trade.trade_id);
            }
            Body::Subscription(news) => assert_eq!(news.step, SubscriptionStep::Subscribed),
            _ => {}
        }
    }

    /// Reads until `done`, and until the book has changed a few more times.
    async fn watch(
        &mut self,
        events: &mut EventReceiver,
        mut done: impl FnMut(&EventRef<'_>) -> bool,
    ) {
        let enough = self.changes + 10;
        let mut seen = false;
        until(events, |event| {
            self.take(event);
            seen |= done(event);
            seen && self.changes >= enough
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_asks_for_what_is_new_ends_what_is_not_wanted_and_touches_nothing_else() {
    let sim = sim(21, FaultProfile::none()).await;
    let options = options(&sim, &["BTC-USDT", "ETH-USDT"], &["books", "trades"]);
    let (service, mut events) = start(options.clone()).await;
    let mut btc = Untouched::default();
    btc.watch(&mut events, |event| event.inst_id() == "ETH-USDT").await;
    let bars = Want::new(["SOL-USDT"], ["books", "candle1m"]);
    let wants = [Want::new(["BTC-USDT"], ["books", "trades"]), bars];
    let changed = change(&service, &options, &wants).await;
    assert_eq!(names(&changed.added), ["books SOL-USDT", "candle1m SOL-USDT"]);
    assert_eq!(names(&changed.dropped), ["books ETH-USDT", "trades ETH-USDT"]);
    let (opened, closed, kept) = (changed.opened, changed.closed, changed.kept);
    assert_eq!((opened, closed, kept), (1, 0, 3), "bars live on another socket");
    assert_eq!((changed.requests, changed.postponed.len()), (3, 0));
    let mut missing: BTreeSet<&str> = ["books", "candle1m", "ended"].into();
    btc.watch(&mut events, |event| {
        match (event.inst_id(), event.body) {
            ("SOL-USDT", Body::Book(..)) => missing.remove("books"),
            ("SOL-USDT", Body::Bar(_)) => missing.remove("candle1m"),
            ("ETH-USDT", Body::Subscription(news)) => {
                news.step == SubscriptionStep::Unsubscribed && missing.remove("ended")
            }
            _ => false,
        };
        missing.is_empty()
    })
    .await;
    assert!(service.book("books", "SOL-USDT").await.is_ok());
    assert!(service.book("books", "ETH-USDT").await.is_err(), "nobody follows it");

    // Nothing is left for the other socket; its connection ends and is no worry to anybody.
    let changed = change(&service, &options, &wants[..1]).await;
    assert_eq!(names(&changed.dropped), ["books SOL-USDT", "candle1m SOL-USDT"]);
    assert_eq!((changed.added.len(), changed.closed), (0, 1));
    btc.watch(&mut events, |_| true).await;
    let reports = service.feeds();
    assert_eq!(reports.iter().map(|r| r.replaced).collect::<Vec<_>>(), [false, true]);
    let (reconnects, gaps) = (reports[0].stats.reconnects, reports[0].stats.gaps_opened);
    assert_eq!((reconnects, gaps), (0, 0));
    // And back again, on a fresh connection; asked twice, it is done once.
    let changed = change(&service, &options, &wants).await;
    assert_eq!((changed.added.len(), changed.opened), (2, 1));
    assert_eq!(change(&service, &options, &wants).await.added, []);
    btc.watch(&mut events, |event| matches!(event.body, Body::Bar(_))).await;
    service.stop().await;
    sim.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_cannot_be_used_changes_anything() {
    let sim = sim(22, FaultProfile::none()).await;
    let options = options(&sim, &["BTC-USDT"], &["books", "trades"]);
    let (service, mut events) = start(options.clone()).await;
    let wants = vec![Want::new(["BTC-USDX"], ["books"])];
    let bad = prepare(&ServiceOptions { wants, ..options.clone() }).await.unwrap_err();
    assert!(matches!(bad, Error::Resolve(_)), "{bad}");
    Untouched::default().watch(&mut events, |event| matches!(event.body, Body::Trade(_))).await;
    let changed = change(&service, &options, &options.wants).await;
    assert_eq!((changed.added.len(), changed.dropped.len(), changed.kept), (0, 0, 3));
    service.stop().await;
    sim.close().await;
}
