//! The picture: a pure function of the state, the theme and the size. Each panel is a file below
//! `view/`; this one decides which of them are there, and where.
//!
//! Invariants: colour never carries a meaning that no word or sign says; what is not live is
//! dimmed, and a line says why; whatever the size, nothing panics.

use crate::screen::{Panel, Screen};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

mod bars;
mod book;
mod health;
mod list;
mod trades;

/// Smallest size that is drawn, in cells.
const LEAST: (u16, u16) = (28, 8);
/// From here on there are two columns, and three.
const MEDIUM: u16 = 72;
const WIDE: u16 = 106;
/// From here on health has a strip of its own.
const TALL: u16 = 22;

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Text,
    Faint,
    Strong,
    /// Rising, bids, buyers, well.
    Good,
    /// Falling, asks, sellers.
    Bad,
    /// The same for what stands behind.
    GoodDeep,
    BadDeep,
    /// Somebody should look.
    Warn,
    Accent,
    Border,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    colour: bool,
}

impl Theme {
    /// `colour`: whether there is any.
    pub fn new(colour: bool) -> Theme {
        Theme { colour }
    }

    fn of(&self, tone: Tone) -> Style {
        // Of the 256 colours, those that can be read on black and on white.
        let (index, modifier) = match tone {
            Tone::Text => return Style::new(),
            Tone::Strong => return Style::new().add_modifier(Modifier::BOLD),
            Tone::Faint => (244, Modifier::empty()),
            Tone::Good => (35, Modifier::empty()),
            Tone::Bad => (167, Modifier::empty()),
            Tone::GoodDeep => (22, Modifier::empty()),
            Tone::BadDeep => (52, Modifier::empty()),
            Tone::Warn => (172, Modifier::BOLD),
            Tone::Accent => (39, Modifier::BOLD),
            Tone::Border => (240, Modifier::empty()),
        };
        let style = Style::new().add_modifier(modifier);
        if self.colour { style.fg(Color::Indexed(index)) } else { style }
    }

    fn span<'a>(&self, tone: Tone, text: impl Into<String>) -> Span<'a> {
        Span::styled(text.into(), self.of(tone))
    }
}

/// Draws everything.
pub fn draw(screen: &Screen, theme: &Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (width, height) = LEAST;
        let words = format!("{width} × {height} at least");
        frame.render_widget(Paragraph::new(words).centered(), area);
        return;
    }
    let banner = bars::banner(screen, theme);
    let heights = [1, u16::from(banner.is_some()), 0, 1].map(Constraint::Length);
    let [head, warning, _, foot] = heights;
    let parts = Layout::vertical([head, warning, Constraint::Fill(1), foot]).split(area);
    bars::head(screen, theme, frame, parts[0]);
    if let Some(banner) = banner {
        frame.render_widget(banner, parts[1]);
    }
    body(screen, theme, frame, parts[2]);
    if !screen.is_live() {
        let dim = Style::new().add_modifier(Modifier::DIM);
        frame.buffer_mut().set_style(parts[2], dim);
    }
    bars::foot(screen, theme, frame, parts[3]);
    if screen.help {
        help(theme, frame, area);
    }
}

fn body(screen: &Screen, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let mut panel = |which: Panel, area: Rect| {
        let focus = screen.focus == which;
        match which {
            Panel::List => list::draw(screen, theme, frame, area, focus),
            Panel::Book => book::draw(screen, theme, frame, area, focus),
            Panel::Trades => trades::draw(screen, theme, frame, area, focus),
            Panel::Health => health::draw(screen, theme, frame, area, focus),
        }
    };
    if screen.zoomed || area.width < MEDIUM {
        return panel(screen.focus, area);
    }
    let strip = if area.height >= TALL { health::height(screen, area.height) } else { 0 };
    let rows = Layout::vertical([Constraint::Fill(1), Constraint::Length(strip)]).split(area);
    if strip > 0 {
        panel(Panel::Health, rows[1]);
    }
    if area.width >= WIDE {
        let widths = [Constraint::Fill(12), Constraint::Fill(11), Constraint::Length(36)];
        let columns = Layout::horizontal(widths).split(rows[0]);
        panel(Panel::List, columns[0]);
        panel(Panel::Book, columns[1]);
        panel(Panel::Trades, columns[2]);
    } else {
        let columns = Layout::horizontal([Constraint::Fill(5), Constraint::Fill(4)]).split(rows[0]);
        panel(Panel::List, columns[0]);
        let beside = match screen.focus {
            Panel::List => Panel::Book,
            Panel::Health if strip > 0 => Panel::Book,
            other => other,
        };
        panel(beside, columns[1]);
    }
}

/// A frame with a title; where its inside is.
fn framed(
    theme: &Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    (title, focus): (Line<'_>, bool),
) -> Rect {
    let border = theme.of(if focus { Tone::Accent } else { Tone::Border });
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(border);
    let block = block.title_top(title);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}

/// A title of a frame, and what stands fainter beside it.
fn title<'a>(theme: &Theme, name: &str, more: &str) -> Line<'a> {
    // Not in the colour of the border.
    let strong = theme.of(Tone::Strong).fg(Color::Reset);
    let mut line = vec![Span::raw(" "), Span::styled(name.to_owned(), strong), Span::raw(" ")];
    if !more.is_empty() {
        line.push(theme.span(Tone::Faint, format!("{more} ")));
    }
    Line::from(line)
}

/// Words in the middle of an empty panel.
fn words(lines: Vec<Line<'_>>, frame: &mut Frame<'_>, area: Rect) {
    let height = u16::try_from(lines.len()).unwrap_or(1).min(area.height);
    let top = area.height.saturating_sub(height) / 2;
    let middle = Rect { y: area.y + top, height, ..area };
    frame.render_widget(Paragraph::new(lines).centered(), middle);
}

/// Cut to `width` letters, with an ellipsis where something is missing.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { kept } else { kept + "…" }
}

/// Digits before and after the points of a column of numbers, so that the points stand below each
/// other.
#[derive(Clone, Copy, Default)]
struct Points {
    before: usize,
    after: usize,
}

impl Points {
    fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Points {
        texts.fold(Points::default(), |points, text| {
            let (before, after) = Points::parts(text);
            Points { before: points.before.max(before), after: points.after.max(after) }
        })
    }

    /// With the point, if there is one.
    fn parts(text: &str) -> (usize, usize) {
        let all = text.chars().count();
        let before = text.chars().take_while(|letter| *letter != '.').count();
        (before, all - before)
    }

    fn width(self) -> usize {
        self.before + self.after
    }

    fn place(self, text: &str) -> String {
        let (before, after) = Points::parts(text);
        let left = self.before.saturating_sub(before);
        let right = self.after.saturating_sub(after);
        format!("{:left$}{text}{:right$}", "", "")
    }
}

/// The longest of some texts, in letters.
fn longest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

fn help(theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    const KEYS: [(&str, &str); 10] = [
        ("↑ ↓  j k", "choose an instrument; scroll in health"),
        ("PgUp PgDn Home End", "the same, farther"),
        ("Tab  Shift-Tab", "the next, the previous panel"),
        ("Enter  z", "that panel alone, and back"),
        ("/", "filter; Enter keeps it, Esc clears it"),
        ("s", "order: server's, name, change, turnover"),
        ("h", "health alone, and back"),
        ("Esc", "back; clear the filter"),
        ("?", "this"),
        ("q  Ctrl-C", "end"),
    ];
    let (width, height) = (64.min(area.width), 12.min(area.height));
    let (x, y) = ((area.width - width) / 2, (area.height - height) / 2);
    let place = Rect { x: area.x + x, y: area.y + y, width, height };
    frame.render_widget(Clear, place);
    let inside = framed(theme, frame, place, (title(theme, "Keys", "any key closes"), true));
    let line = |(key, does): &(&'static str, &'static str)| {
        Line::from(vec![theme.span(Tone::Accent, format!(" {key:<19}")), Span::raw(*does)])
    };
    let lines: Vec<Line<'_>> = KEYS.iter().map(line).collect();
    frame.render_widget(Paragraph::new(lines), inside);
}
