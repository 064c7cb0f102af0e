//! Reading a range gives what reading everything and looking at the times gives.

use crate::support::*;
use market_data_model::{FeedId, Nanos};
use market_data_tape::{DamageKind, Range, Tape, TapeOptions};
use proptest::prelude::*;

/// Frames of several feeds whose times step back a little against each other.
fn crossed(count: u64, seed: u64) -> Vec<Made> {
    let mut rng = Rng(seed);
    let mut records = frames(count, seed);
    for made in &mut records {
        made.ts = made.ts + rng.below(40) * 1_000_000;
    }
    records
}

fn lines_in(records: &[Made], range: Range) -> Vec<String> {
    let inside = |r: &&Made| {
        range.from.is_none_or(|from| r.ts >= from) && range.to.is_none_or(|to| r.ts < to)
    };
    records.iter().filter(inside).map(Made::line).collect()
}

#[test]
fn a_range_is_what_a_scan_gives() {
    let records = crossed(3000, 11);
    let options = TapeOptions { segment_bytes: 60_000, ..small() };
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), options, &records);
    assert!(segments(dir.path()).len() > 3);
    // The same without index and footer in the last segment, as while recording.
    let open = tempfile::tempdir().unwrap();
    for path in segments(dir.path()) {
        std::fs::copy(&path, open.path().join(path.file_name().unwrap())).unwrap();
    }
    let tape = Tape::open(open.path()).unwrap();
    let last = tape.segments().last().unwrap();
    let bytes = std::fs::read(&last.path).unwrap();
    std::fs::write(&last.path, &bytes[..last.footer.unwrap().index_offset as usize]).unwrap();

    let mut runner = proptest::test_runner::TestRunner::default();
    let time = || proptest::option::of((0u64..3200).prop_map(|ms| Nanos(T0.0 + ms * 1_000_000)));
    runner
        .run(&(time(), time()), |(from, to)| {
            let range = Range { from, to };
            for dir in [dir.path(), open.path()] {
                let said = read(dir, range);
                prop_assert_eq!(&said.damage, &vec![]);
                prop_assert_eq!(said.lines, lines_in(&records, range));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_range_across_a_file_that_is_gone_says_so() {
    let records = frames(2000, 12);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), TapeOptions { segment_bytes: 40_000, ..small() }, &records);
    let tape = Tape::open(dir.path()).unwrap();
    let [first, gone, next, .., last] = tape.segments() else { panic!("too few segments") };
    let footer = gone.footer.unwrap();
    std::fs::remove_file(&gone.path).unwrap();
    let missing = |from, to| read(dir.path(), Range { from, to }).damage;
    let (begins, ends) = (first.footer.unwrap().min_ts, last.footer.unwrap().max_ts);
    for (from, to) in [
        (Some(begins + 1), None),
        (None, Some(ends)),
        (Some(first.footer.unwrap().max_ts), Some(next.footer.unwrap().min_ts + 1)),
    ] {
        let damage = missing(from, to);
        let [found] = &damage[..] else { panic!("{from:?} to {to:?}: {damage:?}") };
        assert_eq!((found.kind, &found.segment), (DamageKind::Missing, &next.path));
        assert_eq!(found.records_lost, Some(footer.end_ordinal - footer.first_ordinal));
    }
    // Ranges that end before it or begin behind it do not cross it.
    assert_eq!(missing(Some(begins + 1), Some(first.footer.unwrap().max_ts)), []);
    assert_eq!(missing(Some(next.footer.unwrap().max_ts), Some(ends)), []);
}

#[test]
fn every_bound_is_exact_when_times_cross() {
    let mut records = frames(400, 14);
    let mut rng = Rng(14);
    records.iter_mut().for_each(|made| made.ts = made.ts + rng.below(150) * 1_000_000);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), TapeOptions { block_bytes: 300, ..small() }, &records);
    for ms in 0..560 {
        let bound = Some(Nanos(T0.0 + ms * 1_000_000));
        for range in [Range { from: bound, to: None }, Range { from: None, to: bound }] {
            let said = read(dir.path(), range);
            assert_eq!(said.lines, lines_in(&records, range), "{range:?}");
        }
    }
}

#[test]
fn a_range_does_not_read_the_blocks_outside() {
    let records = frames(3000, 12);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), small(), &records);
    let tape = Tape::open(dir.path()).unwrap();
    let all = tape.segments()[0].index().unwrap().unwrap();
    let range = Range { from: Some(records[2500].ts), to: Some(records[2510].ts) };
    let mut reader = tape.records(range);
    while reader.read().unwrap().is_some() {}
    assert!(all.blocks.len() > 100);
    assert!(reader.blocks() <= 4, "{} blocks read", reader.blocks());
}

#[test]
fn the_index_knows_the_feeds() {
    let records = frames(301, 13);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), small(), &records);
    let tape = Tape::open(dir.path()).unwrap();
    let feeds = tape.segments()[0].index().unwrap().unwrap().feeds;
    let counts: Vec<_> = feeds.iter().map(|f| (f.feed, f.records)).collect();
    assert_eq!(counts, [(FeedId(0), 101), (FeedId(1), 100), (FeedId(2), 100)]);
    assert_eq!(feeds[1].min_ts, records[1].ts);
    assert_eq!(feeds[1].max_ts, records[299].ts - 1_000_000);
}
