//! Channels that need a login, through the whole program: they come, and no secret stays anywhere.

use crate::run::{Ran, command, file, identical, run, shown};
use market_data::sim_server::{SimOptions, SimServer, serve};
use market_data_sim::{SimConfig, SimKey, signature};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const KEY: &str = "key-1f6c2a9d";
const SECRET: &str = "secret-7b03e5c8";
const PASSPHRASE: &str = "passphrase-4e91d0aa";

/// A pretend exchange with a key that looks like nothing else.
struct World {
    runtime: Runtime,
    sim: Option<SimServer>,
    url: String,
    folder: TempDir,
    began: u64,
}

fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

impl World {
    fn new() -> World {
        let runtime = Runtime::new().expect("a runtime");
        let began = unix();
        let [key, secret, passphrase] = [KEY, SECRET, PASSPHRASE].map(str::to_owned);
        let keys = vec![SimKey { key, secret, passphrase, tier: 5 }];
        let config = SimConfig { keys, ..SimConfig::new(7, began * 1_000_000_000) };
        let options = SimOptions { listen: ([127, 0, 0, 1], 0).into(), config };
        let sim = runtime.block_on(serve(options)).expect("the exchange starts");
        let url = format!("ws://{}", sim.address());
        let folder = tempfile::tempdir().expect("a temporary folder");
        World { runtime, sim: Some(sim), url, folder, began }
    }

    fn tape(&self) -> String {
        shown(&self.folder.path().join("tape"))
    }

    fn settings(&self, more: &str) -> String {
        let text = format!(
            "[venue]\nurl = {:?}\nproxy = \"none\"\n{more}\n[[subscribe]]\n\
             instruments = [\"BTC-USDT\"]\nchannels = [\"books-l2-tbt\", \"trades\", \"economic-calendar\"]\n\
             [tape]\ndir = {:?}\nlevel = 0\n[log]\nlevel = \"trace\"\n",
            self.url,
            self.tape()
        );
        file(&self.folder, "market-data.toml", &text)
    }

    fn run(&self, settings: &str, vars: &[(&str, &str)]) -> Ran {
        let mut command = command(&["run", "--config", settings, "--for", "4s"]);
        command.envs(vars.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().expect("the command starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Nothing printed, logged or recorded holds what must stay with its owner.
    #[track_caller]
    fn nothing_is_told(&self, ran: &Ran, secrets: &[&str]) {
        let mut places = vec![ran.stdout.clone().into_bytes(), ran.stderr.clone().into_bytes()];
        let tape = fs::read_dir(Path::new(&self.tape())).expect("the tape is there");
        places.extend(tape.map(|file| fs::read(file.expect("a file").path()).expect("it opens")));
        assert!(places.len() >= 3 && places[2..].iter().any(|tape| tape.len() > 10_000));
        let has = |place: &[u8], what: &str| {
            place.windows(what.len()).any(|window| window == what.as_bytes())
        };
        assert!(
            places[2..]
                .iter()
                .any(|tape| { has(tape, "\"prevSeqId\"") || has(tape, "\"instIdCode\"") }),
            "frames are in the clear"
        );
        let mut told: Vec<String> = secrets.iter().map(ToString::to_string).collect();
        for secret in secrets {
            let signs = (self.began - 5..unix() + 5).map(|at| signature(secret, &at.to_string()));
            told.extend(signs);
        }
        for what in told {
            assert!(!places.iter().any(|place| has(place, &what)), "{what} is somewhere");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(sim) = self.sim.take() {
            self.runtime.block_on(sim.close());
        }
    }
}

fn vars(secret: &str) -> [(&'static str, &str); 3] {
    [("OKX_API_KEY", KEY), ("OKX_API_SECRET", secret), ("OKX_API_PASSPHRASE", PASSPHRASE)]
}

fn records(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn count(records: &[Value], kind: &str, channel: &str) -> usize {
    let of = |r: &&Value| r["type"] == kind && r["channel"] == channel;
    records.iter().filter(of).count()
}

fn steps(records: &[Value], channel: &str) -> Vec<String> {
    let of = |r: &&Value| r["type"] == "subscription" && r["channel"] == channel;
    let step = |r: &Value| {
        format!("{} {}", r["event"].as_str().unwrap_or(""), r["code"].as_str().unwrap_or(""))
    };
    records.iter().filter(of).map(|r| step(r).trim().to_owned()).collect()
}

#[test]
fn with_credentials_of_the_environment_the_fast_book_comes_and_no_secret_stays() {
    let world = World::new();
    let ran = world.run(&world.settings(""), &vars(SECRET));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let records = records(&ran);
    assert_eq!(steps(&records, "books-l2-tbt"), ["subscribed"]);
    assert_eq!(steps(&records, "economic-calendar"), ["subscribed"]);
    assert!(count(&records, "orderbook", "books-l2-tbt") > 20, "{}", ran.stdout.len());
    assert_eq!(count(&records, "orderbook", "books"), 0, "nothing has to stand in");
    assert!(ran.stderr.contains("logging in"), "the log is at its finest: {}", ran.stderr);
    world.nothing_is_told(&ran, &[KEY, SECRET, PASSPHRASE]);
    identical(&world.tape());
}

#[test]
fn over_the_binary_socket_the_handshake_logs_in_and_no_secret_stays() {
    let world = World::new();
    let settings = world.settings("sbe = true");
    let ran = world.run(&settings, &vars(SECRET));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let records = records(&ran);
    assert_eq!(steps(&records, "books-l2-tbt"), ["subscribed"]);
    assert!(count(&records, "orderbook", "books-l2-tbt") > 20, "{}", ran.stdout.len());
    assert!(count(&records, "trade", "trades") > 0, "{}", ran.stdout.len());
    assert!(ran.stdout.contains("/ws/v5/public-sbe"), "it is another socket");
    world.nothing_is_told(&ran, &[KEY, SECRET, PASSPHRASE]);
    identical(&world.tape());
    let ran = world.run(&settings, &vars("another-secret-0d2f"));
    assert!(ran.stdout.contains("HTTP 401") && ran.stdout.contains("60007"), "{}", ran.stdout);
    let ran = world.run(&settings, &[]);
    assert_ne!(ran.code, Some(0));
    let words = "without an API key: OKX's binary socket wants a login for everything";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

#[test]
fn a_refused_login_is_told_with_the_venues_words_and_the_rest_goes_on() {
    let world = World::new();
    let ran = world.run(&world.settings(""), &vars("secret-that-is-none"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let records = records(&ran);
    for channel in ["books-l2-tbt", "economic-calendar"] {
        assert!(steps(&records, channel).iter().all(|step| step == "refused 60007"), "{channel}");
        assert!(!steps(&records, channel).is_empty(), "{channel}");
    }
    assert!(count(&records, "orderbook", "books") > 10, "the public book stands in");
    assert!(count(&records, "trade", "trades") > 0, "others go on");
    assert!(ran.stderr.contains("Invalid sign"), "{}", ran.stderr);
    world.nothing_is_told(&ran, &[KEY, SECRET, PASSPHRASE, "secret-that-is-none"]);
    identical(&world.tape());
}

#[cfg(unix)]
#[test]
fn a_file_of_credentials_must_be_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let text = format!("key = {KEY:?}\nsecret = {SECRET:?}\npassphrase = {PASSPHRASE:?}\n");
    let path = file(&world.folder, "okx.toml", &text);
    let settings = world.settings(&format!("credentials = {path:?}"));
    let mode = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the file is ours");
    };
    mode(0o644);
    let ran = world.run(&settings, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("others may read the file (mode 644)"), "{}", ran.stderr);
    mode(0o600);
    let ran = world.run(&settings, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(steps(&records(&ran), "books-l2-tbt"), ["subscribed"]);
    world.nothing_is_told(&ran, &[KEY, SECRET, PASSPHRASE]);
}

#[test]
fn half_of_the_credentials_are_none() {
    let ran =
        command(&["watch", "BTC-USDT", "--channels", "books-l2-tbt", "--url", "ws://127.0.0.1:1"])
            .env("OKX_API_KEY", KEY)
            .output()
            .expect("the command starts");
    let words = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2));
    assert!(words.contains("OKX_API_SECRET is not set") && !words.contains(KEY), "{words}");
}

#[test]
fn the_pretend_exchange_knows_who_watches_it() {
    let args = ["watch", "BTC-USDT", "--channels", "books-l2-tbt", "--sim", "--json"];
    let ran = run(&[&args[..], &["--count", "20"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(count(&records(&ran), "orderbook", "books-l2-tbt"), 20);
    // A key of the environment is for OKX, not for a pretend exchange.
    let output = command(&[&args[..], &["--count", "5"]].concat()).envs(vars("x")).output();
    assert_eq!(output.expect("the command starts").status.code(), Some(0));
}
