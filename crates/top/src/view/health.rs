//! Connections, gaps, sinks and the tape.

use super::bars::ago;
use super::{Theme, Tone, framed, title, words};
use crate::health::{Feed, Gap};
use crate::number::{clock, grouped, micros, span};
use crate::said::cause;
use crate::screen::Screen;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// From here on gaps stand beside the connections instead of below.
const BESIDE: u16 = 150;
/// Lines of gaps in the strip.
const GAPS: usize = 3;

/// How high the strip is, given the height of all panels.
pub fn height(screen: &Screen, all: u16) -> u16 {
    let feeds = u16::try_from(screen.health.feeds.len()).unwrap_or(u16::MAX);
    let gaps = screen.health.gaps.len().clamp(1, GAPS) as u16;
    feeds.saturating_add(3 + 1 + gaps).clamp(6, (all / 3).max(6))
}

pub fn draw(screen: &Screen, theme: &Theme, frame: &mut Frame<'_>, area: Rect, focus: bool) {
    let inside = framed(theme, frame, area, (title(theme, "Health", ""), focus));
    let health = &screen.health;
    if !health.known {
        let waiting = theme.span(Tone::Faint, "waiting for the first answer …");
        return words(vec![Line::from(waiting)], frame, inside);
    }
    let mut left = feeds(&health.feeds, theme, inside.width);
    let mut right = gaps(screen, theme);
    let aside = aside(screen, theme);
    if inside.width >= BESIDE {
        let columns = Layout::horizontal([Constraint::Fill(6), Constraint::Fill(5)]).split(inside);
        left.extend(aside);
        frame.render_widget(Paragraph::new(left), columns[0]);
        return frame.render_widget(Paragraph::new(right), columns[1]);
    }
    // Where not everything fits, gaps matter more than what is well.
    let room = usize::from(inside.height);
    let gaps_room = right.len().min(room.saturating_sub(left.len()).max(room / 2));
    left.truncate(room - gaps_room);
    let spare = room.saturating_sub(left.len() + gaps_room);
    right.truncate(gaps_room);
    left.extend(aside.into_iter().take(spare));
    left.extend(right);
    frame.render_widget(Paragraph::new(left), inside);
}

/// A line of labels, and a line for each connection: as many columns as there is room for.
fn feeds<'a>(feeds: &[Feed], theme: &Theme, width: u16) -> Vec<Line<'a>> {
    const COLUMNS: [(&str, usize); 11] = [
        ("feed", 5),
        ("state", 6),
        ("live", 8),
        ("frames/s", 9),
        ("p50", 9),
        ("p99", 9),
        ("last frame", 11),
        ("gaps", 6),
        ("reconnects", 11),
        ("faults", 7),
        ("address", 32),
    ];
    let mut room = usize::from(width);
    let shown = COLUMNS.iter().take_while(|(_, width)| {
        let fits = room > *width;
        room = room.saturating_sub(*width);
        fits
    });
    let shown = shown.count();
    let cell = |i: usize, text: &str| match COLUMNS.get(i) {
        Some((_, width)) if i < shown && i + 1 < COLUMNS.len() => format!("{text:>width$}"),
        Some(_) if i < shown => format!("  {text}"),
        _ => String::new(),
    };
    let labels = (0..).zip(COLUMNS).map(|(i, (label, _))| theme.span(Tone::Faint, cell(i, label)));
    let mut lines = vec![Line::from(labels.collect::<Vec<Span<'_>>>())];
    for feed in feeds {
        let dash = || "–".to_owned();
        let delay =
            |of: fn((u64, u64)) -> u64| feed.delay_us.map_or_else(dash, |us| micros(of(us)));
        let live = feed.live.zip(feed.waiting).map_or_else(dash, |(live, waiting)| {
            format!("{live}/{}", live.saturating_add(waiting))
        });
        let cells = [
            feed.number.to_string(),
            if feed.connected { "up" } else { "DOWN" }.to_owned(),
            live,
            feed.rate.map_or_else(dash, grouped),
            delay(|us| us.0),
            delay(|us| us.1),
            feed.age_ms.map_or_else(dash, span),
            grouped(feed.gaps),
            grouped(feed.reconnects),
            grouped(feed.faults),
            feed.url.trim_start_matches("wss://").trim_start_matches("ws://").to_owned(),
        ];
        let waits = feed.waiting.is_some_and(|waiting| waiting > 0) || feed.gaps_open > 0;
        let bad = |i: usize| match i {
            1 => !feed.connected,
            2 => waits,
            _ => false,
        };
        let tone = |i: usize| match i {
            _ if bad(i) => Tone::Warn,
            1 => Tone::Good,
            4.. => Tone::Faint,
            _ => Tone::Text,
        };
        let spans = cells.iter().enumerate().map(|(i, text)| theme.span(tone(i), cell(i, text)));
        lines.push(Line::from(spans.collect::<Vec<Span<'_>>>()));
    }
    lines
}

/// A line of what they are, and a line for each gap.
fn gaps<'a>(screen: &Screen, theme: &Theme) -> Vec<Line<'a>> {
    let gaps = &screen.health.gaps;
    if gaps.is_empty() {
        return vec![Line::from(theme.span(Tone::Faint, " no gap since the start"))];
    }
    let open = gaps.iter().filter(|gap| gap.open).count();
    let words = match open {
        0 => format!(" gaps: {} listed, none open", gaps.len()),
        _ => format!(" gaps: {open} open, {} listed", gaps.len()),
    };
    let mut lines = vec![Line::from(theme.span(Tone::Faint, words))];
    // Those that are open come first; what has scrolled away is among the closed ones.
    lines.extend(gaps.iter().skip(screen.scrolled).map(|gap| gap_line(gap, screen, theme)));
    lines
}

fn gap_line<'a>(gap: &Gap, screen: &Screen, theme: &Theme) -> Line<'a> {
    let at = gap.from.map_or_else(|| "--:--:--".to_owned(), clock);
    let lasted = match gap.open {
        true => format!("open {}", ago(screen, gap.from).unwrap_or_default()),
        false => {
            let took = gap.to.zip(gap.from).map(|(to, from)| span(to.saturating_sub(from)));
            format!("for {}", took.unwrap_or_else(|| "?".to_owned()))
        }
    };
    let place = match (&gap.inst, &gap.channel) {
        (Some(inst), Some(channel)) => format!("{inst} {channel}"),
        _ => "a whole connection".to_owned(),
    };
    let mut rest = format!("  {} ({})", cause(&gap.cause), gap.whose);
    if let Some(lost) = gap.lost.filter(|lost| *lost > 0) {
        rest.push_str(&format!(", {} lost", grouped(lost)));
    }
    if let Some(healed) = &gap.healed {
        rest.push_str(&format!(", healed: {healed}"));
    }
    Line::from(vec![
        theme.span(Tone::Faint, format!(" {at}  ")),
        theme.span(if gap.open { Tone::Warn } else { Tone::Text }, format!("{lasted:<14}")),
        Span::raw(format!("  {place:<24}")),
        theme.span(Tone::Faint, rest),
    ])
}

/// Sinks and the tape.
fn aside<'a>(screen: &Screen, theme: &Theme) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let tape = screen.health.tape.as_ref();
    if let Some(tape) = tape {
        let mut text = format!(" tape: {} records", grouped(tape.records));
        text.push_str(&format!(", {} kB", grouped(tape.bytes / 1000)));
        let bad = tape.lost > 0 || tape.error.is_some();
        if tape.lost > 0 {
            text.push_str(&format!(", {} lost", grouped(tape.lost)));
        }
        if let Some(error) = &tape.error {
            text.push_str(&format!(", failing: {error}"));
        }
        lines.push(Line::from(theme.span(if bad { Tone::Warn } else { Tone::Faint }, text)));
    }
    for sink in &screen.health.sinks {
        let mut text = format!(" sink {}: {} delivered", sink.name, grouped(sink.delivered));
        if sink.dropped > 0 {
            text.push_str(&format!(", {} dropped", grouped(sink.dropped)));
        }
        if sink.depth > 0 {
            text.push_str(&format!(", {} waiting", grouped(sink.depth)));
        }
        let tone = if sink.dropped > 0 { Tone::Warn } else { Tone::Faint };
        lines.push(Line::from(theme.span(tone, text)));
    }
    lines
}
