//! Lives on the whole catalogue: feeds that subscribe to every kind of public channel, among
//! instruments that are listed, auctioned, halted, rebased, renamed, delisted and listed anew.
//!
//! Some lives are of this kind ([`is_one`]), all of them with `--catalogue`. What a channel's
//! argument names is written down here a second time on purpose; nothing is asked of the decoder.
//! In such a life the shell's part in listings is played as well: what people want and has opened
//! is subscribed, and lists are fetched anew now and then. Start at [`cast`].

use super::cast::{Part, part};
use super::chance::Chance;
use super::life::{Life, Violation};
use super::network::Parcel;
use market_data_model::{Command, Instrument, Subscription};
use market_data_okx::catalogue::Catalogue;
use market_data_sim::SimInstrument;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One life in so many is on the whole catalogue.
const EVERY: u64 = 8;
/// The play of instruments' lives is entered within so many seconds; it lasts 200.
const ENTER_SECONDS_MAX: u64 = 190;
/// Candidates of one feed, so that the judge stays quick.
const CANDIDATES_MAX: usize = 28;

/// How often is looked who trades, and for how long a crossed book may come after that.
const LOOK_EVERY_NS: u64 = 1_000_000_000;
const CROSSED_NS: u64 = 60 * LOOK_EVERY_NS;

/// What an argument names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// An instrument of these kinds; none listed: any.
    Inst(&'static [&'static str]),
    /// The instrument whose opening auction is part of the play.
    Auction,
    Index,
    Spread,
    /// One of these kinds.
    Kind(&'static [&'static str]),
    /// The family of an option, as `instFamily` alone.
    Family,
    /// A kind and a family or an instrument.
    Scope(&'static [&'static str]),
    Nothing,
}

const DERIVATIVES: &[&str] = &["SWAP", "FUTURES", "OPTION"];
const ANY: Names = Names::Inst(&[]);

const PUBLIC: &[(&str, Names)] = &[
    ("books", ANY),
    ("books5", ANY),
    ("bbo-tbt", ANY),
    ("trades", ANY),
    ("tickers", ANY),
    ("mark-price", Names::Inst(DERIVATIVES)),
    ("open-interest", Names::Inst(DERIVATIVES)),
    ("funding-rate", Names::Inst(&["SWAP"])),
    ("price-limit", Names::Inst(&["SPOT", "SWAP", "FUTURES", "OPTION"])),
    ("call-auction-details", Names::Auction),
    ("index-tickers", Names::Index),
    ("liquidation-orders", Names::Kind(DERIVATIVES)),
    ("adl-warning", Names::Kind(DERIVATIVES)),
    ("event-contract-markets", Names::Kind(&["EVENTS"])),
    ("opt-summary", Names::Family),
    ("option-trades", Names::Scope(&["OPTION"])),
    ("estimated-price", Names::Scope(&["OPTION", "FUTURES", "EVENTS"])),
    ("status", Names::Nothing),
];

const BUSINESS: &[(&str, Names)] = &[
    ("trades-all", ANY),
    ("candle1s", ANY),
    ("candle30m", ANY),
    ("candle1D", ANY),
    ("candle1M", ANY),
    ("mark-price-candle1m", Names::Inst(DERIVATIVES)),
    ("mark-price-candle1Yutc", Names::Inst(DERIVATIVES)),
    ("index-candle1H", Names::Index),
    ("block-tickers", ANY),
    ("public-block-trades", ANY),
    ("public-struc-block-trades", Names::Nothing),
    ("sprd-tickers", Names::Spread),
    ("sprd-public-trades", Names::Spread),
    ("sprd-bbo-tbt", Names::Spread),
    ("sprd-books5", Names::Spread),
    ("sprd-books-l2-tbt", Names::Spread),
    ("sprd-candle1m", Names::Spread),
    ("sprd-candle1W", Names::Spread),
];

/// Spreads that the pretend exchange always lists.
const SPREADS: [&str; 2] = ["BTC-USDT_BTC-USDT-SWAP", "ETH-USDT_ETH-USDT-SWAP"];
/// Who is listed anew as another instrument of the same id: its trades are numbered anew, which no
/// frame says, so that ids from before prove nothing about those after.
pub const RELISTED: &str = "GONE-USDT";
/// Who lives through something in its play; some are not listed yet when a life begins.
const PLAYERS: [&str; 8] = [
    "AUCT-USDT",
    "GONE-USDT",
    "HALT-USDT",
    "PREQ-USDT",
    "RENA-USDT-SWAP",
    "RENB-USDT-SWAP",
    "SPLT-USDT-SWAP",
    "TICK-USDT-SWAP",
];

/// Whether the life of this seed is on the whole catalogue, unless all are.
pub fn is_one(seed: u64) -> bool {
    Chance::new(seed, 9).one_in(EVERY)
}

/// How long after the start of the exchange such a life begins, in seconds.
pub fn enters_after(seed: u64) -> u64 {
    Chance::new(seed, 10).below(ENTER_SECONDS_MAX)
}

/// Whether keys of the channel are ids of instruments, which may end.
pub fn names_instrument(channel: &str, key: &str) -> bool {
    let found = PUBLIC.iter().chain(BUSINESS).find(|(name, _)| *name == channel);
    match found {
        Some((_, Names::Inst(_) | Names::Auction)) => true,
        Some((_, Names::Scope(_))) => key.contains("instId="),
        Some(_) => false,
        None => !channel.starts_with("index") && channel != "instruments",
    }
}

/// The feeds of such a life.
pub fn cast(chance: &mut Chance, listed: &[SimInstrument], most: usize) -> Vec<Part> {
    let named: Vec<&SimInstrument> = listed.iter().filter(|i| i.state == "live").collect();
    let mut chosen: BTreeSet<(String, String)> = BTreeSet::new();
    // One of each kind, so that every channel has something; then players of either kind.
    for kind in ["SPOT", "SWAP", "FUTURES", "OPTION", "EVENTS"] {
        let of: Vec<_> = named.iter().filter(|i| i.inst_type == kind).collect();
        if !of.is_empty() {
            // Of the event contracts the last is the one that plays: it ends soon.
            let one = if kind == "EVENTS" { of[of.len() - 1] } else { *chance.pick(&of) };
            chosen.insert((one.inst_id.clone(), kind.to_owned()));
        }
    }
    for _ in 0..most.max(1) {
        let player = *chance.pick(&PLAYERS);
        let kind = if player.ends_with("-SWAP") { "SWAP" } else { "SPOT" };
        chosen.insert((player.to_owned(), kind.to_owned()));
    }
    let people = People { listed: &named, chosen: &chosen };
    let mut parts = Vec::new();
    for (path, table, kind) in [
        ("/ws/v5/public", PUBLIC, "SPOT"),
        ("/ws/v5/public", PUBLIC, "SWAP"),
        ("/ws/v5/business", BUSINESS, ""),
    ] {
        let mut candidates = people.candidates(chance, table);
        while candidates.len() > CANDIDATES_MAX {
            candidates.swap_remove(chance.below(candidates.len() as u64) as usize);
        }
        let news = Subscription::new("instruments", kind);
        let sure = if kind.is_empty() { candidates[0].clone() } else { news.clone() };
        if !kind.is_empty() {
            // One kind a feed: events of the channel do not say which kind's they are.
            candidates.push(news);
        }
        parts.push(part(chance, path, candidates, sure));
    }
    parts
}

struct People<'a> {
    listed: &'a [&'a SimInstrument],
    chosen: &'a BTreeSet<(String, String)>,
}

impl People<'_> {
    fn candidates(
        &self,
        chance: &mut Chance,
        table: &[(&'static str, Names)],
    ) -> Vec<Subscription> {
        let mut all = Vec::new();
        for (channel, names) in table {
            let keys = self.keys(chance, *names);
            all.extend(keys.iter().map(|key| Subscription::new(channel, key)));
        }
        all
    }

    fn keys(&self, chance: &mut Chance, names: Names) -> Vec<String> {
        let of = |kinds: &[&str], kind: &str| kinds.is_empty() || kinds.contains(&kind);
        let family = |kind: &str| {
            let some =
                self.listed.iter().find(|i| i.inst_type == kind && !i.inst_family.is_empty());
            some.map(|i| i.inst_family.clone())
        };
        match names {
            Names::Inst(kinds) => {
                let fits = self.chosen.iter().filter(|(_, kind)| of(kinds, kind));
                fits.map(|(id, _)| id.clone()).collect()
            }
            Names::Auction => vec![PLAYERS[0].to_owned()],
            Names::Index => vec!["BTC-USD".to_owned(), "SUI-USDT".to_owned()],
            Names::Spread => vec![(*chance.pick(&SPREADS)).to_owned()],
            Names::Kind(kinds) => kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            Names::Family => family("OPTION").into_iter().collect(),
            // One kind each: rows and news of the exchange name the family, and no kind.
            Names::Scope(kinds) => {
                let kind = *chance.pick(kinds);
                let event = self.chosen.iter().find(|(_, of)| of == "EVENTS");
                let key = match (kind, event) {
                    ("EVENTS", event) => event.map(|(id, _)| format!("EVENTS,instId={id}")),
                    _ => family(kind).map(|family| format!("{kind},instFamily={family}")),
                };
                key.into_iter().collect()
            }
            Names::Nothing => vec![String::new()],
        }
    }
}

impl Life {
    /// The part of the shell: what people want and may have opened is asked for.
    pub(super) fn follow(&mut self, changed: &[Arc<Instrument>]) {
        if !self.options.catalogue {
            return;
        }
        let open: Vec<_> = changed.iter().filter(|x| x.is_subscribable()).collect();
        for feed in 0..self.rigs.len() {
            let opened = |s: &&Subscription| {
                names_instrument(&s.channel, &s.key) && open.iter().any(|x| *x.inst_id == *s.key)
            };
            let list: Vec<_> = self.rigs[feed].wanted.iter().filter(opened).cloned().collect();
            if !list.is_empty() {
                let parcel = Parcel::Command(Command::Subscribe(list));
                self.network.put(self.now, feed, 0, parcel);
            }
        }
    }

    /// Tells the judges whose books may be crossed: of what does not trade, or did not just now.
    pub(super) fn look_who_trades(&mut self) {
        if !self.options.catalogue || self.now < self.looked + LOOK_EVERY_NS {
            return;
        }
        self.looked = self.now;
        let until = self.now + CROSSED_NS;
        let listed = self.exchange.instruments();
        for instrument in listed.iter().filter(|i| i.state != "live") {
            for rig in &mut self.rigs {
                rig.judge.may_cross.insert(instrument.inst_id.clone(), until);
            }
        }
    }

    /// Fetches the lists of what can open, as the shell does now and then, and tells the feeds.
    pub(super) fn refresh(&mut self) -> Result<(), Violation> {
        use market_data_model::InstType::{Futures, Spot, Swap};
        let mut changed = Vec::new();
        for path in Catalogue::requests(&[Spot, Swap, Futures]) {
            let reply = self.exchange.rest(self.now, &path);
            let applied = self.catalogue.apply_response(&path, reply.status, reply.body.as_bytes());
            changed.extend(applied.into_iter().flat_map(|applied| applied.changed));
        }
        for feed in 0..self.rigs.len() {
            let parcel = Parcel::Command(Command::Instruments(changed.clone()));
            self.network.put(self.now, feed, 0, parcel);
        }
        // All of them: what was missed while the exchange misbehaved has its next chance here.
        let known: Vec<_> = self.catalogue.iter().cloned().collect();
        self.follow(&known);
        self.collect()
    }
}
