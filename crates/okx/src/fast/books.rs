//! Rows of the book channels: the two sides first, in either order, then `ts`, `seqId` and the
//! like in any order, each at most once. `crate::channel::books` says what the fields mean.

use super::cursor::Cursor;
use crate::channel::BookForm;
use crate::channel::books::BookRow;
use market_data_model::{Decimal, Level, Qty};

/// Reads one row into `out`, which has been cleared.
pub(super) fn row(at: &mut Cursor<'_>, form: BookForm, key: &str, out: &mut BookRow) -> Option<()> {
    if form.spread {
        return None;
    }
    if at.takes(b"{\"asks\":[") {
        levels(at, form, &mut out.asks)?;
        at.literal(b",\"bids\":[")?;
        levels(at, form, &mut out.bids)?;
    } else {
        at.literal(b"{\"bids\":[")?;
        levels(at, form, &mut out.bids)?;
        at.literal(b",\"asks\":[")?;
        levels(at, form, &mut out.asks)?;
    }
    let (mut checksum, mut names_itself) = (None, false);
    while !at.takes(b"}") {
        if out.ts.is_none() && at.takes(b",\"ts\":\"") {
            out.ts = Some(at.time()?);
        } else if out.seq.is_none() && at.takes(b",\"seqId\":") {
            out.seq = Some(at.integer()?);
        } else if out.prev.is_none() && at.takes(b",\"prevSeqId\":") {
            out.prev = Some(at.integer()?);
        } else if checksum.is_none() && at.takes(b",\"checksum\":") {
            checksum = Some(at.integer()?);
        } else if !names_itself && at.takes(b",\"instId\":\"") {
            at.word(key)?;
            names_itself = true;
        } else {
            return None;
        }
    }
    out.checksum = checksum.and_then(|c| i32::try_from(c).ok());
    out.ts.map(|_| ())
}

/// The levels of a side up to the end of the array, whose start has been taken.
fn levels(at: &mut Cursor<'_>, form: BookForm, out: &mut Vec<Level>) -> Option<()> {
    if at.takes(b"]") {
        return Some(());
    }
    loop {
        at.literal(b"[\"")?;
        let px = at.px()?;
        at.literal(b",\"")?;
        let qty = at.qty()?;
        let non_rpi = if form.rpi {
            at.literal(b",\"")?;
            let non_rpi = at.qty()?;
            at.literal(b",\"")?;
            non_rpi
        } else {
            at.literal(b",\"0\",\"")?;
            Qty(Decimal::NONE)
        };
        let orders = at.whole_32()?;
        at.literal(b"]")?;
        out.push(Level { px, qty, non_rpi, orders });
        if !at.another()? {
            return Some(());
        }
    }
}
