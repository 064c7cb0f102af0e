//! What `run` records: replayed, verified, killed, damaged, refused.
//!
//! `TAPE_KILLS=50 cargo test -p market-data-cli a_kill` kills more often than the suite does, and
//! `TAPE_FAULTS=10s cargo test -p market-data-cli under_faults` goes through every fault profile,
//! that long each.

use crate::run::{Ran, command, identical, run, shown};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Records the pretend exchange; what is printed is on stdout, the log holds errors only.
fn record(dir: &str, time: &str, more: &[&str]) -> Ran {
    let args = ["run", "--sim", "--for", time, "--tape", dir, "--log-level", "error"];
    run(&[&args, more].concat())
}

/// The records of each feed, in order.
fn by_feed(text: &str) -> BTreeMap<u64, Vec<&str>> {
    let mut feeds = BTreeMap::<u64, Vec<&str>>::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).expect("each line is JSON");
        feeds.entry(record["feed"].as_u64().expect("a feed")).or_default().push(line);
    }
    feeds
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).expect("the tape is there").map(|file| file.expect("a file"));
    let mut found: Vec<_> =
        files.map(|file| file.path()).filter(|path| path.extension().is_some()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "mdt"));
    found.sort();
    found
}

#[test]
fn what_was_recorded_comes_out_again_byte_for_byte() {
    let folder = folder();
    let dir = shown(&folder.path().join("deep/tape"));
    let ran = record(&dir, "3s", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.lines().count() > 100, "{}", ran.stdout);
    identical(&dir);
    identical(&dir);
    let replayed = run(&["replay", &dir, "--json"]);
    assert_eq!((replayed.code, replayed.stderr.as_str()), (Some(0), ""));
    assert_eq!(by_feed(&replayed.stdout), by_feed(&ran.stdout));
    let check = run(&["replay", &dir, "--check", "--json"]);
    let check: Value = serde_json::from_str(&check.stdout).expect("the verdict is JSON");
    assert_eq!(check["identical"], true);
    assert_eq!(check["checked"], check["inputs"], "every input is covered: {check}");
    let verified = run(&["verify", &dir]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    assert!(verified.stdout.contains("\nclean: "), "{}", verified.stdout);
    let verified = run(&["verify", &dir, "--json"]);
    let report: Value = serde_json::from_str(&verified.stdout).expect("the report is JSON");
    assert_eq!((&report["clean"], &report["killed"]), (&true.into(), &false.into()));
    for row in report["rows"].as_array().expect("rows") {
        assert_eq!(row["state"], "clean", "{row}");
        assert!(row["channel"] != "books" || row["links"].as_u64() > Some(5), "{row}");
        assert!(row["channel"] != "trades" || row["idsMissing"] == 0, "{row}");
    }
}

#[test]
fn a_tape_recorded_under_faults_replays_the_same() {
    let folder = folder();
    let every = run(&["sim", "--list-faults"]).stdout;
    let every: Vec<&str> = every.lines().skip(1).filter_map(|l| l.split(' ').next()).collect();
    // Refused handshakes are tried again by ticks: what comes out depends on more than frames.
    let time = std::env::var("TAPE_FAULTS").ok();
    let (profiles, time) = match &time {
        Some(time) => (every.as_slice(), time.as_str()),
        None => (["mixed", "refuse"].as_slice(), "6s"),
    };
    for faults in profiles.iter().filter(|name| **name != "blackout") {
        println!("{faults}");
        let dir = shown(&folder.path().join(faults));
        let ran = record(&dir, time, &["--sim-faults", faults, "--sim-seed", "3"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        identical(&dir);
        identical(&dir);
        let replayed = run(&["replay", &dir, "--json"]);
        assert_eq!(by_feed(&replayed.stdout), by_feed(&ran.stdout), "{faults}");
        let verified = run(&["verify", &dir, "--json"]);
        let report: Value = serde_json::from_str(&verified.stdout).expect("the report is JSON");
        let gaps = |row: &Value| row["gapsTotal"].as_u64().expect("a number");
        let rows = report["rows"].as_array().expect("rows");
        let any = rows.iter().map(gaps).sum::<u64>() > 0;
        assert_eq!(verified.code, Some(i32::from(any)), "{report}");
    }
}

#[test]
fn replay_chooses_what_it_prints_and_keeps_the_pace() {
    let folder = folder();
    let dir = shown(&folder.path().join("tape"));
    let ran = record(&dir, "2s", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let chosen = run(&["replay", &dir, "--json", "--inst", "btc-usdt", "--channels", "books"]);
    let expected: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.contains(r#""channel":"books","instId":"BTC-USDT","#))
        .collect();
    assert_eq!(chosen.stdout.lines().collect::<Vec<_>>(), expected);
    assert!(!expected.is_empty());
    let middle = ran.stdout.lines().nth(100).expect("more than 100 records");
    let middle: Value = serde_json::from_str(middle).expect("JSON");
    let middle = middle["tsRecv"].as_u64().expect("a time").to_string();
    let before = run(&["replay", &dir, "--json", "--to", &middle]).stdout;
    let after = run(&["replay", &dir, "--json", "--from", &middle]).stdout;
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let both: BTreeSet<_> = lines(&before).union(&lines(&after)).cloned().collect();
    assert_eq!(both, lines(&ran.stdout));
    assert!(lines(&before).is_disjoint(&lines(&after)));
    let began = std::time::Instant::now();
    let paced = run(&["replay", &dir, "--speed", "2"]);
    assert_eq!(paced.stdout.lines().count(), ran.stdout.lines().count());
    assert!(began.elapsed() > Duration::from_millis(800), "{:?}", began.elapsed());
}

#[test]
fn a_replay_from_the_middle_reads_little_and_says_the_same() {
    let folder = folder();
    let (dir, config) = (shown(&folder.path().join("tape")), folder.path().join("config.toml"));
    // Each segment begins with the states of the feeds.
    fs::write(&config, "[tape]\nrotate_bytes = 16384\n").expect("a file");
    let ran = record(&dir, "4s", &["--config", &shown(&config)]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(segments(Path::new(&dir)).len() > 3, "{:?}", segments(Path::new(&dir)));
    identical(&dir);
    let all = run(&["replay", &dir, "--json"]).stdout;
    assert_eq!(by_feed(&all), by_feed(&ran.stdout));
    let time = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("JSON");
        record["tsRecv"].as_u64().expect("a time")
    };
    let lines: Vec<(u64, &str)> = all.lines().map(|line| (time(line), line)).collect();
    let mut least = u64::MAX;
    for part in 1..8 {
        let (from, _) = lines[lines.len() * part / 8];
        let to = from + 300_000_000;
        let (from_text, to_text) = (from.to_string(), to.to_string());
        let range = ["--from", from_text.as_str(), "--to", to_text.as_str()];
        let played = run(&[&["replay", dir.as_str(), "--json"], &range[..]].concat());
        let expected =
            lines.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, line)| *line);
        assert_eq!(played.stdout.lines().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        let check = run(&[&["replay", dir.as_str(), "--check", "--json"], &range[..]].concat());
        let check: Value = serde_json::from_str(&check.stdout).expect("the verdict is JSON");
        assert!(check["feeds"].as_array().expect("feeds").iter().all(|f| f["differing"] == 0));
        least = least.min(check["inputs"].as_u64().expect("a number"));
    }
    let check = run(&["replay", &dir, "--check", "--json"]);
    let check: Value = serde_json::from_str(&check.stdout).expect("the verdict is JSON");
    assert!(check["inputs"].as_u64() > Some(2 * least), "{least} of {check}");
    let states: Vec<_> = check["feeds"].as_array().expect("feeds").iter().collect();
    assert!(states.iter().all(|f| f["statesChecked"].as_u64() > Some(3)), "{states:?}");
}

fn unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_nanos()).expect("before 2554")
}

#[test]
fn a_kill_costs_less_than_a_second_and_is_told() {
    let kills: u64 = std::env::var("TAPE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let folder = folder();
    let dir = folder.path().join("tape");
    let tape = shown(&dir);
    let mut seed = unix_ns();
    for round in 0..kills {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let after = Duration::from_millis(300 + (seed >> 33) % 2500);
        let printed = folder.path().join("printed");
        let mut child = command(&["run", "--sim", "--tape", &tape, "--log-level", "error"])
            .stdout(File::create(&printed).expect("a file"))
            .spawn()
            .expect("the command starts");
        // Not for luck: the moment of the kill is what is tried.
        std::thread::sleep(after);
        child.kill().expect("it runs");
        let killed_ns = unix_ns();
        child.wait().expect("it ends");
        if segments(&dir).is_empty() {
            continue;
        }
        let replayed = run(&["replay", &tape, "--json"]);
        assert_eq!(replayed.code, Some(0), "round {round}: {}", replayed.stderr);
        let have: BTreeSet<&str> = replayed.stdout.lines().collect();
        let printed = fs::read_to_string(&printed).expect("what was printed");
        // The last line may be cut off.
        let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
        for line in whole.lines() {
            let record: Value = serde_json::from_str(line).expect("JSON");
            let old = record["tsRecv"].as_u64().expect("a time") + 1_000_000_000 < killed_ns;
            assert!(
                !old || have.contains(line),
                "round {round}, killed after {after:?}: missing {line}"
            );
        }
        let verified = run(&["verify", &tape]);
        assert_eq!(verified.code, Some(1), "round {round}: {}", verified.stdout);
        assert!(verified.stdout.contains("the recorder was killed"), "{}", verified.stdout);
    }
    let ran = record(&tape, "1s", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    identical_or_nothing_lost_silently(&tape);
}

/// After kills: nothing differs, and each of them is told as ours.
fn identical_or_nothing_lost_silently(tape: &str) {
    let check = run(&["replay", tape, "--check"]);
    assert_eq!(check.code, Some(0), "{}", check.stdout);
    let verified = run(&["verify", tape]);
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    let told = verified.stdout.lines().filter(|line| line.starts_with("lost by us: ")).count();
    assert!(told > 0 && !verified.stdout.contains("damaged"), "{}", verified.stdout);
}

#[test]
fn a_flipped_bit_is_found() {
    let folder = folder();
    let dir = folder.path().join("tape");
    let tape = shown(&dir);
    assert_eq!(record(&tape, "2s", &[]).code, Some(0));
    let segment = segments(&dir).remove(0);
    let bytes = fs::read(&segment).expect("the segment");
    for part in [3, 5, 8] {
        let mut bad = bytes.clone();
        let at = bytes.len() * part / 10;
        bad[at] ^= 0x10;
        fs::write(&segment, &bad).expect("the segment takes bytes");
        let verified = run(&["verify", &tape]);
        assert_eq!(verified.code, Some(1), "byte {at}: {}", verified.stdout);
        assert!(verified.stdout.contains("damaged: "), "{}", verified.stdout);
        let check = run(&["replay", &tape, "--check"]);
        assert_eq!(check.code, Some(1), "byte {at}: {}", check.stdout);
    }
}

#[test]
fn a_second_recorder_is_refused() {
    let folder = folder();
    let dir = folder.path().join("tape");
    let tape = shown(&dir);
    let mut first = command(&["run", "--sim", "--tape", &tape, "--log-level", "error"])
        .stdout(File::create(folder.path().join("printed")).expect("a file"))
        .spawn()
        .expect("the command starts");
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !dir.join("tape.lock").exists() || segments(&dir).is_empty() {
        assert!(std::time::Instant::now() < until, "it records");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = record(&tape, "1s", &[]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(2), ""));
    let pid = first.id();
    let expected = format!(
        "error: cannot record: {tape} is being recorded to by another process (pid {pid}); stop \
         it or choose another directory\n\nhint: choose another directory (`run --tape DIR`, `watch \
         --record DIR`), or record nothing (`run --no-tape`)\n"
    );
    assert_eq!(second.stderr, expected);
    first.kill().expect("it runs");
    first.wait().expect("it ends");
}

#[test]
fn a_directory_that_cannot_be_used_stops_no_feed() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").expect("a file");
    let tape = shown(&file.join("tape"));
    let ran = record(&tape, "2s", &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stdout.lines().any(|line| line.contains(r#""type":"orderbook""#)));
    let opened = |line: &&str| line.contains(r#""cause":"recorder","whose":"ours""#);
    assert_eq!(ran.stdout.lines().filter(opened).count(), 2, "one a feed");
    assert!(ran.stderr.contains("recording has failed; trying again"), "{}", ran.stderr);
    let last = format!("error: the tape {tape} failed: cannot make {tape}: ");
    assert!(ran.stderr.lines().any(|line| line.starts_with(&last)), "{}", ran.stderr);
}

#[test]
fn a_directory_that_is_deleted_is_made_again() {
    let folder = folder();
    let dir = folder.path().join("tape");
    let tape = shown(&dir);
    let printed = folder.path().join("printed");
    let args = ["run", "--sim", "--for", "6s", "--tape", &tape, "--log-level", "error"];
    let child = command(&args)
        .stdout(File::create(&printed).expect("a file"))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the command starts");
    std::thread::sleep(Duration::from_secs(2));
    fs::remove_dir_all(&dir).expect("it can be deleted");
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("somebody deleted it"), "{stderr}");
    let printed = fs::read_to_string(&printed).expect("what was printed");
    let ours = |line: &&str| line.contains(r#""cause":"recorder","whose":"ours""#);
    let of = |word: &str| printed.lines().filter(ours).filter(|l| l.contains(word)).count();
    assert_eq!((of(r#""event":"opened""#), of(r#""event":"closed""#)), (2, 2), "one a feed");
    let verified = run(&["verify", &tape]);
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    assert!(verified.stdout.contains("lost by us: "), "{}", verified.stdout);
}

#[test]
fn what_is_no_tape_is_refused() {
    let folder = folder();
    let empty = shown(folder.path());
    for command in ["replay", "verify"] {
        let ran = run(&[command, &empty]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
        let expected = format!("error: {empty} holds no tape: there is no file tape-*.mdt in it");
        assert_eq!(ran.stderr.lines().next(), Some(expected.as_str()));
    }
}
