//! Arbitrary and damaged bytes as a segment file, as the fuzz target `tape` does it: the body is
//! the same file, `fuzz/src/tape.rs`.
//!
//! `ANY_BYTES_CASES=100000` tries that many a test instead of what fits into seconds.
#![allow(clippy::unwrap_used)]

#[path = "../../../fuzz/src/tape.rs"]
mod tape;

use proptest::prelude::*;

fn cases(default: u32) -> ProptestConfig {
    let asked = std::env::var("ANY_BYTES_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(asked.unwrap_or(default))
    }
}

#[test]
fn where_fuzzing_starts_holds_every_promise() {
    tape::seeds().iter().for_each(|seed| tape::run(seed));
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn damaged_segments(
        zipped: bool,
        steps in prop::collection::vec(any::<[u8; 5]>(), 1..6),
    ) {
        tape::run(&[&[2 + u8::from(zipped)], steps.concat().as_slice()].concat());
    }

    #[test]
    fn any_bytes_at_all(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        tape::run(&bytes);
    }
}
