//! The chosen instrument: its book, its trades, and a few facts about it.
//!
//! Invariants: levels are shown only while the server says that the book is live, so an open gap
//! takes them away; what the server says was lost stands among the trades.

use crate::number;
use crate::said::{clean, millis, number as whole, text};
use crate::watch::Stale;
use market_data_model::Decimal;
use serde_json::Value;
use std::collections::VecDeque;

/// Trades kept.
const TRADES_MAX: usize = 500;
/// Levels kept of each side.
pub const LEVELS_MAX: usize = 50;

/// One level, with the sum of the quantities from the touch to it.
#[derive(Clone, Debug)]
pub struct Level {
    pub px: String,
    pub qty: String,
    pub sum: Option<Decimal>,
}

/// Both sides, best first.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
    /// The venue's id of it.
    pub id: Option<u64>,
}

impl Book {
    fn read(record: &Value) -> Book {
        Book {
            bids: levels(record, "bids"),
            asks: levels(record, "asks"),
            id: whole(record, "lastUpdateId"),
        }
    }

    /// Between the best prices; `None` if a side is empty.
    pub fn spread(&self) -> Option<String> {
        number::difference(&self.asks.first()?.px, &self.bids.first()?.px)
    }
}

fn levels(record: &Value, side: &str) -> Vec<Level> {
    let list = record.get(side).and_then(Value::as_array);
    let mut sum = Some(Decimal::ZERO);
    let level = |level: &Value| {
        let (px, qty) = (level.get(0)?.as_str()?, level.get(1)?.as_str()?);
        sum = sum.zip(number::read(qty)).and_then(|(sum, qty)| number::sum(sum, qty));
        Some(Level { px: clean(px), qty: clean(qty), sum })
    };
    list.into_iter().flatten().filter_map(level).take(LEVELS_MAX).collect()
}

/// A line among the trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Trade {
        at: Option<u64>,
        px: String,
        qty: String,
        side: String,
    },
    /// So many records are missing here.
    Lost(u64),
}

/// Everything about the chosen instrument.
#[derive(Debug, Default)]
pub struct Market {
    /// Which; `None` while there is none.
    pub inst: Option<String>,
    /// Channels of the book and of the trades; `None`: not followed.
    pub channels: [Option<String>; 2],
    /// The book, while the server shows one.
    pub book: Option<Book>,
    /// An open gap of the book's channel.
    pub stale: Option<Stale>,
    /// Newest first.
    pub trades: VecDeque<Line>,
    /// Marks and the like: label and text.
    pub facts: Vec<(&'static str, String)>,
}

impl Market {
    /// Another instrument, of which nothing is known yet.
    pub fn choose(&mut self, inst: Option<String>, channels: [Option<String>; 2]) {
        *self = Market { inst, channels, ..Market::default() };
    }

    /// A record of the book's channel.
    pub fn take_book(&mut self, record: &Value) {
        match record.get("type").and_then(Value::as_str) {
            Some("orderbook") => {
                self.book = Some(Book::read(record));
                self.stale = None;
            }
            Some("gap") if record.get("event").and_then(Value::as_str) == Some("opened") => {
                self.book = None;
                self.stale = Some(Stale {
                    channel: text(record, "channel").unwrap_or_default(),
                    cause: text(record, "cause").unwrap_or_default(),
                    since: millis(record, "tsRecv"),
                });
            }
            _ => {}
        }
    }

    /// A record of the trades' channel.
    pub fn take_trade(&mut self, record: &Value) {
        if record.get("type").and_then(Value::as_str) != Some("trade") {
            return;
        }
        self.push(Line::Trade {
            at: whole(record, "timestamp"),
            px: text(record, "price").unwrap_or_default(),
            qty: text(record, "quantity").unwrap_or_default(),
            side: text(record, "side").unwrap_or_default(),
        });
    }

    /// The server says that so many records of trades are missing.
    pub fn lost(&mut self, count: u64) {
        self.push(Line::Lost(count));
    }

    fn push(&mut self, line: Line) {
        self.trades.push_front(line);
        self.trades.truncate(TRADES_MAX);
    }

    /// A flat record: a mark, funding, open interest, an index.
    pub fn take_fact(&mut self, record: &Value) {
        const FACTS: [(&str, &str, &str); 6] = [
            ("mark-price", "mark", "markPx"),
            ("index-tickers", "index", "idxPx"),
            ("funding-rate", "funding", "fundingRate"),
            ("open-interest", "open interest", "oi"),
            ("price-limit", "highest buy", "buyLmt"),
            ("price-limit", "lowest sell", "sellLmt"),
        ];
        let channel = record.get("channel").and_then(Value::as_str).unwrap_or_default();
        for (_, label, field) in FACTS.iter().filter(|(of, ..)| *of == channel) {
            let Some(value) = text(record, field) else { continue };
            match self.facts.iter_mut().find(|(known, _)| known == label) {
                Some((_, old)) => *old = value,
                None => self.facts.push((label, value)),
            }
        }
        let place = |label: &str| FACTS.iter().position(|(_, known, _)| *known == label);
        self.facts.sort_by_key(|(label, _)| place(label));
    }

    /// The connection is gone: what was live is not any more. Trades happened and stay.
    pub fn lose(&mut self) {
        self.book = None;
        self.stale = None;
    }
}
