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
    SprdBbo,
    SprdL2,
    SprdFive,
}

impl BookKind {
    /// The most levels a side.
    pub fn depth(self) -> usize {
        match self {
            Self::Bbo | Self::SprdBbo => 1,
            Self::Five | Self::SprdFive => 5,
            Self::L50Tbt => 50,
            Self::L2Tbt | Self::Books | Self::Rpi | Self::SprdL2 => 400,
        }
    }

    /// Pushed at once rather than on the 100 ms grid.
    pub fn at_once(self) -> bool {
        matches!(self, Self::Bbo | Self::L2Tbt | Self::L50Tbt | Self::SprdBbo | Self::SprdL2)
    }

    /// Every push is a whole book without `action`.
    pub fn whole(self) -> bool {
        matches!(self, Self::Bbo | Self::Five | Self::SprdBbo | Self::SprdFive)
    }

    /// A spread's book: levels of three, and on the long one a checksum that is alive.
    pub fn of_spread(self) -> bool {
        matches!(self, Self::SprdBbo | Self::SprdFive | Self::SprdL2)
    }
}

/// The channels of the binary socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SbeKind {
    Bbo,
    Books,
    Trades,
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
    OptionTrades,
    CallAuction,
    PriceLimit,
    OptSummary,
    EstimatedPrice,
    Liquidations,
    AdlWarning,
    Status,
    EventMarkets,
    BlockTickers,
    BlockTrades,
    StrucBlockTrades,
    EconomicCalendar,
    SprdTickers,
    SprdTrades,
    SprdCandle(Bar),
    Sbe(SbeKind),
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
    /// An `instType` and a family, by its place in the list of families.
    Family(&'static str, usize),
    /// Everything: a channel without arguments.
    All,
}

/// One feed: everybody who subscribes to it gets the same frames.
pub type FeedKey = (Target, Channel);

/// The WebSocket paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    Public,
    Business,
    Sbe,
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
            "option-trades" => Self::OptionTrades,
            "call-auction-details" => Self::CallAuction,
            "price-limit" => Self::PriceLimit,
            "opt-summary" => Self::OptSummary,
            "estimated-price" => Self::EstimatedPrice,
            "liquidation-orders" => Self::Liquidations,
            "adl-warning" => Self::AdlWarning,
            "status" => Self::Status,
            "event-contract-markets" => Self::EventMarkets,
            "block-tickers" => Self::BlockTickers,
            "public-block-trades" => Self::BlockTrades,
            "public-struc-block-trades" => Self::StrucBlockTrades,
            "economic-calendar" => Self::EconomicCalendar,
            "sprd-bbo-tbt" => Self::Book(BookKind::SprdBbo),
            "sprd-books-l2-tbt" => Self::Book(BookKind::SprdL2),
            "sprd-books5" => Self::Book(BookKind::SprdFive),
            "sprd-tickers" => Self::SprdTickers,
            "sprd-public-trades" => Self::SprdTrades,
            _ => return Self::candle(name),
        })
    }

    /// The channel of that name on the binary socket.
    pub fn sbe_named(name: &str) -> Option<Self> {
        Some(Self::Sbe(match name {
            "bbo-tbt" => SbeKind::Bbo,
            "books-l2-tbt" => SbeKind::Books,
            "trades" => SbeKind::Trades,
            _ => return None,
        }))
    }

    fn candle(name: &str) -> Option<Self> {
        if let Some(bar) = name.strip_prefix("candle") {
            return Bar::named(bar).filter(|bar| bar.on_candle).map(Self::Candle);
        }
        if let Some(bar) = name.strip_prefix("sprd-candle") {
            return Bar::named(bar).filter(|bar| bar.on_sprd).map(Self::SprdCandle);
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
            Self::OptionTrades => "option-trades".into(),
            Self::CallAuction => "call-auction-details".into(),
            Self::PriceLimit => "price-limit".into(),
            Self::OptSummary => "opt-summary".into(),
            Self::EstimatedPrice => "estimated-price".into(),
            Self::Liquidations => "liquidation-orders".into(),
            Self::AdlWarning => "adl-warning".into(),
            Self::Status => "status".into(),
            Self::EventMarkets => "event-contract-markets".into(),
            Self::BlockTickers => "block-tickers".into(),
            Self::BlockTrades => "public-block-trades".into(),
            Self::StrucBlockTrades => "public-struc-block-trades".into(),
            Self::EconomicCalendar => "economic-calendar".into(),
            Self::Book(BookKind::SprdBbo) => "sprd-bbo-tbt".into(),
            Self::Book(BookKind::SprdL2) => "sprd-books-l2-tbt".into(),
            Self::Book(BookKind::SprdFive) => "sprd-books5".into(),
            Self::SprdTickers => "sprd-tickers".into(),
            Self::SprdTrades => "sprd-public-trades".into(),
            Self::SprdCandle(bar) => format!("sprd-candle{}", bar.name),
            Self::Sbe(SbeKind::Bbo) => "bbo-tbt".into(),
            Self::Sbe(SbeKind::Books) => "books-l2-tbt".into(),
            Self::Sbe(SbeKind::Trades) => "trades".into(),
        }
    }

    /// Where it lives.
    pub fn endpoint(self) -> Endpoint {
        match self {
            Self::Candle(_)
            | Self::MarkCandle(_)
            | Self::IndexCandle(_)
            | Self::TradesAll
            | Self::BlockTickers
            | Self::BlockTrades
            | Self::StrucBlockTrades
            | Self::EconomicCalendar => Endpoint::Business,
            Self::Sbe(_) => Endpoint::Sbe,
            _ if self.of_spread() => Endpoint::Business,
            _ => Endpoint::Public,
        }
    }

    /// Only for connections that have logged in.
    pub fn needs_login(self) -> bool {
        matches!(self, Self::Book(BookKind::L2Tbt | BookKind::L50Tbt) | Self::EconomicCalendar)
    }

    /// The lowest fee tier that may have it: the `tbt` books are for VIP4, the calendar for VIP1.
    pub fn tier(self) -> u8 {
        match self {
            Self::Book(BookKind::L2Tbt | BookKind::L50Tbt)
            | Self::Sbe(SbeKind::Books | SbeKind::Trades) => 4,
            Self::EconomicCalendar => 1,
            _ => 0,
        }
    }

    /// Moves with the order flow of its instrument.
    pub fn follows_flow(self) -> bool {
        matches!(
            self,
            Self::Book(_)
                | Self::Trades
                | Self::TradesAll
                | Self::Tickers
                | Self::Candle(_)
                | Self::OptionTrades
                | Self::SprdTickers
                | Self::SprdTrades
                | Self::SprdCandle(_)
                | Self::Sbe(_)
        )
    }

    /// The book that a feed of it remembers.
    pub fn book(self) -> Option<BookKind> {
        match self {
            Self::Book(kind) => Some(kind),
            Self::Sbe(SbeKind::Bbo) => Some(BookKind::Bbo),
            Self::Sbe(SbeKind::Books) => Some(BookKind::L2Tbt),
            _ => None,
        }
    }

    /// About a spread, named by `sprdId`.
    pub fn of_spread(self) -> bool {
        match self {
            Self::Book(kind) => kind.of_spread(),
            Self::SprdTickers | Self::SprdTrades | Self::SprdCandle(_) => true,
            _ => false,
        }
    }

    /// Names an `instType` beside its instrument or family.
    pub fn names_type(self) -> bool {
        matches!(self, Self::OptionTrades | Self::EstimatedPrice | Self::AdlWarning)
    }
}
