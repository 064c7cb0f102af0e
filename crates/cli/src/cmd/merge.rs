//! `market-data merge`: archives of several hosts as one, without anything twice.
//!
//! The archive crate's `merge` does it; this file says how far it is and what came of it.

use crate::cmd::convert::refused;
use crate::failure::Failure;
use crate::out::console::Console;
use crate::out::number::{counted, grouped, size};
use crate::out::progress::Progress;
use crate::out::table::{Align, Cell, Table};
use crate::signals::{Interrupt, Interrupted};
use clap::Args;
use market_data_archive::{Error, Merged, merge};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  market-data merge host-a/parquet host-b/parquet -o merged
  market-data verify merged && market-data report merged";

const LONG_ABOUT: &str = "\
Merge archives of several hosts into one

Each DIR is an archive that `convert` made of what one host recorded of the same venue. Trades go by \
their ids, changes of books by their links, finished bars by their times: nothing is twice, and what \
one host lost is taken from another, so that its gap is gone. Rows that differ under one identity \
are told with both, and the exit code is 1. The rows of each host keep their own files, and their \
`feed` is the number of the host times a million plus the feed. The order of the DIRs changes \
nothing; merging again gives the same bytes.";

/// Flags of `merge`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct MergeArgs {
    /// The archives
    #[arg(value_name = "DIR", num_args = 2.., required = true)]
    dirs: Vec<PathBuf>,
    /// Where the merged archive goes: an empty directory
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Differences printed one by one.
const DIFFERENCES_SHOWN: usize = 20;

/// Merges them.
///
/// # Errors
/// When one cannot be read, or the result cannot be written.
pub fn run(args: &MergeArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen();
    let mut progress: Option<Progress<'_>> = None;
    let done = merge(&args.dirs, &args.out, |bytes, of, records| {
        let line = progress.get_or_insert_with(|| Progress::new(console, of).doing("merging"));
        line.at(bytes, records);
        match interrupt.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    drop(progress);
    let done = match done {
        Ok(done) => done,
        Err(Error::Stopped) => return Err(Interrupted.into()),
        Err(error @ Error::Merge(_)) => {
            let hint =
                "name archives that `convert` made of different hosts, with the same settings";
            return Err(Failure::new(error.to_string(), hint).into());
        }
        Err(error) => return Err(refused(&error).into()),
    };
    let text = if args.json { json(&done) } else { words(&done, &args.out, console) };
    console.data(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(done.differ > 0)))
}

fn words(done: &Merged, out: &Path, console: &Console) -> String {
    if done.there {
        return format!("{}: there already, whole\n", out.display());
    }
    let mut text = format!(
        "{}: {} in {}, {}\n",
        out.display(),
        counted(done.records, "record", "records"),
        counted(done.files, "file", "files"),
        size(done.bytes),
    );
    let mut table = Table::new(&[
        ("host", Align::Right),
        ("archive", Align::Left),
        ("records", Align::Right),
        ("taken", Align::Right),
        ("lacked", Align::Right),
    ]);
    for (at, host) in done.hosts.iter().enumerate() {
        table.row(vec![
            Cell::new((at + 1).to_string()),
            Cell::new(host.name.as_str()),
            Cell::new(grouped(host.records)),
            Cell::new(grouped(host.taken)),
            Cell::new(grouped(host.lacked)),
        ]);
    }
    text.push_str(&table.render(console.out_paint()));
    let (filled, gaps) = (done.filled, done.gaps);
    text.push_str(&format!(
        "{} filled from another host, {} stay\n",
        counted(filled, "gap", "gaps"),
        grouped(gaps)
    ));
    for one in done.differences.iter().take(DIFFERENCES_SHOWN) {
        text.push_str(&format!("differs: {}\n  {}\n  {}\n", one.what, one.taken, one.other));
    }
    let more = done.differ.saturating_sub(done.differences.len().min(DIFFERENCES_SHOWN) as u64);
    if more > 0 {
        text.push_str(&format!("and {} that differ\n", counted(more, "more row", "more rows")));
    }
    text
}

fn json(done: &Merged) -> String {
    let hosts: Vec<_> = done
        .hosts
        .iter()
        .map(|host| {
            serde_json::json!({
                "name": host.name, "records": host.records, "taken": host.taken,
                "lacked": host.lacked,
            })
        })
        .collect();
    let shares: Vec<_> = done
        .shares
        .iter()
        .map(|((channel, inst_id), share)| {
            serde_json::json!({
                "channel": channel, "instId": inst_id, "records": share.records,
                "lacked": share.lacked, "breaks": share.breaks,
            })
        })
        .collect();
    let differences: Vec<_> = done
        .differences
        .iter()
        .map(|one| serde_json::json!({ "what": one.what, "taken": one.taken, "other": one.other }))
        .collect();
    let report = serde_json::json!({
        "there": done.there, "records": done.records, "files": done.files, "bytes": done.bytes,
        "filled": done.filled, "gaps": done.gaps, "hosts": hosts, "shares": shares,
        "differ": done.differ, "differences": differences,
    });
    format!("{report}\n")
}
