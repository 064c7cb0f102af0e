//! The live loop over loopback: sockets, WebSocket, decoding, books, events, a counting sink.
//!
//! `cargo bench -p market-data-bench --bench live`. A second process sends the generated mix; this
//! one runs the service as users run it and is confined to one core, the sender to the other ones.
//! `BENCH_COUNT` changes how many frames, `BENCH_LIVE=plain,tape` chooses. Beside it, from the same
//! run, stands what a program needs that only reads the frames from the socket, and what the
//! reference needs a frame to decode them: machines differ, and so does one machine by the minute.

mod server;

use market_data::ReplaySettings;
use market_data::model::{Batch, Nanos};
use market_data::{
    Endpoints, Lost, OneCore, Overflow, Service, ServiceOptions, Sink, SinkError, SinkSpec,
    TapeSettings, TlsTrust, Want,
};
use market_data_bench::frames::Group;
use market_data_bench::measure::{now_ns, process_ns};

use market_data_bench::settings::setting;
use market_data_bench::{market, systems};
use server::Serving;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHANNELS: [&str; 6] = ["books", "trades", "tickers", "bbo-tbt", "books5", "candle1m"];

/// One way to run it.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    tls: bool,
    /// Compression of the tape, if there is one.
    tape: Option<i32>,
    /// Frames a second on each socket; 0 = as many as go.
    rate: u64,
    /// Sinks on the thread that receives.
    one_core: bool,
    busy: bool,
}

const PLAIN: Way =
    Way { name: "plain", tls: false, tape: None, rate: 0, one_core: false, busy: false };
const WAYS: [Way; 9] = [
    PLAIN,
    Way { name: "one-core", one_core: true, ..PLAIN },
    Way { name: "tls", tls: true, ..PLAIN },
    Way { name: "tape", tape: Some(1), ..PLAIN },
    Way { name: "tape-raw", tape: Some(0), ..PLAIN },
    Way { name: "tape-paced", tape: Some(1), rate: 200_000, ..PLAIN },
    Way { name: "paced", rate: 50_000, ..PLAIN },
    Way { name: "paced-one", rate: 50_000, one_core: true, ..PLAIN },
    Way { name: "paced-busy", rate: 50_000, one_core: true, busy: true, ..PLAIN },
];

fn main() -> ExitCode {
    if let Ok(dir) = std::env::var("BENCH_SERVE") {
        return match serve(Path::new(&dir)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => failed(&why.to_string()),
        };
    }
    let real = std::env::args().any(|arg| arg == "--bench");
    let default = if real { 1_000_000 } else { 5_000 };
    let count = match setting("BENCH_COUNT", default) {
        Ok(count) => count,
        Err(why) => return failed(&why),
    };
    let chosen = std::env::var("BENCH_LIVE").ok();
    let is_chosen = |name: &str| chosen.as_ref().is_none_or(|c| c.split(',').any(|n| n == name));
    println!("{count} frames of the mix over loopback, one core for everything that receives");
    println!(
        "{:<10} {:>9} {:>11} {:>13} | receive to sink, us: {:>7} {:>7} {:>7}",
        "way", "frames", "frames/s", "CPU ns/frame", "p50", "p99", "p99.9"
    );
    match floors(count) {
        Ok(lines) => println!("{lines}"),
        Err(why) => return failed(&format!("floor: {why}")),
    }
    for way in WAYS.iter().filter(|way| is_chosen(way.name)) {
        let count = if way.rate > 0 { count.min(way.rate as usize * 10) } else { count };
        match run(way, count) {
            Ok(line) => println!("{line}"),
            Err(why) => return failed(&format!("{}: {why}", way.name)),
        }
    }
    ExitCode::SUCCESS
}

/// A blocking reader that counts messages and decodes nothing; and the reference, without a socket.
fn floors(count: usize) -> Result<String, String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (sender, port) = start_sender(&PLAIN, count, dir.path())?;
    confine(|core| core == RECEIVER);
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
    let url = format!("ws://127.0.0.1:{port}/ws/v5/public");
    let (mut socket, _) = tungstenite::client(url, stream).map_err(|e| e.to_string())?;
    let mut args = Vec::new();
    for (id, _) in market::instruments() {
        args.extend(
            CHANNELS.map(|channel| format!(r#"{{"channel":"{channel}","instId":"{id}"}}"#)),
        );
    }
    let asked = args.len();
    let request = format!(r#"{{"op":"subscribe","args":[{}]}}"#, args.join(","));
    socket.send(tungstenite::Message::text(request)).map_err(|e| e.to_string())?;
    let mut start = (Instant::now(), process_ns());
    for n in 0..asked + count {
        socket.read().map_err(|e| e.to_string())?;
        if n == asked {
            start = (Instant::now(), process_ns());
        }
    }
    drop(sender);
    let (wall, cpu) = (start.0.elapsed().as_secs_f64(), process_ns() - start.1);
    let (n, frames) = (count as f64, count.min(50_000));
    let line = format!(
        "{:<10} {count:>9} {:>11.0} {:>13.0} | reads and counts, decodes nothing",
        "floor",
        n / wall,
        cpu as f64 / n
    );
    let stream = market::generate(7, frames);
    let chosen = [stream.select(Group::Mix)];
    let start = now_ns();
    std::hint::black_box(systems::reference(&chosen, true));
    let reference = (now_ns() - start) as f64 / frames as f64;
    Ok(format!(
        "{line}\n{:<10} {frames:>9} {:>11} {reference:>13.0} | serde + book in memory, no socket",
        "reference", ""
    ))
}

fn failed(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(2)
}

/// The sender's process.
fn serve(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    confine(|core| core != RECEIVER);
    let tls = match std::env::var("BENCH_TLS").is_ok() {
        false => None,
        true => {
            let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
            std::fs::write(dir.join("cert.pem"), made.cert.pem())?;
            let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.into()], key.into())?;
            Some(Arc::new(config))
        }
    };
    let frames = setting("BENCH_FRAMES_MADE", 1_000)?;
    server::serve(Serving { frames, rate: setting("BENCH_RATE", 0)?, tls })?;
    Ok(())
}

/// The core on which everything that receives runs.
const RECEIVER: usize = 0;

/// Of all cores there are, not of those that this process has at the moment: the sender is started
/// by one that is confined already.
#[cfg(target_os = "linux")]
fn confine(allowed: impl Fn(usize) -> bool) {
    let mut set = rustix::thread::CpuSet::new();
    (0..rustix::thread::CpuSet::MAX_CPU)
        .filter(|core| allowed(*core))
        .for_each(|core| set.set(core));
    if let Err(why) = rustix::thread::sched_setaffinity(None, &set) {
        eprintln!("not confined to a core: {why}");
    }
}

#[cfg(not(target_os = "linux"))]
fn confine(_: impl Fn(usize) -> bool) {
    eprintln!("not confined to a core: this system has no way that is known here");
}

struct Sender(Child);

impl Drop for Sender {
    fn drop(&mut self) {
        // It may have gone by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_sender(way: &Way, count: usize, dir: &Path) -> Result<(Sender, u16), String> {
    let exe = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(exe);
    command.env("BENCH_SERVE", dir).env("BENCH_FRAMES_MADE", count.to_string());
    command.env("BENCH_RATE", way.rate.to_string()).stdout(Stdio::piped());
    if way.tls {
        command.env("BENCH_TLS", "1");
    }
    let mut child = command.spawn().map_err(|e| format!("no sender: {e}"))?;
    let out = child.stdout.take().ok_or("the sender says nothing")?;
    let sender = Sender(child);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).map_err(|e| e.to_string())?;
    let port = line.trim().strip_prefix("port ").and_then(|port| port.parse().ok());
    Ok((sender, port.ok_or_else(|| format!("the sender said {line:?}"))?))
}

/// Counts events, and how long after their receive stamp they come.
#[derive(Default)]
struct Seen {
    events: AtomicU64,
    first_ns: AtomicU64,
    last_ns: AtomicU64,
    /// Events by microseconds, the last place for all that is longer.
    waits: Waits,
}

struct Waits(Box<[AtomicU64]>);

impl Default for Waits {
    fn default() -> Waits {
        Waits((0..1_000_000).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Waits {
    fn quantile(&self, of: f64) -> usize {
        let all: u64 = self.0.iter().map(|count| count.load(Relaxed)).sum();
        let mut left = (all as f64 * of) as u64;
        let place = self.0.iter().position(|count| {
            let count = count.load(Relaxed);
            let here = left < count;
            left = left.saturating_sub(count);
            here
        });
        place.unwrap_or(self.0.len())
    }
}

struct Counting(Arc<Seen>);

impl Sink for Counting {
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<(), SinkError> {
        let now = now();
        let seen = &self.0;
        seen.events.fetch_add(batch.len() as u64, Relaxed);
        let _ = seen.first_ns.compare_exchange(0, now.0, Relaxed, Relaxed);
        seen.last_ns.store(now.0, Relaxed);
        for event in batch.iter().filter(|event| event.header.ts_event.is_some()) {
            let us = now.since(event.header.ts_recv) as usize / 1000;
            seen.waits.0[us.min(seen.waits.0.len() - 1)].fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn lost(&mut self, lost: &Lost) -> Result<(), SinkError> {
        Err(SinkError::Other(format!("events were lost: {lost:?}")))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

fn run(way: &Way, count: usize) -> Result<String, String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (sender, port) = start_sender(way, count, dir.path())?;
    confine(|core| core == RECEIVER);
    let scheme = if way.tls { "https" } else { "http" };
    let mut options = ServiceOptions {
        endpoints: Endpoints::local(&format!("{scheme}://127.0.0.1:{port}"))
            .map_err(|e| e.to_string())?,
        proxy: market_data::ProxySetting::None,
        ..ServiceOptions::default()
    };
    let ids: Vec<_> = market::instruments().map(|(id, _)| id).collect();
    options.wants.push(Want::new(ids, CHANNELS));
    if way.tls {
        options.trust = TlsTrust::File(dir.path().join("cert.pem"));
    }
    options.tape = way.tape.map(|level| {
        let settings = TapeSettings::new(dir.path().join("tape"));
        TapeSettings { level, ..settings }
    });
    options.one_core = way.one_core.then_some(OneCore { core: RECEIVER, busy_poll: way.busy });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let line = runtime.block_on(receive(way, count, options))?;
    drop(sender);
    if way.rate == 0 && way.tape.is_some() {
        let again = runtime.block_on(play(&dir.path().join("tape")))?;
        return Ok(format!("{line}\n{again}"));
    }
    Ok(line)
}

/// The tape that has just been recorded, through feeds and into a counting sink.
async fn play(tape: &Path) -> Result<String, String> {
    let seen = Arc::new(Seen::default());
    let sink = SinkSpec::new("count", 1024, Overflow::Wait, Counting(Arc::clone(&seen)));
    let start = (Instant::now(), process_ns());
    let settings = ReplaySettings::new(tape);
    let mut service = Service::replay(settings, vec![sink]).map_err(|e| e.to_string())?;
    service.ended().await;
    let frames = service.metrics().okx_messages_received_total();
    let (wall, cpu) = (start.0.elapsed().as_secs_f64(), process_ns() - start.1);
    drop(service.stop().await);
    Ok(format!(
        "{:<10} {frames:>9} {:>11.0} {:>13.0} | from the tape, into the same sink",
        "  replayed",
        frames as f64 / wall,
        cpu as f64 / frames as f64
    ))
}

async fn receive(way: &Way, count: usize, options: ServiceOptions) -> Result<String, String> {
    let prepared = market_data::prepare(&options).await.map_err(|e| e.to_string())?;
    let seen = Arc::new(Seen::default());
    let sink = SinkSpec::new("count", 1024, Overflow::Wait, Counting(Arc::clone(&seen)));
    let service = Service::start(options, prepared, vec![sink]).map_err(|e| e.to_string())?;
    let metrics = service.metrics();
    let frames = || metrics.okx_messages_received_total();
    // Acks come first, then a pause, then the frames.
    let began = Instant::now();
    let mut start = (Instant::now(), process_ns(), frames());
    let mut end = start;
    let wanted = count as u64;
    // Each look takes the receiving core away for some microseconds.
    let pause = Duration::from_millis(if way.rate > 0 { 50 } else { 2 });
    while end.2 < wanted {
        tokio::time::sleep(pause).await;
        let at = (Instant::now(), process_ns(), frames());
        if at.2 < 200 {
            start = at;
        }
        if at.2 == end.2 && at.0 - end.0 > Duration::from_secs(5) && at.2 > 200 {
            return Err(format!("only {} of {count} frames came", at.2));
        }
        if began.elapsed() > Duration::from_secs(120) {
            return Err(format!("after two minutes {} of {count} frames", at.2));
        }
        if at.2 > end.2 {
            end = at;
        }
    }
    let report = service.stop().await;
    let faults: u64 = report.feeds.iter().map(|feed| feed.stats.faults).sum();
    let gaps: u64 = report.feeds.iter().map(|feed| feed.stats.trades_lost).sum();
    if faults + gaps > 0 {
        return Err(format!("{faults} faults, {gaps} trades lost"));
    }
    // A feed is not held up by the recorder: what that could not take is a gap on the tape.
    let lost = report.tape.map_or(0, |tape| tape.lost_records);
    let lost = if lost > 0 { format!("  the tape lost {lost}") } else { String::new() };
    let taken = (end.2 - start.2) as f64;
    let speed = taken / (end.0 - start.0).as_secs_f64();
    let cpu = (end.1 - start.1) as f64 / taken;
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|of| seen.waits.quantile(of));
    Ok(format!(
        "{:<10} {:>9} {speed:>11.0} {cpu:>13.0} | {:>20} {p50:>7} {p99:>7} {p999:>7}{lost}",
        way.name, end.2, ""
    ))
}
