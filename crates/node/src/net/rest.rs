//! GET requests to the venue's REST address, a few connections kept open between them.
//!
//! The bootstrap, the periodic refresh and feeds' [`Action::Get`](market_data_model::Action) use
//! it. An HTTP error is an answer (its status is handed on); no answer is an error.
//!
//! Invariants: a body is at most [`BODY_MAX`]; at most [`IDLE_MAX`] idle connections are kept.

use super::{DialError, Dialer, USER_AGENT};
use crate::error::{Error, chain};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use market_data_okx::past::pace;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Longest body we take; the longest list of instruments is about 2 MB.
const BODY_MAX: usize = 64 << 20;
/// Idle connections kept.
const IDLE_MAX: usize = 2;
/// Of so many limits those that nobody waits for are forgotten.
const RULES_MAX: usize = 256;
/// How long one request may take from dialing to the last byte.
pub(crate) const REST_WAIT: Duration = Duration::from_secs(10);

type Sender = SendRequest<Empty<Bytes>>;

/// The venue's REST address.
pub(crate) struct Rest {
    pub(super) dialer: Arc<Dialer>,
    base: String,
    simulated: bool,
    idle: Mutex<Vec<Sender>>,
    /// When the next request may be made, by what the venue's limit counts by.
    free: Mutex<HashMap<Box<str>, Instant>>,
}

impl Rest {
    /// `base` is scheme, host and port; `simulated` adds the demo environment's header.
    pub fn new(dialer: Arc<Dialer>, base: &str, simulated: bool) -> Result<Rest, Error> {
        let wrong = |why: String| Error::Address { url: base.to_owned(), why };
        let uri: Uri =
            base.parse().map_err(|e: hyper::http::uri::InvalidUri| wrong(e.to_string()))?;
        super::dial::parts(&uri).map_err(|e| wrong(e.0))?;
        let base = base.trim_end_matches('/').to_owned();
        let (idle, free) = (Mutex::default(), Mutex::default());
        Ok(Rest { dialer, base, simulated, idle, free })
    }

    /// Scheme, host and port.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The full address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The same when its turn has come: the venue counts the requests of all feeds together.
    pub async fn get_in_turn(&self, path: &str) -> Result<(u16, Bytes), DialError> {
        tokio::time::sleep_until(self.turn(path)).await;
        self.get(path).await
    }

    /// How many limits are remembered.
    #[cfg(test)]
    pub(super) fn rules(&self) -> usize {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes the next turn there is for such a path.
    pub(super) fn turn(&self, path: &str) -> Instant {
        let (spacing, rule) = pace(path);
        let now = Instant::now();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() >= RULES_MAX {
            free.retain(|_, at| *at > now);
        }
        let at = free.entry(rule.into()).or_insert(now);
        let turn = now.max(*at);
        *at = turn + Duration::from_nanos(spacing);
        turn
    }

    /// Status and body of one GET. Dropping the future gives the request up.
    pub async fn get(&self, path: &str) -> Result<(u16, Bytes), DialError> {
        match tokio::time::timeout(REST_WAIT, self.get_unhurried(path)).await {
            Ok(result) => result,
            Err(_) => Err(DialError(format!("no answer within {} s", REST_WAIT.as_secs()))),
        }
    }

    async fn get_unhurried(&self, path: &str) -> Result<(u16, Bytes), DialError> {
        let uri: Uri = self
            .url(path)
            .parse()
            .map_err(|e| DialError(format!("{} is not an address: {e}", self.url(path))))?;
        while let Some(sender) = self.take_idle() {
            // A kept connection may have died meanwhile; only a fresh one gives the verdict.
            if let Ok(done) = self.ask(sender, &uri).await {
                return Ok(done);
            }
        }
        let stream = self.dialer.dial(&uri).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| DialError(format!("no HTTP: {}", chain(&e))))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a REST connection ended");
            }
        });
        self.ask(sender, &uri).await
    }

    async fn ask(&self, mut sender: Sender, uri: &Uri) -> Result<(u16, Bytes), DialError> {
        let failed = |e: hyper::Error| DialError(format!("HTTP failed: {}", chain(&e)));
        sender.ready().await.map_err(failed)?;
        let answer = sender.send_request(self.request(uri)?).await.map_err(failed)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
        let body = body.map_err(|e| DialError(format!("the answer broke off: {e}")))?.to_bytes();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !sender.is_closed() {
            idle.push(sender);
        }
        Ok((status, body))
    }

    pub(super) fn request(&self, uri: &Uri) -> Result<Request<Empty<Bytes>>, DialError> {
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let host = uri.authority().map_or("", |a| a.as_str());
        let mut request = Request::get(path)
            .header("Host", host)
            .header("User-Agent", USER_AGENT)
            .header("Accept", "application/json, application/sbe");
        if self.simulated {
            request = request.header("x-simulated-trading", "1");
        }
        let wrong = |e| DialError(format!("{uri} cannot be asked for: {e}"));
        request.body(Empty::new()).map_err(wrong)
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|sender| !sender.is_closed())
    }
}
