//! Tables as CSV: the same values as in JSON, in fixed columns.
//!
//! Invariant: numbers keep the venue's own text; absent is an empty field.

use crate::book::Text;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

/// Records as a table.
pub(crate) fn records(columns: &[&str], records: &[Text]) -> Response {
    let rows: Vec<Value> =
        records.iter().filter_map(|record| serde_json::from_str(record).ok()).collect();
    values(columns, &rows)
}

/// Objects as a table.
pub(crate) fn values(columns: &[&str], rows: &[Value]) -> Response {
    let mut out = columns.join(",") + "\r\n";
    for row in rows {
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            match &row[column] {
                Value::Null => {}
                Value::String(text) => field(text, &mut out),
                value => field(&value.to_string(), &mut out),
            }
        }
        out.push_str("\r\n");
    }
    ([(CONTENT_TYPE, "text/csv; charset=utf-8")], out).into_response()
}

fn field(text: &str, out: &mut String) {
    if text.contains(['"', ',', '\n', '\r']) {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}
