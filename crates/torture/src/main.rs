//! The torture without the command around it, so that a broken copy of the pure crates is built
//! and judged quickly (`xtask mutants`). For people there is `market-data torture`.
//!
//!     torture-lives PROFILE LIVES
//!
//! `all` means each profile in turn. Prints one JSON object a profile; exit code 1 when a promise
//! was broken, 2 when it was not asked rightly.

use market_data_sim::FaultProfile;
use market_data_torture::{Options, run};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let asked = match args.as_slice() {
        [profile, lives] => profiles(profile).zip(lives.parse().ok()),
        _ => None,
    };
    let Some((profiles, lives)) = asked else {
        // Without a stderr there is still the exit code.
        drop(writeln!(std::io::stderr(), "usage: torture-lives PROFILE|all LIVES"));
        return ExitCode::from(2);
    };
    for faults in profiles {
        let report = run(&Options { lives, ..Options::new(faults) });
        let written = std::io::stdout().write_all(report.json().as_bytes());
        if report.failure.is_some() || written.is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn profiles(name: &str) -> Option<Vec<FaultProfile>> {
    if name == "all" {
        return Some(
            FaultProfile::all().iter().filter_map(|f| FaultProfile::named(f.name)).collect(),
        );
    }
    FaultProfile::named(name).map(|profile| vec![profile])
}
