//! Copies a tape to another one: what the feeds were given and when, their states, and the sums
//! over what came out: what the one proves, the other proves. What is damaged cannot be copied; the
//! copy says that it is lost.
//!
//! `run --replay PATH --tape DIR` does it on a thread of its own.
//!
//! Invariant: a tape is never copied into itself. Start at [`copy`].

use crate::error::Error;
use crate::options::TapeSettings;
use crate::recorder::{TapeReport, options};
use market_data_model::{Command, FeedId, Input, Nanos};
use market_data_tape::reader::{Item, Range, ReadError, Tape};
use market_data_tape::{ALL_FEEDS, Damage, Entry, FeedStart, Lost, Record, TapeWriter};
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
    let mut copying = Copying::new(writer);
    let mut records = tape.records(Range::ALL);
    let ended = loop {
        match records.read() {
            _ if !goes_on() => break Ok(()),
            Ok(Some(Item::Damage(damage))) => copying.damaged(&damage),
            Ok(Some(Item::Record(record))) => copying.take(&record),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    copying.tell_damage(copying.last);
    ended
}

/// A copy being made.
struct Copying<'a> {
    writer: &'a mut TapeWriter,
    running: BTreeSet<FeedId>,
    stopped: BTreeSet<FeedId>,
    /// Time of the last record, if there was one.
    last: Option<Nanos>,
    /// What the next record ends.
    damage: Vec<Lost>,
}

impl Copying<'_> {
    fn new(writer: &mut TapeWriter) -> Copying<'_> {
        let (running, stopped) = (BTreeSet::new(), BTreeSet::new());
        Copying { writer, running, stopped, last: None, damage: Vec::new() }
    }

    /// What the damage took is lost to the copy, which says so.
    fn damaged(&mut self, damage: &Damage) {
        if damage.records_lost == Some(0) {
            return;
        }
        let at = self.last.unwrap_or_default();
        self.damage.push(Lost {
            from: at,
            to: at,
            records: damage.records_lost,
            unsure: 0,
            bytes: damage.bytes,
            why: format!("the tape that was copied is damaged: {damage}"),
        });
    }

    /// Tells what damage took before a record of that time.
    fn tell_damage(&mut self, next: Option<Nanos>) {
        for mut lost in std::mem::take(&mut self.damage) {
            lost.to = next.unwrap_or_default();
            if self.last.is_none() {
                lost.from = lost.to;
            }
            self.put(ALL_FEEDS, lost.to, &Entry::Lost(lost));
        }
    }

    fn take(&mut self, record: &Record<'_>) {
        self.tell_damage(Some(record.ts));
        self.last = Some(record.ts);
        let entry = match record.entry() {
            Ok(entry) => entry,
            Err(error) => Entry::Lost(Lost {
                from: record.ts,
                to: record.ts,
                records: Some(1),
                unsure: 0,
                bytes: record.payload.len() as u64,
                why: format!("a record of the tape that was copied cannot be read: {error}"),
            }),
        };
        match &entry {
            // The writer repeats starts itself, where its own segments begin.
            Entry::FeedStart(FeedStart { again: true, .. })
                if self.running.contains(&record.feed) =>
            {
                return;
            }
            Entry::FeedStart(_) => {
                let stopped = std::mem::take(&mut self.stopped);
                stopped.into_iter().for_each(|feed| self.writer.end_feed(feed));
                self.running.insert(record.feed);
            }
            Entry::Input(Input::Command(Command::Stop)) => {
                self.stopped.insert(record.feed);
                self.running.remove(&record.feed);
            }
            _ => {}
        }
        self.put(record.feed, record.ts, &entry);
    }

    fn put(&mut self, feed: FeedId, ts: Nanos, entry: &Entry<'_>) {
        // What a disk refuses is counted by the writer, and told on its tape.
        let _ = self.writer.put(feed, ts, entry);
        if self.writer.due().is_some_and(|due| due <= ts) {
            self.writer.tick(ts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market_data_tape::record::kind;
    use market_data_tape::{Compression, FeedState, TapeOptions};

    const FEED: FeedId = FeedId(3);

    /// Feed, time, kind and payload.
    type Said = (FeedId, Nanos, u8, Vec<u8>);

    /// Everything on a tape but losses; these; and what is damaged.
    fn read(dir: &Path) -> (Vec<Said>, Vec<(FeedId, Lost)>, Vec<Damage>) {
        let tape = Tape::open(dir).unwrap();
        let mut records = tape.records(Range::ALL);
        let (mut all, mut lost, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(item) = records.read().unwrap() {
            match item {
                Item::Damage(damage) => damaged.push(damage),
                Item::Record(record) => match record.entry() {
                    Ok(Entry::Lost(loss)) => lost.push((record.feed, loss)),
                    _ => all.push((record.feed, record.ts, record.kind, record.payload.to_vec())),
                },
            }
        }
        (all, lost, damaged)
    }

    #[test]
    fn states_are_copied_and_what_is_damaged_is_lost_in_the_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let start = Nanos(1_796_000_000_000_000_000);
        let options = TapeOptions {
            block_bytes: 200,
            compression: Compression::None,
            ..TapeOptions::default()
        };
        let mut writer = TapeWriter::open(&from, options, start).unwrap();
        let mut at = start;
        let mut put = |entry: &Entry<'_>| {
            at = at + 1_000;
            let _ = writer.put(FEED, at, entry);
        };
        put(&Entry::FeedStart(FeedStart { venue: "okx", config: b"c", again: false }));
        for n in 0..100 {
            put(&Entry::Input(Input::Frame(format!("{{\"n\":{n}}}").as_bytes())));
            match n {
                20 => put(&Entry::State(FeedState { venue: "okx", config: b"c", state: b"s" })),
                30 => put(&Entry::Other { kind: kind::OUTPUTS, payload: &[255] }),
                _ => {}
            }
        }
        writer.close(at).unwrap();
        let segment = std::fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path());
        let is_segment = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "mdt");
        let segment = segment.filter(is_segment).max().unwrap();
        let mut bytes = std::fs::read(&segment).unwrap();
        let place = bytes.windows(8).position(|text| text == b"{\"n\":70}").unwrap();
        bytes[place + 5] = b'8';
        std::fs::write(&segment, bytes).unwrap();

        let (mut before, _, damaged) = read(&from);
        let [Damage { records_lost: Some(gone @ 2..), .. }] = damaged[..] else {
            panic!("{damaged:?}")
        };
        let played = Tape::open(&from).unwrap();
        let settings = TapeSettings::new(&to);
        let report = copy(&played, open(&settings, &from).unwrap(), &settings, || true);
        assert_eq!((report.ended_badly, report.lost_records), (None, 0));
        let (after, lost, damaged) = read(&to);
        assert_eq!(damaged, []);
        before.retain(|(_, _, of, _)| *of != kind::OUTPUTS);
        assert_eq!(after, before);
        assert!(after.iter().any(|(_, _, of, _)| *of == kind::STATE));
        let [(FEED, one), (ALL_FEEDS, many)] = &lost[..] else { panic!("{lost:?}") };
        assert_eq!((one.records, one.from), (Some(1), one.to));
        assert_eq!(many.records, Some(gone));
        // From the last record before it to the first one behind it.
        let times: Vec<_> = after.iter().map(|(_, ts, ..)| *ts).collect();
        let behind = times.binary_search(&many.to).unwrap();
        assert_eq!(many.from, times[behind - 1]);
        assert!(many.why.contains("damaged: "), "{}", many.why);
    }
}
