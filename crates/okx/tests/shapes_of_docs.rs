//! Shapes from documentation and from other projects' tests, decoded by the feed in passive mode:
//! each gives a typed record, or is on the list of those that cannot, with the reason.
//!
//! Reads them in place (`OKX_CORPUS`, default `../shared/corpus` beside the project) and says so
//! when they are not there.
#![allow(clippy::unwrap_used)]

use market_data_model::*;
use market_data_okx::channel;
use market_data_okx::{OkxConfig, OkxFeed};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn shapes() -> Vec<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let corpus = PathBuf::from(std::env::var_os("OKX_CORPUS").unwrap_or(beside.into()));
    let path = corpus.join("not_captured/docs_and_handmade.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no shapes at {}", path.display());
        return Vec::new();
    };
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// What a feed that has seen nothing else says of one frame.
fn records(frame: &str) -> (Vec<String>, Vec<String>) {
    let mut config = OkxConfig::new(FeedId(1), "shapes");
    (config.passive, config.view_depth) = (true, 1);
    let mut feed = OkxFeed::new(config);
    let mut out = Outbox::default();
    feed.handle(Nanos(1), Input::Opened, &mut out);
    out.clear();
    feed.handle(Nanos(2), Input::Frame(frame.as_bytes()), &mut out);
    let (mut kinds, mut faults) = (Vec::new(), Vec::new());
    for event in out.events.iter() {
        match event.body {
            Body::Fault(fault) => faults.push(fault.reason.clone()),
            Body::Gap(_) => {}
            _ => kinds.push(event.body.kind().to_owned()),
        }
    }
    (kinds, faults)
}

/// Why a shape cannot give a record: whoever made it put two examples together, cut it short, or
/// broke it on purpose.
fn excuse(channel: &str, frame: &str, faults: &[String]) -> Option<&'static str> {
    let all = |word: &str| !faults.is_empty() && faults.iter().all(|why| why.contains(word));
    if all("in a frame of") {
        Some("row and argument are of different examples")
    } else if all("is missing") && channel.contains("candle") {
        Some("a bar cut short")
    } else if all("not a plain decimal number") && frame.contains("abc") {
        Some("malformed on purpose")
    } else if all("tradeId is missing") {
        Some("a trade without its id")
    } else if channel.contains("books") && faults.is_empty() && !frame.contains("snapshot") {
        Some("a change of a book without its snapshot")
    } else if frame.contains("\"checksum\"") && faults.is_empty() {
        Some("a checksum that is made up")
    } else {
        None
    }
}

#[test]
fn each_shape_gives_a_typed_record_or_cannot() {
    let mut typed: BTreeMap<String, usize> = BTreeMap::new();
    let mut excused: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for frame in shapes() {
        let Ok(json) = serde_json::from_str::<serde_json::Value>(&frame) else { continue };
        let name = json["arg"]["channel"].as_str().unwrap_or_default().to_owned();
        if !json["data"].is_array() || channel::find(&name).is_none() {
            continue;
        }
        let (kinds, faults) = records(&frame);
        if !kinds.is_empty() && faults.is_empty() && !kinds.contains(&"raw".to_owned()) {
            *typed.entry(name).or_default() += 1;
        } else if let Some(why) = excuse(&name, &frame, &faults) {
            *excused.entry(why).or_default() += 1;
        } else {
            wrong.push(format!("{name}: {kinds:?} {faults:?} {frame}"));
        }
    }
    println!("typed: {typed:?}\nexcused: {excused:?}");
    assert_eq!(wrong, Vec::<String>::new());
}
