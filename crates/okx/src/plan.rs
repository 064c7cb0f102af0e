//! Which subscription goes on which connection, within OKX's limits.
//!
//! The shell calls [`plan`] once per start; feeds then follow their own list and never move a
//! subscription. All channels of one instrument on one path stay together, deep books are spread
//! evenly, and the same wishes in any order give the same plan.
//!
//! Invariants: every wish lands exactly once, on a connection of its channel's path; no connection
//! exceeds [`DEEP_BOOKS_PER_CONNECTION`] or [`CHANNELS_PER_CONNECTION_MAX`]; subscribing (and
//! subscribing anew after a loss) leaves most of the hour's request budget for resyncs.
//!
//! Start at [`plan`].

use crate::catalogue::nearest;
use crate::channel::{self, ChannelSpec, Path};
use crate::limits::{
    CHANNELS_PER_CONNECTION_MAX, DEEP_BOOKS_PER_CONNECTION, REQUEST_BYTES_MAX, REQUEST_ID_MAX,
    REQUESTS_PER_HOUR, REQUESTS_RESERVED,
};
use crate::request::{self, Op};
use crate::sbe;
use market_data_model::Subscription;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Longest key we send, in bytes (ours: the longest instrument id seen has 33, 2026-04).
pub const KEY_BYTES_MAX: usize = 128;
/// Longest channel name in the table, in bytes (ours; a test holds it).
const NAME_BYTES_MAX: usize = 32;
/// An argument around its two words, with its comma.
const ARGUMENT_BYTES: usize = r#"{"channel":"","instType":""},"#.len();
/// How many of the longest arguments fit in one request.
const ARGUMENTS_PER_REQUEST_MIN: usize = (REQUEST_BYTES_MAX - request::OVERHEAD_BYTES)
    / (ARGUMENT_BYTES + NAME_BYTES_MAX + KEY_BYTES_MAX);

// The fullest connection can subscribe to everything six times in an hour and still has what is
// reserved for resyncs.
const _: () = assert!(
    6 * CHANNELS_PER_CONNECTION_MAX.div_ceil(ARGUMENTS_PER_REQUEST_MIN)
        <= (REQUESTS_PER_HOUR - REQUESTS_RESERVED) as usize
);

/// OKX keeps only the first of these when one connection asks for both on one instrument: the
/// second is ended with 64004 or a silent unsubscribe (changelog, 2024-07-17).
pub(crate) const EXCLUSIVE: [(&str, &str); 2] =
    [("books-l2-tbt", "books"), ("books-l2-tbt", "books50-l2-tbt")];

/// Words people begin with, and what OKX's names begin with instead.
const ALIASES: [(&str, &str); 6] = [
    ("kline", "candle"),
    ("ohlcv", "candle"),
    ("orderbook", "books"),
    ("depth", "books"),
    ("quote", "bbo-tbt"),
    ("execution", "trades"),
];

/// What one connection carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Which socket it connects to.
    pub path: Path,
    /// Its subscriptions, sorted.
    pub subscriptions: Vec<Subscription>,
    /// Requests needed to subscribe to all of them once.
    pub requests: usize,
    /// Length of these requests together, in bytes, with an `id` of full length each.
    pub bytes: usize,
}

impl Connection {
    fn new(path: Path, mut subscriptions: Vec<Subscription>) -> Connection {
        subscriptions.sort_unstable();
        let id = "x".repeat(REQUEST_ID_MAX);
        let length = |run: &[Subscription]| request::text(Op::Subscribe, &id, run.iter()).len();
        let lengths = request::split(&subscriptions, request::argument_bytes).map(length);
        let (requests, bytes) = lengths.fold((0, 0), |(n, sum), bytes| (n + 1, sum + bytes));
        Connection { path, subscriptions, requests, bytes }
    }

    /// How many 50- and 400-level books it carries.
    pub fn deep_books(&self) -> usize {
        self.subscriptions.iter().filter(|s| is_deep(s)).count()
    }
}

/// All connections, those of the public path first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In a stable order; empty when nothing was asked for.
    pub connections: Vec<Connection>,
}

impl Plan {
    /// Requests needed to subscribe to everything once.
    pub fn requests(&self) -> usize {
        self.connections.iter().map(|c| c.requests).sum()
    }

    /// How many subscriptions it holds.
    pub fn subscriptions(&self) -> usize {
        self.connections.iter().map(|c| c.subscriptions.len()).sum()
    }
}

/// Why wishes cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// No channel of that name.
    UnknownChannel {
        /// The name as given.
        channel: String,
        /// Up to five that resemble it.
        suggestions: Vec<String>,
    },
    /// The channel's argument cannot be one.
    BadKey {
        /// The channel.
        channel: String,
        /// The argument as given.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two channels that OKX does not serve side by side for one instrument.
    Conflict {
        /// The instrument.
        key: String,
        /// The two channels.
        channels: [&'static str; 2],
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::UnknownChannel { channel, suggestions } if suggestions.is_empty() => {
                write!(f, "unknown channel {channel:?}; try tickers, trades, books or candle1m")
            }
            PlanError::UnknownChannel { channel, suggestions } => {
                write!(f, "unknown channel {channel:?}; did you mean {}?", suggestions.join(", "))
            }
            PlanError::BadKey { channel, key, why } => {
                write!(f, "cannot subscribe to {channel} of {key:?}: {why}")
            }
            PlanError::Conflict { key, channels: [a, b] } => write!(
                f,
                "{a} and {b} exclude each other on {key}: OKX ends one of them (64004); keep one"
            ),
        }
    }
}

impl std::error::Error for PlanError {}

/// Spreads `subscriptions` over connections.
///
/// # Errors
/// [`PlanError`] names the first wish that cannot be planned; then nothing is.
pub fn plan(subscriptions: &[Subscription]) -> Result<Plan, PlanError> {
    plan_with(subscriptions, |_| false)
}

/// The same, with those that `binary` says on the binary socket.
///
/// # Errors
/// As [`plan`].
pub fn plan_with(
    subscriptions: &[Subscription],
    binary: impl Fn(&Subscription) -> bool,
) -> Result<Plan, PlanError> {
    let binary = |wish: &Subscription| sbe::carries(&wish.channel) && binary(wish);
    let wanted: BTreeSet<&Subscription> = subscriptions.iter().collect();
    for wish in &wanted {
        check(wish, &wanted)?;
    }
    let mut connections = Vec::new();
    for path in [Path::Public, Path::Business, Path::Binary] {
        let home = |s: &Subscription| if binary(s) { Some(Path::Binary) } else { home(s) };
        let here = wanted.iter().copied().filter(|s| home(s) == Some(path));
        let bins = spread(groups(here));
        connections.extend(bins.into_iter().map(|bin| Connection::new(path, bin.subscriptions)));
    }
    Ok(Plan { connections })
}

fn spec(wish: &Subscription) -> Option<&'static ChannelSpec> {
    channel::find(&wish.channel)
}

fn home(wish: &Subscription) -> Option<Path> {
    spec(wish).map(|spec| spec.path)
}

fn is_deep(wish: &Subscription) -> bool {
    spec(wish).is_some_and(|s| s.deep)
}

fn check(wish: &Subscription, wanted: &BTreeSet<&Subscription>) -> Result<(), PlanError> {
    let Some(spec) = spec(wish) else {
        let channel = wish.channel.to_string();
        return Err(PlanError::UnknownChannel { suggestions: suggest(&channel), channel });
    };
    let bad = |why| PlanError::BadKey {
        channel: wish.channel.to_string(),
        key: wish.key.to_string(),
        why,
    };
    if let Some(why) = spec.key.complaint(&wish.key) {
        return Err(bad(why));
    }
    if wish.key.len() > KEY_BYTES_MAX {
        return Err(bad("longer than any name OKX gives; check the spelling"));
    }
    if wish.key.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\')) {
        return Err(bad("spaces and quotes are in no name of OKX's; check the spelling"));
    }
    for (a, b) in EXCLUSIVE {
        if *wish.channel == *a && wanted.contains(&Subscription::new(b, &wish.key)) {
            return Err(PlanError::Conflict { key: wish.key.to_string(), channels: [a, b] });
        }
    }
    Ok(())
}

fn suggest(name: &str) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    let meant = ALIASES.iter().find_map(|(word, is)| {
        let rest = lower.strip_prefix(word)?.trim_start_matches(['s', '_', '-']);
        Some(format!("{is}{rest}"))
    });
    let near = nearest(meant.as_deref().unwrap_or(name), channel::names());
    near.into_iter().map(str::to_owned).collect()
}

/// Subscriptions that travel together.
#[derive(Debug, Default)]
struct Bin {
    subscriptions: Vec<Subscription>,
    deep: usize,
}

impl Bin {
    fn push(&mut self, wish: &Subscription) {
        self.deep += usize::from(is_deep(wish));
        self.subscriptions.push(wish.clone());
    }

    fn takes(&self, more: &Bin) -> bool {
        self.deep + more.deep <= DEEP_BOOKS_PER_CONNECTION
            && self.subscriptions.len() + more.subscriptions.len() <= CHANNELS_PER_CONNECTION_MAX
    }
}

/// One group an instrument; an instrument too big for a connection falls apart into single ones.
fn groups<'a>(wishes: impl Iterator<Item = &'a Subscription>) -> Vec<Bin> {
    let mut by_key: BTreeMap<&str, Bin> = BTreeMap::new();
    for wish in wishes {
        by_key.entry(&wish.key).or_default().push(wish);
    }
    let mut groups = Vec::with_capacity(by_key.len());
    for group in by_key.into_values() {
        if Bin::default().takes(&group) {
            groups.push(group);
            continue;
        }
        for wish in &group.subscriptions {
            let mut single = Bin::default();
            single.push(wish);
            groups.push(single);
        }
    }
    groups
}

/// Spreads groups over as few connections as hold them.
fn spread(mut groups: Vec<Bin>) -> Vec<Bin> {
    let deep: usize = groups.iter().map(|g| g.deep).sum();
    let count: usize = groups.iter().map(|g| g.subscriptions.len()).sum();
    let least =
        deep.div_ceil(DEEP_BOOKS_PER_CONNECTION).max(count.div_ceil(CHANNELS_PER_CONNECTION_MAX));
    // Stable: groups of one weight stay in the order of their keys.
    groups.sort_by_key(|g| Reverse((g.deep, g.subscriptions.len())));
    // Groups do not divide, so the sums alone may promise too much. One each always works.
    (least..=groups.len()).find_map(|bins| place(&groups, bins)).unwrap_or(groups)
}

/// Puts each group on the least loaded of so many connections; `None` if they do not hold them.
fn place(groups: &[Bin], bins: usize) -> Option<Vec<Bin>> {
    let mut bins: Vec<Bin> = std::iter::repeat_with(Bin::default).take(bins).collect();
    for group in groups {
        let deep = |bin: &Bin| if group.deep > 0 { bin.deep } else { 0 };
        let takers = bins.iter_mut().filter(|bin| bin.takes(group));
        let bin = takers.min_by_key(|bin| (deep(bin), bin.subscriptions.len()))?;
        bin.deep += group.deep;
        bin.subscriptions.extend_from_slice(&group.subscriptions);
    }
    Some(bins)
}

#[cfg(test)]
mod tests;
