//! Judges the rows of channels that are not books: everything that was sent comes out, exactly,
//! once, and nothing else does.
//!
//! `judge.rs` calls it after every input. A row may stay out only if it is an exact repetition, or
//! if nobody is subscribed for certain (then all rows of the frame come out, or none).
//!
//! Start at [`check`].

use super::bars;
use super::counts::{Counts, Figure};
use super::damage::Remains;
use super::judge::{Complaint, Heard, Judge, Seen, place};
use super::rows::{self, Row};
use market_data_model::{Body, EventRef, Outbox};
use market_data_sim::Truth;

/// Checks the row events of one input.
pub(super) fn check(
    judge: &mut Judge,
    seen: &Seen<'_>,
    heard: &Heard,
    out: &Outbox,
    counts: &mut Counts,
) -> Result<(), Complaint> {
    let events: Vec<EventRef<'_>> =
        out.events.iter().filter(|e| is_row(e) && !bars::is_ours(e, heard)).collect();
    match (&heard.truth, &heard.remains) {
        (Some(truth), _) if truth.book.is_none() => {
            intact(judge, (truth, heard.firm), &events, counts)
        }
        (None, Some(remains)) => {
            let mut at = 0;
            for event in &events {
                let rest = remains.rows.iter().skip(at);
                let fits = |row: &Vec<(String, String)>| {
                    let row: Vec<_> = row.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                    rows::contradiction(&remains.channel, &readable(&row), event).is_none()
                };
                let found = rest.map(fits).position(|fits| fits);
                let Some(found) = found else { return Err(invented(event)) };
                at += found + 1;
                remember(judge, &remains.channel, &remains.key, event);
            }
            Ok(())
        }
        _ => match events.first() {
            Some(event) if !answered(event, seen) => Err(invented(event)),
            _ => Ok(()),
        },
    }
}

/// What is fetched is judged in `refill.rs` and `bars.rs`, changes in force in `upcoming.rs`.
pub(super) fn is_row(event: &EventRef<'_>) -> bool {
    let fetched = matches!(event.body, Body::Trade(trade) if trade.filled.is_some());
    let announced = matches!(event.body, Body::Instrument(_)) && event.header.ts_event.is_some();
    !fetched
        && !announced
        && matches!(
            event.body,
            Body::Ticker(_)
                | Body::Trade(_)
                | Body::Bar(_)
                | Body::Figures(_)
                | Body::Instrument(_)
        )
}

/// Whether the event is an instrument that a REST answer contains.
pub(super) fn answered(event: &EventRef<'_>, seen: &Seen<'_>) -> bool {
    match (&event.body, seen) {
        (Body::Instrument(instrument), Seen::Response(answered)) => {
            answered.body.contains(&*instrument.row)
        }
        _ => false,
    }
}

pub(super) fn invented(event: &EventRef<'_>) -> Complaint {
    let text = format!("a {} that was not sent: {:?}", event.body.kind(), event.body);
    Complaint::about("rows", event.channel(), event.inst_id(), text)
}

/// The row of a damaged frame that the event may stand for.
pub(super) fn damaged_row<'a>(
    event: &EventRef<'_>,
    remains: &'a Remains,
) -> Option<&'a Vec<(String, String)>> {
    remains.rows.iter().find(|row| {
        let row: Vec<_> = row.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        rows::contradiction(&remains.channel, &readable(&row), event).is_none()
    })
}

/// A damaged row as a reader may take it: a time that is none is absent.
fn readable<'a>(row: &Row<'a>) -> Vec<(&'a str, &'a str)> {
    let time = |value: &'a str| match value.bytes().all(|b| b.is_ascii_digit()) {
        true => value,
        false => "",
    };
    let is_time = |name| matches!(name, "ts" | "cTime");
    row.iter().map(|&(k, v)| if is_time(k) { (k, time(v)) } else { (k, v) }).collect()
}

fn intact(
    judge: &mut Judge,
    (truth, firm): (&Truth, bool),
    events: &[EventRef<'_>],
    counts: &mut Counts,
) -> Result<(), Complaint> {
    let (channel, inst) = (truth.channel.as_str(), truth.inst_id.as_str());
    let complain = |text| Err(Complaint::about("rows", channel, inst, text));
    let (mut at, mut skipped) = (0, 0);
    let own = |row: &Vec<(&str, String)>| {
        row.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect()
    };
    let unfolded: Vec<Vec<(String, String)>> = match rows::each(channel) {
        Some(_) => truth.rows.iter().flat_map(|row| rows::unfold(channel, own(row))).collect(),
        None => Vec::new(),
    };
    let plain = truth.rows.iter().filter(|_| rows::each(channel).is_none());
    let plain = plain.map(|row| row.iter().map(|(name, text)| (*name, text.as_str())).collect());
    let nested = unfolded.iter();
    let nested = nested.map(|row| row.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect());
    for row in plain.chain(nested) {
        let row: Vec<(&str, &str)> = row;
        let wrong = match events.get(at) {
            Some(event) => rows::mismatch(channel, &row, event),
            None => Some("nothing came out".into()),
        };
        let Some(wrong) = wrong else {
            counts.compared(channel, &events[at], row.len());
            if remember(judge, channel, inst, &events[at]) {
                return complain(format!("a row came out twice: {row:?}"));
            }
            at += 1;
            continue;
        };
        skipped += 1;
        if firm && !is_repeat(judge, channel, inst, &row) {
            return complain(format!("{wrong}; the row was {row:?}"));
        }
        counts.more(Figure::RowsCompared, u64::from(firm));
    }
    if at < events.len() {
        return Err(invented(&events[at]));
    }
    if !firm && at > 0 && skipped > 0 {
        return complain(format!("{at} rows of a late frame came out, {skipped} did not"));
    }
    Ok(())
}

/// Channels of flat records whose rows have an id, and may come again after subscribing.
pub(super) const KNOWN_BY_ID: [&str; 3] =
    ["option-trades", "public-block-trades", "sprd-public-trades"];

/// Whether the row is a trade that came out before. Rows of other channels are never left out.
fn is_repeat(judge: &mut Judge, channel: &str, inst: &str, row: &Row<'_>) -> bool {
    let key = judge.ledger.key(channel, place(channel, inst));
    if KNOWN_BY_ID.contains(&channel) {
        let field =
            |name| row.iter().find(|(field, _)| *field == name).map_or("", |(_, text)| text);
        let of = if channel.starts_with("sprd-") { "sprdId" } else { "instId" };
        return key.had_row(&format!("{} {}", field(of), field("tradeId")));
    }
    let number = |name| {
        let field = row.iter().find(|(field, _)| *field == name);
        field.and_then(|(_, text)| text.parse::<u64>().ok())
    };
    let fills = number("count").unwrap_or(1);
    number("tradeId").is_some_and(|id| key.had_trade(id) || key.had_filled((id + 1 - fills, id)))
}

/// Notes what came out; says whether it is a trade that came out just before.
pub(super) fn remember(judge: &mut Judge, channel: &str, inst: &str, event: &EventRef<'_>) -> bool {
    let key = judge.ledger.key(channel, place(channel, inst));
    key.firm = true;
    match event.body {
        Body::Trade(trade) => key.trade_again(trade.trade_id),
        Body::Figures(figures) if KNOWN_BY_ID.contains(&channel) => {
            let id = figures.text("tradeId").unwrap_or_default();
            key.row_again(format!("{} {id}", event.inst_id()))
        }
        _ => false,
    }
}
