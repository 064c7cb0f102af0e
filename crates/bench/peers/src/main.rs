//! Prints what a frame costs us and what it costs other programs, from one interleaved run.
//!
//! `./run.sh` builds and runs it; README.md says what each peer does and leaves out. It takes
//! `BENCH_FRAMES`, `BENCH_COUNT`, `BENCH_SEED` and `BENCH_REPETITIONS` as `benches/feed.rs` of the
//! crate above does. Everybody has the system's allocator. Nothing is timed before its output was
//! held against the frames ([`truth`]): on generated frames a difference ends the run, on frames
//! from files it is printed, because those hold channels that a peer may not know.
#![forbid(unsafe_code)]

mod barter;
mod column;
mod cryptofeed;
mod nautilus;
mod table;
mod truth;

use column::Column;
use market_data_bench::frames::{self, Group};
use market_data_bench::market;
use market_data_bench::settings::setting;
use std::process::ExitCode;
use table::Table;

struct Settings {
    count: usize,
    seed: u64,
    repetitions: usize,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let settings = Settings {
        count: setting("BENCH_COUNT", 100_000)?,
        seed: setting("BENCH_SEED", 7)?,
        repetitions: setting("BENCH_REPETITIONS", 11)?.max(1),
    };
    let files = std::env::var("BENCH_FRAMES").ok();
    let streams = match &files {
        Some(paths) => frames::read(paths).map_err(|e| e.to_string())?,
        None => vec![market::generate(settings.seed, settings.count)],
    };
    let mut python = match cryptofeed::Peer::start() {
        Ok(peer) => Some(peer),
        Err(why) => {
            eprintln!("{} is left out: {why}", cryptofeed::NAME);
            None
        }
    };
    let origin = files.clone().unwrap_or(format!("generated, seed {}", settings.seed));
    println!("frames: {origin}");
    println!("ns a frame, medians of {} interleaved samples, CPU time", settings.repetitions);
    println!("the system's allocator for all\n");
    let mut table = Table::default();
    for group in Group::ALL {
        let (strict, repetitions) = (files.is_none(), settings.repetitions);
        let column = Column { group, strict, repetitions };
        column.measure(&streams, python.as_mut(), &mut table)?;
    }
    table.print([column::OURS, column::REFERENCE, nautilus::NAME, barter::NAME, cryptofeed::NAME]);
    Ok(())
}
