//! Tidy: the house rules that no compiler holds, as an ordinary test and as `xtask tidy`.
//!
//! `main.rs` calls [`run`]; the test below calls it too, so `cargo test` holds the rules. It reads
//! the tree and asks cargo for its metadata; it changes nothing. The rules are in STYLE.md.
//!
//! Start at [`complaints`]. `tidy/tree.rs` finds the files, `tidy/source.rs` reads Rust, the other
//! files hold one family of rules each.

mod code;
mod papers;
mod source;
mod tree;
mod walls;

use anyhow::{Context as _, bail};
use std::fmt;
use std::path::{Path, PathBuf};
use tree::Tree;

/// One broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    path: String,
    /// Counts from 1; 0 = the file as a whole.
    line: usize,
    what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

fn complaint(path: &str, line: usize, what: impl Into<String>) -> Complaint {
    Complaint { path: path.to_owned(), line, what: what.into() }
}

/// Checks every rule and prints what is broken.
///
/// # Errors
/// When a rule is broken, or the tree cannot be read.
pub fn run() -> anyhow::Result<()> {
    let (found, files) = complaints(&root())?;
    for complaint in &found {
        eprintln!("{complaint}");
    }
    if !found.is_empty() {
        bail!("tidy: {} broken rules in {files} files; STYLE.md says what they are", found.len());
    }
    println!("tidy: {files} files, no rule broken");
    Ok(())
}

fn complaints(root: &Path) -> anyhow::Result<(Vec<Complaint>, usize)> {
    let tree = Tree::read(root).context("cannot read the tree")?;
    let mut found = Vec::new();
    code::check(&tree, &mut found);
    papers::check(&tree, &mut found);
    walls::check(root, &mut found)?;
    found.sort();
    found.dedup();
    Ok((found, tree.len()))
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_is_broken() {
        let (found, files) = complaints(&root()).unwrap();
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{} broken rules:\n{}", found.len(), text.join("\n"));
        println!("tidy: {files} files, no rule broken");
    }
}
