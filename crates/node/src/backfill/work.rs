//! The loop that asks, and puts what came into the archive.
//!
//! Several walks are under way at a time, each with one request at most; requests to one endpoint
//! keep OKX's distance. Answers are noted in the journal first; their rows wait in one batch, and
//! go into the archive as a segment of their own when there are enough.
//!
//! Invariants: a row and the stretch that it belongs to become part of the archive together; what
//! waits is bounded by [`FULL`] and [`RECORDS_MAX`].

use super::journal::{Answer, FULL, Journal};
use super::there::{self, Left, Stretch};
use super::{Backfilled, Doing, Failed, Progress};
use crate::clock::Clock;
use crate::net::Unfetched;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use market_data_archive::archive::JOURNAL;
use market_data_archive::{Archive, Error, FILLS_FROM, Fill, Segment, WriteOptions};
use market_data_model::batch::Names;
use market_data_model::figures::Figures;
use market_data_model::{Batch, FeedId, Header, Instrument};
use market_data_okx::channel::{self, Form};
use market_data_okx::past::{FileRows, PAYMENTS_SHEET, Row, Took, Walk, Wish, kept_as, pace};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Walks under way at a time.
const PARALLEL: usize = 8;
/// Records that wait for the archive.
const RECORDS_MAX: usize = 200_000;
/// First pause after an answer that brought nothing; doubles.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Nobody asks an endpoint for so long after it said that we ask too often.
const LIMITED_PAUSE: Duration = Duration::from_secs(2);
/// Failures in a row before a stretch is given up.
const TRIES_MAX: u32 = 12;

/// Whoever can be asked.
pub(super) trait Get: Sync {
    /// Status and body of one GET, or why there was no answer.
    fn get(&self, path: &str) -> impl Future<Output = Result<(u16, Bytes), String>> + Send;

    /// Scheme, host and port of the address that is asked.
    fn base(&self) -> &str;

    /// Fetches a file of at most so many bytes, whole or not at all.
    fn download(
        &self,
        url: &str,
        to: &Path,
        most: u64,
    ) -> impl Future<Output = Result<(), Unfetched>> + Send;
}

/// One channel of one instrument.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub channel: String,
    pub instrument: Arc<Instrument>,
}

/// A walk under way.
struct Active {
    id: u64,
    walk: Walk,
    /// Where the names of its records stand.
    place: (u16, u32),
    busy: bool,
    due: Instant,
    tries: u32,
    /// What is in the archive begins here, milliseconds.
    top_ms: u64,
    /// Records that wait.
    records: u64,
    /// Absent ids or bars that were told already.
    absent: u64,
}

/// See the file's first comment.
pub(super) struct Work {
    pub(super) archive: Archive,
    journal: Journal,
    pub(super) clock: Clock,
    pub(super) all: Stretch,
    pub(super) jobs: VecDeque<Job>,
    left: VecDeque<(Job, Left)>,
    active: Vec<Active>,
    next_id: u64,
    names: Arc<Names>,
    pub(super) batch: Batch,
    fills: Vec<Fill>,
    pub(super) n: u64,
    /// Ends of what daily files brought, by channel and instrument.
    pub(super) edges: HashMap<(String, String), FileRows>,
    /// When each endpoint may be asked next.
    free: HashMap<String, Instant>,
    jobs_total: u64,
    jobs_done: u64,
    pub done: Backfilled,
}

type Flight = (u64, String, Result<(u16, Bytes), String>);

impl Work {
    pub fn new(
        archive: Archive,
        jobs: Vec<Job>,
        all: Stretch,
        clock: Clock,
    ) -> Result<Work, Error> {
        let path = archive.dir().join(JOURNAL);
        let journal = Journal::open(&path).map_err(failed(&path))?;
        let mut names = Names { venue: crate::venue::NAME, ..Names::default() };
        for job in &jobs {
            let kept = kept_as(&job.channel);
            if !names.channels.iter().any(|name| **name == *kept) {
                names.channels.push(Arc::from(kept));
            }
        }
        let jobs_total = jobs.len() as u64;
        Ok(Work {
            archive,
            journal,
            clock,
            all,
            jobs: jobs.into(),
            left: VecDeque::new(),
            active: Vec::new(),
            next_id: 0,
            names: Arc::new(names),
            batch: Batch::default(),
            fills: Vec::new(),
            n: 0,
            edges: HashMap::new(),
            free: HashMap::new(),
            jobs_total,
            jobs_done: 0,
            done: Backfilled::default(),
        })
    }

    /// Fetches everything. `each` hears of the progress, and breaks to stop: what was fetched by
    /// then is not fetched again.
    ///
    /// *Cancel safety:* the same holds when it is dropped.
    pub async fn run(
        &mut self,
        get: &impl Get,
        mut each: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<bool, Error> {
        let mut flights = FuturesUnordered::new();
        loop {
            self.admit()?;
            while let Some((id, path, at)) = self.next_request()? {
                flights.push(async move {
                    tokio::time::sleep_until(at).await;
                    let answer = get.get(&path).await;
                    (id, path, answer)
                });
                self.done.requests += 1;
            }
            if each(self.progress()).is_break() {
                return Ok(false);
            }
            match flights.next().await {
                Some(flight) => self.landed(flight)?,
                None if self.active.is_empty() && self.left.is_empty() && self.jobs.is_empty() => {
                    break;
                }
                None => {}
            }
            if self.journal.bytes() >= FULL || self.batch.len() >= RECORDS_MAX {
                self.commit()?;
            }
        }
        self.commit()?;
        Ok(true)
    }

    fn progress(&self) -> Progress {
        let span = |walk: &Walk| (walk.wish().to_ms - walk.wish().from_ms).max(1);
        let part = |active: &Active| {
            let wish = active.walk.wish();
            (wish.to_ms - active.walk.reached_ms()) * 1_000 / span(&active.walk)
        };
        let parts: u64 = self.active.iter().map(part).sum();
        Progress {
            done: self.jobs_done.saturating_sub(self.active.len() as u64) * 1_000 + parts,
            total: self.jobs_total * 1_000,
            records: self.done.records,
            doing: Doing::Rest,
        }
    }

    /// Begins walks while there is room.
    fn admit(&mut self) -> Result<(), Error> {
        while self.active.len() < PARALLEL {
            let Some((job, left)) = self.left.pop_front() else {
                let Some(job) = self.jobs.pop_front() else { return Ok(()) };
                self.jobs_done += 1;
                self.plan(job)?;
                continue;
            };
            let kept = kept_as(&job.channel).to_owned();
            let Left { from_ms, to_ms, below } = left;
            let is_trades = channel::find(&kept).is_some_and(|spec| spec.form == Form::Trade);
            let known = if is_trades {
                there::ids(&self.archive, &kept, &job.instrument.inst_id, (from_ms, to_ms))?
            } else {
                Vec::new()
            };
            let now_ms = self.clock.now().millis();
            let inst_id = job.instrument.inst_id.to_string();
            let wish = Wish { channel: job.channel.clone(), inst_id, from_ms, to_ms, now_ms };
            let place = self.place(&kept, &job.instrument);
            match Walk::new(wish, known, below) {
                Ok(mut walk) => {
                    let key = (job.channel.clone(), job.instrument.inst_id.to_string());
                    walk.compare(self.edges.get(&key).cloned().unwrap_or_default());
                    self.active.push(Active {
                        id: self.next_id,
                        walk,
                        place,
                        busy: false,
                        due: Instant::now(),
                        tries: 0,
                        top_ms: to_ms,
                        records: 0,
                        absent: 0,
                    })
                }
                Err(why) => self.failed(&job.channel, &job.instrument.inst_id, why),
            }
            self.next_id += 1;
        }
        Ok(())
    }

    /// What is left to fetch of a channel and instrument.
    fn plan(&mut self, job: Job) -> Result<(), Error> {
        let (kept, inst_id) = (kept_as(&job.channel), &*job.instrument.inst_id);
        let mut parts = there::left(&self.archive, kept, inst_id, self.all);
        if channel::find(kept).is_some_and(|spec| matches!(spec.form, Form::Bar(..))) {
            let bars = there::bars(&self.archive, kept, inst_id, self.all)?;
            let rest = |part: Left| {
                let rest = there::without((part.from_ms, part.to_ms), bars.clone());
                rest.into_iter().map(|(from_ms, to_ms)| Left { from_ms, to_ms, below: None })
            };
            parts = parts.into_iter().flat_map(rest).collect();
        }
        self.done.stretches += parts.len() as u64;
        self.done.there += u64::from(parts.is_empty());
        self.left.extend(parts.into_iter().map(|left| (job.clone(), left)));
        Ok(())
    }

    pub(super) fn place(&mut self, channel: &str, instrument: &Arc<Instrument>) -> (u16, u32) {
        let names = Arc::make_mut(&mut self.names);
        let at = names.channels.iter().position(|name| **name == *channel).unwrap_or(0);
        let known = names.instruments.iter().position(|x| x.inst_id == instrument.inst_id);
        let inst = known.unwrap_or_else(|| {
            names.instruments.push(Arc::clone(instrument));
            names.instruments.len() - 1
        });
        (at as u16, inst as u32)
    }

    /// The next request that somebody wants to make, and when it may be made.
    fn next_request(&mut self) -> Result<Option<(u64, String, Instant)>, Error> {
        let mut at = 0;
        while at < self.active.len() {
            if self.active[at].busy {
                at += 1;
                continue;
            }
            let Some(path) = self.active[at].walk.path() else {
                self.finish(at);
                self.admit()?;
                continue;
            };
            if let Some(answer) = self.journal.kept(&path) {
                self.done.kept += 1;
                self.took(at, &path, answer);
                continue;
            }
            let active = &mut self.active[at];
            active.busy = true;
            let (spacing, rule) = pace(&path);
            let free = self.free.entry(rule.to_owned()).or_insert(active.due);
            let when = active.due.max(*free).max(Instant::now());
            *free = when + Duration::from_nanos(spacing);
            return Ok(Some((active.id, path, when)));
        }
        Ok(None)
    }

    fn landed(&mut self, (id, path, answer): Flight) -> Result<(), Error> {
        let Some(at) = self.active.iter().position(|active| active.id == id) else {
            return Ok(());
        };
        self.active[at].busy = false;
        let read_at = self.clock.now();
        match answer {
            Ok((status, body)) => {
                let answer = Answer { at: read_at, status, body };
                // Whatever could be used is used again by whoever comes after us.
                let is_good = status == 200 && answer.body.starts_with(b"{\"code\":\"0\"");
                if is_good {
                    let file = self.archive.dir().join(JOURNAL);
                    self.journal.append(&path, &answer).map_err(failed(&file))?;
                }
                self.took(at, &path, answer);
            }
            Err(why) => self.later(at, (&path, false), why),
        }
        Ok(())
    }

    fn took(&mut self, at: usize, path: &str, answer: Answer) {
        let mut rows = Vec::new();
        let body = (answer.status, &*answer.body);
        let took = self.active[at].walk.take(body, &mut rows);
        let (compared, differing) = self.active[at].walk.compared();
        self.done.daily.compared += compared;
        self.done.daily.differing.extend(differing);
        match took {
            Took::Rows => (self.active[at].tries, self.active[at].due) = (0, Instant::now()),
            Took::Look => {
                let active = &mut self.active[at];
                active.due = Instant::now() + PAUSE_MIN * 2;
            }
            Took::Later { limited, why } => self.later(at, (path, limited), why),
            Took::Never(why) => self.give_up(at, why),
        }
        for row in rows {
            self.push(at, row, answer.at);
        }
    }

    fn push(&mut self, at: usize, row: Row, ts_recv: market_data_model::Nanos) {
        let active = &mut self.active[at];
        self.n += 1;
        active.records += 1;
        self.done.records += 1;
        let (channel, inst) = (Some(active.place.0), Some(active.place.1));
        let feed = FeedId(0);
        let header = Header { feed, n: self.n, channel, inst, ts_event: None, ts_recv };
        match row {
            Row::Trade(ts_event, trade) => {
                self.batch.push_trade(Header { ts_event, ..header }, trade);
            }
            Row::Bar(bar) => self.batch.push_bar(header, bar),
            Row::Payment(row) => {
                let figures = Figures::new(PAYMENTS_SHEET, &row.cells, &row.text);
                self.batch.push_figures(header, figures);
            }
        }
    }

    fn later(&mut self, at: usize, (path, limited): (&str, bool), why: String) {
        let now = Instant::now();
        let active = &mut self.active[at];
        active.tries += 1;
        self.done.refused += u64::from(limited);
        if active.tries >= TRIES_MAX {
            return self.give_up(at, why);
        }
        let pause = PAUSE_MIN.saturating_mul(1 << active.tries.min(8)).min(PAUSE_MAX);
        active.due = now + pause;
        if limited {
            let free = self.free.entry(pace(path).1.to_owned()).or_insert(now);
            *free = (*free).max(now + LIMITED_PAUSE);
        }
        tracing::debug!(path, why, "no answer that can be used; trying again");
    }

    /// What was fetched stays, and the rest is tried again by the next run.
    fn give_up(&mut self, at: usize, why: String) {
        self.note(at);
        let active = self.active.remove(at);
        let wish = active.walk.wish().clone();
        self.failed(&wish.channel, &wish.inst_id, why);
    }

    fn failed(&mut self, channel: &str, inst_id: &str, why: String) {
        let (channel, inst_id) = (channel.to_owned(), inst_id.to_owned());
        self.done.failed.push(Failed { channel, inst_id, why });
    }

    fn finish(&mut self, at: usize) {
        self.note(at);
        self.active.remove(at);
    }

    /// Notes what of a walk is there since the last time.
    fn note(&mut self, at: usize) {
        let active = &mut self.active[at];
        let (wish, from_ms) = (active.walk.wish(), active.walk.reached_ms());
        let absent = active.walk.absent() - active.absent;
        self.done.absent += absent;
        if from_ms < active.top_ms {
            self.fills.push(Fill {
                channel: kept_as(&wish.channel).to_owned(),
                inst_id: wish.inst_id.clone(),
                from_ms,
                to_ms: active.top_ms,
                records: active.records,
                first_id: active.walk.first_id(),
                absent,
            });
            active.top_ms = from_ms;
        }
        active.records = 0;
        active.absent += absent;
    }

    /// Puts everything that waits into the archive.
    fn commit(&mut self) -> Result<(), Error> {
        for at in 0..self.active.len() {
            self.note(at);
        }
        let fills = std::mem::take(&mut self.fills);
        if fills.is_empty() && self.batch.is_empty() {
            return Ok(());
        }
        let (sha256, bytes) = self.journal.sum();
        let last = self.archive.root().segments.iter().map(|segment| segment.number).max();
        let number = last.map_or(FILLS_FROM, |last| last.max(FILLS_FROM)) + 1;
        self.write(Segment { fills, ..Segment::new(number, bytes, sha256) })?;
        let file = self.archive.dir().join(JOURNAL);
        self.journal.clear().map_err(failed(&file))
    }

    /// Makes what waits a segment.
    pub(super) fn write(&mut self, segment: Segment) -> Result<(), Error> {
        let mut writer = self.archive.begin(&segment, WriteOptions::default())?;
        self.batch.set_names(&self.names);
        for event in self.batch.iter() {
            writer.take(&event)?;
        }
        let parts = writer.finish()?;
        self.done.files += parts.files.len() as u64;
        self.done.bytes += parts.bytes();
        self.archive.commit(segment, parts)?;
        self.batch.clear();
        self.n = 0;
        Ok(())
    }
}

pub(super) fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |error| Error::Io { what: "write", path, error }
}
