//! An archive into object storage, so that a reader there never sees a manifest before its files.
//!
//! `cmd/upload.rs` opens a [`place::Place`], looks at the archive ([`local::look`]) and runs an
//! [`Upload`]: files of a directory, then, if the place has no manifest of it yet, the directory's
//! manifest; all other manifests at the end, the lowest first and the root's last.
//!
//! Invariants: a manifest at the place never names a file that is not there with that sum,
//! wherever a run ends (before a named file is replaced, its name is taken out of the manifest);
//! what is sent has the sum that the archive's manifest tells; nothing is deleted but, on request,
//! Parquet files that the manifest of their directory does not name; memory does not grow with
//! files.

pub mod local;
pub mod place;
#[cfg(test)]
mod tests;

use crate::failure::Failure;
use crate::signals::Interrupted;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use local::{Local, Node, join, wrong};
use market_data_archive::disk::Hashing;
use market_data_archive::manifest::{FileRow, Manifest, NAME};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use place::{Place, refused};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Bytes of one part of a large file; smaller files go at once.
const PART: usize = 8 << 20;
/// Bytes read from the disk at once.
const PIECE: usize = 1 << 20;
/// Directories on their way at once; each may hold three parts in memory.
const AT_ONCE: usize = 4;
/// No manifest is larger: a year of files of ten minutes has a tenth of this.
const MANIFEST_MAX: u64 = 64 << 20;

/// What was done, or with [`Upload::dry_run`] would have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Files sent, manifests aside.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub skipped: u64,
    /// Their bytes.
    pub skipped_bytes: u64,
    /// Manifests sent.
    pub manifests: u64,
    /// Parquet files there that the manifest of their directory does not name, and that were left.
    pub unknown: u64,
    /// The same, deleted.
    pub deleted: u64,
}

/// One run. See the file's first comment.
pub struct Upload<'a> {
    /// Where to.
    pub place: Place,
    /// The archive.
    pub dir: &'a std::path::Path,
    /// Change nothing.
    pub dry_run: bool,
    /// Delete files that the manifest of their directory does not name any more.
    pub prune: bool,
    /// Bytes of a part.
    pub part: usize,
    /// Set when somebody asks us to stop.
    pub stop: Arc<AtomicBool>,
    /// Hears of every step.
    pub watch: &'a dyn Fn(&Sent),
    done: RefCell<Sent>,
}

/// What the place holds of a directory.
struct There {
    manifest: Option<Manifest>,
    files: BTreeMap<String, u64>,
}

impl<'a> Upload<'a> {
    /// Of the archive in `dir` to `place`.
    pub fn new(
        place: Place,
        dir: &'a std::path::Path,
        stop: Arc<AtomicBool>,
        watch: &'a dyn Fn(&Sent),
    ) -> Upload<'a> {
        let done = RefCell::default();
        Upload { place, dir, dry_run: false, prune: false, part: PART, stop, watch, done }
    }

    /// Makes sure that the place holds this archive, or none.
    ///
    /// # Errors
    /// When it holds another.
    pub async fn expects(&self, root: &Manifest) -> anyhow::Result<()> {
        let there = self.there("").await?;
        if there.manifest.is_some_and(|there| there.made != root.made) {
            let what = "the place holds an archive of another tape or with other settings";
            return Err(Failure::new(what, "name another place").into());
        }
        Ok(())
    }

    /// Sends what is missing.
    ///
    /// # Errors
    /// When the archive or the place cannot be read, the place refuses something, a file is not
    /// what its manifest tells, or somebody asked to stop. The next run goes on from there.
    pub async fn run(&self, local: &Local) -> anyhow::Result<Sent> {
        let mut old = Vec::new();
        let mut unknown = Vec::new();
        let mut looked = stream::iter(&local.dirs)
            .map(|node| async move { anyhow::Ok((node, self.directory(node).await?)) })
            .buffer_unordered(AT_ONCE);
        while let Some((node, (strange, later))) = looked.try_next().await? {
            unknown.extend(strange);
            if later {
                old.push(node);
            }
        }
        old.sort_by_key(|node| std::cmp::Reverse(node.depth));
        for level in old.chunk_by(|one, other| one.depth == other.depth) {
            stream::iter(level)
                .map(|node| async move {
                    self.manifest(node, &local::manifest(self.dir, node)?).await
                })
                .buffer_unordered(4 * AT_ONCE)
                .try_collect::<()>()
                .await?;
        }
        for path in unknown {
            if !self.prune {
                self.count(|done| done.unknown += 1);
                continue;
            }
            self.check()?;
            if !self.dry_run {
                let deleted = self.place.store.delete(&path).await;
                deleted.map_err(|error| refused("delete", path.as_ref(), &error))?;
            }
            self.count(|done| done.deleted += 1);
        }
        Ok(self.done.borrow().clone())
    }

    /// The files of a directory. Gives what is there and not known, and whether its manifest has
    /// to follow when all files are there.
    async fn directory(&self, node: &Node) -> anyhow::Result<(Vec<Path>, bool)> {
        self.check()?;
        let manifest = local::manifest(self.dir, node)?;
        let there = self.there(&node.rel).await?;
        let listed = there.manifest.as_ref().map_or(&[][..], |manifest| &manifest.files);
        let is_there = |file: &FileRow| {
            there.files.get(&file.name) == Some(&file.bytes)
                && listed.iter().any(|f| f.name == file.name && f.sha256 == file.sha256)
        };
        let (same, missing): (Vec<_>, Vec<_>) = manifest.files.iter().partition(|f| is_there(f));
        self.count(|done| {
            done.skipped += same.len() as u64;
            done.skipped_bytes += same.iter().map(|file| file.bytes).sum::<u64>();
        });
        let replaced = |file: &FileRow| missing.iter().any(|other| other.name == file.name);
        let is_reduced = listed.iter().any(replaced);
        if let Some(mut reduced) = there.manifest.clone().filter(|_| is_reduced) {
            reduced.files.retain(|file| !replaced(file));
            self.put(&node.rel, reduced.text()).await?;
        }
        for file in missing {
            self.file(&node.rel, file).await?;
        }
        let named = |name: &str| manifest.files.iter().any(|file| file.name == name);
        let unknown: Vec<Path> = there
            .files
            .keys()
            .filter(|name| name.ends_with(".parquet") && !named(name))
            .map(|name| self.at(&node.rel, name))
            .collect::<Result<_, _>>()?;
        let later = match &there.manifest {
            // Nothing above names it yet, so nobody can be misled.
            None if manifest.dirs.is_empty() && !node.rel.is_empty() => {
                self.manifest(node, &manifest).await?;
                false
            }
            None => true,
            Some(other) => is_reduced || *other != manifest,
        };
        Ok((unknown, later))
    }

    async fn there(&self, rel: &str) -> anyhow::Result<There> {
        let dir = self.at(rel, "")?;
        let listed = self.place.store.list_with_delimiter(Some(&dir)).await;
        let listed = listed.map_err(|error| refused("list", dir.as_ref(), &error))?;
        let name = |path: &Path| path.filename().unwrap_or_default().to_owned();
        let files: BTreeMap<String, u64> =
            listed.objects.iter().map(|found| (name(&found.location), found.size)).collect();
        let manifest = match files.get(NAME) {
            Some(size) if *size <= MANIFEST_MAX => self.remote(rel).await?,
            _ => None,
        };
        Ok(There { manifest, files })
    }

    /// The manifest of a directory at the place. One that is no manifest counts as none, but not
    /// at the root, where it means that the place is somebody else's.
    async fn remote(&self, rel: &str) -> anyhow::Result<Option<Manifest>> {
        let path = self.at(rel, NAME)?;
        let failed = |error| refused("read", path.as_ref(), &error);
        let text = self.place.store.get(&path).await.map_err(failed)?.bytes().await;
        match Manifest::parse(&text.map_err(failed)?) {
            Err(why) if rel.is_empty() => {
                let what = format!("{path} at the place is not of an archive: {why}");
                Err(Failure::new(what, "name another place").into())
            }
            manifest => Ok(manifest.ok()),
        }
    }

    async fn file(&self, rel: &str, file: &FileRow) -> anyhow::Result<()> {
        self.check()?;
        if !self.dry_run {
            let (path, to) = (self.dir.join(rel).join(&file.name), self.at(rel, &file.name)?);
            let store = Arc::clone(&self.place.store);
            let mut out = BufWriter::with_capacity(store, to.clone(), self.part);
            out = out.with_max_concurrency(2);
            if let Err(error) = self.pour(&path, &mut out, &to, file).await {
                // What was sent of it is in no list; if even this fails, the bucket's rule for
                // unfinished uploads takes it away.
                let _ = out.abort().await;
                return Err(error);
            }
            let ended = out.shutdown().await;
            ended.map_err(|error| refused("write", to.as_ref(), &error))?;
        }
        self.count(|done| {
            done.files += 1;
            done.bytes += file.bytes;
        });
        Ok(())
    }

    /// All of a file but its end, which is sent only when its sum holds.
    async fn pour(
        &self,
        path: &std::path::Path,
        out: &mut BufWriter,
        to: &Path,
        file: &FileRow,
    ) -> anyhow::Result<()> {
        let unread =
            |error| market_data_archive::Error::Io { what: "read", path: path.to_owned(), error };
        let mut from = tokio::fs::File::open(path).await.map_err(unread)?;
        let mut hash = Hashing::new();
        loop {
            self.check()?;
            let mut piece = Vec::with_capacity(PIECE.min(self.part));
            let read = (&mut from).take(PIECE.min(self.part) as u64).read_to_end(&mut piece).await;
            if read.map_err(unread)? == 0 {
                break;
            }
            hash.add(&piece);
            let sent = out.put(Bytes::from(piece)).await;
            sent.map_err(|error| refused("write", to.as_ref(), &error))?;
        }
        if hash.end() != (file.sha256.clone(), file.bytes) {
            return Err(wrong(path, "its bytes are not those that its manifest tells"));
        }
        Ok(())
    }

    async fn manifest(&self, node: &Node, manifest: &Manifest) -> anyhow::Result<()> {
        self.put(&node.rel, manifest.text()).await?;
        self.count(|done| done.manifests += 1);
        Ok(())
    }

    async fn put(&self, rel: &str, text: String) -> anyhow::Result<()> {
        self.check()?;
        if !self.dry_run {
            let path = self.at(rel, NAME)?;
            let put = self.place.store.put(&path, text.into()).await;
            put.map_err(|error| refused("write", path.as_ref(), &error))?;
        }
        Ok(())
    }

    fn at(&self, rel: &str, name: &str) -> anyhow::Result<Path> {
        let below = if name.is_empty() { rel.to_owned() } else { join(rel, name) };
        let root = self.place.root.as_ref();
        let whole = if below.is_empty() { root.to_owned() } else { join(root, &below) };
        Ok(Path::parse(whole)?)
    }

    fn count(&self, change: impl FnOnce(&mut Sent)) {
        let mut done = self.done.borrow_mut();
        change(&mut done);
        (self.watch)(&done);
    }

    fn check(&self) -> Result<(), Interrupted> {
        if self.stop.load(Relaxed) { Err(Interrupted) } else { Ok(()) }
    }
}
