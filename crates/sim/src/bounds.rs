//! Prices that bound others: the limits of orders, and the estimate of what a contract settles at.
//!
//! `slow.rs` and `news.rs` push them, REST answers with the same rows. Pure functions of time.
//! Start at [`price_limit`].

use crate::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::feed::Fields;
use crate::instrument::{Asset, Instrument, Kind};
use crate::text::{decimal, millis};

/// How long before a settlement its price is estimated (OKX, since 2026-03-18).
const WINDOW_NS: u64 = 30 * MINUTE;
/// How often the index is looked at for the average.
const SAMPLE_NS: u64 = 30 * SECOND;

/// A `price-limit` row; without limits while nothing trades.
pub fn price_limit(inst: &Instrument, assets: &[Asset], now: u64) -> Fields {
    let enabled = inst.trades();
    let px = inst.fair(assets, now);
    let percent = match inst.kind {
        Kind::Spot => 5,
        Kind::Option => 40,
        _ => 2,
    };
    let reach = (px * percent / 100).max(1);
    let shown = |px: i64| if enabled { inst.px(px.max(1)) } else { String::new() };
    vec![
        ("instType", inst.kind.name().to_owned()),
        ("instId", inst.id.clone()),
        ("buyLmt", shown(px + reach)),
        ("sellLmt", shown(px - reach)),
        ("ts", millis(now)),
        ("enabled", enabled.to_string()),
    ]
}

/// The next settlement: its `settleType` and its time.
fn settlement(inst: &Instrument, now: u64) -> Option<(&'static str, u64)> {
    let exp_ns = inst.exp_ns.filter(|at| *at >= now)?;
    // Every day at 08:00 UTC, on the last day by delivery.
    let daily = (now + DAY - 1 - 8 * HOUR) / DAY * DAY + 8 * HOUR;
    match inst.kind {
        Kind::Option | Kind::Events => Some(("exercise", exp_ns)),
        Kind::Futures if inst.rule_type == "normal" && daily < exp_ns => {
            Some(("settlement", daily))
        }
        Kind::Futures => Some(("delivery", exp_ns)),
        _ => None,
    }
}

/// An `estimated-price` row: the average of the index since 30 minutes before; nothing earlier.
pub fn estimated_price(inst: &Instrument, assets: &[Asset], now: u64) -> Option<Fields> {
    let (kind, at) = settlement(inst, now)?;
    let begin = at - WINDOW_NS;
    if now < begin {
        return None;
    }
    let count = (now - begin) / SAMPLE_NS + 1;
    let sum: i128 = (0..count).map(|n| assets[inst.asset].usd_at(begin + n * SAMPLE_NS)).sum();
    Some(vec![
        ("instType", inst.kind.name().to_owned()),
        ("instId", inst.id.clone()),
        ("settleType", kind.to_owned()),
        // An index has its own places, here four: hundredths of a cent.
        ("settlePx", decimal(sum / i128::from(count) / 10i128.pow(10), 4)),
        ("ts", millis(now)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::MarketSize;
    use crate::table;

    #[test]
    fn windows_end_at_eight() {
        let start = 1_795_435_203_500_000_000;
        let list = table::list(MarketSize::Small, start).rows;
        let future = list.iter().find(|inst| inst.kind == Kind::Futures).unwrap();
        let eight = start / DAY * DAY + DAY + 8 * HOUR;
        assert_eq!(settlement(future, start), Some(("settlement", eight)));
        assert_eq!(settlement(future, eight), Some(("settlement", eight)));
        assert_eq!(settlement(future, eight + 1), Some(("settlement", eight + DAY)));
        let exp = future.exp_ns.unwrap();
        assert_eq!(settlement(future, exp - HOUR), Some(("delivery", exp)));
        assert_eq!(settlement(future, exp + 1), None);
        let assets = table::assets(1, start);
        assert!(estimated_price(future, &assets, eight - 31 * MINUTE).is_none());
        assert!(estimated_price(future, &assets, eight - 30 * MINUTE).is_some());
    }
}
