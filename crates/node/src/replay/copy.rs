//! Copies the inputs on a tape to another tape, with the times at which they were received and
//! the sums over what came out of them: what the one proves, the other proves.
//!
//! `run --replay PATH --tape DIR` does it on a thread of its own.
//!
//! Invariant: a tape is never copied into itself. Start at [`copy`].

use crate::error::Error;
use crate::options::TapeSettings;
use crate::recorder::{TapeReport, options};
use market_data_model::{Command, FeedId, Input};
use market_data_tape::reader::{Item, Range, ReadError, Tape};
use market_data_tape::record::kind;
use market_data_tape::{Entry, FeedStart, TapeWriter};
use std::collections::BTreeSet;
use std::path::Path;

/// Opens the directory that is copied to.
///
/// # Errors
/// When it is the one that is played, somebody records in it, or it cannot be used.
pub(crate) fn open(settings: &TapeSettings, played: &Path) -> Result<TapeWriter, Error> {
    let folder = if played.is_dir() { played } else { played.parent().unwrap_or(played) };
    let same = match (settings.dir.canonicalize(), folder.canonicalize()) {
        (Ok(to), Ok(from)) => to == from,
        // What is not there yet is another one.
        _ => false,
    };
    if same {
        return Err(Error::ReplayIntoItself { dir: settings.dir.clone() });
    }
    let options = options(settings, format!("copied from {:?}\n", played.display()));
    TapeWriter::open(&settings.dir, options, crate::clock::wall_now()).map_err(Error::Tape)
}

/// Copies until the end, or until `goes_on` says no.
pub(crate) fn copy(
    tape: &Tape,
    mut writer: TapeWriter,
    settings: &TapeSettings,
    goes_on: impl Fn() -> bool,
) -> TapeReport {
    let copied = copy_records(tape, &mut writer, &goes_on);
    let mut report = TapeReport { dir: settings.dir.clone(), ..TapeReport::default() };
    let stats = writer.stats();
    (report.failures, report.lost_records) = (stats.failures, stats.lost_records);
    let closed = writer.close(crate::clock::wall_now());
    let stats = match &closed {
        Ok(stats) => *stats,
        Err(_) => stats,
    };
    (report.records, report.bytes) = (stats.records, stats.bytes);
    report.stored_bytes = stats.stored_bytes;
    report.ended_badly = match (copied, closed) {
        (Err(error), _) => Some(error.to_string()),
        (_, Err(error)) => Some(error.to_string()),
        (Ok(()), Ok(_)) => None,
    };
    report
}

fn copy_records(
    tape: &Tape,
    writer: &mut TapeWriter,
    goes_on: &impl Fn() -> bool,
) -> Result<(), ReadError> {
    let mut running = BTreeSet::<FeedId>::new();
    let mut stopped = BTreeSet::<FeedId>::new();
    let mut records = tape.records(Range::ALL);
    while let Some(item) = records.read()? {
        if !goes_on() {
            return Ok(());
        }
        let Item::Record(record) = item else { continue };
        let Ok(entry) = record.entry() else { continue };
        match &entry {
            // The writer repeats starts itself, where its own segments begin.
            Entry::FeedStart(FeedStart { again: true, .. }) if running.contains(&record.feed) => {
                continue;
            }
            Entry::FeedStart(_) => {
                std::mem::take(&mut stopped).into_iter().for_each(|feed| writer.end_feed(feed));
                running.insert(record.feed);
            }
            Entry::Input(Input::Command(Command::Stop)) => {
                stopped.insert(record.feed);
                running.remove(&record.feed);
            }
            // States stand at the heads of segments, which are others here.
            Entry::Input(_)
            | Entry::Outputs(_)
            | Entry::Lost(_)
            | Entry::Note(_)
            | Entry::Anchor(_) => {}
            _ if record.kind != kind::NOTE => continue,
            _ => {}
        }
        // What a disk refuses is counted by the writer, and told on its tape.
        let _ = writer.put(record.feed, record.ts, &entry);
        if writer.due().is_some_and(|due| due <= record.ts) {
            writer.tick(record.ts);
        }
    }
    Ok(())
}
