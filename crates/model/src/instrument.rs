//! One thing that trades, as the venue describes it.
//!
//! The venue's own row is kept as text beside the few fields that the rest of the project reads,
//! so that a field nobody here knows yet is still handed on unchanged.

use crate::decimal::{Decimal, Qty};
use crate::time::Nanos;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of contract an instrument is. Kinds added by the venue later are [`InstType::Other`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InstType {
    /// Coins against coins.
    Spot,
    /// The same markets as spot, seen by the venue's margin accounts.
    Margin,
    /// Perpetual contracts.
    Swap,
    /// Contracts with a delivery date (and perpetuals that the venue files here).
    Futures,
    /// Calls and puts.
    Option,
    /// Yes-or-no contracts on an event.
    Events,
    /// A kind that this version does not know, in the venue's spelling.
    Other(Box<str>),
}

impl InstType {
    /// Reads the venue's spelling.
    pub fn parse(text: &str) -> InstType {
        match text {
            "SPOT" => InstType::Spot,
            "MARGIN" => InstType::Margin,
            "SWAP" => InstType::Swap,
            "FUTURES" => InstType::Futures,
            "OPTION" => InstType::Option,
            "EVENTS" => InstType::Events,
            other => InstType::Other(other.into()),
        }
    }

    /// The venue's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            InstType::Spot => "SPOT",
            InstType::Margin => "MARGIN",
            InstType::Swap => "SWAP",
            InstType::Futures => "FUTURES",
            InstType::Option => "OPTION",
            InstType::Events => "EVENTS",
            InstType::Other(text) => text,
        }
    }

    /// The unit in which the venue counts this kind's quantities.
    pub fn unit(&self) -> Unit {
        match self {
            InstType::Spot | InstType::Margin => Unit::Base,
            _ => Unit::Contracts,
        }
    }
}

impl fmt::Display for InstType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a quantity counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The base coin (the first of a spot pair).
    Base,
    /// Contracts; see the instrument's `ct_val` and `ct_mult`.
    Contracts,
    /// The quote coin.
    Quote,
}

impl Unit {
    /// As written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Base => "base",
            Unit::Contracts => "contracts",
            Unit::Quote => "quote",
        }
    }
}

/// One instrument. Absent or blank fields are `None`; text fields the venue left blank are empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// The venue's id, for example `BTC-USDT-SWAP`. The key of everything. Empty while the venue
    /// has only announced the instrument.
    pub inst_id: Box<str>,
    /// What kind it is; `None` until the venue has said (an instrument seen only in a frame).
    pub inst_type: Option<InstType>,
    /// The venue's state: `live`, `suspend`, `preopen`, … in its own spelling; empty = unknown.
    pub state: Box<str>,
    /// Family of derivatives, for example `BTC-USD`.
    pub inst_family: Box<str>,
    /// Underlying index, for example `BTC-USD`.
    pub uly: Box<str>,
    /// Base coin (spot only).
    pub base_ccy: Box<str>,
    /// Quote coin (spot only).
    pub quote_ccy: Box<str>,
    /// Coin in which a derivative settles.
    pub settle_ccy: Box<str>,
    /// Coin of the contract's value.
    pub ct_val_ccy: Box<str>,
    /// `linear` or `inverse`; blank for options.
    pub ct_type: Box<str>,
    /// Value of one contract in `ct_val_ccy`.
    pub ct_val: Option<Decimal>,
    /// Multiplier on `ct_val`.
    pub ct_mult: Option<Decimal>,
    /// Smallest price step (for options and events the smallest of the tick bands).
    pub tick_sz: Option<Decimal>,
    /// Smallest quantity step, in the instrument's unit.
    pub lot_sz: Option<Qty>,
    /// Smallest order, in the instrument's unit.
    pub min_sz: Option<Qty>,
    /// Start of trading (or of the opening auction).
    pub list_time: Option<Nanos>,
    /// Delivery, exercise or delisting.
    pub exp_time: Option<Nanos>,
    /// The venue's number for the instrument; changes when it is listed anew.
    pub inst_id_code: Option<i64>,
    /// The venue's row, as its own JSON text; empty when only the id is known.
    pub row: Box<str>,
}

impl Instrument {
    /// An instrument of which only the id is known.
    pub fn named(inst_id: &str) -> Instrument {
        Instrument {
            inst_id: inst_id.into(),
            inst_type: None,
            state: "".into(),
            inst_family: "".into(),
            uly: "".into(),
            base_ccy: "".into(),
            quote_ccy: "".into(),
            settle_ccy: "".into(),
            ct_val_ccy: "".into(),
            ct_type: "".into(),
            ct_val: None,
            ct_mult: None,
            tick_sz: None,
            lot_sz: None,
            min_sz: None,
            list_time: None,
            exp_time: None,
            inst_id_code: None,
            row: "".into(),
        }
    }

    /// The user's spelling, dashes removed. For reading only: it can collide.
    pub fn symbol(&self) -> String {
        self.inst_id.replace('-', "")
    }

    /// The unit of this instrument's quantities; `None` while its kind is unknown.
    pub fn unit(&self) -> Option<Unit> {
        self.inst_type.as_ref().map(InstType::unit)
    }

    /// Whether the venue will accept a subscription: it has an id that is not a placeholder and
    /// has not expired.
    pub fn is_subscribable(&self) -> bool {
        !self.inst_id.is_empty()
            && !self.inst_id.starts_with("LISTING-")
            && !matches!(&*self.state, "preopen" | "expired" | "test")
    }
}
