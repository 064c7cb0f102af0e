//! `cargo run -p xtask --features audit -- audit DIR`: known faults of the crates in `Cargo.lock`.
//!
//! DIR is a copy of RustSec's list (`git clone https://github.com/RustSec/advisory-db`). A fault
//! that may be exploited fails; what is unsound, unmaintained or a notice is printed.

use anyhow::{Context as _, bail};
use rustsec::advisory::Informational;
use rustsec::report::Settings;
use rustsec::{Database, Lockfile, Report};
use std::path::Path;

/// Checks the workspace's lock file.
pub fn run(arguments: &[String]) -> anyhow::Result<()> {
    let [list] = arguments else { bail!("audit wants one directory: a copy of RustSec's list") };
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    let (report, crates, known) = check(Path::new(list), Path::new(lock))?;
    for (kind, warnings) in &report.warnings {
        for warning in warnings {
            let (name, version) = (&warning.package.name, &warning.package.version);
            let title = warning.advisory.as_ref().map_or("", |advisory| &advisory.title);
            println!("audit: {}: {name} {version}: {title}", kind.as_str());
        }
    }
    for fault in &report.vulnerabilities.list {
        let (advisory, package) = (&fault.advisory, &fault.package);
        let better: Vec<String> =
            fault.versions.patched().iter().map(ToString::to_string).collect();
        let better = if better.is_empty() { "none yet".to_owned() } else { better.join(", ") };
        println!(
            "audit: {}: {} {}: {} (mended in: {better})",
            advisory.id, package.name, package.version, advisory.title
        );
    }
    match report.vulnerabilities.count {
        0 => println!("audit: {crates} crates against {known} known faults: none applies"),
        n => {
            bail!("{n} known faults in {crates} crates; `cargo update -p NAME` takes a mended one")
        }
    }
    Ok(())
}

/// What is found, among how many crates, and how many faults are known.
fn check(list: &Path, lock: &Path) -> anyhow::Result<(Report, usize, usize)> {
    let opened = || format!("cannot read a list of faults in {}", list.display());
    let database = Database::open(list).with_context(opened)?;
    let known = database.iter().count();
    if known == 0 {
        bail!("{} holds no known fault; is it a copy of RustSec's list?", list.display());
    }
    let lock = Lockfile::load(lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let settings = Settings {
        informational_warnings: vec![
            Informational::Unsound,
            Informational::Unmaintained,
            Informational::Notice,
        ],
        ..Settings::default()
    };
    Ok((Report::generate(&database, &lock, &settings), lock.packages.len(), known))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn fault(of: &str, patched: &str) -> String {
        format!(
            "```toml\n[advisory]\nid = \"RUSTSEC-2026-9999\"\npackage = \"{of}\"\n\
             date = \"2026-11-01\"\n[versions]\npatched = [\"{patched}\"]\n```\n\n\
             # Made up\n\nOf a test.\n"
        )
    }

    #[test]
    fn a_fault_is_found_until_it_is_mended() {
        let place = std::env::temp_dir().join(format!("market-data-audit-{}", std::process::id()));
        fs::create_dir_all(place.join("crates/one")).unwrap();
        let lock = place.join("Cargo.lock");
        let entry = "version = 4\n\n[[package]]\nname = \"one\"\nversion = \"1.2.3\"\n\
                     source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        fs::write(&lock, entry).unwrap();
        assert!(check(&place, &lock).unwrap_err().to_string().contains("no known fault"));
        let known = place.join("crates/one/RUSTSEC-2026-9999.md");
        for (patched, count) in [(">= 1.2.4", 1), (">= 1.2.3", 0)] {
            fs::write(&known, fault("one", patched)).unwrap();
            assert_eq!(check(&place, &lock).unwrap().0.vulnerabilities.count, count, "{patched}");
        }
        fs::remove_dir_all(&place).unwrap();
    }
}
