//! `tape`: how far back the tape goes and where nothing was recorded; `tape/page`: a stretch of it,
//! for who goes through it by hand (`scrub.rs`).

use super::{Asked, Asks, Failure, json_text};
use crate::book::Text;
use crate::hub::Hub;
use crate::scrub::{self, Ask, Manners, Page, SCRUBBERS_MAX};
use crate::server::Shared;
use axum::extract::State;
use axum::response::Response;
use market_data_model::Nanos;
use market_data_tape::reader::{ReadError, Tape};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;
use tokio::time::timeout;

/// Records of a page, at most and usually.
const LIMIT_MAX: usize = 5000;
/// Longest stretch of one page; of a longer one the first part is given.
const SPAN_MAX_NS: u64 = 3_600_000_000_000;
/// Longest wait for a place.
const PLACE_WAIT: Duration = Duration::from_secs(5);
/// A shorter time between two segments is no hole: one has followed the other.
const HOLE_NS: u64 = 3_000_000_000;
/// Most holes that are told, the latest.
const HOLES_MAX: usize = 1000;

/// `tape`.
///
/// # Errors
/// When the query cannot be used or the tape cannot be read.
pub(crate) async fn about(State(shared): State<Arc<Shared>>, asks: Asks) -> Answer {
    Asked::read(asks, &[])?;
    let Some(dir) = shared.hub.tape() else { return Ok(json_text("{\"tape\":null}".to_owned())) };
    let began = shared.hub.lock().past.began();
    let growing = shared.metrics.tape().is_some();
    let look = move |dir: &Path, _: &mut Turn<'_>| {
        let tape = Tape::open(dir)?;
        let mut times = Vec::new();
        for segment in tape.segments() {
            times.extend(segment.times()?);
        }
        Ok(Some((tape.bytes(), times)))
    };
    // A tape of which nothing is written yet is empty, not unreadable.
    let (bytes, times) = match with_tape(&shared, dir, look).await {
        Ok(found) => found,
        Err(Trouble::Read(ReadError::Empty { .. })) => (0, Vec::new()),
        Err(trouble) => return Err(trouble.into()),
    };
    let (from, to) = (times.iter().map(|t| t.0.0).min(), times.iter().map(|t| t.1.0).max());
    let tape = json!({
        "from": from,
        "to": to,
        "bytes": bytes,
        "growing": growing,
        "began": began.map(|began| began.0),
        "holes": holes(&times),
    });
    Ok(json_text(json!({"tape": tape}).to_string()))
}

/// Stretches between segments in which nothing was recorded: the service did not run.
fn holes(times: &[(Nanos, Nanos)]) -> Vec<Value> {
    let apart = |pair: &[(Nanos, Nanos)]| match pair {
        [(_, end), (start, _)] if start.0 > end.0.saturating_add(HOLE_NS) => {
            Some(json!({"from": end.0, "to": start.0}))
        }
        _ => None,
    };
    let all: Vec<Value> = times.windows(2).filter_map(apart).collect();
    let first = all.len().saturating_sub(HOLES_MAX);
    all.into_iter().skip(first).collect()
}

/// `tape/page?inst=&from=&to=&index=&state=&others=&limit=`.
///
/// # Errors
/// When the query cannot be used, nothing is recorded, too many ask, or the tape cannot be read.
pub(crate) async fn page(State(shared): State<Arc<Shared>>, asks: Asks) -> Answer {
    let known = ["inst", "from", "to", "index", "state", "others", "limit"];
    let ask = ask(&Asked::read(asks, &known)?, shared.metrics.tape().is_some())?;
    let Some(dir) = shared.hub.tape() else {
        return Err(Failure::new(404, "no_tape", "nothing is recorded here"));
    };
    let from = ask.from;
    let read = move |dir: &Path, turn: &mut Turn<'_>| scrub::read(&Tape::open(dir)?, &ask, turn);
    let page = with_tape(&shared, dir, read).await?;
    Ok(json_text(body(from, &page)))
}

fn ask(asked: &Asked, growing: bool) -> Result<Ask, Failure> {
    let bad = |what: &str| Failure::new(400, "bad_query", what);
    let time =
        |name| asked.number(name)?.map(Nanos).ok_or_else(|| bad("`from` and `to` are needed"));
    let yes = |name| match asked.text(name) {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(bad("`state` and `others` are 0 or 1")),
    };
    let (from, to) = (time("from")?, time("to")?);
    let to = to.clamp(from, Nanos(from.0.saturating_add(SPAN_MAX_NS)));
    Ok(Ask {
        inst: asked.needed("inst")?.to_owned(),
        index: asked.text("index").unwrap_or_default().to_owned(),
        from,
        to,
        state: yes("state")?,
        others: yes("others")?,
        limit: asked.limit(LIMIT_MAX, LIMIT_MAX)?,
        growing,
    })
}

fn body(from: Nanos, page: &Page) -> String {
    let list = |texts: &[Text]| texts.join(",");
    let records = page.records.iter().map(|text| text.as_deref().unwrap_or("null"));
    format!(
        "{{\"from\":{},\"next\":{},\"end\":{},\"state\":[{}],\"records\":[{}],\"tickers\":[{}]}}",
        from.0,
        page.next.0,
        page.end,
        list(&page.state),
        records.collect::<Vec<_>>().join(","),
        list(&page.tickers),
    )
}

type Answer = Result<Response, Failure>;

enum Trouble {
    Read(ReadError),
    Busy,
    /// The work has ended without an answer: nobody waits, or it broke.
    Over,
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Trouble {
        Trouble::Read(error)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Read(error) => {
                Failure::new(503, "tape_unreadable", format!("cannot read the tape: {error}"))
            }
            Trouble::Busy => {
                let what = format!("{SCRUBBERS_MAX} others read the tape already; try again");
                Failure::new(503, "busy", what)
            }
            Trouble::Over => {
                Failure::new(503, "tape_unreadable", "reading the tape has ended too early")
            }
        }
    }
}

/// One's turn to work, held but for the moments between two pieces of it.
struct Turn<'a> {
    hub: &'a Hub,
    mine: Option<MutexGuard<'a, ()>>,
    gone: &'a AtomicBool,
}

impl Manners for Turn<'_> {
    fn go_on(&mut self) -> bool {
        self.mine = None;
        if self.gone.load(Relaxed) {
            return false;
        }
        self.mine = Some(self.hub.turn());
        true
    }
}

/// Says, when it is dropped, that nobody waits for the answer any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Does something with the tape, on a thread where that may take its time, as soon as there is a
/// place.
async fn with_tape<T: Send + 'static>(
    shared: &Arc<Shared>,
    dir: Arc<Path>,
    work: impl FnOnce(&Path, &mut Turn<'_>) -> Result<Option<T>, ReadError> + Send + 'static,
) -> Result<T, Trouble> {
    let places = Arc::clone(&shared.scrubbers);
    let place = timeout(PLACE_WAIT, places.acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err(Trouble::Busy) };
    let gone = Arc::new(AtomicBool::new(false));
    let _waiting = Waiting(Arc::clone(&gone));
    let hub = Arc::clone(&shared.hub);
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut turn = Turn { hub: &hub, mine: None, gone: &gone };
        match turn.go_on() {
            true => work(&dir, &mut turn),
            false => Ok(None),
        }
    });
    match done.await {
        Ok(Ok(Some(answer))) => Ok(answer),
        Ok(Ok(None)) | Err(_) => Err(Trouble::Over),
        Ok(Err(error)) => Err(error.into()),
    }
}
