//! One column of the table: everybody takes the frames of one group, in turn.
//!
//! `main.rs` calls [`Column::measure`] for each group. Invariant: no sample is taken of a peer
//! whose output was not held against the frames first.

use crate::table::Table;
use crate::truth::{Best, Texts, Truth};
use crate::{barter, cryptofeed, nautilus};
use market_data_bench::frames::{Group, Stream};
use market_data_bench::measure::{Case, medians};
use market_data_bench::systems;
use std::hint::black_box;

/// Our own line in the table.
pub const OURS: &str = "market-data, feed";

/// The line of the reference.
pub const REFERENCE: &str = "serde_json + sorted book";

/// A group of fewer frames is left out.
const FRAMES_MIN: usize = 20;

/// A sample takes at least so many frames; of a small group, several passes.
const SAMPLE_FRAMES: usize = 100_000;

/// Which frames, and how.
pub struct Column {
    /// Which.
    pub group: Group,
    /// Whether a peer that decodes something else ends the run, or is only told of.
    pub strict: bool,
    /// Samples of each system.
    pub repetitions: usize,
}

impl Column {
    /// Checks what peers make of the frames, then times them.
    ///
    /// # Errors
    /// When a frame is no text, a peer fails, or decodes something else where that is strict.
    pub fn measure(
        &self,
        streams: &[Stream],
        python: Option<&mut cryptofeed::Peer>,
        table: &mut Table,
    ) -> Result<(), String> {
        let streams: Vec<_> = streams.iter().map(|stream| stream.only(self.group)).collect();
        let bytes: Vec<_> = streams.iter().map(|stream| stream.select(self.group)).collect();
        let frames: usize = bytes.iter().map(Vec::len).sum();
        if frames < FRAMES_MIN {
            return Ok(());
        }
        // Every client's WebSocket checks that a frame is text; here that is not timed.
        let texts =
            bytes.iter().map(|frames| frames.iter().map(|f| std::str::from_utf8(f)).collect());
        let texts: Vec<Vec<&str>> =
            texts.collect::<Result<_, _>>().map_err(|e| format!("a frame is no text: {e}"))?;

        let truth = Truth::of(&texts);
        let nautilus = nautilus::instruments(&truth);
        let barter = barter::instruments(truth.decimals.keys());
        let (counts, best) = nautilus::outcome(&texts, &nautilus);
        self.judge(truth.check(nautilus::NAME, nautilus::wanted(&truth), counts, &best))?;
        let mut python = self.given(&texts, python)?;

        let times = SAMPLE_FRAMES.div_ceil(frames);
        let repeat = |pass: &dyn Fn() -> u64| (0..times).fold(0, |sum, _| sum ^ black_box(pass()));
        let mut cases = vec![
            Case { name: OURS, pass: Box::new(|| repeat(&|| systems::feed(&bytes, false))) },
            Case {
                name: REFERENCE,
                pass: Box::new(|| repeat(&|| systems::reference(&bytes, true))),
            },
            Case {
                name: nautilus::NAME,
                pass: Box::new(|| repeat(&|| nautilus::pass(&texts, &nautilus))),
            },
        ];
        if self.group == Group::Trades {
            let (counts, wanted) = (barter::pass(&texts, &barter), barter::wanted(truth.counts));
            self.judge(truth.check(barter::NAME, wanted, counts, &Best::new()))?;
            let pass = || repeat(&|| barter::pass(&texts, &barter).sum());
            cases.push(Case { name: barter::NAME, pass: Box::new(pass) });
        }
        for _ in 0..self.repetitions {
            for (case, ns) in medians(&mut cases, 1).into_iter().enumerate() {
                table.put(cases[case].name, self.group, ns / (times * frames) as f64);
            }
            if let Some((peer, frames)) = &mut python {
                table.put(cryptofeed::NAME, self.group, peer.pass()? / *frames as f64);
            }
        }
        Ok(())
    }

    /// Cryptofeed with the frames that it has a channel for, and how many those are.
    fn given<'a>(
        &self,
        texts: &Texts<'_>,
        python: Option<&'a mut cryptofeed::Peer>,
    ) -> Result<Option<(&'a mut cryptofeed::Peer, usize)>, String> {
        let Some(peer) = python else { return Ok(None) };
        let taken = texts.iter().map(|frames| {
            frames.iter().copied().filter(|frame| cryptofeed::takes(frame)).collect()
        });
        let taken: Vec<Vec<&str>> = taken.collect();
        let frames = taken.iter().map(Vec::len).sum();
        if frames < FRAMES_MIN {
            return Ok(None);
        }
        let truth = Truth::of(&taken);
        let (counts, best) = peer.load(&taken)?;
        let wanted = cryptofeed::wanted(truth.counts);
        self.judge(truth.check(cryptofeed::NAME, wanted, counts, &best))?;
        Ok(Some((peer, frames)))
    }

    fn judge(&self, checked: Result<(), String>) -> Result<(), String> {
        match checked {
            Err(why) if !self.strict => eprintln!("{}: {why}", self.group.name()),
            other => return other,
        }
        Ok(())
    }
}
