//! `market-data sim`: the pretend OKX behind a real local port, until it is asked to stop.
//!
//! The exchange itself is the crate `sim`; the sockets are the node's. This file only prints;
//! `sim/tape.rs` is the one that serves a recording.

use crate::failure::Failure;
use crate::instant;
use crate::out::console::Console;
use crate::out::paint::Colour;
use crate::out::table::{Align, Cell, Table};
use crate::signals::Stop;
use crate::source::{profile, universe, unix_ns};
use clap::Args;
use market_data::sim_server::{self, SimOptions, SimServer};
use market_data_model::Nanos;
use market_data_sim::{FaultProfile, SimConfig};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

mod tape;

const EXAMPLES: &str = "\
Examples:
  market-data sim
  market-data sim --listen 0.0.0.0:9443 --seed 7
  market-data sim --faults abort
  market-data sim --universe 2500 --rate 5000
  market-data sim --list-faults
  market-data sim --tape tape --speed 10                   what `run` recorded, ten times as fast
  market-data watch BTC-USDT --url ws://127.0.0.1:9443     in another terminal";

const LONG_ABOUT: &str = "\
Serve a pretend OKX on a local port

Public and business WebSocket and the REST endpoints that a market data client needs, with a \
believable market, OKX's limits and error codes, and seeded faults. Serves until Ctrl-C. With \
--tape it serves a recording instead: each client gets the frames that were received, byte for \
byte and paced as they came, after a true snapshot of each book, until the tape ends.";

/// Flags of `sim`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct SimArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9443", value_parser = address)]
    listen: SocketAddr,
    /// Same seed, same market
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The time at the exchange when it starts, instead of this machine's
    #[arg(long, value_name = "TIME", value_parser = instant::parse, conflicts_with = "tape")]
    start: Option<Nanos>,
    /// How badly it behaves
    #[arg(long, value_name = "PROFILE", default_value = "none", value_parser = profile)]
    faults: FaultProfile,
    /// List at least this many instruments, up to 20000
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = universe)]
    universe: usize,
    /// Let instruments live through listings, auctions, halts, renames and expiries
    #[arg(long)]
    lives: bool,
    /// Send about this many frames a second to all clients together, as far as cadences allow
    #[arg(long, value_name = "FRAMES", default_value_t = 0)]
    rate: u32,
    #[command(flatten)]
    tape: tape::TapeArgs,
    /// List the fault profiles and exit
    #[arg(long)]
    list_faults: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "not an address and a port, such as 127.0.0.1:9443".to_owned())
}

/// Serves until it is asked to stop.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn run(args: &SimArgs, console: &Console) -> anyhow::Result<ExitCode> {
    if args.list_faults {
        console.data(fault_table(console).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &args.tape.tape {
        return tape::run(args, path, console).await;
    }
    let mut stop = Stop::listen();
    let config = SimConfig {
        faults: args.faults,
        universe: args.universe,
        rate: args.rate,
        lives: args.lives,
        ..SimConfig::new(args.seed, args.start.map_or_else(unix_ns, |start| start.0))
    };
    let options = SimOptions { listen: args.listen, config };
    let server = sim_server::serve(options).await.map_err(|why| not_started(args, &why))?;
    console.words(&greeting(args, &server, console));
    stop.asked().await;
    console.words("stopped\n");
    server.close().await;
    Ok(ExitCode::SUCCESS)
}

fn not_started(args: &SimArgs, why: &io::Error) -> Failure {
    let (why, hint) = match why.kind() {
        io::ErrorKind::AddrInUse => (
            "the port is in use".to_owned(),
            "choose another port with --listen, or let the system choose: --listen 127.0.0.1:0",
        ),
        io::ErrorKind::AddrNotAvailable => (
            "no such address on this machine".to_owned(),
            "listen on 127.0.0.1 for this machine, or on 0.0.0.0 for all its networks",
        ),
        io::ErrorKind::PermissionDenied => {
            (why.to_string(), "ports below 1024 need rights; choose a higher one with --listen")
        }
        _ => (why.to_string(), "choose another address with --listen"),
    };
    Failure::new(format!("cannot listen on {}: {why}", args.listen), hint)
}

fn greeting(args: &SimArgs, server: &SimServer, console: &Console) -> String {
    let paint = console.err_paint();
    let at = server.address();
    let endpoints = server.endpoints();
    format!(
        "{} on {at}, seed {}, faults: {}\n\
         \n  public    {}\n  business  {}\n  REST      {}\n\
         \nTry, in another terminal:\n\
         \n  market-data watch BTC-USDT ETH-USDT --url ws://{at}\n  \
         market-data check --url ws://{at} --duration 60s\n  \
         curl '{}/api/v5/public/time'\n\
         \nCtrl-C stops it.\n",
        paint.apply(Colour::Strong, "a pretend OKX listens"),
        args.seed,
        args.faults.name,
        endpoints.public,
        endpoints.business,
        endpoints.rest,
        endpoints.rest,
    )
}

fn fault_table(console: &Console) -> String {
    let mut table =
        Table::new(&[("profile", Align::Left), ("survivable", Align::Left), ("what", Align::Left)]);
    for info in FaultProfile::all() {
        let survivable = if info.survivable { "yes" } else { "no" };
        table.row(vec![Cell::new(info.name), Cell::new(survivable), Cell::new(info.about)]);
    }
    table.render(console.out_paint())
}
