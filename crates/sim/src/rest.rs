//! The REST side: envelope, limits, errors, and the endpoints about instruments.
//!
//! Drivers call [`Exchange::rest`]; `rest_market.rs` has the market endpoints, `rest_families.rs`
//! those that name option families and event contracts, `rest_spreads.rs` those of spreads,
//! `rest_more.rs` the others. Answers come from the same rows as the WebSocket pushes. Many errors
//! arrive with HTTP 200, as on OKX.
//!
//! Invariant: a body without fault is `{"code":..,"msg":..,"data":[..]}`. Start at
//! [`Exchange::rest`].

use std::collections::{BTreeMap, VecDeque};

use crate::api::RestReply;
use crate::calendar::{MILLI, SECOND};
use crate::exchange::Exchange;
use crate::feed::{Fields, object};
use crate::instrument::{Instrument, Kind};
use crate::query::Query;
use crate::text::json;
use crate::{funding, rows};

/// Where binary snapshots are.
const SBE_PATH: &str = "/api/v5/market/books-sbe";

/// Requests so far, by path, within two seconds.
#[derive(Default)]
pub struct Limits {
    recent: BTreeMap<String, VecDeque<u64>>,
    /// Snapshots so far, by `instIdCode`, within ten seconds.
    snapshots: BTreeMap<i64, VecDeque<u64>>,
}

/// Requests in two seconds by path (OKX docs, 2026-08-22); others may do 20.
static LIMITS: &[(&str, usize)] = &[
    ("/api/v5/market/books", 40),
    ("/api/v5/market/candles", 40),
    ("/api/v5/market/sprd-candles", 40),
    ("/api/v5/market/books-full", 10),
    ("/api/v5/market/history-index-candles", 10),
    ("/api/v5/public/funding-rate-history", 10),
    ("/api/v5/public/estimated-price", 10),
    ("/api/v5/rfq/public-trades", 5),
    ("/api/v5/public/market-data-history", 5),
    ("/api/v5/system/status", 1),
    ("/api/v5/market/trades", 100),
    ("/api/v5/public/time", 10),
    ("/api/v5/public/mark-price", 10),
    ("/api/v5/public/funding-rate", 10),
    ("/api/v5/public/instrument-tick-bands", 5),
    ("/api/v5/public/event-contract/series", 10),
    ("/api/v5/public/event-contract/events", 10),
    ("/api/v5/public/event-contract/markets", 10),
];

impl Limits {
    /// Counts a binary snapshot; false when there were too many of it.
    pub fn allow_snapshot(&mut self, code: i64, now_ns: u64, most: usize) -> bool {
        let recent = self.snapshots.entry(code).or_default();
        while recent.front().is_some_and(|&at| at + 10 * SECOND <= now_ns) {
            recent.pop_front();
        }
        recent.push_back(now_ns);
        recent.len() <= most
    }

    fn allow(&mut self, path: &str, now_ns: u64) -> bool {
        let most = LIMITS.iter().find(|(name, _)| *name == path).map_or(20, |(_, most)| *most);
        let recent = self.recent.entry(path.to_owned()).or_default();
        while recent.front().is_some_and(|&at| at + 2 * SECOND <= now_ns) {
            recent.pop_front();
        }
        let fine = recent.len() < most;
        if fine {
            recent.push_back(now_ns);
        }
        fine
    }
}

/// The `data` of an answer, or what is wrong with the request.
pub type Answer = Result<String, Failure>;

/// An error answer.
pub struct Failure {
    pub status: u16,
    pub code: &'static str,
    pub msg: String,
}

/// A bad parameter, 51000, with HTTP 200.
pub fn bad(msg: &str) -> Failure {
    Failure { status: 200, code: "51000", msg: msg.to_owned() }
}

/// A missing parameter, 50014, with HTTP 400.
pub fn missing(name: &str) -> Failure {
    let msg = format!("Parameter {name} can not be empty.");
    Failure { status: 400, code: "50014", msg }
}

/// An instrument that nobody knows, 51001, with HTTP 200.
pub fn no_instrument() -> Failure {
    let msg = "Instrument ID, Instrument ID code, or Spread ID doesn't exist.".to_owned();
    Failure { status: 200, code: "51001", msg }
}

/// A request that would have to be signed, 50103, with HTTP 401.
fn unsigned() -> Failure {
    let msg = "Request header OK-ACCESS-KEY can not be empty.".to_owned();
    Failure { status: 401, code: "50103", msg }
}

impl Exchange {
    /// A REST GET request.
    pub fn rest(&mut self, now_ns: u64, path_and_query: &str) -> RestReply {
        self.rest_from(now_ns, path_and_query, Self::answer)
    }

    /// A REST GET request with an answer from elsewhere, under the same limits and faults.
    pub(crate) fn rest_from(
        &mut self,
        now_ns: u64,
        path_and_query: &str,
        answer: impl FnOnce(&mut Self, &Query) -> Answer,
    ) -> RestReply {
        self.advance(now_ns);
        let delay_ns = self.net.rng.between(4, 40) * MILLI;
        let reply = |status, body| RestReply {
            status,
            content_type: "application/json",
            body,
            bytes: Vec::new(),
            delay_ns,
        };
        if self.net.hit(self.config.faults.blackout, "blackout") {
            return RestReply { content_type: "text/html", ..reply(503, HTML.to_owned()) };
        }
        if self.net.hit(self.config.faults.resterror, "resterror") {
            return self.rest_fault(delay_ns);
        }
        let query = Query::parse(path_and_query);
        if !self.limits.allow(&query.path, self.now_ns) {
            return reply(429, envelope("50011", "Too Many Requests", ""));
        }
        if query.path == SBE_PATH {
            return match self.rest_sbe(&query, delay_ns) {
                Some(snapshot) => snapshot,
                None => reply(200, envelope("51001", "Instrument ID code doesn't exist.", "")),
            };
        }
        if query.path.starts_with(crate::files::ROOT) {
            return self.rest_file(&query.path, delay_ns);
        }
        match answer(self, &query) {
            Ok(data) => reply(200, envelope("0", "", &data)),
            Err(fail) => reply(fail.status, envelope(fail.code, &fail.msg, "")),
        }
    }

    /// One of the ways in which OKX fails.
    fn rest_fault(&mut self, delay_ns: u64) -> RestReply {
        let json = "application/json";
        let busy = "The service is temporarily unavailable. Try again later";
        let internal = "System error. Try again later";
        let (status, content_type, body) = match self.net.rng.below(7) {
            0 => (200, json, envelope("50011", "Too Many Requests", "")),
            1 => (200, json, envelope("50026", internal, "")),
            2 => (429, json, envelope("50011", "Too Many Requests", "")),
            3 => (503, json, envelope("50001", busy, "")),
            4 => (500, json, envelope("50026", internal, "")),
            5 => (200, "text/html", HTML.to_owned()),
            _ => (200, json, String::new()),
        };
        RestReply { status, content_type, body, bytes: Vec::new(), delay_ns }
    }

    fn answer(&mut self, query: &Query) -> Answer {
        let now_ms = self.now_ns / MILLI;
        match query.path.as_str() {
            "/api/v5/public/time" => Ok(format!("{{\"ts\":\"{now_ms}\"}}")),
            "/api/v5/system/status" => self.rest_status(query),
            "/api/v5/public/economic-calendar" => Err(unsigned()),
            "/api/v5/public/instruments" => self.rest_instruments(query),
            "/api/v5/public/underlying" => self.rest_underlying(query),
            "/api/v5/public/instrument-tick-bands" => self.rest_tick_bands(query),
            "/api/v5/public/event-contract/series" => self.rest_series(query),
            "/api/v5/public/event-contract/events" => self.rest_events(query),
            "/api/v5/public/event-contract/markets" => self.rest_event_markets(query),
            "/api/v5/public/mark-price" => self.rest_mark_price(query),
            "/api/v5/public/funding-rate" => self.rest_funding(query),
            "/api/v5/public/open-interest" => self.rest_open_interest(query),
            "/api/v5/market/tickers" => self.rest_tickers(query),
            "/api/v5/market/ticker" => self.rest_ticker(query),
            "/api/v5/market/books" => self.rest_books(query),
            "/api/v5/market/candles" => self.rest_candles(query, false),
            "/api/v5/market/history-candles" => self.rest_candles(query, true),
            "/api/v5/market/trades" => self.rest_trades(query),
            "/api/v5/market/history-trades" => self.rest_history_trades(query),
            "/api/v5/market/index-tickers" => self.rest_index_tickers(query),
            _ => self.answer_more(query),
        }
    }

    /// The endpoints of `rest_more.rs` and `rest_spreads.rs`.
    fn answer_more(&mut self, query: &Query) -> Answer {
        match query.path.as_str() {
            "/api/v5/market/books-full" => self.rest_books_full(query),
            "/api/v5/market/books-rpi" => self.rest_books_rpi(query),
            "/api/v5/market/index-candles" => self.rest_index_candles(query, false),
            "/api/v5/market/history-index-candles" => self.rest_index_candles(query, true),
            "/api/v5/market/mark-price-candles" => self.rest_mark_candles(query, false),
            "/api/v5/market/history-mark-price-candles" => self.rest_mark_candles(query, true),
            "/api/v5/market/call-auction-details" => self.rest_auction(query),
            "/api/v5/market/option/instrument-family-trades" => self.rest_family_trades(query),
            "/api/v5/public/option-trades" => self.rest_option_trades(query),
            "/api/v5/public/opt-summary" => self.rest_opt_summary(query),
            "/api/v5/public/price-limit" => self.rest_price_limit(query),
            "/api/v5/public/estimated-price" => self.rest_estimated_price(query),
            "/api/v5/public/funding-rate-history" => self.rest_funding_history(query),
            "/api/v5/public/premium-history" => self.rest_premium_history(query),
            "/api/v5/public/market-data-history" => self.rest_files(query),
            "/api/v5/market/block-ticker" => self.rest_block_ticker(query),
            "/api/v5/market/block-tickers" => self.rest_block_tickers(query),
            "/api/v5/public/block-trades" => self.rest_block_trades(query),
            "/api/v5/rfq/public-trades" => self.rest_blocks(query),
            "/api/v5/sprd/spreads" => self.rest_spreads(query),
            "/api/v5/sprd/books" => self.rest_spread_books(query),
            "/api/v5/sprd/public-trades" => self.rest_spread_trades(query),
            "/api/v5/market/sprd-ticker" => self.rest_spread_ticker(query),
            "/api/v5/market/sprd-candles" => self.rest_spread_candles(query, false),
            "/api/v5/market/sprd-history-candles" => self.rest_spread_candles(query, true),
            path => Err(Failure {
                status: 404,
                code: "404",
                msg: format!("The requested path {path} is not found"),
            }),
        }
    }

    fn rest_instruments(&mut self, query: &Query) -> Answer {
        let name = query.get("instType").ok_or_else(|| missing("instType"))?;
        let (kind, margin) = kind_named(name).ok_or_else(|| bad("Parameter instType error"))?;
        let family = query.get("instFamily");
        let uly = query.get("uly");
        if kind == Kind::Option && family.is_none() && uly.is_none() {
            return Err(missing("instFamily"));
        }
        let series = query.get("seriesId");
        if kind == Kind::Events && series.is_none() {
            return Err(missing("seriesId"));
        }
        let id = query.get("instId");
        let mut data = Vec::new();
        for market in &self.markets {
            let inst = &market.inst;
            let shown =
                inst.kind == kind && inst.state != "expired" && (!margin || marginable(inst));
            let fits = family.is_none_or(|f| inst.family == f)
                && uly.is_none_or(|u| inst.uly == u)
                && series.is_none_or(|s| inst.series == s)
                && id.is_none_or(|id| inst.id == id && !inst.blank);
            if shown && fits {
                data.push(inst.row(margin).0);
            }
        }
        if data.is_empty() && id.is_some() {
            return Err(no_instrument());
        }
        Ok(data.join(","))
    }

    fn rest_mark_price(&mut self, query: &Query) -> Answer {
        let now = self.now_ns;
        self.derivative_rows(query, |world, inst| Some(rows::mark_price(inst, &world.assets, now)))
    }

    fn rest_open_interest(&mut self, query: &Query) -> Answer {
        let now = self.now_ns;
        if query.get("instType") == Some("OPTION")
            && query.get("instFamily").is_none()
            && query.get("uly").is_none()
        {
            return Err(missing("instFamily"));
        }
        self.derivative_rows(query, |world, inst| {
            (inst.kind != Kind::Spot).then(|| rows::open_interest(inst, &world.assets, now))
        })
    }

    fn rest_funding(&mut self, query: &Query) -> Answer {
        let now = self.now_ns;
        let id = query.get("instId").ok_or_else(|| missing("instId"))?;
        let pays = |inst: &&Instrument| {
            rows::has_funding(inst)
                && inst.open_for_subscription()
                && (id == "ANY" || inst.id == id)
        };
        let list = self.markets.iter().map(|market| &market.inst).filter(pays);
        let data: Vec<String> =
            list.map(|inst| object(&funding::row(inst, now), rows::RAW)).collect();
        if data.is_empty() { Err(no_instrument()) } else { Ok(data.join(",")) }
    }

    /// Rows of all instruments of `instType`, narrowed by `instId`, `instFamily` and `uly`.
    fn derivative_rows(
        &self,
        query: &Query,
        row: impl Fn(&Self, &Instrument) -> Option<Fields>,
    ) -> Answer {
        let name = query.get("instType").ok_or_else(|| missing("instType"))?;
        let (kind, margin) = kind_named(name).ok_or_else(|| bad("Parameter instType error"))?;
        let mut data = Vec::new();
        for market in &self.markets {
            let inst = &market.inst;
            let fits = inst.kind == kind
                && inst.open_for_subscription()
                && (!margin || marginable(inst))
                && query.get("instId").is_none_or(|id| inst.id == id)
                && query.get("instFamily").is_none_or(|family| inst.family == family)
                && query.get("uly").is_none_or(|uly| inst.uly == uly);
            if let Some(row) = fits.then(|| row(self, inst)).flatten() {
                data.push(object(&row, rows::RAW));
            }
        }
        if data.is_empty() && query.get("instId").is_some() {
            return Err(no_instrument());
        }
        Ok(data.join(","))
    }
}

const HTML: &str = "<!DOCTYPE html><html><head><title>Attention Required!</title></head>\
                    <body>Sorry, you have been blocked</body></html>";

fn envelope(code: &str, msg: &str, data: &str) -> String {
    format!("{{\"code\":\"{code}\",\"msg\":{},\"data\":[{data}]}}", json(msg))
}

/// The kind of an `instType`, and whether it is spot seen as MARGIN.
pub fn kind_named(name: &str) -> Option<(Kind, bool)> {
    Some(match name {
        "SPOT" => (Kind::Spot, false),
        "MARGIN" => (Kind::Spot, true),
        "SWAP" => (Kind::Swap, false),
        "FUTURES" => (Kind::Futures, false),
        "OPTION" => (Kind::Option, false),
        "EVENTS" => (Kind::Events, false),
        _ => return None,
    })
}

fn marginable(inst: &Instrument) -> bool {
    inst.quote == "USDT" && !inst.blank
}
