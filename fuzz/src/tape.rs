//! A segment file of the tape: any bytes at all, a real one that was damaged, or a block whose sums
//! hold over garbage.
//!
//! Promises: reading, verifying and recovering end without a panic; a record that is handed out of
//! damaged data is one that was written, under its own number; what misses one and is not merely
//! unclosed is never called clean; the next recorder goes on behind everything that could be read.
//!
//! The first byte says what the rest is, see [`run`]. Damage is a list of five-byte steps.

use market_data_model::{FeedId, Input, Nanos};
use market_data_tape::format::{BlockHead, FOOTER, SegmentHeader, VERSION, segment_name};
use market_data_tape::limits::RECORD_BYTES_MAX;
use market_data_tape::reader::{Item, Range, ReadError, Records, Tape};
use market_data_tape::record::kind;
use market_data_tape::{Compression, Entry, FeedStart, Finding, Lost, Put, TapeOptions};
use market_data_tape::{TapeWriter, verify};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const T0: Nanos = Nanos(1_795_430_701_000_000_000);
/// Steps of damage that are taken; more add nothing.
const STEPS_MAX: usize = 16;

/// Number, feed, time, kind, payload.
type Plain = (u64, FeedId, Nanos, u8, Vec<u8>);

/// A segment as the recorder makes it, and the records in it.
struct Real {
    bytes: Vec<u8>,
    records: Vec<Plain>,
}

static REAL: LazyLock<[Real; 2]> =
    LazyLock::new(|| [real(Compression::None), real(Compression::Zstd(1))]);

/// See the file's first comment.
pub fn run(bytes: &[u8]) {
    let Some((mode, rest)) = bytes.split_first() else { return };
    match mode % 4 {
        0 => any(rest),
        1 => any(&forged(rest)),
        2 => damaged(&REAL[0], rest),
        _ => damaged(&REAL[1], rest),
    }
}

/// A directory of this process and thread, empty.
fn folder() -> PathBuf {
    let name = format!("market-data-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
    let dir = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("the temporary directory takes a folder");
    dir
}

fn real(compression: Compression) -> Real {
    let dir = folder();
    let options = TapeOptions { compression, block_bytes: 300, ..TapeOptions::default() };
    let mut tape = TapeWriter::open(&dir, options, T0).expect("it opens");
    let config = b"how it was made";
    let mut put = |n: u64, entry: Entry<'_>| {
        assert_eq!(tape.put(FeedId((n % 2) as u32), T0 + n * 1_000_000, &entry), Put::Kept);
    };
    put(0, Entry::FeedStart(FeedStart { venue: "okx", config, again: false }));
    for n in 1..40 {
        let text = format!("{{\"arg\":{{\"channel\":\"trades\"}},\"n\":{n}}}");
        put(n, Entry::Input(Input::Frame(text.as_bytes())));
    }
    put(40, Entry::Input(Input::Closed { code: Some(1006), reason: "gone" }));
    put(41, Entry::Note("a remark"));
    tape.close(T0 + 41_000_000).expect("it closes");
    let path = dir.join(segment_name(T0, 1));
    let bytes = fs::read(&path).expect("the segment");
    let (records, findings) = read(&dir).expect("it reads");
    assert!(findings.is_empty() && records.len() == 42, "{findings:?}");
    fs::remove_dir_all(&dir).expect("it goes");
    Real { bytes, records }
}

/// A segment of one block whose sums hold, over these bytes.
fn forged(bytes: &[u8]) -> Vec<u8> {
    let (numbers, payload) = bytes.split_at(bytes.len().min(4));
    let number = |at: usize| numbers.get(at).copied().unwrap_or(0);
    let header = SegmentHeader {
        version: VERSION,
        number: 1,
        created: T0,
        first_ordinal: number(0).into(),
        tape_id: T0.0,
        project: String::new(),
        config: String::new(),
    };
    let head = BlockHead {
        compressed: number(1) % 2 == 1,
        entrances: u32::from(number(1) / 4),
        segment: 1,
        first_ordinal: number(0).into(),
        records: number(2).into(),
        raw_len: payload.len() as u32 + u32::from(number(3)),
        stored_len: payload.len() as u32,
        payload_crc: crc32c::crc32c(payload),
        first_ts: T0,
        min_ts: T0,
        max_ts: T0,
    };
    [&header.encode()[..], &head.encode(), payload].concat()
}

/// Everything there is, and what is wrong with it.
fn read(dir: &Path) -> Result<(Vec<Plain>, Vec<Finding>), ReadError> {
    let tape = Tape::open(dir)?;
    let plain = all(tape.records(Range::ALL))?;
    let mut findings = Vec::new();
    let verified = verify(&tape, |finding| findings.push(finding))?;
    // In a damaged tape a seek may step over what made the others doubtful.
    let sought = seek(&tape)?;
    let known = |sought: &Plain| plain.contains(sought);
    assert!(!findings.is_empty() || sought.iter().all(known), "only a seek finds a record");
    assert_eq!(verified.records, plain.len() as u64, "the same twice");
    assert_eq!(verified.findings, findings.len() as u64, "all are counted");
    Ok((plain, findings))
}

/// What a seek into the middle finds.
fn seek(tape: &Tape) -> Result<Vec<Plain>, ReadError> {
    let from = T0 + 20_000_000;
    tape.times()?;
    tape.entrances(from, |_, _| true)?;
    all(tape.records(Range { from: Some(from), to: Some(from + 10_000_000) }))
}

fn all(mut records: Records<'_>) -> Result<Vec<Plain>, ReadError> {
    let mut plain = Vec::new();
    while let Some(item) = records.read()? {
        let Item::Record(record) = item else { continue };
        assert!(record.payload.len() <= RECORD_BYTES_MAX, "longer than any may be");
        // Whatever it holds, it can be asked what that is.
        let _ = record.entry();
        let payload = record.payload.to_vec();
        plain.push((record.ordinal, record.feed, record.ts, record.kind, payload));
    }
    Ok(plain)
}

fn any(bytes: &[u8]) {
    let dir = folder();
    fs::write(dir.join(segment_name(T0, 1)), bytes).expect("it is written");
    match read(&dir) {
        Ok((before, _)) => goes_on(&dir, &before),
        Err(ReadError::TooNew { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let _ = fs::remove_dir_all(&dir);
}

/// The next recorder: everything that could be read is still there, and then comes its own.
fn goes_on(dir: &Path, before: &[Plain]) {
    let now = T0 + 1_000_000_000;
    let mut tape = TapeWriter::open(dir, TapeOptions::default(), now).expect("it opens");
    let put = tape.put(FeedId(7), now, &Entry::Note("on again"));
    assert_eq!(put, Put::Kept);
    tape.close(now).expect("it closes");
    let (after, findings) = read(dir).expect("it reads");
    assert!(after.starts_with(before), "what could be read is gone: {findings:?}");
    let last = after.last().map(|record| (record.1, record.3));
    assert_eq!(last, Some((FeedId(7), kind::NOTE)), "and it goes on");
}

/// Steps: what, where (two bytes), how much, and a value.
fn damage(bytes: &[u8], steps: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for step in steps.chunks_exact(5).take(STEPS_MAX) {
        let [what, low, high, much, value] = step else { continue };
        let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len().max(1);
        let end = (at + usize::from(*much) * (1 + usize::from(*value % 8))).min(bytes.len());
        match what % 6 {
            0 if at < bytes.len() => bytes[at] ^= 1 << (value % 8),
            1 if at < bytes.len() => bytes[at] = *value,
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => bytes.truncate(at),
            _ => bytes.extend(std::iter::repeat_n(*value, usize::from(*much))),
        }
    }
    bytes
}

fn damaged(real: &Real, steps: &[u8]) {
    let bytes = damage(&real.bytes, steps);
    let dir = folder();
    fs::write(dir.join(segment_name(T0, 1)), &bytes).expect("it is written");
    let (records, findings) = read(&dir).expect("it reads");
    let sought = Tape::open(&dir).and_then(|tape| seek(&tape)).expect("it reads");
    for record in records.iter().chain(&sought) {
        let written = real.records.get(record.0 as usize);
        assert_eq!(Some(record), written, "a record that was never written");
    }
    let whole = records == real.records;
    if bytes == real.bytes {
        assert!(whole && findings.is_empty(), "it is not damaged: {findings:?}");
    } else if findings.is_empty() && !whole {
        // A file that ends between two blocks looks like one that is being written.
        assert!(real.records.starts_with(&records), "records are missing, and nothing is said");
        let tape = Tape::open(&dir).expect("it opens");
        let unclosed = tape.segments().iter().all(|segment| segment.footer.is_none());
        assert!(unclosed, "records are missing, it is closed, and nothing is said");
    }
    let repeats = findings.iter().any(|finding| match finding {
        Finding::Damage(damage) => damage.to_string().contains("second time"),
        _ => false,
    });
    assert!(repeats || records.is_sorted_by(|a, b| a.0 < b.0), "a number twice: {findings:?}");
    goes_on(&dir, &records);
    told_after(&dir, &real.bytes, &bytes);
    let _ = fs::remove_dir_all(&dir);
}

/// A recorder that did not close its segment is told of by the next one.
fn told_after(dir: &Path, good: &[u8], bytes: &[u8]) {
    // Where the good file's footer is untouched, the file counts as closed.
    let closed = bytes.ends_with(&good[good.len() - FOOTER..]);
    let (_, findings) = read(dir).expect("it reads");
    let unknown = |finding: &&Finding| {
        matches!(finding, Finding::Lost { lost: Lost { records: None, .. }, .. })
    };
    let told = findings.iter().filter(unknown).count();
    assert!(closed || told == 1, "the next recorder says nothing of the one before: {findings:?}");
}

/// Where fuzzing starts.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![2], vec![3]];
    for mode in [2, 3] {
        for at in (0..REAL[usize::from(mode == 3)].bytes.len() as u16).step_by(97) {
            let [low, high] = at.to_le_bytes();
            for what in 0..6 {
                seeds.push(vec![mode, what, low, high, 40, 3]);
            }
        }
    }
    for (mode, real) in [(0, &REAL[0]), (0, &REAL[1])] {
        seeds.push([&[mode], &real.bytes[..]].concat());
    }
    // A piece repeated further back: only a seek takes the blocks behind it.
    seeds.push(vec![3, 141, 28, 42, 131, 107, 164, 164, 24, 102, 76]);
    seeds.push([&[1, 0, 0, 1, 0][..], &[4, kind::NOTE, 0, 0, b'x']].concat());
    seeds
}
