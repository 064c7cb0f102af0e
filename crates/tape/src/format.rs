//! The bytes around the records: segment header, block head, index, footer, and file names.
//!
//! The writer makes them, the segment reader takes them apart. Byte by byte in
//! `docs/tape-format.md`, section 3. Every frame starts as a zstd skippable frame, so that stock
//! tools accept the file and `zstd -dc` prints the records of compressed blocks.
//!
//! Invariants: everything is little-endian; every byte of a frame is under one of its sums; a
//! frame is accepted only when its sum holds. Start at [`BlockHead`].

use crate::limits::{BLOCK_RAW_MAX, CONFIG_BYTES_MAX};
use crate::tally::FeedRange;
use market_data_model::{FeedId, Nanos};

/// Version of the format, in every segment header.
pub const VERSION: u16 = 1;
/// First four bytes of every frame: the magic number of a zstd skippable frame.
pub const FRAME_MAGIC: [u8; 4] = 0x184D_2A50u32.to_le_bytes();
/// Tag of the segment header.
pub const TAG_HEADER: [u8; 4] = *b"MDTH";
/// Tag of a block.
pub const TAG_BLOCK: [u8; 4] = *b"MDTB";
/// Tag of the index.
pub const TAG_INDEX: [u8; 4] = *b"MDTI";
/// Tag of the footer.
pub const TAG_FOOTER: [u8; 4] = *b"MDTF";
/// Magic number, length and tag.
pub const FRAME_START: usize = 12;
/// Length of a block head.
pub const BLOCK_HEAD: usize = 80;
/// Length of the footer.
pub const FOOTER: usize = 80;
/// Length of a segment header without its two texts.
pub const HEADER_FIXED: usize = 58;
/// Length of one row of the index.
pub const INDEX_ROW: usize = 40;
const BLOCK_KIND_RECORDS: u8 = 1;
const FLAG_ZSTD: u8 = 1;

/// What a segment says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Format version.
    pub version: u16,
    /// The segment's number; the one in its file name.
    pub number: u64,
    /// When it was made.
    pub created: Nanos,
    /// Number of its first record.
    pub first_ordinal: u64,
    /// Names the tape: when its first segment was made. Equal in all segments of one tape.
    pub tape_id: u64,
    /// The project's version that wrote it.
    pub project: String,
    /// The recorder's configuration, as text.
    pub config: String,
}

/// What stands before the records of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHead {
    /// Whether the records are compressed.
    pub compressed: bool,
    /// The segment it belongs to.
    pub segment: u64,
    /// Number of its first record.
    pub first_ordinal: u64,
    /// How many records.
    pub records: u32,
    /// Bytes of the records.
    pub raw_len: u32,
    /// Bytes as stored.
    pub stored_len: u32,
    /// CRC32C of the bytes as stored.
    pub payload_crc: u32,
    /// Time of the first record.
    pub first_ts: Nanos,
    /// The earliest time.
    pub min_ts: Nanos,
    /// The latest time.
    pub max_ts: Nanos,
    /// How many of the records are entrances: starts of feeds, their repetitions, and states.
    pub entrances: u32,
}

/// One block in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRow {
    /// Where its head begins.
    pub offset: u64,
    /// Number of its first record.
    pub first_ordinal: u64,
    /// The earliest time.
    pub min_ts: Nanos,
    /// The latest time.
    pub max_ts: Nanos,
    /// How many records.
    pub records: u32,
    /// Bytes of the records before compression.
    pub raw_len: u32,
}

/// What a closed segment says about its blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Its blocks, in order.
    pub blocks: Vec<IndexRow>,
    /// Its feeds, by id.
    pub feeds: Vec<FeedRange>,
}

/// The end of a closed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// How many blocks.
    pub blocks: u32,
    /// The segment's number.
    pub segment: u64,
    /// Number of its first record.
    pub first_ordinal: u64,
    /// Number after its last record.
    pub end_ordinal: u64,
    /// The earliest time.
    pub min_ts: Nanos,
    /// The latest time.
    pub max_ts: Nanos,
    /// Where the index begins.
    pub index_offset: u64,
    /// How long it is.
    pub index_len: u64,
}

/// The file name of a segment: `tape-20261123T104501Z-000001.mdt`.
pub fn segment_name(created: Nanos, number: u64) -> String {
    let time = created.to_string();
    let digits: String = time.chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    format!("tape-{digits}Z-{number:06}.mdt")
}

/// The number in a segment's file name; `None` if the name is not one.
pub fn segment_number(name: &str) -> Option<u64> {
    let middle = name.strip_prefix("tape-")?.strip_suffix(".mdt")?;
    let (_, number) = middle.rsplit_once('-')?;
    (number.len() >= 6 && number.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
    number.parse().ok()
}

/// Magic number, length and tag; `len` is that of the whole frame.
fn frame_start(out: &mut Vec<u8>, len: usize, tag: [u8; 4]) {
    out.extend_from_slice(&FRAME_MAGIC);
    out.extend_from_slice(&((len - 8) as u32).to_le_bytes());
    out.extend_from_slice(&tag);
}

/// Appends the sum of everything from `from` on.
fn frame_sum(out: &mut Vec<u8>, from: usize) {
    let sum = crc32c::crc32c(&out[from..]);
    out.extend_from_slice(&sum.to_le_bytes());
}

fn put_u64s(out: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Whether `bytes` start as a frame with this tag.
pub fn starts_frame(bytes: &[u8], tag: [u8; 4]) -> bool {
    bytes.get(..4) == Some(&FRAME_MAGIC) && bytes.get(8..12) == Some(&tag)
}

/// Length of the frame that `bytes` start with, without payload outside the skippable part.
pub fn frame_len(bytes: &[u8]) -> Option<u64> {
    Some(u64::from(u32_at(bytes, 4)?) + 8)
}

/// Whether the last four bytes are the sum of those before.
fn sum_holds(frame: &[u8]) -> bool {
    let Some(at) = frame.len().checked_sub(4) else { return false };
    u32_at(frame, at) == Some(crc32c::crc32c(&frame[..at]))
}

fn whole_frame(bytes: &[u8], tag: [u8; 4]) -> bool {
    starts_frame(bytes, tag) && frame_len(bytes) == Some(bytes.len() as u64) && sum_holds(bytes)
}

impl SegmentHeader {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let len = HEADER_FIXED + self.project.len() + self.config.len();
        frame_start(&mut out, len, TAG_HEADER);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        put_u64s(&mut out, &[self.number, self.created.0, self.first_ordinal, self.tape_id]);
        out.extend_from_slice(&(self.project.len() as u16).to_le_bytes());
        out.extend_from_slice(self.project.as_bytes());
        out.extend_from_slice(&(self.config.len() as u32).to_le_bytes());
        out.extend_from_slice(self.config.as_bytes());
        frame_sum(&mut out, 0);
        out
    }

    /// The header in a whole frame; `None` if it is damaged.
    pub fn decode(frame: &[u8]) -> Option<SegmentHeader> {
        if !whole_frame(frame, TAG_HEADER) {
            return None;
        }
        let project_len = usize::from(u16_at(frame, 48)?);
        let project = frame.get(50..50 + project_len)?;
        let config_len = u32_at(frame, 50 + project_len)? as usize;
        let config = frame.get(54 + project_len..54 + project_len + config_len)?;
        Some(SegmentHeader {
            version: u16_at(frame, 12)?,
            number: u64_at(frame, 16)?,
            created: Nanos(u64_at(frame, 24)?),
            first_ordinal: u64_at(frame, 32)?,
            tape_id: u64_at(frame, 40)?,
            project: String::from_utf8(project.to_vec()).ok()?,
            config: String::from_utf8(config.to_vec()).ok()?,
        })
    }

    /// Longest header there can be.
    pub const LEN_MAX: u64 = (HEADER_FIXED + u16::MAX as usize + CONFIG_BYTES_MAX) as u64;
}

impl BlockHead {
    /// The bytes.
    pub fn encode(&self) -> [u8; BLOCK_HEAD] {
        let mut out = Vec::with_capacity(BLOCK_HEAD);
        // Uncompressed records stand inside the skippable part, compressed ones are zstd frames.
        let inside = if self.compressed { 0 } else { self.stored_len as usize };
        frame_start(&mut out, BLOCK_HEAD + inside, TAG_BLOCK);
        let flags = if self.compressed { FLAG_ZSTD } else { 0 };
        out.extend_from_slice(&[BLOCK_KIND_RECORDS, flags, 0, 0]);
        put_u64s(&mut out, &[self.segment, self.first_ordinal]);
        for value in [self.records, self.raw_len, self.stored_len, self.payload_crc] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        put_u64s(&mut out, &[self.first_ts.0, self.min_ts.0, self.max_ts.0]);
        out.extend_from_slice(&self.entrances.to_le_bytes());
        frame_sum(&mut out, 0);
        let mut head = [0; BLOCK_HEAD];
        head.copy_from_slice(&out);
        head
    }

    /// The head that `bytes` start with; `None` if it is damaged or of a kind not known.
    pub fn decode(bytes: &[u8]) -> Option<BlockHead> {
        let head = bytes.get(..BLOCK_HEAD)?;
        if !starts_frame(head, TAG_BLOCK) || !sum_holds(head) || head[12] != BLOCK_KIND_RECORDS {
            return None;
        }
        let compressed = match head[13] {
            0 => false,
            FLAG_ZSTD => true,
            _ => return None,
        };
        let block = BlockHead {
            compressed,
            segment: u64_at(head, 16)?,
            first_ordinal: u64_at(head, 24)?,
            records: u32_at(head, 32)?,
            raw_len: u32_at(head, 36)?,
            stored_len: u32_at(head, 40)?,
            payload_crc: u32_at(head, 44)?,
            first_ts: Nanos(u64_at(head, 48)?),
            min_ts: Nanos(u64_at(head, 56)?),
            max_ts: Nanos(u64_at(head, 64)?),
            entrances: u32_at(head, 72)?,
        };
        let fits = block.raw_len as usize <= BLOCK_RAW_MAX && block.stored_len <= block.raw_len;
        fits.then_some(block)
    }

    /// Number after its last record.
    pub fn end_ordinal(&self) -> u64 {
        self.first_ordinal.saturating_add(self.records.into())
    }

    /// Head and payload together.
    pub fn total_len(&self) -> u64 {
        BLOCK_HEAD as u64 + u64::from(self.stored_len)
    }

    /// Its row in the index.
    pub fn row(&self, offset: u64) -> IndexRow {
        IndexRow {
            offset,
            first_ordinal: self.first_ordinal,
            min_ts: self.min_ts,
            max_ts: self.max_ts,
            records: self.records,
            raw_len: self.raw_len,
        }
    }
}

impl Index {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let rows = self.blocks.len() + self.feeds.len();
        let len = FRAME_START + 8 + rows * INDEX_ROW + 4;
        let mut out = Vec::with_capacity(len);
        frame_start(&mut out, len, TAG_INDEX);
        out.extend_from_slice(&(self.blocks.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.feeds.len() as u32).to_le_bytes());
        for row in &self.blocks {
            put_u64s(&mut out, &[row.offset, row.first_ordinal, row.min_ts.0, row.max_ts.0]);
            out.extend_from_slice(&row.records.to_le_bytes());
            out.extend_from_slice(&row.raw_len.to_le_bytes());
        }
        for row in &self.feeds {
            put_u64s(&mut out, &[row.feed.0.into()]);
            put_u64s(&mut out, &[row.records, row.bytes, row.min_ts.0, row.max_ts.0]);
        }
        frame_sum(&mut out, 0);
        out
    }

    /// The index in a whole frame; `None` if it is damaged.
    pub fn decode(frame: &[u8]) -> Option<Index> {
        if !whole_frame(frame, TAG_INDEX) {
            return None;
        }
        let (blocks, feeds) = (u32_at(frame, 12)? as usize, u32_at(frame, 16)? as usize);
        let rows = frame.get(20..frame.len() - 4)?;
        if blocks.checked_add(feeds)?.checked_mul(INDEX_ROW)? != rows.len() {
            return None;
        }
        let (blocks, feeds) = rows.split_at(blocks * INDEX_ROW);
        Some(Index {
            blocks: blocks.chunks_exact(INDEX_ROW).map(index_row).collect::<Option<_>>()?,
            feeds: feeds.chunks_exact(INDEX_ROW).map(feed_row).collect::<Option<_>>()?,
        })
    }
}

fn index_row(row: &[u8]) -> Option<IndexRow> {
    Some(IndexRow {
        offset: u64_at(row, 0)?,
        first_ordinal: u64_at(row, 8)?,
        min_ts: Nanos(u64_at(row, 16)?),
        max_ts: Nanos(u64_at(row, 24)?),
        records: u32_at(row, 32)?,
        raw_len: u32_at(row, 36)?,
    })
}

fn feed_row(row: &[u8]) -> Option<FeedRange> {
    Some(FeedRange {
        feed: FeedId(u32::try_from(u64_at(row, 0)?).ok()?),
        records: u64_at(row, 8)?,
        bytes: u64_at(row, 16)?,
        min_ts: Nanos(u64_at(row, 24)?),
        max_ts: Nanos(u64_at(row, 32)?),
    })
}

impl Footer {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER);
        frame_start(&mut out, FOOTER, TAG_FOOTER);
        out.extend_from_slice(&self.blocks.to_le_bytes());
        put_u64s(&mut out, &[self.segment, self.first_ordinal, self.end_ordinal]);
        put_u64s(&mut out, &[self.min_ts.0, self.max_ts.0, self.index_offset, self.index_len]);
        out.extend_from_slice(&[0; 4]);
        frame_sum(&mut out, 0);
        out
    }

    /// The footer that `bytes` start with; `None` if it is damaged.
    pub fn decode(bytes: &[u8]) -> Option<Footer> {
        let frame = bytes.get(..FOOTER)?;
        if !whole_frame(frame, TAG_FOOTER) {
            return None;
        }
        Some(Footer {
            blocks: u32_at(frame, 12)?,
            segment: u64_at(frame, 16)?,
            first_ordinal: u64_at(frame, 24)?,
            end_ordinal: u64_at(frame, 32)?,
            min_ts: Nanos(u64_at(frame, 40)?),
            max_ts: Nanos(u64_at(frame, 48)?),
            index_offset: u64_at(frame, 56)?,
            index_len: u64_at(frame, 64)?,
        })
    }
}
