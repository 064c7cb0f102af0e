//! Changes of an instrument that OKX announces in its row (`upcChg`): when each takes effect, and
//! what the row says from then on.
//!
//! A feed asks it whenever it learns of an instrument and when a change is due; the shell asks it
//! for lists, which caches may hold back. OKX lists changes that are to come: before `effTime` the
//! old value holds, from it on the new one, also in a row that is older (docs, read 2026-11-23).
//!
//! `"upcChg":[{"param":"tickSz","newValue":"0.0001","effTime":"1704876947000"}]`
//!
//! Invariants: what is due depends on the row and the time alone; an entry that is no change of a
//! step or size, or that cannot be read, stays in the row and does nothing; a change is listed no
//! more once it is in force, so it comes into force once.

use super::rows::{instrument_from_row, time};
use crate::json::{self, Kind, Raw};
use market_data_model::{Decimal, InstType, Instrument, Nanos};
use std::ops::Range;

/// What may change: steps and sizes, never who an instrument is. OKX documents `tickSz`, `minSz`
/// and `maxMktSz`.
const PARAMS: [&str; 5] = ["tickSz", "lotSz", "minSz", "maxLmtSz", "maxMktSz"];

/// One announced change that can be read.
struct Change<'a> {
    param: &'static str,
    value: Raw<'a>,
    effective: Nanos,
}

/// When the first announced change of an instrument takes effect that says something else than its
/// row; `None` when none is announced. May have passed.
pub fn next_change(instrument: &Instrument) -> Option<Nanos> {
    let row = announcing(instrument)?;
    let news = changes(row).filter(|change| row.field(change.param) != Some(change.value));
    news.map(|change| change.effective).min()
}

/// The instrument as it is at `now`, and since when, if announced changes have taken effect that
/// its row does not say yet.
///
/// The row is OKX's with the new values in place of the old ones, and without the entries that are
/// in force. A change of `minSz` changes `lotSz` too where contracts are perpetual or dated.
pub fn in_force(instrument: &Instrument, now: Nanos) -> Option<(Nanos, Instrument)> {
    next_change(instrument).filter(|at| *at <= now)?;
    let row = announcing(instrument)?;
    let mut due: Vec<Change<'_>> = changes(row).filter(|c| c.effective <= now).collect();
    due.sort_by_key(|change| change.effective);
    let since = due.last()?.effective;
    let together = matches!(instrument.inst_type, Some(InstType::Swap | InstType::Futures));
    let mut edits = Vec::new();
    for (key, held) in row.fields() {
        if key == "upcChg" {
            let later = held.items().filter(|x| read(*x).is_none_or(|c| c.effective > now));
            let later: Vec<&str> = later.map(Raw::as_str).collect();
            edits.push((place(row, held), format!("[{}]", later.join(","))));
            continue;
        }
        let of =
            |c: &&Change<'_>| key == c.param || together && key == "lotSz" && c.param == "minSz";
        if let Some(change) = due.iter().rev().find(of) {
            edits.push((place(row, held), change.value.as_str().to_owned()));
        }
    }
    let mut text = row.as_str().to_owned();
    for (place, new) in edits.into_iter().rev() {
        text.replace_range(place, &new);
    }
    let changed = instrument_from_row(json::parse(text.as_bytes()).ok()?).ok()?;
    Some((since, changed))
}

/// The row, if it announces anything.
fn announcing(instrument: &Instrument) -> Option<Raw<'_>> {
    let may = instrument.row.contains("effTime");
    json::parse(instrument.row.as_bytes()).ok().filter(|_| may)
}

fn changes(row: Raw<'_>) -> impl Iterator<Item = Change<'_>> {
    row.field("upcChg").into_iter().flat_map(Raw::items).filter_map(read)
}

fn read(entry: Raw<'_>) -> Option<Change<'_>> {
    let name = entry.field("param")?.text()?;
    let param = PARAMS.into_iter().find(|param| *param == name)?;
    let value = entry.field("newValue")?;
    let digits = match value.kind() {
        Kind::String => value.text()?,
        Kind::Number => value.as_str().into(),
        _ => return None,
    };
    let size = Decimal::parse(digits.as_bytes()).ok().filter(|size| !size.is_zero())?;
    let effective = entry.field("effTime").and_then(time)?;
    (!size.is_negative()).then_some(Change { param, value, effective })
}

/// Where a part of the row stands in it.
fn place(row: Raw<'_>, part: Raw<'_>) -> Range<usize> {
    let start = (part.as_str().as_ptr() as usize) - (row.as_str().as_ptr() as usize);
    start..start + part.as_str().len()
}

#[cfg(test)]
mod tests;
