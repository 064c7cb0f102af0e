//! The compact binary form of records; `docs/binary.md` describes it for those who read it.
//!
//! It is made of the record's own JSON text, so it cannot say anything else than that: what many
//! records have in common (names of fields, channel, instrument) becomes a numbered template that
//! each connection is told once, the rest becomes values.
//!
//! Invariants: unpacking gives the JSON text back byte for byte; whatever has no shorter form is
//! carried as the text it is. Templates are bounded in number; what finds no room is one value of
//! template 0.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Templates kept; a pair of channel and instrument needs a few.
const TEMPLATES_MAX: usize = 400_000;
/// First byte of a message that is a record.
const RECORD: u8 = 1;
/// Fields that are alike in many records, and belong to the template.
const CONSTANT: [&str; 10] = [
    "v", "type", "exchange", "channel", "instId", "instType", "symbol", "unit", "interval", "depth",
];
/// Most decimals of a number that is packed.
const DECIMALS_MAX: usize = 40;

/// Tags of values.
mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const COUNT: u8 = 3;
    pub const NEGATIVE: u8 = 4;
    pub const TEXT: u8 = 5;
    pub const JSON: u8 = 6;
    pub const LIST: u8 = 7;
    pub const LEVELS: u8 = 8;
    pub const DECIMAL: u8 = 16;
    pub const DECIMAL_NEGATIVE: u8 = 64;
}

/// A record in the binary form, without what differs from client to client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// Which template it is read with.
    pub template: u32,
    values: Box<[u8]>,
}

impl Packed {
    /// The whole message for one client.
    pub fn message(&self, sub: u64, seq: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.values.len() + 16);
        out.push(RECORD);
        varint(sub, &mut out);
        varint(seq, &mut out);
        varint(u64::from(self.template), &mut out);
        out.extend_from_slice(&self.values);
        out
    }
}

/// Every template so far.
pub(crate) struct Templates(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_fields: HashMap<Arc<str>, u32>,
    all: Vec<Arc<str>>,
}

impl Default for Templates {
    fn default() -> Templates {
        let templates = Templates(Mutex::default());
        // Number 0: nothing in common, the record is one value.
        templates.number("");
        templates
    }
}

impl Templates {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How clients are told a template.
    pub fn told(&self, template: u32) -> String {
        let known = self.lock();
        let fields = known.all.get(template as usize).map_or("", |fields| fields);
        format!("{{\"type\":\"template\",\"template\":{template},\"fields\":[{fields}]}}")
    }

    fn number(&self, fields: &str) -> Option<u32> {
        let mut known = self.lock();
        if let Some(number) = known.by_fields.get(fields) {
            return Some(*number);
        }
        if known.all.len() >= TEMPLATES_MAX {
            return None;
        }
        let (number, fields) = (known.all.len() as u32, Arc::<str>::from(fields));
        known.all.push(Arc::clone(&fields));
        known.by_fields.insert(fields, number);
        Some(number)
    }

    /// Packs a record.
    pub fn pack(&self, json: &str) -> Packed {
        let split = split(json);
        let found = split.and_then(|(fields, values)| Some((self.number(&fields)?, values)));
        let (template, values) = found.unwrap_or_else(|| {
            let mut whole = Vec::with_capacity(json.len() + 4);
            text(tag::JSON, json, &mut whole);
            (0, whole)
        });
        Packed { template, values: values.into() }
    }
}

/// The template's fields, and the values that it lacks.
fn split(json: &str) -> Option<(String, Vec<u8>)> {
    let mut rest = json.strip_prefix('{')?;
    let (mut fields, mut values) = (String::with_capacity(256), Vec::with_capacity(128));
    loop {
        let (name, behind) = rest.strip_prefix('"')?.split_once('"')?;
        let behind = behind.strip_prefix(':')?;
        let (raw, behind) = behind.split_at(value_end(behind)?);
        if !fields.is_empty() {
            fields.push(',');
        }
        fields.push_str("[\"");
        fields.push_str(name);
        fields.push('"');
        if CONSTANT.contains(&name) {
            fields.push(',');
            fields.push_str(raw);
        } else {
            value(raw, &mut values);
        }
        fields.push(']');
        match behind.as_bytes() {
            [b',', ..] => rest = &behind[1..],
            [b'}'] => return Some((fields, values)),
            _ => return None,
        }
    }
}

/// Where the value at the front ends.
fn value_end(json: &str) -> Option<usize> {
    let bytes = json.as_bytes();
    let (mut depth, mut quoted, mut i) = (0_u32, false, 0);
    loop {
        let byte = *bytes.get(i)?;
        match byte {
            b'\\' if quoted => i += 1,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b',' | b'}' | b']' if depth == 0 => return Some(i),
            _ => {}
        }
        i += 1;
        let over = depth == 0 && !quoted && matches!(byte, b'"' | b'}' | b']');
        if over {
            return Some(i);
        }
    }
}

fn value(raw: &str, out: &mut Vec<u8>) {
    match raw.as_bytes() {
        b"null" => out.push(tag::NULL),
        b"false" => out.push(tag::FALSE),
        b"true" => out.push(tag::TRUE),
        [b'"', .., b'"'] if raw.len() >= 2 => {
            let inner = &raw[1..raw.len() - 1];
            match Decimal::read(inner) {
                Some(decimal) => decimal.tagged(out),
                None => text(tag::TEXT, inner, out),
            }
        }
        [b'[', ..] => list(raw, out),
        _ => number(raw, out),
    }
}

fn number(raw: &str, out: &mut Vec<u8>) {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    match whole(digits) {
        Some(value) if digits.len() == raw.len() => {
            out.push(tag::COUNT);
            varint(value, out);
        }
        Some(value) if value > 0 => {
            out.push(tag::NEGATIVE);
            varint(value - 1, out);
        }
        _ => text(tag::JSON, raw, out),
    }
}

/// A whole number as it is usually written.
fn whole(digits: &str) -> Option<u64> {
    let usual = digits == "0" || !digits.starts_with('0');
    let sound = usual && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| sound)
}

fn list(raw: &str, out: &mut Vec<u8>) {
    let Some(parts) = parts(raw) else { return text(tag::JSON, raw, out) };
    let before = out.len();
    if levels(&parts, out).is_none() {
        out.truncate(before);
        out.push(tag::LIST);
        varint(parts.len() as u64, out);
        parts.into_iter().for_each(|part| value(part, out));
    }
}

/// The elements of a list.
fn parts(raw: &str) -> Option<Vec<&str>> {
    let mut rest = raw.strip_prefix('[')?;
    let mut parts = Vec::new();
    if rest == "]" {
        return Some(parts);
    }
    loop {
        let (part, behind) = rest.split_at(value_end(rest)?);
        parts.push(part);
        match behind.as_bytes() {
            [b',', ..] => rest = &behind[1..],
            [b']'] => return Some(parts),
            _ => return None,
        }
    }
}

/// Levels of a book; `None` if it is another list, or one that has no short form.
fn levels(parts: &[&str], out: &mut Vec<u8>) -> Option<()> {
    let first = self::parts(parts.first()?)?;
    let decimals = Decimal::quoted(first.first()?)?.decimals;
    out.extend_from_slice(&[tag::LEVELS, first.len() as u8, decimals]);
    varint(parts.len() as u64, out);
    let mut before = 0_i64;
    for part in parts {
        let level = self::parts(part)?;
        let (rest, [price, quantity, orders]) = match &level[..] {
            [price, quantity, orders] => (None, [price, quantity, orders]),
            [price, quantity, orders, rest] => (Some(rest), [price, quantity, orders]),
            _ => return None,
        };
        let price = Decimal::quoted(price)?;
        if level.len() != first.len() || price.decimals != decimals || price.negative {
            return None;
        }
        let price = i64::try_from(price.digits).ok()?;
        let step = price - before;
        varint(((step << 1) ^ (step >> 63)) as u64, out);
        before = price;
        Decimal::quoted(quantity)?.bare(out)?;
        varint(whole(orders)?, out);
        if let Some(rest) = rest {
            Decimal::quoted(rest)?.bare(out)?;
        }
    }
    Some(())
}

/// Decimal text in its usual form.
struct Decimal {
    negative: bool,
    decimals: u8,
    /// All digits as one number.
    digits: u64,
}

impl Decimal {
    fn quoted(raw: &str) -> Option<Decimal> {
        Decimal::read(raw.strip_prefix('"')?.strip_suffix('"')?)
    }

    /// Reads it if printing gives the same text back.
    fn read(text: &str) -> Option<Decimal> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (int, fraction) = match text.split_once('.') {
            Some((_, "")) => return None,
            Some((int, fraction)) => (int, fraction),
            None => (text, ""),
        };
        whole(int)?;
        if fraction.len() > DECIMALS_MAX || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut digits = 0_u64;
        for byte in int.bytes().chain(fraction.bytes()) {
            digits = digits.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        }
        Some(Decimal { negative, decimals: fraction.len() as u8, digits })
    }

    fn tagged(&self, out: &mut Vec<u8>) {
        let tag = if self.negative { tag::DECIMAL_NEGATIVE } else { tag::DECIMAL };
        out.push(tag + self.decimals);
        varint(self.digits, out);
    }

    /// Without a tag; `None` for negative ones.
    fn bare(&self, out: &mut Vec<u8>) -> Option<()> {
        out.push(self.decimals);
        varint(self.digits, out);
        (!self.negative).then_some(())
    }
}

fn text(tag: u8, text: &str, out: &mut Vec<u8>) {
    out.push(tag);
    varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests;
