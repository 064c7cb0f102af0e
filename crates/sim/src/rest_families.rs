//! The REST endpoints to ask before OPTION and EVENTS can be listed: families and series.
//!
//! `rest.rs` dispatches here. `underlying` names indices and so hides that two option families can
//! share one; `instrument-tick-bands` names the families themselves. Event contracts come as
//! series, events (one expiry of a series) and markets (one strike of an event).
//!
//! Invariant: these lists keep what has expired. Start at
//! [`Exchange::rest_tick_bands`].

use crate::calendar::MILLI;
use crate::exchange::Exchange;
use crate::feed::{Fields, object};
use crate::instrument::{Asset, Instrument, Kind};
use crate::query::Query;
use crate::rest::{Answer, Failure, bad, kind_named, missing};
use crate::text::{decimal, json, millis};

/// Rows in one answer, of events and of markets (OKX docs, 2026-08-22).
const ROWS_MAX: u64 = 100;

impl Exchange {
    pub(crate) fn rest_underlying(&self, query: &Query) -> Answer {
        let kind = kind_among(query, &[Kind::Swap, Kind::Futures, Kind::Option])?;
        let mut names: Vec<&str> = Vec::new();
        for inst in self.of_kind(kind) {
            if !names.contains(&inst.uly.as_str()) {
                names.push(&inst.uly);
            }
        }
        let quoted: Vec<String> = names.into_iter().map(json).collect();
        Ok(format!("[{}]", quoted.join(",")))
    }

    /// One row a family; a tick never depends on the price here, so there is one band in it.
    pub(crate) fn rest_tick_bands(&self, query: &Query) -> Answer {
        let kind = kind_among(query, &[Kind::Option, Kind::Events])?;
        let wanted = query.get("instFamily");
        let mut seen: Vec<&str> = Vec::new();
        let mut data = Vec::new();
        for inst in self.of_kind(kind) {
            let family = inst.family.as_str();
            if seen.contains(&family) || wanted.is_some_and(|wanted| wanted != family) {
                continue;
            }
            seen.push(family);
            let (name, family, band) = (kind.name(), json(family), tick_band(inst));
            data.push(format!(
                "{{\"instFamily\":{family},\"instType\":\"{name}\",\"tickBand\":[{band}]}}"
            ));
        }
        Ok(data.join(","))
    }

    pub(crate) fn rest_series(&self, query: &Query) -> Answer {
        let wanted = query.get("seriesId");
        let mut seen: Vec<&str> = Vec::new();
        let mut data = Vec::new();
        for inst in self.of_kind(Kind::Events) {
            if seen.contains(&inst.series) || wanted.is_some_and(|wanted| wanted != inst.series) {
                continue;
            }
            seen.push(inst.series);
            data.push(format!(
                "{{\"seriesId\":\"{}\",\"freq\":\"daily\",\"title\":\"{} above a price\",\
                 \"category\":\"Crypto\",\"settlement\":{{\"method\":\"price_above\",\
                 \"closeEarly\":false,\"srcName\":\"okx_index\",\"underlying\":\"{}\"}}}}",
                inst.series, inst.uly, inst.uly
            ));
        }
        Ok(data.join(","))
    }

    pub(crate) fn rest_events(&self, query: &Query) -> Answer {
        let mut found = self.event_markets(query)?;
        found.dedup_by(|a, b| event_id(a) == event_id(b));
        rows(query, &found, |inst| {
            vec![
                ("seriesId", inst.series.to_owned()),
                ("eventId", event_id(inst).to_owned()),
                ("fixTime", String::new()),
                ("expTime", inst.exp_ns.map(millis).unwrap_or_default()),
                ("state", inst.state.to_string()),
            ]
        })
    }

    pub(crate) fn rest_event_markets(&self, query: &Query) -> Answer {
        rows(query, &self.event_markets(query)?, |inst| market_row(inst, &self.assets))
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Instrument> {
        self.markets.iter().map(|market| &market.inst).filter(move |inst| inst.kind == kind)
    }

    /// The markets of a series that fit, the latest expiry and the highest strike first.
    fn event_markets(&self, query: &Query) -> Result<Vec<&Instrument>, Failure> {
        let series = query.get("seriesId").ok_or_else(|| missing("seriesId"))?;
        let after = query.number("after", u64::MAX).map_err(|msg| bad(&msg))?;
        let before = query.number("before", 0).map_err(|msg| bad(&msg))?;
        let fits = |inst: &&Instrument| {
            let exp_ms = inst.exp_ns.unwrap_or_default() / MILLI;
            inst.series == series
                && query.get("eventId").is_none_or(|id| event_id(inst) == id)
                && query.get("instId").is_none_or(|id| inst.id == id)
                && query.get("state").is_none_or(|state| inst.state == state)
                && exp_ms < after
                && exp_ms > before
        };
        let mut found: Vec<&Instrument> = self.of_kind(Kind::Events).filter(fits).collect();
        let order = |inst: &Instrument| (inst.exp_ns, inst.strike.map(|strike| strike.usd));
        found.sort_by_key(|inst| std::cmp::Reverse(order(inst)));
        Ok(found)
    }
}

/// A row of `event-contract-markets`, on both sides.
pub fn market_row(inst: &Instrument, assets: &[Asset]) -> Fields {
    let (outcome, settled) = outcome(inst, assets);
    vec![
        ("seriesId", inst.series.to_owned()),
        ("eventId", event_id(inst).to_owned()),
        ("instId", inst.id.clone()),
        ("listTime", millis(inst.list_ns)),
        ("fixTime", String::new()),
        ("expTime", inst.exp_ns.map(millis).unwrap_or_default()),
        ("state", inst.state.to_string()),
        ("outcome", outcome.to_owned()),
        ("floorStrike", inst.strike.map(|s| s.usd.to_string()).unwrap_or_default()),
        ("capStrike", String::new()),
        ("settleValue", settled),
        ("disputed", "false".to_owned()),
        ("hitDir", String::new()),
    ]
}

/// The request's `instType`, which has to be one of `allowed`.
fn kind_among(query: &Query, allowed: &[Kind]) -> Result<Kind, Failure> {
    let name = query.get("instType").ok_or_else(|| missing("instType"))?;
    match kind_named(name) {
        Some((kind, false)) if allowed.contains(&kind) => Ok(kind),
        _ => Err(bad("Parameter instType error")),
    }
}

fn rows(query: &Query, found: &[&Instrument], row: impl Fn(&Instrument) -> Fields) -> Answer {
    let limit = query.number("limit", ROWS_MAX).map_err(|msg| bad(&msg))?.min(ROWS_MAX) as usize;
    let data = found.iter().take(limit).map(|inst| object(&row(inst), &["disputed"]));
    Ok(data.collect::<Vec<_>>().join(","))
}

/// `BTC-ABOVE-DAILY-260224-1600` of `BTC-ABOVE-DAILY-260224-1600-65000`.
fn event_id(inst: &Instrument) -> &str {
    inst.id.rsplit_once('-').map_or(&inst.id, |(event, _)| event)
}

/// `outcome` and `settleValue`, which an event contract has once it has expired.
fn outcome(inst: &Instrument, assets: &[Asset]) -> (&'static str, String) {
    match (inst.exp_ns, inst.strike) {
        (Some(exp_ns), Some(strike)) if inst.state == "expired" => {
            let tenths = assets[inst.asset].usd_at(exp_ns) / 10i128.pow(13);
            let yes = tenths > i128::from(strike.usd) * 10;
            (if yes { "1" } else { "2" }, decimal(tenths, 1))
        }
        _ => ("0", String::new()),
    }
}

/// An option costs anything, an event contract at least a tick more than 0 and less than 1.
fn tick_band(inst: &Instrument) -> String {
    let tick = decimal(1, inst.px_places);
    let (low, high) = if inst.kind == Kind::Events {
        (tick.clone(), decimal(10i128.pow(inst.px_places) - 1, inst.px_places))
    } else {
        ("0".to_owned(), "10000000".to_owned())
    };
    format!("{{\"maxPx\":\"{high}\",\"minPx\":\"{low}\",\"tickSz\":\"{tick}\"}}")
}
