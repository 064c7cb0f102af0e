//! What happens to a tape behind our back is found: every bit, every record, every file.
//!
//! One tape is recorded by the command itself; each test damages a copy. What only has to be tried
//! often goes through the library, what a person sees through the command.

use crate::run::{Ran, file, run, shown};
use market_data_tape::format::{BLOCK_HEAD, BlockHead, segment_name};
use market_data_tape::reader::{Item, Range, Tape};
use market_data_tape::record::kind;
use market_data_tape::{Finding, verify};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Records on `tape-*.mdt` files of `rotate` bytes, uncompressed when `level` is 0.
pub fn recorded(time: &str, level: u32, rotate: u64) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings =
        format!("[tape]\nlevel = {level}\nrotate_bytes = {rotate}\n[output]\nsinks = []\n");
    let settings = file(&folder, "settings.toml", &settings);
    let tape = shown(&folder.path().join("tape"));
    let log = ["--log-level", "error"];
    let args = ["run", "--config", &settings, "--sim", "--sim-rate", "1000", "--for", time];
    let ran = run(&[&args[..], &["--tape", &tape], &log].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    folder
}

/// Four or more segments of compressed blocks.
pub fn original() -> &'static Path {
    static TAPE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let made = || {
        let folder = recorded("4s", 1, 15_000);
        let dir = folder.path().join("tape");
        (folder, dir)
    };
    &TAPE.get_or_init(made).1
}

/// A generator whose seed is printed by the caller.
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

fn copy(of: &Path) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for path in segments(of) {
        fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    folder
}

/// The segment files, in order.
pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let tape = Tape::open(dir).expect("a tape");
    tape.segments().iter().map(|segment| segment.path.clone()).collect()
}

/// Every block: file, offset, head.
fn blocks(dir: &Path) -> Vec<(PathBuf, usize, BlockHead)> {
    let tape = Tape::open(dir).expect("a tape");
    let mut all = Vec::new();
    for segment in tape.segments() {
        let bytes = fs::read(&segment.path).expect("the segment");
        let index = segment.index().expect("it can be read").expect("it is closed");
        for row in index.blocks {
            let at = row.offset as usize;
            let head = BlockHead::decode(&bytes[at..]).expect("a good head");
            all.push((segment.path.clone(), at, head));
        }
    }
    all
}

fn findings(dir: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    verify(&Tape::open(dir).expect("a tape"), |finding| found.push(finding)).expect("it reads");
    found
}

#[track_caller]
fn not_clean(dir: &Path, words: &[&str]) -> Ran {
    let ran = run(&["verify", &shown(dir)]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nnot clean: "), "{}", ran.stdout);
    for word in words {
        assert!(ran.stdout.contains(word), "no {word:?} in\n{}", ran.stdout);
    }
    ran
}

#[test]
fn untouched_it_is_clean() {
    assert!(segments(original()).len() >= 4, "{:?}", segments(original()));
    let ran = run(&["verify", &shown(original())]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nclean: "), "{}", ran.stdout);
}

#[test]
fn a_page_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (tape, page) = (shown(original()), folder.path().join("page.html"));
    let ran = run(&["verify", &tape, "--html", &shown(&page)]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let text = fs::read_to_string(&page).expect("the page is there");
    assert!(text.starts_with("<!doctype html>") && text.ends_with("</html>\n"), "{text}");
    assert!(text.contains("<td>BTC-USDT</td><td>books</td><td class=\"bar\">"), "{text}");
    run(&["verify", &tape, "--html", &shown(&page)]);
    assert_eq!(fs::read_to_string(&page).expect("it is there"), text, "the same again");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing else");
    let nowhere = shown(&folder.path().join("no/page.html"));
    let ran = run(&["verify", &tape, "--html", &nowhere]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.starts_with(&format!("error: cannot write {nowhere}: ")), "{}", ran.stderr);
}

#[test]
fn one_flipped_bit_in_any_block_is_found() {
    let seed = 20_261_123;
    println!("seed {seed}");
    let mut rng = Rng(seed);
    let folder = copy(original());
    let blocks = blocks(folder.path());
    assert!(blocks.len() >= 12, "{} blocks are too few", blocks.len());
    for (number, (path, at, head)) in blocks.iter().enumerate() {
        let good = fs::read(path).expect("the segment");
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        for round in 0..20 {
            // Head and payload of each block, then any byte of it.
            let byte = match round {
                0 => rng.below(BLOCK_HEAD as u64),
                1 => BLOCK_HEAD as u64 + rng.below(head.stored_len.into()),
                _ => rng.below(head.total_len()),
            };
            let bit = rng.below(8);
            let mut bad = good.clone();
            bad[at + byte as usize] ^= 1 << bit;
            fs::write(path, &bad).expect("it takes bytes");
            let found = findings(folder.path());
            let place = format!("block {number}, byte {byte}, bit {bit}");
            let lost = found.iter().find_map(|finding| match finding {
                Finding::Damage(damage) => Some((damage.segment.clone(), damage.records_lost)),
                _ => None,
            });
            assert_eq!(lost, Some((path.clone(), Some(head.records.into()))), "{place}");
            if round < 1 {
                let records = match head.records {
                    1 => "1 record lost".to_owned(),
                    records => format!("{records} records lost"),
                };
                not_clean(folder.path(), &[&format!("damaged: {name} at byte {at}: "), &records]);
            }
        }
        fs::write(path, &good).expect("it takes bytes");
    }
    assert_eq!(findings(folder.path()), []);
}

/// A length of seven bits a byte at `at`, and how many bytes it took.
fn varint(bytes: &[u8], at: usize) -> (usize, usize) {
    let (mut value, mut taken) = (0, 0);
    loop {
        let byte = bytes[at + taken];
        value |= usize::from(byte & 0x7F) << (7 * taken);
        taken += 1;
        if byte & 0x80 == 0 {
            return (value, taken);
        }
    }
}

/// Every record of an uncompressed block: where it begins, where its kind stands, where it ends.
fn records_of(bytes: &[u8], at: usize, head: &BlockHead) -> Vec<(usize, usize, usize)> {
    let mut place = at + BLOCK_HEAD;
    let record = |_| {
        let (len, taken) = varint(bytes, place);
        let found = (place, place + taken, place + taken + len);
        place = found.2;
        found
    };
    (0..head.records).map(record).collect()
}

/// Writes the block's sums anew, so that they hold over what is there.
pub fn sums_hold(bytes: &mut [u8], at: usize, head: BlockHead) {
    let payload = &bytes[at + BLOCK_HEAD..at + head.total_len() as usize];
    let head = BlockHead { payload_crc: crc32c::crc32c(payload), ..head };
    bytes[at..at + BLOCK_HEAD].copy_from_slice(&head.encode());
}

/// A tape of one uncompressed segment, and a block in its middle with frames of books.
pub fn to_forge() -> (TempDir, PathBuf, usize, BlockHead) {
    let folder = recorded("3s", 0, 1 << 30);
    let blocks = blocks(&folder.path().join("tape"));
    let (path, at, head) = blocks[blocks.len() / 2].clone();
    (folder, path, at, head)
}

/// The frames of the block: the place of their kind and of their end.
pub fn frames_of(bytes: &[u8], at: usize, head: &BlockHead) -> Vec<(usize, usize, usize)> {
    let mut all = records_of(bytes, at, head);
    all.retain(|(_, byte, end)| {
        let text = String::from_utf8_lossy(&bytes[*byte..*end]);
        bytes[*byte] == kind::FRAME && text.contains(r#""action":"update""#)
    });
    all
}

#[test]
fn a_dropped_frame_is_found_though_every_sum_holds() {
    let (folder, path, at, head) = to_forge();
    let dir = folder.path().join("tape");
    let good = fs::read(&path).expect("the segment");
    let frames = frames_of(&good, at, &head);
    let (start, _, end) = frames[frames.len() / 2];
    // Taken out, and the block made whole again: the number is missing.
    let mut bad = good.clone();
    bad.drain(start..end);
    let cut = (end - start) as u32;
    let shorter = BlockHead {
        records: head.records - 1,
        raw_len: head.raw_len - cut,
        stored_len: head.stored_len - cut,
        ..head
    };
    sums_hold(&mut bad, at, shorter);
    fs::write(&path, &bad).expect("it takes bytes");
    not_clean(&dir, &["records are missing, 1 record lost"]);
    // Made a remark of, so that no number is missing: the sum over what came out tells.
    let (_, byte, _) = frames[frames.len() / 2];
    let mut bad = good.clone();
    bad[byte] = kind::NOTE;
    sums_hold(&mut bad, at, head);
    fs::write(&path, &bad).expect("it takes bytes");
    assert_eq!(findings(&dir), [], "the tape itself is whole");
    not_clean(&dir, &["different: feed 1 between "]);
    let check = run(&["replay", &shown(&dir), "--check"]);
    assert_eq!(check.code, Some(1), "{}", check.stdout);
}

#[test]
fn a_changed_digit_is_found_though_every_sum_holds() {
    let (folder, path, at, head) = to_forge();
    let dir = folder.path().join("tape");
    let good = fs::read(&path).expect("the segment");
    // The size of a trade: each becomes an event, while of a book only the best levels do.
    let size = |(_, kind, end): &(usize, usize, usize)| {
        let text = String::from_utf8_lossy(&good[*kind..*end]);
        let is_trades = text.contains(r#""channel":"trades""#) && text.contains(r#""data""#);
        let key = br#""sz":""#;
        let found = good[*kind..*end].windows(key.len()).position(|bytes| bytes == key);
        found.filter(|_| is_trades).map(|place| kind + place + key.len())
    };
    let place = records_of(&good, at, &head).iter().find_map(size).expect("a trade");
    let mut bad = good.clone();
    let digit = &mut bad[place];
    assert!(digit.is_ascii_digit(), "{digit}");
    *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    sums_hold(&mut bad, at, head);
    fs::write(&path, &bad).expect("it takes bytes");
    assert_eq!(findings(&dir), [], "the tape itself is whole");
    not_clean(&dir, &["different: feed 1 between "]);
}

#[test]
fn files_that_are_swapped_renamed_deleted_or_repeated_are_found() {
    let paths = segments(original());
    let named = |dir: &TempDir, n: usize| dir.path().join(paths[n].file_name().expect("a name"));
    let swapped = copy(original());
    fs::copy(&paths[1], named(&swapped, 2)).expect("copied");
    fs::copy(&paths[2], named(&swapped, 1)).expect("copied");
    not_clean(swapped.path(), &["damaged: ", "the file is not the one its name says"]);

    let renamed = copy(original());
    let other = segment_name(market_data_model::Nanos(0), 90);
    fs::rename(named(&renamed, 1), renamed.path().join(other)).expect("renamed");
    not_clean(renamed.path(), &["records are missing", "the file is not the one its name says"]);

    let deleted = copy(original());
    let info = &Tape::open(original()).expect("a tape").segments()[1].clone();
    let footer = info.footer.expect("it is closed");
    fs::remove_file(named(&deleted, 1)).expect("deleted");
    let lost = footer.end_ordinal - footer.first_ordinal;
    not_clean(deleted.path(), &[&format!("records are missing, {lost} records lost")]);

    let repeated = copy(original());
    let again = segment_name(market_data_model::Nanos(0), 2);
    fs::copy(&paths[1], repeated.path().join(again)).expect("copied");
    not_clean(repeated.path(), &["record numbers come a second time"]);
    let under_another = copy(original());
    let again = segment_name(market_data_model::Nanos(0), 90);
    fs::copy(&paths[1], under_another.path().join(again)).expect("copied");
    not_clean(under_another.path(), &["the file is not the one its name says"]);

    let headless = copy(original());
    fs::remove_file(named(&headless, 0)).expect("deleted");
    not_clean(headless.path(), &["unverifiable: feed 1 from "]);
}

#[test]
fn cut_at_a_thousand_places_the_next_recorder_goes_on_and_verify_says_what_is_missing() {
    let seed = 1_000;
    println!("seed {seed}");
    let folder = recorded("4s", 1, 80_000);
    crate::cut::thousand(&folder.path().join("tape"), &mut Rng(seed));
}

/// Number, feed, time, kind and payload of every record, for comparison.
pub fn everything(dir: &Path) -> Vec<(u64, u32, u64, u8, Vec<u8>)> {
    let tape = Tape::open(dir).expect("a tape");
    let mut records = tape.records(Range::ALL);
    let mut all = Vec::new();
    while let Some(item) = records.read().expect("it reads") {
        let Item::Record(r) = item else { continue };
        all.push((r.ordinal, r.feed.0, r.ts.0, r.kind, r.payload.to_vec()));
    }
    all
}
