//! The one-line status of the feeds that stands below the records while a command runs.
//!
//! `watch`, `run` and `check` show it their records and redraw it a few times a second.
//!
//! Invariants: short enough for an ordinary terminal, most important first; nothing in it is a
//! guess: what has not been measured is not shown.

use crate::out::number::grouped;
use crate::out::paint::{Colour, Paint};
use market_data::FeedReport;
use market_data_model::{Batch, Body, EventRef};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often commands redraw it.
pub const REDRAW: Duration = Duration::from_millis(250);
/// The rate is taken over this many redraws.
const WINDOW: usize = 8;
/// Latencies remembered between redraws; more add nothing to their median.
const LATENCIES_MAX: usize = 1024;

/// What the line needs to know.
pub struct Status {
    records: u64,
    window: VecDeque<(Instant, u64)>,
    latencies_ms: Vec<i64>,
    latency_ms: Option<i64>,
}

impl Status {
    /// Nothing seen yet.
    pub fn new() -> Status {
        let window = VecDeque::from([(Instant::now(), 0)]);
        Status { records: 0, window, latencies_ms: Vec::new(), latency_ms: None }
    }

    /// Counts a batch of records.
    pub fn take(&mut self, batch: &Batch) {
        self.records += batch.len() as u64;
        if self.latencies_ms.len() < LATENCIES_MAX {
            self.latencies_ms.extend(batch.iter().filter_map(|event| latency_ms(&event)));
        }
    }

    /// For those who do not see the records themselves: how many there were.
    pub fn set_records(&mut self, records: u64) {
        self.records = records;
    }

    /// The line.
    pub fn line(&mut self, feeds: &[FeedReport], paint: Paint) -> String {
        self.advance();
        let feeds = Feeds::of(feeds);
        let well = feeds.is_well();
        let dot = paint.apply(if well { Colour::Good } else { Colour::Warn }, "●");
        let mut line = format!(
            "{dot} {}/{} up  {}/{} live  {}/s",
            feeds.up,
            feeds.all,
            feeds.live,
            feeds.wanted,
            grouped(self.rate())
        );
        if let Some(ms) = self.latency_ms {
            line.push_str(&format!("  {ms} ms"));
        }
        let gaps = format!("  gaps {}", grouped(feeds.gaps));
        line.push_str(&if feeds.open_gaps > 0 {
            paint.apply(Colour::Bad, &format!("{gaps} ({} open)", feeds.open_gaps))
        } else {
            gaps
        });
        line.push_str(&format!("  reconnects {}", grouped(feeds.reconnects)));
        if feeds.faults > 0 {
            let faults = format!("  faults {}", grouped(feeds.faults));
            line.push_str(&paint.apply(Colour::Warn, &faults));
        }
        line.push_str(&paint.apply(Colour::Faint, &format!("  {} records", grouped(self.records))));
        line
    }

    fn advance(&mut self) {
        self.window.push_back((Instant::now(), self.records));
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        if !self.latencies_ms.is_empty() {
            let middle = self.latencies_ms.len() / 2;
            self.latency_ms = Some(*self.latencies_ms.select_nth_unstable(middle).1);
            self.latencies_ms.clear();
        }
    }

    /// Records a second over the window.
    fn rate(&self) -> u64 {
        let (Some(first), Some(last)) = (self.window.front(), self.window.back()) else { return 0 };
        let ms = u64::try_from(last.0.duration_since(first.0).as_millis()).unwrap_or(u64::MAX);
        (last.1 - first.1) * 1000 / ms.max(1)
    }
}

/// Milliseconds from the venue's stamp to our read; negative when the clocks disagree.
fn latency_ms(event: &EventRef<'_>) -> Option<i64> {
    if !matches!(event.body, Body::Trade(_) | Body::Ticker(_) | Body::Book(..)) {
        return None; // The stamp of a bar is its start, which says nothing about the way here.
    }
    let sent = i64::try_from(event.header.ts_event?.millis()).ok()?;
    Some(i64::try_from(event.header.ts_recv.millis()).ok()? - sent)
}

/// Sums over all connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Feeds {
    /// Connections.
    pub all: usize,
    /// Of these, open.
    pub up: usize,
    /// Subscriptions wanted.
    pub wanted: usize,
    /// Of these, live.
    pub live: usize,
    /// Records so far.
    pub records: u64,
    /// Gaps open.
    pub open_gaps: usize,
    /// Gaps opened so far.
    pub gaps: u64,
    /// Faults so far.
    pub faults: u64,
    /// Connections lost or replaced so far.
    pub reconnects: u64,
    /// Subscriptions restarted so far.
    pub resyncs: u64,
    /// What witnesses have said of live books so far.
    pub witness: Witnessed,
}

/// How often witnesses were compared with books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witnessed {
    /// Both were the same.
    pub agree: u64,
    /// They were not.
    pub differ: u64,
    /// There was nothing to compare.
    pub skipped: u64,
}

impl Witnessed {
    /// Adds what was counted of one witness and one book.
    pub fn add(&mut self, [agree, differ, skipped]: [u64; 3]) {
        self.agree += agree;
        self.differ += differ;
        self.skipped += skipped;
    }

    /// Whether any was asked.
    pub fn is_any(&self) -> bool {
        self.agree + self.differ + self.skipped > 0
    }
}

impl Feeds {
    /// Adds the reports up.
    pub fn of(reports: &[FeedReport]) -> Feeds {
        let mut sum = Feeds::default();
        for report in reports {
            // Those that are not in use any more count with what they have done.
            sum.all += usize::from(!report.replaced);
            sum.up += usize::from(report.connected && !report.replaced);
            if let Some(status) = report.status.as_ref().filter(|_| !report.replaced) {
                sum.wanted += status.wanted;
                sum.live += status.live;
                sum.open_gaps += status.open_gaps;
            }
            for said in report.status.iter().flat_map(|status| &status.witnesses) {
                sum.witness.add([said.agree, said.differ, said.skipped]);
            }
            sum.records += report.stats.records;
            sum.gaps += report.stats.gaps_opened;
            sum.faults += report.stats.faults;
            sum.reconnects += report.stats.reconnects;
            sum.resyncs += report.stats.resyncs;
        }
        sum
    }

    /// Whether everything wanted is live and nothing is open.
    pub fn is_well(&self) -> bool {
        self.up == self.all && self.live == self.wanted && self.open_gaps == 0
    }
}
