//! Events as JSON text, one object an event (NDJSON), version 1.
//!
//! Field names are the user's own description of the records, kept for good; numbers that the venue
//! sends as decimal text stay decimal text, byte for byte; absent is `null`. The schema is in
//! `docs/records.md`.
//!
//! Invariant: output is always valid JSON without a line break.

use crate::batch::EventRef;
use crate::decimal::{Decimal, Px, Qty};
use crate::event::*;
use crate::instrument::InstType;
use std::io::Write as _;

/// Version of the schema, the `v` of every record.
pub const VERSION: u32 = 1;

/// Appends one event as a JSON object, without a line break.
pub fn write_json(event: &EventRef<'_>, out: &mut Vec<u8>) {
    let mut json = Json::open(out);
    json.number("v", VERSION);
    json.text("type", event.body.kind());
    json.text("exchange", event.venue());
    json.text_or_null("channel", event.channel());
    json.text_or_null("instId", event.inst_id());
    json.text_or_null("instType", event.inst_type().map_or("", InstType::as_str));
    match event.instrument() {
        Some(instrument) => json.text("symbol", &instrument.symbol()),
        None => json.null("symbol"),
    }
    json.option("timestamp", event.header.ts_event.map(|t| t.millis()));
    json.number("tsRecv", event.header.ts_recv.0);
    json.number("feed", event.header.feed.0);
    json.number("n", event.header.n);
    let inst_type = event.inst_type();
    match event.body {
        Body::Ticker(x) => ticker(&mut json, x, inst_type),
        Body::Trade(x) => trade(&mut json, x, inst_type),
        Body::Bar(x) => bar(&mut json, x, inst_type),
        Body::Book(x, bids, asks) => book(&mut json, x, bids, asks, inst_type),
        Body::Instrument(x) => json.row("instrument", &x.row),
        Body::Gap(x) => gap(&mut json, x),
        Body::Session(x) => session(&mut json, x),
        Body::Subscription(x) => {
            json.text("event", x.step.as_str());
            json.text_or_null("code", &x.code);
            json.text_or_null("reason", &x.reason);
        }
        Body::Fault(x) => {
            json.text("code", x.code.as_str());
            json.text("reason", &x.reason);
            json.text("frame", &x.frame);
        }
        Body::Raw(x) => json.row("data", &x.row),
    }
    json.close();
}

fn unit(json: &mut Json<'_>, inst_type: Option<&InstType>) {
    json.text_or_null("unit", inst_type.map_or("", |t| t.unit().as_str()));
}

/// The venue's second volume column means quote coin for spot and base coin for derivatives; for
/// event contracts and unknown kinds it goes out under the venue's own name.
fn second_volume(json: &mut Json<'_>, volume: Option<Qty>, t: Option<&InstType>, own: &str) {
    let (quote, base) = match t {
        Some(InstType::Spot | InstType::Margin) => (volume, None),
        Some(InstType::Swap | InstType::Futures | InstType::Option) => (None, volume),
        _ => (None, None),
    };
    json.qty("quoteVolume", quote);
    json.qty("baseVolume", base);
    if quote.is_none() && base.is_none() && volume.is_some() {
        json.qty(own, volume);
    }
}

fn ticker(json: &mut Json<'_>, x: &Ticker, inst_type: Option<&InstType>) {
    json.px("price", x.last);
    json.qty("lastQuantity", x.last_qty);
    json.qty("volume", x.vol_24h);
    second_volume(json, x.vol_ccy_24h, inst_type, "volCcy24h");
    unit(json, inst_type);
    json.px("bid", x.bid);
    json.px("ask", x.ask);
    json.qty("bidVolume", x.bid_qty);
    json.qty("askVolume", x.ask_qty);
    json.px("open24h", x.open_24h);
    json.px("high24h", x.high_24h);
    json.px("low24h", x.low_24h);
    json.px("sodUtc0", x.sod_utc0);
    json.px("sodUtc8", x.sod_utc8);
}

fn trade(json: &mut Json<'_>, x: &Trade, inst_type: Option<&InstType>) {
    let side = match x.aggressor {
        Aggressor::Buyer => "buy",
        Aggressor::Seller => "sell",
        Aggressor::Unknown => "unknown",
    };
    json.display("tradeId", &x.trade_id);
    json.px("price", Some(x.px));
    json.qty("quantity", Some(x.qty));
    unit(json, inst_type);
    json.text("side", side);
    match x.aggressor {
        Aggressor::Unknown => json.null("isBuyerMaker"),
        known => json.bool("isBuyerMaker", known == Aggressor::Seller),
    }
    json.bool("isBestMatch", true);
    json.option("count", x.count);
    json.text_or_null("source", x.source.as_ref().map_or("", |s| s.as_str()));
    json.option("seqId", x.seq);
}

fn bar(json: &mut Json<'_>, x: &Bar, inst_type: Option<&InstType>) {
    json.text("interval", x.interval);
    json.number("openTime", x.open_ms);
    json.number("closeTime", x.close_ms);
    json.px("open", Some(x.open));
    json.px("high", Some(x.high));
    json.px("low", Some(x.low));
    json.px("close", Some(x.close));
    json.qty("volume", x.volume);
    let base = match inst_type {
        Some(InstType::Spot | InstType::Margin) => x.volume,
        Some(InstType::Swap | InstType::Futures | InstType::Option) => x.volume_ccy,
        _ => None,
    };
    json.qty("baseVolume", base);
    json.qty("quoteVolume", x.volume_quote);
    if base.is_none() && x.volume_ccy.is_some() {
        json.qty("volCcy", x.volume_ccy);
    }
    unit(json, if x.volume.is_some() { inst_type } else { None });
    match x.closed {
        Some(closed) => json.bool("isClosed", closed),
        None => json.null("isClosed"),
    }
    json.null("tradesCount");
    json.null("takerBuyBaseVolume");
    json.null("takerBuyQuoteVolume");
}

fn book(
    json: &mut Json<'_>,
    x: &BookChange,
    bids: &[Level],
    asks: &[Level],
    inst_type: Option<&InstType>,
) {
    if x.kind != BookKind::View {
        json.bool("isSnapshot", x.kind == BookKind::Snapshot);
        json.option("prevUpdateId", x.prev_seq);
    }
    json.option("lastUpdateId", x.seq);
    json.levels("bids", bids);
    json.levels("asks", asks);
    json.number("depth", x.depth);
    unit(json, inst_type);
    if x.kind == BookKind::View {
        json.text("state", "live");
    }
}

fn gap(json: &mut Json<'_>, x: &Gap) {
    json.number("gap", x.id);
    json.text("event", if x.closed { "closed" } else { "opened" });
    json.text("cause", x.cause.as_str());
    json.text("whose", x.whose.as_str());
    let mut end = |name: &str, id: Option<i64>, at: Option<u64>| {
        json.key(name);
        let mut inner = Json::open(json.out);
        inner.option("id", id);
        inner.option("tsRecv", at);
        inner.close();
    };
    end("from", x.from_id, x.from.map(|t| t.0));
    end("to", x.to_id, x.to.map(|t| t.0));
    json.option("lost", x.lost);
    json.text_or_null("healed", x.healed.map_or("", Healed::as_str));
}

fn session(json: &mut Json<'_>, x: &Session) {
    json.text("event", x.step.as_str());
    json.number("session", x.number);
    json.text("url", &x.url);
    json.text_or_null("reason", &x.reason);
    json.text_or_null("connId", &x.conn_id);
}

/// Writes one JSON object, field by field.
struct Json<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Json<'a> {
    fn open(out: &'a mut Vec<u8>) -> Json<'a> {
        out.push(b'{');
        Json { out, first: true }
    }

    fn close(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, name: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn null(&mut self, name: &str) {
        self.verbatim(name, "null");
    }

    fn verbatim(&mut self, name: &str, json: &str) {
        self.key(name);
        self.out.extend_from_slice(json.as_bytes());
    }

    fn bool(&mut self, name: &str, value: bool) {
        self.verbatim(name, if value { "true" } else { "false" });
    }

    fn number(&mut self, name: &str, value: impl Into<i128>) {
        self.key(name);
        // Writing to a vector cannot fail.
        write!(self.out, "{}", value.into()).expect("a vector takes every write");
    }

    fn option<T: Into<i128>>(&mut self, name: &str, value: Option<T>) {
        match value {
            Some(value) => self.number(name, value),
            None => self.null(name),
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        escape(value, self.out);
    }

    fn text_or_null(&mut self, name: &str, value: &str) {
        if value.is_empty() { self.null(name) } else { self.text(name, value) }
    }

    fn display(&mut self, name: &str, value: &dyn std::fmt::Display) {
        self.key(name);
        write!(self.out, "\"{value}\"").expect("a vector takes every write");
    }

    fn decimal(&mut self, name: &str, value: Option<Decimal>) {
        self.key(name);
        match value.and_then(Decimal::some) {
            Some(value) => quoted(value, self.out),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    fn px(&mut self, name: &str, value: Option<Px>) {
        self.decimal(name, value.map(|v| v.0));
    }

    fn qty(&mut self, name: &str, value: Option<Qty>) {
        self.decimal(name, value.map(|v| v.0));
    }

    fn levels(&mut self, name: &str, levels: &[Level]) {
        self.key(name);
        self.out.push(b'[');
        for (i, level) in levels.iter().enumerate() {
            self.out.extend_from_slice(if i == 0 { b"[" } else { b",[" });
            quoted(level.px.0, self.out);
            self.out.push(b',');
            quoted(level.qty.0, self.out);
            write!(self.out, ",{}", level.orders).expect("a vector takes every write");
            if let Some(non_rpi) = level.non_rpi.0.some() {
                self.out.push(b',');
                quoted(non_rpi, self.out);
            }
            self.out.push(b']');
        }
        self.out.push(b']');
    }

    /// The venue's own JSON text, unchanged but for line breaks between its values: these would
    /// end the record (a JSON string never holds a bare one).
    fn row(&mut self, name: &str, row: &str) {
        if row.is_empty() {
            return self.null(name);
        }
        self.key(name);
        let one_line = row.bytes().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { b });
        self.out.extend(one_line);
    }
}

fn quoted(value: Decimal, out: &mut Vec<u8>) {
    out.push(b'"');
    value.write_to(out);
    out.push(b'"');
}

/// Appends `text` as a JSON string.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => write!(out, "\\u{byte:04x}").expect("a vector takes every write"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
