//! What sinks write, and how they end.

use super::*;
use crate::bus::{Publisher, Queue, Way};
use crate::metrics::QueueCounters;
use market_data_model::event::{Aggressor, Trade};
use market_data_model::{EventRef, Instrument, Px, Qty};
use std::io;
use std::sync::Mutex;

fn trades(count: u64) -> Arc<Batch> {
    let mut batch = Batch::default();
    for n in 1..=count {
        let trade = Trade {
            trade_id: n,
            px: Px("1.50".parse().unwrap()),
            qty: Qty("2".parse().unwrap()),
            aggressor: Aggressor::Buyer,
            count: None,
            source: None,
            seq: None,
        };
        let header = Header {
            feed: FeedId(1),
            n,
            channel: Some(0),
            inst: Some(0),
            ts_event: None,
            ts_recv: Nanos(n),
        };
        batch.push_trade(header, trade);
    }
    batch.set_names(&Arc::new(Names {
        venue: "okx",
        channels: vec!["trades".into()],
        instruments: vec![Arc::new(Instrument::named("BTC-USDT"))],
    }));
    Arc::new(batch)
}

fn lost() -> Lost {
    let (from, to) = (Nanos(4), Nanos(9));
    Lost { feed: FeedId(1), batches: 2, events: 6, from_n: 4, to_n: 9, from, to }
}

/// A place that many hands can look at.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn json_lines_are_one_object_a_line_and_losses_are_gaps() {
    let place = Shared::default();
    let mut sink = JsonLines::new("place", place.clone());
    sink.batch(&trades(3)).unwrap();
    sink.lost(&lost()).unwrap();
    sink.flush().unwrap();
    let text = String::from_utf8(place.0.lock().unwrap().clone()).unwrap();
    let rows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0]["type"], "trade");
    assert_eq!(rows[0]["price"], "1.50");
    assert_eq!((&rows[3]["type"], &rows[3]["cause"]), (&"gap".into(), &"slow_consumer".into()));
    assert_eq!((&rows[3]["whose"], &rows[3]["n"]), (&"ours".into(), &9.into()));
}

#[test]
fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
    struct Broken(io::ErrorKind);
    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let fail = |kind| {
        let mut sink = JsonLines::new("out.ndjson", Broken(kind));
        sink.batch(&trades(1)).unwrap();
        sink.flush().unwrap_err()
    };
    assert!(matches!(fail(io::ErrorKind::BrokenPipe), SinkError::ReaderGone));
    let error = fail(io::ErrorKind::StorageFull).to_string();
    assert!(error.contains("out.ndjson"), "{error}");
}

/// Runs one sink behind the bus and hands out these batches.
async fn through(sink: impl Sink, batches: &[Arc<Batch>]) -> Result<(), SinkError> {
    let (sender, queue) = mpsc::channel(64);
    let counters = Arc::new(QueueCounters::new("test"));
    let ended = spawn(&counters, Box::new(sink), queue).unwrap();
    let way = Way::Queue(sender);
    let mut publisher =
        Publisher::new(&[Queue { way, overflow: Overflow::Wait, changes: false, counters }]);
    for batch in batches {
        publisher.publish(batch, Nanos(0)).await;
    }
    drop(publisher);
    ended.await.unwrap()
}

#[tokio::test]
async fn a_processor_gets_each_kind_by_its_own_call() {
    #[derive(Default, Clone)]
    struct Mine(Arc<Mutex<(u64, u64)>>);
    impl Processor for Mine {
        fn trade(&mut self, event: &EventRef<'_>, trade: &Trade) {
            assert_eq!(event.inst_id(), "BTC-USDT");
            self.0.lock().unwrap().0 += trade.trade_id;
        }
        fn other(&mut self, _: &EventRef<'_>) {
            self.0.lock().unwrap().1 += 1;
        }
    }
    let mine = Mine::default();
    let gap = Arc::new(lost().to_batch());
    through(ProcessorSink(mine.clone()), &[trades(3), gap]).await.unwrap();
    assert_eq!(*mine.0.lock().unwrap(), (6, 1));
}

#[tokio::test]
async fn a_counter_counts_by_channel_and_kind() {
    let counter = Counter::new();
    through(counter.clone(), &[trades(3), trades(2)]).await.unwrap();
    assert_eq!(counter.counts().by_kind[&("trades".to_owned(), "trade")], 5);
    assert_eq!(counter.counts().events, 5);
}

#[tokio::test]
async fn a_sink_that_panics_ends_alone() {
    struct Rude;
    impl Processor for Rude {
        fn trade(&mut self, _: &EventRef<'_>, _: &Trade) {
            panic!("not today");
        }
    }
    let error = through(ProcessorSink(Rude), &[trades(1)]).await.unwrap_err().to_string();
    assert!(error.contains("not today"), "{error}");
}
