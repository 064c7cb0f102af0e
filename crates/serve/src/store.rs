//! What is known at the moment, by channel and instrument: the state that late joiners get and
//! that REST reads.
//!
//! The hub owns it behind its lock. Invariants: every list is bounded; what an open gap covers is
//! stale, with its cause, until the gap closes.

use crate::book::{Mirror, Step, Text, text};
use crate::client::Sub;
use market_data_model::event::{BarKind, FeedId, Ticker};
use market_data_model::{Body, EventRef, Instrument, Nanos, Subscription};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Trades kept of an instrument.
pub(crate) const TRADES_MAX: usize = 1000;
/// Bars kept of an instrument and interval.
pub(crate) const BARS_MAX: usize = 1500;
/// Closed gaps kept.
pub(crate) const GAPS_MAX: usize = 1000;
/// Pairs of channel and instrument kept; OKX has fewer than that on all its channels.
const ENTRIES_MAX: usize = 200_000;
/// Price samples kept of an instrument, and the least time between two.
const SAMPLES_MAX: usize = 60;
const SAMPLE_NS: u64 = 5_000_000_000;

/// Why something cannot be trusted at the moment.
#[derive(Clone, Debug)]
pub(crate) struct Stale {
    /// The gap's cause.
    pub cause: &'static str,
    /// When we noticed, ns.
    pub since: Nanos,
}

/// What is kept of one channel of one instrument.
pub(crate) enum Kept {
    /// Nothing came yet, or it is of a kind of which nothing is kept.
    Nothing,
    /// The last record.
    Last(Text),
    /// The last ticker, and samples of its price.
    Ticker(Text, Box<Ticker>, Samples),
    /// The last trades with their ids, oldest first.
    Trades(VecDeque<(u64, Text)>),
    /// The last bars by opening time.
    Bars(&'static str, BarKind, BTreeMap<u64, (String, Text)>),
    /// The book.
    Book(Box<Mirror>),
}

/// Prices now and then.
#[derive(Default)]
pub(crate) struct Samples {
    pub prices: VecDeque<String>,
    last: u64,
}

impl Samples {
    fn note(&mut self, at: Nanos, ticker: &Ticker) {
        let Some(price) = ticker.last.filter(|_| at.0 >= self.last + SAMPLE_NS) else { return };
        self.last = at.0;
        if self.prices.len() == SAMPLES_MAX {
            self.prices.pop_front();
        }
        self.prices.push_back(price.to_string());
    }
}

/// One channel of one instrument.
pub(crate) struct Entry {
    pub channel: Arc<str>,
    pub inst: Arc<str>,
    pub instrument: Option<Arc<Instrument>>,
    pub feed: FeedId,
    pub kept: Kept,
    pub stale: Option<Stale>,
    /// When the last record came.
    pub last: Nanos,
    /// Who wants it, as of this generation of subscriptions.
    pub route: (u64, Arc<[Arc<Sub>]>),
}

impl Entry {
    /// What a client that joins is given: the last state as one record.
    pub fn state(&self, depth: Option<u16>) -> Option<Text> {
        match &self.kept {
            Kept::Nothing | Kept::Trades(_) => None,
            Kept::Last(text) | Kept::Ticker(text, ..) => Some(Arc::clone(text)),
            Kept::Bars(_, _, bars) => bars.last_key_value().map(|(_, (_, text))| Arc::clone(text)),
            Kept::Book(book) => match depth {
                Some(depth) => book.view(depth),
                None => book.snapshot(),
            },
        }
    }
}

/// What an event changed.
pub(crate) enum Fresh {
    /// Nothing that a client hears of.
    Nothing,
    /// A record of a channel and instrument (by place). `state`: newer ones replace it.
    Record { at: u32, text: Text, state: bool },
    /// A book has changed.
    Book { at: u32 },
    /// A record about a connection.
    Link { text: Text },
}

/// See the file's first comment.
#[derive(Default)]
pub(crate) struct Store {
    entries: Vec<Entry>,
    places: HashMap<Box<str>, HashMap<Box<str>, u32>>,
    /// By instrument, in the order of ids.
    by_inst: BTreeMap<Arc<str>, Vec<u32>>,
    open_gaps: BTreeMap<(u32, u64), Text>,
    closed_gaps: VecDeque<Text>,
    /// Books that stopped being live by a loss of ours, since somebody last asked.
    torn: Vec<(FeedId, Subscription)>,
}

impl Store {
    /// Everything that is kept.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// At a place that was handed out.
    pub fn entry(&self, at: u32) -> Option<&Entry> {
        self.entries.get(at as usize)
    }

    /// The same, to change it.
    pub fn entry_mut(&mut self, at: u32) -> Option<&mut Entry> {
        self.entries.get_mut(at as usize)
    }

    /// One channel of one instrument.
    pub fn find(&self, channel: &str, inst: &str) -> Option<&Entry> {
        self.entry(*self.places.get(channel)?.get(inst)?)
    }

    /// Every instrument that something is known of, and that.
    pub fn instruments(&self) -> impl DoubleEndedIterator<Item = (&Arc<str>, Vec<&Entry>)> {
        let entries = |places: &Vec<u32>| places.iter().filter_map(|at| self.entry(*at)).collect();
        self.by_inst.iter().map(move |(inst, places)| (inst, entries(places)))
    }

    /// What is known of one instrument.
    pub fn of(&self, inst: &str) -> Vec<&Entry> {
        let places = self.by_inst.get(inst).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|at| self.entry(*at)).collect()
    }

    /// Gaps, newest first, the open ones first of all.
    pub fn gaps(&self) -> impl Iterator<Item = &Text> {
        self.open_gaps.values().rev().chain(self.closed_gaps.iter().rev())
    }

    /// Gaps that are open.
    pub fn open_gaps(&self) -> impl Iterator<Item = &Text> {
        self.open_gaps.values()
    }

    /// Events of a feed were lost before us: its books cannot be shown until they start anew.
    pub fn lost(&mut self, feed: FeedId, at: Nanos) -> Vec<u32> {
        let mut hit = Vec::new();
        for (place, entry) in (0..).zip(&mut self.entries) {
            if entry.feed != feed {
                continue;
            }
            hit.push(place);
            if let Kept::Book(book) = &mut entry.kept {
                if book.is_live() {
                    let what = Subscription::new(&entry.channel, &entry.inst);
                    tear(&mut self.torn, (feed, what));
                }
                book.lose();
                entry.stale = Some(Stale { cause: "slow_consumer", since: at });
            }
        }
        hit
    }

    /// Takes out the books that only a new start can heal, because events were lost before us.
    pub fn take_torn(&mut self) -> Vec<(FeedId, Subscription)> {
        std::mem::take(&mut self.torn)
    }

    /// Takes the next event.
    pub fn take(
        &mut self,
        event: &EventRef<'_>,
        names: &Arc<market_data_model::batch::Names>,
    ) -> Fresh {
        if let Body::Gap(gap) = event.body {
            let record = text(event);
            self.open_gaps.remove(&(event.header.feed.0, gap.id));
            if gap.closed {
                if self.closed_gaps.len() == GAPS_MAX {
                    self.closed_gaps.pop_front();
                }
                self.closed_gaps.push_back(Arc::clone(&record));
            } else if self.open_gaps.len() < ENTRIES_MAX {
                self.open_gaps.insert((event.header.feed.0, gap.id), Arc::clone(&record));
            }
            let Some(at) = self.place(event) else { return Fresh::Link { text: record } };
            let entry = &mut self.entries[at as usize];
            entry.stale = (!gap.closed)
                .then(|| Stale { cause: gap.cause.as_str(), since: event.header.ts_recv });
            if let Kept::Book(book) = &mut entry.kept
                && !gap.closed
            {
                book.lose();
            }
            return Fresh::Record { at, text: record, state: false };
        }
        let Some(at) = self.place(event) else { return Fresh::Link { text: text(event) } };
        let entry = &mut self.entries[at as usize];
        entry.feed = event.header.feed;
        entry.last = event.header.ts_recv;
        if let Body::Book(change, bids, asks) = event.body {
            let was_live = entry.is_live_book();
            let fresh = entry.book(at, (event.header, names), change, (bids, asks));
            if was_live && !entry.is_live_book() {
                let what = Subscription::new(&entry.channel, &entry.inst);
                tear(&mut self.torn, (entry.feed, what));
            }
            return fresh;
        }
        entry.keep(at, event, text(event))
    }

    /// Where events of this channel and instrument are kept; a new place if they are new.
    fn place(&mut self, event: &EventRef<'_>) -> Option<u32> {
        let (channel, inst) = (event.channel(), event.inst_id());
        if channel.is_empty() {
            return None;
        }
        let known = self.places.get(channel).and_then(|places| places.get(inst)).copied();
        let at = match known {
            Some(at) => at,
            None if self.entries.len() >= ENTRIES_MAX => return None,
            None => {
                let at = self.entries.len() as u32;
                let inst: Arc<str> = inst.into();
                self.places.entry(channel.into()).or_default().insert((&*inst).into(), at);
                self.by_inst.entry(Arc::clone(&inst)).or_default().push(at);
                self.entries.push(Entry {
                    channel: channel.into(),
                    inst,
                    instrument: None,
                    feed: event.header.feed,
                    kept: Kept::Nothing,
                    stale: None,
                    last: Nanos(0),
                    route: (0, Arc::new([])),
                });
                at
            }
        };
        let entry = &mut self.entries[at as usize];
        if let Some(instrument) = event.instrument()
            && !entry.instrument.as_ref().is_some_and(|known| Arc::ptr_eq(known, instrument))
        {
            entry.instrument = Some(Arc::clone(instrument));
        }
        Some(at)
    }
}

type At<'a> = (&'a market_data_model::event::Header, &'a Arc<market_data_model::batch::Names>);

impl Entry {
    fn is_live_book(&self) -> bool {
        matches!(&self.kept, Kept::Book(book) if book.is_live())
    }

    fn book(
        &mut self,
        at: u32,
        from: At<'_>,
        change: &market_data_model::BookChange,
        levels: (&[market_data_model::Level], &[market_data_model::Level]),
    ) -> Fresh {
        if !matches!(self.kept, Kept::Book(_)) {
            self.kept = Kept::Book(Box::default());
        }
        let Kept::Book(book) = &mut self.kept else { return Fresh::Nothing };
        match book.take(from, change, levels) {
            Step::Taken => {
                // The gap that this start heals has closed, or it was one of our own.
                if change.kind != market_data_model::BookKind::Delta {
                    self.stale = None;
                }
                Fresh::Book { at }
            }
            Step::View => Fresh::Nothing,
            Step::Torn => {
                let since = from.0.ts_recv;
                self.stale.get_or_insert(Stale { cause: "slow_consumer", since });
                Fresh::Nothing
            }
        }
    }

    fn keep(&mut self, at: u32, event: &EventRef<'_>, text: Text) -> Fresh {
        let mut state = true;
        match event.body {
            Body::Ticker(ticker) => {
                let kept = std::mem::replace(&mut self.kept, Kept::Nothing);
                let mut samples = match kept {
                    Kept::Ticker(_, _, samples) => samples,
                    _ => Samples::default(),
                };
                samples.note(event.header.ts_recv, ticker);
                self.kept = Kept::Ticker(Arc::clone(&text), Box::new(*ticker), samples);
            }
            Body::Trade(trade) => {
                state = false;
                if !matches!(self.kept, Kept::Trades(_)) {
                    self.kept = Kept::Trades(VecDeque::new());
                }
                if let Kept::Trades(trades) = &mut self.kept {
                    if trades.len() == TRADES_MAX {
                        trades.pop_front();
                    }
                    trades.push_back((trade.trade_id, Arc::clone(&text)));
                }
            }
            Body::Bar(bar) => {
                if !matches!(self.kept, Kept::Bars(..)) {
                    self.kept = Kept::Bars(bar.interval, bar.kind, BTreeMap::new());
                }
                if let Kept::Bars(_, _, bars) = &mut self.kept {
                    bars.insert(bar.open_ms, (bar.close.to_string(), Arc::clone(&text)));
                    if bars.len() > BARS_MAX {
                        bars.pop_first();
                    }
                }
            }
            Body::Figures(_) | Body::Instrument(_) | Body::Raw(_) => {
                self.kept = Kept::Last(Arc::clone(&text));
            }
            _ => state = false,
        }
        Fresh::Record { at, text, state }
    }
}

/// Notes a book once, whoever takes the notes out and however late.
fn tear(torn: &mut Vec<(FeedId, Subscription)>, book: (FeedId, Subscription)) {
    if !torn.contains(&book) {
        torn.push(book);
    }
}
