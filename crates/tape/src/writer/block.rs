//! The block being filled: records side by side, compressed and summed when it is full.
//!
//! The writer pushes records and takes the bytes. Memory is one block of records and one of
//! stored bytes; a record larger than a block makes a larger block, whose memory is given back.

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
    raw: Vec<u8>,
    /// Head and payload as stored.
    stored: Vec<u8>,
    /// Payload of a record other than a frame.
    payload: Vec<u8>,
    zip: Option<zstd::bulk::Compressor<'static>>,
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
        Ok(Block {
            raw: Vec::with_capacity(full_at),
            stored: Vec::new(),
            payload: Vec::new(),
            zip,
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
        self.raw.len() >= self.full_at || self.records == u32::MAX
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

    /// The block as stored in this segment.
    pub(super) fn encode(&mut self, segment: u64) -> io::Result<(BlockHead, &[u8])> {
        self.stored.clear();
        self.stored.resize(BLOCK_HEAD, 0);
        let compressed = match &mut self.zip {
            None => false,
            Some(zip) => {
                let room = BLOCK_HEAD + zstd::zstd_safe::compress_bound(self.raw.len());
                self.stored.resize(room, 0);
                let len = zip.compress_to_buffer(&self.raw, &mut self.stored[BLOCK_HEAD..])?;
                self.stored.truncate(BLOCK_HEAD + len);
                len < self.raw.len()
            }
        };
        if !compressed {
            self.stored.truncate(BLOCK_HEAD);
            self.stored.extend_from_slice(&self.raw);
        }
        let payload = &self.stored[BLOCK_HEAD..];
        let head = BlockHead {
            compressed,
            segment,
            first_ordinal: self.first_ordinal,
            records: self.records,
            raw_len: self.raw.len() as u32,
            stored_len: payload.len() as u32,
            payload_crc: crc32c::crc32c(payload),
            first_ts: self.first_ts,
            min_ts: self.min_ts,
            max_ts: self.max_ts,
            entrances: self.entrances,
        };
        self.stored[..BLOCK_HEAD].copy_from_slice(&head.encode());
        Ok((head, &self.stored))
    }

    /// Empties the block; gives back what an outsized record took.
    pub(super) fn reset(&mut self) {
        let keep = 2 * self.full_at;
        for buffer in [&mut self.raw, &mut self.stored, &mut self.payload] {
            buffer.clear();
            buffer.shrink_to(keep);
        }
        self.records = 0;
        self.entrances = 0;
        self.tally.clear();
    }
}
