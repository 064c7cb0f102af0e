//! An exchange without a market of its own: what it sends was recorded elsewhere, and is handed
//! to it frame by frame.
//!
//! Whoever has the recording calls [`Exchange::recorded`], lists what there is, and then pushes
//! frames; requests, acks, errors, limits, pings, faults of the network and closes are those of
//! every [`Exchange`]. `recorded_rest.rs` answers REST from the same.
//!
//! Invariants: a frame goes out as it was handed in, byte for byte; a newcomer to a book gets
//! nothing of it before a frame that holds the whole book; what is not on the recording is refused
//! with OKX's own error.
//!
//! Start at [`Exchange::recorded`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::api::{ConnId, MarketSize, SimConfig};
use crate::channel::{Channel, FeedKey, Target};
use crate::exchange::Exchange;
use crate::net::Frame;
use crate::session::Conn;
use crate::text::json;

/// Frames remembered of a channel whose frames each say something else, such as trades.
const RECENT_MAX: usize = 100;

/// One recorded channel of one instrument, index or kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedFeed {
    /// It lives on `/business` rather than on `/public`.
    pub business: bool,
    /// The channel's name.
    pub channel: String,
    /// `instId`, or what stands in its place: `instType`, `instFamily`.
    pub about: String,
    /// A book that begins with a snapshot and goes on with updates.
    pub incremental: bool,
}

/// Names a [`RecordedFeed`] within one exchange.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RecordedId(pub(crate) usize);

/// One row of the recorded instrument list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedInstrument {
    /// `instType`.
    pub inst_type: String,
    /// `instId`.
    pub inst_id: String,
    /// `instFamily`, or empty.
    pub inst_family: String,
    /// `uly`, or empty.
    pub uly: String,
    /// The row as OKX sent it, JSON.
    pub row: Arc<str>,
}

/// A whole book, in the texts that stand on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedBook {
    /// The book's own time in Unix milliseconds.
    pub ts_ms: u64,
    /// `seqId`.
    pub seq: i64,
    /// Asks, best first.
    pub asks: Vec<RecordedLevel>,
    /// Bids, best first.
    pub bids: Vec<RecordedLevel>,
}

/// One level of a [`RecordedBook`]: its four elements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedLevel {
    /// Price.
    pub px: String,
    /// Size.
    pub sz: String,
    /// The third element: `0`, or on `books-rpi` the size that is not retail.
    pub third: String,
    /// Number of orders.
    pub orders: u32,
}

/// What of a recording an exchange knows.
#[derive(Default)]
pub(crate) struct Shelf {
    pub feeds: Vec<RecordedFeed>,
    by_name: BTreeMap<(String, String), usize>,
    /// Frames that say how things stand, or the latest of those that do not.
    pub recent: BTreeMap<usize, VecDeque<Arc<str>>>,
    pub instruments: BTreeMap<(String, String), RecordedInstrument>,
    /// Listeners of books that have not got a whole one yet.
    waiting: BTreeSet<(usize, ConnId)>,
    /// Of these, those that nobody has been told of.
    newcomers: Vec<(ConnId, RecordedId)>,
}

impl Shelf {
    /// The feed of that name.
    pub fn find(&self, channel: &str, about: &str) -> Option<usize> {
        self.by_name.get(&(channel.to_owned(), about.to_owned())).copied()
    }

    /// Somebody has subscribed.
    pub fn joined(&mut self, conn: ConnId, n: usize) {
        if self.feeds[n].incremental {
            self.waiting.insert((n, conn));
            self.newcomers.push((conn, RecordedId(n)));
        }
    }

    /// Somebody listens no more.
    pub fn left(&mut self, conn: ConnId, n: usize) {
        if self.waiting.remove(&(n, conn)) {
            self.newcomers.retain(|newcomer| *newcomer != (conn, RecordedId(n)));
        }
    }

    /// Somebody has gone.
    pub fn all_left(&mut self, conn: ConnId) {
        self.waiting.retain(|(_, waiting)| *waiting != conn);
        self.newcomers.retain(|(newcomer, _)| *newcomer != conn);
    }

    /// What a newcomer gets at once: the state as it was sent last.
    pub fn first_frame(&self, n: usize) -> Option<Frame> {
        let feed = &self.feeds[n];
        let last = self.recent.get(&n)?.back()?;
        (!feed.incremental && is_state(&feed.channel)).then(|| Frame {
            text: Arc::clone(last),
            bytes: None,
            truth: None,
        })
    }
}

/// Whether each frame of a channel says how things stand, rather than what happened.
fn is_state(channel: &str) -> bool {
    !matches!(channel, "trades" | "trades-all" | "instruments" | "option-trades")
        && !channel.starts_with("liquidation")
        && !channel.contains("block-trades")
}

impl Exchange {
    /// An exchange that sends nothing but what it is handed. The market of `config` is not used.
    pub fn recorded(config: SimConfig) -> Self {
        let mut exchange =
            Self::new(SimConfig { market: MarketSize::None, universe: 0, rate: 0, ..config });
        exchange.shelf = Some(Shelf::default());
        exchange
    }

    /// Lists a recorded feed; the same again has the same id.
    pub fn record_feed(&mut self, feed: RecordedFeed) -> RecordedId {
        let shelf = self.shelf.get_or_insert_default();
        let name = (feed.channel.clone(), feed.about.clone());
        let next = shelf.feeds.len();
        let n = *shelf.by_name.entry(name).or_insert(next);
        if n == next {
            shelf.feeds.push(feed);
        }
        RecordedId(n)
    }

    /// Lists an instrument, or replaces its row.
    pub fn record_instrument(&mut self, instrument: RecordedInstrument) {
        let shelf = self.shelf.get_or_insert_default();
        let key = (instrument.inst_type.clone(), instrument.inst_id.clone());
        shelf.instruments.insert(key, instrument);
    }

    /// Moves out the subscriptions to books that still have to get a whole one, in order.
    /// [`Exchange::welcome`] gives it; until then they get nothing of that feed.
    pub fn newcomers(&mut self) -> Vec<(ConnId, RecordedId)> {
        self.shelf.as_mut().map(|shelf| std::mem::take(&mut shelf.newcomers)).unwrap_or_default()
    }

    /// Gives a newcomer the whole book.
    pub fn welcome(&mut self, now_ns: u64, conn: ConnId, id: RecordedId, book: &RecordedBook) {
        self.advance(now_ns);
        let Some(shelf) = &mut self.shelf else { return };
        if shelf.waiting.remove(&(id.0, conn)) {
            let text = snapshot_text(&shelf.feeds[id.0], book);
            self.push_one(conn, key(id), &Frame::plain(text));
        }
    }

    /// Sends a recorded frame to those who listen. One that is `whole` stands on its own: those
    /// who waited for a whole book get it, too.
    pub fn push_recorded(&mut self, now_ns: u64, id: RecordedId, text: Arc<str>, whole: bool) {
        self.advance(now_ns);
        let Some(shelf) = &mut self.shelf else { return };
        let feed = &shelf.feeds[id.0];
        if !feed.incremental {
            let most = if is_state(&feed.channel) { 1 } else { RECENT_MAX };
            let recent = shelf.recent.entry(id.0).or_default();
            if recent.len() >= most {
                recent.pop_front();
            }
            recent.push_back(Arc::clone(&text));
        }
        let frame = Frame { text, bytes: None, truth: None };
        let of_it = (id.0, ConnId(0))..=(id.0, ConnId(u64::MAX));
        let waiting: Vec<ConnId> = shelf.waiting.range(of_it).map(|(_, conn)| *conn).collect();
        if whole {
            for conn in waiting {
                shelf.left(conn, id.0);
            }
            return self.push(key(id), &frame);
        }
        self.push_if(key(id), &frame, |conn| !waiting.contains(&conn));
    }

    /// Sends everybody who listens to a book the whole of it: what the recording holds is good
    /// again, and no frame on it says so.
    pub fn push_recorded_book(&mut self, now_ns: u64, id: RecordedId, book: &RecordedBook) {
        let Some(shelf) = &self.shelf else { return };
        let text = snapshot_text(&shelf.feeds[id.0], book);
        self.push_recorded(now_ns, id, text.into(), true);
    }

    /// What was sent last says nothing of how things stand: the recording was interrupted.
    pub fn forget_recorded(&mut self, id: RecordedId) {
        if let Some(shelf) = &mut self.shelf {
            shelf.recent.remove(&id.0);
        }
    }

    /// How many subscriptions are live, over all connections.
    pub fn subscribed(&self) -> usize {
        self.conns.values().map(|conn| conn.subs.len()).sum()
    }

    /// Announces the end with OKX's notice of an upgrade, and closes every connection.
    pub fn end_all(&mut self, now_ns: u64, why: &str) {
        self.end_those(now_ns, why, |_| true);
    }

    /// The same for those who listen to one of these.
    pub fn end_listeners(&mut self, now_ns: u64, of: &BTreeSet<RecordedId>, why: &str) {
        self.end_those(now_ns, why, |conn| {
            let is_one = |target: &Target| {
                matches!(target, Target::Recorded(n) if of.contains(&RecordedId(*n)))
            };
            conn.subs.iter().any(|(target, _)| is_one(target))
        });
    }

    fn end_those(&mut self, now_ns: u64, why: &str, which: impl Fn(&Conn) -> bool) {
        self.advance(now_ns);
        let conns = self.conns.iter().filter(|(_, state)| which(state));
        let conns: Vec<(ConnId, String)> =
            conns.map(|(conn, state)| (*conn, state.hex.clone())).collect();
        for (conn, hex) in conns {
            let msg = json(why);
            let text = format!(
                "{{\"event\":\"notice\",\"code\":\"64008\",\"msg\":{msg},\"connId\":\"{hex}\"}}"
            );
            self.say(conn, text, None);
            self.close(conn, 1001, why);
        }
    }

    /// Which recorded feed an argument means, or the error for it.
    pub(crate) fn find_recorded(&self, channel: &str, about: &str) -> Option<(FeedKey, bool)> {
        let shelf = self.shelf.as_ref()?;
        let n = shelf.find(channel, about)?;
        Some((key(RecordedId(n)), shelf.feeds[n].business))
    }
}

fn key(id: RecordedId) -> FeedKey {
    (Target::Recorded(id.0), Channel::Recorded)
}

/// The first frame of a book, as OKX sends it after the subscription.
pub(crate) fn snapshot_text(feed: &RecordedFeed, book: &RecordedBook) -> String {
    let (channel, about) = (json(&feed.channel), json(&feed.about));
    format!(
        "{{\"arg\":{{\"channel\":{channel},\"instId\":{about}}},\"action\":\"snapshot\",\
         \"data\":[{{\"asks\":{},\"bids\":{},\"ts\":\"{}\",\"checksum\":0,\"prevSeqId\":-1,\
         \"seqId\":{}}}]}}",
        levels_text(&book.asks, usize::MAX),
        levels_text(&book.bids, usize::MAX),
        book.ts_ms,
        book.seq,
    )
}

/// The best levels of a side as JSON.
pub(crate) fn levels_text(levels: &[RecordedLevel], most: usize) -> String {
    let level = |l: &RecordedLevel| {
        format!("[{},{},{},\"{}\"]", json(&l.px), json(&l.sz), json(&l.third), l.orders)
    };
    let all: Vec<String> = levels.iter().take(most).map(level).collect();
    format!("[{}]", all.join(","))
}
