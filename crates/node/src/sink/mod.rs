//! Where events go. To add a place: implement [`Sink`], hand it over in a [`SinkSpec`].
//!
//! A sink runs on a thread of its own, so it may block; the bus decides what happens meanwhile.
//! [`channel_sink`] is the way out for async code: a queue that the caller reads.
//!
//! Invariant: what a sink did not get, it is told about ([`Lost`]) before anything later.

mod channel;
mod counter;
mod in_order;
mod inline;
mod json_lines;
mod processor;
mod thread;

pub use channel::{Delivery, EventReceiver, channel_sink};
pub use counter::{Counter, Counts};
pub use in_order::{InOrder, TradeOrder};
pub(crate) use inline::{Ended, Inline};
pub use json_lines::JsonLines;
pub use processor::{Processor, ProcessorSink};
pub(crate) use thread::spawn;

use crate::bus::Item;
use market_data_model::batch::{Names, Other};
use market_data_model::event::{FeedId, Gap, GapCause, Header, Whose};
use market_data_model::{Batch, Nanos};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What happens when a sink's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The feeds wait: nothing is lost here, but the venue may close a connection that we do not
    /// read. For files and pipes that must hold everything.
    Wait,
    /// The newest batches are dropped and one [`Lost`] says so. For viewers.
    DropAndMark,
}

/// A stretch of one feed's events that a sink did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Whose events.
    pub feed: FeedId,
    /// How many batches.
    pub batches: u64,
    /// How many events.
    pub events: u64,
    /// `n` of the first lost event.
    pub from_n: u64,
    /// `n` of the last lost event.
    pub to_n: u64,
    /// Receive time of the first lost event.
    pub from: Nanos,
    /// Receive time of the last lost event.
    pub to: Nanos,
}

impl Lost {
    /// The loss as a `gap` event of the feed, with the `n` of the last event lost.
    pub fn to_batch(&self) -> Batch {
        let mut batch = Batch::default();
        let names = Names { venue: crate::venue::NAME, ..Names::default() };
        batch.set_names(&Arc::new(names));
        let header = Header {
            feed: self.feed,
            n: self.to_n,
            channel: None,
            inst: None,
            ts_event: None,
            ts_recv: self.to,
        };
        let gap = Gap {
            id: 0,
            closed: true,
            cause: GapCause::SlowConsumer,
            whose: Whose::Ours,
            from_id: i64::try_from(self.from_n).ok(),
            to_id: i64::try_from(self.to_n).ok(),
            from: Some(self.from),
            to: Some(self.to),
            lost: None,
            healed: None,
        };
        batch.push_other(header, Other::Gap(gap));
        batch
    }
}

/// Why a sink stopped taking events.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Whoever read our output has gone, for example `| head`. Not a failure.
    #[error("the reader of the output has gone")]
    ReaderGone,
    /// The place cannot be written.
    #[error("cannot write {place}: {source}")]
    Write {
        /// The place, for example a file's path.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A sink of the user's failed or panicked.
    #[error("{0}")]
    Other(String),
}

impl SinkError {
    /// An I/O error of `place`; a closed pipe becomes [`SinkError::ReaderGone`].
    pub fn io(place: &str, source: std::io::Error) -> SinkError {
        match source.kind() {
            std::io::ErrorKind::BrokenPipe => SinkError::ReaderGone,
            _ => SinkError::Write { place: place.to_owned(), source },
        }
    }
}

/// A place for events. Calls come from one thread, in order.
pub trait Sink: Send + 'static {
    /// Takes one batch.
    ///
    /// # Errors
    /// After an error the sink is dropped and gets nothing more.
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<(), SinkError>;

    /// Takes the news that events were lost before the next batch.
    ///
    /// # Errors
    /// As [`Sink::batch`].
    fn lost(&mut self, lost: &Lost) -> Result<(), SinkError>;

    /// Called whenever the queue is empty.
    ///
    /// # Errors
    /// As [`Sink::batch`].
    fn flush(&mut self) -> Result<(), SinkError>;

    /// Called once, after everything.
    ///
    /// # Errors
    /// As [`Sink::batch`].
    fn end(&mut self) -> Result<(), SinkError> {
        self.flush()
    }
}

/// A sink with its queue's size and rule.
pub struct SinkSpec {
    /// For logs and metrics.
    pub name: String,
    /// How many batches its queue holds (at least 1).
    pub capacity: usize,
    /// What happens when the queue is full.
    pub overflow: Overflow,
    pub(crate) changes: bool,
    pub(crate) run: SinkRun,
}

impl SinkSpec {
    /// A sink that runs on a thread of its own.
    pub fn new(name: &str, capacity: usize, overflow: Overflow, sink: impl Sink) -> SinkSpec {
        let run = SinkRun::Thread(Box::new(sink));
        let (name, capacity) = (name.to_owned(), capacity.max(1));
        SinkSpec { name, capacity, overflow, changes: false, run }
    }

    /// Gives it each verified change of a book even where
    /// [`deltas`](crate::ServiceOptions::deltas) is off and other sinks get none. Such a change
    /// has the `n` of the event before it.
    pub fn with_changes(mut self) -> SinkSpec {
        self.changes = true;
        self
    }
}

/// How a sink is driven.
pub(crate) enum SinkRun {
    Thread(Box<dyn Sink>),
    Queue(mpsc::Sender<Item>),
}

#[cfg(test)]
mod tests;
