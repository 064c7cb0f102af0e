//! What the option channels say: greeks, and trades with what they were judged by.
//!
//! All numbers of one row come from one quote of `vol.rs`, the mark price included. Start at
//! [`summary`].

use crate::feed::Fields;
use crate::fixed::{ONE, div, units};
use crate::instrument::{Asset, Instrument};
use crate::market::Trade;
use crate::text::{decimal, millis};

/// Decimal places of greeks and volatilities.
const PLACES: u32 = 10;
/// The largest `lever`.
const LEVER_MAX: i128 = 2_000 * ONE;

fn text(value: i128) -> String {
    decimal(units(value, PLACES), PLACES)
}

/// An `opt-summary` row; nothing for what is no option, or has no volatility because it costs
/// nothing. `bare` are the sides on which nobody quotes.
pub fn summary(inst: &Instrument, assets: &[Asset], bare: [bool; 2], now: u64) -> Option<Fields> {
    let quote = inst.quote(assets, now)?;
    let price = quote.price();
    if units(price, PLACES) == 0 {
        return None;
    }
    let greeks = quote.greeks();
    // Price adjusted: in coins, as the holder of a coin margin feels it.
    let delta = greeks.delta - price;
    let side = |bare: bool, vol: i128| {
        let tick = inst.px_places.min(8);
        let worthless = units(quote.price_at(vol.max(ONE / 100)), tick.max(4)) == 0;
        if bare || worthless { String::new() } else { text(vol) }
    };
    Some(vec![
        ("instType", inst.kind.name().to_owned()),
        ("instId", inst.id.clone()),
        ("uly", inst.uly.clone()),
        ("delta", text(delta)),
        ("gamma", text(greeks.gamma_forward - 2 * delta)),
        ("vega", text(div(greeks.vega, quote.forward))),
        ("theta", text(div(greeks.theta, quote.forward))),
        ("lever", text(div(ONE, price).min(LEVER_MAX))),
        ("markVol", text(quote.vol)),
        ("bidVol", side(bare[0], quote.vol - quote.half_spread)),
        ("askVol", side(bare[1], quote.vol + quote.half_spread)),
        ("realVol", String::new()),
        ("deltaBS", text(greeks.delta)),
        ("gammaBS", text(div(greeks.gamma_forward, quote.forward))),
        ("thetaBS", text(greeks.theta)),
        ("vegaBS", text(greeks.vega)),
        ("volLv", text(quote.vol_at_money)),
        ("fwdPx", text(quote.forward)),
        ("ts", millis(now)),
    ])
}

/// The forward, the index, the mark price and the volatility a trade was done at.
pub fn judged(inst: &Instrument, assets: &[Asset], fill: &Trade) -> [String; 4] {
    let Some(quote) = inst.quote(assets, fill.at_ns) else { return Default::default() };
    let mark = decimal(inst.option_price(&quote, 16), 16);
    [text(quote.forward), text(quote.index), mark, text(quote.vol)]
}

/// An `option-trades` row.
pub fn trade(inst: &Instrument, assets: &[Asset], fill: &Trade) -> Fields {
    let [forward, index, mark, vol] = judged(inst, assets, fill);
    let call = inst.strike.is_some_and(|strike| strike.call);
    vec![
        ("instFamily", inst.family.clone()),
        ("instId", inst.id.clone()),
        ("markPx", mark),
        ("optType", if call { "C" } else { "P" }.to_owned()),
        ("px", inst.px(fill.px)),
        ("side", if fill.buy { "buy" } else { "sell" }.to_owned()),
        ("sz", inst.sz(fill.lots)),
        ("tradeId", fill.id.to_string()),
        ("fillVol", vol),
        ("fwdPx", forward),
        ("idxPx", index),
        ("ts", millis(fill.at_ns)),
    ]
}
