//! What is left of a frame, and the steps over it that every row shares.
//!
//! Every step either takes exactly the text it names or gives `None`; then the whole frame goes to
//! the general decoder, so a step need not say why. Start at [`Cursor::literal`].

use super::blank::Blank;
use super::number;
use super::scan::Scan;
use market_data_model::{Decimal, Level, Nanos, Px, Qty};

/// The rest of a frame.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a, S> {
    rest: &'a [u8],
    scan: S,
}

impl<'a, S: Scan> Cursor<'a, S> {
    #[inline(always)]
    pub(super) fn new(rest: &'a [u8], scan: S) -> Cursor<'a, S> {
        Cursor { rest, scan }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Takes this text.
    #[inline(always)]
    pub(super) fn literal<const N: usize>(&mut self, text: &[u8; N]) -> Option<()> {
        self.takes(text).then_some(())
    }

    /// Takes this text if it comes next, and says whether it did.
    #[inline(always)]
    pub(super) fn takes<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        match self.rest.split_first_chunk::<N>() {
            Some((first, rest)) if first == text => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes this text and the quote after it.
    #[inline(always)]
    pub(super) fn word(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text.as_bytes())?.strip_prefix(b"\"")?;
        Some(())
    }

    /// A number and its closing quote.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<Decimal> {
        let read = self.scan.quoted(self.rest).or_else(|| number::long(self.rest));
        let (number, rest) = read?;
        self.rest = rest;
        Some(number)
    }

    /// A price and its closing quote.
    #[inline(always)]
    pub(super) fn px(&mut self) -> Option<Px> {
        self.number().map(Px)
    }

    /// A quantity and its closing quote.
    #[inline(always)]
    pub(super) fn qty(&mut self) -> Option<Qty> {
        self.number().map(Qty)
    }

    /// A number or nothing, and the closing quote.
    #[inline(always)]
    pub(super) fn blank_or_number(&mut self) -> Option<Option<Decimal>> {
        if self.takes(b"\"") { Some(None) } else { self.number().map(Some) }
    }

    /// A whole number in canonical spelling and its closing quote.
    #[inline(always)]
    pub(super) fn whole(&mut self) -> Option<u64> {
        let (value, rest) = self.scan.whole(self.rest)?;
        self.rest = rest;
        Some(value)
    }

    /// The same, not above 32 bits.
    #[inline(always)]
    pub(super) fn whole_32(&mut self) -> Option<u32> {
        if let [digit @ b'0'..=b'9', b'"', rest @ ..] = self.rest {
            // One digit, as most counts of fills are.
            self.rest = rest;
            return Some(u32::from(digit - b'0'));
        }
        u32::try_from(self.whole()?).ok()
    }

    /// Milliseconds that are a time, and the closing quote.
    #[inline(always)]
    pub(super) fn millis(&mut self) -> Option<u64> {
        if let Some((ms, rest)) = self.scan.thirteen(self.rest) {
            self.rest = rest;
            return Some(ms);
        }
        self.whole().filter(|ms| *ms > 0 && *ms < u64::MAX / 1_000_000)
    }

    /// The same as an instant.
    #[inline(always)]
    pub(super) fn time(&mut self) -> Option<Nanos> {
        self.millis().map(Nanos::from_millis)
    }

    /// A whole number without quotes.
    #[inline(always)]
    pub(super) fn integer(&mut self) -> Option<i64> {
        let is_below = self.takes(b"-");
        let (value, rest) = self.scan.natural(self.rest)?;
        self.rest = rest;
        match is_below {
            false => Some(value.cast_signed()),
            true => (value > 0).then(|| -value.cast_signed()),
        }
    }

    /// The next bytes, if they are of this form; they are not taken.
    #[inline(always)]
    pub(super) fn filled(&self, form: &Blank) -> Option<&'a [u8; Blank::LENGTH]> {
        self.rest.first_chunk().filter(|bytes| form.fits(bytes))
    }

    /// Milliseconds of thirteen digits and a quote, so many bytes ahead; they are not taken.
    #[inline(always)]
    pub(super) fn thirteen_from(&self, place: usize) -> Option<u64> {
        self.scan.thirteen(self.rest.get(place..)?).map(|(ms, _)| ms)
    }

    /// Leaves out so many bytes.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }

    /// A whole level of a book and what follows it, where that can be read at once; whether there
    /// is another one.
    #[inline(always)]
    pub(super) fn level(&mut self) -> Option<(Level, bool)> {
        let (level, more, rest) = self.scan.level(self.rest)?;
        self.rest = rest;
        Some((level, more))
    }

    /// Takes a comma (there is another element) or the end of the array.
    #[inline(always)]
    pub(super) fn another(&mut self) -> Option<bool> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match first {
            b',' => Some(true),
            b']' => Some(false),
            _ => None,
        }
    }
}
