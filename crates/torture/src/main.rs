//! The torture without the command around it, so that a broken copy of the pure crates is built
//! and judged quickly (`xtask mutants`). For people there is `market-data torture`.
//!
//!     torture-lives PROFILE LIVES [SEED]
//!
//! `all` means each profile in turn. Prints one JSON object a profile, and the story of a broken
//! promise to stderr; exit code 1 when there was one, or when something that is judged never
//! occurred, 2 when it was not asked rightly.

use market_data_sim::FaultProfile;
use market_data_torture::{Options, run};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((profiles, lives, seed)) = asked(&args) else {
        // Without a stderr there is still the exit code.
        drop(writeln!(std::io::stderr(), "usage: torture-lives PROFILE|all LIVES [SEED]"));
        return ExitCode::from(2);
    };
    for faults in profiles {
        let report = run(&Options { lives, seed, ..Options::new(faults) });
        if !report.is_good() {
            drop(std::io::stderr().write_all(report.text().as_bytes()));
        }
        let written = std::io::stdout().write_all(report.json().as_bytes());
        if !report.is_good() || written.is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn asked(args: &[String]) -> Option<(Vec<FaultProfile>, u64, u64)> {
    let (profile, lives, seed) = match args {
        [profile, lives] => (profile, lives, "1"),
        [profile, lives, seed] => (profile, lives, seed.as_str()),
        _ => return None,
    };
    Some((profiles(profile)?, lives.parse().ok()?, seed.parse().ok()?))
}

fn profiles(name: &str) -> Option<Vec<FaultProfile>> {
    if name == "all" {
        return Some(
            FaultProfile::all().iter().filter_map(|f| FaultProfile::named(f.name)).collect(),
        );
    }
    FaultProfile::named(name).map(|profile| vec![profile])
}
