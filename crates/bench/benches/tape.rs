//! How fast a tape is written and read: `cargo bench -p market-data-bench --bench tape`.
//!
//! The frames are the generated mix (`BENCH_COUNT` of them), written to `BENCH_DIR` (default: the
//! system's directory for temporary files), synced as in service. `BENCH_ALL=1` tries more sizes of
//! blocks and levels.
//!
//! "A core" counts this thread's processor time only, so it holds on a busy machine, too.

use market_data_bench::frames::Group;
use market_data_bench::market;
use market_data_bench::measure::now_ns;
use market_data_bench::settings::{memory_kb, setting};
use market_data_model::{FeedId, Input, Nanos};
use market_data_tape::{Compression, Entry, Item, Range, Tape, TapeOptions, TapeWriter};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let real = std::env::args().any(|arg| arg == "--bench");
    let default = if real { 500_000 } else { 2_000 };
    let count = setting("BENCH_COUNT", default)?;
    let parent = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let stream = market::generate(7, count);
    let frames = stream.select(Group::Mix);
    let bytes: usize = frames.iter().map(|frame| frame.len()).sum();
    println!("{count} frames, {} MB, mean {} bytes", bytes / 1_000_000, bytes / count.max(1));
    println!();
    println!(
        "| compression | block | sync | write MB/s | a core | frames/s a core | ratio \
         | read MB/s | a core | frames/s a core |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let before = memory_kb("VmHWM");
    let kib = 1 << 10;
    let mut rows = vec![
        (Compression::None, 256 * kib, true),
        (Compression::Zstd(-1), 256 * kib, true),
        (Compression::Zstd(1), 256 * kib, true),
    ];
    if std::env::var_os("BENCH_ALL").is_some() {
        rows.extend([
            (Compression::None, 256 * kib, false),
            (Compression::Zstd(1), 64 * kib, true),
            (Compression::Zstd(1), 256 * kib, false),
            (Compression::Zstd(1), 1024 * kib, true),
            (Compression::Zstd(3), 256 * kib, true),
            (Compression::Zstd(6), 256 * kib, true),
        ]);
    }
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
    if let (Some(before), Some(after)) = (before, memory_kb("VmHWM")) {
        println!();
        println!("peak memory: {before} kB with the frames made, {after} kB at the end");
    }
    Ok(())
}

fn one(
    dir: &Path,
    options: TapeOptions,
    frames: &[&[u8]],
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
    busy_ns: u64,
}

impl Clock {
    fn start() -> Clock {
        Clock { wall: Instant::now(), busy_ns: now_ns() }
    }

    fn seconds(&self) -> (f64, f64) {
        (self.wall.elapsed().as_secs_f64(), (now_ns() - self.busy_ns) as f64 / 1e9)
    }
}
