//! The REST endpoints about prices: tickers, books, candles, trades.
//!
//! `rest.rs` dispatches here. Rows are newest first; `after` means older, `before` means newer,
//! both exclusive (section 6 of the notes). History before the exchange existed is invented from
//! the price path, trades by `past.rs`.

use crate::bars::{Ohlc, assemble, invent};
use crate::calendar::{Bar, DAY, MILLI, SECOND};
use crate::exchange::Exchange;
use crate::feed::{array, object};
use crate::instrument::Kind;
use crate::market::{Market, Trade};
use crate::past::Past;
use crate::query::Query;
use crate::rest::{Answer, bad, kind_named, missing, no_instrument};
use crate::rows;

/// `candles` serves this many bars at most.
pub(crate) const CANDLES_REACH: usize = 1_440;
/// How far `history-trades` reaches back: three months.
const HISTORY_NS: u64 = 90 * DAY;

impl Exchange {
    /// The market that `instId` names, brought up to date.
    pub(crate) fn rest_market(&mut self, query: &Query) -> Result<usize, crate::rest::Failure> {
        let id = query.get("instId").ok_or_else(|| missing("instId"))?;
        let n = *self.by_id.get(id).ok_or_else(no_instrument)?;
        let inst = &self.markets[n].inst;
        if !inst.open_for_subscription() || inst.kind == Kind::Spread {
            return Err(no_instrument());
        }
        self.catch_up(n);
        Ok(n)
    }

    pub(crate) fn rest_tickers(&mut self, query: &Query) -> Answer {
        let name = query.get("instType").ok_or_else(|| missing("instType"))?;
        let (kind, margin) = kind_named(name).ok_or_else(|| bad("Parameter instType error"))?;
        if margin {
            return Err(bad("Parameter instType error"));
        }
        let family = query.get("instFamily").or(query.get("uly"));
        let mut data = Vec::new();
        for n in 0..self.markets.len() {
            let inst = &self.markets[n].inst;
            let fits = inst.kind == kind
                && inst.open_for_subscription()
                && family.is_none_or(|family| inst.family == family || inst.uly == family);
            if fits {
                self.catch_up(n);
                data.push(self.ticker_object(n));
            }
        }
        Ok(data.join(","))
    }

    pub(crate) fn rest_ticker(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        Ok(self.ticker_object(n))
    }

    fn ticker_object(&self, n: usize) -> String {
        object(&rows::ticker(&self.markets[n], &self.assets, self.now_ns), rows::RAW)
    }

    pub(crate) fn rest_books(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let depth = query.number("sz", 1).map_err(|msg| bad(&msg))?;
        if !(1..=400).contains(&depth) {
            return Err(bad("Parameter sz error"));
        }
        let (book, at_ns) = self.copy_of_book(n);
        Ok(book.rest(&self.markets[n].inst, at_ns / MILLI, depth as usize))
    }

    pub(crate) fn rest_candles(&mut self, query: &Query, history: bool) -> Answer {
        let n = self.rest_market(query)?;
        self.candles_of(n, query, history)
    }

    /// Bars of a market or of a spread.
    pub(crate) fn candles_of(&self, n: usize, query: &Query, history: bool) -> Answer {
        let bar = Bar::named(query.get("bar").unwrap_or("1m"))
            .filter(|bar| if history { bar.on_history } else { bar.on_rest })
            .ok_or_else(|| bad("Parameter bar error"))?;
        let limit = query.number("limit", 100).map_err(|msg| bad(&msg))?.min(300) as usize;
        let after = query.number("after", u64::MAX / MILLI).map_err(|msg| bad(&msg))?;
        let before = query.number("before", 0).map_err(|msg| bad(&msg))?;
        let market = &self.markets[n];
        let now = self.now_ns;
        let mut data = Vec::new();
        // The newest bar that opens strictly before `after`.
        let mut open_ns = bar.open(now.min(after.saturating_mul(MILLI).saturating_sub(1)));
        let mut passed = if history { 0 } else { bars_between(bar, open_ns, now) };
        let listed = |open_ns| bar.end(open_ns) > market.inst.list_ns;
        while data.len() < limit && open_ns / MILLI > before && listed(open_ns) {
            passed += usize::from(!history);
            if passed > CANDLES_REACH {
                break;
            }
            let closed = bar.end(open_ns) <= now;
            if closed || !history {
                let ohlc = self.past_bar(market, bar, open_ns);
                let row = match market.inst.kind {
                    Kind::Spread => rows::spread_candle(&market.inst, &ohlc, closed),
                    _ => rows::candle(&market.inst, &ohlc, closed),
                };
                data.push(array(&row));
            }
            open_ns = bar.open(open_ns - 1);
        }
        Ok(data.join(","))
    }

    pub(crate) fn past_bar(&self, market: &Market, bar: Bar, open_ns: u64) -> Ohlc {
        let whose = (&market.inst, &self.assets[..]);
        if bar.sample() > SECOND {
            return assemble(whose, (bar, open_ns), (market.invented_until_ns(), &market.minutes));
        }
        let end = bar.end(open_ns);
        if open_ns < market.invented_until_ns() {
            return invent(whose.0, whose.1, open_ns, end, bar.sample());
        }
        let px = market.trades.iter().rev().find(|trade| trade.at_ns < open_ns);
        let mut made = Ohlc::flat(open_ns, px.map_or(1, |trade| trade.px));
        for trade in market.trades.iter().filter(|t| (open_ns..end).contains(&t.at_ns)) {
            made.trade(&market.inst, trade.px, trade.lots);
        }
        made
    }

    pub(crate) fn rest_trades(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let limit = query.number("limit", 100).map_err(|msg| bad(&msg))?.min(500);
        Ok(self.trades_where(n, limit as usize, |_| true))
    }

    pub(crate) fn rest_history_trades(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let limit = query.number("limit", 100).map_err(|msg| bad(&msg))?.min(100) as usize;
        let after = query.number("after", u64::MAX).map_err(|msg| bad(&msg))?;
        let before = query.number("before", 0).map_err(|msg| bad(&msg))?;
        if query.get("type") == Some("2") {
            if query.get("before").is_some() {
                let msg = "Parameter before is not available for timestamp pagination.".to_owned();
                return Err(crate::rest::Failure { status: 200, code: "50039", msg });
            }
            let begin = |past: &Past<'_>| past.before(after.saturating_mul(MILLI));
            let fits = |trade: &Trade| trade.at_ns / MILLI < after;
            return Ok(self.history_where(n, limit, begin, fits));
        }
        let fits = |trade: &Trade| trade.id < after && trade.id > before;
        Ok(self.history_where(n, limit, |past| past.below(after), fits))
    }

    /// The newest trades that fit, those of the past included: from where `begin` says as long as
    /// they do.
    fn history_where(
        &self,
        n: usize,
        limit: usize,
        begin: impl Fn(&Past<'_>) -> u64,
        fits: impl Fn(&Trade) -> bool,
    ) -> String {
        let market = &self.markets[n];
        let past = Past::of(market, &self.assets);
        let first = past.as_ref().map_or(1, begin);
        let oldest_ns = self.now_ns.saturating_sub(HISTORY_NS);
        let is_kept = |trade: &Trade| trade.at_ns >= oldest_ns && fits(trade);
        let before = past.iter().flat_map(|past| (first..).map_while(|n| past.trade(n)));
        let newest = market.trades.iter().rev().copied().filter(|trade| fits(trade));
        let rows = newest.chain(before.take_while(is_kept)).take(limit);
        let rows: Vec<String> =
            rows.map(|fill| object(&rows::trade_single(&market.inst, &fill), &[])).collect();
        rows.join(",")
    }

    pub(crate) fn trades_where(
        &self,
        n: usize,
        limit: usize,
        fits: impl Fn(&Trade) -> bool,
    ) -> String {
        let market = &self.markets[n];
        let newest = market.trades.iter().rev().filter(|trade| fits(trade)).take(limit);
        let row = |fill: &Trade| match market.inst.kind {
            Kind::Spread => object(&rows::spread_trade(&market.inst, fill), &[]),
            _ => object(&rows::trade_single(&market.inst, fill), &[]),
        };
        let data: Vec<String> = newest.map(row).collect();
        data.join(",")
    }

    pub(crate) fn rest_index_tickers(&mut self, query: &Query) -> Answer {
        let id = query.get("instId");
        let quote = query.get("quoteCcy");
        if id.is_none() && quote.is_none() {
            return Err(missing("instId or quoteCcy"));
        }
        let now = self.now_ns;
        let fits = |name: &str| {
            id.is_none_or(|id| name == id)
                && quote.is_none_or(|quote| name.split('-').nth(1) == Some(quote))
        };
        let found = self.indices.iter().filter(|index| fits(&index.name));
        let data: Vec<String> =
            found.map(|index| object(&rows::index_ticker(index, &self.assets, now), &[])).collect();
        if data.is_empty() { Err(no_instrument()) } else { Ok(data.join(",")) }
    }
}

/// How many bars open after the one at `open_ns` up to now, counted up to the reach.
pub(crate) fn bars_between(bar: Bar, open_ns: u64, now_ns: u64) -> usize {
    let mut count = 0;
    let mut at = bar.end(open_ns);
    while at <= now_ns && count <= CANDLES_REACH {
        count += 1;
        at = bar.end(at);
    }
    count
}
