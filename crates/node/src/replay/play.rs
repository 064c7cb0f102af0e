//! Runs a tape from one time to another, for everybody: `replay`, `verify`, `convert`, exports,
//! sinks.
//!
//! One function reads the tape, runs its feeds and hands over what they do, record by record, in
//! the tape's order. Pace, printing, accounts and files are its callers' business.
//!
//! Invariants: what is handed over depends on the tape and the range only; memory is bounded.
//! Start at [`play`].

use super::{Entered, FeedLife, Met, Replay, ReplayOptions, crew, restored};
use market_data_model::{FeedId, Nanos};
use market_data_okx::link::LinkState;
use market_data_tape::reader::{Entrance, Item, Range, ReadError, Tape, Way};
use market_data_tape::{Damage, DecodeError, Record};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::ops::ControlFlow;

/// Which part of a tape is played, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayOptions {
    /// What is handed over: records with `from <= ts < to`.
    pub range: Range,
    /// What is done besides running the feeds.
    pub replay: ReplayOptions,
    /// How many threads run feeds, besides the caller's and one that reads; 0 or 1 = everything on
    /// the caller's. What is handed over does not depend on it.
    pub threads: usize,
}

/// Where on the tape a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub ordinal: u64,
    /// Whose it is; [`ALL_FEEDS`](market_data_tape::ALL_FEEDS) for the tape as a whole.
    pub feed: FeedId,
    /// When it was received.
    pub ts: Nanos,
}

/// How far a tape has been played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the tape that are behind.
    pub bytes: u64,
    /// Bytes of the whole tape.
    pub bytes_total: u64,
    /// Records that are behind.
    pub records: u64,
    /// Time of the last of them; `None` before the first.
    pub ts: Option<Nanos>,
}

/// Something to hand over.
#[derive(Debug)]
pub enum Played<'a> {
    /// A record, and what it did.
    Met(Place, Met<'a>),
    /// The tape is damaged here.
    Damage(&'a Damage),
    /// A record whose sums hold cannot be read. Its feed is unverifiable from here on.
    Unreadable(Place, DecodeError),
    /// A block of the tape is behind: some hundred times a second of work, for a status line.
    Progress(Progress),
}

/// Why playing ended early.
#[derive(Debug)]
pub enum PlayError<E> {
    /// The tape cannot be read.
    Read(ReadError),
    /// The receiver failed.
    Receiver(E),
}

impl PlayError<Infallible> {
    /// The only thing that can have gone wrong when the receiver cannot fail.
    pub fn read(self) -> ReadError {
        match self {
            PlayError::Read(error) => error,
            PlayError::Receiver(never) => match never {},
        }
    }
}

impl<E: fmt::Display> fmt::Display for PlayError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlayError::Read(error) => error.fmt(f),
            PlayError::Receiver(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for PlayError<E> {}

/// What was played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlayEnd {
    /// Every feed met, in the order in which they began.
    pub lives: Vec<FeedLife>,
    /// Inputs of feeds whose start is nowhere on the tape.
    pub orphans: u64,
    /// How far it came.
    pub progress: Progress,
}

/// Plays a tape: hands what its feeds do to `each`, in the tape's order, until the end of the
/// range or until `each` breaks.
///
/// # Errors
/// [`PlayError::Read`] when the file system fails, [`PlayError::Receiver`] when `each` does.
pub fn play<E>(
    tape: &Tape,
    options: &PlayOptions,
    each: impl FnMut(Played<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<PlayEnd, PlayError<E>> {
    let progress = Progress { bytes_total: tape.bytes(), ..Progress::default() };
    let begin = match options.range.from {
        Some(from) => seek(tape, from).map_err(PlayError::Read)?,
        None => Begin::default(),
    };
    let mut host = Host { range: options.range, each, progress };
    match options.threads {
        0 | 1 => alone(tape, options, begin, host),
        _ => crew::play(tape, options, begin, &mut host),
    }
}

/// Where playing begins.
#[derive(Default)]
pub(crate) struct Begin {
    /// Number of the first record to be read.
    pub start: u64,
    /// The time asked for, when feeds are entered.
    pub from: Option<Nanos>,
    pub(super) entered: BTreeMap<FeedId, Entered>,
    /// Records that make feeds which have no state before.
    pub starts: BTreeMap<FeedId, u64>,
}

/// Hands over to the receiver what it asked for.
pub(super) struct Host<F> {
    range: Range,
    each: F,
    pub progress: Progress,
}

impl<E, F: FnMut(Played<'_>) -> Result<ControlFlow<()>, E>> Host<F> {
    /// So many bytes of the tape are behind. This and the others say whether the receiver has had
    /// enough.
    pub fn bytes(&mut self, bytes: u64) -> Result<bool, PlayError<E>> {
        if bytes == self.progress.bytes {
            return Ok(false);
        }
        self.progress.bytes = bytes;
        let progress = self.progress;
        self.hand(Played::Progress(progress))
    }

    pub fn damage(&mut self, damage: &Damage) -> Result<bool, PlayError<E>> {
        let reached = |from| self.progress.ts.is_some_and(|ts| ts >= from);
        let wanted = self.range.from.is_none_or(reached);
        Ok(wanted && self.hand(Played::Damage(damage))?)
    }

    /// A record; what it did is asked for if it is wanted.
    pub fn record<'a>(
        &mut self,
        record: &Record<'_>,
        met: Result<Met<'a>, DecodeError>,
    ) -> Result<bool, PlayError<E>> {
        self.progress.records += 1;
        self.progress.ts = Some(record.ts);
        let place = Place { ordinal: record.ordinal, feed: record.feed, ts: record.ts };
        match met {
            _ if !self.range.holds(record.ts) => Ok(false),
            Ok(met) => self.hand(Played::Met(place, met)),
            Err(error) => self.hand(Played::Unreadable(place, error)),
        }
    }

    fn hand(&mut self, played: Played<'_>) -> Result<bool, PlayError<E>> {
        (self.each)(played).map(|flow| flow.is_break()).map_err(PlayError::Receiver)
    }
}

/// Everything on the caller's thread.
fn alone<E, F: FnMut(Played<'_>) -> Result<ControlFlow<()>, E>>(
    tape: &Tape,
    options: &PlayOptions,
    begin: Begin,
    mut host: Host<F>,
) -> Result<PlayEnd, PlayError<E>> {
    let mut replay = Replay::new(options.replay);
    let mut records = tape.records(Range { from: None, to: options.range.to }).after(begin.start);
    replay.enter(begin);
    loop {
        if host.bytes(records.bytes())? {
            break;
        }
        let Some(item) = records.read().map_err(PlayError::Read)? else { break };
        let stop = match item {
            Item::Damage(damage) => {
                replay.damaged(&damage);
                host.damage(&damage)?
            }
            Item::Record(record) => host.record(&record, replay.take(&record))?,
        };
        if stop {
            break;
        }
    }
    let orphans = replay.orphans();
    Ok(PlayEnd { lives: sorted(replay.finish()), orphans, progress: host.progress })
}

/// Lives in the order in which they began.
pub(super) fn sorted(mut lives: Vec<FeedLife>) -> Vec<FeedLife> {
    lives.sort_by_key(|life| (life.from, life.feed));
    lives
}

/// Puts every feed that runs at `from` into its latest state before; says from which record on the
/// tape is to be read.
pub(crate) fn seek(tape: &Tape, from: Nanos) -> Result<Begin, ReadError> {
    let mut states = BTreeMap::new();
    let found = tape.entrances(from, |feed, state| match restored(feed, state) {
        Ok(state) => {
            states.insert(feed, state);
            true
        }
        Err(_) => false,
    })?;
    let Some(found) = found else { return Ok(Begin::default()) };
    let (mut start, mut behind) = (None::<u64>, 0);
    let mut begin = Begin { from: Some(from), ..Begin::default() };
    for (feed, Entrance { ordinal, ts, way }) in found {
        behind = behind.max(ordinal + 1);
        let over = match (way, states.remove(&feed)) {
            (Way::State, Some((config, state))) => {
                let over = state.status().link == LinkState::Stopped;
                begin.entered.insert(feed, Entered { ordinal, ts, config, state });
                over
            }
            _ => {
                begin.starts.insert(feed, ordinal);
                false
            }
        };
        if !over {
            start = Some(start.map_or(ordinal, |start| start.min(ordinal)));
        }
    }
    begin.start = start.unwrap_or(behind);
    Ok(begin)
}
