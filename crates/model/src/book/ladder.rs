//! One side of a book, best price first.
//!
//! Levels stay where they were put (`levels`); what is kept in order are only their numbers. Near
//! the best price they are in a [`Window`], found by price without a search; the rest, and all of
//! a small side, is in `far`, a sorted vector with the best at its end. `book.rs` alone uses it.
//!
//! A key is how far down a price is: for asks the price in whole units, for bids its negative, so
//! that a lower key is better on both sides.
//!
//! Invariants: every key in the window is better than every key in `far`; `far` is strictly
//! ordered and outside the window's span; `best` is the best level; a slot is in `free`, in the
//! window or in `far`, and in one of them only.

use super::window::{SPAN, Window};
use crate::event::Level;

/// A side with more levels than this gets a window.
const SMALL: usize = 24;
/// Better places kept free in a window that has just been placed.
const HEADROOM: i64 = SPAN as i64 / 16;
/// Levels of a full side, with some room: just below 24 KiB.
const DEEP: usize = 24 * 1024 / size_of::<Level>();
/// The window's places hold 16 bits; a side with so many levels does without until it is cleared.
const WINDOWED_MAX: usize = 60_000;

#[derive(Clone, Copy, Debug)]
struct Row {
    key: i64,
    slot: u32,
}

/// See the file's first comment.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    best: Option<Row>,
    levels: Vec<Level>,
    free: Vec<u32>,
    window: Option<Box<Window>>,
    far: Vec<Row>,
    /// A window to be used again after [`Ladder::clear`].
    spare: Option<Box<Window>>,
}

impl Ladder {
    /// A side of these levels, best first; `None` if their keys are not in strict order, or one
    /// has none.
    pub(super) fn filled(
        levels: Vec<Level>,
        key: impl Fn(&Level) -> Option<i64>,
    ) -> Option<Ladder> {
        let mut far = Vec::with_capacity(levels.len());
        for (slot, level) in levels.iter().enumerate() {
            let row = Row { key: key(level)?, slot: u32::try_from(slot).ok()? };
            if far.last().is_some_and(|better: &Row| better.key >= row.key) {
                return None;
            }
            far.push(row);
        }
        let best = far.first().copied();
        far.reverse();
        let mut ladder = Ladder { best, levels, far, ..Ladder::default() };
        if ladder.far.len() > SMALL {
            ladder.open();
        }
        Some(ladder)
    }

    /// Forgets every level, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.best = None;
        self.levels.clear();
        self.free.clear();
        self.far.clear();
        if let Some(window) = self.window.take() {
            self.spare = Some(window);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.levels.len() - self.free.len()
    }

    /// The best key.
    #[inline]
    pub(super) fn best_key(&self) -> Option<i64> {
        self.best.map(|row| row.key)
    }

    #[inline]
    pub(super) fn best(&self) -> Option<&Level> {
        self.best.map(|row| &self.levels[row.slot as usize])
    }

    fn worst(&self) -> Option<Row> {
        let window = self.window.as_ref();
        let in_window = || window.and_then(|w| w.last().and_then(|at| row_at(w, at)));
        self.far.first().copied().or_else(in_window)
    }

    /// Sets or replaces the level at a key.
    #[inline]
    pub(super) fn set(&mut self, key: i64, level: &Level) {
        let Some(window) = &mut self.window else { return self.set_far(key, level) };
        let Some(at) = window.place(key) else { return self.set_outside(key, level) };
        if let Some(slot) = window.get(at) {
            self.levels[usize::from(slot)] = *level;
            return;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.levels[slot as usize] = *level;
                slot
            }
            None => push(&mut self.levels, level),
        };
        window.set(at, slot as u16);
        if self.best.is_none_or(|best| key < best.key) {
            self.best = Some(Row { key, slot });
        }
        if self.levels.len() >= WINDOWED_MAX {
            self.dissolve();
        }
    }

    /// Removes the level at a key, if there is one.
    #[inline]
    pub(super) fn remove(&mut self, key: i64) {
        let Some(window) = &mut self.window else { return self.remove_far(key) };
        let Some(at) = window.place(key) else { return self.remove_far(key) };
        let Some(slot) = window.get(at) else { return };
        window.unset(at);
        self.free.push(u32::from(slot));
        if self.best.is_some_and(|best| best.key == key) {
            self.best = match window.first() {
                Some(at) => row_at(window, at),
                None => self.far.last().copied(),
            };
        }
    }

    fn far_place(&self, key: i64) -> Result<usize, usize> {
        let at = self.far.partition_point(|row| row.key > key);
        let held = self.far.get(at).is_some_and(|row| row.key == key);
        if held { Ok(at) } else { Err(at) }
    }

    #[inline(never)]
    fn set_far(&mut self, key: i64, level: &Level) {
        match self.far_place(key) {
            Ok(at) => self.levels[self.far[at].slot as usize] = *level,
            Err(at) => {
                let slot = match self.free.pop() {
                    Some(slot) => {
                        self.levels[slot as usize] = *level;
                        slot
                    }
                    None => push(&mut self.levels, level),
                };
                let row = Row { key, slot };
                self.far.insert(at, row);
                if self.best.is_none_or(|best| key < best.key) {
                    self.best = Some(row);
                }
                if self.window.is_none() && self.far.len() > SMALL {
                    self.open();
                }
                if self.levels.len() >= WINDOWED_MAX {
                    self.dissolve();
                }
            }
        }
    }

    #[inline(never)]
    fn remove_far(&mut self, key: i64) {
        let Ok(at) = self.far_place(key) else { return };
        self.free.push(self.far.remove(at).slot);
        if self.best.is_some_and(|best| best.key == key) {
            self.best = self.far.last().copied();
        }
    }

    /// Sets a level outside the window, and moves the window if the market has moved.
    #[inline(never)]
    fn set_outside(&mut self, key: i64, level: &Level) {
        let base = self.window.as_ref().map_or(0, |window| window.base);
        let best = self.best.map_or(key, |best| best.key.min(key));
        if key < base || best.saturating_sub(base) > HEADROOM * 2 {
            self.dissolve();
            self.set_far(key, level);
            self.open();
        } else {
            self.set_far(key, level);
        }
    }

    /// Puts a window around the best level, where there is none.
    fn open(&mut self) {
        let room = self.window.is_none() && self.levels.len() < WINDOWED_MAX;
        let Some(best) = self.best.filter(|_| room) else { return };
        let mut window = self.spare.take().unwrap_or_else(|| Box::new(Window::new()));
        window.reset(best.key.saturating_sub(HEADROOM));
        while let Some(row) = self.far.last() {
            let Some(at) = window.place(row.key) else { break };
            window.set(at, row.slot as u16);
            self.far.pop();
        }
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

    /// Multiplies every key; `None`, and nothing is changed, if one would not fit.
    pub(super) fn can_scale(&self, by: i64) -> bool {
        // The ends have the largest keys; if they fit, all do.
        let ends = [self.best, self.worst()];
        ends.into_iter().flatten().all(|row| row.key.checked_mul(by).is_some())
    }

    /// Multiplies every key by what [`Ladder::can_scale`] has allowed.
    pub(super) fn scale(&mut self, by: i64) {
        let had_window = self.window.is_some();
        self.dissolve();
        for row in self.far.iter_mut().chain(&mut self.best) {
            row.key *= by;
        }
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
        self.free.extend(self.far.drain(..of_far).map(|row| row.slot));
        for _ in of_far..count {
            let Some(window) = &mut self.window else { break };
            let Some(at) = window.last() else { break };
            self.free.extend(window.get(at).map(u32::from));
            window.unset(at);
        }
        if self.len() == 0 {
            self.best = None;
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter {
            ladder: self,
            in_window: self.window.as_ref().map_or(0, |window| window.count),
            front: 0,
            back: SPAN - 1,
            far: &self.far,
        }
    }

    /// Whether the invariants in the file's first comment hold; `key` gives a level's key.
    pub(super) fn is_consistent(&self, key: impl Fn(&Level) -> Option<i64>) -> bool {
        let mut rows = Vec::with_capacity(self.len());
        if let Some(window) = &self.window {
            let taken = (0..SPAN).filter_map(|at| row_at(window, at));
            rows.extend(taken);
            if !window.is_consistent() || self.far.iter().any(|r| window.place(r.key).is_some()) {
                return false;
            }
        }
        rows.extend(self.far.iter().rev());
        let mut slots: Vec<_> = rows.iter().map(|row| row.slot).chain(self.free.clone()).collect();
        slots.sort_unstable();
        let level = |row: &Row| &self.levels[row.slot as usize];
        slots.iter().enumerate().all(|(n, slot)| n == *slot as usize)
            && slots.len() == self.levels.len()
            && rows.windows(2).all(|w| w[0].key < w[1].key)
            && rows.iter().all(|row| key(level(row)) == Some(row.key))
            && rows.iter().all(|row| !level(row).qty.0.is_zero())
            && rows.first().map(|r| (r.key, r.slot)) == self.best.map(|r| (r.key, r.slot))
    }
}

#[inline]
fn row_at(window: &Window, at: usize) -> Option<Row> {
    Some(Row { key: window.key(at), slot: u32::from(window.get(at)?) })
}

/// Appends a level. Grows by half, but in the end to what the deepest channel needs (400, and what
/// one update may add before the worst are dropped), so that a full side wastes little memory.
fn push(levels: &mut Vec<Level>, level: &Level) -> u32 {
    let length = levels.len();
    if length == levels.capacity() {
        let grown = length + length / 2 + 4;
        let wanted = if length < DEEP && grown > DEEP / 2 { DEEP } else { grown };
        levels.reserve_exact(wanted - length);
    }
    levels.push(*level);
    levels.len() as u32 - 1
}

/// The levels of a side, best first.
#[derive(Clone, Debug)]
pub(super) struct Iter<'a> {
    ladder: &'a Ladder,
    /// How many of the window are left.
    in_window: usize,
    /// The window's places from here to there are left.
    front: usize,
    back: usize,
    far: &'a [Row],
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Level;

    #[inline]
    fn next(&mut self) -> Option<&'a Level> {
        if self.in_window > 0 {
            let window = self.ladder.window.as_ref()?;
            let at = window.next(self.front)?;
            self.in_window -= 1;
            self.front = at + 1;
            return window.get(at).map(|slot| &self.ladder.levels[usize::from(slot)]);
        }
        let (row, rest) = self.far.split_last()?;
        self.far = rest;
        Some(&self.ladder.levels[row.slot as usize])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.in_window + self.far.len();
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if let Some((row, rest)) = self.far.split_first() {
            self.far = rest;
            return Some(&self.ladder.levels[row.slot as usize]);
        }
        if self.in_window == 0 {
            return None;
        }
        let window = self.ladder.window.as_ref()?;
        let at = window.previous(self.back)?;
        self.in_window -= 1;
        self.back = at.saturating_sub(1);
        window.get(at).map(|slot| &self.ladder.levels[usize::from(slot)])
    }
}

impl ExactSizeIterator for Iter<'_> {}
