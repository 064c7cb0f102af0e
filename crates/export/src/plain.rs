//! Our own records as files: CSV with a column a field, and NDJSON.
//!
//! CSV has one file a kind of record, day and instrument; which columns there are is what
//! `model::fields` says of the kind, in its order. Levels are rows of their own: the fields of the
//! record, repeated, then the level. NDJSON has one file a day, in the order of the tape.
//!
//! Invariant: what is absent is an empty field, and every column is there in every file of a kind.

use crate::days::Days;
use crate::error::ExportError;
use crate::folder::{FileId, Folder};
use crate::name::{self, Day};
use crate::row::Row;
use market_data_model::fields::{self, Value, Visitor};
use market_data_model::{Body, EventRef, Level, wire};

/// Columns of a level, after the fields of its record.
const LEVEL: &str = "side,price,quantity,orders,nonRetail";

/// The CSV files.
pub struct Tables {
    gzip: bool,
    /// By number of the lane: its open files, by kind of record.
    lanes: Vec<Days<Vec<(&'static str, FileId)>>>,
    text: Vec<u8>,
}

impl Tables {
    /// No files yet.
    pub fn new(gzip: bool) -> Tables {
        Tables { gzip, lanes: Vec::new(), text: Vec::new() }
    }

    /// Appends a record of the instrument with this number.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn event(
        &mut self,
        folder: &mut Folder,
        number: usize,
        event: &EventRef<'_>,
    ) -> Result<(), ExportError> {
        let (kind, at) = (event.body.kind(), event.header.ts_recv);
        if self.lanes.len() <= number {
            self.lanes.resize_with(number + 1, Days::default);
        }
        let files = self.lanes[number].get_or(Day::of(at), Vec::new);
        let known = files.iter().find(|(known, _)| *known == kind);
        let id = known.map(|(_, id)| *id).unwrap_or_else(|| {
            let end = if self.gzip { "csv.gz" } else { "csv" };
            let (day, inst) = (Day::of(at).dashed(), name::part(event.inst_id()));
            let name = format!("{kind}/{day}/{inst}.{end}");
            let id = folder.open(name, self.gzip, header(event).as_bytes());
            files.push((kind, id));
            id
        });
        let text = &mut self.text;
        folder.append(id, at, |out| {
            text.clear();
            fields::visit(event, &mut Fields(Row::new(text)));
            let Body::Book(_, bids, asks) = event.body else {
                out.extend_from_slice(text);
                out.push(b'\n');
                return 1;
            };
            for (side, levels) in [("bid", bids), ("ask", asks)] {
                levels.iter().for_each(|level| level_row(out, text, side, level));
            }
            if bids.is_empty() && asks.is_empty() {
                Row::new(out).plain(text).plain(b",,,,").end();
            }
            (bids.len() + asks.len()).max(1) as u64
        })
    }

    /// Ends the files of days before `day`.
    ///
    /// # Errors
    /// When the file system says no, or somebody asked to stop.
    pub fn close(&mut self, folder: &mut Folder, day: Day) -> Result<(), ExportError> {
        for days in &mut self.lanes {
            while let Some(files) = days.take_before(day) {
                folder.go_on()?;
                for (_, id) in files {
                    folder.close(id)?;
                }
            }
        }
        Ok(())
    }
}

fn level_row(out: &mut Vec<u8>, record: &[u8], side: &str, level: &Level) {
    let mut row = Row::new(out);
    row.plain(record).plain(side.as_bytes());
    row.decimal(Some(level.px.0)).decimal(Some(level.qty.0)).number(Some(level.orders));
    row.decimal(level.non_rpi.0.some()).end();
}

/// The header line of the files for records like this one.
fn header(event: &EventRef<'_>) -> String {
    let mut names = Names(Vec::new());
    fields::visit(event, &mut names);
    if matches!(event.body, Body::Book(..)) {
        names.0.push(LEVEL.to_owned());
    }
    names.0.join(",") + "\n"
}

struct Names(Vec<String>);

impl Visitor for Names {
    fn field(&mut self, name: &'static str, value: Value<'_>) {
        match value {
            Value::Levels(_) => {}
            Value::Point(..) => self.0.extend([format!("{name}.id"), format!("{name}.tsRecv")]),
            _ => self.0.push(name.to_owned()),
        }
    }

    fn rare(&mut self, name: &'static str, value: Value<'_>) {
        self.field(name, value);
    }
}

/// The fields of a record, without levels and without the end of the line.
struct Fields<'a>(Row<'a>);

impl Visitor for Fields<'_> {
    fn field(&mut self, _: &'static str, value: Value<'_>) {
        let row = &mut self.0;
        match value {
            Value::Bool(x) => row.plain(match x {
                Some(true) => b"true",
                Some(false) => b"false",
                None => b"",
            }),
            Value::Int(x) => row.number(x),
            Value::Count(x) | Value::Millis(x) | Value::Nanos(x) => row.number(x),
            Value::Id(x) => row.number(Some(x)),
            Value::Decimal(x) => row.decimal(x),
            Value::Word(x) | Value::Text(x) | Value::Json(x) => row.text(x.unwrap_or_default()),
            Value::Point(id, at) => row.number(id).number(at),
            Value::Levels(_) => row,
        };
    }

    fn rare(&mut self, name: &'static str, value: Value<'_>) {
        self.field(name, value);
    }
}

/// The NDJSON files.
pub struct Lines {
    gzip: bool,
    days: Days<FileId>,
}

impl Lines {
    /// No files yet.
    pub fn new(gzip: bool) -> Lines {
        Lines { gzip, days: Days::default() }
    }

    /// Appends a record.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn event(&mut self, folder: &mut Folder, event: &EventRef<'_>) -> Result<(), ExportError> {
        let at = event.header.ts_recv;
        let day = Day::of(at);
        let id = *self.days.get_or(day, || {
            let end = if self.gzip { "ndjson.gz" } else { "ndjson" };
            folder.open(format!("{}.{end}", day.dashed()), self.gzip, b"")
        });
        folder.append(id, at, |out| {
            wire::write_json(event, out);
            out.push(b'\n');
            1
        })
    }

    /// Ends the files of days before `day`.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn close(&mut self, folder: &mut Folder, day: Day) -> Result<(), ExportError> {
        while let Some(id) = self.days.take_before(day) {
            folder.close(id)?;
        }
        Ok(())
    }
}
