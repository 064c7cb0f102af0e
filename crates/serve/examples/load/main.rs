//! Many WebSocket consumers over real sockets: a service against the pretend exchange and its
//! server in this process, consumers that check what they get in a second one. Prints what was
//! delivered, how late, and what it cost.
//!
//! `cargo run --release -p market-data-serve --example load -- CONSUMERS SLOW RATE SECONDS WHAT`
//!
//! WHAT is `one` (each consumer follows one channel of one instrument) or `all` (each follows
//! everything). Slow consumers ask for everything and read nothing. RATE is the exchange's, in
//! frames a second. Exchange, service, server and consumers share the machine's cores.

mod consumers;

use consumers::{Failure, Figures, What};
use market_data::sim_server::{SimOptions, serve};
use market_data::{Latency, ProxySetting, Service, ServiceOptions, Want, prepare};
use market_data_serve::{Hub, ServeOptions, Server, bind};
use market_data_sim::SimConfig;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tokio::task::block_in_place;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long consumers may settle before anything is measured.
const SETTLE: Duration = Duration::from_secs(4);

/// The exchange, so many frames a second.
fn exchange(rate: u64) -> Result<SimConfig, Failure> {
    let mut config = SimConfig::new(7, 1_795_441_238_000_000_000);
    config.rate = u32::try_from(rate)?;
    Ok(config)
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

/// Consumers in a process of their own, connected. Ends with this.
struct Crowd {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    fn gather(
        address: SocketAddr,
        (consumers, slow): (u64, u64),
        asks: &[(String, String)],
    ) -> Result<Crowd, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["consume", &address.to_string(), &consumers.to_string(), &slow.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let mut crowd = Crowd { child, said };
        for (inst, channel) in asks {
            crowd.say(&format!("{inst} {channel}"))?;
        }
        crowd.say("")?;
        if crowd.line()? != "connected" {
            return Err("the consumers did not connect".into());
        }
        Ok(crowd)
    }

    fn line(&mut self) -> Result<String, Failure> {
        Ok(block_in_place(|| self.said.next()).ok_or("the consumers have ended")??)
    }

    fn say(&mut self, word: &str) -> Result<(), Failure> {
        let stdin = self.child.stdin.as_mut().ok_or("no stdin")?;
        Ok(block_in_place(|| writeln!(stdin, "{word}"))?)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

fn report(figures: &Figures, written: &Latency, seconds: u64) {
    let Figures { records, bytes, holes, broken, lost, .. } = figures;
    println!("delivered  {} records/s, {} MB/s", records / seconds, bytes / seconds / 1_000_000);
    println!("continuity {holes} holes in seq, {broken} in ids of the records, {lost} lost");
    let us = |ns: u64| ns / 1000;
    let (p50, p99, p999) = (us(written.p50), us(written.p99), us(written.p999));
    println!(
        "written    p50 {p50}  p99 {p99}  p99.9 {p999} us from receipt to the end of the write"
    );
}

async fn measure() -> Result<(), Failure> {
    let (consumers, slow) = (argument(1, 1000), argument(2, 50));
    let (rate, seconds) = (argument(3, 2000), argument(4, 20));
    let what = What::named(std::env::args().nth(5).as_deref().unwrap_or("one"))?;
    let listen: SocketAddr = ([127, 0, 0, 1], 0).into();
    let sim = serve(SimOptions { listen, config: exchange(rate)? }).await?;
    let channels = ["trades", "trades-all", "bbo-tbt", "books", "tickers"];
    let options = ServiceOptions {
        endpoints: sim.endpoints(),
        proxy: ProxySetting::None,
        wants: vec![Want::new(["*-USDT", "*-USDT-SWAP"], channels)],
        view_depth: 0,
        ..ServiceOptions::default()
    };
    let prepared = prepare(&options).await?;
    let (hub, sink) = Hub::new(prepared.subscriptions.iter().map(|s| s.channel.to_string()));
    let mut topics: Vec<(String, String)> = prepared
        .subscriptions
        .iter()
        .filter(|s| channels.contains(&&*s.channel))
        .map(|s| (s.key.to_string(), s.channel.to_string()))
        .collect();
    if what == What::All {
        topics = vec![("*".to_owned(), "*".to_owned())];
    }
    let max_clients = usize::try_from(consumers + slow)? + 10;
    let serve_options =
        ServeOptions { address: listen, named: true, max_clients, ..ServeOptions::default() };
    let bound = bind(&serve_options).await?;
    let service = Service::start(options, prepared, vec![sink])?;
    let server = Server::start(bound, serve_options, hub, service.metrics(), None);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = resident();
    let mut crowd = Crowd::gather(server.address(), (consumers, slow), &topics)?;
    tokio::time::sleep(SETTLE).await;
    let records = || service.feeds().iter().map(|feed| feed.stats.records).sum::<u64>();
    let (came, spent, written) = (records(), processor(), server.written().copy());
    crowd.say("measure")?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    crowd.say("end")?;
    let (came, spent, after) = (records() - came, processor() - spent, resident());
    let written = server.written().since(&written);
    let figures = Figures::read(&crowd.line()?)?;
    println!("{consumers} consumers, {slow} asleep, {} topics", topics.len());
    println!("upstream   {} records/s", came / seconds);
    report(&figures, &written, seconds);
    let share = |spent: f64| 100.0 * spent / seconds as f64;
    let (ours, theirs) = (share(spent), share(figures.processor));
    println!("processor  {ours:.0} % of a core with the exchange, {theirs:.0} % the consumers");
    let each = after.saturating_sub(before) / (consumers + slow).max(1);
    println!("memory     {each} KiB a consumer in the server; {} MiB in all", after >> 10);
    drop(crowd);
    server.stop().await;
    service.stop().await;
    sim.close().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    match std::env::args().nth(1).as_deref() {
        Some("consume") => consumers::main(processor).await,
        _ => measure().await,
    }
}
