//! Retention: the oldest days go, by age or when there is too much.
//!
//! `market-data prune` calls [`prune`].
//!
//! Invariants: whole days go, oldest first, in all tables at once, and never the last; an archive
//! that was pruned is in order, and still knows which segments it took in.

use crate::archive::{Archive, Pending};
use crate::disk;
use crate::error::Error;
use crate::manifest::{Fill, Manifest};
use crate::place::{DAY, date};
use crate::tree::leaves;
use market_data_model::time::MILLI;
use std::collections::BTreeMap;

/// Milliseconds of a day.
const DAY_MS: u64 = DAY / MILLI;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Days before this one go: `2026-10-24`. `None` = no day is too old.
    pub from: Option<String>,
    /// The oldest days go until no more bytes than this are left. `None` = any number.
    pub max_bytes: Option<u64>,
}

/// A day that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Which: `2026-10-24`.
    pub date: String,
    /// Its directories.
    pub dirs: Vec<String>,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Which days would go.
///
/// # Errors
/// [`Error`] when a manifest cannot be read.
pub fn plan(archive: &Archive, keep: &Keep) -> Result<Vec<Day>, Error> {
    let mut days: BTreeMap<String, Day> = BTreeMap::new();
    for rel in leaves(archive.dir())? {
        let Some((_, date)) = rel.rsplit_once("date=") else { continue };
        let Some((manifest, _)) = Manifest::load(&archive.dir().join(&rel))? else { continue };
        let date = date.to_owned();
        let day = days.entry(date.clone()).or_insert_with(|| Day {
            date,
            dirs: Vec::new(),
            files: 0,
            bytes: 0,
        });
        day.files += manifest.files.len() as u64;
        day.bytes += manifest.files.iter().map(|file| file.bytes).sum::<u64>();
        day.dirs.push(rel);
    }
    let mut total: u64 = days.values().map(|day| day.bytes).sum();
    days.pop_last();
    let mut going = Vec::new();
    for day in days.into_values() {
        let old = keep.from.as_ref().is_some_and(|from| day.date < *from);
        let much = keep.max_bytes.is_some_and(|max| total > max);
        if !old && !much {
            break;
        }
        total -= day.bytes;
        going.push(day);
    }
    Ok(going)
}

/// Takes what lies on days up to the `last` one off a stretch: it can be filled again.
fn cut(fill: &mut Fill, last: &str) {
    let before = fill.from_ms;
    while fill.from_ms < fill.to_ms && *date(fill.from_ms.saturating_mul(MILLI)) <= *last {
        fill.from_ms = (fill.from_ms / DAY_MS + 1) * DAY_MS;
    }
    if fill.from_ms != before {
        // That was the lowest id of a day that is gone.
        fill.first_id = None;
    }
}

/// Takes these days away.
///
/// # Errors
/// [`Error`]; what a crash leaves is taken away when the archive is opened next.
pub fn prune(archive: &mut Archive, days: &[Day]) -> Result<(), Error> {
    if days.is_empty() {
        return Ok(());
    }
    let mut tree = archive.tree()?;
    let mut gone = Vec::new();
    for rel in days.iter().flat_map(|day| &day.dirs) {
        let node = tree.node(rel)?;
        node.gaps.clear();
        gone.extend(node.files.drain(..).map(|file| format!("{rel}/{}", file.name)));
    }
    let last = days.iter().map(|day| day.date.as_str()).max().unwrap_or_default();
    for segment in &mut tree.root().segments {
        segment.fills.iter_mut().for_each(|fill| cut(fill, last));
        segment.fills.retain(|fill| fill.from_ms < fill.to_ms);
    }
    archive.pend(&Pending::default())?;
    archive.replace(tree)?;
    for file in &gone {
        disk::remove(&archive.dir().join(file))?;
    }
    for rel in days.iter().flat_map(|day| &day.dirs) {
        // Upwards, as far as nothing is left.
        let mut at = rel.as_str();
        while std::fs::remove_dir(archive.dir().join(at)).is_ok() {
            let Some((above, _)) = at.rsplit_once('/') else { break };
            at = above;
        }
    }
    archive.settled()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_on_days_that_are_gone_is_not_filled_any_more() {
        // 2026-11-23, 10:00.
        let at = 1_795_428_000_000;
        let hour = 3_600_000;
        for (from, to, first_id, want) in [
            (at, at + 30 * hour, Some(7), (at + 14 * hour, at + 30 * hour, None)),
            (at, at + hour, Some(7), (at + 14 * hour, at + hour, None)),
            (at + 14 * hour, at + 15 * hour, Some(7), (at + 14 * hour, at + 15 * hour, Some(7))),
        ] {
            let (channel, inst_id) = ("trades".to_owned(), "BTC-USDT".to_owned());
            let (from_ms, to_ms) = (from, to);
            let mut fill =
                Fill { channel, inst_id, from_ms, to_ms, records: 1, first_id, absent: 0 };
            cut(&mut fill, "2026-11-23");
            assert_eq!((fill.from_ms, fill.to_ms, fill.first_id), want);
        }
    }
}
