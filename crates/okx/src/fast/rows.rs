//! Rows of `trades`, `trades-all`, `tickers` and the bars. The files of the same names under
//! `crate::channel` say what the fields mean.

use super::Begun;
use super::blank::Blank;
use super::cursor::Cursor;
use super::scan::Scan;
use crate::channel::bars::BarSpec;
use market_data_model::{Aggressor, Bar, BarKind, InstType, Nanos, Px, Qty, Ticker, Tiny, Trade};

/// Takes the start of a row of `trades` or `trades-all`, up to its id.
#[inline(always)]
pub(super) fn begin_trade<S: Scan>(at: &mut Cursor<'_, S>, key: &str) -> Option<Begun> {
    at.literal(b"{\"instId\":\"")?;
    at.word(key)?;
    at.literal(b",\"tradeId\":\"")?;
    Some(Begun::Trade)
}

/// How a trade ends, up to its `seqId`, where it merges fewer than ten fills.
const TRADE_END: Blank =
    Blank::new(b",\"ts\":\"_____________\",\"count\":\"_\",\"source\":\"_\",\"seqId\":");

/// The rest of it: fixed up to the side, then each field at most once.
#[inline(always)]
pub(super) fn trade<S: Scan>(at: &mut Cursor<'_, S>) -> Option<(Nanos, Trade)> {
    let trade_id = at.whole()?;
    at.literal(b",\"px\":\"")?;
    let px = at.px()?;
    at.literal(b",\"sz\":\"")?;
    let qty = at.qty()?;
    let aggressor = if at.takes(b",\"side\":\"buy\"") {
        Aggressor::Buyer
    } else {
        at.literal(b",\"side\":\"sell\"")?;
        Aggressor::Seller
    };
    let (mut ts, mut count, mut source, mut seq) = (None, None, None, None);
    if let Some(end) = at.filled(&TRADE_END) {
        // As nearly every row ends; whatever does not is read field by field.
        let (fills, from) = (end[31].wrapping_sub(b'0'), end[44]);
        let ms = at.thirteen_from(7).filter(|_| fills <= 9 && matches!(from, b'0' | b'1'));
        if let Some(ms) = ms {
            at.skip(TRADE_END.len())?;
            (ts, count) = (Some(Nanos::from_millis(ms)), Some(u32::from(fills)));
            source = Tiny::new(if from == b'0' { "0" } else { "1" });
            seq = Some(at.integer()?);
        }
    }
    while !at.takes(b"}") {
        if ts.is_none() && at.takes(b",\"ts\":\"") {
            ts = Some(at.time()?);
        } else if count.is_none() && at.takes(b",\"count\":\"") {
            count = Some(at.whole_32()?);
        } else if source.is_none() && at.takes(b",\"source\":\"") {
            source = Some(source_of(at)?);
        } else if seq.is_none() && at.takes(b",\"seqId\":") {
            seq = Some(at.integer()?);
        } else {
            return None;
        }
    }
    Some((ts?, Trade { trade_id, px, qty, aggressor, count, source, seq, filled: None }))
}

#[inline(always)]
fn source_of<S: Scan>(at: &mut Cursor<'_, S>) -> Option<Tiny> {
    if at.takes(b"0\"") {
        Tiny::new("0")
    } else {
        at.literal(b"1\"")?;
        Tiny::new("1")
    }
}

/// Takes the start of a row of `tickers`, up to the last price.
#[inline(always)]
pub(super) fn begin_ticker<S: Scan>(at: &mut Cursor<'_, S>, key: &str) -> Option<Begun> {
    at.literal(b"{\"instType\":\"")?;
    let inst_type = inst_type(at)?;
    at.literal(b",\"instId\":\"")?;
    at.word(key)?;
    at.literal(b",\"last\":\"")?;
    Some(Begun::Ticker(inst_type))
}

/// The rest of it, in the one order seen since 2021.
#[inline(always)]
pub(super) fn ticker<S: Scan>(at: &mut Cursor<'_, S>) -> Option<(Nanos, Ticker)> {
    let last = at.blank_or_number()?.map(Px);
    let mut ticker = Ticker { last, ..Ticker::default() };
    at.literal(b",\"lastSz\":\"")?;
    ticker.last_qty = at.blank_or_number()?.map(Qty);
    at.literal(b",\"askPx\":\"")?;
    ticker.ask = at.blank_or_number()?.map(Px);
    at.literal(b",\"askSz\":\"")?;
    ticker.ask_qty = at.blank_or_number()?.map(Qty);
    at.literal(b",\"bidPx\":\"")?;
    ticker.bid = at.blank_or_number()?.map(Px);
    at.literal(b",\"bidSz\":\"")?;
    ticker.bid_qty = at.blank_or_number()?.map(Qty);
    at.literal(b",\"open24h\":\"")?;
    ticker.open_24h = at.blank_or_number()?.map(Px);
    at.literal(b",\"high24h\":\"")?;
    ticker.high_24h = at.blank_or_number()?.map(Px);
    at.literal(b",\"low24h\":\"")?;
    ticker.low_24h = at.blank_or_number()?.map(Px);
    at.literal(b",\"sodUtc0\":\"")?;
    ticker.sod_utc0 = at.blank_or_number()?.map(Px);
    at.literal(b",\"sodUtc8\":\"")?;
    ticker.sod_utc8 = at.blank_or_number()?.map(Px);
    at.literal(b",\"volCcy24h\":\"")?;
    ticker.vol_ccy_24h = at.blank_or_number()?.map(Qty);
    at.literal(b",\"vol24h\":\"")?;
    ticker.vol_24h = at.blank_or_number()?.map(Qty);
    at.literal(b",\"ts\":\"")?;
    let ts = at.time()?;
    at.literal(b"}")?;
    Some((ts, ticker))
}

#[inline(always)]
fn inst_type<S: Scan>(at: &mut Cursor<'_, S>) -> Option<&'static InstType> {
    if at.takes(b"SWAP\"") {
        Some(&InstType::Swap)
    } else if at.takes(b"SPOT\"") {
        Some(&InstType::Spot)
    } else if at.takes(b"FUTURES\"") {
        Some(&InstType::Futures)
    } else {
        at.literal(b"OPTION\"")?;
        Some(&InstType::Option)
    }
}

/// Takes the start of a bar.
#[inline(always)]
pub(super) fn begin_bar<S: Scan>(at: &mut Cursor<'_, S>) -> Option<Begun> {
    at.literal(b"[\"")?;
    Some(Begun::Bar)
}

/// The rest of a bar as the venue sends it today: nine cells, or six for mark and index prices.
#[inline(always)]
pub(super) fn bar<S: Scan>(
    at: &mut Cursor<'_, S>,
    kind: BarKind,
    spec: &'static BarSpec,
) -> Option<Bar> {
    let open_ms = at.millis()?;
    let mut px = || {
        at.literal(b",\"")?;
        at.px()
    };
    let (open, high, low, close) = (px()?, px()?, px()?, px()?);
    let (mut volume, mut volume_ccy, mut volume_quote) = (None, None, None);
    if kind == BarKind::Trade {
        for cell in [&mut volume, &mut volume_ccy, &mut volume_quote] {
            at.literal(b",\"")?;
            *cell = at.blank_or_number()?.map(Qty);
        }
    }
    let closed = at.takes(b",\"1\"]");
    if !closed {
        at.literal(b",\"0\"]")?;
    }
    Some(Bar {
        kind,
        interval: spec.interval,
        open_ms,
        close_ms: spec.close_ms(open_ms),
        open,
        high,
        low,
        close,
        volume,
        volume_ccy,
        volume_quote,
        closed: Some(closed),
        state: None,
        filled: None,
        flow: None,
    })
}
