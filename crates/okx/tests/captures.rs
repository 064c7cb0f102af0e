//! Real frames, decoded by the feed in passive mode: no fault, every checksum, every link.
//!
//! Reads the captures in place (`OKX_CORPUS`, default `../shared/corpus` beside the project) and
//! says so when they are not there.
#![allow(clippy::unwrap_used)]

use market_data_model::*;
use market_data_okx::{FeedStats, OkxConfig, OkxFeed};
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let path = PathBuf::from(std::env::var_os("OKX_CORPUS").unwrap_or(beside.into()));
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: no captures at {}", path.display());
    None
}

fn frames(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |l: &str| l.split_once('\t').map_or(l, |(_, frame)| frame).to_string();
    text.lines().filter(|l| !l.is_empty()).map(line).collect()
}

struct Run {
    stats: FeedStats,
    faults: Vec<String>,
    trades: Vec<String>,
    gaps: Vec<GapCause>,
}

fn decode(path: &Path) -> Run {
    let mut config = OkxConfig::new(FeedId(1), "file");
    config.passive = true;
    config.view_depth = 5;
    let mut feed = OkxFeed::new(config);
    let mut out = Outbox::default();
    let (mut faults, mut trades, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
    feed.handle(Nanos(1), Input::Opened, &mut out);
    for (i, frame) in frames(path).iter().enumerate() {
        out.clear();
        feed.handle(Nanos(2 + i as u64), Input::Frame(frame.as_bytes()), &mut out);
        assert!(out.actions.is_empty());
        for event in out.events.iter() {
            match event.body {
                Body::Fault(x) => faults.push(format!("{}: {x:?}", path.display())),
                Body::Trade(x) => trades.push(format!("{} {} {}", x.trade_id, x.px, x.qty)),
                Body::Gap(x) if !x.closed => gaps.push(x.cause),
                _ => {}
            }
        }
    }
    Run { stats: feed.stats().clone(), faults, trades, gaps }
}

fn streams() -> Vec<PathBuf> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut files: Vec<_> = std::fs::read_dir(corpus.join("okx"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| {
            let name = p.file_name().unwrap().to_str().unwrap();
            !name.contains(".sent.") && !name.contains(".prov.")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_captured_frame_decodes_without_a_fault() {
    let (mut frames, mut faults) = (0, Vec::new());
    for path in streams() {
        let run = decode(&path);
        frames += run.stats.frames;
        faults.extend(run.faults);
    }
    println!("captured frames decoded: {frames}, faults: {}", faults.len());
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn every_checksum_that_is_alive_verifies_through_our_own_book() {
    let (mut checked, mut ok) = (0, 0);
    for path in streams() {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        // Isolated frames chain with nothing; what their authors cut cannot verify.
        let cut = ["roq-okx", "tardis-node", "crypto-msg-parser"];
        if cut.iter().any(|c| name.contains(c)) {
            continue;
        }
        let book = decode(&path).stats.book;
        if book.checksum_checked > 0 {
            println!("{name}: {} of {}", book.checksum_ok, book.checksum_checked);
        }
        checked += book.checksum_checked;
        ok += book.checksum_ok;
    }
    println!("checksums: {ok} of {checked}");
    assert_eq!(ok, checked);
    assert!(checked == 3745 || streams().is_empty());
}

#[test]
fn links_of_the_captures_hold_as_documented() {
    for path in streams() {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let run = decode(&path);
        if name.starts_with("aetelier_2026-06") {
            assert_eq!((run.stats.book.chain_checked, run.stats.book.chain_ok), (57, 57));
            assert_eq!(run.gaps, []);
        }
        if name.starts_with("anyutkinz_2026-07") {
            // A snapshot and two updates that do not chain: the first ends the book, the second
            // finds none.
            assert_eq!(run.stats.book.gaps + run.stats.book.early, 2);
            assert_eq!(run.gaps, [GapCause::Sequence]);
        }
        if name.starts_with("cryptofeed_2022-02") {
            assert_eq!(run.gaps, []);
        }
    }
}

#[test]
fn trades_keep_the_venues_text() {
    for path in streams() {
        let ours = decode(&path).trades;
        let mut theirs = Vec::new();
        for frame in frames(&path) {
            let Ok(frame) = serde_json::from_str::<serde_json::Value>(&frame) else { continue };
            if frame["arg"]["channel"] != "trades" && frame["arg"]["channel"] != "trades-all" {
                continue;
            }
            for row in frame["data"].as_array().into_iter().flatten() {
                let text = |key: &str| row[key].as_str().unwrap().to_string();
                theirs.push(format!("{} {} {}", text("tradeId"), text("px"), text("sz")));
            }
        }
        // Isolated frames may repeat a trade, which the feed drops by its id.
        theirs.dedup();
        assert_eq!(ours, theirs, "{}", path.display());
    }
}
