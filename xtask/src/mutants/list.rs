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

const FOLLOW: &str = "crates/okx/src/follow.rs";
const SUB: &str = "crates/okx/src/feed/sub.rs";
const ASKS: &str = "crates/okx/src/feed/asks.rs";
const FAST: &str = "crates/okx/src/feed/fast.rs";
const FAST_ROWS: &str = "crates/okx/src/fast/rows.rs";
const CELL: &str = "crates/model/src/book/cell.rs";
const LADDER: &str = "crates/model/src/book/ladder.rs";
const DATA: &str = "crates/okx/src/feed/data.rs";
const SESSION: &str = "crates/okx/src/feed/session.rs";
const EMIT: &str = "crates/okx/src/feed/emit.rs";
const BARS: &str = "crates/okx/src/channel/bars.rs";
const LIMITS: &str = "crates/okx/src/limits.rs";
const BOOK: &str = "crates/model/src/book.rs";
const DECIMAL: &str = "crates/model/src/decimal.rs";

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
        edits: &[Edit {
            file: CELL,
            old: "        self.qty != 0",
            new: "        self.qty != u64::MAX",
        }],
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
            old: "sub.prove_lost(now, (first, lost), emit, out)",
            new: "sub.prove_lost(now, (first, lost * 0), emit, out)",
        }],
    },
    Mutant {
        name: "M20",
        what: "a missing venue time is replaced by our clock",
        edits: &[Edit { file: EMIT, old: "ts_event: ts,", new: "ts_event: ts.or(Some(now))," }],
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
            old: "in rows.spans.iter().enumerate() {",
            new: "in rows.spans.iter().enumerate().take(1) {",
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
            old: "self.best = in_window.or_else(|| self.far.last().copied());",
            new: "self.best = in_window;",
        }],
    },
    Mutant {
        name: "M26",
        what: "a price with fewer decimals than the book is put one decimal too low",
        edits: &[Edit {
            file: BOOK,
            old: "UNITS.get(usize::from(self.scale.checked_sub(scale)?))?",
            new: "UNITS.get(usize::from(self.scale.checked_sub(scale)?.saturating_sub(1)))?",
        }],
    },
];
