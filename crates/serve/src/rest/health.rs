//! `/healthz` and `/readyz`: what orchestrators ask.
//!
//! Invariant: whatever is not well is named, with its instrument, channel and cause.

use super::json_text;
use crate::server::Shared;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Most reasons that are listed.
const REASONS_MAX: usize = 100;

/// `/healthz`: whether everything that is followed can be trusted.
pub(crate) async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    let mut reasons: Vec<Value> = Vec::new();
    for feed in super::feeds::present(&shared.metrics.reports()) {
        if !feed.connected {
            let why = "not connected";
            let feed = feed.feed.0;
            reasons.push(json!({"feed": feed, "instId": null, "channel": null, "why": why}));
        }
    }
    for entry in shared.hub.lock().store.entries() {
        let Some(stale) = &entry.stale else { continue };
        reasons.push(json!({
            "feed": entry.feed.0,
            "instId": &*entry.inst,
            "channel": &*entry.channel,
            "why": stale.cause,
        }));
    }
    if let Some(why) = shared.metrics.tape().and_then(|tape| tape.failing) {
        let why = format!("the tape cannot be written: {why}");
        reasons.push(json!({"feed": null, "instId": null, "channel": null, "why": why}));
    }
    if reasons.is_empty() {
        return json_text(json!({"status": "ok"}).to_string());
    }
    reasons.truncate(REASONS_MAX);
    let body = json!({"status": "sick", "reasons": reasons}).to_string();
    (StatusCode::SERVICE_UNAVAILABLE, json_text(body)).into_response()
}

/// `/readyz`: whether every subscription is confirmed.
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let reports = shared.metrics.reports();
    let (mut live, mut wanted, mut known) = (0, 0, true);
    for feed in super::feeds::present(&reports) {
        match &feed.status {
            Some(status) => (live, wanted) = (live + status.live, wanted + status.wanted),
            None => known = false,
        }
    }
    let ready = known && wanted > 0 && live == wanted;
    let status = if ready { "ready" } else { "waiting" };
    let body = json!({"status": status, "live": live, "wanted": wanted}).to_string();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, json_text(body)).into_response()
}
