//! The only source of chance: a splitmix64 stream, and the same mixing as a pure function.
//!
//! Everything random in this crate comes from here, so a seed decides a whole life. Not for
//! cryptography. Start at [`Rng`].

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes one number into another that looks unrelated.
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream that depends on the seed and on what it is for.
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self(mix(seed ^ mix(purpose)))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        let out = mix(self.0);
        self.0 = self.0.wrapping_add(STEP);
        out
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // The bias of a multiply-shift is below 2^-32 for the small ranges used here.
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True with a probability of `ppm` in a million; draws nothing when `ppm` is 0.
    pub fn hit(&mut self, ppm: u32) -> bool {
        ppm != 0 && self.below(1_000_000) < u64::from(ppm)
    }

    /// A waiting time around `mean`, from a fifth of it to several times it.
    pub fn wait(&mut self, mean: u64) -> u64 {
        let spread = self.below(1_000) * self.below(1_000) * 4 / 1_000;
        mean / 5 + mean * 4 / 5 * spread / 1_000
    }

    /// A size around `typical`: mostly small, sometimes ten times as much.
    pub fn size(&mut self, typical: i64) -> i64 {
        let a = self.below(1_000) as i64 + 1;
        let b = self.below(1_000) as i64 + 1;
        let heavy = if self.below(20) == 0 { 10 } else { 1 };
        (typical.saturating_mul(a) / 500 * b / 500 * heavy).max(1)
    }
}
