//! What is remembered of one subscription while two lines carry it. Only `feed` and its other
//! files touch it; the rules are in `feed/arbiter.rs`.
//!
//! Invariant: everything in it is bounded; what does not fit is counted as missed, or let go.

use crate::limits::{LINE_HELD_MAX, LINE_LOST_MAX, LINE_TOLD_MAX};
use market_data_model::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many lines there are at most.
pub(super) const LINES_MAX: usize = 2;

/// What one line has done for the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Rows of which it brought the first copy.
    pub(super) first: u64,
    /// Rows of which it brought the second.
    pub(super) copies: u64,
    /// By how much these came later, all together, and at most, in ns.
    pub(super) late_ns: u64,
    pub(super) late_max_ns: u64,
    /// Rows that the other line brought and it did not.
    pub(super) missed: u64,
}

/// One row that came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    /// Its id in the chain, its trade id, or the hash of its text.
    id: u64,
    /// The lines that have brought it, one bit each.
    brought: u8,
    /// Those that carried nothing when it came out.
    excused: u8,
    at: Nanos,
}

/// A row that does not follow the last one yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) line: u8,
    /// The id before it: `prevSeqId`, or the trade before its first.
    pub(super) after: i64,
    /// Its own id: `seqId`, or its last trade's.
    pub(super) id: i64,
    pub(super) text: Box<[u8]>,
}

/// See the file's first comment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Carry {
    /// Which lines go on from what came out, without a hole.
    pub(super) joined: [bool; LINES_MAX],
    /// Which lines have brought nothing of what came out of late.
    pub(super) deaf: [bool; LINES_MAX],
    told: VecDeque<Told>,
    /// The venue's time of the newest row that came out.
    pub(super) ts: Option<Nanos>,
    pub(super) held: Vec<Held>,
    /// How long the hole before `held` may stay.
    pub(super) until: Option<Nanos>,
    /// Trades that were given up, from and to: one of them that comes is no copy.
    lost: VecDeque<(u64, u64)>,
}

/// A line's bit.
pub(super) fn bit(line: u8) -> u8 {
    1 << (line & 1)
}

impl Carry {
    /// Notes a row that a line was the first to bring; `excused` are lines that carry nothing. Says
    /// which line turns out to be deaf, if one does.
    pub(super) fn tell(
        &mut self,
        now: Nanos,
        (id, line, excused): (u64, u8, u8),
        tallies: &mut [Tally; LINES_MAX],
    ) -> Option<u8> {
        let mut deaf = None;
        if self.told.len() >= LINE_TOLD_MAX
            && let Some(old) = self.told.pop_front()
        {
            for (line, tally) in (0..).zip(tallies) {
                let bit = bit(line);
                if (old.brought | old.excused) & bit == 0 {
                    tally.missed += 1;
                    let silent = self.told.iter().all(|told| told.brought & bit == 0);
                    if silent && !std::mem::replace(&mut self.deaf[usize::from(line)], true) {
                        deaf = Some(line);
                    }
                }
            }
        }
        self.deaf[usize::from(line & 1)] = false;
        self.told.push_back(Told { id, brought: bit(line), excused, at: now });
        deaf
    }

    /// The connection of a line is gone: whatever comes by its next one it brings anew.
    pub(super) fn unjoin(&mut self, line: u8) {
        self.joined[usize::from(line & 1)] = false;
        self.deaf[usize::from(line & 1)] = false;
        for told in &mut self.told {
            told.brought &= !bit(line);
            told.excused |= bit(line);
        }
    }

    /// Notes that a line has brought a row that had come out; says how long ago that was, and
    /// `None` if it is none that the line had still to bring.
    pub(super) fn copy(&mut self, now: Nanos, id: u64, line: u8) -> Option<u64> {
        let mut told = self.told.iter_mut().rev();
        let told = told.find(|told| told.id == id && told.brought & bit(line) == 0)?;
        told.brought |= bit(line);
        self.deaf[usize::from(line & 1)] = false;
        Some(now.since(told.at))
    }

    /// Whether a row with this id came out of late.
    pub(super) fn knows(&self, id: u64) -> bool {
        self.told.iter().rev().any(|told| told.id == id)
    }

    /// Whether a line has still to bring a row that came out.
    pub(super) fn awaits(&self, id: u64, line: u8) -> bool {
        self.told.iter().rev().any(|told| told.id == id && told.brought & bit(line) == 0)
    }

    /// Whether a row may wait here for those before it.
    pub(super) fn has_room(&self) -> bool {
        self.held.len() < LINE_HELD_MAX
    }

    /// Whether both lines have shown rows from behind the hole: nobody will bring what is in it.
    pub(super) fn is_hopeless(&self) -> bool {
        let of = |line| self.held.iter().any(|held| held.line == line);
        of(0) && of(1)
    }

    pub(super) fn give_up(&mut self, ids: (u64, u64)) {
        if self.lost.len() >= LINE_LOST_MAX {
            self.lost.pop_front();
        }
        self.lost.push_back(ids);
    }

    /// Whether this trade was given up; from here on it is not.
    pub(super) fn regain(&mut self, (first, id): (u64, u64)) -> bool {
        let Some(at) = self.lost.iter().position(|(from, to)| *from <= first && id <= *to) else {
            return false;
        };
        let (from, to) = self.lost[at];
        let rest = [(from, first.saturating_sub(1)), (id.saturating_add(1), to)];
        let rest = rest.into_iter().filter(|(from, to)| from <= to && *from > 0);
        self.lost.remove(at);
        self.lost.extend(rest);
        self.lost.truncate(LINE_LOST_MAX);
        true
    }

    /// Whether it is one that rows can have made.
    pub(super) fn is_sound(&self) -> bool {
        self.told.len() <= LINE_TOLD_MAX
            && self.held.len() <= LINE_HELD_MAX
            && self.lost.len() <= LINE_LOST_MAX
            && self.held.iter().all(|held| usize::from(held.line) < LINES_MAX)
            && self.lost.iter().all(|(from, to)| from <= to)
    }
}
