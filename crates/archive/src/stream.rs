//! The records of one directory (a table's day), in the order in which they came, whatever files
//! they are in. `merge` and `report` read archives this way.
//!
//! Invariants: a file is taken only if its bytes are those that its manifest names; files are
//! opened when it is their turn, so few are open at a time.

use crate::chunk::Key;
use crate::disk;
use crate::error::Error;
use crate::manifest::{FileRow, Manifest};
use crate::place::FILL;
use crate::read::Cursor;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// See the file's first comment.
pub struct Stream {
    bytes: u64,
    /// Files that are not open yet, by their first row.
    waiting: VecDeque<(PathBuf, FileRow)>,
    open: Vec<Open>,
    /// Which of them has the row.
    head: Option<usize>,
    json: Vec<u8>,
}

struct Open {
    cursor: Cursor,
    path: PathBuf,
    is_fill: bool,
}

impl Stream {
    /// On the first row of the directory `rel` of an archive, if there is one.
    ///
    /// # Errors
    /// [`Error`], also when a file is not what was written.
    pub fn open(archive: &Path, rel: &str) -> Result<Stream, Error> {
        Stream::open_all(archive, &[rel.to_owned()])
    }

    /// The same of several directories.
    ///
    /// # Errors
    /// As [`Stream::open`].
    pub fn open_all(archive: &Path, rels: &[String]) -> Result<Stream, Error> {
        let mut files = Vec::new();
        for rel in rels {
            let dir = archive.join(rel);
            let manifest = Manifest::load(&dir)?.map(|(manifest, _)| manifest);
            let rows = manifest.into_iter().flat_map(|manifest| manifest.files);
            files.extend(rows.map(|file| (dir.clone(), file)));
        }
        files.sort_by(|(_, a), (_, b)| (a.first_ts_recv, &a.name).cmp(&(b.first_ts_recv, &b.name)));
        let bytes = files.iter().map(|(_, file)| file.bytes).sum();
        let (open, head, json) = (Vec::new(), None, Vec::new());
        let mut stream = Stream { bytes, waiting: files.into(), open, head, json };
        stream.choose()?;
        Ok(stream)
    }

    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What orders the row; `None` at the end.
    pub fn key(&self) -> Option<Key> {
        self.head.map(|head| self.open[head].cursor.key())
    }

    /// The row; `None` at the end.
    pub fn json(&self) -> Option<&[u8]> {
        self.head.map(|_| self.json.as_slice())
    }

    /// The file that the row is in, and whether it was fetched.
    pub(crate) fn at(&self) -> Option<(&Cursor, &Path, bool)> {
        let open = &self.open[self.head?];
        Some((&open.cursor, &open.path, open.is_fill))
    }

    /// Goes on to the next row.
    ///
    /// # Errors
    /// As [`Stream::open`].
    pub fn advance(&mut self) -> Result<(), Error> {
        if let Some(head) = self.head {
            let open = &mut self.open[head];
            let path = &open.path;
            let more = open.cursor.advance();
            if !more.map_err(|error| Error::Read { path: path.clone(), error })? {
                self.open.swap_remove(head);
            }
        }
        self.choose()
    }

    fn choose(&mut self) -> Result<(), Error> {
        loop {
            let keys = self.open.iter().enumerate().map(|(at, open)| (open.cursor.key(), at));
            let first = keys.min();
            let next = self.waiting.front().map(|(_, file)| file.first_ts_recv);
            match (first, next) {
                (Some((key, at)), next) if next.is_none_or(|next| next > key.0) => {
                    self.head = Some(at);
                    let open = &self.open[at];
                    let read = open.cursor.json(&mut self.json);
                    return read.map_err(|error| Error::Read { path: open.path.clone(), error });
                }
                (_, None) => {
                    self.head = None;
                    return Ok(());
                }
                _ => self.open_next()?,
            }
        }
    }

    fn open_next(&mut self) -> Result<(), Error> {
        let Some((dir, file)) = self.waiting.pop_front() else { return Ok(()) };
        let path = dir.join(&file.name);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        if disk::sum(&bytes) != file.sha256 {
            let why = "its bytes are not those that were written".to_owned();
            return Err(Error::Manifest { path, why });
        }
        let unreadable = |error| Error::Read { path: path.clone(), error };
        let mut cursor = Cursor::open(bytes.into()).map_err(unreadable)?;
        if cursor.advance().map_err(unreadable)? {
            let is_fill = file.name.starts_with(FILL);
            self.open.push(Open { cursor, path, is_fill });
        }
        Ok(())
    }
}
