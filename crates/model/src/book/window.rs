//! The part of a side that is near its best price, addressed by price: one place a key, one bit a
//! place, and the levels themselves wherever there was room.
//!
//! `ladder.rs` alone uses it. [`Window::put`] sets, replaces and removes without a branch that
//! depends on what the venue does, because the processor cannot guess that.
//!
//! Invariants: a bit is set exactly where a place is taken; a bit of `summary` is set exactly where
//! a word of `bits` is not zero; a cell's number is in one place or in `free[..top]`, and once;
//! `free` has one element more than there are cells.

use super::cell::Cell;
use std::hint::select_unpredictable;

/// Keys that a window spans.
pub(super) const SPAN: usize = WORDS * 64;
const WORDS: usize = 64;
/// Cells of a full side of the deepest channel: 400, and what one update may add before the worst
/// are dropped.
const DEEP: usize = 432;

/// See the file's first comment.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// The key of the first place.
    pub(super) base: i64,
    summary: u64,
    bits: [u64; WORDS],
    /// 0 = free; otherwise the number of the cell, plus one.
    places: [u16; SPAN],
    cells: Vec<Cell>,
    /// How many of `free` are free; the rest is of no meaning.
    top: usize,
    free: Vec<u16>,
}

impl Window {
    pub(super) fn new() -> Box<Window> {
        Box::new(Window {
            base: 0,
            summary: 0,
            bits: [0; WORDS],
            places: [0; SPAN],
            cells: Vec::new(),
            top: 0,
            free: vec![0],
        })
    }

    /// Frees every place and moves to another base.
    pub(super) fn reset(&mut self, base: i64) {
        (self.base, self.summary) = (base, 0);
        self.bits.fill(0);
        self.places.fill(0);
        self.top = 0;
        self.release(0);
    }

    /// Moves to another base, at or before the first key; what is beyond the span then is given
    /// out, the worst first.
    pub(super) fn shift(&mut self, base: i64, mut beyond: impl FnMut(i64, Cell)) {
        let by = self.base.wrapping_sub(base);
        let mut next = if by > 0 { self.last() } else { self.first() };
        while let Some(at) = next {
            next = if by > 0 {
                at.checked_sub(1).and_then(|before| self.previous(before))
            } else {
                self.next(at + 1)
            };
            match (at as i64).checked_add(by).and_then(|to| usize::try_from(to).ok()) {
                Some(to) if to < SPAN => self.relocate(at, to),
                _ => {
                    if let Some((key, cell)) = self.get(at) {
                        beyond(key, cell);
                    }
                    self.put(at, Cell::default());
                }
            }
        }
        self.base = base;
    }

    fn relocate(&mut self, at: usize, to: usize) {
        self.places[to % SPAN] = std::mem::take(&mut self.places[at % SPAN]);
        for (at, taken) in [(at, false), (to, true)] {
            let (word, bit) = (at / 64 % WORDS, at % 64);
            self.bits[word] = self.bits[word] & !(1 << bit) | u64::from(taken) << bit;
            self.summary = self.summary & !(1 << word) | u64::from(self.bits[word] != 0) << word;
        }
    }

    /// Makes the cells from `first` on free, the lowest to be taken first.
    fn release(&mut self, first: usize) {
        for cell in (first..self.cells.len()).rev() {
            self.free[self.top] = cell as u16;
            self.top += 1;
        }
    }

    /// Makes room for more cells: by half, but in the end what the deepest channel needs, so that a
    /// full side wastes little memory. There are never more cells than places.
    #[cold]
    fn grow(&mut self) {
        let had = self.cells.len();
        let grown = had + had / 2 + 32;
        let wanted = if had < DEEP && grown > DEEP / 2 { DEEP } else { grown.min(SPAN + 1) };
        self.cells.reserve_exact(wanted - had);
        self.cells.resize(wanted, Cell::default());
        self.free.reserve_exact(wanted - had);
        self.free.resize(wanted + 1, 0);
        self.release(had);
    }

    /// How many places are taken.
    pub(super) fn len(&self) -> usize {
        self.cells.len() - self.top
    }

    /// The place of a key; `None` when it is outside. Keys are of 63 bits, so the difference
    /// cannot come around to a place.
    #[inline(always)]
    pub(super) fn place(&self, key: i64) -> Option<usize> {
        let at = key.wrapping_sub(self.base).cast_unsigned();
        (at < SPAN as u64).then_some(at as usize)
    }

    /// The key and the cell at a place.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<(i64, Cell)> {
        let cell = self.places[at % SPAN].checked_sub(1)?;
        Some((self.base.wrapping_add_unsigned(at as u64), self.cells[usize::from(cell)]))
    }

    /// Sets or replaces the cell at a place, or frees the place if the cell is not wanted.
    #[inline(always)]
    pub(super) fn put(&mut self, at: usize, cell: Cell) {
        if self.top == 0 {
            self.grow();
        }
        let (word, bit) = (at / 64 % WORDS, at % 64);
        let held = self.places[at % SPAN];
        let (taken, wanted) = (held != 0, cell.is_wanted());
        let free = self.free[self.top - 1];
        let number = select_unpredictable(taken, held.wrapping_sub(1), free);
        // A cell that is not wanted goes into one that is free, or about to be.
        self.cells[usize::from(number)] = cell;
        self.places[at % SPAN] = select_unpredictable(wanted, number.wrapping_add(1), 0);
        self.free[self.top] = number;
        self.top = self.top + usize::from(taken & !wanted) - usize::from(!taken & wanted);
        let bits = self.bits[word] & !(1 << bit) | u64::from(wanted) << bit;
        self.bits[word] = bits;
        self.summary = self.summary & !(1 << word) | u64::from(bits != 0) << word;
    }

    /// The first taken place.
    #[inline(always)]
    pub(super) fn first(&self) -> Option<usize> {
        let word = self.summary.trailing_zeros() as usize;
        let bits = *self.bits.get(word)?;
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// The last taken place.
    pub(super) fn last(&self) -> Option<usize> {
        let word = 63usize.checked_sub(self.summary.leading_zeros() as usize)?;
        Some(word * 64 + 63 - self.bits[word].leading_zeros() as usize)
    }

    /// The first taken place from `at` on.
    #[inline]
    pub(super) fn next(&self, at: usize) -> Option<usize> {
        let word = at / 64;
        let here = self.bits.get(word)? & (u64::MAX << (at % 64));
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        let later = self.summary & u64::MAX.checked_shl(word as u32 + 1).unwrap_or(0);
        let word = later.trailing_zeros() as usize;
        Some(word * 64 + self.bits.get(word)?.trailing_zeros() as usize)
    }

    /// The last taken place up to and with `at`.
    pub(super) fn previous(&self, at: usize) -> Option<usize> {
        (0..=at / 64).rev().find_map(|word| {
            let mask = if word == at / 64 { u64::MAX >> (63 - at % 64) } else { u64::MAX };
            let here = self.bits[word] & mask;
            (here != 0).then(|| word * 64 + 63 - here.leading_zeros() as usize)
        })
    }

    /// Whether the invariants in the file's first comment hold.
    pub(super) fn is_consistent(&self) -> bool {
        let taken = |at: usize| self.bits[at / 64] >> (at % 64) & 1 == 1;
        let held = self.places.iter().filter_map(|place| place.checked_sub(1));
        let mut numbers: Vec<u16> = held.chain(self.free[..self.top].iter().copied()).collect();
        numbers.sort_unstable();
        numbers.iter().enumerate().all(|(n, number)| n == usize::from(*number))
            && numbers.len() == self.cells.len()
            && self.free.len() == self.cells.len() + 1
            && (0..SPAN).all(|at| taken(at) == (self.places[at] != 0))
            && (0..WORDS).all(|w| (self.summary >> w & 1 == 1) == (self.bits[w] != 0))
    }
}
