//! One side of a book, best price first.
//!
//! Near the best price levels are in a [`Window`], found by price without a search; the rest, and
//! all of a small side, is in `far`, a sorted vector with the best at its end. `book.rs` alone uses
//! it.
//!
//! A key is how far down a price is: for asks the price in whole units, for bids its negative, so
//! that a lower key is better on both sides.
//!
//! Invariants: every key in the window is better than every key in `far`; `far` is strictly
//! ordered and outside the window's span; `best` is a copy of the best row; `wide` has the levels
//! of exactly those rows whose cell is wide.

use super::PRICE_MAX;
use super::cell::Cell;
use super::window::{SPAN, Window};
use crate::event::Level;
use std::collections::BTreeMap;

/// A side with more levels than this gets a window.
const SMALL: usize = 24;
/// Better places kept free in a window that has just been placed.
const HEADROOM: i64 = SPAN as i64 / 16;

/// A key and what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: i64,
    pub(super) cell: Cell,
}

/// See the file's first comment.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    best: Option<Row>,
    window: Option<Box<Window>>,
    far: Vec<Row>,
    wide: BTreeMap<i64, Level>,
    /// A window to be used again after [`Ladder::clear`].
    spare: Option<Box<Window>>,
}

impl Ladder {
    /// A side of these levels, best first; `None` if their keys are not in strict order, one has
    /// none, or a quantity is zero.
    pub(super) fn filled(
        levels: Vec<Level>,
        key: impl Fn(&Level) -> Option<i64>,
    ) -> Option<Ladder> {
        let mut ladder = Ladder::default();
        for level in &levels {
            let row = Row { key: key(level)?, cell: Cell::new(level) };
            let is_next = ladder.far.last().is_none_or(|better| better.key < row.key);
            if !(is_next && row.cell.is_wanted()) {
                return None;
            }
            if row.cell.is_wide() {
                ladder.wide.insert(row.key, *level);
            }
            ladder.far.push(row);
        }
        ladder.best = ladder.far.first().copied();
        ladder.far.reverse();
        if ladder.far.len() > SMALL {
            ladder.open();
        }
        Some(ladder)
    }

    /// Forgets every level, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.best = None;
        self.far.clear();
        self.wide.clear();
        if let Some(window) = self.window.take() {
            self.spare = Some(window);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.window.as_ref().map_or(0, |window| window.len()) + self.far.len()
    }

    /// The best key and its cell.
    #[inline(always)]
    pub(super) fn best(&self) -> Option<Row> {
        self.best
    }

    /// The level of a row whose cell is wide.
    pub(super) fn wide(&self, key: i64) -> Option<Level> {
        self.wide.get(&key).copied()
    }

    fn worst(&self) -> Option<Row> {
        let window = self.window.as_ref();
        let in_window = || window.and_then(|w| row_at(w, w.last()?));
        self.far.first().copied().or_else(in_window)
    }

    /// Sets, replaces or removes the level at a key; `cell` was made of `level`.
    #[inline(always)]
    pub(super) fn put(&mut self, key: i64, cell: Cell, level: &Level) {
        if cell.is_wide() || !self.wide.is_empty() {
            self.note_wide(key, cell, level);
        }
        let Some(window) = &mut self.window else { return self.put_far(key, cell) };
        let Some(at) = window.place(key) else { return self.put_outside(key, cell) };
        window.put(at, cell);
        if self.best.is_none_or(|best| key <= best.key) {
            self.find_best();
        }
    }

    #[cold]
    fn note_wide(&mut self, key: i64, cell: Cell, level: &Level) {
        if cell.is_wide() && cell.is_wanted() {
            self.wide.insert(key, *level);
        } else {
            self.wide.remove(&key);
        }
    }

    #[inline(always)]
    fn find_best(&mut self) {
        let window = self.window.as_ref();
        let in_window = window.and_then(|window| row_at(window, window.first()?));
        self.best = in_window.or_else(|| self.far.last().copied());
    }

    fn put_far(&mut self, key: i64, cell: Cell) {
        let at = self.far.partition_point(|row| row.key > key);
        let held = self.far.get(at).is_some_and(|row| row.key == key);
        match (held, cell.is_wanted()) {
            (true, true) => self.far[at].cell = cell,
            (true, false) => drop(self.far.remove(at)),
            (false, true) => self.far.insert(at, Row { key, cell }),
            (false, false) => return,
        }
        if self.window.is_none() {
            self.best = self.far.last().copied();
            if self.far.len() > SMALL {
                self.open();
            }
        } else if self.best.is_none_or(|best| key <= best.key) {
            self.find_best();
        }
    }

    /// Takes a level outside the window, and moves the window if the market has moved.
    #[inline(never)]
    fn put_outside(&mut self, key: i64, cell: Cell) {
        let base = self.window.as_ref().map_or(0, |window| window.base);
        let best = self.best.map_or(key, |best| best.key.min(key));
        let moved = key < base || best.saturating_sub(base) > HEADROOM * 2;
        if moved && cell.is_wanted() {
            self.shift(best.saturating_sub(HEADROOM));
        }
        match &mut self.window {
            Some(window) if let Some(at) = window.place(key) => {
                window.put(at, cell);
                if self.best.is_none_or(|best| key <= best.key) {
                    self.find_best();
                }
            }
            _ => self.put_far(key, cell),
        }
    }

    /// Moves the window to another base, at or before the best key; what falls out goes to `far`.
    fn shift(&mut self, base: i64) {
        let Some(window) = &mut self.window else { return };
        window.shift(base, |key, cell| self.far.push(Row { key, cell }));
        fill(window, &mut self.far);
    }

    /// Puts a window around the best level, where there is none.
    fn open(&mut self) {
        let Some(best) = self.best.filter(|_| self.window.is_none()) else { return };
        let mut window = self.spare.take().unwrap_or_else(Window::new);
        window.reset(best.key.saturating_sub(HEADROOM));
        fill(&mut window, &mut self.far);
        self.window = Some(window);
    }

    /// Puts everything in `far`.
    fn dissolve(&mut self) {
        let Some(window) = self.window.take() else { return };
        let mut next = window.last();
        while let Some(at) = next {
            self.far.extend(row_at(&window, at));
            next = at.checked_sub(1).and_then(|before| window.previous(before));
        }
        self.spare = Some(window);
    }

    /// Whether every key can be multiplied.
    pub(super) fn can_scale(&self, by: i64) -> bool {
        // The ends have the largest keys; if they fit, all do.
        let ends = [self.best, self.worst()];
        let fits = |key: i64| key.checked_mul(by).is_some_and(|key| key.abs() <= PRICE_MAX);
        ends.into_iter().flatten().all(|row| fits(row.key))
    }

    /// Multiplies every key by what [`Ladder::can_scale`] has allowed.
    pub(super) fn scale(&mut self, by: i64) {
        let had_window = self.window.is_some();
        self.dissolve();
        for row in self.far.iter_mut().chain(&mut self.best) {
            row.key *= by;
        }
        let wide = std::mem::take(&mut self.wide);
        self.wide.extend(wide.into_iter().map(|(key, level)| (key * by, level)));
        if had_window {
            self.open();
        }
    }

    /// Drops the worst levels beyond `depth` and says how many.
    #[inline]
    pub(super) fn truncate(&mut self, depth: usize) -> usize {
        let beyond = self.len().saturating_sub(depth);
        if beyond > 0 {
            self.drop_worst(beyond);
        }
        beyond
    }

    #[inline(never)]
    fn drop_worst(&mut self, count: usize) {
        let of_far = count.min(self.far.len());
        self.far.drain(..of_far);
        for _ in of_far..count {
            let Some(window) = &mut self.window else { break };
            let Some(at) = window.last() else { break };
            window.put(at, Cell::default());
        }
        if self.len() == 0 {
            self.best = None;
        }
        if !self.wide.is_empty() {
            let worst = self.worst().map(|row| row.key);
            self.wide.retain(|key, _| worst.is_some_and(|worst| *key <= worst));
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter {
            window: self.window.as_deref(),
            in_window: self.window.as_ref().map_or(0, |window| window.len()),
            front: 0,
            back: SPAN - 1,
            far: &self.far,
        }
    }

    /// Whether the invariants in the file's first comment hold.
    pub(super) fn is_consistent(&self) -> bool {
        let mut rows = Vec::with_capacity(self.len());
        if let Some(window) = &self.window {
            rows.extend((0..SPAN).filter_map(|at| row_at(window, at)));
            if !window.is_consistent() || self.far.iter().any(|r| window.place(r.key).is_some()) {
                return false;
            }
        }
        rows.extend(self.far.iter().rev());
        rows.windows(2).all(|w| w[0].key < w[1].key)
            && rows.iter().all(|row| row.cell.is_wanted())
            && rows.first() == self.best.as_ref()
            && rows.iter().filter(|row| row.cell.is_wide()).map(|row| &row.key).eq(self.wide.keys())
    }
}

/// Takes over what is within the window's span.
fn fill(window: &mut Window, far: &mut Vec<Row>) {
    while let Some(row) = far.last() {
        let Some(at) = window.place(row.key) else { break };
        window.put(at, row.cell);
        far.pop();
    }
}

#[inline]
fn row_at(window: &Window, at: usize) -> Option<Row> {
    window.get(at).map(|(key, cell)| Row { key, cell })
}

/// The rows of a side, best first.
#[derive(Clone, Debug)]
pub(super) struct Iter<'a> {
    window: Option<&'a Window>,
    /// How many of the window are left.
    in_window: usize,
    /// The window's places from here to there are left.
    front: usize,
    back: usize,
    far: &'a [Row],
}

impl Iterator for Iter<'_> {
    type Item = Row;

    #[inline]
    fn next(&mut self) -> Option<Row> {
        if self.in_window > 0 {
            let window = self.window?;
            let at = window.next(self.front)?;
            self.in_window -= 1;
            self.front = at + 1;
            return row_at(window, at);
        }
        let (row, rest) = self.far.split_last()?;
        self.far = rest;
        Some(*row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.in_window + self.far.len();
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Row> {
        if let Some((row, rest)) = self.far.split_first() {
            self.far = rest;
            return Some(*row);
        }
        if self.in_window == 0 {
            return None;
        }
        let window = self.window?;
        let at = window.previous(self.back)?;
        self.in_window -= 1;
        self.back = at.saturating_sub(1);
        row_at(window, at)
    }
}

impl ExactSizeIterator for Iter<'_> {}
