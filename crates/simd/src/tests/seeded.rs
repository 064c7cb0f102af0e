//! The instructions against plain code, for many inputs out of a seed. `SIMD_SEED` is another seed;
//! the one that was used is printed, and stands in what fails.

use super::*;

/// Of each kind: numbers, numbers with one byte changed, the same at another length, arbitrary
/// bytes, and 64 bytes with quotes.
const CASES: u32 = 200_000;
/// Rows, each of which is damaged three times; plain code takes long over one.
const ROWS: u32 = 25_000;

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

    /// A row, and anything behind it.
    fn row(&mut self) -> [u8; 64] {
        let mut chunk: [u8; 64] = self.arbitrary();
        let mut text = b"[\"".to_vec();
        for between in [&b"\",\""[..], b"\",\"0\",\""] {
            let length = 1 + self.below(16);
            text.extend_from_slice(&self.number(length)[..length]);
            text.extend_from_slice(between);
        }
        let count = 10u64.pow(self.below(9) as u32);
        text.extend_from_slice((self.next() % count.max(10)).to_string().as_bytes());
        text.extend_from_slice(if self.below(2) == 0 { b"\"]," } else { b"\"]]" });
        let end = text.len().min(64);
        chunk[..end].copy_from_slice(&text[..end]);
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
    assert!(held_whole(v, chunk, length), "SIMD_SEED={seed}: {chunk:?} {length}");
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

/// What is read is what plain code reads, and nothing is left to others but what is long.
fn hold_rows(name: &str, row: impl Fn(&[u8; 64]) -> Option<Row>) {
    let seed = seed();
    let mut dice = Dice(seed);
    let mut rows = 0;
    for _ in 0..ROWS {
        let mut chunk = dice.row();
        for damage in 0..4 {
            let (ours, plain) = (row(&chunk), plain_row(&chunk));
            // What does not fit, or ends within the last three bytes, may be left to others.
            let is_long = plain.is_some_and(|row| row.length > 60);
            let said = format!("SIMD_SEED={seed}: {:?}", String::from_utf8_lossy(&chunk));
            assert!(ours == plain || (is_long && ours.is_none()), "{said}: {ours:?} {plain:?}");
            rows += u32::from(ours.is_some() && damage == 0);
            match dice.below(3) {
                0 => chunk[dice.below(64)] = dice.near(),
                1 => chunk[dice.below(64)] = dice.byte(),
                _ => chunk.copy_within(dice.below(60)..62, dice.below(3)),
            }
        }
    }
    println!("SIMD_SEED={seed}: {name}, 4 times {ROWS} cases; of the undamaged, {rows} were read");
    assert!(rows > ROWS / 4, "SIMD_SEED={seed}: only {rows} rows of {ROWS} read");
}

#[test]
fn seeded_rows() {
    if let Some(v) = vectors() {
        hold_rows("rows", |chunk| v.row(chunk));
    }
}

#[test]
fn seeded_rows_64_bytes_at_once() {
    if let Some(v) = wide() {
        hold_rows("rows at once", |chunk| v.row(chunk));
    }
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
