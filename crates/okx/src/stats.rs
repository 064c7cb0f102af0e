//! What a feed has counted and where it stands, for metrics, reports and `decode --summary`.

use crate::link::LinkState;
use market_data_model::Subscription;
use serde::{Deserialize, Serialize};

/// Counters of one feed since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStats {
    /// Text messages received, pongs included.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Answers to our pings.
    pub pongs: u64,
    /// Events emitted, of every kind.
    pub records: u64,
    /// Of these, tickers.
    pub tickers: u64,
    /// Of these, trades.
    pub trades: u64,
    /// Of these, bars.
    pub bars: u64,
    /// Of these, flat records: funding rates, mark prices, greeks and the like.
    pub figures: u64,
    /// Of these, verified changes and snapshots of books.
    pub deltas: u64,
    /// Of these, views of books.
    pub views: u64,
    /// Of these, instruments.
    pub instruments: u64,
    /// Of these, rows of unknown channels.
    pub raws: u64,
    /// Of these, faults.
    pub faults: u64,
    /// Frames of channels that this version does not know.
    pub unknown_channels: u64,
    /// Fields that this version does not know.
    pub unknown_fields: u64,
    /// Words of the venue that this version does not know.
    pub unknown_values: u64,
    /// Gaps opened.
    pub gaps_opened: u64,
    /// Gaps closed.
    pub gaps_closed: u64,
    /// Trades that their ids prove missing.
    pub trades_lost: u64,
    /// Trades dropped because their id had been seen (OKX may repeat one after subscribing).
    pub trades_repeated: u64,
    /// Frames of subscriptions that had ended.
    pub late_frames: u64,
    /// Subscriptions restarted on the same connection.
    pub resyncs: u64,
    /// Connections lost or replaced.
    pub reconnects: u64,
    /// Requests sent.
    pub requests: u64,
    /// What happened to books.
    pub book: BookStats,
}

/// What happened to books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookStats {
    /// Checksums that were not zero, compared.
    pub checksum_checked: u64,
    /// Of these, equal.
    pub checksum_ok: u64,
    /// Checksums that were zero: nothing to compare.
    pub checksum_zero: u64,
    /// Updates whose `prevSeqId` was compared with the book.
    pub chain_checked: u64,
    /// Of these, linked.
    pub chain_ok: u64,
    /// Updates that did not link.
    pub gaps: u64,
    /// Updates that link although their id went down (venue maintenance).
    pub resets: u64,
    /// Updates that only say "unchanged".
    pub heartbeats: u64,
    /// Full states.
    pub snapshots: u64,
    /// Changes.
    pub updates: u64,
    /// Updates that had been applied already.
    pub duplicates: u64,
    /// Updates before any snapshot; dropped.
    pub early: u64,
    /// Levels beyond the channel's depth; dropped.
    pub truncated: u64,
}

/// Where a feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStatus {
    /// The connection.
    pub link: LinkState,
    /// Connections made so far.
    pub session: u64,
    /// Subscriptions wanted.
    pub wanted: usize,
    /// Of these, confirmed (books: with a live book).
    pub live: usize,
    /// Of these, refused by the venue at the moment.
    pub refused: usize,
    /// Gaps open.
    pub open_gaps: usize,
    /// Trades that had not come and were fetched over REST.
    pub trades_filled: u64,
    /// Bars that had not come and were fetched over REST.
    pub bars_filled: u64,
    /// Bars that nobody has.
    pub bars_missing: u64,
    /// Requests this connection may still send this hour.
    pub requests_left: u32,
    /// The connections that carry the subscriptions, by number.
    pub lines: Vec<LineStatus>,
    /// Times that a connection was replaced by one that had caught up.
    pub hand_overs: u64,
    /// What witnesses have said of books, by book and witness; empty if nobody asks them.
    pub witnesses: Vec<WitnessStatus>,
}

/// How often a witness was compared with a live book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessStatus {
    /// The book.
    pub book: Subscription,
    /// `rest`, `bbo-tbt` or `books5`.
    pub witness: &'static str,
    /// Times that both were the same at the same `seqId`.
    pub agree: u64,
    /// Times that they were not; the book was out of service from then on.
    pub differ: u64,
    /// Times that the two could not be compared: the book was never at an id that the witness
    /// named, or the witness said nothing.
    pub skipped: u64,
}

/// What one of a feed's lines does. The counts grow only while there are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineStatus {
    /// Its number, from 0.
    pub line: u8,
    /// Whether it is the one that resyncs and is told of.
    pub front: bool,
    /// Its connection.
    pub link: LinkState,
    /// Rows of which it brought the first copy.
    pub first: u64,
    /// Rows of which it brought the second.
    pub copies: u64,
    /// By how much these came later, all together, in ns.
    pub late_ns: u64,
    /// By how much one of them came later at most, in ns.
    pub late_max_ns: u64,
    /// Rows that the other line brought and this one did not.
    pub missed: u64,
}

impl LineStatus {
    /// Whether its connection is open.
    pub fn is_up(&self) -> bool {
        self.link == LinkState::Up
    }
}
