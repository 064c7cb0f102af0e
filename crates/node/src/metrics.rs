//! Counters that anybody may read at any time, and their Prometheus text.
//!
//! Drivers copy a feed's own counters here after each batch; nothing is counted twice. Names that
//! the user gave are kept with the usual `_total`.
//!
//! Invariant: reading never waits for a feed.

mod lines;

use crate::bus::Item;
use crate::latency::{Hop, Hops, Latency};
use crate::recorder::{Shared as TapeShared, TapeReport};
use crate::skew::Skew;
use crate::venue::{FeedStats, FeedStatus};
use market_data_model::Nanos;
use market_data_model::event::FeedId;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

type Reader = fn(&FeedStats) -> u64;

/// Per feed: name, help, and where the feed counts it.
const COUNTERS: [(&str, &str, Reader); 23] = [
    ("okx_messages_received_total", "Frames received", |s| s.frames),
    ("okx_processing_errors_total", "Things received that were not understood", |s| s.faults),
    ("okx_received_bytes_total", "Bytes of frames received", |s| s.bytes),
    ("okx_pongs_total", "Answers to our pings", |s| s.pongs),
    ("okx_records_total", "Events emitted", |s| s.records),
    ("okx_tickers_total", "Tickers emitted", |s| s.tickers),
    ("okx_trades_total", "Trades emitted", |s| s.trades),
    ("okx_bars_total", "Bars emitted", |s| s.bars),
    ("okx_figures_total", "Flat records emitted", |s| s.figures),
    ("okx_book_changes_total", "Verified book changes and snapshots", |s| s.deltas),
    ("okx_book_views_total", "Views of books emitted", |s| s.views),
    ("okx_instruments_total", "Instrument records emitted", |s| s.instruments),
    ("okx_unknown_channels_total", "Frames of unknown channels", |s| s.unknown_channels),
    ("okx_unknown_fields_total", "Unknown fields seen", |s| s.unknown_fields),
    ("okx_unknown_values_total", "Unknown words seen", |s| s.unknown_values),
    ("okx_gaps_opened_total", "Gaps opened", |s| s.gaps_opened),
    ("okx_gaps_closed_total", "Gaps closed", |s| s.gaps_closed),
    ("okx_trades_lost_total", "Trades that their ids prove missing", |s| s.trades_lost),
    ("okx_resyncs_total", "Subscriptions restarted on the same connection", |s| s.resyncs),
    ("okx_reconnects_total", "Connections lost or replaced", |s| s.reconnects),
    ("okx_requests_total", "Requests sent", |s| s.requests),
    ("okx_book_snapshots_total", "Full books received", |s| s.book.snapshots),
    ("okx_book_updates_total", "Book updates received", |s| s.book.updates),
];

/// Where one feed stands, as last reported by its driver.
#[derive(Clone, Debug)]
pub struct FeedReport {
    /// Which feed.
    pub feed: FeedId,
    /// Where it connects to.
    pub url: Arc<str>,
    /// Whether its connection is open.
    pub connected: bool,
    /// Whether it is in use no more: a fresh feed has taken its place after a mistake of ours, or
    /// nothing was left on its connection.
    pub replaced: bool,
    /// Its own account of itself; `None` before its first report.
    pub status: Option<FeedStatus>,
    /// Its counters.
    pub stats: FeedStats,
    /// Handshakes that failed and connections that broke.
    pub connection_errors: u64,
    /// When it last received a frame; `None` before the first.
    pub last_frame: Option<Nanos>,
    /// How long ago that was.
    pub last_frame_age: Option<Duration>,
    /// From the venue's own time to our read, our clock put right where it is known to be wrong.
    pub venue_to_receive: Latency,
    /// From the read to the record.
    pub receive_to_record: Latency,
}

/// One feed's numbers, written by its driver only.
pub(crate) struct FeedMetrics {
    pub feed: FeedId,
    pub url: Arc<str>,
    pub connected: AtomicBool,
    pub replaced: AtomicBool,
    pub connection_errors: AtomicU64,
    pub last_frame: AtomicU64,
    pub hops: Hops,
    values: [AtomicU64; COUNTERS.len()],
    report: Mutex<(FeedStats, Option<FeedStatus>)>,
}

impl FeedMetrics {
    pub fn new(feed: FeedId, url: &Arc<str>) -> FeedMetrics {
        FeedMetrics {
            feed,
            url: Arc::clone(url),
            connected: AtomicBool::new(false),
            replaced: AtomicBool::new(false),
            connection_errors: AtomicU64::new(0),
            last_frame: AtomicU64::new(0),
            hops: Hops::new(),
            values: std::array::from_fn(|_| AtomicU64::new(0)),
            report: Mutex::default(),
        }
    }

    /// Copies the counters; cheap enough for every batch.
    pub fn copy(&self, stats: &FeedStats) {
        for (value, (_, _, read)) in self.values.iter().zip(&COUNTERS) {
            value.store(read(stats), Relaxed);
        }
    }

    /// Replaces the counters that [`FeedReport`] shows; of where the feed stands nothing is known.
    pub fn recount(&self, stats: FeedStats) {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).0 = stats;
    }

    /// Replaces the account that [`FeedReport`] shows.
    pub fn replace(&self, stats: FeedStats, status: FeedStatus) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = (stats, Some(status));
    }

    pub fn report(&self) -> FeedReport {
        let (stats, status) = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = Nanos(self.last_frame.load(Relaxed));
        let last_frame = (last.0 > 0).then_some(last);
        let age = last_frame.map(|at| Duration::from_nanos(crate::clock::wall_now().since(at)));
        FeedReport {
            feed: self.feed,
            url: Arc::clone(&self.url),
            connected: self.connected.load(Relaxed),
            replaced: self.replaced.load(Relaxed),
            status,
            stats,
            connection_errors: self.connection_errors.load(Relaxed),
            last_frame,
            last_frame_age: age,
            venue_to_receive: self.hops.venue.report(),
            receive_to_record: self.hops.decoded.report(),
        }
    }
}

/// How one sink fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkCounts {
    /// Its name.
    pub name: String,
    /// Events handed to it.
    pub delivered: u64,
    /// Events that its full queue dropped.
    pub dropped: u64,
    /// Times that its full queue held a feed back.
    pub waits: u64,
    /// Batches that wait for it; `None` if it has no queue, or has ended.
    pub depth: Option<usize>,
}

/// One sink's numbers.
pub(crate) struct QueueCounters {
    pub name: String,
    /// From the record to the sink.
    pub hop: Hop,
    delivered: AtomicU64,
    dropped: AtomicU64,
    waits: AtomicU64,
    waited_ns: AtomicU64,
    /// Its queue, if it has one.
    queue: OnceLock<mpsc::WeakSender<Item>>,
}

impl QueueCounters {
    pub fn new(name: &str) -> QueueCounters {
        let zero = || AtomicU64::new(0);
        let (delivered, dropped, waits, waited_ns) = (zero(), zero(), zero(), zero());
        let (name, hop) = (name.to_owned(), Hop::new());
        let queue = OnceLock::new();
        QueueCounters { name, hop, delivered, dropped, waits, waited_ns, queue }
    }

    /// Looks at that queue from here on.
    pub fn watch(&self, queue: &mpsc::Sender<Item>) {
        self.queue.get_or_init(|| queue.downgrade());
    }

    fn report(&self) -> SinkCounts {
        let (delivered, dropped) = self.totals();
        let queue = self.queue.get().and_then(mpsc::WeakSender::upgrade);
        let depth = queue.map(|queue| queue.max_capacity() - queue.capacity());
        SinkCounts { name: self.name.clone(), delivered, dropped, waits: self.waits(), depth }
    }

    pub fn delivered(&self, events: usize) {
        self.delivered.fetch_add(events as u64, Relaxed);
    }

    pub fn dropped(&self, events: usize) {
        self.dropped.fetch_add(events as u64, Relaxed);
    }

    pub fn waited(&self, time: Duration) {
        self.waits.fetch_add(1, Relaxed);
        self.waited_ns.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub fn waits(&self) -> u64 {
        self.waits.load(Relaxed)
    }

    pub fn totals(&self) -> (u64, u64) {
        (self.delivered.load(Relaxed), self.dropped.load(Relaxed))
    }
}

/// All counters of one service.
#[derive(Default)]
pub struct Metrics {
    feeds: Mutex<Vec<Arc<FeedMetrics>>>,
    queues: Mutex<Vec<Arc<QueueCounters>>>,
    tape: Mutex<Option<Arc<TapeShared>>>,
    pub(crate) skew: Arc<Skew>,
    pub(crate) refresh_errors: AtomicU64,
    pub(crate) panics: AtomicU64,
}

impl Metrics {
    pub(crate) fn add_feed(&self, feed: FeedMetrics) -> Arc<FeedMetrics> {
        let feed = Arc::new(feed);
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&feed));
        feed
    }

    /// A feed is in use no more.
    pub(crate) fn retire(&self, id: FeedId) {
        let feeds = self.feeds();
        feeds.iter().filter(|x| x.feed == id).for_each(|x| x.replaced.store(true, Relaxed));
    }

    pub(crate) fn add_queue(&self, name: &str) -> Arc<QueueCounters> {
        let queue = Arc::new(QueueCounters::new(name));
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&queue));
        queue
    }

    pub(crate) fn set_tape(&self, tape: &Arc<TapeShared>) {
        *self.tape.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(tape));
    }

    /// How recording goes; `None` = nothing is recorded.
    pub fn tape(&self) -> Option<TapeReport> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|t| t.report())
    }

    fn feeds(&self) -> Vec<Arc<FeedMetrics>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn queues(&self) -> Vec<Arc<QueueCounters>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far the venue's clock is ahead of ours, in ns (negative: behind), and by how much that
    /// may be wrong; `None` while it is not known.
    pub fn clock_ahead_ns(&self) -> Option<(i64, u64)> {
        self.skew.estimate()
    }

    /// From the record to each sink, by the sinks' names, in the order they were given.
    pub fn record_to_sink(&self) -> Vec<(String, Latency)> {
        self.queues().iter().map(|queue| (queue.name.clone(), queue.hop.report())).collect()
    }

    /// Every sink, in the order they were given.
    pub fn sinks(&self) -> Vec<SinkCounts> {
        self.queues().iter().map(|queue| queue.report()).collect()
    }

    /// Every feed as last reported, in the order they were made.
    pub fn reports(&self) -> Vec<FeedReport> {
        self.feeds().iter().map(|feed| feed.report()).collect()
    }

    /// Frames received by all feeds.
    pub fn okx_messages_received_total(&self) -> u64 {
        self.sum(0)
    }

    /// Things received that were not understood, by all feeds.
    pub fn okx_processing_errors_total(&self) -> u64 {
        self.sum(1)
    }

    /// Handshakes that failed and connections that broke, of all feeds.
    pub fn okx_connection_errors_total(&self) -> u64 {
        self.feeds().iter().map(|feed| feed.connection_errors.load(Relaxed)).sum()
    }

    /// Events that full queues dropped, of all sinks.
    pub fn events_dropped_total(&self) -> u64 {
        self.queues().iter().map(|queue| queue.totals().1).sum()
    }

    fn sum(&self, index: usize) -> u64 {
        self.feeds().iter().map(|feed| feed.values[index].load(Relaxed)).sum()
    }

    /// The Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let (feeds, queues) = (self.feeds(), self.queues());
        let mut out = String::new();
        let mut family = |name: &str, help: &str, kind: &str, rows: Vec<(String, u64)>| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(out, "{name}{{{labels}}} {value}");
            }
        };
        let per_feed = |read: &dyn Fn(&FeedMetrics) -> u64| {
            feeds.iter().map(|f| (format!("feed=\"{}\"", f.feed.0), read(f))).collect::<Vec<_>>()
        };
        for (index, (name, help, _)) in COUNTERS.iter().enumerate() {
            family(name, help, "counter", per_feed(&|f| f.values[index].load(Relaxed)));
        }
        let name = "okx_connection_errors_total";
        let help = "Handshakes that failed and connections that broke";
        family(name, help, "counter", per_feed(&|f| f.connection_errors.load(Relaxed)));
        let help = "Whether the connection is open";
        family("okx_connected", help, "gauge", per_feed(&|f| f.connected.load(Relaxed).into()));
        for (name, help, kind, rows) in lines::families(&feeds) {
            family(name, help, kind, rows);
        }
        let per_sink = |read: &dyn Fn(&QueueCounters) -> u64| {
            queues.iter().map(|q| (label("sink", &q.name), read(q))).collect::<Vec<_>>()
        };
        let name = "market_data_sink_events_total";
        family(name, "Events handed to the sink", "counter", per_sink(&|q| q.totals().0));
        let name = "market_data_sink_dropped_events_total";
        family(name, "Events the full queue dropped", "counter", per_sink(&|q| q.totals().1));
        let name = "market_data_sink_waits_total";
        family(name, "Times the full queue held a feed back", "counter", per_sink(&|q| q.waits()));
        let name = "market_data_sink_wait_ns_total";
        let help = "Nanoseconds the full queue held feeds back";
        family(name, help, "counter", per_sink(&|q| q.waited_ns.load(Relaxed)));
        let own = |value: &AtomicU64| vec![(String::new(), value.load(Relaxed))];
        let help = "Refreshes of the instruments that failed";
        family("market_data_refresh_errors_total", help, "counter", own(&self.refresh_errors));
        let help = "Feeds that failed by a mistake of ours and were started afresh";
        family("market_data_feed_panics_total", help, "counter", own(&self.panics));
        if let Some(tape) = self.tape() {
            for (name, help, kind, value) in of_tape(&tape) {
                let name = format!("market_data_tape_{name}");
                family(&name, help, kind, vec![(String::new(), value)]);
            }
        }
        let mut out = out.replace("{}", "");
        self.render_latency(&mut out);
        out
    }

    fn render_latency(&self, out: &mut String) {
        let mut family = |name: &str, help: &str, hops: Vec<(String, &Hop)>| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} histogram");
            hops.iter().for_each(|(label, hop)| hop.render(name, label, out));
        };
        let (feeds, queues) = (self.feeds(), self.queues());
        let of_feeds = |hop: fn(&FeedMetrics) -> &Hop| {
            feeds.iter().map(|f| (format!("feed=\"{}\"", f.feed.0), hop(f))).collect()
        };
        let help = "From the venue's time to our read, with the clock put right";
        family("okx_venue_to_receive_seconds", help, of_feeds(|f| &f.hops.venue));
        let help = "From the read to the record";
        family("okx_receive_to_record_seconds", help, of_feeds(|f| &f.hops.decoded));
        let of_sinks = queues.iter().map(|q| (label("sink", &q.name), &q.hop)).collect();
        family("market_data_record_to_sink_seconds", "From the record to the sink", of_sinks);
        if let Some((ahead, error)) = self.skew.estimate() {
            for (name, help, value) in [
                ("okx_clock_ahead_ns", "How far the venue's clock is ahead", ahead.to_string()),
                ("okx_clock_error_ns", "How wrong that may be", error.to_string()),
            ] {
                // As above.
                let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}");
            }
        }
    }
}

fn label(name: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{escaped}\"")
}

/// What is told of the tape: name behind `market_data_tape_`, help, kind and value.
fn of_tape(tape: &TapeReport) -> [(&'static str, &'static str, &'static str, u64); 12] {
    let failing = u64::from(tape.failing.is_some());
    let hurried = "Blocks not compressed for want of time";
    [
        ("records_total", "Records on the tape", "counter", tape.records),
        ("bytes_total", "Bytes of records on the tape", "counter", tape.bytes),
        ("stored_bytes_total", "Bytes written to disk", "counter", tape.stored_bytes),
        ("hurried_blocks_total", hurried, "counter", tape.hurried_blocks),
        ("records_lost_total", "Records lost", "counter", tape.lost_records),
        ("sums_forgotten_total", "Times that sums had no room", "counter", tape.sums_forgotten),
        ("failures_total", "Times that writing failed", "counter", tape.failures),
        ("converted_total", "Segments that became Parquet", "counter", tape.converted),
        ("convert_failures_total", "Conversions that failed", "counter", tape.convert_failures),
        ("failing", "Whether writing fails at the moment", "gauge", failing),
        ("lag_ns", "How long the last chunk waited, in ns", "gauge", tape.lag_ns),
        ("queue_bytes", "Bytes waiting to be written", "gauge", tape.queue_bytes),
    ]
}
