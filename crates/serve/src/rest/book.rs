//! `book`: one book as the hub mirrors it, whole, cut, or added up by a step of prices.
//!
//! Invariant: sums are exact; a book that is not live has no levels in the answer.

use super::{Asked, Asks, Failure, Form, arrow, csv, json_text, tables};
use crate::ask::DEPTH_MAX;
use crate::book::Mirror;
use crate::server::Shared;
use crate::store::{Entry, Kept};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use market_data_model::{Decimal, Level, Side};
use serde_json::{Value, json};
use std::sync::Arc;

/// Channels of books, the usual first.
const USUAL: [&str; 2] = ["books", "books5"];

/// `book?inst=&channel=&depth=&step=`.
///
/// # Errors
/// When the query cannot be used, or no such book is followed.
pub(crate) async fn book(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    asks: Asks,
) -> Result<Response, Failure> {
    let asked = Asked::read(asks, &["inst", "channel", "depth", "step"])?;
    let inst = asked.needed("inst")?;
    let bad = |what: String| Failure::new(400, "bad_query", what);
    let depth = match asked.number("depth")? {
        None => DEPTH_MAX,
        Some(depth) => u16::try_from(depth)
            .ok()
            .filter(|depth| (1..=DEPTH_MAX).contains(depth))
            .ok_or_else(|| bad(format!("`depth` is 1 to {DEPTH_MAX}")))?,
    };
    let step = asked.text("step").map(|text| {
        let step = text.parse::<Decimal>().ok().filter(|s| !s.is_zero() && !s.is_negative());
        step.ok_or_else(|| bad("`step` is a decimal number above 0".to_owned()))
    });
    let step = step.transpose()?;
    let state = shared.hub.lock();
    let found = match asked.text("channel") {
        Some(channel) => state.store.find(channel, inst),
        None => {
            let usual = USUAL.iter().find_map(|channel| state.store.find(channel, inst));
            let any = |entry: &&Entry| matches!(entry.kept, Kept::Book(_));
            usual.or_else(|| state.store.of(inst).into_iter().find(any))
        }
    };
    let Some((entry, book)) = found.and_then(|entry| match &entry.kept {
        Kept::Book(book) => Some((entry, book)),
        _ => None,
    }) else {
        let what = format!("no book of {inst:?} is followed, or none has come yet");
        return Err(Failure::new(404, "not_found", what));
    };
    let side = |side| {
        if !book.is_live() {
            return Ok(Vec::new());
        }
        levels(book, side, usize::from(depth), step)
    };
    let (bids, asks) = (side(Side::Bid)?, side(Side::Ask)?);
    let why = entry.stale.as_ref().map(|stale| stale.cause);
    let header = book.header();
    let answer = json!({
        "instId": &*entry.inst,
        "channel": &*entry.channel,
        "state": if book.is_live() { "live" } else { "stale" },
        "why": if book.is_live() { None } else { why.or(Some("no_snapshot")) },
        "lastUpdateId": book.seq(),
        "timestamp": header.and_then(|h| h.ts_event).map(|ts| ts.0 / 1_000_000),
        "tsRecv": header.map(|h| h.ts_recv.0),
        "bids": bids,
        "asks": asks,
    });
    drop(state);
    formed(Form::wanted(&headers), &answer)
}

fn formed(form: Form, answer: &Value) -> Result<Response, Failure> {
    match form {
        Form::Csv => Ok(csv::values(tables::BOOK.csv, &rows(answer))),
        Form::Arrow => {
            let about = |(key, value): (&String, &Value)| match value {
                Value::Array(_) | Value::Null => None,
                Value::String(text) => Some((key.clone(), text.clone())),
                value => Some((key.clone(), value.to_string())),
            };
            let about: Vec<_> =
                answer.as_object().into_iter().flatten().filter_map(about).collect();
            arrow::values(&tables::BOOK, &rows(answer), &about)
        }
        Form::Json => Ok(json_text(answer.to_string())),
    }
}

fn rows(answer: &Value) -> Vec<Value> {
    let side = |name: &str, side: &'static str| {
        let levels = answer[name].as_array().cloned().unwrap_or_default();
        levels.into_iter().enumerate().map(move |(at, level)| {
            let (price, quantity, orders) = (&level[0], &level[1], &level[2]);
            json!({
                "side": side, "level": at, "price": price, "quantity": quantity, "orders": orders,
            })
        })
    };
    side("bids", "bid").chain(side("asks", "ask")).collect()
}

fn levels(
    book: &Mirror,
    side: Side,
    depth: usize,
    step: Option<Decimal>,
) -> Result<Vec<Value>, Failure> {
    let Some(step) = step else {
        let all = book.levels(side).take(depth);
        return Ok(all.map(|l| json!([l.px.to_string(), l.qty.to_string(), l.orders])).collect());
    };
    let levels: Vec<Level> = book.levels(side).collect();
    let added = add_up(&levels, side, depth, step);
    added.ok_or_else(|| Failure::new(400, "bad_query", "`step` does not fit these prices"))
}

/// Levels by steps of prices: bids down to the step below, asks up to the step above. `None` if a
/// number does not fit.
fn add_up(levels: &[Level], side: Side, depth: usize, step: Decimal) -> Option<Vec<Value>> {
    let scale = levels.iter().map(|l| l.px.0.scale()).max().unwrap_or(0).max(step.scale());
    let qty_scale = levels.iter().map(|l| l.qty.0.scale()).max().unwrap_or(0);
    let unit = step.at_scale(scale)?;
    let mut sums: Vec<(i128, i128, u64)> = Vec::new();
    for level in levels {
        let (px, qty) = (level.px.0.at_scale(scale)?, level.qty.0.at_scale(qty_scale)?);
        let below = px.div_euclid(unit).checked_mul(unit)?;
        let at = match side {
            Side::Ask if below != px => below.checked_add(unit)?,
            _ => below,
        };
        let full = sums.len() == depth;
        match sums.last_mut() {
            Some((last, sum, orders)) if *last == at => {
                *sum = sum.checked_add(qty)?;
                *orders += u64::from(level.orders);
            }
            _ if full => break,
            _ => sums.push((at, qty, level.orders.into())),
        }
    }
    let shown = |(px, qty, orders): (i128, i128, u64)| {
        let px = Decimal::from_parts(px, scale)?.to_string();
        Some(json!([px, Decimal::from_parts(qty, qty_scale)?.to_string(), orders]))
    };
    sums.into_iter().map(shown).collect()
}
