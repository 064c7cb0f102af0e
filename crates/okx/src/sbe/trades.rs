//! Template 1005, `TradesChannelEvent`: one row of `trades`.
//!
//! ```text
//! instIdCode i64 | 8 tsUs i64 | 16 outTime i64 | 24 seqId i64 | 32 pxMantissa i64
//! 40 szMantissa i64 | 48 tradeId i64 | 56 count i16 | 58 side i8 (0 sell, 1 buy)
//! 59 pxExponent i8 | 60 szExponent i8 | 61 source i8 (0 normal, 1 retail) = 62 bytes
//! ```
//! (OKX's XML, read 2026-11-23.)

use super::depth::time;
use super::fields::Odd;
use super::header::Head;
use super::number::decimal;
use crate::channel::Unknowns;
use market_data_model::{Aggressor, Nanos, Px, Qty, Tiny, Trade};

/// Time and trade of a message; words that are not known pass and are counted.
///
/// # Errors
/// [`Odd`] when a field is missing or cannot be what it says.
pub fn read(head: &Head<'_>, unknowns: &mut Unknowns) -> Result<(Option<Nanos>, Trade), Odd> {
    let root = head.root;
    let (px_exponent, sz_exponent) = (root.i8(59, "pxExponent")?, root.i8(60, "szExponent")?);
    let id = root.i64(48, "tradeId")?;
    let count = root.i16(56, "count")?;
    let source = root.i8(61, "source")?;
    if !matches!(source, 0 | 1) {
        unknowns.values += 1;
    }
    let aggressor = match root.i8(58, "side")? {
        0 => Aggressor::Seller,
        1 => Aggressor::Buyer,
        _ => {
            unknowns.values += 1;
            Aggressor::Unknown
        }
    };
    let trade = Trade {
        trade_id: u64::try_from(id).map_err(|_| Odd(format!("tradeId is {id}: negative")))?,
        px: Px(decimal(root.i64(32, "pxMantissa")?, px_exponent)?),
        qty: Qty(decimal(root.i64(40, "szMantissa")?, sz_exponent)?),
        aggressor,
        count: Some(u32::try_from(count).map_err(|_| Odd(format!("count is {count}: negative")))?),
        source: Tiny::new(&source.to_string()),
        seq: Some(root.i64(24, "seqId")?),
        filled: None,
    };
    Ok((time(root.i64(8, "tsUs")?), trade))
}
