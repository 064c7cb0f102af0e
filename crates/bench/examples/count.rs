//! Runs one system once over fixed frames, for callgrind to count the instructions of.
//!
//!     count SYSTEM GROUP [FRAMES]
//!
//! Only what runs inside [`counted`] is to be counted (`--toggle-collect='*counted*'`): making the
//! frames is not. `../counts.sh` runs it and holds the figures against `../counts.txt`.

use market_data_bench::frames::Group;
use market_data_bench::{market, systems};
use market_data_okx::Instructions;
use std::hint::black_box;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(system), Some(group)) = (args.first(), args.get(1)) else {
        eprintln!("count SYSTEM GROUP [FRAMES]");
        return ExitCode::from(2);
    };
    let Some(group) = Group::ALL.into_iter().find(|g| g.name() == group) else {
        eprintln!("no group {group}: mix, books, trades, tickers, bbo-tbt, books5 or candles");
        return ExitCode::from(2);
    };
    let count = args.get(2).and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let stream = market::generate(7, count);
    let chosen = [stream.select(group)];
    let frames = chosen[0].len();
    let (sum, units) = match system.as_str() {
        "feed" => (counted(|| systems::feed(&chosen, false)), frames),
        "plain" => (counted(|| systems::feed_with(&chosen, Instructions::Plain)), frames),
        "digest" => (counted(|| systems::feed_digest(&chosen)), frames),
        "json" => (counted(|| systems::feed(&chosen, true)), frames),
        "decode" => (counted(|| systems::decode(&chosen)), frames),
        "serde" => (counted(|| systems::reference(&chosen, true)), frames),
        "book" => {
            let (changes, books) = systems::changes(&chosen);
            let levels = changes.iter().map(|change| change.rows.len()).sum();
            (counted(|| systems::apply_ours(&changes, books, || 0).1), levels)
        }
        "sorted" => {
            let (changes, books) = systems::changes(&chosen);
            let levels = changes.iter().map(|change| change.rows.len()).sum();
            (counted(|| systems::apply_sorted(&changes, books, || 0).1), levels)
        }
        other => {
            eprintln!(
                "no system {other}: feed, plain, json, digest, decode, serde, book or sorted"
            );
            return ExitCode::from(2);
        }
    };
    println!("{units} units, sum {sum}");
    ExitCode::SUCCESS
}

#[inline(never)]
fn counted(work: impl FnOnce() -> u64) -> u64 {
    black_box(work())
}
