//! The report for people at a terminal, and for programs.

use super::tally::{Gap, Key, Report, Row};
use crate::duration::Words;
use crate::out::number::{counted, grouped};
use crate::out::paint::{Colour, Paint};
use crate::out::table::{Align, Cell, Table};
use market_data_model::Nanos;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Gaps told one by one.
const GAPS_SHOWN: usize = 40;
/// Hours with missing or repeated ids told one by one.
const HOURS_SHOWN: usize = 40;

/// `2026-11-23`.
pub fn date(day: u64) -> String {
    Nanos(day.saturating_mul(86_400_000_000_000)).to_string().chars().take(10).collect()
}

/// `2026-11-23 12:40:36.123`.
pub fn moment(at: u64) -> String {
    Nanos(at).to_string().chars().take(23).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// `99.998 %`; never 100 % of what is not whole.
pub fn covered(row: &Row) -> String {
    match row.covered() {
        None => "–".to_owned(),
        Some(100_000) if row.blind_ns == 0 => "100 %".to_owned(),
        Some(part) => {
            let part = part.min(99_999);
            format!("{}.{:03} %", part / 1_000, part % 1_000)
        }
    }
}

/// Microseconds in words: `1.2 ms`.
pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// What is said of the ids of a row: nothing where it has none.
pub fn ids(row: &Row) -> String {
    if row.hours.is_empty() {
        return String::new();
    }
    match (row.missing(), row.hours.values().map(|hour| hour.twice).sum::<u64>()) {
        (0, 0) => "none missing, none twice".to_owned(),
        (missing, 0) => format!("{} missing", grouped(missing)),
        (0, twice) => format!("{} twice", grouped(twice)),
        (missing, twice) => format!("{} missing, {} twice", grouped(missing), grouped(twice)),
    }
}

/// A gap in words.
pub fn gap_words(gap: &Gap) -> String {
    let mut text = format!("{} ({}), from {}", gap.cause, gap.whose, moment(gap.from));
    match gap.to {
        Some(to) => {
            let long = Duration::from_nanos(to.saturating_sub(gap.from));
            text.push_str(&format!(", {}", Words(long)));
        }
        None => text.push_str(", still open"),
    }
    match (gap.is_filled(), gap.lost) {
        (true, _) => text.push_str(", filled over REST"),
        (false, Some(lost)) if lost > 0 => {
            text.push_str(&format!(", {} lost", counted(lost, "trade", "trades")));
        }
        _ => {}
    }
    text
}

/// For people.
pub fn words(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    let days: BTreeSet<u64> = report.rows.keys().map(|key| key.0).collect();
    for day in days {
        text.push_str(&format!("{}\n", paint.apply(Colour::Strong, &date(day))));
        text.push_str(&table(report, day).render(paint));
        text.push('\n');
    }
    gaps(report, &mut text);
    hours(report, &mut text);
    for gap in &report.ours {
        text.push_str(&format!("our own loss: {}\n", gap_words(gap)));
    }
    for finding in &report.findings {
        text.push_str(&format!("wrong: {finding}\n"));
    }
    let records: u64 = report.rows.values().map(|row| row.records).sum();
    let verdict = if report.is_whole() { "whole" } else { "not whole" };
    let fetched: u64 = report.rows.values().map(|row| row.fetched).sum();
    text.push_str(&format!(
        "{verdict}: {}, {} of them fetched later\n",
        counted(records, "record", "records"),
        grouped(fetched)
    ));
    text
}

/// How often witnesses agreed with the live book, of those that could be compared.
pub fn witness(row: &Row) -> String {
    match row.witness {
        said if said.is_any() => format!("{}/{}", said.agree, said.agree + said.differ),
        _ => "·".to_owned(),
    }
}

fn table(report: &Report, day: u64) -> Table {
    let right = Align::Right;
    let mut table = Table::new(&[
        ("instrument", Align::Left),
        ("channel", Align::Left),
        ("records", right),
        ("covered", right),
        ("gaps", right),
        ("lost", right),
        ("fetched", right),
        ("twice", right),
        ("late", right),
        ("p50", right),
        ("p99", right),
        ("REST", right),
        ("witness", right),
        ("trade ids", Align::Left),
    ]);
    let number = |number: u64| if number == 0 { "·".to_owned() } else { grouped(number) };
    for ((_, inst_id, channel), row) in report.rows.iter().filter(|(key, _)| key.0 == day) {
        let open = row.gaps_all - row.gaps_filled;
        let colour = if row.is_whole() { Colour::Good } else { Colour::Bad };
        let delay = |at: usize| match row.delay.count {
            0 => "·".to_owned(),
            _ => micros(row.delay.quantiles[at]),
        };
        let rest = match row.anchors.all {
            0 => "·".to_owned(),
            _ => format!("{}/{}", row.anchors.agree, row.anchors.agree + row.anchors.differ),
        };
        table.row(vec![
            Cell::new(inst_id.as_str()),
            Cell::new(channel.as_str()),
            Cell::new(grouped(row.records)),
            Cell::painted(covered(row), colour),
            Cell::new(number(open)),
            Cell::new(number(row.lost)),
            Cell::new(number(row.fetched)),
            Cell::new(number(row.twice)),
            Cell::new(number(row.late)),
            Cell::new(delay(0)),
            Cell::new(delay(2)),
            Cell::new(rest),
            Cell::new(witness(row)),
            Cell::new(ids(row)),
        ]);
    }
    table
}

fn gaps(report: &Report, text: &mut String) {
    let all = report.rows.iter().flat_map(|(key, row)| row.gaps.iter().map(move |gap| (key, gap)));
    // A gap over midnight stands on both days, and is told once.
    let told = |(key, gap): &(&Key, &Gap)| key.0 == gap.from / 86_400_000_000_000;
    let mut shown = 0;
    for ((_, inst_id, channel), gap) in all.filter(told).take(GAPS_SHOWN) {
        text.push_str(&format!("gap: {inst_id} {channel}: {}\n", gap_words(gap)));
        shown += 1;
    }
    let every: u64 = report.rows.values().map(|row| row.gaps_all).sum();
    if every > shown && shown as usize == GAPS_SHOWN {
        text.push_str("more gaps are in the page (--html) and in --json\n");
    }
}

fn hours(report: &Report, text: &mut String) {
    let mut shown = 0;
    for ((day, inst_id, channel), row) in &report.rows {
        for (hour, ids) in row.hours.iter().filter(|(_, ids)| ids.missing + ids.twice > 0) {
            if shown == HOURS_SHOWN {
                text.push_str("more hours are in the page (--html) and in --json\n");
                return;
            }
            shown += 1;
            let day = date(*day);
            text.push_str(&format!(
                "ids: {inst_id} {channel} {day} {hour:02}h: {} to {}, {} missing, {} twice\n",
                ids.first,
                ids.last,
                grouped(ids.missing),
                grouped(ids.twice)
            ));
        }
    }
}

/// For programs.
pub fn json(report: &Report) -> Value {
    let gap = |gap: &Gap| {
        json!({
            "cause": gap.cause, "whose": gap.whose, "from": gap.from, "to": gap.to,
            "lost": gap.lost, "healed": gap.healed,
        })
    };
    let rows: Vec<Value> = report.rows.iter().map(|(key, row)| row_json(key, row, gap)).collect();
    json!({
        "whole": report.is_whole(),
        "rows": rows,
        "ours": report.ours.iter().map(gap).collect::<Vec<_>>(),
        "findings": report.findings,
    })
}

fn row_json((day, inst_id, channel): &Key, row: &Row, gap: impl Fn(&Gap) -> Value) -> Value {
    let hours = row.hours.iter().map(|(hour, ids)| {
        json!({
            "hour": hour, "firstId": ids.first, "lastId": ids.last, "ids": ids.ids,
            "missing": ids.missing, "twice": ids.twice,
        })
    });
    let [p50, p90, p99, max] = row.delay.quantiles;
    json!({
        "date": date(*day), "instId": inst_id, "channel": channel, "whole": row.is_whole(),
        "records": row.records, "fetched": row.fetched, "twice": row.twice, "late": row.late,
        "firstTsRecv": row.span.map(|span| span.0), "lastTsRecv": row.span.map(|span| span.1),
        "coveredPerCent": row.covered().map(|_| covered(row).replace(" %", "")),
        "gaps": row.gaps.iter().map(gap).collect::<Vec<_>>(), "gapsAll": row.gaps_all,
        "gapsFilled": row.gaps_filled, "lost": row.lost, "blindNs": row.blind_ns,
        "delayUs": {
            "count": row.delay.count, "p50": p50, "p90": p90, "p99": p99, "max": max,
            "ahead": row.delay.ahead, "aheadMost": row.delay.ahead_us,
        },
        "rest": {
            "asked": row.anchors.all, "agree": row.anchors.agree, "differ": row.anchors.differ,
        },
        "witness": row.witness.is_any().then(|| json!({
            "agree": row.witness.agree, "differ": row.witness.differ,
            "skipped": row.witness.skipped,
        })),
        "idsMissing": row.missing(), "hours": hours.collect::<Vec<_>>(),
    })
}
