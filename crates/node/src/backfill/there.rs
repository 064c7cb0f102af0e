//! What an archive has already of one channel and instrument, and so what is left to fetch.
//!
//! Invariants: nothing is fetched that a recorder or an earlier run brought; memory grows with the
//! holes, not with the records.

use crate::venue::NAME;
use market_data_archive::manifest::Manifest;
use market_data_archive::place::Table;
use market_data_archive::{Archive, Error, Facts, read};
use market_data_okx::past::KnownIds;

const DAY_MS: u64 = 86_400_000;
/// Ranges collected before they are put in order and together.
const LOOSE_MAX: usize = 1 << 16;

/// From this millisecond to that one, the latter not included.
pub(super) type Stretch = (u64, u64);

/// A stretch that is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub from_ms: u64,
    pub to_ms: u64,
    /// Of trades: those from this id on are there.
    pub below: Option<u64>,
}

/// Which stretches of `all` earlier runs have not been through.
pub(super) fn left(archive: &Archive, channel: &str, inst_id: &str, all: Stretch) -> Vec<Left> {
    let fills = archive.root().segments.iter().flat_map(|segment| &segment.fills);
    let ours: Vec<_> =
        fills.filter(|fill| fill.channel == channel && fill.inst_id == inst_id).collect();
    let covered = ours.iter().map(|fill| (fill.from_ms, fill.to_ms)).collect();
    let below = |to_ms| ours.iter().find(|fill| fill.from_ms == to_ms).and_then(|x| x.first_id);
    let left = without(all, covered).into_iter();
    left.map(|(from_ms, to_ms)| Left { from_ms, to_ms, below: below(to_ms) }).collect()
}

/// A stretch without others.
pub(super) fn without(all: Stretch, mut covered: Vec<Stretch>) -> Vec<Stretch> {
    covered.sort_unstable();
    let (mut left, mut at) = (Vec::new(), all.0);
    for (from, to) in covered {
        if from > at && at < all.1 {
            left.push((at, from.min(all.1)));
        }
        at = at.max(to);
    }
    if at < all.1 {
        left.push((at, all.1));
    }
    left
}

/// The finished bars that are there within a stretch, together where they touch.
pub(super) fn bars(
    archive: &Archive,
    channel: &str,
    inst_id: &str,
    all: Stretch,
) -> Result<Vec<Stretch>, Error> {
    let mut found = Vec::new();
    each(archive, channel, inst_id, all, |facts| {
        if let (Some(open), Some(close), Some(true)) =
            (facts.more.open_time, facts.more.close_time, facts.more.is_closed)
        {
            put(&mut found, (open, close, open), 0);
        }
    })?;
    together(&mut found, 0);
    Ok(found.into_iter().map(|(from, to, _)| (from, to)).collect())
}

/// The trades that are there around a stretch, by their ids.
pub(super) fn ids(
    archive: &Archive,
    channel: &str,
    inst_id: &str,
    all: Stretch,
) -> Result<Vec<KnownIds>, Error> {
    let mut found = Vec::new();
    each(archive, channel, inst_id, all, |facts| {
        if let (Some((first, last)), Some(at)) = (facts.ids(), facts.timestamp) {
            put(&mut found, (first, last, at), 1);
        }
    })?;
    together(&mut found, 1);
    Ok(found)
}

/// Adds a range to those found; `step` lies between ranges that touch.
fn put(found: &mut Vec<KnownIds>, range: KnownIds, step: u64) {
    match found.last_mut() {
        Some(last) if range.0 == last.1.saturating_add(step) => last.1 = range.1,
        _ => found.push(range),
    }
    if found.len() >= LOOSE_MAX && found.len().is_power_of_two() {
        together(found, step);
    }
}

/// Puts ranges in order, and together where they touch.
fn together(found: &mut Vec<KnownIds>, step: u64) {
    found.sort_unstable();
    let mut done: Vec<KnownIds> = Vec::new();
    for range in found.drain(..) {
        match done.last_mut() {
            Some(last) if range.0 <= last.1.saturating_add(step) => last.1 = last.1.max(range.1),
            _ => done.push(range),
        }
    }
    *found = done;
}

/// Hands over every record of the days of a stretch, and of the day after it: by then the last of
/// them has come.
fn each(
    archive: &Archive,
    channel: &str,
    inst_id: &str,
    all: Stretch,
    mut take: impl FnMut(&Facts<'_>),
) -> Result<(), Error> {
    for day in all.0 / DAY_MS..=all.1 / DAY_MS + 1 {
        let day = u32::try_from(day).unwrap_or(u32::MAX);
        let dir = archive.dir().join(Table::Channel.dir(NAME, channel, inst_id, day));
        let Some((manifest, _)) = Manifest::load(&dir)? else { continue };
        for file in &manifest.files {
            let path = dir.join(&file.name);
            let bytes = std::fs::read(&path).map_err(|error| Error::Io {
                what: "read",
                path: path.clone(),
                error,
            })?;
            let done = read::records(bytes.into(), |record| {
                if let Some(facts) = Facts::of(record.json) {
                    take(&facts);
                }
                Ok(())
            });
            done.map_err(|error| Error::Read { path, error })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_the_rest() {
        assert_eq!(without((10, 20), vec![]), [(10, 20)]);
        assert_eq!(without((10, 20), vec![(15, 30), (0, 12), (13, 14)]), [(12, 13), (14, 15)]);
        assert_eq!(without((10, 20), vec![(0, 5), (25, 30)]), [(10, 20)]);
        assert_eq!(without((10, 20), vec![(0, 30)]), []);
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let mut found = Vec::new();
        for id in [5, 6, 7, 1, 2, 9, 8, 3] {
            put(&mut found, (id, id, id * 10), 1);
        }
        together(&mut found, 1);
        assert_eq!(found, [(1, 3, 10), (5, 9, 50)]);
    }
}
