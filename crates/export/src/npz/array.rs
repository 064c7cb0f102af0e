//! The bytes of an npz file: a zip with one member, `data.npy`, an array of hftbacktest's events.
//!
//! The two orders of a [`Spool`] become one: an event whose turn it is in both is one row with
//! both flags; where the orders disagree it is two rows, one for the venue's side of a backtest
//! and one for ours. This is what hftbacktest's `correct_event_order` does (`data/validation.py`,
//! 2.4.4), with the number of an event instead of a guess whether two rows are the same.
//!
//! Invariant: rows with `EXCH_EVENT` ascend by `exch_ts`, rows with `LOCAL_EVENT` by `local_ts`;
//! every event has each flag exactly once.

use super::spool::{Item, Order, Spool};
use crate::error::ExportError;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// For the venue's side, at `exch_ts`.
pub const EXCH: u64 = 1 << 31;
/// For our side, at `local_ts`.
pub const LOCAL: u64 = 1 << 30;
/// Bytes of a row.
const ROW: usize = 64;
const FIELDS: &str = "('ev', '<u8'), ('exch_ts', '<i8'), ('local_ts', '<i8'), ('px', '<f8'), \
                      ('qty', '<f8'), ('order_id', '<u8'), ('ival', '<i8'), ('fval', '<f8')";

/// Hands the rows to `row`: an event, and the flags it has there.
///
/// # Errors
/// When the file system says no, or `row` does.
pub fn rows(
    spool: &Spool,
    mut row: impl FnMut(&Item, u64) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let (mut exch, mut local) = (spool.sorted(Order::Exch)?, spool.sorted(Order::Local)?);
    let (mut a, mut b) = (exch.next()?, local.next()?);
    loop {
        match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(x), Some(y)) if x.number == y.number => {
                row(x, EXCH | LOCAL)?;
                (a, b) = (exch.next()?, local.next()?);
            }
            (Some(x), Some(y)) if (y.exch_ts, y.local_ts) < (x.exch_ts, x.local_ts) => {
                row(y, LOCAL)?;
                b = local.next()?;
            }
            (Some(x), _) => {
                row(x, EXCH)?;
                a = exch.next()?;
            }
            (None, Some(y)) => {
                row(y, LOCAL)?;
                b = local.next()?;
            }
        }
    }
}

/// The head of `data.npy` for so many rows.
fn head(rows: u64) -> Vec<u8> {
    let mut dict = format!("{{'descr': [{FIELDS}], 'fortran_order': False, 'shape': ({rows},), }}");
    // Magic, version and length are 10 bytes, the line feed is one.
    while !(10 + dict.len() + 1).is_multiple_of(ROW) {
        dict.push(' ');
    }
    dict.push('\n');
    let mut head = b"\x93NUMPY\x01\x00".to_vec();
    head.extend_from_slice(&(dict.len() as u16).to_le_bytes());
    head.extend_from_slice(dict.as_bytes());
    head
}

/// What was written.
pub struct Written {
    /// Rows of the array.
    pub rows: u64,
    /// Length of the file, in bytes.
    pub bytes: u64,
}

/// Writes the file.
///
/// # Errors
/// When the file system says no.
pub fn write(path: &Path, spool: &Spool) -> Result<Written, ExportError> {
    // The head comes first and says how many rows follow.
    let mut count = 0;
    rows(spool, |_, _| {
        count += 1;
        Ok(())
    })?;
    let failed = |error: zip::result::ZipError| ExportError::io(path)(io::Error::other(error));
    let file = File::create(path).map_err(ExportError::io(path))?;
    let mut zip = ZipWriter::new(BufWriter::with_capacity(1 << 16, file));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(i64::from(crate::folder::LEVEL)))
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o644)
        .large_file(true);
    zip.start_file("data.npy", options).map_err(failed)?;
    let mut bytes = head(count);
    let shift = spool.shift() as i64;
    rows(spool, |item, flags| {
        let times = [item.exch_ts as u64, item.local_ts.saturating_add(shift) as u64];
        let numbers = [item.px.to_bits(), item.qty.to_bits(), 0, 0, 0];
        for word in [item.ev | flags].into_iter().chain(times).chain(numbers) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        if bytes.len() >= 1 << 16 {
            zip.write_all(&bytes).map_err(ExportError::io(path))?;
            bytes.clear();
        }
        Ok(())
    })?;
    zip.write_all(&bytes).map_err(ExportError::io(path))?;
    let file = zip.finish().map_err(failed)?;
    let file = file.into_inner().map_err(|e| ExportError::io(path)(e.into_error()))?;
    let bytes = file.metadata().map_err(ExportError::io(path))?.len();
    Ok(Written { rows: count, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_numpys() {
        let head = head(12);
        assert!(head.len().is_multiple_of(64) && head.ends_with(b" \n"));
        assert_eq!(&head[..8], b"\x93NUMPY\x01\x00");
        assert_eq!(usize::from(u16::from_le_bytes([head[8], head[9]])), head.len() - 10);
        let text = std::str::from_utf8(&head[10..]).unwrap();
        assert!(text.contains("'shape': (12,), }"), "{text}");
    }

    #[test]
    fn events_that_overtake_each_other_are_two_rows() {
        let home = tempfile::tempdir().unwrap();
        let mut spool = Spool::new([home.path().join("a"), home.path().join("b")]);
        let item =
            |ev, exch_ts, local_ts| Item { ev, exch_ts, local_ts, px: 1.0, qty: 1.0, number: 0 };
        for (ev, exch_ts, local_ts) in [(1, 10, 20), (1, 30, 31), (2, 15, 40), (2, 30, 41)] {
            spool.push(item(ev, exch_ts, local_ts));
        }
        let mut got = Vec::new();
        rows(&spool, |item, flags| {
            got.push((item.exch_ts, item.local_ts, flags >> 30));
            Ok(())
        })
        .unwrap();
        // The trade of 15 was heard of at 40, after the book of 30.
        let want = [(10, 20, 3), (15, 40, 2), (30, 31, 1), (15, 40, 1), (30, 41, 3), (30, 31, 2)];
        assert_eq!(got, want);
    }
}
