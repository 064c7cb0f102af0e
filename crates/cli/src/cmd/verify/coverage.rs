//! Which part of each day a channel of an instrument is covered, for the bars of the page.
//!
//! `html.rs` draws what [`days`] gives. Whole numbers only: a bar is [`WIDTH`] wide.
//!
//! Invariants: what cannot be trusted is never drawn narrower than [`SEEN`], however short; what
//! is drawn as good was recorded, is in no gap, and could be proven.

use super::account::{Pause, Row, State};
use market_data_model::Nanos;
use market_data_model::event::GapCause;

/// How wide a bar is.
pub const WIDTH: u64 = 10_000;
/// How wide the shortest gap is drawn.
pub const SEEN: u64 = 40;
const DAY_NS: u64 = 86_400_000_000_000;

/// The part of a UTC day that a tape is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// First time.
    pub from: Nanos,
    /// Last time.
    pub to: Nanos,
}

/// A part of a bar: from where to where, and how it stands; `None` = nobody recorded.
pub type Piece = (u64, u64, Option<State>);

/// The days between two times, at most `most` of them.
pub fn days(from: Nanos, to: Nanos, most: usize) -> Vec<Day> {
    let mut all = Vec::new();
    let mut start = from;
    while start <= to && all.len() < most {
        let midnight = Nanos((start.0 / DAY_NS + 1).saturating_mul(DAY_NS));
        all.push(Day { from: start, to: to.min(midnight) });
        if midnight <= start {
            break;
        }
        start = midnight;
    }
    all
}

impl Day {
    /// `2026-11-23`.
    pub fn name(&self) -> String {
        self.from.to_string().chars().take(10).collect()
    }

    fn place(&self, at: Nanos) -> u64 {
        let whole = u128::from(self.to.since(self.from).max(1));
        let part = u128::from(at.min(self.to).since(self.from));
        u64::try_from(part * u128::from(WIDTH) / whole).unwrap_or(WIDTH)
    }

    /// The part of a stretch that is in this day.
    fn part(&self, from: Nanos, to: Nanos, at_least: u64) -> Option<(u64, u64)> {
        if from > self.to || to < self.from || from > to {
            return None;
        }
        let (start, end) = (self.place(from), self.place(to));
        let end = end.max((start + at_least).min(WIDTH));
        Some((start.min(end.saturating_sub(at_least)), end))
    }

    /// The bar of a row, bottom to top: later pieces cover earlier ones.
    pub fn bar(&self, row: &Row, pauses: &[Pause]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut add = |part: Option<(u64, u64)>, state| {
            pieces.extend(part.map(|(from, to)| (from, to, state)));
        };
        for (from, to) in &row.covered {
            add(self.part(*from, *to, 1), Some(State::Clean));
        }
        for (from, to) in &row.unproven {
            add(self.part(*from, *to, SEEN), Some(State::Unverifiable));
        }
        for pause in pauses {
            add(self.part(pause.from, pause.to, 1), None);
        }
        for hole in &row.holes {
            let soft = hole.cause == GapCause::Unverifiable.as_str();
            let state = if soft { State::Unverifiable } else { State::Gap };
            let (from, to) = (hole.from.unwrap_or(Nanos(0)), hole.to.unwrap_or(Nanos(u64::MAX)));
            add(self.part(from, to, SEEN), Some(state));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::Hole;
    use super::*;

    const HOUR: u64 = DAY_NS / 24;

    fn hole(from: u64, to: Option<u64>) -> Hole {
        Hole {
            id: None,
            cause: "sequence",
            whose: "venue",
            from: Some(Nanos(from)),
            to: to.map(Nanos),
            lost: None,
        }
    }

    #[test]
    fn a_tape_is_cut_into_days() {
        let all = days(Nanos(20 * HOUR), Nanos(49 * HOUR), 100);
        let hours: Vec<_> = all.iter().map(|d| (d.from.0 / HOUR, d.to.0 / HOUR)).collect();
        assert_eq!(hours, [(20, 24), (24, 48), (48, 49)]);
        assert_eq!(all[1].name(), "1970-01-02");
        assert_eq!(days(Nanos(0), Nanos(u64::MAX), 3).len(), 3);
        assert_eq!(days(Nanos(5), Nanos(5), 3).len(), 1);
    }

    #[test]
    fn a_bar_shows_what_is_there_and_what_is_not() {
        let day = Day { from: Nanos(0), to: Nanos(DAY_NS) };
        let mut row = Row {
            covered: vec![(Nanos(6 * HOUR), Nanos(18 * HOUR))],
            unproven: vec![(Nanos(12 * HOUR), Nanos(15 * HOUR))],
            holes: vec![hole(9 * HOUR, Some(9 * HOUR + 1)), hole(17 * HOUR, None)],
            ..Row::default()
        };
        let pause = Pause { from: Nanos(8 * HOUR), to: Nanos(8 * HOUR + HOUR / 2) };
        let expected = [
            (2500, 7500, Some(State::Clean)),
            (5000, 6250, Some(State::Unverifiable)),
            (3333, 3541, None),
            (3750, 3790, Some(State::Gap)),
            (7083, WIDTH, Some(State::Gap)),
        ];
        assert_eq!(day.bar(&row, &[pause]), expected);
        // Behind the last moment of the day it is still seen.
        row.holes = vec![hole(DAY_NS, None)];
        assert_eq!(day.bar(&row, &[]).last(), Some(&(WIDTH - SEEN, WIDTH, Some(State::Gap))));
        row.holes = vec![hole(DAY_NS + 1, None)];
        assert_eq!(day.bar(&row, &[]).len(), 2, "of another day");
    }
}
