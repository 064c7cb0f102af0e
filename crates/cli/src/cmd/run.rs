//! `market-data run`: the service, as its settings say, until it is asked to stop.
//!
//! Settings come from the file, the environment and the flags, the later over the earlier; the
//! node's `config.rs` reads them. `run/plan.rs` prints the plan of `--dry-run`, `run/replay.rs`
//! plays a tape instead of connecting, `run/serve.rs` serves what comes, `run/reload.rs` follows
//! other subscriptions on SIGHUP, `run/take_over.rs` begins where a running process ends.
//! This file starts the service, logs how it fares, and says at
//! the end what became of every sink.
//!
//! Invariants: SIGINT, SIGTERM and `--for` end it in the same way, with everything flushed; a sink
//! that fails ends the service with exit code 2, a reader who leaves ends it with 0.

use crate::args::{LogArgs, LogFormat};
use crate::duration::{self, Words};
use crate::failure::Failure;
use crate::log::{self, Defaults};
use crate::notify::{self, Beat};
use crate::out::console::Console;
use crate::out::number::{counted, grouped, size};
use crate::signals::Stop;
use crate::source::{Source, SourceArgs, unix_ns};
use crate::status::{Feeds, REDRAW, Status};
use anyhow::Context as _;
use clap::Args;
use market_data::config::{Config, ConfigError, LogFormat as ConfigFormat};
use market_data::{
    Command, Ended, Prepared, Service, ServiceOptions, SinkError, SinkReport, StopReport,
    TapeReport,
};
use market_data_serve::Server;
use reload::Reload;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use take_over::Door;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep};
use tracing_subscriber::filter::LevelFilter;

mod plan;
mod reload;
mod replay;
pub mod serve;
mod take_over;

const EXAMPLES: &str = "\
Examples:
  market-data run > records.ndjson                 BTC and ETH, tickers to bars
  market-data run --config market-data.toml --dry-run
  market-data run --config market-data.toml --log-format json
  market-data run --sim                            then open http://127.0.0.1:9870
  market-data run --sim --for 10s --no-serve
  market-data run --config market-data.toml --take-over   a new version without a hole
  market-data run --replay tape --config market-data.toml   yesterday into every sink
  MARKET_DATA_SUBSCRIBE_INSTRUMENTS='*-USDT-SWAP' market-data run

A settings file (every key may be left out):
  [venue]
  region = \"global\"              # or url = \"ws://127.0.0.1:9443\", proxy = \"socks5h://…\"
  [[subscribe]]
  instruments = [\"BTC-USDT\", \"*-USDT-SWAP\"]
  channels = [\"trades\", \"books\"]
  [books]
  view_depth = 10                # levels a side in `orderbook` records
  deltas = false                 # `orderbook_delta` records, too
  [output]
  sinks = [\"stdout\", \"records.ndjson\"]
  overflow = \"wait\"              # or \"drop\", which leaves a `gap` record
  [tape]
  dir = \"tape\"                   # everything received is recorded there
  [serve]
  address = \"127.0.0.1:9870\"     # others than this machine need token_file
  [log]
  level = \"info\"";

const LONG_ABOUT: &str = "\
Run the service from a configuration file

Follows what the settings say and hands every record to their sinks as NDJSON, until SIGINT, \
SIGTERM or --for. Environment variables named MARKET_DATA_<SECTION>_<KEY> override the file, flags \
override both. Everything received is recorded in the directory `tape`, or as [tape] of the settings, --tape \
and --no-tape say, and served on http://127.0.0.1:9870 (a page, a stream, REST, metrics), or as [serve], --serve \
and --no-serve say. With --replay nothing is connected: the sinks get what is on a tape, in its order, and \
a slow sink is waited for. Without a file: tickers, trades, books and 1-minute bars of BTC-USDT, ETH-USDT and \
BTC-USDT-SWAP to stdout.";

/// How often the log says how the service fares.
const NEWS_EVERY: Duration = Duration::from_secs(30);

/// How often books that the server cannot show are asked for anew.
const MEND_EVERY: Duration = Duration::from_secs(1);

/// Flags of `run`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct RunArgs {
    /// The settings, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stop after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    time: Option<Duration>,
    /// Print which subscription goes on which connection and what it costs, and exit
    #[arg(long)]
    dry_run: bool,
    /// Record to this directory instead of the settings' own [default: tape]
    #[arg(long, value_name = "DIR", conflicts_with = "no_tape")]
    tape: Option<PathBuf>,
    /// Record nothing
    #[arg(long)]
    no_tape: bool,
    /// Take over from the process that records in the same directory: follow everything first, then
    /// let it end, and go on without a hole
    #[arg(long, conflicts_with_all = ["dry_run", "no_tape", "replay", "sim"])]
    take_over: bool,
    /// Records to stdout besides the sinks of the settings; with --dry-run the plan as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    serve: serve::ServeFlags,
    #[command(flatten)]
    replay: replay::ReplayFlags,
    #[command(flatten)]
    source: SourceArgs,
}

/// Runs the service, or prints its plan.
///
/// # Errors
/// When the settings cannot be used, the service cannot start, or a sink fails.
pub async fn run(
    args: &RunArgs,
    log_args: &LogArgs,
    console: &Arc<Console>,
) -> anyhow::Result<ExitCode> {
    let mut config = args.settings().map_err(bad_settings)?;
    log::start(log_args, log_defaults(&config), console);
    if let Some(path) = &args.replay.replay {
        return replay::run(args, path, &mut config, console).await;
    }
    let mut stop = Stop::listen();
    let mut options = config.options().map_err(bad_settings)?;
    options.seed = unix_ns();
    options.successor = args.take_over;
    if args.take_over {
        take_over::check(&options)?;
    }
    let source = Source::open(&args.source, &mut options).await?;
    let prepared = tokio::select! {
        prepared = market_data::prepare(&options) => prepared.map_err(Failure::from)?,
        () = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    if args.dry_run {
        print_plan(args, (&options, &prepared), console)?;
        source.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    say_start(&prepared);
    let mut sinks = config.sinks().map_err(Failure::from)?;
    let tape = options.tape.as_ref().map(|tape| &*tape.dir);
    // A process that is still to end has the address.
    let when = if args.take_over { serve::When::Later } else { serve::When::Now };
    let (opened, sink) = serve::open(&config.serve, &prepared, (tape, when)).await?.unzip();
    let mut door = Door::at(tape);
    // First, so that what the user asked for is summed up last.
    sinks.splice(0..0, sink);
    let to_terminal = std::io::stdout().is_terminal() && config.output.sinks.contains(&stdout());
    // Records and a status line on one terminal would tear each other.
    let status = Some(&**console).filter(|c| c.has_status() && !to_terminal);
    let began = Instant::now();
    let mut reload = Reload::new(args, &config, &options);
    let mut service = Service::start(options, prepared, sinks).map_err(Failure::from)?;
    if args.take_over && !take_over::take(&mut service, &mut stop).await? {
        return Ok(ExitCode::SUCCESS);
    }
    let server = match opened {
        Some(opened) => opened.start(&mut service).await,
        None => None,
    };
    notify::ready();
    let served = server.as_ref().map(|serving| &serving.server);
    let asks = (&mut stop, &mut reload, &mut door);
    let why = until_the_end(&mut service, served, args.time, asks, status).await;
    console.status("");
    tracing::info!(why, "stopping");
    notify::stopping();
    if let Some(server) = server {
        server.stop().await;
    }
    // Stopping opens gaps of its own, which are nobody's news.
    let before = Feeds::of(&service.feeds());
    let report = service.stop().await;
    source.close().await;
    console.words(&summary(&before, &report, began.elapsed()));
    door.close();
    verdict(&report)
}

fn print_plan(
    args: &RunArgs,
    (options, prepared): (&ServiceOptions, &Prepared),
    console: &Console,
) -> anyhow::Result<()> {
    let about = plan::About {
        endpoints: &options.endpoints,
        tape: options.tape.as_ref().map(|tape| tape.dir.as_path()),
    };
    let text = plan::text(&prepared.plan, &about, args.json, console.out_paint())?;
    console.data(text.as_bytes())?;
    Ok(())
}

impl RunArgs {
    /// The settings, as these flags change them.
    fn settings(&self) -> Result<Config, ConfigError> {
        let mut config = Config::load(self.config.as_deref())?;
        if self.json && !config.output.sinks.iter().any(|place| place == "stdout") {
            config.output.sinks.push("stdout".to_owned());
        }
        if let Some(dir) = &self.tape {
            (config.tape.enabled, config.tape.dir) = (true, dir.clone());
        }
        config.tape.enabled &= !self.no_tape;
        self.serve.change(&mut config.serve);
        if self.source.sim {
            config.venue.credentials = None;
        }
        Ok(config)
    }
}

fn stdout() -> String {
    "stdout".to_owned()
}

fn bad_settings(error: ConfigError) -> Failure {
    Failure::new(error.to_string(), "`market-data run --help` shows a settings file")
}

fn log_defaults(config: &Config) -> Defaults {
    let format = match config.log.format {
        ConfigFormat::Human => LogFormat::Human,
        ConfigFormat::Json => LogFormat::Json,
        ConfigFormat::Auto if std::io::stderr().is_terminal() => LogFormat::Human,
        ConfigFormat::Auto => LogFormat::Json,
    };
    let level = LevelFilter::from_level(config.log.level.into());
    Defaults { level, format }
}

fn say_start(prepared: &Prepared) {
    for left in &prepared.left_out {
        tracing::warn!(channel = left.channel, why = %left.why, "left out of all channels");
    }
    tracing::info!(
        connections = prepared.plan.connections.len(),
        subscriptions = prepared.subscriptions.len(),
        requests = prepared.plan.requests(),
        instruments = prepared.catalogue.len(),
        "starting"
    );
}

/// Waits until something ends the service; says what.
async fn until_the_end(
    service: &mut Service,
    server: Option<&Server>,
    time: Option<Duration>,
    (stop, reload, door): (&mut Stop, &mut Reload<'_>, &mut Door),
    console: Option<&Console>,
) -> &'static str {
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut mend = interval(MEND_EVERY);
    mend.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut news = interval_at(Instant::now() + NEWS_EVERY, NEWS_EVERY);
    let over = async {
        match time {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let mut status = Status::new();
    let (mut all_live, mut began) = (false, Instant::now());
    let beat = Beat::wanted();
    let due = beat.due();
    tokio::pin!(due);
    loop {
        tokio::select! {
            () = &mut due => {
                beat.alive();
                due.set(beat.due());
            }
            () = stop.asked() => return "asked to",
            () = door.asked() => return "another process takes over",
            due = reload.due() => if reload.act(due, service, server).await {
                (all_live, began) = (false, Instant::now());
            },
            () = &mut over => return "the time is over",
            ended = service.ended() => return match ended {
                Ended::Sink(_) => "a sink has ended",
                Ended::Replay => "the tape is over",
            },
            _ = news.tick() => {
                say_news(&Feeds::of(&service.feeds()));
                say_tape(service);
            }
            _ = mend.tick(), if server.is_some() => {
                for (feed, book) in server.map(Server::take_torn).unwrap_or_default() {
                    tracing::warn!(feed = feed.0, inst_id = %book.key, "the server lost events");
                    service.command(Some(feed), Command::Resync(book)).await;
                }
            }
            _ = redraw.tick(), if console.is_some() || !all_live => {
                let feeds = service.feeds();
                all_live = all_live || say_when_live(&Feeds::of(&feeds), began);
                let Some(console) = console else { continue };
                status.set_records(Feeds::of(&feeds).records);
                console.status(&status.line(&feeds, console.err_paint()));
            }
        }
    }
}

/// Says once how long it took until every subscription was live.
fn say_when_live(feeds: &Feeds, began: Instant) -> bool {
    let live = feeds.wanted > 0 && feeds.live == feeds.wanted && feeds.up == feeds.all;
    if live {
        let (subscriptions, connections) = (feeds.live, feeds.all);
        let after_ms = began.elapsed().as_millis();
        tracing::info!(subscriptions, connections, after_ms, "everything is live");
        notify::status(&format!("{subscriptions} of {subscriptions} live"));
    }
    live
}

fn say_news(feeds: &Feeds) {
    let (live, wanted) = (feeds.live, feeds.wanted);
    notify::status(&format!("{live} of {wanted} live, {} gaps open", feeds.open_gaps));
    tracing::info!(
        records = feeds.records,
        connected = feeds.up,
        connections = feeds.all,
        live = feeds.live,
        subscriptions = feeds.wanted,
        open_gaps = feeds.open_gaps,
        gaps = feeds.gaps,
        faults = feeds.faults,
        reconnects = feeds.reconnects,
        "running"
    );
}

/// While a tape cannot be written the log must not fall silent about it.
fn say_tape(service: &Service) {
    let Some(tape) = service.metrics().tape() else { return };
    let (records, lost) = (tape.records, tape.lost_records);
    let stored_mib = tape.stored_bytes >> 20;
    match tape.failing {
        Some(why) => tracing::error!(records, lost, %why, "the tape cannot be written"),
        None => tracing::info!(records, lost, stored_mib, lag_ns = tape.lag_ns, "recording"),
    }
}

/// What became of the feeds and of every sink, in words.
fn summary(feeds: &Feeds, report: &StopReport, took: Duration) -> String {
    let records = Feeds::of(&report.feeds).records;
    let mut text = format!(
        "{} in {} on {}: {}, {}, {}\n",
        counted(records, "record", "records"),
        Words(took),
        counted(feeds.all as u64, "connection", "connections"),
        counted(feeds.gaps, "gap", "gaps"),
        counted(feeds.reconnects, "reconnect", "reconnects"),
        counted(feeds.faults, "fault", "faults"),
    );
    for sink in &report.sinks {
        let events = counted(sink.events, "event", "events");
        text.push_str(&format!("  {}: {events}", sink.name));
        if sink.dropped > 0 {
            text.push_str(&format!(", {} dropped", grouped(sink.dropped)));
        }
        if sink.unfinished {
            text.push_str(", not finished in time");
        }
        if let Some(why) = &sink.error {
            text.push_str(&format!(", ended: {why}"));
        }
        text.push('\n');
    }
    if report.feeds_unfinished > 0 {
        let feeds = counted(report.feeds_unfinished as u64, "connection", "connections");
        text.push_str(&format!("  {feeds} ended by force: what came last may be missing above\n"));
    }
    if let Some(tape) = &report.tape {
        text.push_str(&tape_line(tape));
    }
    text
}

fn tape_line(tape: &TapeReport) -> String {
    let records = counted(tape.records, "record", "records");
    let dir = tape.dir.display();
    let mut line = format!("  {dir}: {records} on the tape, {}", size(tape.stored_bytes));
    if tape.lost_records > 0 {
        line.push_str(&format!(", {} lost", grouped(tape.lost_records)));
    }
    if tape.unfinished {
        line.push_str(", not finished in time");
    }
    if let Some(why) = &tape.ended_badly {
        line.push_str(&format!(", ended badly: {why}"));
    }
    line + "\n"
}

fn verdict(report: &StopReport) -> anyhow::Result<ExitCode> {
    let failed = |sink: &&SinkReport| {
        sink.unfinished || sink.error.as_ref().is_some_and(|e| !matches!(e, SinkError::ReaderGone))
    };
    if let Some(tape) = report.tape.as_ref().filter(|t| t.unfinished || t.ended_badly.is_some()) {
        let why = tape.ended_badly.as_deref().unwrap_or("it was too slow to finish in time");
        return Err(anyhow::anyhow!("{why}"))
            .with_context(|| format!("the tape {} failed", tape.dir.display()));
    }
    match report.sinks.iter().find(failed) {
        None if report.feeds_unfinished > 0 => {
            let what = "what came last may be missing from the sinks";
            Err(anyhow::anyhow!("{what}")).context("connections had to be ended by force")
        }
        None => Ok(ExitCode::SUCCESS),
        Some(sink) => {
            let what = || format!("the sink {} failed", sink.name);
            match &sink.error {
                Some(why) => Err(anyhow::anyhow!("{why}")).with_context(what),
                None => {
                    Err(anyhow::anyhow!("it was too slow to finish in time")).with_context(what)
                }
            }
        }
    }
}
