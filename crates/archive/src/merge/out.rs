//! The files of a merged archive, each of one host's rows.

use super::FEEDS_A_HOST;
use crate::chunk::Chunk;
use crate::disk;
use crate::error::Error;
use crate::manifest::GapRow;
use crate::place::{FILL, date};
use crate::segment::{FILE_ROWS, Job, Parts};
use crate::stream::Stream;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files that gather rows at a time.
const OPEN_MAX: usize = 8;

/// Which file: directory, host, whether it was fetched.
type Which = (String, usize, bool);

/// See the file's first comment.
pub(super) struct Out {
    root: PathBuf,
    open: BTreeMap<Which, Option<Chunk>>,
    /// Files so far.
    files: BTreeMap<Which, u32>,
    parts: Vec<Parts>,
}

impl Out {
    pub fn new(root: &Path, hosts: usize) -> Out {
        let parts = (0..hosts).map(|_| Parts::default()).collect();
        Out { root: root.to_owned(), open: BTreeMap::new(), files: BTreeMap::new(), parts }
    }

    /// Takes the row on which a stream stands; what was not fetched goes to the day of `ts_recv`.
    pub fn take(
        &mut self,
        group: &str,
        host: usize,
        stream: &Stream,
        ts_recv: u64,
    ) -> Result<(), Error> {
        let (Some((_, feed, n)), Some((cursor, path, is_fill))) = (stream.key(), stream.at())
        else {
            return Ok(());
        };
        let feed = (host as u32 + 1) * FEEDS_A_HOST + feed % FEEDS_A_HOST;
        let dir = if is_fill {
            let day = path.parent().and_then(Path::file_name).unwrap_or_default();
            format!("{group}/{}", day.to_string_lossy())
        } else {
            format!("{group}/date={}", date(ts_recv))
        };
        let which = (dir, host, is_fill);
        if self.open.len() > OPEN_MAX && !self.open.contains_key(&which) {
            self.flush()?;
        }
        let chunk = self.open.entry(which.clone()).or_default();
        let gathered = cursor.gather((ts_recv, feed, n), chunk);
        gathered.map_err(|error| Error::Read { path: path.to_owned(), error })?;
        if chunk.as_ref().is_some_and(|chunk| chunk.rows >= FILE_ROWS) {
            self.write(which)?;
        }
        Ok(())
    }

    /// Notes a gap in the manifest of the records that it concerns.
    pub fn note_gap(&mut self, dir: String, host: usize, gap: GapRow) {
        self.parts[host].gaps.entry(dir).or_default().push(gap);
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> Result<(), Error> {
        while let Some(which) = self.open.keys().next().cloned() {
            self.write(which)?;
        }
        Ok(())
    }

    fn write(&mut self, which: Which) -> Result<(), Error> {
        let Some(Some(chunk)) = self.open.remove(&which) else { return Ok(()) };
        let files = self.files.entry(which.clone()).or_default();
        let (dir, host, is_fill) = which;
        let prefix = if is_fill { FILL } else { "part-" };
        let name = format!("{prefix}{:06}-{files:03}.parquet", host + 1);
        *files += 1;
        let job = Job { dir, name, chunk, segments: vec![host as u64 + 1] };
        let file = job.write(&self.root)?;
        self.parts[host].files.push(file);
        Ok(())
    }

    /// Brings everything to the disk; the parts are those of the hosts.
    pub fn end(self) -> Result<Vec<Parts>, Error> {
        for (dir, file) in self.parts.iter().flat_map(|part| &part.files) {
            disk::sync_file(&self.root.join(dir).join(&file.name))?;
        }
        Ok(self.parts)
    }
}
