//! Prints what a frame and a book level cost, beside a reference, in one interleaved run.
//!
//! `cargo bench -p market-data-bench`. `BENCH_FRAMES=a.jsonl:b.tsv` takes frames from files (one
//! connection each) instead of generated ones, `BENCH_COUNT` and `BENCH_SEED` change those,
//! `BENCH_REPETITIONS` the number of samples, `BENCH_ONLY=feed BENCH_PASSES=50` runs one system
//! again and again for a profiler, `BENCH_GROUP=trades` only those frames.

use market_data_bench::frames::{self, Group, Stream};
use market_data_bench::measure::{Case, median, medians, now_ns};
use market_data_bench::settings::{memory_kb, setting};
use market_data_bench::{market, systems};
use market_data_model::Side;
use market_data_okx::Instructions;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    if std::env::var_os("BENCH_MEMORY").is_some() {
        return say_memory(setting("BENCH_MEMORY", 1_400)?);
    }
    // Without `--bench` (as `cargo test --benches` calls it) one short round shows that it works.
    let real = std::env::args().any(|arg| arg == "--bench");
    let settings = Settings {
        count: setting("BENCH_COUNT", if real { 100_000 } else { 2_000 })?,
        seed: setting("BENCH_SEED", 7)?,
        repetitions: setting("BENCH_REPETITIONS", if real { 11 } else { 1 })?.max(1),
    };
    let (streams, origin) = match std::env::var("BENCH_FRAMES") {
        Ok(paths) => (frames::read(&paths).map_err(|e| e.to_string())?, paths),
        Err(_) => {
            let origin = format!("generated, seed {}", settings.seed);
            (vec![market::generate(settings.seed, settings.count)], origin)
        }
    };
    if let Ok(only) = std::env::var("BENCH_ONLY") {
        return again_and_again(&streams, &only);
    }
    println!("frames: {origin}");
    println!("medians of {} interleaved repetitions, CPU time\n", settings.repetitions);
    frame_table(&streams, settings.repetitions);
    instructions_table(&streams, settings.repetitions);
    book_table(&streams, settings.repetitions);
    line_table(&streams, settings.repetitions);
    id_table(&streams, settings.repetitions);
    // Memory is told by a process that does nothing else.
    let exe = std::env::current_exe().map_err(|e| e.to_string())?;
    for width in ["1400", "2700"] {
        let said = std::process::Command::new(&exe).env("BENCH_MEMORY", width).output();
        print!("{}", String::from_utf8_lossy(&said.map_err(|e| e.to_string())?.stdout));
    }
    Ok(())
}

/// Resident memory of 2,500 books, each 400 levels a side of about so many ticks.
fn say_memory(width: u64) -> Result<(), String> {
    const BOOKS: usize = 2_500;
    let books: Vec<_> = (0..BOOKS as u64).map(|seed| market::book(seed, width)).collect();
    let levels: usize = books.iter().map(|book| book.depth(Side::Bid)).sum();
    match memory_kb("VmRSS") {
        None => println!("memory: this system does not say"),
        Some(kb) => println!(
            "memory: a process with {BOOKS} books of {} levels a side over {width} ticks: {} MB",
            levels / BOOKS,
            kb / 1000
        ),
    }
    Ok(())
}

/// Hands on the frames of a group, stream by stream, and how many they are; not too few to time.
fn of_group(streams: &[Stream], group: Group, then: impl FnOnce(&[Vec<&[u8]>], usize)) {
    const FEWEST: usize = 20;
    let streams: Vec<_> = streams.iter().map(|s| s.only(group)).collect();
    let chosen: Vec<_> = streams.iter().map(|s| s.select(group)).collect();
    let frames = chosen.iter().map(Vec::len).sum();
    if frames >= FEWEST {
        then(&chosen, frames);
    }
}

/// The same of every group.
fn each_group(streams: &[Stream], mut then: impl FnMut(Group, &[Vec<&[u8]>], usize)) {
    for group in Group::ALL {
        of_group(streams, group, |chosen, frames| then(group, chosen, frames));
    }
}

fn frame_heading() {
    println!(
        "{:<8} {:>7} {:>6} | {:>14} {:>11} {:>14} | {:>13} {:>12} | {:>6} {:>6} | {:>8} {:>8}",
        "",
        "",
        "bytes",
        "feed",
        "feed+JSON",
        "decode",
        "serde",
        "serde",
        "",
        "",
        "feed vs",
        "decode"
    );
    println!(
        "{:<8} {:>7} {:>6} | {:>6} {:>7} {:>11} {:>6} {:>7} | {:>13} {:>12} | {:>6} {:>6} | \
         {:>8} {:>8}",
        "channel",
        "frames",
        "/frame",
        "ns",
        "MB/s",
        "ns",
        "ns",
        "MB/s",
        "+ book ns",
        "decode ns",
        "UTF-8",
        "quotes",
        "serde",
        "vs serde"
    );
}

fn frame_table(streams: &[Stream], repetitions: usize) {
    frame_heading();
    each_group(streams, |group, chosen, frames| {
        let bytes: usize = chosen.iter().flatten().map(|frame| frame.len()).sum();
        let mut cases = [
            Case { name: "feed", pass: Box::new(|| systems::feed(chosen, false)) },
            Case { name: "feed+JSON", pass: Box::new(|| systems::feed(chosen, true)) },
            Case { name: "decode", pass: Box::new(|| systems::decode(chosen)) },
            Case { name: "serde", pass: Box::new(|| systems::reference(chosen, true)) },
            Case { name: "serde decode", pass: Box::new(|| systems::reference(chosen, false)) },
            Case { name: "UTF-8", pass: Box::new(|| systems::utf8(chosen)) },
            Case { name: "quotes", pass: Box::new(|| systems::quotes(chosen)) },
        ];
        let ns: Vec<f64> =
            medians(&mut cases, repetitions).into_iter().map(|ns| ns / frames as f64).collect();
        let mean = bytes as f64 / frames as f64;
        let speed = |ns: f64| mean / ns * 1000.0;
        println!(
            "{:<8} {:>7} {:>6.0} | {:>6.0} {:>7.0} {:>11.0} {:>6.0} {:>7.0} | {:>13.0} {:>12.0} | \
             {:>6.0} {:>6.0} | {:>7.2}x {:>7.2}x",
            group.name(),
            frames,
            mean,
            ns[0],
            speed(ns[0]),
            ns[1],
            ns[2],
            speed(ns[2]),
            ns[3],
            ns[4],
            ns[5],
            ns[6],
            ns[3] / ns[0],
            ns[4] / ns[2]
        );
    });
}

/// The feed with what the processor has and with less, beside the reference.
fn instructions_table(streams: &[Stream], repetitions: usize) {
    println!(
        "\n{:<12} {:>8} {:>8} {:>8} {:>8} | of serde + book: {:>6} {:>6} {:>6}",
        "instructions", "best, ns", "narrow", "plain", "serde", "best", "narrow", "plain"
    );
    each_group(streams, |group, chosen, frames| {
        let case =
            |name, with| Case { name, pass: Box::new(move || systems::feed_with(chosen, with)) };
        let mut cases = [
            case("best", Instructions::Best),
            case("narrow", Instructions::Narrow),
            case("plain", Instructions::Plain),
            Case { name: "serde", pass: Box::new(|| systems::reference(chosen, true)) },
        ];
        let ns = medians(&mut cases, repetitions);
        let [best, narrow, plain, serde] = [0, 1, 2, 3].map(|n| ns[n] / frames as f64);
        println!(
            "{:<12} {best:>8.0} {narrow:>8.0} {plain:>8.0} {serde:>8.0} | {:>23.2} {:>6.2} {:>6.2}",
            group.name(),
            best / serde,
            narrow / serde,
            plain / serde
        );
    });
}

/// What a second line costs: the first copy of a frame while there is another line, and both.
fn line_table(streams: &[Stream], repetitions: usize) {
    println!(
        "\n{:<8} {:>10} {:>12} {:>14} {:>10} {:>10}",
        "lines", "one, ns", "of two, ns", "both copies", "of two", "both"
    );
    each_group(streams, |group, chosen, frames| {
        let case = |name, how| {
            let ready = systems::ready(chosen, how);
            Case { name, pass: Box::new(move || systems::lines(chosen, &ready, how)) }
        };
        let mut cases = [
            case("one", systems::Lines::One),
            case("one of two", systems::Lines::OneOfTwo),
            case("both", systems::Lines::Both),
        ];
        let ns = medians(&mut cases, repetitions).into_iter().map(|ns| ns / frames as f64);
        let ns: Vec<f64> = ns.collect();
        println!(
            "{:<8} {:>10.0} {:>12.0} {:>14.0} {:>9.2}x {:>9.2}x",
            group.name(),
            ns[0],
            ns[1],
            ns[2],
            ns[1] / ns[0],
            ns[2] / ns[0]
        );
    });
}

/// What the account of trade ids costs: of a frame of trades all together, and alone.
fn id_table(streams: &[Stream], repetitions: usize) {
    of_group(streams, Group::Trades, |chosen, frames| {
        let (ids, one) = (&systems::trade_ids(chosen), systems::Lines::One);
        let ready = systems::ready(chosen, one);
        let mut cases = [
            Case { name: "frame", pass: Box::new(move || systems::lines(chosen, &ready, one)) },
            Case { name: "ids", pass: Box::new(move || systems::account(ids)) },
        ];
        let ns = medians(&mut cases, repetitions);
        let [frame, ids] = [0, 1].map(|n| ns[n] / frames as f64);
        let share = ids / frame * 100.0;
        println!(
            "\ntrades: {frame:.0} ns a frame, of which the account of ids is {ids:.1} ns, {share:.1} %"
        );
    });
}

fn book_table(streams: &[Stream], repetitions: usize) {
    let chosen: Vec<_> = streams.iter().map(|s| s.select(Group::Books)).collect();
    let (changes, books) = systems::changes(&chosen);
    let levels: usize = changes.iter().map(|change| change.rows.len()).sum();
    if levels == 0 {
        return;
    }
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..repetitions {
        samples[0].push(systems::apply_ours(&changes, books, now_ns).0 as f64);
        samples[1].push(systems::apply_sorted(&changes, books, now_ns).0 as f64);
    }
    println!("\nbook apply alone: {books} books, {} changes, {levels} levels", changes.len());
    println!("{:<15} {:>9} {:>9}", "book", "ns/change", "ns/level");
    for (name, samples) in ["ours", "sorted vectors"].into_iter().zip(samples) {
        let ns = median(samples);
        let (change, level) = (ns / changes.len() as f64, ns / levels as f64);
        println!("{name:<15} {change:>9.0} {level:>9.1}");
    }
    let tops = (0..repetitions).map(|_| systems::tops(&changes, books, 10_000)).collect();
    println!("best bid and best ask of a book: {:.1} ns", median(tops));
}

/// One system alone, for a profiler.
fn again_and_again(streams: &[Stream], only: &str) -> Result<(), String> {
    let group: String = setting("BENCH_GROUP", Group::Mix.name().to_owned())?;
    let group = Group::ALL.into_iter().find(|g| g.name() == group);
    let group = group.ok_or("BENCH_GROUP is none of the channels in the table")?;
    let streams: Vec<_> = streams.iter().map(|s| s.only(group)).collect();
    let chosen: Vec<_> = streams.iter().map(|s| s.select(group)).collect();
    let passes: u32 = setting("BENCH_PASSES", 20)?;
    let (changes, books) = systems::changes(&chosen);
    let mut sum = 0u64;
    for _ in 0..passes {
        sum = sum.rotate_left(1)
            ^ match only {
                "feed" => systems::feed(&chosen, false),
                "narrow" => systems::feed_with(&chosen, Instructions::Narrow),
                "plain" => systems::feed_with(&chosen, Instructions::Plain),
                "json" => systems::feed(&chosen, true),
                "decode" => systems::decode(&chosen),
                "serde" => systems::reference(&chosen, true),
                "book" => systems::apply_ours(&changes, books, now_ns).1,
                other => {
                    return Err(format!(
                        "BENCH_ONLY is {other:?}: feed, narrow, plain, json, decode, serde or book"
                    ));
                }
            };
    }
    println!("{only}: {passes} passes over {} frames, sum {sum}", chosen.concat().len());
    Ok(())
}
