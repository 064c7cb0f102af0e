//! Whole numbers, texts and options as bytes, and back.
//!
//! `record.rs`, `feed_config.rs` and `format.rs` use it. Varints are LEB128 (seven bits a byte,
//! lowest first), signed numbers are zigzag varints, texts and byte strings carry their length.
//!
//! Invariant: a [`Cursor`] never panics, whatever bytes it is given.

use market_data_model::Decimal;

/// Why bytes whose sum holds are not what they should be: they were written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("the bytes end inside {0}")]
    Short(&'static str),
    /// A text is not UTF-8.
    #[error("{0} is not UTF-8 text")]
    NotText(&'static str),
    /// A value is out of its range.
    #[error("{what} cannot be {value}")]
    Value {
        /// Which field.
        what: &'static str,
        /// What it holds.
        value: u64,
    },
    /// A decimal number is not canonical text.
    #[error("{what} is not a decimal number: {text:?}")]
    NotDecimal {
        /// Which field.
        what: &'static str,
        /// What it holds.
        text: String,
    },
}

pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(crate) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// One byte, 0 = absent; then the value as `put` writes it.
pub(crate) fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: fn(&mut Vec<u8>, T)) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            put(out, value);
        }
    }
}

/// A number as its decimal text.
pub(crate) fn put_decimal(out: &mut Vec<u8>, value: Decimal) {
    let mut text = Vec::with_capacity(40);
    value.write_to(&mut text);
    put_bytes(out, &text);
}

/// Reads what the functions above wrote.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Short(what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.rest.split_first().ok_or(DecodeError::Short(what))?;
        self.rest = rest;
        Ok(byte)
    }

    pub(crate) fn u64_le(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let bytes = self.take(8, what)?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte)))
    }

    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Value { what, value })
    }

    /// A varint that must fit `T`.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, DecodeError> {
        let value = self.varint(what)?;
        T::try_from(value).map_err(|_| DecodeError::Value { what, value })
    }

    pub(crate) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let len = self.number::<usize>(what)?;
        self.take(len, what)
    }

    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes(what)?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::NotText(what))
    }

    /// Everything that is left, as text.
    pub(crate) fn rest_text(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let bytes = std::mem::take(&mut self.rest);
        std::str::from_utf8(bytes).map_err(|_| DecodeError::NotText(what))
    }

    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(DecodeError::Value { what, value: value.into() }),
        }
    }

    pub(crate) fn option<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flag(what)? { read(self, what).map(Some) } else { Ok(None) }
    }

    pub(crate) fn decimal(&mut self, what: &'static str) -> Result<Decimal, DecodeError> {
        let text = self.bytes(what)?;
        Decimal::parse(text).map_err(|_| DecodeError::NotDecimal {
            what,
            text: String::from_utf8_lossy(text).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(value: u64, signed: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            put_varint(&mut out, zigzag(signed));
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(cursor.varint("value"), Ok(value));
            prop_assert_eq!(cursor.varint("signed").map(unzigzag), Ok(signed));
            prop_assert!(cursor.rest().is_empty());
        }

        #[test]
        fn any_bytes_are_fine(bytes: Vec<u8>) {
            let _ = Cursor::new(&bytes).varint("x");
            let _ = Cursor::new(&bytes).text("x");
            let _ = Cursor::new(&bytes).decimal("x");
            let _ = Cursor::new(&bytes).option("x", Cursor::bytes);
        }
    }
}
