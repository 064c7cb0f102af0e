//! Two recorders of one venue with losses at different moments, merged: what came is the lossless
//! recording wherever one of them had it.

use crate::support::Dice;
use market_data_archive::{
    Archive, Facts, Made, Manifest, Merged, Ranges, Segment, Stream, WriteOptions, merge, verify,
};
use market_data_model::batch::{BookHead, Names, Other};
use market_data_model::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;
/// Ten minutes before midnight: days are crossed.
const START: u64 = 20_780 * 86_400 * SECOND - 150 * SECOND;
const STEPS: u64 = 300;

/// What the venue said in one second.
struct Said {
    at: u64,
    /// Last id and number of fills.
    trade: (u64, u32),
    /// Follows which id, and its own.
    link: (i64, i64),
    px: i128,
}

fn venue(dice: &mut Dice) -> Vec<Said> {
    let (mut id, mut seq) = (1_000, 500);
    let mut said = Vec::new();
    for step in 0..STEPS {
        let count = 1 + dice.below(3) as u32;
        id += u64::from(count);
        // Ids jump, and once they are reset.
        let next = if step == STEPS / 3 { 7 } else { seq + 1 + dice.below(9).cast_signed() };
        let px = 9_000 + i128::from(dice.below(50));
        said.push(Said { at: START + step * SECOND, trade: (id, count), link: (seq, next), px });
        seq = next;
    }
    said
}

fn px(value: i128) -> Px {
    Px(Decimal::from_parts(value, 1).expect("it fits"))
}

struct Recorder {
    batch: Batch,
    n: u64,
    skew: u64,
    gaps: u64,
}

impl Recorder {
    fn header(&mut self, channel: u16, at: u64) -> Header {
        self.n += 1;
        let ts_recv = Nanos(at + self.skew + self.n % 7);
        let ts_event = Some(Nanos(at));
        let (feed, n) = (FeedId(1), self.n);
        Header { feed, n, channel: Some(channel), inst: Some(0), ts_event, ts_recv }
    }

    fn said(&mut self, said: &Said, snapshot: bool) {
        let (trade_id, count) = said.trade;
        let header = self.header(0, said.at);
        let trade = Trade {
            trade_id,
            px: px(said.px),
            qty: Qty(Decimal::from_parts(i128::from(count), 0).expect("it fits")),
            aggressor: Aggressor::Buyer,
            count: Some(count),
            source: None,
            seq: None,
            filled: None,
        };
        self.batch.push_trade(header, trade);
        let header = self.header(1, said.at);
        let level =
            Level { px: px(said.px), qty: trade.qty, non_rpi: Qty(Decimal::NONE), orders: 1 };
        let head = BookHead {
            kind: if snapshot { BookKind::Snapshot } else { BookKind::Delta },
            prev_seq: (!snapshot).then_some(said.link.0),
            seq: Some(said.link.1),
            depth: 400,
        };
        self.batch.push_book(header, head, [level].into_iter(), std::iter::empty());
        let header = self.header(2, said.at);
        let row = format!("{{\"px\":\"{}\",\"at\":{}}}", said.px, said.at);
        self.batch.push_other(header, Other::Raw(Raw { row }));
    }

    fn gap(&mut self, closed: bool, before: &Said, after: &Said) {
        for channel in 0..3 {
            let ids = match channel {
                0 => {
                    let first = after.trade.0 - u64::from(after.trade.1) + 1;
                    (before.trade.0.cast_signed(), first.cast_signed())
                }
                _ => (before.link.1, after.link.1),
            };
            let at = if closed { after.at } else { before.at };
            let gap = Gap {
                id: self.gaps * 3 + u64::from(channel),
                closed,
                cause: GapCause::Disconnect,
                whose: Whose::Link,
                from_id: (channel < 2).then_some(ids.0),
                to_id: (channel < 2 && closed).then_some(ids.1),
                from: Some(Nanos(before.at + self.skew)),
                to: closed.then_some(Nanos(after.at + self.skew)),
                lost: None,
                healed: closed.then_some(Healed::Resumed),
            };
            let header = self.header(channel, at);
            self.batch.push_other(header, Other::Gap(gap));
        }
        self.gaps += u64::from(closed);
    }
}

/// An archive of everything but what lies in `lost`.
fn record(dir: &Path, said: &[Said], lost: &[(u64, u64)], skew: u64) {
    let mut recorder = Recorder { batch: Batch::default(), n: 0, skew, gaps: 1 };
    let is_lost = |step: u64| lost.iter().any(|(from, to)| (*from..*to).contains(&step));
    let mut before = None;
    for (step, now) in said.iter().enumerate() {
        if is_lost(step as u64) {
            continue;
        }
        let gap = before.filter(|before| before + 1 < step).map(|before| &said[before]);
        if let Some(before) = gap {
            recorder.gap(false, before, now);
        }
        recorder.said(now, gap.is_some() || before.is_none());
        if let Some(before) = gap {
            recorder.gap(true, before, now);
        }
        before = Some(step);
    }
    let mut swap = Instrument::named("BTC-USDT-SWAP");
    swap.inst_type = Some(InstType::Swap);
    let channels = ["trades", "books", "other"].map(Arc::from).to_vec();
    let names = Names { venue: "okx", channels, instruments: vec![Arc::new(swap)] };
    recorder.batch.set_names(&Arc::new(names));
    let made = Made { tape: skew + 1, book_interval_ms: None, book_depth: 0 };
    let mut archive = Archive::open(dir, &made).expect("it works");
    let half = recorder.batch.len() / 2;
    for (number, part) in [(1, 0..half), (2, half..recorder.batch.len())] {
        let segment = Segment::new(number, 1, format!("{number}"));
        let mut writer = archive.begin(&segment, WriteOptions::default()).expect("it works");
        recorder.batch.events(part).iter().for_each(|event| writer.take(&event).expect("it works"));
        archive.commit(segment, writer.finish().expect("it works")).expect("it works");
    }
}

fn merged(a: &Path, b: &Path, out: &Path) -> Merged {
    merge(&[a.to_owned(), b.to_owned()], out, |_, _, _| ControlFlow::Continue(()))
        .expect("it works")
}

/// Every file below, by its relative path.
fn bytes(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut next = vec![dir.to_owned()];
    while let Some(path) = next.pop() {
        for entry in std::fs::read_dir(&path).expect("it works") {
            let path = entry.expect("it works").path();
            if path.is_dir() {
                next.push(path);
            } else {
                let rel = path.strip_prefix(dir).expect("it works").to_owned();
                found.insert(rel, std::fs::read(&path).expect("it works"));
            }
        }
    }
    found
}

fn rows(dir: &Path, table: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for day in ["date=2026-11-22", "date=2026-11-23"] {
        let mut stream = Stream::open(dir, &format!("venue=okx/{table}/{day}")).expect("it works");
        while let Some(json) = stream.json() {
            rows.push(String::from_utf8(json.to_vec()).expect("it works"));
            stream.advance().expect("it works");
        }
    }
    rows
}

fn losses(dice: &mut Dice) -> Vec<(u64, u64)> {
    let mut lost = Vec::new();
    for _ in 0..3 {
        let from = dice.below(STEPS - 60) + 1;
        lost.push((from, from + 1 + dice.below(30)));
    }
    lost
}

#[test]
fn a_merge_is_the_lossless_recording_wherever_one_of_two_had_it() {
    let mut dice = Dice::new();
    let (mut bridged, mut broken) = (0, 0);
    for round in 0..4 {
        let said = venue(&mut dice);
        let (one, two) = match round {
            0 => (vec![(50, 70)], vec![(60, 80)]),
            // By its clock the snapshot behind so short a loss comes before the other change.
            1 => (vec![(50, 51)], vec![(100, 120)]),
            _ => (losses(&mut dice), losses(&mut dice)),
        };
        let folder = tempfile::tempdir().expect("it works");
        let dir = |name: &str| folder.path().join(name);
        record(&dir("a"), &said, &one, 3_000_000);
        let skew = if round == 1 { 2 * SECOND - 9 } else { dice.below(2 * SECOND) };
        record(&dir("b"), &said, &two, skew);
        let done = merged(&dir("a"), &dir("b"), &dir("c"));
        assert_eq!(done.differences, []);
        check(&dir("c"), &said, (&one, &two), &done);
        let lost = |step| [&one, &two].iter().all(|l| l.iter().any(|r| (r.0..r.1).contains(&step)));
        match (0..STEPS).any(lost) {
            true => broken += 1,
            false => bridged += 1,
        }
        // In the other order, again, and once more on top of it.
        merged(&dir("b"), &dir("a"), &dir("d"));
        assert_eq!(bytes(&dir("c")), bytes(&dir("d")));
        assert!(merged(&dir("a"), &dir("b"), &dir("c")).there);
        assert_eq!(bytes(&dir("c")), bytes(&dir("d")));
    }
    assert!(bridged > 0 && broken > 0, "{bridged} {broken}");
}

/// Steps that a recorder lost: from, to.
type Lost = [(u64, u64)];

fn check(dir: &Path, said: &[Said], (one, two): (&Lost, &Lost), done: &Merged) {
    let mut findings = Vec::new();
    verify(dir, |finding| findings.push(finding.to_string())).expect("it works");
    assert!(findings.is_empty(), "{findings:?}");
    let has = |step: u64, lost: &[(u64, u64)]| !lost.iter().any(|r| (r.0..r.1).contains(&step));
    let known = |step: u64| has(step, one) || has(step, two);
    let here: Vec<&Said> =
        (0..STEPS).filter(|step| known(*step)).map(|step| &said[step as usize]).collect();
    let trades = rows(dir, "channel=trades/inst_id=BTC-USDT-SWAP");
    let mut ids: Vec<u64> = trades
        .iter()
        .map(|row| Facts::of(row.as_bytes()).expect("it works").ids().expect("it works").1)
        .collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(here.iter().map(|said| said.trade.0)));
    let others = rows(dir, "table=raw/channel=other/inst_id=BTC-USDT-SWAP");
    assert_eq!(others.len(), here.len());
    // The chain, in the order of the rows: each link once, anew only where nobody knows.
    let books = rows(dir, "channel=books/inst_id=BTC-USDT-SWAP");
    let mut last = None;
    let (mut seqs, mut breaks) = (Vec::new(), 0);
    for row in &books {
        let facts = Facts::of(row.as_bytes()).expect("it works");
        let linked = last.is_some() && facts.more.prev_update_id == last;
        assert!(linked || facts.more.is_snapshot == Some(true), "{row}");
        breaks += u64::from(last.is_some() && !linked);
        last = facts.more.last_update_id;
        seqs.push(last.expect("it works"));
    }
    // After a loss comes a snapshot: of the change to it nobody knows but who had the one before.
    let linked = |step: u64| [one, two].iter().any(|lost| has(step, lost) && has(step - 1, lost));
    let unlinked: Vec<u64> = (1..STEPS).filter(|step| known(*step) && !linked(*step)).collect();
    assert!(seqs.iter().copied().eq(here.iter().map(|said| said.link.1)));
    assert_eq!(breaks, unlinked.len() as u64);
    // Gaps of books and trades stay exactly where both lost something.
    let gaps = rows(dir, "table=gaps");
    for channel in ["trades", "books"] {
        let mut covered = Ranges::default();
        let closed = gaps.iter().filter(|row| row.contains("\"closed\""));
        for row in closed.filter(|row| row.contains(&format!("\"channel\":\"{channel}\""))) {
            let facts = Facts::of(row.as_bytes()).expect("it works");
            let at = |ns: u64| (ns - START) / SECOND;
            let (from, to) = (facts.more.from.expect("it works"), facts.more.to.expect("it works"));
            covered.put((at(from.ts_recv.expect("it works")), at(to.ts_recv.expect("it works"))));
        }
        let unknown: Vec<u64> = (0..STEPS).filter(|step| !known(*step)).collect();
        assert!(unknown.iter().all(|step| covered.here((*step, *step)) == 1), "{channel}");
        let stays = if channel == "books" { !unlinked.is_empty() } else { !unknown.is_empty() };
        assert_eq!(gaps.iter().any(|row| row.contains(channel)), stays);
    }
    let (root, _) = Manifest::load(dir).expect("it works").expect("it works");
    let names: Vec<&str> = root
        .segments
        .iter()
        .map(|segment| segment.host.as_ref().expect("it works").name.as_str())
        .collect();
    assert!(names == ["a", "b"] || names == ["b", "a"]);
    assert_eq!(done.hosts.iter().map(|host| host.taken).sum::<u64>(), done.records);
}

#[test]
fn rows_that_differ_under_one_id_are_told_with_both() {
    let mut dice = Dice::new();
    let folder = tempfile::tempdir().expect("it works");
    let dir = |name: &str| folder.path().join(name);
    let mut said = venue(&mut dice);
    record(&dir("a"), &said, &[], 5);
    said[70].px += 1;
    record(&dir("b"), &said, &[], 9);
    let done = merged(&dir("a"), &dir("b"), &dir("c"));
    // The trade, and the change of the book; the row without identity is there twice.
    assert_eq!(done.differ, 2);
    let told = done.differences.iter().find(|one| one.what.starts_with("id ")).expect("it works");
    assert!(told.taken != told.other && told.other.contains("tradeId"));
}

#[test]
fn what_cannot_be_merged_is_refused() {
    let mut dice = Dice::new();
    let folder = tempfile::tempdir().expect("it works");
    let dir = |name: &str| folder.path().join(name);
    let said = venue(&mut dice);
    record(&dir("a"), &said, &[], 5);
    record(&dir("b"), &said, &[], 9);
    merged(&dir("a"), &dir("b"), &dir("c"));
    let refused = |one: &str, two: &str, out: &str| {
        let done = merge(&[dir(one), dir(two)], &dir(out), |_, _, _| ControlFlow::Continue(()));
        done.expect_err("it is refused").to_string()
    };
    assert!(refused("a", "a", "x").contains("the same"));
    assert!(refused("a", "c", "x").contains("a merge itself"));
    assert!(refused("a", "nowhere", "x").contains("not an archive"));
    // Interrupted, nothing stays, and it can be done again.
    let stopped = merge(&[dir("a"), dir("b")], &dir("y"), |_, _, _| ControlFlow::Break(()));
    assert!(stopped.is_err());
    merged(&dir("a"), &dir("b"), &dir("y"));
    assert_eq!(bytes(&dir("c")), bytes(&dir("y")));
}
