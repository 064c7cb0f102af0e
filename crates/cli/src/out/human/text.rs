//! The pieces that lines for people are made of: times, columns, numbers, and text made harmless.
//!
//! Only `human.rs` uses them. Everything is appended to a buffer; nothing rounds.

use market_data_model::time::{DAY_MS, SECOND, civil};
use market_data_model::{Decimal, Nanos};
use std::io::Write as _;

/// How much of a row or frame nobody understands is shown, in characters.
const ROW_CHARS_MAX: usize = 120;
/// Widest that the columns of instrument, channel and numbers grow, in characters.
pub(super) const COLUMN_MAX: usize = 32;

/// Control characters replaced, so that no venue can talk to the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

pub(super) fn shown(text: &str) -> String {
    let mut cut: String = plain(text).chars().take(ROW_CHARS_MAX).collect();
    if cut.len() < text.len() && text.chars().count() > ROW_CHARS_MAX {
        cut.push('…');
    }
    cut
}

pub(super) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes every write");
}

pub(super) fn spaces(count: usize, out: &mut Vec<u8>) {
    out.extend(std::iter::repeat_n(b' ', count));
}

pub(super) fn column(text: &str, width: &mut usize, out: &mut Vec<u8>) {
    let text = plain(text);
    let chars = text.chars().count();
    *width = chars.min(COLUMN_MAX).max(*width);
    out.extend_from_slice(text.as_bytes());
    spaces(width.saturating_sub(chars) + 2, out);
}

pub(super) fn optional(value: Option<Decimal>, out: &mut Vec<u8>) {
    match value.and_then(Decimal::some) {
        Some(value) => value.write_to(out),
        None => out.push(b'-'),
    }
}

/// `a - b` exactly; `None` if it does not fit.
pub(super) fn difference(a: Decimal, b: Decimal) -> Option<Decimal> {
    let scale = a.scale().max(b.scale());
    Decimal::from_parts(a.at_scale(scale)?.checked_sub(b.at_scale(scale)?)?, scale)
}

/// `HH:MM:SS.mmm` UTC.
pub(super) fn clock(at: Nanos, out: &mut Vec<u8>) {
    let of_day = at.0 / SECOND % 86_400;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    put(out, format_args!("{hour:02}:{minute:02}:{second:02}.{:03}", at.millis() % 1000));
}

/// `YYYY-MM-DD HH:MM` UTC, with seconds and milliseconds where they are not zero.
pub(super) fn moment(ms: u64) -> String {
    let (year, month, day) = civil((ms / DAY_MS as u64) as i64);
    let (seconds, millis) = (ms / 1000 % 86_400, ms % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}");
    if second > 0 || millis > 0 {
        text.push_str(&format!(":{second:02}"));
    }
    if millis > 0 {
        text.push_str(&format!(".{millis:03}"));
    }
    text
}

pub(super) fn clock_minutes(ms: u64, out: &mut Vec<u8>) {
    let minutes = ms / 60_000 % 1440;
    put(out, format_args!("{:02}:{:02}", minutes / 60, minutes % 60));
}
