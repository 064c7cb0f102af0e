//! What goes into the pretend exchange and what comes out of it.
//!
//! Drivers and tests use these types; they hold data and decide nothing. Times are Unix
//! nanoseconds everywhere, texts are exactly what stands (or stood) on the wire.
//!
//! Start at [`SimConfig`] and [`Delivery`].

use std::sync::Arc;

use crate::faults::FaultProfile;

/// How big the pretend market is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarketSize {
    /// No instrument at all.
    None,
    /// Seven instruments with shallow books: cheap enough for thousands of torture lives.
    Small,
    /// Dozens of instruments of every type, with books deeper than the published 400 levels.
    Full,
}

/// Everything that decides what an exchange will do.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Same seed and same calls give the same bytes.
    pub seed: u64,
    /// When the exchange starts to exist, in Unix nanoseconds.
    pub start_ns: u64,
    /// How many instruments, and how deep their books.
    pub market: MarketSize,
    /// Attach a [`Truth`] to every data frame. Costs time; off by default.
    pub truth: bool,
    /// How bad the network and the exchange behave.
    pub faults: FaultProfile,
    /// List at least this many instruments; 0 leaves the list as [`MarketSize`] says.
    pub universe: usize,
    /// Instruments live through everything that can happen to one, on a timetable of four
    /// minutes: listings, auctions, halts, renames, expiries.
    pub lives: bool,
    /// Who may log in.
    pub keys: Vec<SimKey>,
    /// About how many text frames a second leave the exchange, all connections together; it
    /// makes its markets faster or slower until they do, as far as the cadence of the channels
    /// allows. 0 leaves the markets at their own pace.
    pub rate: u32,
}

/// Somebody who may log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimKey {
    /// `apiKey`.
    pub key: String,
    /// What signs.
    pub secret: String,
    /// `passphrase`.
    pub passphrase: String,
    /// The VIP level: 4 opens the `tbt` books, 1 the calendar.
    pub tier: u8,
}

impl SimKey {
    /// The keys that every pretend exchange knows: `sim` may have everything, `sim-basic` only
    /// what needs no tier. Secret and passphrase are the key itself.
    pub fn known() -> Vec<Self> {
        let key = |name: &str, tier| Self {
            key: name.to_owned(),
            secret: name.to_owned(),
            passphrase: name.to_owned(),
            tier,
        };
        vec![key("sim", 5), key("sim-basic", 0)]
    }
}

impl SimConfig {
    /// The full market, no truths, no faults.
    pub fn new(seed: u64, start_ns: u64) -> Self {
        Self {
            seed,
            start_ns,
            market: MarketSize::Full,
            truth: false,
            faults: FaultProfile::none(),
            universe: 0,
            lives: false,
            keys: SimKey::known(),
            rate: 0,
        }
    }
}

/// One accepted connection. Never reused within one exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnId(pub u64);

/// What a client puts on its socket.
#[derive(Clone, Copy, Debug)]
pub enum FromClient<'a> {
    /// A text frame: a JSON request or the four letters `ping`.
    Text(&'a str),
    /// A binary frame; the JSON endpoints refuse it.
    Binary(&'a [u8]),
    /// A protocol ping, answered by a protocol pong with the same payload.
    Ping(&'a [u8]),
    /// A protocol pong.
    Pong(&'a [u8]),
    /// A close frame.
    Close,
}

/// What the exchange puts on a socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToClient {
    /// A text frame.
    Text(Arc<str>),
    /// A binary frame, on `/ws/v5/public-sbe` only.
    Binary(Arc<[u8]>),
    /// A protocol ping.
    Ping(Vec<u8>),
    /// A protocol pong.
    Pong(Vec<u8>),
    /// A close frame, after which the socket ends.
    Close {
        /// The WebSocket close code, for example 4004.
        code: u16,
        /// The reason text, possibly empty.
        reason: String,
    },
    /// The TCP connection dies without a close frame (clients report 1006).
    Abort,
}

/// One thing that arrives at a client.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// On which connection.
    pub conn: ConnId,
    /// When it arrives, in Unix nanoseconds.
    pub at_ns: u64,
    /// What arrives.
    pub what: ToClient,
    /// What the frame says, for data frames when [`SimConfig::truth`] is set and the bytes were
    /// not mangled.
    pub truth: Option<Arc<Truth>>,
    /// The name of the fault that touched this delivery.
    pub fault: Option<&'static str>,
}

/// The answer to a WebSocket handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened {
    /// The connection exists from now on.
    Accepted(ConnId),
    /// The handshake was refused with a plain HTTP answer.
    Refused {
        /// The HTTP status: 404, 429, 502 or 503.
        status: u16,
        /// The body, JSON or HTML.
        body: String,
    },
}

/// The answer to a REST request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestReply {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The body; under faults it can be HTML, or empty.
    pub body: String,
    /// In place of the body, of `books-sbe`.
    pub bytes: Vec<u8>,
    /// How long the answer takes to arrive.
    pub delay_ns: u64,
}

/// What a data frame says, in the exchange's own words, independent of any decoder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Truth {
    /// The channel of the frame, for example `books`.
    pub channel: String,
    /// The `instId` of the frame's `arg`; for `instruments` the `instType`.
    pub inst_id: String,
    /// Per element of `data`, of which `trades` and candles can have several: OKX field name and
    /// text exactly as sent, for channels that are not books (candles:
    /// `ts,o,h,l,c,vol,volCcy,volCcyQuote,confirm`). Integers without quotes are given as their
    /// digits, arrays as their JSON text.
    pub rows: Vec<Vec<(&'static str, String)>>,
    /// The whole book after this frame, for book channels.
    pub book: Option<TruthBook>,
}

/// A whole published book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TruthBook {
    /// The `seqId` of the frame that made this book.
    pub seq: i64,
    /// Bids, best first.
    pub bids: Vec<TruthLevel>,
    /// Asks, best first.
    pub asks: Vec<TruthLevel>,
}

/// One level of a [`TruthBook`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TruthLevel {
    /// The price as sent.
    pub px: String,
    /// The total size as sent (on `books-rpi` the first size, retail orders included).
    pub sz: String,
    /// The number of orders as sent.
    pub orders: u32,
}

/// One row of the instrument list, in OKX's words; an empty text means not applicable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimInstrument {
    /// `instId`; a placeholder such as `LISTING-SPOT-NEW1-USDT`, or empty, before the listing.
    pub inst_id: String,
    /// `instType`: SPOT, SWAP, FUTURES, OPTION or EVENTS.
    pub inst_type: String,
    /// `instFamily`, for example `BTC-USD_UM`.
    pub inst_family: String,
    /// `uly`, the index.
    pub uly: String,
    /// `baseCcy`, spot only.
    pub base_ccy: String,
    /// `quoteCcy`, spot only.
    pub quote_ccy: String,
    /// `settleCcy`, derivatives only.
    pub settle_ccy: String,
    /// `ctType`: linear, inverse or empty.
    pub ct_type: String,
    /// `ctVal`.
    pub ct_val: String,
    /// `ctMult`.
    pub ct_mult: String,
    /// `tickSz`.
    pub tick_sz: String,
    /// `lotSz`.
    pub lot_sz: String,
    /// `minSz`.
    pub min_sz: String,
    /// `listTime` in Unix milliseconds.
    pub list_time: String,
    /// `expTime` in Unix milliseconds.
    pub exp_time: String,
    /// `state`: live, suspend, preopen, rebase, post_only, expired, or one nobody knows.
    pub state: String,
}
