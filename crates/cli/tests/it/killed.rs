//! `backfill` is killed at moments that nobody chose and started again until it is done: the
//! archive has what one has that was never interrupted, nothing twice and nothing missing.
//!
//! `KILLS=50 cargo test -p market-data-cli a_backfill_that_is_killed` kills it more often.

use crate::archive::verified;
use crate::restart::exchange_with;
use crate::run::{command, run, shown};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const INSTRUMENTS: &str = "BTC-USDT-SWAP,ETH-USDT-SWAP";
const CHANNELS: &str = "trades,candle1m,funding-rate";

/// Every record of an archive: what it says, but for when it was fetched and its place in a file.
fn records(dir: &Path) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), vec![dir.to_owned()]);
    while let Some(path) = next.pop() {
        for entry in std::fs::read_dir(&path).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                next.push(path);
            } else if path.extension().is_some_and(|end| end == "parquet") {
                let bytes = std::fs::read(&path).expect("a file");
                let taken = market_data_archive::read::records(bytes.into(), |record| {
                    let mut record: Value = serde_json::from_slice(record.json).expect("JSON");
                    (record["tsRecv"], record["n"]) = (Value::Null, Value::Null);
                    let text = record.to_string();
                    assert!(found.insert(text.clone()), "twice: {text}");
                    Ok(())
                });
                taken.expect("it can be read");
            }
        }
    }
    found
}

#[test]
fn a_backfill_that_is_killed_again_and_again_leaves_the_same_archive() {
    let kills: u64 = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (whole, killed): (String, String) =
        ["whole", "killed"].map(|name| shown(&folder.path().join(name))).into();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    // An exchange that has been there for a while: its past does not change any more.
    let (_exchange, url) = exchange_with(&[]);
    let minute = now / 60 * 60;
    let (from, to) = ((minute - 9 * 3600).to_string(), (minute - 120).to_string());
    let args = |out: &str| -> Vec<String> {
        let args = ["backfill", "--inst", INSTRUMENTS, "--channels", CHANNELS, "--from", &from];
        let args = [&args[..], &["--to", &to, "--url", &url, "--json", "--out", out]].concat();
        args.into_iter().map(str::to_owned).collect()
    };
    let borrowed = |args: &[String]| -> Value {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = run(&args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
        serde_json::from_str(&ran.stdout).expect("JSON")
    };
    let began = Instant::now();
    let report = borrowed(&args(&whole));
    let took = u64::try_from(began.elapsed().as_millis()).expect("a short time");
    assert!(report["records"].as_u64() > Some(500), "{report}");
    // Any moment of the first half of its life; what is left of it gets shorter each time.
    let seed = u64::from(std::process::id());
    println!("seed {seed}, {took} ms");
    let mut ended = 0;
    for kill in 0..kills {
        let mixed = (seed ^ kill).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let after = Duration::from_millis(mixed % (took / 2).max(1));
        let list = args(&killed);
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        let mut child = command(&list)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        std::thread::sleep(after);
        // It may have ended already.
        ended += u64::from(child.try_wait().expect("it is ours").is_some());
        drop(child.kill());
        child.wait().expect("it is gone");
    }
    println!("{} of {kills} were killed in the middle", kills - ended);
    borrowed(&args(&killed));
    let again = borrowed(&args(&killed));
    assert_eq!((&again["requests"], &again["records"]), (&0.into(), &0.into()), "{again}");
    verified(&[&killed], 0, &["Parquet files whole: "]);
    let (ours, theirs) = (records(killed.as_ref()), records(whole.as_ref()));
    assert!(theirs.len() > 500);
    // One by one, since both are long.
    assert_eq!(ours.symmetric_difference(&theirs).collect::<Vec<_>>(), Vec::<&String>::new());
}
