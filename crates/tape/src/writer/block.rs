//! The block being filled: records side by side, compressed and summed when it is full.
//!
//! The writer pushes records and takes the bytes. Memory is one block of records and, if blocks
//! are compressed, one of stored bytes; a record larger than a block makes a larger block, whose
//! memory is given back. Both begin with room for the head, so that a block is never copied.

use super::Compression;
use crate::format::{BLOCK_HEAD, BlockHead};
use crate::limits::RECORD_BYTES_MAX;
use crate::record::{Entry, Stamp, is_entrance, put_record};
use crate::tally::Tally;
use market_data_model::{FeedId, Input, Nanos};
use std::io;

/// The record is longer than any may be.
pub(super) struct TooLong(pub(super) usize);

pub(super) struct Block {
    /// Head and records.
    raw: Vec<u8>,
    /// Head and compressed records; what is behind these is left from earlier blocks.
    stored: Vec<u8>,
    /// Payload of a record other than a frame.
    payload: Vec<u8>,
    zip: Option<zstd::bulk::Compressor<'static>>,
    /// Whether blocks are stored as they are although there is a compressor.
    pub(super) hurried: bool,
    full_at: usize,
    records: u32,
    first_ordinal: u64,
    first_ts: Nanos,
    before: Nanos,
    min_ts: Nanos,
    max_ts: Nanos,
    entrances: u32,
    pub(super) tally: Tally,
}

impl Block {
    pub(super) fn new(compression: Compression, full_at: usize) -> io::Result<Block> {
        let zip = match compression {
            Compression::None => None,
            Compression::Zstd(level) => Some(zstd::bulk::Compressor::new(level)?),
        };
        let mut raw = Vec::with_capacity(BLOCK_HEAD + full_at);
        raw.resize(BLOCK_HEAD, 0);
        Ok(Block {
            raw,
            stored: Vec::new(),
            payload: Vec::new(),
            zip,
            hurried: false,
            full_at,
            records: 0,
            first_ordinal: 0,
            first_ts: Nanos(0),
            before: Nanos(0),
            min_ts: Nanos(0),
            max_ts: Nanos(0),
            entrances: 0,
            tally: Tally::default(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Number of the first record.
    pub(super) fn first_ordinal(&self) -> u64 {
        self.first_ordinal
    }

    pub(super) fn is_full(&self) -> bool {
        self.raw.len() >= BLOCK_HEAD + self.full_at || self.records == u32::MAX
    }

    /// Time of the first record; `None` while empty.
    pub(super) fn since(&self) -> Option<Nanos> {
        (self.records > 0).then_some(self.first_ts)
    }

    /// Adds a record; returns the length of its payload.
    pub(super) fn push(
        &mut self,
        ordinal: u64,
        feed: FeedId,
        ts: Nanos,
        entry: &Entry<'_>,
    ) -> Result<usize, TooLong> {
        let payload = match entry {
            Entry::Input(Input::Frame(bytes)) => *bytes,
            entry => {
                self.payload.clear();
                entry.put_payload(&mut self.payload);
                &self.payload
            }
        };
        if payload.len() > RECORD_BYTES_MAX {
            return Err(TooLong(payload.len()));
        }
        if self.records == 0 {
            self.first_ordinal = ordinal;
            self.first_ts = ts;
            self.before = ts;
            self.min_ts = ts;
            self.max_ts = ts;
        }
        assert_eq!(
            ordinal,
            self.first_ordinal + u64::from(self.records),
            "record numbers count up by one within a block"
        );
        put_record(&mut self.raw, Stamp { feed, ts, before: self.before }, entry.kind(), payload);
        self.before = ts;
        self.min_ts = self.min_ts.min(ts);
        self.max_ts = self.max_ts.max(ts);
        self.records += 1;
        self.entrances += u32::from(is_entrance(entry.kind()));
        self.tally.add(feed, ts, payload.len());
        Ok(payload.len())
    }

    /// Whether a block that is encoded now is stored as it is for want of time alone.
    pub(super) fn is_hurried(&self) -> bool {
        self.hurried && self.zip.is_some()
    }

    /// The block as stored in this segment.
    pub(super) fn encode(&mut self, segment: u64) -> io::Result<(BlockHead, &[u8])> {
        let raw_len = self.raw.len() - BLOCK_HEAD;
        let mut zipped = None;
        if let Some(zip) = self.zip.as_mut().filter(|_| !self.hurried) {
            let room = BLOCK_HEAD + zstd::zstd_safe::compress_bound(raw_len);
            if self.stored.len() < room {
                self.stored.resize(room, 0);
            }
            let (raw, stored) = (&self.raw[BLOCK_HEAD..], &mut self.stored[BLOCK_HEAD..]);
            zipped = Some(zip.compress_to_buffer(raw, stored)?).filter(|len| *len < raw_len);
        }
        let (whole, stored_len, compressed) = match zipped {
            Some(len) => (&mut self.stored[..BLOCK_HEAD + len], len, true),
            None => (&mut self.raw[..], raw_len, false),
        };
        let head = BlockHead {
            compressed,
            segment,
            first_ordinal: self.first_ordinal,
            records: self.records,
            raw_len: raw_len as u32,
            stored_len: stored_len as u32,
            payload_crc: crc32c::crc32c(&whole[BLOCK_HEAD..]),
            first_ts: self.first_ts,
            min_ts: self.min_ts,
            max_ts: self.max_ts,
            entrances: self.entrances,
        };
        whole[..BLOCK_HEAD].copy_from_slice(&head.encode());
        Ok((head, whole))
    }

    /// Empties the block; gives back what an outsized record took.
    pub(super) fn reset(&mut self) {
        let keep = BLOCK_HEAD + 2 * self.full_at;
        self.raw.truncate(BLOCK_HEAD);
        self.payload.clear();
        self.stored.truncate(keep);
        for buffer in [&mut self.raw, &mut self.stored, &mut self.payload] {
            buffer.shrink_to(keep);
        }
        self.records = 0;
        self.entrances = 0;
        self.tally.clear();
    }
}
