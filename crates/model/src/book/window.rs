//! The part of a side that is near its best price, addressed by price: one place a key, one bit a
//! place.
//!
//! `ladder.rs` alone uses it. Invariants: a bit is set exactly where a place is taken; a bit of
//! `summary` is set exactly where a word of `bits` is not zero; `count` is how many are taken.

/// Keys that a window spans: as many as fit into 4 KiB with their bits.
pub(super) const SPAN: usize = 29 * 64;
const WORDS: usize = SPAN / 64;
const _: () = assert!(WORDS <= 64, "one word summarises the others");
const _: () = assert!(size_of::<Window>() <= 4096, "one page");

/// See the file's first comment.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// The key of the first place.
    pub(super) base: i64,
    /// How many places are taken.
    pub(super) count: usize,
    summary: u64,
    bits: [u64; WORDS],
    /// 0 = free; otherwise the number of the level, plus one.
    places: [u16; SPAN],
}

impl Window {
    pub(super) fn new() -> Window {
        Window { base: 0, count: 0, summary: 0, bits: [0; WORDS], places: [0; SPAN] }
    }

    /// Frees every place and moves to another base.
    pub(super) fn reset(&mut self, base: i64) {
        *self = Window { base, ..Window::new() };
    }

    /// The place of a key; `None` when it is outside. Keys of one side have one sign, so the
    /// difference cannot come around to a place.
    #[inline]
    pub(super) fn place(&self, key: i64) -> Option<usize> {
        let at = key.wrapping_sub(self.base).cast_unsigned();
        (at < SPAN as u64).then_some(at as usize)
    }

    /// The number of the level at a place.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<u16> {
        self.places[at % SPAN].checked_sub(1)
    }

    /// Takes a free place.
    #[inline]
    pub(super) fn set(&mut self, at: usize, slot: u16) {
        let at = at % SPAN;
        self.places[at] = slot + 1;
        self.bits[at / 64] |= 1 << (at % 64);
        self.summary |= 1 << (at / 64);
        self.count += 1;
    }

    /// Frees a taken place.
    #[inline]
    pub(super) fn unset(&mut self, at: usize) {
        let at = at % SPAN;
        self.places[at] = 0;
        self.bits[at / 64] &= !(1 << (at % 64));
        self.summary &= !(u64::from(self.bits[at / 64] == 0) << (at / 64));
        self.count -= 1;
    }

    /// The key at a place.
    pub(super) fn key(&self, at: usize) -> i64 {
        self.base.wrapping_add_unsigned(at as u64)
    }

    /// The first taken place.
    #[inline]
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
        let bits: u32 = self.bits.iter().map(|w| w.count_ones()).sum();
        bits as usize == self.count
            && (0..SPAN).all(|at| taken(at) == (self.places[at] != 0))
            && (0..WORDS).all(|w| (self.summary >> w & 1 == 1) == (self.bits[w] != 0))
    }
}
