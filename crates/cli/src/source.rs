//! Where the data comes from: OKX's addresses, others, or the pretend exchange in this process.
//!
//! `watch`, `run` and `check` share these flags. [`Source::open`] turns them into addresses and
//! starts the pretend exchange when asked to.
//!
//! Invariants: `--sim` needs no network and no proxy; a fault profile that does not exist is
//! refused before anything starts.

use crate::failure::Failure;
use clap::Args;
use market_data::sim_server::{self, SimOptions, SimServer};
use market_data::{CREDENTIALS_ENV, Credentials, CredentialsError};
use market_data::{ProxySetting, ServiceOptions, Want};
use market_data_okx::{Endpoints, Region, channel};
use market_data_sim::{FaultProfile, SimConfig};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long to try to load the instruments: somebody is waiting at a prompt.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same for the pretend exchange, which may have been told to refuse for a while.
const PATIENCE_SIM: Duration = Duration::from_secs(30);
/// The longest list of the pretend exchange.
const UNIVERSE_MAX: usize = 20_000;

/// Flags that say where the data comes from.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Where from")]
pub struct SourceArgs {
    /// OKX's region: global, demo, eea, eea-demo, us or us-demo [default: global]
    #[arg(long, value_name = "REGION", conflicts_with_all = ["url", "sim"])]
    region: Option<Region>,
    /// Proxy for everything, such as socks5h://127.0.0.1:1080; `none` ignores the environment
    #[arg(long, value_name = "URL", conflicts_with = "sim")]
    proxy: Option<String>,
    /// Sockets and REST behind one address, such as ws://127.0.0.1:9443
    #[arg(long, value_name = "BASE", conflicts_with = "sim")]
    url: Option<String>,
    /// Another public socket
    #[arg(long, value_name = "URL", conflicts_with = "sim")]
    public_url: Option<String>,
    /// Another business socket (bars and single trades live there)
    #[arg(long, value_name = "URL", conflicts_with = "sim")]
    business_url: Option<String>,
    /// Another REST address
    #[arg(long, value_name = "URL", conflicts_with = "sim")]
    rest_url: Option<String>,
    /// Take bbo-tbt, trades and books-l2-tbt over the binary socket; needs an API key
    #[arg(long)]
    sbe: bool,
    /// Use a pretend exchange in this process instead of OKX: no internet needed
    #[arg(long)]
    pub sim: bool,
    /// Seed of the pretend exchange
    #[arg(long, value_name = "N", default_value_t = 1, requires = "sim")]
    sim_seed: u64,
    /// How badly the pretend exchange behaves; see `market-data sim --list-faults`
    #[arg(long, value_name = "PROFILE", default_value = "none", requires = "sim")]
    #[arg(value_parser = profile)]
    pub sim_faults: FaultProfile,
    /// List at least this many instruments on the pretend exchange, up to 20000
    #[arg(long, value_name = "N", default_value_t = 0, requires = "sim", value_parser = universe)]
    sim_universe: usize,
    /// Let instruments of the pretend exchange live through everything, within four minutes
    #[arg(long, requires = "sim")]
    sim_lives: bool,
    /// Let the pretend exchange send about this many frames a second
    #[arg(long, value_name = "FRAMES", default_value_t = 0, requires = "sim")]
    sim_rate: u32,
}

impl SourceArgs {
    /// Whether any of them was given.
    #[cfg(feature = "top")]
    pub fn is_named(&self) -> bool {
        let texts = [&self.proxy, &self.url, &self.public_url, &self.business_url, &self.rest_url];
        self.region.is_some() || self.sbe || self.sim || texts.iter().any(|text| text.is_some())
    }
}

/// Reads the length of the pretend exchange's list.
///
/// # Errors
/// In words, when it is no number or too large.
pub fn universe(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "not a whole number".to_owned())?;
    if number > UNIVERSE_MAX {
        return Err(format!("the pretend exchange lists {UNIVERSE_MAX} instruments at most"));
    }
    Ok(number)
}

/// Finds a fault profile by name.
///
/// # Errors
/// In words, with the names that exist, when there is none.
pub fn profile(name: &str) -> Result<FaultProfile, String> {
    FaultProfile::named(name).ok_or_else(|| {
        let known: Vec<&str> = FaultProfile::all().iter().map(|info| info.name).collect();
        format!("no such fault profile; there are {}", known.join(", "))
    })
}

/// Options to start from: no wishes yet, no changes of books, little patience at the start.
pub fn options() -> ServiceOptions {
    ServiceOptions {
        deltas: false,
        seed: unix_ns(),
        patience: PATIENCE,
        ..ServiceOptions::default()
    }
}

/// Addresses, and the pretend exchange if one was started.
pub struct Source {
    /// The pretend exchange; keep it as long as it is needed.
    pub sim: Option<SimServer>,
}

impl Source {
    /// Puts the addresses into `options`; starts the pretend exchange when asked to.
    ///
    /// # Errors
    /// When an address cannot be used, or the pretend exchange cannot start.
    pub async fn open(args: &SourceArgs, options: &mut ServiceOptions) -> anyhow::Result<Source> {
        options.sbe |= args.sbe;
        if args.sim {
            let config = SimConfig {
                faults: args.sim_faults,
                universe: args.sim_universe,
                rate: args.sim_rate,
                lives: args.sim_lives,
                ..SimConfig::new(args.sim_seed, unix_ns())
            };
            let sim = start_sim(config).await?;
            options.endpoints = sim.endpoints();
            options.proxy = ProxySetting::None;
            options.patience = PATIENCE_SIM;
            // Nobody's real key is for a pretend exchange.
            options.credentials = sim.credentials();
            return Ok(Source { sim: Some(sim) });
        }
        if (options.sbe || needs_login(&options.wants))
            && let Some(credentials) = Credentials::from_env().map_err(bad_credentials)?
        {
            options.credentials = Some(credentials);
        }
        if let Some(region) = args.region {
            options.endpoints = Endpoints::of(region);
        }
        if let Some(url) = &args.url {
            options.endpoints = Endpoints::local(url).map_err(bad_address)?;
        }
        let mut endpoints = options.endpoints.clone();
        if let Some(url) = &args.public_url {
            endpoints = endpoints.with_public(url).map_err(bad_address)?;
        }
        if let Some(url) = &args.business_url {
            endpoints = endpoints.with_business(url).map_err(bad_address)?;
        }
        if let Some(url) = &args.rest_url {
            endpoints = endpoints.with_rest(url).map_err(bad_address)?;
        }
        options.endpoints = endpoints;
        match args.proxy.as_deref() {
            None => {}
            Some("none") => options.proxy = ProxySetting::None,
            Some(url) => options.proxy = ProxySetting::Url(url.to_owned()),
        }
        Ok(Source { sim: None })
    }

    /// Ends the pretend exchange.
    pub async fn close(self) {
        if let Some(sim) = self.sim {
            sim.close().await;
        }
    }
}

/// Whether a channel is wanted that the venue does not serve without a login.
pub fn needs_login(wants: &[Want]) -> bool {
    let needs = |name: &String| channel::find(name).is_some_and(|spec| spec.login);
    wants.iter().flat_map(|want| &want.channels).any(needs)
}

fn bad_credentials(error: CredentialsError) -> Failure {
    let [key, secret, passphrase] = CREDENTIALS_ENV;
    Failure::new(
        error.to_string(),
        format!("set {key}, {secret} and {passphrase}, or none of them"),
    )
}

fn bad_address(error: market_data_okx::endpoints::UrlError) -> Failure {
    Failure::new(
        error.to_string(),
        "addresses look like ws://127.0.0.1:9443 (one for all) or wss://host/ws/v5/public",
    )
}

async fn start_sim(config: SimConfig) -> anyhow::Result<SimServer> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let sim = sim_server::serve(SimOptions { listen, config }).await.map_err(|why| {
        Failure::new(
            format!("cannot start the pretend exchange on {listen}: {why}"),
            "is this machine allowed to listen on 127.0.0.1?",
        )
    })?;
    Ok(sim)
}

/// The wall clock, in Unix nanoseconds.
pub fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
