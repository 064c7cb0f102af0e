//! Trades of the chosen instrument, the newest first.

use super::{Points, Theme, Tone, framed, title, words};
use crate::market::Line as Trade;
use crate::number::{clock, grouped};
use crate::screen::Screen;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub fn draw(screen: &Screen, theme: &Theme, frame: &mut Frame<'_>, area: Rect, focus: bool) {
    let market = &screen.market;
    let channel = market.channels[1].as_deref().unwrap_or_default();
    let inside = framed(theme, frame, area, (title(theme, "Trades", channel), focus));
    if market.trades.is_empty() {
        let text = match (&market.channels[1], &market.inst) {
            (Some(_), _) => "waiting for a trade …",
            (None, Some(_)) => "no trades are followed",
            (None, None) => "nothing is chosen",
        };
        return words(vec![Line::from(theme.span(Tone::Faint, text))], frame, inside);
    }
    let shown: Vec<&Trade> = market.trades.iter().take(inside.height.into()).collect();
    let of =
        |read: fn(&Trade) -> Option<&str>| Points::of(shown.iter().filter_map(|line| read(line)));
    let points = [
        of(|line| match line {
            Trade::Trade { px, .. } => Some(px),
            Trade::Lost(_) => None,
        }),
        of(|line| match line {
            Trade::Trade { qty, .. } => Some(qty),
            Trade::Lost(_) => None,
        }),
    ];
    let lines: Vec<Line<'_>> =
        shown.iter().map(|trade| line(trade, theme, points, inside.width.into())).collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

fn line<'a>(trade: &Trade, theme: &Theme, points: [Points; 2], width: usize) -> Line<'a> {
    match trade {
        Trade::Lost(count) => {
            let words = match count {
                0 => " ── records were lost here ──".to_owned(),
                1 => " ── 1 record was lost here ──".to_owned(),
                count => format!(" ── {} records were lost here ──", grouped(*count)),
            };
            Line::from(theme.span(Tone::Warn, words))
        }
        Trade::Trade { at, px, qty, side } => {
            let (tone, side) = match side.as_str() {
                "buy" => (Tone::Good, "buy "),
                "sell" => (Tone::Bad, "sell"),
                _ => (Tone::Text, "?   "),
            };
            let [px_points, qty_points] = points;
            let mut spans = Vec::new();
            // The time goes first where there is no room for everything.
            if width >= 1 + 9 + 5 + px_points.width() + 2 + qty_points.width() {
                let at = at.map_or_else(|| "--:--:--".to_owned(), clock);
                spans.push(theme.span(Tone::Faint, format!(" {at}")));
            }
            spans.push(theme.span(tone, format!(" {side} {}", px_points.place(px))));
            spans.push(Span::raw(format!("  {}", qty_points.place(qty))));
            Line::from(spans)
        }
    }
}
