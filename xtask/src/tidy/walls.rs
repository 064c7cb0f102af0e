//! The walls between crates, and what comes in from outside: dependencies and their licences.
//!
//! Reads `cargo metadata`, so it sees what is compiled, not what somebody meant. The table of who
//! may import whom is the one of ARCHITECTURE.md.

use super::{Complaint, complaint};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Which of our crates each of our crates may name, in tests too.
const OURS: [(&str, &[&str]); 14] = [
    ("market-data-model", &[]),
    ("market-data-okx", &["market-data-model", "market-data-simd"]),
    ("market-data-simd", &[]),
    ("market-data-sim", &[]),
    (
        "market-data",
        &[
            "market-data-archive",
            "market-data-model",
            "market-data-okx",
            "market-data-sim",
            "market-data-tape",
        ],
    ),
    (
        "market-data-cli",
        &[
            "market-data",
            "market-data-archive",
            "market-data-export",
            "market-data-model",
            "market-data-okx",
            "market-data-serve",
            "market-data-sim",
            "market-data-tape",
            "market-data-top",
            "market-data-torture",
        ],
    ),
    (
        "market-data-torture",
        &[
            "market-data",
            "market-data-model",
            "market-data-okx",
            "market-data-sim",
            "market-data-tape",
        ],
    ),
    ("market-data-top", &["market-data-model"]),
    (
        "market-data-serve",
        &[
            "market-data",
            "market-data-archive",
            "market-data-model",
            "market-data-sim",
            "market-data-tape",
        ],
    ),
    ("market-data-tape", &["market-data-model"]),
    ("market-data-archive", &["market-data-model"]),
    ("market-data-export", &["market-data-model"]),
    (
        "market-data-bench",
        &["market-data", "market-data-model", "market-data-okx", "market-data-tape"],
    ),
    ("xtask", &[]),
];

/// Everything that the pure crates are made of, dependencies of dependencies included: nothing
/// here has a socket, a clock, a thread or C code. (serde's macros come with a feature that other
/// crates of the workspace turn on; they run while compiling.)
const PURE: [(&str, &[&str]); 3] = [
    (
        "market-data-model",
        &["proc-macro2", "quote", "serde", "serde_core", "serde_derive", "syn", "unicode-ident"],
    ),
    (
        "market-data-okx",
        &[
            "cfg-if",
            "cobs",
            "crc32fast",
            // Not compiled: cargo names it because a feature of postcard speaks of it.
            "embedded-io",
            "market-data-model",
            "market-data-simd",
            "postcard",
            "proc-macro2",
            "quote",
            "rustc-hash",
            "serde",
            "serde_core",
            "serde_derive",
            "syn",
            "thiserror",
            "thiserror-impl",
            "unicode-ident",
        ],
    ),
    (
        "market-data-sim",
        &[
            "itoa",
            "memchr",
            "proc-macro2",
            "quote",
            "serde",
            "serde_core",
            "serde_derive",
            "serde_json",
            "syn",
            "unicode-ident",
            "zmij",
        ],
    ),
];

/// Licences that may be in the program; deny.toml lists the same.
const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];
/// Also fine, and listed apart because it gives up rights instead of granting them.
const PUBLIC_DOMAIN: &str = "Unlicense";

/// Every rule of this file.
///
/// # Errors
/// When cargo cannot say what the workspace is made of.
pub fn check(root: &Path, found: &mut Vec<Complaint>) -> anyhow::Result<()> {
    let metadata = metadata(root)?;
    let packages: Vec<&Value> = list(&metadata["packages"]).collect();
    for package in &packages {
        let name = text(&package["name"]);
        if package["source"].is_null() {
            ours(name, package, found);
            continue;
        }
        let licence = text(&package["license"]);
        if !Licence::new(licence).allowed() {
            let what =
                format!("{name}: the licence {licence:?} is not on the list of tidy/walls.rs");
            found.push(complaint("Cargo.lock", 0, what));
        }
    }
    pure(&metadata, &packages, found);
    Ok(())
}

fn metadata(root: &Path) -> anyhow::Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = ["metadata", "--format-version", "1", "--all-features", "--locked"];
    let ask = |more: &[&str]| {
        let output = Command::new(&cargo).args(args).args(more).current_dir(root).output();
        output.context("cannot run cargo")
    };
    let mut output = ask(&["--offline"])?;
    if !output.status.success() {
        // Packages of other systems may not be here yet.
        output = ask(&[])?;
    }
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn ours(name: &str, package: &Value, found: &mut Vec<Complaint>) {
    let manifest = format!("{name}'s Cargo.toml");
    let Some((_, allowed)) = OURS.iter().find(|(ours, _)| *ours == name) else {
        found.push(complaint(
            &manifest,
            0,
            "a crate that the table in tidy/walls.rs does not know",
        ));
        return;
    };
    for dependency in list(&package["dependencies"]) {
        let of = text(&dependency["name"]);
        if OURS.iter().any(|(ours, _)| *ours == of) && !allowed.contains(&of) {
            found.push(complaint(
                &manifest,
                0,
                format!("may not depend on {of} (ARCHITECTURE.md)"),
            ));
        }
        let optional = dependency["optional"] == Value::Bool(true);
        let normal = dependency["kind"].is_null();
        if name == "market-data" && of == "market-data-sim" && normal && !optional {
            found.push(complaint(
                &manifest,
                0,
                "the pretend exchange must stay an optional feature",
            ));
        }
    }
}

/// What is compiled into each pure crate, against its list.
fn pure(metadata: &Value, packages: &[&Value], found: &mut Vec<Complaint>) {
    let names: BTreeMap<&str, &str> =
        packages.iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).map(|n| (text(&n["id"]), n)).collect();
    for (name, allowed) in PURE {
        let start = names.iter().find(|(_, n)| **n == name).map(|(id, _)| *id);
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = start.into_iter().collect();
        while let Some(id) = next.pop() {
            let Some(node) = nodes.get(id) else { continue };
            for dependency in list(&node["deps"]).filter(|d| is_compiled_in(d)) {
                let id = text(&dependency["pkg"]);
                if reached.insert(id) {
                    next.push(id);
                }
            }
        }
        if start.is_none() {
            found.push(complaint("Cargo.toml", 0, format!("the crate {name} is gone")));
        }
        let made_of: BTreeSet<&str> =
            reached.iter().filter_map(|id| names.get(id).copied()).collect();
        for extra in made_of.iter().filter(|of| !allowed.contains(of)) {
            let what =
                format!("{name} is made of {extra}, which is not on its list in tidy/walls.rs");
            found.push(complaint("Cargo.lock", 0, what));
        }
    }
}

fn is_compiled_in(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null())
}

/// A licence expression: names joined by OR and AND, with parentheses.
struct Licence<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Licence<'a> {
    fn new(expression: &'a str) -> Licence<'a> {
        let mut words = Vec::new();
        let mut rest = expression.trim();
        while !rest.is_empty() {
            let length = match rest.chars().next() {
                Some('(' | ')' | '/') => 1,
                _ => rest.find(['(', ')', '/', ' ']).unwrap_or(rest.len()),
            };
            words.push(&rest[..length]);
            rest = rest[length..].trim_start();
        }
        Licence { words, at: 0 }
    }

    fn allowed(mut self) -> bool {
        let allowed = self.either();
        allowed && self.at == self.words.len()
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }

    /// `a OR b`; old manifests write `a/b`.
    fn either(&mut self) -> bool {
        let mut allowed = self.both();
        while self.takes("OR") || self.takes("/") {
            allowed |= self.both();
        }
        allowed
    }

    fn both(&mut self) -> bool {
        let mut allowed = self.one();
        while self.takes("AND") {
            allowed &= self.one();
        }
        allowed
    }

    fn one(&mut self) -> bool {
        if self.takes("(") {
            let allowed = self.either();
            return self.takes(")") && allowed;
        }
        let mut name = self.words.get(self.at).copied().unwrap_or_default().to_owned();
        self.at += 1;
        if self.takes("WITH") {
            let exception = self.words.get(self.at).copied().unwrap_or_default();
            name = format!("{name} WITH {exception}");
            self.at += 1;
        }
        LICENCES.contains(&name.as_str()) || name == PUBLIC_DOMAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_as_expressions() {
        let allowed = |text: &str| Licence::new(text).allowed();
        for fine in [
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "Unlicense OR MIT",
        ] {
            assert!(allowed(fine), "{fine}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "MIT OR", "(MIT", "MPL-2.0", "MIT Apache-2.0"]
        {
            assert!(!allowed(bad), "{bad}");
        }
    }
}
