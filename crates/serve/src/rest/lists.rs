//! Lists of records: `instruments`, `trades`, `klines`, `tickers`, `values`, `gaps`.
//!
//! Records are the very text that clients of `/ws` get.

use super::paging::{Page, ROWS_MAX};
use super::tables::{self, Table};
use super::{Asked, Asks, Failure, Form, arrow, csv, json_text};
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

/// Records in one answer, usually, and instruments with the venue's whole row at most.
const USUAL: usize = 100;
const INSTRUMENTS_MAX: usize = 5000;

type Answer = Result<Response, Failure>;
type Of = State<Arc<Shared>>;

fn answer(table: &Table, headers: &HeaderMap, list: &[Text]) -> Answer {
    Ok(match Form::wanted(headers) {
        Form::Csv => csv::records(table.csv, list),
        Form::Arrow => arrow::table(table, list.iter().map(|text| &**text), &[])?,
        Form::Json => json_text(format!("{{\"{}\":[{}]}}", table.name, list.join(","))),
    })
}

fn unknown(inst: &str) -> Failure {
    Failure::new(404, "not_found", format!("nothing is known of {inst:?}"))
}

/// `instruments?q=&type=&limit=&before=&after=`: the venue's whole list as it was at the start, and
/// what is known since, by id.
pub(crate) async fn instruments(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["q", "type", "limit", "before", "after"])?;
    let page = Page::of_ids(&asked, USUAL, INSTRUMENTS_MAX)?;
    let q = asked.text("q").unwrap_or_default().to_ascii_uppercase();
    let kind = asked.text("type").map(str::to_ascii_uppercase);
    let fits = |instrument: &Instrument| {
        let is = instrument.inst_type.as_ref().map(|t| t.as_str());
        page.holds(&*instrument.inst_id)
            && (kind.is_none() || kind.as_deref() == is)
            && (instrument.inst_id.to_ascii_uppercase().contains(&q)
                || instrument.symbol().to_ascii_uppercase().contains(&q))
    };
    // What is followed is known better, and may have been listed since.
    let listed = shared.hub.catalogue().filter(|(_, one)| fits(one));
    let mut found: BTreeMap<Box<str>, (FeedId, Nanos, Arc<Instrument>)> = BTreeMap::new();
    let state = shared.hub.lock();
    for (_, entries) in state.store.instruments() {
        if let Some((entry, instrument)) = best(&entries)
            && fits(instrument)
        {
            let known = (entry.feed, entry.last, Arc::clone(instrument));
            found.insert(instrument.inst_id.clone(), known);
        }
    }
    // Texts are made of what is asked for, and without holding anybody up.
    drop(state);
    for (_, instrument) in listed {
        let id = instrument.inst_id.clone();
        found.entry(id).or_insert_with(|| (FeedId(0), Nanos(0), Arc::clone(instrument)));
    }
    let page = page.cut(found.into_values());
    let list: Vec<Text> = page.iter().map(|(feed, at, one)| record((*feed, *at), one)).collect();
    answer(&tables::INSTRUMENTS, &headers, &list)
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

/// A whole number in a record's text; `None` if it has none.
fn number(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// The venue's time of a record, ms.
fn timestamp(text: &str) -> Option<u64> {
    number(text, "\"timestamp\":")
}

/// `trades?inst=&limit=&before=&after=&from=&to=`: oldest first.
pub(crate) async fn trades(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["inst", "limit", "before", "after", "from", "to"])?;
    let inst = asked.needed("inst")?;
    let page = Page::of_numbers(&asked, USUAL, TRADES_MAX)?;
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
    let fits = |(id, text): &&(u64, Text)| page.holds(id) && page.holds_time(timestamp(text));
    let list = page.cut(trades.iter().filter(fits).map(|(_, text)| Arc::clone(text)));
    drop(state);
    answer(&tables::TRADES, &headers, &list)
}

/// `klines?inst=&interval=&channel=&limit=&before=&after=&from=&to=`: oldest first. Without
/// `interval` the shortest there is.
pub(crate) async fn klines(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let known = ["inst", "interval", "channel", "limit", "before", "after", "from", "to"];
    let asked = Asked::read(asks, &known)?;
    let inst = asked.needed("inst")?;
    let (interval, channel) = (asked.text("interval"), asked.text("channel"));
    let page = Page::of_numbers(&asked, BARS_MAX, BARS_MAX)?;
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
    let fits = |(at, _): &(&u64, &(String, Text))| page.holds(*at) && page.holds_time(Some(**at));
    let list = page.cut(bars.iter().filter(fits).map(|(_, (_, text))| Arc::clone(text)));
    drop(state);
    answer(&tables::KLINES, &headers, &list)
}

/// `tickers?inst=&limit=&before=&after=&from=&to=`: one, or all by id.
pub(crate) async fn tickers(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["inst", "limit", "before", "after", "from", "to"])?;
    let inst = asked.text("inst");
    let page = Page::of_ids(&asked, ROWS_MAX, ROWS_MAX)?;
    let state = shared.hub.lock();
    let mut known = false;
    let mut list = Vec::new();
    for (id, entries) in
        state.store.instruments().filter(|(id, _)| inst.is_none_or(|i| i == &***id))
    {
        for entry in entries {
            let Kept::Ticker(text, ..) = &entry.kept else { continue };
            known = true;
            if page.holds(&**id) && page.holds_time(timestamp(text)) {
                list.push(Arc::clone(text));
            }
        }
    }
    drop(state);
    match inst {
        Some(inst) if !known => Err(unknown(inst)),
        _ => answer(&tables::TICKERS, &headers, &page.cut(list.into_iter())),
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

/// `gaps?feed=&limit=&before=&after=&from=&to=`: newest first, the open ones first of all; of one
/// feed by their numbers.
pub(crate) async fn gaps(State(shared): Of, headers: HeaderMap, asks: Asks) -> Answer {
    let asked = Asked::read(asks, &["feed", "limit", "before", "after", "from", "to"])?;
    let feed = asked.number("feed")?;
    let page = Page::of_numbers(&asked, USUAL, GAPS_MAX)?;
    let key = |text: &Text| number(text, "\"gap\":").unwrap_or_default();
    let fits = |text: &&Text| {
        let at = number(text, "\"tsRecv\":").map(|ns| ns / 1_000_000);
        feed.is_none_or(|feed| number(text, "\"feed\":") == Some(feed))
            && page.holds(&key(text))
            && page.holds_time(at)
    };
    let state = shared.hub.lock();
    let mut all: Vec<Text> = state.store.gaps().filter(fits).cloned().collect();
    drop(state);
    all.reverse();
    if feed.is_some() {
        all.sort_by_key(key);
    }
    let mut list = page.cut(all.into_iter());
    list.reverse();
    answer(&tables::GAPS, &headers, &list)
}
