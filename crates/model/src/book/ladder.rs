//! One side of a book, best price first.
//!
//! Near the best price levels are in a [`Window`], found by price without a search; the rest, and
//! all of a small side, is in `far`, a sorted vector, best first. `book.rs` alone uses it.
//!
//! A key is how far down a price is: for asks the price in whole units, for bids its negative, so
//! that a lower key is better on both sides.
//!
//! Invariants: every key in the window is better than every key in `far`; `far` is strictly
//! ordered and outside the window's span; `best` is the best key, or [`NOTHING`], and `top` its
//! level, so that reading the best price touches nothing else and works nothing out; `wide` has the
//! levels of exactly those keys whose cell is wide.

use super::PRICE_MAX;
use super::cell::{Cell, EMPTY, WIDE};
use super::window::{SPAN_MAX, SPAN_MIN, Window};
use crate::decimal::{Decimal, Px, Qty};
use crate::event::Level;
use std::collections::BTreeMap;

/// A side with more levels than this gets a window.
const SMALL: usize = 24;
/// Of a side with a window, one level in so many may be outside before the window is made wider.
const OUTSIDE: usize = 8;
/// Rows outside a window for which there is room from its opening on: more than [`OUTSIDE`] allows
/// a full side, so that a market which moves costs no allocation later.
const OUTSIDE_ROOM: usize = 128;
/// The best key of an empty side: worse than any.
const NOTHING: i64 = i64::MAX;

/// A key and what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: i64,
    pub(super) cell: Cell,
}

/// See the file's first comment.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    best: i64,
    top: Level,
    /// Decimals of the keys.
    scale: u8,
    window: Option<Box<Window>>,
    far: Vec<Row>,
    wide: BTreeMap<i64, Level>,
    /// A window to be used again after [`Ladder::clear`].
    spare: Option<Box<Window>>,
}

impl Default for Ladder {
    fn default() -> Ladder {
        let (none, far, wide) = (Decimal::NONE, Vec::new(), BTreeMap::new());
        let top = Level { px: Px(none), qty: Qty(none), non_rpi: Qty(none), orders: 0 };
        Ladder { best: NOTHING, top, scale: 0, window: None, far, wide, spare: None }
    }
}

impl Ladder {
    /// A side of these levels, best first; `None` if their keys are not in strict order, one has
    /// none, or a quantity is zero.
    pub(super) fn filled(
        (levels, scale): (Vec<Level>, u8),
        key: impl Fn(&Level) -> Option<i64>,
    ) -> Option<Ladder> {
        let mut ladder = Ladder { scale, ..Ladder::default() };
        for level in &levels {
            let row = Row { key: key(level)?, cell: Cell::new(level) };
            let is_next = ladder.far.last().is_none_or(|better| better.key < row.key);
            if !is_next || row.cell == EMPTY {
                return None;
            }
            if row.cell == WIDE {
                ladder.wide.insert(row.key, *level);
            }
            ladder.far.push(row);
        }
        ladder.find_best();
        if ladder.far.len() > SMALL {
            ladder.open();
        }
        Some(ladder)
    }

    /// Forgets every level, keeps the memory.
    pub(super) fn clear(&mut self) {
        (self.best, self.scale) = (NOTHING, 0);
        self.far.clear();
        self.wide.clear();
        if let Some(window) = self.window.take() {
            self.spare = Some(window);
        }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.window.as_ref().map_or(0, |window| window.len()) + self.far.len()
    }

    /// The best key; `None` when the side is empty.
    #[inline(always)]
    pub(super) fn best_key(&self) -> Option<i64> {
        (self.best != NOTHING).then_some(self.best)
    }

    /// The best level.
    #[inline(always)]
    pub(super) fn best(&self) -> Option<Level> {
        (self.best != NOTHING).then_some(self.top)
    }

    /// The level of a row.
    #[inline]
    pub(super) fn level(&self, row: Row) -> Level {
        if row.cell == WIDE {
            return *self.wide.get(&row.key).expect("a wide cell has its level beside it");
        }
        // A price below zero is wide; the key of a bid is the negative of its price.
        row.cell.level(row.key.unsigned_abs(), self.scale)
    }

    /// Decimals of the keys from now on, of a side that is empty.
    pub(super) fn set_scale(&mut self, scale: u8) {
        self.scale = scale;
    }

    fn worst(&self) -> Option<i64> {
        let in_window = || self.window.as_ref().and_then(|window| window.last());
        self.far.last().map(|row| row.key).or_else(in_window)
    }

    /// Puts levels in the window up to the first one that is not usual or not within it, and says
    /// how many.
    #[inline(always)]
    pub(super) fn put_usual<const BIDS: bool>(&mut self, levels: &[Level]) -> usize {
        let Some(window) = &mut self.window else { return 0 };
        let (mut window, scale) = (window.near(), self.scale);
        let (mut best, mut top) = (self.best, None);
        let (mut left, mut best_gone) = (levels.iter(), false);
        while let Some(level) = left.as_slice().first() {
            let Some((price, cell)) = Cell::usual(level, scale) else { break };
            let key = if BIDS { -price } else { price };
            if !window.put_usual(key, cell) {
                break;
            }
            left.next();
            if key <= best {
                if cell != EMPTY {
                    (best, top) = (key, Some(level));
                } else if key == best {
                    best_gone = true;
                    break;
                }
            }
        }
        drop(window);
        if let Some(top) = top {
            (self.best, self.top) = (best, *top);
        }
        if best_gone {
            self.find_best();
        }
        levels.len() - left.len()
    }

    /// Sets, replaces or removes the level at a key; `cell` was made of `level`.
    #[inline(always)]
    pub(super) fn put(&mut self, key: i64, cell: Cell, level: &Level) {
        match &mut self.window {
            Some(window) if window.spans(key) => {
                if cell == WIDE || window.get(key) == WIDE {
                    note_wide(&mut self.wide, key, cell, level);
                }
                window.put(key, cell);
                self.follow_best(key, cell, level);
            }
            _ => self.put_outside(key, cell, level),
        }
    }

    /// Follows what was put in the window.
    #[inline(always)]
    fn follow_best(&mut self, key: i64, cell: Cell, level: &Level) {
        if key > self.best {
            return;
        }
        if cell != EMPTY {
            (self.best, self.top) = (key, *level);
        } else if key == self.best {
            self.find_best();
        }
    }

    #[inline(never)]
    fn find_best(&mut self) {
        let row = |window: &Window| window.first().map(|key| Row { key, cell: window.get(key) });
        let in_window = self.window.as_ref().and_then(|window| row(window));
        let best = in_window.or_else(|| self.far.first().copied());
        self.best = best.map_or(NOTHING, |row| row.key);
        if let Some(row) = best {
            self.top = self.level(row);
        }
    }

    /// Takes a level outside the window, and moves the window if the market has moved.
    #[inline(never)]
    fn put_outside(&mut self, key: i64, cell: Cell, level: &Level) {
        if cell == WIDE || !self.wide.is_empty() {
            note_wide(&mut self.wide, key, cell, level);
        }
        if cell != EMPTY {
            self.move_window(self.best.min(key));
        }
        match &mut self.window {
            Some(window) if window.spans(key) => {
                window.put(key, cell);
                self.follow_best(key, cell, level);
            }
            _ => self.put_far(key, cell),
        }
    }

    fn put_far(&mut self, key: i64, cell: Cell) {
        let at = self.far.partition_point(|row| row.key < key);
        let held = self.far.get(at).is_some_and(|row| row.key == key);
        match (held, cell != EMPTY) {
            (true, true) => self.far[at].cell = cell,
            (true, false) => drop(self.far.remove(at)),
            (false, true) => self.far.insert(at, Row { key, cell }),
            (false, false) => return,
        }
        if key <= self.best {
            self.find_best();
        }
        if self.window.is_none() && self.far.len() > SMALL {
            self.open();
        }
    }

    /// Makes the window wider if too much is outside, and moves it if the market has moved: if
    /// `best`, the best key or a better one, is before it or far behind its base.
    fn move_window(&mut self, best: i64) {
        let Some(window) = &self.window else { return };
        if window.span() < SPAN_MAX && self.far.len() > self.len() / OUTSIDE {
            self.widen();
        }
        let Some(window) = &self.window else { return };
        let behind = best.saturating_sub(window.base());
        if behind < 0 || behind > headroom(window.span()) * 3 {
            self.shift(best);
        }
    }

    /// Moves the window around a key that is at or before the best; what falls out goes to `far`.
    fn shift(&mut self, best: i64) {
        let Some(window) = &mut self.window else { return };
        let (base, had) = (best.saturating_sub(headroom(window.span())), self.far.len());
        window.shift(base, |key, cell| self.far.push(Row { key, cell }));
        put_first(&mut self.far, had);
        fill(window, &mut self.far);
    }

    /// Puts a window around the best levels, where there is none, wide enough for nearly all.
    fn open(&mut self) {
        let Some(best) = self.best_key().filter(|_| self.window.is_none()) else { return };
        let span = self.wanted_span(best);
        let spare = self.spare.take().filter(|window| window.span() >= span);
        let mut window = spare.unwrap_or_else(|| Window::new(span));
        window.reset(best.saturating_sub(headroom(window.span())));
        fill(&mut window, &mut self.far);
        self.far.reserve(OUTSIDE_ROOM);
        self.window = Some(window);
    }

    /// Puts a wider window in the place of one that is too narrow for the side.
    fn widen(&mut self) {
        let Some(best) = self.best_key() else { return };
        let span = self.wanted_span(best);
        let Some(narrow) = self.window.take_if(|window| window.span() < span) else { return };
        let mut window = Window::new(span);
        window.reset(best.saturating_sub(headroom(span)));
        // It is at least twice as wide and begins before the best key, so everything fits.
        let mut next = narrow.first();
        while let Some(key) = next {
            window.put(key, narrow.get(key));
            next = narrow.next(key);
        }
        fill(&mut window, &mut self.far);
        self.window = Some(window);
    }

    /// How wide a window has to be for nearly all levels.
    fn wanted_span(&self, best: i64) -> usize {
        let len = self.len();
        let nearly = len.saturating_sub(1 + len / (2 * OUTSIDE));
        let in_window = self.window.as_ref().map_or(0, |window| window.len());
        let row = nearly.checked_sub(in_window).and_then(|at| self.far.get(at));
        let width = row.map_or(0, |row| row.key.saturating_sub(best));
        let wanted = usize::try_from(width.saturating_add(width / 4)).unwrap_or(SPAN_MAX);
        wanted.clamp(SPAN_MIN, SPAN_MAX).next_power_of_two()
    }

    /// Puts everything in `far`.
    fn dissolve(&mut self) {
        let Some(window) = self.window.take() else { return };
        let had = self.far.len();
        let mut next = window.last();
        while let Some(key) = next {
            self.far.push(Row { key, cell: window.get(key) });
            next = window.previous(key);
        }
        put_first(&mut self.far, had);
        self.spare = Some(window);
    }

    /// Whether every key can be multiplied.
    pub(super) fn can_scale(&self, by: i64) -> bool {
        // The ends have the largest keys; if they fit, all do.
        let ends = [self.best_key(), self.worst()];
        let fits = |key: i64| key.checked_mul(by).is_some_and(|key| key.abs() <= PRICE_MAX);
        ends.into_iter().flatten().all(fits)
    }

    /// Multiplies every key by what [`Ladder::can_scale`] has allowed: they have `scale` decimals
    /// then.
    pub(super) fn scale(&mut self, by: i64, scale: u8) {
        let had_window = self.window.is_some();
        self.dissolve();
        self.scale = scale;
        self.far.iter_mut().for_each(|row| row.key *= by);
        let wide = std::mem::take(&mut self.wide);
        self.wide.extend(wide.into_iter().map(|(key, level)| (key * by, level)));
        self.find_best();
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
        self.far.truncate(self.far.len() - of_far);
        for _ in of_far..count {
            let Some(window) = &mut self.window else { break };
            let Some(key) = window.last() else { break };
            window.put(key, EMPTY);
        }
        if self.len() == 0 {
            self.best = NOTHING;
        }
        if !self.wide.is_empty() {
            let worst = self.worst();
            self.wide.retain(|key, _| worst.is_some_and(|worst| *key <= worst));
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        let (front, back) = match &self.window {
            Some(window) => (window.first(), window.last()),
            None => (None, None),
        };
        let in_window = self.window.as_ref().map_or(0, |window| window.len());
        Iter { window: self.window.as_deref(), in_window, front, back, far: &self.far }
    }

    /// Whether the invariants in the file's first comment hold.
    pub(super) fn is_consistent(&self) -> bool {
        let spans = |window: &Window| self.far.iter().any(|row| window.spans(row.key));
        if self.window.as_ref().is_some_and(|w| !w.is_consistent() || spans(w)) {
            return false;
        }
        let rows: Vec<Row> = self.iter().collect();
        let wide = rows.iter().filter(|row| row.cell == WIDE).map(|row| &row.key);
        rows.len() == self.len()
            && rows.windows(2).all(|w| w[0].key < w[1].key)
            && rows.iter().all(|row| row.cell != EMPTY)
            && rows.first().map(|row| self.level(*row)) == self.best()
            && rows.first().map(|row| row.key) == self.best_key()
            && wide.eq(self.wide.keys())
    }
}

#[cold]
fn note_wide(wide: &mut BTreeMap<i64, Level>, key: i64, cell: Cell, level: &Level) {
    if cell == WIDE {
        wide.insert(key, *level);
    } else {
        wide.remove(&key);
    }
}

/// Better keys that a window of that span has room for when it has just been placed.
fn headroom(span: usize) -> i64 {
    span as i64 / 16
}

/// Puts what is behind the first `had` rows, worst first, before them, best first.
fn put_first(far: &mut [Row], had: usize) {
    far[had..].reverse();
    far.rotate_left(had);
}

/// Takes over what is within the window's span.
fn fill(window: &mut Window, far: &mut Vec<Row>) {
    let within = far.partition_point(|row| window.spans(row.key));
    far.drain(..within).for_each(|row| window.put(row.key, row.cell));
}

/// The rows of a side, best first.
#[derive(Clone, Debug)]
pub(super) struct Iter<'a> {
    window: Option<&'a Window>,
    /// How many of the window are left.
    in_window: usize,
    /// The first and the last of them.
    front: Option<i64>,
    back: Option<i64>,
    far: &'a [Row],
}

impl Iterator for Iter<'_> {
    type Item = Row;

    #[inline]
    fn next(&mut self) -> Option<Row> {
        if self.in_window > 0 {
            let (window, key) = (self.window?, self.front?);
            self.in_window -= 1;
            self.front = window.next(key);
            return Some(Row { key, cell: window.get(key) });
        }
        let (row, rest) = self.far.split_first()?;
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
        if let Some((row, rest)) = self.far.split_last() {
            self.far = rest;
            return Some(*row);
        }
        if self.in_window == 0 {
            return None;
        }
        let (window, key) = (self.window?, self.back?);
        self.in_window -= 1;
        self.back = window.previous(key);
        Some(Row { key, cell: window.get(key) })
    }
}

impl ExactSizeIterator for Iter<'_> {}
