//! What a quantity is in coins and in money, exactly, for every kind of instrument.
//!
//! Derivatives are counted in contracts; what one is worth is in the instrument: `ct_val` times
//! `ct_mult`, in `ct_val_ccy`. Of linear contracts and options that is coins, of inverse ones it is
//! money. For consumers of records; nothing else in the project computes with these.
//!
//! Invariants: no number is rounded unless the caller says how; what the instrument does not say
//! is an error and never 1. Start at [`Instrument::coins`] and [`Instrument::value`].

use crate::decimal::{Decimal, Px, Qty, SCALE_MAX};
use crate::instrument::{InstType, Instrument};
use std::fmt;

/// So much of a coin or of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// How much; no zeros at its end.
    pub value: Decimal,
    /// Of what; empty where the instrument does not say.
    pub ccy: Box<str>,
}

/// A quantity in coins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coins {
    /// As a number.
    Exact(Amount),
    /// As money divided by a price, which need not end.
    Quotient {
        /// The money.
        value: Amount,
        /// The price.
        px: Px,
        /// The coin.
        ccy: Box<str>,
    },
}

/// Why a quantity cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitsError {
    /// The instrument's kind, or whether it is linear or inverse, is not known.
    UnknownKind,
    /// The instrument does not say this.
    Missing(&'static str),
    /// A price is needed: the contract is worth money, not coins.
    NeedsPrice,
    /// The price is zero or below.
    BadPrice,
    /// The instrument stands for no coin: event contracts.
    NoCoins,
    /// The result has more digits than an exact number here can hold.
    TooLong,
}

impl fmt::Display for UnitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnitsError::UnknownKind => f.write_str("it is not known what the instrument is"),
            UnitsError::Missing(field) => write!(f, "the instrument has no {field}"),
            UnitsError::NeedsPrice => f.write_str("its contracts are worth money: give a price"),
            UnitsError::BadPrice => f.write_str("the price is not above zero"),
            UnitsError::NoCoins => f.write_str("event contracts stand for no coin"),
            UnitsError::TooLong => f.write_str("more digits than an exact number here can hold"),
        }
    }
}

impl std::error::Error for UnitsError {}

/// What one contract stands for.
enum Contract {
    /// Nothing: quantities are coins already.
    Coins,
    /// So many coins.
    OfCoins(Decimal),
    /// So much money.
    OfMoney(Decimal),
    /// A pay-out of so much money if the event happens.
    OfEvent(Decimal),
}

impl Instrument {
    /// A quantity of this instrument in base coins. Inverse contracts need a price: their coins
    /// are what they are worth divided by it.
    ///
    /// # Errors
    /// [`UnitsError`] when the instrument does not say enough, or there are none.
    pub fn coins(&self, qty: Qty, px: Option<Px>) -> Result<Coins, UnitsError> {
        let exact = |value, ccy: &str| Coins::Exact(Amount { value, ccy: ccy.into() });
        match self.contract()? {
            Contract::Coins => Ok(exact(trimmed(qty.0), &self.base_ccy)),
            Contract::OfCoins(coins) => Ok(exact(times(qty.0, coins)?, &self.ct_val_ccy)),
            Contract::OfMoney(money) => {
                let px = px.ok_or(UnitsError::NeedsPrice)?;
                if px.0.is_zero() || px.0.is_negative() {
                    return Err(UnitsError::BadPrice);
                }
                let value = Amount { value: times(qty.0, money)?, ccy: self.ct_val_ccy.clone() };
                Ok(Coins::Quotient { value, px, ccy: self.settle_ccy.clone() })
            }
            Contract::OfEvent(_) => Err(UnitsError::NoCoins),
        }
    }

    /// A quantity of this instrument in money, at a price. Of inverse contracts that is the same
    /// at any price. Of options `px` is the underlying's; what the option itself costs is
    /// [`Instrument::premium`].
    ///
    /// # Errors
    /// [`UnitsError`] when the instrument does not say enough.
    pub fn value(&self, qty: Qty, px: Px) -> Result<Amount, UnitsError> {
        let (value, ccy): (Decimal, &str) = match self.contract()? {
            Contract::Coins => (times(qty.0, px.0)?, &self.quote_ccy),
            Contract::OfCoins(coins) => {
                // A coin-margined option settles in the coin; its underlying is priced in money.
                let in_coins = self.settle_ccy == self.ct_val_ccy;
                let ccy = if in_coins { "" } else { &self.settle_ccy };
                (times(times(qty.0, coins)?, px.0)?, ccy)
            }
            Contract::OfMoney(money) => (times(qty.0, money)?, &self.ct_val_ccy),
            Contract::OfEvent(pays) => (times(times(qty.0, pays)?, px.0)?, &self.settle_ccy),
        };
        Ok(Amount { value, ccy: ccy.into() })
    }

    /// What a quantity of an option costs at the option's own price, in the coin it settles in.
    ///
    /// # Errors
    /// [`UnitsError::UnknownKind`] when this is no option, others as above.
    pub fn premium(&self, qty: Qty, px: Px) -> Result<Amount, UnitsError> {
        match (&self.inst_type, self.contract()?) {
            (Some(InstType::Option), Contract::OfCoins(coins)) => {
                let value = times(times(qty.0, coins)?, px.0)?;
                Ok(Amount { value, ccy: self.settle_ccy.clone() })
            }
            _ => Err(UnitsError::UnknownKind),
        }
    }

    fn contract(&self) -> Result<Contract, UnitsError> {
        let kind = self.inst_type.as_ref().ok_or(UnitsError::UnknownKind)?;
        let worth = || {
            let val = self.ct_val.ok_or(UnitsError::Missing("ctVal"))?;
            times(val, self.ct_mult.ok_or(UnitsError::Missing("ctMult"))?)
        };
        match (kind, &*self.ct_type) {
            (InstType::Spot | InstType::Margin, _) => Ok(Contract::Coins),
            (InstType::Swap | InstType::Futures, "linear") => Ok(Contract::OfCoins(worth()?)),
            (InstType::Swap | InstType::Futures, "inverse") => Ok(Contract::OfMoney(worth()?)),
            // Of options `inverse` says what they settle in; a contract is coins all the same.
            (InstType::Option, "" | "linear" | "inverse") => Ok(Contract::OfCoins(worth()?)),
            (InstType::Events, _) => Ok(Contract::OfEvent(worth()?)),
            _ => Err(UnitsError::UnknownKind),
        }
    }
}

impl Coins {
    /// The number, if it ends within the decimals that a number here can have.
    pub fn exact(&self) -> Option<Amount> {
        match self {
            Coins::Exact(amount) => Some(amount.clone()),
            Coins::Quotient { value, px, ccy } => {
                let value = (0..=SCALE_MAX).find_map(|scale| {
                    let (quotient, rest) = divided(value.value, px.0, scale)?;
                    (rest == 0).then(|| Decimal::from_parts(quotient, scale))?
                })?;
                Some(Amount { value, ccy: ccy.clone() })
            }
        }
    }

    /// The number cut after so many decimals, towards zero; `None` if it has too many digits.
    pub fn cut(&self, decimals: u8) -> Option<Amount> {
        let (quotient, ccy) = match self {
            Coins::Exact(amount) => (divided(amount.value, Decimal::ONE, decimals)?.0, &amount.ccy),
            Coins::Quotient { value, px, ccy } => (divided(value.value, px.0, decimals)?.0, ccy),
        };
        Some(Amount { value: Decimal::from_parts(quotient, decimals)?, ccy: ccy.clone() })
    }
}

/// `a / b` in whole units of `10^-scale`, and what is left; `None` if it does not fit.
fn divided(a: Decimal, b: Decimal, scale: u8) -> Option<(i128, i128)> {
    let shift = i32::from(scale) + i32::from(b.scale()) - i32::from(a.scale());
    let (mut dividend, mut divisor) = (a.mantissa(), b.mantissa());
    let by = 10i128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 {
        dividend = dividend.checked_mul(by)?;
    } else {
        divisor = divisor.checked_mul(by)?;
    }
    Some((dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?))
}

fn times(a: Decimal, b: Decimal) -> Result<Decimal, UnitsError> {
    let product = a.mantissa().checked_mul(b.mantissa());
    let (mut product, mut scale) = (product.ok_or(UnitsError::TooLong)?, a.scale() + b.scale());
    while scale > 0 && product % 10 == 0 {
        (product, scale) = (product / 10, scale - 1);
    }
    Decimal::from_parts(product, scale).ok_or(UnitsError::TooLong)
}

/// The same value without zeros at its end.
fn trimmed(value: Decimal) -> Decimal {
    times(value, Decimal::ONE).unwrap_or(value)
}

#[cfg(test)]
mod tests;
