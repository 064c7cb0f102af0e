//! Judges the bars: what a series misses is fetched as the exchange has it, made of its trades, or
//! said to be missing; and where no gap is open, finished bars follow each other without a hole.
//!
//! `judge.rs` calls [`check`] after every input, `ending.rs` [`strangers`] at the end of a life,
//! when every finished bar that was told is compared with the exchange's own.
//!
//! Rows that came are judged in `series.rs`; here is what came otherwise, and what did not.

use super::catalogue;
use super::counts::{Counts, Figure};
use super::json::Json;
use super::judge::{Complaint, Heard, Judge, Seen};
use super::rows;
use market_data_model::{Bar, BarState, Body, Command, Decimal, EventRef, FilledFrom, Gap};
use market_data_model::{Healed, Outbox};
use std::collections::{BTreeMap, BTreeSet};

/// Sizes that REST does not have.
const NOWHERE: [&str; 3] = ["5D", "5Dutc", "1Yutc"];
/// Finished bars of a key that are remembered.
const REMEMBERED: usize = 400;

/// What was told of the bars of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Finished ones by their opening time: when the next one opens, and what was said; `None` =
    /// that nobody has it.
    pub(super) finished: BTreeMap<u64, (u64, Option<String>)>,
    /// Opening time of the newest bar told.
    newest: Option<u64>,
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
            judge.ledger.key(&one.channel, &one.key).bars = Told::default();
        }
    }
    let body = match seen {
        Seen::Response(body) => Json::parse(body),
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
                remember(judge, bar, place);
            }
            Body::Gap(gap) if gap.closed => {
                let refused = matches!(seen, Seen::Response(body) if body.contains("\"51001\""));
                closes(judge, (gap, refused), place)?;
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
    if let Some((_, Some(before))) = told {
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
            let nowhere = NOWHERE.iter().any(|size| channel.ends_with(size));
            match judge.rest_fails || nowhere {
                true => Ok(()),
                false => complain(format!("missing, although REST answers: {bar:?}")),
            }
        }
        Some(BarState::RebuiltFromTrades) => {
            counts.more(Figure::BarsRebuilt, 1);
            Ok(())
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

fn remember(judge: &mut Judge, bar: &Bar, (channel, inst): (&str, &str)) {
    let told = &mut judge.ledger.key(channel, inst).bars;
    told.newest = told.newest.max(Some(bar.open_ms));
    let missing = bar.state == Some(BarState::Missing);
    if bar.closed == Some(true) || missing {
        let said = (!missing).then(|| words(bar));
        told.finished.insert(bar.open_ms, (bar.close_ms, said));
        while told.finished.len() > REMEMBERED {
            told.finished.pop_first();
        }
    }
}

/// A gap closes: what it leaves missing is said.
fn closes(
    judge: &mut Judge,
    (gap, refused): (&Gap, bool),
    (channel, inst): (&str, &str),
) -> Result<(), Complaint> {
    let bars = judge.bars;
    let silent = judge.rest_fails || refused || NOWHERE.iter().any(|n| channel.ends_with(n));
    let told = &mut judge.ledger.key(channel, inst).bars;
    if gap.healed.is_none() || !bars {
        *told = Told::default();
        return Ok(());
    }
    let unsaid = gap.healed == Some(Healed::Resumed) && gap.lost.is_none();
    // Nothing was known before; or REST failed to say how far the series had come, and the next row
    // will prove what is missing.
    if unsaid && !told.finished.is_empty() && !silent {
        let text = format!("a gap closes and nothing says what is missing: {gap:?}");
        return Err(Complaint::about("bars", channel, inst, text));
    }
    Ok(())
}

/// Finished bars follow each other up to the newest told.
fn whole(judge: &mut Judge, (channel, inst): (&str, &str)) -> Result<(), Complaint> {
    let told = &judge.ledger.key(channel, inst).bars;
    let mut next = None;
    for (open, (close, _)) in &told.finished {
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

/// What to ask the exchange for, to compare the finished bars of a key; `None` where its pushes and
/// its REST side need not agree: it samples prices otherwise.
pub(super) fn question(channel: &str, inst: &str, told: &Told) -> Option<String> {
    let suffix = channel.strip_prefix("candle")?;
    let (_, (end, _)) = told.finished.last_key_value()?;
    let first = told.finished.keys().nth(told.finished.len().saturating_sub(300))?;
    Some(format!(
        "/api/v5/market/history-candles?instId={inst}&bar={suffix}&after={end}&before={}&limit=300",
        first - 1
    ))
}

/// The first bar told that is not the exchange's own, and how many are.
pub(super) fn strangers(answer: &str, told: &Told) -> (u64, Option<String>) {
    let json = Json::parse(answer);
    let rows = json.as_ref().and_then(|json| json.get("data")).map_or(&[][..], Json::list);
    let (mut same, mut wrong) = (0, None);
    for row in rows {
        let cells: Vec<String> = row.list().iter().map(Json::plain).collect();
        let [open, o, h, l, c, volume, ..] = cells.as_slice() else { continue };
        let Some((_, Some(said))) = open.parse().ok().and_then(|at: u64| told.finished.get(&at))
        else {
            continue;
        };
        let own = format!("{o} {h} {l} {c} {volume}");
        match equal(&own, said) {
            true => same += 1,
            false => {
                wrong.get_or_insert(format!("bar {open} was told as {said}, it is {own}"));
            }
        }
    }
    (same, wrong)
}
