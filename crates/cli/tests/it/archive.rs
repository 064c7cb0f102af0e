//! What happens to Parquet files behind our back is found, by their manifests and by the tape.

use crate::damage::{frames_of, original, sums_hold, to_forge};
use crate::run::{Ran, run, shown};
use market_data_archive::manifest::{Manifest, NAME};
use market_data_tape::record::kind;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub fn converted(tape: &Path) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("parquet");
    let args = ["convert", &shown(tape), "--out", &shown(&dir), "--book-interval", "1s"];
    let ran = run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    (folder, dir)
}

/// The Parquet files below a directory, in order.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[track_caller]
pub fn verified(args: &[&str], code: i32, words: &[&str]) -> Ran {
    let ran = run(&[&["verify"], args].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(code), ""), "{}", ran.stdout);
    for word in words {
        assert!(ran.stdout.contains(word), "no {word:?} in\n{}", ran.stdout);
    }
    ran
}

#[test]
fn what_was_converted_is_whole_and_is_what_the_tape_gives() {
    let (_folder, dir) = converted(original());
    let (tape, dir) = (shown(original()), shown(&dir));
    verified(&[&dir], 0, &["Parquet files whole: "]);
    verified(&[&tape, "--parquet", &dir], 0, &["\nclean: ", "compared with the tape: "]);
    let ran = verified(&[&tape, "--parquet", &dir, "--json"], 0, &[]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let parquet = &report["parquet"];
    assert!(parquet["compared"].as_u64() > Some(500), "{parquet}");
    assert_eq!(parquet["compared"], parquet["records"], "all of them");
    let ran = verified(&[&dir, "--json"], 0, &[]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&report["clean"], &report["compared"]), (&true.into(), &Value::Null));
}

#[test]
pub fn files_that_are_swapped_cut_deleted_or_added_are_found() {
    let (_folder, dir) = converted(original());
    let files = files(&dir);
    let shown_dir = shown(&dir);
    let (one, two) = (&files[0], files.last().expect("files"));
    let (first, last) = (fs::read(one).expect("a file"), fs::read(two).expect("a file"));
    let is_bad = |words: &str| {
        verified(&[&shown_dir], 1, &["wrong: ", words, "Parquet files not whole: "]);
    };
    fs::write(one, &last).expect("written");
    fs::write(two, &first).expect("written");
    is_bad("its bytes are not those that were written");
    fs::write(one, &first[..first.len() - 1]).expect("written");
    fs::write(two, &last).expect("written");
    is_bad("its bytes are not those that were written");
    fs::remove_file(one).expect("removed");
    is_bad("this file is gone");
    let with_tape = [&shown(original()), "--parquet", shown_dir.as_str()];
    verified(&with_tape, 1, &["not clean: ", "this file is gone", " that the tape gives"]);
    fs::write(one, &first).expect("written");
    let extra = one.with_file_name("part-extra.parquet");
    fs::copy(two, &extra).expect("copied");
    is_bad("no manifest names this file");
    fs::remove_file(extra).expect("removed");
    verified(&[&shown_dir], 0, &[]);
}

#[test]
fn a_forged_manifest_is_found() {
    let (_folder, dir) = converted(original());
    let leaf = files(&dir)[0].parent().expect("a directory").to_owned();
    let (mut manifest, _) = Manifest::load(&leaf).expect("it reads").expect("it is there");
    manifest.files[0].records -= 1;
    manifest.save(&leaf).expect("its own sum is made anew");
    let words = ["wrong: ", NAME, "the manifest above names another sum"];
    verified(&[&shown(&dir)], 1, &words);
}

#[test]
fn a_deleted_row_is_found_by_the_tape_though_every_sum_holds() {
    // The same tape without one frame, and an archive of it that claims to be of the whole tape.
    let (folder, path, at, head) = to_forge();
    let tape = folder.path().join("tape");
    let (_whole_folder, whole) = converted(&tape);
    let good = fs::read(&path).expect("the segment");
    let frames = frames_of(&good, at, &head);
    let mut bad = good.clone();
    bad[frames[frames.len() / 2].1] = kind::NOTE;
    sums_hold(&mut bad, at, head);
    fs::write(&path, &bad).expect("it takes bytes");
    let (_forged_folder, forged) = converted(&tape);
    fs::write(&path, &good).expect("it takes bytes");
    let (true_root, _) = Manifest::load(&whole).expect("it reads").expect("it is there");
    let (mut root, _) = Manifest::load(&forged).expect("it reads").expect("it is there");
    let (tape, dir) = (shown(&tape), shown(&forged));
    let other = "segment 1 of the tape is not the one it was made from";
    verified(&[&tape, "--parquet", &dir], 1, &[other]);
    root.segments = true_root.segments;
    root.save(&forged).expect("every sum is made anew");
    verified(&[&dir], 0, &["Parquet files whole: "]);
    let ran = verified(&[&tape, "--parquet", &dir], 1, &["not clean: ", " that the tape gives"]);
    assert!(ran.stdout.contains("channel=books/"), "{}", ran.stdout);
    verified(&[&tape, "--parquet", &shown(&whole)], 0, &[]);
}

#[test]
fn an_archive_of_another_tape_is_refused() {
    let (_folder, dir) = converted(original());
    let (other, ..) = to_forge();
    let ran = run(&["verify", &shown(&other.path().join("tape")), "--parquet", &shown(&dir)]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let expected = "error: the Parquet files were made from another tape";
    assert_eq!(ran.stderr.lines().next(), Some(expected));
}
