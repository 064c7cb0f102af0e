//! Rows of the book channels: the two sides first, in either order, then `ts`, `seqId` and the
//! like in any order, each at most once. `crate::channel::books` says what the fields mean.

use super::Begun;
use super::cursor::Cursor;
use super::scan::Scan;
use crate::channel::BookForm;
use crate::channel::books::BookRow;
use market_data_model::{Decimal, Level, Qty};

/// Takes the start of a row up to the levels of its first side.
#[inline(always)]
pub(super) fn begin<S: Scan>(at: &mut Cursor<'_, S>, form: BookForm) -> Option<Begun> {
    if form.spread {
        return None;
    }
    let asks_first = at.takes(b"{\"asks\":[");
    if !asks_first {
        at.literal(b"{\"bids\":[")?;
    }
    Some(Begun::Book { asks_first })
}

/// Reads the rest of a row into `out`, which has been cleared.
#[inline(always)]
pub(super) fn row<S: Scan>(
    at: &mut Cursor<'_, S>,
    asks_first: bool,
    (form, key): (BookForm, &str),
    out: &mut BookRow,
) -> Option<()> {
    for are_asks in [asks_first, !asks_first] {
        if are_asks != asks_first {
            let comes = if are_asks { at.takes(b",\"asks\":[") } else { at.takes(b",\"bids\":[") };
            if !comes {
                return None;
            }
        }
        levels(at, form, if are_asks { &mut out.asks } else { &mut out.bids })?;
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
#[inline(always)]
fn levels<S: Scan>(at: &mut Cursor<'_, S>, form: BookForm, out: &mut Vec<Level>) -> Option<()> {
    if at.takes(b"]") {
        return Some(());
    }
    loop {
        if !form.rpi
            && let Some((level, more)) = at.level()
        {
            out.push(level);
            if more {
                continue;
            }
            return Some(());
        }
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
