//! Mutants: breaks the code on purpose, one way at a time, and demands that somebody notices.
//!
//! `main.rs` calls [`run`]. A simulator that has never failed is not evidence; this is what makes
//! a green torture run mean something. The list of defects is in `mutants/list.rs`.
//!
//! The tree is copied to a temporary folder (never changed in place); all mutants share that copy
//! and one target folder, so that each costs the compiling of a few crates. A mutant is caught by
//! `torture`, or, failing that, by the tests of model, okx, tape and top; one of the server or of
//! the sockets by the tests beside it.
//!
//! Invariants: the unchanged copy passes first; a defect that no longer fits the source is an
//! error, not a mutant that survived. Start at [`run`].

mod list;
mod work;

use anyhow::{Context as _, bail};
use list::{Judge, MUTANTS, Mutant};
use std::time::Instant;
use work::{End, Workshop};

/// Lives of the mixed profile that every mutant has to get through.
const MIXED: &[&str] = &["mixed", "150"];
/// And of each profile, for those that a mix does not bring out.
const EACH: &[&str] = &["all", "15"];

/// Tries every mutant, or those whose names are given, and prints who caught it.
///
/// # Errors
/// When a mutant survives, does not fit the source any more or does not build, or when the
/// unchanged tree does not pass.
pub fn run(names: &[String]) -> anyhow::Result<()> {
    let chosen = choose(names)?;
    misfits(&Workshop::here(), &chosen)?;
    let workshop = Workshop::set_up().context("cannot copy the tree")?;
    eprintln!("mutants: {} in {}", chosen.len(), workshop.path().display());
    for judge in [Judge::Torture, Judge::Server, Judge::Sockets] {
        if !chosen.iter().any(|mutant| mutant.judge() == judge) {
            continue;
        }
        if let Some(why) = caught(&workshop, judge)? {
            bail!("the unchanged tree does not pass: {why}");
        }
    }
    let mut survivors = Vec::new();
    println!("{:<5} {:<58} {:>6}  caught by", "name", "defect", "s");
    for mutant in chosen {
        let start = Instant::now();
        let originals = workshop.apply(mutant)?;
        let by = caught(&workshop, mutant.judge());
        workshop.restore(originals)?;
        let by = by.with_context(|| format!("mutant {}", mutant.name))?;
        let by = by.unwrap_or_else(|| "SURVIVED".into());
        let seconds = start.elapsed().as_secs();
        println!("{:<5} {:<58} {seconds:>6}  {by}", mutant.name, mutant.what);
        if by == "SURVIVED" {
            survivors.push(mutant.name);
        }
    }
    if !survivors.is_empty() {
        bail!("{} mutants survived: {}", survivors.len(), survivors.join(", "));
    }
    println!("mutants: all caught");
    Ok(())
}

fn choose(names: &[String]) -> anyhow::Result<Vec<&'static Mutant>> {
    if let Some(unknown) = names.iter().find(|n| !MUTANTS.iter().any(|m| m.name == n.as_str())) {
        let known: Vec<_> = MUTANTS.iter().map(|m| m.name).collect();
        bail!("no mutant called {unknown:?}; there are: {}", known.join(" "));
    }
    let wanted = |m: &&Mutant| names.is_empty() || names.iter().any(|n| n == m.name);
    Ok(MUTANTS.iter().filter(wanted).collect())
}

/// Every edit must find its text exactly once.
fn misfits(workshop: &Workshop, chosen: &[&Mutant]) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for mutant in chosen {
        for edit in mutant.edits {
            let found = workshop.count(edit)?;
            if found != 1 {
                wrong.push(format!("{}: {} holds its text {found} times", mutant.name, edit.file));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("these no longer fit the source, adapt mutants/list.rs:\n  {}", wrong.join("\n  "));
    }
    Ok(())
}

/// Who catches the tree as it stands; `None` = nobody. The server and the sockets are judged by
/// their own tests.
fn caught(workshop: &Workshop, judge: Judge) -> anyhow::Result<Option<String>> {
    match judge {
        Judge::Server => return tested(workshop.tests(work::OF_SERVER)?),
        Judge::Sockets => return tested(workshop.tests(work::OF_SOCKETS)?),
        Judge::Torture => {}
    }
    workshop.build()?;
    for arguments in [MIXED, EACH] {
        match workshop.torture(arguments)? {
            End::Passed => {}
            End::Failed(rule) => return Ok(Some(format!("torture: {rule}"))),
            End::Stuck => return Ok(Some("torture: it did not end".into())),
        }
    }
    tested(workshop.tests(work::OF_OTHERS)?)
}

fn tested(end: End) -> anyhow::Result<Option<String>> {
    match end {
        End::Passed => Ok(None),
        End::Failed(test) => Ok(Some(format!("test: {test}"))),
        End::Stuck => Ok(Some("test: it did not end".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_fits_the_source() {
        let here = Workshop::here();
        let all: Vec<&Mutant> = MUTANTS.iter().collect();
        misfits(&here, &all).unwrap();
        let mut names: Vec<_> = all.iter().map(|m| m.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MUTANTS.len());
    }
}
