//! A book some changes ago and those changes, so that what somebody says of a moment that is over,
//! or still to come, can be compared with what the book was at exactly that moment.
//!
//! `feed/witness.rs` begins one when it asks, and drops it with the answer. It decides nothing
//! about the feed.
//!
//! Invariants: nothing is compared but at the same `seqId`; ids rise from the base on (a chain
//! whose ids go down begins a new past); changes are bounded, the oldest become part of the base.

use crate::channel::books::BookRow;
use crate::limits::{WITNESS_APART_NS, WITNESS_CHANGES_MAX};
use market_data_model::{Book, Decimal, Level, Nanos, Px, Side};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;

/// See the file's first comment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Past {
    base: Book,
    seq: i64,
    /// Levels a side that the channel has.
    depth: u16,
    changes: VecDeque<Change>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Change {
    seq: i64,
    ts: Option<Nanos>,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// A book as a witness saw it, best levels first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) seq: i64,
    ts: Option<Nanos>,
    /// How many levels a side it shows at most.
    depth: u16,
    bids: Vec<Level>,
    asks: Vec<Level>,
    /// The head of its text.
    pub(super) text: Box<[u8]>,
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The book has not come so far.
    Ahead,
    /// The book was never seen at that id.
    Elsewhere,
    /// Every level that both show is the same.
    Agrees,
    /// One is not.
    Differs(Difference),
}

/// The best level that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    side: Side,
    ours: Option<Level>,
    theirs: Option<Level>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.side == Side::Bid { "bid" } else { "ask" };
        let say = |level: &Option<Level>| match level {
            Some(level) => format!("{} @ {} ({} orders)", level.qty, level.px, level.orders),
            None => "nothing".to_owned(),
        };
        write!(f, "the {side} {}, the book has {}", say(&self.theirs), say(&self.ours))
    }
}

impl Said {
    /// What this row says; `None` if it has no id or cannot be read.
    pub(super) fn of(row: &BookRow, depth: u16, text: &[u8]) -> Option<Said> {
        let cut = &text[..text.len().min(market_data_model::FAULT_TEXT_MAX)];
        if row.odd.is_some() {
            return None;
        }
        let (bids, asks) = (row.bids.clone(), row.asks.clone());
        Some(Said { seq: row.seq?, ts: row.ts, depth, bids, asks, text: cut.into() })
    }
}

impl Past {
    /// From here on.
    pub(super) fn of(book: &Book, seq: i64, depth: u16) -> Past {
        Past { base: book.clone(), seq, depth, changes: VecDeque::new() }
    }

    /// A change that links came out; says whether ids still rise.
    pub(super) fn push(&mut self, row: &BookRow) -> bool {
        let Some(seq) = row.seq.filter(|seq| *seq > self.newest()) else { return false };
        let (bids, asks) = (row.bids.clone(), row.asks.clone());
        self.changes.push_back(Change { seq, ts: row.ts, bids, asks });
        if self.changes.len() > WITNESS_CHANGES_MAX
            && let Some(oldest) = self.changes.pop_front()
        {
            self.seq = oldest.seq;
            return apply(&mut self.base, self.depth, &oldest);
        }
        true
    }

    /// Whether it is one that rows can have made.
    pub(super) fn is_sound(&self) -> bool {
        let ids = std::iter::once(self.seq).chain(self.changes.iter().map(|change| change.seq));
        self.changes.len() <= WITNESS_CHANGES_MAX && ids.is_sorted_by(|one, two| one < two)
    }

    fn newest(&self) -> i64 {
        self.changes.back().map_or(self.seq, |change| change.seq)
    }

    /// Compares what somebody says with the book at the same id.
    pub(super) fn compare(&self, said: &Said) -> Outcome {
        if said.seq > self.newest() {
            return Outcome::Ahead;
        }
        let place = self.changes.iter().rposition(|change| change.seq == said.seq);
        let Some(behind) = place.map(|at| at + 1).or((said.seq == self.seq).then_some(0)) else {
            return Outcome::Elsewhere;
        };
        if !self.is_of_its_time(behind, said.ts) {
            return Outcome::Elsewhere;
        }
        let mut book = self.base.clone();
        if !self.changes.iter().take(behind).all(|change| apply(&mut book, self.depth, change)) {
            return Outcome::Elsewhere;
        }
        let depth = usize::from(self.depth.min(said.depth));
        let sides = [(Side::Bid, &said.bids), (Side::Ask, &said.asks)];
        let mut found = sides.into_iter().map(|(side, theirs)| {
            let theirs = &theirs[..theirs.len().min(depth)];
            differing(side, (&book, depth), theirs)
        });
        found.find_map(|difference| difference).map_or(Outcome::Agrees, Outcome::Differs)
    }

    /// Ids may come again after the venue has begun them anew; what was said long before or after
    /// the book was at this id is about another book.
    fn is_of_its_time(&self, behind: usize, ts: Option<Nanos>) -> bool {
        let Some(ts) = ts else { return false };
        let begun = behind.checked_sub(1).and_then(|at| self.changes[at].ts);
        let over = self.changes.get(behind).and_then(|change| change.ts);
        begun.is_none_or(|begun| ts + WITNESS_APART_NS >= begun)
            && over.is_none_or(|over| ts <= over + WITNESS_APART_NS)
    }
}

fn apply(book: &mut Book, depth: u16, change: &Change) -> bool {
    let done = book.apply_all(Side::Ask, &change.asks).is_ok()
        && book.apply_all(Side::Bid, &change.bids).is_ok();
    book.truncate(usize::from(depth));
    done
}

/// The best level of a side that is not the same. Where one shows as many levels as there may be,
/// the other's missing ones prove nothing: what becomes of levels that leave the window is not
/// documented (`docs/okx.md`, read 2026-11-23).
fn differing(side: Side, (book, depth): (&Book, usize), theirs: &[Level]) -> Option<Difference> {
    let ours: Vec<Level> = book.levels(side).take(depth).collect();
    let at = ours.iter().zip(theirs).position(|(ours, theirs)| !is_same(ours, theirs));
    let both = ours.len().min(theirs.len());
    let whole = ours.len().max(theirs.len()) < depth;
    let at = at.or((ours.len() != theirs.len() && whole).then_some(both))?;
    let (ours, theirs) = (ours.get(at).copied(), theirs.get(at).copied());
    // Of two prices the better one is missing on the other side.
    let (ours, theirs) = match (ours, theirs) {
        (Some(one), Some(two)) if !is_equal(one.px.0, two.px.0) => {
            if is_better(side, one.px, two.px) { (ours, None) } else { (None, theirs) }
        }
        other => other,
    };
    Some(Difference { side, ours, theirs })
}

fn is_same(one: &Level, two: &Level) -> bool {
    is_equal(one.px.0, two.px.0) && is_equal(one.qty.0, two.qty.0) && one.orders == two.orders
}

/// By value: a venue that has made its tick finer may write the same price longer.
fn is_equal(one: Decimal, two: Decimal) -> bool {
    let scale = one.scale().max(two.scale());
    one == two || one.at_scale(scale).is_some_and(|value| two.at_scale(scale) == Some(value))
}

fn is_better(side: Side, one: Px, two: Px) -> bool {
    let scale = one.0.scale().max(two.0.scale());
    let (one, two) = (one.0.at_scale(scale), two.0.at_scale(scale));
    if side == Side::Bid { one > two } else { one < two }
}
