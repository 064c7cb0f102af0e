//! The files of the project: what git knows or would know, with their text.
//!
//! Invariant: ignored files are not looked at, so a build directory breaks no rule.

use super::source::Source;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// One file.
pub struct File {
    /// In bytes.
    pub size: u64,
    /// Empty when it is not text.
    pub text: String,
    /// Of `.rs` files only.
    pub source: Option<Source>,
}

/// Every file by its path below the root, with forward slashes.
pub struct Tree(BTreeMap<String, File>);

impl Tree {
    /// Reads the tree under `root`.
    ///
    /// # Errors
    /// When git is not there, or a file cannot be read.
    pub fn read(root: &Path) -> anyhow::Result<Tree> {
        let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
        let listed = Command::new("git").args(args).current_dir(root).output();
        let listed = listed.context("cannot run git")?;
        if !listed.status.success() {
            bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim());
        }
        let mut files = BTreeMap::new();
        for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
            // A file that is deleted but not committed is listed all the same.
            let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
            let size = bytes.len() as u64;
            let text = String::from_utf8(bytes).unwrap_or_default();
            let source = path.ends_with(".rs").then(|| Source::read(path, &text));
            files.insert(path.to_owned(), File { size, text, source });
        }
        Ok(Tree(files))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn get(&self, path: &str) -> Option<&File> {
        self.0.get(path)
    }

    /// The text of a file; empty if there is none.
    pub fn text(&self, path: &str) -> &str {
        self.get(path).map_or("", |file| &file.text)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &File)> {
        self.0.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// The Rust files.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.iter().filter_map(|(path, file)| Some((path, file.source.as_ref()?)))
    }

    /// Whether there is a file, or a folder with files, of that path.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.0.contains_key(path) || self.0.keys().any(|p| p.starts_with(&folder))
    }
}
