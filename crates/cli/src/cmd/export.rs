//! `market-data export`: a tape as files of other tools.
//!
//! Plays the tape with feeds that say every change of every book, whatever was recorded, and hands
//! the events to the crate `export`, which writes the files.
//! Here is what needs to know OKX: which channel is the better one where several say the same.
//!
//! Invariants: the tape is only read; an interrupt leaves nothing behind; what is missing on the
//! tape is in `gaps.csv`.

use crate::cmd::replay::{ended, open, threads};
use crate::failure::Failure;
use crate::instant;
use crate::out::console::Console;
use crate::out::number::{counted, size};
use crate::out::progress::Progress;
use crate::signals::{Interrupt, Interrupted};
use clap::{Args, ValueEnum};
use market_data::replay::{BookOutput, Met, Place, PlayOptions, Played, ReplayOptions, play};
use market_data_export::{Amount, DataType, Export, ExportError, Format, Kind, Loss, Offer};
use market_data_export::{Options, Report, Types};
use market_data_model::{Nanos, Subscription};
use market_data_okx::catalogue;
use market_data_okx::channel::{self, Form};
use market_data_tape::reader::Range;
use market_data_tape::record::ALL_FEEDS;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  market-data export tape --format tardis-csv --out csv
  market-data export tape --format hftbacktest --out npz --inst 'BTC-*-SWAP'
  market-data export tape --format csv --out tables --channels trades --no-gzip
  market-data export tape --format ndjson --out records --from 2026-11-23T14:00:00Z";

const LONG_ABOUT: &str = "\
Write a tape as files of other tools

PATH is a directory that `run` recorded to, or one of its tape-*.mdt files. Formats: tardis-csv is \
what tardis.dev sells (trades, incremental_book_L2, quotes, book_snapshot_5 and _25, book_ticker, \
derivative_ticker); hftbacktest is one npz array a day and instrument; csv has a column for every \
field of our records; ndjson is the records. Columns and units: docs/exports.md. Quantities of \
derivatives are contracts, as OKX counts, unless --amount says otherwise. Beside the data lie \
gaps.csv (what is missing), instruments.csv (tick sizes and units) and files.csv. Files get their \
names when all of them are whole.";

/// Flags of `export`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct ExportArgs {
    /// The tape: a directory, or one segment file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// For which tool
    #[arg(long, value_name = "FORMAT")]
    format: FormatName,
    /// The directory to fill; it must be empty or not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Nothing received before this time
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    from: Option<Nanos>,
    /// Nothing received at or after this time
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    to: Option<Nanos>,
    /// Only these instruments: ids, or patterns such as 'BTC-*'
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    inst: Vec<String>,
    /// Only these channels
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    channels: Vec<String>,
    /// Only these kinds of file (tardis-csv)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = data_type)]
    types: Vec<DataType>,
    /// What quantities of derivatives count (tardis-csv and hftbacktest)
    #[arg(long, value_name = "UNIT", default_value = "contracts")]
    amount: AmountName,
    /// Do not compress (csv and ndjson)
    #[arg(long)]
    no_gzip: bool,
    /// Write into a directory that is not empty, over files of the same name
    #[arg(long)]
    force: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum FormatName {
    /// CSV files like those of tardis.dev
    TardisCsv,
    /// npz arrays for hftbacktest
    Hftbacktest,
    /// CSV, a column a field of our records
    Csv,
    /// Our records, one JSON object a line
    Ndjson,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum AmountName {
    /// As OKX counts: contracts for derivatives
    Contracts,
    /// Base coin, of contracts that are worth a fixed amount of it
    Base,
}

fn data_type(name: &str) -> Result<DataType, String> {
    DataType::find(name).ok_or_else(|| {
        let known = DataType::ALL.map(DataType::as_str);
        format!("no such kind of file; there are {}", known.join(", "))
    })
}

impl ExportArgs {
    fn options(&self) -> Options {
        let format = match self.format {
            FormatName::TardisCsv => Format::TardisCsv,
            FormatName::Hftbacktest => Format::HftBacktest,
            FormatName::Csv => Format::Csv,
            FormatName::Ndjson => Format::Ndjson,
        };
        let amount = match self.amount {
            AmountName::Contracts => Amount::AsSent,
            AmountName::Base => Amount::Base,
        };
        let types = if self.types.is_empty() { Types::ALL } else { Types::of(&self.types) };
        Options {
            gzip: !self.no_gzip,
            from: self.from,
            to: self.to,
            force: self.force,
            amount,
            types,
            ..Options::new(format)
        }
    }

    fn check(&self) -> Result<(), Failure> {
        let wrong = |what: &str, hint: &str| Err(Failure::new(what, hint));
        let tool = matches!(self.format, FormatName::TardisCsv | FormatName::Hftbacktest);
        if !self.types.is_empty() && self.format != FormatName::TardisCsv {
            return wrong("--types is for tardis-csv only", "leave it out, or use --channels");
        }
        if self.amount == AmountName::Base && !tool {
            return wrong(
                "--amount base is for tardis-csv and hftbacktest only",
                "csv and ndjson say in the field `unit` what quantities count; leave it out",
            );
        }
        if self.no_gzip && tool {
            return wrong(
                "--no-gzip is for csv and ndjson only",
                "files of tardis.dev are always .csv.gz, npz is compressed in itself",
            );
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) if from >= to => wrong(
                &format!("--from {from} is not before --to {to}"),
                "give a stretch of time that is not empty",
            ),
            _ => Ok(()),
        }
    }
}

/// Writes the files.
///
/// # Errors
/// When the tape cannot be read, the files cannot be written, or somebody interrupts.
pub fn run(args: &ExportArgs, console: &Console) -> anyhow::Result<ExitCode> {
    args.check()?;
    let tape = open(&args.path)?;
    let (inst, channels) = (args.inst.clone(), args.channels.clone());
    let wanted = Box::new(move |channel: &str, inst_id: &str| {
        let any = |list: &[String], fits: &dyn Fn(&str) -> bool| {
            list.is_empty() || list.iter().any(|one| fits(one))
        };
        (inst_id.is_empty() || any(&inst, &|one| catalogue::instrument_fits(one, inst_id)))
            && (channel.is_empty() || any(&channels, &|one| catalogue::channel_fits(one, channel)))
    });
    let interrupt = Interrupt::listen();
    let mut export = Export::create(&args.out, args.options(), wanted).map_err(failed)?;
    export.set_stop(interrupt.flag());
    let mut progress = Progress::new(console, tape.bytes()).doing("exporting");
    let range = Range { from: None, to: args.to };
    let books = BookOutput { deltas: true, view_depth: 0 };
    let replay = ReplayOptions { books: Some(books), ..ReplayOptions::default() };
    let mut last = Nanos(0);
    let end = play(&tape, &PlayOptions { range, replay, threads: threads() }, |played| {
        interrupt.check()?;
        if let Played::Met(place, _) = &played {
            last = place.ts;
        }
        take(&mut export, &played, last)?;
        if let Played::Progress(at) = &played {
            progress.at(at.bytes, at.records);
        }
        anyhow::Ok(ControlFlow::Continue(()))
    });
    end.map_err(ended)?;
    progress.done();
    console.status("finishing the files");
    let report = export.finish().map_err(failed)?;
    console.status("");
    say(args, &report, console)?;
    Ok(ExitCode::SUCCESS)
}

fn take(export: &mut Export, played: &Played<'_>, last: Nanos) -> anyhow::Result<()> {
    let loss = |event, at| Loss {
        event,
        venue: "okx",
        feed: None,
        at,
        from: None,
        to: None,
        lost: None,
        detail: "",
    };
    match played {
        Played::Met(Place { ts, .. }, Met::Started(life, since)) => {
            life.subscriptions.iter().filter_map(offer).for_each(|offer| export.offer(&offer));
            if let Some(since) = since {
                let loss = Loss {
                    from: Some(*since),
                    to: Some(*ts),
                    detail: "nothing was recorded: every feed had stopped",
                    ..loss("paused", *ts)
                };
                export.lost(&loss).map_err(failed)?;
            }
        }
        Played::Met(_, Met::Step(step)) => {
            for event in step.events.iter() {
                export.event(&event).map_err(failed)?;
            }
        }
        Played::Met(Place { ts, .. }, Met::Lost(feed, lost, _)) => {
            let loss = Loss {
                feed: Some(*feed).filter(|feed| *feed != ALL_FEEDS),
                from: Some(lost.from),
                to: Some(lost.to),
                lost: lost.records,
                detail: &lost.why,
                ..loss("lost", *ts)
            };
            export.lost(&loss).map_err(failed)?;
        }
        Played::Damage(damage) => {
            let detail = damage.to_string();
            let lost = damage.records_lost;
            let loss = Loss { from: Some(last), lost, detail: &detail, ..loss("damaged", last) };
            export.lost(&loss).map_err(failed)?;
        }
        Played::Unreadable(place, error) => {
            let detail = format!("record {}: {error}", place.ordinal);
            let from = Some(place.ts);
            let loss = Loss { from, lost: Some(1), detail: &detail, ..loss("damaged", place.ts) };
            export.lost(&loss).map_err(failed)?;
        }
        Played::Met(..) | Played::Progress(_) => {}
    }
    Ok(())
}

/// What a subscription can be exported as, and how good it is at it: the deeper book, then the
/// faster one; without what only retail traders can reach. Merged trades come with OKX's sequence
/// number and can be set against the book; single fills have neither.
fn offer(subscription: &Subscription) -> Option<Offer<'_>> {
    let spec = channel::find(&subscription.channel)?;
    let (kind, rank) = match spec.form {
        Form::Book(form) => {
            let (full, fast) = (u32::from(form.incremental), u32::from(spec.login));
            let rank = 4 * u32::from(form.depth) + 2 * full + fast;
            (Kind::Book, if form.rpi { 1 } else { 1 + rank })
        }
        Form::Trade => (Kind::Trades, 1 + u32::from(spec.path == channel::Path::Public)),
        Form::Ticker => (Kind::Ticker, 1),
        Form::Bar(..) | Form::Figures(_) | Form::Instruments => return None,
    };
    Some(Offer { channel: &subscription.channel, inst_id: &subscription.key, kind, rank })
}

fn failed(error: ExportError) -> anyhow::Error {
    let hint = match &error {
        ExportError::Interrupted { .. } => return Interrupted.into(),
        ExportError::NotEmpty { found, .. } if found == ".partial" => {
            "another export is filling it, or one was killed; if none is, --force takes that away"
        }
        ExportError::NotEmpty { .. } => "name another directory, or overwrite with --force",
        _ => "is there room on the disk, and may this user write there?",
    };
    Failure::new(error.to_string(), hint).into()
}

fn say(args: &ExportArgs, report: &Report, console: &Console) -> anyhow::Result<()> {
    const ASIDE: [&str; 3] = ["gaps.csv", "instruments.csv", "files.csv"];
    let data = report.files.iter().filter(|file| !ASIDE.contains(&file.name.as_str()));
    let (mut files, mut rows, mut bytes) = (0, 0, 0);
    for file in data {
        (files, rows, bytes) = (files + 1, rows + file.rows, bytes + file.bytes);
    }
    let gaps = match report.gaps {
        0 => "nothing is missing".to_owned(),
        n => format!("what is missing is in gaps.csv ({})", counted(n, "row", "rows")),
    };
    let text = format!(
        "{}, {}, {} in {}; {gaps}\n",
        counted(files, "file", "files"),
        counted(rows, "row", "rows"),
        size(bytes),
        args.out.display(),
    );
    console.data(text.as_bytes())?;
    let mut spare: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (channel, _, events) in &report.spare {
        let sum = spare.entry(channel).or_default();
        *sum = (sum.0 + 1, sum.1 + events);
    }
    for (channel, (instruments, events)) in spare {
        console.words(&format!(
            "note: {channel} is left out ({}, {}): the format has no place for it\n",
            counted(instruments, "instrument", "instruments"),
            counted(events, "event", "events"),
        ));
    }
    Ok(())
}
