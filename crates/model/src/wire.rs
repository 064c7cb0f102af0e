//! Events as JSON text, one object an event (NDJSON), version 1.
//!
//! Which fields a record has is in [`fields`]. Numbers that the venue
//! sends as decimal text stay decimal text, byte for byte; absent is `null`. The schema is in
//! `docs/records.md`.
//!
//! Invariant: output is always valid JSON without a line break.

use crate::batch::EventRef;
use crate::decimal::Decimal;
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
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Bool(Some(true)) => self.verbatim("true"),
            Value::Bool(Some(false)) => self.verbatim("false"),
            Value::Int(Some(x)) => self.number(x),
            Value::Count(Some(x)) | Value::Millis(Some(x)) | Value::Nanos(Some(x)) => {
                self.number(x);
            }
            Value::Id(x) => {
                self.verbatim("\"");
                self.number(x);
                self.verbatim("\"");
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

    fn number(&mut self, value: impl std::fmt::Display) {
        // Writing to a vector cannot fail.
        write!(self.out, "{value}").expect("a vector takes every write");
    }

    fn levels(&mut self, levels: &[Level]) {
        self.out.push(b'[');
        for (i, level) in levels.iter().enumerate() {
            self.out.extend_from_slice(if i == 0 { b"[" } else { b",[" });
            quoted(level.px.0, self.out);
            self.out.push(b',');
            quoted(level.qty.0, self.out);
            write!(self.out, ",{}", level.orders).expect("a vector takes every write");
            if let Some(non_rpi) = level.non_rpi.0.some() {
                self.out.push(b',');
                quoted(non_rpi, self.out);
            }
            self.out.push(b']');
        }
        self.out.push(b']');
    }
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
