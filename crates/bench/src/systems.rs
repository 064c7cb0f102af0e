//! The systems that the table compares; each takes the frames of some connections from nothing.
//!
//! | column | what it does |
//! |---|---|
//! | feed | the whole state machine as `decode` runs it: envelope, rows, chain, book, events |
//! | feed + JSON | and every event as a line of JSON |
//! | digest | and every event in the digest of a tape |
//! | decode | our envelope and rows, without judging or keeping anything |
//! | serde | [`crate::reference`] with its books |
//! | serde decode | the same without books |
//! | UTF-8, quotes | the floor: validate the text; find every `"` with memchr |

use crate::measure::now_ns;
use crate::reference::{KEY_DECIMALS, Reference, SortedBook};
use market_data_model::*;
use market_data_okx::channel::books::BookRow;
use market_data_okx::channel::{self, Form, Unknowns, bars, books, tickers, trades};
use market_data_okx::frame::{self, Frame};
use market_data_okx::{Instructions, OkxConfig, OkxFeed};
use market_data_tape::OutputDigest;
use rustc_hash::FxHashMap;
use std::hint::black_box;

/// The frames of some connections.
pub type Streams<'a> = [Vec<&'a [u8]>];

/// A feed that decodes what it is given, as `market-data decode` makes it.
pub fn passive_feed(instructions: Instructions) -> OkxFeed {
    let mut config = OkxConfig::new(FeedId(1), "bench");
    (config.passive, config.instructions) = (true, instructions);
    OkxFeed::new(config)
}

/// Envelope, rows, chain, book and events; with `json`, lines of JSON too.
pub fn feed(streams: &Streams<'_>, json: bool) -> u64 {
    let mut text = Vec::new();
    feeds(streams, Instructions::Best, |events| {
        if json {
            text.clear();
            for event in events.iter() {
                wire::write_json(&event, &mut text);
                text.push(b'\n');
            }
        }
        text.len() as u64
    })
}

/// The same with only some instructions, and without text.
pub fn feed_with(streams: &Streams<'_>, instructions: Instructions) -> u64 {
    feeds(streams, instructions, |_| 0)
}

/// The same with the digest that a recorder makes of events.
pub fn feed_digest(streams: &Streams<'_>) -> u64 {
    let mut digest = OutputDigest::default();
    let sum = feeds(streams, Instructions::Best, |events| {
        digest.add_events(events.events(0..events.len()));
        0
    });
    sum ^ digest.take().events_digest
}

fn feeds(
    streams: &Streams<'_>,
    instructions: Instructions,
    mut told: impl FnMut(&Batch) -> u64,
) -> u64 {
    let mut out = Outbox::default();
    let mut sum = 0;
    for frames in streams {
        let mut feed = passive_feed(instructions);
        feed.handle(Nanos(1), Input::Opened, &mut out);
        for (n, frame) in frames.iter().enumerate() {
            out.clear();
            feed.handle(Nanos(2 + n as u64), Input::Frame(frame), &mut out);
            sum += out.events.len() as u64 + told(&out.events);
        }
        black_box(&feed);
    }
    sum
}

/// How many lines bring the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// One, and there is no other.
    One,
    /// One of two; the other is up and says nothing.
    OneOfTwo,
    /// Both, each frame twice.
    Both,
}

/// The arguments of the subscriptions that the frames of a connection belong to.
fn arguments<'a>(frames: &[&'a [u8]]) -> Vec<&'a str> {
    let mut seen = FxHashMap::default();
    let mut arguments = Vec::new();
    for frame in frames {
        if let Ok(Frame::Data(data)) = frame::parse(frame)
            && seen.insert(data.arg.as_str(), ()).is_none()
        {
            arguments.push(data.arg.as_str());
        }
    }
    arguments
}

/// A feed that has subscribed to everything, with one line or two: what is to be timed is given a
/// copy of it, so that no set-up is.
fn subscribed(frames: &[&[u8]], how: Lines) -> OkxFeed {
    let arguments = arguments(frames);
    let mut config = OkxConfig::new(FeedId(1), "bench");
    let keys = arguments.iter().copied();
    let keys = keys.filter_map(|text| market_data_okx::json::parse(text.as_bytes()).ok());
    let keys = keys.filter_map(frame::argument);
    config.subscriptions = keys.map(|(channel, key)| Subscription::new(&channel, &key)).collect();
    config.lines = if how == Lines::One { 1 } else { 2 };
    let (mut feed, mut out) = (OkxFeed::new(config), Outbox::default());
    // It asks for its connections, which are then up.
    feed.handle(Nanos(1), Input::Start, &mut out);
    for line in 0..=u8::from(how != Lines::One) {
        give(&mut feed, &mut out, 1, (line, LineNews::Opened));
        for argument in &arguments {
            let ack = format!(r#"{{"event":"subscribe","arg":{argument},"connId":"c"}}"#);
            give(&mut feed, &mut out, 1, (line, LineNews::Frame(ack.as_bytes())));
        }
    }
    feed
}

fn give(feed: &mut OkxFeed, out: &mut Outbox, n: u64, (line, news): (u8, LineNews<'_>)) -> u64 {
    out.clear();
    let input = match (line, news) {
        (0, LineNews::Opened) => Input::Opened,
        (0, LineNews::Frame(bytes)) => Input::Frame(bytes),
        (line, news) => Input::Line { line, news },
    };
    feed.handle(Nanos(n), input, out);
    out.events.len() as u64
}

/// Feeds of so many lines, one a connection, that have subscribed to everything.
pub fn ready(streams: &Streams<'_>, how: Lines) -> Vec<OkxFeed> {
    streams.iter().map(|frames| subscribed(frames, how)).collect()
}

/// The frames through copies of what [`ready`] made.
pub fn lines(streams: &Streams<'_>, ready: &[OkxFeed], how: Lines) -> u64 {
    let mut out = Outbox::default();
    let mut sum = 0;
    for (frames, feed) in streams.iter().zip(ready) {
        let mut feed = feed.clone();
        for (n, frame) in frames.iter().enumerate() {
            let n = 2 + n as u64;
            sum += give(&mut feed, &mut out, n, (0, LineNews::Frame(frame)));
            if how == Lines::Both {
                sum += give(&mut feed, &mut out, n, (1, LineNews::Frame(frame)));
            }
        }
        black_box(&feed);
    }
    sum
}

/// The ids of all trades, with how many fills each row stands for, by instrument.
pub fn trade_ids(streams: &Streams<'_>) -> Vec<Vec<(u64, Option<u64>)>> {
    let mut series: FxHashMap<String, Vec<(u64, Option<u64>)>> = FxHashMap::default();
    for frame in streams.iter().flatten() {
        let Ok(Frame::Data(data)) = frame::parse(frame) else { continue };
        for raw in data.data.items() {
            if let Ok(read) = trades::decode(raw, &mut Unknowns::default()) {
                let of = series.entry(data.arg.as_str().to_owned()).or_default();
                of.push((read.trade.trade_id, read.trade.count.map(u64::from)));
            }
        }
    }
    series.into_values().collect()
}

/// What proves that no trade is missing or comes twice, and nothing else.
pub fn account(ids: &[Vec<(u64, Option<u64>)>]) -> u64 {
    let mut lost = 0;
    for list in ids {
        let mut series = trades::Series::default();
        for (id, fills) in list {
            lost += u64::from(black_box(series.take(*id, *fills)) != trades::Link::Follows);
        }
    }
    lost
}

/// Envelope and rows.
pub fn decode(streams: &Streams<'_>) -> u64 {
    let mut forms: FxHashMap<&str, Option<Form>> = FxHashMap::default();
    let mut row = BookRow::default();
    let mut sum = 0;
    for frame in streams.iter().flatten() {
        let Ok(Frame::Data(data)) = frame::parse(frame) else { continue };
        let form = *forms.entry(data.arg.as_str()).or_insert_with(|| {
            let (name, _) = frame::argument(data.arg)?;
            channel::find(&name).map(|spec| spec.form)
        });
        let mut unknowns = Unknowns::default();
        for raw in data.data.items() {
            sum += 1;
            match form {
                Some(Form::Ticker) => drop(black_box(tickers::decode(raw, &mut unknowns))),
                Some(Form::Trade) => drop(black_box(trades::decode(raw, &mut unknowns))),
                Some(Form::Bar(kind, size)) => drop(black_box(bars::decode(raw, kind, size))),
                Some(Form::Book(form)) => {
                    books::decode(raw, form, &mut row, &mut unknowns);
                    black_box(&row);
                }
                Some(Form::Figures(_) | Form::Instruments) | None => {}
            }
        }
    }
    sum
}

/// serde_json into borrowed structs, with or without sorted books.
pub fn reference(streams: &Streams<'_>, with_books: bool) -> u64 {
    let mut sum = 0;
    for frames in streams {
        let mut reference = Reference::new(with_books);
        for frame in frames {
            sum ^= reference.take(frame).unwrap_or(0);
        }
        black_box(&reference);
    }
    sum
}

/// Every frame is valid text.
pub fn utf8(streams: &Streams<'_>) -> u64 {
    streams.iter().flatten().filter(|frame| std::str::from_utf8(frame).is_ok()).count() as u64
}

/// Every quote is found.
pub fn quotes(streams: &Streams<'_>) -> u64 {
    streams.iter().flatten().map(|frame| memchr::memchr_iter(b'"', frame).count() as u64).sum()
}

/// One decoded row of an incremental book.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which book.
    pub book: usize,
    /// Whether it replaces the book.
    pub is_snapshot: bool,
    /// Its levels, as our book wants them.
    pub asks: Vec<Level>,
    /// The same of the other side.
    pub bids: Vec<Level>,
    /// Both sides, as the reference wants them.
    pub rows: Vec<(Side, crate::reference::Row)>,
}

/// The rows of the incremental books, decoded beforehand, and how many books there are.
pub fn changes(streams: &Streams<'_>) -> (Vec<Change>, usize) {
    let mut known: FxHashMap<(usize, &str), usize> = FxHashMap::default();
    let mut out = Vec::new();
    for (stream, frames) in streams.iter().enumerate() {
        for frame in frames {
            let Ok(Frame::Data(data)) = frame::parse(frame) else { continue };
            let Some(form) = incremental(data.arg) else { continue };
            let next = known.len();
            let book = *known.entry((stream, data.arg.as_str())).or_insert(next);
            for raw in data.data.items() {
                let mut row = BookRow::default();
                books::decode(raw, form, &mut row, &mut Unknowns::default());
                let rows = |side, levels: &[Level]| -> Vec<_> {
                    levels.iter().map(|level| (side, plain(*level))).collect()
                };
                let rows = [rows(Side::Ask, &row.asks), rows(Side::Bid, &row.bids)].concat();
                let is_snapshot = data.action == Some(frame::Action::Snapshot);
                let (asks, bids) = (row.asks.clone(), row.bids.clone());
                out.push(Change { book, is_snapshot, asks, bids, rows });
            }
        }
    }
    (out, known.len())
}

fn incremental(argument: market_data_okx::json::Raw<'_>) -> Option<channel::BookForm> {
    let (name, _) = frame::argument(argument)?;
    match channel::find(&name)?.form {
        Form::Book(form) if form.incremental => Some(form),
        _ => None,
    }
}

fn plain(level: Level) -> crate::reference::Row {
    let key = level.px.0.at_scale(KEY_DECIMALS).and_then(|key| i64::try_from(key).ok());
    let quantity = i64::try_from(level.qty.0.mantissa()).unwrap_or(i64::MAX);
    (key.unwrap_or(i64::MAX), quantity, level.qty.0.scale(), level.orders)
}

/// How many changes are put in warm memory at once: in a feed they have just been decoded.
const WARM: usize = 64;

/// What `now` tells of the time that applying decoded rows to books takes, one way; copying the
/// rows to warm memory beforehand is not counted.
fn apply<B: Clone>(
    changes: &[Change],
    mut books: Vec<B>,
    now: fn() -> u64,
    mut change: impl FnMut(&mut B, &Change),
) -> (u64, Vec<B>) {
    let mut spent = 0;
    for chunk in changes.chunks(WARM) {
        let warm = black_box(chunk.to_vec());
        let start = now();
        for one in &warm {
            change(&mut books[one.book], one);
        }
        spent += now() - start;
    }
    (spent, black_box(books))
}

/// Applies decoded rows to our books: what `now` tells of it, and the levels left.
pub fn apply_ours(changes: &[Change], books: usize, now: fn() -> u64) -> (u64, u64) {
    let (ns, books) = apply(changes, vec![Book::new(); books], now, |book, change| {
        if change.is_snapshot {
            book.clear();
        }
        // What a book refuses it leaves alone; that is not timed apart.
        let _ = book.apply_all(Side::Ask, &change.asks);
        let _ = book.apply_all(Side::Bid, &change.bids);
        book.truncate(400);
    });
    (ns, books.iter().map(|book| book.depth(Side::Bid) as u64).sum())
}

/// Applies decoded rows to the reference's books: what `now` tells of it, and the levels left.
pub fn apply_sorted(changes: &[Change], books: usize, now: fn() -> u64) -> (u64, u64) {
    let books = vec![SortedBook::default(); books];
    let (ns, books) = apply(changes, books, now, |book, change| {
        if change.is_snapshot {
            book.clear();
        }
        for (side, row) in &change.rows {
            book.apply(*side == Side::Bid, *row);
        }
        book.truncate(400);
    });
    (ns, books.iter().map(|book| book.bids.len() as u64).sum())
}

/// Reads the best bid and the best ask of every book, `rounds` times: nanoseconds a book.
pub fn tops(changes: &[Change], books: usize, rounds: u32) -> f64 {
    let mut all = vec![Book::new(); books];
    for change in changes {
        let book = &mut all[change.book];
        // As above.
        let _ = book.apply_all(Side::Ask, &change.asks);
        let _ = book.apply_all(Side::Bid, &change.bids);
        book.truncate(400);
    }
    let start = now_ns();
    for _ in 0..rounds {
        for book in black_box(&all) {
            black_box((book.best(Side::Bid), book.best(Side::Ask)));
        }
    }
    (now_ns() - start) as f64 / f64::from(rounds) / books.max(1) as f64
}
