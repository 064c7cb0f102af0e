//! What each record says, field by field, in order: the one list that JSON, Parquet and CSV share.
//!
//! [`visit`] walks an event and hands every field to a [`Visitor`]. Which fields a kind of record
//! has depends on nothing but its kind, so a table can be made from any one of its records.
//! Meaning and units are in `docs/records.md`.
//!
//! Invariant: for one [`Body::kind`], `visit` always names the same fields in the same order with
//! the same variants of [`Value`].

use crate::batch::EventRef;
use crate::decimal::{Decimal, Px, Qty};
use crate::event::*;
use crate::instrument::InstType;
use crate::wire::VERSION;

/// The one common field that a sheet may list as well.
const INST_TYPE: &str = "instType";

/// A field's value. `None` is absence, `null` in JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Yes or no.
    Bool(Option<bool>),
    /// A whole number with a sign: the venue's sequence numbers.
    Int(Option<i64>),
    /// A whole number without one: counts, numbers of our own.
    Count(Option<u64>),
    /// A whole number that JSON shows as text: the venue's trade ids.
    Id(u64),
    /// Milliseconds since 1970 UTC.
    Millis(Option<u64>),
    /// Nanoseconds since 1970 UTC.
    Nanos(Option<u64>),
    /// An exact number; JSON shows it as text.
    Decimal(Option<Decimal>),
    /// One of a few words.
    Word(Option<&'a str>),
    /// Any text.
    Text(Option<&'a str>),
    /// The venue's own JSON, shown as it is but for line breaks.
    Json(Option<&'a str>),
    /// One end of a gap: an id and a time in nanoseconds.
    Point(Option<i64>, Option<u64>),
    /// Levels of a book.
    Levels(&'a [Level]),
}

impl Value<'_> {
    /// Whether there is nothing.
    pub fn is_none(&self) -> bool {
        match self {
            Value::Bool(x) => x.is_none(),
            Value::Int(x) => x.is_none(),
            Value::Count(x) | Value::Millis(x) | Value::Nanos(x) => x.is_none(),
            Value::Decimal(x) => x.is_none(),
            Value::Word(x) | Value::Text(x) | Value::Json(x) => x.is_none(),
            Value::Id(_) | Value::Point(..) | Value::Levels(_) => false,
        }
    }
}

/// Who wants to know a record's fields.
pub trait Visitor {
    /// The next field.
    fn field(&mut self, name: &'static str, value: Value<'_>);

    /// The next field, one that JSON leaves out when it is absent.
    fn rare(&mut self, name: &'static str, value: Value<'_>) {
        if !value.is_none() {
            self.field(name, value);
        }
    }
}

/// Names every field of `event` in order.
pub fn visit(event: &EventRef<'_>, to: &mut impl Visitor) {
    visit_whose(event, to);
    visit_said(event, to);
}

/// The first of them: what is the same in all events of a kind, a channel and an instrument, as
/// long as there are the same [`Names`](crate::batch::Names). Of [`Body::Figures`] it is not.
pub fn visit_whose(event: &EventRef<'_>, to: &mut impl Visitor) {
    to.field("v", Value::Count(Some(VERSION.into())));
    to.field("type", word(event.body.kind()));
    to.field("exchange", word(event.venue()));
    to.field("channel", word(event.channel()));
    to.field("instId", word(event.inst_id()));
    let inst_type = event.inst_type();
    // A record about a whole family names the kind itself.
    let own_type = match event.body {
        Body::Figures(figures) => figures.text(INST_TYPE),
        _ => None,
    };
    let type_word = inst_type.map(InstType::as_str).or(own_type);
    to.field(INST_TYPE, word(type_word.unwrap_or_default()));
    symbol(to, event.inst_id(), event.instrument().is_some());
}

/// All of them behind [`visit_whose`].
pub fn visit_said(event: &EventRef<'_>, to: &mut impl Visitor) {
    let (header, inst_type) = (event.header, event.inst_type());
    to.field("timestamp", Value::Millis(header.ts_event.map(|t| t.millis())));
    to.field("tsRecv", Value::Nanos(Some(header.ts_recv.0)));
    to.field("feed", Value::Count(Some(header.feed.0.into())));
    to.field("n", Value::Count(Some(header.n)));
    match event.body {
        Body::Ticker(x) => ticker(to, x, inst_type),
        Body::Trade(x) => trade(to, x, inst_type),
        Body::Bar(x) => bar(to, x, inst_type),
        Body::Book(x, bids, asks) => book(to, x, bids, asks, inst_type),
        Body::Figures(x) => {
            for (column, value) in x.iter().filter(|(column, _)| column.name != INST_TYPE) {
                to.field(column.name, value);
            }
        }
        Body::Instrument(x) => to.field("instrument", row(&x.row)),
        Body::Gap(x) => gap(to, x),
        Body::Session(x) => session(to, x),
        Body::Subscription(x) => {
            to.field("event", word(x.step.as_str()));
            to.field("code", word(&x.code));
            to.field("reason", text(&x.reason));
        }
        Body::Fault(x) => {
            to.field("code", word(x.code.as_str()));
            to.field("reason", Value::Text(Some(&x.reason)));
            to.field("frame", Value::Text(Some(&x.frame)));
        }
        Body::Raw(x) => to.field("data", row(&x.row)),
    }
}

/// The user's spelling of an id, [`Instrument::symbol`](crate::Instrument::symbol), made without
/// an allocation where that is possible.
fn symbol(to: &mut impl Visitor, inst_id: &str, is_known: bool) {
    const NAME: &str = "symbol";
    let mut room = [0; 32];
    if !is_known || inst_id.len() > room.len() || !inst_id.is_ascii() {
        let symbol = is_known.then(|| inst_id.replace('-', ""));
        return to.field(NAME, Value::Word(symbol.as_deref()));
    }
    let mut length = 0;
    for byte in inst_id.bytes() {
        room[length] = byte;
        length += usize::from(byte != b'-');
    }
    to.field(NAME, Value::Word(std::str::from_utf8(&room[..length]).ok()));
}

fn word(word: &str) -> Value<'_> {
    Value::Word(Some(word).filter(|word| !word.is_empty()))
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Some(text).filter(|text| !text.is_empty()))
}

fn row(row: &str) -> Value<'_> {
    Value::Json(Some(row).filter(|row| !row.is_empty()))
}

fn px(value: Option<Px>) -> Value<'static> {
    Value::Decimal(value.and_then(|value| value.0.some()))
}

fn qty(value: Option<Qty>) -> Value<'static> {
    Value::Decimal(value.and_then(|value| value.0.some()))
}

fn unit(inst_type: Option<&InstType>) -> Value<'_> {
    word(inst_type.map_or("", |t| t.unit().as_str()))
}

/// The venue's second volume column means quote coin for spot and base coin for derivatives; for
/// event contracts and unknown kinds it goes out under the venue's own name.
fn second_volume(
    to: &mut impl Visitor,
    volume: Option<Qty>,
    t: Option<&InstType>,
    own: &'static str,
) {
    let (quote, base) = match t {
        Some(InstType::Spot | InstType::Margin) => (volume, None),
        Some(InstType::Swap | InstType::Futures | InstType::Option) => (None, volume),
        _ => (None, None),
    };
    to.field("quoteVolume", qty(quote));
    to.field("baseVolume", qty(base));
    let known = quote.is_some() || base.is_some();
    to.rare(own, qty(volume.filter(|_| !known)));
}

fn ticker(to: &mut impl Visitor, x: &Ticker, inst_type: Option<&InstType>) {
    to.field("price", px(x.last));
    to.field("lastQuantity", qty(x.last_qty));
    to.field("volume", qty(x.vol_24h));
    second_volume(to, x.vol_ccy_24h, inst_type, "volCcy24h");
    to.field("unit", unit(inst_type));
    to.field("bid", px(x.bid));
    to.field("ask", px(x.ask));
    to.field("bidVolume", qty(x.bid_qty));
    to.field("askVolume", qty(x.ask_qty));
    to.field("open24h", px(x.open_24h));
    to.field("high24h", px(x.high_24h));
    to.field("low24h", px(x.low_24h));
    to.field("sodUtc0", px(x.sod_utc0));
    to.field("sodUtc8", px(x.sod_utc8));
}

fn trade(to: &mut impl Visitor, x: &Trade, inst_type: Option<&InstType>) {
    let side = match x.aggressor {
        Aggressor::Buyer => "buy",
        Aggressor::Seller => "sell",
        Aggressor::Unknown => "unknown",
    };
    to.field("tradeId", Value::Id(x.trade_id));
    to.field("price", px(Some(x.px)));
    to.field("quantity", qty(Some(x.qty)));
    to.field("unit", unit(inst_type));
    to.field("side", word(side));
    let known = x.aggressor != Aggressor::Unknown;
    let maker_bought = known.then_some(x.aggressor == Aggressor::Seller);
    to.field("isBuyerMaker", Value::Bool(maker_bought));
    to.field("isBestMatch", Value::Bool(Some(true)));
    to.field("count", Value::Count(x.count.map(u64::from)));
    to.field("source", word(x.source.as_ref().map_or("", |s| s.as_str())));
    to.field("seqId", Value::Int(x.seq));
    to.rare("filledFrom", word(x.filled.map_or("", FilledFrom::as_str)));
}

fn bar(to: &mut impl Visitor, x: &Bar, inst_type: Option<&InstType>) {
    to.field("interval", word(x.interval));
    to.field("openTime", Value::Millis(Some(x.open_ms)));
    to.field("closeTime", Value::Millis(Some(x.close_ms)));
    to.field("open", px(Some(x.open)));
    to.field("high", px(Some(x.high)));
    to.field("low", px(Some(x.low)));
    to.field("close", px(Some(x.close)));
    to.field("volume", qty(x.volume));
    let base = match inst_type {
        Some(InstType::Spot | InstType::Margin) => x.volume,
        Some(InstType::Swap | InstType::Futures | InstType::Option) => x.volume_ccy,
        _ => None,
    };
    to.field("baseVolume", qty(base));
    to.field("quoteVolume", qty(x.volume_quote));
    to.rare("volCcy", qty(x.volume_ccy.filter(|_| base.is_none())));
    to.field("unit", unit(inst_type.filter(|_| x.volume.is_some())));
    to.field("isClosed", Value::Bool(x.closed));
    let flow = x.flow.as_ref();
    to.field("tradesCount", Value::Count(flow.map(|flow| flow.trades)));
    to.field("takerBuyBaseVolume", qty(flow.and_then(|flow| flow.taker_base)));
    to.field("takerBuyQuoteVolume", qty(flow.and_then(|flow| flow.taker_quote)));
    to.rare("enrichedFrom", word(flow.map_or("", |_| "trades")));
    to.rare("state", word(x.state.map_or("", BarState::as_str)));
    to.rare("filledFrom", word(x.filled.map_or("", FilledFrom::as_str)));
}

fn book(
    to: &mut impl Visitor,
    x: &BookChange,
    bids: &[Level],
    asks: &[Level],
    inst_type: Option<&InstType>,
) {
    if x.kind != BookKind::View {
        to.field("isSnapshot", Value::Bool(Some(x.kind == BookKind::Snapshot)));
        to.field("prevUpdateId", Value::Int(x.prev_seq));
    }
    to.field("lastUpdateId", Value::Int(x.seq));
    to.field("bids", Value::Levels(bids));
    to.field("asks", Value::Levels(asks));
    to.field("depth", Value::Count(Some(x.depth.into())));
    to.field("unit", unit(inst_type));
    if x.kind == BookKind::View {
        to.field("state", word("live"));
    }
}

fn gap(to: &mut impl Visitor, x: &Gap) {
    to.field("gap", Value::Count(Some(x.id)));
    to.field("event", word(if x.closed { "closed" } else { "opened" }));
    to.field("cause", word(x.cause.as_str()));
    to.field("whose", word(x.whose.as_str()));
    to.field("from", Value::Point(x.from_id, x.from.map(|t| t.0)));
    to.field("to", Value::Point(x.to_id, x.to.map(|t| t.0)));
    to.field("lost", Value::Count(x.lost));
    to.field("healed", word(x.healed.map_or("", Healed::as_str)));
}

fn session(to: &mut impl Visitor, x: &Session) {
    to.field("event", word(x.step.as_str()));
    to.field("session", Value::Count(Some(x.number)));
    to.field("url", Value::Text(Some(&x.url)));
    to.field("reason", text(&x.reason));
    to.field("connId", word(&x.conn_id));
}
