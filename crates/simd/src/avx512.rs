//! A row read with the instructions of x86-64 that hold 64 bytes at once: AVX-512 with its BW and
//! VBMI parts (Intel since Ice Lake, AMD since Zen 4). `lib.rs` alone calls these, with the proof
//! that the processor has them; the only pointers are those of whole arrays, loaded without a claim
//! to alignment.
//!
//! One load, one permutation: the three numbers go to the first three quarters, each with its last
//! digit at the end and its point left out, everything between them goes to the last quarter,
//! where it is compared with what it has to be. `row.rs` says what a row is.

use super::row::Row;
use super::{Digits, Work};
use std::arch::x86_64::*;

/// See [`super::Wide::detect`].
#[inline]
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
}

/// See [`super::Wide::run`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn run<W: Work>(work: W) -> W::Out {
    work.run()
}

/// What is loaded as a whole.
#[repr(align(64))]
struct Table([u8; 64]);

/// Four quarters, one behind the other.
const fn table(quarters: [[u8; 16]; 4]) -> Table {
    let mut bytes = [0; 64];
    let mut i = 0;
    while i < 64 {
        bytes[i] = quarters[i / 16][i % 16];
        i += 1;
    }
    Table(bytes)
}

/// No place is below it.
const NEVER: u8 = 0x80;
/// Behind the last of the three ends: nothing, to which a place is added.
const ZERO: u8 = 3;
/// How far each place of a number is from the number's end: 16 to 1 before it.
const BACK: [u8; 16] = {
    let mut back = [0; 16];
    let mut i = 0;
    while i < 16 {
        back[i] = 240 + i as u8;
        i += 1;
    }
    back
};
/// What stands between the numbers: `["`, behind the first `","`, behind the second `","0","`,
/// behind the third `"]`; from which end each byte is counted, how far, and what it is.
const BETWEEN_END: [u8; 16] = [ZERO, ZERO, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, ZERO, ZERO];
const BETWEEN_AT: [u8; 16] = [0, 1, 0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 0, 1, 0, 0];
const BETWEEN: [u8; 16] = *b"[\"\",\"\",\"0\",\"\"]..";
/// The places of the last quarter that are compared.
const COMPARED: u64 = 0x3fff << 48;

/// Which of the three ends each place is counted from, and how far from it.
const END: Table = table([[0; 16], [1; 16], [2; 16], BETWEEN_END]);
const FROM_END: Table = table([BACK, BACK, BACK, BETWEEN_AT]);
/// Where each number begins, likewise: two bytes from the start, three behind the end of the first,
/// seven behind the end of the second.
const START: Table = table([[ZERO; 16], [0; 16], [1; 16], [ZERO; 16]]);
const FROM_START: Table = table([[2; 16], [3; 16], [7; 16], [NEVER; 16]]);
const QUARTER: Table = table([[0; 16], [1; 16], [2; 16], [3; 16]]);
/// The most that a byte may be above `0`.
const MOST: Table = table([[9; 16], [9; 16], [9; 16], [255; 16]]);
const WANTED: Table = {
    let mut wanted = [0; 16];
    let mut i = 0;
    while i < 16 {
        wanted[i] = BETWEEN[i].wrapping_sub(b'0');
        i += 1;
    }
    table([[0; 16], [0; 16], [0; 16], wanted])
};

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are there, and `loadu` does not ask for alignment.
    unsafe { _mm512_loadu_epi8(bytes.as_ptr().cast()) }
}

/// The same four bytes everywhere.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn everywhere(four: u32) -> __m512i {
    _mm512_set1_epi32(four.cast_signed())
}

/// Where the numbers of a row end, whether they have a point, and where.
#[derive(Clone, Copy)]
struct Ends {
    first: u32,
    second: u32,
    third: u32,
    /// Digits behind the points.
    scales: (u32, u32),
    /// One behind each point, or [`NEVER`].
    points: (u32, u32),
}

impl Ends {
    /// From the quotes that end a number and the points; 64 is where nothing is.
    #[inline(always)]
    fn of(ends: u64, points: u64) -> Ends {
        let without_lowest = |bits: u64| bits & bits.wrapping_sub(1);
        let behind_first = without_lowest(ends);
        let [first, second, third] =
            [ends, behind_first, without_lowest(behind_first)].map(|ends| ends.trailing_zeros());
        let point = points.trailing_zeros();
        // Every bit up to the lowest is left out.
        let point_2 = (points & !(ends ^ ends.wrapping_sub(1))).trailing_zeros();
        let (scale, mark) = after_point(point, first);
        let (scale_2, mark_2) = after_point(point_2, second);
        Ends { first, second, third, scales: (scale, scale_2), points: (mark, mark_2) }
    }

    /// Whether each number has a length that is read here.
    #[inline(always)]
    fn fit(self) -> bool {
        let first = self.first.wrapping_sub(3);
        let second = self.second.wrapping_sub(self.first).wrapping_sub(4);
        let third = self.third.wrapping_sub(self.second).wrapping_sub(8);
        ((first | second) < 16) & (third < 7)
    }
}

/// Digits behind a point of a number with this end, and one behind the point.
#[inline(always)]
fn after_point(point: u32, end: u32) -> (u32, u32) {
    if point < end { (end - point - 1, point + 1) } else { (0, u32::from(NEVER)) }
}

/// See [`super::Wide::row`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline]
pub(super) fn row(chunk: &[u8; 64]) -> Option<Row> {
    let text = load(chunk);
    let is = |byte: u8| _mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8(byte.cast_signed()));
    let (quotes, points, zeros) = (is(b'"'), is(b'.'), is(b'0'));
    // In a row the only one is behind the third number. The next row begins behind it, and the
    // shorter the way to that place, the sooner the processor begins with it.
    let bracket = is(b']').trailing_zeros();
    // Of eight quotes the second, fourth and last end a number; the first, third and seventh are
    // before one.
    let end_quotes = _pdep_u64(0b1000_1010, quotes);
    let starts = _pdep_u64(0b0100_0101, quotes) << 1;
    let ends = Ends::of(end_quotes, points);
    let values = gather(text, ends);
    let odd = _mm512_cmpgt_epu8_mask(values, load(&MOST.0))
        | _mm512_mask_cmpneq_epi8_mask(COMPARED, values, load(&WANTED.0));
    // A point at the start or at the end of a number; a zero that leads.
    let last = end_quotes >> 1;
    let hangs = points & (starts | last);
    let leads = zeros & starts & !(points >> 1) & !last;
    // What is behind the end of the text is looked for at its start, where neither is.
    let behind = chunk[(bracket + 1) as usize % 64];
    let more = behind == b',';
    if odd | hangs | leads != 0 || !ends.fit() || !(more || behind == b']') {
        return None;
    }
    let [first, second, third] = numbers(values);
    Some(Row {
        first: Digits { mantissa: first, scale: ends.scales.0 as u8 },
        second: Digits { mantissa: second, scale: ends.scales.1 as u8 },
        count: third as u32,
        more,
        length: bracket as usize + 2,
    })
}

/// The digits of the numbers in three quarters, what is between them in the last; all less `0`.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn gather(text: __m512i, ends: Ends) -> __m512i {
    let Ends { first, second, third, points, .. } = ends;
    let places = everywhere(first | second << 8 | third << 16);
    let from = _mm512_shuffle_epi8(places, load(&END.0));
    let from = _mm512_add_epi8(from, load(&FROM_END.0));
    // Up to its point, a number comes from one place before.
    let never = u32::from(NEVER) * 0x0101_0000;
    let points = everywhere(points.0 | points.1 << 8 | never);
    let points = _mm512_shuffle_epi8(points, load(&QUARTER.0));
    let before = _mm512_cmplt_epi8_mask(from, points);
    let from = _mm512_mask_sub_epi8(from, before, from, _mm512_set1_epi8(1));
    let start = _mm512_shuffle_epi8(places, load(&START.0));
    let start = _mm512_add_epi8(start, load(&FROM_START.0));
    let is_there = _mm512_cmpge_epi8_mask(from, start);
    let text = _mm512_permutexvar_epi8(from, text);
    _mm512_maskz_sub_epi8(is_there, text, _mm512_set1_epi8(b'0' as i8))
}

/// What sixteen digits say, of each of the first three quarters.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn numbers(digits: __m512i) -> [u64; 3] {
    let pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(10 | 1 << 8));
    let fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(100 | 1 << 16));
    let fours = _mm512_packus_epi32(fours, fours);
    let eights = _mm512_madd_epi16(fours, _mm512_set1_epi32(10_000 | 1 << 16));
    let upper = _mm512_mul_epu32(eights, _mm512_set1_epi64(100_000_000));
    let all = _mm512_add_epi64(upper, _mm512_srli_epi64::<32>(eights));
    let second = _mm512_extracti32x4_epi32::<1>(all);
    let third = _mm512_extracti32x4_epi32::<2>(all);
    // No closure over these: it would not be inlined, and pass them through memory.
    [low(_mm512_castsi512_si128(all)), low(second), low(third)]
}

#[target_feature(enable = "avx512f")]
#[inline]
fn low(quarter: __m128i) -> u64 {
    _mm_cvtsi128_si64(quarter).cast_unsigned()
}
