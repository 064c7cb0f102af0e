//! How fast a tape is written and read: `cargo run --release -p market-data-tape --example
//! bench_tape [DIR]`.
//!
//! The frames are made up to look like the benchmark mix of a busy connection: two of three are
//! book updates of about 500 bytes, the rest trades, tickers and five-level books. Written to DIR
//! (default: the system's directory for temporary files), synced as in service.
//!
//! "A core" counts the processor's time only (Linux; elsewhere it equals the wall's), so it holds
//! on a busy machine, too.

use market_data_model::{FeedId, Input, Nanos};
use market_data_tape::{Compression, Entry, Item, Range, Tape, TapeOptions, TapeWriter};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

const FRAMES: usize = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let frames = frames();
    let bytes: usize = frames.iter().map(Vec::len).sum();
    println!("{FRAMES} frames, {} MB, mean {} bytes", bytes / 1_000_000, bytes / FRAMES);
    println!();
    println!(
        "| compression | block | sync | write MB/s | a core | frames/s a core | ratio \
         | read MB/s | a core | frames/s a core |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let before = peak_memory();
    let kib = 1 << 10;
    let rows = [
        (Compression::None, 256 * kib, true),
        (Compression::None, 256 * kib, false),
        (Compression::Zstd(-1), 256 * kib, true),
        (Compression::Zstd(1), 64 * kib, true),
        (Compression::Zstd(1), 256 * kib, true),
        (Compression::Zstd(1), 256 * kib, false),
        (Compression::Zstd(1), 1024 * kib, true),
        (Compression::Zstd(3), 256 * kib, true),
        (Compression::Zstd(6), 256 * kib, true),
    ];
    for (compression, block_bytes, sync) in rows {
        let dir = parent.join(format!("bench-tape-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let mut options = TapeOptions { compression, block_bytes, ..TapeOptions::default() };
        if !sync {
            options.sync_bytes = u64::MAX;
            options.sync_ns = u64::MAX;
        }
        let row = one(&dir, options, &frames, bytes);
        std::fs::remove_dir_all(&dir)?;
        let sync = if sync { "1 MiB" } else { "at the end" };
        println!("| {compression} | {} KiB | {sync} | {} |", block_bytes / kib, row?);
    }
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        println!();
        println!("peak memory: {before} kB with the frames made, {after} kB at the end");
    }
    Ok(())
}

fn one(
    dir: &Path,
    options: TapeOptions,
    frames: &[Vec<u8>],
    bytes: usize,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut ts = Nanos(1_795_430_701_000_000_000);
    let clock = Clock::start();
    let mut tape = TapeWriter::open(dir, options, ts)?;
    for frame in frames {
        // 20,000 frames a second by their own clock.
        ts = ts + 50_000;
        let _ = tape.put(FeedId(0), ts, &Entry::Input(Input::Frame(frame)));
        if tape.due().is_some_and(|due| due <= ts) {
            tape.tick(ts);
        }
    }
    let stats = tape.close(ts)?;
    let (written, writing) = clock.seconds();

    let clock = Clock::start();
    let tape = Tape::open(dir)?;
    let mut records = tape.records(Range::ALL);
    let mut read = 0;
    while let Some(Item::Record(record)) = records.read()? {
        read += record.payload.len();
    }
    assert_eq!(read, bytes, "what was written is read");
    let (read, reading) = clock.seconds();
    let (mb, count) = (bytes as f64 / 1e6, frames.len() as f64);
    Ok(format!(
        "{:.0} | {:.0} | {:.2} M | {:.2} | {:.0} | {:.0} | {:.2} M",
        mb / written,
        mb / writing,
        count / writing / 1e6,
        stats.raw_bytes as f64 / stats.stored_bytes as f64,
        mb / read,
        mb / reading,
        count / reading / 1e6,
    ))
}

/// The wall's time and the processor's.
struct Clock {
    wall: Instant,
    busy: Option<f64>,
}

impl Clock {
    fn start() -> Clock {
        Clock { wall: Instant::now(), busy: busy_seconds() }
    }

    fn seconds(&self) -> (f64, f64) {
        let wall = self.wall.elapsed().as_secs_f64();
        let busy = self.busy.zip(busy_seconds()).map(|(start, end)| end - start);
        (wall, busy.unwrap_or(wall))
    }
}

/// Seconds that this thread has run; Linux says it in nanoseconds.
fn busy_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// The most memory that was resident so far, in kB (Linux).
fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// A fixed sequence of numbers.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn frames() -> Vec<Vec<u8>> {
    let mut rng = Rng(0x9E37_79B9);
    let names = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "BTC-USDT-SWAP", "XRP-USDT", "OKB-USDT"];
    let mut seq = 123_685_278u64;
    let mut mid = 6_116_610u64;
    (0..FRAMES)
        .map(|i| {
            let name = names[rng.below(6) as usize];
            mid = mid + rng.below(9) - 4;
            let before = seq;
            seq += 1 + rng.below(20);
            let ms = 1_795_430_701_000 + i as u64 / 20;
            frame(&mut rng, name, mid, (before, seq), ms).into_bytes()
        })
        .collect()
}

fn frame(rng: &mut Rng, name: &str, mid: u64, (before, seq): (u64, u64), ms: u64) -> String {
    let px = |ticks: u64| format!("{}.{}", ticks / 100, ticks / 10 % 10);
    let mut text = String::with_capacity(700);
    let levels = |text: &mut String, rng: &mut Rng, count: u64, up: bool| {
        for level in 0..count {
            let off = 10 * (1 + level * 3 + rng.below(3));
            let ticks = if up { mid + off } else { mid - off };
            let comma = if level > 0 { "," } else { "" };
            let (whole, part, orders) = (rng.below(4), rng.below(100_000_000), 1 + rng.below(9));
            let _ =
                write!(text, "{comma}[\"{}\",\"{whole}.{part:08}\",\"0\",\"{orders}\"]", px(ticks));
        }
    };
    let arg =
        |channel: &str| format!("{{\"arg\":{{\"channel\":\"{channel}\",\"instId\":\"{name}\"}}");
    match rng.below(12) {
        0..8 => {
            let _ = write!(text, "{},\"action\":\"update\",\"data\":[{{\"asks\":[", arg("books"));
            let count = 1 + rng.below(8);
            levels(&mut text, rng, count, true);
            text.push_str("],\"bids\":[");
            let count = 1 + rng.below(8);
            levels(&mut text, rng, count, false);
            let _ = write!(
                text,
                "],\"ts\":\"{ms}\",\"checksum\":0,\"seqId\":{seq},\"prevSeqId\":{before}}}]}}"
            );
        }
        8..10 => {
            let (id, size) = (seq, rng.below(100_000_000));
            let side = if rng.below(2) == 0 { "buy" } else { "sell" };
            let _ = write!(
                text,
                "{},\"data\":[{{\"instId\":\"{name}\",\"tradeId\":\"{id}\",\"px\":\"{}\",\
                 \"sz\":\"0.{size:08}\",\"side\":\"{side}\",\"ts\":\"{ms}\",\"count\":\"1\",\
                 \"source\":\"0\",\"seqId\":{seq}}}]}}",
                arg("trades"),
                px(mid)
            );
        }
        10 => {
            let (bid, ask) = (px(mid - 10), px(mid + 10));
            let volume = rng.below(1_000_000_000_000);
            let _ = write!(
                text,
                "{},\"data\":[{{\"instType\":\"SPOT\",\"instId\":\"{name}\",\"last\":\"{bid}\",\
                 \"lastSz\":\"0.1\",\"askPx\":\"{ask}\",\"askSz\":\"1.5\",\"bidPx\":\"{bid}\",\
                 \"bidSz\":\"2.25\",\"open24h\":\"60100.1\",\"high24h\":\"62000\",\
                 \"low24h\":\"59999.9\",\"volCcy24h\":\"{volume}.55\",\"vol24h\":\"8123.1\",\
                 \"sodUtc0\":\"60500\",\"sodUtc8\":\"60700\",\"ts\":\"{ms}\"}}]}}",
                arg("tickers")
            );
        }
        _ => {
            let _ = write!(text, "{},\"data\":[{{\"asks\":[", arg("books5"));
            levels(&mut text, rng, 5, true);
            text.push_str("],\"bids\":[");
            levels(&mut text, rng, 5, false);
            let _ = write!(text, "],\"instId\":\"{name}\",\"ts\":\"{ms}\",\"seqId\":{seq}}}]}}");
        }
    }
    text
}
