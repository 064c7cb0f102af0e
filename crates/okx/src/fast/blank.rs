//! A text of fixed length with blanks in it, compared at once: the end of a row is mostly the same,
//! but for a few places whose length does not change.
//!
//! Invariant: what is in the blanks is not looked at; whoever uses a form reads every one of them.

/// A form to be filled in.
pub(super) struct Blank {
    text: [u64; Blank::LENGTH / 8],
    /// All ones where the text counts.
    mask: [u64; Blank::LENGTH / 8],
    length: usize,
}

impl Blank {
    /// As many bytes as are looked at, whether the form is as long or not.
    pub(super) const LENGTH: usize = 64;

    /// A form; `_` is a blank.
    pub(super) const fn new(form: &[u8]) -> Blank {
        assert!(form.len() <= Blank::LENGTH);
        let (mut text, mut mask) = ([0; 8], [0; 8]);
        let mut i = 0;
        while i < form.len() {
            if form[i] != b'_' {
                text[i / 8] |= (form[i] as u64) << (i % 8 * 8);
                mask[i / 8] |= 0xff << (i % 8 * 8);
            }
            i += 1;
        }
        Blank { text, mask, length: form.len() }
    }

    /// How long the form is.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Whether the bytes are the form, filled in somehow. No branch for each part of it, so that
    /// the compiler makes vectors of it.
    #[inline(always)]
    pub(super) fn fits(&self, bytes: &[u8; Blank::LENGTH]) -> bool {
        let (words, _) = bytes.as_chunks::<8>();
        let form = self.text.iter().zip(&self.mask);
        let odd = words
            .iter()
            .zip(form)
            .map(|(word, (text, mask))| (u64::from_le_bytes(*word) ^ text) & mask);
        odd.fold(0, |odd, one| odd | one) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_but_those_of_blanks_counts() {
        let text = b",\"ts\":\"_____________\",\"count\":\"_\"";
        let form = Blank::new(text);
        let mut bytes = [b'7'; 64];
        bytes[..text.len()].copy_from_slice(text);
        for at in 0..64 {
            for byte in 0..=u8::MAX {
                let mut other = bytes;
                other[at] = byte;
                let counts = text.get(at).is_some_and(|wanted| *wanted != b'_' && *wanted != byte);
                assert_eq!(form.fits(&other), !counts, "{at} {byte}");
            }
        }
    }
}
