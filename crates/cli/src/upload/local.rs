//! What there is to upload: the directories of an archive, each proven by the one above.
//!
//! Invariants: nothing is taken that no manifest names; a manifest is taken only if the one above
//! names its sum; every file is there with the length that its manifest tells.

use crate::signals::Interrupt;
use market_data_archive::Error;
use market_data_archive::manifest::{Manifest, NAME};
use std::path::Path;

/// An archive on this machine.
#[derive(Debug)]
pub struct Local {
    /// Its directories, parents before children; the root is the first, with the empty name.
    pub dirs: Vec<Node>,
    /// Files in all of them, manifests aside.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A directory with a manifest.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where, below the archive, with `/`.
    pub rel: String,
    /// SHA-256 of its manifest.
    pub sum: String,
    /// How far below the root.
    pub depth: usize,
}

/// Looks at the manifests from the root down, and at the length of every file.
///
/// # Errors
/// [`Error::Foreign`] when there is no archive; [`Error::Manifest`] with what does not verify.
pub fn look(dir: &Path, interrupt: &Interrupt) -> anyhow::Result<Local> {
    let Some((root, sum)) = Manifest::load(dir)? else {
        return Err(Error::Foreign { path: dir.to_owned() }.into());
    };
    let mut local = Local { dirs: Vec::new(), files: 0, bytes: 0 };
    let mut next = vec![(Node { rel: String::new(), sum, depth: 0 }, root)];
    while let Some((node, manifest)) = next.pop() {
        interrupt.check()?;
        for file in &manifest.files {
            let path = dir.join(&node.rel).join(&file.name);
            let length = std::fs::metadata(&path).map(|data| data.len());
            if !is_plain(&file.name) || length.ok() != Some(file.bytes) {
                return Err(wrong(&path, "it is gone or has another length"));
            }
            local.files += 1;
            local.bytes += file.bytes;
        }
        for below in &manifest.dirs {
            let rel = join(&node.rel, &below.name);
            let path = dir.join(&rel).join(NAME);
            let loaded =
                if is_plain(&below.name) { Manifest::load(&dir.join(&rel))? } else { None };
            let Some((manifest, sum)) = loaded else {
                return Err(wrong(&path, "it is gone"));
            };
            if manifest.as_dir(below.name.clone(), sum.clone()) != *below {
                return Err(wrong(&path, "the manifest above names another"));
            }
            next.push((Node { rel, sum, depth: node.depth + 1 }, manifest));
        }
        local.dirs.push(node);
    }
    Ok(local)
}

/// The manifest of a directory, which is still the one that was looked at.
///
/// # Errors
/// [`Error::Manifest`] when it is not.
pub fn manifest(dir: &Path, node: &Node) -> anyhow::Result<Manifest> {
    let path = dir.join(&node.rel);
    match Manifest::load(&path)? {
        Some((manifest, sum)) if sum == node.sum => Ok(manifest),
        _ => Err(wrong(&path.join(NAME), "it was changed meanwhile")),
    }
}

/// A complaint about a file of the archive.
pub fn wrong(path: &Path, why: &str) -> anyhow::Error {
    Error::Manifest { path: path.to_owned(), why: why.to_owned() }.into()
}

/// A name below a directory.
pub fn join(rel: &str, name: &str) -> String {
    if rel.is_empty() { name.to_owned() } else { format!("{rel}/{name}") }
}

/// Whether a name stays in its directory.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\'])
}
