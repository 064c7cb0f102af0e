//! Who may come in.
//!
//! Without a token only this machine can reach the server (`options.rs`), and the rest is about
//! browsers: a page of somebody else's must not read the user's data. So the name that a request
//! was sent to must be this machine's (against names that are made to point here), and a page
//! that sends one must be ours. With a token, showing it is enough, and necessary.
//!
//! Invariant: what was shown is neither logged nor repeated.

use crate::rest::Failure;
use crate::server::Shared;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL,
};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What the page may load and who may show it: only what comes from here.
const POLICY: &str =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// Paths that say nothing about the data and need no token: the page itself (which asks for its
/// data with one), and whether all is well.
fn is_open(path: &str) -> bool {
    path == "/" || path.starts_with("/static/") || matches!(path, "/healthz" | "/readyz")
}

/// Lets a request through, or refuses it in words.
pub(crate) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    shared.hub.counts.requests.fetch_add(1, Relaxed);
    let mut response = match admit(&shared, &request) {
        Ok(()) => next.run(request).await,
        Err(failure) => {
            shared.hub.counts.refused.fetch_add(1, Relaxed);
            failure.into_response()
        }
    };
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn admit(shared: &Shared, request: &Request) -> Result<(), Failure> {
    let header = |name| request.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    if let Some(token) = &shared.options.token {
        if is_open(request.uri().path()) {
            return Ok(());
        }
        let bearer = header(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let query = request.uri().query().unwrap_or_default();
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("token="));
        let shown = bearer.map(|text| text.as_bytes().to_vec());
        let shown = shown.or_else(|| asked.map(|text| unescaped(text).into_bytes()));
        let shown = shown.or_else(|| header(SEC_WEBSOCKET_PROTOCOL).and_then(in_protocols));
        return match shown {
            Some(shown) if token.is(&shown) => Ok(()),
            Some(_) => Err(Failure::new(401, "bad_token", "that is not the token")),
            None => {
                let what = "a token is needed: `Authorization: Bearer …` or `?token=…`";
                Err(Failure::new(401, "no_token", what))
            }
        };
    }
    let host = header(HOST).unwrap_or_default();
    if !is_here(host) {
        let what = "this server answers to 127.0.0.1 and localhost only, unless it has a token";
        return Err(Failure::new(403, "bad_host", what));
    }
    let ours = if shared.options.tls.is_some() { "https://" } else { "http://" };
    match header(ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.strip_prefix(ours) == Some(host) => Ok(()),
        Some(_) => {
            let what = "pages of other origins are not served, unless with a token";
            Err(Failure::new(403, "bad_origin", what))
        }
    }
}

/// The token among sub-protocols of a WebSocket: `token.` and its Base64 (RFC 4648, chapter 5,
/// without `=`). Pages can give a WebSocket no other header, and an address is written into logs
/// on the way.
fn in_protocols(offered: &str) -> Option<Vec<u8>> {
    let text = offered.split(',').find_map(|name| name.trim().strip_prefix("token."))?;
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Whether a `Host` names this machine by a name that nobody else can give out.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Text of a query, with its `%` escapes undone.
pub(crate) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(byte) = rest.bytes().next() {
        let digits = rest.get(1..3).filter(|_| byte == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                bytes.push(value);
                rest = &rest[3..];
            }
            None => {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                bytes.extend_from_slice(&rest.as_bytes()[..first]);
                rest = &rest[first..];
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
