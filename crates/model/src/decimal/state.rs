//! Numbers in the state of a feed: few bytes for the common ones, the text where people read it.
//!
//! Invariant: what comes back is equal, [`Decimal::NONE`] included; anything else is refused.

use super::{Decimal, MANTISSA_HI_BITS, MANTISSA_HI_MASK, NONE_HI, Px, Qty, SCALE_MAX};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// The upper byte holds sign and scale, as in [`Decimal`].
#[derive(Serialize, Deserialize)]
enum Form {
    /// No number.
    None,
    /// Digits that fit 64 bits.
    Short(u8, u64),
    /// Others: lower and upper half.
    Long(u8, u64, u64),
}

impl Form {
    fn number(self) -> Option<Decimal> {
        let (head, lo, hi) = match self {
            Form::None => return Some(Decimal::NONE),
            Form::Short(head, lo) => (head, lo, 0),
            Form::Long(head, lo, hi) => (head, lo, hi),
        };
        let fits = head & 0x7f <= SCALE_MAX && hi <= MANTISSA_HI_MASK;
        fits.then_some(Decimal { lo, hi: (u64::from(head) << MANTISSA_HI_BITS) | hi })
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            return to.collect_str(self);
        }
        let (head, hi) = ((self.hi >> MANTISSA_HI_BITS) as u8, self.hi & MANTISSA_HI_MASK);
        let form = match (self.hi, hi) {
            (NONE_HI, _) => Form::None,
            (_, 0) => Form::Short(head, self.lo),
            _ => Form::Long(head, self.lo, hi),
        };
        form.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
        if from.is_human_readable() {
            let text = Cow::<str>::deserialize(from)?;
            return match &*text {
                "" => Ok(Decimal::NONE),
                text => Decimal::parse(text.as_bytes()).map_err(D::Error::custom),
            };
        }
        let number = Form::deserialize(from)?.number();
        number.ok_or_else(|| D::Error::custom("a number of more digits than there are"))
    }
}

impl Serialize for Px {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Px {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Px, D::Error> {
        Decimal::deserialize(from).map(Px)
    }
}

impl Serialize for Qty {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Qty {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Qty, D::Error> {
        Decimal::deserialize(from).map(Qty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let texts = ["0", "-0", "0.000", "1.10", "18446744073709551615", "-18446744073709551616.5"];
        let numbers = texts.map(|text| text.parse::<Decimal>().unwrap());
        for number in numbers.into_iter().chain([Decimal::NONE]) {
            let bytes = postcard::to_allocvec(&number).unwrap();
            assert_eq!(postcard::from_bytes::<Decimal>(&bytes), Ok(number), "{number}");
        }
        // 37 decimals; the sentinel's own bits; an upper half of 57 bits.
        for bad in
            [&[1, 37, 0][..], &[1, 255, 0], &[2, 0, 0, 128, 128, 128, 128, 128, 128, 128, 128, 1]]
        {
            assert!(postcard::from_bytes::<Decimal>(bad).is_err(), "{bad:?}");
        }
    }
}
