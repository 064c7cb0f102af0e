//! Whole numbers as exact decimal text, and JSON strings.
//!
//! Every writer of frames uses these; nothing here ever rounds. OKX strips trailing zeros
//! (`83725.90` is sent as `83725.9`), and so does [`decimal`].

use std::fmt::Write as _;

/// Appends `units` of 10^-`places` as decimal text without trailing zeros.
pub fn push_decimal(out: &mut String, units: i128, places: u32) {
    if units < 0 {
        out.push('-');
    }
    let mut digits = units.unsigned_abs();
    let mut places = places;
    while places > 0 && digits.is_multiple_of(10) {
        digits /= 10;
        places -= 1;
    }
    let scale = 10u128.pow(places);
    let _ = write!(out, "{}", digits / scale);
    if places > 0 {
        let _ = write!(out, ".{:0width$}", digits % scale, width = places as usize);
    }
}

/// `units` of 10^-`places` as decimal text without trailing zeros.
pub fn decimal(units: i128, places: u32) -> String {
    let mut out = String::with_capacity(16);
    push_decimal(&mut out, units, places);
    out
}

/// A duration or time in nanoseconds as the whole milliseconds OKX sends.
pub fn millis(ns: u64) -> String {
    (ns / 1_000_000).to_string()
}

/// Appends a JSON string, quotes included.
pub fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A JSON string, quotes included.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_json(&mut out, text);
    out
}
