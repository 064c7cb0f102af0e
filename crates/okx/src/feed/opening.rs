//! The books of a feed, as the events with which copies of them begin.
//!
//! For those who enter a feed in the middle, such as a client that joins from the past. Nothing
//! here changes the feed: the events have the `n` of the one before and are counted nowhere.

use super::OkxFeed;
use crate::link::LinkState;
use market_data_model::batch::BookHead;
use market_data_model::{Batch, BookKind, Nanos, Side};

impl OkxFeed {
    /// Appends a snapshot of every incremental book that can be read. Its receive time is that of
    /// the book's last data, or `now` if that is not known; the venue's own time is absent.
    pub fn opening_books(&self, now: Nanos, out: &mut Batch) {
        if self.link.state != LinkState::Up {
            return;
        }
        out.set_names(self.emit.names());
        for sub in &self.subs {
            let Some(follow) = sub.follow.as_ref().filter(|f| f.form().incremental) else {
                continue;
            };
            let Some(book) = follow.live() else { continue };
            let (kind, depth) = (BookKind::Snapshot, follow.form().depth);
            let head = BookHead { kind, prev_seq: None, seq: follow.last(), depth };
            let header = self.emit.header_beside(sub.heard.unwrap_or(now), sub.place, None);
            out.push_book(header, head, book.levels(Side::Bid), book.levels(Side::Ask));
        }
    }
}
