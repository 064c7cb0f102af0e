//! `market-data prune`: what is too old or too much of a tape or an archive goes.
//!
//! Invariants: the oldest goes first; of a tape only what is converted goes, unless told
//! otherwise; with `--dry-run` nothing does.

use super::convert::refused;
use super::replay::open;
use crate::duration;
use crate::failure::Failure;
use crate::out::console::Console;
use crate::out::number::{counted, size};
use clap::Args;
use market_data::retain;
use market_data_archive::manifest::NAME;
use market_data_archive::prune::{Keep, plan, prune};
use market_data_archive::{Archive, Manifest};
use market_data_model::Nanos;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const EXAMPLES: &str = "\
Examples:
  market-data prune parquet --older-than 365d --dry-run
  market-data prune parquet --max-size 500GB
  market-data prune tape --older-than 30d --converted-to parquet";

const LONG_ABOUT: &str = "\
Delete what is too old, or too much

PATH is an archive that `convert` made, or a tape. Of an archive whole days go, in all tables at \
once, and never the last day. Of a tape whole segments go, and never the last one; only those that \
the archive named with --converted-to holds (by SHA-256), unless --unconverted says that they may be \
lost.";

/// Flags of `prune`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("limit").required(true).multiple(true))]
pub struct PruneArgs {
    /// The tape or the archive
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// What is older goes
    #[arg(long, value_name = "TIME", value_parser = duration::parse, group = "limit")]
    older_than: Option<Duration>,
    /// The oldest goes until no more than this is left: 800MB, 100GB, 2TB
    #[arg(long, value_name = "SIZE", value_parser = bytes, group = "limit")]
    max_size: Option<u64>,
    /// Say what would go, and delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Of a tape: the archive that must hold what goes
    #[arg(long, value_name = "DIR", conflicts_with = "unconverted")]
    converted_to: Option<PathBuf>,
    /// Of a tape: what is not converted may go too
    #[arg(long)]
    unconverted: bool,
}

/// Reads `100GB`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err("write a whole number with a unit, such as 800MB or 100GB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "not a whole number".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "too much".to_owned())
}

/// Deletes, or says what would go.
///
/// # Errors
/// When something cannot be read or deleted, or it is not said whether a tape is converted.
pub fn run(args: &PruneArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let from = args.older_than.map(|age| now.saturating_sub(age));
    let from = from.map(|at| u64::try_from(at.as_nanos()).map(Nanos)).transpose()?;
    if args.path.join(NAME).exists() {
        archive(args, from, console)
    } else {
        tape(args, from, console)
    }
}

fn archive(args: &PruneArgs, from: Option<Nanos>, console: &Console) -> anyhow::Result<ExitCode> {
    let mut archive = Archive::existing(&args.path).map_err(|error| refused(&error))?;
    let from = from.map(|at| at.to_string().chars().take(10).collect());
    let keep = Keep { from, max_bytes: args.max_size };
    let days = plan(&archive, &keep).map_err(|error| refused(&error))?;
    let mut text = String::new();
    for day in &days {
        let files = counted(day.files, "file", "files");
        text.push_str(&format!("{}  {files}  {}\n", day.date, size(day.bytes)));
    }
    if !args.dry_run {
        prune(&mut archive, &days).map_err(|error| refused(&error))?;
    }
    let sum = days.iter().map(|day| day.bytes).sum();
    text.push_str(&told(args, &counted(days.len() as u64, "day", "days"), sum));
    console.data(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn tape(args: &PruneArgs, from: Option<Nanos>, console: &Console) -> anyhow::Result<ExitCode> {
    let tape = open(&args.path)?;
    // Held until all is deleted. What a crash has left half done in it is undone first: it does not
    // count as converted.
    let archive = match &args.converted_to {
        Some(dir) => {
            let found = Manifest::load(dir).map_err(|error| refused(&error))?;
            let what = || format!("{} is not an archive", dir.display());
            let hint = "name the directory that `market-data convert --out` made";
            found.ok_or_else(|| Failure::new(what(), hint))?;
            Some(Archive::existing(dir).map_err(|error| refused(&error))?)
        }
        None if args.unconverted => None,
        None => {
            let what = format!("{} is a tape, and may not be converted", args.path.display());
            let hint = "say where it is converted to with --converted-to DIR, or --unconverted";
            return Err(Failure::new(what, hint).into());
        }
    };
    let keep = retain::Keep { from, max_bytes: args.max_size };
    let root = archive.as_ref().map(Archive::root);
    let going = retain::plan(&tape, root, keep).map_err(|error| refused(&error))?;
    let mut text = String::new();
    for (path, bytes) in &going.segments {
        text.push_str(&format!("{}  {}\n", path.display(), size(*bytes)));
    }
    if !args.dry_run {
        retain::drop_segments(&going).map_err(|error| refused(&error))?;
    }
    let sum = going.segments.iter().map(|(_, bytes)| bytes).sum();
    let count = counted(going.segments.len() as u64, "segment", "segments");
    text.push_str(&told(args, &count, sum));
    if let Some(path) = &going.unconverted {
        text.push_str(&format!("{} stays: it is not converted\n", path.display()));
    }
    console.data(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(going.unconverted.is_some())))
}

fn told(args: &PruneArgs, what: &str, bytes: u64) -> String {
    let verb = if args.dry_run { "would go" } else { "deleted" };
    format!("{what} {verb}, {}\n", size(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(bytes("100GB"), Ok(100_000_000_000));
        assert_eq!(bytes("8 kb"), Ok(8_000));
        for bad in ["", "100", "GB", "1.5GB", "-1GB", "99999999999999TB"] {
            assert!(bytes(bad).is_err(), "{bad:?}");
        }
    }
}
