//! A downstream reader of `orderbook_delta` records: what somebody on the other side of a broker
//! would keep, and the proof that our own stream is continuous.
//!
//! The judge feeds it every book record and gap of one (channel, instrument). It knows nothing of
//! the feed but its records: `Snapshot` throws the copy away, `Delta` must follow the held id, a
//! gap throws the copy away and forbids records until a snapshot has come.
//!
//! Invariant: each side is sorted best first and holds no zero quantity, or the copy is `None`.
//! Start at [`Mirror::take`].

use market_data_model::{BookChange, BookKind, Level, Side};
use std::cmp::Ordering;

/// One copied book.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    copy: Option<Copy>,
}

/// The levels held, best first, and the id they stand for.
#[derive(Clone, Debug, Default)]
pub struct Copy {
    /// The id of the last record applied.
    pub seq: Option<i64>,
    /// Best first.
    pub bids: Vec<Level>,
    /// Best first.
    pub asks: Vec<Level>,
}

impl Mirror {
    /// What the reader believes the book is; `None` = it knows that it does not know.
    pub fn copy(&self) -> Option<&Copy> {
        self.copy.as_ref()
    }

    /// The reader was told not to trust its copy.
    pub fn distrust(&mut self) {
        self.copy = None;
    }

    /// Takes one `orderbook_delta` record.
    ///
    /// # Errors
    /// Says what makes the record impossible to follow.
    pub fn take(
        &mut self,
        change: &BookChange,
        bids: &[Level],
        asks: &[Level],
    ) -> Result<(), String> {
        match change.kind {
            BookKind::View => return Ok(()),
            BookKind::Snapshot => {
                self.copy = Some(Copy { seq: change.seq, ..Copy::default() });
            }
            BookKind::Delta => {
                let Some(copy) = &mut self.copy else {
                    return Err(format!(
                        "a delta (prevUpdateId {:?}, lastUpdateId {:?}) while the reader has no \
                         book",
                        change.prev_seq, change.seq
                    ));
                };
                if change.prev_seq != copy.seq {
                    return Err(format!(
                        "a delta that follows {:?}, but the reader's book is at {:?}",
                        change.prev_seq, copy.seq
                    ));
                }
                copy.seq = change.seq;
            }
        }
        let Some(copy) = &mut self.copy else { return Ok(()) };
        bids.iter().for_each(|level| put(&mut copy.bids, Side::Bid, level));
        asks.iter().for_each(|level| put(&mut copy.asks, Side::Ask, level));
        let depth = usize::from(change.depth);
        if depth != 0 {
            copy.bids.truncate(depth);
            copy.asks.truncate(depth);
        }
        Ok(())
    }
}

fn put(levels: &mut Vec<Level>, side: Side, level: &Level) {
    let better = |held: &Level| match side {
        Side::Bid => held.px.0.cmp_value(level.px.0) == Ordering::Greater,
        Side::Ask => held.px.0.cmp_value(level.px.0) == Ordering::Less,
    };
    let at = levels.iter().take_while(|held| better(held)).count();
    let same = levels.get(at).is_some_and(|h| h.px.0.cmp_value(level.px.0) == Ordering::Equal);
    if same {
        levels.remove(at);
    }
    if !level.qty.0.is_zero() {
        levels.insert(at, *level);
    }
}
