//! What is in a directory of an archive, and the sums that prove it.
//!
//! Every directory has a `_manifest.json`: in the lowest it lists files, above it directories with
//! the sum of each one's manifest, up to the root. So whoever knows the sum of the root's manifest
//! can tell whether anything below was changed, added or taken away.
//!
//! Invariants: a manifest is always the same text for the same content, and only that text is
//! accepted; its last field is the sum of everything before.
//!
//! Start at [`Manifest`].

use crate::disk;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file's name.
pub const NAME: &str = "_manifest.json";
/// The version of this format.
pub const VERSION: u32 = 1;

/// See the file's first comment. Empty parts are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format.
    pub version: u32,
    /// How the archive was made; in the root's manifest only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
    /// Which segments of the tape are in it, by number; in the root's manifest only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// The directories in it, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dirs: Vec<Dir>,
    /// The files in it, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRow>,
    /// Gaps of this channel and instrument on this day, by segment and order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<GapRow>,
    /// SHA-256 of this manifest with an empty text here.
    pub sum: String,
}

/// How an archive was made: what must be the same for all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Id of the tape.
    pub tape: u64,
    /// Milliseconds between snapshots of books; 0 = one after each change; absent = none.
    pub book_interval_ms: Option<u64>,
    /// Levels a side in snapshots of books.
    pub book_depth: u16,
}

/// A segment of the tape that was converted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// The length of its file.
    pub bytes: u64,
    /// SHA-256 of its file.
    pub sha256: String,
    /// What was filled by it, of one that holds fetched records ([`FILLS_FROM`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fills: Vec<Fill>,
    /// Which archive it is, of one that was merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
}

/// Segments from this number on were fetched, not recorded: their records stand in files named
/// `fill-…`, on the day on which they happened at the venue.
pub const FILLS_FROM: u64 = 1 << 40;

/// A stretch of one channel and instrument that was asked for to its end: what is not there then,
/// the venue does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// The channel whose records these are.
    pub channel: String,
    /// The instrument.
    pub inst_id: String,
    /// First millisecond, the venue's time.
    pub from_ms: u64,
    /// The first millisecond after.
    pub to_ms: u64,
    /// Records fetched for it.
    pub records: u64,
    /// Of trades: the lowest id that it reached down to; fills before it end above. Absent where
    /// there were none, and of other channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_id: Option<u64>,
    /// Ids, or bars, that the venue did not have either.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub absent: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One of the archives that a merged one was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The name of its directory.
    pub name: String,
    /// Records that it had.
    pub records: u64,
    /// Of them, those that the merged archive has from it.
    pub taken: u64,
    /// Records that the merged archive has and it had not.
    pub lacked: u64,
}

impl Segment {
    /// One of a tape.
    pub fn new(number: u64, bytes: u64, sha256: String) -> Segment {
        Segment { number, bytes, sha256, fills: Vec::new(), host: None }
    }

    /// Whether its records were fetched, not recorded.
    pub fn is_fill(&self) -> bool {
        self.number >= FILLS_FROM
    }
}

/// A directory, by its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dir {
    /// Its name.
    pub name: String,
    /// SHA-256 of its manifest.
    pub manifest: String,
    /// Files in and below it.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A Parquet file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRow {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: String,
    /// Records in it.
    pub records: u64,
    /// Rows in it: more than records where a record is a row a level.
    pub rows: u64,
    /// When its first record was received, nanoseconds.
    pub first_ts_recv: u64,
    /// When its last record was received, nanoseconds.
    pub last_ts_recv: u64,
    /// The venue's id of its first record: of a trade the trade's, of a book its sequence number.
    pub first_id: Option<i128>,
    /// The same of its last record.
    pub last_id: Option<i128>,
    /// The segments it was made from.
    pub segments: Vec<u64>,
}

/// A record of the table of gaps that concerns this directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GapRow {
    /// The segment it is from.
    pub segment: u64,
    /// Whether this is its end.
    pub closed: bool,
    /// Why: see `docs/records.md`.
    pub cause: String,
    /// Whose fault.
    pub whose: String,
    /// When the last good data before was received, nanoseconds; `None` = unknown.
    pub from: Option<u64>,
    /// When the first good data after was received, nanoseconds; `None` while open.
    pub to: Option<u64>,
    /// Trades missing; `None` = unknown.
    pub lost: Option<u64>,
}

impl Manifest {
    /// One of nothing.
    pub fn new() -> Manifest {
        Manifest { version: VERSION, ..Manifest::default() }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.dirs.is_empty() && self.files.is_empty() && self.gaps.is_empty()
    }

    /// Its text.
    pub fn text(&self) -> String {
        let unsigned = Manifest { sum: String::new(), ..self.clone() };
        let sum = disk::sum(unsigned.json().as_bytes());
        Manifest { sum, ..unsigned }.json()
    }

    fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("numbers and texts can always be written as JSON");
        text.push('\n');
        text
    }

    /// Reads a text that [`Manifest::text`] made.
    ///
    /// # Errors
    /// In words, when it is any other.
    pub fn parse(text: &[u8]) -> Result<Manifest, String> {
        let manifest: Manifest =
            serde_json::from_slice(text).map_err(|error| format!("not a manifest: {error}"))?;
        if manifest.version != VERSION {
            let version = manifest.version;
            return Err(format!("version {version}; this program reads version {VERSION}"));
        }
        if manifest.text().as_bytes() != text {
            return Err("its own sum does not hold".to_owned());
        }
        Ok(manifest)
    }

    /// The manifest of a directory with the SHA-256 of its text; `None` if there is none.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read or was changed.
    pub fn load(dir: &Path) -> Result<Option<(Manifest, String)>, Error> {
        let path = dir.join(NAME);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io("read", &path))?,
        };
        let manifest = Manifest::parse(&text).map_err(|why| Error::Manifest { path, why })?;
        Ok(Some((manifest, disk::sum(&text))))
    }

    /// Writes it into a directory, whose files are on the disk then, and says what its parent
    /// should know.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, dir: &Path) -> Result<Dir, Error> {
        let text = self.text();
        disk::write(&dir.join(NAME), text.as_bytes())?;
        disk::sync_dir(dir)?;
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(self.as_dir(name, disk::sum(text.as_bytes())))
    }

    /// What a parent says of the directory with this manifest.
    pub fn as_dir(&self, name: String, manifest: String) -> Dir {
        let dirs = self.dirs.iter().map(|dir| (dir.files, dir.records, dir.rows, dir.bytes));
        let files = self.files.iter().map(|file| (1, file.records, file.rows, file.bytes));
        let (mut sum, all) = ((0, 0, 0, 0), dirs.chain(files));
        for (files, records, rows, bytes) in all {
            sum = (sum.0 + files, sum.1 + records, sum.2 + rows, sum.3 + bytes);
        }
        let (files, records, rows, bytes) = sum;
        Dir { name, manifest, files, records, rows, bytes }
    }

    /// Puts a directory in, instead of the one of the same name.
    pub fn put_dir(&mut self, dir: Dir) {
        match self.dirs.binary_search_by(|other| other.name.cmp(&dir.name)) {
            Ok(at) => self.dirs[at] = dir,
            Err(at) => self.dirs.insert(at, dir),
        }
    }

    /// Puts a file in, instead of the one of the same name.
    pub fn put_file(&mut self, file: FileRow) {
        match self.files.binary_search_by(|other| other.name.cmp(&file.name)) {
            Ok(at) => self.files[at] = file,
            Err(at) => self.files.insert(at, file),
        }
    }
}
