//! Judges the trades: what ids prove missing is said to be missing or is fetched, each id once and
//! as the exchange has it.
//!
//! `series.rs` calls it after every input. It reads REST answers with a JSON reader of its own.
//! A hole is a run of ids that never came, under a gap that is open.
//!
//! Start at [`check`].

use super::catalogue;
use super::counts::{Counts, Figure};
use super::json::Json;
use super::judge::{Complaint, Judge, Seen};
use super::rows;
use market_data_model::{Body, Command, EventRef, Gap, Healed, Outbox, Trade};

/// Ids of a hole that are looked at one by one.
const LOOKED_AT: usize = 300;

/// Ids that never came and that are being fetched.
#[derive(Clone, Debug)]
pub(super) struct Hole {
    from: u64,
    to: u64,
    missing: Vec<(u64, u64)>,
}

/// Checks the trades and the ends of gaps of one input.
pub(super) fn check(
    judge: &mut Judge,
    (seen, damaged): (&Seen<'_>, bool),
    out: &Outbox,
    counts: &mut Counts,
) -> Result<(), Complaint> {
    let body = match seen {
        Seen::Response(answered) => Some(answered.body),
        _ => None,
    };
    // Said to be lost in gaps that close here, of no hole that was known before.
    let mut said: Option<(&str, &str, u64)> = None;
    for event in out.events.iter() {
        let (channel, inst) = (event.channel(), event.inst_id());
        if !channel.starts_with("trades") {
            continue;
        }
        if inst == catalogue::RELISTED {
            // It is numbered anew in the middle of life, which no reader is told.
            if let Body::Trade(trade) = event.body
                && trade.filled.is_some()
            {
                judge.ledger.key(channel, inst).filled.insert(trade.trade_id);
            }
            continue;
        }
        let of = (event.header.ts_recv, event.header.ts_event);
        match event.body {
            Body::Trade(trade) => {
                let told = judge.ledger.key(channel, inst).whole.trade(of, trade, damaged);
                told.map_err(|text| Complaint::about("whole", channel, inst, text))?;
            }
            Body::Gap(gap) if gap.closed => judge.ledger.key(channel, inst).whole.gap(of.0, gap),
            _ => {}
        }
        match event.body {
            Body::Trade(trade) if trade.filled.is_some() => {
                filled(judge, (trade, body), &event, counts)?;
            }
            Body::Trade(trade) => {
                let missing = live(judge, (channel, inst), trade);
                let told = said.take().map_or(0, |(_, _, lost)| lost);
                if missing != told {
                    hole(judge, (channel, inst), trade, (missing, told))?;
                }
            }
            Body::Gap(gap) if gap.closed && !closes(judge, (channel, inst), gap, counts)? => {
                let before = said.map_or(0, |(_, _, lost)| lost);
                let lost = before + gap.lost.unwrap_or(0);
                said = (lost > 0).then_some((channel, inst, lost));
            }
            _ => {}
        }
    }
    if let Seen::Command(Command::Unsubscribe(list)) = seen {
        for one in list.iter().filter(|one| one.channel.starts_with("trades")) {
            judge.ledger.key(&one.channel, &one.key).whole.ends();
        }
    }
    match said {
        None => Ok(()),
        Some((channel, inst, lost)) => {
            let text = format!("{lost} trades are said to be missing, and no row proves it");
            Err(Complaint::about("rows", channel, inst, text))
        }
    }
}

/// A trade that came; gives back how many before it never came.
fn live(judge: &mut Judge, (channel, inst): (&str, &str), trade: &Trade) -> u64 {
    let fills = u64::from(trade.count.unwrap_or(1));
    let key = judge.ledger.key(channel, inst);
    let ids = (trade.trade_id.saturating_sub(fills - 1), trade.trade_id);
    for hole in &mut key.holes {
        take(&mut hole.missing, ids);
    }
    let missing = match key.newest_trade {
        Some(newest) if trade.trade_id > newest => (trade.trade_id - newest).saturating_sub(fills),
        _ => 0,
    };
    key.newest_trade = Some(key.newest_trade.unwrap_or(0).max(trade.trade_id));
    missing
}

/// Missing trades that were not said to be lost: they must be under way.
fn hole(
    judge: &mut Judge,
    (channel, inst): (&str, &str),
    trade: &Trade,
    (missing, told): (u64, u64),
) -> Result<(), Complaint> {
    if told != 0 || !judge.refill || !judge.ledger.is_open(channel, inst) {
        let text = format!("ids prove {missing} trades missing, said to be missing are {told}");
        return Err(Complaint::about("rows", channel, inst, text));
    }
    let first = trade.trade_id + 1 - u64::from(trade.count.unwrap_or(1));
    let (from, to) = (first - missing, first - 1);
    judge.ledger.key(channel, inst).holes.push(Hole { from, to, missing: vec![(from, to)] });
    Ok(())
}

/// A trade that was fetched: one that was missing, and as the answer has it.
fn filled(
    judge: &mut Judge,
    (trade, body): (&Trade, Option<&str>),
    event: &EventRef<'_>,
    counts: &mut Counts,
) -> Result<(), Complaint> {
    let (channel, inst) = (event.channel(), event.inst_id());
    let id = trade.trade_id;
    let complain = |text: String| Err(Complaint::about("refill", channel, inst, text));
    let key = judge.ledger.key(channel, inst);
    let fits = |hole: &&mut Hole| hole.missing.iter().any(|r| r.0 <= id && id <= r.1);
    let Some(hole) = key.holes.iter_mut().find(fits) else {
        return complain(format!("trade {id} was fetched, but it was not missing"));
    };
    take(&mut hole.missing, (id, id));
    if !key.filled.insert(id) {
        return complain(format!("trade {id} was fetched twice"));
    }
    let json = body.and_then(Json::parse);
    let rows = json.as_ref().and_then(|json| json.get("data")).map_or(&[][..], Json::list);
    let text = id.to_string();
    let of_id = |row: &&Json| row.get("tradeId").is_some_and(|x| x.plain() == text);
    let Some(row) = rows.iter().find(of_id) else {
        return complain(format!("trade {id} was fetched, but no answer holds it"));
    };
    let Json::Object(row) = row else { return complain(format!("{row:?} is no row")) };
    let fields = row.iter().map(|(name, value)| (name.clone(), value.plain()));
    let fields: Vec<(String, String)> = fields.collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    if let Some(wrong) = rows::mismatch(channel, &fields, event) {
        return complain(format!("{wrong}; the answer has {fields:?}"));
    }
    counts.compared(channel, event, fields.len());
    counts.more(Figure::TradesFilled, 1);
    Ok(())
}

/// A gap closes: whether it is that of a hole, which must be told for what it is.
fn closes(
    judge: &mut Judge,
    (channel, inst): (&str, &str),
    gap: &Gap,
    counts: &mut Counts,
) -> Result<bool, Complaint> {
    let holes = &mut judge.ledger.key(channel, inst).holes;
    let ends = |hole: &Hole| gap.to_id.is_some_and(|to| to.cast_unsigned() == hole.to + 1);
    let Some(at) = holes.iter().position(ends) else { return Ok(false) };
    let hole = holes.remove(at);
    let left: u64 = hole.missing.iter().map(|(from, to)| to - from + 1).sum();
    counts.more(Figure::TradesGone, left);
    let complain = |text: String| Err(Complaint::about("refill", channel, inst, text));
    if gap.lost != Some(left) {
        let lost = gap.lost;
        return complain(format!("of {hole:?} are {left} missing, said to be lost are {lost:?}"));
    }
    match gap.healed {
        Some(Healed::Rest) if left == 0 => Ok(true),
        Some(Healed::Resumed) if left > 0 => {
            let ids = hole.missing.iter().flat_map(|(from, to)| *from..=*to).take(LOOKED_AT);
            let looks = &judge.ledger.key(channel, inst).looks;
            match ids.into_iter().find_map(|id| Some((id, looks.had(id)?))) {
                None => Ok(true),
                Some((id, why)) => complain(format!("trade {id} is given up although {why}")),
            }
        }
        None => Ok(true),
        healed => {
            let (from, to) = (hole.from, hole.to);
            complain(format!("{left} of {from} to {to} are missing at the end, healed: {healed:?}"))
        }
    }
}

/// Takes ids out of runs.
fn take(runs: &mut Vec<(u64, u64)>, ids: (u64, u64)) {
    let cut = |run: &(u64, u64)| {
        let below = (run.0, run.1.min(ids.0.saturating_sub(1)));
        let above = (run.0.max(ids.1 + 1), run.1);
        [below, above].into_iter().filter(|part| part.0 <= part.1 && ids.0 > 0)
    };
    *runs = runs.iter().flat_map(cut).collect();
}
