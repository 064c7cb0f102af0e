//! A published order book: the window that clients see, and how it turns into frames.
//!
//! It is read from the engine at each push and compared with what was published before: levels
//! that left the window are sent as deletes, levels that came (back) as normal ones. A change
//! that was undone between two pushes is never sent, as OKX says of its own.
//!
//! Invariants: sides are sorted best first and at most [`BookKind::depth`] long; `seq` changes
//! with every push that carries levels.
//!
//! Start at [`Book::look`].

use std::fmt::Write as _;

use crate::api::{TruthBook, TruthLevel};
use crate::channel::BookKind;
use crate::engine::{Engine, Level, Side};
use crate::instrument::Instrument;
use crate::sbe::Triple;
use crate::text::push_decimal;

/// One published level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    px: i64,
    /// Total size shown.
    lots: i64,
    /// Of it organic; shown on `books-rpi` only.
    organic: i64,
    orders: u32,
}

/// A published book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Book {
    kind: BookKind,
    bids: Vec<Row>,
    asks: Vec<Row>,
    /// The `seqId` of the last push.
    pub seq: i64,
}

/// Changes of one side.
type Delta = Vec<Row>;

impl Book {
    /// The window of the engine as it is.
    pub fn look(kind: BookKind, engine: &Engine, seq: i64) -> Self {
        let side = |side| window(kind, engine.side(side));
        Self { kind, bids: side(Side::Bid), asks: side(Side::Ask), seq }
    }

    /// Asks and bids as numbers.
    pub fn triples(&self) -> (Vec<Triple>, Vec<Triple>) {
        (numbers(&self.asks), numbers(&self.bids))
    }

    /// The asks and bids that changed since `before`, as numbers.
    pub fn changed_triples(&self, before: &Self) -> (Vec<Triple>, Vec<Triple>) {
        let bids = delta(&before.bids, &self.bids, |a, b| b.cmp(&a));
        let asks = delta(&before.asks, &self.asks, |a, b| a.cmp(&b));
        (numbers(&asks), numbers(&bids))
    }

    /// The same book in ticks a tenth as large.
    pub fn refine(&mut self) {
        for row in self.bids.iter_mut().chain(&mut self.asks) {
            row.px *= 10;
        }
    }

    /// Whether the engine's window is still what was published.
    pub fn same(&self, engine: &Engine) -> bool {
        same_side(self.kind, &self.bids, engine.side(Side::Bid))
            && same_side(self.kind, &self.asks, engine.side(Side::Ask))
    }

    /// The whole book as an element of `data`; `prev` is left out where the channel has none.
    pub fn whole(&self, inst: &Instrument, ts_ms: u64, prev: Option<i64>) -> String {
        self.element(inst, (&self.bids, &self.asks), ts_ms, prev)
    }

    /// What changed since `before` as an element of `data`.
    pub fn update(&self, before: &Self, inst: &Instrument, ts_ms: u64) -> String {
        let bids = delta(&before.bids, &self.bids, |a, b| b.cmp(&a));
        let asks = delta(&before.asks, &self.asks, |a, b| a.cmp(&b));
        self.element(inst, (&bids, &asks), ts_ms, Some(before.seq))
    }

    /// A beat without change.
    pub fn beat(&self, inst: &Instrument, ts_ms: u64) -> String {
        self.element(inst, (&Vec::new(), &Vec::new()), ts_ms, Some(self.seq))
    }

    /// The best `depth` levels as REST gives them: no `prevSeqId`, no checksum.
    pub fn rest(&self, inst: &Instrument, ts_ms: u64, depth: usize) -> String {
        let mut out = String::from("{\"asks\":");
        self.levels(&mut out, inst, &self.asks[..depth.min(self.asks.len())]);
        out.push_str(",\"bids\":");
        self.levels(&mut out, inst, &self.bids[..depth.min(self.bids.len())]);
        let _ = write!(out, ",\"ts\":\"{ts_ms}\",\"seqId\":{}}}", self.seq);
        out
    }

    fn element(
        &self,
        inst: &Instrument,
        (bids, asks): (&Delta, &Delta),
        ts_ms: u64,
        prev: Option<i64>,
    ) -> String {
        let mut out = String::with_capacity(96 + (bids.len() + asks.len()) * 40);
        out.push_str("{\"asks\":");
        self.levels(&mut out, inst, asks);
        out.push_str(",\"bids\":");
        self.levels(&mut out, inst, bids);
        if self.kind == BookKind::Five {
            out.push_str(",\"instId\":\"");
            out.push_str(&inst.id);
            out.push('"');
        }
        out.push_str(",\"ts\":\"");
        out.push_str(&ts_ms.to_string());
        out.push('"');
        if self.kind == BookKind::SprdL2 {
            let _ = write!(out, ",\"checksum\":{}", self.checksum(inst));
        } else if !self.kind.whole() && self.kind != BookKind::Rpi {
            // Fixed at 0 since 2026-06-23.
            out.push_str(",\"checksum\":0");
        }
        out.push_str(",\"seqId\":");
        out.push_str(&self.seq.to_string());
        if let Some(prev) = prev {
            out.push_str(",\"prevSeqId\":");
            out.push_str(&prev.to_string());
        }
        out.push('}');
        out
    }

    fn levels(&self, out: &mut String, inst: &Instrument, rows: &[Row]) {
        out.push('[');
        for (n, row) in rows.iter().enumerate() {
            out.push_str(if n == 0 { "[\"" } else { ",[\"" });
            push_decimal(out, i128::from(row.px - inst.px_shift), inst.px_places);
            out.push_str("\",\"");
            push_decimal(out, i128::from(row.lots), inst.sz_places);
            if self.kind.of_spread() {
                let _ = write!(out, "\",\"{}\"]", row.orders);
                continue;
            }
            out.push_str("\",\"");
            if self.kind == BookKind::Rpi {
                push_decimal(out, i128::from(row.organic), inst.sz_places);
            } else {
                out.push('0');
            }
            out.push_str("\",\"");
            out.push_str(&row.orders.to_string());
            out.push_str("\"]");
        }
        out.push(']');
    }

    /// CRC32 of the best 25 levels, bids and asks in turn, as a signed number (4.6 of the notes).
    fn checksum(&self, inst: &Instrument) -> i32 {
        let mut texts = Vec::new();
        for n in 0..25 {
            for row in [self.bids.get(n), self.asks.get(n)].into_iter().flatten() {
                texts.push(inst.px(row.px));
                texts.push(inst.sz(row.lots));
            }
        }
        crc32(texts.join(":").as_bytes()) as i32
    }

    /// The engine's best `depth` levels in threes, as REST `books-full` gives them.
    pub fn rest_full(inst: &Instrument, engine: &Engine, ts_ms: u64, depth: usize) -> String {
        let side = |side| {
            let level = |level: &Level| {
                let (px, sz) = (inst.px(level.px), inst.sz(level.lots));
                format!("[\"{px}\",\"{sz}\",\"{}\"]", level.count())
            };
            let levels: Vec<String> = engine.side(side).iter().take(depth).map(level).collect();
            levels.join(",")
        };
        let (asks, bids) = (side(Side::Ask), side(Side::Bid));
        format!("{{\"asks\":[{asks}],\"bids\":[{bids}],\"ts\":\"{ts_ms}\"}}")
    }

    /// The book of a spread as REST gives it: bids first, no ids.
    pub fn rest_spread(&self, inst: &Instrument, ts_ms: u64, depth: usize) -> String {
        let mut out = String::from("{\"bids\":");
        self.levels(&mut out, inst, &self.bids[..depth.min(self.bids.len())]);
        out.push_str(",\"asks\":");
        self.levels(&mut out, inst, &self.asks[..depth.min(self.asks.len())]);
        let _ = write!(out, ",\"ts\":\"{ts_ms}\"}}");
        out
    }

    /// The book in texts.
    pub fn truth(&self, inst: &Instrument) -> TruthBook {
        let side = |rows: &[Row]| -> Vec<TruthLevel> {
            rows.iter()
                .map(|row| TruthLevel {
                    px: inst.px(row.px),
                    sz: inst.sz(row.lots),
                    orders: row.orders,
                })
                .collect()
        };
        TruthBook { seq: self.seq, bids: side(&self.bids), asks: side(&self.asks) }
    }
}

fn numbers(rows: &[Row]) -> Vec<Triple> {
    rows.iter().map(|row| (row.px, row.lots, row.orders)).collect()
}

/// The checksum of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn row(kind: BookKind, level: &Level) -> Row {
    let rpi = if kind == BookKind::Rpi { level.rpi } else { 0 };
    Row {
        px: level.px,
        lots: level.lots + rpi,
        organic: level.lots,
        orders: level.count() + u32::from(rpi > 0),
    }
}

fn window(kind: BookKind, levels: &[Level]) -> Vec<Row> {
    levels.iter().take(kind.depth()).map(|level| row(kind, level)).collect()
}

fn same_side(kind: BookKind, rows: &[Row], levels: &[Level]) -> bool {
    let shown = levels.len().min(kind.depth());
    shown == rows.len() && rows.iter().zip(levels).all(|(a, b)| *a == row(kind, b))
}

/// Walks two sorted sides; `order` puts better prices first.
fn delta(before: &[Row], after: &[Row], order: fn(i64, i64) -> std::cmp::Ordering) -> Delta {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let mut out = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < before.len() || j < after.len() {
        let which = match (before.get(i), after.get(j)) {
            (Some(a), Some(b)) => order(a.px, b.px),
            (Some(_), None) => Less,
            _ => Greater,
        };
        match which {
            Less => {
                out.push(Row { px: before[i].px, lots: 0, organic: 0, orders: 0 });
                i += 1;
            }
            Greater => {
                out.push(after[j]);
                j += 1;
            }
            Equal => {
                if before[i] != after[j] {
                    out.push(after[j]);
                }
                i += 1;
                j += 1;
            }
        }
    }
    out
}
