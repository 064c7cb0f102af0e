//! The `market-data` command: parses arguments, runs one command, turns the result into an exit
//! code.
//!
//! The only crate that prints. Each command is a file under `cmd/`; everything that knows about
//! markets is in the crates below.
//!
//! Invariants: data on stdout, words on stderr; exit code 0 is yes, 1 means that the answer is no,
//! 2 that it failed, 130 that a long command was interrupted; a reader who closes our output early
//! is no failure.
//!
//! Start at [`main`], then `args.rs`.
#![forbid(unsafe_code)]

mod args;
mod cmd;
mod duration;
mod failure;
mod instant;
mod log;
mod notify;
mod out;
mod server;
mod signals;
mod source;
mod status;
#[cfg(feature = "s3")]
mod upload;

use anyhow::Context as _;
use args::{Cli, Command, LogFormat};
use clap::Parser as _;
use log::Defaults;
use out::console::Console;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use tracing_subscriber::filter::LevelFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of a command that failed.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Arc::new(Console::new());
    match run(&cli, &console) {
        Ok(code) => code,
        Err(error) if failure::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<signals::Interrupted>() => {
            console.status("");
            console.words("interrupted\n");
            ExitCode::from(signals::INTERRUPTED)
        }
        Err(error) => {
            console.status("");
            console.words(&failure::render(&error, console.err_paint()));
            ExitCode::from(FAILED)
        }
    }
}

fn run(cli: &Cli, console: &Arc<Console>) -> anyhow::Result<ExitCode> {
    let level = match &cli.command {
        // The service starts its log itself: its settings have a say.
        Command::Run(args) => return block_on(cmd::run::run(args, &cli.log, console)),
        Command::Sim(_) => LevelFilter::INFO,
        // These show gaps and the like themselves, as records or in a report.
        Command::Watch(_) | Command::Check(_) => LevelFilter::ERROR,
        // It has the terminal for itself.
        #[cfg(feature = "top")]
        Command::Top(_) => LevelFilter::OFF,
        _ => LevelFilter::WARN,
    };
    log::start(&cli.log, Defaults { level, format: LogFormat::Human }, console);
    match &cli.command {
        Command::Watch(args) => block_on(cmd::watch::run(args, console)),
        #[cfg(feature = "top")]
        Command::Top(args) => block_on(cmd::top::run(args, console)),
        Command::Run(args) => block_on(cmd::run::run(args, &cli.log, console)),
        Command::Health(args) => block_on(cmd::health::run(args, console)),
        Command::Check(args) => block_on(cmd::check::run(args, console)),
        Command::Instruments(args) => block_on(cmd::instruments::run(args, console)),
        Command::Decode(args) => cmd::decode::run(args, console),
        Command::Replay(args) => cmd::replay::run(args, console),
        Command::Verify(args) => cmd::verify::run(args, console),
        Command::Convert(args) => cmd::convert::run(args, console),
        Command::Backfill(args) => block_on(cmd::backfill::run(args, console)),
        Command::Report(args) => cmd::report::run(args, console),
        Command::Merge(args) => cmd::merge::run(args, console),
        Command::Compact(args) => cmd::compact::run(args, console),
        Command::Prune(args) => cmd::prune::run(args, console),
        #[cfg(feature = "s3")]
        Command::Upload(args) => block_on(cmd::upload::run(args, console)),
        Command::Export(args) => cmd::export::run(args, console),
        Command::Sim(args) => block_on(cmd::sim::run(args, console)),
        Command::Torture(args) => cmd::torture::run(args.clone()),
        Command::Completions(args) => cmd::completions::run(args, console),
    }
}

fn block_on(future: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(future);
    // Whatever still runs has been told to stop; it must not hold the process.
    runtime.shutdown_background();
    result
}
