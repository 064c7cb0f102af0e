//! What `verify` prints: a table for people, one JSON object for programs.

use super::Found;
use super::account::{Hole, RECORDER, Row, State};
use crate::cmd::replay::life_json;
use crate::out::number::{counted, grouped, size};
use crate::out::paint::{Colour, Paint};
use crate::out::table::{Align, Cell, Table};
use market_data::replay::AnchorDifference;
use market_data_model::event::Level;
use market_data_model::{Nanos, Side};
use market_data_tape::{ALL_FEEDS, Finding, Lost};
use serde_json::{Value, json};
use std::time::Duration;

/// Gaps printed one by one a row.
const HOLES_SHOWN: usize = 5;

/// The report for people.
pub fn words(found: &Found, paint: Paint) -> String {
    let mut text = table(found).render(paint);
    text.push('\n');
    for ((channel, inst_id), row) in &found.account.rows {
        // What the recorder lost concerns whole feeds and is told once, below.
        let holes: Vec<&Hole> = row.holes.iter().filter(|hole| hole.cause != RECORDER).collect();
        for hole in holes.iter().take(HOLES_SHOWN) {
            text.push_str(&format!("gap: {channel} {inst_id}: {}\n", hole_words(hole)));
        }
        let more = holes.len().saturating_sub(HOLES_SHOWN) as u64 + row.more_holes;
        if more > 0 {
            let gaps = counted(more, "more gap", "more gaps");
            text.push_str(&format!("gap: {channel} {inst_id}: {gaps}; --json lists them\n"));
        }
        if let Some(x) = &row.anchors.difference {
            text.push_str(&format!("differs: {channel} {inst_id}: {}\n", anchor_words(x)));
        }
    }
    for finding in &found.findings {
        text.push_str(&format!("{}\n", finding_words(finding)));
    }
    let more = found.verified.findings.saturating_sub(found.findings.len() as u64);
    if more > 0 {
        text.push_str(&format!("and {}\n", counted(more, "more finding", "more findings")));
    }
    for life in &found.lives {
        let feed = life.feed.0;
        if let Some(x) = &life.difference {
            let (from, to) = (x.from, x.to);
            text.push_str(&format!("different: feed {feed} between {from} and {to}\n"));
        }
        if let Some(at) = life.state_differs {
            text.push_str(&format!("different: the state of feed {feed} at {at}\n"));
        }
        if let Some((at, why)) = &life.unverifiable {
            text.push_str(&format!("unverifiable: feed {feed} from {at}: {why}\n"));
        }
    }
    if found.orphans > 0 {
        let inputs = counted(found.orphans, "input", "inputs");
        text.push_str(&format!("unverifiable: {inputs} of feeds whose start is not here\n"));
    }
    for pause in &found.account.pauses {
        let (from, to) = (pause.from, pause.to);
        let span = span(from, to);
        text.push_str(&format!("pause: nobody recorded between {from} and {to} ({span})\n"));
    }
    if found.killed {
        text.push_str(&lost_time(found));
        text.push('\n');
    }
    if let Some(parquet) = &found.parquet {
        text.push_str(&parquet.words());
    }
    text + &sum(found)
}

/// The first difference between a book and what the venue's REST side said of it.
pub fn anchor_words(x: &AnchorDifference) -> String {
    let side = if x.side == Side::Bid { "bid" } else { "ask" };
    let there = |level: &Option<Level>| match level {
        Some(level) => {
            let orders = counted(level.orders.into(), "order", "orders");
            format!("{} in {orders}", level.qty)
        }
        None => "nothing".to_owned(),
    };
    let (ours, theirs) = (there(&x.ours), there(&x.theirs));
    format!(
        "at seqId {} the {side} {} is {ours} by the frames, {theirs} by the REST answer of {}",
        x.seq, x.px, x.at
    )
}

/// About a recorder that was killed.
pub fn lost_time(found: &Found) -> String {
    let last = found.lives.iter().map(|life| life.to).max().unwrap_or_default();
    format!("unfinished: the recorder was killed; what came after {last} is not here")
}

fn sum(found: &Found) -> String {
    let v = &found.verified;
    let inputs: u64 = found.lives.iter().map(|life| life.inputs).sum();
    let checked: u64 = found.lives.iter().map(|life| life.checked).sum();
    format!(
        "{}: {} in {} ({}, {} before compression), {} of {} inputs compared\n",
        if found.is_clean() { "clean" } else { "not clean" },
        counted(v.records, "record", "records"),
        counted(v.segments, "segment", "segments"),
        size(v.stored_bytes),
        size(v.bytes),
        grouped(checked),
        grouped(inputs),
    )
}

/// About what the venue's REST side said of books; shown when it said anything.
pub const ANCHOR_COLUMNS: [&str; 3] = ["REST agrees", "differs", "not comparable"];

/// The numbers of [`ANCHOR_COLUMNS`].
pub fn anchor_numbers(row: &Row) -> [u64; 3] {
    [row.anchors.agree, row.anchors.differ, row.anchors.not_comparable()]
}

fn table(found: &Found) -> Table {
    let mut columns = vec![
        ("channel", Align::Left),
        ("instrument", Align::Left),
        ("records", Align::Right),
        ("gaps", Align::Right),
        ("ids missing", Align::Right),
        ("links", Align::Right),
        ("broken", Align::Right),
        ("bars absent", Align::Right),
        ("unverifiable", Align::Right),
        ("state", Align::Left),
    ];
    let anchors = found.account.has_anchors();
    if anchors {
        let at = columns.len() - 2;
        columns.splice(at..at, ANCHOR_COLUMNS.map(|name| (name, Align::Right)));
    }
    let mut table = Table::new(&columns);
    for ((channel, inst_id), row) in &found.account.rows {
        let state = row.state();
        let colour = match state {
            State::Clean => Colour::Good,
            State::Gap => Colour::Bad,
            State::Unverifiable => Colour::Warn,
        };
        let only = |shown: bool, number: u64| {
            Cell::new(if shown { grouped(number) } else { String::new() })
        };
        let has_links = row.links + row.links_broken > 0;
        let mut cells = vec![
            Cell::new(channel.as_str()),
            Cell::new(inst_id.as_str()),
            Cell::new(grouped(row.records)),
            Cell::new(grouped(row.gaps())),
            only(row.ids > 0, row.ids_missing),
            only(has_links, row.links),
            only(has_links, row.links_broken),
            only(row.bars.bars > 0, row.bars.absent),
            Cell::new(grouped(row.unverifiable)),
            Cell::painted(state.as_str(), colour),
        ];
        if anchors {
            let at = cells.len() - 2;
            let asked = row.anchors.all > 0;
            cells.splice(at..at, anchor_numbers(row).map(|number| only(asked, number)));
        }
        table.row(cells);
    }
    table
}

fn hole_words(hole: &Hole) -> String {
    let time =
        |at: Option<Nanos>, none: &str| at.map_or_else(|| none.to_owned(), |a| a.to_string());
    let mut text = format!(
        "{} ({}) from {} to {}",
        hole.cause,
        hole.whose,
        time(hole.from, "the start"),
        time(hole.to, "the end")
    );
    if let (Some(from), Some(to)) = (hole.from, hole.to) {
        text.push_str(&format!(", {}", span(from, to)));
    }
    if let Some(lost) = hole.lost {
        text.push_str(&format!(", {} lost", counted(lost, "trade", "trades")));
    }
    text
}

/// A length of time in words.
pub fn span(from: Nanos, to: Nanos) -> String {
    crate::duration::Words(Duration::from_nanos(to.since(from))).to_string()
}

/// A finding about the files, in words.
pub fn finding_words(finding: &Finding) -> String {
    match finding {
        Finding::Damage(damage) => format!("damaged: {damage}"),
        Finding::Lost { feed, lost, .. } => lost_words(*feed == ALL_FEEDS, feed.0, lost),
        Finding::Undecodable { ordinal, why } => {
            format!("damaged: record {ordinal} cannot be read: {why}")
        }
        Finding::TimeBack { feed, ordinal, ts, before } => {
            format!(
                "damaged: record {ordinal} of feed {}: time goes back, {before} to {ts}",
                feed.0
            )
        }
        other => format!("damaged: {other:?}"),
    }
}

fn lost_words(all: bool, feed: u32, lost: &Lost) -> String {
    let whose = if all { "all feeds".to_owned() } else { format!("feed {feed}") };
    let records = match lost.records {
        Some(records) => counted(records, "record", "records"),
        None => "an unknown number of records".to_owned(),
    };
    let mut text = format!("lost by us: {records} of {whose}");
    if lost.unsure > 0 {
        text.push_str(&format!(" and perhaps {} more", grouped(lost.unsure)));
    }
    let (from, to) = (lost.from, lost.to);
    text + &format!(" between {from} and {to} ({}): {}", span(from, to), lost.why)
}

/// The report for programs.
pub fn json(found: &Found) -> serde_json::Result<String> {
    let rows: Vec<Value> = found.account.rows.iter().map(|(key, row)| row_json(key, row)).collect();
    let findings: Vec<String> = found.findings.iter().map(finding_words).collect();
    let feeds: Vec<Value> = found.lives.iter().map(life_json).collect();
    let pauses: Vec<[u64; 2]> =
        found.account.pauses.iter().map(|pause| [pause.from.0, pause.to.0]).collect();
    let v = &found.verified;
    let report = json!({
        "clean": found.is_clean(),
        "segments": v.segments,
        "unclosed": v.unclosed,
        "killed": found.killed,
        "blocks": v.blocks,
        "records": v.records,
        "bytes": v.bytes,
        "storedBytes": v.stored_bytes,
        "findings": findings,
        "findingsTotal": v.findings,
        "orphans": found.orphans,
        "pauses": pauses,
        "feeds": feeds,
        "parquet": found.parquet.as_ref().map(super::parquet::Checked::json),
        "rows": rows,
    });
    Ok(serde_json::to_string(&report)? + "\n")
}

fn row_json((channel, inst_id): &(String, String), row: &Row) -> Value {
    let gaps: Vec<Value> = row
        .holes
        .iter()
        .map(|hole| {
            json!({
                "cause": hole.cause,
                "whose": hole.whose,
                "from": hole.from.map(|at| at.0),
                "to": hole.to.map(|at| at.0),
                "lost": hole.lost,
            })
        })
        .collect();
    json!({
        "channel": channel,
        "instId": inst_id,
        "state": row.state().as_str(),
        "records": row.records,
        "unverifiable": row.unverifiable,
        "from": row.from.map(|at| at.0),
        "to": row.to.map(|at| at.0),
        "gaps": gaps,
        "gapsTotal": row.gaps(),
        "ids": row.ids,
        "idsMissing": row.ids_missing,
        "links": row.links,
        "linksBroken": row.links_broken,
        "bars": row.bars.bars,
        "barsAbsent": row.bars.absent,
        "barsUnfinished": row.bars.unfinished,
        "anchors": row.anchors.all,
        "anchorsAgree": row.anchors.agree,
        "anchorsDiffer": row.anchors.differ,
        "anchorsNotComparable": row.anchors.not_comparable(),
        "anchorsFirstDifference": row.anchors.difference.as_ref().map(anchor_words),
    })
}
