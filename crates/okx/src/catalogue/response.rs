//! The envelope of OKX's REST answers and the paths of the lists we ask for.
//!
//! `{"code":"0","msg":"","data":[…]}`; errors often come with HTTP status 200, and a content
//! network may answer in OKX's place with a page of its own.
//!
//! Invariant: an answer that is not OKX's is a failure of transport (worth another try), never an
//! empty list.

use super::rows::cut;
use crate::codes::is_retryable;
use crate::json::{self, Kind, Raw};
use std::fmt;

/// Lists instruments; by family for options, by series for events (docs, read 2026-11-23).
const INSTRUMENTS: &str = "/api/v5/public/instruments";
/// Lists underlyings of options (docs, read 2026-11-23).
pub(super) const UNDERLYING: &str = "/api/v5/public/underlying";
/// Lists tick bands, and so every family of options (docs, read 2026-11-23).
pub(super) const TICK_BANDS: &str = "/api/v5/public/instrument-tick-bands";
/// Lists series of event contracts (changelog, 2026-05-19: public).
pub(super) const SERIES: &str = "/api/v5/public/event-contract/series";

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask<'a> {
    Instruments {
        /// The kind and what narrows it: `SPOT`, `OPTION&instFamily=BTC-USD`.
        scope: &'a str,
    },
    Underlying,
    TickBands,
    Series,
}

impl Ask<'_> {
    /// `None` for a path that no [`Catalogue`](super::Catalogue) asks for.
    pub(super) fn of(path: &str) -> Option<Ask<'_>> {
        let (place, query) = path.split_once('?').unwrap_or((path, ""));
        match place {
            INSTRUMENTS => query.strip_prefix("instType=").map(|scope| Ask::Instruments { scope }),
            UNDERLYING => Some(Ask::Underlying),
            TICK_BANDS => Some(Ask::TickBands),
            SERIES => Some(Ask::Series),
            _ => None,
        }
    }

    /// Whether the rest of the bootstrap goes on when OKX refuses this: a region may have no
    /// options or events at all, a family may have ended since it was listed.
    pub(super) fn is_optional(&self) -> bool {
        match self {
            Ask::Instruments { scope } => scope.contains('&'),
            Ask::Underlying | Ask::TickBands | Ask::Series => true,
        }
    }
}

/// The path that lists the instruments of one kind.
pub(super) fn instruments(kind: &str, narrow: Option<(&str, &str)>) -> String {
    let mut path = format!("{INSTRUMENTS}?instType={}", escape(kind));
    if let Some((name, value)) = narrow {
        path.push_str(&format!("&{name}={}", escape(value)));
    }
    path
}

/// Escapes what a query may not hold as it is.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Why a REST answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseError {
    /// The path asked for.
    pub path: String,
    /// The HTTP status; 0 when there was no answer at all.
    pub status: u16,
    /// OKX's own code; empty when the answer was not OKX's.
    pub code: String,
    /// What came instead, in words.
    pub why: String,
    /// Whether the same request may well succeed later.
    pub retryable: bool,
}

impl ResponseError {
    /// Somebody handed in an answer to a request that was not ours.
    pub(super) fn not_ours(path: &str) -> ResponseError {
        let why = "no list of instruments is asked for under this path".to_owned();
        ResponseError {
            path: path.to_owned(),
            status: 0,
            code: String::new(),
            why,
            retryable: false,
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}: {}; ", self.path, self.why)?;
        f.write_str(match (self.retryable, self.status) {
            (true, _) => "try again in a few seconds",
            (false, 404) => "check the REST address",
            (false, _) => "asking again will not help",
        })
    }
}

impl std::error::Error for ResponseError {}

/// The `data` of a good answer.
pub(super) fn data<'a>(path: &str, status: u16, body: &'a [u8]) -> Result<Raw<'a>, ResponseError> {
    let error = |code: &str, why: String, retryable: bool| ResponseError {
        path: path.to_owned(),
        status,
        code: code.to_owned(),
        why,
        retryable,
    };
    let shown = || cut(String::from_utf8_lossy(body).trim());
    if status == 0 {
        return Err(error("", format!("no answer ({})", shown()), true));
    }
    // Whatever is not OKX's envelope is somebody else's page. A plain 404 is a wrong address.
    let foreign = |why: &str| {
        let why = format!("HTTP {status} with a body that {why} ({:?})", shown());
        error("", why, status != 404)
    };
    let Ok(answer) = json::parse(body) else {
        return Err(foreign("is not JSON"));
    };
    let code = match answer.field("code") {
        Some(code) if code.kind() == Kind::Number => code.as_str().into(),
        Some(code) => code.text().unwrap_or_default(),
        None => return Err(foreign("is not OKX's")),
    };
    if code != "0" {
        let msg = answer.field("msg").and_then(Raw::text).unwrap_or_default();
        let retryable = is_retryable(&code) || status == 429 || status >= 500;
        let why = format!("OKX answered {code} {:?} (HTTP {status})", cut(&msg));
        return Err(error(&code, why, retryable));
    }
    match answer.field("data") {
        Some(data) if data.kind() == Kind::Array => Ok(data),
        _ => Err(foreign("has no list in it")),
    }
}
