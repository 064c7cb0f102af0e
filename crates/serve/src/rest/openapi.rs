//! `/openapi.json`: the contract, for machines.

use super::json_text;
use axum::response::Response;

/// The document, kept beside the code.
const DOCUMENT: &str = include_str!("openapi.json");

/// `/openapi.json`.
pub(crate) async fn document() -> Response {
    json_text(DOCUMENT.to_owned())
}
