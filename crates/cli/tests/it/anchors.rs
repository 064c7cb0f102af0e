//! A second witness: REST answers that `run` records, and what `verify` makes of them.

use crate::run::{Ran, file, run, shown};
use market_data_tape::reader::{Item, Range, Tape};
use market_data_tape::{Anchor, Entry, TapeOptions, TapeWriter};
use serde_json::Value;
use std::path::Path;

/// What of the rows' anchors: agree, differ, not comparable.
fn counts(ran: &Ran) -> [u64; 3] {
    let report: Value = serde_json::from_str(&ran.stdout).expect("the report is JSON");
    let rows = report["rows"].as_array().expect("rows");
    ["anchorsAgree", "anchorsDiffer", "anchorsNotComparable"]
        .map(|name| rows.iter().map(|row| row[name].as_u64().expect("a number")).sum())
}

/// The same records on another tape; `change` may change the bodies of anchors.
fn copy(from: &Path, to: &Path, mut change: impl FnMut(&str) -> String) {
    let tape = Tape::open(from).expect("a tape");
    let mut writer = None;
    let mut last = None;
    let mut records = tape.records(Range::ALL);
    while let Some(item) = records.read().expect("it reads") {
        let Item::Record(record) = item else { panic!("{item:?}") };
        let open = || TapeWriter::open(to, TapeOptions::default(), record.ts).expect("a tape");
        let writer = writer.get_or_insert_with(open);
        let mut entry = record.entry().expect("a record");
        let body;
        if let Entry::Anchor(Anchor { path, status, body: was }) = entry {
            body = change(std::str::from_utf8(was).expect("text"));
            entry = Entry::Anchor(Anchor { path, status, body: body.as_bytes() });
        }
        let _ = writer.put(record.feed, record.ts, &entry);
        last = Some(record.ts);
    }
    writer.expect("records").close(last.expect("records")).expect("it is closed");
}

/// The best bid's quantity gets another digit in front.
fn another_quantity(body: &str) -> String {
    let bid = body.find("\"bids\":[[\"").expect("bids") + "\"bids\":[[\"".len();
    let qty = bid + body[bid..].find("\",\"").expect("a quantity") + 3;
    format!("{}9{}", &body[..qty], &body[qty..])
}

#[test]
fn rest_answers_agree_with_the_books_unless_one_is_changed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = "[venue]\nwitness_seconds = 5\n[tape]\nanchors = \"1s\"\n[output]\nsinks = []\n[[subscribe]]\n\
                    instruments = [\"BTC-USDT\"]\nchannels = [\"books\"]\n";
    let settings = file(&folder, "settings.toml", settings);
    let tape = folder.path().join("tape");
    // A quiet market: hardly an answer falls between two pushes, so that some agree for certain.
    let args = ["run", "--config", &settings, "--sim", "--sim-rate", "2", "--for", "8s"];
    let ran = run(&[&args[..], &["--log-level", "warn", "--tape", &shown(&tape)]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("WARN"), "{}", ran.stderr);

    let verified = run(&["verify", &shown(&tape), "--json"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    let [agree, differ, not_comparable] = counts(&verified);
    assert!(agree > 0 && agree + not_comparable > 4, "{agree} agree, {not_comparable} do not");
    assert_eq!(differ, 0);
    let words = run(&["verify", &shown(&tape)]);
    assert!(words.stdout.contains("REST agrees"), "{}", words.stdout);
    let same = run(&["replay", &shown(&tape), "--check"]);
    assert_eq!(same.code, Some(0), "{}", same.stdout);

    // The feed has looked for itself, and the report says so.
    let report = run(&["report", &shown(&tape), "--json"]);
    let report: Value = serde_json::from_str(&report.stdout).expect("the report is JSON");
    let rows = report["rows"].as_array().expect("rows");
    let books = rows.iter().rfind(|row| row["channel"] == "books").expect("the book's row");
    let said = ["agree", "differ", "skipped"].map(|name| books["witness"][name].as_u64());
    let [Some(agree_live), Some(0), Some(skipped)] = said else { panic!("{books}") };
    assert!(agree_live + skipped > 0, "{books}");
    let words = run(&["report", &shown(&tape)]);
    assert!(words.stdout.contains("witness"), "{}", words.stdout);

    let mut changed = 0;
    let other = folder.path().join("other");
    copy(&tape, &other, |body| {
        changed += 1;
        another_quantity(body)
    });
    assert_eq!(changed, agree + not_comparable, "each answer is on the tape");
    let page = shown(&folder.path().join("page.html"));
    let verified = run(&["verify", &shown(&other), "--json", "--html", &page]);
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    assert_eq!(counts(&verified), [0, agree, not_comparable]);
    let words = run(&["verify", &shown(&other)]);
    assert!(words.stdout.contains("\ndiffers: books BTC-USDT: at seqId "), "{}", words.stdout);
    assert!(words.stdout.contains(" the bid "), "{}", words.stdout);
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("BTC-USDT books differs: at seqId "), "{page}");
}
