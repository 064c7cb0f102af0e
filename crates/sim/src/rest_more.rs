//! The REST endpoints beside the channels of derivatives, options, auctions and blocks.
//!
//! `rest.rs` dispatches here. Rows are those of the channels; lists are newest first, `after`
//! means older and `before` newer, both exclusive. Start at [`Exchange::rest_opt_summary`].

use crate::bars::invent;
use crate::blocks;
use crate::book::Book;
use crate::calendar::{Bar, DAY, MILLI, MINUTE};
use crate::channel::BookKind;
use crate::exchange::Exchange;
use crate::feed::{Fields, array, object};
use crate::instrument::{Instrument, Kind};
use crate::market::Trade;
use crate::query::Query;
use crate::rest::{Answer, Failure, bad, kind_named, missing, no_instrument};
use crate::rest_market::{CANDLES_REACH, bars_between};
use crate::{auction, bounds, funding, notices, options, rows};

/// Rows of most answers (OKX docs, 2026-08-22).
const ROWS_MAX: u64 = 100;
/// Payments in one answer.
const PAYMENTS_MAX: u64 = 400;
/// How far back payments go.
const PAYMENTS_NS: u64 = 90 * DAY;

/// What a page of rows in time asks for, in milliseconds.
struct Page {
    limit: usize,
    after: u64,
    before: u64,
}

impl Page {
    fn of(query: &Query, most: u64) -> Result<Self, Failure> {
        let number = |name, none| query.number(name, none).map_err(|msg| bad(&msg));
        Ok(Self {
            limit: number("limit", most)?.min(most) as usize,
            after: number("after", u64::MAX / MILLI)?,
            before: number("before", 0)?,
        })
    }

    fn has(&self, ns: u64) -> bool {
        (self.before + 1..self.after).contains(&(ns / MILLI))
    }
}

fn joined(rows: impl Iterator<Item = Fields>) -> String {
    rows.map(|row| object(&row, rows::RAW)).collect::<Vec<_>>().join(",")
}

impl Exchange {
    pub(crate) fn rest_status(&self, query: &Query) -> Answer {
        let row = notices::maintenance(self.now_ns);
        let state = row.iter().find(|(name, _)| *name == "state").map_or("", |(_, state)| state);
        let wanted = query.get("state");
        let shown =
            wanted.map_or(matches!(state, "scheduled" | "ongoing"), |wanted| wanted == state);
        Ok(if shown { object(&row, &[]) } else { String::new() })
    }

    pub(crate) fn rest_books_full(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let depth = query.number("sz", 1).map_err(|msg| bad(&msg))?;
        if !(1..=5_000).contains(&depth) {
            return Err(bad("Parameter sz error"));
        }
        let market = &self.markets[n];
        Ok(Book::rest_full(&market.inst, &market.engine, self.now_ns / MILLI, depth as usize))
    }

    pub(crate) fn rest_books_rpi(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let depth = query.number("sz", 1).map_err(|msg| bad(&msg))?;
        if !(1..=400).contains(&depth) {
            return Err(bad("Parameter sz error"));
        }
        let market = &self.markets[n];
        let book = Book::look(BookKind::Rpi, &market.engine, market.seq);
        Ok(book.rest(&market.inst, self.now_ns / MILLI, depth as usize))
    }

    pub(crate) fn rest_index_candles(&self, query: &Query, history: bool) -> Answer {
        let id = query.get("instId").ok_or_else(|| missing("instId"))?;
        let index = self.indices.iter().find(|index| index.name == id).ok_or_else(no_instrument)?;
        self.price_candles(&index.as_inst, query, history)
    }

    pub(crate) fn rest_mark_candles(&mut self, query: &Query, history: bool) -> Answer {
        let n = self.rest_market(query)?;
        self.price_candles(&self.markets[n].inst, query, history)
    }

    /// Bars of a price without volume, from the path it follows.
    fn price_candles(&self, inst: &Instrument, query: &Query, history: bool) -> Answer {
        let bar = Bar::named(query.get("bar").unwrap_or("1m"))
            .filter(|bar| bar.on_mark && bar.is_priced(history))
            .ok_or_else(|| bad("Parameter bar error"))?;
        let page = Page::of(query, ROWS_MAX)?;
        let now = self.now_ns;
        let mut open_ns = bar.open(now.min(page.after.saturating_mul(MILLI).saturating_sub(1)));
        let mut passed = if history { 0 } else { bars_between(bar, open_ns, now) };
        let mut data = Vec::new();
        while data.len() < page.limit && page.has(open_ns) && bar.end(open_ns) > inst.list_ns {
            passed += usize::from(!history);
            if passed > CANDLES_REACH {
                break;
            }
            let end = bar.end(open_ns);
            if end <= now || !history {
                let ohlc = invent(inst, &self.assets, open_ns, end.min(now), bar.sample());
                data.push(array(&rows::price_candle(inst.px_places, &ohlc, end <= now)));
            }
            open_ns = bar.open(open_ns - 1);
        }
        Ok(data.join(","))
    }

    pub(crate) fn rest_auction(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let (market, now) = (&self.markets[n], self.now_ns);
        let row = auction::row(market, now).unwrap_or_else(|| auction::ended(market, now));
        Ok(object(&row, &[]))
    }

    /// The options of the family that the request names.
    fn rest_options(&self, query: &Query) -> Result<Vec<usize>, Failure> {
        let family = query.get("instFamily").or(query.get("uly"));
        let family = family.ok_or_else(|| missing("instFamily"))?;
        let of = |n: &usize| {
            let inst = &self.markets[*n].inst;
            inst.kind == Kind::Option && inst.family == family && inst.open_for_subscription()
        };
        Ok((0..self.markets.len()).filter(of).collect())
    }

    pub(crate) fn rest_opt_summary(&self, query: &Query) -> Answer {
        let found = self.rest_options(query)?;
        let day = query.get("expTime").unwrap_or("");
        let fits = |n: &usize| self.markets[*n].inst.id.contains(&format!("-{day}"));
        Ok(joined(found.into_iter().filter(fits).filter_map(|n| self.summary(n))))
    }

    /// The trades of options, newest first.
    fn option_trades(&mut self, found: &[usize]) -> Vec<(usize, Trade)> {
        let mut trades = Vec::new();
        for &n in found {
            self.catch_up(n);
            let newest = self.markets[n].trades.iter().rev().take(ROWS_MAX as usize);
            trades.extend(newest.map(|trade| (n, *trade)));
        }
        trades.sort_by_key(|(n, trade)| (std::cmp::Reverse((trade.at_ns, trade.id)), *n));
        trades.truncate(ROWS_MAX as usize);
        trades
    }

    pub(crate) fn rest_option_trades(&mut self, query: &Query) -> Answer {
        let found = match query.get("instId") {
            Some(_) => vec![self.rest_market(query)?],
            None => self.rest_options(query)?,
        };
        let trades = self.option_trades(&found);
        Ok(joined(
            trades
                .iter()
                .map(|(n, trade)| options::trade(&self.markets[*n].inst, &self.assets, trade)),
        ))
    }

    pub(crate) fn rest_family_trades(&mut self, query: &Query) -> Answer {
        let found = self.rest_options(query)?;
        let trades = self.option_trades(&found);
        let mut data = Vec::new();
        for (side, call) in [("C", true), ("P", false)] {
            let of = |(n, _): &&(usize, Trade)| {
                self.markets[*n].inst.strike.is_some_and(|strike| strike.call == call)
            };
            let mine: Vec<&(usize, Trade)> = trades.iter().filter(of).collect();
            let lots: i64 = mine.iter().map(|(_, trade)| trade.lots).sum();
            let rows = mine.iter().map(|(n, trade)| {
                let mut row = rows::trade_single(&self.markets[*n].inst, trade);
                row.retain(|(name, _)| *name != "source");
                row
            });
            let rows = joined(rows);
            data.push(format!(
                "{{\"vol24h\":\"{lots}\",\"optType\":\"{side}\",\"tradeInfo\":[{rows}]}}"
            ));
        }
        Ok(data.join(","))
    }

    pub(crate) fn rest_price_limit(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let row = bounds::price_limit(&self.markets[n].inst, &self.assets, self.now_ns);
        Ok(object(&row, rows::RAW))
    }

    pub(crate) fn rest_estimated_price(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let row = bounds::estimated_price(&self.markets[n].inst, &self.assets, self.now_ns);
        Ok(row.map(|row| object(&row, &[])).unwrap_or_default())
    }

    pub(crate) fn rest_funding_history(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let inst = &self.markets[n].inst;
        if !rows::has_funding(inst) {
            return Err(bad("Parameter instId error"));
        }
        let page = Page::of(query, PAYMENTS_MAX)?;
        let period = funding::period(inst);
        let reach = self.now_ns.saturating_sub(PAYMENTS_NS).max(inst.list_ns);
        let payments = (0..).map(|back| (self.now_ns / period - back) * period);
        let known = payments.take_while(|at| *at > reach).filter(|at| page.has(*at));
        Ok(joined(known.take(page.limit).map(|at| funding::paid(inst, at))))
    }

    pub(crate) fn rest_premium_history(&mut self, query: &Query) -> Answer {
        let n = self.rest_market(query)?;
        let inst = &self.markets[n].inst;
        let page = Page::of(query, ROWS_MAX)?;
        let newest = (self.now_ns / MINUTE).min(page.after.saturating_sub(1) / 60_000);
        let minutes = (0..).map(|back| (newest - back) * MINUTE);
        let known = minutes.take_while(|at| page.has(*at) && *at > inst.list_ns);
        let row = |at: u64| {
            vec![
                ("instId", inst.id.clone()),
                ("premium", funding::fixed(funding::premium(inst, at))),
                ("ts", crate::text::millis(at)),
            ]
        };
        Ok(joined(known.take(page.limit).map(row)))
    }

    /// The public legs of a day, newest first.
    fn legs(&self) -> Vec<(usize, Trade)> {
        let mut legs: Vec<(usize, Trade)> =
            self.blocks().of_a_day(self.now_ns).flat_map(|block| block.legs).collect();
        legs.reverse();
        legs
    }

    pub(crate) fn rest_block_ticker(&mut self, query: &Query) -> Answer {
        let wanted = self.rest_market(query)?;
        Ok(self.block_ticker_of(wanted, &self.legs()))
    }

    fn block_ticker_of(&self, wanted: usize, legs: &[(usize, Trade)]) -> String {
        let mine = legs.iter().filter(|(n, _)| *n == wanted).map(|(_, trade)| *trade);
        let mine: Vec<Trade> = mine.collect();
        object(&blocks::ticker_row(&self.markets[wanted].inst, &mine, self.now_ns), &[])
    }

    pub(crate) fn rest_block_tickers(&self, query: &Query) -> Answer {
        let name = query.get("instType").ok_or_else(|| missing("instType"))?;
        let (kind, _) = kind_named(name).ok_or_else(|| bad("Parameter instType error"))?;
        let legs = self.legs();
        let shown = |n: &usize| {
            let inst = &self.markets[*n].inst;
            let family = query.get("instFamily").is_none_or(|family| inst.family == family);
            inst.kind == kind && family && inst.open_for_subscription()
        };
        let found = (0..self.markets.len()).filter(shown);
        Ok(found.map(|n| self.block_ticker_of(n, &legs)).collect::<Vec<_>>().join(","))
    }

    pub(crate) fn rest_block_trades(&mut self, query: &Query) -> Answer {
        let wanted = self.rest_market(query)?;
        let inst = &self.markets[wanted].inst;
        let legs = self.legs();
        let mine = legs.iter().filter(|(n, _)| *n == wanted).take(500);
        Ok(joined(mine.map(|(_, trade)| blocks::leg_row(inst, &self.assets, trade))))
    }

    pub(crate) fn rest_blocks(&self, query: &Query) -> Answer {
        let page = Page::of(query, ROWS_MAX)?;
        let mut found: Vec<_> = self.blocks().of_a_day(self.now_ns).collect();
        found.reverse();
        let known = found.iter().filter(|block| page.has(block.at_ns)).take(page.limit);
        Ok(joined(known.map(|block| blocks::block_row(&self.markets, block))))
    }
}
