//! A digest of what came out of a feed, so that a replay can be compared with the recording.
//!
//! The recorder adds each outbox and puts an [`Outputs`] record now and then; `replay --check`
//! does the same and compares. Events and actions are hashed apart, so that the digest does not
//! depend on how many inputs shared an outbox.
//!
//! Invariant: equal digests mean equal bytes but for chance (2^-64 each); the bytes hashed are
//! described in `docs/tape-format.md`, section 6, and do not change within a format version.

use crate::record::Outputs;
use market_data_model::wire::write_json;
use market_data_model::{Action, Events, Outbox};
use std::io::Write as _;

/// Collects what came out of one feed.
#[derive(Clone, Debug, Default)]
pub struct OutputDigest {
    outputs: Outputs,
    events: Xxh64,
    actions: Xxh64,
    scratch: Vec<u8>,
}

impl OutputDigest {
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
        for event in events.iter() {
            self.scratch.clear();
            write_json(&event, &mut self.scratch);
            self.scratch.push(b'\n');
            self.events.add(&self.scratch);
            self.outputs.events += 1;
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
        let mut outputs = std::mem::take(&mut self.outputs);
        outputs.events_digest = std::mem::take(&mut self.events).finish();
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

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

/// XXH64 with seed 0, fed piece by piece (<https://github.com/Cyan4973/xxHash>, `doc/
/// xxhash_spec.md` 0.2.0).
#[derive(Clone, Debug)]
pub struct Xxh64 {
    lanes: [u64; 4],
    tail: [u8; 32],
    tail_len: usize,
    total: u64,
}

impl Default for Xxh64 {
    fn default() -> Xxh64 {
        let lanes = [P1.wrapping_add(P2), P2, 0, 0u64.wrapping_sub(P1)];
        Xxh64 { lanes, tail: [0; 32], tail_len: 0, total: 0 }
    }
}

impl Xxh64 {
    /// Adds bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if self.tail_len > 0 {
            let taken = bytes.len().min(32 - self.tail_len);
            let (head, rest) = bytes.split_at(taken);
            self.tail[self.tail_len..self.tail_len + taken].copy_from_slice(head);
            self.tail_len += taken;
            bytes = rest;
            if self.tail_len < 32 {
                return;
            }
            let stripe = self.tail;
            self.stripe(&stripe);
            self.tail_len = 0;
        }
        let (stripes, rest) = bytes.as_chunks::<32>();
        stripes.iter().for_each(|stripe| self.stripe(stripe));
        self.tail[..rest.len()].copy_from_slice(rest);
        self.tail_len = rest.len();
    }

    #[inline]
    fn stripe(&mut self, stripe: &[u8; 32]) {
        for (lane, word) in self.lanes.iter_mut().zip(stripe.as_chunks::<8>().0) {
            *lane = round(*lane, u64::from_le_bytes(*word));
        }
    }

    /// The hash of everything added.
    pub fn finish(&self) -> u64 {
        let [a, b, c, d] = self.lanes;
        let mut hash = if self.total >= 32 {
            let sum = a.rotate_left(1).wrapping_add(b.rotate_left(7));
            let sum = sum.wrapping_add(c.rotate_left(12)).wrapping_add(d.rotate_left(18));
            self.lanes
                .iter()
                .fold(sum, |hash, &lane| (hash ^ round(0, lane)).wrapping_mul(P1).wrapping_add(P4))
        } else {
            P5
        };
        hash = hash.wrapping_add(self.total);
        let mut words = self.tail[..self.tail_len].chunks_exact(8);
        for word in &mut words {
            hash ^= round(0, le(word));
            hash = hash.rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
        }
        let mut rest = words.remainder();
        if let Some((word, after)) = rest.split_at_checked(4) {
            hash ^= le(word).wrapping_mul(P1);
            hash = hash.rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
            rest = after;
        }
        for &byte in rest {
            hash ^= u64::from(byte).wrapping_mul(P5);
            hash = hash.rotate_left(11).wrapping_mul(P1);
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(P2);
        hash = (hash ^ (hash >> 29)).wrapping_mul(P3);
        hash ^ (hash >> 32)
    }
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> u64 {
        let mut hash = Xxh64::default();
        hash.add(bytes);
        hash.finish()
    }

    /// Known answers, made with the reference implementation (`xxhsum -H64`).
    #[test]
    fn known_answers() {
        assert_eq!(hash(b""), 0xEF46_DB37_51D8_E999);
        assert_eq!(hash(b"a"), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(hash(b"abc"), 0x44BC_2CF5_AD77_0999);
    }

    #[test]
    fn pieces_do_not_matter() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i * 7 % 251) as u8).collect();
        for step in [1, 3, 31, 32, 33, 100] {
            let mut pieces = Xxh64::default();
            bytes.chunks(step).for_each(|piece| pieces.add(piece));
            assert_eq!(pieces.finish(), hash(&bytes), "pieces of {step}");
        }
    }

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
