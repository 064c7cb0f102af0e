//! How fast events become files: rows and bytes a second for each format, on made-up books.
//!
//! `cargo run --release -p market-data-export --example bench_export [EVENTS] [INSTRUMENTS]`
//! An event is a change of ten levels of a book of 400 a side, or one in five a trade. Time is the
//! processor's own where the system says it (`/proc/self/stat`), so neighbours do not count.

use market_data_export::{Export, Format, Options, Report};
use market_data_model::batch::{BookHead, Names};
use market_data_model::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// 2026-11-23 00:10:00.
const START: u64 = 1_795_392_600_000_000_000;
/// Events in a batch.
const BATCH: usize = 256;

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn names(instruments: usize) -> Arc<Names> {
    let inst = |i: usize| {
        let mut inst = Instrument::named(&format!("I{i}-USDT-SWAP"));
        inst.inst_type = Some(InstType::Swap);
        Arc::new(inst)
    };
    Arc::new(Names {
        venue: "okx",
        channels: vec!["books".into(), "trades".into()],
        instruments: (0..instruments).map(inst).collect(),
    })
}

fn level(dice: &mut Dice, bid: bool, depth: u64) -> Level {
    let away = dice.below(dice_limit(depth));
    let px = if bid { 909_999 - away } else { 910_000 + away };
    let qty = if dice.below(4) == 0 { 0 } else { 1 + dice.below(100_000) };
    Level {
        px: Px(Decimal::small(px, 1)),
        qty: Qty(Decimal::small(qty, 2)),
        non_rpi: Qty(Decimal::NONE),
        orders: 3,
    }
}

fn dice_limit(depth: u64) -> u64 {
    depth + 50
}

/// The events from number `at` on.
fn fill(batch: &mut Batch, dice: &mut Dice, at: usize, instruments: usize) {
    batch.clear();
    for n in at..at + BATCH {
        let inst = n % instruments;
        let ts_recv = Nanos(START + n as u64 * 20_000);
        let trade = n / instruments % 5 == 4;
        let header = Header {
            feed: FeedId(1),
            n: n as u64 + 1,
            channel: Some(u16::from(trade)),
            inst: Some(inst as u32),
            ts_event: Some(Nanos((ts_recv.0 - dice.below(9_000_000)) / 1_000_000 * 1_000_000)),
            ts_recv,
        };
        if trade {
            let body = Trade {
                trade_id: n as u64,
                px: level(dice, true, 1).px,
                qty: Qty(Decimal::small(1 + dice.below(999), 2)),
                aggressor: Aggressor::Buyer,
                count: Some(1),
                source: None,
                seq: Some(n as i64),
                filled: None,
            };
            batch.push_trade(header, body);
            continue;
        }
        let first = n < instruments;
        let kind = if first { BookKind::Snapshot } else { BookKind::Delta };
        let head = BookHead { kind, prev_seq: Some(1), seq: Some(2), depth: 400 };
        let mut side = |bid: bool| -> Vec<Level> {
            let count = if first { 400 } else { 5 };
            let mut levels: Vec<Level> = (0..count).map(|_| level(dice, bid, 400)).collect();
            levels.retain(|level| !first || !level.qty.0.is_zero());
            levels
        };
        let (bids, asks) = (side(true), side(false));
        batch.push_book(header, head, bids.into_iter(), asks.into_iter());
    }
}

/// Processor seconds of this process.
fn used() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Most memory held so far, in MiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

fn run(
    format: Format,
    dir: &Path,
    events: usize,
    instruments: usize,
) -> Option<(Report, f64, f64)> {
    let mut export = Export::create(dir, Options::new(format), Box::new(|_, _| true)).ok()?;
    let (mut batch, mut dice) = (Batch::default(), Dice(0x9e37_79b9_7f4a_7c15));
    batch.set_names(&names(instruments));
    let (mut cpu, mut wall) = (0.0, 0.0);
    for at in (0..events).step_by(BATCH) {
        fill(&mut batch, &mut dice, at, instruments);
        let (began, before) = (Instant::now(), used());
        for event in batch.iter() {
            export.event(&event).ok()?;
        }
        wall += began.elapsed().as_secs_f64();
        cpu += used()? - before?;
    }
    let (began, before) = (Instant::now(), used());
    let report = export.finish().ok()?;
    wall += began.elapsed().as_secs_f64();
    cpu += used()? - before?;
    Some((report, cpu, wall))
}

fn main() {
    let mut args = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let events = args.next().unwrap_or(500_000);
    let instruments = args.next().unwrap_or(50).max(1);
    println!("{events} events of {instruments} instruments");
    println!(
        "| format | files | rows | MB out | wall s | cpu s | events/s a core | rows/s a core |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for format in [Format::TardisCsv, Format::HftBacktest, Format::Csv, Format::Ndjson] {
        let Ok(home) = tempfile::tempdir() else { return };
        let Some((report, cpu, wall)) = run(format, home.path(), events, instruments) else {
            println!("| {format:?} | failed |");
            continue;
        };
        let rows: u64 = report.files.iter().map(|file| file.rows).sum();
        let bytes: u64 = report.files.iter().map(|file| file.bytes).sum();
        println!(
            "| {format:?} | {} | {rows} | {:.1} | {wall:.2} | {cpu:.2} | {:.0} | {:.0} |",
            report.files.len(),
            bytes as f64 / 1e6,
            events as f64 / cpu,
            rows as f64 / cpu,
        );
    }
    if let Some(peak) = peak() {
        println!("at most {peak} MiB");
    }
}
