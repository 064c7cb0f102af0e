//! Backfills from the pretend exchange, whose own tape is the oracle: under refusals, caches that
//! are behind, limits, and ends at any moment.

use super::work::{Get, Job, Work};
use super::*;
use market_data_archive::{FILLS_FROM, Facts, read, verify};
use market_data_sim::{Exchange, FaultProfile, MarketSize, SimConfig};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

const START: u64 = 1_795_441_200_000_000_000;
const MINUTE: u64 = 60_000;

mod files;

/// The exchange, the way to it, and a list of what it was asked.
struct World {
    exchange: Mutex<Exchange>,
    began: Instant,
    /// Paths with whether the answer arrived and was good.
    asked: Mutex<Vec<(String, bool)>>,
    dice: Mutex<u64>,
    /// One answer in so many comes from a cache that is behind; 0 = none.
    stale: u64,
    /// What becomes of the text of daily files, and of their list.
    forge: Option<fn(&str) -> String>,
}

/// How long the exchange has been there when somebody asks for its past.
const AGE: Duration = Duration::from_secs(13 * 60);

impl World {
    fn new(seed: u64, faults: FaultProfile, stale: u64) -> World {
        let config = SimConfig { market: MarketSize::Small, faults, ..SimConfig::new(seed, START) };
        let mut exchange = Exchange::new(config);
        // Its markets move while somebody looks.
        for second in (0..AGE.as_secs()).step_by(4) {
            let path = "/api/v5/market/trades?instId=BTC-USDT-SWAP&limit=1";
            exchange.rest(START + second * 1_000_000_000, path);
        }
        World {
            exchange: Mutex::new(exchange),
            began: Instant::now() - AGE,
            asked: Mutex::default(),
            dice: Mutex::new(seed),
            stale,
            forge: None,
        }
    }

    fn now_ns(&self) -> u64 {
        START + self.began.elapsed().as_nanos() as u64
    }

    fn one_in(&self, n: u64) -> bool {
        let mut dice = self.dice.lock().unwrap();
        *dice =
            dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        n > 0 && (*dice >> 33).is_multiple_of(n)
    }

    /// Everything from `path`, page by page, without any trouble on the way; of trades as far back
    /// as is wanted.
    fn truth(&self, path: &str, from: u64, id: impl Fn(&Value) -> u64) -> BTreeMap<u64, Value> {
        let mut exchange = self.exchange.lock().unwrap();
        exchange.set_faults(FaultProfile::none());
        let (mut all, mut after) = (BTreeMap::new(), u64::MAX / 10_000_000);
        let mut now = self.now_ns();
        loop {
            now += 200_000_000;
            let reply = exchange.rest(now, &format!("{path}&after={after}"));
            let body: Value = serde_json::from_str(&reply.body).unwrap();
            let rows = body["data"].as_array().unwrap();
            let Some(lowest) = rows.iter().map(&id).min() else { return all };
            all.extend(rows.iter().map(|row| (id(row), row.clone())));
            if rows.iter().any(|row| row["ts"].is_string() && number(&row["ts"]) < from) {
                return all;
            }
            after = lowest;
        }
    }
}

impl Get for World {
    async fn get(&self, path: &str) -> Result<(u16, Bytes), String> {
        let reply = self.exchange.lock().unwrap().rest(self.now_ns(), path);
        let at = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((path.to_owned(), false));
            asked.len() - 1
        };
        let mut body = reply.body;
        if self.one_in(self.stale)
            && let Ok(mut answer) = serde_json::from_str::<Value>(&body)
            && let Some(rows) = answer["data"].as_array_mut()
        {
            rows.drain(..rows.len() / 2 + rows.len() % 2);
            body = answer.to_string();
        }
        tokio::time::sleep(Duration::from_nanos(reply.delay_ns)).await;
        if self.one_in(if self.stale > 0 { 20 } else { 0 }) {
            return Err("the connection was lost".to_owned());
        }
        if path.contains("market-data-history") {
            body = self.forge.map_or(body.clone(), |forge| forge(&body));
        }
        self.asked.lock().unwrap()[at].1 = reply.status == 200 && body.contains("\"code\":\"0\"");
        Ok((reply.status, body.into()))
    }

    fn base(&self) -> &str {
        "http://127.0.0.1:1"
    }

    async fn download(&self, url: &str, to: &Path, most: u64) -> Result<(), Unfetched> {
        files::download(self, url, to, most).await
    }
}

const CHANNELS: [&str; 5] =
    ["trades", "candle1m", "mark-price-candle1m", "funding-rate", "candle15m"];

fn work(dir: &Path, world: &World, stretch: (u64, u64)) -> Work {
    let options = BackfillOptions {
        out: dir.to_owned(),
        instruments: Vec::new(),
        channels: Vec::new(),
        from: Nanos(0),
        to: Nanos(0),
        source: PastSource::Auto,
    };
    let archive = open(&options).unwrap();
    let mut instrument = Instrument::named("BTC-USDT-SWAP");
    instrument.inst_type = Some(InstType::Swap);
    let instrument = Arc::new(instrument);
    let job = |channel: &str| Job { channel: channel.to_owned(), instrument: instrument.clone() };
    let jobs = CHANNELS.iter().map(|channel| job(channel)).collect();
    Work::new(archive, jobs, stretch, Clock::starting_at(Nanos(world.now_ns()))).unwrap()
}

async fn fetched(work: &mut Work, world: &World) {
    let ended = work.run(world, |_| ControlFlow::Continue(())).await.unwrap();
    assert!(ended && work.done.failed.is_empty(), "{:?}", work.done);
}

/// Records of a channel in the archive, by their identity.
fn records(dir: &Path, channel: &str) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    let mut next = vec![dir.join(format!("venue=okx/channel={channel}"))];
    while let Some(path) = next.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                next.push(path);
            } else if path.extension().is_some_and(|end| end == "parquet") {
                let bytes = std::fs::read(&path).unwrap();
                let taken = read::records(bytes.into(), |record| {
                    let facts = Facts::of(record.json).unwrap();
                    let id = facts.ids().map(|ids| ids.1).or(facts.happened_ms()).unwrap();
                    let json = String::from_utf8(record.json.to_vec()).unwrap();
                    assert!(found.insert(id, json).is_none(), "{channel}: {id} twice");
                    Ok(())
                });
                taken.unwrap();
            }
        }
    }
    found
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

/// Compares the archive with what the exchange has between two moments.
fn compare(dir: &Path, world: &World, (from, to): (u64, u64)) {
    let base = "/api/v5/market/history-";
    let inst = "instId=BTC-USDT-SWAP&limit=100";
    let all =
        world.truth(&format!("{base}trades?{inst}&type=1"), from, |row| number(&row["tradeId"]));
    let trades = records(dir, "trades");
    let wanted: BTreeMap<_, _> =
        all.into_iter().filter(|(_, row)| (from..to).contains(&number(&row["ts"]))).collect();
    assert!(wanted.len() > 300, "only {} trades", wanted.len());
    assert!(trades.keys().eq(wanted.keys()), "{} of {} trades", trades.len(), wanted.len());
    for (id, row) in &wanted {
        let record: Value = serde_json::from_str(&trades[id]).unwrap();
        assert_eq!((&record["price"], &record["quantity"]), (&row["px"], &row["sz"]));
        assert_eq!((&record["side"], &record["filledFrom"]), (&row["side"], &"rest".into()));
        assert_eq!(record["timestamp"].to_string(), row["ts"].as_str().unwrap());
        assert_eq!((record["feed"].as_u64(), &record["unit"]), (Some(0), &"contracts".into()));
    }
    for (channel, path) in [
        ("candle1m", format!("{base}candles?{inst}&bar=1m")),
        ("candle15m", format!("{base}candles?{inst}&bar=15m")),
        ("mark-price-candle1m", format!("{base}mark-price-candles?{inst}&bar=1m")),
    ] {
        let path = format!("{path}&before={}", from - 1);
        let all = world.truth(&path, from, |row| number(&row[0]));
        let wanted: BTreeMap<_, _> = all.into_iter().filter(|(open, _)| *open < to).collect();
        let bars = records(dir, channel);
        assert!(bars.keys().eq(wanted.keys()), "{channel}: {bars:?}\n{wanted:?}");
        for (open, row) in &wanted {
            let bar: Value = serde_json::from_str(&bars[open]).unwrap();
            let ours = ["open", "high", "low", "close"].map(|name| &bar[name]);
            assert_eq!(ours, [1, 2, 3, 4].map(|at| &row[at]));
            assert_eq!(bar["isClosed"], true);
        }
    }
    let path = format!("/api/v5/public/funding-rate-history?{inst}&before={}", from - 1);
    let all = world.truth(&path, from, |row| number(&row["fundingTime"]));
    let wanted: BTreeMap<_, _> = all.into_iter().filter(|(at, _)| *at < to).collect();
    let payments = records(dir, "funding-rate-history");
    assert!(payments.keys().eq(wanted.keys()) && payments.len() > 2);
    for (at, row) in &wanted {
        let payment: Value = serde_json::from_str(&payments[at]).unwrap();
        assert_eq!(payment["realizedRate"], row["realizedRate"]);
    }
}

/// The archive proves itself, and says which stretches were filled.
fn sound(dir: &Path, (from, to): (u64, u64)) {
    let mut findings = Vec::new();
    verify(dir, |finding| findings.push(finding.to_string())).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    let (root, _) = Manifest::load(dir).unwrap().unwrap();
    assert!(root.segments.iter().all(|segment| segment.number > FILLS_FROM));
    for channel in CHANNELS.map(market_data_okx::past::kept_as) {
        let fills = root.segments.iter().flat_map(|segment| &segment.fills);
        let ours = fills.filter(|fill| fill.channel == channel);
        let mut covered: Vec<_> = ours.map(|fill| (fill.from_ms, fill.to_ms)).collect();
        // Where a bar was there, nothing had to be filled.
        for bar in records(dir, channel).values().filter(|_| channel.contains("candle")) {
            let facts = Facts::of(bar.as_bytes()).unwrap();
            covered.push((facts.more.open_time.unwrap(), facts.more.close_time.unwrap()));
        }
        assert_eq!(there::without((from, to), covered), [], "{channel}");
    }
}

fn stretch(world: &World) -> (u64, u64) {
    let now = world.now_ns() / 1_000_000;
    (now - 11 * MINUTE - 777, now - 2 * MINUTE - 333)
}

/// Funding is paid every few hours, so that its stretch reaches back further than the others'.
fn long(world: &World) -> (u64, u64) {
    let (_, to) = stretch(world);
    (to - 26 * 60 * MINUTE, to)
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_is_the_exchanges_own_past_and_nothing_is_asked_twice() {
    let world = World::new(1, FaultProfile::none(), 0);
    let dir = tempfile::tempdir().unwrap();
    // In two stretches that overlap: the second run goes only for what the first has not.
    let (from, to) = long(&world);
    for part in [(to - 7 * MINUTE, to - 3 * MINUTE), (from, to)] {
        let mut work = work(dir.path(), &world, part);
        fetched(&mut work, &world).await;
        assert_eq!((work.done.absent, work.done.refused), (0, 0));
    }
    compare(dir.path(), &world, (from, to));
    sound(dir.path(), (from, to));
    let before = world.asked.lock().unwrap().len();
    let mut again = work(dir.path(), &world, (from, to));
    fetched(&mut again, &world).await;
    assert_eq!((again.done.requests, again.done.records), (0, 0));
    let asked = world.asked.lock().unwrap();
    assert_eq!(asked.len(), before);
    // But for the history running out, and payments, which are looked for twice.
    let once = asked.iter().filter(|(path, _)| !path.contains("funding"));
    let mut pages: BTreeMap<&str, u32> = BTreeMap::new();
    once.for_each(|(path, _)| *pages.entry(path).or_default() += 1);
    let often: Vec<_> = pages.into_iter().filter(|(_, times)| *times > 1).collect();
    // A bar that is not finished, and trades older than the exchange, are looked for four times.
    let of_trades = often.iter().filter(|(path, _)| path.contains("trades")).count();
    assert!(of_trades <= 1, "{often:?}");
    assert!(often.len() <= 3, "{often:?}");
}

#[tokio::test(start_paused = true)]
async fn refusals_stale_caches_and_ends_at_any_moment_change_nothing() {
    let seed = std::env::var("BACKFILL_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in seed.map_or(2..4, |seed: u64| seed..seed + 1) {
        println!("BACKFILL_SEED={seed}");
        let faults = FaultProfile { resterror: 100_000, ..FaultProfile::none() };
        let world = World::new(seed, faults, 9);
        let dir = tempfile::tempdir().unwrap();
        let all = long(&world);
        let mut kills = 0;
        loop {
            let mut work = work(dir.path(), &world, all);
            let wait = Duration::from_millis(300 + seed * 700 + kills * 400);
            let run = work.run(&world, |_| ControlFlow::Continue(()));
            match tokio::time::timeout(wait, run).await {
                Ok(ended) if ended.as_ref().is_ok_and(|ended| *ended) => {
                    assert!(work.done.failed.is_empty(), "{:?}", work.done);
                    break;
                }
                Ok(ended) => panic!("{ended:?}"),
                Err(_) => kills += 1,
            }
        }
        assert!(kills > 1, "{kills} kills");
        compare(dir.path(), &world, all);
        sound(dir.path(), all);
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_is_never_asked_for_again_by_whoever_comes_after() {
    let world = World::new(9, FaultProfile::none(), 0);
    let dir = tempfile::tempdir().unwrap();
    let all = stretch(&world);
    for wait in [400, 900, 2_300, 60_000] {
        let mut work = work(dir.path(), &world, all);
        let run = work.run(&world, |_| ControlFlow::Continue(()));
        let _ = tokio::time::timeout(Duration::from_millis(wait), run).await;
    }
    let asked = world.asked.lock().unwrap();
    let arrived: Vec<&String> =
        asked.iter().filter(|(_, good)| *good).map(|(path, _)| path).collect();
    let different: BTreeSet<&&String> = arrived.iter().collect();
    let twice = arrived.len() - different.len();
    // Payments are looked for twice, and a bar that is not there four times.
    let often: Vec<_> = different
        .iter()
        .filter(|path| arrived.iter().filter(|other| *other == **path).count() > 1)
        .collect();
    assert!(
        twice <= 4 && often.iter().all(|path| !path.contains("trades")) && arrived.len() > 6,
        "{twice} of {}: {often:?}",
        arrived.len()
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_recorder_has_is_not_fetched() {
    let world = World::new(4, FaultProfile::none(), 0);
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = stretch(&world);
    fetched(&mut work(whole.path(), &world, (from, to)), &world).await;
    // A recording of the middle, made of what was fetched.
    let (root, _) = Manifest::load(whole.path()).unwrap().unwrap();
    assert!(root.made.is_some());
    let middle = (from + 3 * MINUTE, to - 3 * MINUTE);
    fetched(&mut work(parts.path(), &world, middle), &world).await;
    let kept = CHANNELS.map(market_data_okx::past::kept_as);
    let counts = |dir: &Path| {
        kept.map(|channel| {
            let is_there = dir.join(format!("venue=okx/channel={channel}")).exists();
            if is_there { records(dir, channel).len() as u64 } else { 0 }
        })
    };
    let had = counts(parts.path());
    assert!(had[0] > 300, "{had:?}");
    // Its fills are forgotten: only the rows tell what is there.
    let mut manifest = Manifest::load(parts.path()).unwrap().unwrap().0;
    manifest.segments.iter_mut().for_each(|segment| segment.fills.clear());
    manifest.save(parts.path()).unwrap();
    let mut rest = work(parts.path(), &world, (from, to));
    fetched(&mut rest, &world).await;
    let all = counts(parts.path());
    assert_eq!(all, counts(whole.path()));
    // `records` fails when one is there twice, so what was fetched is what was not there.
    let sum = |counts: [u64; 5]| counts.iter().sum::<u64>();
    assert_eq!(rest.done.records, sum(all) - sum(had));
}
