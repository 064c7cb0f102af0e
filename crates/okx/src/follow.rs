//! Decides whether a book update may touch a book, and says why not.
//!
//! One [`Follow`] a subscription of a book channel. The rules are OKX's sequence rules
//! (`docs/okx.md`, "Sequence rules"): a chain holds by identity (`prevSeqId` equals the id applied
//! last), never by arithmetic; ids jump, repeat on a heartbeat, and may go down.
//!
//! Invariants: a book can be read only while it is live; it is emptied in one place, when a
//! snapshot arrives; nothing but a snapshot makes it live.

use crate::channel::BookForm;
use crate::channel::books::BookRow;
use crate::frame::Action;
use crate::stats::BookStats;
use market_data_model::{Book, GapCause, Level, Side};
use serde::{Deserialize, Serialize};

/// What we concluded about one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A full state; the book holds it now.
    Snapshot,
    /// A change that links; the book holds it now.
    Applied,
    /// Says that nothing changed.
    Unchanged,
    /// Applied before; skipped.
    Duplicate,
    /// There is no book to change; dropped.
    Early,
    /// The book cannot be trusted any more.
    Gap(GapCause, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Waiting,
    Live,
}

/// One followed book.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Follow {
    form: BookForm,
    state: State,
    book: Book,
    /// The id applied last; `None` before a snapshot, and in recordings older than such ids.
    last: Option<i64>,
    /// Room for the text of a checksum.
    #[serde(skip)]
    text: Vec<u8>,
}

impl Follow {
    /// A book that waits for its first snapshot.
    pub fn new(form: BookForm) -> Follow {
        Follow { form, state: State::Waiting, book: Book::new(), last: None, text: Vec::new() }
    }

    /// The book, if it is live.
    pub fn live(&self) -> Option<&Book> {
        (self.state == State::Live).then_some(&self.book)
    }

    /// The id applied last, whether the book is live or not.
    pub fn last(&self) -> Option<i64> {
        self.last
    }

    /// How the channel behaves.
    pub fn form(&self) -> BookForm {
        self.form
    }

    /// Takes the book out of service until a snapshot comes. Says whether it was live.
    pub fn invalidate(&mut self) -> bool {
        std::mem::replace(&mut self.state, State::Waiting) == State::Live
    }

    /// Takes one row. After a [`Verdict::Gap`] the book is out of service.
    pub fn take(
        &mut self,
        action: Option<Action>,
        row: &BookRow,
        stats: &mut BookStats,
    ) -> Verdict {
        let verdict = if !self.form.incremental || action == Some(Action::Snapshot) {
            self.replace(row, stats)
        } else {
            self.update(row, stats)
        };
        if let Verdict::Gap(..) = verdict {
            self.invalidate();
        }
        verdict
    }

    fn replace(&mut self, row: &BookRow, stats: &mut BookStats) -> Verdict {
        if let Some(odd) = &row.odd {
            return Verdict::Gap(GapCause::Unreadable, odd.clone());
        }
        if !self.form.incremental && self.is_repeat(row) {
            stats.heartbeats += 1;
            return Verdict::Unchanged;
        }
        stats.snapshots += 1;
        self.book.clear();
        self.last = row.seq;
        if let Err(odd) = self.fill(row) {
            return Verdict::Gap(GapCause::Unreadable, odd);
        }
        stats.truncated += self.book.truncate(usize::from(self.form.depth)) as u64;
        if let Err(gap) = self.prove(row, stats) {
            return gap;
        }
        self.state = State::Live;
        Verdict::Snapshot
    }

    /// Whether a snapshot channel sends again what it sent before, as it does after 60 s.
    fn is_repeat(&self, row: &BookRow) -> bool {
        let same = |side, levels: &[Level]| self.book.levels(side).eq(levels.iter().copied());
        self.state == State::Live
            && row.seq.is_some()
            && row.seq == self.last
            && same(Side::Bid, &row.bids)
            && same(Side::Ask, &row.asks)
    }

    fn update(&mut self, row: &BookRow, stats: &mut BookStats) -> Verdict {
        if self.state == State::Waiting {
            stats.early += 1;
            return Verdict::Early;
        }
        if let Some(odd) = &row.odd {
            return Verdict::Gap(GapCause::Unreadable, odd.clone());
        }
        if let Some(verdict) = self.judge(row, stats) {
            return verdict;
        }
        stats.updates += 1;
        self.last = row.seq;
        if let Err(odd) = self.fill(row) {
            return Verdict::Gap(GapCause::Unreadable, odd);
        }
        stats.truncated += self.book.truncate(usize::from(self.form.depth)) as u64;
        match self.prove(row, stats) {
            Ok(()) => Verdict::Applied,
            Err(gap) => gap,
        }
    }

    /// Everything but "apply it"; `None` means that the row links.
    fn judge(&self, row: &BookRow, stats: &mut BookStats) -> Option<Verdict> {
        let (last, prev, seq) = match (self.last, row.prev, row.seq) {
            (Some(last), Some(prev), Some(seq)) => (last, prev, seq),
            // A recording older than ids: the checksum has to prove it.
            (None, None, None) => return None,
            _ => {
                stats.gaps += 1;
                let why = "an update without seqId or prevSeqId";
                return Some(Verdict::Gap(GapCause::Sequence, why.into()));
            }
        };
        stats.chain_checked += 1;
        if prev != last {
            if seq == last && prev < last {
                stats.chain_ok += 1;
                stats.duplicates += 1;
                return Some(Verdict::Duplicate);
            }
            stats.gaps += 1;
            let why = format!("prevSeqId {prev} does not follow seqId {last}");
            return Some(Verdict::Gap(GapCause::Sequence, why));
        }
        if seq == prev {
            if row.bids.is_empty() && row.asks.is_empty() {
                stats.chain_ok += 1;
                stats.heartbeats += 1;
                return Some(Verdict::Unchanged);
            }
            stats.gaps += 1;
            let why = format!("levels changed under the unchanged seqId {seq}");
            return Some(Verdict::Gap(GapCause::Sequence, why));
        }
        stats.chain_ok += 1;
        stats.resets += u64::from(seq < prev);
        None
    }

    fn fill(&mut self, row: &BookRow) -> Result<(), String> {
        let asks = self.book.apply_all(Side::Ask, &row.asks);
        let both = asks.and_then(|()| self.book.apply_all(Side::Bid, &row.bids));
        both.map_err(|e| e.to_string())
    }

    /// The checksum, where the venue still sends one. Without ids it is the only proof there is.
    fn prove(&mut self, row: &BookRow, stats: &mut BookStats) -> Result<(), Verdict> {
        let checksum = row.checksum.unwrap_or(0);
        if checksum == 0 {
            stats.checksum_zero += u64::from(row.checksum.is_some());
            if self.last.is_some() || !self.form.incremental {
                return Ok(());
            }
            let why = "neither seqId nor checksum".to_string();
            return Err(Verdict::Gap(GapCause::Unverifiable, why));
        }
        stats.checksum_checked += 1;
        let ours = checksum_of(&self.book, &mut self.text);
        if ours == checksum {
            stats.checksum_ok += 1;
            return Ok(());
        }
        // Where ids prove the book, a mismatch is only counted, changes of spreads excepted: OKX
        // retired the field in June 2026, and clients that let it end a book's service resynced
        // for ever.
        if self.last.is_some() && !(self.form.spread && self.form.incremental) {
            return Ok(());
        }
        let why = format!("checksum is {checksum}, the book's is {ours}");
        Err(Verdict::Gap(GapCause::Checksum, why))
    }
}

/// OKX's old checksum: CRC-32 over the best 25 levels, bid and ask in turn, of the venue's own
/// text (docs until 2026-06; `0` since).
fn checksum_of(book: &Book, text: &mut Vec<u8>) -> i32 {
    text.clear();
    let (mut bids, mut asks) = (book.levels(Side::Bid), book.levels(Side::Ask));
    for _ in 0..25 {
        for level in [bids.next(), asks.next()].into_iter().flatten() {
            level.px.0.write_to(text);
            text.push(b':');
            level.qty.0.write_to(text);
            text.push(b':');
        }
    }
    // Every part is followed by a colon; between parts it belongs, at the end it does not.
    text.pop();
    crc32fast::hash(text).cast_signed()
}

#[cfg(test)]
mod tests;
