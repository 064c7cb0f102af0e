//! Arrays for hftbacktest: one npz file a day and instrument, with its trades and its book.
//!
//! Flags and order are those of hftbacktest 2.4.4 (`types.py`, `data/validation.py`, read
//! 2026-11-23). A new start of a book is one row that clears both sides, then its levels as
//! snapshot rows; so nothing of the book before survives a gap.
//!
//! Invariants: the venue's times of one book do not go back, because its chain proves the order;
//! a file begins with the book as it stands, so it can be used alone.

mod array;
mod spool;

use crate::days::Days;
use crate::desk::{Desk, When};
use crate::error::ExportError;
use crate::float::nearest;
use crate::folder::{Folder, Made};
use crate::mirror::Change;
use crate::name::{self, Day};
use market_data_model::{Aggressor, Nanos, Side, Trade};
use spool::{Item, Spool};

const DEPTH: u64 = 1;
const TRADE: u64 = 2;
const CLEAR: u64 = 3;
const SNAPSHOT: u64 = 4;
const BUY: u64 = 1 << 29;
const SELL: u64 = 1 << 28;
/// Memory that an event takes while it waits, in bytes.
const ITEM: usize = size_of::<Item>();

struct Growing {
    spool: Spool,
    made: Made,
    /// The venue's time of the last row of the book.
    book_ts: u64,
}

/// The files, by number of the instrument.
#[derive(Default)]
pub struct Arrays {
    growing: Vec<Days<Growing>>,
    /// Events in memory.
    waiting: usize,
}

impl Arrays {
    /// Appends a trade.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn trade(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
        trade: &Trade,
    ) -> Result<(), ExportError> {
        let side = match trade.aggressor {
            Aggressor::Buyer => BUY,
            Aggressor::Seller => SELL,
            Aggressor::Unknown => 0,
        };
        let qty = desk.amount(trade.qty).map_or(f64::NAN, nearest);
        let px = nearest(trade.px.0);
        self.push(folder, desk, when, [(TRADE | side, px, qty)].into_iter())
    }

    /// Appends levels of the book; `fresh` throws away what was there before.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn levels(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
        (fresh, changes): (bool, impl Iterator<Item = Change>),
    ) -> Result<(), ExportError> {
        let growing = self.file(folder, desk, Day::of(when.recv));
        growing.book_ts = growing.book_ts.max(when.event.0);
        let when = When { event: Nanos(growing.book_ts), ..when };
        let kind = if fresh { SNAPSHOT } else { DEPTH };
        let clear = fresh.then_some((CLEAR, 0.0, 0.0)).into_iter();
        let rows = changes.map(|change| {
            let side = if change.side == Side::Bid { BUY } else { SELL };
            let qty = desk.amount(change.qty).map_or(f64::NAN, nearest);
            (kind | side, nearest(change.px.0), qty)
        });
        self.push(folder, desk, when, clear.chain(rows))
    }

    fn push(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
        rows: impl Iterator<Item = (u64, f64, f64)>,
    ) -> Result<(), ExportError> {
        let growing = self.file(folder, desk, Day::of(when.recv));
        let (exch_ts, local_ts) = (when.event.0 as i64, when.recv.0 as i64);
        let before = growing.spool.waiting();
        for (ev, px, qty) in rows {
            growing.spool.push(Item { ev, exch_ts, local_ts, px, qty, number: 0 });
        }
        let more = growing.spool.waiting() - before;
        if more > 0 {
            growing.made.count(0, when.recv);
        }
        self.waiting += more;
        if self.waiting * ITEM > folder.memory() {
            for growing in self.growing.iter_mut().flat_map(Days::iter_mut) {
                growing.spool.spill()?;
            }
            self.waiting = 0;
        }
        Ok(())
    }

    fn file(&mut self, folder: &mut Folder, desk: &Desk, day: Day) -> &mut Growing {
        if self.growing.len() <= desk.number {
            self.growing.resize_with(desk.number + 1, Days::default);
        }
        self.growing[desk.number].get_or(day, || Growing {
            spool: Spool::new([folder.temporary(), folder.temporary()]),
            made: Made::new(format!("{}_{}.npz", name::part(&desk.inst_id), day.compact())),
            book_ts: 0,
        })
    }

    /// Ends the files of days before `day`.
    ///
    /// # Errors
    /// When the file system says no, or somebody asked to stop.
    pub fn close(&mut self, folder: &mut Folder, day: Day) -> Result<(), ExportError> {
        for number in 0..self.growing.len() {
            while let Some(mut growing) = self.growing[number].take_before(day) {
                folder.go_on()?;
                self.waiting -= growing.spool.waiting();
                let path = folder.temporary();
                let written = array::write(&path, &growing.spool)?;
                growing.made.rows = written.rows;
                growing.made.bytes = written.bytes;
                growing.made.shift_ns = growing.spool.shift();
                growing.spool.remove();
                folder.adopt(path, growing.made);
            }
        }
        Ok(())
    }
}
