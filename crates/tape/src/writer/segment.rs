//! The segment file being written: its header, its blocks, and its end.
//!
//! The writer owns at most one. Whatever fails is handed up; this file decides nothing.
//!
//! Invariant: `bytes` is the end of the last block that was written whole.

use super::loss::Losses;
use crate::format::{BlockHead, Footer, Index, IndexRow, SegmentHeader, segment_name};
use crate::storage::{SegmentFile, Storage};
use crate::tally::Tally;
use market_data_model::Nanos;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub(super) struct OpenSegment {
    file: Box<dyn SegmentFile>,
    pub(super) path: PathBuf,
    pub(super) number: u64,
    pub(super) created: Nanos,
    pub(super) bytes: u64,
    first_ordinal: u64,
    end_ordinal: u64,
    min_ts: Nanos,
    max_ts: Nanos,
    rows: Vec<IndexRow>,
    /// Everything in it.
    pub(super) tally: Tally,
    /// What was written since the last sync.
    pub(super) unsynced: Tally,
    pub(super) unsynced_bytes: u64,
    /// Losses told in it, and those of them told since the last sync.
    pub(super) told: Losses,
    pub(super) told_unsynced: Losses,
}

/// Why a sync did not help.
pub(super) enum SyncError {
    /// The file system did not force it to the disk.
    Io(io::Error),
    /// The end of the file could not even be written.
    Write(io::Error),
    /// The file was deleted under us.
    Deleted,
}

impl OpenSegment {
    /// Makes the file and writes its header.
    pub(super) fn create(
        storage: &mut dyn Storage,
        dir: &Path,
        header: &SegmentHeader,
    ) -> io::Result<OpenSegment> {
        let path = dir.join(segment_name(header.created, header.number));
        let mut file = storage.create_segment(&path)?;
        let bytes = header.encode();
        let written = file.write_all(&bytes).and_then(|()| storage.sync_dir(dir));
        if let Err(error) = written {
            // Best effort: an empty segment does no harm, and recovery removes it.
            let _ = storage.remove(&path);
            return Err(error);
        }
        Ok(OpenSegment {
            file,
            path,
            number: header.number,
            created: header.created,
            bytes: bytes.len() as u64,
            first_ordinal: header.first_ordinal,
            end_ordinal: header.first_ordinal,
            min_ts: Nanos(u64::MAX),
            max_ts: Nanos(0),
            rows: Vec::new(),
            tally: Tally::default(),
            unsynced: Tally::default(),
            unsynced_bytes: bytes.len() as u64,
            told: Losses::default(),
            told_unsynced: Losses::default(),
        })
    }

    /// Writes one block.
    pub(super) fn append(&mut self, head: &BlockHead, stored: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(stored) {
            // Best effort: readers and recovery cope with the torn block, too.
            let _ = self.file.cut(self.bytes);
            return Err(error);
        }
        self.rows.push(head.row(self.bytes));
        self.bytes += stored.len() as u64;
        self.unsynced_bytes += stored.len() as u64;
        self.end_ordinal = head.end_ordinal();
        self.min_ts = self.min_ts.min(head.min_ts);
        self.max_ts = self.max_ts.max(head.max_ts);
        Ok(())
    }

    /// Counts what the block held that was written last.
    pub(super) fn count(&mut self, tally: &Tally, told: &Losses) {
        self.tally.merge(tally);
        self.unsynced.merge(tally);
        self.told.merge(told);
        self.told_unsynced.merge(told);
    }

    /// Forces everything to the disk, and looks whether the file is still there.
    pub(super) fn sync(&mut self) -> Result<(), SyncError> {
        self.file.sync().map_err(SyncError::Io)?;
        if !self.file.has_name().map_err(SyncError::Io)? {
            return Err(SyncError::Deleted);
        }
        self.unsynced.clear();
        self.unsynced_bytes = 0;
        self.told_unsynced.clear();
        Ok(())
    }

    /// Writes index and footer, and forces them to the disk.
    pub(super) fn close(&mut self) -> Result<(), SyncError> {
        let index = Index { blocks: self.rows.clone(), feeds: self.tally.rows().to_vec() };
        let mut bytes = index.encode();
        let footer = Footer {
            blocks: self.rows.len() as u32,
            segment: self.number,
            first_ordinal: self.first_ordinal,
            end_ordinal: self.end_ordinal,
            min_ts: self.min_ts,
            max_ts: self.max_ts,
            index_offset: self.bytes,
            index_len: bytes.len() as u64,
        };
        bytes.extend_from_slice(&footer.encode());
        if let Err(error) = self.file.write_all(&bytes) {
            // Best effort, as above.
            let _ = self.file.cut(self.bytes);
            return Err(SyncError::Write(error));
        }
        self.bytes += bytes.len() as u64;
        self.sync()
    }
}
