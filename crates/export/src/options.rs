//! What somebody wants exported.

use market_data_model::Nanos;

/// Which tool the files are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The downloadable CSV files of tardis.dev.
    TardisCsv,
    /// The structured arrays of hftbacktest, in `.npz`.
    HftBacktest,
    /// Every record with the fields of `docs/records.md`, a file a kind, day and instrument.
    Csv,
    /// The records themselves, one JSON object a line, a file a day.
    Ndjson,
}

/// What quantities of derivatives count in tardis CSV and npz files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Amount {
    /// As the venue counts: contracts for derivatives, base coin for spot.
    #[default]
    AsSent,
    /// Base coin, where that is exact: linear contracts, by `ct_val × ct_mult`.
    Base,
}

/// How to export.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// For which tool.
    pub format: Format,
    /// Whether CSV and NDJSON are compressed; the files of tardis.dev always are.
    pub gzip: bool,
    /// Nothing received before this goes out.
    pub from: Option<Nanos>,
    /// Nothing received at or after this goes out.
    pub to: Option<Nanos>,
    /// Write into a directory that is not empty, over files of the same name.
    pub force: bool,
    /// What quantities count.
    pub amount: Amount,
    /// Which files of tardis.dev are made.
    pub types: Types,
    /// How much may wait in memory before it goes to the disk, in bytes.
    pub memory: usize,
}

impl Options {
    /// Everything, as the venue counts it.
    pub fn new(format: Format) -> Options {
        Options {
            format,
            gzip: true,
            from: None,
            to: None,
            force: false,
            amount: Amount::AsSent,
            types: Types::ALL,
            memory: 128 << 20,
        }
    }
}

/// What a channel can be exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Levels of a book.
    Book,
    /// Executions.
    Trades,
    /// Prices and 24-hour figures.
    Ticker,
}

/// A channel of an instrument that will come, as its feed announces it. Where several channels
/// say the same, the files of other tools have room for one: the one of the highest rank.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The channel in the venue's spelling.
    pub channel: &'a str,
    /// The instrument.
    pub inst_id: &'a str,
    /// What it says.
    pub kind: Kind,
    /// Higher is better.
    pub rank: u32,
}

/// A kind of file of tardis.dev.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataType {
    /// Executions.
    Trades,
    /// Every change of every level.
    IncrementalBook,
    /// The best prices of that book, when they change.
    Quotes,
    /// The best prices as a channel of their own sends them.
    BookTicker,
    /// The five best levels a side, when they change.
    BookSnapshot5,
    /// The 25 best levels a side, when they change.
    BookSnapshot25,
    /// Funding, open interest, last, index and mark price of derivatives, when one changes.
    DerivativeTicker,
    /// Positions that the venue closed.
    Liquidations,
}

impl DataType {
    /// All of them.
    pub const ALL: [DataType; 8] = [
        DataType::Trades,
        DataType::IncrementalBook,
        DataType::Quotes,
        DataType::BookTicker,
        DataType::BookSnapshot5,
        DataType::BookSnapshot25,
        DataType::DerivativeTicker,
        DataType::Liquidations,
    ];

    /// As in file names.
    pub fn as_str(self) -> &'static str {
        match self {
            DataType::Trades => "trades",
            DataType::IncrementalBook => "incremental_book_L2",
            DataType::Quotes => "quotes",
            DataType::BookTicker => "book_ticker",
            DataType::BookSnapshot5 => "book_snapshot_5",
            DataType::BookSnapshot25 => "book_snapshot_25",
            DataType::DerivativeTicker => "derivative_ticker",
            DataType::Liquidations => "liquidations",
        }
    }

    /// The one of that name.
    pub fn find(name: &str) -> Option<DataType> {
        DataType::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(name))
    }
}

/// A set of [`DataType`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    /// Every one.
    pub const ALL: Types = Types(u8::MAX);

    /// Those listed.
    pub fn of(list: &[DataType]) -> Types {
        Types(list.iter().fold(0, |set, one| set | 1 << *one as u8))
    }

    /// Whether one is in it.
    pub fn has(self, one: DataType) -> bool {
        self.0 & (1 << one as u8) != 0
    }
}
