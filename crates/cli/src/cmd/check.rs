//! `market-data check`: runs for a while, breaks things on purpose, and says whether all is well.
//!
//! `check/tally.rs` counts records, `check/audit.rs` looks for losses that nobody admits,
//! `check/drill.rs` holds the drills, `check/every.rs` what is demanded of all channels at once,
//! `check/report.rs` judges and prints. This file runs them.
//!
//! Invariants: the verdict rests on what was received and on the service's own state at the end;
//! every reason for a FAIL is named; with injected faults the end waits for the calm after them.

use crate::failure::Failure;
use crate::out::console::Console;
use crate::signals::Stop;
use crate::source::{Source, SourceArgs, unix_ns};
use crate::status::{Feeds, REDRAW, Status};
use crate::{duration, source};
use audit::Audit;
use clap::Args;
use drill::Drills;
use every::Every;
use market_data::{ALL, Delivery, EventReceiver, Overflow, channel_sink};
use market_data::{Service, Want};
use market_data_model::{Batch, FeedId, Nanos, Subscription};
use market_data_sim::FaultProfile;
use report::{Facts, Report};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use tally::Tally;
use tokio::time::{Instant, MissedTickBehavior, interval};

mod audit;
mod drill;
mod every;
mod report;
mod tally;
#[cfg(test)]
mod tests;

const EXAMPLES: &str = "\
Examples:
  market-data check                                     five minutes against OKX
  market-data check --duration 60s --min-messages 1000
  market-data check SOL-USDT 'ETH-USD*-SWAP' --channels tickers,trades
  market-data check --sim --duration 60s                no internet needed
  market-data check --sim --sim-faults mixed --duration 2m
  market-data check --sim --channels all --duration 20s
  market-data check --json | jq .verdict";

const LONG_ABOUT: &str = "\
Test the connection, with reconnect drills and a verdict

Subscribes, counts, and breaks things on purpose: at a third of the time every connection is \
dropped, at half of it one book begins anew. Prints a table per channel and PASS (exit code 0) or \
FAIL with the reasons (exit code 1).

PASS means: enough messages came; every row was decoded exactly; every drill was recovered from; \
at the end everything is live and no gap is open; and no record is missing without a gap that says \
so (record numbers, links of books and trade ids are checked); and neither REST nor another channel \
said something else of a live book than it was at the same id. With --sim-faults the faults end \
with the time, and up to a minute is given to recover.

With --channels all it follows every public channel there is, each for what suits it of the \
instruments named, their families, indices, kinds and spreads. The table then has a line for every \
channel, what was left out is said with the reason, and it is a FAIL as well if anything faulted, or \
if nothing came of a channel of which OKX promises something within the time.";

const INSTRUMENTS: &str = "BTC-USDT,ETH-USDT,BTC-USDT-SWAP";
const CHANNELS: &str = "tickers,trades,trades-all,books,books5,bbo-tbt,candle1m";
/// Channels whose books can be told to begin anew.
const BOOKS: [&str; 4] = ["books", "books-l2-tbt", "books50-l2-tbt", "books-rpi"];
/// Batches that wait here before some are dropped, which fails the check.
const QUEUE_BATCHES: usize = 16_384;
/// Time between two comparisons of a live book with another witness: the least that there may be.
const WITNESS: Duration = Duration::from_secs(market_data_okx::limits::WITNESS_SECONDS_MIN);
/// How long the end waits for everything to be well again.
const GRACE: Duration = Duration::from_secs(60);
/// How often the service is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Flags of `check`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct CheckArgs {
    /// Instruments or patterns
    #[arg(value_name = "INSTRUMENT", default_values = INSTRUMENTS.split(','))]
    instruments: Vec<String>,
    /// Channels, in OKX's spelling; `all` is every public channel
    #[arg(long, value_name = "LIST", default_value = CHANNELS, value_delimiter = ',')]
    channels: Vec<String>,
    /// How long to look
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration::parse)]
    duration: Duration,
    /// Fewest messages for a PASS
    #[arg(long, value_name = "N", default_value_t = 100)]
    min_messages: u64,
    /// The report as one JSON object
    #[arg(long)]
    json: bool,
    /// Break nothing on purpose
    #[arg(long)]
    no_drills: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// Checks and judges.
///
/// # Errors
/// When the service cannot start, or stdout cannot be written to.
pub async fn run(args: &CheckArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen();
    let mut options = source::options();
    options.deltas = true;
    options.witness = WITNESS;
    options.wants = vec![Want::new(args.instruments.clone(), args.channels.clone())];
    let source = Source::open(&args.source, &mut options).await?;
    console.status("loading the instruments …");
    let prepared = tokio::select! {
        prepared = market_data::prepare(&options) => prepared.map_err(Failure::from)?,
        () = stop.asked() => return Err(interrupted().into()),
    };
    let mut tally = Tally::default();
    let began = Nanos(unix_ns());
    tally.expect(&prepared.subscriptions, began);
    let all = args.channels.iter().any(|name| name == ALL);
    let every = all.then(|| Every { began, left_out: prepared.left_out.clone() });
    let book = prepared.subscriptions.iter().find(|s| BOOKS.contains(&&*s.channel)).cloned();
    let (sink, receiver) = channel_sink("check", QUEUE_BATCHES, Overflow::DropAndMark);
    let service = Service::start(options, prepared, vec![sink]).map_err(Failure::from)?;
    let mut check = Check {
        args,
        console,
        tally,
        every,
        audit: Audit::default(),
        drills: Drills::default(),
        book,
        book_feed: None,
        lost: 0,
        status: Status::new(),
        began: Instant::now(),
    };
    let result = check.run((&service, &source), receiver, &mut stop).await;
    console.status("");
    let feeds = service.feeds();
    service.stop().await;
    let injected = match &source.sim {
        Some(sim) => sim.faults_injected().await,
        None => BTreeMap::new(),
    };
    source.close().await;
    result?;
    check.report(&Feeds::of(&feeds), injected)
}

fn interrupted() -> Failure {
    Failure::new("the check was interrupted", "let it run to its end, or choose --duration 30s")
}

struct Check<'a> {
    args: &'a CheckArgs,
    console: &'a Console,
    tally: Tally,
    every: Option<Every>,
    audit: Audit,
    drills: Drills,
    book: Option<Subscription>,
    book_feed: Option<FeedId>,
    lost: u64,
    status: Status,
    began: Instant,
}

/// What comes next, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stage {
    Settle,
    Reconnected,
    Resynced,
    Calm,
}

impl Check<'_> {
    async fn run(
        &mut self,
        (service, source): (&Service, &Source),
        mut receiver: EventReceiver,
        stop: &mut Stop,
    ) -> anyhow::Result<()> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stage = Stage::Settle;
        let mut redrawn = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.asked() => return Err(interrupted().into()),
                _ = look.tick() => {
                    let reports = service.feeds();
                    self.drills.look(&reports);
                    stage = self.advance(stage, service, source).await;
                    let passed = self.began.elapsed();
                    // The records may lag behind the service's own account of itself.
                    let said = self.tally.gaps_open() == 0 && self.drills.are_over();
                    let well = said && Feeds::of(&reports).is_well();
                    if stage == Stage::Calm && (well || passed >= self.args.duration + GRACE) {
                        return Ok(());
                    }
                    if redrawn.elapsed() >= REDRAW {
                        redrawn = Instant::now();
                        self.redraw(stage, &reports);
                    }
                }
                delivery = receiver.recv() => match delivery {
                    Some(delivery) => self.take(delivery, &mut receiver),
                    None => anyhow::bail!("the service ended before the check did"),
                },
            }
        }
    }

    /// Goes on to the next stage when its time has come.
    async fn advance(&mut self, stage: Stage, service: &Service, source: &Source) -> Stage {
        let passed = self.began.elapsed();
        let drill = !self.args.no_drills;
        if stage < Stage::Reconnected && passed >= self.args.duration / 3 {
            if drill {
                self.say("drill: every connection is dropped");
                self.drills.reconnect_all(service).await;
            }
            return Stage::Reconnected;
        }
        if stage < Stage::Resynced && passed >= self.args.duration / 2 {
            if let (true, Some(book), Some(feed)) = (drill, self.book.clone(), self.book_feed) {
                self.say(&format!("drill: {} of {} begins anew", book.channel, book.key));
                self.drills.resync(service, feed, &book).await;
            }
            return Stage::Resynced;
        }
        if stage < Stage::Calm && passed >= self.args.duration {
            if let Some(sim) = source.sim.as_ref().filter(|_| self.faults_injected()) {
                self.say("the faults end; waiting for everything to be well");
                sim.set_faults(FaultProfile::none()).await;
            }
            return Stage::Calm;
        }
        stage
    }

    fn faults_injected(&self) -> bool {
        self.args.source.sim_faults.name != FaultProfile::none().name
    }

    fn say(&self, what: &str) {
        let passed = duration::Words(self.began.elapsed());
        self.console.words(&format!("{passed:>8}  {what}\n"));
    }

    fn redraw(&mut self, stage: Stage, reports: &[market_data::FeedReport]) {
        let passed = duration::Words(self.began.elapsed());
        let of = duration::Words(self.args.duration);
        let line = self.status.line(reports, self.console.err_paint());
        let tail = if stage == Stage::Calm { "  waiting for calm" } else { "" };
        self.console.status(&format!("{passed} of {of}  {line}{tail}"));
    }

    fn take(&mut self, first: Delivery, receiver: &mut EventReceiver) {
        let mut next = Some(first);
        while let Some(delivery) = next {
            match delivery {
                Delivery::Batch(batch) => self.batch(&batch),
                Delivery::Lost(lost) => {
                    self.lost += lost.events;
                    self.audit.lost(lost.feed, lost.to_n);
                }
            }
            next = receiver.try_recv();
        }
    }

    fn batch(&mut self, batch: &Batch) {
        self.status.take(batch);
        for event in batch.iter() {
            self.tally.take(&event);
            self.audit.take(&event);
            self.drills.take(&event);
            if let Some(book) = &self.book
                && event.channel() == &*book.channel
                && event.inst_id() == &*book.key
            {
                self.book_feed = Some(event.header.feed);
            }
        }
    }

    fn report(
        &mut self,
        feeds: &Feeds,
        injected: BTreeMap<&'static str, u64>,
    ) -> anyhow::Result<ExitCode> {
        self.tally.finish(Nanos(unix_ns()));
        let facts = Facts {
            tally: &self.tally,
            audit: &self.audit,
            drills: &self.drills,
            feeds,
            lost: self.lost,
            asked: &self.args.channels,
            took: self.began.elapsed(),
            messages_min: self.args.min_messages,
            faults: self.args.source.sim_faults,
            injected,
            every: self.every.as_ref(),
        };
        let report = Report::of(&facts);
        let text = if self.args.json {
            report.json(&facts)? + "\n"
        } else {
            report.text(&facts, self.console.out_paint())
        };
        self.console.data(text.as_bytes())?;
        Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
