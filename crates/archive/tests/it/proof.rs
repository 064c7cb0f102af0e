//! What verification finds, each thing done on purpose; and what a crash leaves.

use crate::support::{Dice, events, made, put, source, tree};
use market_data_archive::manifest::NAME;
use market_data_archive::{Archive, Error, Manifest, WriteOptions, Wrong, verify};
use market_data_model::Nanos;
use std::fs;
use std::path::{Path, PathBuf};

const NOON: Nanos = Nanos(1_795_435_200_000_000_000);

fn archive(dir: &Path) {
    let mut dice = Dice::new();
    for number in 1..3 {
        put(dir, number, &events(&mut dice, 300, NOON), 1 << 20);
    }
}

fn findings(dir: &Path) -> Vec<(Wrong, PathBuf)> {
    let mut found = Vec::new();
    let name = |path: &Path| path.strip_prefix(dir).expect("it is below").to_owned();
    let verified = verify(dir, |finding| found.push((finding.wrong, name(&finding.path))));
    let verified = verified.expect("it can be read");
    assert_eq!(verified.findings, found.len() as u64);
    found
}

/// Some Parquet files, as paths below the archive.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = tree(dir).into_keys().collect();
    names.retain(|name| name.extension().is_some_and(|end| end == "parquet"));
    names
}

#[test]
fn what_was_written_is_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    archive(folder.path());
    assert_eq!(findings(folder.path()), []);
    let verified = verify(folder.path(), |_| ()).expect("it can be read");
    let (root, sum) = Manifest::load(folder.path()).expect("it is there").expect("it is whole");
    assert_eq!((verified.root, verified.records), (sum, 600));
    assert_eq!(verified.files, root.dirs[0].files);
    assert!(matches!(
        verify(&folder.path().join("venue=okx/x"), |_| ()),
        Err(Error::Foreign { .. })
    ));
}

#[test]
fn a_bit_a_file_and_a_swap_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    archive(dir);
    let files = files(dir);
    let (one, other) = (&files[0], &files[files.len() / 2]);
    let bytes = fs::read(dir.join(one)).expect("a file");
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 4;
        fs::write(dir.join(one), wrong).expect("it is written");
        assert_eq!(findings(dir), [(Wrong::Changed, one.clone())], "byte {at}");
    }
    fs::write(dir.join(one), fs::read(dir.join(other)).expect("a file")).expect("it is written");
    assert_eq!(findings(dir), [(Wrong::Changed, one.clone())]);
    fs::remove_file(dir.join(one)).expect("it is there");
    assert_eq!(findings(dir), [(Wrong::Missing, one.clone())]);
    let strange = one.with_file_name("part-000009-000.parquet");
    fs::write(dir.join(one), &bytes).expect("it is written");
    fs::write(dir.join(&strange), &bytes).expect("it is written");
    assert_eq!(findings(dir), [(Wrong::Extra, strange)]);
}

/// A forger who makes the lowest manifest anew, and then each one above.
#[test]
fn a_forged_manifest_is_found_at_every_height() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    archive(dir);
    let file = files(dir).into_iter().next().expect("a file");
    let leaf = file.parent().expect("a directory").to_owned();
    // A file is taken away, and its manifest says so.
    fs::remove_file(dir.join(&file)).expect("it is there");
    let (mut manifest, _) = Manifest::load(&dir.join(&leaf)).expect("it is whole").expect("there");
    let gone = file.file_name().expect("a name").to_string_lossy().into_owned();
    manifest.files.retain(|file| file.name != gone);
    let mut dir_row = manifest.save(&dir.join(&leaf)).expect("it is written");
    let mut at = leaf;
    while let Some(parent) = at.parent().map(Path::to_owned) {
        let found = findings(dir);
        assert_eq!(found, [(Wrong::Manifest, at.join(NAME))]);
        let (mut above, _) = Manifest::load(&dir.join(&parent)).expect("whole").expect("there");
        above.put_dir(dir_row);
        dir_row = above.save(&dir.join(&parent)).expect("it is written");
        at = parent;
    }
    // Up to the root: what is left is the root's sum, kept elsewhere.
    assert_eq!(findings(dir), []);
    // An edit by hand does not get so far.
    let text = fs::read_to_string(dir.join(NAME)).expect("it is there");
    fs::write(dir.join(NAME), text.replacen("\"bytes\": 1", "\"bytes\": 2", 1)).expect("written");
    assert_eq!(findings(dir), [(Wrong::Manifest, NAME.into())]);
}

#[test]
fn nothing_is_put_on_top_of_a_forgery() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    archive(dir);
    let file = files(dir).into_iter().next().expect("a file");
    let leaf = dir.join(file.parent().expect("a directory"));
    let (mut manifest, _) = Manifest::load(&leaf).expect("it is whole").expect("there");
    manifest.files[0].records += 1;
    manifest.save(&leaf).expect("it is written");
    let mut dice = Dice(77);
    let mut archive = Archive::open(dir, &made()).expect("it opens");
    let mut writer = archive.begin(&source(3), WriteOptions::default()).expect("it begins");
    for event in events(&mut dice, 300, NOON).iter() {
        writer.take(&event).expect("it is taken");
    }
    let parts = writer.finish().expect("it is written");
    let error = archive.commit(source(3), parts).expect_err("the forgery is seen");
    assert!(matches!(error, Error::Manifest { .. }), "{error}");
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("it is made");
    fs::write(path, bytes).expect("it is written");
}

/// A conversion stopped after each of its steps on the disk.
#[test]
fn a_crash_leaves_what_was_there_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    archive(dir);
    let before = tree(dir);
    let whole = tempfile::tempdir().expect("a folder");
    let third = events(&mut Dice(5), 300, NOON);
    archive(whole.path());
    put(whole.path(), 3, &third, 1 << 20);
    let after = tree(whole.path());
    // Files in the order in which they are written: data, then manifests from below.
    let mut steps: Vec<&PathBuf> =
        after.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
    steps.sort_by_key(|name| {
        let manifest = name.ends_with(NAME);
        (manifest, std::cmp::Reverse(if manifest { name.components().count() } else { 0 }))
    });
    for stop in (0..steps.len()).step_by(31).chain([steps.len() - 1]) {
        let _ = fs::remove_dir_all(dir.join("venue=okx"));
        for (name, bytes) in &before {
            write(&dir.join(name), bytes);
        }
        fs::write(dir.join("_pending.json"), "{\"segments\":[3]}").expect("it is written");
        for name in &steps[..stop] {
            write(&dir.join(name), &after[*name]);
        }
        assert!(findings(dir).iter().any(|(wrong, _)| *wrong == Wrong::Unfinished));
        drop(Archive::open(dir, &made()).expect("it opens"));
        assert_eq!(findings(dir), [], "stopped after {stop} of {} steps", steps.len());
        assert!(tree(dir) == before, "stopped after {stop} of {} steps", steps.len());
        put(dir, 3, &third, 1 << 20);
        assert!(tree(dir) == after, "stopped after {stop} of {} steps", steps.len());
    }
}

#[test]
fn a_conversion_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    archive(dir);
    let before = tree(dir);
    let mut archive = Archive::open(dir, &made()).expect("it opens");
    let mut writer =
        archive.begin(&source(3), WriteOptions { memory: 1 << 14, ..WriteOptions::default() });
    for event in events(&mut Dice(5), 300, NOON).iter() {
        let writer = writer.as_mut().expect("it begins");
        writer.take(&event).expect("it is taken");
    }
    drop(writer);
    let second = Archive::open(dir, &made()).expect_err("one at a time");
    assert!(matches!(second, Error::Locked { .. }), "{second}");
    drop(archive);
    drop(Archive::open(dir, &made()).expect("it opens"));
    assert!(tree(dir) == before);
}
