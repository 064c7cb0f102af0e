//! What a service is told to do.

use crate::credentials::Credentials;
use crate::net::{ProxySetting, TlsTrust};
use market_data_model::Decimal;
use market_data_okx::Endpoints;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Some instruments and what to follow of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Ids, other spellings (`BTCUSDT`, `BTC/USDT:USDT`) or patterns (`*-USDT-SWAP`). For channels
    /// of an index: the index; for channels of a kind of instrument: the kind.
    pub instruments: Vec<String>,
    /// Of what patterns fit only instruments with at least this turnover in 24 hours, in the quote
    /// coin; `None` = all of them.
    pub min_turnover_24h: Option<Decimal>,
    /// Channels in the venue's spelling; `all` is every public channel, each for what suits it.
    pub channels: Vec<String>,
}

impl Want {
    /// These channels of these instruments.
    pub fn new<I, C>(instruments: I, channels: C) -> Want
    where
        I: IntoIterator<Item: Into<String>>,
        C: IntoIterator<Item: Into<String>>,
    {
        Want {
            instruments: instruments.into_iter().map(Into::into).collect(),
            min_turnover_24h: None,
            channels: channels.into_iter().map(Into::into).collect(),
        }
    }
}

/// Where and how everything received is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeSettings {
    /// The directory; it is made if it is not there.
    pub dir: PathBuf,
    /// Time after which a new segment file begins.
    pub rotate: Duration,
    /// Bytes after which a new segment file begins.
    pub rotate_bytes: u64,
    /// Longest time until something received is on the disk itself.
    pub sync: Duration,
    /// Compression by zstd, 1 (fast) to 19 (small); 0 = none.
    pub level: i32,
    /// Whether sums over what came out go on the tape, so that a replay can check itself.
    pub digests: bool,
    /// Time in which each followed book is asked for over REST once, for `verify`; zero = never.
    pub anchors: Duration,
    /// Whether feeds begin where those on the tape ended.
    pub resume: bool,
    /// Whether segments become Parquet files when they are complete; `None` = no.
    pub parquet: Option<ParquetSettings>,
}

/// What becomes of segments of the tape that are complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParquetSettings {
    /// The archive they are converted to.
    pub dir: PathBuf,
    /// Milliseconds between snapshots of books in it; `None` = no snapshots.
    pub book_interval_ms: Option<u64>,
    /// Converted segments that are older are deleted; `None` = none.
    pub retain: Option<Duration>,
    /// The oldest converted segments are deleted while the tape is larger; `None` = none.
    pub retain_bytes: Option<u64>,
}

impl TapeSettings {
    /// The defaults, in this directory.
    pub fn new(dir: impl Into<PathBuf>) -> TapeSettings {
        TapeSettings {
            dir: dir.into(),
            rotate: Duration::from_secs(3600),
            rotate_bytes: 1 << 30,
            sync: Duration::from_secs(1),
            level: 1,
            digests: true,
            anchors: Duration::ZERO,
            resume: true,
            parquet: None,
        }
    }
}

/// How many connections carry the same subscriptions, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSettings {
    /// One, or two: then the loss of either is no loss. The binary socket always has one.
    pub lines: u8,
    /// The proxy of the second; `None` = that of the first.
    pub second_proxy: Option<ProxySetting>,
    /// The address of this machine from which the second goes out; `None` = as for the first.
    pub second_address: Option<IpAddr>,
    /// How long a connection is used before another one takes over from it; zero = for ever.
    pub rotate: Duration,
}

impl Default for LineSettings {
    fn default() -> LineSettings {
        let (second_proxy, second_address) = (None, None);
        LineSettings { lines: 1, second_proxy, second_address, rotate: Duration::ZERO }
    }
}

/// Everything a service needs to know. Start from [`ServiceOptions::default`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOptions {
    /// The venue's addresses.
    pub endpoints: Endpoints,
    /// Whether and which proxy to use.
    pub proxy: ProxySetting,
    /// Whose certificates are believed.
    pub trust: TlsTrust,
    /// For channels that need a login; without them the venue refuses those.
    pub credentials: Option<Credentials>,
    /// Whether what the binary socket carries (`bbo-tbt`, `trades`, `books-l2-tbt`) comes over it;
    /// that needs credentials.
    pub sbe: bool,
    /// What to follow.
    pub wants: Vec<Want>,
    /// Emit the best so many levels a side of each book after every change; 0 = no such views.
    pub view_depth: u16,
    /// Emit every verified change of each book.
    pub deltas: bool,
    /// Fetch trades that never came over REST, where their ids prove that they are missing.
    pub refill: bool,
    /// Let each bar say what it is worth, and fetch bars that never came over REST.
    pub bars: bool,
    /// Fetch settlements of funding that nobody heard of over REST.
    pub funding: bool,
    /// Connect and follow everything, but say and record nothing before
    /// [`Service::take_over`](crate::Service::take_over): another process still records.
    pub successor: bool,
    /// How many connections carry the same subscriptions.
    pub lines: LineSettings,
    /// Time between two comparisons of a live book of a connection with what REST and other
    /// channels say of it; zero = none.
    pub witness: Duration,
    /// Seed of the jitter in waiting times.
    pub seed: u64,
    /// Time between two looks at the instrument list over REST, besides its channel.
    pub refresh: Duration,
    /// How long to keep trying to load the instrument list at the start.
    pub patience: Duration,
    /// Where to record; `None` = nowhere.
    pub tape: Option<TapeSettings>,
    /// Whether frames are handed on as they come (`sim_server::relay`).
    pub relay: bool,
    /// One core for everything from the sockets to the sinks; `None` = threads as usual.
    pub one_core: Option<OneCore>,
}

/// One thread on one core of its own receives, decodes and calls the sinks, one after the other:
/// the shortest way for those who want latency. Sinks must then be quick, since feeds wait for
/// them. The recorder keeps its own thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneCore {
    /// Which core, counted from 0.
    pub core: usize,
    /// Whether the thread looks for bytes again and again instead of sleeping until they come. It
    /// then uses the whole core, always. Only for a core that nothing else uses: the scheduler lets
    /// a thread that never sleeps wait longest when somebody else wants the core.
    pub busy_poll: bool,
}

impl Default for ServiceOptions {
    fn default() -> ServiceOptions {
        ServiceOptions {
            endpoints: Endpoints::default(),
            proxy: ProxySetting::default(),
            trust: TlsTrust::default(),
            credentials: None,
            sbe: false,
            wants: Vec::new(),
            view_depth: 0,
            deltas: true,
            refill: true,
            bars: true,
            funding: true,
            successor: false,
            lines: LineSettings::default(),
            witness: Duration::ZERO,
            seed: 0,
            refresh: Duration::from_secs(15 * 60),
            patience: Duration::from_secs(20),
            tape: None,
            relay: false,
            one_core: None,
        }
    }
}
