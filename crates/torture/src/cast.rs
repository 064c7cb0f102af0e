//! Who plays in a life: which feeds there are, what each subscribes to, and what is asked of them
//! in the middle of it.
//!
//! Decided by the seed and by the list of instruments that the pretend exchange has. Start at
//! [`cast`].

use super::chance::Chance;
use market_data_model::{Command, Subscription};
use market_data_sim::SimInstrument;
use std::collections::BTreeSet;

/// One feed's part.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where it connects to.
    pub path: &'static str,
    /// What it wants at first.
    pub subscriptions: Vec<Subscription>,
    /// What it may be told to want later.
    pub candidates: Vec<Subscription>,
    /// Levels of the views it emits; 0 = no views.
    pub view_depth: u16,
    /// Whether it emits changes of books.
    pub deltas: bool,
    /// Seed of its jitter.
    pub seed: u64,
    /// Whether the shell around it has a key, which opens the books of [`LOGIN`].
    pub login: bool,
    /// Whether it fetches missing trades.
    pub refill: bool,
    /// Whether it follows its bars, and fetches those that it missed.
    pub bars: bool,
    /// Its connections.
    pub lines: u8,
    /// How long it uses one, in ns; 0 = for ever.
    pub rotate_ns: u64,
    /// Time between two turns of books to be compared, in ns; 0 = never.
    pub witness_ns: u64,
}

const PUBLIC: &[&str] = &["books", "books5", "bbo-tbt", "books-rpi", "trades", "tickers"];
const BUSINESS: &[&str] = &["trades-all", "candle1s", "candle1m", "candle1Dutc"];
/// Public as well, for those who log in. (`books-l2-tbt` excludes `books`, which would need a cast
/// of its own.)
const LOGIN: &str = "books50-l2-tbt";
/// One public feed in so many has a key.
const LOGIN_EVERY: u64 = 4;
/// One feed in so many does not fetch what it misses.
const REFILL_NOT: u64 = 5;
/// One feed in so many has two lines, and one in so many replaces its connections.
const LINES_EVERY: u64 = 3;
const ROTATES_EVERY: u64 = 4;
/// One feed in so many has no second witness.
const WITNESS_NOT: u64 = 4;
const SECOND: u64 = 1_000_000_000;
/// An instrument that was never listed: refused for ever, and nobody else may suffer.
const NOBODY: &str = "NOPE-USDT";

/// The feeds of a life that touches at most `most` instruments.
pub fn cast(chance: &mut Chance, listed: &[SimInstrument], most: usize) -> Vec<Part> {
    let mut live: Vec<&SimInstrument> = listed.iter().filter(|i| i.state == "live").collect();
    let wanted = chance.between(1, 4) as usize;
    while live.len() > wanted.min(most.max(1)) {
        live.remove(chance.below(live.len() as u64) as usize);
    }
    let mut parts = vec![public(chance, &live), business(chance, &live)];
    if chance.one_in(3) {
        parts.push(public(chance, &live));
    }
    if chance.one_in(6) {
        parts[0].subscriptions.push(Subscription::new("trades", NOBODY));
    }
    parts
}

fn public(chance: &mut Chance, live: &[&SimInstrument]) -> Part {
    let mut candidates = Vec::new();
    for instrument in live {
        candidates.extend(PUBLIC.iter().map(|c| Subscription::new(c, &instrument.inst_id)));
    }
    let types: BTreeSet<&str> = live.iter().map(|i| i.inst_type.as_str()).collect();
    // One kind only: events of the channel do not say which kind's subscription they are about.
    candidates.extend(types.first().map(|t| Subscription::new("instruments", t)));
    let login = chance.one_in(LOGIN_EVERY);
    if login {
        candidates.extend(live.iter().map(|i| Subscription::new(LOGIN, &i.inst_id)));
    }
    let book = PUBLIC[chance.below(4) as usize];
    let sure = Subscription::new(book, &live[0].inst_id);
    Part { login, ..part(chance, "/ws/v5/public", candidates, sure) }
}

fn business(chance: &mut Chance, live: &[&SimInstrument]) -> Part {
    let mut candidates = Vec::new();
    let mut indices = BTreeSet::new();
    for instrument in live {
        candidates.extend(BUSINESS.iter().map(|c| Subscription::new(c, &instrument.inst_id)));
        if instrument.inst_type != "SPOT" {
            candidates.push(Subscription::new("mark-price-candle1m", &instrument.inst_id));
            indices.insert(instrument.uly.as_str());
        }
    }
    candidates.extend(indices.into_iter().map(|i| Subscription::new("index-candle1m", i)));
    let sure = Subscription::new("trades-all", &live[0].inst_id);
    part(chance, "/ws/v5/business", candidates, sure)
}

pub(super) fn part(
    chance: &mut Chance,
    path: &'static str,
    candidates: Vec<Subscription>,
    sure: Subscription,
) -> Part {
    let mut subscriptions: Vec<_> =
        candidates.iter().filter(|_| chance.one_in(2)).cloned().collect();
    if !subscriptions.contains(&sure) {
        subscriptions.push(sure);
    }
    let view_depth = *chance.pick(&[0, 1, 5, 10, 400]);
    let deltas = !chance.one_in(8);
    let seed = chance.next();
    // Chances of their own, so that everything else is the same with one line and with two.
    let mut own = Chance::new(seed, 13);
    let lines = if own.one_in(LINES_EVERY) { 2 } else { 1 };
    let rotate_ns = if own.one_in(ROTATES_EVERY) { own.between(4, 40) * SECOND } else { 0 };
    let witness_ns = if own.one_in(WITNESS_NOT) { 0 } else { own.between(1, 8) * SECOND };
    Part {
        path,
        subscriptions,
        candidates,
        view_depth,
        deltas,
        seed,
        login: false,
        refill: !chance.one_in(REFILL_NOT),
        bars: !chance.one_in(REFILL_NOT),
        lines,
        rotate_ns,
        witness_ns,
    }
}

/// What a person asks of a feed in the middle of its life; `None` when nothing fits.
pub fn drill(chance: &mut Chance, part: &Part, wanted: &BTreeSet<Subscription>) -> Option<Command> {
    let some = |chance: &mut Chance, of: Vec<Subscription>| match of.is_empty() {
        true => None,
        false => Some(chance.pick(&of).clone()),
    };
    let held: Vec<Subscription> = wanted.iter().cloned().collect();
    match chance.below(8) {
        0 => Some(Command::Reconnect),
        1 => Some(Command::HandOver),
        2..=4 => some(chance, held).map(Command::Resync),
        5 if held.len() > 1 => some(chance, held).map(|s| Command::Unsubscribe(vec![s])),
        _ => {
            let missing = part.candidates.iter().filter(|s| !wanted.contains(*s)).cloned();
            some(chance, missing.collect()).map(|s| Command::Subscribe(vec![s]))
        }
    }
}
