//! The columns of one row group.
//!
//! Invariant: values go in as they were taken; a decimal that does not fit is empty in its column
//! and written out in `exact`.

use crate::chunk::{Cells, Chunk, Texts};
use crate::number::{self, TOO_LONG};
use crate::schema::{Column, Source};
use bytes::Bytes;
use market_data_model::{Decimal, Level};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedRowGroupWriter;
use std::collections::HashMap;

/// Some records of a chunk.
pub(super) struct Group<'a> {
    chunk: &'a Chunk,
    records: &'a [u32],
    rows: usize,
    /// For each row, a letter a decimal column so far.
    letters: Vec<Vec<u8>>,
    /// Row and text of each number that did not fit.
    exact: Vec<(usize, String)>,
}

/// Values of a column: those that are there, and for each row whether it has one.
struct Values<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Values<T> {
    fn new(rows: usize) -> Values<T> {
        Values { values: Vec::with_capacity(rows), levels: Vec::with_capacity(rows) }
    }

    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn repeat(&mut self, value: Option<T>, times: usize)
    where
        T: Clone,
    {
        self.levels.resize(self.levels.len() + times, i16::from(value.is_some()));
        if let Some(value) = value {
            self.values.resize(self.values.len() + times, value);
        }
    }
}

impl<'a> Group<'a> {
    pub(super) fn new(chunk: &'a Chunk, records: &'a [u32]) -> Group<'a> {
        let rows = records.iter().map(|record| chunk.rows_of(*record as usize)).sum();
        Group { chunk, records, rows, letters: Vec::new(), exact: Vec::new() }
    }

    /// Writes the next column.
    pub(super) fn write<W: std::io::Write + Send>(
        &mut self,
        column: &Column,
        to: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let optional = column.optional;
        match column.source {
            Source::Cell(cell) => match &self.chunk.cells[cell] {
                Cells::Bool(cells) => {
                    let values = self.cells(|record| cells[record]);
                    put::<BoolType, W>(values, optional, to)
                }
                Cells::Int(cells, present) => {
                    let values = self.cells(|record| present[record].then_some(cells[record]));
                    put::<Int64Type, W>(values, optional, to)
                }
                Cells::Decimal(cells) => {
                    let values = self.records.iter().flat_map(|record| {
                        let times = self.chunk.rows_of(*record as usize);
                        std::iter::repeat_n(cells[*record as usize], times)
                    });
                    let values: Vec<Decimal> = values.collect();
                    self.decimals(&values, to)
                }
                Cells::Text(texts) => put::<ByteArrayType, W>(self.texts(texts), optional, to),
            },
            Source::Side => put::<ByteArrayType, W>(self.sides(), optional, to),
            Source::Level => {
                let values = self.levels(|at, _| i32::try_from(at).ok());
                put::<Int32Type, W>(values, optional, to)
            }
            Source::Orders => {
                let values = self.levels(|_, level| Some(level.orders.cast_signed()));
                put::<Int32Type, W>(values, optional, to)
            }
            Source::Price => self.level_decimals(|level| level.px.0, to),
            Source::Quantity => self.level_decimals(|level| level.qty.0, to),
            Source::NonRpi => self.level_decimals(|level| level.non_rpi.0, to),
            Source::Decimals => {
                let values = self.letters();
                put::<ByteArrayType, W>(values, optional, to)
            }
            Source::Exact => {
                let values = self.exact();
                put::<ByteArrayType, W>(values, optional, to)
            }
        }
    }

    fn cells<T: Clone>(&self, of: impl Fn(usize) -> Option<T>) -> Values<T> {
        let mut values = Values::new(self.rows);
        for record in self.records {
            let record = *record as usize;
            values.repeat(of(record), self.chunk.rows_of(record));
        }
        values
    }

    fn texts(&self, texts: &Texts) -> Values<ByteArray> {
        let all = Bytes::copy_from_slice(texts.bytes());
        let mut last: Option<((u32, u32), ByteArray)> = None;
        let mut values = Values::new(self.rows);
        for record in self.records {
            let record = *record as usize;
            let text = texts.span(record).map(|span| match &last {
                Some((of, text)) if *of == span => text.clone(),
                _ => {
                    let text = ByteArray::from(all.slice(span.0 as usize..span.1 as usize));
                    last.insert((span, text)).1.clone()
                }
            });
            values.repeat(text, self.chunk.rows_of(record));
        }
        values
    }

    fn sides(&self) -> Values<ByteArray> {
        let [bid, ask] =
            ["bid", "ask"].map(|side| ByteArray::from(Bytes::from_static(side.as_bytes())));
        let mut values = Values::new(self.rows);
        for record in self.records {
            let (bids, asks) = self.chunk.levels_of(*record as usize);
            values.repeat(Some(bid.clone()), bids.len());
            values.repeat(Some(ask.clone()), asks.len());
            if bids.is_empty() && asks.is_empty() {
                values.push(None);
            }
        }
        values
    }

    /// What `of` says of each level; nothing for a record without levels.
    fn levels<T>(&self, of: impl Fn(usize, &Level) -> Option<T>) -> Values<T> {
        let mut values = Values::new(self.rows);
        for record in self.records {
            let (bids, asks) = self.chunk.levels_of(*record as usize);
            for side in [bids, asks] {
                for (at, level) in side.iter().enumerate() {
                    values.push(of(at, level));
                }
            }
            if bids.is_empty() && asks.is_empty() {
                values.push(None);
            }
        }
        values
    }

    fn level_decimals<W: std::io::Write + Send>(
        &mut self,
        of: impl Fn(&Level) -> Decimal,
        to: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let mut values = Vec::with_capacity(self.rows);
        for record in self.records {
            let (bids, asks) = self.chunk.levels_of(*record as usize);
            values.extend(bids.iter().chain(asks).map(&of));
            if bids.is_empty() && asks.is_empty() {
                values.push(Decimal::NONE);
            }
        }
        self.decimals(&values, to)
    }

    fn decimals<W: std::io::Write + Send>(
        &mut self,
        decimals: &[Decimal],
        to: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let mut bytes = Vec::with_capacity(decimals.len() * 16);
        let mut letters = Vec::with_capacity(decimals.len());
        let mut levels = Vec::with_capacity(decimals.len());
        for (row, decimal) in decimals.iter().enumerate() {
            let (value, letter) = number::encode(*decimal);
            letters.push(letter);
            levels.push(i16::from(value.is_some()));
            if let Some(value) = value {
                bytes.extend_from_slice(&value.to_be_bytes());
            }
            if letter == TOO_LONG {
                self.exact.push((row, decimal.to_string()));
            }
        }
        self.letters.push(letters);
        let bytes = Bytes::from(bytes);
        let values = (0..bytes.len() / 16)
            .map(|at| FixedLenByteArray::from(ByteArray::from(bytes.slice(at * 16..at * 16 + 16))));
        let values = Values { values: values.collect(), levels };
        put::<FixedLenByteArrayType, W>(values, true, to)
    }

    fn letters(&self) -> Values<ByteArray> {
        let mut known: HashMap<Vec<u8>, ByteArray> = HashMap::new();
        let mut text = Vec::with_capacity(self.letters.len());
        let mut last: Option<ByteArray> = None;
        let mut values = Values::new(self.rows);
        for row in 0..self.rows {
            text.clear();
            text.extend(self.letters.iter().map(|letters| letters[row]));
            let value = match last.take() {
                Some(last) if last.data() == text => last,
                _ => match known.get(&text) {
                    Some(value) => value.clone(),
                    None => {
                        let value = ByteArray::from(text.clone());
                        known.insert(text.clone(), value.clone());
                        value
                    }
                },
            };
            last = Some(value.clone());
            values.push(Some(value));
        }
        values
    }

    fn exact(&mut self) -> Values<ByteArray> {
        // Row by row, and within a row in the order of the columns, which a stable sort keeps.
        self.exact.sort_by_key(|(row, _)| *row);
        let mut exact = self.exact.iter().peekable();
        let mut values = Values::new(self.rows);
        for row in 0..self.rows {
            let mut text: Option<String> = None;
            while let Some((_, number)) = exact.next_if(|(of, _)| *of == row) {
                match &mut text {
                    Some(text) => {
                        text.push(' ');
                        text.push_str(number);
                    }
                    None => text = Some(number.clone()),
                }
            }
            values.push(text.map(|text| ByteArray::from(text.into_bytes())));
        }
        values
    }
}

fn put<T: DataType, W: std::io::Write + Send>(
    values: Values<T::T>,
    optional: bool,
    to: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the file has fewer columns than its schema".to_owned());
    let mut column = to.next_column()?.ok_or_else(missing)?;
    let levels = optional.then_some(values.levels.as_slice());
    column.typed::<T>().write_batch(&values.values, levels, None)?;
    column.close()
}
