//! The binary form of best prices, trades and books: OKX's SBE schema 1, version 0.
//!
//! `sbe_feed.rs` sends what is written here. Little-endian; every message begins with its block
//! length, template, schema and version; numbers are mantissas with one exponent for prices and
//! one for sizes. Section 7 of the notes has the layouts.
//!
//! Invariant: root blocks have the documented lengths. Start at [`Message::new`].

use crate::instrument::Instrument;

/// The schema's id.
const SCHEMA: u16 = 1;
/// Bytes of one level: price, size, orders.
const LEVEL: u16 = 20;

/// A level in ticks and lots, and its orders.
pub type Triple = (i64, i64, u32);

/// What every message says of its instrument and moment.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// Whose units count.
    pub inst: &'a Instrument,
    /// Unix nanoseconds.
    pub now_ns: u64,
    /// `seqId`.
    pub seq: i64,
}

impl Moment<'_> {
    /// Whole milliseconds, as microseconds.
    fn micros(self) -> i64 {
        (self.now_ns / 1_000_000 * 1_000) as i64
    }

    fn exponents(self) -> [u8; 2] {
        // Places are few; a negative exponent is its two's complement.
        let negative = |places: u32| 0u8.wrapping_sub(places as u8);
        [negative(self.inst.px_places), negative(self.inst.sz_places)]
    }
}

/// One message as it grows.
struct Message(Vec<u8>);

impl Message {
    /// The header of a template, and the four root fields that most begin with.
    fn new(template: u16, block: u16, moment: Moment<'_>) -> Self {
        let mut made = Self(Vec::with_capacity(8 + usize::from(block)));
        for word in [block, template, SCHEMA, 0] {
            made.word(word);
        }
        made.long(moment.inst.code.unwrap_or_default());
        made.long(moment.micros());
        made
    }

    fn word(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn long(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn int(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn group(&mut self, levels: &[Triple]) {
        self.word(LEVEL);
        self.word(levels.len() as u16);
        for (px, lots, orders) in levels {
            self.long(*px);
            self.long(*lots);
            self.int(*orders);
        }
    }
}

/// `outTime`: another server's clock, a little later.
fn out_time(moment: Moment<'_>) -> i64 {
    (moment.now_ns / 1_000) as i64 + 180
}

/// 1000, BboTbtChannelEvent; a missing side is all zeros.
pub fn best(moment: Moment<'_>, bid: Option<Triple>, ask: Option<Triple>) -> Vec<u8> {
    let mut made = Message::new(1_000, 74, moment);
    made.long(out_time(moment));
    made.long(moment.seq);
    let (bid, ask) = (bid.unwrap_or_default(), ask.unwrap_or_default());
    for value in [ask.0, ask.1, bid.0, bid.1] {
        made.long(value);
    }
    made.int(ask.2);
    made.int(bid.2);
    made.0.extend(moment.exponents());
    made.0
}

fn update(template: u16, moment: Moment<'_>, prev: i64) -> Message {
    let mut made = Message::new(template, 42, moment);
    made.long(out_time(moment));
    made.long(moment.seq);
    made.long(prev);
    made.0.extend(moment.exponents());
    made
}

/// 1001, BooksL2TbtChannelEvent; without levels it is a beat.
pub fn book(moment: Moment<'_>, prev: i64, asks: &[Triple], bids: &[Triple]) -> Vec<u8> {
    let mut made = update(1_001, moment, prev);
    made.group(asks);
    made.group(bids);
    made.0
}

/// 1002, BooksL2TbtExponentUpdateEvent.
pub fn exponents(moment: Moment<'_>, prev: i64) -> Vec<u8> {
    update(1_002, moment, prev).0
}

/// One aggregated trade.
#[derive(Clone, Copy)]
pub struct Deal {
    /// In ticks.
    pub px: i64,
    /// In lots.
    pub lots: i64,
    /// The last trade's id.
    pub id: u64,
    /// How many fills.
    pub count: u16,
    /// The taker bought.
    pub buy: bool,
    /// The makers were retail orders.
    pub rpi: bool,
}

/// 1005, TradesChannelEvent.
pub fn trade(moment: Moment<'_>, deal: Deal) -> Vec<u8> {
    let mut made = Message::new(1_005, 62, moment);
    made.long(out_time(moment));
    made.long(moment.seq);
    made.long(deal.px);
    made.long(deal.lots);
    made.long(deal.id as i64);
    made.word(deal.count);
    made.0.push(u8::from(deal.buy));
    made.0.extend(moment.exponents());
    made.0.push(u8::from(deal.rpi));
    made.0
}

/// 1006, SnapshotDepthResponseEvent, over REST.
pub fn snapshot(moment: Moment<'_>, asks: &[Triple], bids: &[Triple]) -> Vec<u8> {
    let mut made = Message::new(1_006, 26, moment);
    made.long(moment.seq);
    made.0.extend(moment.exponents());
    made.group(asks);
    made.group(bids);
    made.0
}
