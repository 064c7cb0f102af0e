//! Fills by their ids, downwards from the last one before the end of the stretch.
//!
//! That last one is found by time (`type=2`) and proven by asking for the ids after it, whose
//! fills must lie behind the end; from there ids go down by one. Part of [`Walk`](super::Walk).

use super::{Differing, FileRows, KnownIds, LOOKS_MAX, Row, Took, Wish, csv};
use crate::channel::{Unknowns, trades};
use crate::json::Raw;
use crate::limits::REST_HISTORY_TRADES_MAX as PAGE;
use market_data_model::{FilledFrom, Nanos, Trade};
use std::collections::BTreeMap;

const HISTORY: &str = "/api/v5/market/history-trades";
/// How often nothing must be said to follow the last fill before that is believed.
const ABOVE_LOOKS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The newest before the end is looked for.
    Top,
    /// Is this id the last before the end?
    Above(u64),
    /// Every id from this one on is there.
    Down(u64),
    Done,
}

#[derive(Clone, Debug)]
pub(super) struct Trades {
    at: At,
    known: Vec<KnownIds>,
    /// What came and whose turn it is not yet.
    held: BTreeMap<u64, (Option<Nanos>, Trade)>,
    /// Answers in a row that brought nothing.
    looks: u32,
    absent: u64,
    /// The lowest fill that is there: its id and its time.
    low: Option<(u64, u64)>,
    /// Rows of files that REST has not named yet.
    rows: FileRows,
    compared: u64,
    differing: Vec<Differing>,
}

impl Trades {
    pub fn new(wish: &Wish, known: Vec<KnownIds>, below: Option<u64>) -> Trades {
        let at = below.map_or(At::Top, At::Down);
        let low = below.map(|id| (id, wish.to_ms));
        Trades {
            at,
            known,
            held: BTreeMap::new(),
            looks: 0,
            absent: 0,
            low,
            rows: FileRows::new(),
            compared: 0,
            differing: Vec::new(),
        }
    }

    pub fn compare(&mut self, rows: FileRows) {
        self.rows = rows;
    }

    pub fn compared(&mut self) -> (u64, Vec<Differing>) {
        (std::mem::take(&mut self.compared), std::mem::take(&mut self.differing))
    }

    pub fn path(&self, wish: &Wish) -> Option<String> {
        let base = format!("{HISTORY}?instId={}", wish.inst_id);
        Some(match self.at {
            At::Top => format!("{base}&type=2&after={}&limit={PAGE}", wish.to_ms),
            At::Above(id) => {
                let after = id.saturating_add(PAGE + 1);
                format!("{base}&type=1&after={after}&before={id}&limit={PAGE}")
            }
            At::Down(id) => format!("{base}&type=1&after={id}&limit={PAGE}"),
            At::Done => return None,
        })
    }

    pub fn take(&mut self, wish: &Wish, data: Raw<'_>, rows: &mut Vec<Row>) -> Took {
        let (mut later, mut taken, mut any) = (false, false, false);
        for row in data.items() {
            any = true;
            // An unreadable row is one that did not come: its id stays missing.
            let Ok(read) = trades::decode(row, &mut Unknowns::default()) else { continue };
            if read.inst_id.is_some_and(|inst_id| inst_id != wish.inst_id.as_str()) {
                continue;
            }
            let id = read.trade.trade_id;
            if let Some(ours) = self.rows.remove(&id) {
                self.compared += 1;
                self.differing.extend(csv::same(&ours, &(read.ts, read.trade)));
            }
            let within = match self.at {
                At::Top => true,
                At::Above(high) => id > high,
                At::Down(low) => id < low,
                At::Done => false,
            };
            if within && ms(read.ts).is_some_and(|ms| ms >= wish.to_ms) {
                later = true;
            } else if within {
                taken = true;
                self.held.insert(id, (read.ts, read.trade));
            }
        }
        let high = self.held.keys().next_back().copied();
        match (self.at, high) {
            (At::Top, Some(high)) => self.go(At::Above(high)),
            (At::Top, None) if self.looks + 1 < LOOKS_MAX => return self.look(),
            // What a file brought may be older than all that REST has.
            (At::Top, None) => match self.known_before(wish.to_ms) {
                Some(last) => {
                    self.go(At::Down(last.saturating_add(1)));
                    self.settle(wish, rows);
                }
                None => self.go(At::Done),
            },
            (At::Done, _) => self.go(At::Done),
            (At::Above(_), Some(high)) if taken && !later => self.go(At::Above(high)),
            (At::Above(_), Some(_)) if !later && self.looks + 1 < ABOVE_LOOKS => {
                return self.look();
            }
            (At::Above(_), high) => {
                self.go(high.map_or(At::Done, |high| At::Down(high.saturating_add(1))));
                self.settle(wish, rows);
            }
            (At::Down(_), _) => return self.down(wish, any, rows),
        }
        Took::Rows
    }

    fn go(&mut self, at: At) {
        (self.at, self.looks) = (at, 0);
    }

    fn look(&mut self) -> Took {
        self.looks += 1;
        Took::Look
    }

    fn down(&mut self, wish: &Wish, any: bool, rows: &mut Vec<Row>) -> Took {
        let before = self.at;
        self.settle(wish, rows);
        if self.at != before {
            self.looks = 0;
            return Took::Rows;
        }
        if self.looks + 1 < LOOKS_MAX {
            return self.look();
        }
        self.pass(wish, rows);
        // Below an id of which REST has nothing at all it has nothing further down either.
        while !any && self.at != At::Done {
            self.pass(wish, rows);
        }
        Took::Rows
    }

    /// The ids above the next one that is there are nowhere to be had.
    fn pass(&mut self, wish: &Wish, rows: &mut Vec<Row>) {
        let At::Down(low) = self.at else { return };
        let known = self.known.iter().map(|(_, last, _)| *last).filter(|last| *last < low).max();
        match self.held.keys().next_back().copied().max(known) {
            Some(next) => {
                self.absent += low - next - 1;
                self.go(At::Down(next + 1));
                self.settle(wish, rows);
            }
            None => self.go(At::Done),
        }
    }

    /// Hands out what follows without a hole, downwards; a page comes out upwards.
    fn settle(&mut self, wish: &Wish, rows: &mut Vec<Row>) {
        let start = rows.len();
        while let At::Down(low) = self.at {
            let Some(id) = low.checked_sub(1).filter(|id| *id > 0) else {
                self.at = At::Done;
                break;
            };
            if let Some((first, _, first_ms)) = self.known_at(id) {
                self.held.retain(|id, _| *id < first);
                self.low = Some((first, first_ms));
                self.at = if first_ms < wish.from_ms { At::Done } else { At::Down(first) };
                continue;
            }
            let Some((ts, trade)) = self.held.remove(&id) else { break };
            if ms(ts).is_some_and(|ms| ms < wish.from_ms) {
                self.at = At::Done;
                break;
            }
            let at_ms = ms(ts).or(self.low.map(|(_, ms)| ms)).unwrap_or(wish.to_ms);
            (self.low, self.at) = (Some((id, at_ms)), At::Down(id));
            rows.push(Row::Trade(ts, Trade { filled: Some(FilledFrom::Rest), ..trade }));
        }
        if self.at == At::Done {
            self.held.clear();
        }
        if let Some(page) = rows.get_mut(start..) {
            page.reverse();
        }
    }

    /// The last id of what is known to begin before a moment.
    fn known_before(&self, ms: u64) -> Option<u64> {
        let before = self.known.iter().filter(|(_, _, first_ms)| *first_ms < ms);
        before.map(|(_, last, _)| *last).max()
    }

    fn known_at(&self, id: u64) -> Option<KnownIds> {
        let at = self.known.partition_point(|(first, ..)| *first <= id).checked_sub(1)?;
        self.known.get(at).copied().filter(|(_, last, _)| id <= *last)
    }

    pub fn reached_ms(&self, wish: &Wish) -> u64 {
        match (self.at, self.low) {
            (At::Done, _) => wish.from_ms,
            // Others of the same millisecond may lie below.
            (_, Some((_, ms))) => ms.saturating_add(1),
            (_, None) => wish.to_ms,
        }
    }

    pub fn first_id(&self) -> Option<u64> {
        self.low.map(|(id, _)| id)
    }

    pub fn absent(&self) -> u64 {
        self.absent
    }
}

fn ms(ts: Option<Nanos>) -> Option<u64> {
    ts.map(|ts| ts.millis())
}
