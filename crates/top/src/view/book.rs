//! The book of the chosen instrument: asks above bids, with what is at each level and what lies
//! between it and the touch.

use super::bars::ago;
use super::{Points, Theme, Tone, framed, title, words};
use crate::market::{Book, Level};
use crate::number::{cut, percent, read, share};
use crate::said::cause;
use crate::screen::Screen;
use crate::watch::{Row, Stale};
use market_data_model::Decimal;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Fewest cells of a bar that says anything.
const BAR: usize = 6;
/// From so many lines on, figures stand above the ladder.
const FIGURES: u16 = 12;

pub fn draw(screen: &Screen, theme: &Theme, frame: &mut Frame<'_>, area: Rect, focus: bool) {
    let market = &screen.market;
    let name = market.inst.as_deref().unwrap_or("Book");
    let channel = market.channels[0].as_deref().unwrap_or_default();
    let inside = framed(theme, frame, area, (title(theme, name, channel), focus));
    let mut lines = Vec::new();
    if inside.height >= FIGURES
        && let Some(row) = screen.watch.chosen()
    {
        lines = figures(row, theme, usize::from(inside.width));
        let facts: Vec<String> =
            market.facts.iter().map(|(label, value)| format!("{label} {value}")).collect();
        lines.extend(wrapped(&facts, usize::from(inside.width), theme));
        lines.truncate(usize::from(inside.height / 3));
    }
    let above = u16::try_from(lines.len()).unwrap_or(0);
    let parts = Layout::vertical([Constraint::Length(above), Constraint::Fill(1)]).split(inside);
    frame.render_widget(Paragraph::new(lines), parts[0]);
    if let Some(book) = &market.book {
        return ladder(book, theme, frame, parts[1]);
    }
    let stale = market.stale.as_ref().or_else(|| stale_of(screen));
    words(why_not(screen, theme, stale), frame, parts[1]);
}

/// The server's word about the channel, for who joins while it is stale.
fn stale_of(screen: &Screen) -> Option<&Stale> {
    let stale = screen.watch.chosen()?.stale.as_ref()?;
    (Some(&stale.channel) == screen.market.channels[0].as_ref()).then_some(stale)
}

/// Why there is no book to be seen.
fn why_not<'a>(screen: &Screen, theme: &Theme, stale: Option<&Stale>) -> Vec<Line<'a>> {
    let faint = |text: &str| Line::from(theme.span(Tone::Faint, text));
    if !screen.is_live() {
        return vec![faint("no connection, so no book")];
    }
    match (stale, &screen.market.channels[0]) {
        (Some(stale), _) => {
            let age = ago(screen, stale.since).map(|age| format!(", {age}")).unwrap_or_default();
            vec![
                Line::from(theme.span(Tone::Warn, format!("stale{age}"))),
                faint(cause(&stale.cause)),
                faint("back with its next verified snapshot"),
            ]
        }
        (None, Some(_)) => vec![faint("waiting for the book …")],
        (None, None) if screen.market.inst.is_some() => vec![faint("no book is followed")],
        (None, None) => vec![faint("nothing is chosen")],
    }
}

/// Last price and figures of 24 hours.
fn figures<'a>(row: &Row, theme: &Theme, width: usize) -> Vec<Line<'a>> {
    let change = row.change();
    let tone = match change.unwrap_or(0).signum() {
        1 => Tone::Good,
        -1 => Tone::Bad,
        _ => Tone::Faint,
    };
    let arrow = match row.up {
        Some(true) => theme.span(Tone::Good, " ▲ "),
        Some(false) => theme.span(Tone::Bad, " ▼ "),
        None => Span::raw("   "),
    };
    let last = row.last.clone().unwrap_or_else(|| "–".to_owned());
    let mut first = vec![Span::raw(" "), theme.span(Tone::Strong, last), arrow];
    first.push(theme.span(tone, change.map(percent).unwrap_or_default()));
    first.push(theme.span(Tone::Faint, format!("  {}", row.kind.as_deref().unwrap_or_default())));
    let figure = |label: &str, value: &Option<String>, short: bool| {
        let value = value.as_deref()?;
        Some(format!("{label} {}", if short { cut(value) } else { value.to_owned() }))
    };
    let day: Vec<String> = [
        figure("high", &row.high, false),
        figure("low", &row.low, false),
        figure("volume", &row.volume, true),
        figure("turnover", &row.quote_volume, true),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut lines = vec![Line::from(first)];
    lines.extend(wrapped(&day, width, theme));
    lines
}

/// Short texts side by side, in as many lines as they need.
fn wrapped<'a>(texts: &[String], width: usize, theme: &Theme) -> Vec<Line<'a>> {
    let mut lines: Vec<String> = Vec::new();
    for text in texts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 2 + text.chars().count() <= width => {
                line.push_str(&format!("  {text}"));
            }
            _ => lines.push(format!(" {text}")),
        }
    }
    lines.into_iter().map(|line| Line::from(theme.span(Tone::Faint, line))).collect()
}

/// How wide the columns are.
struct Columns {
    px: Points,
    qty: Points,
    /// `None`: there is no room.
    sum: Option<Points>,
    bar: u16,
}

fn ladder(book: &Book, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let each = usize::from(area.height.saturating_sub(1) / 2);
    let (asks, bids) =
        (&book.asks[..each.min(book.asks.len())], &book.bids[..each.min(book.bids.len())]);
    let all = || asks.iter().chain(bids);
    let sums: Vec<String> =
        all().map(|level| level.sum.map(|sum| sum.to_string()).unwrap_or_default()).collect();
    let mut columns = Columns {
        px: Points::of(all().map(|level| level.px.as_str())),
        qty: Points::of(all().map(|level| level.qty.as_str())),
        sum: Some(Points::of(sums.iter().map(String::as_str))),
        bar: 0,
    };
    let width = usize::from(area.width);
    let mut left = width.saturating_sub(columns.px.width() + columns.qty.width() + 4);
    columns.sum = columns.sum.filter(|sum| left >= sum.width() + 2 + BAR);
    left -= columns.sum.map_or(0, |sum| sum.width() + 2);
    columns.bar = if left >= BAR { u16::try_from(left).unwrap_or(0) } else { 0 };
    let most = all().filter_map(|level| level.sum).max_by(|a, b| a.cmp_value(*b));
    let most = most.unwrap_or(Decimal::ZERO);
    let middle = area.y + u16::try_from(each).unwrap_or(0);
    let buffer = frame.buffer_mut();
    for (i, level) in (0..).zip(asks) {
        let row = Rect { y: middle - 1 - i, height: 1, ..area };
        draw_level(level, theme, &columns, (most, [Tone::Bad, Tone::BadDeep]), buffer, row);
    }
    for (i, level) in (0..).zip(bids) {
        let row = Rect { y: middle + 1 + i, height: 1, ..area };
        draw_level(level, theme, &columns, (most, [Tone::Good, Tone::GoodDeep]), buffer, row);
    }
    let spread = book.spread().map(|spread| format!(" spread {spread}")).unwrap_or_default();
    let id = book.id.map(|id| format!("  id {id}")).unwrap_or_default();
    let empty = if book.asks.is_empty() || book.bids.is_empty() { " a side is empty" } else { "" };
    let line = Line::from(theme.span(Tone::Faint, format!("{spread}{empty}{id}")));
    buffer.set_line(area.x, middle, &line, area.width);
}

fn draw_level(
    level: &Level,
    theme: &Theme,
    columns: &Columns,
    (most, tones): (Decimal, [Tone; 2]),
    buffer: &mut Buffer,
    row: Rect,
) {
    let sum = level.sum.map(|sum| sum.to_string()).unwrap_or_default();
    let mut spans = vec![
        theme.span(tones[0], format!(" {}  ", columns.px.place(&level.px))),
        Span::raw(format!("{} ", columns.qty.place(&level.qty))),
    ];
    if let Some(points) = columns.sum {
        spans.push(theme.span(Tone::Faint, format!(" {} ", points.place(&sum))));
    }
    let (x, _) = buffer.set_line(row.x, row.y, &Line::from(spans), row.width);
    let cells = columns.bar.min(row.right().saturating_sub(x));
    let own = read(&level.qty).map_or(0, |qty| share(qty, most, cells * 8));
    let all = level.sum.map_or(0, |sum| share(sum, most, cells * 8));
    bar(theme, buffer, (x, row.y), (own, all), tones);
}

/// What is at the level, bright, in front of what lies between it and the touch. In eighths.
fn bar(
    theme: &Theme,
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    (own, all): (u16, u16),
    tones: [Tone; 2],
) {
    let (bright, deep) = (theme.of(tones[0]), theme.of(tones[1]));
    for cell in 0..all.max(own).div_ceil(8) {
        let from = cell * 8;
        let filled = |to: u16| to.saturating_sub(from).min(8);
        let (front, back) = (filled(own), filled(all));
        let (eighths, style) = match (front, back) {
            (0, 8) if !theme.colour => (0, Style::new()),
            (0, back) => (back, deep),
            // A cell has two colours: the bright part, and what is behind it.
            (front, 8) if front < 8 => match deep.fg {
                Some(behind) => (front, bright.bg(behind)),
                None => (front, bright),
            },
            (front, _) => (front, bright),
        };
        let symbol = match eighths {
            0 => "░".to_owned(),
            eighths => crate::number::bar(eighths),
        };
        buffer.set_string(x + cell, y, symbol, style);
    }
}
