//! The venue's own time, as `/api/v5/public/time` tells it (docs, read 2026-11-29).
//!
//! `{"code":"0","msg":"","data":[{"ts":"1597026383085"}]}`

use crate::channel::read;
use crate::json;
use market_data_model::Nanos;

/// What to ask for.
pub const PATH: &str = "/api/v5/public/time";

/// The time in an answer, to the millisecond; `None` when it holds none.
pub fn read(body: &[u8]) -> Option<Nanos> {
    let answer = json::parse(body).ok()?;
    read::time(answer.field("data")?.items().next()?.field("ts")?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_answer_tells_the_time_and_anything_else_none() {
        let read = |text: &str| super::read(text.as_bytes()).map(|ts| ts.0);
        let text = r#"{"code":"0","msg":"","data":[{"ts":"1597026383085"}]}"#;
        assert_eq!(read(text), Some(1_597_026_383_085_000_000));
        for text in ["", "{}", r#"{"data":[]}"#, r#"{"data":[{"ts":""}]}"#, "[1]"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
