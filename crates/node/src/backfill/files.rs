//! Whole days from OKX's daily files, before REST is asked for what they do not have.
//!
//! A file is not trusted. It is read twice: once to see that all of it can be understood, and once
//! to take its rows. What it lacks, what it says twice in different words and what lies beside its
//! day is left to the walks over REST, which pass over ids that are there. So a file can only save
//! requests: without it, or with a bad one, the same trades come.
//!
//! Invariants: no row is taken that is there already; rows go into the archive with the SHA-256 of
//! their file as the sum of their segment; nothing is fetched from elsewhere than OKX or the
//! address that was given.

use super::there;
use super::unzip::each_piece;
use super::work::{Get, Job, Work, failed};
use super::{DailyDone, Doing, PastSource, Progress, RefusedFile};
use crate::net::Unfetched;
use futures_util::StreamExt as _;
use futures_util::stream;
use market_data_archive::archive::FETCHED;
use market_data_archive::disk::Hashing;
use market_data_archive::{Error, FILLS_FROM, Segment};
use market_data_model::{FeedId, Header};
use market_data_okx::channel::{self, Form};
use market_data_okx::past::{
    CsvCounts, CsvRow, DAYS_MAX, DailyFile, FileRows, KnownIds, Seen, Took, TradesCsv, costs,
    files_listed, files_path, refusal, span_of, whole_days,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// Records that wait for the archive.
const RECORDS_MAX: usize = 200_000;
/// Files that are fetched at a time.
const PARALLEL: usize = 3;
/// Longest time in which nobody is told how far it is.
const GLANCE: Duration = Duration::from_millis(500);
/// How often a list or a file is asked for.
const TRIES_MAX: u32 = 4;
/// First pause before it is asked for again; doubles.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two lists: 5 in 2 s, and a tenth more.
const LIST_PACE: Duration = Duration::from_millis(440);
/// How much longer than listed a file may be: twice, and this, bytes.
const LONGER: u64 = 1 << 20;
/// Rows kept of either end of what files brought, for comparison with REST.
const EDGE: usize = 100;

/// Days wanted of one channel and instrument.
struct Wanted {
    job: Job,
    days: BTreeSet<u64>,
    known: Vec<KnownIds>,
}

/// What came of reading a file once.
struct Checked {
    counts: CsvCounts,
    seen: Seen,
    sha256: String,
    bytes: u64,
}

impl Work {
    /// Takes what daily files have of the jobs. Whether it came to its end: `each` may break.
    ///
    /// *Cancel safety:* a later call goes on; files that are whole are not fetched again.
    pub async fn take_files(
        &mut self,
        get: &impl Get,
        source: PastSource,
        each: &mut impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<bool, Error> {
        if source == PastSource::Rest {
            return Ok(true);
        }
        let mut all = Vec::new();
        let now_ms = self.clock.now().millis();
        for job in self.jobs.iter() {
            let kept = channel::find(&job.channel);
            if kept.is_some_and(|spec| spec.form == Form::Trade) {
                all.extend(self.wanted(job, now_ms)?);
            }
        }
        let total = all.iter().map(|wanted| wanted.days.len() as u64).sum::<u64>() * 1_000;
        let (mut done, doing) = (0, Doing::Files);
        for wanted in &all {
            let files = self.chosen(get, source, wanted).await;
            done += (wanted.days.len().saturating_sub(files.len())) as u64 * 1_000;
            let folder = self.archive.dir().to_owned();
            let fetched = stream::iter(files).map(|file| {
                let to = folder.join(format!("{FETCHED}{}", file.name));
                async move {
                    let got = fetch(get, &file, &to).await;
                    (file, to, got)
                }
            });
            let mut fetched = std::pin::pin!(fetched.buffered(PARALLEL));
            loop {
                let progress = Progress { done, total, records: self.done.records, doing };
                if each(progress).is_break() {
                    return Ok(false);
                }
                match tokio::time::timeout(GLANCE, fetched.next()).await {
                    Ok(Some((file, path, got))) => {
                        self.landed_file(wanted, (&file, &path), got)?;
                        done += 1_000;
                    }
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
        }
        Ok(true)
    }

    fn landed_file(
        &mut self,
        wanted: &Wanted,
        (file, path): (&DailyFile, &Path),
        got: Result<(), Unfetched>,
    ) -> Result<(), Error> {
        match got {
            Ok(()) => return self.absorb(wanted, file, path),
            Err(Unfetched::Disk(path, error)) => return Err(failed(&path)(error)),
            Err(Unfetched::Failed(why)) => self.refuse(&file.name, why),
            Err(Unfetched::Refused(status, body)) => {
                self.refuse(&file.name, refusal(status, &body));
            }
        }
        Ok(())
    }

    /// Throws away the files that were fetched: everything of them is in the archive.
    pub fn tidy_files(&self) -> Result<(), Error> {
        let dir = self.archive.dir();
        for entry in std::fs::read_dir(dir).map_err(failed(dir))? {
            let entry = entry.map_err(failed(dir))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix(FETCHED)) else {
                continue;
            };
            if name.ends_with(".zip") || name.ends_with(".zip.part") {
                std::fs::remove_file(entry.path()).map_err(failed(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// Whole days of a job that earlier runs have not been through; `None` = none.
    fn wanted(&self, job: &Job, now_ms: u64) -> Result<Option<Wanted>, Error> {
        let inst_id = &*job.instrument.inst_id;
        let parts = there::left(&self.archive, &job.channel, inst_id, self.all);
        let days =
            parts.into_iter().flat_map(|part| whole_days((part.from_ms, part.to_ms), now_ms));
        let days: BTreeSet<u64> = days.collect();
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(None) };
        let span = (span_of(*first).0, span_of(*last).1);
        let known = there::ids(&self.archive, &job.channel, inst_id, span)?;
        Ok(Some(Wanted { job: job.clone(), days, known }))
    }

    /// The files that are worth their while.
    async fn chosen(
        &mut self,
        get: &impl Get,
        source: PastSource,
        wanted: &Wanted,
    ) -> Vec<DailyFile> {
        let mut chosen: Vec<DailyFile> = Vec::new();
        let inst_id = &*wanted.job.instrument.inst_id;
        let mut days = wanted.days.iter().copied().peekable();
        while let Some(first) = days.next() {
            let mut last = first;
            while let Some(next) = days.next_if(|day| day - first < DAYS_MAX) {
                last = next;
            }
            let Some(path) = files_path(&wanted.job.instrument, (first, last)) else { break };
            match self.list(get, &path, inst_id).await {
                Ok(files) => chosen.extend(files),
                Err(why) => self.refuse("the list of daily files", why),
            }
        }
        chosen.retain(|file| {
            let span = span_of(file.day);
            let here = |(first, last, at): &KnownIds| {
                (span.0..span.1).contains(at).then_some(last - first + 1)
            };
            let known: u64 = wanted.known.iter().filter_map(here).sum();
            let (by_file, by_rest) = costs(file, known);
            // How much of a family's file is of one instrument, nobody says.
            let is_alone = file.name.starts_with(&format!("{inst_id}-trades-"));
            let is_worth = source == PastSource::Files || is_alone && by_file < by_rest;
            wanted.days.contains(&file.day) && is_worth
        });
        chosen.dedup_by_key(|file| file.day);
        chosen
    }

    async fn list(
        &mut self,
        get: &impl Get,
        path: &str,
        inst_id: &str,
    ) -> Result<Vec<DailyFile>, String> {
        let mut why = String::new();
        for tried in 0..TRIES_MAX {
            let pause = if tried == 0 { LIST_PACE } else { PAUSE * (1 << (tried - 1)) };
            tokio::time::sleep(pause).await;
            self.done.requests += 1;
            match get.get(path).await {
                Ok((status, body)) => match files_listed((status, &body), inst_id, get.base()) {
                    Ok(files) => return Ok(files),
                    Err(Took::Never(never)) => return Err(never),
                    Err(Took::Later { limited, why: later }) => {
                        self.done.refused += u64::from(limited);
                        why = later;
                    }
                    Err(Took::Rows | Took::Look) => {}
                },
                Err(lost) => why = lost,
            }
        }
        Err(why)
    }

    fn refuse(&mut self, name: &str, why: String) {
        tracing::info!(name, why, "a daily file is not used");
        self.done.daily.refused.push(RefusedFile { name: name.to_owned(), why });
    }

    /// Takes the rows of a file that are not there yet.
    fn absorb(&mut self, wanted: &Wanted, file: &DailyFile, path: &Path) -> Result<(), Error> {
        let inst_id = &*wanted.job.instrument.inst_id;
        let csv = TradesCsv::new(&file.name, inst_id, span_of(file.day));
        let checked = match check(csv.clone(), path) {
            Ok(checked) => checked,
            Err(why) => {
                self.refuse(&file.name, why);
                // It is fetched anew by the next run.
                return std::fs::remove_file(path).map_err(failed(path));
            }
        };
        let known = there::ids(&self.archive, &wanted.job.channel, inst_id, span_of(file.day))?;
        let twice = checked.seen.twice();
        let mut again: BTreeMap<u64, Option<CsvRow>> = BTreeMap::new();
        let mut trouble = None;
        let read = pass(csv, path, &mut |row: CsvRow| {
            let id = row.1.trade_id;
            if is_known(&known, id) {
                self.done.daily.known += 1;
            } else if twice.contains(&id) {
                let same = |old: &mut Option<CsvRow>| *old = old.filter(|old| *old == row);
                again.entry(id).and_modify(same).or_insert(Some(row));
            } else {
                self.keep(wanted, row);
                if self.batch.len() >= RECORDS_MAX {
                    trouble = self.commit_file(&checked).err();
                }
            }
            if trouble.is_some() { Err(String::new()) } else { Ok(()) }
        });
        if let Some(error) = trouble {
            return Err(error);
        }
        if let Err(why) = read {
            self.refuse(&file.name, why);
        }
        again.into_values().flatten().for_each(|row| self.keep(wanted, row));
        self.commit_file(&checked)?;
        self.counted(&checked);
        Ok(())
    }

    fn counted(&mut self, checked: &Checked) {
        let (daily, counts) = (&mut self.done.daily, &checked.counts);
        let DailyDone { files, rows, others, outside, unordered, twice, missing, .. } = daily;
        *files += 1;
        *rows += counts.rows;
        *others += counts.others;
        *outside += counts.outside;
        *unordered += counts.unordered;
        *twice += checked.seen.twice().len() as u64;
        *missing += checked.seen.missing();
    }

    fn keep(&mut self, wanted: &Wanted, (at, trade): CsvRow) {
        let place = self.place(&wanted.job.channel, &wanted.job.instrument);
        self.n += 1;
        self.done.records += 1;
        self.done.daily.records += 1;
        let header = Header {
            feed: FeedId(0),
            n: self.n,
            channel: Some(place.0),
            inst: Some(place.1),
            ts_event: Some(at),
            ts_recv: self.clock.now(),
        };
        self.batch.push_trade(header, trade);
        let key = (wanted.job.channel.clone(), wanted.job.instrument.inst_id.to_string());
        edge(self.edges.entry(key).or_default(), (at, trade));
    }

    /// Puts what waits into the archive, under the sum of its file.
    fn commit_file(&mut self, checked: &Checked) -> Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let last = self.archive.root().segments.iter().map(|segment| segment.number).max();
        let number = last.map_or(FILLS_FROM, |last| last.max(FILLS_FROM)) + 1;
        let segment = Segment::new(number, checked.bytes, checked.sha256.clone());
        self.write(segment)
    }
}

/// Keeps a row as long as it is one of the lowest or highest.
fn edge(rows: &mut FileRows, row: CsvRow) {
    rows.insert(row.1.trade_id, row);
    if rows.len() > 2 * EDGE {
        let middle = rows.keys().nth(EDGE).copied();
        middle.and_then(|id| rows.remove(&id));
    }
}

fn is_known(known: &[KnownIds], id: u64) -> bool {
    let at = known.partition_point(|(first, ..)| *first <= id);
    let range = at.checked_sub(1).and_then(|at| known.get(at));
    range.is_some_and(|(_, last, _)| id <= *last)
}

/// Reads a file to see whether it can be trusted.
fn check(csv: TradesCsv, path: &Path) -> Result<Checked, String> {
    let mut seen = Seen::default();
    let counts = pass(csv, path, &mut |(_, trade)| seen.put(trade.trade_id).map(|_| ()))?;
    let (sha256, bytes) = summed(path).map_err(|error| format!("it cannot be read: {error}"))?;
    Ok(Checked { counts, seen, sha256, bytes })
}

fn pass(
    mut csv: TradesCsv,
    path: &Path,
    each: &mut impl FnMut(CsvRow) -> Result<(), String>,
) -> Result<CsvCounts, String> {
    each_piece(path, |piece| csv.feed(piece, each))?;
    csv.end(each)
}

fn summed(path: &Path) -> std::io::Result<(String, u64)> {
    let mut file = std::fs::File::open(path)?;
    let mut sum = Hashing::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = std::io::Read::read(&mut file, &mut piece)?;
        if read == 0 {
            return Ok(sum.end());
        }
        sum.add(piece.get(..read).unwrap_or_default());
    }
}

/// A file that is not here yet.
async fn fetch(get: &impl Get, file: &DailyFile, to: &Path) -> Result<(), Unfetched> {
    if to.exists() {
        return Ok(());
    }
    let most = file.bytes.saturating_mul(2).saturating_add(LONGER);
    let mut tried = 0;
    loop {
        tried += 1;
        match get.download(&file.url, to, most).await {
            Ok(()) => return Ok(()),
            Err(Unfetched::Disk(path, error)) => return Err(Unfetched::Disk(path, error)),
            Err(why) if tried >= TRIES_MAX => return Err(why),
            Err(_) => tokio::time::sleep(PAUSE * (1 << (tried - 1))).await,
        }
    }
}
