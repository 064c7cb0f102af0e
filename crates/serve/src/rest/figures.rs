//! `/metrics`: the service's figures and the server's own, for Prometheus.

use crate::server::Shared;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// `/metrics`.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = shared.metrics.render();
    let counts = &shared.hub.counts;
    let of = |value: &AtomicU64| value.load(Relaxed);
    for (name, help, kind, value) in [
        ("events_total", "Events taken by the server", "counter", of(&counts.events)),
        ("frames_total", "Frames sent to WebSocket clients", "counter", of(&counts.frames)),
        ("lost_records_total", "Records that slow clients lost", "counter", of(&counts.lost)),
        ("clients_total", "WebSocket clients so far", "counter", of(&counts.clients)),
        ("clients", "WebSocket clients at the moment", "gauge", of(&counts.clients_now)),
        ("requests_total", "HTTP requests", "counter", of(&counts.requests)),
        ("refused_total", "HTTP requests refused", "counter", of(&counts.refused)),
        ("turned_away_total", "Connections too many", "counter", of(&counts.turned_away)),
    ] {
        let name = format!("market_data_serve_{name}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n{name} {value}");
    }
    let name = "market_data_serve_receive_to_write_seconds";
    let help = "From receipt to the end of the write to a client, of what goes out as it comes";
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} histogram");
    counts.written.render(name, "to=\"ws\"", &mut text);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
