//! Brings the records of an archive or a tape to the tally, in the order of their receipt.

use super::tally::{Count, Report};
use crate::cmd::convert::refused;
use crate::cmd::replay::{ended, open, threads};
use crate::cmd::verify::account::Account;
use crate::out::console::Console;
use crate::out::progress::Progress;
use crate::signals::Interrupt;
use market_data::replay::{BookOutput, FeedLife, Met, PlayOptions, Played, ReplayOptions, play};
use market_data_archive::{Manifest, Stream, verify};
use market_data_model::wire;
use market_data_tape::reader::Range;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::path::Path;

/// What is told of a damaged archive or tape, at most.
const FINDINGS_MAX: usize = 100;

/// An archive, directory by directory: first the gaps, then each channel of each instrument.
pub fn archive(dir: &Path, console: &Console) -> anyhow::Result<Report> {
    let interrupt = Interrupt::listen();
    let mut count = Count::default();
    let mut findings = 0;
    console.status("checking manifests and files …");
    verify(dir, |finding| {
        findings += 1;
        if findings <= FINDINGS_MAX {
            count.find(finding.to_string());
        }
    })
    .map_err(|error| refused(&error))?;
    let root = Manifest::load(dir).map_err(|error| refused(&error))?;
    let total = root.iter().flat_map(|(root, _)| &root.dirs).map(|dir| dir.bytes).sum();
    let mut progress = Progress::new(console, total).doing("reading");
    let (mut bytes, mut records) = (0, 0);
    let mut days = days(dir)?;
    // Whoever knows the gaps of a day can say how much of it is covered.
    days.sort_by_key(|rel| !rel.contains("/table=gaps/"));
    let mut group = String::new();
    for rel in days {
        let skipped = rel.contains("/table=") && !rel.contains("/table=gaps/");
        if skipped {
            continue;
        }
        let of = rel.rsplit_once('/').map_or("", |(group, _)| group);
        if of != group {
            count.turn();
            group = of.to_owned();
        }
        let mut stream = Stream::open(dir, &rel).map_err(|error| refused(&error))?;
        bytes += stream.bytes();
        while let Some(json) = stream.json() {
            count.take(json);
            records += 1;
            progress.at(bytes, records);
            stream.advance().map_err(|error| refused(&error))?;
        }
        interrupt.check()?;
    }
    progress.done();
    Ok(count.end())
}

/// What a feed's witnesses said, day by day: its counts go on from one to the next.
fn witnesses(life: &FeedLife, count: &mut Count) {
    let mut before = BTreeMap::new();
    for (day, said) in &life.witnesses {
        for one in said {
            let key = (*day, one.book.key.to_string(), one.book.channel.to_string());
            let now = [one.agree, one.differ, one.skipped];
            let was = before.insert((&one.book, one.witness), now).unwrap_or_default();
            count.witness(&key, std::array::from_fn(|n| now[n].saturating_sub(was[n])));
        }
    }
}

/// The lowest directories of an archive, by their manifests.
fn days(dir: &Path) -> anyhow::Result<Vec<String>> {
    let (mut found, mut next) = (Vec::new(), VecDeque::from([String::new()]));
    while let Some(rel) = next.pop_front() {
        let manifest = Manifest::load(&dir.join(&rel)).map_err(|error| refused(&error))?;
        let Some((manifest, _)) = manifest else { continue };
        if !manifest.files.is_empty() {
            found.push(rel.clone());
        }
        let below =
            |name: &str| if rel.is_empty() { name.to_owned() } else { format!("{rel}/{name}") };
        next.extend(manifest.dirs.iter().map(|dir| below(&dir.name)));
    }
    found.sort();
    Ok(found)
}

/// A tape, through the same feeds again; REST's books are compared on the way.
pub fn tape(path: &Path, console: &Console) -> anyhow::Result<Report> {
    let tape = open(path)?;
    let interrupt = Interrupt::listen();
    let mut count = Count::default();
    let mut account = Account::default();
    let mut progress = Progress::new(console, tape.bytes()).doing("running again");
    let books = Some(BookOutput { deltas: true, view_depth: 0 });
    let replay = ReplayOptions { check: false, witness: true, books, beside: false };
    let options = PlayOptions { range: Range::ALL, replay, threads: threads() };
    let (mut json, mut damages) = (Vec::new(), 0);
    let end = play(&tape, &options, |played| {
        interrupt.check()?;
        match played {
            Played::Met(_, Met::Started(life, stopped)) => account.started(life, stopped),
            Played::Met(place, Met::Step(step)) => {
                account.step(place.feed, place.ts, &step);
                for event in step.events.iter() {
                    json.clear();
                    wire::write_json(&event, &mut json);
                    count.take(&json);
                }
            }
            Played::Met(_, Met::Lost(feed, lost, feeds)) => account.lost(feed, lost, &feeds),
            Played::Progress(behind) => progress.at(behind.bytes, behind.records),
            Played::Damage(_) | Played::Unreadable(..) => damages += 1,
            Played::Met(..) => {}
        }
        anyhow::Ok(ControlFlow::Continue(()))
    });
    account.finish();
    progress.done();
    let end = end.map_err(ended)?;
    end.lives.iter().for_each(|life| account.anchors(life));
    if damages > 0 {
        count.find(format!("the tape is damaged in {damages} places; see `verify`"));
    }
    count.turn();
    for ((channel, inst_id), row) in &account.rows {
        count.anchors(channel, inst_id, row.anchors.clone());
    }
    end.lives.iter().for_each(|life| witnesses(life, &mut count));
    Ok(count.end())
}
