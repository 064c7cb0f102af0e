//! Finds where the feeds that run at some time can be entered: their starts, or their states.
//!
//! A replay that begins in the middle asks [`Tape::entrances`], then reads
//! [`Records::after`](super::Records::after) the first of them.
//!
//! Invariants: no block is unpacked but those that hold entrances; of the others the head is
//! looked at. Where damage may hide an entrance, earlier ones are looked for; a tape on which that
//! does not help is read from its beginning.

use super::segment::Step;
use super::{ReadError, SegmentInfo, Tape, io_error};
use crate::record::{Entry, FeedStart, FeedState, kind, take_record};
use market_data_model::{FeedId, Nanos};
use std::collections::{BTreeMap, BTreeSet};

/// Where one feed can be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// Number of the record. The feed's inputs behind it are to be given to it.
    pub ordinal: u64,
    /// Its time.
    pub ts: Nanos,
    /// What it says.
    pub way: Way,
}

/// How a feed is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is made here; the record is to be read.
    Start,
    /// Its state stands here: the last that `usable` was asked about for this feed.
    State,
}

/// What is known of the feeds while segments are looked through, latest first.
#[derive(Default)]
struct Search {
    found: BTreeMap<FeedId, Entrance>,
    /// Feeds that run since an earlier segment.
    wanted: BTreeSet<FeedId>,
    /// Some feed may run of which no later segment speaks.
    unsure: bool,
}

impl Tape {
    /// For every feed that may run at `from`, the latest place before where it can be entered.
    /// `usable` says whether a state can be read. `None` = read from the beginning.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn entrances(
        &self,
        from: Nanos,
        mut usable: impl FnMut(FeedId, &FeedState<'_>) -> bool,
    ) -> Result<Option<BTreeMap<FeedId, Entrance>>, ReadError> {
        let mut search = Search { unsure: true, ..Search::default() };
        let mut began = false;
        for info in self.segments.iter().rev() {
            let blocks = candidates(info, from)?;
            if blocks.is_none() && !began {
                continue;
            }
            began = true;
            search.segment(info, blocks.unwrap_or_default(), from, &mut usable)?;
            if search.wanted.is_empty() && !search.unsure {
                return Ok(Some(search.found));
            }
        }
        // Before the first record of the tape nobody runs.
        Ok((!began).then(BTreeMap::new))
    }
}

/// What is known of a segment from the heads of its blocks.
#[derive(Default)]
struct Blocks {
    /// Where blocks with entrances are.
    offsets: Vec<u64>,
    /// Bytes that are no blocks were met.
    damaged: bool,
}

/// The blocks with entrances up to the last that holds something before `from`; `None` when all of
/// the segment is later.
fn candidates(info: &SegmentInfo, from: Nanos) -> Result<Option<Blocks>, ReadError> {
    if info.footer.is_some_and(|footer| footer.min_ts >= from) {
        return Ok(None);
    }
    let mut reader = SegmentInfo::reader(&info.path, info.number)?;
    let (mut blocks, mut some) = (Blocks::default(), false);
    let (mut later, mut damaged) = (Vec::new(), false);
    loop {
        match reader.step(&mut Vec::new(), |_| false).map_err(io_error(&info.path))? {
            Step::Block(head, offset) => {
                if head.entrances > 0 {
                    later.push(offset);
                }
                if head.min_ts < from {
                    some = true;
                    blocks.offsets.append(&mut later);
                    blocks.damaged = damaged;
                }
            }
            Step::Bad { .. } => damaged = true,
            Step::Header(_) | Step::Index(_) | Step::Footer(_) => {}
            Step::End => return Ok(some.then_some(blocks)),
        }
    }
}

impl Search {
    fn segment(
        &mut self,
        info: &SegmentInfo,
        blocks: Blocks,
        from: Nanos,
        usable: &mut impl FnMut(FeedId, &FeedState<'_>) -> bool,
    ) -> Result<(), ReadError> {
        // Every segment begins with the feeds that run, so one whole segment names them all.
        let all = self.unsure;
        self.unsure &= blocks.damaged || blocks.offsets.is_empty();
        let mut reader = SegmentInfo::reader(&info.path, info.number)?;
        let mut raw = Vec::new();
        for offset in blocks.offsets.into_iter().rev() {
            reader.restrict(offset, offset + 1);
            let step = reader.step(&mut raw, |_| true).map_err(io_error(&info.path))?;
            let Step::Block(head, _) = step else {
                self.unsure |= all;
                continue;
            };
            let (mut rest, mut before) = (raw.as_slice(), head.first_ts);
            let mut met = Vec::new();
            for ordinal in head.first_ordinal..head.end_ordinal() {
                let Ok(record) = take_record(&mut rest, ordinal, before) else { break };
                before = record.ts;
                // At the head of a segment everybody is named, whatever the time.
                if record.is_entrance() && (record.ts < from || record.kind == kind::FEED_AGAIN) {
                    met.push(record);
                }
            }
            for record in met.into_iter().rev() {
                let feed = record.feed;
                let known = self.found.contains_key(&feed);
                if known || !(all || self.wanted.contains(&feed)) {
                    continue;
                }
                let way = match record.entry() {
                    Ok(Entry::FeedStart(FeedStart { again: false, .. })) => Way::Start,
                    Ok(Entry::State(state)) if usable(feed, &state) => Way::State,
                    _ => {
                        self.wanted.insert(feed);
                        continue;
                    }
                };
                let entrance = Entrance { ordinal: record.ordinal, ts: record.ts, way };
                self.found.insert(feed, entrance);
                self.wanted.remove(&feed);
            }
        }
        Ok(())
    }
}
