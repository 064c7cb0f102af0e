//! What lies beside the data: `gaps.csv` what is missing, `instruments.csv` the units, `files.csv`
//! the files.
//!
//! Formats of other tools have no place for a gap, and nobody should think that data is whole
//! which is not. So what opened, closed or was lost is listed in its own file, also what was open
//! already when the window began.
//!
//! Invariant: the three files are there in every export, even if there is nothing in them.

use crate::desk::Desk;
use crate::error::ExportError;
use crate::folder::{FileId, Folder, Made};
use crate::row::Row;
use market_data_model::{EventRef, FeedId, Gap, Healed, Nanos};
use std::collections::BTreeMap;

/// Name of the list of what is missing.
pub const GAPS: &str = "gaps.csv";
const INSTRUMENTS: &str = "instruments.csv";
const FILES: &str = "files.csv";
const GAPS_HEADER: &[u8] = b"ts_recv,exchange,channel,inst_id,feed,gap,event,cause,whose,\
    from_id,from_ts_recv,to_id,to_ts_recv,lost,healed,detail\n";
const INSTRUMENTS_HEADER: &[u8] = b"inst_id,inst_type,amount_unit,tick_size,lot_size,min_size,\
    ct_val,ct_mult,ct_val_ccy,settle_ccy,list_time_ms,exp_time_ms\n";
const FILES_HEADER: &[u8] = b"file,rows,bytes,first_ts_recv,last_ts_recv,local_ts_shift_ns\n";

/// A stretch that is missing for a reason that no feed knows of: the tape is damaged, or was not
/// written.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'a> {
    /// `lost` (the recorder says so), `damaged` (the tape is) or `paused` (nothing was recorded).
    pub event: &'a str,
    /// The venue, if it is known.
    pub venue: &'a str,
    /// Which feed; `None` = any.
    pub feed: Option<FeedId>,
    /// Where it is noticed: the time of the last record before.
    pub at: Nanos,
    /// Its first instant; `None` = unknown.
    pub from: Option<Nanos>,
    /// The first instant after; `None` = unknown.
    pub to: Option<Nanos>,
    /// How many records; `None` = unknown.
    pub lost: Option<u64>,
    /// In words.
    pub detail: &'a str,
}

/// The list of what is missing.
pub struct Gaps {
    file: FileId,
    /// Rows of the gaps that are open, while the window has not begun.
    open: BTreeMap<(FeedId, u64), (Nanos, Vec<u8>)>,
}

impl Gaps {
    /// An empty list.
    pub fn new(folder: &mut Folder) -> Gaps {
        let file = folder.open(GAPS.to_owned(), false, GAPS_HEADER);
        Gaps { file, open: BTreeMap::new() }
    }

    /// One end of a gap, before the window.
    pub fn before(&mut self, event: &EventRef<'_>, gap: &Gap) {
        let key = (event.header.feed, gap.id);
        if gap.closed {
            self.open.remove(&key);
        } else {
            let mut row = Vec::new();
            gap_row(&mut row, event, gap);
            self.open.insert(key, (event.header.ts_recv, row));
        }
    }

    /// The window begins: what is open now is listed.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn begin(&mut self, folder: &mut Folder) -> Result<u64, ExportError> {
        let open = std::mem::take(&mut self.open);
        let rows = open.len() as u64;
        for (at, row) in open.into_values() {
            folder.append(self.file, at, |out| {
                out.extend_from_slice(&row);
                1
            })?;
        }
        Ok(rows)
    }

    /// One end of a gap.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn gap(
        &mut self,
        folder: &mut Folder,
        event: &EventRef<'_>,
        gap: &Gap,
    ) -> Result<(), ExportError> {
        folder.append(self.file, event.header.ts_recv, |out| {
            gap_row(out, event, gap);
            1
        })
    }

    /// Something missing that no feed knows of.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn loss(&mut self, folder: &mut Folder, loss: &Loss<'_>) -> Result<(), ExportError> {
        folder.append(self.file, loss.at, |out| {
            let time = |at: Option<Nanos>| at.map(|at| at.0);
            let mut row = Row::new(out);
            row.number(Some(loss.at.0)).text(loss.venue).plain(b"").plain(b"");
            row.number(loss.feed.map(|feed| feed.0)).plain(b"").text(loss.event);
            row.plain(b"recording").plain(b"ours");
            row.plain(b"").number(time(loss.from)).plain(b"").number(time(loss.to));
            row.number(loss.lost).plain(b"").text(loss.detail).end();
            1
        })
    }
}

fn gap_row(out: &mut Vec<u8>, event: &EventRef<'_>, gap: &Gap) {
    let time = |at: Option<Nanos>| at.map(|at| at.0);
    let step: &[u8] = if gap.closed { b"closed" } else { b"opened" };
    let mut row = Row::new(out);
    row.number(Some(event.header.ts_recv.0)).text(event.venue());
    row.text(event.channel()).text(event.inst_id());
    row.number(Some(event.header.feed.0)).number(Some(gap.id)).plain(step);
    row.text(gap.cause.as_str()).text(gap.whose.as_str());
    row.number(gap.from_id).number(time(gap.from)).number(gap.to_id).number(time(gap.to));
    row.number(gap.lost).text(gap.healed.map_or("", Healed::as_str)).plain(b"").end();
}

/// Writes the list of instruments.
///
/// # Errors
/// When the file system says no.
pub fn instruments(folder: &mut Folder, desks: &[Desk]) -> Result<(), ExportError> {
    let file = folder.open(INSTRUMENTS.to_owned(), false, INSTRUMENTS_HEADER);
    let mut sorted: Vec<&Desk> = desks.iter().filter(|desk| !desk.inst_id.is_empty()).collect();
    sorted.sort_by(|a, b| a.inst_id.cmp(&b.inst_id));
    for desk in sorted {
        let x = &desk.instrument;
        folder.append(file, Nanos(0), |out| {
            let time = |at: Option<Nanos>| at.map(Nanos::millis);
            let mut row = Row::new(out);
            row.text(&desk.inst_id).text(x.inst_type.as_ref().map_or("", |t| t.as_str()));
            row.text(desk.unit()).decimal(x.tick_sz);
            row.decimal(x.lot_sz.map(|q| q.0)).decimal(x.min_sz.map(|q| q.0));
            row.decimal(x.ct_val).decimal(x.ct_mult);
            row.text(&x.ct_val_ccy).text(&x.settle_ccy);
            row.number(time(x.list_time)).number(time(x.exp_time)).end();
            1
        })?;
    }
    folder.close(file)
}

impl Gaps {
    /// Writes the list of files; the last thing before they get their names.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn close(self, folder: &mut Folder) -> Result<(), ExportError> {
        folder.close(self.file)?;
        let mut made: Vec<Made> = folder.made().cloned().collect();
        made.sort_by(|a, b| a.name.cmp(&b.name));
        let file = folder.open(FILES.to_owned(), false, FILES_HEADER);
        for made in made {
            folder.append(file, Nanos(0), |out| {
                let time = |at: Option<Nanos>| at.filter(|at| at.0 > 0).map(|at| at.0);
                let mut row = Row::new(out);
                row.text(&made.name).number(Some(made.rows)).number(Some(made.bytes));
                row.number(time(made.first)).number(time(made.last));
                row.number(Some(made.shift_ns)).end();
                1
            })?;
        }
        folder.close(file)
    }
}
