//! Counts records as they go by, in the order of their receipt.
//!
//! Invariants: a record is counted once, on the day on which it was received (what was fetched: on
//! the day on which it happened); quantiles are exact to two digits. Start at [`Count::take`].

use crate::status::Witnessed;
use hdrhistogram::Histogram;
use market_data::replay::AnchorCount;
use market_data_archive::{Facts, Ranges};
use market_data_model::event::{GapCause, Whose};
use std::collections::{BTreeMap, HashMap};

const DAY_NS: u64 = 86_400_000_000_000;
/// Longest delay told apart, microseconds; longer ones count as this.
const LONGEST_US: u64 = 3_600_000_000;
/// Gaps kept one by one for a day, an instrument and a channel; all are counted.
const GAPS_MAX: usize = 200;
/// Days that a gap is spread over at most.
const GAP_DAYS_MAX: u64 = 400;
/// Kinds of records that are about connections, not markets.
const NOT_DATA: [&str; 4] = ["session", "subscription", "fault", "instrument"];

/// Day (from 1970), instrument, channel.
pub type Key = (u64, String, String);

/// One gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub cause: String,
    /// Whose fault.
    pub whose: String,
    /// Received last before, nanoseconds.
    pub from: u64,
    /// Received first after; `None` = it stays open.
    pub to: Option<u64>,
    /// Trades missing; `None` = unknown.
    pub lost: Option<u64>,
    /// What healed it; empty while open.
    pub healed: String,
}

impl Gap {
    /// Whether everything that it lost was fetched.
    pub fn is_filled(&self) -> bool {
        self.healed == "rest"
    }
}

/// The trades of one hour, by their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// The lowest id.
    pub first: u64,
    /// The highest.
    pub last: u64,
    /// Different ids.
    pub ids: u64,
    /// Ids that came again on the feed that had brought them.
    pub twice: u64,
    /// Ids between those here, and those of the hour before, that are nowhere.
    pub missing: u64,
}

/// How long records took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// Records with a time of the venue.
    pub count: u64,
    /// 50, 90 and 99 of 100 took no longer, and the longest; microseconds.
    pub quantiles: [u64; 4],
    /// Records whose time of the venue lies after their receipt: clocks disagree.
    pub ahead: u64,
    /// The most of it, microseconds.
    pub ahead_us: u64,
}

/// A day of a channel of an instrument.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Records.
    pub records: u64,
    /// Of them, those that were fetched because they had not come.
    pub fetched: u64,
    /// Trade ids and finished bars that came again on the feed that had brought them.
    pub twice: u64,
    /// Records that the venue dated before one that came earlier on the same connection.
    pub late: u64,
    /// Received first and last, nanoseconds; `None` = only fetched ones.
    pub span: Option<(u64, u64)>,
    /// How long records took.
    pub delay: Delay,
    /// Gaps, the first of them.
    pub gaps: Vec<Gap>,
    /// How many there are.
    pub gaps_all: u64,
    /// Of them, those whose loss was fetched.
    pub gaps_filled: u64,
    /// Trades known to be missing in gaps.
    pub lost: u64,
    /// Time within gaps that are not filled, nanoseconds.
    pub blind_ns: u64,
    /// Of trades, hour by hour (0 to 23, the venue's time).
    pub hours: BTreeMap<u64, Hour>,
    /// REST's books against ours; all zero where nobody asked.
    pub anchors: AnchorCount,
    /// What witnesses said of the live books while they were recorded.
    pub witness: Witnessed,
}

impl Row {
    /// Trade ids that are missing.
    pub fn missing(&self) -> u64 {
        self.hours.values().map(|hour| hour.missing).sum()
    }

    /// Thousandths of a percent of the time from the first record to the last that is not in a
    /// gap; `None` where there is no time.
    pub fn covered(&self) -> Option<u64> {
        let (from, to) = self.span?;
        let span = to.checked_sub(from).filter(|span| *span > 0)?;
        let seen = u128::from(span.saturating_sub(self.blind_ns));
        u64::try_from(seen * 100_000 / u128::from(span)).ok()
    }

    /// Whether nothing is known to be missing.
    pub fn is_whole(&self) -> bool {
        self.gaps_all == self.gaps_filled && self.missing() == 0 && self.anchors.differ == 0
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// By day, instrument and channel.
    pub rows: BTreeMap<Key, Row>,
    /// Gaps that concern no channel: losses of our own recorder or of slow readers.
    pub ours: Vec<Gap>,
    /// What else is wrong, in words.
    pub findings: Vec<String>,
}

impl Report {
    /// Whether nothing is known to be missing.
    pub fn is_whole(&self) -> bool {
        self.ours.is_empty() && self.findings.is_empty() && self.rows.values().all(Row::is_whole)
    }
}

/// A day at hand.
#[derive(Default)]
struct Open {
    row: Row,
    delays: Option<Box<Histogram<u32>>>,
    /// Trade ids, and opening times of finished bars, whoever brought them.
    ids: Ranges,
    /// The same by the feed that brought them: the copy of another feed is nothing that came twice.
    of_feed: HashMap<u32, Ranges>,
    /// The youngest time of the venue, by connection.
    newest: HashMap<u32, u64>,
}

/// See the file's first comment.
#[derive(Default)]
pub struct Count {
    open: HashMap<Key, Open>,
    /// The day at hand.
    day: u64,
    /// Gaps that are not closed yet: feed, number, channel, instrument.
    gaps: HashMap<(u32, u64, String, String), Gap>,
    report: Report,
}

impl Count {
    /// Takes a record's JSON.
    pub fn take(&mut self, json: &[u8]) {
        let Some(facts) = Facts::of(json) else { return };
        if facts.kind == "gap" {
            return self.gap(&facts);
        }
        if facts.channel.is_empty() || NOT_DATA.contains(&&*facts.kind) {
            return;
        }
        let fetched = facts.more.filled_from.is_some() || facts.feed % 1_000_000 == 0;
        let happened = facts.happened_ms().map(|ms| ms.saturating_mul(1_000_000));
        let at = if fetched { happened.unwrap_or(facts.ts_recv) } else { facts.ts_recv };
        let day = at / DAY_NS;
        if day > self.day && !fetched {
            self.close_before(day);
        }
        let key = (day, facts.inst_id.to_string(), facts.channel.to_string());
        self.open.entry(key).or_default().take(&facts, fetched);
    }

    fn gap(&mut self, facts: &Facts<'_>) {
        let more = &facts.more;
        let text = |word: &Option<std::borrow::Cow<'_, str>>| {
            word.as_deref().unwrap_or_default().to_owned()
        };
        let from = more.from.and_then(|from| from.ts_recv).unwrap_or(facts.ts_recv);
        let (channel, inst_id) = (facts.channel.to_string(), facts.inst_id.to_string());
        let which = (facts.feed, more.gap.unwrap_or(0), channel, inst_id);
        let closed = more.event.as_deref() == Some("closed");
        let to = more.to.and_then(|to| to.ts_recv).or(closed.then_some(facts.ts_recv));
        let gap = Gap {
            cause: text(&more.cause),
            whose: text(&more.whose),
            from,
            to,
            lost: more.lost,
            healed: text(&more.healed),
        };
        if which.2.is_empty() {
            if closed && self.report.ours.len() < GAPS_MAX {
                self.report.ours.push(gap);
            }
        } else if closed {
            self.gaps.remove(&which);
            self.put(gap, which.3, which.2);
        } else {
            self.gaps.insert(which, gap);
        }
    }

    /// Puts a gap into every day that it lies in.
    fn put(&mut self, gap: Gap, inst_id: String, channel: String) {
        let to = gap.to.unwrap_or(gap.from);
        let (first, last) = (gap.from / DAY_NS, to / DAY_NS);
        for day in first..=last.min(first.saturating_add(GAP_DAYS_MAX)) {
            let key = (day, inst_id.clone(), channel.clone());
            let row = match self.open.get_mut(&key) {
                Some(open) => &mut open.row,
                None => self.report.rows.entry(key).or_default(),
            };
            row.gaps_all += 1;
            row.gaps_filled += u64::from(gap.is_filled());
            if day == first {
                row.lost += gap.lost.unwrap_or(0);
            }
            if !gap.is_filled() {
                let (start, end) = (day * DAY_NS, (day + 1) * DAY_NS);
                row.blind_ns += to.min(end).saturating_sub(gap.from.max(start));
            }
            if row.gaps.len() < GAPS_MAX {
                row.gaps.push(gap.clone());
            }
        }
    }

    /// Lets go of what days before this one took.
    fn close_before(&mut self, day: u64) {
        self.day = day;
        let old: Vec<Key> = self.open.keys().filter(|key| key.0 < day).cloned().collect();
        for key in old {
            let Some(open) = self.open.remove(&key) else { continue };
            let row = self.report.rows.entry(key).or_default();
            row.add(open.done());
        }
    }

    /// What REST said of the books of a channel and instrument; it stands with their last day.
    pub fn anchors(&mut self, channel: &str, inst_id: &str, anchors: AnchorCount) {
        let ours = |key: &&Key| key.1 == inst_id && key.2 == channel;
        let key = self.report.rows.keys().rfind(ours).cloned();
        if let Some(row) = key.and_then(|key| self.report.rows.get_mut(&key)) {
            row.anchors = anchors;
        }
    }

    /// What witnesses said of a book on a day; nothing is said of a day without records.
    pub fn witness(&mut self, key: &Key, said: [u64; 3]) {
        if let Some(row) = self.report.rows.get_mut(key) {
            row.witness.add(said);
        }
    }

    /// Something that is wrong, in words.
    pub fn find(&mut self, what: String) {
        self.report.findings.push(what);
    }

    /// Lets go of every day at hand: records of another channel follow.
    pub fn turn(&mut self) {
        self.close_before(u64::MAX);
        self.day = 0;
    }

    /// The report.
    pub fn end(mut self) -> Report {
        self.turn();
        let open: Vec<_> = self.gaps.drain().collect();
        for ((_, _, channel, inst_id), gap) in open {
            // What happens after a recorder was told to stop is nobody's loss.
            let stopped = gap.cause == GapCause::Restart.as_str();
            if !stopped || gap.whose != Whose::Ours.as_str() {
                self.put(gap, inst_id, channel);
            }
        }
        self.report.rows.values_mut().for_each(|row| row.gaps.sort_by_key(|gap| gap.from));
        missing(&mut self.report.rows);
        self.report
    }
}

impl Open {
    fn take(&mut self, facts: &Facts<'_>, fetched: bool) {
        let row = &mut self.row;
        row.records += 1;
        row.fetched += u64::from(fetched);
        if !fetched {
            let span = row.span.get_or_insert((facts.ts_recv, facts.ts_recv));
            *span = (span.0.min(facts.ts_recv), span.1.max(facts.ts_recv));
            if let Some(at) = facts.timestamp {
                let newest = self.newest.entry(facts.feed).or_default();
                row.late += u64::from(at < *newest);
                *newest = at.max(*newest);
                self.delay(facts.ts_recv / 1_000, at.saturating_mul(1_000));
            }
        }
        let row = &mut self.row;
        if let Some(ids) = facts.ids() {
            let here = self.ids.here(ids);
            let hour = facts.timestamp.unwrap_or(facts.ts_recv / 1_000_000) / 3_600_000 % 24;
            let hour = row.hours.entry(hour).or_default();
            if hour.first == 0 || ids.0 < hour.first {
                hour.first = ids.0;
            }
            hour.last = hour.last.max(ids.1);
            hour.ids += ids.1 - ids.0 + 1 - here;
            let again = again(&mut self.of_feed, (facts.feed, ids), here);
            hour.twice += again;
            self.row.twice += again;
            self.ids.put(ids);
        } else if let (Some(open), Some(true)) = (facts.more.open_time, facts.more.is_closed) {
            let here = self.ids.here((open, open));
            self.row.twice += again(&mut self.of_feed, (facts.feed, (open, open)), here);
            self.ids.put((open, open));
        }
    }

    fn delay(&mut self, received_us: u64, happened_us: u64) {
        let delay = &mut self.row.delay;
        delay.count += 1;
        if happened_us > received_us {
            delay.ahead += 1;
            delay.ahead_us = delay.ahead_us.max(happened_us - received_us);
        }
        let delays = self.delays.get_or_insert_with(|| {
            let made = Histogram::new_with_bounds(1, LONGEST_US, 2);
            Box::new(made.expect("the bounds are in order and two digits are allowed"))
        });
        delays.saturating_record(received_us.saturating_sub(happened_us).max(1));
    }

    fn done(mut self) -> Row {
        if let Some(delays) = &self.delays {
            let at = |quantile| delays.value_at_quantile(quantile);
            self.row.delay.quantiles = [at(0.5), at(0.9), at(0.99), delays.max()];
        }
        self.row
    }
}

/// How many of these ids the feed has brought before; what `backfill` brings must be nowhere, so of
/// its rows all that are `here` count.
fn again(of_feed: &mut HashMap<u32, Ranges>, (feed, ids): (u32, (u64, u64)), here: u64) -> u64 {
    let own = of_feed.entry(feed).or_default();
    let again = if feed.is_multiple_of(1_000_000) { here } else { own.here(ids) };
    own.put(ids);
    again
}

impl Row {
    /// Adds what was counted of a day, of which gaps or earlier counts are here.
    fn add(&mut self, other: Row) {
        self.records += other.records;
        self.fetched += other.fetched;
        self.twice += other.twice;
        self.late += other.late;
        self.span = match (self.span, other.span) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        };
        if other.delay.count > self.delay.count {
            self.delay = other.delay;
        }
        for (hour, ids) in other.hours {
            let here =
                self.hours.entry(hour).or_insert(Hour { first: ids.first, ..Hour::default() });
            here.first = here.first.min(ids.first);
            here.last = here.last.max(ids.last);
            here.ids += ids.ids;
            here.twice += ids.twice;
        }
        self.gaps.extend(other.gaps);
        self.gaps_all += other.gaps_all;
        self.gaps_filled += other.gaps_filled;
        self.lost += other.lost;
        self.blind_ns += other.blind_ns;
    }
}

/// Ids that are missing within each hour, and between it and the one before.
fn missing(rows: &mut BTreeMap<Key, Row>) {
    let mut last: HashMap<(String, String), u64> = HashMap::new();
    for ((_, inst_id, channel), row) in rows {
        for hour in row.hours.values_mut() {
            let last = last.entry((inst_id.clone(), channel.clone())).or_insert(hour.first - 1);
            let within = (hour.last - hour.first + 1).saturating_sub(hour.ids);
            hour.missing = within + hour.first.saturating_sub(*last + 1);
            *last = hour.last.max(*last);
        }
    }
}

#[cfg(test)]
mod tests;
