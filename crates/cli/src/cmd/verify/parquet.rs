//! Parquet files that `convert` made: whether they are what was written, and what the tape gives.
//!
//! `verify PATH` calls [`check`] when PATH is an archive, `verify TAPE --parquet DIR` also
//! [`compare`]: the tape is converted once more into a directory that goes away, and the records of
//! both are compared, directory by directory.
//!
//! Invariants: the archive is only read; what cannot be compared, because the tape does not hold
//! that segment any more, is counted apart.

use super::is_being_recorded;
use crate::cmd::convert::refused;
use crate::cmd::replay::failed;
use crate::failure::Failure;
use crate::out::console::Console;
use crate::out::number::{counted, grouped, size};
use crate::out::progress::Progress;
use crate::signals::{Interrupt, Interrupted};
use market_data::convert::{ConvertError, ConvertOptions, convert};
use market_data_archive::manifest::{FILLS_FROM, FileRow, Manifest, NAME};
use market_data_archive::verify::{Verified, verify};
use market_data_archive::{Error, read};
use market_data_tape::Tape;
use market_data_tape::digest::Xxh64;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Findings kept one by one; further ones are counted.
const FINDINGS_MAX: usize = 1000;

/// What is known of an archive.
#[derive(Debug, Default)]
pub struct Checked {
    /// What was looked at.
    pub verified: Verified,
    /// What is wrong, in words.
    pub findings: Vec<String>,
    /// Everything that is wrong, also what is not kept.
    pub wrong: u64,
    /// Records that were compared with those of the tape; `None` without a tape.
    pub compared: Option<u64>,
    /// Directories of which the tape does not hold everything any more.
    pub not_comparable: u64,
}

/// Whether there is an archive.
pub fn is_archive(path: &Path) -> bool {
    path.join(NAME).is_file()
}

/// Manifests and files, without a tape.
///
/// # Errors
/// When it cannot be read.
pub fn check(dir: &Path) -> Result<Checked, Failure> {
    let mut checked = Checked::default();
    let verified = verify(dir, |finding| checked.find(finding.to_string()));
    checked.verified = verified.map_err(|error| refused(&error))?;
    Ok(checked)
}

/// What the tape gives, against what is in the archive.
///
/// # Errors
/// When one of them cannot be read, or there is no room for the second conversion.
pub fn compare(tape: &Tape, path: &Path, dir: &Path, console: &Console) -> anyhow::Result<Checked> {
    let mut checked = check(dir)?;
    let root = match Manifest::load(dir) {
        Ok(Some((root, _))) => root,
        // Its manifest is forged or broken: that is told already.
        Ok(None) | Err(Error::Manifest { .. }) => return Ok(checked),
        Err(error) => return Err(refused(&error).into()),
    };
    let again = Again::make()?;
    converted(tape, path, &root, &again.dir, console)?;
    let fresh = Manifest::load(&again.dir).map_err(|error| refused(&error))?;
    let fresh = fresh.map(|(fresh, _)| fresh).unwrap_or_default();
    for segment in &root.segments {
        let other = fresh.segments.iter().find(|other| other.number == segment.number);
        if other.is_some_and(|other| other != segment) {
            let number = segment.number;
            checked.find(format!("segment {number} of the tape is not the one it was made from"));
        }
    }
    let numbers = |of: &Manifest| of.segments.iter().map(|s| s.number).collect::<BTreeSet<u64>>();
    let (kept, given) = (numbers(&root), numbers(&fresh));
    let ours = Sums::of(dir, &given)?;
    let theirs = Sums::of(&again.dir, &kept)?;
    checked.differences(dir, &ours, &theirs);
    Ok(checked)
}

/// Converts the tape as the archive was made.
fn converted(
    tape: &Tape,
    path: &Path,
    root: &Manifest,
    dir: &Path,
    console: &Console,
) -> anyhow::Result<()> {
    let id = tape.segments().iter().find_map(|segment| segment.header.as_ref()?.tape_id.into());
    let made = root.made.as_ref();
    if let (Some(made), Some(id)) = (made, id)
        && made.tape != id
    {
        let hint = "name the directory that this tape was converted to";
        return Err(Failure::new("the Parquet files were made from another tape", hint).into());
    }
    let mut options =
        ConvertOptions { closed_only: is_being_recorded(path), ..ConvertOptions::default() };
    if let Some(made) = made.filter(|made| made.book_interval_ms.is_some()) {
        (options.book_interval_ms, options.book_depth) = (made.book_interval_ms, made.book_depth);
    }
    let interrupt = Interrupt::listen();
    let mut progress = Progress::new(console, tape.bytes()).doing("converting again");
    let done = convert(tape, dir, &options, |at| {
        progress.at(at.bytes, at.records);
        match interrupt.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    progress.done();
    match done {
        Ok(_) => Ok(()),
        Err(ConvertError::Stopped) => Err(Interrupted.into()),
        Err(ConvertError::Tape(error)) => Err(failed(error).into()),
        Err(ConvertError::Archive(error)) => Err(refused(&error).into()),
        Err(error) => Err(error.into()),
    }
}

/// A directory for the second conversion, which goes away.
struct Again {
    dir: PathBuf,
}

impl Again {
    fn make() -> Result<Again, Failure> {
        let dir = std::env::temp_dir().join(format!("market-data-verify-{}", std::process::id()));
        fs::create_dir_all(&dir).map_err(|why| {
            let hint = "TMPDIR names a directory with room for the Parquet files once more";
            Failure::new(format!("cannot make {}: {why}", dir.display()), hint)
        })?;
        Ok(Again { dir })
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        // What is left over is in a directory for such things.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The records of one directory, in whatever order and files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    records: u64,
    sum: u64,
}

/// The records of an archive by directory.
#[derive(Debug, Default)]
struct Sums {
    leaves: BTreeMap<String, Sum>,
    /// Directories with a file that also holds records of other segments.
    others: BTreeSet<String>,
}

impl Sums {
    /// Adds up what files of these segments hold.
    fn of(dir: &Path, segments: &BTreeSet<u64>) -> anyhow::Result<Sums> {
        let mut sums = Sums::default();
        let mut next = vec![String::new()];
        while let Some(rel) = next.pop() {
            // What cannot be read is told by the check of the archive itself.
            let Ok(Some((manifest, _))) = Manifest::load(&dir.join(&rel)) else { continue };
            let below = |name: &str| {
                if rel.is_empty() { name.to_owned() } else { format!("{rel}/{name}") }
            };
            next.extend(manifest.dirs.iter().map(|dir| below(&dir.name)));
            // What was fetched is not on the tape.
            let fetched = |file: &&FileRow| file.segments.iter().all(|of| *of >= FILLS_FROM);
            for file in manifest.files.iter().filter(|file| !fetched(file)) {
                if file.segments.iter().all(|of| segments.contains(of)) {
                    sums.file(&dir.join(&rel), &rel, file)?;
                } else {
                    sums.others.insert(rel.clone());
                }
            }
        }
        Ok(sums)
    }

    fn file(&mut self, dir: &Path, rel: &str, file: &FileRow) -> anyhow::Result<()> {
        let Ok(bytes) = fs::read(dir.join(&file.name)) else { return Ok(()) };
        let sum = self.leaves.entry(rel.to_owned()).or_default();
        // Broken files are told of by the check; here they only differ.
        let _ = read::records(bytes.into(), |record| {
            let mut hash = Xxh64::default();
            hash.add(record.json);
            sum.records += 1;
            sum.sum = sum.sum.wrapping_add(hash.finish());
            Ok(())
        });
        Ok(())
    }
}

impl Checked {
    fn find(&mut self, what: String) {
        self.wrong += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(what);
        }
    }

    fn differences(&mut self, dir: &Path, ours: &Sums, theirs: &Sums) {
        let mut compared = 0;
        let rels: BTreeSet<&String> = ours.leaves.keys().chain(theirs.leaves.keys()).collect();
        for rel in rels {
            if ours.others.contains(rel) {
                self.not_comparable += 1;
                continue;
            }
            let of = |sums: &Sums| sums.leaves.get(rel).copied().unwrap_or_default();
            let (have, want) = (of(ours), of(theirs));
            compared += want.records;
            if have != want {
                let (path, have, want) = (dir.join(rel), have.records, want.records);
                let records = counted(have, "record", "records");
                let what = if have == want {
                    format!("its {records} are not those")
                } else {
                    format!("it has {records}, not the {}", grouped(want))
                };
                self.find(format!("{}: {what} that the tape gives", path.display()));
            }
        }
        self.compared = Some(compared);
    }

    /// For people.
    pub fn words(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            text.push_str(&format!("wrong: {finding}\n"));
        }
        let more = self.wrong.saturating_sub(self.findings.len() as u64);
        if more > 0 {
            text.push_str(&format!("and {}\n", counted(more, "more finding", "more findings")));
        }
        let v = &self.verified;
        text.push_str(&format!(
            "{}: {} of {} in {} ({}); sum of the root {}\n",
            if self.wrong == 0 { "Parquet files whole" } else { "Parquet files not whole" },
            counted(v.records, "record", "records"),
            counted(v.dirs, "directory", "directories"),
            counted(v.files, "file", "files"),
            size(v.bytes),
            v.root,
        ));
        if let Some(compared) = self.compared {
            text.push_str(&format!(
                "compared with the tape: {}{}\n",
                counted(compared, "record", "records"),
                match self.not_comparable {
                    0 => String::new(),
                    some => format!(
                        "; {} not comparable, the tape does not hold all of it any more",
                        counted(some, "directory", "directories")
                    ),
                }
            ));
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        let v = &self.verified;
        serde_json::json!({
            "clean": self.wrong == 0,
            "root": v.root,
            "dirs": v.dirs,
            "files": v.files,
            "records": v.records,
            "rows": v.rows,
            "bytes": v.bytes,
            "findings": self.findings,
            "findingsTotal": self.wrong,
            "compared": self.compared,
            "notComparable": self.not_comparable,
        })
    }
}
