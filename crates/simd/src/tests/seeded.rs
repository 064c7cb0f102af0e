//! The instructions against plain code, for many inputs out of a seed. `SIMD_SEED` is another seed;
//! the one that was used is printed, and stands in what fails.

use super::*;

/// Of each kind: numbers, numbers with one byte changed, the same at another length, arbitrary
/// bytes, and 64 bytes with quotes.
const CASES: u32 = 200_000;

/// Marsaglia's xorshift64*: enough for tests, and no other crate.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    fn arbitrary<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// Digits up to `length`, mostly with a point among them, and anything behind them.
    fn number(&mut self, length: usize) -> [u8; 16] {
        let mut chunk = self.arbitrary();
        for byte in chunk.iter_mut().take(length) {
            *byte = b'0' + self.below(10) as u8;
        }
        if chunk[0] == b'0' && self.below(4) > 0 {
            chunk[0] = b'1' + self.below(9) as u8;
        }
        if self.below(4) > 0 {
            chunk[self.below(length)] = b'.';
        }
        chunk
    }

    /// A byte that is, or is nearly, part of a number or its end.
    fn near(&mut self) -> u8 {
        let near = b"../00199::\"\"-+eE \0";
        let high = if self.below(8) == 0 { 0x80 } else { 0 };
        near[self.below(near.len())] | high
    }
}

fn seed() -> u64 {
    let asked = std::env::var("SIMD_SEED").ok().map(|text| text.parse().expect("a whole number"));
    // Zero is the one state that xorshift cannot leave.
    asked.unwrap_or(20261123_u64).max(1)
}

fn is_held(v: Vectors, chunk: [u8; 16], length: usize, seed: u64) {
    assert!(held(v, chunk, length), "SIMD_SEED={seed}: {chunk:?} {length}");
}

#[test]
fn seeded_decimals() {
    let Some(v) = vectors() else { return };
    let seed = seed();
    let mut dice = Dice(seed);
    let mut numbers = 0;
    for _ in 0..CASES {
        let length = 1 + dice.below(16);
        let mut chunk = dice.number(length);
        is_held(v, chunk, length, seed);
        numbers += u32::from(v.decimal(&chunk, length).is_some());
        chunk[dice.below(16)] = dice.near();
        is_held(v, chunk, length, seed);
        let length = dice.below(20);
        is_held(v, chunk, length, seed);
        is_held(v, dice.arbitrary(), length, seed);
    }
    println!(
        "SIMD_SEED={seed}: decimals, 4 times {CASES} cases; of the first, {numbers} are numbers"
    );
    assert!(numbers > CASES / 2, "SIMD_SEED={seed}: only {numbers} numbers in {CASES}");
}

#[test]
fn seeded_quotes() {
    let Some(v) = vectors() else { return };
    let seed = seed();
    let mut dice = Dice(seed);
    for _ in 0..CASES {
        let mut chunk: [u8; 64] = dice.arbitrary();
        for _ in 0..dice.below(100) {
            chunk[dice.below(64)] = dice.near();
        }
        let plain = (0..64).fold(0, |bits, at| bits | u64::from(chunk[at] == b'"') << at);
        assert_eq!(v.quotes(&chunk), plain, "SIMD_SEED={seed}: {chunk:?}");
        let first = std::array::from_fn(|at| chunk[at]);
        assert_eq!(v.quotes_16(&first), plain as u32 & 0xffff, "SIMD_SEED={seed}: {first:?}");
    }
    println!("SIMD_SEED={seed}: quotes, {CASES} cases");
}
