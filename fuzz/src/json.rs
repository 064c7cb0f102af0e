//! JSON: accepted exactly when serde_json accepts it, and read as the same value.
//!
//! Known differences, both on purpose: we refuse nesting deeper than `DEPTH_MAX`, and we accept
//! numbers that serde_json's `Value` cannot hold.

use market_data_okx::json::{self, DEPTH_MAX, Kind, Raw};
use serde_json::Value;
use serde_json::value::RawValue;

/// See the file's first comment.
pub fn run(bytes: &[u8]) {
    let ours = json::parse(bytes);
    let theirs = serde_json::from_slice::<Value>(bytes);
    let Ok(raw) = ours else {
        let shallow = bytes.iter().filter(|b| matches!(b, b'[' | b'{')).count() <= DEPTH_MAX;
        assert!(!(theirs.is_ok() && shallow), "refused: {:?}", ours);
        return;
    };
    assert_eq!(raw.as_str().trim_matches([' ', '\n', '\r', '\t']), raw.as_str(), "no space around");
    walk(raw, 0);
    match theirs {
        Ok(value) => assert_eq!(read(raw), Some(value), "another value"),
        // A number out of range; as text it is fine.
        Err(error) => {
            let text: Result<&RawValue, _> = serde_json::from_slice(bytes);
            let huge = error.to_string().contains("number out of range");
            assert!(huge && text.is_ok(), "accepted, though {error}");
        }
    }
}

/// Every way of walking ends, and asks nothing of other kinds.
fn walk(raw: Raw<'_>, depth: usize) {
    assert!(depth <= DEPTH_MAX + 1, "deeper than promised");
    let kind = raw.kind();
    assert!(kind == Kind::Object || raw.fields().next().is_none(), "fields of no object");
    assert!(kind == Kind::Array || raw.items().next().is_none(), "items of no array");
    assert_eq!(raw.text().is_some(), kind == Kind::String, "text");
    assert_eq!(raw.bool().is_some(), kind == Kind::Bool, "bool");
    for (name, value) in raw.fields() {
        let first = raw.fields().find(|(n, _)| *n == name).map(|(_, v)| v);
        assert_eq!(raw.field(&name), first, "field {name:?}");
        walk(value, depth + 1);
    }
    raw.items().for_each(|item| walk(item, depth + 1));
}

/// Our reading as serde_json's value: of fields of one name the last wins there.
fn read(raw: Raw<'_>) -> Option<Value> {
    Some(match raw.kind() {
        Kind::Object => {
            let fields: Option<serde_json::Map<String, Value>> =
                raw.fields().map(|(name, value)| Some((name.into_owned(), read(value)?))).collect();
            Value::Object(fields?)
        }
        Kind::Array => Value::Array(raw.items().map(read).collect::<Option<_>>()?),
        Kind::String => Value::String(raw.text()?.into_owned()),
        Kind::Bool => Value::Bool(raw.bool()?),
        Kind::Null => Value::Null,
        Kind::Number => serde_json::from_str(raw.as_str()).ok()?,
    })
}
