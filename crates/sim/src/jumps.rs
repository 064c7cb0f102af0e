//! What sudden moves of a price bring: forced orders, and warnings about the insurance fund.
//!
//! Pure functions of time: a move is what an asset's path does within some seconds, so a feed
//! that begins late sees the same events as one that was there. Forced orders are reports only;
//! the order flow has its own takers. Start at [`liquidations`].

use crate::calendar::SECOND;
use crate::feed::{Fields, object};
use crate::instrument::{Asset, Instrument, Kind};
use crate::rng::mix;
use crate::text::{decimal, millis};

/// A move of this many millionths within [`JUMP_NS`] liquidates.
const JUMP_PPM: i64 = 220;
/// Within which a jump happens.
const JUMP_NS: u64 = 10 * SECOND;
/// A move of this many millionths within a minute drains the fund.
const WARN_PPM: i64 = 1_800;
/// A move of this many millionths within a minute starts auto-deleveraging.
const ADL_PPM: i64 = 2_500;

/// How far an asset has moved within `over`, in millionths.
fn moved(asset: &Asset, now: u64, over: u64) -> i64 {
    let (before, after) = (asset.usd_at(now.saturating_sub(over)), asset.usd_at(now));
    ((after - before) * 1_000_000 / before.max(1)) as i64
}

/// The `liquidation-orders` row of an instrument in the second before `now`, if there is one;
/// `kind` is what the subscription asked for.
pub fn liquidations(
    inst: &Instrument,
    kind: &str,
    assets: &[Asset],
    (seed, now): (u64, u64),
) -> Option<Fields> {
    let jump = moved(&assets[inst.asset], now, JUMP_NS);
    let whose = mix(inst.list_ns ^ inst.code.unwrap_or_default() as u64);
    let bits = mix(seed ^ whose ^ (now / SECOND));
    if !inst.trades() || jump.abs() < JUMP_PPM || !bits.is_multiple_of(3) {
        return None;
    }
    // Who held the wrong side is closed out by the other.
    let (side, held) = if jump < 0 { ("sell", "long") } else { ("buy", "short") };
    let detail = |n: u64| {
        let bits = mix(bits ^ n);
        let ago = bits % (3 * SECOND);
        let px = inst.fair(assets, now - ago);
        let worse = px * (20 + (bits >> 20) as i64 % 60) / 10_000;
        let px = if jump < 0 { px - worse } else { px + worse };
        let lots = inst.min_lots.max(inst.heat.lots * (1 + (bits >> 32) as i64 % 30) / 5);
        object(
            &vec![
                ("bkLoss", "0".to_owned()),
                ("bkPx", inst.px(px.max(1))),
                ("ccy", String::new()),
                ("posSide", held.to_owned()),
                ("side", side.to_owned()),
                ("sz", inst.sz(lots)),
                ("ts", millis(now - ago)),
            ],
            &[],
        )
    };
    let details: Vec<String> = (0..1 + (bits >> 8) % 2).map(detail).collect();
    let family = if inst.kind == Kind::Spot { &inst.id } else { &inst.family };
    let uly = if inst.kind == Kind::Spot { &inst.id } else { &inst.uly };
    Some(vec![
        ("details", format!("[{}]", details.join(","))),
        ("instFamily", family.clone()),
        ("instId", inst.id.clone()),
        ("instType", kind.to_owned()),
        ("uly", uly.clone()),
    ])
}

/// The `adl-warning` row of a family, silent while all is normal.
pub fn warning(inst: &Instrument, assets: &[Asset], now: u64) -> Option<Fields> {
    let far = moved(&assets[inst.asset], now, 60 * SECOND).abs();
    let state = match far {
        ADL_PPM.. => "adl",
        WARN_PPM.. => "warning",
        _ => return None,
    };
    let balance = 40_000_000_000 - i128::from(far) * 7_000_000;
    let mut row = vec![
        ("instType", inst.kind.name().to_owned()),
        ("instFamily", inst.family.clone()),
        ("state", state.to_owned()),
        ("bal", decimal(balance, 3)),
        ("ts", millis(now)),
    ];
    // Blank since 2026-06-09.
    let blank = ["ccy", "maxBal", "maxBalTs", "adlType", "adlBal", "adlRecBal"];
    row.extend(blank.map(|name| (name, String::new())));
    row.extend(["decRate", "adlRate", "adlRecRate"].map(|name| (name, String::new())));
    Some(row)
}
