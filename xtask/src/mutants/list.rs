//! The deliberate defects, as exact text replacements.
//!
//! M1 to M8 are the classics that a prototype of this house was tried with; the rest are bugs that
//! other OKX connectors had, and temptations of our own. Keep an edit small and its text unique;
//! `cargo test -p xtask` says when one no longer fits.

/// One replacement.
pub struct Edit {
    /// Path from the root of the tree.
    pub file: &'static str,
    /// Stands there exactly once.
    pub old: &'static str,
    /// Stands there instead.
    pub new: &'static str,
}

/// One defect.
pub struct Mutant {
    /// Short name, for the table and the command line.
    pub name: &'static str,
    /// What is broken, in words.
    pub what: &'static str,
    /// How.
    pub edits: &'static [Edit],
}

/// Who shall catch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// Torture, then the tests of what it tortures.
    Torture,
    /// The tests of the server, which torture knows nothing of.
    Server,
    /// Those of the sockets.
    Sockets,
}

impl Mutant {
    /// Who shall catch it.
    pub fn judge(&self) -> Judge {
        let is_in = |folder| self.edits.iter().any(|edit| edit.file.starts_with(folder));
        match (is_in("crates/serve/"), is_in("crates/node/src/net/")) {
            (true, _) => Judge::Server,
            (_, true) => Judge::Sockets,
            _ => Judge::Torture,
        }
    }
}

const EXACT: &str = "crates/tape/src/digest/exact.rs";
const ARROW: &str = "crates/serve/src/rest/arrow.rs";
const PAST_TRADES: &str = "crates/okx/src/past/trades.rs";
const FOLLOW: &str = "crates/okx/src/follow.rs";
const INSTRUMENTS: &str = "crates/okx/src/feed/instruments.rs";
const REFILL: &str = "crates/okx/src/feed/refill.rs";
const OPENING: &str = "crates/okx/src/feed/opening.rs";
const SUB: &str = "crates/okx/src/feed/sub.rs";
const ASKS: &str = "crates/okx/src/feed/asks.rs";
const LOGIN: &str = "crates/okx/src/feed/login.rs";
const FAST: &str = "crates/okx/src/feed/fast.rs";
const FAST_ROWS: &str = "crates/okx/src/fast/rows.rs";
const FAST_NUMBER: &str = "crates/okx/src/fast/number.rs";
const FAST_BOOKS: &str = "crates/okx/src/fast/books.rs";
const FAST_MOD: &str = "crates/okx/src/fast/mod.rs";
const CURSOR: &str = "crates/okx/src/fast/cursor.rs";
const SIMD_ROW: &str = "crates/simd/src/row.rs";
const AVX2: &str = "crates/simd/src/avx2.rs";
const WINDOW: &str = "crates/model/src/book/window.rs";
const CELL: &str = "crates/model/src/book/cell.rs";
const LADDER: &str = "crates/model/src/book/ladder.rs";
const DATA: &str = "crates/okx/src/feed/data.rs";
const SESSION: &str = "crates/okx/src/feed/session.rs";
const EMIT: &str = "crates/okx/src/feed/emit.rs";
const FEED_BARS: &str = "crates/okx/src/feed/bars.rs";
const BARS: &str = "crates/okx/src/channel/bars.rs";
const LIMITS: &str = "crates/okx/src/limits.rs";
const DECIMAL: &str = "crates/model/src/decimal.rs";
const WITNESS: &str = "crates/okx/src/feed/witness.rs";
const WITNESS_PAST: &str = "crates/okx/src/feed/witness/past.rs";
const SOCKET: &str = "crates/node/src/net/ws.rs";
const TOP_MARKET: &str = "crates/top/src/market.rs";
const TOP_WANTS: &str = "crates/top/src/wants.rs";

/// Every defect.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "M1",
        what: "no chain check",
        edits: &[Edit { file: FOLLOW, old: "if prev != last {", new: "if false {" }],
    },
    Mutant {
        name: "M2",
        what: "a snapshot does not clear the book",
        edits: &[Edit {
            file: FOLLOW,
            old: "        self.book.clear();\n        self.last = row.seq;",
            new: "        self.last = row.seq;",
        }],
    },
    Mutant {
        name: "M3",
        what: "updates are applied while waiting for a snapshot",
        edits: &[Edit {
            file: FOLLOW,
            old: "            stats.early += 1;\n            return Verdict::Early;",
            new: "            self.state = State::Live;\n            self.last = row.prev;",
        }],
    },
    Mutant {
        name: "M4",
        what: "a lower id is taken for stale and dropped",
        edits: &[Edit {
            file: FOLLOW,
            old: "        stats.resets += u64::from(seq < prev);\n        None",
            new: "        (seq < prev).then_some(Verdict::Duplicate)",
        }],
    },
    Mutant {
        name: "M5",
        what: "books stay live after a disconnect",
        edits: &[Edit {
            file: SUB,
            old: ".is_some_and(|f| f.invalidate())",
            new: ".is_some_and(|f| cause != GapCause::Disconnect && f.invalidate())",
        }],
    },
    Mutant {
        name: "M6",
        what: "bids are applied as asks",
        edits: &[Edit {
            file: FOLLOW,
            old: "self.book.apply_all(Side::Bid, &row.bids)",
            new: "self.book.apply_all(Side::Ask, &row.bids)",
        }],
    },
    Mutant {
        name: "M7",
        what: "quantity zero does not delete the level",
        edits: &[
            Edit {
                file: CELL,
                old: "        Cell(if digits == 0 { 0 } else { all })\n",
                new: "        Cell(all.max(1))\n",
            },
            Edit {
                file: CELL,
                old: "cast_signed(), Cell(if digits == 0 { 0 } else { all })",
                new: "cast_signed(), Cell(all.max(1))",
            },
        ],
    },
    Mutant {
        name: "M8",
        what: "the subscribe request has a random order",
        edits: &[Edit {
            file: ASKS,
            old: "        self.enqueue(Op::Subscribe, &idle);",
            new: "        use std::collections::HashSet;\n        \
                  let idle: HashSet<u32> = idle.into_iter().collect();\n        \
                  self.enqueue(Op::Subscribe, &idle.into_iter().collect::<Vec<_>>());",
        }],
    },
    Mutant {
        name: "M9",
        what: "only the first row of a trades frame is read",
        edits: &[Edit {
            file: DATA,
            old: "        for row in data.items() {\n            let mut unknowns = \
                  Unknowns::default();\n            let read = trades",
            new: "        for row in data.items().take(1) {\n            let mut unknowns = \
                  Unknowns::default();\n            let read = trades",
        }],
    },
    Mutant {
        name: "M10",
        what: "numbers are printed without their trailing zeros",
        edits: &[Edit {
            file: DECIMAL,
            old: "    pub fn write_to(self, out: &mut Vec<u8>) {\n",
            new: "    pub fn write_to(mut self, out: &mut Vec<u8>) {\n        \
                  while self.scale() > 0 && self.magnitude() % 10 == 0 && self.hi != NONE_HI {\n            \
                  let (sign, scale) = (self.hi & SIGN_BIT, self.scale() - 1);\n            \
                  self = Decimal::pack(sign, self.magnitude() / 10, scale);\n        }\n",
        }],
    },
    Mutant {
        name: "M11",
        what: "no ping is ever sent",
        edits: &[Edit {
            file: SESSION,
            old: "out.actions.push(Action::Send(\"ping\".into()));",
            new: "",
        }],
    },
    Mutant {
        name: "M12",
        what: "a gap is healed without saying so",
        edits: &[Edit {
            file: EMIT,
            old: "        self.other(now, place, Other::Gap(closed), out);",
            new: "        drop((now, place, closed, out));",
        }],
    },
    Mutant {
        name: "M13",
        what: "an ack that never comes is not asked for again",
        edits: &[Edit { file: ASKS, old: "                    again.push(index);\n", new: "" }],
    },
    Mutant {
        name: "M14",
        what: "confirm of a bar is read one column too early",
        edits: &[Edit {
            file: BARS,
            old: "        bar.volume_quote = read::qty(\"volCcyQuote\", next(\"volCcyQuote\")?)?;\n",
            new: "",
        }],
    },
    Mutant {
        name: "M15",
        what: "a broken book is not asked for again",
        edits: &[Edit {
            file: ASKS,
            old: "        self.subs[index as usize].lose(now, why, &mut self.emit, out);\n        \
                  self.resync(now, index, out);",
            new: "        self.subs[index as usize].lose(now, why, &mut self.emit, out);",
        }],
    },
    Mutant {
        name: "M16",
        what: "a heartbeat counts as corruption",
        edits: &[Edit {
            file: FOLLOW,
            old: "if row.bids.is_empty() && row.asks.is_empty() {",
            new: "if false {",
        }],
    },
    Mutant {
        name: "M17",
        what: "an eviction by the venue goes unnoticed",
        edits: &[Edit {
            file: ASKS,
            old: "        } else if !asked && sub.wanted {",
            new: "        } else if false {",
        }],
    },
    Mutant {
        name: "M18",
        what: "repeated trades come out again",
        edits: &[Edit {
            file: DATA,
            old: "            TradeLink::Repeat => return true,",
            new: "            TradeLink::Repeat => {}",
        }],
    },
    Mutant {
        name: "M19",
        what: "trades that ids prove missing are not reported",
        edits: &[Edit {
            file: DATA,
            old: "self.hole(now, index, (first, lost), out)",
            new: "self.hole(now, index, (first, lost * 0), out)",
        }],
    },
    Mutant {
        name: "M20",
        what: "a missing venue time is replaced by our clock",
        edits: &[Edit {
            file: EMIT,
            old: "inst: place.inst,\n            ts_event: ts,",
            new: "inst: place.inst,\n            ts_event: ts.or(Some(now)),",
        }],
    },
    Mutant {
        name: "M21",
        what: "handshakes are not limited",
        edits: &[Edit { file: LIMITS, old: "let at = now.max(earliest);", new: "let at = now;" }],
    },
    Mutant {
        name: "M22",
        what: "a silent subscription is not noticed",
        edits: &[Edit {
            file: ASKS,
            old: "        self.distrust(now, index, (GapCause::Silence, Whose::Venue), out);",
            new: "        let _ = (now, out);",
        }],
    },
    Mutant {
        name: "M23",
        what: "the fast path reads only the first row of a frame",
        edits: &[Edit {
            file: FAST,
            old: "let texts = rows.spans.iter().map(",
            new: "let texts = rows.spans.iter().take(1).map(",
        }],
    },
    Mutant {
        name: "M24",
        what: "the fast path takes volCcy of a bar for volCcyQuote",
        edits: &[Edit {
            file: FAST_ROWS,
            old: "        volume_ccy,\n        volume_quote,\n        closed: Some(closed),",
            new: "        volume_ccy,\n        volume_quote: volume_quote.and(volume_ccy),\n        \
                  closed: Some(closed),",
        }],
    },
    Mutant {
        name: "M25",
        what: "the best level is not found anew when it goes",
        edits: &[Edit {
            file: LADDER,
            old: "let best = in_window.or_else(|| self.far.first().copied());",
            new: "let best = in_window;",
        }],
    },
    Mutant {
        name: "M26",
        what: "a price with fewer decimals than the book is put one decimal too low",
        edits: &[Edit {
            file: CELL,
            old: "super::UNITS[finer as usize %",
            new: "super::UNITS[finer.saturating_sub(1) as usize %",
        }],
    },
    Mutant {
        name: "M27",
        what: "the plain reader of the fast path counts one decimal too few after eight digits",
        edits: &[Edit {
            file: FAST_NUMBER,
            old: "u64::from((length - whole).saturating_sub(1))",
            new: "u64::from((length - whole).saturating_sub(1)) - u64::from(length > 8 && whole \
                  < length)",
        }],
    },
    Mutant {
        name: "M28",
        what: "the fast path takes a number with a zero that leads",
        edits: &[Edit {
            file: FAST_NUMBER,
            old: "    whole > 0 && !leads && (has_point",
            new: "    let _ = leads;\n    whole > 0 && (has_point",
        }],
    },
    Mutant {
        name: "M29",
        what: "the fast path takes any byte for a digit",
        edits: &[Edit {
            file: FAST_NUMBER,
            old: "(bytes.wrapping_add(ONES * (0x7f - 9)) | bytes) & HIGHS == 0",
            new: "bytes & HIGHS == 0",
        }],
    },
    Mutant {
        name: "M30",
        what: "a vector reads 16 digits as if the first eight were the last",
        edits: &[Edit {
            file: AVX2,
            old: "    (eights & 0xffff_ffff) * 100_000_000 + (eights >> 32)\n}",
            new: "    (eights >> 32) * 100_000_000 + (eights & 0xffff_ffff)\n}",
        }],
    },
    Mutant {
        name: "M31",
        what: "a vector keeps the point where it was",
        edits: &[Edit {
            file: AVX2,
            old: "_mm_add_epi8(window(&FROM, length - has_point), window(&BEHIND, decimals))",
            new: "_mm_add_epi8(window(&FROM, length - has_point), window(&BEHIND, 0))",
        }],
    },
    Mutant {
        name: "M32",
        what: "a vector takes a point at the end of a number",
        edits: &[Edit {
            file: AVX2,
            old: "whole == 0 || (has_point == 1 && decimals == 0)",
            new: "whole == 0",
        }],
    },
    Mutant {
        name: "M33",
        what: "a level read at once may have any third cell",
        edits: &[Edit {
            file: SIMD_ROW,
            old: "| between << 8 ^ BETWEEN |",
            new: "| (between << 8 ^ BETWEEN) & 0xffff_ffff |",
        }],
    },
    Mutant {
        name: "M34",
        what: "a level read at once may be followed by anything",
        edits: &[Edit {
            file: SIMD_ROW,
            old: "let end = end & 0x00ff_ffff ^ if more { END_MORE } else { END };",
            new: "let end = end & 0xffff ^ if more { END_MORE } else { END } & 0xffff;",
        }],
    },
    Mutant {
        name: "M35",
        what: "the fast path swaps buyer and seller",
        edits: &[Edit {
            file: FAST_ROWS,
            old: "at.takes(b\",\\\"side\\\":\\\"buy\\\"\") {\n        Aggressor::Buyer",
            new: "at.takes(b\",\\\"side\\\":\\\"buy\\\"\") {\n        Aggressor::Seller",
        }],
    },
    Mutant {
        name: "M36",
        what: "the fast path takes the sides in the order of the frame",
        edits: &[Edit {
            file: FAST_BOOKS,
            old: "levels(at, form, if are_asks { &mut out.asks }",
            new: "levels(at, form, if are_asks == asks_first { &mut out.asks }",
        }],
    },
    Mutant {
        name: "M37",
        what: "the fast path takes prevSeqId for seqId",
        edits: &[Edit {
            file: FAST_BOOKS,
            old: "out.prev = Some(at.integer()?);",
            new: "out.seq = Some(at.integer()?);",
        }],
    },
    Mutant {
        name: "M38",
        what: "the fast path does not look which instrument a trade names",
        edits: &[Edit {
            file: CURSOR,
            old: "self.rest = self.rest.strip_prefix(text.as_bytes())?.strip_prefix",
            new: "self.rest = self.rest.get(text.len()..)?.strip_prefix",
        }],
    },
    Mutant {
        name: "M39",
        what: "the fast path ignores what follows the frame",
        edits: &[Edit {
            file: FAST_MOD,
            old: "(at.left() == 0).then_some(action)",
            new: "Some(action)",
        }],
    },
    Mutant {
        name: "M40",
        what: "the fast path takes a time of 13 digits that begins with zero",
        edits: &[Edit {
            file: FAST_NUMBER,
            old: "    if leads || rest[13] != b'\"'",
            new: "    let _ = leads;\n    if rest[13] != b'\"'",
        }],
    },
    Mutant {
        name: "M41",
        what: "a cell that is freed stays taken in the window's bits",
        edits: &[
            Edit {
                file: WINDOW,
                old: "^= u64::from(had != has) << (place % 64);\n    }",
                new: "|= u64::from(has) << (place % 64);\n    }",
            },
            Edit {
                file: WINDOW,
                old: "^= u64::from(had != has) << (place % 64);\n        true",
                new: "|= u64::from(has) << (place % 64);\n        true",
            },
        ],
    },
    Mutant {
        name: "M42",
        what: "a window that moves forgets what falls out of it",
        edits: &[Edit {
            file: WINDOW,
            old: "                beyond(key, self.get(key));",
            new: "                let _ = &mut beyond;",
        }],
    },
    Mutant {
        name: "M43",
        what: "a window looks for its next level in half of its words",
        edits: &[Edit {
            file: WINDOW,
            old: "for word in word..self.span() / 64 {",
            new: "for word in word..self.span() / 128 {",
        }],
    },
    Mutant {
        name: "M44",
        what: "the fast path takes a quantity below zero",
        edits: &[Edit {
            file: FAST_NUMBER,
            old: ".ok().filter(|number| !number.is_negative())?;",
            new: ".ok()?;",
        }],
    },
    Mutant {
        name: "M45",
        what: "a cell cuts numbers of orders that it has no room for",
        edits: &[
            Edit { file: CELL, old: "(orders >> ORDERS_BITS)\n            | ((px", new: "((px" },
            Edit {
                file: CELL,
                old: "(orders >> ORDERS_BITS)\n            | (price",
                new: "(price",
            },
        ],
    },
    Mutant {
        name: "M47",
        what: "a level read at once may have a zero that leads in its quantity",
        edits: &[Edit {
            file: AVX2,
            old: "let leads = zeros & !(points >> 1) & !ends & (1 | 1 << 16);",
            new: "let leads = zeros & !(points >> 1) & !ends & 1;",
        }],
    },
    Mutant {
        name: "M46",
        what: "rows that fall out of a window are kept in the wrong order",
        edits: &[Edit { file: LADDER, old: "    far[had..].reverse();\n", new: "" }],
    },
    Mutant {
        name: "M48",
        what: "what is served of a delisted instrument counts for the one listed in its place",
        edits: &[Edit {
            file: INSTRUMENTS,
            old: "relisted && matches!(sub.stage, Stage::Asked | Stage::Live)",
            new: "relisted && sub.stage == Stage::Leaving",
        }],
    },
    Mutant {
        name: "M49",
        what: "fetched trades come out whether they were missing or not",
        edits: &[Edit {
            file: REFILL,
            old: "if !hole.missing.iter().any(|range| range.0 <= id && id <= range.1) {\n                continue;",
            new: "if id == 0 {\n                continue;",
        }],
    },
    Mutant {
        name: "M50",
        what: "a gap closes as filled although some of it is nowhere to be had",
        edits: &[Edit {
            file: REFILL,
            old: "let healed = if hole.gone == 0 { Healed::Rest } else { Healed::Resumed };",
            new: "let healed = Healed::Rest;",
        }],
    },
    Mutant {
        name: "M51",
        what: "a late row is fetched once more",
        edits: &[Edit {
            file: REFILL,
            old: "remove(&mut hole.missing, ids);\n        self.refill.full",
            new: "self.refill.full",
        }],
    },
    Mutant {
        name: "M52",
        what: "holes are forgotten when the connection is lost",
        edits: &[Edit {
            file: REFILL,
            old: "        self.timers.clear();\n        if let",
            new: "        self.timers.clear();\n        self.refill = Refill::default();\n        if let",
        }],
    },
    Mutant {
        name: "M67",
        what: "the screen goes on showing a book while its gap is open",
        edits: &[Edit {
            file: TOP_MARKET,
            old: "self.book = None;\n                self.stale = Some(Stale {",
            new: "self.stale = Some(Stale {",
        }],
    },
    Mutant {
        name: "M68",
        what: "the screen does not mind a hole in what the server sends",
        edits: &[Edit {
            file: TOP_WANTS,
            old: " || whole(\"seq\") != Some(want.seq) {",
            new: " {",
        }],
    },
    Mutant {
        name: "M69",
        what: "a witness is compared at whatever id it names",
        edits: &[Edit {
            file: WITNESS_PAST,
            old: ".or((said.seq == self.seq).then_some(0)) else {",
            new: ".or(Some(0)) else {",
        }],
    },
    Mutant {
        name: "M70",
        what: "a book that a witness contradicts goes on being shown",
        edits: &[Edit {
            file: WITNESS,
            old: "self.distrust(now, index, (GapCause::Contradicted, Whose::Ours), out);",
            new: "let _ = (now, index);",
        }],
    },
    Mutant {
        name: "M53",
        what: "a later change comes into force with an earlier one",
        edits: &[Edit {
            file: "crates/okx/src/catalogue/upcoming.rs",
            old: "changes(row).filter(|c| c.effective <= now).collect();",
            new: "changes(row).collect();",
        }],
    },
    Mutant {
        name: "M54",
        what: "an announced change does not take effect by itself",
        edits: &[Edit {
            file: "crates/okx/src/feed/upcoming.rs",
            old: "self.emit.upcoming.next().is_none_or(|at| at > now)",
            new: "self.emit.upcoming.next().is_none_or(|_| true)",
        }],
    },
    Mutant {
        name: "M55",
        what: "a larger least order of contracts leaves their step",
        edits: &[Edit {
            file: "crates/okx/src/catalogue/upcoming.rs",
            old: "together && key == \"lotSz\"",
            new: "false && key == \"lotSz\"",
        }],
    },
    Mutant {
        name: "M62",
        what: "the last trade before the end of a backfill is believed without proof",
        edits: &[Edit {
            file: PAST_TRADES,
            old: "(At::Top, Some(high)) => self.go(At::Above(high)),",
            new: "(At::Top, Some(high)) => self.go(At::Down(high + 1)),",
        }],
    },
    Mutant {
        name: "M63",
        what: "trades that one page of the past lacks are taken for lost",
        edits: &[Edit {
            file: PAST_TRADES,
            old: "if self.looks + 1 < LOOKS_MAX {\n            return self.look();",
            new: "if self.looks + 1 < LOOKS_MAX && false {\n            return self.look();",
        }],
    },
    Mutant {
        name: "M64",
        what: "trades of the past that are there are asked for again",
        edits: &[Edit {
            file: PAST_TRADES,
            old: "= self.known_at(id) {",
            new: "= self.known_at(id).filter(|_| false) {",
        }],
    },
    Mutant {
        name: "M80",
        what: "a daily file that says of a trade what REST does not is believed",
        edits: &[Edit {
            file: "crates/okx/src/past/csv.rs",
            old: "(!same).then(|| Differing {",
            new: "(!same && false).then(|| Differing {",
        }],
    },
    Mutant {
        name: "M65",
        what: "who enters a feed in the middle is told a book of no id",
        edits: &[Edit { file: OPENING, old: "seq: follow.last(), depth", new: "seq: None, depth" }],
    },
    Mutant {
        name: "M66",
        what: "who enters a feed in the middle is told books that have no changes",
        edits: &[Edit {
            file: OPENING,
            old: ".filter(|f| f.form().incremental)",
            new: ".filter(|_| true)",
        }],
    },
    Mutant {
        name: "M56",
        what: "an ack is taken for proof that no bar is missing",
        edits: &[Edit {
            file: ASKS,
            old: "!self.awaits_funding(index) && !self.await_bars(now, index) {",
            new: "!self.awaits_funding(index) {",
        }],
    },
    Mutant {
        name: "M57",
        what: "a fetched bar is taken although it is not finished",
        edits: &[Edit {
            file: FEED_BARS,
            old: "rows.into_iter().filter(|bar| bar.closed == Some(true))",
            new: "rows.into_iter().map(|bar| Bar { closed: Some(true), ..bar })",
        }],
    },
    Mutant {
        name: "M58",
        what: "a skipped bar opens no gap",
        edits: &[Edit {
            file: FEED_BARS,
            old: "if bar.open_ms > series.next {\n            self.hole_of_bars",
            new: "if false {\n            self.hole_of_bars",
        }],
    },
    Mutant {
        name: "M59",
        what: "a line that is lost takes with it what the other line carries",
        edits: &[Edit {
            file: "crates/okx/src/feed/session.rs",
            old: "let covered = self.is_covered(index);",
            new: "let covered = false;",
        }],
    },
    Mutant {
        name: "M60",
        what: "the memory of what came out ends with the line that brought it",
        edits: &[Edit {
            file: "crates/okx/src/feed/lines.rs",
            old: "self.lines.fading = Some(now + LINE_FADES_NS);",
            new: "self.lines.fading = Some(now);",
        }],
    },
    Mutant {
        name: "M61",
        what: "a hand-over does not wait until the other line has the books",
        edits: &[Edit {
            file: "crates/okx/src/feed/handover.rs",
            old: "Stage::Live => self.is_covered(index) && !waits,",
            new: "Stage::Live => !waits,",
        }],
    },
    Mutant {
        name: "M75",
        what: "a number that fits no column of Arrow is lost, not kept as text",
        edits: &[Edit { file: ARROW, old: "        long.push(text);\n", new: "" }],
    },
    Mutant {
        name: "M76",
        what: "whoever pages down a list by ids gets its beginning",
        edits: &[Edit {
            file: "crates/serve/src/rest/paging.rs",
            old: "page.first = page.before.is_none() || page.after.is_some();",
            new: "page.first = true;",
        }],
    },
    Mutant {
        name: "M71",
        what: "the last trade that the old process told is told by its successor, too",
        edits: &[Edit {
            file: "crates/okx/src/feed/successor.rs",
            old: "let again = id <= last && last - id < Series::RESTART;",
            new: "let again = id < last && last - id < Series::RESTART;",
        }],
    },
    Mutant {
        name: "M72",
        what: "a history of funding that is behind counts as all there is",
        edits: &[Edit {
            file: "crates/okx/src/feed/funding.rs",
            old: "if !newest && !last_look {",
            new: "if !newest && !last_look && false {",
        }],
    },
    Mutant {
        name: "M73",
        what: "a refusal counts as an answer that had nothing",
        edits: &[Edit {
            file: "crates/okx/src/feed/tries.rs",
            old: "self.refusals = self.refusals.saturating_add(1);\n        u32::from(self.refusals)",
            new: "self.looks = self.looks.saturating_add(1);\n        u32::from(self.looks)",
        }],
    },
    Mutant {
        name: "M74",
        what: "the next process begins behind what this one was still fetching",
        edits: &[Edit {
            file: "crates/okx/src/feed/known.rs",
            old: "series.last().map(|last| missing.unwrap_or(last).min(last))",
            new: "series.last().map(|last| missing.map_or(last, |_| last))",
        }],
    },
    Mutant {
        name: "M78",
        what: "whose a frame is, is told by the hash of its beginning alone",
        edits: &[Edit {
            file: "crates/okx/src/fast/heads.rs",
            old: "(frame.get(..head.text.len())? == &*head.text).then_some(head)",
            new: "Some(head)",
        }],
    },
    Mutant {
        name: "M85",
        what: "64 bytes at once: zeros may lead",
        edits: &[Edit {
            file: "crates/simd/src/avx512.rs",
            old: "if odd | hangs | leads != 0 ||",
            new: "if (odd | hangs) + (leads & 0) != 0 ||",
        }],
    },
    Mutant {
        name: "M86",
        what: "the usual end of a trade may have any source",
        edits: &[Edit {
            file: "crates/okx/src/fast/rows.rs",
            old: "fills <= 9 && matches!(from, b'0' | b'1')",
            new: "fills <= 9",
        }],
    },
    Mutant {
        name: "M87",
        what: "the short look at a level overlooks the largest quantity of all",
        edits: &[Edit {
            file: CELL,
            old: "((digits | digits.wrapping_add(1)) >> QTY_BITS)\n            | (orders >> ORDERS_BITS)\n            | (price",
            new: "(digits.wrapping_add(1) >> QTY_BITS)\n            | (orders >> ORDERS_BITS)\n            | (price",
        }],
    },
    Mutant {
        name: "M79",
        what: "a long whole number loses the zeros in its middle as text",
        edits: &[Edit {
            file: "crates/model/src/digits.rs",
            old: "return append(all | ZEROS, 16, out);",
            new: "return whole(rest, out);",
        }],
    },
    Mutant {
        name: "M81",
        what: "a digest leaves the number of orders of a level out",
        edits: &[Edit {
            file: EXACT,
            old: "let head = u64::from(level.orders) | px_scale << 32 | qty_scale << 40;",
            new: "let head = px_scale << 32 | qty_scale << 40;",
        }],
    },
    Mutant {
        name: "M82",
        what: "a digest goes on with the names of an earlier batch",
        edits: &[Edit {
            file: EXACT,
            old: "self.heads.iter_mut().for_each(|head| head.length = 0);",
            new: "",
        }],
    },
    Mutant {
        name: "M83",
        what: "a message between the parts of another is taken by itself",
        edits: &[Edit {
            file: SOCKET,
            old: "!self.in_parts && is_good(message)",
            new: "is_good(message)",
        }],
    },
    Mutant {
        name: "M84",
        what: "a text frame is handed on whether it is text or not",
        edits: &[Edit { file: SOCKET, old: "first != TEXT || is_text", new: "true || is_text" }],
    },
    Mutant {
        name: "M88",
        what: "a send that fails ends a connection before what has come is handed out",
        edits: &[Edit {
            file: SOCKET,
            old: "self.broken.get_or_insert(End { code: None, reason });",
            new: "self.end(reason);",
        }],
    },
    Mutant {
        name: "L1",
        what: "what needs a login is asked for without waiting for it",
        edits: &[Edit {
            file: ASKS,
            old: "if outside && sub.needs_login() {",
            new: "if false && outside {",
        }],
    },
    Mutant {
        name: "L2",
        what: "credentials that are no good are tried again and again",
        edits: &[Edit {
            file: LOGIN,
            old: "self.passing = login_answer(code) != Some(LoginAnswer::Final);",
            new: "self.passing = true;",
        }],
    },
];
