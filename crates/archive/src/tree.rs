//! The manifests of an archive, changed together from the leaves to the root.
//!
//! Whoever changes files loads the manifests of their directories with [`Tree::node`], changes
//! them, and calls [`Tree::save`].
//!
//! Invariants: a manifest is taken only if the one above names its sum, so a change never makes a
//! forgery whole; the root is written last; a directory in which nothing is left is taken away.

use crate::disk;
use crate::error::Error;
use crate::manifest::{Manifest, NAME};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// See the file's first comment.
pub struct Tree {
    dir: PathBuf,
    /// Manifests by directory below the archive, with `/`; the root's is under the empty text.
    nodes: BTreeMap<String, Manifest>,
    /// Whether sums must hold. Not after a crash, which comes between two of them.
    strict: bool,
}

impl Tree {
    /// The tree of an archive. With `strict`, every manifest must be the one that the manifest
    /// above names.
    ///
    /// # Errors
    /// [`Error`] when the root's manifest cannot be read or was changed.
    pub fn open(dir: &Path, strict: bool) -> Result<Tree, Error> {
        let root = Manifest::load(dir)?.map_or_else(Manifest::new, |(root, _)| root);
        let nodes = BTreeMap::from([(String::new(), root)]);
        Ok(Tree { dir: dir.to_owned(), nodes, strict })
    }

    /// The root's manifest.
    pub fn root(&mut self) -> &mut Manifest {
        self.nodes.entry(String::new()).or_default()
    }

    /// Where a directory is.
    pub fn path(&self, rel: &str) -> PathBuf {
        self.dir.join(rel)
    }

    /// The manifest of a directory, to be changed; an empty one if there is none.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read, or is not the one that the manifest above names.
    pub fn node(&mut self, rel: &str) -> Result<&mut Manifest, Error> {
        let mut at = String::new();
        for name in rel.split('/') {
            let parent = at.clone();
            at = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
            if !self.nodes.contains_key(&at) {
                let node = self.load(&parent, name, &at)?;
                self.nodes.insert(at.clone(), node);
            }
        }
        Ok(self.nodes.entry(at).or_default())
    }

    fn load(&self, parent: &str, name: &str, rel: &str) -> Result<Manifest, Error> {
        let path = self.path(rel);
        let loaded = Manifest::load(&path)?;
        let listed = self.nodes.get(parent).and_then(|parent| {
            parent.dirs.iter().find(|dir| dir.name == name).map(|dir| dir.manifest.as_str())
        });
        let found = loaded.as_ref().map(|(_, sum)| sum.as_str());
        if self.strict && listed != found {
            let why = match (listed, found) {
                (Some(_), None) => "it is gone",
                (None, _) => "the manifest above does not know it",
                (Some(_), Some(_)) => "the manifest above names another sum",
            };
            return Err(Error::Manifest { path: path.join(NAME), why: why.to_owned() });
        }
        Ok(loaded.map_or_else(Manifest::new, |(manifest, _)| manifest))
    }

    /// Writes everything that was loaded, leaves first.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(mut self) -> Result<Manifest, Error> {
        let mut names: Vec<String> =
            self.nodes.keys().filter(|rel| !rel.is_empty()).cloned().collect();
        names.sort_by_key(|rel| (std::cmp::Reverse(rel.matches('/').count()), rel.clone()));
        for rel in names {
            let (parent, name) = rel.rsplit_once('/').unwrap_or(("", &rel));
            let node = self.nodes.remove(&rel).unwrap_or_default();
            let path = self.path(&rel);
            if node.is_empty() {
                disk::remove(&path.join(NAME))?;
                // A directory that still holds something is not ours to take away.
                let _ = std::fs::remove_dir(&path);
            }
            let dir = if node.is_empty() { None } else { Some(node.save(&path)?) };
            let parent = self.nodes.entry(parent.to_owned()).or_default();
            parent.dirs.retain(|other| other.name != name);
            if let Some(dir) = dir {
                parent.put_dir(dir);
            }
        }
        let mut root = self.nodes.remove("").unwrap_or_default();
        root.save(&self.dir)?;
        root.sum = String::new();
        Ok(root)
    }
}

/// Every lowest directory of an archive, in order: those named `date=…`.
///
/// # Errors
/// [`Error::Io`].
pub fn leaves(dir: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut next = vec![String::new()];
    while let Some(rel) = next.pop() {
        let (dirs, _) = disk::list(&dir.join(&rel))?;
        for name in dirs {
            let below = if rel.is_empty() { name.clone() } else { format!("{rel}/{name}") };
            if name.starts_with("date=") { found.push(below) } else { next.push(below) }
        }
    }
    found.sort();
    Ok(found)
}
