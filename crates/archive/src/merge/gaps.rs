//! The gaps of the hosts: those stay whose loss no other host makes good.
//!
//! Of trades a gap is gone when every id in it is here; of books when no break of the chain lies in
//! it; of everything else when another host has rows on both sides of it and no gap within.

use super::{Days, Way, Work};
use crate::error::Error;
use crate::facts::Facts;
use crate::manifest::GapRow;
use crate::place::{Table, day};
use market_data_model::Nanos;
use std::collections::{BTreeMap, HashMap};

/// The table of gaps.
pub(super) const TABLE: &str = "/table=gaps";

/// What is known of the merged rows, by channel and instrument.
#[derive(Default)]
pub(super) struct Seen {
    ways: BTreeMap<(String, String), Way>,
}

impl Seen {
    pub fn note(&mut self, key: (String, String), way: Way) {
        self.ways.insert(key, way);
    }
}

/// Which gap: host, feed, number, channel, instrument.
type Which = (usize, u32, u64, String, String);

/// Its ends: ids and times.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    ids: (Option<i64>, Option<i64>),
    times: (u64, Option<u64>),
}

/// Merges the table of gaps, when everything else is merged.
pub(super) fn merge(work: &mut Work<'_>, group: &str, days: &Days) -> Result<(), Error> {
    let mut all: HashMap<Which, Ends> = HashMap::new();
    for day in days {
        let rels = [format!("{group}/{day}")];
        for (host, stream) in work.streams(&rels)?.iter_mut().enumerate() {
            while let Some(json) = stream.json() {
                if let Some(facts) = Facts::of(json) {
                    learn(&mut all, host, &facts);
                }
                stream.advance()?;
            }
        }
    }
    let kept: HashMap<&Which, bool> =
        all.iter().map(|(which, ends)| (which, stays(work, &all, which, *ends))).collect();
    work.merged.gaps += kept.values().filter(|stays| **stays).count() as u64;
    work.merged.filled += kept.values().filter(|stays| !**stays).count() as u64;
    for day in days {
        let rels = [format!("{group}/{day}")];
        for (host, mut stream) in work.streams(&rels)?.into_iter().enumerate() {
            while let Some(json) = stream.json() {
                work.read[host] += 1;
                let facts = Facts::of(json);
                let which = facts.as_ref().map(|facts| which(host, facts));
                if which.as_ref().and_then(|which| kept.get(which)) != Some(&false) {
                    let ts_recv = facts.as_ref().map_or(0, |facts| facts.ts_recv);
                    if let Some((dir, row)) = facts.as_ref().and_then(|facts| row(host, facts)) {
                        work.out.note_gap(dir, host, row);
                    }
                    work.out.take(group, host, &stream, ts_recv)?;
                    work.taken[host] += 1;
                }
                stream.advance()?;
            }
        }
        work.out.flush()?;
    }
    Ok(())
}

fn which(host: usize, facts: &Facts<'_>) -> Which {
    let (channel, inst_id) =
        (facts.channel.clone().into_owned(), facts.inst_id.clone().into_owned());
    (host, facts.feed, facts.more.gap.unwrap_or(0), channel, inst_id)
}

fn learn(all: &mut HashMap<Which, Ends>, host: usize, facts: &Facts<'_>) {
    // Losses of ours that concern no channel are nobody else's to fill.
    if facts.channel.is_empty() || facts.inst_id.is_empty() {
        return;
    }
    let (from, to) = (facts.more.from.unwrap_or_default(), facts.more.to.unwrap_or_default());
    let ends = all.entry(which(host, facts)).or_default();
    ends.times.0 = from.ts_recv.unwrap_or(facts.ts_recv);
    ends.ids.0 = from.id;
    if facts.more.event.as_deref() == Some("closed") {
        ends.times.1 = to.ts_recv.or(Some(facts.ts_recv));
        ends.ids.1 = to.id;
    }
}

fn stays(work: &Work<'_>, all: &HashMap<Which, Ends>, which: &Which, ends: Ends) -> bool {
    let (host, _, _, channel, inst_id) = which;
    let Some(way) = work.seen.ways.get(&(channel.clone(), inst_id.clone())) else { return true };
    let (from, to) = (ends.times.0, ends.times.1.unwrap_or(u64::MAX));
    let overlaps = |a: u64, b: u64| a < to && b > from;
    match way {
        Way::Ids(ids) => {
            let id = |id: Option<i64>| id.and_then(|id| u64::try_from(id).ok());
            let (Some(before), Some(after)) = (id(ends.ids.0), id(ends.ids.1)) else { return true };
            let missing = (before.saturating_add(1), after.saturating_sub(1));
            missing.0 <= missing.1 && ids.here(missing) < missing.1 - missing.0 + 1
        }
        Way::Links(links) => {
            let broken = links.breaks().iter().any(|(a, b)| overlaps(*a, *b));
            broken || links.end() <= from
        }
        Way::Rows(rows) => {
            let fills = |other: usize| {
                let span = rows.span(other);
                let covers = span.is_some_and(|(first, last)| first <= from && last >= to);
                let gap = |(which, ends): (&Which, &Ends)| {
                    let same = (which.0, &which.3, &which.4) == (other, channel, inst_id);
                    same && overlaps(ends.times.0, ends.times.1.unwrap_or(u64::MAX))
                };
                other != *host && covers && !all.iter().any(gap)
            };
            !(0..work.hosts.len()).any(fills)
        }
    }
}

/// The row of the manifest of the directory whose records a gap concerns.
fn row(host: usize, facts: &Facts<'_>) -> Option<(String, GapRow)> {
    if facts.channel.is_empty() || facts.inst_id.is_empty() {
        return None;
    }
    let day = day(Nanos(facts.ts_recv));
    let dir = Table::Channel.dir("okx", &facts.channel, &facts.inst_id, day);
    let text = |word: &Option<std::borrow::Cow<'_, str>>| word.as_deref().unwrap_or("").to_owned();
    let more = &facts.more;
    let gap = GapRow {
        segment: host as u64 + 1,
        closed: more.event.as_deref() == Some("closed"),
        cause: text(&more.cause),
        whose: text(&more.whose),
        from: more.from.and_then(|from| from.ts_recv),
        to: more.to.and_then(|to| to.ts_recv),
        lost: more.lost,
    };
    Some((dir, gap))
}
