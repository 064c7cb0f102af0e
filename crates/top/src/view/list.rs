//! The list: name, price, change, and a line of closing prices, or why it is stale.

use super::{Theme, Tone, fit, framed, longest, title, words};
use crate::number::{cut, percent, spark};
use crate::said::cause;
use crate::screen::Screen;
use crate::watch::Row;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Cells of the change: `+123.45 %`.
const CHANGE: usize = 9;
/// Cells of the turnover: `1,305 M`.
const TURNOVER: usize = 9;
/// Fewest cells of a line of prices that says anything, and most.
const SPARK: std::ops::RangeInclusive<usize> = 4..=30;

/// Which columns there are, and how wide.
struct Columns {
    name: usize,
    price: usize,
    change: bool,
    turnover: bool,
    spark: usize,
    /// All that is beside name and price.
    rest: usize,
}

impl Columns {
    fn of(rows: &[&Row], width: usize) -> Columns {
        let price = longest(rows.iter().filter_map(|row| row.last.as_deref())).max(1);
        let wanted = longest(rows.iter().map(|row| row.inst.as_str()));
        // A mark, and a space before each column.
        let name = wanted.min(width.saturating_sub(price + 3));
        let mut left = width.saturating_sub(1 + name + 1 + price + 1);
        let rest = left;
        let change = left > CHANGE;
        left -= if change { CHANGE + 1 } else { 0 };
        let turnover = left >= TURNOVER + SPARK.end() + 2;
        left -= if turnover { TURNOVER + 1 } else { 0 };
        let spark = if left > *SPARK.start() { (left - 1).min(*SPARK.end()) } else { 0 };
        Columns { name, price, change, turnover, spark, rest }
    }
}

pub fn draw(screen: &Screen, theme: &Theme, frame: &mut Frame<'_>, area: Rect, focus: bool) {
    let rows = screen.watch.shown();
    let all = screen.watch.len();
    let mut more =
        if rows.len() == all { format!("{all}") } else { format!("{} of {all}", rows.len()) };
    for word in [screen.watch.order.word(), &screen.watch.filter] {
        if !word.is_empty() {
            more.push_str(&format!(" · {word}"));
        }
    }
    if screen.watch.stale() > 0 {
        more.push_str(&format!(" · {} stale", screen.watch.stale()));
    }
    let more = if screen.watch.known { more } else { String::new() };
    let inside = framed(theme, frame, area, (title(theme, "Instruments", &more), focus));
    if rows.is_empty() {
        let text = match (screen.watch.known, all) {
            (false, _) => "waiting for the list …".to_owned(),
            (true, 0) => "nothing has come yet".to_owned(),
            (true, _) => format!("no instrument with {:?}", screen.watch.filter),
        };
        return words(vec![Line::from(theme.span(Tone::Faint, text))], frame, inside);
    }
    let height = usize::from(inside.height);
    let chosen = screen.watch.chosen().map(|row| row.inst.as_str());
    let at = rows.iter().position(|row| Some(row.inst.as_str()) == chosen).unwrap_or(0);
    // The chosen row in the middle, as far as there are rows above and below.
    let first = at.saturating_sub(height / 2).min(rows.len().saturating_sub(height));
    let shown: Vec<&Row> = rows.into_iter().skip(first).take(height).collect();
    let columns = Columns::of(&shown, inside.width.into());
    let lines: Vec<Line<'_>> = shown
        .iter()
        .map(|row| line(row, theme, &columns, Some(row.inst.as_str()) == chosen))
        .collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

fn line<'a>(row: &Row, theme: &Theme, columns: &Columns, chosen: bool) -> Line<'a> {
    let change = row.change();
    let tone = match change.unwrap_or(0).signum() {
        1 => Tone::Good,
        -1 => Tone::Bad,
        _ => Tone::Faint,
    };
    let name = format!("{:<1$} ", fit(&row.inst, columns.name), columns.name);
    let price = row.last.as_deref().unwrap_or("–");
    let price = format!("{price:>0$} ", columns.price);
    let moved = match row.up {
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
        None => Tone::Text,
    };
    let mut spans = vec![
        theme.span(Tone::Accent, if chosen { "▌" } else { " " }),
        theme.span(if chosen { Tone::Strong } else { Tone::Text }, name),
        theme.span(moved, price),
    ];
    if let Some(stale) = &row.stale {
        let words = format!("stale: {}, {}", stale.channel, cause(&stale.cause));
        spans.push(theme.span(Tone::Warn, fit(&words, columns.rest)));
        return Line::from(spans);
    }
    if columns.change {
        let text = change.map_or_else(|| "–".to_owned(), percent);
        spans.push(theme.span(tone, format!("{text:>CHANGE$} ")));
    }
    if columns.turnover {
        let text = row.quote_volume.as_deref().map(cut).unwrap_or_default();
        spans.push(theme.span(Tone::Faint, format!("{text:>TURNOVER$} ")));
    }
    if columns.spark > 0 {
        spans.push(Span::styled(spark(row.line(), columns.spark), theme.of(tone)));
    }
    Line::from(spans)
}
