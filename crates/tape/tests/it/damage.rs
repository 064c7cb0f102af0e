//! Bits that flip, blocks that go bad, files that are swapped, deleted, copied.

use crate::support::*;
use market_data_tape::format::{BlockHead, segment_name};
use market_data_tape::{Compression, DamageKind, Finding, Item, Range, Tape, TapeOptions, verify};
use proptest::prelude::*;
use std::path::Path;

fn findings(dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    verify(&Tape::open(dir).unwrap(), |finding| findings.push(finding)).unwrap();
    findings
}

#[test]
fn one_flipped_bit_anywhere_is_caught_and_costs_at_most_its_block() {
    let seed = 4_711;
    println!("seed {seed}");
    let records = frames(200, seed);
    let lines: Vec<String> = records.iter().map(Made::line).collect();
    for compression in [Compression::None, Compression::Zstd(1)] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), TapeOptions { compression, ..small() }, &records);
        let path = segments(dir.path()).remove(0);
        let good = std::fs::read(&path).unwrap();
        let blocks = Tape::open(dir.path()).unwrap().segments()[0].index().unwrap().unwrap().blocks;
        let mut rng = Rng(seed);
        // Every byte of the head of the file, then any byte.
        for round in 0..1500u64 {
            let at = if round < 300 { round } else { rng.below(good.len() as u64) };
            let mut bytes = good.clone();
            bytes[at as usize] ^= 1 << rng.below(8);
            std::fs::write(&path, &bytes).unwrap();
            let said = read(dir.path(), Range::ALL);
            assert!(!said.damage.is_empty(), "flip in byte {at} of {} missed", good.len());
            let hit = blocks.iter().rfind(|b| b.offset <= at).filter(|b| {
                at < Tape::open(dir.path()).unwrap().segments()[0]
                    .footer
                    .map_or(good.len() as u64, |f| f.index_offset)
                    && b.offset + 80 <= good.len() as u64
            });
            let mut want = lines.clone();
            if said.lines.len() < lines.len() {
                let hit = hit.expect("only a hit block loses records");
                let first = hit.first_ordinal as usize;
                want.drain(first..first + hit.records as usize);
                assert_eq!(said.damage.len(), 1, "byte {at}: {:?}", said.damage);
                assert_eq!(said.damage[0].records_lost, Some(hit.records.into()), "byte {at}");
                assert_eq!(said.damage[0].offset, hit.offset, "byte {at}");
            } else {
                let lost = |d: &market_data_tape::Damage| !matches!(d.records_lost, Some(0) | None);
                assert!(!said.damage.iter().any(lost), "byte {at}: {:?}", said.damage);
            }
            assert_eq!(said.lines, want, "byte {at}");
        }
    }
}

#[test]
fn a_damaged_stretch_in_the_middle_is_skipped_and_counted() {
    let records = frames(300, 5);
    let lines: Vec<String> = records.iter().map(Made::line).collect();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), small(), &records);
    let path = segments(dir.path()).remove(0);
    let blocks = Tape::open(dir.path()).unwrap().segments()[0].index().unwrap().unwrap().blocks;
    let (from, to) = (&blocks[4], &blocks[7]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[from.offset as usize..to.offset as usize].fill(0xAA);
    std::fs::write(&path, &bytes).unwrap();
    let said = read(dir.path(), Range::ALL);
    let [damage] = &said.damage[..] else { panic!("{:?}", said.damage) };
    assert_eq!(damage.kind, DamageKind::Head);
    assert_eq!((damage.offset, damage.bytes), (from.offset, to.offset - from.offset));
    assert_eq!(damage.records_lost, Some(to.first_ordinal - from.first_ordinal));
    let mut want = lines;
    want.drain(from.first_ordinal as usize..to.first_ordinal as usize);
    assert_eq!(said.lines, want);
}

#[test]
fn bytes_cut_out_or_put_in_are_found() {
    let records = frames(300, 6);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), small(), &records);
    let path = segments(dir.path()).remove(0);
    let good = std::fs::read(&path).unwrap();
    let blocks = Tape::open(dir.path()).unwrap().segments()[0].index().unwrap().unwrap().blocks;
    let block = |i: usize| blocks[i].offset as usize;

    // A whole block taken out leaves every sum in order.
    let bytes = [&good[..block(3)], &good[block(4)..]].concat();
    std::fs::write(&path, bytes).unwrap();
    let said = read(dir.path(), Range::ALL);
    assert_eq!(said.damage[0].kind, DamageKind::Missing);
    assert_eq!(said.damage[0].records_lost, Some(blocks[3].records.into()));

    // Part of a block taken out.
    let bytes = [&good[..block(3) + 100], &good[block(3) + 150..]].concat();
    std::fs::write(&path, bytes).unwrap();
    let said = read(dir.path(), Range::ALL);
    assert_eq!(said.damage[0].records_lost, Some(blocks[3].records.into()));
    assert_eq!(said.lines.len(), records.len() - blocks[3].records as usize);

    // A block twice.
    let bytes = [&good[..block(4)], &good[block(3)..]].concat();
    std::fs::write(&path, bytes).unwrap();
    let said = read(dir.path(), Range::ALL);
    assert!(said.damage.iter().any(|d| d.kind == DamageKind::Repeated), "{:?}", said.damage);
}

#[test]
fn an_index_that_says_something_else_is_found() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), small(), &frames(100, 6));
    let tape = Tape::open(dir.path()).unwrap();
    let info = &tape.segments()[0];
    let mut index = info.index().unwrap().unwrap();
    index.blocks[2].max_ts = T0;
    let mut bytes = std::fs::read(&info.path).unwrap();
    let start = info.footer.unwrap().index_offset as usize;
    let forged = index.encode();
    bytes[start..start + forged.len()].copy_from_slice(&forged);
    std::fs::write(&info.path, bytes).unwrap();
    let found = findings(dir.path());
    let [Finding::Damage(damage)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((damage.kind, damage.offset), (DamageKind::IndexDiffers, start as u64));
}

/// Writes three segments of 100 frames each.
fn three_segments(dir: &Path, seed: u64) -> Vec<std::path::PathBuf> {
    let records = frames(300, seed);
    for part in records.chunks(100) {
        write(dir, small(), part);
    }
    let paths = segments(dir);
    assert_eq!(paths.len(), 3);
    paths
}

#[test]
fn a_deleted_segment_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let paths = three_segments(dir.path(), 1);
    assert_eq!(findings(dir.path()), []);
    std::fs::remove_file(&paths[1]).unwrap();
    let found = findings(dir.path());
    let [Finding::Damage(damage)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((damage.kind, damage.records_lost), (DamageKind::Missing, Some(100)));
    assert_eq!(damage.segment, paths[2]);
}

#[test]
fn swapped_files_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let paths = three_segments(dir.path(), 1);
    let (one, two) = (std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
    std::fs::write(&paths[0], two).unwrap();
    std::fs::write(&paths[1], one).unwrap();
    let found = findings(dir.path());
    let misplaced =
        |f: &&Finding| matches!(f, Finding::Damage(d) if d.kind == DamageKind::Misplaced);
    assert_eq!(found.iter().filter(misplaced).count(), 2, "{found:?}");
}

#[test]
fn a_segment_of_another_tape_is_found() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths = three_segments(dir.path(), 1);
    let options = small();
    let mut foreign = market_data_tape::TapeWriter::open(other.path(), options, T0).unwrap();
    let mut records = frames(300, 2);
    records.iter_mut().for_each(|r| r.ts = r.ts + 5_000_000_000);
    for part in records.chunks(100) {
        put_all(&mut foreign, part);
        foreign.rotate(part[0].ts);
    }
    foreign.close(T0).unwrap();
    let foreign = segments(other.path());
    std::fs::copy(&foreign[1], &paths[1]).unwrap();
    let found = findings(dir.path());
    assert!(
        matches!(&found[0], Finding::Damage(d) if d.kind == DamageKind::Misplaced),
        "{found:?}"
    );
}

#[test]
fn blocks_of_another_segment_are_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let paths = three_segments(dir.path(), 1);
    let tape = Tape::open(dir.path()).unwrap();
    let (first, last) = (&tape.segments()[0], &tape.segments()[2]);
    // As if the file stood on blocks of the disk that another segment had used before.
    let mut bytes = std::fs::read(&paths[0]).unwrap();
    bytes.truncate(first.footer.unwrap().index_offset as usize);
    let other = std::fs::read(&paths[2]).unwrap();
    let start = last.index().unwrap().unwrap().blocks[1].offset as usize;
    bytes.extend_from_slice(&other[start..last.footer.unwrap().index_offset as usize]);
    std::fs::write(&paths[0], bytes).unwrap();
    let said = read(&paths[0], Range::ALL);
    assert_eq!(said.lines.len(), 100);
    let [damage] = &said.damage[..] else { panic!("{:?}", said.damage) };
    assert_eq!((damage.kind, damage.records_lost), (DamageKind::Torn, None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is in a file with a segment's name: no panic, no record that was not written.
    #[test]
    fn any_bytes_are_fine(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
        records in 0u32..5,
        first_ordinal: u64,
        compressed: bool,
        stored_more in 0u32..2,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(segment_name(T0, 1));
        std::fs::write(&path, &bytes).unwrap();
        let said = read(dir.path(), Range::ALL);
        prop_assert!(said.lines.is_empty());
        // A block whose sums hold over garbage.
        let head = BlockHead {
            compressed,
            segment: 1,
            first_ordinal,
            records,
            raw_len: garbage.len() as u32 + stored_more,
            stored_len: garbage.len() as u32,
            payload_crc: crc32c::crc32c(&garbage),
            first_ts: T0,
            min_ts: T0,
            max_ts: T0,
            entrances: 0,
        };
        let block = [&head.encode()[..], &garbage, &bytes].concat();
        std::fs::write(&path, &block).unwrap();
        let tape = Tape::open(dir.path()).unwrap();
        let mut records = tape.records(Range::ALL);
        while let Some(item) = records.read().unwrap() {
            if let Item::Record(record) = item {
                let _ = record.entry();
            }
        }
        verify(&tape, |_| {}).unwrap();
    }
}

#[test]
fn file_names_carry_time_and_number() {
    assert_eq!(segment_name(T0, 42), "tape-20261123T104501Z-000042.mdt");
}
