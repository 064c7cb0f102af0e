//! Judges the bars: what a series misses is fetched as the exchange has it, made of its trades, or
//! said to be missing; and where no gap is open, finished bars follow each other without a hole.
//!
//! `judge.rs` calls [`check`] after every input, `reckon.rs` [`Told::strangers`] at the end of a
//! life, when every finished bar that was told is compared with the exchange's own, whatever it was
//! made of, and the number of its trades with theirs.
//!
//! Rows that came are judged in `series.rs`; here is what came otherwise, and what did not.

use super::catalogue;
use super::counts::{Counts, Figure};
use super::json::Json;
use super::judge::{Complaint, Heard, Judge, Seen};
use super::rows;
use market_data_model::{
    Bar, BarState, Body, Command, Decimal, EventRef, FilledFrom, Gap, Healed, Nanos, Outbox,
};
use std::collections::{BTreeMap, BTreeSet};

/// Sizes that REST does not have.
const NOWHERE: [&str; 3] = ["5D", "5Dutc", "1Yutc"];
/// Finished bars of a key that are remembered.
const REMEMBERED: usize = 4_000;

/// What was told of the bars of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Finished ones by their opening time, since nothing is known to be missing without a word.
    finished: BTreeMap<u64, Finished>,
    /// The same of before; these are only compared with the exchange's.
    past: BTreeMap<u64, Finished>,
    /// Opening time of the first bar told; none may be absent from there on.
    first: Option<u64>,
    /// Opening time of the newest bar told.
    newest: Option<u64>,
}

/// A finished bar.
#[derive(Clone, Debug)]
struct Finished {
    /// When the next one opens.
    close: u64,
    /// Its numbers; `None` = nobody has it.
    said: Option<String>,
    /// It was made of its trades.
    rebuilt: bool,
    /// How many trades it has, as far as that was told.
    trades: Option<u64>,
    /// When it was told first.
    at: Nanos,
}

/// What is like the exchange's at the end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alike {
    /// Bars.
    pub(super) bars: u64,
    /// Bars among them that were made of their trades.
    pub(super) rebuilt: u64,
}

impl Told {
    /// What comes from here on need not follow.
    pub(super) fn begin_anew(&mut self) {
        self.past.append(&mut self.finished);
        while self.past.len() > REMEMBERED {
            self.past.pop_first();
        }
        (self.first, self.newest) = (None, None);
    }

    /// The process ends: what came behind `cut` is not on its tape, and from the bar that opens at
    /// `known` on the next one tells everything again. Says how many were not kept.
    pub(super) fn cut(&mut self, cut: Nanos, known: Option<u64>) -> u64 {
        let before = self.finished.len() + self.past.len();
        self.finished.retain(|_, bar| bar.at <= cut);
        self.past.retain(|_, bar| bar.at <= cut);
        let lost = before - self.finished.len() - self.past.len();
        match known {
            Some(known) => {
                // What is told again may differ by nothing, and is compared like the first.
                let mut again = self.finished.split_off(&known);
                self.past.append(&mut again);
                self.first = Some(self.first.map_or(known, |first| first.min(known)));
                self.newest = self.finished.last_key_value().map(|(open, _)| *open);
            }
            None => self.begin_anew(),
        }
        lost as u64
    }

    fn every(&self) -> impl Iterator<Item = (&u64, &Finished)> {
        self.past.iter().chain(&self.finished).filter(|(_, bar)| bar.said.is_some())
    }

    /// Opening times of the first and the last finished bar told.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        let opens = || self.every().map(|(open, _)| *open);
        opens().min().zip(opens().max())
    }

    /// Compares what was told with the exchange's own bars in an answer; gives back the oldest of
    /// these, too.
    ///
    /// # Errors
    /// The first bar that is not the exchange's.
    pub(super) fn strangers(&self, answer: &str) -> Result<(Alike, Option<u64>), String> {
        let json = Json::parse(answer);
        let rows = json.as_ref().and_then(|json| json.get("data")).map_or(&[][..], Json::list);
        let (mut alike, mut oldest) = (Alike::default(), None);
        for row in rows {
            let cells: Vec<String> = row.list().iter().map(Json::plain).collect();
            let [open, o, h, l, c, volume, ..] = cells.as_slice() else { continue };
            let Ok(open) = open.parse::<u64>() else { continue };
            oldest = Some(open);
            let own = format!("{o} {h} {l} {c} {volume}");
            for bar in [&self.past, &self.finished].into_iter().filter_map(|all| all.get(&open)) {
                let Some(said) = &bar.said else { continue };
                if !equal(&own, said) {
                    return Err(format!("bar {open} was told as {said}, it is {own}"));
                }
                alike.bars += 1;
                alike.rebuilt += u64::from(bar.rebuilt);
            }
        }
        Ok((alike, oldest))
    }

    /// Compares the numbers of trades that bars were told with, with the times (ms) of the
    /// exchange's own trades, which are all from `since` on.
    ///
    /// # Errors
    /// The first that is not the exchange's.
    pub(super) fn flows(&self, since: u64, times: &[u64]) -> Result<u64, String> {
        let mut alike = 0;
        for (open, bar) in self.every().filter(|(open, _)| **open > since) {
            let Some(told) = bar.trades else { continue };
            let from = times.partition_point(|time| time < open);
            let to = times.partition_point(|time| *time < bar.close);
            if told != (to - from) as u64 {
                let own = to - from;
                return Err(format!("bar {open} was told with {told} trades, it has {own}"));
            }
            alike += 1;
        }
        Ok(alike)
    }
}

/// Whether the event is a bar that is judged here and not as a row of its frame.
pub(super) fn is_ours(event: &EventRef<'_>, heard: &Heard) -> bool {
    let Body::Bar(bar) = event.body else { return false };
    let made = matches!(bar.state, Some(BarState::Missing | BarState::RebuiltFromTrades));
    let intact = heard.truth.as_ref().map(|truth| truth.channel.as_str());
    let damaged = heard.remains.as_ref().map(|remains| remains.channel.as_str());
    let own_frame = intact.or(damaged).is_some_and(|channel| channel == event.channel());
    bar.filled.is_some() || made || (bar.flow.is_some() && !own_frame)
}

/// Checks the bars and the ends of gaps of one input.
pub(super) fn check(
    judge: &mut Judge,
    seen: &Seen<'_>,
    heard: &Heard,
    out: &Outbox,
    counts: &mut Counts,
) -> Result<(), Complaint> {
    if let Seen::Command(Command::Unsubscribe(list)) = seen {
        for one in list {
            judge.ledger.key(&one.channel, &one.key).bars.begin_anew();
        }
    }
    let body = match seen {
        Seen::Response(answered) => Json::parse(answered.body),
        _ => None,
    };
    let mut touched: BTreeSet<(String, String)> = BTreeSet::new();
    for event in out.events.iter().filter(|event| event.channel().contains("candle")) {
        if event.inst_id() == catalogue::RELISTED {
            // What follows is of another instrument, which no reader is told.
            continue;
        }
        let place = (event.channel(), event.inst_id());
        match event.body {
            Body::Bar(bar) => {
                let state = bar.state.map_or("not_followed", BarState::as_str);
                *counts.bars.entry(state).or_default() += 1;
                if is_ours(&event, heard) {
                    let closes = |other: &EventRef<'_>| {
                        let same = (other.channel(), other.inst_id()) == place;
                        same && matches!(other.body, Body::Gap(gap) if gap.closed)
                    };
                    let later = out.events.iter().skip_while(|e| e.header.n <= event.header.n);
                    let open = judge.ledger.is_open(place.0, place.1)
                        || later.into_iter().any(|e| closes(&e));
                    special(judge, bar, (&event, body.as_ref(), open), counts)?;
                } else {
                    plain(judge, bar, place)?;
                }
                remember(judge, bar, (event.header.ts_recv, place));
            }
            Body::Gap(gap) if gap.closed => {
                closes(judge, gap, place)?;
            }
            _ => continue,
        }
        touched.insert((place.0.to_owned(), place.1.to_owned()));
    }
    for (channel, inst) in touched {
        if judge.bars && !judge.ledger.is_open(&channel, &inst) {
            whole(judge, (&channel, &inst))?;
        }
    }
    Ok(())
}

/// What a row that came says of itself.
fn plain(judge: &Judge, bar: &Bar, (channel, inst): (&str, &str)) -> Result<(), Complaint> {
    let traded = bar.volume.is_none_or(|volume| !volume.0.is_zero());
    let right = match bar.closed {
        _ if !judge.bars => None,
        None => None,
        Some(false) => Some(BarState::Forming),
        Some(true) if traded => Some(BarState::Confirmed),
        Some(true) => Some(BarState::NoTrades),
    };
    if bar.state == right {
        return Ok(());
    }
    let text = format!("the state is {:?}, not {right:?}: {bar:?}", bar.state);
    Err(Complaint::about("bars", channel, inst, text))
}

/// A bar that is no row of this frame.
fn special(
    judge: &mut Judge,
    bar: &Bar,
    (event, body, open): (&EventRef<'_>, Option<&Json>, bool),
    counts: &mut Counts,
) -> Result<(), Complaint> {
    let (channel, inst) = (event.channel(), event.inst_id());
    let complain = |text: String| Err(Complaint::about("bars", channel, inst, text));
    let told = judge.ledger.key(channel, inst).bars.finished.get(&bar.open_ms);
    if let Some(Finished { said: Some(before), .. }) = told {
        // Once more, with what its trades say.
        return match bar.flow {
            Some(_) if *before == words(bar) => Ok(()),
            _ => complain(format!("told as {before}, and again as {bar:?}")),
        };
    }
    if !open {
        return complain(format!("made or fetched outside of a gap: {bar:?}"));
    }
    match bar.state {
        Some(BarState::Missing) => {
            counts.more(Figure::BarsMissing, 1);
            nowhere(judge, bar, (channel, inst))
        }
        Some(BarState::RebuiltFromTrades) => {
            counts.more(Figure::BarsRebuilt, 1);
            nowhere(judge, bar, (channel, inst))
        }
        _ if bar.filled == Some(FilledFrom::Rest) => {
            let rows = body.and_then(|json| json.get("data")).map_or(&[][..], Json::list);
            let text = bar.open_ms.to_string();
            let of = |row: &&Json| row.list().first().is_some_and(|x| x.plain() == text);
            let Some(row) = rows.iter().find(of) else {
                return complain(format!("fetched, but no answer holds it: {bar:?}"));
            };
            let cells: Vec<String> = row.list().iter().map(Json::plain).collect();
            let named = rows::bar_columns(channel).iter().zip(&cells);
            let named: Vec<(&str, &str)> = named.map(|(name, x)| (*name, x.as_str())).collect();
            if let Some(wrong) = rows::mismatch(channel, &named, event) {
                return complain(format!("{wrong}; the answer has {cells:?}"));
            }
            if bar.closed != Some(true) {
                return complain(format!("fetched before it was finished: {bar:?}"));
            }
            counts.compared(channel, event, named.len());
            counts.more(Figure::BarsFilled, 1);
            Ok(())
        }
        _ => complain(format!("a bar that was not sent: {bar:?}")),
    }
}

/// A bar is said to be missing, or is made of its trades: REST does not have it, and was asked
/// often enough.
fn nowhere(judge: &mut Judge, bar: &Bar, (channel, inst): (&str, &str)) -> Result<(), Complaint> {
    if NOWHERE.iter().any(|size| channel.ends_with(size)) {
        return Ok(());
    }
    match judge.ledger.key(channel, inst).looks.had(bar.open_ms) {
        None => Ok(()),
        Some(why) => {
            let text = format!("given up although {why}: {bar:?}");
            Err(Complaint::about("bars", channel, inst, text))
        }
    }
}

fn words(bar: &Bar) -> String {
    let Bar { open, high, low, close, volume, .. } = bar;
    let volume = volume.map_or(String::new(), |volume| volume.to_string());
    format!("{open} {high} {low} {close} {volume}")
}

/// Whether two bars have the same numbers; a tick that became finer adds zeros to their texts.
fn equal(one: &str, other: &str) -> bool {
    let numbers = |text: &str| -> Vec<Option<Decimal>> {
        text.split(' ').map(|word| word.parse().ok()).collect()
    };
    let (one, other) = (numbers(one), numbers(other));
    let same = |(a, b): (&Option<Decimal>, &Option<Decimal>)| match (a, b) {
        (Some(a), Some(b)) => a.cmp_value(*b).is_eq(),
        _ => false,
    };
    one.len() == other.len() && one.iter().zip(&other).all(same)
}

fn remember(judge: &mut Judge, bar: &Bar, (at, (channel, inst)): (Nanos, (&str, &str))) {
    let told = &mut judge.ledger.key(channel, inst).bars;
    told.first.get_or_insert(bar.open_ms);
    told.newest = told.newest.max(Some(bar.open_ms));
    let missing = bar.state == Some(BarState::Missing);
    if bar.closed == Some(true) || missing {
        let known = told.finished.get(&bar.open_ms);
        let (first, trades) = known.map_or((at, None), |known| (known.at, known.trades));
        let finished = Finished {
            close: bar.close_ms,
            said: (!missing).then(|| words(bar)),
            rebuilt: bar.state == Some(BarState::RebuiltFromTrades),
            trades: bar.flow.map(|flow| flow.trades).or(trades),
            at: first,
        };
        told.finished.insert(bar.open_ms, finished);
        while told.finished.len() > REMEMBERED {
            told.finished.pop_first();
            told.first = told.finished.keys().next().copied();
        }
    }
}

/// A gap closes: what it leaves missing is said.
fn closes(judge: &mut Judge, gap: &Gap, (channel, inst): (&str, &str)) -> Result<(), Complaint> {
    let bars = judge.bars;
    // One that is still open tells it all.
    let other = judge.ledger.is_open(channel, inst);
    let key = judge.ledger.key(channel, inst);
    let silent = key.looks.in_vain() || NOWHERE.iter().any(|n| channel.ends_with(n));
    let told = &mut key.bars;
    if gap.healed.is_none() || !bars {
        told.begin_anew();
        return Ok(());
    }
    let unsaid = gap.healed == Some(Healed::Resumed) && gap.lost.is_none();
    // Nothing was known before; or REST failed to say how far the series had come, and the next row
    // will prove what is missing.
    if unsaid && !told.finished.is_empty() && !silent && !other {
        let text = format!("a gap closes and nothing says what is missing: {gap:?}");
        return Err(Complaint::about("bars", channel, inst, text));
    }
    Ok(())
}

/// Finished bars follow each other up to the newest told.
fn whole(judge: &mut Judge, (channel, inst): (&str, &str)) -> Result<(), Complaint> {
    let told = &judge.ledger.key(channel, inst).bars;
    let mut next = told.first;
    for (open, Finished { close, .. }) in &told.finished {
        if next.is_some_and(|next| next != *open) {
            let text = format!("no gap is open, and the bars from {next:?} to {open} are absent");
            return Err(Complaint::about("bars", channel, inst, text));
        }
        next = Some(*close);
    }
    match (next, told.newest) {
        (Some(next), Some(newest)) if newest > next => {
            let text = format!("no gap is open, and the bars from {next} to {newest} are absent");
            Err(Complaint::about("bars", channel, inst, text))
        }
        _ => Ok(()),
    }
}
