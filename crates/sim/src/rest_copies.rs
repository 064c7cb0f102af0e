//! Copies of books that REST answers from.
//!
//! OKX serves market data from several services, each with a cache of its own: a later request may
//! be answered with older data (section 6 of the notes, and trap 19). So an answer about a book is
//! what it is now, or was at the last push of `books`, or was in an answer some seconds ago. Each
//! is whole and names its own `seqId` and time.
//!
//! Invariants: what a copy says was true at its time; none is older than [`OLDEST_NS`]; which is
//! taken depends on the seed and the time alone. `rest_market.rs` calls
//! [`Exchange::copy_of_book`].

use crate::book::Book;
use crate::calendar::SECOND;
use crate::channel::{BookKind, Channel, Target};
use crate::exchange::Exchange;
use crate::feed::Memory;
use crate::rng::mix;
use std::collections::BTreeMap;

/// How old a copy may be. OKX says 50 ms of one cache, and nothing of the others.
const OLDEST_NS: u64 = 10 * SECOND;

/// The last fresh answer about the book of each market: when it was, in prices of how many
/// decimals, and the book.
pub type Copies = BTreeMap<usize, (u64, u32, Book)>;

impl Exchange {
    /// A market's book as some cache has it, and from when that is.
    pub(crate) fn copy_of_book(&mut self, n: usize) -> (Book, u64) {
        let now = self.now_ns;
        let market = &self.markets[n];
        let places = market.inst.px_places;
        match mix(self.config.seed ^ now ^ (n as u64) << 48) % 8 {
            0 => {
                let usable = |(at, in_places, _): &&(u64, u32, Book)| {
                    now.saturating_sub(*at) < OLDEST_NS && *in_places == places
                };
                if let Some((at, _, book)) = self.copies.get(&n).filter(usable) {
                    return (book.clone(), *at);
                }
            }
            1..=3 => {
                let key = (Target::Inst(n), Channel::Book(BookKind::Books));
                if let Some(feed) = self.feeds.get(&key)
                    && let Memory::Book(book) = &feed.memory
                {
                    return (book.clone(), feed.last_push_ns);
                }
            }
            _ => {}
        }
        let book = Book::look(BookKind::Books, &market.engine, market.seq);
        self.copies.insert(n, (now, places, book.clone()));
        (book, now)
    }
}
