//! The page: the files of `crates/serve/ui`, within the program.
//!
//! Invariant: only names in that folder are answered; a path is looked up, never opened.

use crate::rest::Failure;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use include_dir::{Dir, include_dir};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/ui");

/// `/`.
pub(crate) async fn index() -> Response {
    file("index.html")
}

/// `/static/{name}`.
pub(crate) async fn named(Path(name): Path<String>) -> Response {
    file(&name)
}

fn file(name: &str) -> Response {
    let Some(file) = FILES.get_file(name) else {
        return Failure::new(404, "not_found", "no such file").into_response();
    };
    let headers = [(CONTENT_TYPE, content_type(name)), (CACHE_CONTROL, "no-cache")];
    (headers, file.contents()).into_response()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
