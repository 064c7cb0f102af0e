//! Events in bulk: one allocation-free buffer that a feed fills and everybody else only reads.
//!
//! A feed appends; the bus shares the whole batch behind one `Arc`; consumers see borrowed
//! [`EventRef`]s or hold an owned [`Event`] (a counted reference and an index). Cleared and
//! reused, a batch allocates nothing in steady state.
//!
//! Invariant: every index in an entry points into an arena or the names of the same batch.

use crate::event::*;
use crate::figures::{Cell, Figures, Sheet};
use crate::instrument::{InstType, Instrument};
use std::ops::Range;
use std::sync::Arc;

/// The words behind the small numbers in a [`Header`]. Grows, never shrinks.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The venue, for example `okx`.
    pub venue: &'static str,
    /// Channel names in the venue's spelling.
    pub channels: Vec<Arc<str>>,
    /// Instruments, replaced in place when the venue changes them.
    pub instruments: Vec<Arc<Instrument>>,
}

/// Rare events, each owning what it says.
#[derive(Clone, Debug)]
pub enum Other {
    /// See [`Body::Instrument`].
    Instrument(Arc<Instrument>),
    /// See [`Body::Gap`].
    Gap(Gap),
    /// See [`Body::Session`].
    Session(Session),
    /// See [`Body::Subscription`].
    Subscription(SubscriptionNews),
    /// See [`Body::Fault`].
    Fault(Fault),
    /// See [`Body::Raw`].
    Raw(Raw),
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Ticker(u32),
    Trade(u32),
    Bar(u32),
    Book(u32),
    Figures(u32),
    Other(u32),
}

/// Where a flat record's cells and text are.
#[derive(Clone, Copy, Debug)]
struct FiguresAt {
    sheet: &'static Sheet,
    cells: (u32, u32),
    text: (u32, u32),
}

/// A run of events with everything they refer to.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    names: Arc<Names>,
    entries: Vec<(Header, Slot)>,
    tickers: Vec<Ticker>,
    trades: Vec<Trade>,
    bars: Vec<Bar>,
    books: Vec<BookChange>,
    levels: Vec<Level>,
    figures: Vec<FiguresAt>,
    cells: Vec<Cell>,
    text: String,
    others: Vec<Other>,
}

impl Batch {
    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether every event is one of the market; what is said of links, subscriptions, gaps,
    /// faults and instruments is not, nor is an unread row.
    pub fn is_plain(&self) -> bool {
        self.others.is_empty()
    }

    /// Forgets the events, keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.tickers.clear();
        self.trades.clear();
        self.bars.clear();
        self.books.clear();
        self.levels.clear();
        self.figures.clear();
        self.cells.clear();
        self.text.clear();
        self.others.clear();
    }

    /// The words that headers refer to.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Attaches the words that headers refer to. A feed calls this once it has appended.
    #[inline]
    pub fn set_names(&mut self, names: &Arc<Names>) {
        if !Arc::ptr_eq(&self.names, names) {
            self.names = Arc::clone(names);
        }
    }

    /// Appends a ticker.
    #[inline]
    pub fn push_ticker(&mut self, header: Header, ticker: Ticker) {
        self.entries.push((header, Slot::Ticker(self.tickers.len() as u32)));
        self.tickers.push(ticker);
    }

    /// Appends a trade.
    #[inline]
    pub fn push_trade(&mut self, header: Header, trade: Trade) {
        self.entries.push((header, Slot::Trade(self.trades.len() as u32)));
        self.trades.push(trade);
    }

    /// Appends a bar.
    #[inline]
    pub fn push_bar(&mut self, header: Header, bar: Bar) {
        self.entries.push((header, Slot::Bar(self.bars.len() as u32)));
        self.bars.push(bar);
    }

    /// Appends a book event with its levels, best first where the kind says so.
    #[inline]
    pub fn push_book(
        &mut self,
        header: Header,
        head: BookHead,
        bids: impl Iterator<Item = Level>,
        asks: impl Iterator<Item = Level>,
    ) {
        let start = self.levels.len() as u32;
        self.levels.extend(bids);
        let middle = self.levels.len() as u32;
        self.levels.extend(asks);
        self.end_book(header, head, (start, middle));
    }

    /// The same of levels that lie side by side.
    #[inline]
    pub fn push_book_of(
        &mut self,
        header: Header,
        head: BookHead,
        (bids, asks): (&[Level], &[Level]),
    ) {
        let start = self.levels.len() as u32;
        self.levels.extend_from_slice(bids);
        let middle = self.levels.len() as u32;
        self.levels.extend_from_slice(asks);
        self.end_book(header, head, (start, middle));
    }

    /// Notes whose the last levels are: bids from `start`, asks from `middle`.
    #[inline]
    fn end_book(&mut self, header: Header, head: BookHead, (start, middle): (u32, u32)) {
        let end = self.levels.len() as u32;
        self.entries.push((header, Slot::Book(self.books.len() as u32)));
        self.books.push(BookChange {
            kind: head.kind,
            prev_seq: head.prev_seq,
            seq: head.seq,
            depth: head.depth,
            bids: (start, middle),
            asks: (middle, end),
        });
    }

    /// Appends a flat record.
    pub fn push_figures(&mut self, header: Header, figures: Figures<'_>) {
        let (cells, text) = (self.cells.len() as u32, self.text.len() as u32);
        self.cells.extend_from_slice(figures.cells);
        self.text.push_str(figures.text);
        self.entries.push((header, Slot::Figures(self.figures.len() as u32)));
        self.figures.push(FiguresAt {
            sheet: figures.sheet,
            cells: (cells, self.cells.len() as u32),
            text: (text, self.text.len() as u32),
        });
    }

    /// Appends one of the rare events.
    pub fn push_other(&mut self, header: Header, other: Other) {
        self.entries.push((header, Slot::Other(self.others.len() as u32)));
        self.others.push(other);
    }

    /// The event at `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<EventRef<'_>> {
        let (header, slot) = self.entries.get(index)?;
        Some(EventRef { header, body: self.body(*slot), names: &self.names })
    }

    /// What the events say about themselves, in order.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = &Header> {
        self.entries.iter().map(|(header, _)| header)
    }

    /// The events in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventRef<'_>> {
        self.events(0..self.len()).iter()
    }

    /// A run of the events.
    ///
    /// # Panics
    /// When the range is not within the batch.
    pub fn events(&self, range: Range<usize>) -> Events<'_> {
        assert!(range.start <= range.end && range.end <= self.len(), "no such events: {range:?}");
        Events { batch: self, from: range.start, to: range.end }
    }

    /// Appends a copy of an event of another batch whose names are this one's too, or were until
    /// this one's grew.
    pub fn push(&mut self, event: &EventRef<'_>) {
        self.push_under(*event.header, event);
    }

    /// The same under another header.
    pub fn push_under(&mut self, header: Header, event: &EventRef<'_>) {
        let other = match event.body {
            Body::Ticker(x) => return self.push_ticker(header, *x),
            Body::Trade(x) => return self.push_trade(header, *x),
            Body::Bar(x) => return self.push_bar(header, *x),
            Body::Book(x, bids, asks) => {
                let (kind, depth) = (x.kind, x.depth);
                let head = BookHead { kind, prev_seq: x.prev_seq, seq: x.seq, depth };
                return self.push_book_of(header, head, (bids, asks));
            }
            Body::Figures(x) => return self.push_figures(header, x),
            Body::Instrument(x) => Other::Instrument(Arc::clone(x)),
            Body::Gap(x) => Other::Gap(x.clone()),
            Body::Session(x) => Other::Session(x.clone()),
            Body::Subscription(x) => Other::Subscription(x.clone()),
            Body::Fault(x) => Other::Fault(x.clone()),
            Body::Raw(x) => Other::Raw(x.clone()),
        };
        self.push_other(header, other);
    }

    fn body(&self, slot: Slot) -> Body<'_> {
        match slot {
            Slot::Ticker(i) => Body::Ticker(&self.tickers[i as usize]),
            Slot::Trade(i) => Body::Trade(&self.trades[i as usize]),
            Slot::Bar(i) => Body::Bar(&self.bars[i as usize]),
            Slot::Book(i) => {
                let book = &self.books[i as usize];
                Body::Book(book, self.levels(book.bids), self.levels(book.asks))
            }
            Slot::Figures(i) => {
                let FiguresAt { sheet, cells, text } = self.figures[i as usize];
                let cells = &self.cells[cells.0 as usize..cells.1 as usize];
                let text = &self.text[text.0 as usize..text.1 as usize];
                Body::Figures(Figures { sheet, cells, text })
            }
            Slot::Other(i) => match &self.others[i as usize] {
                Other::Instrument(x) => Body::Instrument(x),
                Other::Gap(x) => Body::Gap(x),
                Other::Session(x) => Body::Session(x),
                Other::Subscription(x) => Body::Subscription(x),
                Other::Fault(x) => Body::Fault(x),
                Other::Raw(x) => Body::Raw(x),
            },
        }
    }

    fn levels(&self, (start, end): (u32, u32)) -> &[Level] {
        &self.levels[start as usize..end as usize]
    }
}

/// A run of events within a batch.
#[derive(Clone, Copy, Debug)]
pub struct Events<'a> {
    batch: &'a Batch,
    from: usize,
    to: usize,
}

impl<'a> Events<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The words that their headers refer to.
    pub fn names(&self) -> &'a Arc<Names> {
        &self.batch.names
    }

    /// The events in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventRef<'a>> + use<'a> {
        let batch = self.batch;
        batch.entries[self.from..self.to].iter().map(move |(header, slot)| EventRef {
            header,
            body: batch.body(*slot),
            names: &batch.names,
        })
    }
}

/// What a book event says besides its levels; see [`BookChange`].
#[derive(Clone, Copy, Debug)]
pub struct BookHead {
    /// What it shows.
    pub kind: BookKind,
    /// The id it follows.
    pub prev_seq: Option<i64>,
    /// The id of the resulting book.
    pub seq: Option<i64>,
    /// Levels a side.
    pub depth: u16,
}

/// One event, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    /// What every event says about itself.
    pub header: &'a Header,
    /// What this one says.
    pub body: Body<'a>,
    names: &'a Names,
}

impl<'a> EventRef<'a> {
    /// The venue, for example `okx`.
    pub fn venue(&self) -> &'static str {
        self.names.venue
    }

    /// The channel in the venue's spelling; empty for events of the link.
    pub fn channel(&self) -> &'a str {
        let index = self.header.channel.map(usize::from);
        index.and_then(|i| self.names.channels.get(i)).map_or("", |c| c)
    }

    /// The instrument, as known when the batch was made.
    pub fn instrument(&self) -> Option<&'a Arc<Instrument>> {
        self.header.inst.and_then(|i| self.names.instruments.get(i as usize))
    }

    /// The instrument's id; empty if there is none.
    pub fn inst_id(&self) -> &'a str {
        self.instrument().map_or("", |i| &i.inst_id)
    }

    /// The instrument's kind; `None` while unknown.
    pub fn inst_type(&self) -> Option<&'a InstType> {
        self.instrument().and_then(|i| i.inst_type.as_ref())
    }
}

/// One event that can be kept and sent on: a counted reference to its batch.
#[derive(Clone, Debug)]
pub struct Event {
    batch: Arc<Batch>,
    index: usize,
}

impl Event {
    /// The event at `index` of `batch`, if there is one.
    pub fn new(batch: &Arc<Batch>, index: usize) -> Option<Event> {
        (index < batch.len()).then(|| Event { batch: Arc::clone(batch), index })
    }

    /// Borrows it.
    pub fn view(&self) -> EventRef<'_> {
        self.batch.get(self.index).expect("the index was checked when the event was made")
    }
}
