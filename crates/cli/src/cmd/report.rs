//! `market-data report`: how good a tape or an archive is, by day, instrument and channel.
//!
//! `report/tally.rs` counts while records go by, `report/look.rs` brings them, `report/text.rs` and
//! `report/html.rs` say what came of it.
//!
//! Invariants: nothing is written but the page; memory is a few kilobytes for each channel of an
//! instrument on the day at hand, and a line for each day before; what nothing proves is left out,
//! not called fine.

mod html;
mod look;
mod tally;
mod text;

use super::verify::parquet::is_archive;
use crate::failure::Failure;
use crate::out::console::Console;
use crate::out::file::write_whole;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  market-data report parquet
  market-data report tape --html report.html
  market-data report merged --json";

const LONG_ABOUT: &str = "\
Say how good a tape or an archive is

PATH is a directory that `run` recorded to, or an archive of `convert`, `backfill` or `merge`. For \
each day, instrument and channel: how much of the time is covered, each gap with its cause and whose \
it is, what was fetched later, what came twice or late, how long records took from the venue, and of \
trades hour by hour whether an id is missing or twice. Of a tape also how often REST agreed with the \
book. The exit code is 1 when something is missing.";

/// Flags of `report`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The tape or the archive
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Also write it as a page to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Reports.
///
/// # Errors
/// When the tape or the archive cannot be read, or the page cannot be written.
pub fn run(args: &ReportArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let report = if is_archive(&args.path) {
        look::archive(&args.path, console)?
    } else {
        look::tape(&args.path, console)?
    };
    if let Some(path) = &args.html {
        let page = html::page(&report, &args.path.display().to_string());
        write_whole(path, page.as_bytes()).map_err(|why| {
            let hint = "name a file in a directory that exists and can be written to";
            Failure::new(format!("cannot write {}: {why}", path.display()), hint)
        })?;
    }
    let text = if args.json {
        format!("{}\n", text::json(&report))
    } else {
        text::words(&report, console.out_paint())
    };
    console.data(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(!report.is_whole())))
}
