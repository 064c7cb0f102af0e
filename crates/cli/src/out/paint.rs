//! Colours, if the reader can see them. Colour never carries meaning: the word is always there.
//!
//! Invariant: without colours not one escape byte is written. `NO_COLOR` (any value but an empty
//! one) and `TERM=dumb` turn them off, and so does output that is not a terminal.

use std::env;
use std::ffi::OsString;

/// What a colour stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// Buyers, bids, and all that is well.
    Good,
    /// Sellers, asks, and all that failed.
    Bad,
    /// Worth a look.
    Warn,
    /// News of a connection, and advice.
    Note,
    /// Of lesser interest.
    Faint,
    /// What the eye should find first.
    Strong,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Colour::Good => "\x1b[32m",
            Colour::Bad => "\x1b[31m",
            Colour::Warn => "\x1b[33m",
            Colour::Note => "\x1b[36m",
            Colour::Faint => "\x1b[2m",
            Colour::Strong => "\x1b[1m",
        }
    }
}

/// Whether to colour one stream.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Never colours.
    #[cfg(test)]
    pub fn plain() -> Paint {
        Paint { on: false }
    }

    /// Colours a stream that is a terminal, unless the environment objects.
    pub fn for_stream(is_terminal: bool) -> Paint {
        Paint::decide(is_terminal, |name| env::var_os(name))
    }

    fn decide(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Paint {
        let objection = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").is_some_and(|value| value == "dumb");
        Paint { on: is_terminal && !objection && !dumb }
    }

    /// Whether colours are on.
    pub fn is_on(self) -> bool {
        self.on
    }

    /// `text` in a colour.
    pub fn apply(self, colour: Colour, text: &str) -> String {
        if self.on { format!("{}{text}\x1b[0m", colour.code()) } else { text.to_owned() }
    }

    /// Starts a colour in `out`; end it with [`Paint::close`].
    pub fn open(self, colour: Colour, out: &mut Vec<u8>) {
        if self.on {
            out.extend_from_slice(colour.code().as_bytes());
        }
    }

    /// Ends every colour in `out`.
    pub fn close(self, out: &mut Vec<u8>) {
        if self.on {
            out.extend_from_slice(b"\x1b[0m");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_nobody_objects_to_is_coloured() {
        let with = |is_terminal, name: &'static str, value: &'static str| {
            Paint::decide(is_terminal, move |asked| (asked == name).then(|| value.into())).is_on()
        };
        assert!(with(true, "TERM", "xterm-256color"));
        assert!(with(true, "NO_COLOR", ""), "an empty NO_COLOR does not count");
        assert!(!with(true, "NO_COLOR", "1"));
        assert!(!with(true, "NO_COLOR", "0"), "any value counts");
        assert!(!with(true, "TERM", "dumb"));
        assert!(!with(false, "TERM", "xterm-256color"));
        assert_eq!(Paint::plain().apply(Colour::Good, "buy"), "buy");
    }
}
