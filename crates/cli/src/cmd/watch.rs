//! `market-data watch`: the records as they come, for a person or as NDJSON.
//!
//! Starts the service with one queue of its own, prints what comes out of it, and keeps the status
//! line below it.
//!
//! Invariants: a record is printed whole or not at all; when this side is too slow the loss is
//! printed as a gap; what `--count` counts is market data, the news of the link come on top.

use crate::failure::Failure;
use crate::out::console::Console;
use crate::out::human::Lines;
use crate::signals::Stop;
use crate::source::{Source, SourceArgs};
use crate::status::{REDRAW, Status};
use crate::{duration, source};
use clap::Args;
use market_data::{Delivery, EventReceiver, LeftOut, Overflow, channel_sink};
use market_data::{Service, TapeSettings, Want};
use market_data_model::{Batch, Body, wire};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

const EXAMPLES: &str = "\
Examples:
  market-data watch BTC-USDT
  market-data watch BTC-USDT ETH/USDT BTC-USDT-SWAP --channels trades,books --for 30s
  market-data watch '*-USDT-SWAP' --channels trades --json | jq -r .price
  market-data watch BTC-USDT --channels books --depth 5
  market-data watch BTC-USDT --channels books-l2-tbt   with OKX_API_KEY, …_SECRET, …_PASSPHRASE
  market-data watch BTC-USDT --sim --count 100 --json > records.ndjson
  market-data watch BTC-USDT --url ws://127.0.0.1:9443     against `market-data sim`";

const LONG_ABOUT: &str = "\
Print records as they come

One line a record: readable on a terminal, one JSON object with --json. Instruments are written as \
BTC-USDT, BTCUSDT, BTC/USDT, BTC-USDT-SWAP or as a pattern such as '*-USDT-SWAP'. Ends with \
Ctrl-C, after --for, or after --count records; the exit code is 1 when --for has passed and no \
record, or fewer than --count, came.";

/// Channels watched when none are named.
pub const CHANNELS: &str = "tickers,trades,books,candle1m";
/// Batches that wait for a slow terminal before some are dropped (and marked).
const QUEUE_BATCHES: usize = 4096;
/// Text gathered before it is written, in bytes.
const TEXT_BYTES: usize = 1 << 16;

/// Flags of `watch`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct WatchArgs {
    /// Instruments or patterns
    #[arg(required = true, value_name = "INSTRUMENT")]
    instruments: Vec<String>,
    /// Channels, in OKX's spelling; `all` is every public channel
    #[arg(long, value_name = "LIST", default_value = CHANNELS, value_delimiter = ',')]
    channels: Vec<String>,
    /// One JSON record a line
    #[arg(long)]
    json: bool,
    /// Stop after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    time: Option<Duration>,
    /// Stop after this many records of market data; news of the link are not counted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Levels a side of each book shown, 0 for none [default: 1, with --json 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=400))]
    depth: Option<u16>,
    /// Record everything received to this directory, for `replay` and `verify`
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Trades in the order of their ids: those behind a gap wait until it is filled
    #[arg(long)]
    in_order: bool,
    /// Every verified change of a book, too
    #[arg(long)]
    deltas: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// What the channel `all` does not ask for, in words; nothing otherwise.
pub fn left_out(list: &[LeftOut]) -> String {
    list.iter().map(|left| format!("left out: {}: {}\n", left.channel, left.why)).collect()
}

/// What becomes of records.
enum Output {
    Human(Lines),
    Json,
}

/// Watches until told to stop.
///
/// # Errors
/// When the instruments cannot be resolved or loaded, or stdout cannot be written to.
pub async fn run(args: &WatchArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen();
    let mut options = source::options();
    options.view_depth = args.depth.unwrap_or(if args.json { 10 } else { 1 });
    options.deltas = args.deltas;
    options.tape = args.record.as_ref().map(TapeSettings::new);
    options.wants = vec![Want::new(args.instruments.clone(), args.channels.clone())];
    let source = Source::open(&args.source, &mut options).await?;
    console.status("loading the instruments …");
    let prepared = tokio::select! {
        prepared = market_data::prepare(&options) => prepared.map_err(Failure::from)?,
        () = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    console.words(&left_out(&prepared.left_out));
    let mut lines = Lines::new(console.out_paint());
    lines.fit(&prepared.subscriptions);
    let (sink, receiver) = channel_sink("watch", QUEUE_BATCHES, Overflow::DropAndMark);
    let receiver = if args.in_order { receiver.in_order() } else { receiver };
    let service = Service::start(options, prepared, vec![sink]).map_err(Failure::from)?;
    let output = if args.json { Output::Json } else { Output::Human(lines) };
    let mut watch = Watch {
        console,
        output,
        left: args.count,
        shown: 0,
        text: Vec::with_capacity(2 * TEXT_BYTES),
        status: Status::new(),
    };
    let result = watch.watch(&service, receiver, (args.time, &mut stop)).await;
    console.status("");
    let report = service.stop().await;
    source.close().await;
    result?;
    if let Some(why) = report.tape.and_then(|tape| tape.ended_badly) {
        return Err(Failure::new(format!("cannot record: {why}"), "name another directory").into());
    }
    Ok(watch.verdict(args))
}

struct Watch<'a> {
    console: &'a Console,
    output: Output,
    left: Option<u64>,
    shown: u64,
    text: Vec<u8>,
    status: Status,
}

impl Watch<'_> {
    async fn watch(
        &mut self,
        service: &Service,
        mut receiver: EventReceiver,
        (time, stop): (Option<Duration>, &mut Stop),
    ) -> anyhow::Result<()> {
        let mut redraw = interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = time.map(|time| Instant::now() + time);
        loop {
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(()),
                () = async { sleep_until(end.unwrap_or_else(Instant::now)).await },
                    if end.is_some() => return Ok(()),
                _ = redraw.tick(), if self.console.has_status() => {
                    let line = self.status.line(&service.feeds(), self.console.err_paint());
                    self.console.status(&line);
                }
                delivery = receiver.recv() => {
                    let Some(delivery) = delivery else { return Ok(()) };
                    if self.take(delivery, &mut receiver)?.is_break() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Prints a delivery and what already waits behind it, in one write.
    fn take(
        &mut self,
        first: Delivery,
        receiver: &mut EventReceiver,
    ) -> anyhow::Result<ControlFlow<()>> {
        self.text.clear();
        let mut next = Some(first);
        let mut flow = ControlFlow::Continue(());
        while let Some(delivery) = next {
            flow = match delivery {
                Delivery::Batch(batch) => self.batch(&batch),
                Delivery::Lost(lost) => self.batch(&lost.to_batch()),
            };
            let enough = flow.is_break() || self.text.len() >= TEXT_BYTES;
            next = if enough { None } else { receiver.try_recv() };
        }
        if !self.text.is_empty() {
            self.console.data(&self.text)?;
        }
        Ok(flow)
    }

    fn batch(&mut self, batch: &Batch) -> ControlFlow<()> {
        self.status.take(batch);
        for event in batch.iter() {
            match &mut self.output {
                Output::Human(lines) => lines.write(&event, &mut self.text),
                Output::Json => {
                    wire::write_json(&event, &mut self.text);
                    self.text.push(b'\n');
                }
            }
            if !is_market_data(&event.body) {
                continue;
            }
            self.shown += 1;
            if let Some(left) = &mut self.left {
                *left -= 1;
                if *left == 0 {
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Yes, unless a time was given and it passed without what was asked for.
    fn verdict(&self, args: &WatchArgs) -> ExitCode {
        let too_few = self.left.is_some_and(|left| left > 0) || self.shown == 0;
        if let Some(time) = args.time.filter(|_| too_few) {
            let time = duration::Words(time);
            self.console.words(&match args.count {
                Some(count) => format!("only {} of {count} records in {time}\n", self.shown),
                None => format!("no records in {time}\n"),
            });
            return ExitCode::from(1);
        }
        ExitCode::SUCCESS
    }
}

fn is_market_data(body: &Body<'_>) -> bool {
    match body {
        Body::Ticker(_)
        | Body::Trade(_)
        | Body::Bar(_)
        | Body::Book(..)
        | Body::Figures(_)
        | Body::Instrument(_)
        | Body::Raw(_) => true,
        Body::Gap(_) | Body::Session(_) | Body::Subscription(_) | Body::Fault(_) => false,
    }
}
