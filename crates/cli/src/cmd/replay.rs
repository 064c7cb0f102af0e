//! `market-data replay`: a tape through the same state machines as live, record by record.
//!
//! The node's `replay::play` reads the tape and makes the feeds; this file keeps the pace, chooses
//! what is printed, and says what `--check` found. `replay/pace.rs` holds the clock back.
//!
//! Invariant: what comes out depends on the tape and the times asked for only.

use crate::failure::Failure;
use crate::instant;
use crate::out::console::Console;
use crate::out::human::Lines;
use crate::out::number::counted;
use crate::out::progress::Progress;
use crate::signals::{Interrupt, Interrupted};
use choice::Choice;
use clap::Args;
use market_data::replay::{FeedLife, Met, Pace, PlayError, PlayOptions, Played, Speed};
use market_data::replay::{ReplayOptions, play};
use market_data_model::{Events, Nanos, wire};
use market_data_tape::reader::{Range, ReadError, Tape};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

mod choice;
mod serve;

const EXAMPLES: &str = "\
Examples:
  market-data replay tape                          a readable line a record, as fast as it goes
  market-data replay tape --json > records.ndjson
  market-data replay tape --speed 1 --from 2026-11-23T14:00:00Z --inst '*-USDT-SWAP'
  market-data replay tape --serve 127.0.0.1:9870   in a browser: any moment of it, forward at any pace
  market-data replay tape --check                  does it come out as it did then?";

const LONG_ABOUT: &str = "\
Play a tape again, and check that it comes out the same

PATH is a directory that `run` recorded to, or one of its tape-*.mdt files. Each feed is made \
again as it was and given what it was given; what it says is printed as `watch` prints it. --from, \
--to, --inst and --channels choose what is printed. With --from the feeds begin in the last states \
that stand on the tape before that time; what comes out is the same as if they had run from their \
start. With --check nothing is printed but the verdict: exit code 0 if events, actions and states \
are the same byte for byte, 1 if they differ, 2 if it could not be found out.";

/// How much output is gathered before it is written, in bytes.
const OUT_BYTES: usize = 1 << 16;
/// How often a wait looks up.
const SLICE: Duration = Duration::from_millis(100);

/// Flags of `replay`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The tape: a directory, or one segment file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// 1 is as it came, 10 ten times as fast, max as fast as it goes
    #[arg(long, value_name = "N", default_value = "max")]
    speed: Speed,
    /// Nothing received before this time
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    from: Option<Nanos>,
    /// Nothing received at or after this time
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    to: Option<Nanos>,
    /// Print only these instruments: ids in any spelling, or patterns such as *-USDT-SWAP
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    inst: Vec<String>,
    /// Print only these channels, or patterns such as candle*
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    channels: Vec<String>,
    /// One JSON record a line; with --check the verdict as one JSON object
    #[arg(long)]
    json: bool,
    /// Compare events and actions with what the recording says, and print the verdict only
    #[arg(long, conflicts_with_all = ["inst", "channels", "speed"])]
    check: bool,
    /// Serve the recording on this address, such as 127.0.0.1:9870, until Ctrl-C: a page to go
    /// through it, a stream, REST
    #[arg(long, value_name = "ADDR")]
    #[arg(conflicts_with_all = ["inst", "channels", "speed", "from", "to", "json", "check"])]
    serve: Option<String>,
}

/// Plays the tape.
///
/// # Errors
/// When the tape cannot be read, or stdout cannot be written to.
pub fn run(args: &ReplayArgs, console: &Console) -> anyhow::Result<ExitCode> {
    if let Some(address) = &args.serve {
        return serve::run(&args.path, address, console);
    }
    let tape = open(&args.path)?;
    if args.check {
        return check(&tape, args, console);
    }
    within(&tape, args.from, args.to)?;
    let mut printer = Printer {
        choice: Choice::new(&args.inst, &args.channels),
        lines: (!args.json).then(|| Lines::new(console.out_paint())),
        out: BufWriter::with_capacity(OUT_BYTES, io::stdout().lock()),
        text: Vec::new(),
    };
    let mut pace = Pace::new(args.speed);
    let interrupt = Interrupt::listen();
    // Records and a status line on one terminal would tear each other.
    let mut progress = (!io::stdout().is_terminal()).then(|| Progress::new(console, tape.bytes()));
    let mut damages = 0u64;
    let range = Range { from: args.from, to: args.to };
    let options = PlayOptions { range, threads: threads(), ..PlayOptions::default() };
    let end = play(&tape, &options, |played| {
        interrupt.check()?;
        match played {
            Played::Met(_, Met::Started(..)) => pace.rebase(),
            Played::Met(place, Met::Step(step)) => {
                if !pace.left(place.ts).is_zero() {
                    printer.out.flush()?;
                    wait(&mut pace, place.ts, &interrupt)?;
                }
                printer.print(step.events)?;
            }
            Played::Met(..) => {}
            Played::Progress(behind) => {
                if let Some(progress) = &mut progress {
                    progress.at(behind.bytes, behind.records);
                }
            }
            Played::Damage(damage) => {
                damages += 1;
                console.words(&format!("note: {damage}\n"));
            }
            Played::Unreadable(place, error) => {
                console.words(&format!("note: record {}: {error}\n", place.ordinal));
            }
        }
        anyhow::Ok(ControlFlow::Continue(()))
    });
    drop(progress);
    // Whole lines, however far it came.
    printer.out.flush()?;
    end.map_err(ended)?;
    console.words(&printer.choice.note());
    if damages > 0 {
        let places = counted(damages, "place", "places");
        console.words(&format!("note: the tape is damaged in {places}; see `verify`\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for a record's turn, in slices, so that Ctrl-C is heard.
fn wait(pace: &mut Pace, at: Nanos, interrupt: &Interrupt) -> Result<(), Interrupted> {
    loop {
        let left = pace.left(at);
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLICE));
        interrupt.check()?;
    }
}

/// Refuses a stretch of time of which the tape holds nothing.
///
/// # Errors
/// [`Failure`] with the tape's own range.
pub fn within(tape: &Tape, from: Option<Nanos>, to: Option<Nanos>) -> Result<(), Failure> {
    if from.is_none() && to.is_none() {
        return Ok(());
    }
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let what = format!("--from {from} is not before --to {to}");
        return Err(Failure::new(what, "exchange the two"));
    }
    let Some((first, last)) = tape.times().map_err(failed)? else { return Ok(()) };
    let outside = match (from, to) {
        (Some(from), _) if from > last => format!("--from {from} is after the end of the tape"),
        (_, Some(to)) if to <= first => format!("--to {to} is before the beginning of the tape"),
        _ => return Ok(()),
    };
    Err(Failure::new(outside, format!("the tape goes from {first} to {last}")))
}

/// How many threads run feeds: one for each processor, up to eight.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8)
}

/// Opens a tape, with advice when that fails.
///
/// # Errors
/// [`Failure`].
pub fn open(path: &Path) -> Result<Tape, Failure> {
    Tape::open(path).map_err(failed)
}

/// A tape that cannot be read, with advice.
pub fn failed(error: ReadError) -> Failure {
    let hint = match &error {
        ReadError::TooNew { .. } => "a later version of this program wrote it; use that one",
        _ => "name the directory that `market-data run` recorded to (by default `tape`)",
    };
    Failure::new(error.to_string(), hint)
}

/// Why a tape was not played to its end, with advice.
pub fn ended(error: PlayError<anyhow::Error>) -> anyhow::Error {
    match error {
        PlayError::Read(error) => failed(error).into(),
        PlayError::Receiver(error) => error,
    }
}

struct Printer<W: Write> {
    choice: Choice,
    lines: Option<Lines>,
    out: BufWriter<W>,
    text: Vec<u8>,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, events: Events<'_>) -> io::Result<()> {
        self.text.clear();
        let choice = &mut self.choice;
        for event in events.iter().filter(|event| choice.takes(event)) {
            match &mut self.lines {
                Some(lines) => lines.write(&event, &mut self.text),
                None => {
                    wire::write_json(&event, &mut self.text);
                    self.text.push(b'\n');
                }
            }
        }
        self.out.write_all(&self.text)
    }
}

fn check(tape: &Tape, args: &ReplayArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let replay = ReplayOptions { check: true, ..ReplayOptions::default() };
    let mut damages = Vec::new();
    let interrupt = Interrupt::listen();
    let mut progress = Progress::new(console, tape.bytes()).doing("checking");
    let range = Range { from: args.from, to: args.to };
    let end = play(tape, &PlayOptions { range, replay, threads: threads() }, |played| {
        interrupt.check()?;
        match played {
            Played::Damage(damage) => damages.push(damage.to_string()),
            Played::Unreadable(place, error) => {
                damages.push(format!("record {}: {error}", place.ordinal));
            }
            Played::Progress(behind) => progress.at(behind.bytes, behind.records),
            Played::Met(..) => {}
        }
        anyhow::Ok(ControlFlow::Continue(()))
    });
    progress.done();
    let end = end.map_err(ended)?;
    let verdict = Verdict { lives: end.lives, damages };
    let text = if args.json { verdict.json()? } else { verdict.words() };
    console.data(text.as_bytes())?;
    Ok(verdict.code())
}

/// A feed's life for programs, as far as `verify` tells it too.
pub fn life_json(life: &FeedLife) -> serde_json::Value {
    serde_json::json!({
        "feed": life.feed.0,
        "url": life.url,
        "from": life.from.0,
        "to": life.to.0,
        "inputs": life.inputs,
        "frames": life.frames,
        "events": life.events,
        "checked": life.checked,
        "firstDifference": life.difference.as_ref().map(|x| [x.from.0, x.to.0]),
        "unverifiableFrom": life.unverifiable.as_ref().map(|(at, _)| at.0),
        "unverifiableWhy": life.unverifiable.as_ref().map(|(_, why)| why),
    })
}

/// What `--check` found.
struct Verdict {
    lives: Vec<FeedLife>,
    damages: Vec<String>,
}

impl Verdict {
    fn sum(&self, of: impl Fn(&FeedLife) -> u64) -> u64 {
        self.lives.iter().map(of).sum()
    }

    fn differ(&self) -> bool {
        !self.damages.is_empty() || self.lives.iter().any(FeedLife::differs)
    }

    fn code(&self) -> ExitCode {
        let nothing = self.sum(|life| life.checked) == 0;
        ExitCode::from(if self.differ() {
            1
        } else if nothing {
            2
        } else {
            0
        })
    }

    fn words(&self) -> String {
        let mut text = String::new();
        for damage in &self.damages {
            text.push_str(&format!("damaged: {damage}\n"));
        }
        for life in &self.lives {
            let feed = life.feed.0;
            if let Some(x) = &life.difference {
                text.push_str(&format!(
                    "feed {feed} from {}: different between {} and {}\n  then: {} events, {} \
                     actions, sums {:016x} {:016x}\n  now:  {} events, {} actions, sums {:016x} \
                     {:016x}\n",
                    life.from,
                    x.from,
                    x.to,
                    x.recorded.events,
                    x.recorded.actions,
                    x.recorded.events_digest,
                    x.recorded.actions_digest,
                    x.replayed.events,
                    x.replayed.actions,
                    x.replayed.events_digest,
                    x.replayed.actions_digest,
                ));
            }
            if let Some(at) = life.state_differs {
                text.push_str(&format!("feed {feed}: its state at {at} is another than then\n"));
            }
            if let Some((at, why)) = &life.unverifiable {
                let until = life.verifiable_again.map(|at| format!(" to {at}")).unwrap_or_default();
                text.push_str(&format!(
                    "feed {feed}: cannot be compared from {at}{until}: {why}\n"
                ));
            }
        }
        let inputs = self.sum(|life| life.inputs);
        let checked = self.sum(|life| life.checked);
        let verdict = match (self.differ(), checked) {
            (true, _) => "different",
            (false, 0) => "nothing to compare: the tape holds no sums",
            (false, _) => "identical",
        };
        text.push_str(&format!(
            "{verdict}: {} from {}, {} of {} inputs compared\n",
            counted(self.sum(|life| life.events), "event", "events"),
            counted(self.lives.len() as u64, "feed", "feeds"),
            crate::out::number::grouped(checked),
            crate::out::number::grouped(inputs),
        ));
        text
    }

    fn json(&self) -> serde_json::Result<String> {
        let feeds: Vec<_> = self
            .lives
            .iter()
            .map(|life| {
                let mut told = life_json(life);
                told["differing"] = life.differing.into();
                told["statesChecked"] = life.states_checked.into();
                told["stateDiffersAt"] = life.state_differs.map(|at| at.0).into();
                told["verifiableAgainFrom"] = life.verifiable_again.map(|at| at.0).into();
                told
            })
            .collect();
        let checked = self.sum(|life| life.checked);
        let report = serde_json::json!({
            "identical": !self.differ() && checked > 0,
            "inputs": self.sum(|life| life.inputs),
            "checked": checked,
            "events": self.sum(|life| life.events),
            "damages": self.damages,
            "feeds": feeds,
        });
        Ok(serde_json::to_string(&report)? + "\n")
    }
}
