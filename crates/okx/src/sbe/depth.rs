//! Templates 1001, 1002 and 1006: a change of `books-l2-tbt`, new exponents for it, and the whole
//! book that REST answers with.
//!
//! ```text
//! 1001 BooksL2TbtChannelEvent: instIdCode i64 | 8 tsUs i64 | 16 outTime i64 | 24 seqId i64
//!      32 prevSeqId i64 | 40 pxExponent i8 | 41 szExponent i8 = 42 bytes; groups asks, bids
//! 1002 BooksL2TbtExponentUpdateEvent: the same 42 bytes, no groups
//! 1006 SnapshotDepthResponseEvent: instIdCode i64 | 8 tsUs i64 | 16 seqId i64 | 24 pxExponent i8
//!      25 szExponent i8 = 26 bytes; groups asks, bids
//! group: blockLength u16 | numInGroup u16, then elements of
//!      pxMantissa i64 | 8 szMantissa i64 | 16 ordCount i32 = 20 bytes
//! ```
//! (OKX's XML, read 2026-11-23.) Levels become exact decimals at once, so nothing has to be
//! rescaled when exponents change: 1002 is a link of the chain without levels, and no more. A
//! heartbeat is a 1001 without levels whose `seqId` is its `prevSeqId`.

use super::fields::{Block, Odd, group};
use super::header::{Head, Kind};
use super::number::decimal;
use crate::channel::books::BookRow;
use market_data_model::{Decimal, Level, Nanos, Px, Qty};

/// Reads a message of one of these kinds into `out`. What cannot be read is said in `out.odd`.
pub fn read(head: &Head<'_>, out: &mut BookRow) {
    out.clear();
    if let Err(Odd(why)) = fill(head, out) {
        out.odd = Some(why);
    }
}

/// `prevSeqId` and `seqId` of a change, without its levels.
///
/// # Errors
/// [`Odd`] when they are not there.
pub fn ids(head: &Head<'_>) -> Result<(i64, i64), Odd> {
    Ok((head.root.i64(32, "prevSeqId")?, head.root.i64(24, "seqId")?))
}

fn fill(head: &Head<'_>, out: &mut BookRow) -> Result<(), Odd> {
    let root = head.root;
    out.ts = time(root.i64(8, "tsUs")?);
    let exponents = if head.kind == Kind::Snapshot {
        out.seq = Some(root.i64(16, "seqId")?);
        (root.i8(24, "pxExponent")?, root.i8(25, "szExponent")?)
    } else {
        out.seq = Some(root.i64(24, "seqId")?);
        out.prev = Some(root.i64(32, "prevSeqId")?);
        (root.i8(40, "pxExponent")?, root.i8(41, "szExponent")?)
    };
    if head.kind == Kind::Exponents {
        return Ok(());
    }
    let mut rest = head.rest;
    levels(&mut rest, ("asks", exponents), &mut out.asks)?;
    levels(&mut rest, ("bids", exponents), &mut out.bids)
}

fn levels(
    rest: &mut Block<'_>,
    (name, exponents): (&str, (i8, i8)),
    out: &mut Vec<Level>,
) -> Result<(), Odd> {
    for element in group(rest, name)? {
        let numbers = (element.i64(0, "pxMantissa")?, element.i64(8, "szMantissa")?);
        out.push(level(numbers, element.i32(16, "ordCount")?, exponents)?);
    }
    Ok(())
}

/// One level. Like a level of the JSON channel it may not be negative.
pub(super) fn level(
    (px, sz): (i64, i64),
    orders: i32,
    (px_exponent, sz_exponent): (i8, i8),
) -> Result<Level, Odd> {
    if px < 0 || sz < 0 || orders < 0 {
        return Err(Odd(format!("a level is negative: price {px}, size {sz}, {orders} orders")));
    }
    Ok(Level {
        px: Px(decimal(px, px_exponent)?),
        qty: Qty(decimal(sz, sz_exponent)?),
        non_rpi: Qty(Decimal::NONE),
        orders: orders.unsigned_abs(),
    })
}

/// A time in microseconds, of which OKX fills milliseconds only (docs, read 2026-11-23); `None`
/// for zero and what no clock says.
pub(super) fn time(micros: i64) -> Option<Nanos> {
    let micros = u64::try_from(micros).ok().filter(|micros| *micros > 0)?;
    micros.checked_mul(1000).map(Nanos)
}
