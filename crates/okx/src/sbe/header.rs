//! The head of every message: which template, and how long its root block is.
//!
//! ```text
//! byte  0 blockLength u16 | 2 templateId u16 | 4 schemaId u16 | 6 version u16 | 8 root block …
//! ```
//! Every template begins its root with `instIdCode` (OKX's XML, read 2026-11-23).

use super::fields::{Block, Odd};

/// Bytes of the head.
const BYTES: usize = 8;
/// The schema we read. A breaking change gets another id (docs, read 2026-11-23).
const SCHEMA: u16 = 1;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 1000: the best bid and ask of `bbo-tbt`.
    Best,
    /// 1001: a change of `books-l2-tbt`.
    Change,
    /// 1002: from here on prices or sizes of `books-l2-tbt` have other exponents.
    Exponents,
    /// 1005: a row of `trades`.
    Trade,
    /// 1006: a whole book, the answer of REST.
    Snapshot,
    /// A template that this version does not know, or whose channel OKX has not enabled (1003 and
    /// 1004).
    Unknown(u16),
}

impl Kind {
    /// The channel whose messages these are; `None` for those that no subscription brings.
    pub fn channel(self) -> Option<&'static str> {
        match self {
            Kind::Best => Some("bbo-tbt"),
            Kind::Change | Kind::Exponents => Some("books-l2-tbt"),
            Kind::Trade => Some("trades"),
            Kind::Snapshot | Kind::Unknown(_) => None,
        }
    }
}

/// What stands before the fields of a message, and where they are.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Which message.
    pub kind: Kind,
    /// `instIdCode`: which instrument; 0 of templates that are not known.
    pub code: i64,
    /// The root block, as long as the message says.
    pub(super) root: Block<'a>,
    /// Groups, and whatever is behind them.
    pub(super) rest: Block<'a>,
}

/// Whether a message of the socket is binary. The sixth byte is the upper half of the schema's id:
/// zero in every schema there may be before the 256th, and never in JSON, which has no raw zero
/// byte anywhere (RFC 8259, section 7).
pub fn is_binary(message: &[u8]) -> bool {
    message.len() >= BYTES && message[5] == 0
}

/// Reads the head of a message.
///
/// # Errors
/// [`Odd`] when it is cut off or speaks another schema.
pub fn head(message: &[u8]) -> Result<Head<'_>, Odd> {
    let (head, body) = Block(message).split(BYTES, "the head")?;
    let (length, template) = (head.u16(0, "blockLength")?, head.u16(2, "templateId")?);
    let schema = head.u16(4, "schemaId")?;
    if schema != SCHEMA {
        return Err(Odd(format!("schema {schema}: this version reads schema {SCHEMA} only")));
    }
    let (root, rest) = body.split(usize::from(length), "the root block")?;
    let kind = match template {
        1000 => Kind::Best,
        1001 => Kind::Change,
        1002 => Kind::Exponents,
        1005 => Kind::Trade,
        1006 => Kind::Snapshot,
        other => Kind::Unknown(other),
    };
    let code = match kind {
        Kind::Unknown(_) => 0,
        _ => root.i64(0, "instIdCode")?,
    };
    Ok(Head { kind, code, root, rest })
}
