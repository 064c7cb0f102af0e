//! Everything else, by what it says: each row as often as the host says it that says it most.
//!
//! Finished bars go by their times: one a bar, and a difference is told. Of tables that are about
//! connections (`keyed` is false) every row of every host is taken.

use super::links::sum;
use super::{At, earliest};
use crate::error::Error;
use crate::facts::{Facts, value};
use crate::stream::Stream;
use std::collections::{HashMap, VecDeque};

/// Rows that are remembered.
const WINDOW: usize = 1 << 16;
/// What must agree of one bar.
const FIELDS: [&str; 5] = ["open", "high", "low", "close", "volume"];

/// See the file's first comment.
pub(super) struct Rows {
    keyed: bool,
    bars: bool,
    /// How often each host said it, and how often it was taken.
    said: HashMap<u128, (Vec<u32>, u32)>,
    order: VecDeque<u128>,
    closed: HashMap<u64, Vec<u8>>,
    closed_order: VecDeque<u64>,
    /// From when to when each host has rows.
    spans: Vec<Option<(u64, u64)>>,
}

impl Rows {
    pub fn new(keyed: bool, bars: bool) -> Rows {
        let (said, order) = (HashMap::new(), VecDeque::new());
        let (closed, closed_order) = (HashMap::new(), VecDeque::new());
        Rows { keyed, bars, said, order, closed, closed_order, spans: Vec::new() }
    }

    /// From when to when a host has rows.
    pub fn span(&self, host: usize) -> Option<(u64, u64)> {
        self.spans.get(host).copied().flatten()
    }

    pub fn merge(&mut self, streams: &mut [Stream], at: &mut At<'_>) -> Result<(), Error> {
        self.spans.resize(streams.len(), None);
        while let Some(host) = earliest(streams) {
            let (Some(json), Some(key)) = (streams[host].json(), streams[host].key()) else {
                break;
            };
            let span = self.spans[host].get_or_insert((key.0, key.0));
            *span = (span.0.min(key.0), span.1.max(key.0));
            if !self.keyed {
                at.take(streams, host, key.0)?;
                continue;
            }
            let closed = self.bars.then(|| Facts::of(json)).flatten();
            let closed = closed.filter(|facts| facts.more.is_closed == Some(true));
            let is_new = match closed.and_then(|facts| facts.more.open_time) {
                Some(open) => self.bar(open, json, at),
                None => self.row(host, streams.len(), json),
            };
            if is_new {
                at.take(streams, host, key.0)?;
            } else {
                at.pass(streams, host, true)?;
            }
        }
        Ok(())
    }

    fn row(&mut self, host: usize, hosts: usize, json: &[u8]) -> bool {
        let sum = sum(json);
        if !self.said.contains_key(&sum) {
            if self.order.len() == WINDOW
                && let Some(old) = self.order.pop_front()
            {
                self.said.remove(&old);
            }
            self.order.push_back(sum);
        }
        let (said, taken) = self.said.entry(sum).or_insert_with(|| (vec![0; hosts], 0));
        said[host] += 1;
        let is_new = said[host] > *taken;
        *taken += u32::from(is_new);
        is_new
    }

    fn bar(&mut self, open: u64, json: &[u8], at: &mut At<'_>) -> bool {
        if let Some(taken) = self.closed.get(&open) {
            if FIELDS.iter().any(|field| value(taken, field) != value(json, field)) {
                at.differ(format!("openTime {open}"), taken, json);
            }
            return false;
        }
        if self.closed_order.len() == WINDOW
            && let Some(old) = self.closed_order.pop_front()
        {
            self.closed.remove(&old);
        }
        self.closed_order.push_back(open);
        self.closed.insert(open, json.to_vec());
        true
    }
}
