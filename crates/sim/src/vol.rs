//! What options cost and how they move: Black and Scholes on one volatility surface.
//!
//! `instrument.rs` takes fair prices from here and `options.rs` the greeks, so marks, volatilities
//! and greeks of one option always belong together. No interest is paid; the forward carries the
//! same premium as the futures of the table.
//!
//! Invariants: calls minus puts of one strike are the forward minus the strike; all numbers are
//! those of `fixed.rs`. Start at [`Quote::of`].

use crate::fixed::{ONE, cdf, div, exp, ln, mul, pdf, ratio, sqrt};
use crate::instrument::Strike;

/// Nanoseconds of a year of 365 days.
const YEAR_NS: i128 = 365 * 86_400 * 1_000_000_000;
/// Closer to the expiry than this the clock stands still, so that nothing is divided by 0.
const LAST_NS: i128 = 60_000_000_000;
/// How much the forward is above the index after a year, as the futures are.
const CARRY: i128 = ratio(40_150, 1_000_000);

/// One option at one time.
#[derive(Clone, Copy, Debug)]
pub struct Quote {
    /// The forward in dollars.
    pub forward: i128,
    /// The index in dollars.
    pub index: i128,
    /// The volatility of its strike and expiry; 1 is 100 % a year.
    pub vol: i128,
    /// The volatility at the money of its expiry.
    pub vol_at_money: i128,
    /// How far half the usual spread is, in volatility.
    pub half_spread: i128,
    years: i128,
    strike: i128,
    call: bool,
}

/// How a price moves, all in dollars.
#[derive(Clone, Copy, Debug)]
pub struct Greeks {
    /// For a dollar of the forward.
    pub delta: i128,
    /// Change of delta for a dollar, times the forward.
    pub gamma_forward: i128,
    /// For a percent of volatility.
    pub vega: i128,
    /// For a day.
    pub theta: i128,
}

impl Quote {
    /// An option on an asset of index `usd_e14`, `left_ns` before its expiry.
    pub fn of(usd_e14: i128, asset: usize, strike: Strike, left_ns: u64) -> Self {
        let years = div(i128::from(left_ns).max(LAST_NS), YEAR_NS);
        let index = (usd_e14 << 48) / 100_000_000_000_000;
        let forward = mul(index, exp(mul(CARRY, years)));
        let strike_usd = i128::from(strike.usd) << 48;
        // Wilder for smaller assets, higher for later expiries, a smile with a skew to the puts.
        let base = ratio(46 + 8 * (asset as i128).min(6), 100);
        let vol_at_money = base + mul(ratio(6, 100), sqrt(years));
        let away = div(ln(div(strike_usd, forward)), sqrt(years)).clamp(-3 * ONE, 3 * ONE);
        let smile = mul(ratio(15, 1_000), mul(away, away)) - mul(ratio(2, 100), away);
        Self {
            forward,
            index,
            vol: vol_at_money + smile,
            vol_at_money,
            half_spread: ratio(8, 1_000) + mul(ratio(6, 1_000), away.abs()),
            years,
            strike: strike_usd,
            call: strike.call,
        }
    }

    /// `d1` at a volatility, and the deviation up to the expiry.
    fn d1(&self, vol: i128) -> (i128, i128) {
        let deviation = mul(vol, sqrt(self.years));
        (div(ln(div(self.forward, self.strike)), deviation) + deviation / 2, deviation)
    }

    /// The price as a part of the forward, which is the price in coins.
    pub fn price_at(&self, vol: i128) -> i128 {
        let (d1, deviation) = self.d1(vol);
        let d2 = d1 - deviation;
        let k = div(self.strike, self.forward);
        let price = if self.call { cdf(d1) - mul(k, cdf(d2)) } else { mul(k, cdf(-d2)) - cdf(-d1) };
        price.max(0)
    }

    /// The price on the surface, as a part of the forward.
    pub fn price(&self) -> i128 {
        self.price_at(self.vol)
    }

    /// How the price moves.
    pub fn greeks(&self) -> Greeks {
        let (d1, deviation) = self.d1(self.vol);
        let density = pdf(d1);
        let root = sqrt(self.years);
        Greeks {
            delta: if self.call { cdf(d1) } else { cdf(d1) - ONE },
            gamma_forward: div(density, deviation),
            vega: mul(self.forward, mul(density, root)) / 100,
            theta: -div(mul(self.forward, mul(density, self.vol)), 2 * root) / 365,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::units;

    const DAY: u64 = 86_400_000_000_000;
    const BTC: i128 = 9_100_000_000_000_000_000;

    fn quote(usd: i64, call: bool, days: u64) -> Quote {
        Quote::of(BTC, 0, Strike { usd, call }, days * DAY)
    }

    #[test]
    fn parity_and_order() {
        for days in [1, 7, 40, 300] {
            let mut before = ONE;
            for usd in (40_000..160_000).step_by(2_500) {
                let (call, put) = (quote(usd, true, days), quote(usd, false, days));
                let gap = call.price() - put.price();
                let owed = ONE - div(call.strike, call.forward);
                assert!((gap - owed).abs() < 1 << 24, "{days} {usd}");
                assert!(call.price() <= before, "a higher strike costs less: {days} {usd}");
                before = call.price();
            }
        }
    }

    #[test]
    fn greeks_are_the_slopes_of_the_price() {
        for usd in [80_000, 91_000, 105_000] {
            for call in [true, false] {
                let here = quote(usd, call, 30);
                let greeks = here.greeks();
                let dollars = |q: &Quote| mul(q.price(), q.forward);
                // The surface moves with the forward; hold the volatility.
                let shifted = |usd: i128| Quote { forward: here.forward + (usd << 48), ..here };
                let slope = (dollars(&shifted(10)) - dollars(&shifted(-10))) / 20;
                assert!((slope - greeks.delta).abs() < ratio(1, 100_000), "{usd} {call}");
                let bend = shifted(50).greeks().delta - shifted(-50).greeks().delta;
                let gamma = div(mul(bend, here.forward), ratio(100, 1));
                assert!((gamma - greeks.gamma_forward).abs() < ratio(1, 1_000), "{usd}");
                let wilder = Quote { vol: here.vol + ratio(1, 1_000), ..here };
                let vega = (dollars(&wilder) - dollars(&here)) * 10;
                assert!((vega - greeks.vega).abs() < greeks.vega / 100, "{usd} {call}");
                let later = Quote { years: here.years - div(ONE, 365 * 24 * ONE), ..here };
                let theta = (dollars(&later) - dollars(&here)) * 24;
                assert!((theta - greeks.theta).abs() < greeks.theta.abs() / 50, "{usd} {call}");
            }
        }
    }

    #[test]
    fn prices_of_a_usual_calculator() {
        // At the money, 30 days, 46 % + 6 % x sqrt(30 / 365): 0.4 x vol x sqrt(T) of the forward.
        let here = quote(91_300, true, 30);
        let e6 = units(here.price(), 6);
        assert!((53_000..56_500).contains(&e6), "{e6}");
    }
}
