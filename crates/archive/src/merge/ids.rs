//! Trades: each id once, from the host that had it first.
//!
//! A row is passed over when all its ids are here. One that brings some and repeats others (a
//! merged row beside fills that were fetched one by one) is taken, and told.

use super::{At, earliest};
use crate::error::Error;
use crate::facts::{Facts, value};
use crate::ranges::Ranges;
use crate::stream::Stream;
use std::collections::{HashMap, VecDeque};

/// Rows that are kept for a comparison with those of other hosts.
const WINDOW: usize = 1 << 15;
/// What must agree of one id.
const FIELDS: [&str; 4] = ["price", "quantity", "side", "timestamp"];

/// See the file's first comment.
#[derive(Default)]
pub(super) struct Ids {
    /// Ids that are here.
    ranges: Ranges,
    recent: HashMap<(u64, u64), Vec<u8>>,
    order: VecDeque<(u64, u64)>,
}

impl Ids {
    pub fn merge(&mut self, streams: &mut [Stream], at: &mut At<'_>) -> Result<(), Error> {
        while let Some(host) = earliest(streams) {
            let Some(json) = streams[host].json() else { break };
            let facts = Facts::of(json);
            let ids = facts.as_ref().and_then(Facts::ids);
            let ts_recv = facts.map_or(0, |facts| facts.ts_recv);
            let Some(ids) = ids else {
                at.take(streams, host, ts_recv)?;
                continue;
            };
            let here = self.here(ids);
            if here > 0 {
                self.compare(ids, here, json, at);
            }
            if here == ids.1 - ids.0 + 1 {
                at.pass(streams, host, true)?;
                continue;
            }
            self.remember(ids, json.to_vec());
            self.ranges.put(ids);
            at.take(streams, host, ts_recv)?;
        }
        Ok(())
    }

    fn compare(&self, ids: (u64, u64), here: u64, json: &[u8], at: &mut At<'_>) {
        if here < ids.1 - ids.0 + 1 {
            let what = format!("ids {} to {}: {here} of them came otherwise", ids.0, ids.1);
            return at.differ(what, b"", json);
        }
        let Some(taken) = self.recent.get(&ids) else { return };
        if FIELDS.iter().any(|field| value(taken, field) != value(json, field)) {
            at.differ(format!("id {}", ids.1), taken, json);
        }
    }

    fn remember(&mut self, ids: (u64, u64), json: Vec<u8>) {
        if self.order.len() == WINDOW
            && let Some(old) = self.order.pop_front()
        {
            self.recent.remove(&old);
        }
        self.order.push_back(ids);
        self.recent.insert(ids, json);
    }

    /// How many of these ids are here.
    pub fn here(&self, ids: (u64, u64)) -> u64 {
        self.ranges.here(ids)
    }
}
