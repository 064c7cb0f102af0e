//! Reads the rows of every channel whose record is a flat list of values, as its [`Sheet`] says.
//!
//! A channel of this form is a file of its own that holds nothing but data: a [`ChannelSpec`] and
//! a [`FiguresForm`]. `docs/channels.md` and the records' documentation are made from them.
//!
//! Invariants: what the venue sent is kept exactly or refused with its value; a field that is
//! blank, `null` or missing is absent; a field nobody listed is counted; one odd row costs itself
//! only. Start at [`decode`].

pub(super) use super::{BASE, ChannelSpec, Form, KeyKind, Path};
pub(super) use market_data_model::figures::{Column, Shape, Sheet};

use super::read::{self, Unknowns};
use crate::json::{Kind, Raw};
use market_data_model::figures::Cell;
use market_data_model::{InstType, Nanos};

/// How such a channel's rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiguresForm {
    /// The record.
    pub sheet: Sheet,
    /// The field with the venue's time; `None` where rows have none.
    pub time: Option<&'static str>,
    /// Whether old recordings have rows without that field: these are no fault.
    pub often_timeless: bool,
    /// The field whose elements make a record each, with the row's other fields repeated.
    pub each: Option<&'static str>,
    /// The field by which a row that comes again is known, and dropped.
    pub id: Option<&'static str>,
    /// A frame as OKX sends it, for the documentation and its tests.
    pub sample: &'static str,
}

/// What most forms share: the time in `ts`, one record a row, nothing comes again.
pub(super) const FORM: FiguresForm = FiguresForm {
    sheet: Sheet { kind: "", about: "", columns: &[] },
    time: Some("ts"),
    often_timeless: false,
    each: None,
    id: None,
    sample: "",
};

pub(super) const fn column(
    name: &'static str,
    shape: Shape,
    unit: &'static str,
    about: &'static str,
) -> Column {
    Column { name, shape, unit, about }
}

pub(super) const fn decimal(name: &'static str, unit: &'static str, about: &'static str) -> Column {
    column(name, Shape::Decimal, unit, about)
}

pub(super) const fn text(name: &'static str, about: &'static str) -> Column {
    column(name, Shape::Text, "", about)
}

pub(super) const fn word(
    name: &'static str,
    words: &'static [&'static str],
    about: &'static str,
) -> Column {
    column(name, Shape::Word(words), "", about)
}

pub(super) const fn millis(name: &'static str, about: &'static str) -> Column {
    column(name, Shape::Millis, "ms UTC", about)
}

pub(super) const SIDE: &[&str] = &["buy", "sell"];

/// One record, with room to be reused.
#[derive(Clone, Debug, Default)]
pub struct FigureRow {
    /// The row's `instId` or `sprdId`; empty if it has none.
    pub inst_id: String,
    /// The row's `instType`.
    pub inst_type: Option<InstType>,
    /// The venue's time; `None` when missing or zero.
    pub ts: Option<Nanos>,
    /// Whether it has the field at all.
    pub has_time: bool,
    /// One cell a column.
    pub cells: Vec<Cell>,
    /// The text that cells point into.
    pub text: String,
}

impl FigureRow {
    fn clear(&mut self, columns: usize) {
        self.inst_id.clear();
        (self.inst_type, self.ts, self.has_time) = (None, None, false);
        self.cells.clear();
        self.cells.resize(columns, Cell::None);
        self.text.clear();
    }

    /// The text of the column of that name.
    pub(crate) fn text_at(&self, sheet: &Sheet, name: &str) -> Option<&str> {
        match self.cells.get(sheet.columns.iter().position(|c| c.name == name)?)? {
            Cell::Text(start, end) => self.text.get(*start as usize..*end as usize),
            _ => None,
        }
    }
}

/// The elements of a row that make a record each; `None` where the row itself is the record.
///
/// # Errors
/// In words, when the field that should hold them does not.
pub fn elements<'a>(row: Raw<'a>, form: &FiguresForm) -> Result<Option<Raw<'a>>, String> {
    let Some(name) = form.each else { return Ok(None) };
    match row.field(name) {
        Some(list) if list.kind() == Kind::Array => Ok(Some(list)),
        _ => Err(format!("{name} is missing or not an array")),
    }
}

/// Reads one record into `out`: the row, and the element of it that makes the record.
///
/// # Errors
/// In words, with the value, when a field cannot be read.
pub fn decode(
    row: Raw<'_>,
    element: Option<Raw<'_>>,
    form: &FiguresForm,
    out: &mut FigureRow,
    unknowns: &mut Unknowns,
) -> Result<(), String> {
    if row.kind() != Kind::Object || element.is_some_and(|e| e.kind() != Kind::Object) {
        return Err("a row that is no object".into());
    }
    out.clear(form.sheet.columns.len());
    let inner = element.into_iter().flat_map(Raw::fields);
    let mut known = false;
    for (name, value) in row.fields().chain(inner) {
        if form.each == Some(&*name) {
            continue;
        }
        known |= field(&name, value, form, out, unknowns)?;
    }
    if known { Ok(()) } else { Err("a row without a known field".into()) }
}

/// Takes one field; says whether it is known.
fn field(
    name: &str,
    value: Raw<'_>,
    form: &FiguresForm,
    out: &mut FigureRow,
    unknowns: &mut Unknowns,
) -> Result<bool, String> {
    let is_time = form.time == Some(name);
    if is_time {
        out.ts = read::time(value);
        out.has_time = true;
    }
    match name {
        "instId" | "sprdId" => out.inst_id = value.text().unwrap_or_default().into_owned(),
        "instType" => {
            let kind = value.text().filter(|text| !text.is_empty()).map(|t| InstType::parse(&t));
            unknowns.values += u64::from(matches!(kind, Some(InstType::Other(_))));
            out.inst_type = kind;
        }
        _ => {}
    }
    let Some(index) = form.sheet.columns.iter().position(|column| column.name == name) else {
        let common = is_time || matches!(name, "instId" | "sprdId" | "instType");
        unknowns.fields += u64::from(!common);
        return Ok(common);
    };
    out.cells[index] = cell(&form.sheet.columns[index], value, &mut out.text, unknowns)?;
    Ok(true)
}

fn cell(
    column: &Column,
    value: Raw<'_>,
    text: &mut String,
    unknowns: &mut Unknowns,
) -> Result<Cell, String> {
    let name = column.name;
    if value.kind() == Kind::Null {
        return Ok(Cell::None);
    }
    match column.shape {
        Shape::Decimal => Ok(read::number(name, value)?.map_or(Cell::None, Cell::Decimal)),
        Shape::Word(words) => {
            let word = read::word(value);
            let known = word.is_empty() || words.is_empty() || words.contains(&&*word);
            unknowns.values += u64::from(!known);
            Ok(kept(&word, text))
        }
        Shape::Text => Ok(kept(&read::word(value), text)),
        Shape::Count | Shape::Millis => {
            let blank = matches!(&*read::word(value), "");
            let none = |whole: u64| column.shape == Shape::Millis && whole == 0;
            match blank {
                true => Ok(Cell::None),
                false => Ok(Some(read::whole(name, value)?)
                    .filter(|whole| !none(*whole))
                    .map_or(Cell::None, Cell::Count)),
            }
        }
        Shape::Bool => match &*read::word(value) {
            "true" => Ok(Cell::Bool(true)),
            "false" => Ok(Cell::Bool(false)),
            "" => Ok(Cell::None),
            _ => Err(format!("{name} is {}: neither true nor false", value.as_str())),
        },
        Shape::First => Ok(Cell::None),
    }
}

fn kept(word: &str, text: &mut String) -> Cell {
    if word.is_empty() {
        return Cell::None;
    }
    let start = text.len() as u32;
    text.push_str(word);
    Cell::Text(start, text.len() as u32)
}

#[cfg(test)]
mod tests;
