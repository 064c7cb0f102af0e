//! A chunk as one Parquet file, in memory.
//!
//! Invariants: the same chunk gives the same bytes (nothing of clocks, hashes or versions of
//! libraries goes in); rows are sorted by time of receipt, feed and number; the rows of a record
//! are never split between row groups; only encodings that DuckDB, Polars and pyarrow all read
//! (`docs/decisions/0010-parquet.md`).
//!
//! Start at `parquet()`.

use crate::chunk::Chunk;
use crate::number::{PRECISION, SCALE};
use crate::schema::{Column, Kind, Schema, Shape, Source};
mod group;

use group::Group;
use parquet::basic::ZstdLevel;
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use std::sync::Arc;

/// Written into every file; says which bytes to expect, so it changes only with them.
pub const CREATED_BY: &str = "market-data archive version 1";
/// The metadata key of the list of fields.
pub const KEY_FIELDS: &str = "market_data.fields";
/// What the metadata keys of constant fields begin with.
pub const KEY_CONSTANT: &str = "market_data.";
/// Rows of a row group, about: what a query by time or price can skip.
const ROW_GROUP_ROWS: usize = 131_072;
/// Rows of a page, which has its own least and greatest value.
const PAGE_ROWS: usize = 16_384;
/// Compression: levels 1, 3 and 9 differ by a few per cent after these encodings.
const ZSTD_LEVEL: i32 = 3;

/// Writes it.
///
/// # Errors
/// None that a chunk can cause; parquet's own otherwise.
pub fn parquet(chunk: &Chunk) -> Result<Vec<u8>, ParquetError> {
    let schema = &chunk.schema;
    let file_type = file_type(schema)?;
    let mut writer =
        SerializedFileWriter::new(Vec::new(), file_type, Arc::new(properties(chunk)?))?;
    let order = chunk.order();
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let mut rows = 0;
        let fits = |record: &&u32| {
            rows += chunk.rows_of(**record as usize);
            rows <= ROW_GROUP_ROWS
        };
        let records = rest.iter().take_while(fits).count().max(1);
        let (records, after) = rest.split_at(records);
        rest = after;
        let mut group = Group::new(chunk, records);
        let mut row_group = writer.next_row_group()?;
        for column in &schema.columns {
            group.write(column, &mut row_group)?;
        }
        row_group.close()?;
    }
    writer.into_inner()
}

fn properties(chunk: &Chunk) -> Result<WriterProperties, ParquetError> {
    let schema = &chunk.schema;
    let at = |name: &str| schema.columns.iter().position(|column| column.name == name);
    let sorted = ["ts_recv", "feed", "n"].iter().filter_map(|name| at(name)).map(|column_idx| {
        SortingColumn { column_idx: column_idx as i32, descending: false, nulls_first: false }
    });
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_max_row_group_row_count(None)
        .set_sorting_columns(Some(sorted.collect()))
        .set_key_value_metadata(Some(metadata(chunk)));
    for column in &schema.columns {
        let path = ColumnPath::from(column.name.as_str());
        properties = match column.kind {
            Kind::Int | Kind::Count | Kind::Id | Kind::Millis | Kind::Nanos => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            // Texts of rows and frames hardly repeat, and their extremes tell nothing.
            Kind::Text | Kind::Json => {
                properties.set_column_statistics_enabled(path, EnabledStatistics::None)
            }
            Kind::Bool | Kind::Decimal | Kind::Word => properties,
        };
    }
    Ok(properties.build())
}

fn metadata(chunk: &Chunk) -> Vec<KeyValue> {
    let mut pairs = vec![KeyValue::new(KEY_FIELDS.to_owned(), chunk.schema.to_string())];
    let mut values = chunk.constants.iter();
    for field in &chunk.schema.fields {
        if let Shape::Constant(_) = field.shape
            && let Some(Some(value)) = values.next()
        {
            pairs.push(KeyValue::new(format!("{KEY_CONSTANT}{}", field.name), value.clone()));
        }
    }
    pairs
}

fn file_type(schema: &Schema) -> Result<TypePtr, ParquetError> {
    let columns: Result<Vec<TypePtr>, ParquetError> =
        schema.columns.iter().map(|column| column_type(column).map(Arc::new)).collect();
    Ok(Arc::new(Type::group_type_builder("record").with_fields(columns?).build()?))
}

fn column_type(column: &Column) -> Result<Type, ParquetError> {
    let timestamp = |unit| LogicalType::timestamp(false, unit);
    let (physical, logical) = match (column.kind, column.source) {
        (Kind::Count, Source::Level | Source::Orders) => {
            (Physical::INT32, Some(LogicalType::integer(32, false)))
        }
        (Kind::Bool, _) => (Physical::BOOLEAN, None),
        (Kind::Int, _) => (Physical::INT64, None),
        (Kind::Count | Kind::Id, _) => (Physical::INT64, Some(LogicalType::integer(64, false))),
        (Kind::Millis, _) => (Physical::INT64, Some(timestamp(TimeUnit::MILLIS))),
        (Kind::Nanos, _) => (Physical::INT64, Some(timestamp(TimeUnit::NANOS))),
        (Kind::Decimal, _) => (
            Physical::FIXED_LEN_BYTE_ARRAY,
            Some(LogicalType::decimal(i32::from(SCALE), PRECISION)),
        ),
        (Kind::Word | Kind::Text | Kind::Json, _) => {
            (Physical::BYTE_ARRAY, Some(LogicalType::String))
        }
    };
    let mut builder = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(if column.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED })
        .with_logical_type(logical);
    if column.kind == Kind::Decimal {
        builder = builder.with_length(16).with_precision(PRECISION).with_scale(SCALE.into());
    }
    builder.build()
}
