//! An archive on disk: opening it, and taking segments of a tape into it, one at a time.
//!
//! `convert` opens one, asks [`Archive::has`] for each segment, and for those that are missing
//! begins a [`SegmentWriter`], gives it records and commits it.
//!
//! Invariants: one process writes at a time; a segment is in the root's manifest only when all
//! its files are on the disk; what a crash left half done is undone when the archive is opened.
//!
//! Start at [`Archive::open`].

use crate::disk;
use crate::error::Error;
use crate::manifest::{Made, Manifest, NAME, Segment};
use crate::segment::{Parts, SegmentWriter, WriteOptions};
use crate::tree::{Tree, leaves};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Says that something is being changed, and what.
pub const PENDING: &str = "_pending.json";
/// Answers that were fetched and are not in the archive yet; see the node's `backfill`.
pub const JOURNAL: &str = "_fill.journal";
/// How the names of files begin that were fetched and are not part of the archive: its journal, and
/// daily files of the venue.
pub const FETCHED: &str = "_fill.";
/// The lock of whoever changes the archive.
pub const LOCK: &str = "_lock";

/// What is being changed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    /// Segments that are being taken in or out.
    pub segments: Vec<u64>,
}

/// See the file's first comment.
#[derive(Debug)]
pub struct Archive {
    dir: PathBuf,
    root: Manifest,
    /// Held while the archive is open.
    lock: File,
}

impl Drop for Archive {
    /// In words, because a child that is just being started has the file open until it runs its
    /// program.
    fn drop(&mut self) {
        // Closing comes next anyway.
        drop(self.lock.unlock());
    }
}

impl Archive {
    /// Opens an archive for writing, and makes it if there is nothing.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Foreign`]; [`Error::Different`] when it was made from another
    /// tape or with other settings; [`Error`] when it cannot be read.
    pub fn open(dir: &Path, made: &Made) -> Result<Archive, Error> {
        std::fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
        let mut archive = Archive::lock(dir)?;
        match &archive.root.made {
            None => {
                let (dirs, files) = disk::list(dir)?;
                // An interrupted beginning leaves the manifest of nothing.
                let ours = |name: &String| {
                    [LOCK, PENDING, NAME].contains(&name.as_str()) || name.starts_with(FETCHED)
                };
                if !dirs.is_empty() || !files.iter().all(ours) {
                    disk::remove(&dir.join(LOCK))?;
                    return Err(Error::Foreign { path: dir.to_owned() });
                }
                archive.root.made = Some(made.clone());
            }
            Some(was) if was == made => {}
            // Only what was fetched is here, which goes with any tape.
            Some(was) if was.tape == 0 && archive.root.segments.iter().all(Segment::is_fill) => {
                archive.root.made = Some(made.clone());
            }
            Some(was) => {
                let (was, wanted) = (was.words(), made.words());
                return Err(Error::Different { path: dir.to_owned(), was, wanted });
            }
        }
        Ok(archive)
    }

    /// Opens an archive that is there, whatever it was made from.
    ///
    /// # Errors
    /// As [`Archive::open`]; [`Error::Foreign`] when there is none.
    pub fn existing(dir: &Path) -> Result<Archive, Error> {
        if Manifest::load(dir)?.is_none() {
            return Err(Error::Foreign { path: dir.to_owned() });
        }
        Archive::lock(dir)
    }

    fn lock(dir: &Path) -> Result<Archive, Error> {
        let path = dir.join(LOCK);
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.map_err(Error::io("write", &path))?;
        if lock.try_lock().is_err() {
            return Err(Error::Locked { path });
        }
        let mut archive = Archive { dir: dir.to_owned(), root: Manifest::new(), lock };
        archive.recover()?;
        if let Some((root, _)) = Manifest::load(dir)? {
            archive.root = root;
        }
        Ok(archive)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the root's manifest says.
    pub fn root(&self) -> &Manifest {
        &self.root
    }

    /// Whether exactly this segment is in it.
    pub fn has(&self, segment: &Segment) -> bool {
        self.root.segments.contains(segment)
    }

    /// Begins to take in a segment. What is there of an older one of the same number is taken out.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Compacted`] when its rows cannot be taken out any more.
    pub fn begin(
        &mut self,
        segment: &Segment,
        options: WriteOptions,
    ) -> Result<SegmentWriter, Error> {
        let number = segment.number;
        if let Some(path) = self.compacted(number)? {
            return Err(Error::Compacted { segment: number, path });
        }
        self.pend(&Pending { segments: vec![number] })?;
        if self.root.segments.iter().any(|other| other.number == number) {
            self.undo(&[number], true)?;
        }
        Ok(SegmentWriter::new(&self.dir, number, options))
    }

    /// Ends it: from here on the segment is in the archive.
    ///
    /// # Errors
    /// [`Error`]; the segment is not in the archive then, and what is there of it is taken out
    /// when the archive is opened next.
    pub fn commit(&mut self, segment: Segment, parts: Parts) -> Result<(), Error> {
        self.commit_all(vec![(segment, parts)])
    }

    /// The same for several at once: all are in the archive, or none.
    pub(crate) fn commit_all(&mut self, all: Vec<(Segment, Parts)>) -> Result<(), Error> {
        let mut tree = self.tree()?;
        for (segment, parts) in all {
            for (dir, file) in parts.files {
                tree.node(&dir)?.put_file(file);
            }
            for (dir, gaps) in parts.gaps {
                let node = tree.node(&dir)?;
                node.gaps.extend(gaps);
                node.gaps.sort_by_key(|gap| gap.segment);
            }
            let segments = &mut tree.root().segments;
            segments.retain(|other| other.number != segment.number);
            segments.push(segment);
            segments.sort_by_key(|segment| segment.number);
        }
        self.replace(tree)?;
        self.settled()
    }

    /// The manifests, to be changed.
    pub(crate) fn tree(&self) -> Result<Tree, Error> {
        let mut tree = Tree::open(&self.dir, true)?;
        tree.root().made.clone_from(&self.root.made);
        Ok(tree)
    }

    /// Writes changed manifests.
    pub(crate) fn replace(&mut self, tree: Tree) -> Result<(), Error> {
        self.root = tree.save()?;
        Ok(())
    }

    /// Notes what is about to be changed.
    pub(crate) fn pend(&self, pending: &Pending) -> Result<(), Error> {
        let text = serde_json::to_vec(pending).expect("numbers can always be written as JSON");
        disk::write(&self.dir.join(PENDING), &text)?;
        disk::sync_dir(&self.dir)
    }

    /// Nothing is being changed.
    pub(crate) fn settled(&self) -> Result<(), Error> {
        disk::remove(&self.dir.join(PENDING))?;
        // What was taken in may be deleted elsewhere as soon as this returns.
        disk::sync_dir(&self.dir)
    }

    /// Undoes what a crash left half done.
    fn recover(&mut self) -> Result<(), Error> {
        let path = self.dir.join(PENDING);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            text => text.map_err(Error::io("read", &path))?,
        };
        let pending: Pending = serde_json::from_slice(&text)
            .map_err(|error| Error::Manifest { path, why: error.to_string() })?;
        self.undo(&pending.segments, false)?;
        self.settled()
    }

    /// Takes segments out, and every file that no manifest knows.
    fn undo(&mut self, segments: &[u64], strict: bool) -> Result<(), Error> {
        let mut tree = Tree::open(&self.dir, strict)?;
        for rel in leaves(&self.dir)? {
            let path = self.dir.join(&rel);
            let node = tree.node(&rel)?;
            node.files.retain(|file| file.segments.iter().any(|of| !segments.contains(of)));
            node.gaps.retain(|gap| !segments.contains(&gap.segment));
            for name in disk::list(&path)?.1 {
                if name != NAME && !node.files.iter().any(|file| file.name == name) {
                    disk::remove(&path.join(name))?;
                }
            }
        }
        tree.root().segments.retain(|segment| !segments.contains(&segment.number));
        if tree.root().made.is_none() {
            // Nothing was ever finished here.
            for rel in leaves(&self.dir)? {
                // Upwards, as far as nothing is left.
                let mut at = rel.as_str();
                while std::fs::remove_dir(self.dir.join(at)).is_ok() {
                    let Some((above, _)) = at.rsplit_once('/') else { break };
                    at = above;
                }
            }
        }
        self.root = tree.save()?;
        Ok(())
    }

    /// A file that holds rows of this segment and of others.
    fn compacted(&self, segment: u64) -> Result<Option<PathBuf>, Error> {
        if !self.root.segments.iter().any(|other| other.number == segment) {
            return Ok(None);
        }
        for rel in leaves(&self.dir)? {
            let path = self.dir.join(&rel);
            let Some((manifest, _)) = Manifest::load(&path)? else { continue };
            let of = |file: &&crate::manifest::FileRow| {
                file.segments.len() > 1 && file.segments.contains(&segment)
            };
            if let Some(file) = manifest.files.iter().find(of) {
                return Ok(Some(path.join(&file.name)));
            }
        }
        Ok(None)
    }
}

impl Made {
    pub(crate) fn words(&self) -> String {
        let snapshots = match self.book_interval_ms {
            None => "without snapshots of books".to_owned(),
            Some(0) => format!("with {} levels after each change", self.book_depth),
            Some(ms) => format!("with {} levels every {ms} ms", self.book_depth),
        };
        format!("from tape {} {snapshots}", self.tape)
    }
}
