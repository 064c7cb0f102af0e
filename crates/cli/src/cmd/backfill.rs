//! `market-data backfill`: the past of trades, bars and funding payments, over REST and from daily
//! files into an archive.
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
use clap::{Args, ValueEnum};
use market_data::backfill::{
    BackfillError, BackfillOptions, Backfilled, DailyDone, Doing, PastSource, backfill,
};
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
Fetch the past over REST, and from daily files, into an archive

DIR is an archive that `convert` made, or a new one. What it has already is not fetched, whether it \
was recorded or came from an earlier backfill, so the same command can be stopped at any moment and \
started again. Fetched records lie on the day on which they happened, in files named `fill-…`, with \
`feed` 0 and, of trades, `filled_from` = `rest`. OKX keeps trades for three months and bars for \
years; books cannot be fetched. Whole days of trades (of UTC+8, from the second day after them) \
come from OKX's daily files where that is quicker, which reach back to 2021; such trades have \
`filled_from` = `file`. Rates of funding become records of `funding-rate-history`.";

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
    /// Where whole days of trades come from: REST, daily files if there are any, or what is quicker
    #[arg(long = "source", value_name = "WHICH", value_enum, default_value_t = Days::Auto)]
    days_from: Days,
    /// The archive
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// Where whole days of trades come from.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Days {
    Auto,
    Rest,
    Files,
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
        source: match args.days_from {
            Days::Auto => PastSource::Auto,
            Days::Rest => PastSource::Rest,
            Days::Files => PastSource::Files,
        },
    };
    let interrupt = Interrupt::listen();
    let mut progress: Option<(Doing, Progress<'_>)> = None;
    let done = backfill(&service, &wanted, |at| {
        if progress.as_ref().is_none_or(|(doing, _)| *doing != at.doing) {
            let what = match at.doing {
                Doing::Files => "daily files",
                Doing::Rest => "REST",
            };
            progress = Some((at.doing, Progress::new(console, at.total).doing(what).of_parts()));
        }
        if let Some((_, line)) = &mut progress {
            line.at(at.done, at.records);
        }
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
    let is_good = done.failed.is_empty() && done.daily.differing.is_empty();
    Ok(ExitCode::from(u8::from(!is_good)))
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
    daily_words(&done.daily, &mut text);
    for failed in &done.failed {
        let (channel, inst_id, why) = (&failed.channel, &failed.inst_id, &failed.why);
        text.push_str(&format!("not fetched: {channel} of {inst_id}: {why}\n"));
    }
    text
}

fn daily_words(daily: &DailyDone, text: &mut String) {
    if daily.files > 0 {
        let files = counted(daily.files, "daily file", "daily files");
        let records = counted(daily.records, "record", "records");
        let compared = counted(daily.compared, "trade", "trades");
        text.push_str(&format!("{records} of them from {files}; REST named {compared} of these\n"));
    }
    for (count, what) in [
        (daily.missing, "between those of a daily file not in it, so REST was asked"),
        (daily.twice, "twice in a daily file"),
        (daily.outside, "in the daily file of another day, not used"),
    ] {
        if count > 0 {
            text.push_str(&format!("{} {what}\n", counted(count, "trade", "trades")));
        }
    }
    for file in &daily.refused {
        text.push_str(&format!("not used, REST was asked instead: {}: {}\n", file.name, file.why));
    }
    for one in &daily.differing {
        let (id, file, rest) = (one.trade_id, &one.file, &one.rest);
        text.push_str(&format!("trade {id} differs: the daily file {file}, REST {rest}\n"));
    }
}

fn daily_json(daily: &DailyDone) -> serde_json::Value {
    let refused =
        daily.refused.iter().map(|file| serde_json::json!({ "name": file.name, "why": file.why }));
    let differing = daily.differing.iter().map(
        |one| serde_json::json!({ "tradeId": one.trade_id, "file": one.file, "rest": one.rest }),
    );
    serde_json::json!({
        "files": daily.files, "rows": daily.rows, "records": daily.records, "known": daily.known,
        "others": daily.others, "outside": daily.outside, "unordered": daily.unordered,
        "twice": daily.twice, "missing": daily.missing, "compared": daily.compared,
        "refused": refused.collect::<Vec<_>>(), "differing": differing.collect::<Vec<_>>(),
    })
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
        "bytes": done.bytes, "absent": done.absent, "failed": failed, "daily": daily_json(&done.daily),
    });
    format!("{report}\n")
}
