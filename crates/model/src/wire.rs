//! Events as JSON text, one object an event (NDJSON), version 1.
//!
//! Which fields a record has is in [`fields`]. Numbers that the venue
//! sends as decimal text stay decimal text, byte for byte; absent is `null`. The schema is in
//! `docs/records.md`.
//!
//! Invariant: output is always valid JSON without a line break.

use crate::batch::EventRef;
use crate::decimal::Decimal;
use crate::digits;
use crate::event::Level;
use crate::fields::{self, Value, Visitor};
use std::io::Write as _;

/// Version of the schema, the `v` of every record.
pub const VERSION: u32 = 1;

/// Appends one event as a JSON object, without a line break.
pub fn write_json(event: &EventRef<'_>, out: &mut Vec<u8>) {
    let mut json = Json::open(out);
    fields::visit(event, &mut json);
    json.close();
}

/// Writes one JSON object, field by field. For those who have the fields from elsewhere than an
/// event, and want the same text.
pub struct Json<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Json<'a> {
    /// Begins an object.
    pub fn open(out: &'a mut Vec<u8>) -> Json<'a> {
        out.push(b'{');
        Json { out, first: true }
    }

    /// Ends it.
    pub fn close(self) {
        self.out.push(b'}');
    }

    /// Writes the next field, for those who have its name from elsewhere than the code.
    pub fn named(&mut self, name: &str, value: Value<'_>) {
        self.key(name);
        self.value(value);
    }

    fn key(&mut self, name: &str) {
        let (start, length) = if self.first { (b"\" ", 1) } else { (b",\"", 2) };
        self.first = false;
        digits::append(word(start), length, self.out);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Bool(Some(true)) => self.verbatim("true"),
            Value::Bool(Some(false)) => self.verbatim("false"),
            Value::Int(Some(x)) => {
                if x < 0 {
                    self.out.push(b'-');
                }
                digits::whole(x.unsigned_abs(), self.out);
            }
            Value::Count(Some(x)) | Value::Millis(Some(x)) | Value::Nanos(Some(x)) => {
                digits::whole(x, self.out);
            }
            Value::Id(x) => {
                self.out.push(b'"');
                digits::whole(x, self.out);
                self.out.push(b'"');
            }
            Value::Decimal(Some(x)) => quoted(x, self.out),
            Value::Word(Some(x)) | Value::Text(Some(x)) => escape(x, self.out),
            Value::Json(Some(row)) => {
                // A bare line break would end the record; a JSON string never holds one.
                let one_line = |b| if matches!(b, b'\n' | b'\r') { b' ' } else { b };
                self.out.extend(row.bytes().map(one_line));
            }
            Value::Point(id, at) => {
                let mut inner = Json::open(self.out);
                inner.field("id", Value::Int(id));
                inner.field("tsRecv", Value::Nanos(at));
                inner.close();
            }
            Value::Levels(levels) => self.levels(levels),
            Value::Bool(None)
            | Value::Int(None)
            | Value::Count(None)
            | Value::Millis(None)
            | Value::Nanos(None)
            | Value::Decimal(None)
            | Value::Word(None)
            | Value::Text(None)
            | Value::Json(None) => self.verbatim("null"),
        }
    }

    fn verbatim(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    fn levels(&mut self, levels: &[Level]) {
        self.out.push(b'[');
        for level in levels {
            if self.short_level(level).is_none() {
                self.long_level(level);
            }
        }
        if !levels.is_empty() {
            // The comma behind the last one.
            self.out.pop();
        }
        self.out.push(b']');
    }

    /// A level of numbers of ordinary length and the comma behind it, in three steps; `None` says
    /// that nothing was written.
    #[inline(always)]
    fn short_level(&mut self, level: &Level) -> Option<()> {
        let ((px, px_length), (qty, qty_length)) =
            (level.px.0.medium_text()?, level.qty.0.medium_text()?);
        if level.orders >= ORDERS_SHORT || level.non_rpi.0 != Decimal::NONE {
            return None;
        }
        let (orders, orders_length) = digits::short(u64::from(level.orders));
        digits::append(px << 16 | word(b"[\""), px_length + 2, self.out);
        digits::append(qty << 24 | word(b"\",\""), qty_length + 3, self.out);
        let end = word(b"],") << (8 * orders_length + 16);
        digits::append(u128::from(orders) << 16 | word(b"\",") | end, orders_length + 4, self.out);
        Some(())
    }

    #[inline(never)]
    fn long_level(&mut self, level: &Level) {
        self.out.push(b'[');
        quoted(level.px.0, self.out);
        self.out.push(b',');
        quoted(level.qty.0, self.out);
        self.out.push(b',');
        digits::whole(level.orders.into(), self.out);
        if let Some(non_rpi) = level.non_rpi.0.some() {
            self.out.push(b',');
            quoted(non_rpi, self.out);
        }
        self.out.extend_from_slice(b"],");
    }
}

/// Fewer orders than this have at most seven digits.
const ORDERS_SHORT: u32 = 10_000_000;
// What stands before a number, and the number, are put down with one store of sixteen bytes.
const _: () = assert!(digits::MEDIUM_MAX + 3 <= 16);

/// Some bytes as the lowest of a word.
const fn word<const N: usize>(bytes: &[u8; N]) -> u128 {
    let (mut word, mut n) = (0, N);
    while n > 0 {
        n -= 1;
        word = word << 8 | bytes[n] as u128;
    }
    word
}

impl Visitor for Json<'_> {
    fn field(&mut self, name: &'static str, value: Value<'_>) {
        self.key(name);
        self.value(value);
    }
}

fn quoted(value: Decimal, out: &mut Vec<u8>) {
    out.push(b'"');
    value.write_to(out);
    out.push(b'"');
}

/// Appends `text` as a JSON string.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let is_special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
        out.extend_from_slice(text.as_bytes());
        return out.push(b'"');
    }
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => write!(out, "\\u{byte:04x}").expect("a vector takes every write"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
