//! The list of what is followed: rows, their order, the filter and which one is chosen.
//!
//! Invariants: the chosen instrument stays chosen while it is in the list, however the order or
//! the filter change; at most [`ROWS_MAX`] rows are kept.

use crate::number;
use crate::said::{number as whole, text, texts};
use serde_json::Value;

/// Most rows kept.
const ROWS_MAX: usize = 5_000;

/// Why an instrument cannot be trusted, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Of its channels the one it is about.
    pub channel: String,
    /// The server's word.
    pub cause: String,
    /// Unix ms; `None` = not said.
    pub since: Option<u64>,
}

/// One instrument. Prices are the server's text, `None` while there is none.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub inst: String,
    /// `SPOT`, `SWAP` …
    pub kind: Option<String>,
    pub last: Option<String>,
    pub open: Option<String>,
    pub high: Option<String>,
    pub low: Option<String>,
    pub volume: Option<String>,
    pub quote_volume: Option<String>,
    pub channels: Vec<String>,
    pub stale: Option<Stale>,
    /// Closing prices, oldest first, without the price of the moment.
    pub spark: Vec<String>,
    /// The price moved up or down with the last ticker that moved it.
    pub up: Option<bool>,
}

impl Row {
    fn read(of: &Value) -> Option<Row> {
        let stale = of.get("stale").filter(|stale| stale.is_object()).map(|stale| Stale {
            channel: text(stale, "channel").unwrap_or_default(),
            cause: text(stale, "cause").unwrap_or_default(),
            since: whole(stale, "since"),
        });
        Some(Row {
            inst: text(of, "instId")?,
            kind: text(of, "instType"),
            last: text(of, "last"),
            open: text(of, "open24h"),
            high: text(of, "high24h"),
            low: text(of, "low24h"),
            volume: text(of, "volume"),
            quote_volume: text(of, "quoteVolume"),
            channels: texts(of, "channels"),
            stale,
            spark: texts(of, "spark"),
            up: None,
        })
    }

    /// Change over 24 hours, in hundredths of a percent.
    pub fn change(&self) -> Option<i128> {
        number::change(self.last.as_deref()?, self.open.as_deref()?)
    }

    /// The first of these channels that is followed.
    pub fn channel(&self, preferred: &[&str]) -> Option<String> {
        let followed = |name: &&&str| self.channels.iter().any(|channel| channel == **name);
        preferred.iter().find(followed).map(|name| (*name).to_owned())
    }

    /// Prices of the little line, with the price of the moment.
    pub fn line(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.spark.iter().map(String::as_str).chain(self.last.as_deref())
    }
}

/// How the list is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As the server lists them.
    #[default]
    Server,
    /// By name.
    Name,
    /// Largest rise first; what has none comes last.
    Change,
    /// Largest turnover in quote coin first; what has none comes last.
    Turnover,
}

impl Order {
    /// The one after it.
    pub fn next(self) -> Order {
        match self {
            Order::Server => Order::Name,
            Order::Name => Order::Change,
            Order::Change => Order::Turnover,
            Order::Turnover => Order::Server,
        }
    }

    /// In a word; nothing of the server's.
    pub fn word(self) -> &'static str {
        match self {
            Order::Server => "",
            Order::Name => "by name",
            Order::Change => "by change",
            Order::Turnover => "by turnover",
        }
    }
}

/// The list.
#[derive(Debug, Default)]
pub struct Watch {
    rows: Vec<Row>,
    /// Whether the server has sent a list.
    pub known: bool,
    pub order: Order,
    pub filter: String,
    chosen: Option<String>,
}

impl Watch {
    /// Takes the server's list.
    pub fn load(&mut self, body: &Value) {
        let Some(list) = body.get("watch").and_then(Value::as_array) else { return };
        let before = std::mem::take(&mut self.rows);
        self.rows = list.iter().filter_map(Row::read).take(ROWS_MAX).collect();
        for row in &mut self.rows {
            row.up = before.iter().find(|old| old.inst == row.inst).and_then(|old| old.up);
        }
        self.known = true;
        self.choose_something();
    }

    /// Takes a ticker record; one of an instrument that is not listed yet waits for the list.
    pub fn ticker(&mut self, record: &Value) {
        let Some(inst) = record.get("instId").and_then(Value::as_str) else { return };
        let Some(row) = self.rows.iter_mut().find(|row| row.inst == inst) else { return };
        let last = text(record, "price");
        if let (Some(old), Some(new)) = (row.last.as_deref(), last.as_deref()) {
            let (old, new) = (number::read(old), number::read(new));
            if let (Some(old), Some(new)) = (old, new) {
                row.up = match new.cmp_value(old) {
                    std::cmp::Ordering::Greater => Some(true),
                    std::cmp::Ordering::Less => Some(false),
                    std::cmp::Ordering::Equal => row.up,
                };
            }
        }
        row.last = last;
        row.open = text(record, "open24h");
        row.high = text(record, "high24h");
        row.low = text(record, "low24h");
        row.volume = text(record, "volume");
        row.quote_volume = text(record, "quoteVolume");
    }

    /// The rows that pass the filter, in order.
    pub fn shown(&self) -> Vec<&Row> {
        let wanted = self.filter.to_uppercase();
        let passes = |row: &&Row| row.inst.to_uppercase().contains(&wanted);
        let mut rows: Vec<&Row> = self.rows.iter().filter(passes).collect();
        match self.order {
            Order::Server => {}
            Order::Name => rows.sort_by(|a, b| a.inst.cmp(&b.inst)),
            Order::Change => rows.sort_by_key(|row| std::cmp::Reverse(row.change())),
            Order::Turnover => rows.sort_by(|a, b| {
                let of = |row: &Row| row.quote_volume.as_deref().and_then(number::read);
                match (of(a), of(b)) {
                    (Some(a), Some(b)) => b.cmp_value(a),
                    (a, b) => b.is_some().cmp(&a.is_some()),
                }
            }),
        }
        rows
    }

    /// How many there are, filtered or not.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many of them are stale.
    pub fn stale(&self) -> usize {
        self.rows.iter().filter(|row| row.stale.is_some()).count()
    }

    /// The chosen one.
    pub fn chosen(&self) -> Option<&Row> {
        let chosen = self.chosen.as_deref()?;
        self.rows.iter().find(|row| row.inst == chosen)
    }

    /// Moves the choice by so many rows of what is shown, stopping at the ends.
    pub fn step(&mut self, by: isize) {
        let shown = self.shown();
        let at = shown.iter().position(|row| Some(&row.inst) == self.chosen.as_ref());
        let Some(most) = shown.len().checked_sub(1) else { return };
        let to = at.map_or(0, |at| at.saturating_add_signed(by).min(most));
        let inst = shown[to].inst.clone();
        self.chosen = Some(inst);
    }

    /// If nothing is chosen, or what is chosen is not in the list, the first that is shown is.
    pub fn choose_something(&mut self) {
        let shown = self.shown();
        if shown.iter().all(|row| Some(&row.inst) != self.chosen.as_ref())
            && let Some(first) = shown.first()
        {
            let inst = first.inst.clone();
            self.chosen = Some(inst);
        }
    }
}
