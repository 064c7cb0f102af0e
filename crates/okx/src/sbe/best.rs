//! Template 1000, `BboTbtChannelEvent`: the best bid and ask, whole, like a row of `bbo-tbt`.
//!
//! ```text
//! instIdCode i64 | 8 tsUs i64 | 16 outTime i64 | 24 seqId i64 | 32 askPxMantissa i64
//! 40 askSzMantissa i64 | 48 bidPxMantissa i64 | 56 bidSzMantissa i64 | 64 askOrdCount i32
//! 68 bidOrdCount i32 | 72 pxExponent i8 | 73 szExponent i8 = 74 bytes
//! ```
//! (OKX's XML, read 2026-11-23.) The schema has no word for a side that is empty; JSON then has no
//! level there. A size of zero is taken to say it: a level without a quantity is none.

use super::depth::{level, time};
use super::fields::{Block, Odd};
use super::header::Head;
use crate::channel::books::BookRow;

/// Reads the message into `out`. What cannot be read is said in `out.odd`.
pub fn read(head: &Head<'_>, out: &mut BookRow) {
    out.clear();
    if let Err(Odd(why)) = fill(head.root, out) {
        out.odd = Some(why);
    }
}

fn fill(root: Block<'_>, out: &mut BookRow) -> Result<(), Odd> {
    out.ts = time(root.i64(8, "tsUs")?);
    out.seq = Some(root.i64(24, "seqId")?);
    let exponents = (root.i8(72, "pxExponent")?, root.i8(73, "szExponent")?);
    let ask = (root.i64(32, "askPxMantissa")?, root.i64(40, "askSzMantissa")?);
    let bid = (root.i64(48, "bidPxMantissa")?, root.i64(56, "bidSzMantissa")?);
    let orders = (root.i32(64, "askOrdCount")?, root.i32(68, "bidOrdCount")?);
    if ask.1 != 0 {
        out.asks.push(level(ask, orders.0, exponents)?);
    }
    if bid.1 != 0 {
        out.bids.push(level(bid, orders.1, exponents)?);
    }
    Ok(())
}
