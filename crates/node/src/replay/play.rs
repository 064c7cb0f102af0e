//! Runs a tape from one time to another, for everybody: `replay`, `verify`, `convert`, exports,
//! sinks.
//!
//! One function reads the tape, runs its feeds and hands over what they do, record by record, in
//! the tape's order. Pace, printing, accounts and files are its callers' business.
//!
//! Invariants: what is handed over depends on the tape and the range only; memory is bounded.
//! Start at [`play`].

use super::{Entered, FeedLife, Met, Replay, ReplayOptions, restored};
use market_data_model::{FeedId, Nanos};
use market_data_okx::link::LinkState;
use market_data_tape::reader::{Entrance, Item, Range, ReadError, Tape, Way};
use market_data_tape::{Damage, DecodeError};
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
    mut each: impl FnMut(Played<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<PlayEnd, PlayError<E>> {
    let mut replay = Replay::new(options.replay);
    let mut progress = Progress { bytes_total: tape.bytes(), ..Progress::default() };
    let start = match options.range.from {
        Some(from) => seek(tape, from, &mut replay).map_err(PlayError::Read)?,
        None => 0,
    };
    let mut records = tape.records(Range { from: None, to: options.range.to }).after(start);
    loop {
        let bytes = records.bytes();
        if bytes != progress.bytes {
            progress.bytes = bytes;
            if hand(&mut each, Played::Progress(progress))? {
                break;
            }
        }
        let Some(item) = records.read().map_err(PlayError::Read)? else { break };
        let stop = match item {
            Item::Damage(damage) => {
                replay.damaged(&damage);
                let reached = |from| progress.ts.is_some_and(|ts| ts >= from);
                let wanted = options.range.from.is_none_or(reached);
                wanted && hand(&mut each, Played::Damage(&damage))?
            }
            Item::Record(record) => {
                progress.records += 1;
                progress.ts = Some(record.ts);
                let place = Place { ordinal: record.ordinal, feed: record.feed, ts: record.ts };
                let taken = replay.take(&record);
                match taken {
                    _ if !options.range.holds(record.ts) => false,
                    Ok(met) => hand(&mut each, Played::Met(place, met))?,
                    Err(error) => hand(&mut each, Played::Unreadable(place, error))?,
                }
            }
        };
        if stop {
            break;
        }
    }
    let orphans = replay.orphans();
    Ok(PlayEnd { lives: replay.finish(), orphans, progress })
}

/// Puts every feed that runs at `from` into its latest state before; says from which record on the
/// tape is to be read.
pub(crate) fn seek(tape: &Tape, from: Nanos, replay: &mut Replay) -> Result<u64, ReadError> {
    let mut states = BTreeMap::new();
    let found = tape.entrances(from, |feed, state| match restored(feed, state) {
        Ok(state) => {
            states.insert(feed, state);
            true
        }
        Err(_) => false,
    })?;
    let Some(found) = found else { return Ok(0) };
    let (mut start, mut behind, mut entered) = (None::<u64>, 0, BTreeMap::new());
    for (feed, Entrance { ordinal, ts, way }) in found {
        behind = behind.max(ordinal + 1);
        let over = match (way, states.remove(&feed)) {
            (Way::State, Some((config, state))) => {
                let over = state.status().link == LinkState::Stopped;
                entered.insert(feed, Entered { ordinal, ts, config, state });
                over
            }
            _ => {
                replay.starts.insert(feed, ordinal);
                false
            }
        };
        if !over {
            start = Some(start.map_or(ordinal, |start| start.min(ordinal)));
        }
    }
    replay.enter(from, entered);
    Ok(start.unwrap_or(behind))
}

/// Hands something over; says whether the receiver has had enough.
fn hand<E>(
    each: &mut impl FnMut(Played<'_>) -> Result<ControlFlow<()>, E>,
    played: Played<'_>,
) -> Result<bool, PlayError<E>> {
    each(played).map(|flow| flow.is_break()).map_err(PlayError::Receiver)
}
