//! What `convert` makes of a tape: the same records, the same bytes, nothing twice.

use crate::run::{run, shown};
use market_data_archive::read;
use market_data_tape::Tape;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const SETTINGS: &str = r#"
[tape]
rotate_seconds = 2
[books]
deltas = true
view_depth = 0
[[subscribe]]
instruments = ["BTC-USDT", "BTC-USDT-SWAP"]
channels = ["tickers", "trades", "trades-all", "books", "books5", "bbo-tbt", "candle1s"]
"#;

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut next = vec![dir.to_owned()];
    while let Some(path) = next.pop() {
        for entry in fs::read_dir(&path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                next.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("it is below").to_owned();
                found.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn a_tape_becomes_the_same_records_and_the_same_bytes_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings.toml");
    fs::write(&settings, SETTINGS).expect("the settings are written");
    let [tape, out, again] = ["tape", "out", "again"].map(|name| shown(&folder.path().join(name)));
    let ran = run(&[
        "run",
        "--sim",
        "--sim-faults",
        "mixed",
        "--for",
        "5s",
        "--tape",
        &tape,
        "--config",
        &shown(&settings),
        "--log-level",
        "error",
    ]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let ran = run(&["convert", &tape, "--out", &out]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let files = tree(Path::new(&out));
    let got = records(&files);
    let replayed = run(&["replay", &tape, "--json"]);
    let expected: Vec<String> = replayed.stdout.lines().map(str::to_owned).collect();
    assert!(expected.len() > 200, "{} records", expected.len());
    let expected = sorted(expected);
    assert_eq!(got, expected);
    after_a_crash(folder.path(), &expected);
    let ran = run(&["convert", &tape, "--out", &out]);
    assert!(ran.stdout.contains("skipped: there already"), "{}", ran.stdout);
    let ran = run(&["convert", &tape, "--out", &out, "--force"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let ran = run(&["convert", &tape, "--out", &again]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(files == tree(Path::new(&out)), "--force made something else");
    assert!(files == tree(Path::new(&again)), "the second time made something else");
    in_pieces(folder.path(), &files);
    let prune = |more: &[&str]| run(&[&["prune", &tape, "--max-size", "1kb"], more].concat());
    assert_eq!(prune(&[]).code, Some(2), "converted to where?");
    // The process that took in the first segment was killed before it had said so.
    let pending = Path::new(&again).join("_pending.json");
    fs::write(pending, r#"{"segments":[1]}"#).expect("it is written");
    let ran = prune(&["--converted-to", &again]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stdout.contains("stays: it is not converted"), "{}", ran.stdout);
    let ran = run(&["compact", &out]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let before = fs::read_dir(&tape).expect("the tape").count();
    let ran = prune(&["--converted-to", &out, "--dry-run"]);
    assert!(ran.stdout.contains("would go"), "{}", ran.stdout);
    assert_eq!(fs::read_dir(&tape).expect("the tape").count(), before);
    let ran = prune(&["--converted-to", &out]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(fs::read_dir(&tape).expect("the tape").count() < before);
}

/// All records of an archive, sorted.
fn records(files: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<String> {
    let mut got = Vec::new();
    for (name, bytes) in files {
        if name.extension().is_some_and(|end| end == "parquet") {
            let read = read::records(bytes.clone().into(), |record| {
                got.push(String::from_utf8(record.json.to_vec()).expect("JSON is text"));
                Ok(())
            });
            read.expect("our own file");
        }
    }
    sorted(got)
}

/// The first segment has no end, as a crash leaves it: it becomes the same records all the same.
fn after_a_crash(folder: &Path, expected: &[String]) {
    let [crashed, out] = ["crashed", "from-crashed"].map(|name| folder.join(name));
    fs::create_dir(&crashed).expect("a directory");
    for entry in fs::read_dir(folder.join("tape")).expect("the tape") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, crashed.join(path.file_name().expect("a name"))).expect("a copy");
    }
    let tape = Tape::open(&crashed).expect("a tape");
    let first = &tape.segments()[0];
    let file = fs::File::options().write(true).open(&first.path).expect("the segment");
    file.set_len(first.footer.expect("it is closed").index_offset).expect("it is cut");
    let ran = run(&["convert", &shown(&crashed), "--out", &shown(&out)]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(records(&tree(&out)) == expected, "{}", ran.stdout);
}

/// Segment by segment, as a recorder goes on, it becomes the same.
fn in_pieces(folder: &Path, expected: &BTreeMap<PathBuf, Vec<u8>>) {
    let [growing, out] = ["growing", "pieces"].map(|name| folder.join(name));
    fs::create_dir(&growing).expect("a directory");
    let mut names: Vec<PathBuf> = tree(&folder.join("tape")).into_keys().collect();
    names.retain(|name| name.extension().is_some_and(|end| end == "mdt"));
    assert!(names.len() > 2, "{names:?}");
    for name in names {
        fs::copy(folder.join("tape").join(&name), growing.join(&name)).expect("a copy");
        let ran = run(&["convert", &shown(&growing), "--out", &shown(&out)]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
        assert!(ran.stdout.contains(" of 1 segment in "), "{}", ran.stdout);
    }
    assert!(*expected == tree(&out), "segment by segment it became something else");
}

#[test]
fn what_cannot_be_is_refused_with_advice() {
    let folder = tempfile::tempdir().expect("a folder");
    let [tape, out] = ["tape", "out"].map(|name| shown(&folder.path().join(name)));
    let ran = run(&["convert", &tape, "--out", &out]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    let args = ["run", "--sim", "--for", "1s", "--tape", &tape, "--log-level", "error"];
    assert_eq!(run(&args).code, Some(0));
    fs::create_dir(&out).expect("a directory");
    fs::write(Path::new(&out).join("letter.txt"), "mine").expect("a file");
    let ran = run(&["convert", &tape, "--out", &out]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("is not an archive and not empty"), "{}", ran.stderr);
    assert_eq!(tree(Path::new(&out)).len(), 1, "nothing was written there");
}

#[test]
fn complete_segments_are_converted_while_it_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings.toml");
    let [tape, out, again] = ["tape", "out", "again"].map(|name| shown(&folder.path().join(name)));
    // As recorded by default: without changes of books, which the files have all the same.
    let text = format!("[tape]\nrotate_seconds = 1\nparquet = {out:?}\nparquet_book_ms = 1000\n");
    fs::write(&settings, text).expect("the settings are written");
    let ran = run(&[
        "run",
        "--sim",
        "--for",
        "8s",
        "--tape",
        &tape,
        "--config",
        &shown(&settings),
        "--log-level",
        "warn",
    ]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("converted"), "{}", ran.stderr);
    let (root, _) = market_data_archive::Manifest::load(Path::new(&out))
        .expect("it can be read")
        .expect("something was converted while it recorded");
    assert!(!root.segments.is_empty());
    let args = ["--book-interval", "1s"];
    let convert = |out: &str| run(&[&["convert", &tape, "--out", out], &args[..]].concat());
    let ran = convert(&out);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(ran.stdout.contains("skipped: there already"), "{}", ran.stdout);
    let ran = convert(&again);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(tree(Path::new(&out)) == tree(Path::new(&again)), "otherwise than all at once");
}
