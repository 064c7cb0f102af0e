//! One test a line of OKX's table of sequence rules.

use super::*;
use crate::channel::Unknowns;
use crate::channel::books;
use crate::json;

const BOOKS: BookForm = BookForm { depth: 400, incremental: true, rpi: false, spread: false };

struct Bench {
    follow: Follow,
    stats: BookStats,
}

impl Bench {
    fn new(form: BookForm) -> Bench {
        Bench { follow: Follow::new(form), stats: BookStats::default() }
    }

    fn take(&mut self, action: Option<Action>, bids: &str, prev: i64, seq: i64) -> Verdict {
        let text = format!(r#"{{"asks":[],"bids":{bids},"seqId":{seq},"prevSeqId":{prev}}}"#);
        self.text(action, &text)
    }

    fn text(&mut self, action: Option<Action>, text: &str) -> Verdict {
        let mut row = BookRow::default();
        let raw = json::parse(text.as_bytes()).unwrap();
        books::decode(raw, self.follow.form(), &mut row, &mut Unknowns::default());
        self.follow.take(action, &row, &mut self.stats)
    }

    fn snapshot(&mut self, bids: &str, seq: i64) -> Verdict {
        self.take(Some(Action::Snapshot), bids, -1, seq)
    }

    fn update(&mut self, bids: &str, prev: i64, seq: i64) -> Verdict {
        self.take(Some(Action::Update), bids, prev, seq)
    }

    fn bids(&self) -> Option<String> {
        let levels = self.follow.live()?.levels(Side::Bid);
        Some(levels.map(|l| format!("{}x{} ", l.px, l.qty)).collect())
    }
}

const ONE: &str = r#"[["1","1","0","1"]]"#;
const TWO: &str = r#"[["2","1","0","1"]]"#;
const NO_ONE: &str = r#"[["1","0","0","0"]]"#;

fn is_gap(verdict: &Verdict, cause: GapCause) -> bool {
    matches!(verdict, Verdict::Gap(c, _) if *c == cause)
}

/// The sums are CRC-32 of `-78.9:0.4353:-8.8:1.8922` and `-78.9:0.4353:-8.8:1.9000:-80:2`, computed
/// with another program.
#[test]
fn the_checksum_of_a_spread_ends_its_book_when_it_does_not_agree() {
    let form = BookForm { spread: true, ..BOOKS };
    let snapshot = r#"{"asks":[["-8.8","1.8922","1"]],"bids":[["-78.9","0.4353","1"]],"checksum":-1487517091,"prevSeqId":-1,"seqId":10}"#;
    let update = r#"{"asks":[["-8.8","1.9000","1"]],"bids":[["-80","2","3"]],"checksum":SUM,"prevSeqId":10,"seqId":17}"#;
    for (sum, holds) in [("-685678703", true), ("0", true), ("-685678704", false)] {
        let mut bench = Bench::new(form);
        assert_eq!(bench.text(Some(Action::Snapshot), snapshot), Verdict::Snapshot);
        let verdict = bench.text(Some(Action::Update), &update.replace("SUM", sum));
        assert_eq!(verdict == Verdict::Applied, holds, "{sum}");
        assert_eq!(is_gap(&verdict, GapCause::Checksum), !holds, "{sum}");
        assert_eq!(bench.follow.live().is_some(), holds);
    }
}

#[test]
fn snapshot_replaces_at_any_time() {
    let mut bench = Bench::new(BOOKS);
    assert_eq!(bench.snapshot(ONE, 10), Verdict::Snapshot);
    assert_eq!(bench.snapshot(TWO, 5), Verdict::Snapshot);
    assert_eq!(bench.bids().unwrap(), "2x1 ");
    assert_eq!(bench.update(ONE, 5, 6), Verdict::Applied);
    assert_eq!(bench.bids().unwrap(), "2x1 1x1 ");
}

#[test]
fn update_before_a_snapshot_is_dropped() {
    let mut bench = Bench::new(BOOKS);
    assert_eq!(bench.update(ONE, 1, 2), Verdict::Early);
    assert_eq!(bench.bids(), None);
    assert_eq!(bench.stats.early, 1);
}

#[test]
fn steps_are_irregular_and_zero_removes() {
    let mut bench = Bench::new(BOOKS);
    bench.snapshot(ONE, 10);
    assert_eq!(bench.update(TWO, 10, 263), Verdict::Applied);
    assert_eq!(bench.update(NO_ONE, 263, 270), Verdict::Applied);
    assert_eq!(bench.bids().unwrap(), "2x1 ");
    assert_eq!((bench.stats.chain_checked, bench.stats.chain_ok), (2, 2));
}

#[test]
fn heartbeat_is_only_a_sign_of_life() {
    let mut bench = Bench::new(BOOKS);
    bench.snapshot(ONE, 10);
    assert_eq!(bench.update("[]", 10, 10), Verdict::Unchanged);
    assert_eq!(bench.stats.heartbeats, 1);
}

#[test]
fn levels_under_a_held_id_are_corruption() {
    let mut bench = Bench::new(BOOKS);
    bench.snapshot(ONE, 10);
    assert!(is_gap(&bench.update(TWO, 10, 10), GapCause::Sequence));
    assert_eq!(bench.bids(), None);
}

#[test]
fn a_reset_that_links_is_legal() {
    let mut bench = Bench::new(BOOKS);
    bench.snapshot(ONE, 100);
    assert_eq!(bench.update(TWO, 100, 3), Verdict::Applied);
    assert_eq!(bench.update(NO_ONE, 3, 4), Verdict::Applied);
    assert_eq!((bench.stats.resets, bench.bids().unwrap().as_str()), (1, "2x1 "));
}

#[test]
fn a_gap_ends_service_until_a_snapshot() {
    let mut bench = Bench::new(BOOKS);
    bench.snapshot(ONE, 10);
    assert!(is_gap(&bench.update(TWO, 11, 12), GapCause::Sequence));
    assert_eq!(bench.bids(), None);
    assert_eq!(bench.update(TWO, 12, 13), Verdict::Early);
    assert_eq!(bench.update(TWO, 10, 14), Verdict::Early);
    assert_eq!(bench.snapshot(TWO, 20), Verdict::Snapshot);
    assert_eq!(bench.bids().unwrap(), "2x1 ");
}

#[test]
fn a_duplicate_is_skipped() {
    let mut bench = Bench::new(BOOKS);
    bench.snapshot(ONE, 10);
    bench.update(TWO, 10, 12);
    assert_eq!(bench.update(NO_ONE, 10, 12), Verdict::Duplicate);
    assert_eq!(bench.bids().unwrap(), "2x1 1x1 ");
}

#[test]
fn a_row_with_an_odd_level_ends_service() {
    let mut bench = Bench::new(BOOKS);
    bench.snapshot(ONE, 10);
    assert!(is_gap(&bench.update(r#"[["x","1","0","1"]]"#, 10, 11), GapCause::Unreadable));
    assert!(is_gap(&bench.snapshot(r#"[["1","1","0"]]"#, 12), GapCause::Unreadable));
    assert_eq!(bench.bids(), None);
}

#[test]
fn an_update_that_lost_its_ids_is_a_gap() {
    let mut bench = Bench::new(BOOKS);
    bench.snapshot(ONE, 10);
    let verdict = bench.text(Some(Action::Update), r#"{"asks":[],"bids":[],"seqId":11}"#);
    assert!(is_gap(&verdict, GapCause::Sequence));
}

#[test]
fn without_ids_only_a_checksum_proves_a_book() {
    let mut bench = Bench::new(BOOKS);
    let unproven = r#"{"asks":[],"bids":[["1","1","0","1"]],"checksum":0}"#;
    assert!(is_gap(&bench.text(Some(Action::Snapshot), unproven), GapCause::Unverifiable));
    let crc = crc32fast::hash(b"1:1").cast_signed();
    let proven = format!(r#"{{"asks":[],"bids":[["1","1","0","1"]],"checksum":{crc}}}"#);
    assert_eq!(bench.text(Some(Action::Snapshot), &proven), Verdict::Snapshot);
    assert!(is_gap(
        &bench.text(Some(Action::Update), &proven.replace("\"1\"", "\"2\"")),
        GapCause::Checksum
    ));
}

#[test]
fn snapshot_channels_replace_and_drop_exact_repeats() {
    let mut bench = Bench::new(BookForm { depth: 5, incremental: false, ..BOOKS });
    assert_eq!(bench.take(None, ONE, -1, 10), Verdict::Snapshot);
    assert_eq!(bench.take(None, ONE, -1, 10), Verdict::Unchanged);
    assert_eq!(bench.take(None, TWO, -1, 9), Verdict::Snapshot);
    assert_eq!(bench.bids().unwrap(), "2x1 ");
    assert_eq!(bench.take(None, "[]", -1, 11), Verdict::Snapshot);
    assert_eq!(bench.bids().unwrap(), "");
}
