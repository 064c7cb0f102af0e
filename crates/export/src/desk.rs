//! One instrument in an export for another tool: which channels speak for it, its book, its units.
//!
//! A tool's file has room for one book and one series of trades an instrument. Where several
//! channels were recorded, the one of the highest rank of those that its feeds announced before
//! the first event is taken, and stays.

use crate::derivative::Derivative;
use crate::mirror::Mirror;
use crate::name::Day;
use crate::options::{Amount, Kind};
use market_data_model::{Decimal, EventRef, InstType, Instrument, Nanos, Qty};
use std::sync::Arc;

/// When something happened: for the venue, and for us.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// The venue's time; ours where it sent none.
    pub event: Nanos,
    /// Our time.
    pub recv: Nanos,
}

impl When {
    /// Of an event.
    pub fn of(event: &EventRef<'_>) -> When {
        let recv = event.header.ts_recv;
        When { event: event.header.ts_event.unwrap_or(recv), recv }
    }
}

#[derive(Clone, Copy)]
struct Pick {
    rank: u32,
    lane: usize,
    used: bool,
}

/// See the file's first comment.
pub struct Desk {
    /// Counts instruments from 0.
    pub number: usize,
    /// Its id.
    pub inst_id: Box<str>,
    /// What the venue last said of it.
    pub instrument: Arc<Instrument>,
    /// Its book.
    pub mirror: Mirror,
    /// What is known of it besides, if it is a derivative.
    pub derivative: Derivative,
    /// The day whose files begin with the book.
    pub book_day: Option<Day>,
    picks: [Option<Pick>; 3],
    amount: Amount,
    multiplier: Option<Decimal>,
}

impl Desk {
    /// One that has heard nothing.
    pub fn new(number: usize, inst_id: &str, amount: Amount) -> Desk {
        Desk {
            number,
            inst_id: inst_id.into(),
            instrument: Arc::new(Instrument::named(inst_id)),
            mirror: Mirror::default(),
            derivative: Derivative::default(),
            book_day: None,
            picks: [None; 3],
            amount,
            multiplier: None,
        }
    }

    /// A channel will come.
    pub fn offer(&mut self, kind: Kind, lane: usize, rank: u32) {
        let pick = &mut self.picks[kind as usize];
        if pick.is_none_or(|pick| !pick.used && rank > pick.rank) {
            *pick = Some(Pick { rank, lane, used: false });
        }
    }

    /// Whether this channel is the one, now that something of it came.
    pub fn takes(&mut self, kind: Kind, lane: usize) -> bool {
        let pick = self.picks[kind as usize].get_or_insert(Pick { rank: 0, lane, used: true });
        pick.used |= pick.lane == lane;
        pick.lane == lane
    }

    /// Whether this channel is the one, as far as is known.
    pub fn listens(&self, kind: Kind, lane: usize) -> bool {
        self.picks[kind as usize].is_some_and(|pick| pick.lane == lane)
    }

    /// Takes what the venue says of the instrument; says whether that is something else.
    pub fn describe(&mut self, instrument: &Arc<Instrument>) -> bool {
        if Arc::ptr_eq(instrument, &self.instrument) {
            return false;
        }
        self.instrument = Arc::clone(instrument);
        self.multiplier = (self.amount == Amount::Base).then(|| base_of(instrument)).flatten();
        true
    }

    /// Whether it has funding, open interest or an index.
    pub fn is_derivative(&self) -> bool {
        !matches!(self.instrument.inst_type, None | Some(InstType::Spot | InstType::Margin))
    }

    /// What quantities in the files count.
    pub fn unit(&self) -> &'static str {
        match (self.multiplier, self.instrument.unit()) {
            (Some(_), _) => "base",
            (None, unit) => unit.map_or("", market_data_model::instrument::Unit::as_str),
        }
    }

    /// A quantity in the unit of the files; `None` when it has more digits than can be held.
    pub fn amount(&self, qty: Qty) -> Option<Decimal> {
        match self.multiplier {
            None => qty.0.some(),
            Some(by) => product(qty.0.some()?, by),
        }
    }
}

/// How much base coin one contract is, where that is a fixed number.
fn base_of(instrument: &Instrument) -> Option<Decimal> {
    let derivative =
        matches!(instrument.inst_type, Some(InstType::Swap | InstType::Futures | InstType::Option));
    let base = instrument.uly.split('-').next().unwrap_or_default();
    let in_base = derivative && !base.is_empty() && base == &*instrument.ct_val_ccy;
    let one = Decimal::from_parts(1, 0);
    in_base.then(|| product(instrument.ct_val?, instrument.ct_mult.or(one)?)).flatten()
}

/// The exact product, without zeros at the end.
fn product(a: Decimal, b: Decimal) -> Option<Decimal> {
    let mut mantissa = a.mantissa().checked_mul(b.mantissa())?;
    let mut scale = a.scale() + b.scale();
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal::from_parts(mantissa, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn the_best_channel_announced_before_the_first_event_stays() {
        let mut desk = Desk::new(0, "A-B", Amount::AsSent);
        desk.offer(Kind::Book, 3, 5);
        desk.offer(Kind::Book, 4, 400);
        assert!(!desk.takes(Kind::Book, 3) && desk.takes(Kind::Book, 4));
        desk.offer(Kind::Book, 5, 500);
        assert!(!desk.takes(Kind::Book, 5) && desk.takes(Kind::Book, 4));
        assert!(desk.takes(Kind::Trades, 9) && !desk.takes(Kind::Trades, 10));
    }

    #[test]
    fn contracts_become_base_coin_only_where_that_is_exact() {
        let mut swap = Instrument::named("BTC-USDT-SWAP");
        swap.inst_type = Some(InstType::Swap);
        (swap.uly, swap.ct_val_ccy) = ("BTC-USDT".into(), "BTC".into());
        (swap.ct_val, swap.ct_mult) = (Some(decimal("0.01")), Some(decimal("1")));
        let mut desk = Desk::new(0, "BTC-USDT-SWAP", Amount::Base);
        desk.describe(&Arc::new(swap.clone()));
        assert_eq!(desk.amount(Qty(decimal("12.50"))), Some(decimal("0.125")));
        assert_eq!(desk.amount(Qty(Decimal::ZERO)), Some(decimal("0")));
        assert_eq!(desk.unit(), "base");
        (swap.uly, swap.ct_val_ccy) = ("BTC-USD".into(), "USD".into());
        desk.describe(&Arc::new(swap));
        assert_eq!(desk.amount(Qty(decimal("12.50"))), Some(decimal("12.50")));
        assert_eq!(desk.unit(), "contracts");
    }
}
