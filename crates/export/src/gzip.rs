//! One gzip member written in pieces, with nothing kept between them but a sum.
//!
//! An export has thousands of files open at once; a compressor each would be gigabytes. So each
//! piece is deflated from nothing and ends on a byte (a full flush, which the format allows
//! anywhere), and the sum and the length go on from piece to piece. Readers see one ordinary
//! member: some of them stop after the first.
//!
//! Invariant: no name and no time in the header, so the same bytes in give the same bytes out.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use std::io;

/// Magic, deflate, no flags, no time, no hint about the level, unknown system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// A last block with nothing in it.
const LAST: [u8; 2] = [0x03, 0x00];
/// Room by which the output grows.
const GROW: usize = 1 << 16;

/// Deflates pieces; shared by all files.
pub struct Deflater(Compress);

/// What a file has to remember.
#[derive(Default)]
pub struct Member(Crc);

impl Deflater {
    /// One for the level, 0 to 9.
    pub fn new(level: u32) -> Deflater {
        Deflater(Compress::new(Compression::new(level), false))
    }

    /// Appends `piece` to `out` as deflate blocks that end on a byte.
    ///
    /// # Errors
    /// When the compressor says no, which it has no reason to.
    fn deflate(&mut self, piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.0.reset();
        loop {
            if out.capacity() - out.len() < GROW {
                out.reserve(GROW.max(piece.len() / 4));
            }
            let room = out.capacity();
            let rest = &piece[usize::try_from(self.0.total_in()).unwrap_or(piece.len())..];
            let status = self.0.compress_vec(rest, out, FlushCompress::Full)?;
            let all = self.0.total_in() == piece.len() as u64;
            // With room left over, everything that was waiting is out.
            if all && out.len() < room {
                return Ok(());
            }
            if status == Status::StreamEnd {
                return Err(io::Error::other("the compressor ended too early"));
            }
        }
    }
}

impl Member {
    /// Appends the head of the member.
    pub fn begin(out: &mut Vec<u8>) {
        out.extend_from_slice(&HEAD);
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// As [`Deflater::deflate`].
    pub fn piece(
        &mut self,
        with: &mut Deflater,
        piece: &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.0.update(piece);
        with.deflate(piece, out)
    }

    /// Appends the end of the member.
    pub fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&LAST);
        out.extend_from_slice(&self.0.sum().to_le_bytes());
        // By the format the length is kept modulo 2^32, which is what this type counts.
        out.extend_from_slice(&self.0.amount().to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn written(pieces: &[Vec<u8>]) -> Vec<u8> {
        let (mut with, mut member, mut out) = (Deflater::new(6), Member::default(), Vec::new());
        Member::begin(&mut out);
        for piece in pieces {
            member.piece(&mut with, piece, &mut out).unwrap();
        }
        member.end(&mut out);
        out
    }

    proptest! {
        #[test]
        fn one_member_holds_all_pieces(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..6),
            zeros in 0usize..300_000,
        ) {
            let mut pieces = pieces;
            pieces.push(vec![7; zeros]);
            let bytes = written(&pieces);
            let mut back = Vec::new();
            // Not the reader of many members.
            let mut reader = flate2::bufread::GzDecoder::new(&bytes[..]);
            reader.read_to_end(&mut back).unwrap();
            prop_assert_eq!(back, pieces.concat());
            prop_assert!(reader.into_inner().is_empty());
            prop_assert_eq!(bytes, written(&pieces));
        }
    }

    #[test]
    fn pieces_bigger_than_the_room_come_through() {
        let mut seed = 1u64;
        let mut noise = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        };
        let piece: Vec<u8> = (0..3_000_000).map(|_| noise()).collect();
        let bytes = written(std::slice::from_ref(&piece));
        let mut back = Vec::new();
        flate2::bufread::GzDecoder::new(&bytes[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, piece);
    }
}
