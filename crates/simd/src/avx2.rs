//! The instructions of x86-64: AVX2, and the bit instructions that come with it. `lib.rs` alone
//! calls these, with the proof that the processor has them; the only pointers are those of whole
//! arrays, loaded without a claim to alignment. `neon.rs` is the same for aarch64.

use super::places::{BEHIND, FROM};
use super::{Digits, Work};
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

/// `length` is 1 to 16.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline]
pub(super) fn decimal(chunk: &[u8; 16], length: usize) -> Option<Digits> {
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
        return None;
    }
    let pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(10 | 1 << 8));
    let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(100 | 1 << 16));
    let fours = _mm_packus_epi32(fours, fours);
    let eights = _mm_madd_epi16(fours, _mm_set1_epi32(10_000 | 1 << 16));
    let eights = _mm_cvtsi128_si64(eights).cast_unsigned();
    let mantissa = (eights & 0xffff_ffff) * 100_000_000 + (eights >> 32);
    Some(Digits { mantissa, scale: decimals as u8 })
}
