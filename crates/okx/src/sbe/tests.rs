//! Messages written by hand after the documented layout, and bytes of every kind.

use super::header::{Head, Kind};
use super::join::{AHEAD_MAX, Fit, Join, KEPT_MAX, Step, fit};
use super::{Odd, best, depth, head, is_binary, number, request, trades};
use crate::channel::Unknowns;
use crate::channel::books::BookRow;
use crate::json;
use market_data_model::{Aggressor, Level, Nanos};
use proptest::prelude::*;

/// One message: `blockLength`, `templateId`, schema 1, version 0, then the rest as hexadecimal
/// digits, blanks between fields.
fn message(template: u16, root: &str, groups: &str) -> Vec<u8> {
    let root = bytes(root);
    let mut out = u16::try_from(root.len()).unwrap().to_le_bytes().to_vec();
    out.extend(template.to_le_bytes());
    out.extend([1, 0, 0, 0]);
    out.extend(root);
    out.extend(bytes(groups));
    out
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let text = |pair: &[u8]| std::str::from_utf8(pair).unwrap().to_owned();
    digits.chunks(2).map(|pair| u8::from_str_radix(&text(pair), 16).unwrap()).collect()
}

/// 1_597_026_383_085_000 µs of 2020-08-10, little-endian.
const TS: &str = "c8bd42ae7cac0500";

fn ts() -> Option<Nanos> {
    Some(Nanos::from_millis(1_597_026_383_085))
}

fn text(levels: &[Level]) -> String {
    let one = |l: &Level| format!("{}x{}x{}", l.px, l.qty, l.orders);
    levels.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn book(message: &[u8]) -> BookRow {
    let head = head(message).unwrap();
    let mut row = BookRow::default();
    match head.kind {
        Kind::Best => best::read(&head, &mut row),
        _ => depth::read(&head, &mut row),
    }
    row
}

fn best_message() -> Vec<u8> {
    let root = format!(
        "0a00000000000000 {TS} 0000000000000000 7b00000000000000 \
         b61fd30000000000 3000000000000000 b51fd30000000000 2c01000000000000 \
         02000000 01000000 fd ff"
    );
    message(1000, &root, "")
}

#[test]
fn a_best_bid_and_ask() {
    // ask 13_836_214 e-3 x 48 e-1 (2 orders), bid 13_836_213 e-3 x 300 e-1 (1 order).
    let bytes = best_message();
    assert_eq!(bytes.len(), 8 + 74);
    let head = head(&bytes).unwrap();
    assert_eq!((head.kind, head.code), (Kind::Best, 10));
    let row = book(&bytes);
    assert_eq!((row.odd, row.seq, row.prev, row.ts), (None, Some(123), None, ts()));
    assert_eq!(text(&row.asks), "13836.214x4.8x2");
    assert_eq!(text(&row.bids), "13836.213x30x1");
}

#[test]
fn a_side_without_quantity_is_empty() {
    let mut bytes = best_message();
    bytes[8 + 40..8 + 48].fill(0);
    let row = book(&bytes);
    assert_eq!((row.odd, row.asks.len(), row.bids.len()), (None, 0, 1));
}

fn change_message() -> Vec<u8> {
    // One ask 100.5 x 0 (gone), two bids: 99.5 x 12 (3 orders), 99 x 7 (70_000 orders).
    let root =
        format!("0a00000000000000 {TS} 0000000000000000 c800000000000000 6400000000000000 ff 00");
    let asks = "1400 0100  ed03000000000000 0000000000000000 00000000";
    let bids = "1400 0200  e303000000000000 0c00000000000000 03000000 \
                de03000000000000 0700000000000000 70110100";
    message(1001, &root, &format!("{asks} {bids}"))
}

#[test]
fn a_change_of_a_book() {
    let bytes = change_message();
    assert_eq!(bytes.len(), 8 + 42 + 4 + 20 + 4 + 40);
    let head = head(&bytes).unwrap();
    assert_eq!((head.kind, head.code), (Kind::Change, 10));
    assert_eq!(depth::ids(&head), Ok((100, 200)));
    let row = book(&bytes);
    assert_eq!((&row.odd, row.prev, row.seq, row.ts), (&None, Some(100), Some(200), ts()));
    assert_eq!(text(&row.asks), "100.5x0x0");
    assert_eq!(text(&row.bids), "99.5x12x3 99x7x70000");
}

#[test]
fn new_exponents_are_a_link_without_levels() {
    let root =
        format!("0a00000000000000 {TS} 0000000000000000 c800000000000000 6400000000000000 fe ff");
    let bytes = message(1002, &root, "");
    let row = book(&bytes);
    assert_eq!(head(&bytes).unwrap().kind, Kind::Exponents);
    assert_eq!((row.odd, row.prev, row.seq), (None, Some(100), Some(200)));
    assert!(row.asks.is_empty() && row.bids.is_empty());
}

#[test]
fn a_whole_book_of_rest() {
    let root = format!("0a00000000000000 {TS} c800000000000000 ff fe");
    let asks = "1400 0100  ed03000000000000 6400000000000000 01000000";
    let bytes = message(1006, &root, &format!("{asks} 1400 0000"));
    assert_eq!(bytes.len(), 8 + 26 + 24 + 4);
    let row = book(&bytes);
    assert_eq!((row.odd, row.prev, row.seq, row.ts), (None, None, Some(200), ts()));
    assert_eq!((text(&row.asks).as_str(), row.bids.len()), ("100.5x1x1", 0));
}

fn trade_message(side: &str, source: &str) -> Vec<u8> {
    let root = format!(
        "0a00000000000000 {TS} 0000000000000000 c800000000000000 ed03000000000000 \
         0c00000000000000 9303000000000000 0300 {side} ff fd {source}"
    );
    message(1005, &root, "")
}

#[test]
fn a_trade() {
    let bytes = trade_message("01", "00");
    assert_eq!(bytes.len(), 8 + 62);
    let mut unknowns = Unknowns::default();
    let (time, trade) = trades::read(&head(&bytes).unwrap(), &mut unknowns).unwrap();
    assert_eq!((time, trade.trade_id, trade.seq), (ts(), 915, Some(200)));
    assert_eq!((trade.px.to_string(), trade.qty.to_string()), ("100.5".into(), "0.012".into()));
    assert_eq!((trade.aggressor, trade.count), (Aggressor::Buyer, Some(3)));
    assert_eq!(trade.source.unwrap().as_str(), "0");
    assert_eq!(unknowns, Unknowns::default());
    let bytes = trade_message("00", "01");
    let (_, trade) = trades::read(&head(&bytes).unwrap(), &mut unknowns).unwrap();
    assert_eq!((trade.aggressor, trade.source.unwrap().as_str()), (Aggressor::Seller, "1"));
    let bytes = trade_message("07", "09");
    let (_, trade) = trades::read(&head(&bytes).unwrap(), &mut unknowns).unwrap();
    assert_eq!((trade.aggressor, trade.source.unwrap().as_str()), (Aggressor::Unknown, "9"));
    assert_eq!(unknowns.values, 2);
}

#[test]
fn numbers_are_as_json_prints_them() {
    let text = |mantissa, exponent| number::decimal(mantissa, exponent).unwrap().to_string();
    for (mantissa, exponent, wanted) in [
        (837_259, -1, "83725.9"),
        (837_260, -1, "83726"),
        (1_234_000, -5, "12.34"),
        (5, -13, "0.0000000000005"),
        (7, 3, "7000"),
        (0, -8, "0"),
        (0, 100, "0"),
        (-25, -1, "-2.5"),
        (i64::MAX, 0, "9223372036854775807"),
        (i64::MIN, -19, "-0.9223372036854775808"),
        (1_000_000, -40, "0.0000000000000000000000000000000001"),
    ] {
        assert_eq!(text(mantissa, exponent), wanted);
    }
    for (mantissa, exponent) in [(1, -37), (1, 38), (i64::MAX, 127), (3, -128), (i64::MAX, 19)] {
        assert!(number::decimal(mantissa, exponent).is_err(), "{mantissa} {exponent}");
    }
}

#[test]
fn a_later_version_may_send_more() {
    // Longer root, longer elements, bytes behind the last group, version 3.
    let root = format!(
        "0a00000000000000 {TS} 0000000000000000 c800000000000000 6400000000000000 ff 00 eeee"
    );
    let asks = "1600 0200  ed03000000000000 0500000000000000 01000000 eeee \
                ee03000000000000 0600000000000000 02000000 eeee";
    let mut bytes = message(1001, &root, &format!("{asks} 1500 0000 cafe"));
    bytes[6] = 3;
    let row = book(&bytes);
    assert_eq!((row.odd, row.prev, row.seq), (None, Some(100), Some(200)));
    assert_eq!(text(&row.asks), "100.5x5x1 100.6x6x2");
    let unknown = message(1003, "01", "");
    assert_eq!(head(&unknown).unwrap().kind, Kind::Unknown(1003));
}

#[test]
fn what_cannot_be_read_is_said() {
    let why = |bytes: &[u8]| match head(bytes) {
        Err(Odd(why)) => why,
        Ok(head) if head.kind == Kind::Trade => {
            trades::read(&head, &mut Unknowns::default()).unwrap_err().0
        }
        Ok(_) => book(bytes).odd.unwrap(),
    };
    let mut other = change_message();
    other[4] = 2;
    assert_eq!(why(&other), "schema 2: this version reads schema 1 only");
    assert_eq!(why(&other[..7]), "the head is cut off: 7 bytes where 8 were announced");
    assert_eq!(
        why(&change_message()[..40]),
        "the root block is cut off: 32 bytes where 42 were announced"
    );
    assert_eq!(why(&change_message()[..60]), "asks is cut off: 6 bytes where 20 were announced");
    let mut short = best_message();
    short[0] = 73;
    assert_eq!(why(&short), "szExponent is missing: the block has 73 bytes");
    let mut hollow = change_message();
    hollow[50] = 0;
    assert_eq!(why(&hollow), "asks has 1 elements without bytes");
    let mut negative = change_message();
    negative[54 + 15] = 0x80;
    assert!(why(&negative).starts_with("a level is negative"));
    let mut exponent = trade_message("01", "00");
    exponent[8 + 59] = 0x80;
    assert_eq!(why(&exponent), "1005 × 10^-128: too long for an exact number");
    let mut id = trade_message("01", "00");
    id[8 + 55] = 0x80;
    assert!(why(&id).contains("negative"));
}

#[test]
fn text_and_binary_are_told_apart() {
    for binary in [best_message(), change_message(), trade_message("00", "00")] {
        assert!(is_binary(&binary));
    }
    for text in [&b"pong"[..], b"ping", b"", br#"{"event":"subscribe","arg":{}}"#] {
        assert!(!is_binary(text));
    }
}

#[test]
fn arguments_name_codes() {
    let mut out = Vec::new();
    request::write("books-l2-tbt", 2_021_032_621_970_843, &mut out);
    let text = r#"{"channel":"books-l2-tbt","instIdCode":2021032621970843}"#;
    assert_eq!(std::str::from_utf8(&out), Ok(text));
    let read = |text: &str| request::argument(json::parse(text.as_bytes()).unwrap());
    assert_eq!(read(text), Some(("books-l2-tbt".to_owned(), 2_021_032_621_970_843)));
    let quoted = read(r#"{"channel":"trades","instIdCode":"7"}"#);
    assert_eq!(quoted, Some(("trades".to_owned(), 7)));
    assert_eq!(read(r#"{"channel":"trades","instId":"BTC-USDT"}"#), None);
    assert_eq!(request::depth_path(7), "/api/v5/market/books-sbe?instIdCode=7&source=0");
}

#[test]
fn a_snapshot_meets_the_stream_by_the_documented_rule() {
    for (at, prev, seq, wanted) in [
        (100, 80, 90, Fit::Old),
        (100, 90, 100, Fit::Old),
        (100, 90, 110, Fit::Joins),
        (100, 100, 110, Fit::Joins),
        (100, 100, 100, Fit::Joins),
        (100, 90, 90, Fit::Old),
        (100, 101, 110, Fit::TooOld),
        (100, 110, 110, Fit::TooOld),
        // Resets of the venue's ids.
        (100, 100, 5, Fit::Joins),
        (100, 90, 5, Fit::TooOld),
        (100, 200, 150, Fit::TooOld),
    ] {
        assert_eq!(fit(at, prev, seq), wanted, "{at}: {prev} to {seq}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let mut join = Join::default();
    for n in 0..=KEPT_MAX {
        join.keep(&n.to_le_bytes());
    }
    assert_eq!(join.first(), Some(&KEPT_MAX.to_le_bytes()[..]), "the oldest have gone");
    assert!(join.take().is_some() && join.take().is_none() && join.is_sound());
    join.step = Step::Joining(AHEAD_MAX + 1);
    assert!(!join.is_sound());
}

/// Reads whatever the bytes are.
fn read_anything(bytes: &[u8]) {
    let Ok(head) = head(bytes) else { return };
    let mut row = BookRow::default();
    depth::read(&head, &mut row);
    best::read(&head, &mut row);
    let _ = depth::ids(&head);
    let _ = trades::read(&head, &mut Unknowns::default());
    let Head { kind, code: _, root: _, rest: _ } = head;
    let _ = kind.channel();
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, template in 999u16..1008, block in 0u16..90) {
        read_anything(&bytes);
        let mut framed = block.to_le_bytes().to_vec();
        framed.extend(template.to_le_bytes());
        framed.extend([1, 0, 0, 0]);
        framed.extend(&bytes);
        read_anything(&framed);
    }

    #[test]
    fn mutated_messages_are_read_or_refused(
        which in 0usize..3,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = match which {
            0 => best_message(),
            1 => change_message(),
            _ => trade_message("01", "00"),
        };
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_anything(&bytes);
        read_anything(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn numbers_keep_their_value(mantissa: i64, exponent in -18i8..18) {
        let read = number::decimal(mantissa, exponent).unwrap();
        let (scale, up) = (18, 18 + i32::from(exponent));
        let value = i128::from(mantissa).checked_mul(10i128.pow(up.unsigned_abs()));
        prop_assert_eq!(value.and(read.at_scale(scale)), value);
        let text = read.to_string();
        prop_assert!(!text.contains('.') || !text.ends_with('0'), "{}", text);
    }
}
