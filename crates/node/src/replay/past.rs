//! What a tape holds from a time on, for those who join a running service from the past: the
//! events that its sinks were given then, changes of books included.
//!
//! The server calls it, on a thread of its own, while the recorder goes on writing the same tape.
//! Invariants: an input's events are handed over together; memory is bounded. Start at [`past`].

use super::{Met, Replay, ReplayOptions, seek};
use market_data_model::{Batch, Events, FeedId, Nanos};
use market_data_tape::reader::{Item, Range, ReadError, Tape};
use std::ops::ControlFlow;

/// Something that a tape holds.
#[derive(Debug)]
pub enum Past<'a> {
    /// The books of a feed that could be read where it was entered, as snapshots. They come
    /// first, and their changes follow.
    Books(Events<'a>),
    /// What came out of a feed at one input, which may be nothing.
    Input {
        /// Whose.
        feed: FeedId,
        /// When the input was received.
        at: Nanos,
        /// What came out.
        events: Events<'a>,
    },
    /// Here something is not on the tape: damage, or inputs that the recorder lost.
    Hole,
}

/// Hands over what the tape holds from a little before `from` on, in its order, until its end or
/// until `each` breaks. What is before `from` leads from the books to it.
///
/// # Errors
/// When the file system fails.
pub fn past(
    tape: &Tape,
    from: Nanos,
    mut each: impl FnMut(Past<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let begin = seek(tape, from)?;
    let mut records = tape.records(Range::ALL).after(begin.start);
    let mut replay = Replay::new(ReplayOptions { beside: true, ..ReplayOptions::default() });
    replay.enter(begin);
    let mut books = Batch::default();
    for (_, feed) in replay.feeds() {
        books.clear();
        feed.opening_books(from, &mut books);
        if each(Past::Books(books.events(0..books.len()))).is_break() {
            return Ok(());
        }
    }
    while let Some(item) = records.read()? {
        let flow = match item {
            Item::Damage(damage) => {
                replay.damaged(&damage);
                each(Past::Hole)
            }
            Item::Record(record) => match replay.take(&record) {
                Ok(Met::Step(step)) => {
                    let (feed, at, events) = (record.feed, record.ts, step.events);
                    each(Past::Input { feed, at, events })
                }
                Ok(Met::Lost(..)) | Err(_) => each(Past::Hole),
                Ok(Met::Started(..) | Met::Note(_) | Met::Nothing) => ControlFlow::Continue(()),
            },
        };
        if flow.is_break() {
            return Ok(());
        }
    }
    Ok(())
}
