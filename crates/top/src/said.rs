//! Reading what the server says: JSON values to texts and numbers, and causes to words.
//!
//! Invariant: whatever was sent, the texts that come out have no control characters and are at
//! most [`TEXT_MAX`] letters long; what is missing or of another kind is absent.

use serde_json::Value;

/// Longest text taken over, in letters.
const TEXT_MAX: usize = 200;

/// A text that may be drawn.
pub fn clean(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(TEXT_MAX).collect()
}

/// A field that is text.
pub fn text(of: &Value, field: &str) -> Option<String> {
    of.get(field)?.as_str().map(clean)
}

/// A field that is a whole number.
pub fn number(of: &Value, field: &str) -> Option<u64> {
    of.get(field)?.as_u64()
}

/// A field in nanoseconds, as ms.
pub fn millis(of: &Value, field: &str) -> Option<u64> {
    Some(number(of, field)? / 1_000_000)
}

/// The texts of a list.
pub fn texts(of: &Value, field: &str) -> Vec<String> {
    let list = of.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(clean).collect()
}

/// The cause of a gap in words; one we do not know is passed on.
pub fn cause(cause: &str) -> &str {
    match cause {
        "sequence" => "ids did not link",
        "disconnect" => "the connection was lost",
        "silence" => "it went quiet",
        "unreadable" => "a row could not be read",
        "checksum" => "the checksum did not agree",
        "unverifiable" => "nothing proves it",
        "evicted" => "OKX ended it",
        "refused" => "OKX refused it",
        "slow_consumer" => "records were lost on the way here",
        "recorder" => "the tape could not be written",
        "restart" => "it began anew",
        "contradicted" => "another witness says otherwise",
        "no_snapshot" => "no snapshot yet",
        other => other,
    }
}
