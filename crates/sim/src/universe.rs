//! A list as long as OKX's: invented coins with their spot, swaps and indices, and whole chains
//! of options.
//!
//! `exchange.rs` calls [`extend`] when [`SimConfig::universe`](crate::SimConfig::universe) asks
//! for more than the table has. The instruments of the table stay as they are, so a longer list
//! leaves their markets alone. The added ones are quiet and shallow: a market costs only while
//! somebody watches it, and then little.
//!
//! Invariant: no name is made twice. Start at [`extend`].

use std::borrow::Cow;

use crate::calendar::{friday_after, quarter_friday};
use crate::instrument::{Asset, Contract, Heat, Instrument, Kind};
use crate::path::Path;
use crate::rng::mix;
use crate::rows::Index;
use crate::table::List;

/// Of the added instruments this many in ten are options, as on OKX in 2026.
const OPTIONS_IN_TEN: usize = 3;
/// How many instruments can be added; more would be beyond anything OKX lists.
const ADDED_MAX: usize = 20_000;

/// What [`extend`] adds to.
pub struct Lists<'a> {
    /// The instruments.
    pub list: &'a mut List,
    /// What they follow.
    pub assets: &'a mut Vec<Asset>,
    /// The indices.
    pub indices: &'a mut Vec<Index>,
    /// The exchange's seed.
    pub seed: u64,
    /// When the exchange starts.
    pub start_ns: u64,
}

/// Adds instruments until there are `wanted`.
pub fn extend(lists: &mut Lists<'_>, wanted: usize) {
    let missing = wanted.saturating_sub(lists.list.rows.len()).min(ADDED_MAX);
    let goal = lists.list.rows.len() + missing;
    let options = missing * OPTIONS_IN_TEN / 10;
    let coins_until = goal - options;
    let mut number = 0;
    while lists.list.rows.len() < coins_until {
        coin(lists, number, coins_until);
        number += 1;
    }
    chains(lists, goal);
}

/// A coin that nobody has heard of: `BAKO`, `BELU` and so on.
fn coin_name(number: usize) -> String {
    const FIRST: &[u8] = b"BDFGHJKLMNPRSTVZ";
    const SECOND: &[u8] = b"AEIOU";
    let mut left = number;
    let mut pick = |from: &[u8]| {
        let letter = char::from(from[left % from.len()]);
        left /= from.len();
        letter
    };
    let mut name: String = [pick(FIRST), pick(SECOND), pick(FIRST), pick(SECOND)].iter().collect();
    if left > 0 {
        name.push_str(&left.to_string());
    }
    name
}

/// One coin: its path, two indices, spot in two currencies, a linear swap, now and then another.
fn coin(lists: &mut Lists<'_>, number: usize, goal: usize) {
    let name = coin_name(number);
    let bits = mix(lists.seed ^ 0x636f_696e ^ number as u64);
    // From a thousandth of a dollar to a hundred dollars.
    let power = 11 + (bits % 5) as u32;
    let usd_e14 = i128::from(1_000 + (bits >> 8) % 9_000) * 10i128.pow(power) / 1_000;
    let asset = lists.assets.len();
    let percent = 120 + (bits >> 24) as i64 % 180;
    lists.assets.push(Asset {
        usd_e14,
        path: Path::new(lists.seed, asset as u64, lists.start_ns, percent),
    });
    // Five digits of the price are ticks.
    let px_places = 18u32.saturating_sub(power).min(8);
    let sz_places = if power >= 13 { 4 } else { 2 };
    let worth = 10i128.pow(17) * 10i128.pow(sz_places) / usd_e14;
    let lots = (worth as i64).max(1);
    let spot = |quote: &'static str| Instrument {
        base: Cow::Owned(name.clone()),
        quote,
        contract: Contract::Coins,
        px_places,
        sz_places,
        min_lots: (lots / 100).max(1),
        lever: "5",
        heat: quiet(bits, lots),
        ..lists.list.about(format!("{name}-{quote}"), Kind::Spot, asset)
    };
    let mut made = vec![spot("USDT")];
    let family = format!("{name}-USDT");
    made.push(Instrument {
        uly: family.clone(),
        settle: "USDT",
        px_places,
        sz_places: 0,
        ct_val: 10i64.pow(15u32.saturating_sub(power)),
        lever: "50",
        basis_ppm: -200 - (bits >> 40) as i64 % 300,
        heat: quiet(bits >> 3, 400),
        family: family.clone(),
        ..lists.list.about(format!("{family}-SWAP"), Kind::Swap, asset)
    });
    if bits.is_multiple_of(3) {
        made.push(spot("USDC"));
    }
    for quote in ["USD", "USDT"] {
        let index = format!("{name}-{quote}");
        let mut as_inst = lists.list.about(index.clone(), Kind::Spot, asset);
        as_inst.px_places = px_places;
        lists.indices.push(Index { name: index, as_inst });
    }
    for inst in made {
        if lists.list.rows.len() < goal {
            lists.list.push(inst);
        }
    }
}

fn quiet(bits: u64, lots: i64) -> Heat {
    Heat {
        wait_ns: (3_000 + bits % 9_000) * 1_000_000,
        levels: 12 + (bits >> 5) as usize % 14,
        lots,
    }
}

/// Chains of options on BTC and ETH, week after week, strikes around the price at the start.
fn chains(lists: &mut Lists<'_>, goal: usize) {
    let chain = [("BTC", 91_000, 1_000), ("ETH", 3_000, 50)];
    // The table itself has options of the first Friday and of the quarter's.
    let taken = quarter_friday(lists.start_ns, 16);
    let days = (0u64..).map(|week| friday_after(lists.start_ns, 9) + 7 * week);
    for day in days.filter(|day| *day != taken) {
        for step in 0..40 {
            for (name, middle, width) in chain {
                let usd = middle + (step - 20) * width;
                for call in [true, false] {
                    if lists.list.rows.len() >= goal {
                        return;
                    }
                    lists.list.option(name, "USD", day, (usd, call));
                }
            }
        }
    }
}
