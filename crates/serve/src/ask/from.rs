//! `from`: where in the past a subscription begins, as clients write it.

use super::Bad;
use crate::join::From;
use market_data_model::Nanos;
use market_data_model::event::FeedId;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most feeds that are named; a service has one for each connection to the venue.
const FEEDS_MAX: usize = 256;

/// The last record that a client has of a feed, by fields of that record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    feed: u32,
    n: u64,
    #[serde(rename = "tsRecv")]
    at: u64,
}

/// Reads a time, or the last record of one feed or of several.
pub(super) fn read(value: Value) -> Result<From, Bad> {
    let bad = || {
        let what = "`from` is a time in ns, or `feed`, `n` and `tsRecv` of the last record you \
                    have, or a list of such records, one of each feed";
        ("bad_from", what.to_owned())
    };
    let time = match &value {
        Value::Number(number) => Some(number.as_u64().ok_or_else(bad)?),
        Value::String(text) => Some(text.parse().map_err(|_| bad())?),
        _ => None,
    };
    if let Some(time) = time {
        return Ok(From { base: Nanos(time), after: BTreeMap::new() });
    }
    let last: Vec<Last> = match value {
        Value::Array(_) => serde_json::from_value(value).map_err(|_| bad())?,
        one => vec![serde_json::from_value(one).map_err(|_| bad())?],
    };
    let base = last.iter().map(|last| Nanos(last.at)).min().ok_or_else(bad)?;
    let count = last.len();
    let after: BTreeMap<_, _> =
        last.into_iter().map(|last| (FeedId(last.feed), (Nanos(last.at), last.n))).collect();
    if count > FEEDS_MAX || after.len() != count {
        return Err(bad());
    }
    Ok(From { base, after })
}
