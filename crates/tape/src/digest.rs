//! A digest of what came out of a feed, so that a replay can be compared with the recording.
//!
//! The recorder adds each outbox and puts an [`Outputs`] record now and then; `replay --check`
//! does the same and compares. Events and actions are hashed apart, so that the digest does not
//! depend on how many inputs shared an outbox.
//!
//! Invariant: equal digests of one [`Form`] mean equal bytes but for chance (2^-64 each); the bytes
//! hashed are described in `docs/tape-format.md`, section 6, and do not change: others are another
//! form, with records of their own.

mod exact;
#[cfg(test)]
mod exact_tests;
mod xxh64;

pub use xxh64::Xxh64;

use crate::record::{Form, Outputs};
use exact::Exact;
use market_data_model::wire::write_json;
use market_data_model::{Action, Events, Outbox};
use std::io::Write as _;

/// Collects what came out of one feed.
#[derive(Clone, Debug, Default)]
pub struct OutputDigest {
    outputs: Outputs,
    /// Events in the one form,
    exact: Exact,
    /// and in the other.
    lines: Xxh64,
    actions: Xxh64,
    scratch: Vec<u8>,
}

impl OutputDigest {
    /// A digest of that form; [`OutputDigest::default`] is of the one that is recorded.
    pub fn of(form: Form) -> OutputDigest {
        OutputDigest { outputs: Outputs { form, ..Outputs::default() }, ..OutputDigest::default() }
    }

    /// What of the events is in it.
    pub fn form(&self) -> Form {
        self.outputs.form
    }

    /// Adds what `inputs` inputs left in `out`.
    pub fn add(&mut self, inputs: u64, out: &Outbox) {
        self.add_inputs(inputs);
        self.add_events(out.events.events(0..out.events.len()));
        self.add_actions(&out.actions);
    }

    /// Counts inputs whose events and actions are added apart.
    pub fn add_inputs(&mut self, inputs: u64) {
        self.outputs.inputs += inputs;
    }

    /// Adds events that came out.
    pub fn add_events(&mut self, events: Events<'_>) {
        self.outputs.events += events.len() as u64;
        if self.outputs.form == Form::Exact {
            return self.exact.events(events);
        }
        for event in events.iter() {
            self.scratch.clear();
            write_json(&event, &mut self.scratch);
            self.scratch.push(b'\n');
            self.lines.add(&self.scratch);
        }
    }

    /// Adds actions that came out.
    pub fn add_actions(&mut self, actions: &[Action]) {
        for action in actions {
            self.scratch.clear();
            write_action(action, &mut self.scratch);
            self.actions.add(&self.scratch);
            self.outputs.actions += 1;
        }
    }

    /// Inputs added since the last [`take`](OutputDigest::take).
    pub fn inputs(&self) -> u64 {
        self.outputs.inputs
    }

    /// The record of everything added, and a fresh start.
    pub fn take(&mut self) -> Outputs {
        let form = self.outputs.form;
        let fresh = Outputs { form, ..Outputs::default() };
        let mut outputs = std::mem::replace(&mut self.outputs, fresh);
        outputs.events_digest = match form {
            Form::Exact => self.exact.take(),
            Form::Json => std::mem::take(&mut self.lines).finish(),
        };
        outputs.actions_digest = std::mem::take(&mut self.actions).finish();
        outputs
    }
}

fn write_action(action: &Action, out: &mut Vec<u8>) {
    if let Action::Line { line, action } = action {
        writeln!(out, "line {line}").expect("writing to memory does not fail");
        return write_action(action, out);
    }
    let written = match action {
        Action::Open { url } => writeln!(out, "open {} {url}", url.len()),
        Action::Send(text) => writeln!(out, "send {} {text}", text.len()),
        Action::Close => writeln!(out, "close"),
        Action::Login { at } => writeln!(out, "login {}", at.0),
        Action::Get { id, path } => writeln!(out, "get {id} {} {path}", path.len()),
        // Said above.
        Action::Line { .. } => Ok(()),
    };
    written.expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_do_not_matter_and_order_does() {
        let send = |text: &str| Action::Send(text.to_owned());
        let outbox = |actions| Outbox { actions, ..Outbox::default() };
        let mut apart = OutputDigest::default();
        apart.add(1, &outbox(vec![send("a")]));
        apart.add(1, &outbox(vec![send("b")]));
        let mut together = OutputDigest::default();
        together.add(2, &outbox(vec![send("a"), send("b")]));
        let mut swapped = OutputDigest::default();
        swapped.add(2, &outbox(vec![send("b"), send("a")]));
        let (apart, together, swapped) = (apart.take(), together.take(), swapped.take());
        assert_eq!(apart, together);
        assert_ne!(together.actions_digest, swapped.actions_digest);
    }
}
