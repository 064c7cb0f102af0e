//! What a person reads when a command fails: what failed, with what value, and what to do next.
//!
//! Commands return `anyhow::Error`; those that know what helps wrap a [`Failure`]. Only `main.rs`
//! prints them.
//!
//! Invariants: one line starting with `error: `, then, if there is a hint, a blank line and a line
//! starting with `hint: `; neither ends in a full stop.
//!
//! Start at [`render`].

use crate::out::paint::{Colour, Paint};
use std::fmt;
use std::io;

/// An error with advice.
#[derive(Debug)]
pub struct Failure {
    what: String,
    hint: Option<String>,
}

impl Failure {
    /// What failed, and what to do next.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { what: what.into(), hint: Some(hint.into()) }
    }
}

impl From<market_data::Error> for Failure {
    fn from(error: market_data::Error) -> Failure {
        Failure { what: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// Whether the error says that the reader of our output has gone, which is success.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// The text for stderr, line break included.
pub fn render(error: &anyhow::Error, paint: Paint) -> String {
    let mut what = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if what.is_empty() {
            what = text;
        } else if !what.contains(text.as_str()) {
            // A cause that is already told in the sentence above it is not told twice.
            what = format!("{what}: {text}");
        }
    }
    let mut text = format!("{} {}\n", paint.apply(Colour::Bad, "error:"), what.trim_end());
    let hint = error.chain().find_map(|cause| cause.downcast_ref::<Failure>()?.hint.as_deref());
    if let Some(hint) = hint {
        text.push_str(&format!("\n{} {hint}\n", paint.apply(Colour::Note, "hint:")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_failure_is_one_line_and_a_hint() {
        let error = anyhow::Error::new(Failure::new("no such file: x", "name another"))
            .context("cannot decode");
        assert_eq!(
            render(&error, Paint::plain()),
            "error: cannot decode: no such file: x\n\nhint: name another\n"
        );
    }

    #[test]
    fn a_closed_pipe_is_seen_through_every_context() {
        let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        let error = Err::<(), _>(pipe).context("cannot write").unwrap_err();
        assert!(is_closed_pipe(&error));
        assert!(!is_closed_pipe(&anyhow::anyhow!("broken pipe")));
    }
}
