//! Finished bars by their times, downwards. Part of [`Walk`](super::Walk).

use super::{LOOKS_MAX, Row, Took, Wish};
use crate::channel::BarSpec;
use crate::channel::bars::{Span, decode};
use crate::json::Raw;
use market_data_model::{Bar, BarKind};
use std::collections::BTreeMap;

const TRADE: &str = "/api/v5/market/history-candles";
const MARK: &str = "/api/v5/market/history-mark-price-candles";
pub(super) const INDEX: &str = "/api/v5/market/history-index-candles";
/// Most bars of one answer, of trades and of the others (docs, 2026-08-22).
const PAGES: (u64, u64) = (300, 100);
/// Most absent bars that are counted one by one.
const COUNT_MAX: u64 = 1_000_000;

/// Whether there is a history of this bar (docs, 2026-08-22: not of 5 days, not of a year, of mark
/// and index prices neither of a second, 2 or 3 days and 3 months).
pub(super) fn has_history(kind: BarKind, size: &BarSpec) -> bool {
    let name = size.suffix.trim_end_matches("utc");
    match kind {
        BarKind::Trade => !matches!(name, "5D" | "1Y"),
        BarKind::Mark | BarKind::Index => !matches!(name, "1s" | "2D" | "3D" | "5D" | "3M" | "1Y"),
        BarKind::Spread => false,
    }
}

#[derive(Clone, Debug)]
pub(super) struct Bars {
    kind: BarKind,
    size: &'static BarSpec,
    /// Every bar that opens from here on is there, milliseconds.
    after: u64,
    held: BTreeMap<u64, Bar>,
    looks: u32,
    absent: u64,
    /// Whether one was handed out.
    begun: bool,
    done: bool,
}

impl Bars {
    pub fn new(wish: &Wish, kind: BarKind, size: &'static BarSpec) -> Bars {
        let (after, held) = (wish.to_ms, BTreeMap::new());
        let done = wish.from_ms >= wish.to_ms;
        Bars { kind, size, after, held, looks: 0, absent: 0, begun: false, done }
    }

    pub fn path(&self, wish: &Wish) -> Option<String> {
        let (endpoint, page) = match self.kind {
            BarKind::Trade | BarKind::Spread => (TRADE, PAGES.0),
            BarKind::Mark => (MARK, PAGES.1),
            BarKind::Index => (INDEX, PAGES.1),
        };
        let (inst_id, bar, after) = (&wish.inst_id, self.size.suffix, self.after);
        let before = wish.from_ms.saturating_sub(1);
        (!self.done).then(|| {
            format!(
                "{endpoint}?instId={inst_id}&bar={bar}&after={after}&before={before}&limit={page}"
            )
        })
    }

    pub fn take(&mut self, wish: &Wish, data: Raw<'_>, rows: &mut Vec<Row>) -> Took {
        for row in data.items() {
            let Ok(bar) = decode(row, self.kind, self.size) else { continue };
            let within = (wish.from_ms..self.after).contains(&bar.open_ms);
            if within && bar.closed == Some(true) {
                self.held.insert(bar.open_ms, bar);
            }
        }
        let before = self.after;
        self.settle(wish, rows);
        if self.done || self.after != before {
            self.looks = 0;
            return Took::Rows;
        }
        if self.looks + 1 < LOOKS_MAX {
            self.looks += 1;
            return Took::Look;
        }
        self.looks = 0;
        // What lies between is nowhere to be had.
        match self.held.values().next_back().copied() {
            Some(next) => {
                self.absent += self.between(next.close_ms, self.after);
                self.after = next.close_ms;
                self.settle(wish, rows);
            }
            None => self.done = true,
        }
        Took::Rows
    }

    fn settle(&mut self, wish: &Wish, rows: &mut Vec<Row>) {
        let start = rows.len();
        while let Some(bar) = self.held.values().next_back().copied() {
            // Behind the last finished bar comes one that is not.
            let unfinished = !self.begun && self.size.close_ms(bar.close_ms) > wish.now_ms;
            if bar.close_ms < self.after && !unfinished {
                break;
            }
            self.held.remove(&bar.open_ms);
            (self.after, self.begun) = (bar.open_ms, true);
            rows.push(Row::Bar(bar));
        }
        if let Some(page) = rows.get_mut(start..) {
            page.reverse();
        }
        let none_before = match self.size.span {
            Span::Millis(ms) if self.begun => {
                self.after.saturating_sub(ms.unsigned_abs()) < wish.from_ms
            }
            // How long the one before was, only the venue knows.
            _ => self.after <= wish.from_ms,
        };
        self.done |= none_before;
    }

    fn between(&self, from: u64, to: u64) -> u64 {
        let next = |open: &u64| Some(self.size.close_ms(*open)).filter(|close| close > open);
        let opens = std::iter::successors(Some(from), next).take_while(|open| *open < to);
        opens.take(COUNT_MAX as usize).count() as u64
    }

    pub fn reached_ms(&self, wish: &Wish) -> u64 {
        if self.done { wish.from_ms } else { self.after }
    }

    pub fn absent(&self) -> u64 {
        self.absent
    }
}
