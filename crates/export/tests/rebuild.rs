//! Whatever happens to a book, whoever reads the files holds the book that we held.
//!
//! Lives of one instrument are made up (snapshots, changes, views, gaps, trades, a midnight, stamps
//! of the venue that go back), exported, and read again by readers that know nothing but the
//! documentation of the formats: a map of levels here, text and zip underneath.

#![allow(clippy::unwrap_used)]

use flate2::read::GzDecoder;
use market_data_export::{Export, Format, Options};
use market_data_model::batch::{BookHead, Names};
use market_data_model::time::{DAY_MS, MILLI};
use market_data_model::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Levels a side that the channel promises.
const DEPTH: usize = 4;
/// A midnight.
const MIDNIGHT: u64 = 20_780 * DAY_MS as u64 * MILLI;
/// No event comes at midnight itself, where a file begins.
const AFTER: u64 = 7 * MILLI;
/// Distance of two events.
const STEP: u64 = 40 * MILLI;
const BOOKS: Option<u16> = Some(0);
const TRADES: Option<u16> = Some(1);

#[derive(Clone, Debug)]
enum Act {
    /// Levels: side, price, quantity.
    Snapshot(Vec<(bool, u64, u64)>),
    Delta(Vec<(bool, u64, u64)>),
    View(Vec<(bool, u64, u64)>),
    Gap,
    Trade(u64, u64, bool),
}

fn levels(from: u64) -> impl Strategy<Value = Vec<(bool, u64, u64)>> {
    prop::collection::vec((any::<bool>(), 1u64..14, from..6), 0..9)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => levels(1).prop_map(Act::Snapshot),
        8 => levels(0).prop_map(Act::Delta),
        1 => levels(1).prop_map(Act::View),
        1 => Just(Act::Gap),
        3 => (1u64..14, 1u64..6, any::<bool>()).prop_map(|(px, qty, buy)| Act::Trade(px, qty, buy)),
    ]
}

/// Prices by side (bids first), quantity as text.
type Held = [BTreeMap<u64, u64>; 2];

fn number(tenths: u64) -> Decimal {
    Decimal::small(tenths, 1)
}

fn level((_, px, qty): (bool, u64, u64)) -> Level {
    let (px, qty) = (Px(number(px)), Qty(number(qty)));
    Level { px, qty, non_rpi: Qty(Decimal::NONE), orders: 1 }
}

/// Best first, one level a price, at most the channel's depth: what snapshots and views are.
fn whole(levels: &[(bool, u64, u64)]) -> Held {
    let mut held = Held::default();
    for (bid, px, qty) in levels {
        held[usize::from(!bid)].insert(*px, *qty);
    }
    trim(&mut held);
    held
}

fn trim(held: &mut Held) {
    while held[0].len() > DEPTH {
        held[0].pop_first();
    }
    while held[1].len() > DEPTH {
        held[1].pop_last();
    }
}

struct Life {
    batch: Batch,
    /// Time of receipt and the book after it, of each event of the book.
    books: Vec<(u64, Held)>,
    /// Time of receipt, of the venue, price, quantity, taker bought.
    trades: Vec<(u64, u64, u64, u64, bool)>,
}

fn names() -> Arc<Names> {
    let mut inst = Instrument::named("BTC-USDT-SWAP");
    inst.inst_type = Some(InstType::Swap);
    Arc::new(Names {
        venue: "okx",
        channels: vec!["books".into(), "trades".into()],
        instruments: vec![Arc::new(inst)],
    })
}

fn live(acts: &[(Act, u64)]) -> Life {
    let mut life = Life { batch: Batch::default(), books: Vec::new(), trades: Vec::new() };
    let (mut held, mut is_live) = (Held::default(), false);
    let start = MIDNIGHT + AFTER - acts.len() as u64 / 2 * STEP;
    for (i, (act, early)) in acts.iter().enumerate() {
        let recv = start + i as u64 * STEP;
        // The venue's clock may be ahead of ours.
        let event = recv + 20 * MILLI - early * 15 * MILLI;
        let mut header = Header {
            feed: FeedId(1),
            n: i as u64 + 1,
            channel: BOOKS,
            inst: Some(0),
            ts_event: Some(Nanos(event)),
            ts_recv: Nanos(recv),
        };
        let mut push = |kind, levels: &[(bool, u64, u64)], held: &Held| {
            let head = BookHead { kind, prev_seq: None, seq: Some(1), depth: DEPTH as u16 };
            let of = |bid: bool| -> Vec<Level> {
                let side = &held[usize::from(!bid)];
                let all = side.iter().map(|(px, qty)| level((bid, *px, *qty)));
                match kind {
                    BookKind::Delta => {
                        levels.iter().filter(|l| l.0 == bid).map(|l| level(*l)).collect()
                    }
                    _ if bid => all.rev().collect(),
                    _ => all.collect(),
                }
            };
            life.batch.push_book(header, head, of(true).into_iter(), of(false).into_iter());
        };
        match act {
            Act::Snapshot(levels) | Act::View(levels) => {
                let view = matches!(act, Act::View(_));
                (held, is_live) = (whole(levels), true);
                push(if view { BookKind::View } else { BookKind::Snapshot }, levels, &held);
                life.books.push((recv, held.clone()));
            }
            Act::Delta(levels) if is_live => {
                push(BookKind::Delta, levels, &held);
                for (bid, px, qty) in levels {
                    let side = &mut held[usize::from(!bid)];
                    if *qty == 0 {
                        side.remove(px)
                    } else {
                        side.insert(*px, *qty)
                    };
                }
                trim(&mut held);
                life.books.push((recv, held.clone()));
            }
            Act::Delta(_) => {}
            Act::Gap => {
                is_live = false;
                life.batch.push_other(header, batch::Other::Gap(gap(i as u64)));
            }
            Act::Trade(px, qty, buy) => {
                header.channel = TRADES;
                life.trades.push((recv, event, *px, *qty, *buy));
                life.batch.push_trade(header, trade(i as u64, *px, *qty, *buy));
            }
        }
    }
    life.batch.set_names(&names());
    life
}

fn trade(trade_id: u64, px: u64, qty: u64, buy: bool) -> Trade {
    Trade {
        trade_id,
        px: Px(number(px)),
        qty: Qty(number(qty)),
        aggressor: if buy { Aggressor::Buyer } else { Aggressor::Seller },
        count: Some(1),
        source: None,
        seq: None,
        filled: None,
    }
}

fn gap(id: u64) -> Gap {
    Gap {
        id,
        closed: false,
        cause: GapCause::Sequence,
        whose: Whose::Venue,
        from_id: None,
        to_id: None,
        from: None,
        to: None,
        lost: None,
        healed: None,
    }
}

fn export(life: &Life, options: Options, dir: &Path) {
    let mut export = Export::create(dir, options, Box::new(|_, _| true)).unwrap();
    for event in life.batch.iter() {
        export.event(&event).unwrap();
    }
    export.finish().unwrap();
}

/// The lines of the files of one kind, day by day.
fn csv(dir: &Path, kind: &str) -> Vec<Vec<Vec<String>>> {
    let mut days = Vec::new();
    for day in ["2026-11-22", "2026-11-23"] {
        let name = format!("okex-swap_{kind}_{day}_BTC-USDT-SWAP.csv.gz");
        let Ok(file) = File::open(dir.join(name)) else { continue };
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
        let fields = |line: &str| line.split(',').map(str::to_owned).collect();
        days.push(text.lines().skip(1).map(fields).collect());
    }
    days
}

fn tenths(text: &str) -> u64 {
    if text == "0" { 0 } else { text.replace('.', "").parse().unwrap() }
}

/// The book that we held at a time of receipt in microseconds; at midnight the last one before.
fn held_at(life: &Life, micros: u64) -> &Held {
    &life.books.iter().rev().find(|(at, _)| at / 1000 <= micros).unwrap().1
}

fn check_csv(life: &Life, dir: &Path) {
    let mut seen = 0;
    for day in csv(dir, "incremental_book_L2") {
        let (mut book, mut was_snapshot) = (Held::default(), false);
        for (i, row) in day.iter().enumerate() {
            let is_snapshot = row[4] == "true";
            if is_snapshot && !was_snapshot {
                book = Held::default();
            }
            was_snapshot = is_snapshot;
            let (side, px) = (&mut book[usize::from(row[5] == "ask")], tenths(&row[6]));
            match tenths(&row[7]) {
                0 => drop(side.remove(&px)),
                qty => drop(side.insert(px, qty)),
            }
            if day.get(i + 1).is_none_or(|next| next[3] != row[3]) {
                assert_eq!(&book, held_at(life, row[3].parse().unwrap()), "at {}", row[3]);
                seen += 1;
            }
        }
    }
    let changed = life.books.windows(2).filter(|two| two[0].1 != two[1].1).count();
    assert!(seen >= changed, "{seen} of {changed} books");
    for (kind, depth) in [("book_snapshot_5", 5), ("book_snapshot_25", 25)] {
        for row in csv(dir, kind).iter().flatten() {
            let held = held_at(life, row[3].parse().unwrap());
            let mut want = Vec::new();
            let (mut bids, mut asks) = (held[0].iter().rev(), held[1].iter());
            for _ in 0..depth {
                for level in [asks.next(), bids.next()] {
                    let text = |n: &u64| number(*n).to_string();
                    want.extend([
                        level.map_or(String::new(), |(px, _)| text(px)),
                        level.map_or(String::new(), |(_, qty)| text(qty)),
                    ]);
                }
            }
            assert_eq!(&row[4..], want);
        }
    }
    let rows = csv(dir, "trades").concat();
    assert_eq!(rows.len(), life.trades.len());
    for (row, (recv, event, px, qty, buy)) in rows.iter().zip(&life.trades) {
        let side = if *buy { "buy" } else { "sell" };
        let times = [(event / 1000).to_string(), (recv / 1000).to_string()];
        assert_eq!(row[2..4], times);
        assert_eq!(row[5..], [side, &number(*px).to_string(), &number(*qty).to_string()]);
    }
}

/// A row of an npz file.
#[derive(Clone, Copy, Debug)]
struct Row {
    ev: u64,
    exch_ts: i64,
    local_ts: i64,
    px: f64,
    qty: f64,
}

/// Rows of each day with our times as they were, and by how much the file has them later.
fn npz(dir: &Path) -> Vec<(Vec<Row>, i64)> {
    let files = std::fs::read_to_string(dir.join("files.csv")).unwrap();
    let mut days = Vec::new();
    for day in ["20261122", "20261123"] {
        let name = format!("BTC-USDT-SWAP_{day}.npz");
        let Ok(file) = File::open(dir.join(&name)) else { continue };
        let said = files.lines().find(|line| line.starts_with(&name)).unwrap();
        let shift: i64 = said.split(',').next_back().unwrap().parse().unwrap();
        let mut zip = zip::ZipArchive::new(file).unwrap();
        assert_eq!(zip.len(), 1);
        let mut bytes = Vec::new();
        zip.by_name("data.npy").unwrap().read_to_end(&mut bytes).unwrap();
        let head = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let rows: Vec<Row> = bytes[head..]
            .chunks_exact(64)
            .map(|row| {
                let word = |i: usize| u64::from_le_bytes(row[8 * i..8 * i + 8].try_into().unwrap());
                assert_eq!((word(5), word(6), word(7)), (0, 0, 0));
                Row {
                    ev: word(0),
                    exch_ts: word(1) as i64,
                    local_ts: word(2) as i64 - shift,
                    px: f64::from_bits(word(3)),
                    qty: f64::from_bits(word(4)),
                }
            })
            .collect();
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        assert!(text.contains(&format!("'shape': ({},)", rows.len())), "{text}");
        days.push((rows, shift));
    }
    days
}

/// What one side of a backtest holds after each of its rows.
fn walk(rows: &[Row], flag: u64, mut after: impl FnMut(&Row, &Held)) {
    let mut book = Held::default();
    for row in rows.iter().filter(|row| row.ev & flag != 0) {
        let as_tenths = |x: f64| (x * 10.0).round() as u64;
        let (px, qty) = (as_tenths(row.px), as_tenths(row.qty));
        if row.ev & 0xff == 3 {
            assert_eq!(row.ev & (3 << 28), 0);
            book = Held::default();
        } else if row.ev & 0xff != 2 {
            assert!([1, 4].contains(&(row.ev & 0xff)));
            // The floats are those nearest to the numbers.
            assert_eq!(row.px, number(px).to_string().parse::<f64>().unwrap());
            let side = &mut book[usize::from(row.ev & 1 << 28 != 0)];
            if qty == 0 {
                side.remove(&px)
            } else {
                side.insert(px, qty)
            };
        }
        after(row, &book);
    }
}

fn check_npz(life: &Life, dir: &Path) {
    const EXCH: u64 = 1 << 31;
    const LOCAL: u64 = 1 << 30;
    let mut trades = Vec::new();
    for (rows, shift) in npz(dir) {
        for (flag, time) in
            [(EXCH, (|r: &Row| r.exch_ts) as fn(&Row) -> i64), (LOCAL, |r| r.local_ts)]
        {
            let times: Vec<i64> = rows.iter().filter(|r| r.ev & flag != 0).map(time).collect();
            assert!(times.is_sorted());
        }
        let count = |flag| rows.iter().filter(|r| r.ev & flag != 0).count();
        assert_eq!(count(EXCH), count(LOCAL));
        let latency = rows.iter().map(|r| r.local_ts + shift - r.exch_ts).min().unwrap();
        assert!(latency >= 0 && (shift == 0 || latency == 0), "{latency} after {shift}");
        let mut last = None;
        walk(&rows, LOCAL, |row, book| {
            if row.ev & 0xff == 2 {
                trades.push((row.local_ts as u64, row.exch_ts as u64, row.ev & 1 << 29 != 0));
            } else {
                last = Some((row.local_ts as u64, book.clone()));
            }
        });
        let mut ends = Vec::new();
        walk(&rows, LOCAL, |row, book| {
            if row.ev & 0xff != 2 {
                ends.push((row.local_ts as u64, book.clone()));
            }
        });
        for (i, (at, book)) in ends.iter().enumerate() {
            if ends.get(i + 1).is_none_or(|next| next.0 != *at) {
                assert_eq!(book, held_at(life, at / 1000), "at {at}");
            }
        }
        // The venue's side ends with the same book: its order is that of the chain too.
        let mut end = Held::default();
        walk(&rows, EXCH, |_, book| end = book.clone());
        if let Some((_, book)) = last {
            assert_eq!(end, book);
        }
    }
    let want: Vec<_> = life.trades.iter().map(|t| (t.0, t.1, t.4)).collect();
    assert_eq!(trades, want);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn readers_hold_our_book(
        acts in prop::collection::vec((act(), 0u64..6), 1..120),
        memory in prop_oneof![Just(1usize), 300usize..5000, Just(1 << 20)],
    ) {
        let life = live(&acts);
        let home = tempfile::tempdir().unwrap();
        for format in [Format::TardisCsv, Format::HftBacktest] {
            let dir = home.path().join(format!("{format:?}"));
            let options = Options { memory, ..Options::new(format) };
            export(&life, options, &dir);
            // What waits in memory changes the pieces of a gzip file and nothing in them.
            let check = if format == Format::TardisCsv { check_csv } else { check_npz };
            check(&life, &dir);
            let again = home.path().join(format!("{format:?} again"));
            export(&life, options, &again);
            for entry in std::fs::read_dir(&dir).unwrap() {
                let name = entry.unwrap().file_name();
                let read = |dir: &Path| std::fs::read(dir.join(&name)).unwrap();
                prop_assert!(read(&dir) == read(&again), "{name:?} differs");
            }
        }
    }

    #[test]
    fn a_window_begins_with_the_book(
        acts in prop::collection::vec((act(), 0u64..6), 20..80),
        from in 0usize..60,
    ) {
        let life = live(&acts);
        let start = MIDNIGHT + AFTER - acts.len() as u64 / 2 * STEP;
        let home = tempfile::tempdir().unwrap();
        let from = Some(Nanos(start + from as u64 * STEP - AFTER / 2));
        let (tardis, hft) = (home.path().join("t"), home.path().join("h"));
        export(&life, Options { from, ..Options::new(Format::TardisCsv) }, &tardis);
        export(&life, Options { from, ..Options::new(Format::HftBacktest) }, &hft);
        let mut inside = life;
        inside.trades.retain(|trade| from.is_none_or(|from| trade.0 >= from.0));
        check_npz(&inside, &hft);
        for row in csv(&tardis, "quotes").iter().flatten() {
            let held = held_at(&inside, row[3].parse().unwrap());
            let text = |px: Option<&u64>| px.map_or(String::new(), |px| number(*px).to_string());
            prop_assert_eq!(&row[5], &text(held[1].keys().next()));
            prop_assert_eq!(&row[6], &text(held[0].keys().next_back()));
        }
    }
}
