//! A strict reader of JSON text that allocates nothing and never changes a number's text.
//!
//! [`parse`] validates a whole document once; after that a [`Raw`] is a slice of it that can be
//! walked, and every walk is total: asking an array for its fields gives none. Whether a document
//! is accepted agrees with serde_json (property test below), except that nesting deeper than
//! [`DEPTH_MAX`] is refused.
//!
//! Invariant: a [`Raw`] holds exactly one valid value, without space around it.

use std::borrow::Cow;
use std::fmt;

/// Deepest nesting accepted; OKX's frames nest 5 deep (instrument rows, captured 2026-04).
pub const DEPTH_MAX: usize = 64;

/// Why bytes are not one JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset of the trouble.
    pub at: usize,
    /// What was wrong there.
    pub why: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.why, self.at)
    }
}

impl std::error::Error for JsonError {}

/// What kind of value a [`Raw`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// `1`, `-2.5e3`
    Number,
    /// `true`, `false`
    Bool,
    /// `null`
    Null,
}

/// One valid JSON value, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

/// Validates `bytes` as one JSON document.
///
/// # Errors
/// [`JsonError`] at the first byte that is not UTF-8 or not JSON.
pub fn parse(bytes: &[u8]) -> Result<Raw<'_>, JsonError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| JsonError { at: e.valid_up_to(), why: "not UTF-8" })?;
    let bytes = text.as_bytes();
    let start = space(bytes, 0);
    let end = value(bytes, start, 0)?;
    let rest = space(bytes, end);
    if rest != bytes.len() {
        return Err(JsonError { at: rest, why: "text after the end" });
    }
    Ok(Raw(&text[start..end]))
}

impl<'a> Raw<'a> {
    /// The value's own text.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// What kind of value it is.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The fields of an object in order; none for any other kind.
    pub fn fields(self) -> Fields<'a> {
        Fields { text: self.0, at: if self.kind() == Kind::Object { 1 } else { usize::MAX } }
    }

    /// The elements of an array in order; none for any other kind.
    pub fn items(self) -> Items<'a> {
        Items { text: self.0, at: if self.kind() == Kind::Array { 1 } else { usize::MAX } }
    }

    /// The first field called `name`.
    pub fn field(self, name: &str) -> Option<Raw<'a>> {
        self.fields().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A string's value; `None` for any other kind.
    pub fn text(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| unescape(&self.0[1..self.0.len() - 1]))
    }

    /// A whole number, written as a number or as a string of digits.
    pub fn integer(self) -> Option<i64> {
        match self.kind() {
            Kind::Number => self.0.parse().ok(),
            Kind::String => self.text()?.parse().ok(),
            _ => None,
        }
    }

    /// A bool; `None` for any other kind.
    pub fn bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

/// Walks an object.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Cow<'a, str>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = next_start(bytes, self.at)?;
        let key_end = string(bytes, start).ok()?;
        let key = unescape(&self.text[start + 1..key_end - 1]);
        let colon = space(bytes, key_end);
        let value_start = space(bytes, colon + 1);
        let end = value(bytes, value_start, 0).ok()?;
        self.at = end;
        Some((key, Raw(&self.text[value_start..end])))
    }
}

/// Walks an array.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let bytes = self.text.as_bytes();
        let start = next_start(bytes, self.at)?;
        let end = value(bytes, start, 0).ok()?;
        self.at = end;
        Some(Raw(&self.text[start..end]))
    }
}

/// Where the next element or key starts, past a comma; `None` at the end.
fn next_start(bytes: &[u8], at: usize) -> Option<usize> {
    let at = space(bytes, at);
    match bytes.get(at)? {
        b'}' | b']' => None,
        b',' => Some(space(bytes, at + 1)),
        _ => Some(at),
    }
}

fn unescape(inner: &str) -> Cow<'_, str> {
    if !inner.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => out.push(unicode(&mut chars)),
            Some(other) => out.push(other),
            None => {}
        }
    }
    Cow::Owned(out)
}

/// The character of a `\uXXXX`, surrogate pairs included; validation has seen the digits.
fn unicode(chars: &mut std::str::Chars<'_>) -> char {
    let mut four = || {
        let digits = chars.as_str().get(..4).unwrap_or_default();
        let code = u32::from_str_radix(digits, 16).unwrap_or(0xfffd);
        *chars = chars.as_str().get(4..).unwrap_or_default().chars();
        code
    };
    let high = four();
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    if !chars.as_str().starts_with("\\u") {
        return char::REPLACEMENT_CHARACTER;
    }
    *chars = chars.as_str()[2..].chars();
    let digits = chars.as_str().get(..4).unwrap_or_default();
    let low = u32::from_str_radix(digits, 16).unwrap_or(0);
    *chars = chars.as_str().get(4..).unwrap_or_default().chars();
    char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

fn fail<T>(at: usize, why: &'static str) -> Result<T, JsonError> {
    Err(JsonError { at, why })
}

/// Checks the value that starts at `at` and says where it ends.
fn value(bytes: &[u8], at: usize, depth: usize) -> Result<usize, JsonError> {
    if depth > DEPTH_MAX {
        return fail(at, "nested too deeply");
    }
    match bytes.get(at) {
        Some(b'"') => string(bytes, at),
        Some(b'{') => object(bytes, at, depth),
        Some(b'[') => array(bytes, at, depth),
        Some(b't') => word(bytes, at, b"true"),
        Some(b'f') => word(bytes, at, b"false"),
        Some(b'n') => word(bytes, at, b"null"),
        Some(b'-' | b'0'..=b'9') => number(bytes, at),
        Some(_) => fail(at, "unexpected character"),
        None => fail(at, "cut off"),
    }
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, JsonError> {
    let end = at + word.len();
    if bytes.get(at..end) == Some(word) { Ok(end) } else { fail(at, "unexpected word") }
}

fn object(bytes: &[u8], at: usize, depth: usize) -> Result<usize, JsonError> {
    let mut at = space(bytes, at + 1);
    if bytes.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        if bytes.get(at) != Some(&b'"') {
            return fail(at, "expected a key");
        }
        at = space(bytes, string(bytes, at)?);
        if bytes.get(at) != Some(&b':') {
            return fail(at, "expected a colon");
        }
        at = space(bytes, value(bytes, space(bytes, at + 1), depth + 1)?);
        match bytes.get(at) {
            Some(b',') => at = space(bytes, at + 1),
            Some(b'}') => return Ok(at + 1),
            _ => return fail(at, "expected a comma or the end of an object"),
        }
    }
}

fn array(bytes: &[u8], at: usize, depth: usize) -> Result<usize, JsonError> {
    let mut at = space(bytes, at + 1);
    if bytes.get(at) == Some(&b']') {
        return Ok(at + 1);
    }
    loop {
        at = space(bytes, value(bytes, at, depth + 1)?);
        match bytes.get(at) {
            Some(b',') => at = space(bytes, at + 1),
            Some(b']') => return Ok(at + 1),
            _ => return fail(at, "expected a comma or the end of an array"),
        }
    }
}

fn string(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(bytes, at)?,
            Some(0..=0x1f) => return fail(at, "a control character in a string"),
            Some(_) => at += 1,
            None => return fail(at, "cut off in a string"),
        }
    }
}

/// Checks one escape and says where it ends. A surrogate must come in a pair, as serde_json asks.
fn escape(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match hex(bytes, at + 2)? {
            0xd800..=0xdbff => {
                let pair = bytes.get(at + 6..at + 8) == Some(b"\\u");
                if pair && (0xdc00..=0xdfff).contains(&hex(bytes, at + 8)?) {
                    Ok(at + 12)
                } else {
                    fail(at, "half a surrogate pair")
                }
            }
            0xdc00..=0xdfff => fail(at, "half a surrogate pair"),
            _ => Ok(at + 6),
        },
        _ => fail(at, "unknown escape"),
    }
}

fn hex(bytes: &[u8], at: usize) -> Result<u32, JsonError> {
    let digits = bytes.get(at..at + 4).unwrap_or_default();
    let mut code = 0;
    for &digit in digits {
        match char::from(digit).to_digit(16) {
            Some(d) => code = code * 16 + d,
            None => return fail(at, "not four hex digits"),
        }
    }
    if digits.len() == 4 { Ok(code) } else { fail(at, "cut off in an escape") }
}

fn number(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let digits = |mut at: usize| {
        while let Some(b'0'..=b'9') = bytes.get(at) {
            at += 1;
        }
        at
    };
    let mut at = start + usize::from(bytes[start] == b'-');
    let whole = digits(at);
    if whole == at || (bytes[at] == b'0' && whole > at + 1) {
        return fail(at, "not a number");
    }
    at = whole;
    if bytes.get(at) == Some(&b'.') {
        let end = digits(at + 1);
        if end == at + 1 {
            return fail(at, "not a number");
        }
        at = end;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = digits(at + 1 + sign);
        if end == at + 1 + sign {
            return fail(at, "not a number");
        }
        at = end;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn walks_what_okx_sends() {
        let raw = parse(br#" {"arg":{"channel":"books"},"data":[["1","\u00e9\n",2],[]],"n":-1} "#)
            .unwrap();
        assert_eq!(
            raw.field("arg").unwrap().field("channel").unwrap().text().as_deref(),
            Some("books")
        );
        let rows: Vec<_> = raw.field("data").unwrap().items().map(Raw::as_str).collect();
        assert_eq!(rows, [r#"["1","\u00e9\n",2]"#, "[]"]);
        let first = raw.field("data").unwrap().items().next().unwrap();
        assert_eq!(first.items().nth(1).unwrap().text().unwrap(), "é\n");
        assert_eq!(raw.field("n").unwrap().integer(), Some(-1));
        assert_eq!(parse(br#""\ud83d\ude00""#).unwrap().text().unwrap(), "😀");
    }

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()).unwrap_err().why, "nested too deeply");
    }

    fn agrees(bytes: &[u8]) {
        let ours = parse(bytes).is_ok();
        let theirs: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(bytes);
        // A raw value keeps odd escapes and huge numbers unread; a full read judges them.
        let read = serde_json::from_slice::<serde_json::Value>(bytes);
        let huge = read.as_ref().is_err_and(|e| e.to_string().contains("number out of range"));
        let theirs = if huge { theirs.is_ok() } else { read.is_ok() };
        assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(bytes));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn accepts_what_serde_json_accepts(text in r#"[\[\]{}",:\\a-e0-9.eE+tfu\-\n ]{0,24}"#) {
            agrees(text.as_bytes());
        }

        #[test]
        fn mutated_frames_agree_too(at in 0usize..120, byte: u8) {
            let mut frame = br#"{"arg":{"channel":"books","instId":"B-U"},"data":[{"asks":[["1.5","2","0","1"]],"seqId":-1.5e3,"x":null,"y":true}]}"#.to_vec();
            let at = at % frame.len();
            frame[at] = byte;
            agrees(&frame);
            agrees(&frame[..at]);
        }

        #[test]
        fn every_walk_of_any_bytes_ends(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(raw) = parse(&bytes) {
                let fields = raw.fields().count();
                let items = raw.items().count();
                prop_assert!(fields + items <= bytes.len());
                let _ = (raw.text(), raw.integer(), raw.bool());
            }
        }
    }
}
