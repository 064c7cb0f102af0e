//! How a feed was made, as bytes: what a replay needs to make the same feed again.
//!
//! The recorder encodes a [`FeedConfig`] into [`FeedStart::config`](crate::FeedStart::config);
//! replay decodes it. The tape itself never looks inside. Commands use the same bytes for
//! subscriptions and instruments. Layout in `docs/tape-format.md`, section 5.
//!
//! Invariant: `decode_config(&encode_config(x)) == x`; a field appended to an instrument by a
//! later version is skipped. Start at [`encode_config`].

use crate::bytes::{Cursor, DecodeError, put_bytes, put_decimal, put_option, put_text, put_varint};
use crate::bytes::{unzigzag, zigzag};
use market_data_model::{InstType, Instrument, Known, Nanos, Qty, Subscription};
use std::sync::Arc;

/// Version of the bytes of a plain feed.
pub const VERSION: u64 = 1;
/// How a later version differs: the version less 1 is a sum of these; the bytes are the same.
const LOGIN: u64 = 1;
const REFILL: u64 = 2;
const SBE: u64 = 4;
/// Something follows the instruments: whether bars are followed, and what the feeds before knew.
const MORE: u64 = 8;
const LINES: u64 = 16;
/// Behind that: how often books are compared.
const WITNESS: u64 = 32;
const FUNDING: u64 = 64;
const SUCCESSOR: u64 = 128;

/// All of them.
const FLAGS: u64 = LOGIN | REFILL | SBE | MORE | LINES | WITNESS | FUNDING | SUCCESSOR;

/// What a feed is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedConfig {
    /// Where it connects.
    pub url: String,
    /// What it subscribes to.
    pub subscriptions: Vec<Subscription>,
    /// What was known of the instruments.
    pub instruments: Vec<Arc<Instrument>>,
    /// Levels in the views of books; 0 = no views.
    pub view_depth: u16,
    /// Whether each change of a book is emitted.
    pub deltas: bool,
    /// Seed of the jitter.
    pub seed: u64,
    /// Whether it was told that there are credentials. They themselves are on no tape.
    pub login: bool,
    /// Whether it fetches missing trades.
    pub refill: bool,
    /// Whether it is one of the binary socket: then its frames may be binary.
    pub sbe: bool,
    /// Whether it follows its bars and fetches those that never came.
    pub bars: bool,
    /// What the feeds of the process before knew.
    pub known: Vec<Known>,
    /// Connections beside the first that carry the same subscriptions.
    pub more_lines: u8,
    /// How long a connection is used before another one takes over, in ns; 0 = for ever.
    pub rotate_ns: u64,
    /// Time between two turns of books to be compared with what else the venue says of them, in
    /// ns; 0 = never.
    pub witness_ns: u64,
    /// Whether it fetches settlements of funding that came while nobody listened.
    pub funding: bool,
    /// Whether it was silent until it was told how far the process before had come.
    pub successor: bool,
}

/// The bytes of a configuration.
pub fn encode_config(config: &FeedConfig) -> Vec<u8> {
    let mut out = Vec::new();
    let more = config.bars || !config.known.is_empty();
    let lines = config.more_lines > 0 || config.rotate_ns > 0;
    let flags = [
        (config.login, LOGIN),
        (config.refill, REFILL),
        (config.sbe, SBE),
        (more, MORE),
        (lines, LINES),
        (config.witness_ns > 0, WITNESS),
        (config.funding, FUNDING),
        (config.successor, SUCCESSOR),
    ];
    let version: u64 = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum();
    let version = VERSION + version;
    put_varint(&mut out, version);
    put_text(&mut out, &config.url);
    put_varint(&mut out, config.view_depth.into());
    out.push(config.deltas.into());
    put_varint(&mut out, config.seed);
    put_subscriptions(&mut out, &config.subscriptions);
    put_instruments(&mut out, &config.instruments);
    if more {
        out.push(config.bars.into());
        put_known(&mut out, &config.known);
    }
    if lines {
        out.push(config.more_lines);
        put_varint(&mut out, config.rotate_ns);
    }
    if config.witness_ns > 0 {
        put_varint(&mut out, config.witness_ns);
    }
    out
}

/// The configuration of these bytes.
///
/// # Errors
/// [`DecodeError`] when [`encode_config`] of this version did not write them.
pub fn decode_config(bytes: &[u8]) -> Result<FeedConfig, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.varint("version of a feed's configuration")?;
    let flags = match version.checked_sub(VERSION) {
        Some(flags) if flags <= FLAGS => flags,
        _ => return Err(DecodeError::Value { what: "configuration version", value: version }),
    };
    let mut config = FeedConfig {
        url: cursor.text("url")?.to_owned(),
        view_depth: cursor.number("view depth")?,
        deltas: cursor.flag("deltas")?,
        seed: cursor.varint("seed")?,
        subscriptions: take_subscriptions(&mut cursor)?,
        instruments: take_instruments(&mut cursor)?,
        login: flags & LOGIN > 0,
        refill: flags & REFILL > 0,
        sbe: flags & SBE > 0,
        bars: false,
        known: Vec::new(),
        more_lines: 0,
        rotate_ns: 0,
        witness_ns: 0,
        funding: flags & FUNDING > 0,
        successor: flags & SUCCESSOR > 0,
    };
    if flags & MORE > 0 {
        config.bars = cursor.flag("bars")?;
        config.known = take_all_known(&mut cursor)?;
    }
    if flags & LINES > 0 {
        config.more_lines = cursor.byte("lines")?;
        config.rotate_ns = cursor.varint("rotation")?;
    }
    if flags & WITNESS > 0 {
        config.witness_ns = cursor.varint("time between comparisons")?;
    }
    Ok(config)
}

pub(crate) fn put_known(out: &mut Vec<u8>, list: &[Known]) {
    put_varint(out, list.len() as u64);
    for Known { subscription, last, heard } in list {
        put_text(out, &subscription.channel);
        put_text(out, &subscription.key);
        put_option(out, *last, put_varint);
        put_varint(out, heard.0);
    }
}

pub(crate) fn take_all_known(cursor: &mut Cursor<'_>) -> Result<Vec<Known>, DecodeError> {
    take_list(cursor, "what was known", take_known)
}

fn take_known(cursor: &mut Cursor<'_>) -> Result<Known, DecodeError> {
    Ok(Known {
        subscription: take_subscription(cursor)?,
        last: cursor.option("last id", Cursor::varint)?,
        heard: Nanos(cursor.varint("last heard")?),
    })
}

pub(crate) fn put_subscriptions(out: &mut Vec<u8>, list: &[Subscription]) {
    put_varint(out, list.len() as u64);
    for one in list {
        put_text(out, &one.channel);
        put_text(out, &one.key);
    }
}

pub(crate) fn take_subscription(cursor: &mut Cursor<'_>) -> Result<Subscription, DecodeError> {
    Ok(Subscription::new(cursor.text("channel")?, cursor.text("key")?))
}

pub(crate) fn take_subscriptions(
    cursor: &mut Cursor<'_>,
) -> Result<Vec<Subscription>, DecodeError> {
    take_list(cursor, "subscriptions", take_subscription)
}

pub(crate) fn put_instruments(out: &mut Vec<u8>, list: &[Arc<Instrument>]) {
    put_varint(out, list.len() as u64);
    let mut one = Vec::new();
    for instrument in list {
        one.clear();
        put_instrument(&mut one, instrument);
        put_bytes(out, &one);
    }
}

pub(crate) fn take_instruments(
    cursor: &mut Cursor<'_>,
) -> Result<Vec<Arc<Instrument>>, DecodeError> {
    take_list(cursor, "instruments", |cursor| {
        take_instrument(&mut Cursor::new(cursor.bytes("instrument")?)).map(Arc::new)
    })
}

/// A counted list. The count is not trusted with memory: each item takes at least a byte.
fn take_list<'a, T>(
    cursor: &mut Cursor<'a>,
    what: &'static str,
    take: impl Fn(&mut Cursor<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count: usize = cursor.number(what)?;
    let mut list = Vec::with_capacity(count.min(cursor.rest().len()).min(4096));
    for _ in 0..count {
        list.push(take(cursor)?);
    }
    Ok(list)
}

fn put_instrument(out: &mut Vec<u8>, x: &Instrument) {
    put_text(out, &x.inst_id);
    put_option(out, x.inst_type.as_ref().map(InstType::as_str), put_text);
    let texts = [&x.state, &x.inst_family, &x.uly, &x.base_ccy, &x.quote_ccy, &x.settle_ccy];
    for text in texts {
        put_text(out, text);
    }
    put_text(out, &x.ct_val_ccy);
    put_text(out, &x.ct_type);
    let quantity = |q: Option<Qty>| q.map(|q| q.0);
    let numbers = [x.ct_val, x.ct_mult, x.tick_sz, quantity(x.lot_sz), quantity(x.min_sz)];
    for number in numbers {
        put_option(out, number, put_decimal);
    }
    put_option(out, x.list_time.map(|t| t.0), put_varint);
    put_option(out, x.exp_time.map(|t| t.0), put_varint);
    put_option(out, x.inst_id_code.map(zigzag), put_varint);
    put_text(out, &x.row);
}

fn take_instrument(cursor: &mut Cursor<'_>) -> Result<Instrument, DecodeError> {
    Ok(Instrument {
        inst_id: cursor.text("inst_id")?.into(),
        inst_type: cursor.option("inst_type", Cursor::text)?.map(InstType::parse),
        state: cursor.text("state")?.into(),
        inst_family: cursor.text("inst_family")?.into(),
        uly: cursor.text("uly")?.into(),
        base_ccy: cursor.text("base_ccy")?.into(),
        quote_ccy: cursor.text("quote_ccy")?.into(),
        settle_ccy: cursor.text("settle_ccy")?.into(),
        ct_val_ccy: cursor.text("ct_val_ccy")?.into(),
        ct_type: cursor.text("ct_type")?.into(),
        ct_val: cursor.option("ct_val", Cursor::decimal)?,
        ct_mult: cursor.option("ct_mult", Cursor::decimal)?,
        tick_sz: cursor.option("tick_sz", Cursor::decimal)?,
        lot_sz: cursor.option("lot_sz", Cursor::decimal)?.map(Qty),
        min_sz: cursor.option("min_sz", Cursor::decimal)?.map(Qty),
        list_time: cursor.option("list_time", Cursor::varint)?.map(Nanos),
        exp_time: cursor.option("exp_time", Cursor::varint)?.map(Nanos),
        inst_id_code: cursor.option("inst_id_code", Cursor::varint)?.map(unzigzag),
        row: cursor.text("row")?.into(),
    })
}
