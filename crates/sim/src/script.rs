//! A play in which instruments live through everything that OKX documents of their lives.
//!
//! With [`SimConfig::lives`](crate::SimConfig::lives) the list gets a cast of its own, and
//! [`SCRIPT`] says what happens to whom and when; the other instruments are left alone. Each
//! change is pushed on `instruments`, as everywhere.
//!
//! Invariant: the same play for every seed, only prices differ. Start at [`SCRIPT`].

use std::borrow::Cow;

use crate::calendar::{DAY, HOUR, SECOND, friday_after};

use crate::exchange::{Event, Exchange};
use crate::feed::Memory;
use crate::instrument::{Contract, Instrument, Kind};
use crate::market::{Birth, Market};
use crate::table::{Busy, List, asset};
use crate::text::{decimal, millis};

/// What can happen to an instrument.
#[derive(Clone, Copy)]
enum Act {
    /// It is said to come, as a row without units; the text stands in `instId`.
    Announce(&'static str),
    /// Its units are known and it gathers orders until so many seconds after the start.
    Gather(&'static str, u64),
    /// It begins to trade.
    Open,
    /// It changes its state.
    State(&'static str),
    /// Its end is announced for so many seconds after the start.
    Delist(u64),
    /// A finer tick is announced for so many seconds after the start.
    Plan(u64),
    /// The finer tick takes effect.
    Refine,
    /// A larger least order is announced for so many seconds after the start.
    PlanLeast(u64),
    /// The larger least order takes effect.
    Raise,
    /// It gets another id and keeps its code; the old id expires.
    Rename(&'static str),
    /// It comes back under its old id with another code.
    Relist,
    /// A contract is worth ten times as much, as after a split.
    Multiply,
    /// It ceases to be a pre-market contract.
    LeavePreMarket,
    /// What it is judged by is known.
    Strike,
}

/// Seconds after the start, who, what. `*` stands for what the cast adds to a name.
static SCRIPT: &[(u64, &str, Act)] = &[
    (10, "AUCT-USDT", Act::Announce("LISTING-SPOT-AUCT-USDT")),
    (12, "PREQ-USDT", Act::Announce("")),
    (14, "SUI-USDT-*", Act::Announce("")),
    (20, "GONE-USDT", Act::Delist(120)),
    (25, "TICK-USDT-SWAP", Act::Plan(60)),
    (30, "BTC-ABOVE-DAILY-*", Act::State("preopen")),
    (40, "AUCT-USDT", Act::Gather("call_auction", 75)),
    (42, "PREQ-USDT", Act::Gather("pre_quote", 70)),
    (45, "SUI-USDT-*", Act::Open),
    (50, "SPLT-USDT-SWAP", Act::State("rebase")),
    (55, "HALT-USDT", Act::State("suspend")),
    (60, "TICK-USDT-SWAP", Act::Refine),
    (65, "SPLT-USDT-SWAP", Act::Multiply),
    (66, "SPLT-USDT-SWAP", Act::State("post_only")),
    (70, "PREQ-USDT", Act::Open),
    (72, "SPLT-USDT-SWAP", Act::State("live")),
    (75, "AUCT-USDT", Act::Open),
    (80, "HALT-USDT", Act::State("live")),
    (82, "HALT-USDT", Act::PlanLeast(95)),
    (85, "BTC-ABOVE-DAILY-*", Act::Strike),
    (90, "RENA-USDT-SWAP", Act::Rename("RENB-USDT-SWAP")),
    (95, "HALT-USDT", Act::Raise),
    (98, "RENB-USDT-SWAP", Act::State("post_only")),
    (105, "RENB-USDT-SWAP", Act::State("live")),
    (110, "SUI-USD_UM_XPERP-*", Act::LeavePreMarket),
    (150, "GONE-USDT", Act::Relist),
    (160, "BTC-ABOVE-DAILY-*", Act::Delist(180)),
    (165, "SUI-USDT-*", Act::Delist(200)),
];

/// Adds those who play from the start.
pub fn cast(list: &mut List) {
    let cast = [
        ("GONE", Kind::Spot),
        ("HALT", Kind::Spot),
        ("TICK", Kind::Swap),
        ("SPLT", Kind::Swap),
        ("RENA", Kind::Swap),
    ];
    for (name, kind) in cast {
        let mut made = player(list, name, kind);
        if name == "SPLT" {
            made.rule_type = "rebase_contract";
        }
        list.push(made);
    }
    let week = friday_after(list.start_ns, 2);
    list.future("SUI", "USD_UM_XPERP", week + 5 * 364, "this_five_years", Busy::Cool);
    if let Some(row) = list.rows.last_mut() {
        row.rule_type = "pre_market";
        row.pre_market_until_ns = Some(list.start_ns + 110 * SECOND);
    }
    let tomorrow = list.start_ns / DAY + 1 + u64::from(list.start_ns % DAY > 7 * HOUR);
    list.event(tomorrow, 93_000);
}

/// Somebody with a price like that of SUI.
fn player(list: &List, name: &str, kind: Kind) -> Instrument {
    let pair = format!("{name}-USDT");
    let spot = kind == Kind::Spot;
    let id = if spot { pair.clone() } else { format!("{pair}-SWAP") };
    let heat = Busy::Cool.heat(list.size, if spot { 3_000_000 } else { 300 });
    let fixed = Instrument {
        px_places: 4,
        sz_places: if spot { 4 } else { 0 },
        min_lots: if spot { 10_000 } else { 1 },
        heat,
        ..list.about(id, kind, asset("SUI"))
    };
    if spot {
        let base = Cow::Owned(name.to_owned());
        return Instrument { base, quote: "USDT", contract: Contract::Coins, ..fixed };
    }
    Instrument {
        family: pair,
        uly: "SUI-USDT".to_owned(),
        settle: "USDT",
        basis_ppm: -250,
        ..fixed
    }
}

impl Exchange {
    /// Puts the play on the timetable.
    pub(crate) fn start_script(&mut self) {
        if self.config.lives {
            for (line, (seconds, ..)) in SCRIPT.iter().enumerate() {
                self.schedule(self.config.start_ns + seconds * SECOND, Event::Script(line));
            }
        }
    }

    /// One line of the play.
    pub(crate) fn play(&mut self, line: usize) {
        let Some(&(_, name, act)) = SCRIPT.get(line) else { return };
        if let Act::Announce(placeholder) = act {
            return self.announce_player(name, placeholder);
        }
        let Some(n) = self.player(name) else { return };
        let at = |seconds: u64| self.config.start_ns + seconds * SECOND;
        match act {
            Act::Announce(_) => {}
            Act::Gather(how, until) => {
                let until = at(until);
                let code = 300_000 + n as i64;
                let inst = &mut self.markets[n].inst;
                (inst.blank, inst.code, inst.open_type) = (false, Some(code), how);
                inst.auction_end_ns = Some(until);
                self.announce(n);
            }
            Act::Open => {
                let code = 300_000 + n as i64;
                let inst = &mut self.markets[n].inst;
                inst.blank = false;
                inst.code = inst.code.or(Some(code));
                self.open_market(n);
            }
            Act::State(state) => self.set_state(n, state),
            Act::Delist(when) => {
                let when = at(when);
                self.markets[n].inst.exp_ns = Some(when);
                self.announce(n);
                self.schedule(when, Event::Life(n));
            }
            Act::Plan(when) => {
                let tick = decimal(1, self.markets[n].inst.px_places + 1);
                self.plan(n, "tickSz", &tick, at(when));
            }
            Act::Refine => self.refine(n),
            Act::PlanLeast(when) => {
                let inst = &self.markets[n].inst;
                let least = inst.sz(inst.min_lots * 2);
                self.plan(n, "minSz", &least, at(when));
            }
            Act::Raise => {
                let inst = &mut self.markets[n].inst;
                inst.min_lots *= 2;
                inst.planned = Cow::Borrowed("[]");
                self.announce(n);
            }
            Act::Rename(name) => self.rename(n, name),
            Act::Relist => self.relist(n),
            Act::Multiply => {
                self.markets[n].inst.ct_val *= 10;
                self.announce(n);
            }
            Act::LeavePreMarket => {
                self.markets[n].inst.rule_type = "xperp";
                self.announce(n);
            }
            Act::Strike => self.open_market(n),
        }
    }

    fn player(&self, name: &str) -> Option<usize> {
        match name.strip_suffix('*') {
            None => self.by_id.get(name).copied(),
            // The last of that name: those of the table come before the cast.
            Some(front) => {
                self.markets.iter().rposition(|market| market.inst.id.starts_with(front))
            }
        }
    }

    /// A row without units for somebody who will play later.
    fn announce_player(&mut self, name: &'static str, placeholder: &str) {
        let mut list = List { size: self.config.market, start_ns: self.now_ns, rows: Vec::new() };
        if name.ends_with('*') {
            list.future("SUI", "USDT", friday_after(self.now_ns, 9), "next_week", Busy::Cool);
        } else {
            let made = player(&list, name.trim_end_matches("-USDT"), Kind::Spot);
            list.rows.push(made);
        }
        let Some(mut inst) = list.rows.pop() else { return };
        (inst.blank, inst.code) = (true, None);
        inst.placeholder = placeholder.to_owned();
        inst.state = Cow::Borrowed("preopen");
        inst.list_ns = self.now_ns + 30 * SECOND;
        let n = self.add_market(inst);
        self.announce(n);
    }

    /// Puts another market behind the others.
    fn add_market(&mut self, inst: Instrument) -> usize {
        let number = self.markets.len();
        let birth = Birth {
            seed: self.config.seed,
            number: number - self.spreads,
            now_ns: self.now_ns,
            assets: &self.assets,
            history: false,
        };
        let next = self.families.len();
        if !inst.family.is_empty() {
            self.families.entry(inst.family.clone()).or_insert(next);
        }
        self.by_id.insert(inst.id.clone(), number);
        let mut market = Market::new(inst, birth);
        market.pace_ppm = self.pace.ppm;
        self.markets.push(market);
        number
    }

    /// Announces in `upcChg` what will change, to what, and when.
    fn plan(&mut self, n: usize, param: &str, value: &str, when_ns: u64) {
        self.markets[n].inst.planned = Cow::Owned(format!(
            "[{{\"param\":\"{param}\",\"newValue\":\"{value}\",\"effTime\":\"{}\"}}]",
            millis(when_ns)
        ));
        self.announce(n);
    }

    /// The tick gets finer, in the market and in everything that was published of it.
    fn refine(&mut self, n: usize) {
        self.catch_up(n);
        self.markets[n].refine();
        self.markets[n].inst.planned = Cow::Borrowed("[]");
        let keys: Vec<_> = self.keys_of(n).collect();
        for key in keys {
            let Some(feed) = self.feeds.get_mut(&key) else { continue };
            match &mut feed.memory {
                Memory::Book(book) => book.refine(),
                Memory::Candle { open, .. } => open.refine(),
                Memory::State(_) | Memory::Events => {}
            }
        }
        self.sbe_exponents(n);
        self.announce(n);
    }

    /// The old id expires, the new one goes on with the same code. Subscriptions to the old id
    /// end; OKX lets some of them trail.
    fn rename(&mut self, n: usize, name: &str) {
        self.set_state(n, "expired");
        let old = self.markets[n].inst.id.clone();
        self.by_id.remove(&old);
        self.by_id.insert(name.to_owned(), n);
        let inst = &mut self.markets[n].inst;
        inst.id = name.to_owned();
        inst.family = name.trim_end_matches("-SWAP").to_owned();
        let (family, next) = (inst.family.clone(), self.families.len());
        self.families.entry(family).or_insert(next);
        self.set_state(n, "rebase");
    }

    /// The expired instrument comes back as another one with the same id.
    fn relist(&mut self, n: usize) {
        let mut inst = self.markets[n].inst.clone();
        inst.exp_ns = None;
        inst.list_ns = self.now_ns;
        inst.state = Cow::Borrowed("live");
        inst.code = Some(400_000 + n as i64);
        let n = self.add_market(inst);
        self.announce(n);
    }
}
