//! What an opening auction has gathered: the price at which most would trade.
//!
//! `slow.rs` pushes a row a second while an auction runs, `weather.rs` the last one when it ends.
//! Invariant: at the given price no more could be matched at any other. Start at [`balance`].

use crate::engine::{Engine, Side};
use crate::feed::Fields;
use crate::market::Market;
use crate::text::millis;

/// A price, the lots that would trade at it, and the lots that would be left on its longer side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Balance {
    /// In ticks.
    pub px: i64,
    /// In lots.
    pub matched: i64,
    /// In lots.
    pub left: i64,
}

/// Where a crossed book balances; nothing if it is not crossed.
pub fn balance(engine: &Engine) -> Option<Balance> {
    let bids = engine.side(Side::Bid);
    let asks = engine.side(Side::Ask);
    if engine.best(Side::Bid)? < engine.best(Side::Ask)? {
        return None;
    }
    let at = |px: i64| {
        let bought: i64 = bids.iter().filter(|level| level.px >= px).map(|level| level.lots).sum();
        let sold: i64 = asks.iter().filter(|level| level.px <= px).map(|level| level.lots).sum();
        Balance { px, matched: bought.min(sold), left: (bought - sold).abs() }
    };
    let prices = bids.iter().chain(asks).map(|level| level.px);
    prices.map(at).max_by_key(|found| (found.matched, -found.left, -found.px))
}

fn details(market: &Market, found: Option<Balance>, state: &str, now: u64) -> Fields {
    let inst = &market.inst;
    let sz = |lots: Option<i64>| lots.map_or("0".to_owned(), |lots| inst.sz(lots));
    vec![
        ("instId", inst.id.clone()),
        ("eqPx", found.map(|found| inst.px(found.px)).unwrap_or_default()),
        ("matchedSz", sz(found.map(|found| found.matched))),
        ("unmatchedSz", sz(found.map(|found| found.left))),
        ("auctionEndTime", inst.auction_end_ns.map(millis).unwrap_or_default()),
        ("state", state.to_owned()),
        ("ts", millis(now)),
    ]
}

/// A `call-auction-details` row while the auction runs.
pub fn row(market: &Market, now: u64) -> Option<Fields> {
    let running = market.inst.in_auction() && market.inst.open_type == "call_auction";
    running.then(|| details(market, balance(&market.engine), "call_auction", now))
}

/// The row after the auction, and of an instrument that had none.
pub fn ended(market: &Market, now: u64) -> Fields {
    details(market, None, "continuous_trading", now)
}
