//! Lists of records: `instruments`, `trades`, `klines`, `tickers`, `values`, `gaps`.
//!
//! Records are the very text that clients of `/ws` get.

use super::{Asked, Asks, Failure, csv, json_text, wants_csv};
use crate::book::{Text, text};
use crate::server::Shared;
use crate::store::{BARS_MAX, Entry, GAPS_MAX, Kept, TRADES_MAX};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use market_data_model::batch::{Names, Other};
use market_data_model::event::{FeedId, Header};
use market_data_model::{Batch, Instrument, Nanos};
use std::sync::Arc;

/// Instruments in one answer, at most and usually.
const INSTRUMENTS_MAX: usize = 5000;
const USUAL: usize = 100;

type Answer = Result<Response, Failure>;
type Of = State<Arc<Shared>>;

fn answer(name: &str, columns: &[&str], headers: &HeaderMap, list: &[Text]) -> Response {
    if wants_csv(headers) {
        return csv::records(columns, list);
    }
    json_text(format!("{{\"{name}\":[{}]}}", list.join(",")))
}

fn unknown(inst: &str) -> Failure {
    Failure::new(404, "not_found", format!("nothing is known of {inst:?}"))
}

/// `instruments?q=&type=&limit=`: those of which something is known.
pub(crate) async fn instruments(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["q", "type", "limit"])?;
    let limit = asked.limit(USUAL, INSTRUMENTS_MAX)?;
    let q = asked.text("q").unwrap_or_default().to_ascii_uppercase();
    let kind = asked.text("type").map(str::to_ascii_uppercase);
    let state = shared.hub.lock();
    let mut list = Vec::new();
    for (_, entries) in state.store.instruments() {
        let Some((entry, instrument)) = best(&entries) else { continue };
        let fits = instrument.inst_id.to_ascii_uppercase().contains(&q)
            || instrument.symbol().to_ascii_uppercase().contains(&q);
        let is = instrument.inst_type.as_ref().map(|t| t.as_str());
        if fits && (kind.is_none() || kind.as_deref() == is) {
            list.push(record(entry, instrument));
        }
        if list.len() == limit {
            break;
        }
    }
    drop(state);
    Ok(answer("instruments", &csv::INSTRUMENTS, &headers, &list))
}

/// The description that says most.
fn best<'a>(entries: &[&'a Entry]) -> Option<(&'a Entry, &'a Arc<Instrument>)> {
    let known = entries.iter().filter_map(|entry| Some((*entry, entry.instrument.as_ref()?)));
    let known = known.filter(|(_, instrument)| !instrument.inst_id.is_empty());
    known.max_by_key(|(_, instrument)| (instrument.inst_type.is_some(), instrument.row.len()))
}

fn record(entry: &Entry, instrument: &Arc<Instrument>) -> Text {
    let mut batch = Batch::default();
    let (channels, instruments) = (vec!["instruments".into()], vec![Arc::clone(instrument)]);
    batch.set_names(&Arc::new(Names { venue: "okx", channels, instruments }));
    let header = Header {
        feed: FeedId(entry.feed.0),
        n: 0,
        channel: Some(0),
        inst: Some(0),
        ts_event: None,
        ts_recv: Nanos(entry.last.0),
    };
    batch.push_other(header, Other::Instrument(Arc::clone(instrument)));
    batch.get(0).map_or_else(|| "null".into(), |event| text(&event))
}

/// `trades?inst=&limit=&before=`: oldest first.
pub(crate) async fn trades(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["inst", "limit", "before"])?;
    let (inst, before) = (asked.needed("inst")?, asked.number("before")?);
    let limit = asked.limit(USUAL, TRADES_MAX)?;
    let state = shared.hub.lock();
    let entries = state.store.of(inst);
    let series = entries.iter().filter_map(|entry| match &entry.kept {
        Kept::Trades(trades) => Some((&*entry.channel != "trades", trades)),
        _ => None,
    });
    // Of both channels of trades, the one that has merged rows, as it is the usual one.
    let Some((_, trades)) = series.min_by_key(|(other, _)| *other) else {
        return Err(unknown(inst));
    };
    let fits = |id: &u64| before.is_none_or(|before| *id < before);
    let newest = trades.iter().rev().filter(|(id, _)| fits(id)).take(limit);
    let mut list: Vec<Text> = newest.map(|(_, text)| Arc::clone(text)).collect();
    list.reverse();
    drop(state);
    Ok(answer("trades", &csv::TRADES, &headers, &list))
}

/// `klines?inst=&interval=&limit=&before=`: oldest first. Without `interval` the shortest there is.
pub(crate) async fn klines(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["inst", "interval", "channel", "limit", "before"])?;
    let (inst, before) = (asked.needed("inst")?, asked.number("before")?);
    let (interval, channel) = (asked.text("interval"), asked.text("channel"));
    let limit = asked.limit(BARS_MAX, BARS_MAX)?;
    let state = shared.hub.lock();
    let entries = state.store.of(inst);
    let series = entries.iter().find_map(|entry| match &entry.kept {
        Kept::Bars(of, _, bars)
            if interval.is_none_or(|wanted| wanted == *of)
                && channel
                    .map_or(entry.channel.starts_with("candle"), |c| c == &*entry.channel) =>
        {
            Some(bars)
        }
        _ => None,
    });
    let Some(bars) = series else { return Err(unknown(inst)) };
    let newest = bars.range(..before.unwrap_or(u64::MAX)).rev().take(limit);
    let mut list: Vec<Text> = newest.map(|(_, (_, text))| Arc::clone(text)).collect();
    list.reverse();
    drop(state);
    Ok(answer("klines", &csv::KLINES, &headers, &list))
}

/// `tickers?inst=`: one, or all.
pub(crate) async fn tickers(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["inst"])?;
    let inst = asked.text("inst");
    let state = shared.hub.lock();
    let mut list = Vec::new();
    for entry in state.store.entries() {
        if let Kept::Ticker(text, ..) = &entry.kept
            && inst.is_none_or(|inst| inst == &*entry.inst)
        {
            list.push(Arc::clone(text));
        }
    }
    drop(state);
    match inst {
        Some(inst) if list.is_empty() => Err(unknown(inst)),
        _ => Ok(answer("tickers", &csv::TICKERS, &headers, &list)),
    }
}

/// `values?inst=`: the last flat record of each channel.
pub(crate) async fn values(State(shared): Of, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["inst"])?;
    let inst = asked.needed("inst")?;
    let state = shared.hub.lock();
    let entries = state.store.of(inst);
    if entries.is_empty() {
        return Err(unknown(inst));
    }
    let mut list: Vec<String> = Vec::new();
    for entry in entries {
        if let Kept::Last(text) = &entry.kept {
            let mut name = Vec::new();
            market_data_model::wire::escape(&entry.channel, &mut name);
            list.push(format!("{}:{text}", String::from_utf8_lossy(&name)));
        }
    }
    drop(state);
    Ok(json_text(format!("{{\"values\":{{{}}}}}", list.join(","))))
}

/// `gaps?limit=`: newest first, the open ones first of all.
pub(crate) async fn gaps(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["limit"])?;
    let limit = asked.limit(USUAL, GAPS_MAX)?;
    let state = shared.hub.lock();
    let list: Vec<Text> = state.store.gaps().take(limit).cloned().collect();
    drop(state);
    Ok(answer("gaps", &csv::GAPS, &headers, &list))
}
