//! In which form an answer goes out: what `Accept` says.
//!
//! Invariant: whatever a client sends, it gets a form; JSON unless it likes another one better.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A form of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Records as JSON: the usual one, and the only one of what is no table.
    Json,
    /// `text/csv`.
    Csv,
    /// `application/vnd.apache.arrow.stream`.
    Arrow,
}

impl Form {
    /// The form that a client likes best; of equally good ones the first that it names.
    pub fn wanted(headers: &HeaderMap) -> Form {
        let mut best = (Form::Json, 0);
        let lines = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for kind in lines.flat_map(|line| line.split(',')) {
            let mut parts = kind.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "text/csv" => Form::Csv,
                "application/vnd.apache.arrow.stream" => Form::Arrow,
                "application/json" | "application/*" | "*/*" => Form::Json,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
            if quality > best.1 {
                best = (form, quality);
            }
        }
        best.0
    }
}

/// `0.25` as 250 (RFC 9110, 12.4.2); what is no such number counts as 1.
fn thousandths(text: &str) -> u32 {
    let (whole, rest) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits: String = rest.chars().chain("000".chars()).take(3).collect();
    match (whole, digits.parse::<u32>()) {
        ("0", Ok(part)) => part,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn what_is_liked_best_is_given() {
        let cases = [
            ("", Form::Json),
            ("*/*", Form::Json),
            ("text/html", Form::Json),
            ("text/csv", Form::Csv),
            ("text/csv; charset=utf-8", Form::Csv),
            ("Application/Vnd.Apache.Arrow.Stream", Form::Arrow),
            ("application/vnd.apache.arrow.stream, text/csv", Form::Arrow),
            ("text/csv;q=0.5, application/vnd.apache.arrow.stream;q=0.75", Form::Arrow),
            ("application/json;q=0.1, text/csv;q=0.05", Form::Json),
            ("text/csv;q=0", Form::Json),
            ("text/csv;q=much", Form::Csv),
            ("application/vnd.apache.arrow.stream,*/*;q=0.1", Form::Arrow),
        ];
        for (accept, form) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Form::wanted(&headers), form, "{accept}");
        }
        assert_eq!(Form::wanted(&HeaderMap::new()), Form::Json);
    }
}
