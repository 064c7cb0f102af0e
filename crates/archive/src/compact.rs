//! Small files of a day into few: the same records, the same order, fewer files.
//!
//! `market-data compact` calls [`compact`].
//!
//! Invariants: no record is lost or changed, whatever ends the process; a file never grows beyond
//! what a conversion would write at once, so memory is bounded; compacting again does nothing.

use crate::archive::{Archive, Pending};
use crate::disk;
use crate::error::Error;
use crate::manifest::{FILLS_FROM, FileRow, Manifest};
use crate::place::FILL;
use crate::segment::{FILE_ROWS, Job};
use crate::tree::leaves;
use crate::{chunk::Chunk, read};
use std::ops::ControlFlow;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Directories looked at.
    pub dirs: u64,
    /// Files there were.
    pub files_before: u64,
    /// Files there are.
    pub files_after: u64,
    /// Their bytes before.
    pub bytes_before: u64,
    /// Their bytes now.
    pub bytes_after: u64,
}

/// Compacts every day of every table. `each` hears how many directories of how many are done, and
/// breaks to stop; what was done by then stays done.
///
/// # Errors
/// [`Error`]; [`Error::Manifest`] when a manifest was changed by somebody else.
pub fn compact(
    archive: &mut Archive,
    mut each: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Compacted, Error> {
    let mut done = Compacted::default();
    let all = leaves(archive.dir())?;
    for rel in &all {
        if each(done.dirs, all.len() as u64).is_break() {
            break;
        }
        day(archive, rel, &mut done)?;
        done.dirs += 1;
    }
    Ok(done)
}

fn day(archive: &mut Archive, rel: &str, done: &mut Compacted) -> Result<(), Error> {
    let dir = archive.dir().join(rel);
    let Some((manifest, _)) = Manifest::load(&dir)? else { return Ok(()) };
    let sum = |files: &[FileRow]| files.iter().map(|file| file.bytes).sum::<u64>();
    done.files_before += manifest.files.len() as u64;
    done.bytes_before += sum(&manifest.files);
    // What was fetched stays apart: it is told by the names of its files.
    let (fills, parts) = manifest.files.iter().cloned().partition(is_fill);
    let mut groups = groups(parts);
    groups.extend(self::groups(fills));
    if groups.iter().all(|group| group.len() < 2) {
        done.files_after += manifest.files.len() as u64;
        done.bytes_after += sum(&manifest.files);
        return Ok(());
    }
    let mut tree = archive.tree()?;
    // Before anything is written: is this the manifest that the ones above vouch for?
    tree.node(rel)?;
    archive.pend(&Pending::default())?;
    let mut gone = Vec::new();
    for group in groups.into_iter().filter(|group| group.len() > 1) {
        let merged = merge(archive, rel, &group, &tree.node(rel)?.files)?;
        let node = tree.node(rel)?;
        node.files.retain(|file| !group.contains(file));
        node.put_file(merged);
        gone.extend(group);
    }
    let node = tree.node(rel)?;
    done.files_after += node.files.len() as u64;
    done.bytes_after += sum(&node.files);
    archive.replace(tree)?;
    for file in gone {
        disk::remove(&dir.join(file.name))?;
    }
    archive.settled()
}

fn is_fill(file: &FileRow) -> bool {
    file.name.starts_with(FILL)
}

/// Neighbours in time that together are no larger than a file may be.
fn groups(mut files: Vec<FileRow>) -> Vec<Vec<FileRow>> {
    files.sort_by(|a, b| (a.first_ts_recv, &a.name).cmp(&(b.first_ts_recv, &b.name)));
    let mut groups: Vec<Vec<FileRow>> = Vec::new();
    let mut rows = 0;
    for file in files {
        match groups.last_mut() {
            Some(group) if rows + file.rows <= FILE_ROWS as u64 => {
                rows += file.rows;
                group.push(file);
            }
            _ => {
                rows = file.rows;
                groups.push(vec![file]);
            }
        }
    }
    groups
}

fn merge(
    archive: &Archive,
    rel: &str,
    group: &[FileRow],
    taken: &[FileRow],
) -> Result<FileRow, Error> {
    let dir = archive.dir().join(rel);
    let mut chunk: Option<Chunk> = None;
    for file in group {
        let path = dir.join(&file.name);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        if disk::sum(&bytes) != file.sha256 {
            let why = "its bytes are not those that were written".to_owned();
            return Err(Error::Manifest { path, why });
        }
        read::gather(bytes.into(), &mut chunk).map_err(|error| Error::Read { path, error })?;
    }
    let mut segments: Vec<u64> = group.iter().flat_map(|file| file.segments.clone()).collect();
    segments.sort_unstable();
    segments.dedup();
    let (first, last) = (segments.first().unwrap_or(&0), segments.last().unwrap_or(&0));
    let (first, last) = (first % FILLS_FROM, last % FILLS_FROM);
    let prefix = if group.iter().any(is_fill) { FILL } else { "" };
    let name = (0..)
        .map(|number| format!("{prefix}day-{first:06}-{last:06}-{number:03}.parquet"))
        .find(|name| !taken.iter().any(|file| file.name == *name))
        .unwrap_or_default();
    let Some(chunk) = chunk else { return Err(Error::Thread("nothing to merge".to_owned())) };
    let job = Job { dir: rel.to_owned(), name, chunk, segments };
    let (_, file) = job.write(archive.dir())?;
    disk::sync_file(&archive.dir().join(rel).join(&file.name))?;
    Ok(file)
}
