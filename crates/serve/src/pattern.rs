//! Names with `*`, as clients write them.
//!
//! Invariant: matching takes time in proportion to both lengths, whatever the text.

/// A name, or a pattern in which `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Box<str>);

/// Longest name or pattern, in bytes.
const LENGTH_MAX: usize = 128;

impl Pattern {
    /// Reads one; `None` if no name can look like that.
    pub fn parse(text: &str) -> Option<Pattern> {
        let sound = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
        let fits = !text.is_empty() && text.len() <= LENGTH_MAX && text.bytes().all(sound);
        fits.then(|| Pattern(text.into()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one name, without `*`.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        // Where the last star is, and what it has taken so far.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
                _ => match star {
                    Some((at, taken)) => {
                        star = Some((at, taken + 1));
                        (p, n) = (at + 1, taken + 1);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let cases = [
            ("*", "BTC-USDT", true),
            ("BTC-USDT", "BTC-USDT", true),
            ("BTC-USDT", "BTC-USDT-SWAP", false),
            ("*-USDT-SWAP", "BTC-USDT-SWAP", true),
            ("*-USDT-SWAP", "BTC-USDC-SWAP", false),
            ("BTC-*-SWAP", "BTC-USD-SWAP", true),
            ("*USD*SWAP*", "BTC-USD-SWAP", true),
            ("B*C", "B", false),
            ("**", "", true),
        ];
        for (pattern, name, fits) in cases {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "a b", "a\"b", "ü", &"x".repeat(129)] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }
}
