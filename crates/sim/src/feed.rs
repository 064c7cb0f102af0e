//! One feed: a channel of one instrument, shared by all its subscribers.
//!
//! `exchange.rs` owns them by [`FeedKey`](crate::channel::FeedKey); they exist only while somebody
//! listens, so nothing is computed for nobody. The chain of a book is a property of the feed, not
//! of a connection: that is why sequence ids agree across connections, as on OKX.
//!
//! Invariant: `Memory` matches the channel. Start at [`Feed`].

use std::sync::Arc;

use crate::api::{ConnId, Truth};
use crate::bars::Ohlc;
use crate::book::Book;
use crate::calendar::Bar;
use crate::net::Frame;

/// A live subscription never ends by itself.
pub const LIVE: u64 = u64::MAX;

/// One listener of a feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    pub conn: ConnId,
    /// [`LIVE`], or until when frames still trail after an unsubscribe.
    pub until_ns: u64,
}

/// What a feed remembers between pushes.
pub enum Memory {
    /// Books: what was published last.
    Book(Book),
    /// Candles: the bar that is open, and whether it changed since the last push.
    Candle { bar: Bar, open: Ohlc, dirty: bool },
    /// Channels that send their newest state: the part of it that has to change.
    State(String),
    /// Channels of single events.
    Events,
}

/// One feed.
pub struct Feed {
    /// The channel's name.
    pub channel: String,
    /// `instId`, index, or `instType`.
    pub inst_id: String,
    /// The `arg` of its frames, as JSON.
    pub arg: String,
    pub listeners: Vec<Listener>,
    pub memory: Memory,
    pub last_push_ns: u64,
}

impl Feed {
    /// A frame with `action` if there is one; `data` is the JSON between the outer brackets.
    pub fn frame(&self, action: Option<&str>, data: &str, truth: Option<Truth>) -> Frame {
        let mut text = String::with_capacity(self.arg.len() + data.len() + 40);
        text.push_str("{\"arg\":");
        text.push_str(&self.arg);
        if let Some(action) = action {
            text.push_str(",\"action\":\"");
            text.push_str(action);
            text.push('"');
        }
        text.push_str(",\"data\":[");
        text.push_str(data);
        text.push_str("]}");
        Frame { text: text.into(), bytes: None, truth: truth.map(Arc::new) }
    }

    /// The truth of a frame that is not a book.
    pub fn truth(&self, rows: Vec<Fields>) -> Truth {
        Truth { channel: self.channel.clone(), inst_id: self.inst_id.clone(), rows, book: None }
    }
}

/// One element of `data`: names and texts.
pub type Fields = Vec<(&'static str, String)>;

/// An object of texts, except for the names in `raw`, which are printed without quotes.
pub fn object(fields: &Fields, raw: &[&str]) -> String {
    let mut out = String::with_capacity(fields.len() * 24);
    for (n, (name, text)) in fields.iter().enumerate() {
        out.push_str(if n == 0 { "{\"" } else { ",\"" });
        out.push_str(name);
        out.push_str("\":");
        if raw.contains(name) {
            out.push_str(text);
        } else {
            crate::text::push_json(&mut out, text);
        }
    }
    out.push('}');
    out
}

/// An array of texts, for candles.
pub fn array(fields: &Fields) -> String {
    let mut out = String::with_capacity(fields.len() * 16);
    for (n, (_, text)) in fields.iter().enumerate() {
        out.push_str(if n == 0 { "[\"" } else { ",\"" });
        out.push_str(text);
        out.push('"');
    }
    out.push(']');
    out
}
