//! The channels there are, by OKX's names, and what each is about.
//!
//! Requests are checked against this, feeds are keyed by it. The order of [`Channel`] is the
//! order in which OKX pushes the channels of one instrument on one connection.
//!
//! Start at [`Channel::named`].

use crate::calendar::Bar;

/// The order book channels, in their documented push order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum BookKind {
    Bbo,
    L2Tbt,
    L50Tbt,
    Books,
    Rpi,
    Five,
}

impl BookKind {
    /// The most levels a side.
    pub fn depth(self) -> usize {
        match self {
            Self::Bbo => 1,
            Self::Five => 5,
            Self::L50Tbt => 50,
            Self::L2Tbt | Self::Books | Self::Rpi => 400,
        }
    }

    /// Pushed at once rather than on the 100 ms grid.
    pub fn at_once(self) -> bool {
        matches!(self, Self::Bbo | Self::L2Tbt | Self::L50Tbt)
    }

    /// Every push is a whole book without `action`.
    pub fn whole(self) -> bool {
        matches!(self, Self::Bbo | Self::Five)
    }
}

/// Any channel of the exchange.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Channel {
    Book(BookKind),
    Trades,
    TradesAll,
    Tickers,
    Candle(Bar),
    MarkPrice,
    MarkCandle(Bar),
    IndexTickers,
    IndexCandle(Bar),
    OpenInterest,
    FundingRate,
    Instruments,
    /// Any channel of a recording; its name stands there.
    Recorded,
}

/// What a subscription is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// An instrument, by its place in the list.
    Inst(usize),
    /// An index, by its place in the list of indices.
    Index(usize),
    /// An `instType`.
    Type(&'static str),
    /// A feed of a recording, by its place in the list.
    Recorded(usize),
}

/// One feed: everybody who subscribes to it gets the same frames.
pub type FeedKey = (Target, Channel);

/// The WebSocket paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    Public,
    Business,
}

impl Channel {
    /// The channel of that name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bbo-tbt" => Self::Book(BookKind::Bbo),
            "books-l2-tbt" => Self::Book(BookKind::L2Tbt),
            "books50-l2-tbt" => Self::Book(BookKind::L50Tbt),
            "books" => Self::Book(BookKind::Books),
            "books-rpi" => Self::Book(BookKind::Rpi),
            "books5" => Self::Book(BookKind::Five),
            "trades" => Self::Trades,
            "trades-all" => Self::TradesAll,
            "tickers" => Self::Tickers,
            "mark-price" => Self::MarkPrice,
            "index-tickers" => Self::IndexTickers,
            "open-interest" => Self::OpenInterest,
            "funding-rate" => Self::FundingRate,
            "instruments" => Self::Instruments,
            _ => return Self::candle(name),
        })
    }

    fn candle(name: &str) -> Option<Self> {
        if let Some(bar) = name.strip_prefix("candle") {
            return Bar::named(bar).filter(|bar| bar.on_candle).map(Self::Candle);
        }
        if let Some(bar) = name.strip_prefix("mark-price-candle") {
            return Bar::named(bar).filter(|bar| bar.on_mark).map(Self::MarkCandle);
        }
        let bar = name.strip_prefix("index-candle")?;
        Bar::named(bar).filter(|bar| bar.on_index).map(Self::IndexCandle)
    }

    /// The channel's name on the wire.
    pub fn name(self) -> String {
        match self {
            Self::Book(BookKind::Bbo) => "bbo-tbt".into(),
            Self::Book(BookKind::L2Tbt) => "books-l2-tbt".into(),
            Self::Book(BookKind::L50Tbt) => "books50-l2-tbt".into(),
            Self::Book(BookKind::Books) => "books".into(),
            Self::Book(BookKind::Rpi) => "books-rpi".into(),
            Self::Book(BookKind::Five) => "books5".into(),
            Self::Trades => "trades".into(),
            Self::TradesAll => "trades-all".into(),
            Self::Tickers => "tickers".into(),
            Self::Candle(bar) => format!("candle{}", bar.name),
            Self::MarkPrice => "mark-price".into(),
            Self::MarkCandle(bar) => format!("mark-price-candle{}", bar.name),
            Self::IndexTickers => "index-tickers".into(),
            Self::IndexCandle(bar) => format!("index-candle{}", bar.name),
            Self::OpenInterest => "open-interest".into(),
            Self::FundingRate => "funding-rate".into(),
            Self::Instruments => "instruments".into(),
            Self::Recorded => "recorded".into(),
        }
    }

    /// Where it lives.
    pub fn endpoint(self) -> Endpoint {
        match self {
            Self::Candle(_) | Self::MarkCandle(_) | Self::IndexCandle(_) | Self::TradesAll => {
                Endpoint::Business
            }
            _ => Endpoint::Public,
        }
    }

    /// Only for connections that have logged in.
    pub fn needs_login(self) -> bool {
        matches!(self, Self::Book(BookKind::L2Tbt | BookKind::L50Tbt))
    }

    /// Moves with the order flow of its instrument.
    pub fn follows_flow(self) -> bool {
        matches!(
            self,
            Self::Book(_) | Self::Trades | Self::TradesAll | Self::Tickers | Self::Candle(_)
        )
    }
}
