//! Records whose fields are listed as data: a [`Sheet`] names them once, and everything else
//! (reading, JSON, tables, documentation) follows from it.
//!
//! For the many kinds of record that are a flat row of values: funding rates, mark prices, greeks,
//! liquidations. Records that the project computes with (books, trades, bars, tickers) are structs
//! in [`event`](crate::event) instead. A venue's crate makes the sheets; a
//! [`Batch`](crate::batch::Batch) carries the cells; [`fields`](crate::fields) walks them.
//!
//! Invariant: a record has as many cells as its sheet has columns, each of its column's shape or
//! [`Cell::None`]. Start at [`Sheet`].

use crate::decimal::Decimal;
use crate::fields::Value;

/// What a record of one kind says, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The record's `type`.
    pub kind: &'static str,
    /// What it is, in a sentence for the documentation.
    pub about: &'static str,
    /// Its fields after the common ones, in order.
    pub columns: &'static [Column],
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the venue spells it.
    pub name: &'static str,
    /// What kind of value it holds.
    pub shape: Shape,
    /// The unit of its value; empty for what has none.
    pub unit: &'static str,
    /// What it means, and what absence means where that is worth saying.
    pub about: &'static str,
}

/// What kind of value a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An exact number.
    Decimal,
    /// One of these words; none listed: any word of the venue's.
    Word(&'static [&'static str]),
    /// Any text, ids included.
    Text,
    /// A whole number without a sign.
    Count,
    /// Milliseconds since 1970 UTC.
    Millis,
    /// Yes or no.
    Bool,
    /// Not sent by the venue: whether this is of the first frame since we subscribed.
    First,
}

/// A field's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cell {
    /// Absent.
    #[default]
    None,
    /// Of [`Shape::Decimal`].
    Decimal(Decimal),
    /// Of [`Shape::Count`] and [`Shape::Millis`].
    Count(u64),
    /// Of [`Shape::Bool`] and [`Shape::First`].
    Bool(bool),
    /// Of [`Shape::Word`] and [`Shape::Text`]: where it starts and ends in the record's text.
    Text(u32, u32),
}

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct Figures<'a> {
    /// What its fields are.
    pub sheet: &'static Sheet,
    pub(crate) cells: &'a [Cell],
    pub(crate) text: &'a str,
}

impl<'a> Figures<'a> {
    /// A record of these cells; their texts point into `text`.
    pub fn new(sheet: &'static Sheet, cells: &'a [Cell], text: &'a str) -> Figures<'a> {
        Figures { sheet, cells, text }
    }

    /// Its columns with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Column, Value<'a>)> {
        let (cells, text) = (self.cells, self.text);
        let columns = self.sheet.columns.iter().enumerate();
        columns.map(move |(i, column)| {
            let cell = cells.get(i).copied().unwrap_or_default();
            (column, value(column.shape, cell, text))
        })
    }

    /// The value of the column of that name; `None` when there is no such column.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.iter().find(|(column, _)| column.name == name).map(|(_, value)| value)
    }

    /// The word or text of that column; `None` when it is absent or not text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.get(name)? {
            Value::Word(text) | Value::Text(text) => text,
            _ => None,
        }
    }

    /// The number of that column; `None` when it is absent or no decimal.
    pub fn decimal(&self, name: &str) -> Option<Decimal> {
        match self.get(name)? {
            Value::Decimal(number) => number,
            _ => None,
        }
    }

    /// Its cells and their text, to be kept elsewhere.
    pub fn parts(&self) -> (&'a [Cell], &'a str) {
        (self.cells, self.text)
    }
}

/// The variant depends on the shape alone; a cell of another shape counts as absent.
fn value(shape: Shape, cell: Cell, text: &str) -> Value<'_> {
    let whole = match cell {
        Cell::Count(whole) => Some(whole),
        _ => None,
    };
    let words = match cell {
        Cell::Text(start, end) => text.get(start as usize..end as usize),
        _ => None,
    };
    match shape {
        Shape::Decimal => match cell {
            Cell::Decimal(number) => Value::Decimal(number.some()),
            _ => Value::Decimal(None),
        },
        Shape::Word(_) => Value::Word(words),
        Shape::Text => Value::Text(words),
        Shape::Count => Value::Count(whole),
        Shape::Millis => Value::Millis(whole),
        Shape::Bool | Shape::First => match cell {
            Cell::Bool(yes) => Value::Bool(Some(yes)),
            _ => Value::Bool(None),
        },
    }
}
