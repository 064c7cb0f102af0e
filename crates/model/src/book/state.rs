//! A book in the state of a feed: its levels and the decimals of its keys. Where the levels lie in
//! memory is not part of it, because nothing that can be read depends on that.
//!
//! Invariant: a book that comes back is consistent, whatever the bytes.

use super::ladder::Ladder;
use super::{Book, SCALE_MAX, Side, at_scale};
use crate::decimal::Px;
use crate::event::Level;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

struct Levels<'a>(&'a Book, Side);

impl Serialize for Levels<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.levels(self.1))
    }
}

impl Serialize for Book {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Book { bids: _, asks: _, scale } = self;
        (scale, Levels(self, Side::Bid), Levels(self, Side::Ask)).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Book {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Book, D::Error> {
        let (scale, bids, asks) = <(u8, Vec<Level>, Vec<Level>)>::deserialize(from)?;
        restore(scale, bids, asks).ok_or_else(|| D::Error::custom("levels that are no book"))
    }
}

fn restore(scale: u8, bids: Vec<Level>, asks: Vec<Level>) -> Option<Book> {
    if scale > SCALE_MAX {
        return None;
    }
    let price = |level: &Level| {
        let (px, qty) = (level.px.0.some()?, level.qty.0.some()?);
        let held = !qty.is_zero() && !qty.is_negative() && px.scale() <= scale;
        at_scale(Px(px), scale).filter(|_| held)
    };
    let bids = Ladder::filled((bids, scale), |level| price(level).map(|price| -price))?;
    let asks = Ladder::filled((asks, scale), price)?;
    Some(Book { bids, asks, scale })
}
