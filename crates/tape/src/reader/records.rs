//! Hands out records one by one and accounts for every record number.
//!
//! [`Records::read`] is the only loop over blocks. It keeps the number that should come next; a
//! jump is fine as far as the `Lost` records behind it explain it.
//!
//! Invariants: at most one damage is pending, waiting for the next good block to say how many
//! records it cost; nothing is allocated per record.

use super::segment::{SegmentReader, Step};
use super::{Damage, DamageKind, Item, Range, ReadError, SegmentInfo, Tape, io_error};
use crate::format::{BlockHead, Footer, Index, IndexRow};
use crate::record::{Entry, Record, kind, take_record};
use market_data_model::Nanos;
use std::collections::VecDeque;
use std::fs::File;

/// The records of a tape, one at a time.
pub struct Records<'t> {
    tape: &'t Tape,
    range: Range,
    /// Index of the segment after the open one.
    next_segment: usize,
    open: Option<OpenSegment<'t>>,
    /// The records of the current block.
    raw: Vec<u8>,
    /// Where in `raw` the next record begins.
    at: usize,
    block: Option<BlockHead>,
    block_offset: u64,
    left: u32,
    before: Nanos,
    /// The record number that should come next; `None` when nothing before said.
    expected: Option<u64>,
    /// Whether the end of the segment before was among what was read, so that the next one has to
    /// follow it.
    to_end: bool,
    tape_id: Option<u64>,
    pending: Option<Damage>,
    ready: VecDeque<Damage>,
    blocks: u64,
    /// Bytes of the segments that are behind.
    passed: u64,
    /// Blocks that end before this record are not read.
    start: u64,
}

struct OpenSegment<'t> {
    info: &'t SegmentInfo,
    reader: SegmentReader<File>,
    /// Rows of the blocks met, to compare with the index; only when everything is read.
    rows: Vec<IndexRow>,
    whole: bool,
}

impl<'t> Records<'t> {
    pub(super) fn new(tape: &'t Tape, range: Range) -> Records<'t> {
        Records {
            tape,
            range,
            next_segment: 0,
            open: None,
            raw: Vec::new(),
            at: 0,
            block: None,
            block_offset: 0,
            left: 0,
            before: Nanos(0),
            expected: None,
            to_end: false,
            tape_id: None,
            pending: None,
            ready: VecDeque::new(),
            blocks: 0,
            passed: 0,
            start: 0,
        }
    }

    /// Reads from the block that holds this record on; what is before is not looked at.
    pub fn after(mut self, ordinal: u64) -> Records<'t> {
        self.start = ordinal;
        self
    }

    /// The next record or damage; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError::Io`] when the file system fails; reading may be tried again.
    pub fn read(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        loop {
            if let Some(damage) = self.ready.pop_front() {
                return Ok(Some(Item::Damage(damage)));
            }
            if self.left > 0 {
                if let Some((stamp, payload)) = self.pass_record() {
                    let payload = &self.raw[payload];
                    return Ok(Some(Item::Record(Record { payload, ..stamp })));
                }
                continue;
            }
            if !self.next_block()? && self.ready.is_empty() {
                return Ok(None);
            }
        }
    }

    /// How many blocks were read so far.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// How many bytes of the tape are behind, stepped over or read.
    pub fn bytes(&self) -> u64 {
        self.passed + self.open.as_ref().map_or(0, |open| open.reader.pos())
    }

    /// Steps over the next record: all but its payload, and where in `raw` that is. `None` if it
    /// is outside of the range.
    fn pass_record(&mut self) -> Option<(Record<'static>, std::ops::Range<usize>)> {
        let block = self.block?;
        let ordinal = block.end_ordinal() - u64::from(self.left);
        let mut rest = &self.raw[self.at..];
        // Cannot fail: the block was walked through when it was entered.
        let record = take_record(&mut rest, ordinal, self.before).ok()?;
        let (stamp, len) = (Record { payload: &[], ..record }, record.payload.len());
        self.at = self.raw.len() - rest.len();
        self.left -= 1;
        self.before = stamp.ts;
        self.range.holds(stamp.ts).then_some((stamp, self.at - len..self.at))
    }

    /// Goes to the next block or damage; false at the end of the tape.
    fn next_block(&mut self) -> Result<bool, ReadError> {
        if self.open.is_none() && !self.open_segment()? {
            self.ready.extend(self.pending.take());
            return Ok(false);
        }
        // A segment outside of the range was passed by.
        let Some(open) = &mut self.open else { return Ok(true) };
        let (range, start) = (self.range, self.start);
        let wanted =
            |head: &BlockHead| head.end_ordinal() > start && range.meets(head.min_ts, head.max_ts);
        let path = &open.info.path;
        match open.reader.step(&mut self.raw, wanted).map_err(io_error(path))? {
            Step::Header(_) => {}
            Step::Block(head, offset) => self.enter_block(head, offset),
            Step::Index(index) => self.check_index(&index),
            Step::Footer(footer) => self.check_footer(&footer),
            Step::Bad { offset, bytes, kind } => self.bad(offset, bytes, kind),
            Step::End => {
                self.passed += open.info.bytes;
                self.open = None;
            }
        }
        Ok(true)
    }

    fn open_segment(&mut self) -> Result<bool, ReadError> {
        let Some(info) = self.tape.segments.get(self.next_segment) else { return Ok(false) };
        self.next_segment += 1;
        let whole = self.range == Range::ALL && self.start == 0;
        if let Some(footer) = &info.footer
            && !(self.range.meets(footer.min_ts, footer.max_ts) && footer.end_ordinal > self.start)
        {
            (self.expected, self.to_end) = (None, false);
            self.passed += info.bytes;
            return Ok(true);
        }
        let mut reader = SegmentInfo::reader(&info.path, info.number)?;
        if !whole {
            let (mut from_start, before) = (true, self.to_end);
            self.to_end = true;
            if let Some(footer) = &info.footer
                && let Some(index) = reader.index(footer).map_err(io_error(&info.path))?
            {
                let (start, stop) = window(&index, self.range, self.start);
                from_start = index.blocks.first().is_none_or(|row| start <= row.offset);
                self.to_end = stop >= footer.index_offset;
                reader.restrict(start, stop);
            }
            if !(from_start && before) {
                self.expected = None;
            }
        } else if self.expected.is_none() {
            self.expected = info.header.as_ref().map(|header| header.first_ordinal);
        }
        self.open = Some(OpenSegment { info, reader, rows: Vec::new(), whole });
        self.check_place(info);
        Ok(true)
    }

    /// Is this the file its name says, and of the same tape as those before?
    fn check_place(&mut self, info: &SegmentInfo) {
        let Some(header) = &info.header else { return };
        let tape_id = *self.tape_id.get_or_insert(header.tape_id);
        if tape_id != header.tape_id || info.number.is_some_and(|n| n != header.number) {
            self.report(0, 0, DamageKind::Misplaced, Some(0));
        }
    }

    fn enter_block(&mut self, head: BlockHead, offset: u64) {
        self.blocks += 1;
        let skipped = self.raw.is_empty();
        if !skipped && !block_is_sound(&self.raw, &head) {
            self.bad(offset, head.total_len(), DamageKind::Undecodable);
            return;
        }
        if let Some(open) = &mut self.open
            && open.whole
        {
            open.rows.push(head.row(offset));
        }
        self.block_offset = offset;
        if skipped {
            // Nobody looked whether a jump is explained inside.
            self.ready.extend(self.pending.take());
        } else {
            self.reconcile(head.first_ordinal, explained(&self.raw, &head));
        }
        self.expected = Some(head.end_ordinal());
        if !skipped {
            self.block = Some(head);
            self.left = head.records;
            self.at = 0;
            self.before = head.first_ts;
        }
    }

    /// Compares the number that came with the one that should; settles the pending damage.
    fn reconcile(&mut self, found: u64, (sure, unsure): (u64, u64)) {
        let Some(expected) = self.expected else {
            self.ready.extend(self.pending.take());
            return;
        };
        let jump = found.saturating_sub(expected);
        let unexplained = jump.saturating_sub(sure.saturating_add(unsure));
        if let Some(mut damage) = self.pending.take() {
            damage.records_lost = Some(unexplained);
            self.ready.push_back(damage);
        } else if unexplained > 0 {
            self.report(self.block_offset, 0, DamageKind::Missing, Some(unexplained));
        }
        if found < expected {
            self.report(self.block_offset, 0, DamageKind::Repeated, Some(0));
        }
    }

    fn check_index(&mut self, index: &Index) {
        let Some(open) = &self.open else { return };
        if !open.whole {
            return;
        }
        // Blocks that were damaged have no row of their own; the others must be as the index says.
        let known = |row: &IndexRow| index.blocks.binary_search_by_key(&row.offset, |r| r.offset);
        let agrees = open.rows.iter().all(|row| known(row).is_ok_and(|i| index.blocks[i] == *row));
        if !agrees {
            let offset = open.info.footer.map_or(0, |footer| footer.index_offset);
            self.report(offset, 0, DamageKind::IndexDiffers, Some(0));
        }
    }

    fn check_footer(&mut self, footer: &Footer) {
        let Some(open) = &self.open else { return };
        if !open.whole {
            return;
        }
        self.block_offset = open.info.bytes.saturating_sub(crate::format::FOOTER as u64);
        self.reconcile(footer.end_ordinal, (0, 0));
        self.expected = Some(footer.end_ordinal);
    }

    fn bad(&mut self, offset: u64, bytes: u64, kind: DamageKind) {
        match kind {
            DamageKind::Header | DamageKind::Index | DamageKind::Footer => {
                self.report(offset, bytes, kind, Some(0));
            }
            _ => {
                let segment = self.path();
                if let Some(pending) = &mut self.pending
                    && pending.segment == segment
                {
                    pending.bytes = offset + bytes - pending.offset;
                    return;
                }
                self.ready.extend(self.pending.take());
                self.pending = Some(Damage { segment, offset, bytes, kind, records_lost: None });
            }
        }
    }

    fn report(&mut self, offset: u64, bytes: u64, kind: DamageKind, records_lost: Option<u64>) {
        let segment = self.path();
        self.ready.push_back(Damage { segment, offset, bytes, kind, records_lost });
    }

    fn path(&self) -> std::path::PathBuf {
        self.open.as_ref().map(|open| open.info.path.clone()).unwrap_or_default()
    }
}

/// From where to where a closed segment has to be read for a range.
///
/// Times may step back a little between feeds, so both searches run over running extremes.
fn window(index: &Index, range: Range, start: u64) -> (u64, u64) {
    let blocks = &index.blocks;
    let mut latest = Nanos(0);
    let maxima: Vec<Nanos> = blocks
        .iter()
        .map(|row| {
            latest = latest.max(row.max_ts);
            latest
        })
        .collect();
    let first = range.from.map_or(0, |from| maxima.partition_point(|&max| max < from));
    let ends = |row: &IndexRow| row.first_ordinal.saturating_add(row.records.into());
    let first = first.max(blocks.partition_point(|row| ends(row) <= start));
    let mut earliest = Nanos(u64::MAX);
    let mut minima: Vec<Nanos> = blocks
        .iter()
        .rev()
        .map(|row| {
            earliest = earliest.min(row.min_ts);
            earliest
        })
        .collect();
    minima.reverse();
    let end = range.to.map_or(blocks.len(), |to| minima.partition_point(|&min| min < to));
    match (blocks.get(first), end > first) {
        (Some(start), true) => (start.offset, blocks.get(end).map_or(u64::MAX, |row| row.offset)),
        _ => (0, 0),
    }
}

/// Whether the bytes are exactly as many records as the head says.
fn block_is_sound(raw: &[u8], head: &BlockHead) -> bool {
    let mut rest = raw;
    let mut before = head.first_ts;
    for _ in 0..head.records {
        match take_record(&mut rest, 0, before) {
            Ok(record) => before = record.ts,
            Err(_) => return false,
        }
    }
    rest.is_empty()
}

/// How many records the `Lost` records that a block begins with account for: surely, and maybe.
fn explained(raw: &[u8], head: &BlockHead) -> (u64, u64) {
    let (mut sure, mut unsure) = (0u64, 0u64);
    let mut rest = raw;
    for _ in 0..head.records {
        let Ok(record) = take_record(&mut rest, 0, head.first_ts) else { break };
        if record.kind != kind::LOST {
            break;
        }
        if let Ok(Entry::Lost(lost)) = record.entry() {
            sure = sure.saturating_add(lost.records.unwrap_or(0));
            unsure = unsure.saturating_add(lost.unsure);
        }
    }
    (sure, unsure)
}
