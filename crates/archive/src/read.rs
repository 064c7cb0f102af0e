//! Parquet files back into records: the JSON lines that they were made from, byte for byte.
//!
//! Invariants: memory is one row group; what is no file of ours is an error, never a panic.
//! Start at [`records`].

mod cursor;

use crate::chunk::{Cells, Chunk, Key};
use crate::number::{self, ABSENT, TOO_LONG};
use crate::schema::{Column, Kind, Schema, Shape, Source};
use crate::write::{KEY_CONSTANT, KEY_FIELDS};
use bytes::Bytes;
pub(crate) use cursor::Cursor;
use market_data_model::fields::Value;
use market_data_model::wire::Json;
use market_data_model::{Decimal, Level, Px, Qty};
use parquet::basic::Type as Physical;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use std::collections::BTreeMap;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is no Parquet file, or a broken one.
    #[error("not a readable Parquet file: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// It is one, but not of ours.
    #[error("not a file of this archive: {0}")]
    Foreign(String),
    /// The receiver failed.
    #[error(transparent)]
    Receiver(#[from] std::io::Error),
}

fn foreign(what: impl Into<String>) -> ReadError {
    ReadError::Foreign(what.into())
}

/// A record read from a file.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// When received, which feed, which of its events.
    pub key: Key,
    /// How many rows it took.
    pub rows: usize,
    /// The record as JSON, without a line break.
    pub json: &'a [u8],
}

/// Hands every record of a file, given as bytes, to `each`, in the file's order.
///
/// # Errors
/// [`ReadError`].
pub fn records(
    file: Bytes,
    mut each: impl FnMut(Read<'_>) -> Result<(), std::io::Error>,
) -> Result<(), ReadError> {
    let reader = SerializedFileReader::new(file)?;
    let (schema, constants) = described(reader.metadata())?;
    let mut json = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = Rows::read(&schema, reader.get_row_group(group)?.as_ref())?;
        let mut row = 0;
        while row < group.count {
            let end = group.end_of(row);
            json.clear();
            let key = group.record(&schema, &constants, row..end, &mut json)?;
            each(Read { key, rows: end - row, json: &json })?;
            row = end;
        }
    }
    Ok(())
}

/// Adds the records of a file to those of others of the same table.
///
/// # Errors
/// [`ReadError`], also when the file is of another table.
pub(crate) fn gather(file: Bytes, into: &mut Option<Chunk>) -> Result<(), ReadError> {
    let reader = SerializedFileReader::new(file)?;
    let (schema, pairs) = described(reader.metadata())?;
    let constant = |field: &&crate::schema::Field| matches!(field.shape, Shape::Constant(_));
    let value =
        |field: &crate::schema::Field| pairs.get(&format!("{KEY_CONSTANT}{}", field.name)).cloned();
    let constants: Vec<_> = schema.fields.iter().filter(constant).map(value).collect();
    let chunk = match into {
        Some(chunk) => chunk,
        None => into.insert(Chunk::empty(schema.clone(), constants.clone())),
    };
    if *chunk.schema != schema || chunk.constants != constants {
        return Err(foreign("it is of another table than its neighbours"));
    }
    for group in 0..reader.num_row_groups() {
        let group = Rows::read(&schema, reader.get_row_group(group)?.as_ref())?;
        let mut row = 0;
        while row < group.count {
            let end = group.end_of(row);
            group.gather(&schema, row..end, chunk)?;
            row = end;
        }
    }
    Ok(())
}

/// The fields that are constant in a file, by their names in JSON; absent ones are left out.
///
/// # Errors
/// [`ReadError`].
pub fn constants(file: Bytes) -> Result<BTreeMap<String, String>, ReadError> {
    let reader = SerializedFileReader::new(file)?;
    let (_, pairs) = described(reader.metadata())?;
    let named = |(key, value): (String, String)| {
        key.strip_prefix(KEY_CONSTANT).map(|name| (name.to_owned(), value))
    };
    Ok(pairs.into_iter().filter(|(key, _)| key != KEY_FIELDS).filter_map(named).collect())
}

/// The schema and the constant fields of a file.
fn described(metadata: &ParquetMetaData) -> Result<(Schema, BTreeMap<String, String>), ReadError> {
    let mut pairs: BTreeMap<String, String> = BTreeMap::new();
    for pair in metadata.file_metadata().key_value_metadata().into_iter().flatten() {
        pairs.insert(pair.key.clone(), pair.value.clone().unwrap_or_default());
    }
    let fields = pairs.get(KEY_FIELDS).ok_or_else(|| foreign("it names no fields"))?;
    let schema = Schema::parse(fields).ok_or_else(|| foreign("its fields cannot be read"))?;
    let columns = metadata.file_metadata().schema_descr().columns();
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    if !names.iter().copied().eq(schema.columns.iter().map(|column| column.name.as_str())) {
        return Err(foreign("its columns are not those of its fields"));
    }
    for (column, described) in columns.iter().zip(&schema.columns) {
        let optional = i16::from(described.optional);
        let right = column.physical_type() == physical(described)
            && column.max_def_level() == optional
            && column.max_rep_level() == 0
            && (described.kind != Kind::Decimal || column.type_length() == 16);
        if !right {
            return Err(foreign(format!("its column {} is of another type", described.name)));
        }
    }
    Ok((schema, pairs))
}

pub(crate) fn physical(column: &Column) -> Physical {
    match (column.kind, column.source) {
        (_, Source::Level | Source::Orders) => Physical::INT32,
        (Kind::Bool, _) => Physical::BOOLEAN,
        (Kind::Decimal, _) => Physical::FIXED_LEN_BYTE_ARRAY,
        (Kind::Word | Kind::Text | Kind::Json, _) => Physical::BYTE_ARRAY,
        _ => Physical::INT64,
    }
}

/// One column of a row group; a value or nothing for each row.
enum Values {
    Bool(Vec<Option<bool>>),
    Int(Vec<Option<i64>>),
    Small(Vec<Option<i32>>),
    Decimal(Vec<Decimal>),
    Text(Vec<Option<ByteArray>>),
}

struct Rows {
    count: usize,
    columns: Vec<Values>,
    ts_recv: usize,
    feed: usize,
    n: usize,
}

impl Rows {
    fn read(schema: &Schema, group: &dyn RowGroupReader) -> Result<Rows, ReadError> {
        let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let mut columns = Vec::with_capacity(schema.columns.len());
        let mut raw: Vec<(usize, Vec<Option<i128>>)> = Vec::new();
        for (at, column) in schema.columns.iter().enumerate() {
            let optional = column.optional;
            columns.push(match physical(column) {
                Physical::BOOLEAN => Values::Bool(cells::<BoolType>(group, at, count, optional)?),
                Physical::INT32 => Values::Small(cells::<Int32Type>(group, at, count, optional)?),
                Physical::FIXED_LEN_BYTE_ARRAY => {
                    let cells = cells::<FixedLenByteArrayType>(group, at, count, optional)?;
                    let whole = |cell: Option<parquet::data_type::FixedLenByteArray>| {
                        cell.and_then(|cell| cell.data().try_into().ok().map(i128::from_be_bytes))
                    };
                    raw.push((at, cells.into_iter().map(whole).collect()));
                    Values::Decimal(Vec::new())
                }
                Physical::BYTE_ARRAY => {
                    Values::Text(cells::<ByteArrayType>(group, at, count, optional)?)
                }
                _ => Values::Int(cells::<Int64Type>(group, at, count, optional)?),
            });
        }
        let find = |name: &str| {
            let at = schema.columns.iter().position(|column| column.name == name);
            at.ok_or_else(|| foreign(format!("it has no column {name}")))
        };
        let (ts_recv, feed, n) = (find("ts_recv")?, find("feed")?, find("n")?);
        let mut rows = Rows { count, columns, ts_recv, feed, n };
        rows.decimals(schema, raw)?;
        Ok(rows)
    }

    /// Numbers with as many decimals as the venue wrote.
    fn decimals(
        &mut self,
        schema: &Schema,
        raw: Vec<(usize, Vec<Option<i128>>)>,
    ) -> Result<(), ReadError> {
        if raw.is_empty() {
            return Ok(());
        }
        let find = |source| schema.columns.iter().position(|column| column.source == source);
        let (Some(letters), Some(exact)) = (find(Source::Decimals), find(Source::Exact)) else {
            return Err(foreign("it does not say how many decimals its numbers have"));
        };
        let mut decoded: Vec<Vec<Decimal>> = vec![Vec::with_capacity(self.count); raw.len()];
        for row in 0..self.count {
            let letters = self.text(letters, row)?.unwrap_or_default().as_bytes();
            let mut exact = self.text(exact, row)?.unwrap_or_default().split(' ');
            for (at, (_, values)) in raw.iter().enumerate() {
                let value = match (letters.get(at), values[row]) {
                    (Some(&ABSENT), None) => Some(Decimal::NONE),
                    (Some(&TOO_LONG), None) => {
                        exact.next().and_then(|text| Decimal::parse(text.as_bytes()).ok())
                    }
                    (Some(letter), Some(value)) => number::decode(value, *letter),
                    _ => None,
                };
                let value = value.ok_or_else(|| foreign(format!("a number in row {row}")))?;
                decoded[at].push(value);
            }
        }
        for ((column, _), values) in raw.into_iter().zip(decoded) {
            self.columns[column] = Values::Decimal(values);
        }
        Ok(())
    }

    fn text(&self, column: usize, row: usize) -> Result<Option<&str>, ReadError> {
        let Values::Text(values) = &self.columns[column] else { return Ok(None) };
        let text = values[row].as_ref().map(ByteArray::as_utf8).transpose();
        Ok(text?)
    }

    fn int(&self, column: usize, row: usize) -> Option<i64> {
        match &self.columns[column] {
            Values::Int(values) => values[row],
            Values::Small(values) => values[row].map(i64::from),
            _ => None,
        }
    }

    fn key(&self, row: usize) -> Key {
        let of = |column| self.int(column, row).unwrap_or(0).cast_unsigned();
        (of(self.ts_recv), of(self.feed) as u32, of(self.n))
    }

    /// The row after the last of the record that begins here.
    fn end_of(&self, row: usize) -> usize {
        let key = self.key(row);
        (row + 1..self.count).find(|next| self.key(*next) != key).unwrap_or(self.count)
    }

    /// Writes the record in these rows as JSON.
    fn record(
        &self,
        schema: &Schema,
        constants: &BTreeMap<String, String>,
        rows: std::ops::Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<Key, ReadError> {
        let mut json = Json::open(out);
        let mut columns = 0;
        let row = rows.start;
        let levels = self.levels(schema, rows)?;
        for field in &schema.fields {
            let name = field.name.as_str();
            let constant = || constants.get(&format!("{KEY_CONSTANT}{name}")).map(String::as_str);
            let value = match field.shape {
                Shape::Constant(Kind::Count) => {
                    Value::Count(constant().and_then(|text| text.parse().ok()))
                }
                Shape::Constant(_) => Value::Word(constant()),
                Shape::Symbol => {
                    let inst_id = constants.get(&format!("{KEY_CONSTANT}instId"));
                    let symbol = inst_id.map(|inst_id| inst_id.replace('-', ""));
                    json.named(name, Value::Word(symbol.as_deref()));
                    continue;
                }
                Shape::Column(kind) => {
                    columns += 1;
                    self.value(kind, columns - 1, row)?
                }
                Shape::Point => {
                    columns += 2;
                    let at = self.int(columns - 1, row).map(i64::cast_unsigned);
                    Value::Point(self.int(columns - 2, row), at)
                }
                Shape::Levels if name == "bids" => {
                    columns += LEVEL_COLUMNS;
                    Value::Levels(&levels.0)
                }
                Shape::Levels => Value::Levels(&levels.1),
            };
            if !field.rare || !value.is_none() {
                json.named(name, value);
            }
        }
        json.close();
        Ok(self.key(row))
    }

    fn value(&self, kind: Kind, column: usize, row: usize) -> Result<Value<'_>, ReadError> {
        let int = self.int(column, row);
        let whole = int.map(i64::cast_unsigned);
        Ok(match (kind, &self.columns[column]) {
            (Kind::Bool, Values::Bool(values)) => Value::Bool(values[row]),
            (Kind::Decimal, Values::Decimal(values)) => Value::Decimal(values[row].some()),
            (Kind::Word, _) => Value::Word(self.text(column, row)?),
            (Kind::Text, _) => Value::Text(self.text(column, row)?),
            (Kind::Json, _) => Value::Json(self.text(column, row)?),
            (Kind::Int, _) => Value::Int(int),
            (Kind::Id, _) => Value::Id(whole.unwrap_or(0)),
            (Kind::Millis, _) => Value::Millis(whole),
            (Kind::Nanos, _) => Value::Nanos(whole),
            (Kind::Count | Kind::Bool | Kind::Decimal, _) => Value::Count(whole),
        })
    }

    /// Puts the record in these rows into a chunk.
    fn gather(
        &self,
        schema: &Schema,
        rows: std::ops::Range<usize>,
        chunk: &mut Chunk,
    ) -> Result<(), ReadError> {
        let row = rows.start;
        for (at, column) in schema.columns.iter().enumerate() {
            let Source::Cell(cell) = column.source else { continue };
            match (&mut chunk.cells[cell], &self.columns[at]) {
                (Cells::Bool(cells), Values::Bool(values)) => cells.push(values[row]),
                (Cells::Decimal(cells), Values::Decimal(values)) => cells.push(values[row]),
                (Cells::Text(cells), Values::Text(_)) => cells.push(self.text(at, row)?),
                (cells, _) => cells.int(self.int(at, row)),
            }
        }
        let levels = if schema.is_long() { Some(self.levels(schema, rows)?) } else { None };
        let levels = levels.as_ref().map(|(bids, asks)| (bids.as_slice(), asks.as_slice()));
        chunk.push(self.key(row), levels);
        Ok(())
    }

    /// The levels of a record: bids, asks.
    fn levels(
        &self,
        schema: &Schema,
        rows: std::ops::Range<usize>,
    ) -> Result<(Vec<Level>, Vec<Level>), ReadError> {
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        let side = schema.columns.iter().position(|column| column.source == Source::Side);
        let Some(side) = side else { return Ok((bids, asks)) };
        let decimal = |column: usize, row: usize| match &self.columns[column] {
            Values::Decimal(values) => values[row],
            _ => Decimal::NONE,
        };
        for row in rows {
            let orders = self.int(side + 4, row).unwrap_or(0) as u32;
            let level = Level {
                px: Px(decimal(side + 2, row)),
                qty: Qty(decimal(side + 3, row)),
                non_rpi: Qty(decimal(side + 5, row)),
                orders,
            };
            match self.text(side, row)? {
                Some("bid") => bids.push(level),
                Some("ask") => asks.push(level),
                Some(other) => return Err(foreign(format!("the side {other:?}"))),
                None => {}
            }
        }
        Ok((bids, asks))
    }
}

/// Columns of a level, in the order of the schema: side, level, price, quantity, orders, non_rpi.
const LEVEL_COLUMNS: usize = 6;

fn cells<T: DataType>(
    group: &dyn RowGroupReader,
    column: usize,
    rows: usize,
    optional: bool,
) -> Result<Vec<Option<T::T>>, ReadError> {
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column)?);
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let (read, ..) =
        reader.read_records(rows, optional.then_some(&mut levels), None, &mut values)?;
    if read != rows {
        return Err(foreign(format!("a column has {read} rows instead of {rows}")));
    }
    if !optional {
        return Ok(values.into_iter().map(Some).collect());
    }
    let mut values = values.into_iter();
    Ok(levels.into_iter().map(|level| if level > 0 { values.next() } else { None }).collect())
}
