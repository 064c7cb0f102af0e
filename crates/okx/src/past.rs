//! The past, asked for over REST: which requests bring a stretch of trades, bars or payments.
//!
//! A [`Walk`] is one channel and instrument from one moment to another. Whoever drives it asks for
//! [`Walk::path`], hands the answer to [`Walk::take`], and goes on until there is no path: the
//! node's `backfill` does, so do tests against the pretend exchange. Pages go from the end of the
//! stretch to its beginning, because OKX's `before` alone gives the newest page, not the next one
//! (docs, 2026-08-22).
//!
//! OKX answers from caches of different age. So trades are taken by their ids and bars by their
//! times without holes: what a page lacks is asked for again ([`LOOKS_MAX`]) before it counts as
//! nowhere to be had.
//!
//! Invariants: no row comes out twice; rows lie within the stretch; nothing is asked for that is
//! known already; any bytes may be handed in.

mod bars;
mod csv;
mod files;
pub(crate) mod funding;
mod seen;
mod trades;

use crate::channel::figures::FigureRow;
use crate::channel::{self, BarSpec, Form};
use crate::codes::is_retryable;
use crate::json::{self, Raw};
use crate::limits::REFILL_LOOKS_MAX as LOOKS_MAX;
use market_data_model::figures::Sheet;
use market_data_model::{Bar, BarKind, Nanos, Trade};
use std::collections::BTreeMap;

pub use csv::{CsvCounts, CsvRow, TradesCsv, said};
pub use files::{
    DAYS_MAX, DailyFile, FILES, FILES_ORIGIN, costs, day_of, files_listed, files_path, may_fetch,
    refusal, span_of, whole_days,
};
pub use seen::Seen;

/// The channel of fetched payments: its rows are not those of the live `funding-rate`.
pub const PAYMENTS: &str = "funding-rate-history";
/// What a record of [`PAYMENTS`] says.
pub const PAYMENTS_SHEET: &Sheet = &funding::FORM.sheet;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The channel whose records are fetched.
    pub channel: String,
    /// The instrument, or the index of channels of an index.
    pub inst_id: String,
    /// First millisecond.
    pub from_ms: u64,
    /// The first millisecond after.
    pub to_ms: u64,
    /// The time it is: bars that are not finished by then are not missed.
    pub now_ms: u64,
}

/// Trades that are there already: from this id to that one, and when the first of them was
/// (milliseconds).
pub type KnownIds = (u64, u64, u64);

/// Rows of daily files by their ids, for comparison with what REST says of them.
pub type FileRows = BTreeMap<u64, CsvRow>;

/// A trade of which a daily file and REST do not say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// Its id.
    pub trade_id: u64,
    /// What the file says, in words.
    pub file: String,
    /// What REST says, in words.
    pub rest: String,
}

/// One fetched row.
#[derive(Clone, Debug)]
pub enum Row {
    /// A fill, with the venue's time.
    Trade(Option<Nanos>, Trade),
    /// A finished bar.
    Bar(Bar),
    /// A payment of funding.
    Payment(FigureRow),
}

/// What an answer was good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Took {
    /// It was used.
    Rows,
    /// It lacks what must be there: the same again, a little later.
    Look,
    /// No answer, or none that can be used: the same again, later.
    Later {
        /// Whether we ask too often.
        limited: bool,
        /// What came instead.
        why: String,
    },
    /// The venue refuses this for good.
    Never(String),
}

/// What can be fetched of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Trades,
    Bars(BarKind, &'static BarSpec),
    Payments,
}

/// See the file's first comment.
#[derive(Clone, Debug)]
pub struct Walk {
    wish: Wish,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Trades(trades::Trades),
    Bars(bars::Bars),
    Payments(funding::Payments),
}

/// Whether a channel's past can be fetched.
///
/// # Errors
/// In words, when it cannot.
pub fn check(channel: &str) -> Result<(), String> {
    what(channel).map(|_| ())
}

/// The channel under which what is fetched for one is kept.
pub fn kept_as(channel: &str) -> &str {
    if channel == "funding-rate" { PAYMENTS } else { channel }
}

fn what(channel: &str) -> Result<What, String> {
    if matches!(channel, "funding-rate" | PAYMENTS) {
        return Ok(What::Payments);
    }
    let spec = channel::find(channel).ok_or("there is no such channel")?;
    match spec.form {
        Form::Trade => Ok(What::Trades),
        Form::Bar(kind, size) if bars::has_history(kind, size) => Ok(What::Bars(kind, size)),
        Form::Bar(..) => Err("OKX keeps no history of this bar".to_owned()),
        _ => Err("OKX gives its past only to those who recorded it".to_owned()),
    }
}

impl Walk {
    /// The way through a stretch; of trades those that are `known` already (ascending) are passed
    /// over, and those from the id `below` on as well.
    ///
    /// # Errors
    /// In words, when the channel has no past that can be fetched.
    pub fn new(wish: Wish, known: Vec<KnownIds>, below: Option<u64>) -> Result<Walk, String> {
        let way = match what(&wish.channel)? {
            What::Trades => Way::Trades(trades::Trades::new(&wish, known, below)),
            What::Bars(kind, size) => Way::Bars(bars::Bars::new(&wish, kind, size)),
            What::Payments => Way::Payments(funding::Payments::new(&wish)),
        };
        Ok(Walk { wish, way })
    }

    /// Rows of daily files that are there already: where REST names one of them, both are compared.
    pub fn compare(&mut self, rows: FileRows) {
        if let Way::Trades(trades) = &mut self.way {
            trades.compare(rows);
        }
    }

    /// How many of those rows REST named so far, and those of which it says something else; each
    /// is told once.
    pub fn compared(&mut self) -> (u64, Vec<Differing>) {
        match &mut self.way {
            Way::Trades(trades) => trades.compared(),
            Way::Bars(_) | Way::Payments(_) => (0, Vec::new()),
        }
    }

    /// What was wished for.
    pub fn wish(&self) -> &Wish {
        &self.wish
    }

    /// What to ask for next; `None` when the whole stretch is there.
    pub fn path(&self) -> Option<String> {
        match &self.way {
            Way::Trades(trades) => trades.path(&self.wish),
            Way::Bars(bars) => bars.path(&self.wish),
            Way::Payments(payments) => payments.path(&self.wish),
        }
    }

    /// Takes the answer to [`Walk::path`]; what it brought goes into `rows`.
    pub fn take(&mut self, (status, body): (u16, &[u8]), rows: &mut Vec<Row>) -> Took {
        let data = match read(status, body) {
            Ok(data) => data,
            Err(took) => return took,
        };
        match &mut self.way {
            Way::Trades(trades) => trades.take(&self.wish, data, rows),
            Way::Bars(bars) => bars.take(&self.wish, data, rows),
            Way::Payments(payments) => payments.take(&self.wish, data, rows),
        }
    }

    /// From here to the end of the stretch everything is there, milliseconds.
    pub fn reached_ms(&self) -> u64 {
        let reached = match &self.way {
            Way::Trades(trades) => trades.reached_ms(&self.wish),
            Way::Bars(bars) => bars.reached_ms(&self.wish),
            Way::Payments(payments) => payments.reached_ms(&self.wish),
        };
        reached.clamp(self.wish.from_ms, self.wish.to_ms)
    }

    /// Of trades, the lowest id that is there down from the end; `None` if there is none.
    pub fn first_id(&self) -> Option<u64> {
        match &self.way {
            Way::Trades(trades) => trades.first_id(),
            Way::Bars(_) | Way::Payments(_) => None,
        }
    }

    /// Ids, or bars, that the venue did not have.
    pub fn absent(&self) -> u64 {
        match &self.way {
            Way::Trades(trades) => trades.absent(),
            Way::Bars(bars) => bars.absent(),
            Way::Payments(_) => 0,
        }
    }
}

/// The rows of an answer.
fn read(status: u16, body: &[u8]) -> Result<Raw<'_>, Took> {
    let later = |limited, why: String| Err(Took::Later { limited, why });
    let Ok(raw) = json::parse(body) else {
        return later(status == 429, format!("an answer that is not OKX's (status {status})"));
    };
    let text = |name| raw.field(name).and_then(Raw::text).unwrap_or_default();
    let (code, msg) = (text("code"), text("msg"));
    let why = format!("{code} {msg} (status {status})");
    match (status, &*code) {
        (200, "0") => raw.field("data").map_or_else(|| later(false, why), Ok),
        (429, _) | (_, "50011") => later(true, why),
        (_, code) if is_retryable(code) => later(false, why),
        // Parameters or an instrument that OKX does not take (docs, 2026-08-22).
        (200 | 400..=499, _) if !code.is_empty() => Err(Took::Never(why)),
        _ => later(false, why),
    }
}

/// Time between two requests for this path, nanoseconds, a tenth more than OKX allows, and what
/// the limit counts by: the address and the endpoint, of payments the instrument too (docs,
/// 2026-08-22; limits are per IP).
pub fn pace(path: &str) -> (u64, &str) {
    const MILLI: u64 = 1_000_000;
    let endpoint = path.split('?').next().unwrap_or(path);
    match endpoint {
        bars::INDEX => (220 * MILLI, endpoint),
        funding::HISTORY => (220 * MILLI, path.split('&').next().unwrap_or(path)),
        _ => (110 * MILLI, endpoint),
    }
}

#[cfg(test)]
mod tests;
