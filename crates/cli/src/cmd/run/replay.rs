//! `market-data run --replay`: a tape into every sink of the settings, as if it came from OKX.
//!
//! The playing is the node's `Service::replay`; this file checks the flags, waits and sums up.
//!
//! Invariants: nothing is connected, and nothing is recorded unless `--tape` says so on the
//! command line; a sink that is slow is waited for, at any speed.

use super::reload::Reload;
use super::take_over::Door;
use super::{RunArgs, bad_settings, say_news, stdout, tape_line, until_the_end, verdict};
use crate::cmd::replay::{open, within};
use crate::duration::Words;
use crate::failure::Failure;
use crate::instant;
use crate::out::console::Console;
use crate::out::number::counted;
use crate::signals::Stop;
use crate::status::Feeds;
use anyhow::Context as _;
use clap::Args;
use market_data::replay::Speed;
use market_data::{Config, ReplaySettings, Service, SinkReport, StopReport};
use market_data_model::Nanos;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// Flags about what is played.
#[derive(Args, Debug)]
#[command(next_help_heading = "Play a tape instead of connecting")]
pub struct ReplayFlags {
    /// Feed every sink from this tape: a directory, or one segment file. Nothing is recorded,
    /// unless --tape names another directory to copy the inputs to
    #[arg(long, value_name = "PATH")]
    #[arg(conflicts_with_all = ["dry_run", "region", "proxy", "url", "public_url", "business_url"])]
    #[arg(conflicts_with_all = ["rest_url", "sim"])]
    pub replay: Option<PathBuf>,
    /// 1 is as it came, 10 ten times as fast, max as fast as the sinks take it
    #[arg(long, value_name = "N", default_value = "max", requires = "replay")]
    speed: Speed,
    /// Hand on nothing received before this time
    #[arg(long, value_name = "TIME", value_parser = instant::parse, requires = "replay")]
    #[arg(conflicts_with = "tape")]
    from: Option<Nanos>,
    /// Hand on nothing received at or after this time
    #[arg(long, value_name = "TIME", value_parser = instant::parse, requires = "replay")]
    #[arg(conflicts_with = "tape")]
    to: Option<Nanos>,
}

/// Plays the tape to its end, or until it is asked to stop.
///
/// # Errors
/// When the tape cannot be read, or a sink fails.
pub async fn run(
    args: &RunArgs,
    path: &Path,
    config: &mut Config,
    console: &Console,
) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen();
    let flags = &args.replay;
    within(&open(path)?, flags.from, flags.to)?;
    // The settings' own tape is where a connected service records.
    config.tape.enabled = args.tape.is_some();
    config.venue.credentials = None;
    let settings = ReplaySettings {
        path: path.to_owned(),
        speed: flags.speed,
        from: flags.from,
        to: flags.to,
        copy: config.options().map_err(bad_settings)?.tape,
    };
    let sinks = config.sinks().map_err(Failure::from)?;
    let to_terminal = std::io::stdout().is_terminal() && config.output.sinks.contains(&stdout());
    let status = Some(console).filter(|c| c.has_status() && !to_terminal);
    let began = Instant::now();
    tracing::info!(path = %path.display(), speed = %flags.speed, "playing a tape");
    let mut service = Service::replay(settings, sinks).map_err(Failure::from)?;
    let mut reload = Reload::never(args, config);
    let mut door = Door::at(None);
    let asks = (&mut stop, &mut reload, &mut door);
    let why = until_the_end(&mut service, None, args.time, asks, status).await;
    console.status("");
    tracing::info!(why, "stopping");
    say_news(&Feeds::of(&service.feeds()));
    let report = service.stop().await;
    console.words(&summary(path, &report, began.elapsed()));
    if let Some(error) = report.replay.as_ref().and_then(|end| end.error.as_deref()) {
        return Err(anyhow::anyhow!("{error}")).context("cannot play the tape to its end");
    }
    verdict(&report)
}

/// What was played, and what became of every sink, in words.
fn summary(path: &Path, report: &StopReport, took: Duration) -> String {
    let feeds = Feeds::of(&report.feeds);
    let end = report.replay.clone().unwrap_or_default();
    let mut text = format!(
        "{} in {} from {}: {}, {}, {}, {}{}\n",
        counted(feeds.records, "record", "records"),
        Words(took),
        path.display(),
        counted(feeds.gaps, "gap", "gaps"),
        counted(feeds.reconnects, "reconnect", "reconnects"),
        counted(feeds.faults, "fault", "faults"),
        counted(end.holes, "hole", "holes"),
        if end.stopped { ", stopped before its end" } else { "" },
    );
    text.extend(report.sinks.iter().map(sink_line));
    text.extend(report.tape.as_ref().map(tape_line));
    text
}

fn sink_line(sink: &SinkReport) -> String {
    let mut line = format!("  {}: {}", sink.name, counted(sink.events, "event", "events"));
    if sink.unfinished {
        line.push_str(", not finished in time");
    }
    if let Some(why) = &sink.error {
        line.push_str(&format!(", ended: {why}"));
    }
    line + "\n"
}
