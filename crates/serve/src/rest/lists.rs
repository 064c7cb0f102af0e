//! Lists of records: `instruments`, `trades`, `klines`, `tickers`, `values`, `gaps`.
//!
//! Records are the very text that clients of `/ws` get.

use super::{Asked, Asks, Failure, csv, json_text, wants_csv};
use crate::book::{Text, text};
use crate::server::Shared;
use crate::store::{BARS_MAX, Entry, GAPS_MAX, Kept, TRADES_MAX};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use market_data_model::batch::{Names, Other};
use market_data_model::event::{FeedId, Header};
use market_data_model::{Batch, Instrument, Nanos};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Instruments in one answer, at most and usually.
const INSTRUMENTS_MAX: usize = 5000;
const USUAL: usize = 100;

type Answer = Result<Response, Failure>;
type Of = State<Arc<Shared>>;

fn answer(name: &str, columns: &[&str], headers: &HeaderMap, list: &[Text]) -> Response {
    if wants_csv(headers) {
        return csv::records(columns, list);
    }
    json_text(format!("{{\"{name}\":[{}]}}", list.join(",")))
}

fn unknown(inst: &str) -> Failure {
    Failure::new(404, "not_found", format!("nothing is known of {inst:?}"))
}

/// `instruments?q=&type=&limit=&after=`: the venue's whole list as it was at the start, and what is
/// known since, by id.
pub(crate) async fn instruments(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["q", "type", "limit", "after"])?;
    let limit = asked.limit(USUAL, INSTRUMENTS_MAX)?;
    let q = asked.text("q").unwrap_or_default().to_ascii_uppercase();
    let kind = asked.text("type").map(str::to_ascii_uppercase);
    let after = asked.text("after").unwrap_or_default();
    let fits = |instrument: &Instrument| {
        let is = instrument.inst_type.as_ref().map(|t| t.as_str());
        *instrument.inst_id > *after
            && (kind.is_none() || kind.as_deref() == is)
            && (instrument.inst_id.to_ascii_uppercase().contains(&q)
                || instrument.symbol().to_ascii_uppercase().contains(&q))
    };
    // What is followed is known better, and may have been listed since.
    let listed = shared.hub.catalogue().filter(|(_, one)| fits(one));
    let mut found: BTreeMap<&str, Text> = BTreeMap::new();
    let state = shared.hub.lock();
    for (_, entries) in state.store.instruments() {
        if let Some((entry, instrument)) = best(&entries)
            && fits(instrument)
        {
            found.insert(&instrument.inst_id, record((entry.feed, entry.last), instrument));
        }
    }
    for (id, instrument) in listed {
        found.entry(id).or_insert_with(|| record((FeedId(0), Nanos(0)), instrument));
    }
    let list: Vec<Text> = found.into_values().take(limit).collect();
    drop(state);
    Ok(answer("instruments", &csv::INSTRUMENTS, &headers, &list))
}

/// The description that says most.
fn best<'a>(entries: &[&'a Entry]) -> Option<(&'a Entry, &'a Arc<Instrument>)> {
    let known = entries.iter().filter_map(|entry| Some((*entry, entry.instrument.as_ref()?)));
    let known = known.filter(|(_, instrument)| !instrument.inst_id.is_empty());
    known.max_by_key(|(_, instrument)| (instrument.inst_type.is_some(), instrument.row.len()))
}

fn record((feed, ts_recv): (FeedId, Nanos), instrument: &Arc<Instrument>) -> Text {
    let mut batch = Batch::default();
    let (channels, instruments) = (vec!["instruments".into()], vec![Arc::clone(instrument)]);
    batch.set_names(&Arc::new(Names { venue: "okx", channels, instruments }));
    let (channel, inst) = (Some(0), Some(0));
    let header = Header { feed, n: 0, channel, inst, ts_event: None, ts_recv };
    batch.push_other(header, Other::Instrument(Arc::clone(instrument)));
    batch.get(0).map_or_else(|| "null".into(), |event| text(&event))
}

/// The limits of a page: a number behind `after` and before `before`, and the record's own time
/// from `from` on and before `to`, in ms.
struct Page {
    before: Option<u64>,
    after: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
}

impl Page {
    fn read(asked: &Asked) -> Result<Page, Failure> {
        let (before, after) = (asked.number("before")?, asked.number("after")?);
        Ok(Page { before, after, from: asked.number("from")?, to: asked.number("to")? })
    }

    fn holds(&self, number: u64) -> bool {
        self.before.is_none_or(|before| number < before)
            && self.after.is_none_or(|after| number > after)
    }

    fn holds_time(&self, ms: u64) -> bool {
        self.from.is_none_or(|from| ms >= from) && self.to.is_none_or(|to| ms < to)
    }

    /// Whether the oldest that fit are wanted, not the newest.
    fn goes_up(&self) -> bool {
        self.before.is_none() && self.to.is_none() && (self.after.is_some() || self.from.is_some())
    }

    /// So many of what fits, the oldest or the newest of it, oldest first.
    fn cut(&self, fitting: impl DoubleEndedIterator<Item = Text>, limit: usize) -> Vec<Text> {
        if self.goes_up() {
            return fitting.take(limit).collect();
        }
        let mut list: Vec<Text> = fitting.rev().take(limit).collect();
        list.reverse();
        list
    }
}

/// A whole number in a record's text; `None` if it has none.
fn number(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// `trades?inst=&limit=&before=&after=&from=&to=`: oldest first.
pub(crate) async fn trades(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["inst", "limit", "before", "after", "from", "to"])?;
    let (inst, page) = (asked.needed("inst")?, Page::read(&asked)?);
    let limit = asked.limit(USUAL, TRADES_MAX)?;
    let state = shared.hub.lock();
    let entries = state.store.of(inst);
    let series = entries.iter().filter_map(|entry| match &entry.kept {
        Kept::Trades(trades) => Some((&*entry.channel != "trades", trades)),
        _ => None,
    });
    // Of both channels of trades, the one that has merged rows, as it is the usual one.
    let Some((_, trades)) = series.min_by_key(|(other, _)| *other) else {
        return Err(unknown(inst));
    };
    let fits = |(id, text): &&(u64, Text)| {
        let at = || number(text, "\"timestamp\":").unwrap_or_default();
        page.holds(*id) && page.holds_time(at())
    };
    let list = page.cut(trades.iter().filter(fits).map(|(_, text)| Arc::clone(text)), limit);
    drop(state);
    Ok(answer("trades", &csv::TRADES, &headers, &list))
}

/// `klines?inst=&interval=&channel=&limit=&before=&after=&from=&to=`: oldest first. Without
/// `interval` the shortest there is.
pub(crate) async fn klines(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let known = ["inst", "interval", "channel", "limit", "before", "after", "from", "to"];
    let asked = Asked::read(asks, &known)?;
    let (inst, page) = (asked.needed("inst")?, Page::read(&asked)?);
    let (interval, channel) = (asked.text("interval"), asked.text("channel"));
    let limit = asked.limit(BARS_MAX, BARS_MAX)?;
    let state = shared.hub.lock();
    let entries = state.store.of(inst);
    let series = entries.iter().find_map(|entry| match &entry.kept {
        Kept::Bars(of, _, bars)
            if interval.is_none_or(|wanted| wanted == *of)
                && channel
                    .map_or(entry.channel.starts_with("candle"), |c| c == &*entry.channel) =>
        {
            Some(bars)
        }
        _ => None,
    });
    let Some(bars) = series else { return Err(unknown(inst)) };
    let fits = |(at, _): &(&u64, &(String, Text))| page.holds(**at) && page.holds_time(**at);
    let list = page.cut(bars.iter().filter(fits).map(|(_, (_, text))| Arc::clone(text)), limit);
    drop(state);
    Ok(answer("klines", &csv::KLINES, &headers, &list))
}

/// `tickers?inst=`: one, or all.
pub(crate) async fn tickers(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["inst"])?;
    let inst = asked.text("inst");
    let state = shared.hub.lock();
    let mut list = Vec::new();
    for entry in state.store.entries() {
        if let Kept::Ticker(text, ..) = &entry.kept
            && inst.is_none_or(|inst| inst == &*entry.inst)
        {
            list.push(Arc::clone(text));
        }
    }
    drop(state);
    match inst {
        Some(inst) if list.is_empty() => Err(unknown(inst)),
        _ => Ok(answer("tickers", &csv::TICKERS, &headers, &list)),
    }
}

/// `values?inst=`: the last flat record of each channel.
pub(crate) async fn values(State(shared): Of, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["inst"])?;
    let inst = asked.needed("inst")?;
    let state = shared.hub.lock();
    let entries = state.store.of(inst);
    if entries.is_empty() {
        return Err(unknown(inst));
    }
    let mut list: Vec<String> = Vec::new();
    for entry in entries {
        if let Kept::Last(text) = &entry.kept {
            let mut name = Vec::new();
            market_data_model::wire::escape(&entry.channel, &mut name);
            list.push(format!("{}:{text}", String::from_utf8_lossy(&name)));
        }
    }
    drop(state);
    Ok(json_text(format!("{{\"values\":{{{}}}}}", list.join(","))))
}

/// `gaps?limit=&from=&to=`: newest first, the open ones first of all.
pub(crate) async fn gaps(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["limit", "from", "to"])?;
    let (limit, page) = (asked.limit(USUAL, GAPS_MAX)?, Page::read(&asked)?);
    let fits =
        |text: &&Text| page.holds_time(number(text, "\"tsRecv\":").unwrap_or_default() / 1_000_000);
    let state = shared.hub.lock();
    let list: Vec<Text> = state.store.gaps().filter(fits).take(limit).cloned().collect();
    drop(state);
    Ok(answer("gaps", &csv::GAPS, &headers, &list))
}
