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
//! Invariants: nothing counts as caught by what the unchanged copy does not pass; a defect that no
//! longer fits the source is an error, not a mutant that survived. Start at [`run`].

mod list;
mod work;

use anyhow::{Context as _, bail};
use list::{Judge, MUTANTS, Mutant};
use std::collections::HashSet;
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
    let (mut survivors, mut passed) = (Vec::new(), HashSet::new());
    println!("{:<5} {:<58} {:>6}  caught by", "name", "defect", "s");
    for mutant in chosen {
        let start = Instant::now();
        let by = tried(&workshop, mutant, &mut passed)?.unwrap_or_else(|| "SURVIVED".into());
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

/// Who catches it; `None` = nobody. `passed`: what the unchanged tree is known to pass.
fn tried(
    workshop: &Workshop,
    mutant: &Mutant,
    passed: &mut HashSet<Stage>,
) -> anyhow::Result<Option<String>> {
    for stage in mutant.judge().stages() {
        let originals = workshop.apply(mutant)?;
        let end = stage.run(workshop);
        workshop.restore(originals)?;
        let end = end.with_context(|| format!("mutant {}", mutant.name))?;
        let by = match end {
            End::Passed => continue,
            End::Failed(who) => format!("{}: {who}", stage.name()),
            End::Stuck => format!("{}: it did not end", stage.name()),
        };
        if !passed.contains(stage) && !matches!(stage.run(workshop)?, End::Passed) {
            bail!("the unchanged tree does not pass either: {by}");
        }
        passed.insert(*stage);
        return Ok(Some(by));
    }
    Ok(None)
}

/// Something that a tree has to get through.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    /// Lives of the mixed profile, then of each.
    Torture,
    /// Tests, by the arguments of cargo.
    Tests(&'static [&'static str]),
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Torture => "torture",
            Stage::Tests(_) => "test",
        }
    }

    fn run(self, workshop: &Workshop) -> anyhow::Result<End> {
        match self {
            Stage::Torture => {
                workshop.build()?;
                match workshop.torture(MIXED)? {
                    End::Passed => workshop.torture(EACH),
                    end => Ok(end),
                }
            }
            Stage::Tests(which) => workshop.tests(which),
        }
    }
}

impl Judge {
    /// What they look at, one after the other.
    fn stages(self) -> &'static [Stage] {
        match self {
            Judge::Torture => &[Stage::Torture, Stage::Tests(work::OF_OTHERS)],
            Judge::Server => &[Stage::Tests(work::OF_SERVER)],
            Judge::Sockets => &[Stage::Tests(work::OF_SOCKETS)],
        }
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
