//! What is known of a derivative besides its book: the row of `derivative_ticker`.
//!
//! Several channels say a part each; the fields are named as in `docs/records.md`. A part that no
//! recorded channel says stays absent.

use crate::row::Row;
use market_data_model::fields::Value;
use market_data_model::figures::Figures;
use market_data_model::{Decimal, Ticker};

/// The latest of each part.
#[derive(Default)]
pub struct Derivative {
    funding_ms: Option<u64>,
    funding: Option<Decimal>,
    predicted: Option<Decimal>,
    open_interest: Option<Decimal>,
    last: Option<Decimal>,
    index: Option<Decimal>,
    mark: Option<Decimal>,
}

impl Derivative {
    /// Takes the last price.
    pub fn ticker(&mut self, ticker: &Ticker) {
        self.last = ticker.last.and_then(|last| last.0.some());
    }

    /// Takes a record if it is one of those that say a part; says whether it is.
    pub fn figures(&mut self, figures: &Figures<'_>) -> bool {
        match figures.sheet.kind {
            "funding" => {
                self.funding_ms = match figures.get("fundingTime") {
                    Some(Value::Millis(at)) => at,
                    _ => None,
                };
                self.funding = figures.decimal("fundingRate");
                self.predicted = figures.decimal("nextFundingRate");
            }
            "open_interest" => self.open_interest = figures.decimal("oi"),
            "mark_price" => self.mark = figures.decimal("markPx"),
            _ => return false,
        }
        true
    }

    /// Takes the price of its index.
    pub fn index(&mut self, price: Option<Decimal>) {
        self.index = price;
    }

    /// Appends the columns after the times, as a line.
    pub fn write(&self, out: &mut Vec<u8>) {
        let micros = self.funding_ms.map(|ms| ms.saturating_mul(1000));
        let mut row = Row::new(out);
        row.number(micros).decimal(self.funding).decimal(self.predicted);
        row.decimal(self.open_interest).decimal(self.last);
        row.decimal(self.index).decimal(self.mark).end();
    }
}

/// The price that an index record says; `None` of any other record.
pub fn index_price(figures: &Figures<'_>) -> Option<Option<Decimal>> {
    (figures.sheet.kind == "index_ticker").then(|| figures.decimal("idxPx"))
}
