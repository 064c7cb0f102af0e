//! `market-data torture`: lives of real feeds against a misbehaving exchange, and a verdict.
//!
//! The torture itself is the crate `market-data-torture`; this file has the flags and prints.

use crate::failure::Failure;
use anyhow::Context as _;
use clap::Args;
use market_data_sim::FaultProfile;
use market_data_torture::{self as torture, Options, Report};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  market-data torture
  market-data torture --lives 1000
  market-data torture --faults all --lives 200
  market-data torture --catalogue --lives 50
  market-data torture --seed 1234 --lives 1 --faults seqgap";

const LONG_ABOUT: &str = "\
Torture the feeds with a misbehaving exchange

One seed is one life: a pretend exchange, a bad network and several feeds, without sockets and in \
invented time. After every input to a feed its books, its records and its manners are compared \
with what the exchange really sent; at the end everything must recover, and a replay must give the \
same answers. Exit code 1 and a shrunken history if a promise is broken.

One life in eight (all with --catalogue) is on the whole catalogue: feeds subscribe to every kind of \
public channel, each value of a flat record is compared with the text that was sent, and instruments \
are listed with blank fields and placeholder ids, auctioned with crossed books, suspended, rebased, \
renamed, delisted and listed anew.";

/// Runs all profiles, one after the other.
const ALL: &str = "all";

/// Flags of `torture`.
#[derive(Args, Clone, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct TortureArgs {
    /// Seed of the first life; the next life has the next seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many lives
    #[arg(long, value_name = "N", default_value_t = 100)]
    lives: u64,
    /// Inputs to feeds in one life before the faults end
    #[arg(long, value_name = "N", default_value_t = 4000)]
    steps: u64,
    /// What goes wrong: a fault profile (see `sim --list-faults`), or `all` for each in turn
    #[arg(long, value_name = "PROFILE", default_value = "mixed")]
    faults: String,
    /// Leave out these kinds of faults, or `drills`, or `restarts`
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    without: Vec<String>,
    /// Most instruments in a life
    #[arg(long, value_name = "N", default_value_t = 4)]
    instruments: usize,
    /// Every life on the whole catalogue: all kinds of channels, instruments that are listed,
    /// auctioned, halted, rebased, renamed, delisted; otherwise one in eight is
    #[arg(long)]
    catalogue: bool,
    /// Lives at a time; the result does not depend on it [default: the machine's cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// One JSON object a profile
    #[arg(long)]
    json: bool,
}

/// Runs the lives and prints what was found.
///
/// # Errors
/// When a profile or kind does not exist, or stdout cannot be written.
pub fn run(args: TortureArgs) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for faults in profiles(&args.faults)? {
        let options = options(&args, faults)?;
        let start = Instant::now();
        let report = torture::run(&options);
        print(&args, &report)?;
        let mut words = std::io::stderr().lock();
        writeln!(words, "{}: took {:.1} s", faults.name, start.elapsed().as_secs_f64())?;
        if !report.is_good() {
            code = ExitCode::from(1);
        }
    }
    Ok(code)
}

fn print(args: &TortureArgs, report: &Report) -> anyhow::Result<()> {
    let text = if args.json { report.json() } else { report.text() };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write the report")
}

fn profiles(name: &str) -> anyhow::Result<Vec<FaultProfile>> {
    let every = || FaultProfile::all().iter().map(|info| info.name);
    if name == ALL {
        return Ok(every().filter_map(FaultProfile::named).collect());
    }
    let names: Vec<&str> = every().collect();
    let unknown = || {
        let hint = format!("choose {ALL} or one of {}", names.join(", "));
        Failure::new(format!("no such fault profile: {name}"), hint)
    };
    Ok(vec![FaultProfile::named(name).ok_or_else(unknown)?])
}

fn options(args: &TortureArgs, faults: FaultProfile) -> anyhow::Result<Options> {
    let known = |kind: &String| torture::kinds().any(|name| name == kind);
    if let Some(kind) = args.without.iter().find(|kind| !known(kind)) {
        let names: Vec<&str> = torture::kinds().collect();
        let hint = format!("choose from {}", names.join(", "));
        return Err(Failure::new(format!("no such kind of fault: {kind}"), hint).into());
    }
    let usual = Options::new(faults);
    Ok(Options {
        seed: args.seed,
        lives: args.lives,
        steps: args.steps,
        without: args.without.clone(),
        instruments: args.instruments.max(1),
        threads: args.threads.unwrap_or(usual.threads).max(1),
        catalogue: args.catalogue,
        ..usual
    })
}
