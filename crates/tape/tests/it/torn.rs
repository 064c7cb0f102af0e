//! A recorder that died: what stands before the last good block is read, the rest is reported,
//! and the next recorder goes on.

use crate::support::*;
use market_data_tape::{DamageKind, Range, Tape, TapeWriter};
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
