//! The book behind the rows: what a reader of the file holds after each of them.
//!
//! Fed with the events of one channel of one instrument, it says which levels a reader has to set.
//! That is what the venue sent, and besides the removal of levels that fall out of the channel's
//! depth, which the venue leaves to its readers; files of other tools know no depth. Views of
//! channels that send their whole state each time become changes.
//!
//! Invariant: whoever starts empty at [`Step::Fresh`] and sets every level of [`Mirror::changes`]
//! holds exactly [`Mirror::book`] after each call.

use market_data_model::{Book, BookChange, BookError, BookKind, Decimal, Level};
use market_data_model::{Nanos, Px, Qty, Side};
use std::cmp::Ordering;

/// A level to set; quantity zero removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub side: Side,
    /// Where.
    pub px: Px,
    /// How much is there, absolute.
    pub qty: Qty,
}

/// What an event was to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new start: throw your copy away first.
    Fresh,
    /// A change.
    Next,
    /// Nothing that can be used: a change of a book that has not started.
    Nothing,
}

/// See the file's first comment.
#[derive(Default)]
pub struct Mirror {
    book: Book,
    live: bool,
    changes: Vec<Change>,
    gone: Vec<Change>,
    /// The venue's time of the last change; `None` if it sent none.
    pub ts_event: Option<Nanos>,
}

impl Mirror {
    /// The book; meaningless unless [`Mirror::is_live`].
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Whether the book can be read.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The levels that the last call of [`Mirror::take`] wants set, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// After [`Step::Fresh`]: removals of the levels that the book had before and has no more, for
    /// readers who were not told to throw their copy away.
    pub fn gone(&self) -> &[Change] {
        &self.gone
    }

    /// A gap opened: the book cannot be read until it starts anew.
    pub fn lose(&mut self) {
        self.live = false;
    }

    /// The book as it stands, as the levels of a new start, best first.
    pub fn levels(&self) -> impl Iterator<Item = Change> + '_ {
        [Side::Bid, Side::Ask].into_iter().flat_map(|side| {
            self.book.levels(side).map(move |l| Change { side, px: l.px, qty: l.qty })
        })
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// When a level cannot be in a book; the book cannot be read until it starts anew.
    pub fn take(
        &mut self,
        change: &BookChange,
        bids: &[Level],
        asks: &[Level],
    ) -> Result<Step, BookError> {
        self.changes.clear();
        let step = match change.kind {
            BookKind::Delta if !self.live => return Ok(Step::Nothing),
            BookKind::View if self.live => {
                self.difference(Side::Bid, bids);
                self.difference(Side::Ask, asks);
                Step::Next
            }
            BookKind::Delta => {
                self.list(Side::Bid, bids);
                self.list(Side::Ask, asks);
                Step::Next
            }
            BookKind::Snapshot | BookKind::View => {
                self.forget(bids, asks);
                self.list(Side::Bid, bids);
                self.list(Side::Ask, asks);
                Step::Fresh
            }
        };
        let set = match change.kind {
            BookKind::View => {
                self.book.clear();
                self.set(bids, asks)
            }
            _ => self.set(bids, asks),
        };
        self.live = set.is_ok();
        set?;
        self.trim(usize::from(change.depth));
        Ok(step)
    }

    /// Empties the book for a new start with these levels, in whatever order they come.
    fn forget(&mut self, bids: &[Level], asks: &[Level]) {
        self.gone.clear();
        for (side, new) in [(Side::Bid, bids), (Side::Ask, asks)] {
            let mut kept: Vec<Decimal> = new.iter().map(|l| l.px.0).collect();
            kept.sort_by(|a, b| a.cmp_value(*b));
            let stays = |l: &Level| kept.binary_search_by(|px| px.cmp_value(l.px.0)).is_ok();
            let gone = self.book.levels(side).filter(|l| !stays(l));
            let qty = Qty(Decimal::ZERO);
            self.gone.extend(gone.map(|l| Change { side, px: l.px, qty }));
        }
        self.book.clear();
    }

    fn set(&mut self, bids: &[Level], asks: &[Level]) -> Result<(), BookError> {
        self.book.apply_all(Side::Bid, bids)?;
        self.book.apply_all(Side::Ask, asks)
    }

    fn list(&mut self, side: Side, levels: &[Level]) {
        self.changes.extend(levels.iter().map(|l| Change { side, px: l.px, qty: l.qty }));
    }

    fn remove(&mut self, side: Side, px: Px) {
        self.changes.push(Change { side, px, qty: Qty(Decimal::ZERO) });
    }

    /// What leads from the book as it stands to `levels`, both best first.
    fn difference(&mut self, side: Side, levels: &[Level]) {
        let before: Vec<Level> = self.book.levels(side).collect();
        let (mut old, mut new) = (before.iter().peekable(), levels.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => match side {
                    Side::Bid => b.px.0.cmp_value(a.px.0),
                    Side::Ask => a.px.0.cmp_value(b.px.0),
                },
            };
            let gone = if order.is_le() { old.next() } else { None };
            let come = if order.is_ge() { new.next() } else { None };
            match (gone, come) {
                (Some(gone), None) => self.remove(side, gone.px),
                (Some(gone), Some(come)) if gone.qty == come.qty => {}
                (_, Some(come)) => self.list(side, std::slice::from_ref(come)),
                (None, None) => return,
            }
        }
    }

    /// Removes what is beyond `depth` levels a side.
    fn trim(&mut self, depth: usize) {
        if depth == 0 {
            return;
        }
        for side in [Side::Bid, Side::Ask] {
            if self.book.depth(side) > depth {
                let beyond: Vec<Px> = self.book.levels(side).skip(depth).map(|l| l.px).collect();
                beyond.into_iter().for_each(|px| self.remove(side, px));
            }
        }
        self.book.truncate(depth);
    }
}
