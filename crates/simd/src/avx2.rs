//! The instructions of x86-64: AVX2, and the bit instructions that come with it. `lib.rs` alone
//! calls these, with the proof that the processor has them; the only pointers are those of whole
//! arrays, loaded without a claim to alignment. `neon.rs` is the same for aarch64.

use super::places::{BEHIND, FROM};
use super::row::{self, Marks, Row};
use super::{Digits, NO_NUMBER, Work};
use std::arch::x86_64::*;

/// See [`super::Vectors::detect`].
#[inline]
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// See [`super::Vectors::run`].
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn run<W: Work>(work: W) -> W::Out {
    work.run()
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_16(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: sixteen bytes are there, and `loadu` does not ask for alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn quotes(chunk: &[u8; 64]) -> u64 {
    let quote = _mm256_set1_epi8(b'"' as i8);
    // SAFETY: 32 bytes are there at 0 and at 32, and `loadu` does not ask for alignment.
    let (low, high) = unsafe {
        let at = chunk.as_ptr();
        (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(32).cast()))
    };
    let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, quote)).cast_unsigned();
    let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, quote)).cast_unsigned();
    u64::from(high) << 32 | u64::from(low)
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn quotes_16(chunk: &[u8; 16]) -> u32 {
    let found = _mm_cmpeq_epi8(load_16(chunk), _mm_set1_epi8(b'"' as i8));
    _mm_movemask_epi8(found).cast_unsigned()
}

#[target_feature(enable = "avx2")]
#[inline]
fn window(table: &[i8; 32], at: usize) -> __m128i {
    let at = at.min(16);
    // SAFETY: sixteen bytes are there from any place up to the sixteenth.
    unsafe { _mm_loadu_si128(table.as_ptr().add(at).cast()) }
}

/// Digits and scale, or [`NO_NUMBER`]; `length` is 1 to 16. Where many numbers are read this is a
/// call, and two words come back in registers.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline]
pub(super) fn decimal(chunk: &[u8; 16], length: usize) -> (u64, u64) {
    let text = load_16(chunk);
    let points = _mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(b'.' as i8)));
    // A mark behind the last character stands for the point that is not there.
    let end = 1u32 << length;
    let marks = points.cast_unsigned() & (end - 1) | end;
    let whole = marks.trailing_zeros() as usize;
    let has_point = usize::from(whole < length);
    let decimals = length - whole - has_point;
    let from = _mm_add_epi8(window(&FROM, length - has_point), window(&BEHIND, decimals));
    let digits = _mm_shuffle_epi8(_mm_xor_si128(text, _mm_set1_epi8(b'0' as i8)), from);
    let nine = _mm_set1_epi8(9);
    let fits = _mm_cmpeq_epi8(_mm_max_epu8(digits, nine), nine);
    let leads = chunk[0] == b'0' && whole > 1;
    let hangs = whole == 0 || (has_point == 1 && decimals == 0);
    if _mm_movemask_epi8(fits) != 0xffff || leads || hangs {
        return (0, NO_NUMBER);
    }
    (value(digits), decimals as u64)
}

/// What sixteen digits, none above 9, say.
#[target_feature(enable = "avx2")]
#[inline]
fn value(digits: __m128i) -> u64 {
    let pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(10 | 1 << 8));
    let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(100 | 1 << 16));
    let fours = _mm_packus_epi32(fours, fours);
    let eights = _mm_madd_epi16(fours, _mm_set1_epi32(10_000 | 1 << 16));
    joined(eights)
}

/// The upper eight digits, then the lower ones, as one number.
#[target_feature(enable = "avx2")]
#[inline]
fn joined(eights: __m128i) -> u64 {
    let eights = _mm_cvtsi128_si64(eights).cast_unsigned();
    (eights & 0xffff_ffff) * 100_000_000 + (eights >> 32)
}

/// See [`super::Vectors::digits_ahead`].
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline]
pub(super) fn digits_ahead(chunk: &[u8; 16]) -> usize {
    let digits = _mm_xor_si128(load_16(chunk), _mm_set1_epi8(b'0' as i8));
    let nine = _mm_set1_epi8(9);
    let are = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(digits, nine), nine));
    are.trailing_ones() as usize
}

/// `length` is 1 to 16.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline]
pub(super) fn digits(chunk: &[u8; 16], length: usize) -> Option<u64> {
    let text = _mm_xor_si128(load_16(chunk), _mm_set1_epi8(b'0' as i8));
    let digits = _mm_shuffle_epi8(text, window(&FROM, length));
    let nine = _mm_set1_epi8(9);
    let fits = _mm_cmpeq_epi8(_mm_max_epu8(digits, nine), nine);
    (_mm_movemask_epi8(fits) == 0xffff).then(|| value(digits))
}

/// Two texts of 16 bytes, the first one in the lower half.
#[target_feature(enable = "avx2")]
#[inline]
fn both(first: __m128i, second: __m128i) -> __m256i {
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(first), second)
}

/// Sixteen bytes of an array from a place on.
///
/// # Safety
/// `place + 16` is at most `N`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn load_from<const N: usize>(bytes: &[u8; N], place: usize) -> __m128i {
    debug_assert!(place + 16 <= N, "{place}");
    // SAFETY: the caller's promise; `loadu` does not ask for alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().add(place).cast()) }
}

/// Which byte goes to which of 16 places: of a number of `length` characters (at most 16), the last
/// `decimals` of which stand behind a point, if there is one.
///
/// # Safety
/// `length` is at most 16, and `decimals` is less.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn places(length: usize, decimals: usize, has_point: usize) -> (__m128i, __m128i) {
    debug_assert!(length <= 16 && decimals <= 16 && has_point <= length);
    // SAFETY: both tables have 32 bytes, and neither place is above 16.
    unsafe {
        let from = FROM.as_ptr().add(length - has_point);
        let behind = BEHIND.as_ptr().add(decimals);
        (_mm_loadu_si128(from.cast()), _mm_loadu_si128(behind.cast()))
    }
}

/// See [`super::Vectors::row`].
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline]
pub(super) fn row(chunk: &[u8; 64]) -> Option<Row> {
    let marks = Marks::of(quotes(chunk))?;
    let Marks { first_end, second_at, second_end, .. } = marks;
    let (length, length_2) = (first_end - row::FIRST_AT, second_end - second_at);
    // SAFETY: `Marks` begins a decimal at 2 and another one at 48 or before.
    let text = unsafe { both(load_from(chunk, row::FIRST_AT), load_from(chunk, second_at)) };
    let points = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'.' as i8));
    let points = _mm256_movemask_epi8(points).cast_unsigned();
    let zeros = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'0' as i8));
    let zeros = _mm256_movemask_epi8(zeros).cast_unsigned();
    // A mark behind the last character stands for the point that is not there.
    let (end, end_2) = (1u32 << (length & 31), 1u32 << (length_2 & 31));
    let whole = (points | end).trailing_zeros() as usize;
    let whole_2 = (points >> 16 | end_2).trailing_zeros() as usize;
    let (has_point, has_point_2) = (usize::from(whole < length), usize::from(whole_2 < length_2));
    let (decimals, decimals_2) = (length - whole - has_point, length_2 - whole_2 - has_point_2);
    // A point at the start or at the end of a number; a zero that leads.
    let ends = end >> 1 | end_2 >> 1 << 16;
    let hangs = points & (ends | 1 | 1 << 16);
    let leads = zeros & !(points >> 1) & !ends & (1 | 1 << 16);
    // SAFETY: `Marks` allows 1 to 16 characters, and decimals are fewer.
    let ((from, behind), (from_2, behind_2)) =
        unsafe { (places(length, decimals, has_point), places(length_2, decimals_2, has_point_2)) };
    let from = _mm256_add_epi8(both(from, from_2), both(behind, behind_2));
    let digits = _mm256_shuffle_epi8(_mm256_xor_si256(text, _mm256_set1_epi8(b'0' as i8)), from);
    let nine = _mm256_set1_epi8(9);
    let fits = _mm256_cmpeq_epi8(_mm256_max_epu8(digits, nine), nine);
    let odd = !_mm256_movemask_epi8(fits).cast_unsigned();
    let (count, more) = marks.rest(chunk, u64::from(hangs | leads | odd))?;
    let pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(10 | 1 << 8));
    let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(100 | 1 << 16));
    let fours = _mm256_packus_epi32(fours, fours);
    let eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(10_000 | 1 << 16));
    let first = joined(_mm256_castsi256_si128(eights));
    let second = joined(_mm256_extracti128_si256::<1>(eights));
    Some(Row {
        first: Digits { mantissa: first, scale: decimals as u8 },
        second: Digits { mantissa: second, scale: decimals_2 as u8 },
        count,
        more,
        length: marks.count_end + 3,
    })
}
