//! Numbers at fixed places of a block, little-endian, with every bound looked at; and repeating
//! groups. Everything else in this module reads through here.
//!
//! Invariant: no bytes and no place make it panic.

use std::fmt;

/// Why a message cannot be read, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd(pub String);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A block of a message: its root, or one element of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a>(pub(super) &'a [u8]);

impl<'a> Block<'a> {
    fn bytes<const N: usize>(self, at: usize, name: &str) -> Result<[u8; N], Odd> {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk::<N>());
        let bytes = bytes.copied();
        bytes.ok_or_else(|| Odd(format!("{name} is missing: the block has {} bytes", self.0.len())))
    }

    pub(super) fn i64(self, at: usize, name: &str) -> Result<i64, Odd> {
        self.bytes(at, name).map(i64::from_le_bytes)
    }

    pub(super) fn i32(self, at: usize, name: &str) -> Result<i32, Odd> {
        self.bytes(at, name).map(i32::from_le_bytes)
    }

    pub(super) fn i16(self, at: usize, name: &str) -> Result<i16, Odd> {
        self.bytes(at, name).map(i16::from_le_bytes)
    }

    pub(super) fn u16(self, at: usize, name: &str) -> Result<u16, Odd> {
        self.bytes(at, name).map(u16::from_le_bytes)
    }

    pub(super) fn i8(self, at: usize, name: &str) -> Result<i8, Odd> {
        self.bytes(at, name).map(i8::from_le_bytes)
    }

    /// Cuts off the first `len` bytes.
    pub(super) fn split(self, len: usize, name: &str) -> Result<(Block<'a>, Block<'a>), Odd> {
        let (head, tail) = self.0.split_at_checked(len).ok_or_else(|| {
            Odd(format!("{name} is cut off: {} bytes where {len} were announced", self.0.len()))
        })?;
        Ok((Block(head), Block(tail)))
    }
}

/// Bytes of a group's own head: `blockLength` and `numInGroup`, 2 bytes each.
const GROUP_HEAD: usize = 4;

/// Takes a group off `rest`: its elements, each as long as the group says.
pub(super) fn group<'a>(
    rest: &mut Block<'a>,
    name: &str,
) -> Result<impl ExactSizeIterator<Item = Block<'a>> + use<'a>, Odd> {
    let (head, body) = rest.split(GROUP_HEAD, name)?;
    let (length, count) = (head.u16(0, "blockLength")?, head.u16(2, "numInGroup")?);
    let (length, count) = (usize::from(length), usize::from(count));
    if length == 0 && count > 0 {
        return Err(Odd(format!("{name} has {count} elements without bytes")));
    }
    let (elements, tail) = body.split(length * count, name)?;
    *rest = tail;
    Ok(elements.0.chunks_exact(length.max(1)).map(Block))
}
