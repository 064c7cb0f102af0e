//! `market-data decode`: captured frames through the same state machine as live ones.
//!
//! One passive feed a file, as one connection recorded it; no network, no clock. `decode/lines.rs`
//! reads the files, `decode/known.rs` lists of instruments, `decode/summary.rs` counts.
//!
//! Invariants: the output depends on the files only; nothing is kept of a frame once its records
//! are written.

use crate::failure::Failure;
use crate::out::console::Console;
use crate::out::human::Lines;
use crate::out::number::counted;
use crate::out::progress::Progress;
use crate::signals::{Interrupt, Interrupted};
use clap::Args;
use lines::{Format, LineReader};
use market_data_model::{Feed as _, FeedId, Input, Instrument, Nanos, Outbox, wire};
use market_data_okx::{OkxConfig, OkxFeed};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use summary::Summary;

mod known;
mod lines;
mod summary;

const EXAMPLES: &str = "\
Examples:
  market-data decode capture.tsv                   a readable line a record
  market-data decode capture.tsv --json > records.ndjson
  market-data decode captures/*.jsonl --summary    one JSON object with all counts
  market-data decode binary.tsv --sbe --instruments spot.json   frames of the binary socket
  zstd -dc capture.tsv.zst | market-data decode - --summary";

const LONG_ABOUT: &str = "\
Decode captured frames

Each file is one connection, replayed from its start: `.jsonl` has one frame a line, `.tsv` has \
the receive time in nanoseconds, a tab and the frame, and `-` is stdin, where each line may be \
either. Frames without a time count up from 1 ns.

With --sbe the files are of the binary socket: a binary frame is its bytes in hexadecimal, and so is a \
snapshot of a book that was fetched over REST (books-sbe); other frames are JSON text as ever. Binary frames \
name instruments by instIdCode: --instruments says which those are, others are called `#` and the code.";

/// How much output is gathered before it is written, in bytes.
const OUT_BYTES: usize = 1 << 16;

/// Flags of `decode`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct DecodeArgs {
    /// Files of captured frames; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// One JSON record a line
    #[arg(long, conflicts_with = "summary")]
    json: bool,
    /// The files are of the binary socket, with its frames in hexadecimal
    #[arg(long)]
    sbe: bool,
    /// An answer of REST `instruments`: names, units and codes; may be repeated
    #[arg(long, value_name = "FILE")]
    instruments: Vec<String>,
    /// One JSON object that counts frames, records, faults and what books went through
    #[arg(long)]
    summary: bool,
}

/// What becomes of records.
enum Output {
    Human(Lines),
    Json,
    Count,
}

/// Decodes the files in order.
///
/// # Errors
/// When a file cannot be read or is not one of received frames, or stdout cannot be written to.
pub fn run(args: &DecodeArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let files = received(&args.files, console)?;
    let output = match (args.json, args.summary) {
        (true, _) => Output::Json,
        (_, true) => Output::Count,
        _ => Output::Human(Lines::new(console.out_paint())),
    };
    let out = BufWriter::with_capacity(OUT_BYTES, io::stdout().lock());
    let instruments = known::read(&args.instruments)?;
    let (text, summary) = (Vec::new(), Summary::default());
    let mut decoder = Decoder { output, out, text, summary, sbe: args.sbe, instruments };
    let mut watch = Watch::new(&files, console, matches!(decoder.output, Output::Count));
    for (i, file) in files.iter().enumerate() {
        if let Err(error) = decoder.file(FeedId(i as u32 + 1), file, &mut watch) {
            // Whole lines, as far as it came.
            decoder.out.flush()?;
            return Err(error);
        }
    }
    if let Some(progress) = watch.progress {
        progress.done();
    }
    if matches!(decoder.output, Output::Count) {
        writeln!(decoder.out, "{}", decoder.summary.json()?)?;
    }
    decoder.out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// What files beside captures hold, by the end of their name.
const NEIGHBOURS: [(&str, &str); 2] = [
    (".sent.tsv", "it holds what the client sent, not received frames"),
    (".prov.jsonl", "it says where frames come from and holds none"),
];

/// The files that hold received frames. Neighbours that a pattern brings along are left out with a
/// word; alone they are refused.
fn received<'a>(files: &'a [String], console: &Console) -> Result<Vec<&'a str>, Failure> {
    let neighbour = |file: &&String| NEIGHBOURS.iter().find(|(end, _)| file.ends_with(end));
    let (left_out, kept): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| neighbour(file).is_some());
    if let (Some(file), true) = (left_out.first(), kept.is_empty()) {
        let why = neighbour(file).map_or("", |(_, why)| why);
        return Err(Failure::new(
            format!("cannot decode {file}: {why}"),
            "name the file next to it, without `.sent` or `.prov`",
        ));
    }
    if !left_out.is_empty() {
        let files = counted(left_out.len() as u64, "file", "files");
        let ends = NEIGHBOURS.map(|(end, _)| format!("*{end}")).join(", ");
        console.words(&format!("note: left out {files} without received frames ({ends})\n"));
    }
    if kept.iter().filter(|file| **file == "-").count() > 1 {
        return Err(Failure::new("cannot read stdin twice: -", "name `-` once"));
    }
    for file in kept.iter().filter(|file| **file != "-") {
        lines::check(Path::new(file))?;
    }
    Ok(kept.into_iter().map(String::as_str).collect())
}

/// The progress, and being asked to stop. Neither is for stdin, whose end nobody knows.
struct Watch<'c> {
    interrupt: Option<Interrupt>,
    progress: Option<Progress<'c>>,
    /// Bytes of the files that are behind.
    behind: u64,
    frames: u64,
}

impl<'c> Watch<'c> {
    fn new(files: &[&str], console: &'c Console, silent: bool) -> Watch<'c> {
        let stdin = files.contains(&"-");
        let sizes = files.iter().filter_map(|file| std::fs::metadata(file).ok());
        let total = sizes.map(|about| about.len()).sum();
        // Records and a status line on one terminal would tear each other.
        let shown = !stdin && (silent || !io::stdout().is_terminal());
        Watch {
            interrupt: (!stdin).then(Interrupt::listen),
            progress: shown.then(|| Progress::new(console, total).doing("decoding")),
            behind: 0,
            frames: 0,
        }
    }

    fn at(&mut self, bytes: u64) -> Result<(), Interrupted> {
        self.frames += 1;
        if let Some(progress) = &mut self.progress {
            progress.at(self.behind + bytes, self.frames);
        }
        self.interrupt.as_ref().map_or(Ok(()), Interrupt::check)
    }
}

struct Decoder<W: Write> {
    output: Output,
    out: W,
    text: Vec<u8>,
    summary: Summary,
    /// Whether frames may be binary, written in hexadecimal.
    sbe: bool,
    /// What is known of instruments from the start.
    instruments: Vec<Arc<Instrument>>,
}

impl<W: Write> Decoder<W> {
    fn file(&mut self, id: FeedId, file: &str, watch: &mut Watch<'_>) -> anyhow::Result<()> {
        let mut reader = LineReader::open(file, Format::of(file))?;
        let config = OkxConfig {
            passive: true,
            sbe: self.sbe,
            instruments: self.instruments.clone(),
            ..OkxConfig::new(id, &format!("file:{file}"))
        };
        let mut feed = OkxFeed::new(config);
        let mut outbox = Outbox::default();
        let mut now = Nanos(0);
        let mut begun = false;
        while let Some((at, frame)) = reader.next_line()? {
            // A feed's time never goes back, whatever a recorder's clock did.
            now = at.map_or(now + 1, |at| at.max(now));
            if !begun {
                begun = true;
                feed.handle(now, Input::Start, &mut outbox);
                feed.handle(now, Input::Opened, &mut outbox);
            }
            let binary = if self.sbe { lines::unhex(frame) } else { None };
            let frame = binary.as_deref().unwrap_or(frame);
            feed.handle(now, Input::Frame(frame), &mut outbox);
            self.summary.frames += 1;
            self.records(&outbox)?;
            outbox.clear();
            watch.at(reader.bytes())?;
        }
        watch.behind += reader.bytes();
        self.summary.add(feed.stats());
        Ok(())
    }

    fn records(&mut self, outbox: &Outbox) -> io::Result<()> {
        self.text.clear();
        for event in outbox.events.iter() {
            match &mut self.output {
                Output::Human(lines) => lines.write(&event, &mut self.text),
                Output::Json => {
                    wire::write_json(&event, &mut self.text);
                    self.text.push(b'\n');
                }
                Output::Count => self.summary.count(event.body.kind()),
            }
        }
        self.out.write_all(&self.text)
    }
}
