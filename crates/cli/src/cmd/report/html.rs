//! `report --html`: one page that needs no network, no script and no other file.
//!
//! The looks are those of `verify --html`. Invariants: everything from outside is escaped; no clock
//! is read, so that one archive gives one page; what is not shown is counted; colour never carries
//! meaning alone.

use super::tally::{Report, Row};
use super::text::{covered, date, gap_words, ids, micros, witness};
use crate::out::html::escape;
use crate::out::number::{counted, grouped};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const CSS: &str = include_str!("../verify/html/page.css");
/// A minute of a day is one unit of a bar.
const WIDTH: u64 = 1_440;
const MINUTE_NS: u64 = 60_000_000_000;
const DAY_NS: u64 = WIDTH * MINUTE_NS;
/// Most rows drawn; a browser has to hold them.
const ROWS_MAX: usize = 5_000;
/// Most gaps told.
const GAPS_MAX: usize = 2_000;

/// The page; `name` is what was looked at.
pub fn page(report: &Report, name: &str) -> String {
    let (name, mut text) = (escape(name), String::new());
    let whole = report.is_whole();
    let verdict = if whole { "whole" } else { "not whole" };
    let class = if whole { "clean" } else { "gap" };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{verdict}: {name}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n\
         <header>\n<h1>{name}</h1>\n<p class=\"verdict {class}\">{verdict}</p>\n</header>\n"
    );
    tiles(&mut text, report);
    days(&mut text, report);
    gaps(&mut text, report);
    trades(&mut text, report);
    findings(&mut text, report);
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(
        text,
        "<footer>Made by market-data {version}, report. Days are UTC, as received; of what was \
         fetched, as it happened.</footer>\n</body>\n</html>\n"
    );
    text
}

fn tiles(text: &mut String, report: &Report) {
    let sum = |of: fn(&Row) -> u64| report.rows.values().map(of).sum::<u64>();
    text.push_str("<section class=\"tiles\">\n");
    for (what, value) in [
        ("records", sum(|row| row.records)),
        ("fetched later", sum(|row| row.fetched)),
        ("gaps", sum(|row| row.gaps_all - row.gaps_filled)),
        ("gaps filled", sum(|row| row.gaps_filled)),
        ("trade ids missing", sum(Row::missing)),
        ("came twice", sum(|row| row.twice)),
        ("came late", sum(|row| row.late)),
        ("REST agreed", sum(|row| row.anchors.agree)),
        ("REST differed", sum(|row| row.anchors.differ)),
        ("witness agreed", sum(|row| row.witness.agree)),
        ("witness differed", sum(|row| row.witness.differ)),
    ] {
        let value = grouped(value);
        let _ = writeln!(text, "<div class=\"tile\"><span>{what}</span><b>{value}</b></div>");
    }
    text.push_str("</section>\n");
}

fn days(text: &mut String, report: &Report) {
    let days: BTreeSet<u64> = report.rows.keys().map(|key| key.0).collect();
    let mut drawn = 0;
    for day in days {
        let name = date(day);
        let _ = writeln!(
            text,
            "<h2>{name}</h2>\n<div class=\"wide\"><table><thead><tr><th>instrument</th>\
             <th>channel</th><th>0 to 24 h</th><th class=\"n\">covered</th>\
             <th class=\"n\">records</th><th class=\"n\">fetched</th><th class=\"n\">twice</th>\
             <th class=\"n\">late</th><th class=\"n\">delay, half</th><th class=\"n\">99 %</th>\
             <th class=\"n\">clock off</th><th class=\"n\">witness</th></tr></thead><tbody>"
        );
        for ((_, inst_id, channel), row) in report.rows.iter().filter(|(key, _)| key.0 == day) {
            drawn += 1;
            if drawn > ROWS_MAX {
                continue;
            }
            let delay = |at: usize| match row.delay.count {
                0 => "–".to_owned(),
                _ => micros(row.delay.quantiles[at]),
            };
            let off = match row.delay.ahead {
                0 => "–".to_owned(),
                _ => format!("≥ {}", micros(row.delay.ahead_us)),
            };
            let _ = writeln!(
                text,
                "<tr><td>{}</td><td>{}</td><td class=\"bar\" style=\"width:30%\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{off}</td>\
                 <td class=\"n\">{}</td></tr>",
                escape(inst_id),
                escape(channel),
                bar(day, row),
                covered(row),
                grouped(row.records),
                grouped(row.fetched),
                grouped(row.twice),
                grouped(row.late),
                delay(0),
                delay(2),
                witness(row),
            );
        }
        text.push_str("</tbody></table></div>\n");
    }
    if drawn > ROWS_MAX {
        let rows = counted((drawn - ROWS_MAX) as u64, "more row is", "more rows are");
        let _ = writeln!(text, "<p class=\"soft\">{rows} not drawn.</p>");
    }
}

/// The day of a row: recorded (full), filled later (half as high), gaps (full, another colour).
fn bar(day: u64, row: &Row) -> String {
    let start = day * DAY_NS;
    let at = |ns: u64| (ns.saturating_sub(start) / MINUTE_NS).min(WIDTH);
    let label = counted(row.gaps_all - row.gaps_filled, "gap", "gaps");
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} 10\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{label}\"><title>{label}</title>"
    );
    let mut rect = |from: u64, to: u64, (y, height): (u64, u64), class: &str| {
        // A minute alone would hardly be seen.
        let width = to.saturating_sub(from).max(4);
        let _ = write!(
            out,
            "<rect class=\"s-{class}\" x=\"{from}\" y=\"{y}\" width=\"{width}\" \
             height=\"{height}\"/>"
        );
    };
    match row.span {
        Some((from, to)) => rect(at(from), at(to), (0, 10), "clean"),
        // Only fetched: the hours of which there are trades, or all of the day.
        None if row.hours.is_empty() => rect(0, WIDTH, (5, 5), "clean"),
        None => row.hours.keys().for_each(|hour| rect(hour * 60, hour * 60 + 60, (5, 5), "clean")),
    }
    for gap in &row.gaps {
        let to = gap.to.unwrap_or(start + DAY_NS);
        let height = if gap.is_filled() { (5, 5) } else { (0, 10) };
        let class = if gap.is_filled() { "unverifiable" } else { "gap" };
        rect(at(gap.from), at(to), height, class);
    }
    out + "</svg>"
}

fn gaps(text: &mut String, report: &Report) {
    text.push_str("<h2>Gaps</h2>\n");
    let every: u64 = report.rows.values().map(|row| row.gaps_all).sum();
    if every == 0 {
        text.push_str("<p>None.</p>\n");
        return;
    }
    text.push_str("<div class=\"wide\"><table><thead><tr><th>instrument</th><th>channel</th>");
    text.push_str("<th>what</th></tr></thead><tbody>\n");
    let mut told = 0;
    for ((day, inst_id, channel), row) in &report.rows {
        for gap in row.gaps.iter().filter(|gap| gap.from / DAY_NS == *day) {
            told += 1;
            if told <= GAPS_MAX {
                let (inst_id, channel) = (escape(inst_id), escape(channel));
                let words = escape(&gap_words(gap));
                let _ = writeln!(
                    text,
                    "<tr><td>{inst_id}</td><td>{channel}</td><td class=\"why\">{words}</td></tr>"
                );
            }
        }
    }
    text.push_str("</tbody></table></div>\n");
    if told > GAPS_MAX {
        let gaps = counted((told - GAPS_MAX) as u64, "more gap is", "more gaps are");
        let _ = writeln!(text, "<p class=\"soft\">{gaps} not listed.</p>");
    }
}

fn trades(text: &mut String, report: &Report) {
    if report.rows.values().all(|row| row.hours.is_empty()) {
        return;
    }
    text.push_str(
        "<h2>Trade ids, hour by hour</h2>\n<div class=\"wide\"><table><thead><tr><th>day</th>\
         <th>instrument</th><th>channel</th><th>0 to 24 h</th><th>ids</th></tr></thead><tbody>\n",
    );
    for ((day, inst_id, channel), row) in report.rows.iter().take(ROWS_MAX) {
        if row.hours.is_empty() {
            continue;
        }
        let mut bar = String::from("<svg viewBox=\"0 0 240 10\" preserveAspectRatio=\"none\">");
        for (hour, ids) in &row.hours {
            let bad = ids.missing + ids.twice > 0;
            let (class, y) = if bad { ("gap", 0) } else { ("clean", 3) };
            let (first, last) = (ids.first, ids.last);
            let _ = write!(
                bar,
                "<rect class=\"s-{class}\" x=\"{}\" y=\"{y}\" width=\"9\" height=\"{}\">\
                 <title>{hour:02}h: {first} to {last}, {} missing, {} twice</title></rect>",
                hour * 10,
                10 - y,
                ids.missing,
                ids.twice
            );
        }
        bar.push_str("</svg>");
        let (day, inst_id, channel) = (date(*day), escape(inst_id), escape(channel));
        let _ = writeln!(
            text,
            "<tr><td>{day}</td><td>{inst_id}</td><td>{channel}</td>\
             <td class=\"bar\" style=\"width:40%\">{bar}</td><td>{}</td></tr>",
            ids(row)
        );
    }
    text.push_str("</tbody></table></div>\n");
}

fn findings(text: &mut String, report: &Report) {
    if report.ours.is_empty() && report.findings.is_empty() {
        return;
    }
    text.push_str("<h2>Losses of our own, and damage</h2>\n<ul class=\"findings\">\n");
    let ours = report.ours.iter().map(|gap| escape(&gap_words(gap)));
    for what in ours.chain(report.findings.iter().map(|finding| escape(finding))) {
        let _ = writeln!(text, "<li>{what}</li>");
    }
    text.push_str("</ul>\n");
}
