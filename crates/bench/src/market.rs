//! Makes frames as OKX sends them, from one seed: books that chain, trades, tickers, bars.
//!
//! Shapes after the documentation (read 2026-11-23), field order of book rows as captured since
//! 2025-12. The mix is 55 % `books` updates with a median of 19 levels, 25 % trades, and the rest
//! tickers, `bbo-tbt`, `books5` and `candle1m`; two thirds of the changed levels are among the
//! best thirty. A snapshot of every book comes first. It is not a market: prices only stay apart.
//!
//! Invariants: bids below asks; `prevSeqId` is the `seqId` before; trade ids leave no hole; a side
//! has at most [`DEPTH`] levels. Start at [`generate`].

use crate::frames::Stream;
use crate::rng::Rng;
use crate::text::{number, put};
use std::collections::BTreeMap;

/// Levels a side, as on `books`.
pub const DEPTH: usize = 400;

/// (instId, instType, price in ticks, decimals of price, decimals of quantity, weight)
type Spec = (&'static str, &'static str, i64, u32, u32, u64);

const INSTRUMENTS: [Spec; 20] = [
    ("BTC-USDT-SWAP", "SWAP", 874_123, 1, 2, 20),
    ("ETH-USDT-SWAP", "SWAP", 298_437, 2, 2, 16),
    ("BTC-USDT", "SPOT", 873_951, 1, 8, 14),
    ("ETH-USDT", "SPOT", 298_391, 2, 6, 11),
    ("SOL-USDT-SWAP", "SWAP", 13_207, 2, 2, 9),
    ("XRP-USDT-SWAP", "SWAP", 20_733, 4, 2, 7),
    ("DOGE-USDT-SWAP", "SWAP", 15_091, 5, 2, 6),
    ("SOL-USDT", "SPOT", 13_203, 2, 6, 6),
    ("PEPE-USDT-SWAP", "SWAP", 4_733, 9, 1, 5),
    ("BTC-USD-SWAP", "SWAP", 874_002, 1, 0, 5),
    ("LTC-USDT-SWAP", "SWAP", 8_391, 2, 1, 4),
    ("ADA-USDT-SWAP", "SWAP", 4_307, 4, 1, 4),
    ("LINK-USDT-SWAP", "SWAP", 13_121, 3, 2, 3),
    ("SUI-USDT-SWAP", "SWAP", 15_307, 4, 0, 3),
    ("AVAX-USDT-SWAP", "SWAP", 13_909, 3, 2, 3),
    ("BTC-USDC", "SPOT", 874_077, 1, 8, 3),
    ("XRP-USDT", "SPOT", 20_729, 4, 6, 3),
    ("OKB-USDT", "SPOT", 10_713, 2, 6, 2),
    ("BTC-USD-270326", "FUTURES", 889_301, 1, 0, 2),
    ("ETH-USD-270326", "FUTURES", 303_107, 2, 0, 2),
];

/// (quantity, orders) by price in ticks.
type Levels = BTreeMap<i64, (i64, u64)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Bid,
    Ask,
}

struct Inst {
    spec: Spec,
    bids: Levels,
    asks: Levels,
    seq: i64,
    trade_id: u64,
    last: (i64, i64),
    range: (i64, i64),
    volume: i64,
}

/// The ids of the instruments, and what kind they are of.
pub fn instruments() -> impl Iterator<Item = (&'static str, &'static str)> {
    INSTRUMENTS.iter().map(|spec| (spec.0, spec.1))
}

/// A book of [`DEPTH`] levels a side, each side about so many ticks wide.
pub fn book(seed: u64, width: u64) -> market_data_model::Book {
    use market_data_model::{Book, Decimal, Level, Px, Qty, Side};
    let mut rng = Rng::new(seed);
    let mut book = Book::new();
    for (side, sign) in [(Side::Bid, -1), (Side::Ask, 1)] {
        let mut price = 1_000_000 + rng.below(1_000_000) as i64;
        for _ in 0..DEPTH {
            // On average `width / DEPTH` ticks apart.
            price += sign * (1 + rng.below(2 * width / DEPTH as u64 - 1) as i64);
            let level = Level {
                px: Px(Decimal::small(price.unsigned_abs(), 2)),
                qty: Qty(Decimal::small(1 + rng.below(1_000_000_000), 4)),
                non_rpi: Qty(Decimal::NONE),
                orders: 1 + rng.below(60) as u32,
            };
            book.apply(side, level).expect("such prices fit a book");
        }
    }
    book
}

/// `frames` frames, the snapshots among them.
pub fn generate(seed: u64, frames: usize) -> Stream {
    let mut rng = Rng::new(seed);
    let mut market: Vec<Inst> = INSTRUMENTS.iter().map(|spec| Inst::new(*spec, &mut rng)).collect();
    let weights: u64 = INSTRUMENTS.iter().map(|spec| spec.5).sum();
    let mut stream = Stream::default();
    let mut frame = Vec::new();
    let mut ts = 1_790_000_000_000;
    for n in 0..frames {
        frame.clear();
        ts += rng.below(2);
        match market.get(n) {
            Some(inst) => inst.snapshot(ts, &mut frame),
            None => {
                let mut draw = rng.below(weights);
                let chosen = market.iter_mut().find(|inst| {
                    let hit = draw < inst.spec.5;
                    draw = draw.wrapping_sub(if hit { 0 } else { inst.spec.5 });
                    hit
                });
                let inst = chosen.expect("the weights add up");
                inst.next(ts, &mut rng, &mut frame);
            }
        }
        stream.push(&frame);
    }
    stream
}

impl Inst {
    fn new(spec: Spec, rng: &mut Rng) -> Inst {
        let middle = spec.2;
        let mut inst = Inst {
            spec,
            bids: Levels::new(),
            asks: Levels::new(),
            seq: rng.between(10_000_000_000, 99_000_000_000),
            trade_id: 100_000_000 + rng.below(2_000_000_000),
            last: (middle, 1),
            range: (middle * 97 / 100, middle * 102 / 100),
            volume: rng.between(40_000_000, 900_000_000),
        };
        let (mut bid, mut ask) = (middle, middle);
        for _ in 0..DEPTH {
            // Wide enough to leave free ticks, narrow enough for a price of few ticks.
            bid -= 1 + rng.below(6) as i64;
            ask += 1 + rng.below(6) as i64;
            let (of_bid, of_ask) = (inst.level(rng), inst.level(rng));
            inst.bids.insert(bid, of_bid);
            inst.asks.insert(ask, of_ask);
        }
        inst
    }

    fn level(&self, rng: &mut Rng) -> (i64, u64) {
        // Small ones are common, large ones reach a thousand times as far.
        let digits = rng.below(4) as u32;
        let lots = 1 + rng.below(9 * 10u64.pow(digits)) as i64;
        let lot = 10i64.pow(self.spec.4.saturating_sub(2));
        (lots * lot + rng.below(lot.unsigned_abs()) as i64, 1 + rng.below(12) * rng.below(6))
    }

    fn next(&mut self, ts: u64, rng: &mut Rng, out: &mut Vec<u8>) {
        match rng.below(1000) {
            0..550 => self.update(ts, rng, out),
            550..800 => self.trade(ts, rng, out),
            800..865 => self.ticker(ts, out),
            865..925 => self.whole("bbo-tbt", 1, ts, out),
            925..950 => self.whole("books5", 5, ts, out),
            _ => self.bar(ts, out),
        }
    }

    fn best(&self, side: Side) -> i64 {
        let best = match side {
            Side::Bid => self.bids.last_key_value(),
            Side::Ask => self.asks.first_key_value(),
        };
        *best.expect("a side is never emptied").0
    }

    fn levels(&mut self, side: Side) -> &mut Levels {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// The price some levels from the top, mostly few.
    fn somewhere(&mut self, side: Side, rng: &mut Rng) -> i64 {
        let levels = self.levels(side);
        let at = rng.near_top(levels.len());
        let price = match side {
            Side::Bid => levels.keys().rev().nth(at),
            Side::Ask => levels.keys().nth(at),
        };
        *price.expect("the index is below the length")
    }

    /// Changes one level; what changed goes into `changes`, quantity 0 for a removal.
    fn change(&mut self, side: Side, rng: &mut Rng, changes: &mut Levels) {
        let price = self.somewhere(side, rng);
        let better = if side == Side::Bid { 1 } else { -1 };
        let spread = self.best(Side::Ask) - self.best(Side::Bid);
        let op = rng.below(100);
        if spread > 4 && rng.percent(40) {
            let price = self.best(side) + better;
            self.set(side, price, Some(self.level(rng)), changes);
        } else if op < 22 {
            self.set(side, price, Some(self.level(rng)), changes);
        } else if op < 56 {
            let free = price - better * rng.between(-1, 3);
            let (bid, ask) = (self.best(Side::Bid), self.best(Side::Ask));
            let apart = if side == Side::Bid { free < ask } else { free > bid };
            if apart && free > 0 && !self.levels(side).contains_key(&free) {
                self.set(side, free, Some(self.level(rng)), changes);
            }
        } else if op < 90 && self.levels(side).len() > DEPTH / 2 {
            self.set(side, price, None, changes);
        } else {
            // The venue also removes what nobody was told of (captured 2022-02).
            let unknown = price - better * 7;
            if unknown > 0 && !self.levels(side).contains_key(&unknown) {
                changes.entry(unknown).or_insert((0, 0));
            }
        }
    }

    fn set(&mut self, side: Side, price: i64, to: Option<(i64, u64)>, changes: &mut Levels) {
        match to {
            Some(level) => self.levels(side).insert(price, level),
            None => self.levels(side).remove(&price),
        };
        changes.insert(price, to.unwrap_or((0, 0)));
        if self.levels(side).len() > DEPTH {
            let worst = match side {
                Side::Bid => self.bids.pop_first(),
                Side::Ask => self.asks.pop_last(),
            };
            changes.insert(worst.expect("a full side has a worst level").0, (0, 0));
        }
    }

    /// What comes into the window from below when levels went away.
    fn refill(&mut self, side: Side, rng: &mut Rng, changes: &mut Levels) {
        for _ in self.levels(side).len()..(DEPTH - 4).min(self.levels(side).len() + 2) {
            let step = rng.between(1, 6);
            let price = match side {
                Side::Bid => self.bids.first_key_value().map(|(worst, _)| worst - step),
                Side::Ask => self.asks.last_key_value().map(|(worst, _)| worst + step),
            };
            if let Some(price) = price.filter(|price| *price > 0) {
                self.set(side, price, Some(self.level(rng)), changes);
            }
        }
    }

    fn snapshot(&self, ts: u64, out: &mut Vec<u8>) {
        self.argument("books", out);
        out.extend_from_slice(b",\"action\":\"snapshot\",\"data\":[{\"asks\":");
        self.write_levels(self.asks.iter(), out);
        out.extend_from_slice(b",\"bids\":");
        self.write_levels(self.bids.iter().rev(), out);
        let seq = self.seq;
        put(
            out,
            format_args!(",\"ts\":\"{ts}\",\"checksum\":0,\"seqId\":{seq},\"prevSeqId\":-1}}]}}"),
        );
    }

    fn update(&mut self, ts: u64, rng: &mut Rng, out: &mut Vec<u8>) {
        let (mut asks, mut bids) = (Levels::new(), Levels::new());
        let levels = if rng.percent(8) { 2 } else { 7 + rng.below(17) + rng.below(17) };
        let heartbeat = rng.below(2000) == 0;
        for _ in 0..if heartbeat { 0 } else { levels } {
            match rng.below(2) {
                0 => self.change(Side::Ask, rng, &mut asks),
                _ => self.change(Side::Bid, rng, &mut bids),
            }
        }
        if !heartbeat {
            self.refill(Side::Ask, rng, &mut asks);
            self.refill(Side::Bid, rng, &mut bids);
        }
        let prev = self.seq;
        let changed = !(asks.is_empty() && bids.is_empty());
        self.seq += if changed { rng.between(1, 60) } else { 0 };
        self.argument("books", out);
        out.extend_from_slice(b",\"action\":\"update\",\"data\":[{\"asks\":");
        self.write_levels(asks.iter(), out);
        out.extend_from_slice(b",\"bids\":");
        self.write_levels(bids.iter().rev(), out);
        let seq = self.seq;
        put(
            out,
            format_args!(
                ",\"ts\":\"{ts}\",\"checksum\":0,\"seqId\":{seq},\"prevSeqId\":{prev}}}]}}"
            ),
        );
    }

    /// A snapshot channel: the best levels, each time whole.
    fn whole(&self, channel: &str, depth: usize, ts: u64, out: &mut Vec<u8>) {
        self.argument(channel, out);
        out.extend_from_slice(b",\"data\":[{\"asks\":");
        self.write_levels(self.asks.iter().take(depth), out);
        out.extend_from_slice(b",\"bids\":");
        self.write_levels(self.bids.iter().rev().take(depth), out);
        if channel == "books5" {
            put(out, format_args!(",\"instId\":\"{}\"", self.spec.0));
        }
        put(out, format_args!(",\"ts\":\"{ts}\",\"seqId\":{}}}]}}", self.seq));
    }

    fn trade(&mut self, ts: u64, rng: &mut Rng, out: &mut Vec<u8>) {
        let buys = rng.percent(50);
        let price = self.best(if buys { Side::Ask } else { Side::Bid });
        let (quantity, _) = self.level(rng);
        let count = if rng.percent(80) { 1 } else { 1 + rng.below(8) };
        self.trade_id += count;
        self.last = (price, quantity);
        self.range = (self.range.0.min(price), self.range.1.max(price));
        self.volume += quantity;
        let (id, side) = (self.spec.0, if buys { "buy" } else { "sell" });
        self.argument("trades", out);
        put(
            out,
            format_args!(",\"data\":[{{\"instId\":\"{id}\",\"tradeId\":\"{}\"", self.trade_id),
        );
        self.field("px", price, self.spec.3, out);
        self.field("sz", quantity, self.spec.4, out);
        let seq = self.seq;
        put(
            out,
            format_args!(
                ",\"side\":\"{side}\",\"ts\":\"{ts}\",\"count\":\"{count}\",\"source\":\"0\",\
                 \"seqId\":{seq}}}]}}"
            ),
        );
    }

    fn ticker(&self, ts: u64, out: &mut Vec<u8>) {
        let (id, kind, middle, of_px, of_qty, _) = self.spec;
        let (ask, bid) = (self.best(Side::Ask), self.best(Side::Bid));
        self.argument("tickers", out);
        put(out, format_args!(",\"data\":[{{\"instType\":\"{kind}\",\"instId\":\"{id}\""));
        for (name, value, decimals) in [
            ("last", self.last.0, of_px),
            ("lastSz", self.last.1, of_qty),
            ("askPx", ask, of_px),
            ("askSz", self.asks[&ask].0, of_qty),
            ("bidPx", bid, of_px),
            ("bidSz", self.bids[&bid].0, of_qty),
            ("open24h", middle * 99 / 100, of_px),
            ("high24h", self.range.1, of_px),
            ("low24h", self.range.0, of_px),
            ("sodUtc0", middle, of_px),
            ("sodUtc8", middle + 3, of_px),
            ("volCcy24h", self.volume * 13, of_qty),
            ("vol24h", self.volume, of_qty),
        ] {
            self.field(name, value, decimals, out);
        }
        put(out, format_args!(",\"ts\":\"{ts}\"}}]}}"));
    }

    fn bar(&self, ts: u64, out: &mut Vec<u8>) {
        self.argument("candle1m", out);
        put(out, format_args!(",\"data\":[[\"{}\"", ts / 60_000 * 60_000));
        let (of_px, of_qty) = (self.spec.3, self.spec.4);
        for (value, decimals) in [
            (self.spec.2, of_px),
            (self.range.1, of_px),
            (self.range.0, of_px),
            (self.last.0, of_px),
            (self.volume / 1440, of_qty),
            (self.volume / 111, of_qty),
            (self.volume / 111, of_qty),
        ] {
            out.extend_from_slice(b",\"");
            number(out, value, decimals);
            out.push(b'"');
        }
        out.extend_from_slice(b",\"0\"]]}");
    }

    fn argument(&self, channel: &str, out: &mut Vec<u8>) {
        let id = self.spec.0;
        put(out, format_args!("{{\"arg\":{{\"channel\":\"{channel}\",\"instId\":\"{id}\"}}"));
    }

    fn field(&self, name: &str, value: i64, decimals: u32, out: &mut Vec<u8>) {
        put(out, format_args!(",\"{name}\":\""));
        number(out, value, decimals);
        out.push(b'"');
    }

    fn write_levels<'a>(
        &self,
        levels: impl Iterator<Item = (&'a i64, &'a (i64, u64))>,
        out: &mut Vec<u8>,
    ) {
        out.push(b'[');
        for (n, (price, (quantity, orders))) in levels.enumerate() {
            out.extend_from_slice(if n == 0 { b"[\"" } else { b",[\"" });
            number(out, *price, self.spec.3);
            out.extend_from_slice(b"\",\"");
            number(out, *quantity, self.spec.4);
            put(out, format_args!("\",\"0\",\"{orders}\"]"));
        }
        out.push(b']');
    }
}
