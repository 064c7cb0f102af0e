//! `market-data convert`: a tape as Parquet files.
//!
//! The node's `convert.rs` does it; this file says how far it is and what came of it.
//!
//! Invariants: an interrupt leaves only whole segments in the archive; what is there already is
//! not written again.

use crate::cmd::replay::{failed, open};
use crate::duration;
use crate::failure::Failure;
use crate::out::console::Console;
use crate::out::number::{counted, size};
use crate::out::progress::Progress;
use crate::signals::{Interrupt, Interrupted};
use clap::Args;
use market_data::convert::{ConvertError, ConvertOptions, Converted, convert};
use market_data_archive::Error as ArchiveError;
use market_data_tape::Tape;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  market-data convert tape --out parquet
  market-data convert tape --out parquet --book-interval 1s --book-depth 50
  duckdb -c \"select * from read_parquet('parquet/venue=okx/channel=trades/**/*.parquet')\"";

const LONG_ABOUT: &str = "\
Turn a tape into Parquet files

PATH is a directory that `run` recorded to. Below DIR there is one directory a channel, instrument \
and day (UTC, by time of receipt), and in it one file or a few for each segment of the tape; gaps, \
sessions, subscriptions, faults and instruments have tables of their own. Changes of books are \
always there, however the tape was recorded. Prices and quantities are exact. Segments that are in \
DIR already are skipped, and converting again gives the same bytes. Columns and examples of queries \
are in docs/parquet-schema.md.";

/// Flags of `convert`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct ConvertArgs {
    /// The tape: a directory, or one segment file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Where the Parquet files go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also write each book's best levels so often; 0 after each change
    #[arg(long, value_name = "TIME", value_parser = interval)]
    book_interval: Option<Duration>,
    /// Levels a side in these
    #[arg(long, value_name = "N", default_value_t = 20, requires = "book_interval")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=400))]
    book_depth: u16,
    /// Convert segments again that are in DIR
    #[arg(long)]
    force: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { duration::parse(text) }
}

/// Converts the tape.
///
/// # Errors
/// When the tape cannot be read, or the files cannot be written.
pub fn run(args: &ConvertArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let tape = open(&args.path)?;
    let every = args.book_interval.map(|every| u64::try_from(every.as_millis()));
    let options = ConvertOptions {
        force: args.force,
        closed_only: super::verify::is_being_recorded(&args.path),
        book_interval_ms: every.transpose()?,
        book_depth: args.book_depth,
        ..ConvertOptions::default()
    };
    let converted = watched(&tape, &args.out, &options, console)?;
    let text = if args.json { json(&converted) } else { words(&converted, &args.out) };
    console.data(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(converted.damages > 0)))
}

fn watched(
    tape: &Tape,
    out: &Path,
    options: &ConvertOptions,
    console: &Console,
) -> anyhow::Result<Converted> {
    let interrupt = Interrupt::listen();
    let mut progress = Progress::new(console, tape.bytes()).doing("converting");
    let converted = convert(tape, out, options, |at| {
        progress.at(at.bytes, at.records);
        match interrupt.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    progress.done();
    converted.map_err(|error| match error {
        ConvertError::Stopped => Interrupted.into(),
        ConvertError::Tape(error) => failed(error).into(),
        ConvertError::Archive(error) => refused(&error).into(),
        error => error.into(),
    })
}

/// An archive that cannot be written or read, with advice.
pub fn refused(error: &ArchiveError) -> Failure {
    let hint = match error {
        ArchiveError::Foreign { .. } => "name an empty directory, or one that `convert` made",
        ArchiveError::Different { .. } => "name another directory, or the same settings",
        ArchiveError::Locked { .. } => "wait until the other one is done",
        ArchiveError::Compacted { .. } => "delete the directory's archive to convert it again",
        ArchiveError::Manifest { .. } => "see what else is wrong with `market-data verify`",
        _ => "look at the disk: space, permissions",
    };
    Failure::new(error.to_string(), hint)
}

fn words(converted: &Converted, out: &Path) -> String {
    let Converted { segments, skipped, files, records, rows, bytes, damages } = *converted;
    let mut text = format!(
        "{}: {} of {} in {}, {}\n",
        out.display(),
        counted(records, "record", "records"),
        counted(segments, "segment", "segments"),
        counted(files, "file", "files"),
        size(bytes),
    );
    if rows > records {
        text.push_str(&format!("{}, a row a level of a book\n", counted(rows, "row", "rows")));
    }
    if skipped > 0 {
        let segments = counted(skipped, "segment", "segments");
        text.push_str(&format!("{segments} skipped: there already\n"));
    }
    if damages > 0 {
        let places = counted(damages, "place", "places");
        text.push_str(&format!("the tape is damaged in {places}; see `verify`\n"));
    }
    text
}

fn json(converted: &Converted) -> String {
    let Converted { segments, skipped, files, records, rows, bytes, damages } = converted;
    let report = serde_json::json!({
        "segments": segments, "skipped": skipped, "files": files, "records": records,
        "rows": rows, "bytes": bytes, "damages": damages,
    });
    format!("{report}\n")
}
