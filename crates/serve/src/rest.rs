//! Routes and answers over HTTP; what each says is in a file of its own below `rest/`.
//!
//! Invariant: every error is JSON in words, with a status that fits.

use crate::guard;
use crate::page;
use crate::server::Shared;
use crate::ws;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

mod arrow;
mod book;
mod csv;
mod feeds;
mod figures;
mod form;
mod health;
mod lists;
mod openapi;
mod paging;
mod tables;
mod tape;
mod watch;

pub(crate) use form::Form;

/// Longest body of a request; none of ours has one.
const BODY_MAX: usize = 1024;

/// The sub-protocol of `/ws`, for those that offer any.
const PROTOCOL: &str = "market-data";

/// Everything there is, and `beside`, behind the same guard.
pub(crate) fn router(shared: &Arc<Shared>, beside: Option<Router>) -> Router {
    let api = Router::new()
        .route("/instruments", get(lists::instruments))
        .route("/watch", get(watch::watch))
        .route("/book", get(book::book))
        .route("/trades", get(lists::trades))
        .route("/klines", get(lists::klines))
        .route("/tickers", get(lists::tickers))
        .route("/values", get(lists::values))
        .route("/feeds", get(feeds::feeds))
        .route("/gaps", get(lists::gaps))
        .route("/tape", get(tape::about))
        .route("/tape/page", get(tape::page));
    beside
        .unwrap_or_default()
        .with_state(())
        .nest("/api/v1", api)
        .route("/ws", get(socket))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(figures::metrics))
        .route("/openapi.json", get(openapi::document))
        .route("/", get(page::index))
        .route("/static/{name}", get(page::named))
        .fallback(async || Failure::new(404, "not_found", "no such path; see /openapi.json"))
        .method_not_allowed_fallback(async || {
            Failure::new(405, "bad_method", "everything here is read with GET")
        })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(shared), guard::check))
        .with_state(Arc::clone(shared))
}

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: u16,
    code: &'static str,
    pub message: String,
}

impl Failure {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { status, code, message: message.into() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({"error": {"code": self.code, "message": self.message}}).to_string();
        (status, [(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// JSON that is text already.
pub(crate) fn json_text(body: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// What stands behind the `?`; of a name that comes twice the last.
pub(crate) struct Asked(HashMap<String, String>);

/// The same, as axum reads it.
pub(crate) type Asks =
    Result<Query<HashMap<String, String>>, axum::extract::rejection::QueryRejection>;

impl Asked {
    /// # Errors
    /// When it cannot be read, or names something that the path does not know.
    pub fn read(asks: Asks, known: &[&str]) -> Result<Asked, Failure> {
        let bad = |what: String| Failure::new(400, "bad_query", what);
        let Query(map) = asks.map_err(|error| bad(error.body_text()))?;
        match map.keys().find(|key| !known.contains(&key.as_str()) && *key != "token") {
            Some(key) => Err(bad(format!("no such parameter: {key:?}"))),
            None => Ok(Asked(map)),
        }
    }

    /// A parameter; empty counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// One that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn needed(&self, name: &'static str) -> Result<&str, Failure> {
        let missing = || Failure::new(400, "bad_query", format!("`{name}` is needed"));
        self.text(name).ok_or_else(missing)
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self, name: &'static str) -> Result<Option<u64>, Failure> {
        let read = |text: &str| {
            let bad = || Failure::new(400, "bad_query", format!("`{name}` is a whole number"));
            text.parse().map_err(|_| bad())
        };
        self.text(name).map(read).transpose()
    }

    /// `limit`: at least 1, `usual` if absent, never more than `most`.
    ///
    /// # Errors
    /// When it is no number, or 0.
    pub fn limit(&self, usual: usize, most: usize) -> Result<usize, Failure> {
        match self.number("limit")? {
            None => Ok(usual.min(most)),
            Some(0) => Err(Failure::new(400, "bad_query", "`limit` is at least 1")),
            Some(limit) => Ok(usize::try_from(limit).unwrap_or(most).min(most)),
        }
    }
}

async fn socket(
    State(shared): State<Arc<Shared>>,
    asks: Asks,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(error) => return Failure::new(400, "no_websocket", error.body_text()).into_response(),
    };
    let binary = match format(asks) {
        Ok(binary) => binary,
        Err(failure) => return failure.into_response(),
    };
    // Who offers protocols (to show a token that way) must be answered with one of them.
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(ws::MESSAGE_MAX)
        .max_frame_size(ws::MESSAGE_MAX)
        .read_buffer_size(ws::READ_BUFFER)
        .on_upgrade(async move |socket| ws::serve(socket, shared, binary).await)
}

/// Whether a socket is asked for in the binary form: `?format=binary`.
fn format(asks: Asks) -> Result<bool, Failure> {
    match Asked::read(asks, &["format"])?.text("format") {
        None | Some("json") => Ok(false),
        Some("binary") => Ok(true),
        Some(_) => Err(Failure::new(400, "bad_query", "`format` is `json` or `binary`")),
    }
}
