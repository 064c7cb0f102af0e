//! A tape as the source of a pretend exchange: which frame is next, when it is due, and how the
//! books stand before it.
//!
//! `world.rs` asks. The recorded feeds are run beside (they are the proof that a book is what it
//! should be), and every data frame goes to the exchange as it was received.
//!
//! Invariants: a frame is pushed byte for byte; a snapshot of ours is made of a book that the feed
//! calls live at that very record, and of nothing else; what the recorder was told about its own
//! requests is nobody else's business and is not pushed. Start at [`Show::step`].

use crate::replay::{Met, Pace, Replay, ReplayOptions, Speed, seek};
use market_data_model::time::SECOND;
use market_data_model::{
    Book, Command, FeedId, Input, Instrument, LineNews, Nanos, Side, Subscription,
};
use market_data_okx::OkxFeed;
use market_data_okx::channel::{self, Form, Path};
use market_data_okx::frame::{self, Action, DataFrame, Frame};
use market_data_okx::link::LinkState;
use market_data_okx::sbe;
use market_data_sim::{
    Exchange, RecordedBook, RecordedFeed, RecordedId, RecordedInstrument, RecordedLevel,
};
use market_data_tape::reader::{Item, Range, ReadError, Records, Tape};
use market_data_tape::{Entry, FeedStart, Lost, Record, decode_config};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How far into each segment feeds are looked for in advance: a recorder starts all of its feeds
/// at once, and each leaves its start with its first records.
const LISTED_NS: u64 = 5 * SECOND;

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A record that is due.
    Due,
    /// A record that has to wait.
    In(Duration),
    /// The tape is over.
    End,
}

/// A tape being shown.
pub(super) struct Show<'t> {
    tape: &'t Tape,
    range: Range,
    records: Records<'t>,
    replay: Replay,
    pace: Pace,
    /// The record that is next, its payload beside it.
    next: Option<(Record<'static>, Vec<u8>)>,
    over: bool,
    /// Time of the last record passed.
    at: Nanos,
    served: Vec<Served>,
    by_key: BTreeMap<Subscription, usize>,
    /// Frames pushed.
    pub frames: u64,
    /// Times that something was missing.
    pub gaps: u64,
    /// Frames of the binary socket passed over.
    binary: u64,
}

/// One channel of one instrument.
struct Served {
    key: Subscription,
    id: RecordedId,
    /// A book of linked updates.
    incremental: bool,
    /// Whose frames are pushed; two connections may have recorded the same.
    owner: Option<FeedId>,
    /// Whether that feed's book was live when it was looked at last.
    live: bool,
    /// The last frame.
    last: Option<Arc<str>>,
}

impl<'t> Show<'t> {
    /// A tape at its beginning; nothing is known of it yet.
    pub fn new(tape: &'t Tape, range: Range, speed: Speed) -> Show<'t> {
        Show {
            tape,
            range,
            records: tape.records(Range { from: None, to: range.to }),
            replay: Replay::new(ReplayOptions::default()),
            pace: Pace::new(speed),
            next: None,
            over: false,
            at: Nanos::default(),
            served: Vec::new(),
            by_key: BTreeMap::new(),
            frames: 0,
            gaps: 0,
            binary: 0,
        }
    }

    /// Lists what each segment says at its head, so that clients can ask for it before it comes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn list(&mut self, exchange: &mut Exchange) -> Result<(), ReadError> {
        for segment in self.tape.segments() {
            let tape = Tape::open(&segment.path)?;
            let mut records = tape.records(Range::ALL);
            let mut until = None;
            while let Some(item) = records.read()? {
                let Item::Record(record) = item else { continue };
                if record.ts > *until.get_or_insert(record.ts + LISTED_NS) {
                    break;
                }
                if let Ok(Entry::FeedStart(start)) = record.entry() {
                    self.list_feed(&start, exchange);
                }
            }
        }
        Ok(())
    }

    /// Goes to where the range begins, without pushing anything to anybody: nobody listens yet.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn seek(&mut self, exchange: &mut Exchange, now_ns: u64) -> Result<(), ReadError> {
        let Some(from) = self.range.from else {
            self.at = self.look()?.unwrap_or_default();
            return Ok(());
        };
        let begin = seek(self.tape, from)?;
        let start = begin.start;
        self.replay.enter(begin);
        let range = Range { from: None, to: self.range.to };
        (self.records, self.at) = (self.tape.records(range).after(start), from);
        for index in 0..self.served.len() {
            let served = &mut self.served[index];
            let mut feeds = self.replay.feeds();
            let found = feeds.find(|(_, feed)| is_live(Some(feed), &served.key));
            if let Some((feed, _)) = found.filter(|_| served.incremental) {
                (served.owner, served.live) = (Some(feed), true);
            }
        }
        while self.look()?.is_some_and(|ts| ts < from) {
            self.pass(exchange, now_ns);
        }
        self.pace.rebase();
        self.frames = 0;
        self.gaps = 0;
        Ok(())
    }

    /// Whether and when there is a next record.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn next(&mut self) -> Result<Next, ReadError> {
        Ok(match self.look()? {
            None => Next::End,
            Some(ts) => match self.pace.left(ts) {
                Duration::ZERO => Next::Due,
                left => Next::In(left),
            },
        })
    }

    /// Back to the beginning of the range.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn rewind(&mut self, exchange: &mut Exchange, now_ns: u64) -> Result<(), ReadError> {
        self.records = self.tape.records(Range { from: None, to: self.range.to });
        self.replay = Replay::new(ReplayOptions::default());
        self.pace.rebase();
        (self.next, self.over) = (None, false);
        for served in &mut self.served {
            (served.owner, served.live, served.last) = (None, false, None);
            exchange.forget_recorded(served.id);
        }
        self.seek(exchange, now_ns)
    }

    /// Nobody has watched until now; time begins to count.
    pub fn begin(&mut self) {
        self.pace.rebase();
    }

    /// Passes the next record, which must be due.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn step(&mut self, exchange: &mut Exchange, now_ns: u64) -> Result<(), ReadError> {
        if self.look()?.is_some() {
            self.pass(exchange, now_ns);
        }
        Ok(())
    }

    /// The recording's own time.
    pub fn time(&self) -> Nanos {
        self.at
    }

    /// The whole of a book as it stands, if it is proven.
    pub fn book(&self, id: RecordedId) -> Option<RecordedBook> {
        let served = self.served.iter().find(|served| served.id == id)?;
        let feed = self.replay.feed(served.owner?)?;
        if !served.incremental {
            return None;
        }
        let (channel, key) = (&*served.key.channel, &*served.key.key);
        let book = feed.book(channel, key).ok()?;
        let seq = feed.book_seq(channel, key)?;
        let last = served.last.as_deref().and_then(|text| match frame::parse(text.as_bytes()) {
            Ok(Frame::Data(data)) => time_of(data),
            _ => None,
        });
        let ts_ms = last.unwrap_or_else(|| self.at.millis());
        whole_book(channel, book, seq, ts_ms)
    }

    /// Time of the next record; steps over damage.
    fn look(&mut self) -> Result<Option<Nanos>, ReadError> {
        while self.next.is_none() && !self.over {
            match self.records.read()? {
                None => self.over = true,
                Some(Item::Record(record)) => {
                    let payload = record.payload.to_vec();
                    self.next = Some((Record { payload: &[], ..record }, payload));
                }
                Some(Item::Damage(damage)) => {
                    self.replay.damaged(&damage);
                    self.gaps += 1;
                    tracing::warn!(%damage, "the tape is damaged here");
                }
            }
        }
        Ok(self.next.as_ref().map(|(record, _)| record.ts))
    }

    fn pass(&mut self, exchange: &mut Exchange, now_ns: u64) {
        let Some((head, payload)) = self.next.take() else { return };
        let record = Record { payload: &payload, ..head };
        self.at = self.at.max(record.ts);
        let entry = record.entry();
        match &entry {
            Ok(Entry::FeedStart(start)) => self.list_feed(start, exchange),
            Ok(Entry::Input(Input::Command(Command::Subscribe(list)))) => {
                self.list_keys(list, exchange);
            }
            Ok(Entry::Input(Input::Command(Command::Instruments(list)))) => {
                list.iter().for_each(|x| list_instrument(x, exchange));
            }
            Ok(Entry::Lost(lost)) => self.tell_loss(record.feed, lost),
            _ => {}
        }
        let lines = self.replay.feed(record.feed).map_or_else(Vec::new, |feed| feed.status().lines);
        let front = lines.iter().find(|line| line.front).map_or(0, |line| line.line);
        match self.replay.take(&record) {
            Ok(Met::Started(..)) => self.pace.rebase(),
            Ok(_) => {}
            Err(error) => tracing::warn!(record = record.ordinal, %error, "an unreadable record"),
        }
        match entry {
            // Of two lines, the frames of the one in front.
            Ok(Entry::Input(Input::Line { line, .. })) if line != front => {}
            Ok(Entry::Input(Input::Frame(_))) if front != 0 => {}
            Ok(Entry::Input(
                Input::Frame(bytes) | Input::Line { news: LineNews::Frame(bytes), .. },
            )) => {
                self.frame(record.feed, bytes, (exchange, now_ns));
            }
            Ok(Entry::Input(input)) => self.other(record.feed, &input, exchange),
            Ok(Entry::State(_)) => self.restored(record.feed, (exchange, now_ns)),
            _ => {}
        }
    }

    /// A frame of the binary socket, which is not served. Said once.
    fn unserved(&mut self, feed: FeedId) {
        if self.binary == 0 {
            tracing::warn!(feed = feed.0, "what came over the binary socket is not served");
        }
        self.binary += 1;
    }

    /// Pushes a data frame.
    fn frame(&mut self, feed: FeedId, bytes: &[u8], (exchange, now_ns): (&mut Exchange, u64)) {
        if sbe::is_binary(bytes) {
            return self.unserved(feed);
        }
        let Ok(Frame::Data(data)) = frame::parse(bytes) else { return };
        let Some((channel, key)) = frame::argument(data.arg) else { return };
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let key = Subscription::new(&channel, &key);
        let index = self.list_key(&key, exchange);
        if !self.owns(feed, index) {
            return;
        }
        let text: Arc<str> = text.into();
        let served = &mut self.served[index];
        served.last = Some(Arc::clone(&text));
        self.frames += 1;
        if !served.incremental {
            return exchange.push_recorded(now_ns, served.id, text, true);
        }
        let was = served.live;
        served.live = is_live(self.replay.feed(feed), &served.key);
        let (id, live) = (served.id, served.live);
        let snapshot = data.action == Some(Action::Snapshot);
        match (was, live) {
            (false, true) if !snapshot => {
                if let Some(book) = self.book(id) {
                    return exchange.push_recorded_book(now_ns, id, &book);
                }
            }
            (true, false) => self.tell_dark(index, feed),
            _ => {}
        }
        exchange.push_recorded(now_ns, id, text, snapshot && live);
    }

    /// Whether this feed's frames of it are the ones that are pushed. It becomes so when nobody
    /// else's are, or the other's have ended.
    fn owns(&mut self, feed: FeedId, index: usize) -> bool {
        let served = &mut self.served[index];
        match served.owner {
            Some(owner) if owner == feed => true,
            Some(owner) if is_up(self.replay.feed(owner), served) => false,
            _ => {
                served.owner = Some(feed);
                served.live = false;
                true
            }
        }
    }

    /// Something other than a frame has happened to a feed.
    fn other(&mut self, feed: FeedId, input: &Input<'_>, exchange: &mut Exchange) {
        let stopped = self.replay.feed(feed).is_some_and(|x| x.status().link == LinkState::Stopped);
        if let Input::Closed { code, reason } = input
            && !stopped
        {
            self.gaps += 1;
            let (feed, at) = (feed.0, self.at);
            tracing::info!(feed, code, reason, %at, "the recorder's connection was lost here");
        }
        let down = !self.replay.feed(feed).is_some_and(is_connected);
        for index in 0..self.served.len() {
            let served = &mut self.served[index];
            if served.owner != Some(feed) {
                continue;
            }
            if down {
                exchange.forget_recorded(served.id);
            }
            if served.live && !is_live(self.replay.feed(feed), &served.key) {
                served.live = false;
                if !stopped {
                    self.tell_dark(index, feed);
                }
            }
        }
    }

    /// A feed left its state on the tape: what was in doubt before may be proven again.
    fn restored(&mut self, feed: FeedId, (exchange, now_ns): (&mut Exchange, u64)) {
        for index in 0..self.served.len() {
            let served = &mut self.served[index];
            let live = is_live(self.replay.feed(feed), &served.key);
            if !served.incremental || served.owner != Some(feed) || served.live || !live {
                continue;
            }
            served.live = true;
            let id = served.id;
            if let Some(book) = self.book(id) {
                exchange.push_recorded_book(now_ns, id, &book);
            }
        }
    }

    fn tell_loss(&mut self, feed: FeedId, lost: &Lost) {
        self.gaps += 1;
        let (feed, records, from, to) = (feed.0, lost.records, lost.from, lost.to);
        tracing::warn!(feed, records, %from, %to, why = %lost.why, "the tape has a gap here");
    }

    fn tell_dark(&self, index: usize, feed: FeedId) {
        let Subscription { channel, key } = &self.served[index].key;
        let (feed, at) = (feed.0, self.at);
        tracing::info!(feed, %channel, instrument = %key, %at, "no proven book from here");
    }

    fn list_feed(&mut self, start: &FeedStart<'_>, exchange: &mut Exchange) {
        // What cannot be read is reported when it is passed.
        let Ok(config) = decode_config(start.config) else { return };
        self.list_keys(&config.subscriptions, exchange);
        config.instruments.iter().for_each(|x| list_instrument(x, exchange));
    }

    fn list_keys(&mut self, keys: &[Subscription], exchange: &mut Exchange) {
        for key in keys {
            self.list_key(key, exchange);
        }
    }

    /// Its place in `served`, made if it is new.
    fn list_key(&mut self, key: &Subscription, exchange: &mut Exchange) -> usize {
        if let Some(index) = self.by_key.get(key) {
            return *index;
        }
        let feed = recorded_feed(key);
        let incremental = feed.incremental;
        let id = exchange.record_feed(feed);
        let index = self.served.len();
        self.by_key.insert(key.clone(), index);
        let (key, owner, live, last) = (key.clone(), None, false, None);
        self.served.push(Served { key, id, incremental, owner, live, last });
        index
    }

    /// How many channels and instruments there are.
    pub fn listed(&self) -> usize {
        self.served.len()
    }
}

/// A book in the texts of the wire; `None` if the channel carries no books.
pub(super) fn whole_book(channel: &str, book: &Book, seq: i64, ts_ms: u64) -> Option<RecordedBook> {
    let rpi = matches!(channel::find(channel)?.form, Form::Book(form) if form.rpi);
    let side = |side| {
        let level = |level: market_data_model::Level| RecordedLevel {
            px: level.px.to_string(),
            sz: level.qty.to_string(),
            third: if rpi { level.non_rpi.to_string() } else { "0".to_owned() },
            orders: level.orders,
        };
        book.levels(side).map(level).collect()
    };
    Some(RecordedBook { ts_ms, seq, asks: side(Side::Ask), bids: side(Side::Bid) })
}

/// A subscription as the exchange lists it.
pub(super) fn recorded_feed(key: &Subscription) -> RecordedFeed {
    let spec = channel::find(&key.channel);
    let form = spec.map(|spec| spec.form);
    RecordedFeed {
        business: spec.is_some_and(|spec| spec.path == Path::Business),
        channel: key.channel.to_string(),
        about: key.key.to_string(),
        incremental: matches!(form, Some(Form::Book(form)) if form.incremental),
    }
}

pub(super) fn list_instrument(x: &Instrument, exchange: &mut Exchange) {
    let Some(inst_type) = &x.inst_type else { return };
    if x.row.is_empty() {
        return;
    }
    exchange.record_instrument(RecordedInstrument {
        inst_type: inst_type.to_string(),
        inst_id: x.inst_id.to_string(),
        inst_family: x.inst_family.to_string(),
        uly: x.uly.to_string(),
        row: (&*x.row).into(),
    });
}

fn is_connected(feed: &OkxFeed) -> bool {
    feed.status().link == LinkState::Up
}

fn is_live(feed: Option<&OkxFeed>, key: &Subscription) -> bool {
    feed.is_some_and(|feed| feed.book(&key.channel, &key.key).is_ok())
}

/// Whether a feed still says something of this.
fn is_up(feed: Option<&OkxFeed>, served: &Served) -> bool {
    match feed {
        Some(feed) if served.incremental => is_live(Some(feed), &served.key),
        Some(feed) => is_connected(feed),
        None => false,
    }
}

/// The venue's id of the last change in a book's frame.
pub(super) fn seq_of(data: DataFrame<'_>) -> Option<i64> {
    data.data.items().last()?.field("seqId")?.integer()
}

/// The venue's time of a book's frame.
pub(super) fn time_of(data: DataFrame<'_>) -> Option<u64> {
    data.data.items().next()?.field("ts")?.text()?.parse().ok()
}
