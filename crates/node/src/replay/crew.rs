//! Plays a tape on several threads.
//!
//! One thread reads portions of the tape and gives each to every worker; a worker runs the feeds
//! that are its own; the caller's thread takes what they said, portion by portion, and hands it
//! over record by record in the tape's order. `play.rs` calls [`play`].
//!
//! Invariants: what is handed over is what one thread would hand over; a feed is run by one worker
//! from beginning to end; every queue is bounded by a number of portions, and a portion by a number
//! of records and bytes.

use super::play::{Begin, Host, sorted};
use super::{Did, FeedLife, Met, PlayEnd, PlayError, PlayOptions, Played, Ran, Replay, Said, note};
use market_data_model::{FeedId, Nanos};
use market_data_tape::reader::{Item, Range, ReadError, Tape};
use market_data_tape::record::{ALL_FEEDS, kind};
use market_data_tape::{Damage, DecodeError, Lost, Record};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Portions that wait for a worker, and for the caller.
const PORTIONS_MAX: usize = 4;
/// A portion is full with so many records, or bytes of payload.
const RECORDS_MAX: usize = 1024;
const BYTES_MAX: usize = 256 << 10;
/// Most workers.
const WORKERS_MAX: usize = 16;

/// A stretch of the tape.
#[derive(Default)]
struct Portion {
    bytes: Vec<u8>,
    /// Records without their payload, and where in `bytes` that is.
    records: Vec<(Record<'static>, usize, usize)>,
    /// Damage, and how many of the records come before it.
    damages: Vec<(usize, Damage)>,
    /// Bytes of the tape that are behind, and after how many of the records that is so.
    passed: Vec<(usize, u64)>,
    /// Number of the last record before.
    before: u64,
}

impl Portion {
    fn record(&self, index: usize) -> Record<'_> {
        let (record, from, to) = self.records[index];
        Record { payload: &self.bytes[from..to], ..record }
    }

    fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX || self.bytes.len() >= BYTES_MAX
    }

    /// Number of the last record before one.
    fn number_before(&self, index: usize) -> u64 {
        index.checked_sub(1).map_or(self.before, |i| self.records[i].0.ordinal)
    }
}

/// What a record did, with everything that goes with it to another thread.
enum Told {
    Started(Box<FeedLife>),
    Step(Ran),
    Lost(Lost, Vec<FeedId>),
    Note,
    Nothing,
}

/// A worker's answer to a portion: one for each record that is its business.
struct Answer {
    told: std::vec::IntoIter<Result<Told, DecodeError>>,
    said: Vec<Said>,
}

/// How the caller's thread and a worker deal with each other.
struct Worker<'s> {
    answers: Receiver<Answer>,
    /// What has been handed over, for its memory.
    spent: SyncSender<Vec<Said>>,
    thread: ScopedJoinHandle<'s, Replay>,
}

/// Plays with `options.threads` workers.
pub(super) fn play<E, F: FnMut(Played<'_>) -> Result<ControlFlow<()>, E>>(
    tape: &Tape,
    options: &PlayOptions,
    mut begin: Begin,
    host: &mut Host<F>,
) -> Result<PlayEnd, PlayError<E>> {
    let count = options.threads.min(WORKERS_MAX);
    let range = Range { from: None, to: options.range.to };
    let start = begin.start;
    let mut roster = Roster::new(&begin);
    std::thread::scope(|scope| {
        let (portions, ready) = sync_channel(PORTIONS_MAX);
        let (mut senders, mut workers) = (Vec::new(), Vec::new());
        for number in 0..count {
            let mut own = Begin { start, from: begin.from, ..Begin::default() };
            let mine = |feed: &FeedId| worker_of(*feed, count) == number;
            own.entered = begin.entered.extract_if(.., |feed, _| mine(feed)).collect();
            own.starts = begin.starts.extract_if(.., |feed, _| mine(feed)).collect();
            let mut replay = Replay::new(options.replay);
            replay.gathers = true;
            replay.enter(own);
            let (sender, worker) = Worker::start(scope, replay, (number, count));
            senders.push(sender);
            workers.push(worker);
        }
        scope.spawn(move || read(tape, (range, start), &senders, &portions));
        let played = hand_over(&ready, &mut workers, &mut roster, host);
        // Whoever still works finds nobody to work for, and ends.
        drop(ready);
        let threads: Vec<_> = workers.into_iter().map(|worker| worker.thread).collect();
        let replays = threads.into_iter().map(|thread| match thread.join() {
            Ok(replay) => replay,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        let replays: Vec<Replay> = replays.collect();
        played?;
        let orphans = replays.iter().map(Replay::orphans).sum();
        let lives = sorted(replays.into_iter().flat_map(Replay::finish).collect());
        Ok(PlayEnd { lives, orphans, progress: host.progress })
    })
}

fn worker_of(feed: FeedId, count: usize) -> usize {
    feed.0 as usize % count
}

/// Reads the tape to its end, or until nobody listens.
fn read(
    tape: &Tape,
    (range, start): (Range, u64),
    workers: &[SyncSender<Arc<Portion>>],
    caller: &SyncSender<Result<Arc<Portion>, ReadError>>,
) {
    let mut records = tape.records(range).after(start);
    let mut portion = Portion::default();
    let mut bytes = 0;
    loop {
        if records.bytes() != bytes {
            bytes = records.bytes();
            portion.passed.push((portion.records.len(), bytes));
        }
        let over = match records.read() {
            Ok(Some(Item::Record(record))) => {
                let from = portion.bytes.len();
                portion.bytes.extend_from_slice(record.payload);
                let stamp = Record { payload: &[], ..record };
                portion.records.push((stamp, from, portion.bytes.len()));
                false
            }
            Ok(Some(Item::Damage(damage))) => {
                portion.damages.push((portion.records.len(), damage));
                false
            }
            Ok(None) => true,
            Err(error) => {
                send(portion, workers, caller);
                // The caller may have had enough.
                drop(caller.send(Err(error)));
                return;
            }
        };
        if over || portion.is_full() {
            let before = portion.number_before(portion.records.len());
            let next = Portion { before, ..Portion::default() };
            if !send(std::mem::replace(&mut portion, next), workers, caller) || over {
                return;
            }
        }
    }
}

fn send(
    portion: Portion,
    workers: &[SyncSender<Arc<Portion>>],
    caller: &SyncSender<Result<Arc<Portion>, ReadError>>,
) -> bool {
    let portion = Arc::new(portion);
    caller.send(Ok(Arc::clone(&portion))).is_ok()
        && workers.iter().all(|worker| worker.send(Arc::clone(&portion)).is_ok())
}

impl<'s> Worker<'s> {
    fn start<'e>(
        scope: &'s Scope<'s, 'e>,
        mut replay: Replay,
        (number, count): (usize, usize),
    ) -> (SyncSender<Arc<Portion>>, Worker<'s>) {
        let (portions, work) = sync_channel::<Arc<Portion>>(PORTIONS_MAX);
        let (done, answers) = sync_channel(PORTIONS_MAX);
        let (spent, used) = sync_channel::<Vec<Said>>(PORTIONS_MAX);
        let thread = scope.spawn(move || {
            for portion in work {
                replay.reuse(used.try_iter().flatten());
                if done.send(answer(&mut replay, &portion, (number, count))).is_err() {
                    break;
                }
            }
            replay
        });
        (portions, Worker { answers, spent, thread })
    }
}

/// Runs the feeds of one worker through a portion.
fn answer(replay: &mut Replay, portion: &Portion, (number, count): (usize, usize)) -> Answer {
    let mut told = Vec::with_capacity(portion.records.len());
    let mut damages = portion.damages.iter().peekable();
    for index in 0..=portion.records.len() {
        while let Some((_, damage)) = damages.next_if(|(at, _)| *at == index) {
            replay.last = portion.number_before(index);
            replay.damaged(damage);
        }
        if index == portion.records.len() {
            break;
        }
        let record = portion.record(index);
        if record.feed == ALL_FEEDS || worker_of(record.feed, count) == number {
            told.push(replay.run(&record).map(|did| tell(replay, did)));
        }
    }
    Answer { told: told.into_iter(), said: replay.gathered() }
}

fn tell(replay: &Replay, did: Did) -> Told {
    match did {
        Did::Started(feed, _) => match replay.playing.get(&feed) {
            Some(playing) => Told::Started(Box::new(playing.life.clone())),
            None => Told::Nothing,
        },
        Did::Step(_, ran) => Told::Step(ran),
        Did::Lost(lost, feeds) => Told::Lost(lost, feeds),
        Did::Note => Told::Note,
        Did::Nothing => Told::Nothing,
    }
}

/// Which feeds run, as one thread would know it.
struct Roster {
    /// Time of the last input, and whether the feed is over.
    feeds: BTreeMap<FeedId, (Nanos, bool)>,
}

impl Roster {
    fn new(begin: &Begin) -> Roster {
        let entered = begin.entered.iter();
        let feeds = entered.map(|(feed, e)| (*feed, (e.ts, e.state.is_stopping()))).collect();
        Roster { feeds }
    }

    /// A feed was made; since when all of those before it were over.
    fn started(&mut self, life: &FeedLife, by_start: bool) -> Option<Nanos> {
        let paused = by_start && self.feeds.values().all(|(_, over)| *over);
        let since = self.feeds.values().map(|(to, _)| *to).max();
        self.feeds.insert(life.feed, (life.to, life.stopped));
        since.filter(|_| paused)
    }
}

/// Hands over everything in the tape's order.
fn hand_over<E, F: FnMut(Played<'_>) -> Result<ControlFlow<()>, E>>(
    ready: &Receiver<Result<Arc<Portion>, ReadError>>,
    workers: &mut [Worker<'_>],
    roster: &mut Roster,
    host: &mut Host<F>,
) -> Result<(), PlayError<E>> {
    for portion in ready {
        let portion = portion.map_err(PlayError::Read)?;
        let mut answers = Vec::with_capacity(workers.len());
        for worker in workers.iter() {
            // A worker that has failed says so when it is joined.
            let Ok(answer) = worker.answers.recv() else { return Ok(()) };
            answers.push(answer);
        }
        if hand_portion(&portion, &mut answers, roster, host)? {
            return Ok(());
        }
        for (worker, answer) in workers.iter().zip(answers) {
            // Memory that nobody takes back is given up.
            drop(worker.spent.try_send(answer.said));
        }
    }
    Ok(())
}

/// Says whether the receiver has had enough.
fn hand_portion<E, F: FnMut(Played<'_>) -> Result<ControlFlow<()>, E>>(
    portion: &Portion,
    answers: &mut [Answer],
    roster: &mut Roster,
    host: &mut Host<F>,
) -> Result<bool, PlayError<E>> {
    let mut damages = portion.damages.iter().peekable();
    let mut passed = portion.passed.iter().peekable();
    for index in 0..=portion.records.len() {
        while let Some((_, bytes)) = passed.next_if(|(at, _)| *at == index) {
            if host.bytes(*bytes)? {
                return Ok(true);
            }
        }
        while let Some((_, damage)) = damages.next_if(|(at, _)| *at == index) {
            if host.damage(damage)? {
                return Ok(true);
            }
        }
        if index == portion.records.len() {
            break;
        }
        if hand_record(&portion.record(index), answers, roster, host)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn hand_record<E, F: FnMut(Played<'_>) -> Result<ControlFlow<()>, E>>(
    record: &Record<'_>,
    answers: &mut [Answer],
    roster: &mut Roster,
    host: &mut Host<F>,
) -> Result<bool, PlayError<E>> {
    if record.feed == ALL_FEEDS {
        return host.record(record, of_all(record, answers));
    }
    let number = worker_of(record.feed, answers.len());
    let answer = &mut answers[number];
    let feed = record.feed;
    let met = match answer.told.next() {
        Some(Ok(Told::Started(life))) => {
            let by_start = record.kind != kind::STATE;
            let since = roster.started(&life, by_start);
            return host.record(record, Ok(Met::Started(&life, since)));
        }
        Some(Ok(Told::Step(ran))) => {
            roster.feeds.insert(feed, (record.ts, ran.over));
            let (out, witness) = &answer.said[ran.slot];
            Ok(Met::Step(ran.step(out, witness)))
        }
        Some(Ok(Told::Lost(lost, feeds))) => Ok(Met::Lost(feed, lost, feeds)),
        Some(Ok(Told::Note)) => Ok(note(record)),
        Some(Ok(Told::Nothing)) | None => Ok(Met::Nothing),
        Some(Err(error)) => {
            if matches!(record.kind, kind::FEED_START | kind::FEED_AGAIN) {
                roster.feeds.remove(&feed);
            }
            Err(error)
        }
    };
    host.record(record, met)
}

/// A record that concerns all feeds, so that every worker has answered.
fn of_all<'a>(record: &Record<'a>, answers: &mut [Answer]) -> Result<Met<'a>, DecodeError> {
    let mut all = Met::Nothing;
    for told in answers.iter_mut().filter_map(|answer| answer.told.next()) {
        match (told?, &mut all) {
            (Told::Lost(_, feeds), Met::Lost(_, _, known)) => known.extend(feeds),
            (Told::Lost(lost, feeds), _) => all = Met::Lost(record.feed, lost, feeds),
            (Told::Note, _) => all = note(record),
            _ => {}
        }
    }
    if let Met::Lost(_, _, feeds) = &mut all {
        feeds.sort_unstable();
    }
    Ok(all)
}
