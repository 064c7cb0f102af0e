//! The table of instruments: what is listed, in which units, how busy.
//!
//! Built once per exchange from the start time, so that no expiry lies in the past. Shapes and
//! contract values follow the captures of production of April 2026; sizes of the order flow are
//! invented. Start at [`list`].

use std::borrow::Cow;

use crate::api::MarketSize;
use crate::calendar::{DAY, HOUR, friday_after, quarter_friday, yymmdd};
use crate::instrument::{Asset, Contract, Heat, Instrument, Kind, Strike};
use crate::path::Path;
use crate::rows::Index;

const MS: u64 = 1_000_000;

/// (name, reference price in 10^-14 dollars, how much it wanders in percent of BTC).
static ASSETS: &[(&str, i128, i64)] = &[
    ("BTC", 9_100_000_000_000_000_000, 100),
    ("ETH", 300_000_000_000_000_000, 130),
    ("SOL", 13_400_000_000_000_000, 160),
    ("XRP", 215_000_000_000_000, 150),
    ("DOGE", 14_900_000_000_000, 180),
    ("LTC", 8_450_000_000_000_000, 120),
    ("OKB", 11_200_000_000_000_000, 90),
    ("PEPE", 452_300_000, 250),
    ("SATS", 2_345_000, 250),
    ("USDC", 99_990_000_000_000, 1),
    ("SUI", 152_000_000_000_000, 200),
    ("NEW", 73_000_000_000_000, 400),
];

/// Looks an asset up by name.
pub fn asset(name: &str) -> usize {
    ASSETS.iter().position(|(n, ..)| *n == name).expect("the tables name listed assets only")
}

/// Every asset with its path.
pub fn assets(seed: u64, start_ns: u64) -> Vec<Asset> {
    let make = |(n, &(_, usd_e14, percent)): (usize, &(&str, i128, i64))| Asset {
        usd_e14,
        path: Path::new(seed, n as u64, start_ns, percent),
    };
    ASSETS.iter().enumerate().map(make).collect()
}

#[derive(Clone, Copy)]
pub(crate) enum Busy {
    Hot,
    Warm,
    Cool,
    Thin,
}

impl Busy {
    pub(crate) fn heat(self, size: MarketSize, lots: i64) -> Heat {
        let (wait_ms, levels) = match (size, self) {
            (MarketSize::Full, Self::Hot) => (60, 450),
            (MarketSize::Full, Self::Warm) => (250, 220),
            (MarketSize::Full, Self::Cool) => (1_200, 80),
            (MarketSize::Full, Self::Thin) => (6_000, 6),
            (MarketSize::None | MarketSize::Small, Self::Hot | Self::Warm) => (200, 24),
            (MarketSize::None | MarketSize::Small, Self::Cool) => (700, 14),
            (MarketSize::None | MarketSize::Small, Self::Thin) => (4_000, 4),
        };
        Heat { wait_ns: wait_ms * MS, levels, lots }
    }
}

struct SpotRow(&'static str, &'static str, u32, u32, i64, i64, Busy);

/// base, quote, price places, size places, minimum lots, typical lots, how busy.
static SPOT: &[SpotRow] = &[
    SpotRow("BTC", "USDT", 1, 8, 1_000, 4_000_000, Busy::Hot),
    SpotRow("ETH", "USDT", 2, 6, 100, 600_000, Busy::Hot),
    SpotRow("SOL", "USDT", 2, 6, 10_000, 9_000_000, Busy::Warm),
    SpotRow("XRP", "USDT", 4, 6, 1_000_000, 350_000_000, Busy::Warm),
    SpotRow("DOGE", "USDT", 5, 6, 10_000_000, 4_000_000_000, Busy::Warm),
    SpotRow("LTC", "USDT", 2, 6, 1_000, 4_000_000, Busy::Cool),
    SpotRow("OKB", "USDT", 2, 6, 10_000, 3_000_000, Busy::Cool),
    SpotRow("SUI", "USDT", 4, 4, 10_000, 3_000_000, Busy::Cool),
    SpotRow("PEPE", "USDT", 9, 0, 100_000, 90_000_000, Busy::Warm),
    SpotRow("SATS", "USDT", 13, 0, 10_000_000, 9_000_000_000, Busy::Cool),
    SpotRow("BTC", "USDC", 1, 8, 1_000, 1_500_000, Busy::Warm),
    SpotRow("ETH", "USDC", 2, 6, 100, 250_000, Busy::Cool),
    SpotRow("USDC", "USDT", 4, 6, 1_000_000, 900_000_000, Busy::Cool),
    SpotRow("ETH", "BTC", 5, 6, 100, 300_000, Busy::Cool),
    SpotRow("LTC", "BTC", 6, 6, 1_000, 2_000_000, Busy::Thin),
];

struct SwapRow(&'static str, &'static str, u32, u32, i64, u32, i64, i64, Busy);

/// asset, family suffix, price places, size places, contract value in units, its places,
/// typical lots, basis in ppm, how busy.
static SWAP: &[SwapRow] = &[
    SwapRow("BTC", "USDT", 1, 2, 1, 2, 300, -420, Busy::Hot),
    SwapRow("BTC", "USD", 1, 1, 100, 0, 400, -380, Busy::Hot),
    SwapRow("ETH", "USDT", 2, 2, 1, 1, 500, -390, Busy::Hot),
    SwapRow("ETH", "USD", 2, 0, 10, 0, 300, -350, Busy::Warm),
    SwapRow("SOL", "USDT", 2, 2, 1, 0, 900, -300, Busy::Warm),
    SwapRow("XRP", "USDT", 4, 2, 100, 0, 700, -310, Busy::Warm),
    SwapRow("DOGE", "USDT", 5, 2, 1_000, 0, 800, -280, Busy::Cool),
    SwapRow("PEPE", "USDT", 9, 1, 10_000_000, 0, 60, -260, Busy::Cool),
    SwapRow("SATS", "USDT", 13, 0, 10_000_000, 0, 500, -240, Busy::Cool),
    SwapRow("BTC", "USDC", 1, 0, 1, 4, 700, -450, Busy::Cool),
    SwapRow("BTC", "USD_UM", 1, 0, 1, 4, 600, -400, Busy::Cool),
    SwapRow("LTC", "USD", 2, 0, 10, 0, 20, -330, Busy::Thin),
];

pub(crate) struct List {
    pub(crate) size: MarketSize,
    pub(crate) start_ns: u64,
    pub(crate) rows: Vec<Instrument>,
}

/// The whole list in its fixed order.
pub(crate) fn list(size: MarketSize, start_ns: u64) -> List {
    let mut list = List { size, start_ns, rows: Vec::new() };
    let week = friday_after(start_ns, 2);
    let quarter = quarter_friday(start_ns, 16);
    if size == MarketSize::None {
        return list;
    }
    if size == MarketSize::Small {
        SPOT[..2].iter().for_each(|row| list.spot(row));
        SWAP[..2].iter().for_each(|row| list.swap(row));
        list.future("BTC", "USD", quarter, "quarter", Busy::Cool);
        list.option("BTC", "USD", week, (90_000, true));
        list.option("BTC", "USD", week, (96_000, false));
        return list;
    }
    SPOT.iter().for_each(|row| list.spot(row));
    SWAP.iter().for_each(|row| list.swap(row));
    for (family, busy) in [("USD", Busy::Warm), ("USDT", Busy::Warm)] {
        list.future("BTC", family, week, "this_week", busy);
        list.future("BTC", family, quarter, "quarter", busy);
    }
    list.future("ETH", "USD", quarter, "quarter", Busy::Cool);
    list.future("ETH", "USDT", quarter, "quarter", Busy::Cool);
    list.future("BTC", "USD_UM_XPERP", week + 5 * 364, "this_five_years", Busy::Cool);
    for (day, strikes) in [(week, [86_000, 90_000, 94_000]), (quarter, [80_000, 92_000, 110_000])] {
        for strike in strikes {
            list.option("BTC", "USD", day, (strike, true));
            list.option("BTC", "USD", day, (strike, false));
        }
    }
    for strike in [2_800, 3_000, 3_300] {
        list.option("ETH", "USD", week, (strike, true));
        list.option("ETH", "USD", week, (strike, false));
    }
    let tomorrow = start_ns / DAY + 1 + u64::from(start_ns % DAY > 7 * HOUR);
    list.event(tomorrow, 91_000);
    list.event(tomorrow, 92_000);
    // A second family on the index BTC-USD, which `underlying` does not tell apart.
    list.option("BTC", "USD_UM", week, (90_000, true));
    list.option("BTC", "USD_UM", week, (90_000, false));
    list
}

impl List {
    pub(crate) fn push(&mut self, mut row: Instrument) {
        row.code = Some(10_458 + 7 * self.rows.len() as i64);
        self.rows.push(row);
    }

    fn base(&self, id: String, kind: Kind, asset_name: &str) -> Instrument {
        self.about(id, kind, asset(asset_name))
    }

    /// An instrument of an asset by its number, with nothing but its name.
    pub(crate) fn about(&self, id: String, kind: Kind, asset: usize) -> Instrument {
        Instrument {
            id,
            kind,
            family: String::new(),
            uly: String::new(),
            base: Cow::Borrowed(""),
            quote: "",
            settle: "",
            contract: Contract::Linear,
            ct_val: 1,
            ct_places: 0,
            ct_mult: "1",
            px_places: 1,
            sz_places: 0,
            min_lots: 1,
            lever: "50",
            rule_type: "normal",
            alias: "",
            series: "",
            strike: None,
            list_ns: self.start_ns / DAY * DAY - 90 * DAY + 2 * HOUR,
            exp_ns: None,
            code: None,
            state: Cow::Borrowed("live"),
            auction_end_ns: None,
            open_type: if kind == Kind::Spot { "fix_price" } else { "" },
            pre_market_until_ns: None,
            planned: Cow::Borrowed("[]"),
            blank: false,
            placeholder: String::new(),
            asset,
            quote_asset: None,
            legs: None,
            px_shift: 0,
            basis_ppm: 0,
            heat: Busy::Thin.heat(self.size, 1),
        }
    }

    fn spot(&mut self, row: &SpotRow) {
        let &SpotRow(base, quote, px_places, sz_places, min_lots, lots, busy) = row;
        let heat = busy.heat(self.size, lots);
        let fixed = self.base(format!("{base}-{quote}"), Kind::Spot, base);
        self.push(Instrument {
            base: Cow::Borrowed(base),
            quote,
            contract: Contract::Coins,
            px_places,
            sz_places,
            min_lots,
            lever: "10",
            quote_asset: matches!(quote, "BTC" | "USDC").then(|| asset(quote)),
            heat,
            ..fixed
        });
    }

    fn swap(&mut self, row: &SwapRow) {
        let &SwapRow(name, suffix, px_places, sz_places, ct_val, ct_places, lots, basis, busy) =
            row;
        let family = format!("{name}-{suffix}");
        let heat = busy.heat(self.size, lots);
        let mut made = self.base(format!("{family}-SWAP"), Kind::Swap, name);
        made.contract = if suffix == "USD" { Contract::Inverse } else { Contract::Linear };
        made.settle = settle(suffix, ASSETS[made.asset].0);
        made.uly = format!("{name}-{}", suffix.split('_').next().unwrap_or(suffix));
        made.family = family;
        made.lever = "100";
        self.push(Instrument {
            px_places,
            sz_places,
            ct_val,
            ct_places,
            basis_ppm: basis,
            heat,
            ..made
        });
    }

    pub(crate) fn future(
        &mut self,
        name: &str,
        suffix: &str,
        day: u64,
        alias: &'static str,
        busy: Busy,
    ) {
        let family = format!("{name}-{suffix}");
        let mut made = self.base(format!("{family}-{}", yymmdd(day)), Kind::Futures, name);
        let inverse = suffix == "USD";
        made.contract = if inverse { Contract::Inverse } else { Contract::Linear };
        (made.ct_val, made.ct_places) = match (inverse, name, suffix) {
            (true, "BTC", _) => (100, 0),
            (true, ..) => (10, 0),
            (false, "BTC", "USDT") => (1, 2),
            (false, "BTC", _) => (1, 4),
            _ => (1, 1),
        };
        made.settle = settle(suffix, ASSETS[made.asset].0);
        made.uly = format!("{name}-{}", suffix.split('_').next().unwrap_or(suffix));
        made.family = family;
        made.sz_places = u32::from(made.ct_places != 4);
        made.px_places = if name == "BTC" { 1 } else { 2 };
        made.exp_ns = Some(day * DAY + 8 * HOUR);
        made.alias = alias;
        made.rule_type = if suffix.ends_with("XPERP") { "xperp" } else { "normal" };
        // About 4 % a year above the index; an X-Perp follows it by funding.
        let days = day.saturating_sub(self.start_ns / DAY) as i64;
        made.basis_ppm = if made.rule_type == "xperp" { -300 } else { 110 * days };
        made.heat = busy.heat(self.size, 200);
        self.push(made);
    }

    pub(crate) fn option(&mut self, name: &str, suffix: &str, day: u64, (usd, call): (i64, bool)) {
        let family = format!("{name}-{suffix}");
        let side = if call { "C" } else { "P" };
        let id = format!("{family}-{}-{usd}-{side}", yymmdd(day));
        let mut made = self.base(id, Kind::Option, name);
        made.contract = Contract::Linear;
        // `ctVal` 1 coin times `ctMult`: 0.01 for BTC, 0.1 for ETH.
        (made.ct_val, made.ct_places, made.ct_mult) =
            if name == "BTC" { (1, 2, "0.01") } else { (1, 1, "0.1") };
        made.settle = settle(suffix, ASSETS[made.asset].0);
        made.uly = format!("{name}-USD");
        made.family = family;
        // In coins, or in whole dollars.
        made.px_places = if suffix == "USD" { 4 } else { 0 };
        made.lever = "";
        made.strike = Some(Strike { usd, call });
        made.exp_ns = Some(day * DAY + 8 * HOUR);
        made.heat = Busy::Thin.heat(self.size, 60);
        self.push(made);
    }

    pub(crate) fn event(&mut self, day: u64, usd: i64) {
        let id = format!("BTC-ABOVE-DAILY-{}-1600-{usd}", yymmdd(day));
        let mut made = self.base(id, Kind::Events, "BTC");
        made.contract = Contract::Bare;
        made.uly = "BTC-USDT".to_owned();
        made.settle = "USDT";
        made.series = "BTC-ABOVE-DAILY";
        made.px_places = 2;
        made.sz_places = 1;
        made.lever = "";
        made.strike = Some(Strike { usd, call: true });
        // 16:00 in UTC+8.
        made.exp_ns = Some(day * DAY + 8 * HOUR);
        made.heat = Busy::Thin.heat(self.size, 500);
        self.push(made);
    }

    fn spread(&self, first: &Instrument, second: &Instrument, lots: i64) -> Instrument {
        let id = format!("{}_{}", first.id, second.id);
        let inverse = second.contract == Contract::Inverse;
        let mut made = self.about(id, Kind::Spread, first.asset);
        made.base = Cow::Borrowed(ASSETS[first.asset].0);
        made.quote = if inverse { "USD" } else { "USDT" };
        made.settle = if inverse { "USD" } else { ASSETS[first.asset].0 };
        made.sz_places = if inverse { 0 } else { 4 };
        made.min_lots = if inverse { 10 } else { 1 };
        made.px_places = first.px_places.max(second.px_places);
        made.px_shift = SHIFT;
        made.exp_ns = [first.exp_ns, second.exp_ns].into_iter().flatten().min();
        made.heat = Busy::Cool.heat(self.size, lots);
        made.legs = Some(Box::new([first.clone(), second.clone()]));
        made
    }

    /// A spot instrument that nobody has heard of yet.
    fn listing(&mut self, number: u32) {
        let id = format!("NEW{number}-USDT");
        let mut made = self.base(id, Kind::Spot, "NEW");
        made.base = Cow::Borrowed("NEW");
        made.quote = "USDT";
        made.contract = Contract::Coins;
        made.px_places = 4;
        made.sz_places = 2;
        made.min_lots = 100;
        made.heat = Busy::Cool.heat(self.size, 20_000);
        made.blank = true;
        // Both kinds of announcement exist: a placeholder id, and no id at all.
        if number % 2 == 1 {
            made.placeholder = format!("LISTING-SPOT-{}", made.id);
        }
        made.state = Cow::Borrowed("preopen");
        self.rows.push(made);
    }
}

/// Legs, and a typical size in lots.
static SPREADS: &[([&str; 2], i64)] = &[
    (["BTC-USDT", "BTC-USDT-SWAP"], 2_000),
    (["BTC-USD-SWAP", "BTC-USD-Q"], 4_000),
    (["ETH-USDT", "ETH-USDT-SWAP"], 30_000),
    (["BTC-USDT", "BTC-USDT-Q"], 2_000),
    (["BTC-USDT-SWAP", "BTC-USDT-Q"], 1_500),
    (["ETH-USD-SWAP", "ETH-USD-Q"], 3_000),
];
/// Spreads are printed this many ticks lower than the engine keeps them.
const SHIFT: i64 = 100_000;

/// The spreads whose legs are in `list`; `Q` is the future of the quarter.
pub fn spreads(list: &List) -> Vec<Instrument> {
    let leg = |name: &str| match name.strip_suffix("-Q") {
        Some(family) => list.rows.iter().find(|i| i.family == family && i.alias == "quarter"),
        None => list.rows.iter().find(|inst| inst.id == name),
    };
    let mut made = Vec::new();
    for (names, lots) in SPREADS {
        if let [Some(first), Some(second)] = names.map(leg) {
            made.push(list.spread(first, second, *lots));
        }
    }
    made
}

/// The instrument that listing number `number` will become, still blank.
pub fn listing(size: MarketSize, now_ns: u64, number: u32) -> Instrument {
    let mut list = List { size, start_ns: now_ns, rows: Vec::new() };
    list.listing(number);
    let mut made = list.rows.pop().expect("listing pushes one row");
    made.list_ns = now_ns + 30 * 1_000 * MS;
    made
}

fn settle(suffix: &str, coin: &'static str) -> &'static str {
    match suffix {
        "USD" => coin,
        "USDT" => "USDT",
        "USDC" => "USDC",
        _ => "USD",
    }
}

/// The indices: every underlying of the list, and the spot pairs in dollars and stablecoins.
pub fn indices(size: MarketSize, start_ns: u64) -> Vec<Index> {
    let list = List { size, start_ns, rows: Vec::new() };
    let mut made = Vec::new();
    let rows = match size {
        MarketSize::None => &[],
        MarketSize::Small => &SPOT[..2],
        MarketSize::Full => SPOT,
    };
    for row in rows {
        let &SpotRow(base, _, px_places, ..) = row;
        for quote in ["USD", "USDT", "USDC"] {
            let name = format!("{base}-{quote}");
            if made.iter().any(|index: &Index| index.name == name) || base == quote {
                continue;
            }
            let mut as_inst = list.base(name.clone(), Kind::Spot, base);
            as_inst.px_places = px_places;
            as_inst.quote_asset = (quote == "USDC").then(|| asset(quote));
            made.push(Index { name, as_inst });
        }
    }
    made
}
