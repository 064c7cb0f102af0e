//! A service and a server of its own, for `--sim` and `--alone`: the same as `market-data run`
//! serves, on a free port of this machine, without a tape.
//!
//! Invariant: [`Own::stop`] ends all of it.

use crate::failure::Failure;
use crate::server::Address;
use crate::source::{self, Source, SourceArgs};
use market_data::{Command, Service, Want};
use market_data_serve::{Hub, ServeOptions, Server, bind};
use std::net::{Ipv4Addr, SocketAddr};

/// Instruments when none are named.
const INSTRUMENTS: [&str; 5] =
    ["BTC-USDT", "ETH-USDT", "SOL-USDT", "BTC-USDT-SWAP", "ETH-USDT-SWAP"];
/// Channels when none are named.
const CHANNELS: [&str; 4] = ["tickers", "trades", "books", "candle1m"];
/// The same, of swaps beside those.
const SWAP_CHANNELS: [&str; 3] = ["mark-price", "funding-rate", "open-interest"];

/// Everything that was started.
pub struct Own {
    source: Source,
    service: Service,
    server: Server,
    shown: &'static str,
}

impl Own {
    /// Starts it.
    ///
    /// # Errors
    /// When the instruments cannot be resolved or loaded, or no port is free.
    pub async fn start(
        args: &SourceArgs,
        instruments: &[String],
        channels: &[String],
    ) -> anyhow::Result<Own> {
        let mut options = source::options();
        options.view_depth = 1;
        options.wants = wants(instruments, channels);
        let source = Source::open(args, &mut options).await?;
        let prepared = market_data::prepare(&options).await.map_err(Failure::from)?;
        let names = prepared.subscriptions.iter().map(|sub| sub.channel.to_string());
        let (hub, sink) = Hub::new(names);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let serve = ServeOptions { address, named: true, ..ServeOptions::default() };
        let bound = bind(&serve).await.map_err(|error| {
            Failure::new(error.to_string(), "is this machine allowed to listen on 127.0.0.1?")
        })?;
        let service = Service::start(options, prepared, vec![sink]).map_err(Failure::from)?;
        let server = Server::start(bound, serve, hub, service.metrics(), None);
        let shown = if args.sim { "the pretend exchange" } else { "OKX, from here" };
        Ok(Own { source, service, server, shown })
    }

    /// Where it serves.
    pub fn address(&self) -> Address {
        Address::here(self.server.address())
    }

    /// What it is, in words.
    pub fn shown(&self) -> String {
        self.shown.to_owned()
    }

    /// Asks anew for books that the server cannot show because it was too slow.
    pub async fn mend(&self) {
        for (feed, book) in self.server.take_torn() {
            self.service.command(Some(feed), Command::Resync(book)).await;
        }
    }

    /// Ends everything.
    pub async fn stop(self) {
        self.server.stop().await;
        self.service.stop().await;
        self.source.close().await;
    }
}

fn wants(instruments: &[String], channels: &[String]) -> Vec<Want> {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let instruments = match instruments {
        [] => texts(&INSTRUMENTS),
        named => named.to_vec(),
    };
    if !channels.is_empty() {
        return vec![Want::new(instruments, channels.to_vec())];
    }
    let is_swap = |name: &&String| name.to_uppercase().ends_with("-SWAP");
    let swaps: Vec<String> = instruments.iter().filter(is_swap).cloned().collect();
    let mut wants = vec![Want::new(instruments, texts(&CHANNELS))];
    if !swaps.is_empty() {
        wants.push(Want::new(swaps, texts(&SWAP_CHANNELS)));
    }
    wants
}
