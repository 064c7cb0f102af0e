//! Changes of books: one chain, from whichever host has the next link.
//!
//! The chain stays with the host it is on as long as that one has the next link, and changes over
//! when only another has it. So a gap of one host, its snapshot included, is bridged by another's
//! changes. Where nobody has the next link, the earliest snapshot begins anew: a break.
//!
//! Rows are put one after the other in the order of the chain: of one that was received earlier by
//! another host's clock than the row it follows, `tsRecv` is raised to a nanosecond after that.

use super::At;
use crate::error::Error;
use crate::facts::{Facts, content};
use crate::stream::Stream;
use std::collections::{HashMap, VecDeque};

/// Ids that are known as passed.
const WINDOW: usize = 1 << 16;
/// A row this much older than the chain that links to nothing is of another chain, nanoseconds: no
/// two hosts' clocks and ways differ so much.
const BEHIND_NS: u64 = 30_000_000_000;

/// See the file's first comment.
#[derive(Default)]
pub(super) struct Links {
    /// The id of the book.
    last: Option<i64>,
    /// When the last row was received.
    ts_recv: u64,
    /// The host the chain is on.
    host: usize,
    /// Ids passed, by the rows that led to them.
    passed: HashMap<i64, Passed>,
    order: VecDeque<i64>,
    /// From when to when nothing links.
    breaks: Vec<(u64, u64)>,
}

/// A row that the chain went through.
#[derive(Clone, Copy, Debug)]
struct Passed {
    prev: Option<i64>,
    ts_recv: u64,
    /// Over what it says.
    sum: u128,
}

/// What a stream's next row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    ts_recv: u64,
    prev: Option<i64>,
    seq: Option<i64>,
    snapshot: bool,
}

impl Links {
    /// Where the chain is broken: received from when to when.
    pub fn breaks(&self) -> &[(u64, u64)] {
        &self.breaks
    }

    /// When the last row was received.
    pub fn end(&self) -> u64 {
        self.ts_recv
    }

    pub fn merge(&mut self, streams: &mut [Stream], at: &mut At<'_>) -> Result<(), Error> {
        let mut heads: Vec<Option<Head>> = streams.iter().map(head).collect();
        loop {
            for (host, head) in heads.iter_mut().enumerate() {
                self.pass_known(streams, (host, head), at)?;
            }
            let Some(host) = self.choose(&heads) else { return Ok(()) };
            let Some(head) = heads[host] else { return Ok(()) };
            let links = self.last.is_some() && head.prev == self.last && !head.snapshot;
            if !links && self.last.is_some() {
                self.breaks.push((self.ts_recv, head.ts_recv));
            }
            let sum = streams[host].json().map_or(0, sum);
            self.ts_recv = head.ts_recv.max(self.ts_recv + 1);
            (self.last, self.host) = (head.seq, host);
            if let Some(seq) = head.seq {
                let prev = head.prev.filter(|_| !head.snapshot);
                self.remember(seq, Passed { prev, ts_recv: self.ts_recv, sum });
            }
            at.take(streams, host, self.ts_recv)?;
            heads[host] = self::head(&streams[host]);
        }
    }

    /// Passes over what the chain has been through.
    fn pass_known(
        &mut self,
        streams: &mut [Stream],
        (host, next): (usize, &mut Option<Head>),
        at: &mut At<'_>,
    ) -> Result<(), Error> {
        while let Some(head) = *next {
            let links = !head.snapshot && self.last.is_some() && head.prev == self.last;
            let near = |passed: &&Passed| passed.ts_recv.abs_diff(head.ts_recv) < BEHIND_NS;
            // Ids come again after a reset, but not within seconds.
            let passed = head.seq.and_then(|seq| self.passed.get(&seq)).filter(near);
            let repeat = passed.filter(|passed| head.snapshot || passed.prev == head.prev);
            // A row of before the chain's present that nothing led to.
            let behind = head.ts_recv.saturating_add(BEHIND_NS) < self.ts_recv;
            if links || repeat.is_none() && !behind {
                return Ok(());
            }
            if let Some(passed) = repeat
                && !head.snapshot
                && passed.prev.is_some()
            {
                let json = streams[host].json().unwrap_or_default();
                if passed.sum != sum(json) {
                    let what = format!("seq {}", head.seq.unwrap_or(0));
                    at.differ(what, b"", json);
                }
            }
            let had = repeat.is_some();
            at.pass(streams, host, had)?;
            *next = self::head(&streams[host]);
        }
        Ok(())
    }

    fn choose(&self, heads: &[Option<Head>]) -> Option<usize> {
        let links = |host: &usize| {
            heads[*host].is_some_and(|head| !head.snapshot && head.prev == self.last)
        };
        if self.last.is_some() {
            let stay = Some(self.host).filter(links);
            if let Some(host) = stay.or_else(|| (0..heads.len()).find(links)) {
                return Some(host);
            }
        }
        let all = heads.iter().enumerate();
        let ready = all.filter_map(|(host, head)| head.map(|head| (head.ts_recv, host)));
        ready.min().map(|(_, host)| host)
    }

    fn remember(&mut self, seq: i64, row: Passed) {
        if self.passed.insert(seq, row).is_none() {
            self.order.push_back(seq);
        }
        if self.order.len() > WINDOW
            && let Some(old) = self.order.pop_front()
        {
            self.passed.remove(&old);
        }
    }
}

fn head(stream: &Stream) -> Option<Head> {
    let facts = Facts::of(stream.json()?)?;
    Some(Head {
        ts_recv: facts.ts_recv,
        prev: facts.more.prev_update_id,
        seq: facts.more.last_update_id,
        snapshot: facts.more.is_snapshot == Some(true),
    })
}

/// A sum over what a row says.
pub(super) fn sum(json: &[u8]) -> u128 {
    use std::hash::{DefaultHasher, Hasher as _};
    let (before, after) = content(json);
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(before);
        hasher.write(after);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
