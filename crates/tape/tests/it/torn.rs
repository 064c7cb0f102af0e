//! A recorder that died: what stands before the last good block is read, the rest is reported,
//! and the next recorder goes on.

use crate::support::*;
use market_data_model::Nanos;
use market_data_tape::format::segment_name;
use market_data_tape::storage::LOCK_NAME;
use market_data_tape::{ALL_FEEDS, DamageKind, Range, Tape, TapeWriter};
use std::path::{Path, PathBuf};

/// A tape with one segment that was not closed, as a crash leaves it.
fn unclosed(dir: &Path, records: &[Made]) -> (PathBuf, Vec<u8>) {
    write(dir, small(), records);
    let path = segments(dir).remove(0);
    let bytes = std::fs::read(&path).unwrap();
    let tape = Tape::open(dir).unwrap();
    let end = tape.segments()[0].footer.unwrap().index_offset as usize;
    std::fs::write(&path, &bytes[..end]).unwrap();
    (path, bytes[..end].to_vec())
}

/// End of each block, and how many records lie before it.
fn block_ends(path: &Path, records: &[Made]) -> Vec<(usize, usize)> {
    let whole = tempfile::tempdir().unwrap();
    write(whole.path(), small(), records);
    let tape = Tape::open(whole.path()).unwrap();
    let info = &tape.segments()[0];
    let blocks = info.index().unwrap().unwrap().blocks;
    let end = info.footer.unwrap().index_offset;
    let mut ends = vec![(info.header.as_ref().unwrap().encode().len(), 0)];
    let nexts = blocks.iter().skip(1).map(|b| b.offset).chain([end]);
    let mut records = 0;
    for (block, next) in blocks.iter().zip(nexts) {
        records += block.records as usize;
        ends.push((next as usize, records));
    }
    assert!(path.exists());
    ends
}

#[test]
fn cut_at_any_offset_everything_before_the_last_good_block_is_read() {
    let seed = 20_261_123;
    println!("seed {seed}");
    let records = frames(400, seed);
    let lines: Vec<String> = records.iter().map(Made::line).collect();
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes) = unclosed(dir.path(), &records);
    let ends = block_ends(&path, &records);
    assert!(ends.len() > 30, "{} blocks are too few", ends.len());
    let mut rng = Rng(seed);
    for _ in 0..1000 {
        let cut = rng.below(bytes.len() as u64 + 1) as usize;
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let &(end, good) = ends.iter().rfind(|(end, _)| *end <= cut).unwrap_or(&(0, 0));
        let said = read(dir.path(), Range::ALL);
        assert_eq!(said.lines, lines[..good], "cut at {cut}");
        if end == cut {
            assert_eq!(said.damage, [], "cut at {cut}, between blocks");
        } else {
            let [damage] = &said.damage[..] else { panic!("cut at {cut}: {:?}", said.damage) };
            assert_eq!((damage.offset, damage.bytes), (end as u64, (cut - end) as u64));
            let kind = if end == 0 { DamageKind::Header } else { DamageKind::Torn };
            assert_eq!(damage.kind, kind, "cut at {cut}");
        }
    }
}

#[test]
fn after_a_cut_the_next_recorder_reports_it_and_goes_on() {
    let seed = 7;
    let records = frames(200, seed);
    let more = frames(50, seed + 1);
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes) = unclosed(dir.path(), &records);
    let ends = block_ends(&path, &records);
    let mut rng = Rng(seed);
    for round in 0..200 {
        let cut = if round == 0 { 0 } else { rng.below(bytes.len() as u64 + 1) as usize };
        for file in std::fs::read_dir(dir.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let &(end, good) = ends.iter().rfind(|(end, _)| *end <= cut).unwrap_or(&(0, 0));
        let mut tape = TapeWriter::open(dir.path(), small(), T0).unwrap();
        let report = tape.recovered().expect("reports").clone();
        assert_eq!(report.segment, path);
        assert_eq!(report.kept_records, good as u64, "cut at {cut}");
        assert_eq!(report.cut_bytes, (cut - end) as u64, "cut at {cut}");
        let last = records[..good].last().map(|r| r.ts);
        assert_eq!(report.last_ts, last, "cut at {cut}");
        put_all(&mut tape, &more);
        tape.close(T0).unwrap();

        let said = read(dir.path(), Range::ALL);
        assert_eq!(said.damage, [], "cut at {cut}");
        let all = records[..good].iter().chain(&more).map(Made::line).collect::<Vec<_>>();
        assert_eq!(frame_lines(&said), all.iter().collect::<Vec<_>>());
        let [(_, lost)] = &said.lost[..] else { panic!("cut at {cut}: {:?}", said.lost) };
        assert_eq!((lost.records, lost.bytes), (None, (cut - end) as u64));
        assert_eq!(lost.from, last.unwrap_or(T0));
    }
}

/// As a recorder leaves it that was killed while it had this directory.
fn killed(dir: &Path, since: Nanos) {
    std::fs::write(dir.join(LOCK_NAME), format!("1\nopen since {}\n", since.0)).unwrap();
}

#[test]
fn a_recorder_killed_between_two_segments_leaves_a_loss() {
    let dir = tempfile::tempdir().unwrap();
    let now = T0 + 9_000_000_000_000;
    let losses = || read(dir.path(), Range::ALL).lost;
    let open = || TapeWriter::open(dir.path(), small(), now).unwrap();
    // Before its first segment: what it was given is lost since it began.
    killed(dir.path(), T0 + 5);
    drop(open());
    open().close(now).unwrap();
    let lost = losses();
    let [(ALL_FEEDS, loss)] = &lost[..] else { panic!("{lost:?}") };
    assert_eq!((loss.from, loss.to, loss.records), (T0 + 5, now, None));
    // Whoever leaves in order leaves none.
    drop(open());
    open().close(now).unwrap();
    assert_eq!(losses().len(), 1);
    // Behind a segment that is complete: since its last record.
    let records = frames(20, 1);
    write(dir.path(), small(), &records);
    let last = records[19].ts;
    killed(dir.path(), T0);
    open().close(now).unwrap();
    let lost = losses();
    let [_, (ALL_FEEDS, loss)] = &lost[..] else { panic!("{lost:?}") };
    assert_eq!((loss.from, loss.to, loss.records, loss.bytes), (last, now, None, 0));
}

#[test]
fn the_loss_of_a_recorder_killed_at_once_begins_when_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes) = unclosed(dir.path(), &frames(20, 1));
    std::fs::write(&path, &bytes[..block_ends(&path, &frames(20, 1))[0].0]).unwrap();
    killed(dir.path(), T0 + 5);
    let now = T0 + 9_000_000_000_000;
    TapeWriter::open(dir.path(), small(), now).unwrap().close(now).unwrap();
    let lost = read(dir.path(), Range::ALL).lost;
    let [(ALL_FEEDS, loss)] = &lost[..] else { panic!("{lost:?}") };
    assert_eq!((loss.from, loss.to), (T0 + 5, now));
}

#[test]
fn what_is_not_ours_is_neither_cut_nor_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes) = unclosed(dir.path(), &frames(20, 1));
    // A later version's.
    let mut header = Tape::open(dir.path()).unwrap().segments()[0].header.clone().unwrap();
    let len = header.encode().len();
    header.version += 1;
    let newer = [&header.encode()[..], &bytes[len..]].concat();
    std::fs::write(&path, &newer).unwrap();
    let error = TapeWriter::open(dir.path(), small(), T0).err().expect("refused").to_string();
    let want = format!(
        "{} has tape format 2, and this program writes format 1; record to another directory, or \
         with the program that made it",
        path.display()
    );
    assert_eq!(error, want);
    assert_eq!(std::fs::read(&path).unwrap(), newer);
    let left_open = || !std::fs::read(dir.path().join(LOCK_NAME)).unwrap().is_empty();
    assert!(!left_open(), "who was refused has lost nothing");
    killed(dir.path(), T0);
    TapeWriter::open(dir.path(), small(), T0).err().expect("refused");
    assert!(left_open(), "but whoever was killed before has");
    std::fs::remove_file(dir.path().join(LOCK_NAME)).unwrap();
    // Another segment's, under a name that is not its own.
    std::fs::remove_file(&path).unwrap();
    let renamed = dir.path().join(segment_name(T0, 90));
    std::fs::write(&renamed, &bytes).unwrap();
    let mut tape = TapeWriter::open(dir.path(), small(), T0).unwrap();
    put_all(&mut tape, &frames(1, 2));
    tape.close(T0).unwrap();
    assert_eq!(std::fs::read(&renamed).unwrap(), bytes);
    assert_eq!(read(dir.path(), Range::ALL).lost, [], "nobody was killed");
    // And a number that no other can follow.
    std::fs::write(dir.path().join(segment_name(T0, u64::MAX)), &bytes).unwrap();
    let error = TapeWriter::open(dir.path(), small(), T0).err().expect("refused").to_string();
    assert!(error.starts_with("cannot record after ") && error.ends_with("last number"), "{error}");
}

#[test]
fn a_good_segment_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), small(), &frames(100, 1));
    let path = segments(dir.path()).remove(0);
    let bytes = std::fs::read(&path).unwrap();
    let tape = TapeWriter::open(dir.path(), small(), T0).unwrap();
    assert_eq!(tape.recovered(), None);
    tape.close(T0).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(segments(dir.path()).len(), 1, "a recorder that put nothing leaves nothing");
}
