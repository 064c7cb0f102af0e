//! A short text held in place, for the venue's own words of a few letters (a `source`, a code).
//!
//! Invariant: always valid UTF-8 of at most [`Tiny::CAPACITY`] bytes; longer text is refused.

use std::fmt;

/// Up to 15 bytes of text without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Tiny {
    len: u8,
    bytes: [u8; Tiny::CAPACITY],
}

impl Tiny {
    /// How many bytes fit.
    pub const CAPACITY: usize = 15;

    /// Holds `text`, or `None` when it is longer than [`Tiny::CAPACITY`].
    #[inline]
    pub fn new(text: &str) -> Option<Tiny> {
        let mut bytes = [0; Tiny::CAPACITY];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Tiny { len: text.len() as u8, bytes })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for Tiny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Tiny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Tiny;

    #[test]
    fn holds_fifteen_bytes_and_refuses_sixteen() {
        assert_eq!(Tiny::new("call_auction_ab").map(|t| t.as_str().len()), Some(15));
        assert_eq!(Tiny::new("call_auction_abc"), None);
        assert_eq!(Tiny::new("é").unwrap().as_str(), "é");
    }
}
