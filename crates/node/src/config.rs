//! The service's settings: a TOML file, then the environment, then defaults.
//!
//! The command line calls [`Config::load`]. Unknown keys are errors, in the file and in the
//! environment; an error shows the line. `config.example.toml` beside this crate says everything.
//!
//! Invariant: a setting is read in one place and has one default, written here.

use crate::credentials::{Credentials, CredentialsError};
use crate::error::Error;
use crate::net::{ProxySetting, TlsTrust};
use crate::options::{LineSettings, OneCore, ServiceOptions, Want};
use crate::sink::{InOrder, JsonLines, Overflow, SinkSpec};
use market_data_model::{Decimal, DecimalError};
use market_data_okx::limits::WITNESS_SECONDS_MIN;
use market_data_okx::{Endpoints, Region};
use serde::Deserialize;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod differ;
mod serve;
mod tape;

pub use serve::{Secret, Serve};
pub use tape::Tape;

/// What environment variables start with; then section, underscore, key: `MARKET_DATA_VENUE_URL`.
pub const ENV_PREFIX: &str = "MARKET_DATA_";

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key or value that is not known; with the line.
    #[error("cannot use the settings {place}: {message}")]
    Toml {
        /// The file, or `<text>`.
        place: String,
        /// What is wrong, with the line and a caret.
        message: String,
    },
    /// An environment variable cannot be used.
    #[error("cannot use {name}={value:?}: {why}")]
    Variable {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
        /// What is wrong.
        why: String,
    },
    /// A value fits its key but nothing else.
    #[error("cannot use {key}: {why}")]
    Value {
        /// Section and key, for example `venue.region`.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The file of `venue.credentials` cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// All settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the data comes from.
    pub venue: Venue,
    /// What to follow.
    pub subscribe: Vec<Subscribe>,
    /// What to emit of books.
    pub books: Books,
    /// What becomes of trades that never came.
    pub trades: Trades,
    /// What becomes of bars that never came.
    pub bars: Bars,
    /// What becomes of settlements of funding that nobody heard of.
    pub funding: Funding,
    /// Where events go.
    pub output: Output,
    /// Where everything received is recorded.
    pub tape: Tape,
    /// The local server.
    pub serve: Serve,
    /// What to log.
    pub log: Log,
    /// On what it runs.
    pub runtime: Runtime,
}

/// On what it runs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// One core, counted from 0, for everything from the sockets to the sinks; absent: threads and
    /// cores as usual.
    pub core: Option<usize>,
    /// With `core`: never sleep, look for bytes again and again.
    pub busy_poll: bool,
}

/// Where the data comes from.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Venue {
    /// `global`, `demo`, `eea`, `eea-demo`, `us` or `us-demo`.
    pub region: String,
    /// One address for everything instead, for example `ws://127.0.0.1:9443`.
    pub url: Option<String>,
    /// Another address of the public socket.
    pub public_url: Option<String>,
    /// Another address of the business socket.
    pub business_url: Option<String>,
    /// Another address of REST.
    pub rest_url: Option<String>,
    /// A proxy for everything, or `none`; absent: what the environment says.
    pub proxy: Option<String>,
    /// Connections that carry the same subscriptions: 1, or 2, so that the loss of one is no loss.
    pub lines: u8,
    /// A proxy for the second of them, or `none`; absent: that of the first.
    pub second_proxy: Option<String>,
    /// The address of this machine from which the second goes out; absent: as for the first.
    pub second_address: Option<IpAddr>,
    /// Hours after which another connection takes over, without a loss; 0 = never.
    pub rotate_hours: u64,
    /// Seconds between two comparisons of a live book of a connection with what REST and other
    /// channels say of it; 0 = none.
    pub witness_seconds: u64,
    /// A PEM file with further certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// A TOML file with `key`, `secret` and `passphrase`, readable by its owner only, for channels
    /// that need a login.
    pub credentials: Option<PathBuf>,
    /// Whether `bbo-tbt`, `trades` and `books-l2-tbt` come over OKX's binary socket, in SBE. Needs
    /// credentials.
    pub sbe: bool,
    /// Another address of the binary socket.
    pub binary_url: Option<String>,
    /// Seconds between two looks at the instrument list over REST.
    pub refresh_seconds: u64,
}

/// Some instruments and what to follow of each.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// Ids, other spellings or patterns.
    pub instruments: Vec<String>,
    /// Channels in the venue's spelling.
    pub channels: Vec<String>,
    /// Least turnover of what patterns fit, as decimal text in the quote coin; absent: none.
    pub min_turnover_24h: Option<String>,
}

/// What to emit of books.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Books {
    /// Levels a side of the views emitted after each change; 0 = none.
    pub view_depth: u16,
    /// Whether each verified change is emitted.
    pub deltas: bool,
}

/// What becomes of trades that never came.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Trades {
    /// Whether they are fetched over REST.
    pub refill: bool,
}

/// What becomes of bars that never came.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Bars {
    /// Whether they are fetched over REST, and each bar says what it is worth.
    pub refill: bool,
}

/// What becomes of settlements of funding that nobody heard of.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Funding {
    /// Whether they are fetched over REST.
    pub refill: bool,
}

/// Where events go.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// `stdout` or paths of files; each gets every event as NDJSON. Files are appended to.
    pub sinks: Vec<String>,
    /// What happens when a sink is too slow.
    pub overflow: OverflowRule,
    /// Batches that wait for a slow sink before that happens.
    pub queue: usize,
    /// Whether trades wait for those before them that never came and are fetched.
    pub in_order: bool,
}

/// What happens when a sink is too slow.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OverflowRule {
    /// The feeds wait.
    #[default]
    Wait,
    /// Events are dropped, and a `gap` record says so.
    Drop,
}

/// What to log.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: LogLevel,
    /// How lines look.
    pub format: LogFormat,
}

/// How much to log.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> tracing::Level {
        match level {
            LogLevel::Error => tracing::Level::ERROR,
            LogLevel::Warn => tracing::Level::WARN,
            LogLevel::Info => tracing::Level::INFO,
            LogLevel::Debug => tracing::Level::DEBUG,
            LogLevel::Trace => tracing::Level::TRACE,
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Config {
        let subscribe = Subscribe {
            instruments: ["BTC-USDT", "ETH-USDT", "BTC-USDT-SWAP"].map(String::from).to_vec(),
            channels: ["tickers", "trades", "books", "candle1m"].map(String::from).to_vec(),
            min_turnover_24h: None,
        };
        Config {
            venue: Venue::default(),
            subscribe: vec![subscribe],
            books: Books::default(),
            trades: Trades::default(),
            bars: Bars::default(),
            funding: Funding::default(),
            output: Output::default(),
            tape: Tape::default(),
            serve: Serve::default(),
            log: Log::default(),
            runtime: Runtime::default(),
        }
    }
}

impl Subscribe {
    fn want(&self) -> Result<Want, ConfigError> {
        let mut want = Want::new(self.instruments.clone(), self.channels.clone());
        if let Some(text) = &self.min_turnover_24h {
            let bad = |why: String| ConfigError::Value { key: "subscribe.min_turnover_24h", why };
            let min: Decimal = text
                .trim()
                .parse()
                .map_err(|e: DecimalError| bad(format!("{text:?} is no number: {e}")))?;
            if min.is_negative() {
                return Err(bad(format!("{text:?} is negative")));
            }
            want.min_turnover_24h = Some(min);
        }
        Ok(want)
    }
}

impl Default for Venue {
    fn default() -> Venue {
        Venue {
            region: Region::default().to_string(),
            url: None,
            public_url: None,
            business_url: None,
            rest_url: None,
            proxy: None,
            lines: 1,
            second_proxy: None,
            second_address: None,
            rotate_hours: 0,
            witness_seconds: 10,
            ca_file: None,
            credentials: None,
            sbe: false,
            binary_url: None,
            refresh_seconds: 15 * 60,
        }
    }
}

impl Default for Books {
    fn default() -> Books {
        Books { view_depth: 10, deltas: false }
    }
}

impl Default for Trades {
    fn default() -> Trades {
        Trades { refill: true }
    }
}

impl Default for Funding {
    fn default() -> Funding {
        Funding { refill: true }
    }
}

impl Default for Bars {
    fn default() -> Bars {
        Bars { refill: true }
    }
}

impl Default for Output {
    fn default() -> Output {
        let sinks = vec!["stdout".to_owned()];
        Output { sinks, overflow: OverflowRule::Wait, queue: 1024, in_order: false }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { level: LogLevel::Info, format: LogFormat::Auto }
    }
}

impl Config {
    /// Reads `file` (or takes the defaults), then the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`], with the file and line or the variable.
    pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
        let vars = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        let Some(path) = file else { return Config::parse("", "the defaults", vars) };
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Config::parse(&text, &path.display().to_string(), vars)
    }

    /// Reads `text`, called `place` in errors, then `vars` (other variables are passed over).
    ///
    /// # Errors
    /// [`ConfigError`], with the line or the variable.
    pub fn parse(
        text: &str,
        place: &str,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut config: Config = toml::from_str(text).map_err(|error| ConfigError::Toml {
            place: place.to_owned(),
            message: toml_words(text, &error),
        })?;
        let mut vars: Vec<_> =
            vars.into_iter().filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect();
        vars.sort();
        for (name, value) in vars {
            if let Err(why) = config.set(&name, &value) {
                let value = if is_secretive(&name) { HIDDEN.to_owned() } else { value };
                return Err(ConfigError::Variable { name, value, why });
            }
        }
        Ok(config)
    }

    /// Overrides one setting. Lists are separated by commas.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let some = || (!value.is_empty()).then(|| value.to_owned());
        let list = || value.split(',').map(|v| v.trim().to_owned()).collect();
        match name.strip_prefix(ENV_PREFIX).unwrap_or(name) {
            "VENUE_REGION" => self.venue.region = value.to_owned(),
            "VENUE_URL" => self.venue.url = some(),
            "VENUE_PUBLIC_URL" => self.venue.public_url = some(),
            "VENUE_BUSINESS_URL" => self.venue.business_url = some(),
            "VENUE_BINARY_URL" => self.venue.binary_url = some(),
            "VENUE_SBE" => self.venue.sbe = word(value)?,
            "VENUE_REST_URL" => self.venue.rest_url = some(),
            "VENUE_PROXY" => self.venue.proxy = some(),
            "VENUE_LINES" => self.venue.lines = number(value)?,
            "VENUE_SECOND_PROXY" => self.venue.second_proxy = some(),
            "VENUE_SECOND_ADDRESS" => {
                let address = |text: String| text.trim().parse().map_err(|_| "it is no IP address");
                self.venue.second_address = some().map(address).transpose()?;
            }
            "VENUE_ROTATE_HOURS" => self.venue.rotate_hours = number(value)?,
            "VENUE_WITNESS_SECONDS" => self.venue.witness_seconds = number(value)?,
            "VENUE_CA_FILE" => self.venue.ca_file = some().map(PathBuf::from),
            "VENUE_CREDENTIALS" => self.venue.credentials = some().map(PathBuf::from),
            "VENUE_REFRESH_SECONDS" => self.venue.refresh_seconds = number(value)?,
            "SUBSCRIBE_INSTRUMENTS" => self.only_subscribe().instruments = list(),
            "SUBSCRIBE_CHANNELS" => self.only_subscribe().channels = list(),
            "SUBSCRIBE_MIN_TURNOVER_24H" => self.only_subscribe().min_turnover_24h = some(),
            "BOOKS_VIEW_DEPTH" => self.books.view_depth = number(value)?,
            "TRADES_REFILL" => self.trades.refill = word(value)?,
            "BARS_REFILL" => self.bars.refill = word(value)?,
            "FUNDING_REFILL" => self.funding.refill = word(value)?,
            "BOOKS_DELTAS" => self.books.deltas = word(value)?,
            "OUTPUT_SINKS" => self.output.sinks = list(),
            "OUTPUT_OVERFLOW" => self.output.overflow = word(value)?,
            "OUTPUT_QUEUE" => self.output.queue = number(value)?,
            "TAPE_ENABLED" => self.tape.enabled = word(value)?,
            "TAPE_DIR" => self.tape.dir = PathBuf::from(value),
            "TAPE_ROTATE_SECONDS" => self.tape.rotate_seconds = number(value)?,
            "TAPE_ROTATE_BYTES" => self.tape.rotate_bytes = number(value)?,
            "TAPE_SYNC_MS" => self.tape.sync_ms = number(value)?,
            "TAPE_LEVEL" => self.tape.level = number(value)?,
            "TAPE_DIGESTS" => self.tape.digests = word(value)?,
            "TAPE_ANCHORS" => self.tape.anchors = tape::parse_time(value)?,
            "TAPE_RESUME" => self.tape.resume = word(value)?,
            "TAPE_PARQUET" => self.tape.parquet = PathBuf::from(value),
            "TAPE_PARQUET_BOOK_MS" => self.tape.parquet_book_ms = number(value)?,
            "TAPE_RETAIN_DAYS" => self.tape.retain_days = number(value)?,
            "TAPE_RETAIN_BYTES" => self.tape.retain_bytes = number(value)?,
            "SERVE_ENABLED" => self.serve.enabled = word(value)?,
            "SERVE_ADDRESS" => self.serve.address = some(),
            "SERVE_TOKEN_FILE" => self.serve.token_file = some().map(PathBuf::from),
            "SERVE_CERT_FILE" => self.serve.cert_file = some().map(PathBuf::from),
            "SERVE_KEY_FILE" => self.serve.key_file = some().map(PathBuf::from),
            "SERVE_OKX" => self.serve.okx = word(value)?,
            "SERVE_TOKEN" => self.serve.token = some().map(Into::into),
            "SERVE_MAX_CLIENTS" => self.serve.max_clients = number(value)?,
            "SERVE_MAX_SUBSCRIPTIONS" => self.serve.max_subscriptions = number(value)?,
            "SERVE_QUEUE" => self.serve.queue = number(value)?,
            "RUNTIME_CORE" => self.runtime.core = some().map(|text| number(&text)).transpose()?,
            "RUNTIME_BUSY_POLL" => self.runtime.busy_poll = word(value)?,
            "LOG_LEVEL" => self.log.level = word(value)?,
            "LOG_FORMAT" => self.log.format = word(value)?,
            _ => {
                return Err("no such setting; names are MARKET_DATA_ and section and key, \
                     for example MARKET_DATA_VENUE_URL"
                    .to_owned());
            }
        }
        Ok(())
    }

    /// The environment replaces what the file subscribes to: one list of each.
    fn only_subscribe(&mut self) -> &mut Subscribe {
        self.subscribe.truncate(1);
        if self.subscribe.is_empty() {
            let (instruments, channels) = (Vec::new(), Vec::new());
            let nothing = Subscribe { instruments, channels, min_turnover_24h: None };
            self.subscribe.push(nothing);
        }
        &mut self.subscribe[0]
    }

    /// What is to be followed.
    ///
    /// # Errors
    /// When a turnover is no number.
    pub fn wants(&self) -> Result<Vec<Want>, ConfigError> {
        self.subscribe.iter().map(Subscribe::want).collect()
    }

    /// The settings as a service takes them, without the sinks.
    ///
    /// # Errors
    /// When a region or an address is not one, one setting needs another, or the file with the
    /// credentials cannot be used.
    pub fn options(&self) -> Result<ServiceOptions, ConfigError> {
        let Runtime { core, busy_poll } = self.runtime;
        if busy_poll && core.is_none() {
            let why = "it needs runtime.core: the core that shall never sleep".to_owned();
            return Err(ConfigError::Value { key: "runtime.busy_poll", why });
        }
        let wants = self.wants()?;
        Ok(ServiceOptions {
            endpoints: self.endpoints()?,
            proxy: self.venue.proxy.as_deref().map_or(ProxySetting::FromEnvironment, proxy),
            lines: self.lines()?,
            witness: self.witness()?,
            trust: self.venue.ca_file.clone().map_or(TlsTrust::default(), TlsTrust::File),
            credentials: self.credentials()?,
            sbe: self.venue.sbe,
            wants,
            view_depth: self.books.view_depth,
            deltas: self.books.deltas,
            refill: self.trades.refill,
            bars: self.bars.refill,
            funding: self.funding.refill,
            refresh: Duration::from_secs(self.venue.refresh_seconds.max(1)),
            relay: self.serve.enabled && self.serve.okx,
            tape: self.tape.enabled.then(|| self.tape.settings()),
            one_core: core.map(|core| OneCore { core, busy_poll }),
            ..ServiceOptions::default()
        })
    }

    fn credentials(&self) -> Result<Option<Credentials>, CredentialsError> {
        self.venue.credentials.as_deref().map(Credentials::from_file).transpose()
    }

    fn lines(&self) -> Result<LineSettings, ConfigError> {
        let venue = &self.venue;
        let bad = |key, why: &str| Err(ConfigError::Value { key, why: why.to_owned() });
        if !(1..=2).contains(&venue.lines) {
            return bad("venue.lines", "there can be 1 or 2");
        }
        if venue.lines == 1 && venue.second_proxy.is_some() {
            return bad("venue.second_proxy", "it needs venue.lines = 2");
        }
        if venue.lines == 1 && venue.second_address.is_some() {
            return bad("venue.second_address", "it needs venue.lines = 2");
        }
        Ok(LineSettings {
            lines: venue.lines,
            second_proxy: venue.second_proxy.as_deref().map(proxy),
            second_address: venue.second_address,
            rotate: Duration::from_secs(venue.rotate_hours.min(HOURS_MAX) * 3600),
        })
    }

    fn witness(&self) -> Result<Duration, ConfigError> {
        let seconds = self.venue.witness_seconds;
        if (1..WITNESS_SECONDS_MIN).contains(&seconds) {
            let least = format!("at least {WITNESS_SECONDS_MIN}: OKX limits how often all");
            let why = format!("{least} connections together ask for books; 0 = never");
            return Err(ConfigError::Value { key: "venue.witness_seconds", why });
        }
        Ok(Duration::from_secs(seconds.min(HOURS_MAX * 3600)))
    }

    fn endpoints(&self) -> Result<Endpoints, ConfigError> {
        let venue = &self.venue;
        fn bad(key: &'static str) -> impl Fn(&dyn std::fmt::Display) -> ConfigError {
            move |why| ConfigError::Value { key, why: why.to_string() }
        }
        let mut endpoints = match &venue.url {
            Some(url) => Endpoints::local(url).map_err(|e| bad("venue.url")(&e))?,
            None => Endpoints::of(venue.region.parse().map_err(|e| bad("venue.region")(&e))?),
        };
        if let Some(url) = &venue.public_url {
            endpoints = endpoints.with_public(url).map_err(|e| bad("venue.public_url")(&e))?;
        }
        if let Some(url) = &venue.business_url {
            endpoints = endpoints.with_business(url).map_err(|e| bad("venue.business_url")(&e))?;
        }
        if let Some(url) = &venue.binary_url {
            endpoints = endpoints.with_binary(url).map_err(|e| bad("venue.binary_url")(&e))?;
        }
        if venue.sbe && endpoints.binary.is_none() {
            let why = "OKX names a binary socket for the regions global and demo only";
            return Err(bad("venue.sbe")(&why));
        }
        if let Some(url) = &venue.rest_url {
            endpoints = endpoints.with_rest(url).map_err(|e| bad("venue.rest_url")(&e))?;
        }
        Ok(endpoints)
    }

    /// The sinks, opened.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be opened.
    pub fn sinks(&self) -> Result<Vec<SinkSpec>, Error> {
        let overflow = match self.output.overflow {
            OverflowRule::Wait => Overflow::Wait,
            OverflowRule::Drop => Overflow::DropAndMark,
        };
        let Output { queue, in_order, .. } = self.output;
        let spec = |place: &str, sink: JsonLines<Box<dyn Write + Send>>| match in_order {
            true => SinkSpec::new(place, queue, overflow, InOrder::new(sink)),
            false => SinkSpec::new(place, queue, overflow, sink),
        };
        let open = |place: &String| {
            if place == "stdout" {
                return Ok(spec(place, JsonLines::new(place, Box::new(std::io::stdout()))));
            }
            let file = std::fs::OpenOptions::new().append(true).create(true).open(place);
            let what = format!("open {place} for writing");
            let file = file.map_err(|source| Error::Io { what, source })?;
            Ok(spec(place, JsonLines::new(place, Box::new(file))))
        };
        self.output.sinks.iter().map(open).collect()
    }
}

/// Longest time between two rotations, in hours: a century.
const HOURS_MAX: u64 = 876_600;

/// What a setting says of a proxy.
fn proxy(text: &str) -> ProxySetting {
    if text == "none" { ProxySetting::None } else { ProxySetting::Url(text.to_owned()) }
}

/// Shown instead of what somebody may have meant to keep.
const HIDDEN: &str = "(not shown)";

/// Whether what bears this name may be a secret that was put into the wrong place.
fn is_secretive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !["market_data_venue_credentials", "market_data_serve_token_file"].contains(&&*name)
        && ["secret", "pass", "key", "credential", "token"].iter().any(|word| name.contains(word))
}

/// The parser's words, which show the line; not if a secret may stand there.
fn toml_words(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let name = line.split('=').next().unwrap_or_default();
    if is_secretive(name) && !["credentials", "token_file"].contains(&name.trim()) {
        let number = text[..start].matches('\n').count() + 1;
        return format!(
            "line {number}: credentials stand in a file of their own, named by \
             `credentials = \"FILE\"` in [venue], a token in one named by `token_file` in [serve]"
        );
    }
    error.to_string().trim_end().to_owned()
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|_| "it is not a whole number in range".to_owned())
}

/// Reads a word as the file would.
fn word<T: serde::de::DeserializeOwned>(value: &str) -> Result<T, String> {
    let trimmed = value.trim();
    let deserialized = match trimmed {
        "true" | "false" => toml::Value::Boolean(trimmed == "true").try_into(),
        _ => toml::Value::String(trimmed.to_owned()).try_into(),
    };
    deserialized.map_err(|e: toml::de::Error| e.message().to_owned())
}

#[cfg(test)]
mod tests;
