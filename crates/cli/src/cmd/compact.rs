//! `market-data compact`: many small Parquet files into few.

use super::convert::refused;
use crate::out::console::Console;
use crate::out::number::{counted, size};
use crate::signals::{Interrupt, Interrupted};
use clap::Args;
use market_data_archive::{Archive, compact};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

const LONG_ABOUT: &str = "\
Merge the small Parquet files of each day

DIR is what `convert --out` made. Files of the same table and day become one (or a few, of at most \
a million rows), with the same records in the same order, and the manifests say so. It can be \
interrupted at any time. What is merged can no longer be converted again segment by segment.";

/// Flags of `compact`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
#[command(after_help = "Examples:\n  market-data compact parquet")]
pub struct CompactArgs {
    /// The archive
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Compacts the archive.
///
/// # Errors
/// When it cannot be read or written.
pub fn run(args: &CompactArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let mut archive = Archive::existing(&args.dir).map_err(|error| refused(&error))?;
    let interrupt = Interrupt::listen();
    let done = compact(&mut archive, |done, of| {
        console
            .status(&format!("compacting, {done} of {}", counted(of, "directory", "directories")));
        match interrupt.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    console.status("");
    let done = done.map_err(|error| refused(&error))?;
    if interrupt.check().is_err() {
        return Err(Interrupted.into());
    }
    let text = format!(
        "{}: {} of {} are now {} of {}\n",
        args.dir.display(),
        counted(done.files_before, "file", "files"),
        size(done.bytes_before),
        counted(done.files_after, "file", "files"),
        size(done.bytes_after),
    );
    console.data(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
