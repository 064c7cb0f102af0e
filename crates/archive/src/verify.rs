//! Is an archive what was written? From the root down: manifests, files, records.
//!
//! `market-data verify` calls [`verify`]; what is wrong comes out one by one.
//!
//! Invariants: nothing is written; a file is decoded only when its sum holds; memory is one file.
//! What it cannot see: an archive whose every manifest was made anew, up to the root. Against that,
//! keep the root's sum ([`Verified::root`]) elsewhere, or convert the tape again and compare.

use crate::archive::{FETCHED, LOCK, PENDING};
use crate::disk::{self, TEMPORARY};
use crate::error::Error;
use crate::facts::Facts;
use crate::manifest::{Dir, FileRow, Manifest, NAME};
use crate::place::FILL;
use crate::read;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// A manifest names it, and it is not there.
    Missing,
    /// It is there, and no manifest names it.
    Extra,
    /// Its bytes are not those that were written.
    Changed,
    /// Its manifest is not the one that the manifest above names, or not in order itself.
    Manifest,
    /// Its records are not those that its manifest tells of.
    Records,
    /// It lies in another directory than its records belong to.
    Misplaced,
    /// A conversion was interrupted here; the next one puts it in order.
    Unfinished,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// With which file or directory.
    pub path: PathBuf,
    /// What it is.
    pub wrong: Wrong,
    /// In words.
    pub why: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// SHA-256 of the root's manifest.
    pub root: String,
    /// Directories.
    pub dirs: u64,
    /// Files.
    pub files: u64,
    /// Records in files whose sums hold.
    pub records: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How much was found.
    pub findings: u64,
}

/// Verifies the archive in `dir`; hands what is wrong to `found`.
///
/// # Errors
/// [`Error::Foreign`] when there is no archive, [`Error::Io`] when the disk fails.
pub fn verify(dir: &Path, mut found: impl FnMut(Finding)) -> Result<Verified, Error> {
    let path = dir.join(NAME);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Foreign { path: dir.to_owned() });
        }
        text => text.map_err(Error::io("read", &path))?,
    };
    let verified = Verified { root: disk::sum(&text), ..Verified::default() };
    let mut look = Look { dir, segments: BTreeSet::new(), found: &mut found, verified };
    if dir.join(PENDING).exists() {
        let why = "a conversion was interrupted; the next one puts that in order";
        look.find(dir.join(PENDING), Wrong::Unfinished, why);
    }
    match Manifest::parse(&text) {
        Err(why) => look.find(path, Wrong::Manifest, why),
        Ok(root) => {
            look.segments = root.segments.iter().map(|segment| segment.number).collect();
            look.contents("", &root)?;
        }
    }
    Ok(look.verified)
}

struct Look<'a, F> {
    dir: &'a Path,
    segments: BTreeSet<u64>,
    found: &'a mut F,
    verified: Verified,
}

impl<F: FnMut(Finding)> Look<'_, F> {
    fn find(&mut self, path: PathBuf, wrong: Wrong, why: impl Into<String>) {
        self.verified.findings += 1;
        (self.found)(Finding { path, wrong, why: why.into() });
    }

    /// What is in a directory, against its manifest.
    fn contents(&mut self, rel: &str, manifest: &Manifest) -> Result<(), Error> {
        self.verified.dirs += 1;
        let path = self.dir.join(rel);
        let (dirs, files) = disk::list(&path)?;
        for name in dirs {
            if !manifest.dirs.iter().any(|dir| dir.name == name) {
                self.find(path.join(name), Wrong::Extra, "no manifest names this directory");
            }
        }
        for name in files {
            let ours = name == NAME
                || name.starts_with(TEMPORARY)
                || rel.is_empty() && [LOCK, PENDING].contains(&name.as_str())
                || rel.is_empty() && name.starts_with(FETCHED);
            if !ours && !manifest.files.iter().any(|file| file.name == name) {
                self.find(path.join(name), Wrong::Extra, "no manifest names this file");
            }
        }
        for dir in &manifest.dirs {
            self.below(rel, dir)?;
        }
        for file in &manifest.files {
            self.file(rel, file)?;
        }
        Ok(())
    }

    fn below(&mut self, rel: &str, dir: &Dir) -> Result<(), Error> {
        let rel = if rel.is_empty() { dir.name.clone() } else { format!("{rel}/{}", dir.name) };
        let path = self.dir.join(&rel);
        if !is_plain(&dir.name) || !path.is_dir() {
            self.find(path, Wrong::Missing, "this directory is gone");
            return Ok(());
        }
        let text = match std::fs::read(path.join(NAME)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.find(path.join(NAME), Wrong::Missing, "this manifest is gone");
                return Ok(());
            }
            text => text.map_err(Error::io("read", &path))?,
        };
        let sum = disk::sum(&text);
        match Manifest::parse(&text) {
            Err(why) => self.find(path.join(NAME), Wrong::Manifest, why),
            Ok(manifest) => {
                if sum != dir.manifest {
                    let why = "the manifest above names another sum";
                    self.find(path.join(NAME), Wrong::Manifest, why);
                } else if manifest.as_dir(dir.name.clone(), sum) != *dir {
                    let why = "the manifest above names other numbers of files and records";
                    self.find(path.join(NAME), Wrong::Manifest, why);
                }
                self.contents(&rel, &manifest)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, rel: &str, file: &FileRow) -> Result<(), Error> {
        let path = self.dir.join(rel).join(&file.name);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.find(path, Wrong::Missing, "this file is gone");
                return Ok(());
            }
            bytes => bytes.map_err(Error::io("read", &path))?,
        };
        self.verified.files += 1;
        if bytes.len() as u64 != file.bytes || disk::sum(&bytes) != file.sha256 {
            self.find(path, Wrong::Changed, "its bytes are not those that were written");
            return Ok(());
        }
        if let Some(segment) = file.segments.iter().find(|of| !self.segments.contains(of)) {
            let why = format!("it is of segment {segment}, which the archive does not hold");
            self.find(path.clone(), Wrong::Manifest, why);
        }
        self.verified.bytes += file.bytes;
        match seen(bytes.into(), file.name.starts_with(FILL)) {
            Err(error) => self.find(path, Wrong::Records, error.to_string()),
            Ok(seen) => {
                self.verified.records += seen.records;
                self.verified.rows += seen.rows;
                if let Some(why) = seen.differs(file) {
                    self.find(path, Wrong::Records, why);
                } else if !seen.belongs(rel) {
                    let why = "its records belong to another directory";
                    self.find(path, Wrong::Misplaced, why);
                }
            }
        }
        Ok(())
    }
}

/// Whether a name stays in its directory.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\'])
}

/// What a file really holds.
#[derive(Debug, Default)]
struct Seen {
    records: u64,
    rows: u64,
    first: Option<u64>,
    last: Option<u64>,
    unsorted: bool,
    /// When the first and the last of what was fetched happened.
    days: Option<(u64, u64)>,
    channel: Option<String>,
    inst_id: Option<String>,
}

/// Of what was fetched, the days count on which it happened.
fn seen(bytes: bytes::Bytes, is_fill: bool) -> Result<Seen, read::ReadError> {
    let mut seen = Seen::default();
    let mut last = None;
    let constants = read::constants(bytes.clone())?;
    seen.channel = constants.get("channel").cloned();
    seen.inst_id = constants.get("instId").cloned();
    read::records(bytes, |record| {
        seen.records += 1;
        seen.rows += record.rows as u64;
        seen.first.get_or_insert(record.key.0);
        seen.last = Some(record.key.0);
        seen.unsorted |= last > Some(record.key);
        if is_fill {
            let at = Facts::of(record.json).and_then(|facts| facts.happened_ms());
            let at = at.map_or(record.key.0, |ms| ms.saturating_mul(1_000_000));
            seen.days.get_or_insert((at, at));
            seen.days = seen.days.map(|(first, last)| (first.min(at), last.max(at)));
        }
        last = Some(record.key);
        Ok(())
    })?;
    Ok(seen)
}

impl Seen {
    fn differs(&self, file: &FileRow) -> Option<String> {
        if self.unsorted {
            return Some("its records are not sorted".to_owned());
        }
        if (self.records, self.rows) != (file.records, file.rows) {
            let (records, rows) = (self.records, self.rows);
            return Some(format!("it holds {records} records in {rows} rows"));
        }
        let times = (Some(file.first_ts_recv), Some(file.last_ts_recv));
        if (self.first, self.last) != times {
            return Some("its first and last record are others".to_owned());
        }
        None
    }

    /// Whether these records belong into this directory.
    fn belongs(&self, rel: &str) -> bool {
        let part = |key: &str| rel.split('/').find_map(|part| part.strip_prefix(key));
        let day = |at: Option<u64>| at.map(crate::place::date);
        let date = part("date=").map(str::to_owned);
        let named = |key: &str, value: &Option<String>| {
            part(key).is_none_or(|part| {
                part == crate::place::component(value.as_deref().unwrap_or_default())
            })
        };
        let (first, last) = match self.days {
            Some((first, last)) => (Some(first), Some(last)),
            None => (self.first, self.last),
        };
        (day(first), day(last)) == (date.clone(), date)
            && named("channel=", &self.channel)
            && named("inst_id=", &self.inst_id)
    }
}
