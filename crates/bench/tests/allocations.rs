//! In steady state a frame costs no allocation: counted by an allocator that counts.
//!
//! The generated mix goes through a feed twice: the first time lets everything grow to its size,
//! the second is counted, frame by frame, with what a recorder's digest makes of it. Snapshots are
//! among the frames of both.
#![allow(clippy::unwrap_used)]

use market_data_bench::frames::Group;
use market_data_bench::{market, systems};
use market_data_model::*;
use market_data_okx::Instructions;
use market_data_tape::OutputDigest;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_frame_costs_no_allocation() {
    let stream = market::generate(11, 30_000);
    let frames = stream.select(Group::Mix);
    for instructions in [Instructions::Best, Instructions::Narrow, Instructions::Plain] {
        let mut feed = systems::passive_feed(instructions);
        let (mut out, mut digest) = (Outbox::default(), OutputDigest::default());
        feed.handle(Nanos(1), Input::Opened, &mut out);
        let (mut counted, mut events, mut guilty) = (0, 0, Vec::new());
        for (n, frame) in frames.iter().chain(&frames).enumerate() {
            out.clear();
            let region = Region::new(COUNTED);
            feed.handle(Nanos(2 + n as u64), Input::Frame(frame), &mut out);
            digest.add_events(out.events.events(0..out.events.len()));
            let change = region.change();
            if n >= frames.len() {
                counted += 1;
                events += out.events.len();
                if change.allocations + change.reallocations + change.deallocations > 0 {
                    guilty.push((n, change, String::from_utf8_lossy(&frame[..60]).into_owned()));
                }
            }
        }
        println!("{counted} frames, {events} events, {} with an allocation", guilty.len());
        assert!(counted >= 20_000 && events >= counted * 9 / 10, "{counted} {events}");
        assert!(guilty.is_empty(), "{} of {counted}: {:?}", guilty.len(), &guilty[..1]);
    }
}
