//! Vector instructions for `crates/okx/src/fast`: quotes found 64 bytes at a time, decimals read 16
//! bytes at a time, and rows of two decimals read at once. The only crate of the workspace with
//! `unsafe` in it.
//!
//! A value of [`Vectors`] is the proof that the processor has the instructions; only
//! [`Vectors::detect`] makes one. So everything else here is safe to call. They are AVX2 on x86-64
//! (`avx2.rs`) and NEON on aarch64 (`neon.rs`); processors without them, and every other kind, get
//! `None` and the caller goes its portable way. [`Wide`] is the same for processors that hold 64
//! bytes in one register (AVX-512, `avx512.rs`), where a row takes half of the instructions.
//!
//! Invariants: no pointer is read that is not within a whole array; the methods of [`Vectors`] and
//! [`Wide`] give what the plain functions in the tests give, for every input.
//!
//! Why it is so, and what it gains: `docs/decisions/0013-vectors.md` and `0041-wide-vectors.md`.
//! Start at [`Vectors::run`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod places;
mod row;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
use avx2 as arch;
#[cfg(target_arch = "aarch64")]
use neon as arch;

pub use row::Row;

/// The proof that this processor has the instructions: on x86-64 AVX2 and the bit instructions that
/// come with it, on aarch64 NEON.
#[derive(Clone, Copy, Debug)]
pub struct Vectors(());

/// The proof that this processor has the instructions of [`Vectors`], and those for 64 bytes at
/// once.
#[derive(Clone, Copy, Debug)]
pub struct Wide(Vectors);

/// Something to be compiled for the instructions: its `run` has to be `#[inline(always)]`, and so
/// has what it calls, down to the methods of [`Vectors`]. (A closure cannot ask for that.)
pub trait Work {
    /// What comes out.
    type Out;
    /// Does it.
    fn run(self) -> Self::Out;
}

/// A decimal that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// The digits without the point.
    pub mantissa: u64,
    /// How many stand after the point.
    pub scale: u8,
}

/// The scale of what is no number.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const NO_NUMBER: u64 = u64::MAX;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Vectors {
    /// Whether the processor can do it. Asked once of the processor, then remembered.
    #[inline]
    pub fn detect() -> Option<Vectors> {
        arch::is_there().then_some(Vectors(()))
    }

    /// Runs `work` compiled for these instructions: what is inlined into it may use them.
    #[inline]
    pub fn run<W: Work>(self, work: W) -> W::Out {
        // SAFETY: `self` proves that the processor has every instruction set of `arch::run`.
        unsafe { arch::run(work) }
    }

    /// A bit for each `"`, the first byte's lowest.
    #[inline(always)]
    pub fn quotes(self, chunk: &[u8; 64]) -> u64 {
        // SAFETY: as above.
        unsafe { arch::quotes(chunk) }
    }

    /// The same for 16 bytes.
    #[inline(always)]
    pub fn quotes_16(self, chunk: &[u8; 16]) -> u32 {
        // SAFETY: as above.
        unsafe { arch::quotes_16(chunk) }
    }

    /// The number in the first `length` bytes: digits, with at most one point between them, no
    /// zero that leads. `None` for anything else, and for lengths other than 1 to 16.
    #[inline(always)]
    pub fn decimal(self, chunk: &[u8; 16], length: usize) -> Option<Digits> {
        if length.wrapping_sub(1) >= 16 {
            return None;
        }
        // SAFETY: as above.
        let (mantissa, scale) = unsafe { arch::decimal(chunk, length) };
        (scale != NO_NUMBER).then_some(Digits { mantissa, scale: scale as u8 })
    }

    /// How many digits stand at the start, up to 16.
    #[inline(always)]
    pub fn digits_ahead(self, chunk: &[u8; 16]) -> usize {
        // SAFETY: as above.
        unsafe { arch::digits_ahead(chunk) }
    }

    /// The number that the first `length` bytes are, if all are digits; zeros may lead. `None` for
    /// lengths other than 1 to 16.
    #[inline(always)]
    pub fn digits(self, chunk: &[u8; 16], length: usize) -> Option<u64> {
        if length.wrapping_sub(1) >= 16 {
            return None;
        }
        // SAFETY: as above.
        unsafe { arch::digits(chunk, length) }
    }

    /// The row at the start, see [`Row`]; `None` says only that it cannot be read at once.
    #[inline(always)]
    pub fn row(self, chunk: &[u8; 64]) -> Option<Row> {
        // SAFETY: as above.
        unsafe { arch::row(chunk) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Wide {
    /// Whether the processor can do it. Asked once of the processor, then remembered.
    #[inline]
    pub fn detect() -> Option<Wide> {
        Vectors::detect().filter(|_| avx512::is_there()).map(Wide)
    }

    /// What is not done 64 bytes at once.
    #[inline(always)]
    pub fn narrow(self) -> Vectors {
        self.0
    }

    /// Runs `work` compiled for these instructions: what is inlined into it may use them.
    #[inline]
    pub fn run<W: Work>(self, work: W) -> W::Out {
        // SAFETY: `self` proves that the processor has every instruction set of `avx512::run`.
        unsafe { avx512::run(work) }
    }

    /// [`Vectors::row`].
    #[inline(always)]
    pub fn row(self, chunk: &[u8; 64]) -> Option<Row> {
        // SAFETY: as above.
        unsafe { avx512::row(chunk) }
    }
}

/// Elsewhere there is no value of this type, so nothing of this can be called.
#[cfg(not(target_arch = "x86_64"))]
impl Wide {
    /// Nothing here.
    pub fn detect() -> Option<Wide> {
        None
    }

    /// What is not done 64 bytes at once.
    pub fn narrow(self) -> Vectors {
        self.0
    }

    /// Runs `work`.
    pub fn run<W: Work>(self, work: W) -> W::Out {
        work.run()
    }

    /// Nothing is read.
    pub fn row(self, _chunk: &[u8; 64]) -> Option<Row> {
        None
    }
}

/// Elsewhere there is no value of this type, so nothing of this can be called.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl Vectors {
    /// Nothing here.
    pub fn detect() -> Option<Vectors> {
        None
    }

    /// Runs `work`.
    pub fn run<W: Work>(self, work: W) -> W::Out {
        work.run()
    }

    /// A bit for each `"`, the first byte's lowest.
    pub fn quotes(self, chunk: &[u8; 64]) -> u64 {
        chunk.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(*byte == b'"'))
    }

    /// The same for 16 bytes.
    pub fn quotes_16(self, chunk: &[u8; 16]) -> u32 {
        chunk.iter().rev().fold(0, |bits, byte| bits << 1 | u32::from(*byte == b'"'))
    }

    /// Nothing is read.
    pub fn decimal(self, _chunk: &[u8; 16], _length: usize) -> Option<Digits> {
        None
    }

    /// How many digits stand at the start, up to 16.
    pub fn digits_ahead(self, chunk: &[u8; 16]) -> usize {
        chunk.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// Nothing is read.
    pub fn digits(self, _chunk: &[u8; 16], _length: usize) -> Option<u64> {
        None
    }

    /// Nothing is read.
    pub fn row(self, _chunk: &[u8; 64]) -> Option<Row> {
        None
    }
}
