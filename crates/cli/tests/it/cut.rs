//! A recorder that died in the middle of a write, a thousand times over.
//!
//! The last segment of a tape recorded by the command is cut at random offsets. Most cuts go
//! through the library; every fortieth is restarted and verified by the command itself.

use crate::damage::{Rng, everything, segments};
use crate::run::{run, shown};
use market_data_model::{FeedId, Input, Nanos};
use market_data_tape::format::FOOTER;
use market_data_tape::reader::{ReadError, SegmentInfo, Tape};
use market_data_tape::record::kind;
use market_data_tape::{ALL_FEEDS, DamageKind, Entry, Finding, Lost, verify};
use market_data_tape::{Put, TapeOptions, TapeWriter};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const CUTS: u64 = 1000;
/// Every so many cuts the command is run.
const COMMAND_EVERY: u64 = 40;

/// What is whole before a cut: where it ends, how many records of the tape, the last time.
#[derive(Clone, Copy, Debug, Default)]
struct Whole {
    end: u64,
    records: usize,
    last_ts: Option<Nanos>,
}

/// Ends of the header and of each block of the last segment, in order.
fn ends(dir: &Path, before: usize) -> Vec<Whole> {
    let tape = Tape::open(dir).expect("a tape");
    let last = tape.segments().last().expect("a segment");
    let header = last.header.as_ref().expect("a header").encode().len() as u64;
    let mut whole = Whole { end: header, records: before, last_ts: None };
    let mut all = vec![Whole { records: before, ..Whole::default() }, whole];
    let index = last.index().expect("it reads").expect("it is closed");
    let end = last.footer.expect("it is closed").index_offset;
    for (number, row) in index.blocks.iter().enumerate() {
        whole.end = index.blocks.get(number + 1).map_or(end, |next| next.offset);
        whole.records += row.records as usize;
        whole.last_ts = whole.last_ts.max(Some(row.max_ts));
        all.push(whole);
    }
    all
}

fn findings(tape: &Tape) -> Vec<Finding> {
    let mut found = Vec::new();
    verify(tape, |finding| found.push(finding)).expect("it reads");
    found
}

/// One cut of the last segment.
struct Cut<'a> {
    dir: &'a Path,
    at: u64,
    whole: Whole,
    /// Where the index ends and the footer begins.
    index_end: u64,
    /// Nothing was cut off.
    closed: bool,
    /// When the last record came before the segment that is cut.
    before_ts: Option<Nanos>,
    what: String,
}

/// Copies a tape up to its last segment of three blocks or more: how many fall into the very last
/// one is chance.
fn long_tailed(tape: &Path) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tape = Tape::open(tape).expect("a tape");
    let blocks = |segment: &SegmentInfo| {
        segment.index().expect("it reads").map_or(0, |index| index.blocks.len())
    };
    let last = tape.segments().iter().rposition(|segment| blocks(segment) >= 3);
    for segment in &tape.segments()[..=last.expect("a segment of three blocks")] {
        let name = segment.path.file_name().expect("a name");
        fs::copy(&segment.path, folder.path().join(name)).expect("copied");
    }
    folder
}

/// Cuts the last segment of a copy of `tape` and looks at what remains, before and after the
/// next recorder.
pub fn thousand(tape: &Path, rng: &mut Rng) {
    let tape = long_tailed(tape);
    let original = tape.path();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    let paths = segments(original);
    let (last, others) = paths.split_last().expect("segments");
    for path in others {
        fs::copy(path, dir.join(path.file_name().expect("a name"))).expect("copied");
    }
    let all = everything(original);
    let before = if others.is_empty() { 0 } else { everything(dir).len() };
    let ends = ends(original, before);
    let bytes = fs::read(last).expect("the last segment");
    let whole = Tape::open(original).expect("a tape");
    let before_ts = whole.segments().iter().rev().nth(1);
    let before_ts = before_ts.map(|segment| segment.footer.expect("it is closed").max_ts);
    let path = dir.join(last.file_name().expect("a name"));
    for round in 0..CUTS {
        let at = rng.below(bytes.len() as u64 + 1);
        fs::write(&path, &bytes[..at as usize]).expect("written");
        let cut = Cut {
            dir,
            at,
            whole: ends.iter().rfind(|whole| whole.end <= at).copied().unwrap_or_default(),
            index_end: (bytes.len() - FOOTER) as u64,
            closed: at == bytes.len() as u64,
            before_ts,
            what: format!("round {round}, cut at {at}"),
        };
        let kept = &all[..cut.whole.records];
        assert_eq!(everything(dir), kept, "{}: all before is read", cut.what);
        cut.before_the_next();
        if round % COMMAND_EVERY == 0 {
            cut.by_the_command();
        } else {
            cut.next_recorder();
        }
        assert_eq!(everything(dir)[..kept.len()], *kept, "{}: nothing is lost", cut.what);
        for path in segments(dir).iter().skip(others.len()) {
            fs::remove_file(path).expect("removed");
        }
    }
}

impl Cut<'_> {
    /// Where the reader finds the first byte that is no whole frame; `None` if there is none.
    fn torn(&self) -> Option<u64> {
        let ends = [self.whole.end, self.index_end];
        let start = ends.into_iter().filter(|end| *end <= self.at).max().expect("an end");
        (start != self.at && !self.closed).then_some(start)
    }

    /// What is cut off the end.
    fn lost_bytes(&self) -> u64 {
        self.at - self.whole.end
    }

    fn before_the_next(&self) {
        let what = &self.what;
        let found = findings(&Tape::open(self.dir).expect("a tape"));
        let Some(start) = self.torn() else {
            assert_eq!(found, [], "{what}");
            return;
        };
        let [Finding::Damage(damage)] = &found[..] else { panic!("{what}: {found:?}") };
        assert_eq!((damage.offset, damage.bytes), (start, self.at - start), "{what}");
        let known = [DamageKind::Torn, DamageKind::Header, DamageKind::Index, DamageKind::Footer];
        assert!(known.contains(&damage.kind), "{what}: {damage}");
    }

    fn next_recorder(&self) {
        let (dir, what) = (self.dir, &self.what);
        let now = Nanos(u64::MAX / 4);
        let mut writer = TapeWriter::open(dir, TapeOptions::default(), now).expect("opens");
        let report = writer.recovered().cloned();
        assert_eq!(report.is_none(), self.closed, "{what}");
        if let Some(report) = report {
            assert_eq!(report.cut_bytes, self.lost_bytes(), "{what}");
            assert_eq!(report.last_ts, self.whole.last_ts, "{what}");
        }
        let put = writer.put(FeedId(9), now, &Entry::Input(Input::Tick));
        assert_eq!(put, Put::Kept);
        writer.close(now).expect("closes");
        let losses = losses(&Tape::open(dir).expect("a tape"));
        assert_eq!(losses.len(), usize::from(!self.closed), "{what}: {losses:?}");
        for lost in losses {
            assert_eq!((lost.records, lost.bytes), (None, self.lost_bytes()), "{what}");
            let from = self.whole.last_ts.or(self.before_ts).unwrap_or(now);
            assert_eq!((lost.from, lost.to), (from, now), "{what}");
        }
        let last = everything(dir).pop().expect("a record");
        assert_eq!((last.1, last.3), (9, kind::TICK), "{what}: it goes on");
    }

    fn by_the_command(&self) {
        let (tape, what) = (shown(self.dir), &self.what);
        let gaps = i32::from(!self.closed);
        let verified = run(&["verify", &tape, "--json"]);
        let report: Value = serde_json::from_str(&verified.stdout).expect("the report is JSON");
        assert_eq!((verified.code, &report["killed"]), (Some(gaps), &(!self.closed).into()));
        let findings = report["findings"].as_array().expect("findings");
        assert_eq!(findings.len(), usize::from(self.torn().is_some()), "{what}: {report}");
        let args = ["run", "--sim", "--for", "300ms", "--tape", &tape, "--log-level", "error"];
        let ran = run(&args);
        assert_eq!(ran.code, Some(0), "{what}: {}", ran.stderr);
        let verified = run(&["verify", &tape]);
        assert_eq!(verified.code, Some(gaps), "{what}: {}", verified.stdout);
        assert!(!verified.stdout.contains("damaged"), "{what}: {}", verified.stdout);
        let told = verified.stdout.lines().filter(|line| line.starts_with("lost by us: "));
        let told: Vec<&str> = told.collect();
        assert_eq!(told.len(), usize::from(!self.closed), "{what}: {}", verified.stdout);
        if let (Some(line), Some(last)) = (told.first(), self.whole.last_ts) {
            let all = "lost by us: an unknown number of records of all feeds between";
            assert!(line.starts_with(&format!("{all} {last} ")), "{what}: {line}");
        }
    }
}

/// What the tape says about a recorder that died: from the last record kept on.
fn losses(tape: &Tape) -> Vec<Lost> {
    let told = |finding: Finding| match finding {
        Finding::Lost { feed: ALL_FEEDS, lost, .. } => lost,
        other => panic!("{other:?}"),
    };
    findings(tape).into_iter().map(told).collect()
}

/// A tape that is not there any more is an error, not an empty one.
#[test]
fn a_tape_without_a_segment_is_no_tape() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(matches!(Tape::open(folder.path()), Err(ReadError::Empty { .. })));
}
