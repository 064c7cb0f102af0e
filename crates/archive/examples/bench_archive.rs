//! Changes of books into Parquet: rows a second and bytes a row.
//!
//! `cargo run --release -p market-data-archive --example bench_archive -- 2000000`

use market_data_archive::{Archive, Made, Segment, WriteOptions};
use market_data_model::batch::{BookHead, Names};
use market_data_model::*;
use std::sync::Arc;
use std::time::Instant;

/// Events a batch.
const EVENTS: u64 = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: u64 = std::env::args().nth(1).map_or(Ok(4_000_000), |rows| rows.parse())?;
    let dir = std::env::temp_dir().join(format!("bench_archive-{}", std::process::id()));
    let made = Made { tape: 1, book_interval_ms: None, book_depth: 0 };
    let mut archive = Archive::open(&dir, &made)?;
    let segment = Segment::new(1, 0, String::new());
    let mut writer = archive.begin(&segment, WriteOptions::default())?;
    let mut feed = Feed::new();
    let (mut done, mut taken, began) = (0, std::time::Duration::ZERO, Instant::now());
    while done < rows {
        let (batch, levels) = feed.batch();
        let at = Instant::now();
        for event in batch.iter() {
            writer.take(&event)?;
        }
        taken += at.elapsed();
        done += levels;
    }
    let parts = writer.finish()?;
    archive.commit(segment, parts)?;
    let all = began.elapsed().as_secs_f64();
    let bytes: u64 = archive.root().dirs.iter().map(|dir| dir.bytes).sum();
    println!(
        "{done} rows in {all:.2} s: {:.2} million rows/s, {:.2} B/row, {:.0} ns/row in the caller",
        done as f64 / all / 1e6,
        bytes as f64 / done as f64,
        taken.as_secs_f64() * 1e9 / done as f64,
    );
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

/// Books of 20 instruments whose prices walk.
struct Feed {
    names: Arc<Names>,
    seed: u64,
    n: u64,
    mids: [u64; 20],
}

impl Feed {
    fn new() -> Feed {
        let instruments = (0..20).map(|i| Arc::new(Instrument::named(&format!("C{i}-USDT"))));
        let (channels, instruments) = (vec!["books".into()], instruments.collect());
        let names = Arc::new(Names { venue: "okx", channels, instruments });
        Feed { names, seed: 1, n: 0, mids: [909_990; 20] }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) % n
    }

    fn batch(&mut self) -> (Batch, u64) {
        let (mut batch, mut levels) = (Batch::default(), 0);
        for _ in 0..EVENTS {
            self.n += 1;
            let inst = self.below(20) as usize;
            self.mids[inst] += self.below(3);
            self.mids[inst] -= 1;
            let ts = Nanos(1_795_435_200_000_000_000 + self.n * 211_003 + self.below(1000));
            let header = Header {
                feed: FeedId(1),
                n: self.n,
                channel: Some(0),
                inst: Some(inst as u32),
                ts_event: Some(Nanos(ts.0 / 1_000_000 * 1_000_000)),
                ts_recv: ts,
            };
            let seq = Some(14_767_456_261 + self.n as i64 * 5);
            let head = BookHead { kind: BookKind::Delta, prev_seq: seq, seq, depth: 400 };
            let (bids, asks) = (self.side(inst, false), self.side(inst, true));
            levels += (bids.len() + asks.len()) as u64;
            batch.push_book(header, head, bids.into_iter(), asks.into_iter());
        }
        batch.set_names(&self.names);
        (batch, levels)
    }

    fn side(&mut self, inst: usize, ask: bool) -> Vec<Level> {
        let count = 2 + self.below(5);
        let level = |feed: &mut Feed| {
            let away = 1 + feed.below(60);
            let mid = feed.mids[inst];
            let px = if ask { mid + away } else { mid - away };
            let removed = feed.below(3) == 0;
            let qty = if removed { 0 } else { 1 + feed.below(100_000_000) };
            let scale = if removed { 0 } else { 8 };
            Level {
                px: Px(Decimal::small(px, 1)),
                qty: Qty(Decimal::small(qty, scale)),
                non_rpi: Qty(Decimal::NONE),
                orders: feed.below(9) as u32,
            }
        };
        (0..count).map(|_| level(self)).collect()
    }
}
