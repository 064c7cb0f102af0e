//! Looks for records that vanished without a gap that says so.
//!
//! Reads the records only, as any consumer could: numbers that count up, changes of books that
//! must link, trade ids that must not skip. Shares no code with the feed that it judges.
//!
//! Invariants: a gap excuses exactly one jump of its channel and instrument; what cannot be judged
//! (no id) is not judged.

use market_data_model::{Body, BookChange, BookKind, EventRef, FeedId, Trade};
use std::collections::BTreeMap;

/// How many findings are kept in words; the rest is only counted.
const FINDINGS_MAX: usize = 5;

/// What is remembered of one channel and instrument on one connection.
#[derive(Debug, Default)]
struct Line {
    last_id: Option<i64>,
    excused: bool,
}

/// The auditor.
#[derive(Debug, Default)]
pub struct Audit {
    numbers: BTreeMap<FeedId, u64>,
    lines: BTreeMap<FeedId, BTreeMap<String, Line>>,
    /// Links of books and trades that were looked at.
    pub checked: u64,
    /// Jumps that no gap explains.
    pub unexplained: u64,
    /// The first of them, in words.
    pub findings: Vec<String>,
    key: String,
}

impl Audit {
    /// Looks at one record.
    pub fn take(&mut self, event: &EventRef<'_>) {
        self.number(event);
        match event.body {
            Body::Gap(gap) if !gap.closed => self.excuse(event),
            Body::Book(change, ..) => self.book(event, change),
            Body::Trade(trade) => self.trade(event, trade),
            _ => {}
        }
    }

    /// The consumer lost these numbers by its own slowness and says so elsewhere.
    pub fn lost(&mut self, feed: FeedId, last: u64) {
        self.numbers.insert(feed, last);
        for line in self.lines.entry(feed).or_default().values_mut() {
            line.excused = true;
        }
    }

    fn number(&mut self, event: &EventRef<'_>) {
        let (feed, n) = (event.header.feed, event.header.n);
        let last = self.numbers.insert(feed, n);
        if let Some(last) = last.filter(|last| n != last + 1) {
            self.found(format!("feed {}: record {n} follows record {last}", feed.0));
        }
    }

    fn excuse(&mut self, event: &EventRef<'_>) {
        let lines = self.lines.entry(event.header.feed).or_default();
        if event.channel().is_empty() {
            lines.values_mut().for_each(|line| line.excused = true);
        } else {
            let key = format!("{} {}", event.channel(), event.inst_id());
            lines.entry(key).or_default().excused = true;
        }
    }

    fn line(&mut self, event: &EventRef<'_>) -> &mut Line {
        self.key.clear();
        self.key.push_str(event.channel());
        self.key.push(' ');
        self.key.push_str(event.inst_id());
        let lines = self.lines.entry(event.header.feed).or_default();
        if !lines.contains_key(&self.key) {
            lines.insert(self.key.clone(), Line::default());
        }
        lines.get_mut(&self.key).expect("the line was put there above")
    }

    fn book(&mut self, event: &EventRef<'_>, change: &BookChange) {
        if change.kind == BookKind::View {
            return;
        }
        let line = self.line(event);
        let last = line.last_id;
        let excused = line.excused;
        line.last_id = change.seq;
        if change.kind == BookKind::Snapshot {
            line.excused = false;
            return;
        }
        self.checked += 1;
        if excused {
            self.found(format!(
                "{} {}: a change (seq {:?}) came between a gap and its snapshot",
                event.channel(),
                event.inst_id(),
                change.seq
            ));
        } else if change.prev_seq.is_some() && change.prev_seq != last {
            self.found(format!(
                "{} {}: a change follows {:?}, the last one was {last:?}",
                event.channel(),
                event.inst_id(),
                change.prev_seq
            ));
        }
    }

    fn trade(&mut self, event: &EventRef<'_>, trade: &Trade) {
        let Ok(id) = i64::try_from(trade.trade_id) else { return };
        let first = id - i64::from(trade.count.unwrap_or(1)) + 1;
        let line = self.line(event);
        let last = line.last_id;
        let excused = line.excused;
        line.excused = false;
        line.last_id = Some(last.map_or(id, |last| last.max(id)));
        let Some(last) = last else { return };
        self.checked += 1;
        if first > last + 1 && !excused {
            self.found(format!(
                "{} {}: trade {first} follows trade {last}",
                event.channel(),
                event.inst_id()
            ));
        }
    }

    fn found(&mut self, what: String) {
        self.unexplained += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(what);
        }
    }
}
