//! The arguments of the binary socket's requests: JSON, with `instIdCode` where the other sockets
//! have `instId` (docs, read 2026-11-23).

use crate::json::Raw;
use market_data_model::wire;

/// Where REST has whole books in SBE.
const DEPTH: &str = "/api/v5/market/books-sbe";

/// Bytes that an argument may have more than one with an `instId`: the longer word, and a number
/// of up to 20 digits.
pub const ARGUMENT_MORE: usize = 24;

/// Appends the argument of a subscription.
pub fn write(channel: &str, code: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"channel\":");
    wire::escape(channel, out);
    out.extend_from_slice(b",\"instIdCode\":");
    out.extend_from_slice(code.to_string().as_bytes());
    out.push(b'}');
}

/// Channel and code of an argument, as the venue repeats it; the code may be a number or text.
pub fn argument(arg: Raw<'_>) -> Option<(String, i64)> {
    let channel = arg.field("channel")?.text()?.into_owned();
    let code = arg.field("instIdCode")?;
    let code = code.integer().or_else(|| code.text()?.parse().ok())?;
    Some((channel, code))
}

/// What to ask REST for: the whole book of an instrument. `source=0` is the book without retail
/// liquidity (docs, read 2026-11-23).
pub fn depth_path(code: i64) -> String {
    format!("{DEPTH}?instIdCode={code}&source=0")
}
