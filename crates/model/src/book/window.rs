//! The part of a side that is near its best price: one cell a tick, one bit a cell that is taken.
//!
//! `ladder.rs` alone uses it. A key's place is its lowest bits, so that the window moves without
//! moving what is in it: it goes round, like a wheel.
//!
//! Invariants: the number of cells is a power of two from [`SPAN_MIN`] to [`SPAN_MAX`]; `base` is a
//! multiple of 64; a bit is set exactly where a cell is not empty; `taken` is the number of bits.

use super::cell::{Cell, EMPTY, WIDE};

/// Fewest keys that a window spans.
pub(super) const SPAN_MIN: usize = 512;
/// Most keys that a window spans. Sides of real books of 400 levels reach from 820 to 4,200 ticks
/// (captures of BTC-USDT); wider windows would cost more memory than they save time.
pub(super) const SPAN_MAX: usize = 4096;

/// See the file's first comment.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// The first key it has a place for.
    base: i64,
    taken: usize,
    bits: [u64; SPAN_MAX / 64],
    cells: Box<[Cell]>,
}

/// A window in which many levels are put one behind the other: what does not change meanwhile is in
/// registers.
pub(super) struct Near<'a> {
    base: i64,
    mask: usize,
    /// How many places are taken; written back at the end.
    held: usize,
    taken: &'a mut usize,
    bits: &'a mut [u64; SPAN_MAX / 64],
    cells: &'a mut [Cell],
}

impl Near<'_> {
    /// [`Window::put`], if it spans the key and what is there is not wide; whether it did.
    #[inline(always)]
    pub(super) fn put_usual(&mut self, key: i64, cell: Cell) -> bool {
        if key.wrapping_sub(self.base).cast_unsigned() > self.mask as u64 {
            return false;
        }
        let place = key as usize & self.mask;
        let Some(there) = self.cells.get_mut(place).filter(|there| **there != WIDE) else {
            return false;
        };
        let (had, has) = (*there != EMPTY, cell != EMPTY);
        *there = cell;
        self.held = self.held + usize::from(has) - usize::from(had);
        self.bits[place / 64 % (SPAN_MAX / 64)] ^= u64::from(had != has) << (place % 64);
        true
    }
}

impl Drop for Near<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.taken = self.held;
    }
}

/// The largest base at or before a key.
pub(super) fn base_of(key: i64) -> i64 {
    key & !63
}

impl Window {
    /// An empty one of `span` keys, a power of two.
    pub(super) fn new(span: usize) -> Box<Window> {
        let cells = vec![EMPTY; span.clamp(SPAN_MIN, SPAN_MAX)].into();
        Box::new(Window { base: 0, taken: 0, bits: [0; SPAN_MAX / 64], cells })
    }

    /// Empties it and moves it to another base.
    pub(super) fn reset(&mut self, base: i64) {
        for (cells, bits) in self.cells.chunks_exact_mut(64).zip(&mut self.bits) {
            if std::mem::take(bits) != 0 {
                cells.fill(EMPTY);
            }
        }
        (self.base, self.taken) = (base_of(base), 0);
    }

    /// How many keys it has a place for.
    #[inline(always)]
    pub(super) fn span(&self) -> usize {
        self.cells.len()
    }

    /// Where a key is kept.
    #[inline(always)]
    fn place(&self, key: i64) -> usize {
        key as usize & (self.cells.len() - 1)
    }

    /// The first key it has a place for.
    pub(super) fn base(&self) -> i64 {
        self.base
    }

    /// How many places are taken.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    /// Whether it has a place for a key. Keys are of 63 bits, so the difference cannot come around.
    #[inline(always)]
    pub(super) fn spans(&self, key: i64) -> bool {
        key.wrapping_sub(self.base).cast_unsigned() < self.span() as u64
    }

    /// What is at a key that it spans.
    #[inline(always)]
    pub(super) fn get(&self, key: i64) -> Cell {
        self.cells[self.place(key)]
    }

    /// Sets, replaces or (an empty cell) removes what is at a key that it spans. Without a branch
    /// that depends on what the venue does, because the processor cannot guess that.
    #[inline(always)]
    pub(super) fn put(&mut self, key: i64, cell: Cell) {
        let place = self.place(key);
        let held = std::mem::replace(&mut self.cells[place], cell);
        let (had, has) = (held != EMPTY, cell != EMPTY);
        self.taken = self.taken + usize::from(has) - usize::from(had);
        self.bits[place / 64 % (SPAN_MAX / 64)] ^= u64::from(had != has) << (place % 64);
    }

    /// The same for many keys in a row.
    #[inline(always)]
    pub(super) fn near(&mut self) -> Near<'_> {
        let (base, mask) = (self.base, self.cells.len() - 1);
        let Window { taken, bits, cells, .. } = self;
        Near { base, mask, held: *taken, taken, bits, cells }
    }

    /// Moves to another base; what is at keys that it does not span then is given out, worst first.
    pub(super) fn shift(&mut self, base: i64, mut beyond: impl FnMut(i64, Cell)) {
        let base = base_of(base);
        let span = self.span() as u64;
        let out = |key: i64| key.wrapping_sub(base).cast_unsigned() >= span;
        let mut next = self.last();
        while let Some(key) = next {
            next = self.previous(key);
            if out(key) {
                beyond(key, self.get(key));
                self.put(key, EMPTY);
            } else if base < self.base {
                // The rest is better still.
                break;
            }
        }
        self.base = base;
    }

    /// The first taken key.
    pub(super) fn first(&self) -> Option<i64> {
        self.from(0, u64::MAX)
    }

    /// The first taken key behind one that it spans.
    #[inline]
    pub(super) fn next(&self, key: i64) -> Option<i64> {
        let mask = (u64::MAX << (key & 63)) << 1;
        self.from(self.word(key), mask)
    }

    /// How many words from the base a key that it spans is.
    #[inline(always)]
    fn word(&self, key: i64) -> usize {
        key.wrapping_sub(self.base) as usize / 64
    }

    /// The bits of the word that many words from the base.
    #[inline(always)]
    fn bits(&self, word: usize) -> u64 {
        let first = self.place(self.base) / 64;
        self.bits[(first + word) & (self.span() / 64 - 1) & (SPAN_MAX / 64 - 1)]
    }

    /// The key of a bit, as counted from the base.
    #[inline(always)]
    fn key(&self, word: usize, bit: u32) -> i64 {
        self.base.wrapping_add(word as i64 * 64 + i64::from(bit))
    }

    /// The first taken key from a word on, of which only the bits of `mask` count.
    #[inline]
    fn from(&self, word: usize, mut mask: u64) -> Option<i64> {
        for word in word..self.span() / 64 {
            let bits = self.bits(word) & mask;
            if bits != 0 {
                return Some(self.key(word, bits.trailing_zeros()));
            }
            mask = u64::MAX;
        }
        None
    }

    /// The last taken key.
    pub(super) fn last(&self) -> Option<i64> {
        self.back_from(self.span() / 64 - 1, u64::MAX)
    }

    /// The last taken key before one that it spans.
    pub(super) fn previous(&self, key: i64) -> Option<i64> {
        self.back_from(self.word(key), (1 << (key & 63)) - 1)
    }

    fn back_from(&self, word: usize, mut mask: u64) -> Option<i64> {
        for word in (0..=word).rev() {
            let bits = self.bits(word) & mask;
            if bits != 0 {
                return Some(self.key(word, 63 - bits.leading_zeros()));
            }
            mask = u64::MAX;
        }
        None
    }

    /// Whether the invariants in the file's first comment hold.
    pub(super) fn is_consistent(&self) -> bool {
        let taken = |at: usize| self.bits[at / 64] >> (at % 64) & 1 == 1;
        let count: u32 = self.bits.iter().map(|bits| bits.count_ones()).sum();
        self.base == base_of(self.base)
            && self.taken == count as usize
            && self.span().is_power_of_two()
            && (SPAN_MIN..=SPAN_MAX).contains(&self.span())
            && (0..self.span()).all(|at| taken(at) == (self.cells[at] != EMPTY))
    }
}
