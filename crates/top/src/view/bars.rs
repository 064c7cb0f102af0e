//! The first and the last line, and the line that says what is wrong.

use super::{Theme, Tone};
use crate::number::{clock, grouped, micros, span};
use crate::screen::{Link, Screen};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Parts of a line as long as there is room for them.
fn as_fits(parts: Vec<Vec<Span<'_>>>, width: usize) -> Line<'_> {
    let mut line = Vec::new();
    let mut used = 0;
    for part in parts {
        used += part.iter().map(Span::width).sum::<usize>();
        if used > width {
            break;
        }
        line.extend(part);
    }
    Line::from(line)
}

/// Name, connection and health on the left, the time on the right.
pub fn head(screen: &Screen, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let time = format!("{} UTC ", clock(screen.now));
    let width = usize::from(area.width).saturating_sub(time.len());
    let health = &screen.health;
    let well = health.is_well() && screen.watch.stale() == 0 && screen.market.stale.is_none();
    let (tone, word, more) = match screen.link {
        Link::Connecting => (Tone::Faint, "◌ connecting", ""),
        Link::Lost { .. } => (Tone::Warn, "✕ disconnected", ""),
        Link::Open if !health.known => (Tone::Good, "● live", ""),
        Link::Open if well => (Tone::Good, "● live", ", all well"),
        Link::Open => (Tone::Warn, "● not all well", ""),
    };
    let mut parts = vec![
        vec![Span::raw(" "), theme.span(Tone::Strong, "market-data"), Span::raw("  ")],
        vec![theme.span(tone, word)],
        vec![theme.span(tone, more), Span::raw("  ")],
    ];
    if health.known && screen.is_live() {
        let (live, all) = health.live();
        let feeds = format!("{}/{} feeds  {live}/{all} live  ", health.up(), health.feeds.len());
        parts.push(vec![Span::raw(feeds)]);
        if health.open() > 0 {
            let open = format!("{} open gaps  ", grouped(health.open()));
            parts.push(vec![theme.span(Tone::Warn, open)]);
        }
        if let Some(rate) = health.rate() {
            parts.push(vec![Span::raw(format!("{} frames/s  ", grouped(rate)))]);
        }
        let worst = health.feeds.iter().filter_map(|feed| feed.delay_us).max_by_key(|us| us.1);
        if let Some((_, p99)) = worst {
            parts.push(vec![theme.span(Tone::Faint, format!("p99 {}  ", micros(p99)))]);
        }
    }
    parts.push(vec![theme.span(Tone::Faint, format!("{}  ", screen.server))]);
    frame.render_widget(as_fits(parts, width), area);
    frame.render_widget(Paragraph::new(theme.span(Tone::Faint, time)).right_aligned(), area);
}

/// What is wrong with the connection, if anything is.
pub fn banner<'a>(screen: &Screen, theme: &Theme) -> Option<Paragraph<'a>> {
    let words = match (&screen.link, &screen.refused) {
        (Link::Lost { since, again, why }, _) => {
            let left = again.saturating_sub(screen.now).div_ceil(1000);
            let next = match left {
                0 => "trying again".to_owned(),
                _ => format!("trying again in {left} s"),
            };
            format!(" No connection since {}: {why}; {next}", clock(*since))
        }
        (_, Some(words)) => format!(" The server refused: {words}"),
        _ => return None,
    };
    let style = theme.of(Tone::Warn).add_modifier(Modifier::REVERSED);
    Some(Paragraph::new(words).style(style))
}

/// Keys, or the filter while it is typed.
pub fn foot(screen: &Screen, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    if screen.filtering {
        let shown = screen.watch.shown().len();
        let count = format!("  {shown} of {}", screen.watch.len());
        let line = vec![
            theme.span(Tone::Accent, " /"),
            Span::raw(screen.watch.filter.clone()),
            theme.span(Tone::Accent, "▏"),
            theme.span(Tone::Faint, count),
            theme.span(Tone::Faint, "  Enter keeps it, Esc clears it"),
        ];
        frame.render_widget(Line::from(line), area);
        return;
    }
    const KEYS: [(&str, &str); 8] = [
        ("q", "quit"),
        ("↑↓", "choose"),
        ("Tab", "panel"),
        ("/", "filter"),
        ("Enter", "alone"),
        ("h", "health"),
        ("s", "order"),
        ("?", "keys"),
    ];
    let key = |(key, does): &(&'static str, &'static str)| {
        vec![
            theme.span(Tone::Accent, format!(" {key} ")),
            theme.span(Tone::Faint, format!("{does} ")),
        ]
    };
    let keys = KEYS.iter().map(key).collect();
    frame.render_widget(as_fits(keys, area.width.into()), area);
}

/// "12 s", of a time in the past; nothing if it is not known.
pub fn ago(screen: &Screen, since: Option<u64>) -> Option<String> {
    Some(span(screen.now.saturating_sub(since?)))
}
