//! Payments of funding, downwards; nothing proves that one is missing, so where the history may be
//! behind it is asked for twice. Part of [`Walk`](super::Walk).
//!
//! ```json
//! {"formulaType":"withRate","fundingRate":"0.0000746604960499","fundingTime":"1785110400000",
//!  "instId":"BTC-USDT-SWAP","instType":"SWAP","method":"current_period",
//!  "realizedRate":"0.0000746572360545"}
//! ```

use super::{Row, Took, Wish};
use crate::channel::Unknowns;
use crate::channel::figures::{FigureRow, FiguresForm, decode};
use crate::json::Raw;
use market_data_model::FilledFrom;
use market_data_model::figures::{Cell, Column, Shape, Sheet};
use std::collections::BTreeMap;

pub(crate) const HISTORY: &str = "/api/v5/public/funding-rate-history";
/// Most payments of one answer (changelog, 2025-06-19).
const PAGE: u64 = 400;
/// A payment this young may not be in the history yet (ours), milliseconds.
const YOUNG_MS: u64 = 3_600_000;
const TIME: &str = "fundingTime";
/// Stands last.
const FILLED: &str = "filledFrom";
const RATE: &str = "per interval; 0.0001 is 0.01 %";

const fn column(
    name: &'static str,
    shape: Shape,
    unit: &'static str,
    about: &'static str,
) -> Column {
    Column { name, shape, unit, about }
}

const COLUMNS: &[Column] = &[
    column("method", Shape::Word(&["current_period", "next_period"]), "", "how OKX charges"),
    column("formulaType", Shape::Word(&["noRate", "withRate"]), "", "whether interest is part"),
    column("fundingRate", Shape::Decimal, RATE, "rate that was predicted"),
    column("realizedRate", Shape::Decimal, RATE, "rate that was paid"),
    column(TIME, Shape::Millis, "ms UTC", "when it was paid"),
    column(FILLED, Shape::Word(&["rest"]), "", "`rest`: it was fetched, as all of them are"),
];

impl FigureRow {
    /// Says in a payment that it was fetched.
    pub(crate) fn mark_fetched(&mut self) {
        let start = self.text.len() as u32;
        self.text.push_str(FilledFrom::Rest.as_str());
        if let Some(cell) = self.cells.last_mut() {
            *cell = Cell::Text(start, self.text.len() as u32);
        }
    }

    /// When the payment was, in ms; `None` if it does not say.
    pub(crate) fn paid_ms(&self) -> Option<u64> {
        let column = COLUMNS.iter().position(|column| column.name == TIME);
        match column.and_then(|at| self.cells.get(at)) {
            Some(Cell::Count(at)) => Some(*at),
            _ => None,
        }
    }
}

pub(crate) const FORM: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "funding_rate_history",
        about: "What longs paid shorts at a settlement, fetched over REST.",
        columns: COLUMNS,
    },
    time: None,
    often_timeless: true,
    each: None,
    id: None,
    sample: "",
};

#[derive(Clone, Debug)]
pub(super) struct Payments {
    after: u64,
    /// By their times; they come out when all of them are there.
    held: BTreeMap<u64, FigureRow>,
    /// How often the way down is still to be gone.
    rounds: u32,
}

impl Payments {
    pub fn new(wish: &Wish) -> Payments {
        let young = wish.now_ms.saturating_sub(wish.to_ms) < YOUNG_MS;
        Payments { after: wish.to_ms, held: BTreeMap::new(), rounds: 1 + u32::from(young) }
    }

    pub fn path(&self, wish: &Wish) -> Option<String> {
        let (inst_id, after) = (&wish.inst_id, self.after);
        let before = wish.from_ms.saturating_sub(1);
        (self.rounds > 0).then(|| {
            format!("{HISTORY}?instId={inst_id}&after={after}&before={before}&limit={PAGE}")
        })
    }

    pub fn take(&mut self, wish: &Wish, data: Raw<'_>, rows: &mut Vec<Row>) -> Took {
        let mut lowest = self.after;
        for row in data.items() {
            let mut read = FigureRow::default();
            if decode(row, None, &FORM, &mut read, &mut Unknowns::default()).is_err() {
                continue;
            }
            let Some(at) = read.paid_ms() else { continue };
            read.mark_fetched();
            let ours = read.inst_id == wish.inst_id;
            if !ours || !(wish.from_ms..self.after).contains(&at) {
                continue;
            }
            lowest = lowest.min(at);
            self.held.insert(at, read);
        }
        if lowest < self.after {
            self.after = lowest;
        } else {
            self.rounds = self.rounds.saturating_sub(1);
            self.after = wish.to_ms;
        }
        if self.rounds == 0 {
            rows.extend(std::mem::take(&mut self.held).into_values().map(Row::Payment));
        }
        Took::Rows
    }

    /// Nothing is whole before the last round.
    pub fn reached_ms(&self, wish: &Wish) -> u64 {
        if self.rounds == 0 { wish.from_ms } else { wish.to_ms }
    }
}
