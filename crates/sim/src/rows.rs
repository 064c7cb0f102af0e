//! What the channels that are not books say, as names and texts.
//!
//! WebSocket pushes and REST answers are both made from these, so they agree. Functions of the
//! market's state only. Start at [`ticker`].

use crate::bars::{Ohlc, invent, lots_a_minute};
use crate::calendar::{DAY, HOUR, MINUTE};
use crate::engine::Side;
use crate::feed::Fields;
use crate::instrument::{Asset, Contract, Instrument, Kind};
use crate::market::{Market, Trade};
use crate::text::{decimal, millis};

/// Names without quotes on the wire, for [`crate::feed::object`].
pub const RAW: &[&str] = &["seqId", "enabled", "disputed", "details", "legs"];

/// The figures of the last 24 hours.
#[derive(Clone, Copy, Debug)]
struct Day {
    open: i64,
    high: i64,
    low: i64,
    sod_utc: i64,
    sod_utc8: i64,
    lots: i64,
    turn: i128,
    coin_e8: i128,
}

/// The price at a time, invented before the market's start and remembered after.
fn price_at(market: &Market, assets: &[Asset], at: u64) -> i64 {
    if at <= market.start_ns() || market.minutes.is_empty() {
        return market.inst.fair(assets, at.min(market.start_ns()));
    }
    let next = market.minutes.partition_point(|minute| minute.open_ns < at);
    match (market.minutes.get(next), next.checked_sub(1)) {
        (Some(minute), _) => minute.o,
        (None, Some(before)) => market.minutes[before].c,
        (None, None) => market.inst.fair(assets, market.start_ns()),
    }
}

fn day(market: &Market, assets: &[Asset], now: u64, last: i64) -> Day {
    let inst = &market.inst;
    let from = now.saturating_sub(DAY);
    let start = market.start_ns();
    let open = price_at(market, assets, from);
    let mut day = Day {
        open,
        high: open.max(last),
        low: open.min(last),
        sod_utc: price_at(market, assets, now / DAY * DAY),
        sod_utc8: price_at(market, assets, ((now + 8 * HOUR) / DAY * DAY).saturating_sub(8 * HOUR)),
        lots: 0,
        turn: 0,
        coin_e8: 0,
    };
    if from < start {
        // Whole hours of the invented past, so that the figures move slowly.
        let mut at = from / HOUR * HOUR + HOUR;
        while at <= start {
            let px = inst.fair(assets, at);
            day.high = day.high.max(px);
            day.low = day.low.min(px);
            at += HOUR;
        }
        let minutes = i128::from((start - from) / MINUTE);
        let lots = i128::from(lots_a_minute(inst)) * minutes;
        day.lots = lots as i64;
        day.turn = lots * i128::from((day.high + day.low) / 2);
        day.coin_e8 = inst.coins_e8((day.high + day.low) / 2, day.lots);
    }
    let first = market.minutes.partition_point(|minute| minute.open_ns < from);
    for minute in market.minutes.range(first..) {
        day.high = day.high.max(minute.h);
        day.low = day.low.min(minute.l);
        day.lots += minute.lots;
        day.turn += minute.turn;
        day.coin_e8 += minute.coin_e8;
    }
    day
}

/// A `tickers` row. Sizes at the best prices include retail orders, as since 2025-11-26.
pub fn ticker(market: &Market, assets: &[Asset], now: u64) -> Fields {
    let inst = &market.inst;
    let top = |side| match market.engine.side(side).first() {
        Some(level) => (inst.px(level.px), inst.sz(level.lots + level.rpi)),
        None => (String::new(), String::new()),
    };
    let (ask_px, ask_sz) = top(Side::Ask);
    let (bid_px, bid_sz) = top(Side::Bid);
    let mut row = vec![
        ("instType", inst.kind.name().to_owned()),
        ("instId", inst.id.clone()),
        ("last", market.last.map_or(String::new(), |t| inst.px(t.px))),
        ("lastSz", market.last.map_or(String::new(), |t| inst.sz(t.lots))),
        ("askPx", ask_px),
        ("askSz", ask_sz),
        ("bidPx", bid_px),
        ("bidSz", bid_sz),
    ];
    match market.last {
        Some(last) => {
            let day = day(market, assets, now, last.px);
            row.push(("open24h", inst.px(day.open)));
            row.push(("high24h", inst.px(day.high)));
            row.push(("low24h", inst.px(day.low)));
            row.push(("sodUtc0", inst.px(day.sod_utc)));
            row.push(("sodUtc8", inst.px(day.sod_utc8)));
            row.push(("volCcy24h", inst.vol_ccy(day.lots, day.turn, day.coin_e8)));
            row.push(("vol24h", inst.sz(day.lots)));
        }
        None => {
            for name in ["open24h", "high24h", "low24h", "sodUtc0", "sodUtc8"] {
                row.push((name, String::new()));
            }
            row.push(("volCcy24h", "0".to_owned()));
            row.push(("vol24h", "0".to_owned()));
        }
    }
    row.push(("ts", millis(now)));
    row
}

fn side_name(trade: &Trade) -> String {
    if trade.buy { "buy" } else { "sell" }.to_owned()
}

/// A `trades` row for fills of one taker order at one price from one source.
pub fn trade_aggregate(inst: &Instrument, fills: &[Trade]) -> Fields {
    let last = fills[fills.len() - 1];
    let lots: i64 = fills.iter().map(|fill| fill.lots).sum();
    vec![
        ("instId", inst.id.clone()),
        ("tradeId", last.id.to_string()),
        ("px", inst.px(last.px)),
        ("sz", inst.sz(lots)),
        ("side", side_name(&last)),
        ("ts", millis(last.at_ns)),
        ("count", fills.len().to_string()),
        ("source", u8::from(last.rpi).to_string()),
        ("seqId", last.seq.to_string()),
    ]
}

/// A `trades-all` row, and a row of REST `trades`.
pub fn trade_single(inst: &Instrument, fill: &Trade) -> Fields {
    vec![
        ("instId", inst.id.clone()),
        ("tradeId", fill.id.to_string()),
        ("px", inst.px(fill.px)),
        ("sz", inst.sz(fill.lots)),
        ("side", side_name(fill)),
        ("source", u8::from(fill.rpi).to_string()),
        ("ts", millis(fill.at_ns)),
    ]
}

/// A `sprd-public-trades` row.
pub fn spread_trade(inst: &Instrument, fill: &Trade) -> Fields {
    vec![
        ("sprdId", inst.id.clone()),
        ("tradeId", fill.id.to_string()),
        ("px", inst.px(fill.px)),
        ("sz", inst.sz(fill.lots)),
        ("side", side_name(fill)),
        ("ts", millis(fill.at_ns)),
    ]
}

/// A `sprd-tickers` row: a ticker without type, turnover and starts of days.
pub fn spread_ticker(market: &Market, assets: &[Asset], now: u64) -> Fields {
    let mut row = ticker(market, assets, now);
    row.retain(|(name, _)| !matches!(*name, "instType" | "sodUtc0" | "sodUtc8" | "volCcy24h"));
    for (name, _) in row.iter_mut().filter(|(name, _)| *name == "instId") {
        *name = "sprdId";
    }
    row
}

/// A `sprd-candle` row, which counts its volume in one way only.
pub fn spread_candle(inst: &Instrument, bar: &Ohlc, closed: bool) -> Fields {
    let mut row = candle(inst, bar, closed);
    row.retain(|(name, _)| !matches!(*name, "volCcy" | "volCcyQuote"));
    row
}

/// A `candle` row.
pub fn candle(inst: &Instrument, bar: &Ohlc, closed: bool) -> Fields {
    vec![
        ("ts", millis(bar.open_ns)),
        ("o", inst.px(bar.o)),
        ("h", inst.px(bar.h)),
        ("l", inst.px(bar.l)),
        ("c", inst.px(bar.c)),
        ("vol", inst.sz(bar.lots)),
        ("volCcy", inst.vol_ccy(bar.lots, bar.turn, bar.coin_e8)),
        ("volCcyQuote", inst.vol_quote(bar.lots, bar.turn)),
        ("confirm", u8::from(closed).to_string()),
    ]
}

/// A `mark-price-candle` or `index-candle` row.
pub fn price_candle(places: u32, bar: &Ohlc, closed: bool) -> Fields {
    let px = |ticks: i64| decimal(i128::from(ticks), places);
    vec![
        ("ts", millis(bar.open_ns)),
        ("o", px(bar.o)),
        ("h", px(bar.h)),
        ("l", px(bar.l)),
        ("c", px(bar.c)),
        ("confirm", u8::from(closed).to_string()),
    ]
}

/// A `mark-price` row.
pub fn mark_price(inst: &Instrument, assets: &[Asset], now: u64) -> Fields {
    vec![
        ("instType", inst.kind.name().to_owned()),
        ("instId", inst.id.clone()),
        ("markPx", inst.px(inst.fair(assets, now))),
        ("ts", millis(now)),
    ]
}

/// An `open-interest` row; it drifts with the hour.
pub fn open_interest(inst: &Instrument, assets: &[Asset], now: u64) -> Fields {
    let lots = inst.heat.lots * 4_000;
    let lots = lots + lots / 1_000_000 * ((now / (3 * 1_000_000_000)) % 7_919) as i64;
    let px = inst.fair(assets, now);
    let coins = match inst.contract {
        Contract::Inverse => inst.vol_ccy(lots, 0, inst.coins_e8(px, lots)),
        _ => inst.vol_ccy(lots, 0, 0),
    };
    let usd = inst.vol_quote(lots, i128::from(px) * i128::from(lots));
    vec![
        ("instId", inst.id.clone()),
        ("instType", inst.kind.name().to_owned()),
        ("oi", inst.sz(lots)),
        ("oiCcy", coins),
        ("oiUsd", usd),
        ("ts", millis(now)),
    ]
}

/// Whether an instrument pays funding.
pub fn has_funding(inst: &Instrument) -> bool {
    inst.kind == Kind::Swap || inst.rule_type == "xperp"
}

/// An index: a pair of assets, or an asset in dollars.
#[derive(Clone, Debug)]
pub struct Index {
    pub name: String,
    /// An instrument in the index's units, which only lends its arithmetic.
    pub as_inst: Instrument,
}

/// An `index-tickers` row.
pub fn index_ticker(index: &Index, assets: &[Asset], now: u64) -> Fields {
    let inst = &index.as_inst;
    let fair = |at: u64| inst.fair(assets, at);
    let past = invent(inst, assets, (now - DAY) / MINUTE * MINUTE, now / MINUTE * MINUTE, HOUR);
    let px = fair(now);
    vec![
        ("instId", index.name.clone()),
        ("idxPx", inst.px(px)),
        ("open24h", inst.px(past.o)),
        ("high24h", inst.px(past.h.max(px))),
        ("low24h", inst.px(past.l.min(px))),
        ("sodUtc0", inst.px(fair(now / DAY * DAY))),
        ("sodUtc8", inst.px(fair((now + 8 * HOUR) / DAY * DAY - 8 * HOUR))),
        ("ts", millis(now)),
    ]
}
