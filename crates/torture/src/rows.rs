//! Says back, in OKX's words, what an event says in ours, and compares it with a row as it was
//! sent: field by field, text by text.
//!
//! The judge calls it for every event that stands for a row. The mapping is written down here a
//! second time on purpose; it must not share code with the decoder.
//!
//! Start at [`mismatch`].

use super::json::Json;
use market_data_model::fields::Value;
use market_data_model::{Aggressor, Bar, BarKind, Body, EventRef, Instrument, Ticker, Trade};
use market_data_sim::SimInstrument;
use std::fmt::Display;

/// One row as sent: OKX's field names and texts.
pub type Row<'a> = [(&'a str, &'a str)];

/// What the event gets wrong about the row, in words; `None` when it says exactly the same.
pub fn mismatch(channel: &str, row: &Row<'_>, event: &EventRef<'_>) -> Option<String> {
    let lost = |&(name, sent): &(&str, &str)| match said(name, event) {
        None => Some(format!("{name} {sent:?} is not carried")),
        Some(_) => None,
    };
    contradiction(channel, row, event).or_else(|| row.iter().find_map(lost))
}

/// What the event says otherwise than the row, in words. Fields that nobody knows may be lost.
pub fn contradiction(channel: &str, row: &Row<'_>, event: &EventRef<'_>) -> Option<String> {
    if event.channel() != channel {
        return Some(format!("channel is {:?}, sent on {channel:?}", event.channel()));
    }
    let instrument = match event.body {
        Body::Instrument(instrument) => Some(Json::parse(&instrument.row).unwrap_or(Json::Null)),
        _ => None,
    };
    for &(name, sent) in row {
        let said = match &instrument {
            Some(json) => Some(json.get(name).map_or("nothing".into(), Json::plain)),
            None => said(name, event),
        };
        if let Some(said) = said.filter(|said| said != sent) {
            return Some(format!("{name} is {said:?}, sent as {sent:?}"));
        }
    }
    match event.body {
        Body::Bar(bar) => shape(channel, bar),
        Body::Instrument(instrument) => decoded(instrument, row),
        _ => None,
    }
}

fn said(name: &str, event: &EventRef<'_>) -> Option<String> {
    let common = match name {
        "instId" => Some(event.inst_id().to_owned()),
        "instType" => Some(event.inst_type().map_or(String::new(), |t| t.as_str().to_owned())),
        "sprdId" => Some(event.inst_id().to_owned()),
        "ts" | "cTime" => Some(text(event.header.ts_event.map(|ts| ts.millis()))),
        _ => None,
    };
    match event.body {
        Body::Ticker(x) => ticker(name, x).or(common),
        Body::Trade(x) => trade(name, x).or(common),
        Body::Bar(x) => bar(name, x),
        Body::Figures(x) => x.get(name).map(plain).or(common),
        // Its whole row is compared.
        Body::Instrument(_) => Some(String::new()),
        _ => None,
    }
}

/// A value as the venue would write it.
fn plain(value: Value<'_>) -> String {
    match value {
        Value::Decimal(x) => text(x),
        Value::Word(x) | Value::Text(x) => text(x),
        Value::Count(x) | Value::Millis(x) => text(x),
        Value::Bool(x) => text(x),
        _ => String::new(),
    }
}

fn text(value: Option<impl Display>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn ticker(name: &str, x: &Ticker) -> Option<String> {
    Some(match name {
        "last" => text(x.last),
        "lastSz" => text(x.last_qty),
        "askPx" => text(x.ask),
        "askSz" => text(x.ask_qty),
        "bidPx" => text(x.bid),
        "bidSz" => text(x.bid_qty),
        "open24h" => text(x.open_24h),
        "high24h" => text(x.high_24h),
        "low24h" => text(x.low_24h),
        "volCcy24h" => text(x.vol_ccy_24h),
        "vol24h" => text(x.vol_24h),
        "sodUtc0" => text(x.sod_utc0),
        "sodUtc8" => text(x.sod_utc8),
        _ => return None,
    })
}

fn trade(name: &str, x: &Trade) -> Option<String> {
    Some(match name {
        "tradeId" => x.trade_id.to_string(),
        "px" => x.px.to_string(),
        "sz" => x.qty.to_string(),
        "side" => match x.aggressor {
            Aggressor::Buyer => "buy".into(),
            Aggressor::Seller => "sell".into(),
            Aggressor::Unknown => "unknown".into(),
        },
        "count" => text(x.count),
        "source" => text(x.source),
        "seqId" => text(x.seq),
        _ => return None,
    })
}

fn bar(name: &str, x: &Bar) -> Option<String> {
    Some(match name {
        "ts" => x.open_ms.to_string(),
        "o" => x.open.to_string(),
        "h" => x.high.to_string(),
        "l" => x.low.to_string(),
        "c" => x.close.to_string(),
        "vol" => text(x.volume),
        "volCcy" => text(x.volume_ccy),
        "volCcyQuote" => text(x.volume_quote),
        "confirm" => text(x.closed.map(u8::from)),
        _ => return None,
    })
}

const MINUTE: u64 = 60_000;

/// Suffix of the channel, our interval, and its length in milliseconds; 0 where the calendar says.
const BARS: &[(&str, &str, u64)] = &[
    ("1s", "1s", 1_000),
    ("1m", "1m", MINUTE),
    ("3m", "3m", 3 * MINUTE),
    ("15m", "15m", 15 * MINUTE),
    ("30m", "30m", 30 * MINUTE),
    ("1H", "1h", 60 * MINUTE),
    ("4H", "4h", 240 * MINUTE),
    ("12H", "12h", 720 * MINUTE),
    ("1D", "1d", 1_440 * MINUTE),
    ("1Dutc", "1d@utc", 1_440 * MINUTE),
    ("1W", "1w", 10_080 * MINUTE),
    ("1M", "1M", 0),
    ("1Yutc", "1y@utc", 0),
];

/// What the channel's name says about the bar, which no row says.
fn shape(channel: &str, x: &Bar) -> Option<String> {
    let (prefix, suffix) = channel.split_once("candle")?;
    let kind = match prefix {
        "" => BarKind::Trade,
        "mark-price-" => BarKind::Mark,
        "sprd-" => BarKind::Spread,
        _ => BarKind::Index,
    };
    let (_, interval, length) = BARS.iter().find(|(name, ..)| *name == suffix)?;
    if x.kind != kind {
        return Some(format!("the bar is of kind {:?}, not {kind:?}", x.kind));
    }
    if x.interval != *interval {
        return Some(format!("interval is {:?}, not {interval:?}", x.interval));
    }
    if *length == 0 {
        let days = (x.close_ms - x.open_ms) / (1_440 * MINUTE);
        let right = if suffix == "1M" { 28..=31 } else { 365..=366 };
        return (!right.contains(&days)).then(|| format!("a bar {suffix} of {days} days"));
    }
    let close = x.open_ms + length;
    (x.close_ms != close).then(|| format!("closeTime is {}, not {close}", x.close_ms))
}

/// The decoded fields of an instrument against the texts of its row.
fn decoded(x: &Instrument, row: &Row<'_>) -> Option<String> {
    for &(name, sent) in row {
        let said = match name {
            "instId" => x.inst_id.to_string(),
            "instType" => text(x.inst_type.as_ref()),
            "state" => x.state.to_string(),
            "instFamily" => x.inst_family.to_string(),
            "uly" => x.uly.to_string(),
            "baseCcy" => x.base_ccy.to_string(),
            "quoteCcy" => x.quote_ccy.to_string(),
            "settleCcy" => x.settle_ccy.to_string(),
            "ctValCcy" => x.ct_val_ccy.to_string(),
            "ctType" => x.ct_type.to_string(),
            "ctVal" => text(x.ct_val),
            "ctMult" => text(x.ct_mult),
            "tickSz" => text(x.tick_sz),
            "lotSz" => text(x.lot_sz),
            "minSz" => text(x.min_sz),
            "listTime" => text(x.list_time.map(|t| t.millis())),
            "expTime" => text(x.exp_time.map(|t| t.millis())),
            _ => continue,
        };
        // A number that is none, in a damaged row, is absent.
        let number = ["ctVal", "ctMult", "tickSz", "lotSz", "minSz", "listTime", "expTime"];
        let damaged = number.contains(&name) && sent.bytes().any(|b| b.is_ascii_alphabetic());
        if said != sent && !(damaged && said.is_empty()) {
            return Some(format!("decoded {name} is {said:?}, sent as {sent:?}"));
        }
    }
    None
}

/// What the catalogue holds otherwise than the exchange lists; `None` when it is the same.
pub fn misread(known: &Instrument, listed: &SimInstrument) -> Option<String> {
    let row = [
        ("instId", listed.inst_id.as_str()),
        ("instType", &listed.inst_type),
        ("state", &listed.state),
        ("instFamily", &listed.inst_family),
        ("uly", &listed.uly),
        ("baseCcy", &listed.base_ccy),
        ("quoteCcy", &listed.quote_ccy),
        ("settleCcy", &listed.settle_ccy),
        ("ctType", &listed.ct_type),
        ("ctVal", &listed.ct_val),
        ("ctMult", &listed.ct_mult),
        ("tickSz", &listed.tick_sz),
        ("lotSz", &listed.lot_sz),
        ("minSz", &listed.min_sz),
        ("listTime", &listed.list_time),
        ("expTime", &listed.exp_time),
    ];
    decoded(known, &row)
}

/// Whether the channel's rows are books.
pub fn is_book(channel: &str) -> bool {
    let of_one = channel.strip_prefix("sprd-").unwrap_or(channel);
    of_one.starts_with("books") || of_one == "bbo-tbt"
}

/// Whether every push of this book channel is the whole state.
pub fn is_whole(channel: &str) -> bool {
    matches!(channel, "books5" | "bbo-tbt" | "sprd-books5" | "sprd-bbo-tbt")
}

/// The field of a channel's rows whose elements make a record each.
pub fn each(channel: &str) -> Option<&'static str> {
    match channel {
        "liquidation-orders" => Some("details"),
        "public-struc-block-trades" => Some("legs"),
        _ => None,
    }
}

/// What records a row makes: itself, or one for each element of a list in it, with the row's other
/// fields repeated.
pub fn unfold(channel: &str, row: Vec<(String, String)>) -> Vec<Vec<(String, String)>> {
    let Some(name) = each(channel) else { return vec![row] };
    let Some((_, list)) = row.iter().find(|(field, _)| field == name) else { return vec![row] };
    let Some(list) = Json::parse(list) else { return Vec::new() };
    let outer: Vec<_> = row.iter().filter(|(field, _)| field != name).cloned().collect();
    let one = |element: &Json| {
        let mut fields = outer.clone();
        if let Json::Object(inner) = element {
            fields.extend(inner.iter().map(|(field, value)| (field.clone(), value.plain())));
        }
        fields
    };
    list.list().iter().map(one).collect()
}

/// The columns of a bar row.
pub fn bar_columns(channel: &str) -> &'static [&'static str] {
    if channel.starts_with("candle") {
        &["ts", "o", "h", "l", "c", "vol", "volCcy", "volCcyQuote", "confirm"]
    } else if channel.starts_with("sprd-") {
        &["ts", "o", "h", "l", "c", "vol", "confirm"]
    } else {
        &["ts", "o", "h", "l", "c", "confirm"]
    }
}
