//! `market-data verify`: what of a tape is whole, what is missing, and what cannot be proven.
//!
//! Twice through the tape: first its sums and record numbers, then its frames through the same
//! state machines as live, compared with the sums that the recorder left. `verify/account.rs`
//! keeps the books, `verify/report.rs` prints them, `verify/html.rs` makes a page of them.
//!
//! Invariants: it writes nothing but the page asked for; "clean" is said only of what was looked
//! at; exit code 0 is clean, 1 gaps or damage, 2 that it could not look.

use crate::cmd::replay::{ended, failed, open, threads};
use crate::failure::Failure;
use crate::out::console::Console;
use crate::out::file::write_whole;
use crate::out::progress as out;
use crate::signals::Interrupt;
use account::Account;
use clap::Args;
use market_data::replay::{FeedLife, Met, PlayEnd, PlayOptions, Played};
use market_data::replay::{ReplayOptions, play};
use market_data_tape::reader::{Range, Tape};
use market_data_tape::storage::LOCK_NAME;
use market_data_tape::{Finding, Verified};
use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(super) mod account;
mod coverage;
mod html;
pub(super) mod parquet;
mod report;
mod series;

const EXAMPLES: &str = "\
Examples:
  market-data verify tape
  market-data verify tape --json | jq '.rows[] | select(.state != \"clean\")'
  market-data verify tape --html report.html       a page to look at or to send
  market-data verify parquet                       manifests and files that `convert` made
  market-data verify tape --parquet parquet        the same, and are they what the tape gives?
  market-data verify tape && echo nothing is missing";

const LONG_ABOUT: &str = "\
Check a tape or Parquet files: what is whole, what is missing, what cannot be proven

PATH is a directory that `run` recorded to, or one of its tape-*.mdt files. Every block's sum and \
every record's number is checked, every frame goes through the same state machine as live, and \
what comes out is compared with the sums that the recorder left. Then, for each channel and \
instrument: records, gaps with cause and range, missing trade ids, links of book chains, and \
whether REST answers on the tape show the same books. Of a \
directory of Parquet files, manifests, sums, and records are checked; with --parquet the tape is \
converted once more into a temporary directory and the records of both are compared. Exit code \
0 means clean, 1 gaps or damage, 2 that it could not be found out.";

/// Findings kept one by one; further ones are counted.
const FINDINGS_MAX: usize = 1000;

/// Flags of `verify`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The tape: a directory, or one segment file; or a directory that `convert` made
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Write a page about it to this file, too; it needs no network and no other file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Convert the tape once more and compare with these Parquet files of it
    #[arg(long, value_name = "DIR")]
    parquet: Option<PathBuf>,
}

/// Everything that was found.
struct Found {
    verified: Verified,
    findings: Vec<Finding>,
    account: Account,
    lives: Vec<FeedLife>,
    orphans: u64,
    /// The last segment was not closed, and nobody is writing it.
    killed: bool,
    /// The Parquet files of it, when asked for.
    parquet: Option<parquet::Checked>,
}

impl Found {
    fn is_clean(&self) -> bool {
        let rows = self.account.rows.values();
        let mut states = rows.map(account::Row::state);
        self.verified.findings == 0
            && self.orphans == 0
            && !self.killed
            && self.parquet.as_ref().is_none_or(|checked| checked.wrong == 0)
            && states.all(|state| state == account::State::Clean)
            && self.lives.iter().all(|life| !life.differs() && life.failed.is_none())
    }
}

/// Verifies the tape.
///
/// # Errors
/// When the tape cannot be read, or stdout cannot be written to.
pub fn run(args: &VerifyArgs, console: &Console) -> anyhow::Result<ExitCode> {
    if parquet::is_archive(&args.path) {
        return archive(args, console);
    }
    let tape = open(&args.path)?;
    let mut findings = Vec::new();
    let interrupt = Interrupt::listen();
    let mut progress = out::Progress::new(console, tape.bytes()).doing("checking sums");
    let note = |finding| {
        if findings.len() < FINDINGS_MAX {
            findings.push(finding);
        }
    };
    let verified = market_data_tape::verify::verify_watched(&tape, note, |bytes, records| {
        progress.at(bytes, records);
        interrupt.check().is_ok()
    });
    let verified = verified.map_err(failed)?;
    progress.done();
    interrupt.check()?;
    let (account, PlayEnd { lives, orphans, .. }) = rerun(&tape, &interrupt, console)?;
    let killed = verified.unclosed > 0
        && tape.segments().last().is_some_and(|segment| segment.footer.is_none())
        && !is_being_recorded(&args.path);
    let parquet = match &args.parquet {
        Some(dir) => Some(parquet::compare(&tape, &args.path, dir, console)?),
        None => None,
    };
    let found = Found { verified, findings, account, lives, orphans, killed, parquet };
    if let Some(path) = &args.html {
        let page = html::page(&found, &args.path.display().to_string());
        write_whole(path, page.as_bytes()).map_err(|why| {
            let hint = "name a file in a directory that exists and can be written to";
            Failure::new(format!("cannot write {}: {why}", path.display()), hint)
        })?;
    }
    let text =
        if args.json { report::json(&found)? } else { report::words(&found, console.out_paint()) };
    console.data(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(!found.is_clean())))
}

/// Parquet files without their tape.
fn archive(args: &VerifyArgs, console: &Console) -> anyhow::Result<ExitCode> {
    if args.html.is_some() || args.parquet.is_some() {
        let what = format!("{} holds Parquet files, no tape", args.path.display());
        let hint = "`verify TAPE --parquet DIR` compares them with their tape; --html is for tapes";
        return Err(Failure::new(what, hint).into());
    }
    console.status("checking manifests and files …");
    let checked = parquet::check(&args.path)?;
    console.status("");
    let text = if args.json { format!("{}\n", checked.json()) } else { checked.words() };
    console.data(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(checked.wrong > 0)))
}

/// Whether a recorder has the tape's lock at this moment.
pub fn is_being_recorded(path: &Path) -> bool {
    let dir = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let lock = File::open(dir.join(LOCK_NAME));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// All frames through the feeds again.
fn rerun(
    tape: &Tape,
    interrupt: &Interrupt,
    console: &Console,
) -> anyhow::Result<(Account, PlayEnd)> {
    let replay = ReplayOptions { check: true, witness: true, ..Default::default() };
    let mut account = Account::default();
    let mut progress = out::Progress::new(console, tape.bytes()).doing("running again");
    let options = PlayOptions { range: Range::ALL, replay, threads: threads() };
    let end = play(tape, &options, |played| {
        interrupt.check()?;
        match played {
            Played::Met(_, Met::Started(life, stopped)) => account.started(life, stopped),
            Played::Met(place, Met::Step(step)) => {
                account.step(place.feed, place.ts, &step);
            }
            Played::Met(_, Met::Lost(feed, lost, feeds)) => account.lost(feed, lost, &feeds),
            Played::Progress(behind) => progress.at(behind.bytes, behind.records),
            // What is damaged or cannot be read is among the findings of the first pass.
            Played::Met(..) | Played::Damage(_) | Played::Unreadable(..) => {}
        }
        anyhow::Ok(ControlFlow::Continue(()))
    });
    account.finish();
    progress.done();
    let end = end.map_err(ended)?;
    end.lives.iter().for_each(|life| account.anchors(life));
    Ok((account, end))
}
