//! Retention: the oldest days go, by age or when there is too much.
//!
//! `market-data prune` calls [`prune`].
//!
//! Invariants: whole days go, oldest first, in all tables at once, and never the last; an archive
//! that was pruned is in order, and still knows which segments it took in.

use crate::archive::{Archive, Pending};
use crate::disk;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::tree::leaves;
use std::collections::BTreeMap;

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
