//! Block trades: agreed elsewhere, told to the public a quarter of an hour late.
//!
//! A timetable: block number `k` happens some time in its slot, with one to three legs of one
//! family, at prices near their marks. Channels and REST read it, so they agree. Pure functions
//! of time and of the list. Start at [`Blocks::between`].

use crate::calendar::{DAY, MINUTE, SECOND};
use crate::feed::{Fields, object};
use crate::instrument::{Asset, Instrument, Kind};
use crate::market::{Market, Trade};
use crate::rng::mix;
use crate::text::millis;

/// One block in this time.
const SLOT_NS: u64 = 40 * SECOND;
/// How late the public hears of it (OKX, since 2024-12-11).
pub const LATE_NS: u64 = 15 * MINUTE;

/// One block trade.
pub struct Block {
    number: u64,
    /// When it was agreed.
    pub at_ns: u64,
    /// The market and the trade of each leg.
    pub legs: Vec<(usize, Trade)>,
}

/// What blocks are made of.
#[derive(Clone, Copy)]
pub struct Blocks<'a> {
    /// The exchange's seed.
    pub seed: u64,
    /// The list as it was at the start, so that a listing does not change the past.
    pub markets: &'a [Market],
    /// What it follows.
    pub assets: &'a [Asset],
}

impl Blocks<'_> {
    /// The blocks that became public after `from` and at or before `to`, oldest first.
    pub fn between(self, from: u64, to: u64) -> impl Iterator<Item = Block> {
        let (from, to) = (from.saturating_sub(LATE_NS), to.saturating_sub(LATE_NS));
        let numbers = (from / SLOT_NS).saturating_sub(1)..=to / SLOT_NS;
        let inside = move |block: &Block| block.at_ns > from && block.at_ns <= to;
        numbers.filter_map(move |number| self.block(number)).filter(inside)
    }

    /// The blocks of the 24 hours before `now` that are public.
    pub fn of_a_day(self, now: u64) -> impl Iterator<Item = Block> {
        self.between(now.saturating_sub(DAY), now)
    }

    fn block(self, number: u64) -> Option<Block> {
        let bits = mix(self.seed ^ mix(number ^ 0x626c_6f63));
        let at_ns = number * SLOT_NS + (bits >> 16) % (SLOT_NS / SECOND) * SECOND;
        let first = (bits % self.markets.len().max(1) as u64) as usize;
        let lead = &self.markets.get(first)?.inst;
        let traded = |inst: &Instrument| {
            !inst.blank
                && matches!(inst.kind, Kind::Swap | Kind::Futures | Kind::Option)
                && inst.list_ns <= at_ns
                && inst.exp_ns.is_none_or(|exp| exp > at_ns)
        };
        let same = |inst: &Instrument| inst.family == lead.family && inst.kind == lead.kind;
        let many = if lead.kind == Kind::Option { 1 + (bits >> 8) % 3 } else { 1 };
        let near = self.markets.iter().enumerate().skip(first).take(12);
        let fits = |(_, market): &(usize, &Market)| traded(&market.inst) && same(&market.inst);
        let found = near.filter(fits).take(many as usize).enumerate();
        let legs: Vec<(usize, Trade)> = found
            .map(|(leg, (n, market))| (n, self.leg(&market.inst, number, leg, at_ns)))
            .collect();
        (!legs.is_empty()).then_some(Block { number, at_ns, legs })
    }

    fn leg(self, inst: &Instrument, number: u64, leg: usize, at_ns: u64) -> Trade {
        let id = 1_000_000_000 + number * 4 + leg as u64;
        let bits = mix(self.seed ^ mix(id));
        let px = inst.fair(self.assets, at_ns);
        let off = (px / 500).max(1);
        Trade {
            id,
            px: (px - off + (bits % (2 * off as u64 + 1)) as i64).max(1),
            lots: inst.min_lots.max(inst.heat.lots * (5 + (bits >> 40) as i64 % 40)),
            buy: bits & (1 << 33) == 0,
            rpi: false,
            at_ns,
            taker: 0,
            seq: 0,
        }
    }
}

/// A `public-block-trades` row: a leg with what it was judged by, for options.
pub fn leg_row(inst: &Instrument, assets: &[Asset], trade: &Trade) -> Fields {
    let [forward, index, mark, vol] = crate::options::judged(inst, assets, trade);
    let plain = inst.kind != Kind::Option;
    let usd = assets[inst.asset].usd_at(trade.at_ns);
    let index = if plain { crate::text::decimal(usd / 10i128.pow(10), 4) } else { index };
    let mark = if plain { inst.px(inst.fair(assets, trade.at_ns)) } else { mark };
    vec![
        ("fillVol", vol),
        ("fwdPx", forward),
        ("groupId", String::new()),
        ("idxPx", index),
        ("instId", inst.id.clone()),
        ("markPx", mark),
        ("px", inst.px(trade.px)),
        ("side", side(trade)),
        ("sz", inst.sz(trade.lots)),
        ("tradeId", trade.id.to_string()),
        ("ts", millis(trade.at_ns)),
    ]
}

fn side(trade: &Trade) -> String {
    if trade.buy { "buy" } else { "sell" }.to_owned()
}

/// A `public-struc-block-trades` row: a whole block.
pub fn block_row(markets: &[Market], block: &Block) -> Fields {
    let leg = |(n, trade): &(usize, Trade)| {
        let inst = &markets[*n].inst;
        object(
            &vec![
                ("px", inst.px(trade.px)),
                ("sz", inst.sz(trade.lots)),
                ("instId", inst.id.clone()),
                ("side", side(trade)),
                ("tradeId", trade.id.to_string()),
            ],
            &[],
        )
    };
    let legs: Vec<String> = block.legs.iter().map(leg).collect();
    vec![
        ("cTime", millis(block.at_ns)),
        ("blockTdId", (10_000_000 + block.number).to_string()),
        ("groupId", String::new()),
        ("legs", format!("[{}]", legs.join(","))),
    ]
}

/// A `block-tickers` row: what was traded in blocks within 24 hours.
pub fn ticker_row(inst: &Instrument, trades: &[Trade], now: u64) -> Fields {
    let lots: i64 = trades.iter().map(|trade| trade.lots).sum();
    let turn = trades.iter().map(|t| i128::from(t.px) * i128::from(t.lots)).sum();
    let coins = trades.iter().map(|trade| inst.coins_e8(trade.px, trade.lots)).sum();
    vec![
        ("instType", inst.kind.name().to_owned()),
        ("instId", inst.id.clone()),
        ("volCcy24h", inst.vol_ccy(lots, turn, coins)),
        ("vol24h", inst.sz(lots)),
        ("ts", millis(now)),
    ]
}
