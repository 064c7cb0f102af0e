//! `watch`: one row for each instrument that is followed.

use super::paging::{Page, ROWS_MAX};
use super::{Asked, Asks, Failure, Form, arrow, csv, json_text, tables};
use crate::server::Shared;
use crate::store::{Entry, Kept};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use market_data_model::event::{BarKind, Ticker};
use market_data_model::{InstType, Px, Side};
use serde_json::{Value, json};
use std::sync::Arc;

/// Closing prices in `spark`.
const SPARK_MAX: usize = 60;

/// `watch?limit=&before=&after=`: by id.
///
/// # Errors
/// When the query cannot be used.
pub(crate) async fn watch(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    asks: Asks,
) -> Result<Response, Failure> {
    let asked = Asked::read(asks, &["limit", "before", "after"])?;
    let page = Page::of_ids(&asked, ROWS_MAX, ROWS_MAX)?;
    let state = shared.hub.lock();
    // Families, kinds and the like, of which some channels speak, have no price.
    let priced = |entry: &&Entry| {
        matches!(entry.kept, Kept::Ticker(..) | Kept::Trades(_) | Kept::Book(_) | Kept::Bars(..))
    };
    let fits = |(inst, entries): &(&Arc<str>, Vec<&Entry>)| {
        page.holds(&***inst) && entries.iter().any(priced)
    };
    let chosen = page.cut(state.store.instruments().filter(fits));
    let rows: Vec<Value> = chosen.iter().map(|(inst, entries)| row(inst, entries)).collect();
    drop(state);
    Ok(match Form::wanted(&headers) {
        Form::Csv => csv::values(tables::WATCH.csv, &rows),
        Form::Arrow => arrow::values(&tables::WATCH, &rows, &[])?,
        Form::Json => json_text(json!({"watch": rows}).to_string()),
    })
}

fn row(inst: &str, entries: &[&Entry]) -> Value {
    let ticker = entries.iter().find_map(|entry| match &entry.kept {
        Kept::Ticker(_, ticker, samples) => Some((ticker, samples)),
        _ => None,
    });
    let book = entries.iter().find_map(|entry| match &entry.kept {
        Kept::Book(book) if book.is_live() => Some(book),
        _ => None,
    });
    let bars = entries.iter().find_map(|entry| match &entry.kept {
        Kept::Bars(_, BarKind::Trade, bars) => Some(bars),
        _ => None,
    });
    let spark: Vec<&str> = match (bars, ticker) {
        (Some(bars), _) if bars.len() > 1 => {
            let newest = bars.values().rev().take(SPARK_MAX).map(|(close, _)| close.as_str());
            let mut spark: Vec<&str> = newest.collect();
            spark.reverse();
            spark
        }
        (_, Some((_, samples))) => samples.prices.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let price = |px: Option<Px>| px.map(|px| px.to_string());
    let of = |read: fn(&Ticker) -> Option<Px>| price(ticker.and_then(|(t, _)| read(t)));
    let best = |side, read: fn(&Ticker) -> Option<Px>| {
        let there = book.and_then(|book| book.best(side)).map(|level| level.px);
        price(there.or_else(|| ticker.and_then(|(t, _)| read(t))))
    };
    let kind = entries.iter().find_map(|e| e.instrument.as_ref()?.inst_type.clone());
    let spot = matches!(kind, Some(InstType::Spot | InstType::Margin));
    let qty = |qty: Option<market_data_model::Qty>| qty.map(|qty| qty.to_string());
    let stale = entries.iter().find_map(|entry| {
        let stale = entry.stale.as_ref()?;
        let since = stale.since.0 / 1_000_000;
        Some(json!({"channel": &*entry.channel, "cause": stale.cause, "since": since}))
    });
    json!({
        "instId": inst,
        "instType": kind.as_ref().map(InstType::as_str),
        "last": of(|t| t.last),
        "bid": best(Side::Bid, |t| t.bid),
        "ask": best(Side::Ask, |t| t.ask),
        "open24h": of(|t| t.open_24h),
        "high24h": of(|t| t.high_24h),
        "low24h": of(|t| t.low_24h),
        "volume": qty(ticker.and_then(|(t, _)| t.vol_24h)),
        "quoteVolume": qty(ticker.and_then(|(t, _)| t.vol_ccy_24h).filter(|_| spot)),
        "tsRecv": entries.iter().map(|entry| entry.last.0).max(),
        "channels": entries.iter().map(|entry| &*entry.channel).collect::<Vec<&str>>(),
        "stale": stale,
        "spark": spark,
    })
}
