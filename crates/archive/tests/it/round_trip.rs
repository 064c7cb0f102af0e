//! What goes in comes out: every record, as text; and always the same bytes.

use crate::support::{Dice, events, lines, put, read_all, tree};
use market_data_model::Nanos;

/// Nine minutes before midnight, so that a segment has two days.
const EVENING: Nanos = Nanos(1_795_477_860_000_000_000);

#[track_caller]
fn same(mut expected: Vec<String>, mut got: Vec<String>) {
    expected.sort();
    got.sort();
    assert_eq!(expected.len(), got.len());
    for (expected, got) in expected.iter().zip(&got) {
        assert_eq!(expected, got);
    }
}

#[test]
fn every_record_comes_back_as_the_same_text() {
    let mut dice = Dice::new();
    let folder = tempfile::tempdir().expect("a folder");
    let batch = events(&mut dice, 3000, EVENING);
    put(folder.path(), 1, &batch, 1 << 30);
    same(lines(&batch), read_all(folder.path()));
    let days = tree(folder.path());
    for day in ["date=2026-11-23", "date=2026-11-24"] {
        let found = days.keys().filter(|name| name.to_string_lossy().contains(day)).count();
        assert!(found > 10, "{found} files of {day}");
    }
}

#[test]
fn little_memory_makes_more_files_and_the_same_records() {
    let mut dice = Dice::new();
    let batch = events(&mut dice, 2000, EVENING);
    let [much, little] = [1 << 30, 1 << 15].map(|memory| {
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), 1, &batch, memory);
        same(lines(&batch), read_all(folder.path()));
        tree(folder.path()).len()
    });
    assert!(little > much + 20, "{little} files instead of {much}");
}

#[test]
fn the_same_segments_make_the_same_bytes_in_any_order() {
    let mut dice = Dice::new();
    let batches =
        [1, 2, 3].map(|hour: u64| events(&mut dice, 500, EVENING + hour * 3_600_000_000_000));
    let trees = [[0, 1, 2], [2, 0, 1]].map(|order| {
        let folder = tempfile::tempdir().expect("a folder");
        for at in order {
            put(folder.path(), at as u64 + 1, &batches[at], 1 << 20);
        }
        // Again, as after a loss of the root: what is there is replaced.
        put(folder.path(), 2, &batches[1], 1 << 20);
        tree(folder.path())
    });
    assert_eq!(trees[0].keys().collect::<Vec<_>>(), trees[1].keys().collect::<Vec<_>>());
    for (name, bytes) in &trees[0] {
        assert!(bytes == &trees[1][name], "{} differs", name.display());
    }
}
