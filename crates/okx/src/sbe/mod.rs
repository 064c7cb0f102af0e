//! OKX's binary market data: one message in SBE (Simple Binary Encoding) to the same rows as JSON.
//!
//! Schema 1, version 0, little-endian (OKX's `okx_sbe_1_0.xml`, read 2026-11-23). The socket is
//! `/ws/v5/public-sbe`; it carries `bbo-tbt`, `trades` and `books-l2-tbt` as binary messages, and
//! acks, errors and notices as JSON text. `feed/binary.rs` calls this; nothing here keeps anything
//! from one message to the next, but for `join`, which finds where a snapshot meets the stream.
//!
//! What a later version of the schema may do is taken as SBE says: the transmitted block length
//! decides where a block ends, so fields behind the known ones are passed over, as are bytes
//! behind the last group, and templates that are not known are counted. Another schema id is
//! another language and refused. No bytes make anything here panic.
//!
//! Start at [`head`].

pub mod best;
pub mod depth;
mod fields;
pub mod header;
pub mod join;
pub mod number;
pub mod request;
pub mod trades;

pub use fields::Odd;
pub use header::{Head, Kind, head, is_binary};

/// The channels that the binary socket carries (docs, read 2026-11-23). `books-l2-tbt-elp` is in
/// the schema but not enabled; `books` and the others are JSON only.
pub const CHANNELS: [&str; 3] = ["bbo-tbt", "trades", "books-l2-tbt"];

/// Whether the binary socket carries this channel.
pub fn carries(channel: &str) -> bool {
    CHANNELS.contains(&channel)
}

/// Bytes as text, for people.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests;
