//! Lives written on a tape, with states here and there, and played from any time to any other:
//! what comes out is what playing all of it gives within those times.

use super::*;
use crate::chance::Chance;
use crate::tape::Taped;
use market_data::replay::{BookOutput, Met, PlayEnd, PlayOptions, Played, ReplayOptions, play};
use market_data_model::{Feed as _, Input, Nanos, Outbox, wire};
use market_data_okx::{OkxConfig, OkxFeed};
use market_data_tape::reader::{Range, Tape};
use market_data_tape::record::FeedState;
use market_data_tape::{Compression, Entry, FeedConfig, FeedStart, Form, OutputDigest};
use market_data_tape::{TapeOptions, TapeWriter, encode_config};
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::Path;

/// Once in so many inputs a feed leaves its state, if it leaves any.
const STATE_EVERY: u64 = 60;

fn taped(config: &OkxConfig) -> Vec<u8> {
    encode_config(&FeedConfig {
        url: config.url.to_string(),
        subscriptions: config.subscriptions.clone(),
        instruments: config.instruments.clone(),
        view_depth: config.view_depth,
        deltas: config.deltas,
        seed: config.seed,
        login: config.login,
        refill: config.refill,
        more_lines: config.lines - 1,
        rotate_ns: config.rotate_ns,
        witness_ns: config.witness_ns,
        sbe: config.sbe,
        bars: config.bars,
        known: config.known.clone(),
        funding: config.funding,
        successor: config.successor,
    })
}

/// Writes a life as the recorder does; returns the times of its inputs. Every digest is spoilt by
/// `wrong`.
fn write(dir: &Path, options: &LifeOptions, form: Form, wrong: u64) -> Vec<Nanos> {
    let lives = Life::inputs(options.clone());
    let mut inputs: Vec<(Nanos, usize, &Taped)> = Vec::new();
    for (feed, (_, list)) in lives.iter().enumerate() {
        inputs.extend(list.iter().map(|(at, input)| (*at, feed, input)));
    }
    inputs.sort_by_key(|(at, ..)| *at);
    let tape = TapeOptions {
        compression: Compression::Zstd(1),
        block_bytes: 2000,
        segment_bytes: 40_000,
        ..TapeOptions::default()
    };
    let mut chance = Chance::new(options.seed, 9);
    let mut writer = TapeWriter::open(dir, tape, inputs[0].0).unwrap();
    let mut feeds: Vec<_> = lives.iter().map(|(config, _)| OkxFeed::new(config.clone())).collect();
    let configs: Vec<_> = lives.iter().map(|(config, _)| taped(config)).collect();
    let mut digests = vec![OutputDigest::of(form); feeds.len()];
    for (feed, (config, _)) in lives.iter().enumerate() {
        let start = FeedStart { venue: "okx", config: &configs[feed], again: false };
        let _ = writer.put(config.feed, inputs[0].0, &Entry::FeedStart(start));
    }
    for (at, feed, input) in &inputs {
        let (id, at) = (lives[*feed].0.feed, *at);
        let input: Input<'_> = input.input();
        let _ = writer.put(id, at, &Entry::Input(input.clone()));
        let mut out = Outbox::default();
        feeds[*feed].handle(at, input, &mut out);
        digests[*feed].add(1, &out);
        if chance.one_in(STATE_EVERY) {
            let mut outputs = digests[*feed].take();
            outputs.events_digest ^= wrong;
            let _ = writer.put(id, at, &Entry::Outputs(outputs));
            let (mut state, config) = (Vec::new(), &configs[*feed]);
            feeds[*feed].checkpoint(&mut state);
            let state = FeedState { venue: "okx", config, state: &state };
            let _ = writer.put(id, at, &Entry::State(state));
        }
    }
    writer.close(inputs[inputs.len() - 1].0).unwrap();
    inputs.iter().map(|(at, ..)| *at).collect()
}

/// What comes out in a range, a line each, with the time of its input.
fn said(
    tape: &Tape,
    range: Range,
    replay: ReplayOptions,
    threads: usize,
) -> (Vec<(Nanos, String)>, PlayEnd) {
    let (mut lines, mut progresses) = (Vec::new(), 0u64);
    let end = play(tape, &PlayOptions { range, replay, threads }, |played| {
        match played {
            Played::Met(place, Met::Step(step)) => {
                let mut text = format!("{} {} {} ", place.ordinal, step.stopped, step.verifiable);
                for event in step.events.iter().chain(step.witness.iter()) {
                    let mut json = Vec::new();
                    wire::write_json(&event, &mut json);
                    text.push_str(&String::from_utf8(json).unwrap());
                }
                text.push_str(&format!("{:?}", step.actions));
                lines.push((place.ts, text));
            }
            Played::Met(place, met @ (Met::Lost(..) | Met::Note(_))) => {
                lines.push((place.ts, format!("{met:?}")));
            }
            Played::Met(place, Met::Started(life, since)) => {
                lines.push((place.ts, format!("{} began after {since:?}", life.feed.0)));
            }
            Played::Progress(progress) => progresses += progress.bytes ^ progress.records,
            Played::Met(..) => {}
            Played::Damage(damage) => panic!("{damage}"),
            Played::Unreadable(place, error) => panic!("{place:?}: {error}"),
        }
        Ok::<_, Infallible>(ControlFlow::Continue(()))
    });
    if range == Range::ALL {
        lines.push((Nanos(u64::MAX), format!("{progresses}")));
    }
    (lines, end.unwrap())
}

fn options(faults: &str, seed: u64) -> LifeOptions {
    LifeOptions {
        seed,
        steps: 900,
        faults: FaultProfile::named(faults).unwrap(),
        instruments: 3,
        catalogue: false,
        drills: true,
        restarts: false,
    }
}

#[test]
fn a_replay_from_the_middle_says_what_one_from_the_start_says() {
    let mut skipped = 0;
    for (seed, faults) in [(1, "mixed"), (2, "none"), (3, "mixed"), (4, "mixed")] {
        let dir = tempfile::tempdir().unwrap();
        // Tapes of both forms of digests.
        let form = if seed % 2 == 0 { Form::Exact } else { Form::Json };
        let times = write(dir.path(), &options(faults, seed), form, 0);
        let tape = Tape::open(dir.path()).unwrap();
        assert!(tape.segments().len() > 2, "seed {seed}");
        let changes = BookOutput { deltas: true, view_depth: 3 };
        let books = (seed == 4).then_some(changes);
        let replay = ReplayOptions { check: true, witness: true, books, beside: false };
        let (all, end) = said(&tape, Range::ALL, replay, 1);
        for threads in 2..5 {
            assert_eq!(said(&tape, Range::ALL, replay, threads), (all.clone(), end.clone()));
        }
        let states: u64 = end.lives.iter().map(|life| life.states_checked).sum();
        let checked: u64 = end.lives.iter().map(|life| life.checked).sum();
        assert!(books.is_some() || states > 5 && checked > 500, "seed {seed}: {states} {checked}");
        assert!(end.lives.iter().all(|life| life.state_differs.is_none()), "seed {seed}");
        let mut chance = Chance::new(seed, 11);
        for _ in 0..25 {
            let mut pick = || *chance.pick(&times) + chance.below(3) - 1;
            let (a, b) = (pick(), pick());
            let range = Range { from: Some(a.min(b)), to: Some(a.max(b)) };
            let threads = 1 + chance.below(3) as usize;
            let (lines, end) = said(&tape, range, replay, threads);
            let expected: Vec<_> = all.iter().filter(|(at, _)| range.holds(*at)).collect();
            assert_eq!(lines.len(), expected.len(), "seed {seed}, {range:?}");
            for (one, other) in lines.iter().zip(expected) {
                assert_eq!(one, other, "seed {seed}, {range:?}");
            }
            let differs = |life: &market_data::replay::FeedLife| {
                life.difference.is_some() || life.state_differs.is_some()
            };
            assert!(books.is_some() || !end.lives.iter().any(differs), "seed {seed}, {range:?}");
            let before = times.iter().filter(|at| **at < a.min(b)).count() as u64;
            let inside = lines.len() as u64;
            skipped += (before + inside).saturating_sub(end.lives.iter().map(|l| l.inputs).sum());
        }
    }
    assert!(skipped > 20_000, "only {skipped} inputs were not given again");
}

/// Each digest says something else than what comes out, in the form of today and in the old one.
#[test]
fn a_digest_that_does_not_agree_is_a_difference() {
    for (form, wrong) in [(Form::Exact, 0), (Form::Exact, 1), (Form::Json, 0), (Form::Json, 1)] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &options("none", 5), form, wrong);
        let tape = Tape::open(dir.path()).unwrap();
        let replay = ReplayOptions { check: true, ..ReplayOptions::default() };
        let (_, end) = said(&tape, Range::ALL, replay, 1);
        let checked: u64 = end.lives.iter().map(|life| life.checked).sum();
        let differing: u64 = end.lives.iter().map(|life| life.differing).sum();
        assert_eq!((checked == 0, differing > 5), (wrong == 1, wrong == 1), "{form:?} {end:?}");
    }
}
