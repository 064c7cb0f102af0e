//! What one driver hands to the recorder at a time: inputs, and what came out of them.
//!
//! Texts lie behind each other in one buffer; nothing is allocated for a frame. `lane.rs` fills
//! chunks, `thread.rs` empties them.
//!
//! Invariant: the texts in `bytes` are in the order of `items` and as long as these say.

use market_data_model::{Action, Batch, Command, FeedId, Input, LineNews, Nanos};
use market_data_tape::{Anchor, Entry, FeedRange, FeedStart};
use std::sync::Arc;

/// Inputs of one feed.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub feed: FeedId,
    items: Vec<Item>,
    bytes: Vec<u8>,
    /// Inputs among the items.
    pub inputs: u64,
    /// What came out of them.
    pub batches: Vec<Arc<Batch>>,
    pub actions: Vec<Action>,
    /// `n` of the last event that came out so far; 0 = none.
    pub last_n: u64,
    /// Whether what came out is not all here: a mistake of ours ended the feed, or room was short.
    pub failed: bool,
    /// Whether the feed's state is among the items; then it is the last of them, but for the end.
    pub has_state: bool,
    /// Records that found the queue full before these, by feed.
    pub lost: Vec<FeedRange>,
    /// How much of the queue this takes, in bytes.
    pub cost: usize,
}

#[derive(Debug)]
struct Item {
    ts: Nanos,
    len: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    FeedStart { venue: &'static str, again: bool },
    Start,
    Opened,
    Frame,
    Closed { code: Option<u16> },
    Tick,
    Response { id: u64, status: u16 },
    Command(Command),
    LineOpened { line: u8 },
    LineFrame { line: u8 },
    LineClosed { line: u8, code: Option<u16> },
    Note,
    Anchor { path: Box<str>, status: u16 },
    State,
    End,
}

/// One thing to put on the tape.
pub(crate) enum Part<'a> {
    Put(Nanos, Entry<'a>),
    /// The state of the feed behind everything before it.
    State(Nanos, &'a [u8]),
    /// The feed has ended.
    End(Nanos),
}

impl Chunk {
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.batches.is_empty() && self.actions.is_empty()
    }

    /// Bytes of memory that a cleared chunk keeps.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.items.capacity() * size_of::<Item>()
    }

    pub fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
        self.inputs = 0;
        self.batches.clear();
        self.actions.clear();
        self.last_n = 0;
        self.failed = false;
        self.has_state = false;
        self.lost.clear();
        self.cost = 0;
    }

    pub fn feed_start(&mut self, ts: Nanos, venue: &'static str, config: &[u8], again: bool) {
        self.push(ts, config, What::FeedStart { venue, again });
    }

    pub fn input(&mut self, ts: Nanos, input: &Input<'_>) {
        self.inputs += 1;
        match input {
            Input::Start => self.push(ts, &[], What::Start),
            Input::Opened => self.push(ts, &[], What::Opened),
            Input::Frame(bytes) => self.push(ts, bytes, What::Frame),
            Input::Closed { code, reason } => {
                self.push(ts, reason.as_bytes(), What::Closed { code: *code });
            }
            Input::Tick => self.push(ts, &[], What::Tick),
            Input::Response { id, status, body } => {
                self.push(ts, body, What::Response { id: *id, status: *status });
            }
            Input::Command(command) => self.push(ts, &[], What::Command(command.clone())),
            Input::Line { line, news } => {
                let line = *line;
                match *news {
                    LineNews::Opened => self.push(ts, &[], What::LineOpened { line }),
                    LineNews::Frame(bytes) => self.push(ts, bytes, What::LineFrame { line }),
                    LineNews::Closed { code, reason } => {
                        self.push(ts, reason.as_bytes(), What::LineClosed { line, code });
                    }
                }
            }
        }
    }

    pub fn note(&mut self, ts: Nanos, text: &str) {
        self.push(ts, text.as_bytes(), What::Note);
    }

    pub fn anchor(&mut self, ts: Nanos, anchor: &Anchor<'_>) {
        let Anchor { path, status, body } = *anchor;
        self.push(ts, body, What::Anchor { path: path.into(), status });
    }

    /// Appends what `write` says is the feed's state; nothing if it says nothing.
    pub fn state(&mut self, ts: Nanos, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        write(&mut self.bytes);
        let len = self.bytes.len() - before;
        if len > 0 {
            self.has_state = true;
            self.items.push(Item { ts, len, what: What::State });
        }
    }

    pub fn end(&mut self, ts: Nanos) {
        self.push(ts, &[], What::End);
    }

    fn push(&mut self, ts: Nanos, bytes: &[u8], what: What) {
        self.bytes.extend_from_slice(bytes);
        self.items.push(Item { ts, len: bytes.len(), what });
    }

    /// Leaves out what came of the inputs, which then cannot be summed up.
    pub fn forget_outputs(&mut self) {
        self.batches.clear();
        self.actions.clear();
        self.failed = true;
        self.cost = self.bytes();
    }

    /// Bytes of text and of the list of items.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.items.len() * size_of::<Item>()
    }

    /// When the first thing in it happened.
    pub fn first_ts(&self) -> Option<Nanos> {
        self.items.first().map(|item| item.ts)
    }

    /// When the last thing in it happened.
    pub fn last_ts(&self) -> Option<Nanos> {
        self.items.last().map(|item| item.ts)
    }

    /// The records in it as a loss; `None` if there are none.
    pub fn as_loss(&self) -> Option<FeedRange> {
        let records = self.items.iter().filter(|item| !matches!(item.what, What::End)).count();
        let (min_ts, max_ts) = (self.first_ts()?, self.last_ts()?);
        let (records, bytes) = (records as u64, self.bytes.len() as u64);
        (records > 0).then_some(FeedRange { feed: self.feed, records, bytes, min_ts, max_ts })
    }

    /// Everything in it, in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut rest = self.bytes.as_slice();
        self.items.iter().map(move |item| {
            let (bytes, after) = rest.split_at(item.len);
            rest = after;
            item.part(bytes)
        })
    }
}

impl Item {
    fn part<'a>(&'a self, bytes: &'a [u8]) -> Part<'a> {
        let text = || std::str::from_utf8(bytes).expect("it was put in as text");
        let input = match &self.what {
            What::End => return Part::End(self.ts),
            What::State => return Part::State(self.ts, bytes),
            What::FeedStart { venue, again } => {
                let start = FeedStart { venue, config: bytes, again: *again };
                return Part::Put(self.ts, Entry::FeedStart(start));
            }
            What::Anchor { path, status } => {
                let anchor = Anchor { path, status: *status, body: bytes };
                return Part::Put(self.ts, Entry::Anchor(anchor));
            }
            What::Note => return Part::Put(self.ts, Entry::Note(text())),
            What::Start => Input::Start,
            What::Opened => Input::Opened,
            What::Frame => Input::Frame(bytes),
            What::Closed { code } => Input::Closed { code: *code, reason: text() },
            What::Tick => Input::Tick,
            What::Response { id, status } => {
                Input::Response { id: *id, status: *status, body: bytes }
            }
            What::Command(command) => Input::Command(command.clone()),
            What::LineOpened { line } => Input::Line { line: *line, news: LineNews::Opened },
            What::LineFrame { line } => Input::Line { line: *line, news: LineNews::Frame(bytes) },
            What::LineClosed { line, code } => {
                let news = LineNews::Closed { code: *code, reason: text() };
                Input::Line { line: *line, news }
            }
        };
        Part::Put(self.ts, Entry::Input(input))
    }
}
