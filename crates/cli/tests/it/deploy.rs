//! What stands in `deploy`, against a running service: metrics that dashboard and alerts name, what
//! systemd is told, what a client sees when the service is told to stop, and what `health` says.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use super::run::{command, fails, run};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use yaml_rust2::{Yaml, YamlLoader};

/// How names of our metrics begin, all of them.
const OURS: [&str; 2] = ["okx_", "market_data_"];
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn read(name: &str) -> String {
    let path = deploy().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(name: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(&read(name)).unwrap();
    assert_eq!(documents.len(), 1, "{name}");
    documents.remove(0)
}

/// `run --sim` with a tape, a server, and a socket that listens as systemd does.
struct Service {
    child: Child,
    address: String,
    told: mpsc::Receiver<String>,
    _folder: tempfile::TempDir,
}

impl Service {
    fn start() -> Service {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        let (tell, told) = mpsc::channel();
        // As a service manager does it: ten words that nobody reads would hold the service up.
        std::thread::spawn(move || {
            let mut bytes = [0; 512];
            while let Ok(length) = manager.recv(&mut bytes) {
                let word = String::from_utf8_lossy(&bytes[..length]).trim().to_owned();
                if tell.send(word).is_err() {
                    break;
                }
            }
        });
        let mut command =
            command(&["run", "--sim", "--serve", "127.0.0.1:0", "--log-format", "json"]);
        let mut child = command
            .current_dir(folder.path())
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "200000")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).ok()?;
            let address = line.pointer("/fields/address").or_else(|| line.get("address"))?;
            Some(address.as_str()?.trim_start_matches("http://").to_owned())
        });
        // Who does not read it would stop it in time.
        std::thread::spawn(move || lines.for_each(drop));
        Service { child, address: address.unwrap(), told, _folder: folder }
    }

    /// What the service manager is told next.
    fn hear(&self) -> String {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    fn hear_until(&self, what: &str) {
        while self.hear() != what {}
    }

    fn health(&self, more: &[&str]) -> (Option<i32>, String) {
        let url = format!("http://{}", self.address);
        let ran = run(&[&["health", &url], more].concat());
        (ran.code, ran.stdout + &ran.stderr)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Only where a test has failed is it still there.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn get(address: &str, path: &str) -> String {
    use std::io::Write as _;
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(ask.as_bytes()).unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

/// Names of metrics and, of each, its labels, as `/metrics` has them.
fn metrics(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (_, body) = text.split_once("\r\n\r\n").unwrap_or(("", text));
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        assert!(OURS.iter().any(|prefix| line.starts_with(prefix)), "named otherwise: {line}");
        let name = line.split(['{', ' ']).next().unwrap().to_owned();
        let labels = line.split_once('{').map_or("", |(_, rest)| rest.split('}').next().unwrap());
        let labels = labels.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()));
        all.entry(name).or_default().extend(labels);
    }
    all
}

/// Every word of an expression.
fn words(expr: &str) -> impl Iterator<Item = &str> {
    expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Metrics of an expression, and the labels that it groups by.
fn named(expr: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let ours = |word: &&str| OURS.iter().any(|prefix| word.starts_with(prefix));
    let labels = expr.match_indices("by (").map(|(at, _)| &expr[at + 4..]);
    let labels = labels.flat_map(|rest| words(rest.split(')').next().unwrap()));
    (words(expr).filter(ours).map(str::to_owned).collect(), labels.map(str::to_owned).collect())
}

/// Every `expr` in dashboard and alerts, with the labels that its words mention.
fn expressions() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let rules = yaml("alerts.yml");
    for group in rules["groups"].as_vec().unwrap() {
        for rule in group["rules"].as_vec().unwrap() {
            let text = |yaml: &Yaml| yaml.as_str().unwrap_or_default().to_owned();
            let notes = &rule["annotations"];
            assert!(
                !text(&notes["summary"]).is_empty()
                    && rule["labels"]["severity"].as_str().is_some()
            );
            all.push((text(&rule["expr"]), text(&notes["summary"])));
        }
    }
    assert!(all.len() >= 10);
    fn walk(of: &Value, all: &mut Vec<(String, String)>) {
        match of {
            Value::Object(map) => {
                if let Some(expr) = map.get("expr").and_then(Value::as_str) {
                    let legend = map.get("legendFormat").and_then(Value::as_str);
                    all.push((expr.to_owned(), legend.unwrap_or_default().to_owned()));
                }
                map.values().for_each(|child| walk(child, all));
            }
            Value::Array(list) => list.iter().for_each(|child| walk(child, all)),
            _ => {}
        }
    }
    let before = all.len();
    walk(&serde_json::from_str(&read("grafana/dashboards/market-data.json")).unwrap(), &mut all);
    assert!(all.len() >= before + 30);
    all
}

fn compare_metrics(address: &str) {
    let known = metrics(&get(address, "/metrics"));
    for (expr, words_about_it) in expressions() {
        let (names, by) = named(&expr);
        if !expr.starts_with("up{") {
            assert!(!names.is_empty(), "no metric of ours in {expr}");
        }
        // Prometheus itself adds these.
        let mut labels: BTreeSet<&str> = ["instance", "job"].into();
        for name in &names {
            let of = known.get(name).unwrap_or_else(|| panic!("{name} is not in /metrics: {expr}"));
            labels.extend(of.iter().map(String::as_str));
        }
        for label in &by {
            assert!(labels.contains(label.as_str()), "no label {label:?}: {expr}");
        }
        for (at, _) in words_about_it.match_indices("{{") {
            let label = words_about_it[at + 2..].split("}}").next().unwrap().trim();
            let label = label.trim_start_matches("$labels.");
            assert!(label == "$value" || labels.contains(label), "no label {label:?}: {expr}");
        }
    }
}

/// Follows everything until the end; how many records came, and the close frame.
async fn follow(address: String, ready: tokio::sync::oneshot::Sender<()>) -> (usize, u16, String) {
    let socket = tokio::net::TcpStream::connect(&address).await.unwrap();
    let url = format!("ws://{address}/ws");
    let (mut client, _) = tokio_tungstenite::client_async(url, socket).await.unwrap();
    let ask = r#"{"op":"subscribe","inst":"*","channel":"*"}"#;
    client.send(Message::text(ask)).await.unwrap();
    let (mut ready, mut seq, mut closed) = (Some(ready), 0, None);
    while let Some(Ok(message)) = client.next().await {
        match message {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                let Some(number) = frame["seq"].as_u64() else { continue };
                seq += 1;
                assert_eq!(number, seq, "a hole: {frame}");
                if seq == 20 {
                    ready.take().unwrap().send(()).unwrap();
                }
            }
            Message::Close(Some(frame)) => {
                closed = Some((u16::from(frame.code), frame.reason.as_str().to_owned()));
            }
            _ => {}
        }
    }
    let (code, reason) = closed.expect("a close frame comes before the end");
    (usize::try_from(seq).unwrap(), code, reason)
}

#[test]
fn a_service_is_watched_counted_asked_and_ends_with_a_word_to_its_clients() {
    let mut service = Service::start();
    service.hear_until("READY=1");
    service.hear_until("WATCHDOG=1");
    service.hear_until("WATCHDOG=1");
    loop {
        let (code, text) = service.health(&["--ready"]);
        if code == Some(0) {
            assert!(text.starts_with(r#"{"live":"#), "{text}");
            break;
        }
        assert_eq!(code, Some(1), "{text}");
    }
    assert_eq!(service.health(&[]), (Some(0), "{\"status\":\"ok\"}\n".to_owned()));
    compare_metrics(&service.address);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let client = runtime.spawn(follow(service.address.clone(), ready));
    runtime.block_on(is_ready).unwrap();
    let told = Command::new("kill").args(["-TERM", &service.child.id().to_string()]).status();
    assert!(told.unwrap().success());
    let end = async { tokio::time::timeout(PATIENCE, client).await.unwrap().unwrap() };
    let (records, code, reason) = runtime.block_on(end);
    assert!(records >= 20);
    assert_eq!((code, reason.as_str()), (1001, "the server is stopping"));
    service.hear_until("STOPPING=1");
    assert!(service.child.wait().unwrap().success());
    assert_eq!(service.health(&[]).0, Some(2));
}

#[test]
fn what_is_no_server_is_said() {
    fails(
        &["health", "ftp://x"],
        "error: cannot attach to \"ftp://x\": it is neither an http nor an https address\n\n\
         hint: a server's address looks like http://127.0.0.1:9870\n",
    );
}

#[test]
fn files_for_others_can_be_read_and_name_each_other() {
    let compose = yaml("compose.yaml");
    let service = &compose["services"]["market-data"];
    assert_eq!(service["build"]["dockerfile"].as_str(), Some("deploy/Dockerfile"));
    for name in ["market-data", "prometheus", "grafana"] {
        for volume in compose["services"][name]["volumes"].as_vec().unwrap() {
            let from = volume.as_str().unwrap().split(':').next().unwrap();
            if let Some(path) = from.strip_prefix("./") {
                assert!(deploy().join(path).exists(), "{from}");
            } else {
                assert!(!compose["volumes"][from].is_badvalue(), "{from}");
            }
        }
    }
    let scrape = &yaml("prometheus.yml")["scrape_configs"][0];
    assert_eq!(scrape["metrics_path"].as_str(), Some("/metrics"));
    assert_eq!(scrape["job_name"].as_str(), Some("market-data"));
    yaml("grafana/provisioning/dashboards/market-data.yaml");
    let source = yaml("grafana/provisioning/datasources/prometheus.yaml");
    assert_eq!(source["datasources"][0]["url"].as_str(), Some("http://prometheus:9090"));
    let unit = read("market-data.service");
    let settings = shown_settings();
    for line in ["Type=notify", "WatchdogSec=30", "DynamicUser=yes", "ProtectSystem=strict"] {
        assert!(unit.lines().any(|l| l == line), "{line}");
    }
    // The settings are settings: a plan comes of them.
    let ran = run(&["run", "--config", &settings, "--sim", "--dry-run", "--no-serve", "--no-tape"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let image = read("Dockerfile");
    for line in ["USER nonroot:nonroot", "STOPSIGNAL SIGTERM", "HEALTHCHECK"] {
        assert!(image.lines().any(|l| l.starts_with(line)), "{line}");
    }
}

fn shown_settings() -> String {
    deploy().join("market-data.toml").to_str().unwrap().to_owned()
}
