//! Archives copied to another place are the same archives there.

use crate::archive::{converted, files, verified};
use crate::damage::original;
use crate::run::{fails, run, shown};
use serde_json::Value;

#[test]
fn a_copy_verifies_and_only_what_changed_is_sent_again() {
    let (folder, dir) = converted(original());
    let to = folder.path().join("copy/of it");
    let url = format!("file://{}", to.display());
    let upload = |more: &[&str]| -> Value {
        let ran = run(&[&["upload", &shown(&dir), &url, "--json"], more].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
        serde_json::from_str(&ran.stdout).expect("JSON")
    };
    let all = files(&dir).len();
    let dry = upload(&["--dry-run"]);
    assert!(!to.exists(), "a dry run makes nothing");
    let sent = upload(&[]);
    assert_eq!((&sent, &sent["files"]), (&dry, &all.into()));
    verified(&[&shown(&to)], 0, &["Parquet files whole: "]);
    verified(&[&shown(original()), "--parquet", &shown(&to)], 0, &["compared with the tape: "]);
    let again = upload(&[]);
    assert_eq!((&again["files"], &again["manifests"]), (&0.into(), &0.into()));
    assert_eq!((&again["skipped"], &again["root"]), (&all.into(), &sent["root"]));
    assert_eq!(run(&["compact", &shown(&dir)]).code, Some(0));
    let merged = upload(&["--prune"]);
    let (now, new) = (files(&dir).len(), merged["files"].as_u64().expect("a number"));
    assert!(now < all && new > 0, "{merged}");
    assert_eq!(merged["skipped"], now as u64 - new);
    assert_eq!(files(&to).len(), now);
    verified(&[&shown(&to)], 0, &["Parquet files whole: "]);
}

#[test]
fn what_cannot_be_uploaded_is_refused_with_advice() {
    let (folder, dir) = converted(original());
    let dir = shown(&dir);
    let hint = "\n\nhint: write s3://BUCKET/PREFIX or file:///PATH\n";
    for (url, what) in [
        ("parquet", "\"parquet\" is no place to upload to"),
        ("file://relative", "\"file://relative\" is no place to upload to"),
        ("s3:///x", "\"s3:///x\" names no bucket and prefix"),
    ] {
        fails(&["upload", &dir, url], &format!("error: {what}{hint}"));
    }
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("made");
    let ran = run(&["upload", &shown(&empty), "file:///nowhere"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("is not an archive"), "{}", ran.stderr);
}
