//! `verify --html`: one page that needs no network, no script and no other file.
//!
//! `verify.rs` writes what [`page`] gives. `html/page.css` has the looks, light and dark;
//! `coverage.rs` says what the bars show.
//!
//! Invariants: everything from the tape is escaped; no clock is read, so that one tape gives one
//! page; what is not shown is counted; colour never carries meaning alone: what is wrong is also
//! drawn at another height and told in words. Start at [`page`].

use super::Found;
use super::account::{Hole, Row, State};
use super::coverage::{Day, Piece, WIDTH, days};
use super::report::{ANCHOR_COLUMNS, anchor_numbers, anchor_words};
use super::report::{finding_words, lost_time, span};
use crate::out::html::escape;
use crate::out::number::{counted, grouped, size};
use market_data_model::Nanos;
use std::fmt::Write as _;

const CSS: &str = include_str!("html/page.css");
/// Most bars drawn; a browser has to hold them.
const BARS_MAX: usize = 5000;
/// Most days with bars.
const DAYS_MAX: usize = 400;
/// Most gaps in the table.
const GAPS_MAX: usize = 2000;

/// The page about what was found; `name` is what was verified.
pub fn page(found: &Found, name: &str) -> String {
    let (name, mut text) = (escape(name), String::new());
    let verdict = if found.is_clean() { "clean" } else { "not clean" };
    let class = if found.is_clean() { "clean" } else { "gap" };
    let _ = write!(
        text,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{verdict}: {name}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n\
         <header>\n<h1>{name}</h1>\n{}<p class=\"verdict {class}\">{verdict}</p>\n</header>\n",
        lasting(found),
    );
    tiles(&mut text, found);
    coverage(&mut text, found);
    gaps(&mut text, found);
    findings(&mut text, found);
    totals(&mut text, found);
    feeds(&mut text, found);
    method(&mut text, found);
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(
        text,
        "<footer>Made by market-data {version}, verify. Times are UTC, as received.</footer>\n\
         </body>\n</html>\n"
    );
    text
}

/// First and last time of everything.
fn ends(found: &Found) -> Option<(Nanos, Nanos)> {
    let from = found.lives.iter().map(|life| life.from).min()?;
    let to = found.lives.iter().map(|life| life.to).max()?;
    Some((from, to.max(from)))
}

fn lasting(found: &Found) -> String {
    let Some((from, to)) = ends(found) else {
        return "<p class=\"soft\">no feed on it</p>\n".to_owned();
    };
    let (from_text, to_text) = (moment(from), moment(to));
    format!("<p class=\"soft\">{from_text} to {to_text}, {}</p>\n", span(from, to))
}

/// A time to the millisecond: `2026-11-23 12:40:36.123`.
fn moment(at: Nanos) -> String {
    at.to_string().chars().take(23).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// Of a day: `12:40:36`.
fn clock(at: Nanos) -> String {
    at.to_string().chars().skip(11).take(8).collect()
}

fn tiles(text: &mut String, found: &Found) {
    let v = &found.verified;
    let inputs: u64 = found.lives.iter().map(|life| life.inputs).sum();
    let checked: u64 = found.lives.iter().map(|life| life.checked).sum();
    let rows = found.account.rows.values();
    let gaps: u64 = rows.clone().map(Row::gaps).sum();
    let missing: u64 = rows.clone().map(|row| row.ids_missing).sum();
    let broken: u64 = rows.map(|row| row.links_broken).sum();
    let compared = format!("{} of {}", grouped(checked), grouped(inputs));
    text.push_str("<section class=\"tiles\">\n");
    for (what, value) in [
        ("records", grouped(v.records)),
        ("in segments", grouped(v.segments)),
        ("on disk", size(v.stored_bytes)),
        ("before compression", size(v.bytes)),
        ("inputs compared", compared),
        ("gaps", grouped(gaps)),
        ("trade ids missing", grouped(missing)),
        ("links of books broken", grouped(broken)),
        ("findings about the files", grouped(v.findings)),
    ] {
        let _ = writeln!(text, "<div class=\"tile\"><span>{what}</span><b>{value}</b></div>");
    }
    text.push_str("</section>\n");
}

fn coverage(text: &mut String, found: &Found) {
    text.push_str("<h2>Coverage</h2>\n<p class=\"soft\">");
    let key = |state| svg(&[(0, WIDTH, state)], "key", "");
    let _ = writeln!(
        text,
        "{}recorded and proven{}recorded, not proven (half as high){}gap{}not recorded</p>",
        key(Some(State::Clean)),
        key(Some(State::Unverifiable)),
        key(Some(State::Gap)),
        key(None),
    );
    let all = ends(found).map(|(from, to)| days(from, to, DAYS_MAX)).unwrap_or_default();
    let mut drawn = 0;
    let mut left_out = 0usize;
    for day in all {
        let rows = found.account.rows.len();
        if drawn + rows > BARS_MAX && drawn > 0 {
            left_out += rows;
            continue;
        }
        drawn += rows;
        let (name, from, to) = (day.name(), clock(day.from), clock(day.to));
        let _ = writeln!(text, "<h3>{name}<small>{from} to {to}</small></h3>");
        text.push_str("<div class=\"wide\"><table>\n");
        for ((channel, inst_id), row) in found.account.rows.iter().take(BARS_MAX) {
            let (channel, inst_id) = (escape(channel), escape(inst_id));
            let bar = bar(&day, row, found);
            let _ = writeln!(
                text,
                "<tr><td>{inst_id}</td><td>{channel}</td><td class=\"bar\">{bar}</td></tr>"
            );
        }
        left_out += rows.saturating_sub(BARS_MAX);
        text.push_str("</table></div>\n");
    }
    if left_out > 0 {
        let bars = counted(left_out as u64, "more bar is", "more bars are");
        let _ = writeln!(text, "<p class=\"soft\">{bars} not drawn.</p>");
    }
}

fn bar(day: &Day, row: &Row, found: &Found) -> String {
    let pieces = day.bar(row, &found.account.pauses);
    let of = |state| pieces.iter().filter(|(.., s)| *s == Some(state)).count() as u64;
    let (gaps, unproven) = (of(State::Gap), of(State::Unverifiable));
    let mut label = match pieces.first() {
        None => "nothing recorded".to_owned(),
        Some(_) => counted(gaps, "gap", "gaps"),
    };
    if unproven > 0 {
        label.push_str(&format!(", {}", counted(unproven, "stretch", "stretches")));
        label.push_str(" not proven");
    }
    svg(&pieces, "", &label)
}

fn svg(pieces: &[Piece], class: &str, label: &str) -> String {
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} 10\" preserveAspectRatio=\"none\" role=\"img\"{}",
        if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") },
    );
    match label {
        "" => out.push_str(" aria-hidden=\"true\">"),
        _ => out.push_str(&format!(" aria-label=\"{label}\"><title>{label}</title>")),
    }
    for (from, to, state) in pieces {
        // What could not be proven is half as high, so that no colour is needed to see it.
        let (y, height) = if *state == Some(State::Unverifiable) { (5, 5) } else { (0, 10) };
        if y > 0 {
            out.push_str(&rect(*from, *to, (0, 10), "pause"));
        }
        out.push_str(&rect(*from, *to, (y, height), state.map_or("pause", State::as_str)));
    }
    out + "</svg>"
}

fn rect(from: u64, to: u64, (y, height): (u64, u64), class: &str) -> String {
    let width = to - from;
    format!(
        "<rect class=\"s-{class}\" x=\"{from}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
    )
}

fn gaps(text: &mut String, found: &Found) {
    text.push_str("<h2>Gaps</h2>\n");
    let mut all: Vec<(&Hole, &str, &str)> = Vec::new();
    for ((channel, inst_id), row) in &found.account.rows {
        all.extend(row.holes.iter().map(|hole| (hole, inst_id.as_str(), channel.as_str())));
    }
    all.sort_by_key(|(hole, inst_id, channel)| (hole.from, *inst_id, *channel));
    let not_kept: u64 = found.account.rows.values().map(|row| row.more_holes).sum();
    if all.is_empty() {
        text.push_str("<p>None.</p>\n");
        return;
    }
    head(
        text,
        &["instrument", "channel", "cause", "whose", "from", "to", "long", "trades lost"],
        6,
    );
    for (hole, inst_id, channel) in all.iter().take(GAPS_MAX) {
        let time = |at: Option<Nanos>, none: &str| at.map_or(none.to_owned(), moment);
        let long = match (hole.from, hole.to) {
            (Some(from), Some(to)) => span(from, to),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td class=\"n\">{long}</td><td class=\"n\">{}</td></tr>",
            escape(inst_id),
            escape(channel),
            hole.cause,
            hole.whose,
            time(hole.from, "the start"),
            time(hole.to, "the end"),
            hole.lost.map_or("unknown".to_owned(), grouped),
        );
    }
    text.push_str("</tbody></table></div>\n");
    let more = all.len().saturating_sub(GAPS_MAX) as u64 + not_kept;
    if more > 0 {
        let gaps = counted(more, "more gap is", "more gaps are");
        let _ = writeln!(text, "<p class=\"soft\">{gaps} not listed.</p>");
    }
}

/// A table's head; the columns from `numbers` on hold numbers.
fn head(text: &mut String, columns: &[&str], numbers: usize) {
    text.push_str("<div class=\"wide\"><table><thead><tr>");
    for (at, column) in columns.iter().enumerate() {
        let class = if at >= numbers { " class=\"n\"" } else { "" };
        let _ = write!(text, "<th{class}>{column}</th>");
    }
    text.push_str("</tr></thead><tbody>\n");
}

fn findings(text: &mut String, found: &Found) {
    let mut all: Vec<String> = found.findings.iter().map(finding_words).collect();
    let more = found.verified.findings.saturating_sub(found.findings.len() as u64);
    if more > 0 {
        all.push(format!("and {}", counted(more, "more finding", "more findings")));
    }
    if found.orphans > 0 {
        let inputs = counted(found.orphans, "input", "inputs");
        all.push(format!("unverifiable: {inputs} of feeds whose start is not here"));
    }
    if found.killed {
        all.push(lost_time(found));
    }
    if let Some(parquet) = &found.parquet {
        all.extend(parquet.words().lines().map(str::to_owned));
    }
    text.push_str("<h2>Damage and losses of the recorder</h2>\n");
    if all.is_empty() {
        text.push_str("<p>None.</p>\n");
        return;
    }
    text.push_str("<ul class=\"findings\">\n");
    for one in all {
        let _ = writeln!(text, "<li>{}</li>", escape(one.trim_end()));
    }
    text.push_str("</ul>\n");
}

fn totals(text: &mut String, found: &Found) {
    text.push_str("<h2>Totals</h2>\n");
    let anchors = found.account.has_anchors();
    let mut columns = vec![
        "instrument",
        "channel",
        "state",
        "records",
        "gaps",
        "ids missing",
        "links",
        "broken",
        "bars absent",
        "unverifiable",
    ];
    if anchors {
        columns.extend(ANCHOR_COLUMNS);
    }
    head(text, &columns, 3);
    for ((channel, inst_id), row) in &found.account.rows {
        let state = row.state().as_str();
        let _ = write!(
            text,
            "<tr><td>{}</td><td>{}</td><td class=\"{state}\">{state}</td>",
            escape(inst_id),
            escape(channel)
        );
        let only = |shown: bool, number: u64| {
            if shown { grouped(number) } else { String::new() }
        };
        let has_links = row.links + row.links_broken > 0;
        let mut numbers = vec![
            grouped(row.records),
            grouped(row.gaps()),
            only(row.ids > 0, row.ids_missing),
            only(has_links, row.links),
            only(has_links, row.links_broken),
            only(row.bars.bars > 0, row.bars.absent),
            grouped(row.unverifiable),
        ];
        if anchors {
            let asked = row.anchors.all > 0;
            numbers.extend(anchor_numbers(row).map(|number| only(asked, number)));
        }
        for number in numbers {
            let _ = write!(text, "<td class=\"n\">{number}</td>");
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
    for ((channel, inst_id), row) in &found.account.rows {
        if let Some(x) = &row.anchors.difference {
            let (channel, inst_id, words) = (escape(channel), escape(inst_id), anchor_words(x));
            let _ = writeln!(text, "<p>{inst_id} {channel} differs: {}.</p>", escape(&words));
        }
    }
}

fn feeds(text: &mut String, found: &Found) {
    text.push_str("<h2>Connections</h2>\n");
    head(text, &["feed", "address", "from", "to", "in doubt", "inputs", "events", "compared"], 5);
    for life in &found.lives {
        let mut doubt = String::new();
        if let Some(x) = &life.difference {
            doubt = format!("different between {} and {}", moment(x.from), moment(x.to));
        } else if let Some(at) = life.state_differs {
            doubt = format!("its state at {} is another than then", moment(at));
        } else if let Some((at, why)) = &life.unverifiable {
            doubt = format!("unverifiable from {}: {why}", moment(*at));
        }
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"why\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            life.feed.0,
            escape(&life.url),
            moment(life.from),
            moment(life.to),
            escape(&doubt),
            grouped(life.inputs),
            grouped(life.events),
            grouped(life.checked),
        );
    }
    text.push_str("</tbody></table></div>\n");
    for pause in &found.account.pauses {
        let (from, to) = (pause.from, pause.to);
        let _ = writeln!(
            text,
            "<p class=\"soft\">Nobody recorded between {} and {} ({}).</p>",
            moment(from),
            moment(to),
            span(from, to)
        );
    }
}

/// How it was checked, so that a reader knows what the verdict is worth.
fn method(text: &mut String, found: &Found) {
    let v = &found.verified;
    let _ = writeln!(
        text,
        "<h2>How it was checked</h2>\n<ol>\n\
         <li>The sums over {} in {} were computed again, and each of {} was found by its number: a \
         number that is missing is a record that is missing, unless the recorder itself says that it \
         lost it.</li>\n\
         <li>Every input went through the same state machine as live, and everything that came out \
         (records as text, and what was sent) was compared with the sums that the recorder had left \
         about once a second.</li>\n\
         <li>Every change of every book had to follow the change before it (<code>prevSeqId</code>), \
         every trade id the one before it, every bar the bar before it.</li>\n\
         <li>Where the venue's REST side was asked for a book while recording, its answer had to show \
         the same levels as the book made of the frames at the same <code>seqId</code>. An id that \
         the frames never stopped at cannot be compared.</li>\n\
         <li>A gap is a stretch that cannot be trusted. <em>unverifiable</em> is what nothing proves: \
         it is counted apart and never called clean. Absent bars are such: the venue may not have \
         sent any because nothing was traded.</li>\n\
         <li>Not seen from here: segments deleted at the end of the tape, and anything that the venue \
         never sent.</li>\n</ol>",
        counted(v.blocks, "block", "blocks"),
        counted(v.segments, "segment", "segments"),
        counted(v.records, "record", "records"),
    );
}

#[cfg(test)]
mod tests;
