//! Where a record goes: table, directory, day.
//!
//! Invariants: a directory tree below `channel=<name>` or `table=<name>` holds one kind of record;
//! any text of a venue becomes one harmless path component, and different texts different ones.

use crate::schema::Form;
use market_data_model::fields::{self, Value, Visitor};
use market_data_model::time::civil;
use market_data_model::{Body, BookKind, EventRef, Nanos};

/// What a partition without a value is called, in every Hive reader.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// What names of files begin with whose records were fetched, not recorded.
pub const FILL: &str = "fill-";
pub(crate) const DAY: u64 = 86_400_000_000_000;

/// One table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// The records of a channel: trades, tickers, bars, changes of books, or books.
    Channel,
    /// Books at an interval, made from changes.
    Snapshots,
    /// Rows of channels that were not known when they were converted.
    Raw,
    /// Stretches that cannot be trusted.
    Gaps,
    /// Lives of connections.
    Sessions,
    /// What became of subscriptions.
    Subscriptions,
    /// What was not understood.
    Faults,
    /// Instruments as the venue described them.
    Instruments,
}

impl Table {
    /// Where this record goes. Views of a book whose changes are recorded go to the snapshots.
    pub fn of(event: &EventRef<'_>) -> Table {
        match event.body {
            Body::Gap(_) => Table::Gaps,
            Body::Session(_) => Table::Sessions,
            Body::Subscription(_) => Table::Subscriptions,
            Body::Fault(_) => Table::Faults,
            Body::Instrument(_) => Table::Instruments,
            Body::Raw(_) => Table::Raw,
            // Whatever a channel says.
            _ => Table::Channel,
        }
    }

    /// Whether its directories hold one channel and instrument each.
    pub fn form(self) -> Form {
        match self {
            Table::Channel | Table::Snapshots | Table::Raw => Form::Keyed,
            _ => Form::Mixed,
        }
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Table::Channel => None,
            Table::Snapshots => Some("snapshots"),
            Table::Raw => Some("raw"),
            Table::Gaps => Some("gaps"),
            Table::Sessions => Some("sessions"),
            Table::Subscriptions => Some("subscriptions"),
            Table::Faults => Some("faults"),
            Table::Instruments => Some("instruments"),
        }
    }

    /// The directory of a table's day below the archive, with `/` between components.
    pub fn dir(self, venue: &str, channel: &str, inst_id: &str, day: u32) -> String {
        let mut dir = format!("venue={}", component(venue));
        if let Some(name) = self.name() {
            dir.push_str(&format!("/table={name}"));
        }
        if self.form() == Form::Keyed {
            dir.push_str(&format!(
                "/channel={}/inst_id={}",
                component(channel),
                component(inst_id)
            ));
        }
        dir + "/date=" + &date(u64::from(day) * DAY)
    }
}

/// The day of a time in nanoseconds, UTC: `2026-11-23`.
pub(crate) fn date(at: u64) -> String {
    let (year, month, day) = civil((at / DAY) as i64);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The day of a time, UTC, counted from 1970.
pub fn day(at: Nanos) -> u32 {
    (at.0 / DAY) as u32
}

/// When a record happened at the venue: its `timestamp`, a bar's `openTime`, a payment's
/// `fundingTime`; `None` if it has none of them.
pub(crate) fn happened(event: &EventRef<'_>) -> Option<Nanos> {
    struct Times(Option<u64>);
    impl Visitor for Times {
        fn field(&mut self, name: &'static str, value: Value<'_>) {
            if let Value::Millis(Some(at)) = value
                && HAPPENED.contains(&name)
            {
                self.0.get_or_insert(at);
            }
        }
    }
    let mut times = Times(None);
    fields::visit(event, &mut times);
    times.0.map(|ms| Nanos(ms.saturating_mul(1_000_000)))
}

/// The fields that [`happened`] looks at.
const HAPPENED: [&str; 3] = ["timestamp", "openTime", "fundingTime"];

/// Whether this is a book that stands for itself, not a change.
pub fn is_view(event: &EventRef<'_>) -> bool {
    matches!(event.body, Body::Book(book, ..) if book.kind == BookKind::View)
}

/// Any text as one component: bytes other than letters, digits and `-_.` become `%XX`, as Hive
/// does it.
pub(crate) fn component(text: &str) -> String {
    if text.is_empty() {
        return NULL.to_owned();
    }
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if name == NULL { name.replace('_', "%5F") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn directories_are_hives() {
        let dir = Table::Channel.dir("okx", "books", "BTC-USDT", 20_780);
        assert_eq!(dir, "venue=okx/channel=books/inst_id=BTC-USDT/date=2026-11-23");
        let dir = Table::Gaps.dir("okx", "books", "BTC-USDT", 20_780);
        assert_eq!(dir, "venue=okx/table=gaps/date=2026-11-23");
        let dir = Table::Snapshots.dir("okx", "books", "../x", 0);
        assert_eq!(dir, "venue=okx/table=snapshots/channel=books/inst_id=..%2Fx/date=1970-01-01");
    }

    proptest! {
        #[test]
        fn a_component_is_harmless_and_of_one_text(texts in proptest::collection::vec(".*", 1..9)) {
            let mut seen = BTreeMap::new();
            for text in texts {
                let name = component(&text);
                prop_assert!(!name.is_empty() && name.is_ascii());
                prop_assert!(!name.contains(['/', '\\', '=']));
                prop_assert_eq!(seen.entry(name).or_insert_with(|| text.clone()), &text);
            }
        }
    }
}
