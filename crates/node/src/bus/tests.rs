//! What a full queue does, for both rules, against every order of publishing and reading.

use super::*;
use crate::sink::{Delivery, EventReceiver, SinkRun, channel_sink};
use market_data_model::batch::Other;
use market_data_model::event::{Fault, FaultCode, FeedId, Header};
use proptest::prelude::*;

/// A batch of `len` events from `n` on.
fn batch(n: u64, len: u64) -> Arc<Batch> {
    let mut batch = Batch::default();
    for n in n..n + len {
        let header = Header {
            feed: FeedId(7),
            n,
            channel: None,
            inst: None,
            ts_event: None,
            ts_recv: Nanos(n * 10),
        };
        let fault = Fault { code: FaultCode::BadRow, reason: String::new(), frame: String::new() };
        batch.push_other(header, Other::Fault(fault));
    }
    Arc::new(batch)
}

fn queue(capacity: usize, overflow: Overflow) -> (Publisher, EventReceiver, Arc<QueueCounters>) {
    let (spec, receiver) = channel_sink("test", capacity, overflow);
    let SinkRun::Queue(sender) = spec.run else { panic!("a channel sink is a queue") };
    let counters = Arc::new(QueueCounters::new("test"));
    let queue = Queue {
        way: Way::Queue(sender),
        overflow,
        changes: false,
        counters: Arc::clone(&counters),
    };
    (Publisher::new(&[queue]), receiver, counters)
}

/// The stretch of `n` that a delivery covers, and whether it was lost.
fn stretch(delivery: &Delivery) -> (u64, u64, bool) {
    match delivery {
        Delivery::Batch(batch) => {
            let n = |i: usize| batch.get(i).unwrap().header.n;
            (n(0), n(batch.len() - 1), false)
        }
        Delivery::Lost(lost) => {
            assert_eq!(lost.events, lost.to_n - lost.from_n + 1);
            assert_eq!((lost.from.0, lost.to.0), (lost.from_n * 10, lost.to_n * 10));
            (lost.from_n, lost.to_n, true)
        }
    }
}

#[tokio::test]
async fn a_full_queue_drops_the_newest_and_says_so_before_the_next() {
    let (mut publisher, mut receiver, counters) = queue(2, Overflow::DropAndMark);
    for n in 1..=5 {
        publisher.publish(&batch(n, 1), Nanos(0)).await;
    }
    assert_eq!(stretch(&receiver.recv().await.unwrap()), (1, 1, false));
    publisher.publish(&batch(6, 1), Nanos(0)).await;
    assert_eq!(stretch(&receiver.recv().await.unwrap()), (2, 2, false));
    assert_eq!(stretch(&receiver.recv().await.unwrap()), (3, 5, true));
    assert_eq!(stretch(&receiver.recv().await.unwrap()), (6, 6, false));
    assert_eq!(counters.totals(), (3, 3));
}

#[tokio::test]
async fn a_loss_at_the_very_end_is_told() {
    let (mut publisher, mut receiver, _) = queue(1, Overflow::DropAndMark);
    publisher.publish(&batch(1, 2), Nanos(0)).await;
    publisher.publish(&batch(3, 4), Nanos(0)).await;
    let reader = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(delivery) = receiver.recv().await {
            all.push(stretch(&delivery));
        }
        all
    });
    publisher.finish(Duration::from_secs(5)).await;
    assert_eq!(reader.await.unwrap(), [(1, 2, false), (3, 6, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_waits_loses_nothing_and_counts_the_wait() {
    let (mut publisher, mut receiver, counters) = queue(1, Overflow::Wait);
    let writer = tokio::spawn(async move {
        for n in 1..=50 {
            publisher.publish(&batch(n, 1), Nanos(0)).await;
        }
    });
    for n in 1..=50 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(stretch(&receiver.recv().await.unwrap()), (n, n, false));
    }
    writer.await.unwrap();
    assert_eq!(counters.totals(), (50, 0));
    assert!(counters.waits() > 40, "{}", counters.waits());
}

#[tokio::test]
async fn a_reader_that_has_gone_holds_nobody_back() {
    for overflow in [Overflow::Wait, Overflow::DropAndMark] {
        let (mut publisher, receiver, counters) = queue(1, overflow);
        publisher.publish(&batch(1, 1), Nanos(0)).await;
        drop(receiver);
        for n in 2..100 {
            publisher.publish(&batch(n, 1), Nanos(0)).await;
        }
        assert_eq!(counters.totals().0, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_while_a_feed_waits_frees_it() {
    let (mut publisher, receiver, _) = queue(1, Overflow::Wait);
    publisher.publish(&batch(1, 1), Nanos(0)).await;
    let second = batch(2, 1);
    let waiting = publisher.publish(&second, Nanos(0));
    let leaving = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(receiver);
    };
    tokio::join!(waiting, leaving);
}

proptest! {
    /// Whatever the order of publishing and reading, deliveries and losses together cover every
    /// `n` once and in order.
    #[test]
    fn every_event_is_delivered_or_marked(
        capacity in 1usize..4,
        steps in prop::collection::vec(prop_oneof![(1u64..5).prop_map(Some), Just(None)], 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(async move {
            let (mut publisher, mut receiver, _) = queue(capacity, Overflow::DropAndMark);
            let (mut next, mut seen) = (1, Vec::new());
            for step in steps {
                match step {
                    Some(len) => {
                        publisher.publish(&batch(next, len), Nanos(0)).await;
                        next += len;
                    }
                    None => seen.extend(receiver.try_recv().as_ref().map(stretch)),
                }
            }
            let rest = async {
                while let Some(delivery) = receiver.recv().await {
                    seen.push(stretch(&delivery));
                }
            };
            tokio::join!(publisher.finish(Duration::from_secs(5)), rest);
            (next, seen)
        });
        let (end, seen) = seen;
        let mut next = 1;
        for (from, to, _) in seen {
            prop_assert_eq!(from, next);
            next = to + 1;
        }
        prop_assert_eq!(next, end);
    }
}
