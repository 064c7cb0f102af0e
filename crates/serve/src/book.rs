//! One book as clients may see it: a mirror of what the feed has verified.
//!
//! Invariants: a book that misses a change is not live, and what is not live is not shown as live;
//! a mirror is only ever changed by an event that follows its last one.

use market_data_model::batch::{BookHead, Names};
use market_data_model::event::{BookChange, BookKind, Header};
use market_data_model::{Batch, Book, Level, Side, wire};
use std::sync::Arc;

/// A record as text, shared among clients.
pub(crate) type Text = Arc<str>;

/// See the file's first comment.
#[derive(Clone, Default)]
pub(crate) struct Mirror {
    book: Book,
    /// Whether it may be shown.
    live: bool,
    /// Whether the channel sends changes; otherwise each event is the whole book.
    incremental: bool,
    /// Of the last event that was taken.
    header: Option<Header>,
    names: Arc<Names>,
    seq: Option<i64>,
    depth: u16,
}

/// What an event was to the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is taken.
    Taken,
    /// A view of a book that is mirrored by its changes: nothing to do.
    View,
    /// A change that does not follow; the book is not live until it starts anew.
    Torn,
}

impl Mirror {
    /// Whether it may be shown as what the venue has.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Whether it is made of changes.
    pub fn has_changes(&self) -> bool {
        self.incremental
    }

    /// The id of its last change.
    pub fn seq(&self) -> Option<i64> {
        self.seq
    }

    /// What its last event said about itself.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl ExactSizeIterator<Item = Level> + '_ {
        self.book.levels(side)
    }

    /// The best level of a side, if the book may be shown.
    pub fn best(&self, side: Side) -> Option<Level> {
        self.live.then(|| self.book.best(side)).flatten()
    }

    /// It may not be shown until it starts anew.
    pub fn lose(&mut self) {
        self.live = false;
    }

    /// Takes the next event.
    pub fn take(
        &mut self,
        (header, names): (&Header, &Arc<Names>),
        change: &BookChange,
        (bids, asks): (&[Level], &[Level]),
    ) -> Step {
        match change.kind {
            BookKind::View if self.incremental => return Step::View,
            BookKind::View => self.book.clear(),
            BookKind::Snapshot => {
                self.incremental = true;
                self.book.clear();
            }
            BookKind::Delta => {
                self.incremental = true;
                if !self.live || change.prev_seq != self.seq {
                    self.live = false;
                    return Step::Torn;
                }
            }
        }
        let set = self.book.apply_all(Side::Bid, bids);
        let set = set.and_then(|()| self.book.apply_all(Side::Ask, asks));
        self.live = set.is_ok();
        if !self.live {
            return Step::Torn;
        }
        if change.depth > 0 {
            self.book.truncate(usize::from(change.depth));
        }
        (self.header, self.seq, self.depth) = (Some(*header), change.seq, change.depth);
        if !Arc::ptr_eq(&self.names, names) {
            self.names = Arc::clone(names);
        }
        Step::Taken
    }

    /// The book as the record with which a copy begins: `orderbook_delta` with `isSnapshot`, or
    /// `orderbook` where the channel sends whole books. `None` if it is not live.
    pub fn snapshot(&self) -> Option<Text> {
        let kind = if self.incremental { BookKind::Snapshot } else { BookKind::View };
        self.record(kind, self.depth, usize::MAX)
    }

    /// The best levels as an `orderbook` record; `None` if it is not live.
    pub fn view(&self, depth: u16) -> Option<Text> {
        self.record(BookKind::View, depth, usize::from(depth))
    }

    fn record(&self, kind: BookKind, depth: u16, levels: usize) -> Option<Text> {
        let header = self.header.filter(|_| self.live)?;
        let mut batch = Batch::default();
        batch.set_names(&self.names);
        let head = BookHead { kind, prev_seq: None, seq: self.seq, depth };
        let of = |side| self.book.levels(side).take(levels);
        batch.push_book(header, head, of(Side::Bid), of(Side::Ask));
        batch.get(0).map(|event| text(&event))
    }
}

/// A record as text.
pub(crate) fn text(event: &market_data_model::EventRef<'_>) -> Text {
    let mut out = Vec::with_capacity(512);
    wire::write_json(event, &mut out);
    match String::from_utf8(out) {
        Ok(text) => text.into(),
        // The wire is made of text only; if it ever were not, what can be read is still sent.
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into(),
    }
}
