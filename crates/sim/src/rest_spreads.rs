//! The REST endpoints about spreads.
//!
//! `rest.rs` dispatches here. A spread is a market like others, named by `sprdId`; only its rows
//! look different. Start at [`Exchange::rest_spreads`].

use crate::book::Book;
use crate::calendar::MILLI;
use crate::channel::BookKind;
use crate::exchange::Exchange;
use crate::feed::object;
use crate::instrument::{Contract, Instrument, Kind};
use crate::query::Query;
use crate::rest::{Answer, Failure, bad, missing, no_instrument};
use crate::rows;
use crate::text::{decimal, millis};

impl Exchange {
    /// The spread that `sprdId` names, brought up to date.
    fn rest_spread(&mut self, query: &Query) -> Result<usize, Failure> {
        let id = query.get("sprdId").ok_or_else(|| missing("sprdId"))?;
        let n = *self.by_id.get(id).ok_or_else(no_instrument)?;
        let inst = &self.markets[n].inst;
        if inst.kind != Kind::Spread || !inst.open_for_subscription() {
            return Err(no_instrument());
        }
        self.catch_up(n);
        Ok(n)
    }

    pub(crate) fn rest_spreads(&self, query: &Query) -> Answer {
        let of_leg = |inst: &Instrument, id: &str| {
            inst.legs.as_ref().is_some_and(|legs| legs.iter().any(|leg| leg.id == id))
        };
        let shown = |inst: &&Instrument| {
            inst.kind == Kind::Spread
                && inst.state != "expired"
                && query.get("baseCcy").is_none_or(|ccy| inst.base == ccy)
                && query.get("sprdId").is_none_or(|id| inst.id == id)
                && query.get("instId").is_none_or(|id| of_leg(inst, id))
                && query.get("state").is_none_or(|state| inst.state == state)
        };
        let found = self.markets.iter().map(|market| &market.inst).filter(shown);
        Ok(found.map(spread_row).collect::<Vec<_>>().join(","))
    }

    pub(crate) fn rest_spread_books(&mut self, query: &Query) -> Answer {
        let n = self.rest_spread(query)?;
        let depth = query.number("sz", 5).map_err(|msg| bad(&msg))?;
        if !(1..=400).contains(&depth) {
            return Err(bad("Parameter sz error"));
        }
        let market = &self.markets[n];
        let book = Book::look(BookKind::SprdL2, &market.engine, market.seq);
        Ok(book.rest_spread(&market.inst, self.now_ns / MILLI, depth as usize))
    }

    /// The trades of one spread, or the newest of all.
    pub(crate) fn rest_spread_trades(&mut self, query: &Query) -> Answer {
        if query.get("sprdId").is_some() {
            let n = self.rest_spread(query)?;
            return Ok(self.trades_where(n, 500, |_| true));
        }
        let spreads = self.born..self.born + self.spreads;
        let mut newest = Vec::new();
        for n in spreads {
            self.catch_up(n);
            let market = &self.markets[n];
            newest
                .extend(market.trades.iter().rev().take(500).map(|trade| (trade.at_ns, n, *trade)));
        }
        newest.sort_by_key(|(at, n, trade)| std::cmp::Reverse((*at, *n, trade.id)));
        let row = |(_, n, trade): &(u64, usize, crate::market::Trade)| {
            object(&rows::spread_trade(&self.markets[*n].inst, trade), &[])
        };
        Ok(newest.iter().take(500).map(row).collect::<Vec<_>>().join(","))
    }

    pub(crate) fn rest_spread_ticker(&mut self, query: &Query) -> Answer {
        let n = self.rest_spread(query)?;
        Ok(object(&rows::spread_ticker(&self.markets[n], &self.assets, self.now_ns), &[]))
    }

    pub(crate) fn rest_spread_candles(&mut self, query: &Query, history: bool) -> Answer {
        let n = self.rest_spread(query)?;
        self.candles_of(n, query, history)
    }
}

/// A row of the list of spreads; the first leg is sold, the second bought.
fn spread_row(inst: &Instrument) -> String {
    let legs = inst.legs.iter().flat_map(|legs| legs.iter());
    let inverse = legs.clone().any(|leg| leg.contract == Contract::Inverse);
    let sides = ["sell", "buy"];
    let leg = |(leg, side): (&Instrument, &str)| {
        format!("{{\"instId\":\"{}\",\"side\":\"{side}\"}}", leg.id)
    };
    let legs: Vec<String> = legs.zip(sides).map(leg).collect();
    let row = vec![
        ("sprdId", inst.id.clone()),
        ("sprdType", if inverse { "inverse" } else { "linear" }.to_owned()),
        ("state", inst.state.to_string()),
        ("baseCcy", inst.base.to_string()),
        ("szCcy", inst.settle.to_owned()),
        ("quoteCcy", inst.quote.to_owned()),
        ("tickSz", decimal(1, inst.px_places)),
        ("minSz", inst.sz(inst.min_lots)),
        ("lotSz", decimal(1, inst.sz_places)),
        ("listTime", millis(inst.list_ns)),
        ("legs", format!("[{}]", legs.join(","))),
        ("expTime", inst.exp_ns.map(millis).unwrap_or_default()),
        ("uTime", millis(inst.list_ns)),
    ];
    object(&row, rows::RAW)
}
