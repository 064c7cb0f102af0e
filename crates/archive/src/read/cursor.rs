//! A file's records one after the other, for who reads several files at a time.

use super::{ReadError, Rows, described, foreign};
use crate::chunk::{Chunk, Key};
use crate::schema::{Schema, Shape};
use crate::write::KEY_CONSTANT;
use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use std::collections::BTreeMap;

/// Stands on one record of a file. Memory is one row group.
pub(crate) struct Cursor {
    reader: SerializedFileReader<Bytes>,
    schema: Schema,
    pairs: BTreeMap<String, String>,
    /// The row group that comes next.
    group: usize,
    rows: Option<Rows>,
    /// The rows of the record.
    at: std::ops::Range<usize>,
}

impl Cursor {
    /// Before the first record.
    pub fn open(file: Bytes) -> Result<Cursor, ReadError> {
        let reader = SerializedFileReader::new(file)?;
        let (schema, pairs) = described(reader.metadata())?;
        Ok(Cursor { reader, schema, pairs, group: 0, rows: None, at: 0..0 })
    }

    /// Goes to the next record; false when there is none.
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        loop {
            if let Some(rows) = &self.rows
                && self.at.end < rows.count
            {
                let start = self.at.end;
                self.at = start..rows.end_of(start);
                return Ok(true);
            }
            if self.group == self.reader.num_row_groups() {
                self.rows = None;
                return Ok(false);
            }
            let group = self.reader.get_row_group(self.group)?;
            self.rows = Some(Rows::read(&self.schema, group.as_ref())?);
            (self.group, self.at) = (self.group + 1, 0..0);
        }
    }

    /// What orders the record.
    pub fn key(&self) -> Key {
        self.rows.as_ref().map_or((0, 0, 0), |rows| rows.key(self.at.start))
    }

    /// Its JSON, in place of what is in `out`.
    pub fn json(&self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        out.clear();
        let Some(rows) = &self.rows else { return Ok(()) };
        rows.record(&self.schema, &self.pairs, self.at.clone(), out)?;
        Ok(())
    }

    /// Puts it into a chunk, under another key.
    pub fn gather(&self, key: Key, into: &mut Option<Chunk>) -> Result<(), ReadError> {
        let chunk = match into {
            Some(chunk) => chunk,
            None => into.insert(Chunk::empty(self.schema.clone(), self.constants())),
        };
        if *chunk.schema != self.schema {
            return Err(foreign("it is of another table than its neighbours"));
        }
        let Some(rows) = &self.rows else { return Ok(()) };
        rows.gather(&self.schema, self.at.clone(), chunk)?;
        chunk.rekey(key);
        Ok(())
    }

    fn constants(&self) -> Vec<Option<String>> {
        let constant = |field: &&crate::schema::Field| matches!(field.shape, Shape::Constant(_));
        let value = |field: &crate::schema::Field| {
            self.pairs.get(&format!("{KEY_CONSTANT}{}", field.name)).cloned()
        };
        self.schema.fields.iter().filter(constant).map(value).collect()
    }
}
