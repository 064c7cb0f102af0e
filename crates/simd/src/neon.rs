//! The instructions of aarch64: NEON. `lib.rs` alone calls these, with the proof that the processor
//! has them; the only pointers are those of whole arrays, loaded without a claim to alignment.
//! `avx2.rs` is the same for x86-64, and both give the same for every input.

use super::places::{BEHIND, FROM};
use super::row::{self, Marks, Row};
use super::{Digits, NO_NUMBER, Work};
use std::arch::aarch64::*;

/// See [`super::Vectors::detect`]. Weights below stand in the order of bytes in a little-endian
/// word; no other order was ever run.
#[inline]
pub(super) fn is_there() -> bool {
    cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon")
}

/// See [`super::Vectors::run`].
#[target_feature(enable = "neon")]
pub(super) fn run<W: Work>(work: W) -> W::Out {
    work.run()
}

#[target_feature(enable = "neon")]
#[inline]
fn load_16(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: sixteen bytes are there, and `vld1q_u8` asks only for the alignment of a byte.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

/// Every bit of a byte that is `wanted`, no bit of another.
#[target_feature(enable = "neon")]
#[inline]
fn equals(bytes: uint8x16_t, wanted: u8) -> uint8x16_t {
    vceqq_u8(bytes, vdupq_n_u8(wanted))
}

/// The first 8 bytes, the first one lowest.
#[target_feature(enable = "neon")]
#[inline]
fn low_64(bytes: uint8x16_t) -> u64 {
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(bytes))
}

/// One bit of its own for each `"` of 8 neighbours, to be added up.
#[target_feature(enable = "neon")]
#[inline]
fn weighted_quotes(bytes: uint8x16_t) -> uint8x16_t {
    let weights = vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201));
    vandq_u8(equals(bytes, b'"'), weights)
}

#[target_feature(enable = "neon")]
#[inline]
pub(super) fn quotes(chunk: &[u8; 64]) -> u64 {
    // SAFETY: 64 bytes are there, which is four times sixteen, and `vld1q_u8` asks only for the
    // alignment of a byte.
    let [a, b, c, d] = unsafe {
        let at = chunk.as_ptr();
        [vld1q_u8(at), vld1q_u8(at.add(16)), vld1q_u8(at.add(32)), vld1q_u8(at.add(48))]
    };
    // Each step adds neighbours: 64 bytes with one bit become 8 bytes with eight.
    let front = vpaddq_u8(weighted_quotes(a), weighted_quotes(b));
    let back = vpaddq_u8(weighted_quotes(c), weighted_quotes(d));
    let sums = vpaddq_u8(front, back);
    low_64(vpaddq_u8(sums, sums))
}

#[target_feature(enable = "neon")]
#[inline]
pub(super) fn quotes_16(chunk: &[u8; 16]) -> u32 {
    let found = weighted_quotes(load_16(chunk));
    let front = vaddv_u8(vget_low_u8(found));
    let back = vaddv_u8(vget_high_u8(found));
    u32::from(back) << 8 | u32::from(front)
}

#[target_feature(enable = "neon")]
#[inline]
fn window(table: &[i8; 32], at: usize) -> uint8x16_t {
    let at = at.min(16);
    // SAFETY: sixteen bytes are there from any place up to the sixteenth, and `vld1q_s8` asks only
    // for the alignment of a byte.
    vreinterpretq_u8_s8(unsafe { vld1q_s8(table.as_ptr().add(at)) })
}

/// Digits and scale, or [`NO_NUMBER`]; `length` is 1 to 16.
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn decimal(chunk: &[u8; 16], length: usize) -> (u64, u64) {
    let text = load_16(chunk);
    // Half of each byte, because no instruction gathers one bit of each: 64 bits for 16 bytes.
    let points = vshrn_n_u16::<4>(vreinterpretq_u16_u8(equals(text, b'.')));
    let points = vget_lane_u64::<0>(vreinterpret_u64_u8(points));
    // A point behind the last character is not one of this number, and 16 is where none is.
    let whole = (points.trailing_zeros() as usize / 4).min(length);
    let has_point = usize::from(whole < length);
    let decimals = length - whole - has_point;
    let from = vaddq_u8(window(&FROM, length - has_point), window(&BEHIND, decimals));
    let digits = vqtbl1q_u8(veorq_u8(text, vdupq_n_u8(b'0')), from);
    let leads = chunk[0] == b'0' && whole > 1;
    let hangs = whole == 0 || (has_point == 1 && decimals == 0);
    if vmaxvq_u8(digits) > 9 || leads || hangs {
        return (0, NO_NUMBER);
    }
    (value(digits), decimals as u64)
}

/// What sixteen digits, none above 9, say.
#[target_feature(enable = "neon")]
#[inline]
fn value(digits: uint8x16_t) -> u64 {
    // Each left neighbour weighs more; no product leaves its lane, because every digit is 0 to 9.
    let tens = vreinterpretq_u8_u16(vdupq_n_u16(10 | 1 << 8));
    let pairs = vpaddlq_u8(vmulq_u8(digits, tens));
    let hundreds = vreinterpretq_u16_u32(vdupq_n_u32(100 | 1 << 16));
    let fours = vpaddlq_u16(vmulq_u16(pairs, hundreds));
    let myriads = vreinterpretq_u32_u64(vdupq_n_u64(10_000 | 1 << 32));
    let eights = vpaddlq_u32(vmulq_u32(fours, myriads));
    vgetq_lane_u64::<0>(eights) * 100_000_000 + vgetq_lane_u64::<1>(eights)
}

/// See [`super::Vectors::digits_ahead`].
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn digits_ahead(chunk: &[u8; 16]) -> usize {
    let digits = veorq_u8(load_16(chunk), vdupq_n_u8(b'0'));
    // Half of each byte, because no instruction gathers one bit of each: 64 bits for 16 bytes.
    let odd = vshrn_n_u16::<4>(vreinterpretq_u16_u8(vcgtq_u8(digits, vdupq_n_u8(9))));
    vget_lane_u64::<0>(vreinterpret_u64_u8(odd)).trailing_zeros() as usize / 4
}

/// `length` is 1 to 16.
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn digits(chunk: &[u8; 16], length: usize) -> Option<u64> {
    let text = veorq_u8(load_16(chunk), vdupq_n_u8(b'0'));
    let digits = vqtbl1q_u8(text, window(&FROM, length));
    (vmaxvq_u8(digits) <= 9).then(|| value(digits))
}

/// See [`super::Vectors::row`].
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn row(chunk: &[u8; 64]) -> Option<Row> {
    let marks = Marks::of(quotes(chunk))?;
    let Marks { first_end, second_at, second_end, .. } = marks;
    let first = decimal(row::at(chunk, row::FIRST_AT)?, first_end - row::FIRST_AT);
    let second = decimal(row::at(chunk, second_at)?, second_end - second_at);
    let (count, more) = marks.rest(chunk, u64::from([first.1, second.1].contains(&NO_NUMBER)))?;
    let digits = |(mantissa, scale): (u64, u64)| Digits { mantissa, scale: scale as u8 };
    let length = marks.count_end + 3;
    Some(Row { first: digits(first), second: digits(second), count, more, length })
}
