//! The local server of `run`: its flags, its start, its word on the log.
//!
//! The serving is the crate `market-data-serve`.

use crate::failure::Failure;
use clap::Args;
use market_data::config::Serve;
use market_data::sim_server::relay::Relay;
use market_data::{Prepared, Service, SinkSpec};
use market_data_okx::past::kept_as;
use market_data_serve::{Bound, Hub, OptionsError, ServeOptions, Server, bind};
use std::path::Path;
use std::sync::Arc;

/// Flags about the server.
#[derive(Args, Debug)]
#[command(next_help_heading = "Serve")]
pub struct ServeFlags {
    /// Serve on this address instead of the settings' own [default: 127.0.0.1:9870]
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["no_serve", "replay"])]
    serve: Option<String>,
    /// Serve clients made for OKX, too: they find it under /ws/v5/ and /api/v5/
    #[arg(long, conflicts_with_all = ["no_serve", "replay"])]
    serve_okx: bool,
    /// Serve nothing
    #[arg(long)]
    no_serve: bool,
}

/// The server before the service runs: its address is taken, its sink wants events.
pub struct Opened {
    /// `None` = the address is taken at the start.
    bound: Option<Bound>,
    options: ServeOptions,
    hub: Arc<Hub>,
}

/// The server while it runs, and what clients made for OKX are served from.
pub struct Serving {
    /// The server.
    pub server: Server,
    relay: Option<Relay>,
}

impl Serving {
    /// Says goodbye to all clients, and ends.
    pub async fn stop(self) {
        if let Some(relay) = &self.relay {
            relay.say_goodbye().await;
        }
        self.server.stop().await;
        if let Some(relay) = self.relay {
            relay.close().await;
        }
    }
}

impl ServeFlags {
    /// The settings, as these flags change them.
    pub fn change(&self, config: &mut Serve) {
        if let Some(address) = &self.serve {
            (config.enabled, config.address) = (true, Some(address.clone()));
        }
        config.okx |= self.serve_okx;
        config.enabled &= !self.no_serve;
    }
}

/// When the address is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once, so that one that is taken is known before anything else starts.
    Now,
    /// When the server starts.
    Later,
}

/// Takes the address; the server and its sink, or nothing if none is wanted. Clients may join from
/// the past as far as it is on `tape`.
///
/// # Errors
/// When the settings cannot be used or the address is taken.
pub async fn open(
    config: &Serve,
    prepared: &Prepared,
    (tape, when): (Option<&Path>, When),
) -> Result<Option<(Opened, SinkSpec)>, Failure> {
    if !config.enabled {
        return Ok(None);
    }
    let mut options = ServeOptions::from_config(config).map_err(cannot)?;
    options.tape = tape.map(Path::to_owned);
    let bound = match when {
        When::Now => Some(taken(&options).await?),
        When::Later => None,
    };
    let (hub, sink) = Hub::new(channels(prepared));
    hub.know(prepared.catalogue.iter());
    Ok(Some((Opened { bound, options, hub }, sink)))
}

/// The channels of which records may come: nobody subscribes to that of fetched settlements.
pub fn channels(prepared: &Prepared) -> impl Iterator<Item = String> {
    let own = prepared.subscriptions.iter().map(|s| s.channel.to_string());
    let kept = prepared.subscriptions.iter().map(|s| kept_as(&s.channel).to_owned());
    own.chain(kept)
}

async fn taken(options: &ServeOptions) -> Result<Bound, Failure> {
    let bound = bind(options).await.map_err(cannot)?;
    if bound.moved {
        let (taken, address) = (options.address, bound.address);
        tracing::info!(%taken, %address, "the usual address is taken; serving on another");
    }
    Ok(bound)
}

impl Opened {
    /// Starts to serve what the service receives, and says where. `None` if the address was to be
    /// taken only now and cannot be: the service is worth more than its server, so the log says so.
    pub async fn start(self, service: &mut Service) -> Option<Serving> {
        let bound = match self.bound {
            Some(bound) => bound,
            None => match taken(&self.options).await {
                Ok(bound) => bound,
                Err(why) => {
                    tracing::error!(%why, "nothing is served; everything else goes on");
                    return None;
                }
            },
        };
        let relay = Relay::start(service);
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        let routes = relay.as_ref().map(Relay::router);
        let server = Server::start(bound, self.options, self.hub, service.metrics(), routes);
        let (address, okx) = (server.address(), relay.is_some());
        tracing::info!(address = %format_args!("{scheme}://{address}"), okx, "serving");
        Some(Serving { server, relay })
    }
}

/// What cannot be served, with advice.
pub fn cannot(error: OptionsError) -> Failure {
    let hint = match &error {
        OptionsError::Listen { .. } => "--serve names another address, --no-serve serves nothing",
        OptionsError::Open { .. } => "a token is any 16 letters or more: `openssl rand -hex 32`",
        _ => "docs/config.md says what [serve] takes",
    };
    Failure::new(error.to_string(), hint)
}
