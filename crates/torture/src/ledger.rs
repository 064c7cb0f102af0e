//! The bookkeeping of a downstream reader: numbers of events, gaps opened and closed, and what the
//! stream lets it believe about each subscription.
//!
//! The judge hands it every event in order. It accepts what a careful reader could accept and
//! complains about the rest; it knows why each gap may open.
//!
//! Invariants: an open gap belongs to one key; a key with an open gap has no copy of a book.
//! Start at [`Ledger::header`] and [`Ledger::gap`].

use super::bars::Told;
use super::looks::Looks;
use super::mirror::Mirror;
use super::refill::Hole;
use super::whole::Whole;
use market_data_model::{EventRef, Gap, Nanos};
use market_data_sim::Truth;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// How many trades of a key are remembered: a row may stay out if it is one of them.
const TRADES_REMEMBERED: usize = 64;
/// Of these, the newest that must not come out twice (okx remembers a few more).
const TRADES_NOT_TWICE: usize = 16;

/// What is believed about one (channel, key).
#[derive(Clone, Debug, Default)]
pub struct Key {
    /// The channel.
    pub channel: String,
    /// The instrument, the index, or the kind.
    pub key: String,
    /// What the last intact frame said, books only; `None` before one came in this session.
    pub base: Option<Arc<Truth>>,
    /// The reader's copy, books only.
    pub mirror: Mirror,
    /// Whether the feed said that the subscription stands, and has not asked to end it since.
    pub firm: bool,
    /// Ids of the trades emitted last, the newest first.
    trades: VecDeque<u64>,
    /// The same for flat records that have an id.
    rows: VecDeque<String>,
    /// The newest trade emitted.
    pub newest_trade: Option<u64>,
    /// Trades that never came and are being fetched.
    pub(super) holes: Vec<Hole>,
    /// Ids of the trades that were fetched.
    pub(super) filled: BTreeSet<u64>,
    /// Bars that were told.
    pub(super) bars: Told,
    /// What REST said while a gap was open.
    pub(super) looks: Looks,
    /// Trades that were told, in this process and those before.
    pub(super) whole: Whole,
}

impl Key {
    /// Remembers a trade that came out; says whether it had come out just before.
    pub fn trade_again(&mut self, id: u64) -> bool {
        let again = self.trades.iter().take(TRADES_NOT_TWICE).any(|held| *held == id);
        self.trades.truncate(TRADES_REMEMBERED - 1);
        self.trades.push_front(id);
        again
    }

    /// Remembers a flat record that came out; says whether it had come out just before.
    pub fn row_again(&mut self, id: String) -> bool {
        let again = self.rows.iter().take(TRADES_NOT_TWICE).any(|held| *held == id);
        self.rows.truncate(TRADES_REMEMBERED - 1);
        self.rows.push_front(id);
        again
    }

    /// Whether the flat record came out before, as far as is remembered.
    pub fn had_row(&self, id: &str) -> bool {
        self.rows.iter().any(|held| held == id)
    }

    /// Whether one of these trades was fetched.
    pub fn had_filled(&self, (from, to): (u64, u64)) -> bool {
        self.filled.range(from..=to).next().is_some()
    }

    /// Whether the trade came out before, as far as is remembered.
    pub fn had_trade(&self, id: u64) -> bool {
        self.trades.contains(&id)
    }
}

/// Everything a reader of one feed knows.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    keys: Vec<Key>,
    open: BTreeMap<u64, (String, String)>,
    last_gap: u64,
    n: u64,
}

impl Ledger {
    /// Checks what every event says about itself.
    ///
    /// # Errors
    /// When the count has a hole or the time is not the input's.
    pub fn header(&mut self, now: Nanos, feed: u32, event: &EventRef<'_>) -> Result<(), String> {
        let header = event.header;
        if header.n != self.n + 1 {
            return Err(format!("event n is {}, after {}", header.n, self.n));
        }
        self.n = header.n;
        if header.feed.0 != feed {
            return Err(format!("feed is {}, not {feed}", header.feed.0));
        }
        if header.ts_recv != now {
            return Err(format!("tsRecv is {}, the input came at {now}", header.ts_recv));
        }
        if event.venue() != "okx" {
            return Err(format!("exchange is {:?}", event.venue()));
        }
        Ok(())
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.n
    }

    /// The key, if anything was ever said about it.
    pub fn find(&self, channel: &str, key: &str) -> Option<&Key> {
        self.keys.iter().find(|k| k.key == key && k.channel == channel)
    }

    /// The key, made if need be.
    pub fn key(&mut self, channel: &str, key: &str) -> &mut Key {
        let found = self.keys.iter().position(|k| k.key == key && k.channel == channel);
        let at = found.unwrap_or_else(|| {
            let (channel, key) = (channel.to_owned(), key.to_owned());
            self.keys.push(Key { channel, key, ..Key::default() });
            self.keys.len() - 1
        });
        &mut self.keys[at]
    }

    /// Every key.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Every key, to change.
    pub fn keys_mut(&mut self) -> &mut [Key] {
        &mut self.keys
    }

    /// A gap opens or closes.
    ///
    /// # Errors
    /// When an id is used again, or something closes that is not open.
    pub fn gap(&mut self, channel: &str, inst: &str, gap: &Gap) -> Result<(), String> {
        let place = (channel.to_owned(), inst.to_owned());
        if !gap.closed {
            if gap.id <= self.last_gap {
                return Err(format!("gap {} opens after gap {}", gap.id, self.last_gap));
            }
            if gap.healed.is_some() || gap.to.is_some() {
                return Err(format!("gap {} opens already healed", gap.id));
            }
            self.last_gap = gap.id;
            self.open.insert(gap.id, place);
            self.key(channel, inst).mirror.distrust();
            return Ok(());
        }
        match self.open.remove(&gap.id) {
            None => Err(format!("gap {} of {channel} {inst} closes but is not open", gap.id)),
            Some(was) if was != place => {
                Err(format!("gap {} opened for {was:?} and closes for {place:?}", gap.id))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether a gap is open for the key.
    pub fn is_open(&self, channel: &str, key: &str) -> bool {
        self.open.values().any(|(c, k)| c == channel && k == key)
    }

    /// The open gaps: id, channel, key.
    pub fn open(&self) -> impl Iterator<Item = (u64, &str, &str)> {
        self.open.iter().map(|(id, (channel, key))| (*id, channel.as_str(), key.as_str()))
    }
}
