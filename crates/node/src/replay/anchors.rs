//! Compares a feed's books with what the venue's REST side said of them (`docs/tape-format.md`,
//! section 10).
//!
//! An answer shows a book at one `seqId`; the feed's own may be before it or behind it. So, from
//! the first answer on, a copy of the book lags behind the feed by the last changes, and answers
//! ahead of the feed wait. `replay.rs` hands over answers, and the events of the witness.
//!
//! Invariants: nothing is said but at exactly the same id, of a feed of which nothing is missing;
//! changes and answers kept are bounded in number; without answers nothing is kept. Start at
//! [`Anchors::take`].

use super::AnchorCount;
use market_data_model::event::{BookKind, Level};
use market_data_model::{Body, Book, Events, Nanos, Px, Side, Subscription};
use market_data_okx::channel::books::BookRow;
use market_data_okx::{OkxFeed, rest_book};
use market_data_tape::Anchor;
use std::collections::{BTreeMap, VecDeque};

/// Most changes kept of a book.
const CHANGES_MAX: usize = 256;
/// Most answers that wait for a book.
const WAITING_MAX: usize = 8;

/// Channel and instrument.
type Key = (String, String);

/// A level of both sides of a comparison that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorDifference {
    /// When the answer came.
    pub at: Nanos,
    /// The venue's id of the book.
    pub seq: i64,
    /// Which side of the book.
    pub side: Side,
    /// The first price that differs.
    pub px: Px,
    /// What the replayed book has there; `None` = nothing.
    pub ours: Option<Level>,
    /// What the answer has there; `None` = nothing.
    pub theirs: Option<Level>,
}

/// Books of a feed, and answers about them.
#[derive(Default)]
pub(super) struct Anchors {
    books: BTreeMap<Key, Lagging>,
}

/// A book some changes ago, and those changes.
#[derive(Default)]
struct Lagging {
    /// The book before the changes and its id; `None` until it is known.
    base: Option<(i64, Book)>,
    depth: usize,
    changes: VecDeque<Change>,
    waiting: VecDeque<(Nanos, i64, BookRow)>,
}

struct Change {
    seq: i64,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Anchors {
    /// Takes an answer about books that a feed has subscribed to; `None`: the feed proves nothing.
    pub fn take(
        &mut self,
        at: Nanos,
        anchor: &Anchor<'_>,
        (subscriptions, feed): (&[Subscription], Option<&OkxFeed>),
        counts: &mut BTreeMap<Key, AnchorCount>,
    ) {
        let Some(inst_id) = rest_book::inst_id(anchor.path) else { return };
        let read = (anchor.status == 200).then(|| rest_book::read(anchor.body).ok()).flatten();
        for channel in subscriptions.iter().filter(|s| *s.key == *inst_id).map(|s| &*s.channel) {
            let Some(form) = rest_book::form(channel) else { continue };
            let key = (channel.to_owned(), inst_id.to_owned());
            let count = counts.entry(key.clone()).or_default();
            count.all += 1;
            let (Some(feed), Some((seq, row))) = (feed, &read) else { continue };
            let book = self.books.entry(key).or_default();
            book.depth = form.depth.into();
            if book.base.is_none()
                && let (Ok(now), Some(id)) =
                    (feed.book(channel, inst_id), feed.book_seq(channel, inst_id))
            {
                book.base = Some((id, now.clone()));
            }
            match book.last() {
                Some(last) if *seq <= last => book.compare(at, *seq, row, count),
                _ => {
                    if book.waiting.len() == WAITING_MAX {
                        book.waiting.pop_front();
                    }
                    book.waiting.push_back((at, *seq, row.clone()));
                }
            }
        }
    }

    /// Takes what the witness said; unless `trusted`, nothing is compared.
    pub fn follow(
        &mut self,
        said: Events<'_>,
        trusted: bool,
        counts: &mut BTreeMap<Key, AnchorCount>,
    ) {
        if self.books.is_empty() {
            return;
        }
        if !trusted {
            return self.books.clear();
        }
        for event in said.iter() {
            let Body::Book(change, bids, asks) = event.body else { continue };
            let key = (event.channel().to_owned(), event.inst_id().to_owned());
            let Some(book) = self.books.get_mut(&key) else { continue };
            match (change.kind, change.seq) {
                (BookKind::View, _) => continue,
                (BookKind::Snapshot, Some(seq)) => {
                    book.changes.clear();
                    book.base = applied(Book::new(), book.depth, bids, asks).map(|b| (seq, b));
                }
                (BookKind::Delta, Some(seq)) if book.last() == change.prev_seq => {
                    let (bids, asks) = (bids.to_vec(), asks.to_vec());
                    book.changes.push_back(Change { seq, bids, asks });
                    book.forget();
                }
                _ => (book.base, book.changes) = (None, VecDeque::new()),
            }
            book.met(counts.entry(key).or_default());
        }
    }
}

impl Lagging {
    /// The id of the book behind all changes; `None` when it is not known.
    fn last(&self) -> Option<i64> {
        let base = self.base.as_ref()?.0;
        Some(self.changes.back().map_or(base, |change| change.seq))
    }

    /// Lets the oldest change become part of the base when there are too many.
    fn forget(&mut self) {
        if self.changes.len() <= CHANGES_MAX {
            return;
        }
        let depth = self.depth;
        self.base = self.base.take().zip(self.changes.pop_front()).and_then(|((_, book), next)| {
            applied(book, depth, &next.bids, &next.asks).map(|book| (next.seq, book))
        });
    }

    /// Compares with the answers that have waited for this id; those that it has passed are over.
    fn met(&mut self, count: &mut AnchorCount) {
        let Some(last) = self.last() else { return };
        for (at, seq, row) in std::mem::take(&mut self.waiting) {
            if seq > last {
                self.waiting.push_back((at, seq, row));
            } else {
                self.compare(at, seq, &row, count);
            }
        }
    }

    /// The book at that id.
    fn at(&self, seq: i64) -> Option<Book> {
        let (id, book) = self.base.as_ref()?;
        let place = self.changes.iter().rposition(|change| change.seq == seq);
        let behind = place.map(|place| place + 1).or((*id == seq).then_some(0))?;
        self.changes.iter().take(behind).try_fold(book.clone(), |book, change| {
            applied(book, self.depth, &change.bids, &change.asks)
        })
    }

    fn compare(&self, at: Nanos, seq: i64, theirs: &BookRow, count: &mut AnchorCount) {
        let Some(ours) = self.at(seq) else { return };
        let sides = [(Side::Bid, &theirs.bids), (Side::Ask, &theirs.asks)];
        let found = sides.into_iter().find_map(|(side, theirs)| {
            let (px, ours, theirs) = differing(side, &ours, theirs)?;
            Some(AnchorDifference { at, seq, side, px, ours, theirs })
        });
        match found {
            None => count.agree += 1,
            Some(difference) => {
                count.differ += 1;
                count.difference.get_or_insert(difference);
            }
        }
    }
}

/// The first level that is not the same, to the depth that both have.
fn differing(
    side: Side,
    ours: &Book,
    theirs: &[Level],
) -> Option<(Px, Option<Level>, Option<Level>)> {
    let mut pairs = ours.levels(side).zip(theirs);
    let (ours, theirs) = pairs.find(|(ours, theirs)| {
        (ours.px, ours.qty, ours.orders) != (theirs.px, theirs.qty, theirs.orders)
    })?;
    // Of two prices the better one is missing on the other side.
    let mut both = Book::new();
    both.apply_all(side, &[*theirs, ours]).ok()?;
    match both.best(side).filter(|_| both.depth(side) == 2).map(|best| best.px) {
        None => Some((ours.px, Some(ours), Some(*theirs))),
        Some(px) if px == ours.px => Some((px, Some(ours), None)),
        Some(px) => Some((px, None, Some(*theirs))),
    }
}

fn applied(mut book: Book, depth: usize, bids: &[Level], asks: &[Level]) -> Option<Book> {
    book.apply_all(Side::Bid, bids).ok()?;
    book.apply_all(Side::Ask, asks).ok()?;
    book.truncate(depth);
    Some(book)
}
