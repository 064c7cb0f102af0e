//! Daily files against pages: whatever the files are like, the archive has the same trades.

use super::*;
use crate::net::Unfetched;
use market_data_okx::past::{FILES_ORIGIN, span_of};
use std::io::{Cursor, Read as _, Write as _};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// As the node's own: beside it first, then whole under its name; a millisecond a kilobyte.
pub(super) async fn download(
    world: &World,
    url: &str,
    to: &Path,
    most: u64,
) -> Result<(), Unfetched> {
    let path = url.strip_prefix(FILES_ORIGIN).unwrap();
    let reply = world.exchange.lock().unwrap().rest(world.now_ns(), path);
    let at = {
        let mut asked = world.asked.lock().unwrap();
        asked.push((path.to_owned(), false));
        asked.len() - 1
    };
    if reply.status != 200 || reply.bytes.is_empty() {
        return Err(Unfetched::Refused(reply.status, reply.body.into_bytes()));
    }
    let bytes = match world.forge {
        Some(forge) => deflated(forge, &reply.bytes),
        None => reply.bytes,
    };
    assert!(bytes.len() as u64 <= most, "{} of {most}", bytes.len());
    let part = to.with_extension("zip.part");
    std::fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    tokio::time::sleep(Duration::from_millis(bytes.len() as u64 / 1_000)).await;
    std::fs::write(&part, &bytes).unwrap();
    std::fs::rename(&part, to).unwrap();
    world.asked.lock().unwrap()[at].1 = true;
    Ok(())
}

/// The same zip with another text, packed as OKX packs it.
fn deflated(forge: fn(&str) -> String, zip: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    let mut was = ZipArchive::new(Cursor::new(zip)).unwrap();
    was.by_index(0).unwrap().read_to_string(&mut text).unwrap();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("x.csv", SimpleFileOptions::default()).unwrap();
    zip.write_all(forge(&text).as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// Days before the newest one that has a file.
fn days(back: u64) -> (u64, u64) {
    let newest = market_data_okx::past::day_of(START / 1_000_000) - 2;
    (span_of(newest - back).0, span_of(newest).1)
}

/// A whole day and a little on both sides.
fn around() -> (u64, u64) {
    let (from, to) = days(0);
    (from - 9 * MINUTE - 777, to + 7 * MINUTE + 333)
}

fn trades(dir: &Path, world: &World, stretch: (u64, u64)) -> Work {
    let mut work = work(dir, world, stretch);
    work.jobs.retain(|job| job.channel == "trades");
    for job in &mut work.jobs {
        let mut instrument = (*job.instrument).clone();
        instrument.inst_family = "BTC-USDT".into();
        job.instrument = Arc::new(instrument);
    }
    work
}

async fn filled(work: &mut Work, world: &World, source: PastSource) {
    let mut each = |_| ControlFlow::Continue(());
    let whole = work.take_files(world, source, &mut each).await.unwrap();
    assert!(whole && work.run(world, each).await.unwrap());
    work.tidy_files().unwrap();
    assert!(work.done.failed.is_empty(), "{:?}", work.done);
}

/// Trades with their numbers as REST writes them, without what tells where they are from; and how
/// many are from files.
fn plain(dir: &Path) -> (BTreeMap<u64, Value>, u64) {
    let mut from_files = 0;
    let plain = |json: String| {
        let mut record: Value = serde_json::from_str(&json).unwrap();
        from_files += u64::from(record["filledFrom"] == "file");
        for name in ["price", "quantity"] {
            let text = record[name].as_str().unwrap().to_owned();
            record[name] = text.strip_suffix(".0").unwrap_or(&text).into();
        }
        let fields = record.as_object_mut().unwrap();
        for name in ["filledFrom", "tsRecv", "n", "source"] {
            fields.remove(name);
        }
        record
    };
    let records = records(dir, "trades").into_iter();
    let mut plain = plain;
    let all = records.map(|(id, json)| (id, plain(json))).collect();
    (all, from_files)
}

fn asked(world: &World, what: &str) -> usize {
    world.asked.lock().unwrap().iter().filter(|(path, _)| path.contains(what)).count()
}

fn leftovers(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.contains(".zip")).collect()
}

/// The archive that REST alone makes of a stretch.
async fn by_pages(seed: u64, stretch: (u64, u64)) -> (BTreeMap<u64, Value>, usize) {
    let world = World::new(seed, FaultProfile::none(), 0);
    let dir = tempfile::tempdir().unwrap();
    filled(&mut trades(dir.path(), &world, stretch), &world, PastSource::Rest).await;
    let (all, from_files) = plain(dir.path());
    assert!(from_files == 0 && all.len() > 5_000, "{}", all.len());
    assert_eq!(asked(&world, "market-data-history"), 0);
    (all, asked(&world, "history-trades"))
}

#[tokio::test(start_paused = true)]
async fn files_and_pages_bring_the_same_trades() {
    let (wanted, pages) = by_pages(1, around()).await;
    let world = World::new(1, FaultProfile::none(), 0);
    let dir = tempfile::tempdir().unwrap();
    let mut work = trades(dir.path(), &world, around());
    filled(&mut work, &world, PastSource::Auto).await;
    let daily = work.done.daily.clone();
    drop(work);
    let (all, from_files) = plain(dir.path());
    assert_eq!(all, wanted);
    assert_eq!((daily.files, daily.records, daily.rows), (1, from_files, from_files));
    assert!(from_files > wanted.len() as u64 * 9 / 10, "{from_files}");
    assert!(daily.compared > 10 && daily.differing.is_empty(), "{daily:?}");
    let requests = asked(&world, "history-trades");
    assert!(requests < 20 && pages > 50, "{requests} instead of {pages}");
    assert!(leftovers(dir.path()).is_empty());
    let mut findings = Vec::new();
    verify(dir.path(), |finding| findings.push(finding.to_string())).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    // All of it is there now, so nothing is asked for again.
    let before = world.asked.lock().unwrap().len();
    filled(&mut trades(dir.path(), &world, around()), &world, PastSource::Files).await;
    assert_eq!(world.asked.lock().unwrap().len(), before);
}

#[tokio::test(start_paused = true)]
async fn odd_files_lose_nothing() {
    let stretch = days(3);
    let seed = std::env::var("BACKFILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let (mut refused, mut twice, mut missing) = (0, 0, 0);
    for seed in seed.map_or(1..3, |seed: u64| seed..seed + 1) {
        println!("BACKFILL_SEED={seed}");
        let (wanted, _) = by_pages(seed, stretch).await;
        let faults = FaultProfile { oddfile: 1_000_000, resterror: 50_000, ..FaultProfile::none() };
        let world = World::new(seed, faults, 0);
        let dir = tempfile::tempdir().unwrap();
        let mut work = trades(dir.path(), &world, stretch);
        filled(&mut work, &world, PastSource::Files).await;
        let daily = &work.done.daily;
        println!("{daily:?}");
        assert_eq!(plain(dir.path()).0, wanted);
        assert!(daily.differing.is_empty() && daily.files > 0, "{daily:?}");
        refused += daily.refused.len();
        twice += daily.twice;
        missing += daily.missing;
    }
    assert!(refused > 0 && twice > 0 && missing > 30, "{refused} {twice} {missing}");
}

#[tokio::test(start_paused = true)]
async fn ends_at_any_moment_lose_nothing_and_whole_files_are_fetched_once() {
    let stretch = days(1);
    let (wanted, _) = by_pages(5, stretch).await;
    let world = World::new(5, FaultProfile::none(), 0);
    let dir = tempfile::tempdir().unwrap();
    let mut kills = 0;
    loop {
        let mut work = trades(dir.path(), &world, stretch);
        let wait = Duration::from_millis(250 + kills * 150);
        match tokio::time::timeout(wait, filled(&mut work, &world, PastSource::Auto)).await {
            Ok(()) => break,
            Err(_) => kills += 1,
        }
    }
    assert!(kills > 2, "{kills}");
    assert_eq!(plain(dir.path()).0, wanted);
    let asked = world.asked.lock().unwrap();
    let whole = asked.iter().filter(|(path, whole)| path.ends_with(".zip") && *whole);
    assert_eq!(whole.count(), 2, "{asked:?}");
    assert!(asked.iter().any(|(path, whole)| path.ends_with(".zip") && !whole), "{asked:?}");
    assert!(leftovers(dir.path()).is_empty());
}

/// Run with files whose text is forged: what came of it, and what the archive has.
async fn forged(forge: fn(&str) -> String) -> (DailyDone, BTreeMap<u64, Value>) {
    let world = World { forge: Some(forge), ..World::new(1, FaultProfile::none(), 0) };
    let dir = tempfile::tempdir().unwrap();
    let mut work = trades(dir.path(), &world, around());
    filled(&mut work, &world, PastSource::Files).await;
    (work.done.daily.clone(), plain(dir.path()).0)
}

#[tokio::test(start_paused = true)]
async fn what_a_file_says_otherwise_is_told() {
    let (wanted, _) = by_pages(1, around()).await;
    // The list stays as it is; the last trade of the day costs something else.
    let (daily, all) = forged(|text| {
        let Some(end) = text.strip_suffix(",0\n").or(text.strip_suffix(",1\n")) else {
            return text.to_owned();
        };
        let (rest, last) = end.rsplit_once('\n').unwrap();
        let mut cells: Vec<&str> = last.split(',').collect();
        cells[3] = "1.5";
        format!("{rest}\n{},0\n", cells.join(","))
    })
    .await;
    assert_eq!((daily.files, daily.differing.len()), (1, 1), "{daily:?}");
    assert!(daily.differing[0].file.contains("@ 1.5 at") && all.len() == wanted.len());
    // Another header: refused with what it says, and REST brings everything.
    let (daily, all) = forged(|text| text.replace("trade_id", "id")).await;
    let why = &daily.refused[0].why;
    assert!(why.contains("no column trade_id in its header: instrument_name,id,side"), "{why}");
    assert_eq!((daily.files, &all), (0, &wanted));
    // A list that leads elsewhere.
    let (daily, all) = forged(|text| text.replace("static.okx.com", "files.example")).await;
    let why = &daily.refused[0].why;
    assert!(why.contains("leads to https://files.example/cdn"), "{why}");
    assert_eq!((daily.files, &all), (0, &wanted));
    // A row twice with two prices: neither is taken from the file.
    let (daily, all) = forged(|text| {
        let Some(second) = text.lines().nth(40).filter(|line| line.starts_with("BTC")) else {
            return text.to_owned();
        };
        let mut cells: Vec<&str> = second.split(',').collect();
        cells[3] = "1.5";
        format!("{text}{}\n", cells.join(","))
    })
    .await;
    assert_eq!((daily.files, daily.twice, daily.records), (1, 1, daily.rows - 2));
    assert_eq!(all, wanted);
}
