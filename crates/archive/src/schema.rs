//! Which columns a kind of record has: made from what `fields::visit` says of one record.
//!
//! The writer makes a schema from the first record it meets, puts it into each file's metadata,
//! and the reader takes it from there; so a new kind of record has a table as soon as it has
//! fields.
//!
//! Invariants: the columns depend on the kind of record and the form of the table alone, so all
//! files of a table have the same; every field is a column, or constant in the file and then in
//! its metadata, or (`symbol`) made from one.
//!
//! Start at [`Schema::of`].

use market_data_model::EventRef;
use market_data_model::fields::{self, Value, Visitor};
use std::fmt;

/// What is in a field or column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BOOLEAN.
    Bool,
    /// INT64.
    Int,
    /// UINT64.
    Count,
    /// UINT64; JSON shows it as text.
    Id,
    /// TIMESTAMP in milliseconds.
    Millis,
    /// TIMESTAMP in nanoseconds.
    Nanos,
    /// DECIMAL(38,18).
    Decimal,
    /// STRING.
    Word,
    /// STRING.
    Text,
    /// STRING that is JSON.
    Json,
}

const KINDS: [(Kind, &str); 10] = [
    (Kind::Bool, "bool"),
    (Kind::Int, "int"),
    (Kind::Count, "count"),
    (Kind::Id, "id"),
    (Kind::Millis, "millis"),
    (Kind::Nanos, "nanos"),
    (Kind::Decimal, "decimal"),
    (Kind::Word, "word"),
    (Kind::Text, "text"),
    (Kind::Json, "json"),
];

/// How a field is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Equal in all records of a file: in its metadata.
    Constant(Kind),
    /// The `instId` without dashes, absent if that is: not stored. (Records of channels are about
    /// instruments with an id, or about none.)
    Symbol,
    /// A column.
    Column(Kind),
    /// Two columns: an id and a time.
    Point,
    /// A row a level.
    Levels,
}

/// One field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in JSON.
    pub name: String,
    /// Whether JSON leaves it out when it is absent.
    pub rare: bool,
    /// How it is stored.
    pub shape: Shape,
}

/// Which fields are constant in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One channel and instrument a directory.
    Keyed,
    /// All in one directory.
    Mixed,
}

/// What one column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A value of the record: the n-th of those stored.
    Cell(usize),
    /// `bid`, `ask`, or nothing.
    Side,
    /// The level's number within its side, from 0.
    Level,
    /// The level's price.
    Price,
    /// Its quantity.
    Quantity,
    /// Its number of orders.
    Orders,
    /// Its quantity that is not retail liquidity.
    NonRpi,
    /// How many decimals the venue wrote, a letter a decimal column.
    Decimals,
    /// Numbers that do not fit their columns.
    Exact,
}

/// One column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What is in it; levels' numbers and orders are 32 bits wide.
    pub kind: Kind,
    /// Whether it can be empty.
    pub optional: bool,
    /// Where it comes from.
    pub source: Source,
}

/// The fields of a kind of record and the columns they are stored in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Fields in the order of JSON.
    pub fields: Vec<Field>,
    /// Columns in the order of the file.
    pub columns: Vec<Column>,
    /// What each value that is stored for a record is.
    pub cells: Vec<Kind>,
}

/// Fields that say which record it is.
const ALWAYS_CONSTANT: [&str; 3] = ["v", "type", "exchange"];
/// Fields that are in the path of a keyed table.
const KEYS: [&str; 2] = ["channel", "instId"];
/// Fields that are never absent.
const REQUIRED: [&str; 3] = ["tsRecv", "feed", "n"];
/// Columns whose name is not the field's in another spelling.
const RENAMED: [(&str, &str); 4] = [
    ("timestamp", "ts_event"),
    ("prevUpdateId", "prev_seq"),
    ("lastUpdateId", "seq"),
    ("seqId", "seq"),
];

impl Schema {
    /// The schema of such records.
    pub fn of(event: &EventRef<'_>, form: Form) -> Schema {
        let mut list = List { form, fields: Vec::new() };
        fields::visit(event, &mut list);
        Schema::new(list.fields)
    }

    fn new(fields: Vec<Field>) -> Schema {
        let mut columns: Vec<Column> = Vec::new();
        let mut cells = Vec::new();
        let mut has_levels = false;
        for field in &fields {
            let name = column_name(&field.name);
            let optional = !REQUIRED.contains(&field.name.as_str());
            let mut cell = |name: String, kind: Kind| {
                cells.push(kind);
                let optional = optional && kind != Kind::Id;
                Column { name, kind, optional, source: Source::Cell(cells.len() - 1) }
            };
            match field.shape {
                Shape::Constant(_) | Shape::Symbol => {}
                Shape::Column(kind) => columns.push(cell(name, kind)),
                Shape::Point => {
                    columns.push(cell(format!("{name}_id"), Kind::Int));
                    columns.push(cell(format!("{name}_ts_recv"), Kind::Nanos));
                }
                Shape::Levels if has_levels => {}
                Shape::Levels => {
                    has_levels = true;
                    columns.extend(level_columns());
                }
            }
        }
        if columns.iter().any(|column| column.kind == Kind::Decimal) {
            columns.push(optional("decimals", Kind::Word, Source::Decimals));
            columns.push(optional("exact", Kind::Text, Source::Exact));
        }
        Schema { fields, columns, cells }
    }

    /// Whether a record can be several rows.
    pub fn is_long(&self) -> bool {
        self.fields.iter().any(|field| field.shape == Shape::Levels)
    }

    /// Reads what [`Display`](fmt::Display) wrote; `None` if it is something else.
    pub fn parse(text: &str) -> Option<Schema> {
        let fields: Option<Vec<Field>> = text.split(',').map(Field::parse).collect();
        fields.map(Schema::new)
    }
}

fn optional(name: &str, kind: Kind, source: Source) -> Column {
    Column { name: name.to_owned(), kind, optional: true, source }
}

fn level_columns() -> [Column; 6] {
    [
        optional("side", Kind::Word, Source::Side),
        optional("level", Kind::Count, Source::Level),
        optional("price", Kind::Decimal, Source::Price),
        optional("quantity", Kind::Decimal, Source::Quantity),
        optional("orders", Kind::Count, Source::Orders),
        optional("non_rpi", Kind::Decimal, Source::NonRpi),
    ]
}

/// The name of a field's column: `baseVolume` → `base_volume`.
pub fn column_name(field: &str) -> String {
    if let Some((_, name)) = RENAMED.iter().find(|(from, _)| *from == field) {
        return (*name).to_owned();
    }
    let mut name = String::with_capacity(field.len() + 4);
    for c in field.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, field) in self.fields.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let rare = if field.rare { "?" } else { "" };
            write!(f, "{comma}{}{rare}:", field.name)?;
            match field.shape {
                Shape::Constant(kind) => write!(f, "={}", kind.as_str())?,
                Shape::Symbol => f.write_str("symbol")?,
                Shape::Column(kind) => f.write_str(kind.as_str())?,
                Shape::Point => f.write_str("point")?,
                Shape::Levels => f.write_str("levels")?,
            }
        }
        Ok(())
    }
}

impl Field {
    fn parse(text: &str) -> Option<Field> {
        let (name, shape) = text.split_once(':')?;
        let (name, rare) = match name.strip_suffix('?') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let shape = match shape {
            "symbol" => Shape::Symbol,
            "point" => Shape::Point,
            "levels" => Shape::Levels,
            _ => match shape.strip_prefix('=') {
                Some(kind) => Shape::Constant(Kind::parse(kind)?),
                None => Shape::Column(Kind::parse(shape)?),
            },
        };
        Some(Field { name: name.to_owned(), rare, shape })
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn parse(text: &str) -> Option<Kind> {
        KINDS.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind)
    }
}

struct List {
    form: Form,
    fields: Vec<Field>,
}

impl List {
    fn push(&mut self, name: &str, value: Value<'_>, rare: bool) {
        let kind = match value {
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Count(_) => Kind::Count,
            Value::Id(_) => Kind::Id,
            Value::Millis(_) => Kind::Millis,
            Value::Nanos(_) => Kind::Nanos,
            Value::Decimal(_) => Kind::Decimal,
            Value::Word(_) => Kind::Word,
            Value::Text(_) => Kind::Text,
            Value::Json(_) => Kind::Json,
            Value::Point(..) => return self.shaped(name, Shape::Point, rare),
            Value::Levels(_) => return self.shaped(name, Shape::Levels, rare),
        };
        let keyed = self.form == Form::Keyed;
        let shape = if ALWAYS_CONSTANT.contains(&name) || keyed && KEYS.contains(&name) {
            Shape::Constant(kind)
        } else if keyed && name == "symbol" {
            Shape::Symbol
        } else {
            Shape::Column(kind)
        };
        self.shaped(name, shape, rare);
    }

    fn shaped(&mut self, name: &str, shape: Shape, rare: bool) {
        self.fields.push(Field { name: name.to_owned(), rare, shape });
    }
}

impl Visitor for List {
    fn field(&mut self, name: &'static str, value: Value<'_>) {
        self.push(name, value, false);
    }

    fn rare(&mut self, name: &'static str, value: Value<'_>) {
        self.push(name, value, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_with_underscores() {
        let names = ["timestamp", "tsRecv", "volCcy24h", "prevUpdateId", "sodUtc0", "n"];
        let columns = names.map(column_name);
        assert_eq!(columns, ["ts_event", "ts_recv", "vol_ccy24h", "prev_seq", "sod_utc0", "n"]);
    }
}
