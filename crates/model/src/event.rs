//! The normalised facts: what consumers receive, one struct a kind.
//!
//! They hold the venue's numbers exactly and absent as `None`. They travel in a
//! [`Batch`](crate::batch::Batch); [`wire`](crate::wire) prints them.

use crate::decimal::{Px, Qty};
use crate::figures::Figures;
use crate::instrument::Instrument;
use crate::time::Nanos;
use crate::tiny::Tiny;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which feed (connection) an event comes from; unique within one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedId(pub u32);

/// What every event says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The feed that made the event.
    pub feed: FeedId,
    /// Counts up by one per feed and event, from 1: a hole is a loss of ours.
    pub n: u64,
    /// Index of the channel in [`Names`](crate::batch::Names); `None` for events of the link.
    pub channel: Option<u16>,
    /// Index of the instrument in [`Names`](crate::batch::Names); `None` if there is none.
    pub inst: Option<u32>,
    /// The venue's own time; `None` when it sent none or 0.
    pub ts_event: Option<Nanos>,
    /// When we read the frame, taken once, at the read.
    pub ts_recv: Nanos,
}

/// Best prices, last trade and 24-hour figures of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Ticker {
    /// Price of the last trade.
    pub last: Option<Px>,
    /// Quantity of the last trade.
    pub last_qty: Option<Qty>,
    /// Best bid; may include retail liquidity that order books leave out.
    pub bid: Option<Px>,
    /// Quantity at the best bid.
    pub bid_qty: Option<Qty>,
    /// Best ask.
    pub ask: Option<Px>,
    /// Quantity at the best ask.
    pub ask_qty: Option<Qty>,
    /// Price 24 hours ago.
    pub open_24h: Option<Px>,
    /// Highest price in 24 hours.
    pub high_24h: Option<Px>,
    /// Lowest price in 24 hours.
    pub low_24h: Option<Px>,
    /// Volume in 24 hours: base coin for spot, contracts for derivatives.
    pub vol_24h: Option<Qty>,
    /// Volume in 24 hours: **quote** coin for spot, **base** coin for derivatives.
    pub vol_ccy_24h: Option<Qty>,
    /// Price at the start of the UTC day.
    pub sod_utc0: Option<Px>,
    /// Price at the start of the UTC+8 day.
    pub sod_utc8: Option<Px>,
}

/// Who crossed the spread: the *taker*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggressor {
    /// The taker bought.
    Buyer,
    /// The taker sold.
    Seller,
    /// The venue did not say, or said something unknown.
    Unknown,
}

/// One execution, or several makers of one taker order at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The venue's id, unique within the instrument; of a merged row the last one.
    pub trade_id: u64,
    /// Price.
    pub px: Px,
    /// Quantity, in the instrument's unit.
    pub qty: Qty,
    /// The taker's side.
    pub aggressor: Aggressor,
    /// How many fills the row merges (ids `trade_id - count + 1 ..= trade_id`); `None` on
    /// channels that send one row a fill.
    pub count: Option<u32>,
    /// The venue's word for where the trade came from (`0` order book, `1` retail liquidity).
    pub source: Option<Tiny>,
    /// The venue's sequence number; several trades may share one.
    pub seq: Option<i64>,
    /// Where it was fetched after it had not come; `None` = it came.
    pub filled: Option<FilledFrom>,
}

/// Where something was fetched that had not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilledFrom {
    /// The venue's REST history.
    Rest,
    /// The venue's daily file.
    File,
}

impl FilledFrom {
    /// As written in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            FilledFrom::Rest => "rest",
            FilledFrom::File => "file",
        }
    }
}

/// What a bar is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// Trades.
    Trade,
    /// The venue's mark price.
    Mark,
    /// An index.
    Index,
    /// Trades of a spread: two legs traded as one.
    Spread,
}

/// Open, high, low and close over one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// What the prices are.
    pub kind: BarKind,
    /// The interval in the user's spelling: `1m`, `4h`, `1d@utc`, …
    pub interval: &'static str,
    /// Start of the bar, milliseconds UTC, from the wire.
    pub open_ms: u64,
    /// Start of the next bar (exclusive end), by calendar in the bar's own zone; milliseconds UTC.
    pub close_ms: u64,
    /// First price.
    pub open: Px,
    /// Highest price.
    pub high: Px,
    /// Lowest price.
    pub low: Px,
    /// Last price so far.
    pub close: Px,
    /// Base coin for spot, contracts for derivatives, the spread's own size coin for spreads;
    /// `None` for mark and index bars.
    pub volume: Option<Qty>,
    /// The venue's second volume column: quote coin for spot, base coin for derivatives.
    pub volume_ccy: Option<Qty>,
    /// Turnover in quote coin.
    pub volume_quote: Option<Qty>,
    /// Whether the venue says that the bar is finished; `None` in recordings older than that word,
    /// and of bars that nobody has.
    pub closed: Option<bool>,
    /// What the bar is worth; `None` from feeds that do not follow their bars.
    pub state: Option<BarState>,
    /// Where it was fetched after it had not come; `None` = it came, or was made here.
    pub filled: Option<FilledFrom>,
    /// What the trades of the bar say beyond it; `None` = they are not proven complete, or not
    /// followed.
    pub flow: Option<BarFlow>,
}

/// What a bar is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarState {
    /// It goes on.
    Forming,
    /// The venue said that it is finished.
    Confirmed,
    /// The same, fetched over REST because it never came.
    FilledFromRest,
    /// The venue does not have it; it was made of the trades in it, of which none is missing.
    RebuiltFromTrades,
    /// It is finished, and nobody traded in it.
    NoTrades,
    /// There was such a bar, and nobody has it: its prices are
    /// [`Decimal::NONE`](crate::Decimal::NONE).
    Missing,
}

impl BarState {
    /// As written in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            BarState::Forming => "forming",
            BarState::Confirmed => "confirmed",
            BarState::FilledFromRest => "filled_from_rest",
            BarState::RebuiltFromTrades => "rebuilt_from_trades",
            BarState::NoTrades => "no_trades",
            BarState::Missing => "missing",
        }
    }
}

/// What the trades of a bar say that the venue's bar does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarFlow {
    /// How many fills there were.
    pub trades: u64,
    /// Of the volume, what takers bought, in base coin; `None` = it is no exact number, or the
    /// instrument's contract is not known.
    pub taker_base: Option<Qty>,
    /// The same in quote coin.
    pub taker_quote: Option<Qty>,
}

/// One price of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Price.
    pub px: Px,
    /// Quantity there, absolute; zero removes the level (deltas only).
    pub qty: Qty,
    /// Of it, quantity that is not retail liquidity; [`Decimal::NONE`](crate::Decimal::NONE)
    /// except on the channel that sends it.
    pub non_rpi: Qty,
    /// Number of orders.
    pub orders: u32,
}

/// What a book event shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookKind {
    /// A verified change: levels to replace or remove.
    Delta,
    /// A new start: throw your copy away, then take these levels.
    Snapshot,
    /// The best levels of the verified book, best first.
    View,
}

/// A book, or a change of one. The levels are behind [`EventRef`](crate::batch::EventRef).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookChange {
    /// What this shows.
    pub kind: BookKind,
    /// The id this change follows; `None` for snapshots and views.
    pub prev_seq: Option<i64>,
    /// The venue's id of the resulting book; `None` in recordings older than such ids.
    pub seq: Option<i64>,
    /// How many levels a side the channel promises (1, 5, 50, 400), or the view shows.
    pub depth: u16,
    pub(crate) bids: (u32, u32),
    pub(crate) asks: (u32, u32),
}

/// Why a stretch cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GapCause {
    /// Ids did not link.
    Sequence,
    /// The connection was lost.
    Disconnect,
    /// A channel with a guaranteed beat, or the socket, went quiet.
    Silence,
    /// A row could not be read, so a book or a series misses it.
    Unreadable,
    /// The venue's checksum did not agree.
    Checksum,
    /// The venue sent neither ids nor checksum: nothing proves the book.
    Unverifiable,
    /// The venue ended the subscription by itself.
    Evicted,
    /// The venue refused the subscription.
    Refused,
    /// A consumer of ours was too slow and lost events.
    SlowConsumer,
    /// Our recorder could not write: the tape misses what consumers got.
    Recorder,
    /// We were restarted, or resubscribed on purpose.
    Restart,
    /// Something else that the venue said of the book at the same id is not what the book was.
    Contradicted,
}

impl GapCause {
    /// As written in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            GapCause::Sequence => "sequence",
            GapCause::Disconnect => "disconnect",
            GapCause::Silence => "silence",
            GapCause::Unreadable => "unreadable",
            GapCause::Checksum => "checksum",
            GapCause::Unverifiable => "unverifiable",
            GapCause::Evicted => "evicted",
            GapCause::Refused => "refused",
            GapCause::SlowConsumer => "slow_consumer",
            GapCause::Recorder => "recorder",
            GapCause::Restart => "restart",
            GapCause::Contradicted => "contradicted",
        }
    }
}

/// Whose fault a gap is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whose {
    /// The venue's.
    Venue,
    /// The network's.
    Link,
    /// Ours.
    Ours,
}

impl Whose {
    /// As written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Whose::Venue => "venue",
            Whose::Link => "link",
            Whose::Ours => "ours",
        }
    }
}

/// What made data trustworthy again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Healed {
    /// A full snapshot: the present is right, the changes in between are lost.
    Snapshot,
    /// The stream goes on; whether something was missed, `lost` says.
    Resumed,
    /// Everything that was missed has been fetched over REST. (Stands last: states of feeds hold
    /// these by number.)
    Rest,
}

impl Healed {
    /// As written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Healed::Snapshot => "snapshot",
            Healed::Resumed => "resumed",
            Healed::Rest => "rest",
        }
    }
}

/// One end of a gap: the record that opens it, or the one that closes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Number of the gap within the feed; the opening and the closing record share it.
    pub id: u64,
    /// Whether this record closes the gap.
    pub closed: bool,
    /// Why.
    pub cause: GapCause,
    /// Whose fault.
    pub whose: Whose,
    /// Last id known good before (a book's seq, a trade id, the opening time of a bar in ms);
    /// `None` = unknown.
    pub from_id: Option<i64>,
    /// First id known good after; `None` = unknown or still open.
    pub to_id: Option<i64>,
    /// Receive time of the last good data before; `None` = there was none.
    pub from: Option<Nanos>,
    /// Receive time of the first good data after; `None` while open.
    pub to: Option<Nanos>,
    /// How many trades are missing (on channels of bars: how many bars); `None` = unknown.
    pub lost: Option<u64>,
    /// What healed it; `None` while open, and when it closed because nobody wants the data any
    /// more.
    pub healed: Option<Healed>,
}

/// Steps in one connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStep {
    /// We asked for a connection.
    Opening,
    /// It is open.
    Up,
    /// We are about to close it.
    Closing,
    /// It is gone.
    Down,
}

impl SessionStep {
    /// As written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionStep::Opening => "opening",
            SessionStep::Up => "up",
            SessionStep::Closing => "closing",
            SessionStep::Down => "down",
        }
    }
}

/// One step of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which step.
    pub step: SessionStep,
    /// Counts connections of this feed from 1.
    pub number: u64,
    /// Where to.
    pub url: Arc<str>,
    /// Why, in words; empty if there is nothing to say.
    pub reason: String,
    /// The venue's name for the connection; empty until it said so.
    pub conn_id: String,
}

/// What became of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionStep {
    /// The venue confirmed it.
    Subscribed,
    /// The venue confirmed its end.
    Unsubscribed,
    /// The venue refused it; it is tried again later unless `reason` says otherwise.
    Refused,
    /// The venue ended it by itself.
    Evicted,
}

impl SubscriptionStep {
    /// As written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            SubscriptionStep::Subscribed => "subscribed",
            SubscriptionStep::Unsubscribed => "unsubscribed",
            SubscriptionStep::Refused => "refused",
            SubscriptionStep::Evicted => "evicted",
        }
    }
}

/// News of one subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionNews {
    /// What happened.
    pub step: SubscriptionStep,
    /// The venue's code; empty if none.
    pub code: String,
    /// The venue's words, or ours.
    pub reason: String,
}

/// What kind of thing was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultCode {
    /// Not JSON, or cut off.
    BadJson,
    /// JSON, but neither an event nor data.
    BadEnvelope,
    /// One row (element of `data`) could not be read; the others were.
    BadRow,
    /// The venue's time was missing, zero or unreadable; the record was kept without it.
    BadTime,
    /// A book broke a rule of its channel.
    BadBook,
    /// The venue said that we did something wrong.
    VenueError,
    /// A REST answer could not be used.
    BadResponse,
    /// A finished bar is not what its trades say, of which none is missing.
    BarDiffers,
    /// A live book is not what REST or another channel says of it at the same id.
    BookDiffers,
}

impl FaultCode {
    /// As written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultCode::BadJson => "bad_json",
            FaultCode::BadEnvelope => "bad_envelope",
            FaultCode::BadRow => "bad_row",
            FaultCode::BadTime => "bad_time",
            FaultCode::BadBook => "bad_book",
            FaultCode::VenueError => "venue_error",
            FaultCode::BadResponse => "bad_response",
            FaultCode::BarDiffers => "bar_differs",
            FaultCode::BookDiffers => "book_differs",
        }
    }
}

/// Something the venue sent that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub code: FaultCode,
    /// In words, with the value.
    pub reason: String,
    /// The frame or row, cut at [`FAULT_TEXT_MAX`] bytes.
    pub frame: String,
}

/// How much of an odd frame a fault keeps, in bytes.
pub const FAULT_TEXT_MAX: usize = 2048;

/// A row of a channel that this version does not know, kept as the venue's JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// The row's JSON text.
    pub row: String,
}

/// What an event says. Borrowed from a [`Batch`](crate::batch::Batch).
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// Prices and 24-hour figures.
    Ticker(&'a Ticker),
    /// An execution.
    Trade(&'a Trade),
    /// A bar.
    Bar(&'a Bar),
    /// A book or a change of one: bids then asks.
    Book(&'a BookChange, &'a [Level], &'a [Level]),
    /// A flat record whose fields its sheet lists.
    Figures(Figures<'a>),
    /// First sight or change of an instrument.
    Instrument(&'a Arc<Instrument>),
    /// A stretch that cannot be trusted opens or closes.
    Gap(&'a Gap),
    /// A step in a connection's life.
    Session(&'a Session),
    /// News of a subscription.
    Subscription(&'a SubscriptionNews),
    /// Something not understood.
    Fault(&'a Fault),
    /// A row of an unknown channel.
    Raw(&'a Raw),
}

impl Body<'_> {
    /// The record's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Ticker(_) => "ticker",
            Body::Trade(_) => "trade",
            Body::Bar(_) => "kline",
            Body::Book(BookChange { kind: BookKind::View, .. }, ..) => "orderbook",
            Body::Book(..) => "orderbook_delta",
            Body::Figures(x) => x.sheet.kind,
            Body::Instrument(_) => "instrument",
            Body::Gap(_) => "gap",
            Body::Session(_) => "session",
            Body::Subscription(_) => "subscription",
            Body::Fault(_) => "fault",
            Body::Raw(_) => "raw",
        }
    }
}
