//! Steps through one segment file, frame by frame, and finds the next good one after damage.
//!
//! `records.rs` reads tapes with it and `writer/recover.rs` looks for the torn tail. It decides
//! nothing about record numbers; it says what is there.
//!
//! Invariants: a block is handed out only when both its sums hold; after damage the next step is
//! a frame whose sum holds, or the end; memory is one block. Start at [`SegmentReader::step`].

use crate::format::{
    self, BLOCK_HEAD, BlockHead, FRAME_START, Footer, Index, SegmentHeader, TAG_BLOCK, TAG_FOOTER,
    TAG_HEADER, TAG_INDEX,
};
use crate::reader::DamageKind;
use std::io::{self, Read, Seek, SeekFrom};

/// How much is looked through at a time for the next good frame.
const SEARCH_BYTES: usize = 1 << 20;
/// What a disk cannot read is stepped over in such pieces: the pages of its cache, and its sectors.
const PAGE: u64 = 4096;
/// After so many pages in a row that cannot be read the disk is taken to be gone.
const BAD_PAGES_MAX: u32 = 256;

/// What came next.
#[derive(Debug)]
pub(crate) enum Step {
    /// The segment header.
    Header(SegmentHeader),
    /// A block, its records in the buffer given.
    Block(BlockHead, u64),
    /// The index.
    Index(Index),
    /// The footer.
    Footer(Footer),
    /// Bytes that are none of these.
    Bad { offset: u64, bytes: u64, kind: DamageKind },
    /// The end of the file.
    End,
}

/// One segment file being read.
pub(crate) struct SegmentReader<F> {
    file: F,
    pos: u64,
    len: u64,
    /// Where to stop, for ranges; the file's length otherwise.
    stop: u64,
    /// `None` when neither name nor header says it.
    pub(crate) number: Option<u64>,
    /// Record numbers below this one are behind us: a block that has them is not the next.
    pub(crate) next_ordinal: u64,
    /// Whether something could not be read in the step of the moment.
    unreadable: bool,
    /// Pages in a row that could not be read.
    bad_pages: u32,
    stored: Vec<u8>,
    unzip: zstd::bulk::Decompressor<'static>,
}

impl<F: Read + Seek> SegmentReader<F> {
    pub(crate) fn new(mut file: F, number: Option<u64>) -> io::Result<SegmentReader<F>> {
        let len = file.seek(SeekFrom::End(0))?;
        let unzip = zstd::bulk::Decompressor::new()?;
        let stored = Vec::new();
        Ok(SegmentReader {
            file,
            pos: 0,
            len,
            stop: len,
            number,
            next_ordinal: 0,
            unreadable: false,
            bad_pages: 0,
            stored,
            unzip,
        })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Where the next frame begins.
    pub(crate) fn pos(&self) -> u64 {
        self.pos
    }

    /// Reads only from `start` to `stop`.
    pub(crate) fn restrict(&mut self, start: u64, stop: u64) {
        self.pos = start.min(self.len);
        self.stop = stop.min(self.len);
    }

    /// The next frame; the records of a block go to `raw`. Blocks of which `wanted` says no are
    /// handed out with `raw` empty and their payload unread.
    pub(crate) fn step(
        &mut self,
        raw: &mut Vec<u8>,
        wanted: impl FnOnce(&BlockHead) -> bool,
    ) -> io::Result<Step> {
        raw.clear();
        self.unreadable = false;
        if self.pos >= self.stop {
            return Ok(Step::End);
        }
        let offset = self.pos;
        let mut start = [0; BLOCK_HEAD];
        let have = self.read_at(offset, &mut start)?;
        let start = &start[..have];
        if format::starts_frame(start, TAG_BLOCK) {
            return self.block(offset, start, raw, wanted);
        }
        if format::starts_frame(start, TAG_HEADER) && offset == 0 {
            let header = self.whole(offset, start, SegmentHeader::LEN_MAX)?;
            return match header.as_deref().and_then(SegmentHeader::decode) {
                Some(header) => Ok(Step::Header(header)),
                None => self.bad(offset, offset + 1, DamageKind::Header),
            };
        }
        if format::starts_frame(start, TAG_INDEX) {
            let len_max = self.len;
            let index = self.whole(offset, start, len_max)?;
            return match index.as_deref().and_then(Index::decode) {
                Some(index) => Ok(Step::Index(index)),
                None => self.bad(offset, offset + 1, DamageKind::Index),
            };
        }
        match Footer::decode(start).filter(|footer| self.is_ours(footer.segment)) {
            Some(footer) => {
                self.pos = offset + format::FOOTER as u64;
                Ok(Step::Footer(footer))
            }
            None if offset == 0 => self.bad(offset, offset + 1, DamageKind::Header),
            None if format::starts_frame(start, TAG_FOOTER) => {
                self.bad(offset, offset + 1, DamageKind::Footer)
            }
            None => self.bad(offset, offset + 1, DamageKind::Head),
        }
    }

    fn block(
        &mut self,
        offset: u64,
        start: &[u8],
        raw: &mut Vec<u8>,
        wanted: impl FnOnce(&BlockHead) -> bool,
    ) -> io::Result<Step> {
        let Some(head) = BlockHead::decode(start).filter(|head| self.is_ours(head.segment)) else {
            return self.bad(offset, offset + 1, DamageKind::Head);
        };
        let next = offset + head.total_len();
        if next > self.len {
            return self.bad(offset, offset + BLOCK_HEAD as u64, DamageKind::Torn);
        }
        if wanted(&head) {
            self.stored.resize(head.stored_len as usize, 0);
            let mut stored = std::mem::take(&mut self.stored);
            let read = self.read_at(offset + BLOCK_HEAD as u64, &mut stored)?;
            let good = read == stored.len() && crc32c::crc32c(&stored) == head.payload_crc;
            let unpacked = good && self.unpack(&head, &stored, raw);
            self.stored = stored;
            if !good {
                return self.bad_payload(offset, next);
            }
            if !unpacked {
                self.pos = next;
                let bytes = next - offset;
                return Ok(Step::Bad { offset, bytes, kind: DamageKind::Undecodable });
            }
        }
        self.pos = next;
        self.next_ordinal = head.end_ordinal();
        Ok(Step::Block(head, offset))
    }

    fn unpack(&mut self, head: &BlockHead, stored: &[u8], raw: &mut Vec<u8>) -> bool {
        let raw_len = head.raw_len as usize;
        if head.compressed {
            raw.reserve(raw_len);
            matches!(self.unzip.decompress_to_buffer(stored, raw), Ok(len) if len == raw_len)
        } else {
            raw.extend_from_slice(stored);
            raw.len() == raw_len
        }
    }

    /// A block whose head is good and whose payload is not: what follows is where the head says,
    /// unless bytes are missing.
    fn bad_payload(&mut self, offset: u64, next: u64) -> io::Result<Step> {
        if next == self.len || self.frame_at(next)? {
            self.pos = next;
            let kind = self.unless_unreadable(DamageKind::Payload);
            return Ok(Step::Bad { offset, bytes: next - offset, kind });
        }
        self.bad(offset, offset + BLOCK_HEAD as u64, DamageKind::Payload)
    }

    /// Damage at `offset`; goes on at the next good frame from `search` on.
    fn bad(&mut self, offset: u64, search: u64, kind: DamageKind) -> io::Result<Step> {
        self.pos = self.find_frame(search)?;
        let at_end = self.pos >= self.len;
        let kind = match kind {
            DamageKind::Torn if !at_end => DamageKind::Payload,
            DamageKind::Head if at_end => DamageKind::Torn,
            kind => kind,
        };
        let kind = self.unless_unreadable(kind);
        Ok(Step::Bad { offset, bytes: self.pos - offset, kind })
    }

    /// What is told of damage: that the disk could not read it, if that is why. An index and a
    /// footer hold no records, so it does not matter there.
    fn unless_unreadable(&self, kind: DamageKind) -> DamageKind {
        match kind {
            DamageKind::Index | DamageKind::Footer => kind,
            _ if self.unreadable => DamageKind::Unreadable,
            kind => kind,
        }
    }

    fn is_ours(&self, segment: u64) -> bool {
        self.number.is_none_or(|number| number == segment)
    }

    /// A whole frame of a length the frame itself says; `None` if that cannot be.
    fn whole(&mut self, offset: u64, start: &[u8], len_max: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(len) = format::frame_len(start) else { return Ok(None) };
        if len < FRAME_START as u64 || len > len_max || offset + len > self.len {
            return Ok(None);
        }
        let mut frame = vec![0; len as usize];
        let read = self.read_at(offset, &mut frame)?;
        self.pos = offset + len;
        Ok((read == frame.len()).then_some(frame))
    }

    /// Where the next good frame begins, from `from` on; the file's length if there is none.
    fn find_frame(&mut self, from: u64) -> io::Result<u64> {
        let mut chunk = vec![0; SEARCH_BYTES.min(self.len.saturating_sub(from) as usize)];
        let mut at = from;
        while at + (FRAME_START as u64) < self.len {
            let have = self.read_at(at, &mut chunk)?;
            let mut inside = 0;
            while let Some(found) = find_magic(&chunk[inside..have]) {
                let offset = at + (inside + found) as u64;
                if self.frame_at(offset)? {
                    return Ok(offset);
                }
                inside += found + 1;
            }
            if have < FRAME_START {
                break;
            }
            // Frame starts that straddle two chunks are seen in the second.
            at += (have + 1 - FRAME_START) as u64;
        }
        Ok(self.len)
    }

    /// Whether a frame whose sum holds begins here. An index counts when its footer follows.
    fn frame_at(&mut self, offset: u64) -> io::Result<bool> {
        let mut start = [0; BLOCK_HEAD];
        let have = self.read_at(offset, &mut start)?;
        let start = &start[..have];
        if let Some(head) = BlockHead::decode(start) {
            let ahead = head.first_ordinal >= self.next_ordinal;
            return Ok(self.is_ours(head.segment) && ahead);
        }
        if format::starts_frame(start, TAG_INDEX) {
            let Some(len) = format::frame_len(start) else { return Ok(false) };
            let mut after = [0; format::FOOTER];
            let have = self.read_at(offset.saturating_add(len), &mut after)?;
            let footer = Footer::decode(&after[..have]);
            return Ok(footer.is_some_and(|footer| footer.index_offset == offset));
        }
        Ok(Footer::decode(start).is_some_and(|footer| self.is_ours(footer.segment)))
    }

    /// Reads at `offset` as much as there is and fits. What the disk cannot read is zeros, which no
    /// sum covers.
    pub(crate) fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        if offset >= self.len {
            return Ok(0);
        }
        self.file.seek(SeekFrom::Start(offset))?;
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => (filled, self.bad_pages) = (filled + read, 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if !is_of_the_disk(&error) || self.bad_pages >= BAD_PAGES_MAX => {
                    return Err(error);
                }
                Err(_) => {
                    (self.unreadable, self.bad_pages) = (true, self.bad_pages + 1);
                    let at = offset + filled as u64;
                    let next = (at / PAGE + 1) * PAGE;
                    let skipped = ((next - at) as usize).min(bytes.len() - filled);
                    bytes[filled..filled + skipped].fill(0);
                    filled += skipped;
                    self.file.seek(SeekFrom::Start(at + skipped as u64))?;
                }
            }
        }
        // The file may have grown since; what lies beyond is the next reader's.
        Ok(filled.min((self.len - offset) as usize))
    }

    /// The footer, if the segment was closed.
    pub(crate) fn footer(&mut self) -> io::Result<Option<Footer>> {
        let Some(offset) = self.len.checked_sub(format::FOOTER as u64) else { return Ok(None) };
        let mut bytes = [0; format::FOOTER];
        let have = self.read_at(offset, &mut bytes)?;
        Ok(Footer::decode(&bytes[..have]).filter(|footer| self.is_ours(footer.segment)))
    }

    /// The index that a footer names; `None` if it is damaged.
    pub(crate) fn index(&mut self, footer: &Footer) -> io::Result<Option<Index>> {
        let (pos, offset) = (self.pos, footer.index_offset);
        let mut start = [0; FRAME_START];
        let have = self.read_at(offset, &mut start)?;
        let frame = self.whole(offset, &start[..have], self.len)?;
        self.pos = pos;
        Ok(frame.as_deref().and_then(Index::decode))
    }
}

/// Whether a disk says of some of its bytes that it cannot read them.
fn is_of_the_disk(error: &io::Error) -> bool {
    // EIO, which is 5 on every Unix. Its kind has no name in the standard library.
    cfg!(unix) && error.raw_os_error() == Some(5)
}

/// Where in `bytes` a frame may start.
fn find_magic(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let found = bytes[from..].iter().position(|&byte| byte == format::FRAME_MAGIC[0])?;
        let at = from + found;
        let start = bytes.get(at..at + FRAME_START)?;
        if start.starts_with(&format::FRAME_MAGIC) && start[8..].starts_with(b"MDT") {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Entry;
    use crate::writer::{Compression, TapeOptions, TapeWriter};
    use market_data_model::{FeedId, Input, Nanos};
    use std::io::Cursor;

    /// A file with a stretch that cannot be read.
    struct Sick {
        file: Cursor<Vec<u8>>,
        bad: std::ops::Range<u64>,
        code: i32,
    }

    impl Read for Sick {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let at = self.file.position();
            if self.bad.contains(&at) {
                return Err(io::Error::from_raw_os_error(self.code));
            }
            let room = self.bad.start.checked_sub(at).unwrap_or(u64::MAX);
            let len = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            self.file.read(&mut bytes[..len])
        }
    }

    impl Seek for Sick {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.file.seek(to)
        }
    }

    /// A closed segment of many blocks of some 500 bytes, by the offsets of their heads.
    fn segment() -> (Vec<u8>, Vec<u64>) {
        let dir = tempfile::tempdir().unwrap();
        let now = Nanos(1_796_000_000_000_000_000);
        let compression = Compression::None;
        let options = TapeOptions { block_bytes: 400, compression, ..TapeOptions::default() };
        let mut writer = TapeWriter::open(dir.path(), options, now).unwrap();
        for n in 0..8_000u64 {
            let entry = Entry::Input(Input::Frame(&[b'x'; 100]));
            let _ = writer.put(FeedId(1), now + n, &entry);
        }
        writer.close(now).unwrap();
        let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
        let is_segment = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "mdt");
        let bytes = std::fs::read(files.filter(is_segment).max().unwrap()).unwrap();
        let mut reader = SegmentReader::new(Cursor::new(bytes.clone()), None).unwrap();
        let mut offsets = Vec::new();
        loop {
            match reader.step(&mut Vec::new(), |_| true).unwrap() {
                Step::Block(_, offset) => offsets.push(offset),
                Step::Bad { .. } => panic!("it is whole"),
                Step::End => return (bytes, offsets),
                _ => {}
            }
        }
    }

    /// The blocks that are read, and what is damaged.
    fn read(
        bytes: &[u8],
        bad: std::ops::Range<u64>,
        code: i32,
    ) -> io::Result<(Vec<u64>, Vec<Step>)> {
        let file = Sick { file: Cursor::new(bytes.to_vec()), bad, code };
        let mut reader = SegmentReader::new(file, None)?;
        let (mut blocks, mut damage) = (Vec::new(), Vec::new());
        loop {
            match reader.step(&mut Vec::new(), |_| true)? {
                Step::Block(_, offset) => blocks.push(offset),
                bad @ Step::Bad { .. } => damage.push(bad),
                Step::End => return Ok((blocks, damage)),
                _ => {}
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_stretch_that_the_disk_cannot_read_costs_the_blocks_in_it() {
        const EIO: i32 = 5;
        let (bytes, offsets) = segment();
        for bad in [PAGE..2 * PAGE, 10 * PAGE..13 * PAGE, 0..PAGE] {
            let (blocks, damage) = read(&bytes, bad.clone(), EIO).unwrap();
            // A block is lost if any of its bytes is; what is found again may be the one behind.
            let ends = offsets.iter().skip(1).chain([&u64::MAX]);
            let whole: Vec<_> = offsets.iter().zip(ends).collect();
            let lost = |at: &u64, end: &u64| *end > bad.start && *at < bad.end;
            let sound: Vec<_> =
                whole.iter().filter(|(at, end)| !lost(at, end)).map(|(at, _)| **at).collect();
            assert_eq!(blocks, sound, "{bad:?}");
            let [Step::Bad { offset, bytes: gone, kind }] = damage[..] else {
                panic!("{bad:?}: {damage:?}")
            };
            assert_eq!(kind, DamageKind::Unreadable);
            assert!(offset <= bad.start && offset + gone >= bad.end);
        }
    }

    #[test]
    fn a_disk_that_is_gone_ends_the_reading() {
        let (bytes, _) = segment();
        let all = 0..u64::MAX;
        assert!(bytes.len() as u64 / PAGE > 200);
        assert_eq!(read(&bytes, all.clone(), 13).unwrap_err().raw_os_error(), Some(13));
        let long = bytes.repeat(3);
        assert_eq!(read(&long, all, 5).unwrap_err().raw_os_error(), Some(5));
    }
}
