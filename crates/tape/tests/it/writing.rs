//! Locks, timers, rotation, and what each segment begins with.

use crate::support::*;
use market_data_model::{FeedId, Nanos};
use market_data_tape::limits::RECORD_BYTES_MAX;
use market_data_tape::record::kind;
use market_data_tape::{Compression, Item, News, Put, Range, Tape, TapeOptions, TapeWriter};

const MS: u64 = 1_000_000;

#[test]
fn a_second_recorder_is_refused_and_told_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let first = TapeWriter::open(dir.path(), small(), T0).unwrap();
    let error = TapeWriter::open(dir.path(), small(), T0).err().expect("refused").to_string();
    let want = format!(
        "{} is being recorded to by another process (pid {}); stop it or choose another directory",
        dir.path().display(),
        std::process::id()
    );
    assert_eq!(error, want);
    drop(first);
    TapeWriter::open(dir.path(), small(), T0).expect("free again");
}

#[test]
fn options_out_of_range_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let options = TapeOptions { block_bytes: 0, ..TapeOptions::default() };
    let error = TapeWriter::open(dir.path(), options, T0).err().expect("refused").to_string();
    assert_eq!(error, "tape option block_bytes is 0; it must be 1 to 16777216");
}

#[test]
fn timers_hand_over_sync_and_rotate() {
    let dir = tempfile::tempdir().unwrap();
    let mut tape = TapeWriter::open(dir.path(), TapeOptions::default(), T0).unwrap();
    assert_eq!(tape.due(), None);
    let records = frames(2, 1);
    put_all(&mut tape, &records[..1]);
    let ts = records[0].ts;
    assert_eq!(tape.due(), Some(ts + 200 * MS));
    tape.tick(ts + 199 * MS);
    assert_eq!(tape.stats().blocks, 0);
    tape.tick(ts + 200 * MS);
    assert_eq!((tape.stats().blocks, tape.stats().syncs), (1, 0));
    // The time of the record counts, not that of its block.
    assert_eq!(tape.due(), Some(ts + 1000 * MS));
    tape.tick(ts + 1000 * MS);
    assert_eq!(tape.stats().syncs, 1);
    // An hour after the segment was made.
    assert_eq!(tape.due(), Some(ts + 200 * MS + 3_600_000 * MS));
    tape.tick(ts + 3_600_200 * MS);
    let closed = std::iter::from_fn(|| tape.news())
        .filter(|news| matches!(news, News::SegmentClosed { records: 1, .. }))
        .count();
    assert_eq!(closed, 1);
    assert_eq!(tape.due(), None);
}

#[test]
fn blocks_of_a_writer_in_a_hurry_are_larger_and_read_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut tape = TapeWriter::open(dir.path(), TapeOptions::default(), T0).unwrap();
    let records = frames(300, 1);
    let mut grown = Vec::new();
    for (third, hurry) in records.chunks(100).zip([false, true, false]) {
        tape.hurry(hurry);
        let before = tape.stats();
        put_all(&mut tape, third);
        tape.sync(third[99].ts);
        let now = tape.stats();
        assert_eq!(now.hurried_blocks - before.hurried_blocks, u64::from(hurry));
        grown.push(now.stored_bytes - before.stored_bytes);
    }
    tape.close(records[299].ts).unwrap();
    assert!(grown[1] > grown[0] * 3 / 2 && grown[1] > grown[2] * 3 / 2, "{grown:?}");
    let said = read(dir.path(), Range::ALL);
    assert_eq!(said.damage, vec![]);
    assert_eq!(said.lines, records.iter().map(Made::line).collect::<Vec<_>>());
    // A tape that is not compressed is in no hurry.
    let dir = tempfile::tempdir().unwrap();
    let options = TapeOptions { compression: Compression::None, ..TapeOptions::default() };
    let mut tape = TapeWriter::open(dir.path(), options, T0).unwrap();
    tape.hurry(true);
    put_all(&mut tape, &records);
    assert_eq!(tape.close(records[299].ts).unwrap().hurried_blocks, 0);
}

#[test]
fn a_clock_set_back_does_not_hold_data_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut tape = TapeWriter::open(dir.path(), TapeOptions::default(), T0).unwrap();
    put_all(&mut tape, &frames(1, 1));
    tape.tick(Nanos(T0.0 - 3_600_000 * MS));
    assert_eq!((tape.stats().blocks, tape.stats().syncs), (1, 1));
}

#[test]
fn sync_comes_by_bytes_too() {
    let dir = tempfile::tempdir().unwrap();
    let options = TapeOptions { sync_bytes: 5000, ..small() };
    let mut tape = TapeWriter::open(dir.path(), options, T0).unwrap();
    put_all(&mut tape, &frames(300, 1));
    assert!(tape.stats().syncs > 3, "{:?}", tape.stats());
}

#[test]
fn every_segment_begins_with_the_feeds_that_run() {
    let dir = tempfile::tempdir().unwrap();
    let options = TapeOptions { segment_bytes: 10_000, ..small() };
    let mut tape = TapeWriter::open(dir.path(), options, T0).unwrap();
    for feed in 0..3 {
        let what = What::FeedStart("okx".to_owned(), vec![feed as u8; 40]);
        put_all(&mut tape, &[Made { feed: FeedId(feed), ts: T0, what }]);
    }
    put_all(&mut tape, &frames(300, 1));
    tape.end_feed(FeedId(1));
    put_all(&mut tape, &frames(300, 2));
    tape.close(T0).unwrap();
    let tape = Tape::open(dir.path()).unwrap();
    assert!(tape.segments().len() > 4);
    let mut repeated = Vec::new();
    for segment in tape.segments() {
        let alone = Tape::open(&segment.path).unwrap();
        let mut records = alone.records(Range::ALL);
        let mut feeds = Vec::new();
        while let Some(item) = records.read().unwrap() {
            let Item::Record(record) = item else { panic!("{item:?}") };
            if record.kind == kind::FEED_AGAIN || record.kind == kind::FEED_START {
                feeds.push(record.feed.0);
            } else if record.is_input() {
                break;
            }
        }
        repeated.push(feeds);
    }
    assert_eq!(repeated.first(), Some(&vec![0, 1, 2]));
    assert_eq!(repeated[1], vec![0, 1, 2]);
    assert_eq!(repeated.last(), Some(&vec![0, 2]));
}

#[test]
fn a_record_that_is_too_long_is_told_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut tape = TapeWriter::open(dir.path(), small(), T0).unwrap();
    let records = frames(10, 1);
    put_all(&mut tape, &records[..5]);
    let long = Made { what: What::Frame(vec![0; RECORD_BYTES_MAX + 1]), ..records[5].clone() };
    assert_eq!(tape.put(long.feed, long.ts, &long.what.entry()), Put::Lost);
    put_all(&mut tape, &records[6..]);
    tape.close(T0).unwrap();
    let said = read(dir.path(), Range::ALL);
    assert_eq!(said.damage, []);
    assert_eq!(frame_lines(&said).len(), 9);
    let [(feed, lost)] = &said.lost[..] else { panic!("{:?}", said.lost) };
    assert_eq!((*feed, lost.records), (long.feed, Some(1)));
    assert_eq!((lost.from, lost.to), (long.ts, long.ts));
}

#[test]
fn a_tape_can_be_read_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut tape = TapeWriter::open(dir.path(), small(), T0).unwrap();
    let records = frames(100, 1);
    put_all(&mut tape, &records);
    let said = read(dir.path(), Range::ALL);
    assert_eq!(said.damage, []);
    let lines: Vec<String> = records.iter().map(Made::line).collect();
    assert_eq!(said.lines, lines[..said.lines.len()]);
    assert!(said.lines.len() > 80);
}

#[test]
fn the_header_names_version_and_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let options = TapeOptions { config: "[tape]\nlevel = 1\n".to_owned(), ..small() };
    write(dir.path(), options, &frames(1, 1));
    let tape = Tape::open(dir.path()).unwrap();
    let header = tape.segments()[0].header.clone().unwrap();
    assert_eq!(header.config, "[tape]\nlevel = 1\n");
    assert!(header.project.starts_with("market-data "), "{}", header.project);
    assert_eq!((header.version, header.number, header.first_ordinal), (1, 1, 0));
}
