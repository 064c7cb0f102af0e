//! What the process before has left on the tape: how far each of its subscriptions had come, so
//! that the new feeds fetch what came while nobody listened.
//!
//! The service asks before it records. The feeds of the old process are put into the last state
//! they left and given what stands behind it, so only the end of the tape is read.
//!
//! Invariants: nothing here can keep a service from starting: a tape that cannot be read, or is not
//! ours, means to begin afresh, which the log says; what is read is bounded.

use crate::replay::{Replay, ReplayOptions, seek};
use market_data_model::{Known, Nanos, Subscription};
use market_data_tape::reader::{Item, Range, ReadError, Tape};
use std::collections::BTreeMap;
use std::path::Path;

/// Most bytes of a tape that are read for it (ours: a round of states comes sixteen times a
/// segment, which has 1 GiB unless somebody wants another size).
const BYTES_MAX: u64 = 256 << 20;

/// What was known, by subscription.
type All = BTreeMap<Subscription, Known>;

/// What was known; empty when there is nothing to go on from.
pub(crate) fn known(dir: &Path) -> All {
    if !dir.is_dir() {
        return BTreeMap::new();
    }
    let shown = dir.display();
    match read(dir) {
        Ok(Some((end, known))) => {
            let subscriptions = known.len();
            tracing::info!(dir = %shown, %end, subscriptions, "goes on from the tape's end");
            known
        }
        Ok(None) | Err(ReadError::Empty { .. }) => BTreeMap::new(),
        Err(error) => {
            tracing::warn!(dir = %shown, %error, "cannot go on from the tape, begins afresh");
            BTreeMap::new()
        }
    }
}

/// The time of the last record, and what was known then; `None` when no feed of ours is there.
fn read(dir: &Path) -> Result<Option<(Nanos, All)>, ReadError> {
    let tape = Tape::open(dir)?;
    let Some((_, end)) = tape.times()? else { return Ok(None) };
    let begin = seek(&tape, end + 1)?;
    let mut replay = Replay::new(ReplayOptions::default());
    let mut records = tape.records(Range::ALL).after(begin.start);
    replay.enter(begin);
    let mut first = None;
    while let Some(item) = records.read()? {
        match item {
            Item::Damage(damage) => replay.damaged(&damage),
            // What cannot be read of one feed is no reason to forget the others.
            Item::Record(record) => drop(replay.take(&record)),
        }
        let behind = records.bytes();
        if behind - *first.get_or_insert(behind) > BYTES_MAX {
            let dir = dir.display();
            tracing::warn!(%dir, "no state near the end of the tape: begins afresh");
            return Ok(None);
        }
    }
    let mut all: All = BTreeMap::new();
    for one in replay.every_feed().flat_map(market_data_okx::OkxFeed::known) {
        let newer = |held: &Known| held.heard < one.heard;
        if all.get(&one.subscription).is_none_or(newer) {
            all.insert(one.subscription.clone(), one);
        }
    }
    Ok((!all.is_empty()).then_some((end, all)))
}
