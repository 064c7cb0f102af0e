//! Bytes of a WebSocket as they come, and where in them the next frame lies.
//!
//! The socket reads into [`Frames`] and asks for the next frame; no byte is copied on the way of a
//! frame that comes whole. Of the protocol only the length of a frame is known here, and which
//! frames ask nothing more of it: text and bytes, whole, not masked. All others are the library's.
//!
//! Invariants: memory grows with the bytes that have come, whatever length a header claims; what a
//! read may bring is bounded ([`READ_MAX`]), so that no frame waits behind a great many.

use std::ops::Range;

/// Most bytes of one read: some forty frames of a busy market, half a tenth of a millisecond of
/// work. It is also the longest record of TLS (RFC 8446, 5.1).
const READ_MAX: usize = 16 << 10;
/// Longest header of a frame (RFC 6455, 5.2): two bytes, eight of length, four of mask.
const HEADER_MAX: usize = 14;
/// Room for reads, with the beginning of a frame that has not come whole before them.
const ROOM: usize = READ_MAX + (8 << 10);
/// What a longer message has needed is given back once it is through.
const KEPT_MAX: usize = 1 << 20;

/// A text message that is whole (RFC 6455, 5.2: FIN, opcode 1).
pub(super) const TEXT: u8 = 0x81;
/// The same of bytes.
const BINARY: u8 = 0x82;
/// Whether it is the last frame of its message.
pub(super) const FIN: u8 = 0x80;
/// Whether it is a ping, a pong or a close.
pub(super) const CONTROL: u8 = 0x08;
/// Whether it is masked; no server may.
const MASK: u8 = 0x80;

/// What lies at the front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// No whole frame; it has so many bytes, as far as is known.
    Part(usize),
    /// A frame.
    Frame {
        /// The first byte: FIN, three reserved bits, opcode.
        first: u8,
        /// Its bytes with the header; those of the header alone if it is longer than allowed.
        length: usize,
        /// Where its payload lies (see [`Frames::get`]) if it is a message by itself.
        message: Option<Range<usize>>,
    },
}

/// See the file's first comment.
pub(super) struct Frames {
    /// All of it is initialised; what has come lies in `start..end`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Frames {
    /// With the bytes that have come behind the handshake.
    pub fn new(rest: &[u8]) -> Frames {
        let mut bytes = vec![0; ROOM.max(rest.len())];
        bytes[..rest.len()].copy_from_slice(rest);
        Frames { bytes, start: 0, end: rest.len() }
    }

    /// What has come and has not been taken.
    pub fn here(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// These bytes of what has come; good until [`Frames::room`].
    pub fn get(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// The first `length` bytes are done with.
    pub fn skip(&mut self, length: usize) {
        self.start = self.end.min(self.start + length);
    }

    /// Where the next read goes; never empty. The frame at the front has `needed` bytes.
    pub fn room(&mut self, needed: usize) -> &mut [u8] {
        if self.start == self.end && self.bytes.len() > KEPT_MAX {
            *self = Frames::new(&[]);
        }
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let needed = needed.max(self.end + 1);
        if needed > self.bytes.len() {
            self.bytes.resize(needed.min(2 * self.bytes.len()), 0);
        }
        let to = self.bytes.len().min(self.end + READ_MAX);
        &mut self.bytes[self.end..to]
    }

    /// A read has brought so many.
    pub fn came(&mut self, count: usize) {
        self.end = self.bytes.len().min(self.end + count);
    }

    /// What lies at the front. No payload is longer than `longest`.
    pub fn next(&self, longest: usize) -> Next {
        let here = self.here();
        let &[first, second, ref more @ ..] = here else { return Next::Part(HEADER_MAX) };
        let (header, length) = match (second & !MASK, more) {
            (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
            }
            (126 | 127, _) => return Next::Part(HEADER_MAX),
            (short, _) => (2, u64::from(short)),
        };
        let header = header + if second & MASK == 0 { 0 } else { 4 };
        let length = usize::try_from(length).ok().filter(|length| *length <= longest);
        let whole = header + length.unwrap_or(0);
        if here.len() < whole {
            return Next::Part(whole);
        }
        let is_message = matches!(first, TEXT | BINARY) && second & MASK == 0 && length.is_some();
        let message = is_message.then(|| self.start + header..self.start + whole);
        Next::Frame { first, length: whole, message }
    }
}

/// Whether these bytes are UTF-8. The venue's are ASCII: that is seen sixty-four bytes at a time,
/// the last of them once more with those before them, instead of the rest one by one.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let (chunks, _) = bytes.as_chunks::<64>();
    let is_ascii = match bytes.last_chunk::<64>() {
        Some(last) => chunks.iter().chain([last]).fold([0; 64], either).is_ascii(),
        None => bytes.is_ascii(),
    };
    is_ascii || std::str::from_utf8(bytes).is_ok()
}

/// Every bit that one of the two has.
#[inline]
fn either(mut all: [u8; 64], chunk: &[u8; 64]) -> [u8; 64] {
    all.iter_mut().zip(chunk).for_each(|(all, byte)| *all |= byte);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_the_standard_library_calls_text() {
        let mut bytes = vec![b'a'; 300];
        for length in 0..bytes.len() {
            assert!(is_text(&bytes[..length]), "{length}");
            for at in 0..length {
                bytes[at] = 0xc3;
                assert!(!is_text(&bytes[..length]), "{at} of {length}");
                if at + 1 < length {
                    bytes[at + 1] = 0xa4;
                    assert!(is_text(&bytes[..length]), "{at} of {length}");
                    bytes[at + 1] = b'a';
                }
                bytes[at] = b'a';
            }
        }
    }

    fn put(frames: &mut Frames, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Next::Part(needed) = frames.next(1 << 20) else { panic!("a frame is here") };
            let room = frames.room(needed);
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            frames.came(count);
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn a_header_that_lies_about_its_length_takes_no_memory() {
        let mut frames = Frames::new(&[]);
        let mut bytes = vec![TEXT, 127];
        bytes.extend_from_slice(&(1_u64 << 20).to_be_bytes());
        put(&mut frames, &bytes);
        assert_eq!(frames.next(1 << 20), Next::Part((1 << 20) + 10));
        assert!(frames.room((1 << 20) + 10).len() <= READ_MAX);
        assert!(frames.bytes.len() <= 2 * ROOM, "{}", frames.bytes.len());
        let too_long = Next::Frame { first: TEXT, length: 10, message: None };
        assert_eq!(frames.next(1000), too_long);
    }

    #[test]
    fn what_a_long_message_needed_is_given_back() {
        let mut frames = Frames::new(&[]);
        let length = 3 << 20;
        let mut bytes = vec![BINARY, 127];
        bytes.extend_from_slice(&(length as u64).to_be_bytes());
        bytes.resize(10 + length, 7);
        let mut rest = &bytes[..];
        while let Next::Part(needed) = frames.next(length) {
            let room = frames.room(needed);
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            frames.came(count);
            rest = &rest[count..];
        }
        let Next::Frame { message: Some(message), .. } = frames.next(length) else {
            panic!("it is here")
        };
        assert!(frames.get(message).iter().all(|byte| *byte == 7));
        frames.skip(10 + length);
        frames.room(0);
        assert_eq!((frames.bytes.len(), frames.here().len()), (ROOM, 0));
    }
}
