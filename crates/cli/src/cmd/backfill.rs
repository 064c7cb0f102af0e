//! `market-data backfill`: the past of trades, bars and funding payments, over REST into an
//! archive.
//!
//! The node's `backfill.rs` does it; this file says how far it is and what came of it.
//!
//! Invariant: an interrupt loses nothing that came; the same command goes on from there.

use crate::cmd::convert::refused;
use crate::failure::Failure;
use crate::instant;
use crate::out::console::Console;
use crate::out::number::{counted, size};
use crate::out::progress::Progress;
use crate::signals::{Interrupt, Interrupted};
use crate::source::{Source, SourceArgs, options};
use clap::Args;
use market_data::backfill::{BackfillError, BackfillOptions, Backfilled, backfill};
use market_data_model::Nanos;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  market-data backfill --inst BTC-USDT-SWAP --from 2026-11-01 --to 2026-11-08 --out parquet
  market-data backfill --inst 'BTC-*,ETH-*' --channels candle1m,funding-rate \\
      --from 2026-10-01 --to 2026-11-01 --out parquet
  market-data backfill --inst BTC-USDT --from 2026-11-27T12:00:00Z --to 2026-11-27T13:00:00Z \\
      --out parquet --url ws://127.0.0.1:9443";

const LONG_ABOUT: &str = "\
Fetch the past over REST into an archive

DIR is an archive that `convert` made, or a new one. What it has already is not fetched, whether it \
was recorded or came from an earlier backfill, so the same command can be stopped at any moment and \
started again. Fetched records lie on the day on which they happened, in files named `fill-…`, with \
`feed` 0 and, of trades, `filled_from` = `rest`. OKX keeps trades for three months and bars for \
years; books cannot be fetched. Rates of funding become records of `funding-rate-history`.";

/// Flags of `backfill`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct BackfillArgs {
    /// Instruments, in any spelling or as patterns
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    inst: Vec<String>,
    /// Channels: trades, trades-all, candle1m and other bars, funding-rate
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    #[arg(default_value = "trades,candle1m,funding-rate")]
    channels: Vec<String>,
    /// The first moment: RFC 3339, a day, or Unix time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Nanos,
    /// The first moment after
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Nanos,
    /// The archive
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// Reads a moment; a day alone is its beginning, UTC.
fn moment(text: &str) -> Result<Nanos, String> {
    let is_day = text.len() == 10 && text.matches('-').count() == 2;
    if is_day { instant::parse(&format!("{text}T00:00:00Z")) } else { instant::parse(text) }
}

/// Fetches what is not there.
///
/// # Errors
/// When nothing can be fetched, or the archive cannot be written.
pub async fn run(args: &BackfillArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let mut service = options();
    let source = Source::open(&args.source, &mut service).await?;
    let wanted = BackfillOptions {
        out: args.out.clone(),
        instruments: args.inst.clone(),
        channels: args.channels.clone(),
        from: args.from,
        to: args.to,
    };
    let interrupt = Interrupt::listen();
    let mut progress: Option<Progress<'_>> = None;
    let done = backfill(&service, &wanted, |at| {
        let line = progress
            .get_or_insert_with(|| Progress::new(console, at.total).doing("fetching").of_parts());
        line.at(at.done, at.records);
        match interrupt.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    let done = done.await.map_err(advice);
    drop(progress);
    source.close().await;
    let done = done?;
    if done.stopped {
        return Err(Interrupted.into());
    }
    let text = if args.json { json(&done) } else { words(&done, &args.out) };
    console.data(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(!done.failed.is_empty())))
}

fn advice(error: BackfillError) -> anyhow::Error {
    let text = error.to_string();
    match error {
        BackfillError::Archive(error) => refused(&error).into(),
        BackfillError::Channel { .. } => {
            let hint = "trades, trades-all, candle*, mark-price-candle*, index-candle* and \
                        funding-rate have a past that OKX gives";
            Failure::new(text, hint).into()
        }
        BackfillError::Nothing { .. } => {
            let hint = "--from must lie before --to, and a minute in the past";
            Failure::new(text, hint).into()
        }
        error => error.into(),
    }
}

fn words(done: &Backfilled, out: &Path) -> String {
    let mut text = format!(
        "{}: {} fetched in {} ({}), {}\n",
        out.display(),
        counted(done.records, "record", "records"),
        counted(done.files, "file", "files"),
        size(done.bytes),
        counted(done.requests, "request", "requests"),
    );
    if done.there > 0 {
        let channels = counted(done.there, "channel", "channels");
        text.push_str(&format!("{channels} of an instrument were there already\n"));
    }
    if done.kept > 0 {
        let answers = counted(done.kept, "answer", "answers");
        text.push_str(&format!("{answers} of an interrupted run were used again\n"));
    }
    if done.absent > 0 {
        let ids = counted(done.absent, "trade or bar", "trades or bars");
        text.push_str(&format!("{ids} the venue does not have either\n"));
    }
    for failed in &done.failed {
        let (channel, inst_id, why) = (&failed.channel, &failed.inst_id, &failed.why);
        text.push_str(&format!("not fetched: {channel} of {inst_id}: {why}\n"));
    }
    text
}

fn json(done: &Backfilled) -> String {
    let failed: Vec<_> = done
        .failed
        .iter()
        .map(|one| {
            serde_json::json!({ "channel": one.channel, "instId": one.inst_id, "why": one.why })
        })
        .collect();
    let report = serde_json::json!({
        "stretches": done.stretches, "there": done.there, "requests": done.requests,
        "limited": done.refused, "kept": done.kept, "records": done.records, "files": done.files,
        "bytes": done.bytes, "absent": done.absent, "failed": failed,
    });
    format!("{report}\n")
}
