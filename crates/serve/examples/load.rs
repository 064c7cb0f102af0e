//! Many WebSocket consumers over real sockets: a service against the pretend exchange, its server,
//! and clients that check what they get. Prints what was delivered, how late, and what it cost.
//!
//! `cargo run --release -p market-data-serve --example load -- CONSUMERS SLOW RATE SECONDS`
//!
//! Slow consumers ask for everything and read nothing. Everything runs in one process on the same
//! cores, so the clients' work is in the figures: times are from `tsRecv` to the client's read.

use futures_util::{SinkExt as _, StreamExt as _};
use market_data::sim_server::{SimOptions, serve};
use market_data::{ProxySetting, Service, ServiceOptions, Want, prepare};
use market_data_serve::{Hub, ServeOptions, Server, bind};
use market_data_sim::SimConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One consumer's account.
#[derive(Default)]
struct Account {
    records: u64,
    bytes: u64,
    holes: u64,
    lost: u64,
    late_us: Vec<u32>,
}

impl Account {
    fn add(&mut self, other: Account) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.holes += other.holes;
        self.lost += other.lost;
        self.late_us.extend(other.late_us);
    }
}

/// What was delivered, and how late.
fn report(all: &mut Account, seconds: u64) {
    all.late_us.sort_unstable();
    let at = |share: f64| {
        let place = (all.late_us.len() as f64 * share) as usize;
        all.late_us.get(place.min(all.late_us.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    let (records, bytes) = (all.records / seconds, all.bytes / seconds);
    println!("delivered  {records} records/s, {bytes} bytes/s");
    println!("holes {}, lost {}", all.holes, all.lost);
    println!("late us    p50 {}  p99 {}  p99.9 {}", at(0.5), at(0.99), at(0.999));
}

/// The exchange, so many frames a second.
fn exchange(rate: u64) -> Result<SimConfig, Failure> {
    let mut config = SimConfig::new(7, 1_795_441_238_000_000_000);
    config.rate = u32::try_from(rate)?;
    Ok(config)
}

fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// The number behind a name in the text of a frame.
fn number(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

async fn consume(
    address: SocketAddr,
    ask: String,
    measures: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
) -> Result<Account, Failure> {
    let socket = TcpStream::connect(address).await?;
    let (mut client, _) = client_async(format!("ws://{address}/ws"), socket).await?;
    client.send(Message::text(ask)).await?;
    let (mut account, mut last) = (Account::default(), 0);
    while !over.load(Relaxed) {
        let wait = tokio::time::timeout(Duration::from_millis(500), client.next());
        let Ok(Some(message)) = wait.await else { continue };
        let Message::Text(text) = message? else { continue };
        let Some(seq) = number(&text, "\"seq\":") else { continue };
        account.holes += u64::from(seq != last + 1);
        last = seq;
        account.lost += u64::from(text.contains("\"lost\":"));
        if measures.load(Relaxed) {
            account.records += 1;
            account.bytes += text.len() as u64;
            if let Some(at) = number(&text, "\"tsRecv\":") {
                let late = now_ns().saturating_sub(at) / 1000;
                account.late_us.push(u32::try_from(late).unwrap_or(u32::MAX));
            }
        }
    }
    Ok(account)
}

/// Asks for everything, and reads nothing.
async fn sleep_on(address: SocketAddr) -> Result<TcpStream, Failure> {
    let socket = TcpStream::connect(address).await?;
    let (mut client, _) = client_async(format!("ws://{address}/ws"), socket).await?;
    client.send(Message::text(r#"{"op":"subscribe","inst":"*","channel":"*"}"#)).await?;
    Ok(client.into_inner())
}

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Processor time of this process, in seconds.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |i: usize| fields.get(i).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(12) + ticks(13)) / 100.0
}

fn argument(place: usize, usual: u64) -> u64 {
    std::env::args().nth(place).and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (consumers, slow) = (argument(1, 1000), argument(2, 50));
    let (rate, seconds) = (argument(3, 2000), argument(4, 20));
    let config = exchange(rate)?;
    let listen: SocketAddr = ([127, 0, 0, 1], 0).into();
    let sim = serve(SimOptions { listen, config }).await?;
    let channels = ["trades", "trades-all", "bbo-tbt", "books", "tickers"];
    let options = ServiceOptions {
        endpoints: sim.endpoints(),
        proxy: ProxySetting::None,
        wants: vec![Want::new(["*-USDT", "*-USDT-SWAP"], channels)],
        ..ServiceOptions::default()
    };
    let prepared = prepare(&options).await?;
    let (hub, sink) = Hub::new(prepared.subscriptions.iter().map(|s| s.channel.to_string()));
    let topics: Vec<(String, String)> = prepared
        .subscriptions
        .iter()
        .filter(|s| channels.contains(&&*s.channel))
        .map(|s| (s.key.to_string(), s.channel.to_string()))
        .collect();
    let max_clients = usize::try_from(consumers + slow)? + 10;
    let serve_options =
        ServeOptions { address: listen, named: true, max_clients, ..ServeOptions::default() };
    let bound = bind(&serve_options).await?;
    let service = Service::start(options, prepared, vec![sink])?;
    let server = Server::start(bound, serve_options, hub, service.metrics(), None);
    let address = server.address();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = resident();
    let mut asleep = Vec::new();
    for _ in 0..slow {
        asleep.push(sleep_on(address).await?);
    }
    let (measures, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut running = tokio::task::JoinSet::new();
    for i in 0..consumers {
        let (inst, channel) = &topics[usize::try_from(i)? % topics.len()];
        let ask = format!(r#"{{"op":"subscribe","inst":"{inst}","channel":"{channel}"}}"#);
        running.spawn(consume(address, ask, Arc::clone(&measures), Arc::clone(&over)));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let records = || service.feeds().iter().map(|feed| feed.stats.records).sum::<u64>();
    let (came, spent) = (records(), processor());
    measures.store(true, Relaxed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    measures.store(false, Relaxed);
    let (came, spent, after) = (records() - came, processor() - spent, resident());
    over.store(true, Relaxed);
    let mut all = Account::default();
    while let Some(account) = running.join_next().await {
        all.add(account??);
    }
    println!("{consumers} consumers, {slow} asleep, {} topics", topics.len());
    println!("upstream   {} records/s", came / seconds);
    report(&mut all, seconds);
    let share = 100.0 * spent / seconds as f64;
    println!("processor  {share:.0} % of a core, exchange and clients included");
    let each = after.saturating_sub(before) / (consumers + slow).max(1);
    println!("memory     {each} KiB a consumer, its client included");
    drop(asleep);
    server.stop().await;
    service.stop().await;
    sim.close().await;
    Ok(())
}
