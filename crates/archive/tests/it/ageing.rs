//! What happens to an archive as it grows old: compaction and retention.

use crate::support::{Dice, events, lines, made, put, read_all, source, tree};
use market_data_archive::prune::{Keep, plan, prune};
use market_data_archive::{Archive, Compacted, Error, Finding, WriteOptions, compact, verify};
use market_data_model::Nanos;
use std::ops::ControlFlow;
use std::path::Path;

const NOON: Nanos = Nanos(1_795_435_200_000_000_000);
const DAY: u64 = 86_400_000_000_000;

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn in_order(dir: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    verify(dir, |finding| found.push(finding)).expect("it can be read");
    found
}

fn compacted(dir: &Path) -> Compacted {
    let mut archive = Archive::existing(dir).expect("it opens");
    compact(&mut archive, |_, _| ControlFlow::Continue(())).expect("it is compacted")
}

#[test]
fn compaction_changes_files_and_no_record() {
    let mut dice = Dice::new();
    let folders = [(), ()].map(|()| tempfile::tempdir().expect("a folder"));
    let mut expected = Vec::new();
    for number in 1..5 {
        let batch = events(&mut dice, 300, NOON + number * 3_000_000_000_000);
        expected.extend(lines(&batch));
        folders.iter().for_each(|folder| put(folder.path(), number, &batch, 1 << 16));
    }
    let dir = folders[0].path();
    let done = compacted(dir);
    assert!(done.files_after * 2 < done.files_before, "{done:?}");
    assert_eq!(in_order(dir), []);
    assert_eq!(sorted(read_all(dir)), sorted(expected));
    let again = compacted(dir);
    assert_eq!((again.files_before, again.files_after), (done.files_after, done.files_after));
    compacted(folders[1].path());
    assert!(tree(dir) == tree(folders[1].path()), "compacted otherwise the second time");
    // What is merged cannot be taken out again, and says so; what comes later can come.
    let mut archive = Archive::open(dir, &made()).expect("it opens");
    let error = archive.begin(&source(2), WriteOptions::default()).err();
    assert!(matches!(error, Some(Error::Compacted { segment: 2, .. })), "{error:?}");
    drop(archive);
    put(dir, 5, &events(&mut dice, 300, NOON), 1 << 20);
    compacted(dir);
    assert_eq!(in_order(dir), []);
}

#[test]
fn a_crash_while_compacting_loses_nothing() {
    let mut dice = Dice::new();
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    for number in 1..3 {
        put(dir, number, &events(&mut dice, 150, NOON), 1 << 20);
    }
    let before = tree(dir);
    let records = sorted(read_all(dir));
    compacted(dir);
    let after = tree(dir);
    // Some directories changed and some not, and within one either files or manifest are behind.
    for step in 0..8 {
        for (at, (name, bytes)) in before.iter().enumerate() {
            if at % 8 >= step && !name.ends_with("_manifest.json") {
                std::fs::write(dir.join(name), bytes).expect("it is written");
            }
        }
        std::fs::write(dir.join("_pending.json"), "{\"segments\":[]}").expect("it is written");
        drop(Archive::existing(dir).expect("it opens"));
        assert_eq!(in_order(dir), []);
        assert_eq!(sorted(read_all(dir)), records);
        assert!(tree(dir) == after);
    }
}

#[test]
fn the_oldest_days_go_and_the_last_stays() {
    let mut dice = Dice::new();
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    for number in 1..5 {
        put(dir, number, &events(&mut dice, 100, NOON + number * DAY), 1 << 20);
    }
    let mut archive = Archive::existing(dir).expect("it opens");
    let none = plan(&archive, &Keep::default()).expect("a plan");
    assert_eq!(none, []);
    let keep = Keep { from: Some("2026-11-26".to_owned()), max_bytes: None };
    let days = plan(&archive, &keep).expect("a plan");
    let dates: Vec<&str> = days.iter().map(|day| day.date.as_str()).collect();
    assert_eq!(dates, ["2026-11-24", "2026-11-25"]);
    prune(&mut archive, &days).expect("they go");
    assert_eq!(in_order(dir), []);
    assert!(tree(dir).keys().all(|name| !name.to_string_lossy().contains("2026-11-24")));
    assert_eq!(archive.root().segments.len(), 4, "what was taken in is still known");
    let keep = Keep { from: None, max_bytes: Some(0) };
    let days = plan(&archive, &keep).expect("a plan");
    assert_eq!(days.len(), 1, "the last day stays: {days:?}");
    prune(&mut archive, &days).expect("they go");
    assert_eq!(in_order(dir), []);
}
