//! Tables as a stream of Arrow IPC, for programs that read columns: the same values as in JSON,
//! in the types of the archive.
//!
//! Invariants: a number is exact, and how many decimals the venue wrote is beside it as in the
//! archive's files, so the venue's text can be made again; a value that no column can hold is an
//! error, never another value.

use super::Failure;
use super::tables::{Kind, Table};
use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Decimal128Builder, Int64Builder, StringBuilder,
    TimestampMillisecondBuilder, TimestampNanosecondBuilder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use market_data_archive::number::{self, ABSENT, PRECISION, SCALE, TOO_LONG};
use market_data_archive::schema::column_name;
use market_data_model::Decimal;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// What the answer is called.
const MEDIA_TYPE: &str = "application/vnd.apache.arrow.stream";
/// Fields that are the same in all records of a table, and so in its metadata.
const CONSTANT: [&str; 3] = ["v", "type", "exchange"];

type Row<'a> = HashMap<&'a str, &'a RawValue>;

/// Objects of JSON as a table. `more` goes into its metadata, below `market_data.`.
///
/// # Errors
/// When a value does not fit its column, which is a mistake of ours: 500, and which one.
pub(crate) fn table<'a>(
    table: &Table,
    rows: impl IntoIterator<Item = &'a str>,
    more: &[(String, String)],
) -> Result<Response, Failure> {
    let bad = |what: String| Failure::new(500, "no_table", what);
    let mut made = Columns::of(table);
    let mut metadata = HashMap::from([("market_data.table".to_owned(), table.name.to_owned())]);
    metadata.extend(more.iter().map(|(key, value)| (format!("market_data.{key}"), value.clone())));
    for text in rows {
        let row: Row<'a> = serde_json::from_str(text)
            .map_err(|error| bad(format!("a record is no object: {error}")))?;
        for (key, value) in CONSTANT.iter().filter_map(|key| Some((key, row.get(key)?))) {
            metadata.entry(format!("market_data.{key}")).or_insert_with(|| plain(value.get()));
        }
        made.push(&row).map_err(|name| bad(format!("no column takes this `{name}`: {text}")))?;
    }
    let body = made.finish(metadata).map_err(|error| bad(error.to_string()))?;
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], body).into_response())
}

/// The same of objects that are not text yet.
///
/// # Errors
/// As [`table`].
pub(crate) fn values(
    of: &Table,
    rows: &[Value],
    more: &[(String, String)],
) -> Result<Response, Failure> {
    let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    table(of, rows.iter().map(String::as_str), more)
}

/// JSON's word for a value, without the quotes of a plain text.
fn plain(raw: &str) -> String {
    raw.trim_matches('"').to_owned()
}

/// One column that is being filled.
enum Column {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Count(UInt64Builder),
    Small(UInt32Builder),
    Millis(TimestampMillisecondBuilder),
    Nanos(TimestampNanosecondBuilder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
}

impl Column {
    fn of(kind: Kind) -> Column {
        match kind {
            Kind::Bool => Column::Bool(BooleanBuilder::new()),
            Kind::Int | Kind::Point => Column::Int(Int64Builder::new()),
            Kind::Count => Column::Count(UInt64Builder::new()),
            Kind::Small => Column::Small(UInt32Builder::new()),
            Kind::Millis => Column::Millis(TimestampMillisecondBuilder::new()),
            Kind::Nanos => Column::Nanos(TimestampNanosecondBuilder::new()),
            Kind::Decimal => {
                let exact = DataType::Decimal128(PRECISION as u8, SCALE as i8);
                Column::Decimal(Decimal128Builder::new().with_data_type(exact))
            }
            Kind::Text | Kind::Json => Column::Text(StringBuilder::new()),
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Column::Bool(_) => DataType::Boolean,
            Column::Int(_) => DataType::Int64,
            Column::Count(_) => DataType::UInt64,
            Column::Small(_) => DataType::UInt32,
            Column::Millis(_) => DataType::Timestamp(TimeUnit::Millisecond, None),
            Column::Nanos(_) => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Column::Decimal(_) => DataType::Decimal128(PRECISION as u8, SCALE as i8),
            Column::Text(_) => DataType::Utf8,
        }
    }

    /// Takes a value but for exact numbers; `None` if it is of another kind. `null` is absence.
    fn push(&mut self, kind: Kind, raw: Option<&str>) -> Option<()> {
        let raw = raw.filter(|raw| *raw != "null");
        // Ids are text in JSON.
        let digits = raw.map(|raw| raw.trim_matches('"'));
        match self {
            Column::Bool(column) => column.append_option(read(raw)?),
            Column::Int(column) => column.append_option(read(raw)?),
            Column::Count(column) => column.append_option(read(digits)?),
            Column::Small(column) => column.append_option(read(raw)?),
            Column::Millis(column) => column.append_option(read(raw)?),
            Column::Nanos(column) => column.append_option(read(raw)?),
            Column::Decimal(_) => return None,
            Column::Text(column) => match raw {
                None => column.append_null(),
                Some(raw) if kind == Kind::Json => column.append_value(raw),
                Some(raw) => column.append_value(string(raw)?),
            },
        }
        Some(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Bool(column) => ArrayBuilder::finish(column),
            Column::Int(column) => ArrayBuilder::finish(column),
            Column::Count(column) => ArrayBuilder::finish(column),
            Column::Small(column) => ArrayBuilder::finish(column),
            Column::Millis(column) => ArrayBuilder::finish(column),
            Column::Nanos(column) => ArrayBuilder::finish(column),
            Column::Decimal(column) => ArrayBuilder::finish(column),
            Column::Text(column) => ArrayBuilder::finish(column),
        }
    }
}

/// A value that may be absent; `None` if it is no such value.
fn read<T: std::str::FromStr>(raw: Option<&str>) -> Option<Option<T>> {
    raw.map(|raw| raw.parse().ok()).map_or(Some(None), |value| value.map(Some))
}

fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// A table that is being filled.
struct Columns {
    /// Of each column its field in JSON, what is there, and its name.
    all: Vec<(&'static str, Kind, String, Column)>,
    /// A letter for each exact number of a row, and the numbers that fit no column.
    decimals: StringBuilder,
    exact: StringBuilder,
    has_decimals: bool,
}

impl Columns {
    fn of(table: &Table) -> Columns {
        let mut all = Vec::new();
        let mut add = |field, kind, name: String| all.push((field, kind, name, Column::of(kind)));
        for (field, kind) in table.columns() {
            let name = column_name(field);
            match kind {
                Kind::Point => {
                    add(field, Kind::Point, format!("{name}_id"));
                    add(field, Kind::Nanos, format!("{name}_ts_recv"));
                }
                _ => add(field, kind, name),
            }
        }
        let has_decimals = table.columns().any(|(_, kind)| kind == Kind::Decimal);
        let (decimals, exact) = (StringBuilder::new(), StringBuilder::new());
        Columns { all, decimals, exact, has_decimals }
    }

    /// Takes a row.
    ///
    /// # Errors
    /// The field that fits no column.
    fn push(&mut self, row: &Row<'_>) -> Result<(), &'static str> {
        let (mut letters, mut long): (String, Vec<&str>) = (String::new(), Vec::new());
        for (field, kind, name, column) in &mut self.all {
            let raw = row.get(field).map(|raw| raw.get());
            let done = match column {
                Column::Decimal(column) => decimal(column, raw, &mut letters, &mut long),
                Column::Int(_) if *kind == Kind::Point => {
                    point(raw, "id").and_then(|raw| column.push(*kind, raw))
                }
                Column::Nanos(_) if name.starts_with("from_") || name.starts_with("to_") => {
                    point(raw, "tsRecv").and_then(|raw| column.push(*kind, raw))
                }
                _ => column.push(*kind, raw),
            };
            done.ok_or(*field)?;
        }
        if self.has_decimals {
            self.decimals.append_value(&letters);
            self.exact.append_option((!long.is_empty()).then(|| long.join(" ")));
        }
        Ok(())
    }

    fn finish(mut self, metadata: HashMap<String, String>) -> Result<Vec<u8>, ArrowError> {
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (_, _, name, column) in &mut self.all {
            fields.push(Field::new(name.as_str(), column.data_type(), true));
            arrays.push(column.finish());
        }
        if self.has_decimals {
            fields.push(Field::new("decimals", DataType::Utf8, true));
            fields.push(Field::new("exact", DataType::Utf8, true));
            arrays.push(Arc::new(self.decimals.finish()));
            arrays.push(Arc::new(self.exact.finish()));
        }
        let schema = Arc::new(Schema::new(fields).with_metadata(metadata));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        writer.write(&batch)?;
        writer.into_inner()
    }
}

/// Takes an exact number. `None` if it is none.
fn decimal<'a>(
    column: &mut Decimal128Builder,
    raw: Option<&'a str>,
    letters: &mut String,
    long: &mut Vec<&'a str>,
) -> Option<()> {
    let text = match raw.filter(|raw| *raw != "null") {
        None => {
            letters.push(char::from(ABSENT));
            column.append_null();
            return Some(());
        }
        Some(raw) => raw.strip_prefix('"')?.strip_suffix('"')?,
    };
    let (value, letter) = number::encode(text.parse::<Decimal>().ok()?);
    letters.push(char::from(letter));
    column.append_option(value);
    if letter == TOO_LONG {
        long.push(text);
    }
    Some(())
}

/// A member of one end of a gap.
fn point<'a>(raw: Option<&'a str>, name: &str) -> Option<Option<&'a str>> {
    let Some(raw) = raw else { return Some(None) };
    let members: Row<'a> = serde_json::from_str(raw).ok()?;
    Some(members.get(name).map(|raw| raw.get()))
}

#[cfg(test)]
mod tests;
