//! One instrument: its units, its contract, and what it should cost.
//!
//! `table.rs` makes them, `market.rs` trades them, `listing.rs` prints their rows. Prices
//! are whole ticks and sizes whole lots; both are powers of ten here, so a tick is one unit of
//! the last decimal place.
//!
//! Start at [`Instrument`].

use std::borrow::Cow;

use crate::fixed::{mul, units};
use crate::path::Path;
use crate::text::decimal;
use crate::vol::Quote;

/// The five instrument types, and spreads, which OKX keeps apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Spot,
    Swap,
    Futures,
    Option,
    Events,
    Spread,
}

impl Kind {
    /// `instType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spot => "SPOT",
            Self::Swap => "SWAP",
            Self::Futures => "FUTURES",
            Self::Option => "OPTION",
            Self::Events => "EVENTS",
            Self::Spread => "SPREAD",
        }
    }
}

/// How contracts turn into money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contract {
    /// No contract: sizes are base currency.
    Coins,
    /// A contract is a number of coins.
    Linear,
    /// A contract is a number of dollars.
    Inverse,
    /// Sizes, volumes and turnover are all contracts (EVENTS).
    Bare,
}

/// A contract for or against a strike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Strike {
    /// In whole dollars.
    pub usd: i64,
    /// `C` rather than `P`.
    pub call: bool,
}

/// An asset with a dollar price that wanders.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Reference price in 10^-14 dollars.
    pub usd_e14: i128,
    /// How it wanders.
    pub path: Path,
}

impl Asset {
    /// The dollar price at `ns`, in 10^-14 dollars.
    pub fn usd_at(&self, ns: u64) -> i128 {
        (self.usd_e14 * i128::from(1_000_000_000 + self.path.ppb(ns)) / 1_000_000_000).max(1)
    }
}

/// How busy an instrument is.
#[derive(Clone, Copy, Debug)]
pub struct Heat {
    /// Mean time between bursts of activity.
    pub wait_ns: u64,
    /// How many levels a side the flow maintains.
    pub levels: usize,
    /// A typical order size in lots.
    pub lots: i64,
}

/// One instrument.
#[derive(Clone, Debug)]
pub struct Instrument {
    pub id: String,
    pub kind: Kind,
    pub family: String,
    pub uly: String,
    pub base: Cow<'static, str>,
    pub quote: &'static str,
    pub settle: &'static str,
    pub contract: Contract,
    /// Contract value in units of 10^-`ct_places`; 1 for spot.
    pub ct_val: i64,
    pub ct_places: u32,
    /// `ctMult` as text; it counts for options only.
    pub ct_mult: &'static str,
    pub px_places: u32,
    pub sz_places: u32,
    pub min_lots: i64,
    pub lever: &'static str,
    pub rule_type: &'static str,
    pub alias: &'static str,
    pub series: &'static str,
    pub strike: Option<Strike>,
    pub list_ns: u64,
    pub exp_ns: Option<u64>,
    pub code: Option<i64>,
    pub state: Cow<'static, str>,
    /// When its opening auction ends, once it has begun.
    pub auction_end_ns: Option<u64>,
    /// `openType`: how it opens, or opened.
    pub open_type: &'static str,
    /// When it ceases to be a pre-market contract.
    pub pre_market_until_ns: Option<u64>,
    /// `upcChg` as JSON: what is going to change, and when.
    pub planned: Cow<'static, str>,
    /// Only announced: most fields are still empty.
    pub blank: bool,
    /// What stands in `instId` as long as it is blank; can be empty.
    pub placeholder: String,
    /// The asset whose path it follows.
    pub asset: usize,
    /// Quoted in another asset rather than in dollars.
    pub quote_asset: Option<usize>,
    /// What a spread is the difference of: it is worth the second less the first.
    pub legs: Option<Box<[Instrument; 2]>>,
    /// Ticks that are taken off before a price is printed: spreads cost less than nothing, too.
    pub px_shift: i64,
    /// How far above its index it trades, in parts per million.
    pub basis_ppm: i64,
    pub heat: Heat,
}

impl Instrument {
    /// Gathers orders that do not match yet, so that its book may be crossed.
    pub fn in_auction(&self) -> bool {
        !self.blank && self.state == "preopen"
    }

    /// Trading, so that books move.
    pub fn trades(&self) -> bool {
        !self.blank
            && !matches!(
                &*self.state,
                "preopen" | "suspend" | "rebase" | "settling" | "expired" | "test"
            )
    }

    /// Whether a client may subscribe to it.
    pub fn open_for_subscription(&self) -> bool {
        !self.blank && self.state != "expired"
    }

    /// What it should cost at `ns`, in ticks, at least 1.
    pub fn fair(&self, assets: &[Asset], ns: u64) -> i64 {
        if let Some(legs) = &self.legs {
            return self
                .difference(&legs.each_ref().map(|leg| (leg.fair(assets, ns), leg.px_places)));
        }
        let usd = assets[self.asset].usd_at(ns);
        let scale = 10i128.pow(self.px_places);
        let e14 = 100_000_000_000_000i128;
        let ticks = match (self.kind, self.strike) {
            (Kind::Option, Some(_)) => {
                self.quote(assets, ns).map_or(1, |quote| self.option_price(&quote, self.px_places))
            }
            (Kind::Events, Some(strike)) => {
                // A probability that moves from 3 to 97 cents over 4 % around the strike.
                let off = (usd - i128::from(strike.usd) * e14) * 1_000_000 / usd;
                (scale / 2 + off * scale / 40_000).clamp(scale * 3 / 100, scale * 97 / 100)
            }
            _ => {
                let quote = self.quote_asset.map_or(e14, |q| assets[q].usd_at(ns));
                usd * scale / quote * (1_000_000 + i128::from(self.basis_ppm)) / 1_000_000
            }
        };
        (ticks as i64).max(1)
    }

    /// What a spread of legs at these prices should cost, in its own ticks.
    fn difference(&self, legs: &[(i64, u32); 2]) -> i64 {
        let [first, second] = legs.map(|(ticks, places)| {
            i128::from(ticks) * 10i128.pow(12 - places) / 10i128.pow(12 - self.px_places)
        });
        ((second - first) as i64 + self.px_shift).max(1)
    }

    /// An option as the surface of volatilities has it at `ns`; nothing for other instruments.
    pub fn quote(&self, assets: &[Asset], ns: u64) -> Option<Quote> {
        let strike = self.strike.filter(|_| self.kind == Kind::Option)?;
        let left = self.exp_ns.unwrap_or(ns).saturating_sub(ns);
        Some(Quote::of(assets[self.asset].usd_at(ns), self.asset, strike, left))
    }

    /// An option's fair price in units of 10^-`places` of its coin, or of dollars.
    pub fn option_price(&self, quote: &Quote, places: u32) -> i128 {
        let part = quote.price();
        units(if self.settle == "USD" { mul(part, quote.forward) } else { part }, places)
    }

    /// Ticks as text.
    pub fn px(&self, ticks: i64) -> String {
        decimal(i128::from(ticks - self.px_shift), self.px_places)
    }

    /// Lots as text.
    pub fn sz(&self, lots: i64) -> String {
        decimal(i128::from(lots), self.sz_places)
    }

    /// `volCcy`: quote currency for spot, coins for contracts, contracts for EVENTS.
    pub fn vol_ccy(&self, lots: i64, turn: i128, coin_e8: i128) -> String {
        match self.contract {
            Contract::Coins => decimal(turn, self.px_places + self.sz_places),
            Contract::Linear => {
                decimal(i128::from(lots) * i128::from(self.ct_val), self.sz_places + self.ct_places)
            }
            Contract::Inverse => decimal(coin_e8, 8),
            Contract::Bare => self.sz(lots),
        }
    }

    /// `volCcyQuote`: quote currency or dollars.
    pub fn vol_quote(&self, lots: i64, turn: i128) -> String {
        match self.contract {
            Contract::Coins => decimal(turn, self.px_places + self.sz_places),
            Contract::Linear => {
                let places = self.px_places + self.sz_places + self.ct_places;
                decimal(turn * i128::from(self.ct_val), places)
            }
            Contract::Inverse => {
                decimal(i128::from(lots) * i128::from(self.ct_val), self.sz_places + self.ct_places)
            }
            Contract::Bare => self.sz(lots),
        }
    }

    /// Coins of a trade in 10^-8, rounded down, for inverse contracts; 0 for the others.
    pub fn coins_e8(&self, ticks: i64, lots: i64) -> i128 {
        if self.contract != Contract::Inverse {
            return 0;
        }
        let usd = i128::from(lots) * i128::from(self.ct_val);
        let up = 10i128.pow(8 + self.px_places);
        usd * up / i128::from(ticks.max(1)) / 10i128.pow(self.sz_places + self.ct_places)
    }
}
