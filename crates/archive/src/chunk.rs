//! Records of one table's day, in columns, waiting to be written.
//!
//! Invariants: what is taken is kept whole, levels beside the records they belong to; how much
//! memory it takes is known ([`Chunk::bytes`]). Start at [`Chunk::take`].

use crate::schema::{Form, Kind, Schema, Shape, Source};
use market_data_model::fields::{self, Value, Visitor};
use market_data_model::{Decimal, EventRef, Level};
use std::sync::Arc;

/// The values of one stored field, one a record.
#[derive(Debug)]
pub enum Cells {
    /// Yes or no.
    Bool(Vec<Option<bool>>),
    /// Whole numbers; unsigned ones by their bits.
    Int(Vec<i64>, Vec<bool>),
    /// Exact numbers, [`Decimal::NONE`] where there is none.
    Decimal(Vec<Decimal>),
    /// Texts.
    Text(Texts),
}

/// Texts, end to end; one that repeats the one before takes no room.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    /// From where to where; `None` where there is none.
    spans: Vec<Option<(u32, u32)>>,
    last: (u32, u32),
}

impl Texts {
    pub(crate) fn push(&mut self, text: Option<&str>) {
        let Some(text) = text else { return self.spans.push(None) };
        let (start, end) = self.last;
        if self.bytes[start as usize..end as usize] != *text.as_bytes() {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(text.as_bytes());
            self.last = (start as u32, self.bytes.len() as u32);
        }
        self.spans.push(Some(self.last));
    }

    /// All texts end to end.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the text of a record is.
    pub fn span(&self, record: usize) -> Option<(u32, u32)> {
        self.spans[record]
    }
}

/// What orders records: when received, which connection, which of its events.
pub type Key = (u64, u32, u64);

/// See the file's first comment.
#[derive(Debug)]
pub struct Chunk {
    /// What is in it.
    pub schema: Arc<Schema>,
    /// Fields that are constant here, as JSON values; in the order of the schema's fields.
    pub constants: Vec<Option<String>>,
    /// A column a stored value.
    pub cells: Vec<Cells>,
    /// When, which feed, which number: one a record.
    pub keys: Vec<Key>,
    /// Levels of all records.
    pub levels: Vec<Level>,
    /// For each record, where its bids end in `levels` and where its asks end.
    pub ends: Vec<(u32, u32)>,
    /// Rows so far.
    pub rows: usize,
    text_bytes: usize,
    /// What a record takes besides texts and levels.
    record_bytes: usize,
}

impl Chunk {
    /// An empty one for records like this.
    pub fn new(event: &EventRef<'_>, form: Form) -> Chunk {
        let schema = Arc::new(Schema::of(event, form));
        let mut constants = Constants { schema: &schema, at: 0, found: Vec::new() };
        fields::visit(event, &mut constants);
        let constants = constants.found;
        let cells = schema.cells.iter().map(|kind| Cells::new(*kind)).collect();
        let cell_bytes: usize = schema.cells.iter().map(|kind| cell_bytes(*kind)).sum();
        let record_bytes = cell_bytes + size_of::<Key>() + size_of::<(u32, u32)>();
        let (keys, levels, ends) = (Vec::new(), Vec::new(), Vec::new());
        let text_bytes = 0;
        Chunk { schema, constants, cells, keys, levels, ends, rows: 0, text_bytes, record_bytes }
    }

    /// Takes a record of the kind that this was made for.
    pub fn take(&mut self, event: &EventRef<'_>) {
        let header = event.header;
        self.keys.push((header.ts_recv.0, header.feed.0, header.n));
        let levels_before = self.levels.len();
        let schema = Arc::clone(&self.schema);
        let mut fill = Fill { chunk: self, schema: &schema, field: 0, cell: 0, bids_end: None };
        fields::visit(event, &mut fill);
        let bids_end = fill.bids_end;
        if let Some(bids_end) = bids_end {
            self.ends.push((bids_end, self.levels.len() as u32));
            self.rows += (self.levels.len() - levels_before).max(1);
        } else {
            self.rows += 1;
        }
    }

    /// An empty one for records of a file.
    pub(crate) fn empty(schema: Schema, constants: Vec<Option<String>>) -> Chunk {
        let schema = Arc::new(schema);
        let cells = schema.cells.iter().map(|kind| Cells::new(*kind)).collect();
        let (keys, levels, ends) = (Vec::new(), Vec::new(), Vec::new());
        let (text_bytes, record_bytes) = (0, 0);
        Chunk { schema, constants, cells, keys, levels, ends, rows: 0, text_bytes, record_bytes }
    }

    /// Takes a record whose cells are in already, with its levels if it can have some.
    pub(crate) fn push(&mut self, key: Key, levels: Option<(&[Level], &[Level])>) {
        self.keys.push(key);
        let before = self.levels.len();
        if let Some((bids, asks)) = levels {
            self.levels.extend_from_slice(bids);
            let bids_end = self.levels.len() as u32;
            self.levels.extend_from_slice(asks);
            self.ends.push((bids_end, self.levels.len() as u32));
        }
        self.rows += (self.levels.len() - before).max(1);
    }

    /// Gives the record taken last another key.
    pub(crate) fn rekey(&mut self, key: Key) {
        if let Some(last) = self.keys.last_mut() {
            *last = key;
        }
        let values = [("ts_recv", key.0), ("feed", u64::from(key.1)), ("n", key.2)];
        for (name, value) in values {
            let column = self.schema.columns.iter().find(|column| column.name == name);
            let Some(Source::Cell(cell)) = column.map(|column| column.source) else { continue };
            if let Cells::Int(cells, _) = &mut self.cells[cell]
                && let Some(last) = cells.last_mut()
            {
                *last = value.cast_signed();
            }
        }
    }

    /// How much memory it takes, about, in bytes.
    pub fn bytes(&self) -> usize {
        self.keys.len() * self.record_bytes
            + self.levels.len() * size_of::<Level>()
            + self.text_bytes
    }

    /// The records in the order of a file.
    pub fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.keys.len() as u32).collect();
        if !self.keys.is_sorted() {
            order.sort_by_key(|record| self.keys[*record as usize]);
        }
        order
    }

    /// The venue's id of a record: of a trade its own, of a book its sequence number.
    pub fn id(&self, record: usize) -> Option<i128> {
        let name = |name: &str| self.schema.columns.iter().find(|column| column.name == name);
        let column = name("trade_id").or_else(|| name("seq"))?;
        let Source::Cell(cell) = column.source else { return None };
        let Cells::Int(values, present) = &self.cells[cell] else { return None };
        let value = values[record];
        let unsigned = column.kind == Kind::Id;
        let value = if unsigned { value.cast_unsigned().into() } else { value.into() };
        present[record].then_some(value)
    }

    /// The levels of a record: bids, asks.
    pub fn levels_of(&self, record: usize) -> (&[Level], &[Level]) {
        let start = record.checked_sub(1).map_or(0, |before| self.ends[before].1);
        let (middle, end) = self.ends[record];
        let (start, middle, end) = (start as usize, middle as usize, end as usize);
        (&self.levels[start..middle], &self.levels[middle..end])
    }

    /// How many rows a record takes.
    pub fn rows_of(&self, record: usize) -> usize {
        if !self.schema.is_long() {
            return 1;
        }
        let (bids, asks) = self.levels_of(record);
        (bids.len() + asks.len()).max(1)
    }
}

fn cell_bytes(kind: Kind) -> usize {
    match kind {
        Kind::Bool => 1,
        Kind::Decimal => 16,
        Kind::Int | Kind::Count | Kind::Id | Kind::Millis | Kind::Nanos => 9,
        Kind::Word | Kind::Text | Kind::Json => 12,
    }
}

impl Cells {
    fn new(kind: Kind) -> Cells {
        match kind {
            Kind::Bool => Cells::Bool(Vec::new()),
            Kind::Decimal => Cells::Decimal(Vec::new()),
            Kind::Int | Kind::Count | Kind::Id | Kind::Millis | Kind::Nanos => {
                Cells::Int(Vec::new(), Vec::new())
            }
            Kind::Word | Kind::Text | Kind::Json => Cells::Text(Texts::default()),
        }
    }

    pub(crate) fn int(&mut self, value: Option<i64>) {
        if let Cells::Int(values, present) = self {
            values.push(value.unwrap_or(0));
            present.push(value.is_some());
        }
    }
}

struct Fill<'a> {
    chunk: &'a mut Chunk,
    schema: &'a Schema,
    field: usize,
    cell: usize,
    bids_end: Option<u32>,
}

impl Fill<'_> {
    fn int(&mut self, value: Option<i64>) {
        self.chunk.cells[self.cell].int(value);
        self.cell += 1;
    }

    fn store(&mut self, value: Value<'_>) {
        match value {
            Value::Int(x) => self.int(x),
            Value::Count(x) | Value::Millis(x) | Value::Nanos(x) => {
                self.int(x.map(u64::cast_signed));
            }
            Value::Id(x) => self.int(Some(x.cast_signed())),
            Value::Bool(x) => {
                if let Cells::Bool(values) = &mut self.chunk.cells[self.cell] {
                    values.push(x);
                }
                self.cell += 1;
            }
            Value::Decimal(x) => {
                if let Cells::Decimal(values) = &mut self.chunk.cells[self.cell] {
                    values.push(x.unwrap_or(Decimal::NONE));
                }
                self.cell += 1;
            }
            Value::Word(x) | Value::Text(x) | Value::Json(x) => {
                if let Cells::Text(texts) = &mut self.chunk.cells[self.cell] {
                    let before = texts.bytes.len();
                    texts.push(x);
                    self.chunk.text_bytes += texts.bytes.len() - before;
                }
                self.cell += 1;
            }
            Value::Point(id, at) => {
                self.int(id);
                self.int(at.map(u64::cast_signed));
            }
            Value::Levels(levels) => {
                self.chunk.levels.extend_from_slice(levels);
                // Bids come first; whatever comes second ends with the record.
                self.bids_end.get_or_insert(self.chunk.levels.len() as u32);
            }
        }
    }
}

impl Visitor for Fill<'_> {
    fn field(&mut self, _: &'static str, value: Value<'_>) {
        let shape = self.schema.fields[self.field].shape;
        self.field += 1;
        match shape {
            Shape::Constant(_) | Shape::Symbol => {}
            Shape::Column(_) | Shape::Point | Shape::Levels => self.store(value),
        }
    }

    fn rare(&mut self, name: &'static str, value: Value<'_>) {
        self.field(name, value);
    }
}

struct Constants<'a> {
    schema: &'a Schema,
    at: usize,
    found: Vec<Option<String>>,
}

impl Visitor for Constants<'_> {
    fn field(&mut self, _: &'static str, value: Value<'_>) {
        let shape = self.schema.fields[self.at].shape;
        self.at += 1;
        if let Shape::Constant(_) = shape {
            self.found.push(match value {
                Value::Count(x) => x.map(|x| x.to_string()),
                Value::Word(x) | Value::Text(x) => x.map(str::to_owned),
                _ => None,
            });
        }
    }

    fn rare(&mut self, name: &'static str, value: Value<'_>) {
        self.field(name, value);
    }
}
