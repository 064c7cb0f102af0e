//! Damage to frames: what a strict reader can always see, and what nobody can.
//!
//! `net.rs` calls these for the faults `truncate`, `corrupt` and `rot`. The first two never turn
//! one valid number into another, because no client could notice that; [`rot`] does just that.
//!
//! Invariants: the result of [`corrupt`] and [`truncate`] is not valid for a strict reader, that of
//! [`rot`] is, and differs in one size; frames are ASCII, so cutting anywhere is safe. Start at
//! [`corrupt`].

use crate::rng::Rng;

/// A strict prefix, at least one byte long.
pub fn truncate(text: &str, rng: &mut Rng) -> String {
    let len = text.len().max(2) as u64;
    let mut cut = rng.between(1, len - 1) as usize;
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    text[..cut].to_owned()
}

/// One of four kinds of damage; falls back on broken JSON where a kind does not apply.
pub fn corrupt(text: &str, rng: &mut Rng) -> String {
    let data = text.find("\"data\":[").map(|at| at + 8);
    let done = match (rng.below(4), data) {
        (0, Some(from)) => bad_number(text, from, rng),
        (1, Some(from)) => lost_field(text, from),
        (2, Some(from)) => wrong_type(text, from),
        _ => None,
    };
    done.unwrap_or_else(|| broken(text, rng))
}

/// Channels whose books REST answers about, with ids.
const WITNESSED: &[&str] = &["books", "books-l2-tbt", "books50-l2-tbt"];

/// The update of an organic book with another size in one of its levels; `None` if it is none, or
/// sets no size.
pub fn rot(text: &str, rng: &mut Rng) -> Option<String> {
    let (head, _) = text.split_once("\"action\":\"update\"")?;
    let of = |name: &&&str| head.contains(&format!("\"channel\":\"{name}\""));
    WITNESSED.iter().find(of)?;
    // A level is `["px","sz",…`.
    let size_end = |(at, _): (usize, &str)| {
        let px = at + 2;
        let size = px + text[px..].find("\",\"")? + 3;
        let end = size + text[size..].find('"')?;
        (&text[size..end] != "0").then_some(end)
    };
    let ends: Vec<usize> = text.match_indices("[\"").filter_map(size_end).collect();
    if ends.is_empty() {
        return None;
    }
    let last = ends[rng.below(ends.len() as u64) as usize] - 1;
    let digit = text.as_bytes()[last];
    let other = if digit == b'9' { '1' } else { char::from(digit + 1) };
    Some(format!("{}{other}{}", &text[..last], &text[last + 1..]))
}

/// `"83729.1"` becomes `"83x9.1"`.
fn bad_number(text: &str, from: usize, rng: &mut Rng) -> Option<String> {
    let bytes = text.as_bytes();
    let start = from + rng.below((text.len() - from) as u64) as usize;
    // The next quoted token that is nothing but a number of at least two characters.
    let mut at = start;
    while at < bytes.len() {
        if bytes[at] == b'"' {
            let end = at + 1 + text[at + 1..].find('"')?;
            let token = &text[at + 1..end];
            let number = token.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            if number && token.len() > 1 {
                let middle = at + 1 + token.len() / 2;
                return Some(format!("{}x{}", &text[..middle], &text[middle + 1..]));
            }
            at = end;
        } else {
            at += 1;
        }
    }
    None
}

/// A field that every reader needs loses its name.
fn lost_field(text: &str, from: usize) -> Option<String> {
    const NEEDED: &[&str] = &["\"seqId\":", "\"px\":", "\"last\":", "\"markPx\":", "\"idxPx\":"];
    let name = NEEDED.iter().find(|name| text[from..].contains(**name))?;
    let at = from + text[from..].find(name)?;
    Some(format!("{}\"x{}", &text[..at], &text[at + 2..]))
}

/// A time stamp that is a list.
fn wrong_type(text: &str, from: usize) -> Option<String> {
    let at = from + text[from..].find("\"ts\":\"")? + 5;
    let end = at + 1 + text[at + 1..].find('"')?;
    Some(format!("{}[\"{}\"]{}", &text[..at], &text[at + 1..end], &text[end + 1..]))
}

/// A byte that JSON does not allow where it stands.
fn broken(text: &str, rng: &mut Rng) -> String {
    let places: Vec<usize> =
        text.match_indices([':', ',', '[', '{', ']', '}']).map(|(at, _)| at).collect();
    if places.is_empty() {
        return format!("{text}\u{1}");
    }
    // A control character is never allowed in JSON, inside a string or outside.
    let at = places[rng.below(places.len() as u64) as usize];
    format!("{}\u{1}{}", &text[..at], &text[at + 1..])
}
