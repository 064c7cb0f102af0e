//! What the shell needs of a venue beyond the contract: a name, numbers to show, books to read.
//!
//! The only file that would change for a second venue. [`Driven`] exists so that the driver can
//! also be tested with feeds that misbehave.

use market_data_model::{Book, Feed};
use market_data_okx::OkxFeed;
pub use market_data_okx::{FeedStats, FeedStatus};

/// The venue's name in records.
pub(crate) const NAME: &str = "okx";

/// A feed whose numbers and books can be looked at.
pub(crate) trait Driven: Feed + Send + 'static {
    /// Its counters.
    fn stats(&self) -> &FeedStats;
    /// Where it stands.
    fn status(&self) -> FeedStatus;
    /// A live book, or why there is none.
    fn book(&self, channel: &str, inst_id: &str) -> Result<&Book, String>;
    /// The venue's id of that live book's last change; `None` if it is not live or has no ids.
    fn book_seq(&self, _channel: &str, _inst_id: &str) -> Option<i64> {
        None
    }
    /// Appends its state for the tape; nothing if it has none to give.
    fn checkpoint(&self, _out: &mut Vec<u8>) {}
    /// Whether it holds back what it has to say.
    fn is_silent(&self) -> bool {
        false
    }
    /// Whether it held back too much and is of no use any more.
    fn is_spent(&self) -> bool {
        false
    }
}

impl Driven for OkxFeed {
    fn stats(&self) -> &FeedStats {
        OkxFeed::stats(self)
    }

    fn status(&self) -> FeedStatus {
        OkxFeed::status(self)
    }

    fn book(&self, channel: &str, inst_id: &str) -> Result<&Book, String> {
        OkxFeed::book(self, channel, inst_id).map_err(|why| why.to_string())
    }

    fn book_seq(&self, channel: &str, inst_id: &str) -> Option<i64> {
        OkxFeed::book_seq(self, channel, inst_id)
    }

    fn checkpoint(&self, out: &mut Vec<u8>) {
        OkxFeed::checkpoint(self, out);
    }

    fn is_silent(&self) -> bool {
        OkxFeed::is_silent(self)
    }

    fn is_spent(&self) -> bool {
        OkxFeed::is_spent(self)
    }
}
