//! The command line: the commands, the flags they share, and the words of `--help`.
//!
//! `main.rs` parses it; each command's own flags stand in its own file under `cmd/`. To add a
//! command, add a file there and a line in [`Command`].
//!
//! Invariants: every flag has a long form and a sentence; every command has examples.

use crate::cmd;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, Targets};

const LONG_ABOUT: &str = "\
OKX market data, exact and verified.

Connects to OKX (or to the pretend exchange that comes with it), keeps every subscription alive, \
maintains order books that are proven continuous, and prints normalised records. Data goes to \
stdout, words go to stderr. The exit code is 0 for yes, 1 when the answer is no, 2 when it failed.";

const EXAMPLES: &str = "\
Examples:
  market-data watch BTC-USDT ETH-USDT --for 30s
  market-data watch 'BTC-*-SWAP' --channels trades,books --json > records.ndjson
  market-data watch BTC-USDT --sim           no internet needed: a pretend exchange inside
  market-data check --sim --duration 60s
  market-data instruments 'BTC-*' --type swap
  market-data decode capture.tsv --summary
  market-data run --config market-data.toml --dry-run
  market-data replay tape --check
  market-data verify tape
  market-data export tape --format tardis-csv --out csv";

/// Everything typed after `market-data`.
#[derive(Parser, Debug)]
#[command(name = "market-data", version, about = "OKX market data, exact and verified")]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// Flags about the log.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `market-data` can do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print records as they come
    Watch(cmd::watch::WatchArgs),
    /// Watch prices, a book, trades and health on a screen in the terminal
    #[cfg(feature = "top")]
    Top(cmd::top::TopArgs),
    /// Run the service from a configuration file
    Run(cmd::run::RunArgs),
    /// Test the connection, with reconnect drills and a verdict
    Check(cmd::check::CheckArgs),
    /// Ask a running server whether all is well
    Health(cmd::health::HealthArgs),
    /// List what trades
    Instruments(cmd::instruments::InstrumentsArgs),
    /// Decode captured frames
    Decode(cmd::decode::DecodeArgs),
    /// Play a tape again, and check that it comes out the same
    Replay(cmd::replay::ReplayArgs),
    /// Check a tape: what is whole, what is missing, what cannot be proven
    Verify(cmd::verify::VerifyArgs),
    /// Turn a tape into Parquet files
    Convert(cmd::convert::ConvertArgs),
    /// Fetch the past over REST and from daily files into Parquet
    Backfill(cmd::backfill::BackfillArgs),
    /// Say how good a tape or an archive is, day by day
    Report(cmd::report::ReportArgs),
    /// Merge the archives of several hosts
    Merge(cmd::merge::MergeArgs),
    /// Merge the small Parquet files of each day
    Compact(cmd::compact::CompactArgs),
    /// Delete what is too old, or too much
    Prune(cmd::prune::PruneArgs),
    /// Copy Parquet files to object storage
    #[cfg(feature = "s3")]
    Upload(cmd::upload::UploadArgs),
    /// Write a tape as files of other tools
    Export(cmd::export::ExportArgs),
    /// Serve a pretend OKX on a local port
    Sim(cmd::sim::SimArgs),
    /// Torture the feeds with a misbehaving exchange
    Torture(cmd::torture::TortureArgs),
    /// Print the completions of a shell
    Completions(cmd::completions::CompletionsArgs),
}

/// How the log looks.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Flags about the log, good for every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Log (on stderr)")]
pub struct LogArgs {
    /// Say more; twice for every frame
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How log lines look [default: human]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What to log, such as `debug` or `info,market_data=debug` [default: by command]
    #[arg(long, global = true, value_name = "FILTER", value_parser = targets)]
    pub log_level: Option<Targets>,
}

fn targets(text: &str) -> Result<Targets, String> {
    // A lone word that is no level would silently name a target.
    let level = |part: &str| part.rsplit('=').next().unwrap_or(part).trim().to_owned();
    match text.split(',').map(level).find(|level| level.parse::<LevelFilter>().is_err()) {
        Some(odd) => Err(format!("no such level {odd:?}; write error, warn, info, debug or trace")),
        None => text.parse().map_err(|why| format!("{why}")),
    }
}

impl LogArgs {
    /// What to log, given what the command logs when nobody says anything.
    pub fn filter(&self, default: LevelFilter) -> Targets {
        match (&self.log_level, self.verbose) {
            (Some(targets), _) => targets.clone(),
            (None, 0) => Targets::new().with_default(default),
            // The libraries below speak of every packet at these levels; ours is what is wanted.
            (None, more) => {
                let ours = if more == 1 { LevelFilter::DEBUG } else { LevelFilter::TRACE };
                Targets::new().with_default(LevelFilter::INFO).with_target("market_data", ours)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_command_has_examples_and_every_flag_a_sentence() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        for command in cli.get_subcommands().filter(|c| c.get_name() != "help") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:"), "{} has no examples", command.get_name());
            for flag in command.get_arguments() {
                assert!(flag.get_help().is_some(), "{} {}", command.get_name(), flag.get_id());
            }
        }
    }
}
