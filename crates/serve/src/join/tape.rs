//! The tape's part of a joiner's way, on a thread of its own.
//!
//! The recorder goes on writing meanwhile, so the tape is opened again until the memory holds what
//! follows. Only one such thread works at a time; one that waits for its client lets others go on.

use super::{BACK_NS, Joiner, Out, Refusal};
use crate::hub::Hub;
use market_data::replay::{Past, past};
use market_data_model::Nanos;
use market_data_tape::reader::{ReadError, Tape};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Records handed over at one time.
const CHUNK: usize = 64;
/// Chunks that wait for the client.
const CHUNKS: usize = 2;
/// Inputs after which others get their turn.
const TURN: u32 = 1024;
/// How long to wait for the recorder, and how often: it writes five times a second unless told
/// otherwise.
const WAIT: Duration = Duration::from_millis(50);
const WAITS_MAX: u32 = 200;

/// What the thread says.
pub(super) enum Said {
    /// The tape reaches back far enough.
    Found,
    Chunk(Vec<Out>),
    Refused(Refusal),
    /// The memory holds what follows, from this block on.
    Done(Box<Joiner>, u64),
}

/// Starts to read. It ends when the receiver is dropped.
pub(super) fn start(hub: Arc<Hub>, dir: Arc<Path>, joiner: Joiner) -> mpsc::Receiver<Said> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let spare = sender.clone();
    let work = move || {
        let reading = Reading { hub: &hub, said: &sender, joiner, out: Vec::new() };
        if let Err(refusal) = reading.run(&dir) {
            // Nobody may be there to hear it.
            drop(sender.blocking_send(Said::Refused(refusal)));
        }
    };
    let spawned = std::thread::Builder::new().name("tape for a client".to_owned()).spawn(work);
    if let Err(error) = spawned {
        let what = format!("no thread can be started: {error}");
        // There is room: nothing was sent yet.
        drop(spare.try_send(Said::Refused(("busy", what))));
    }
    receiver
}

struct Reading<'a> {
    hub: &'a Hub,
    said: &'a mpsc::Sender<Said>,
    joiner: Joiner,
    out: Vec<Out>,
}

fn unreadable(error: &ReadError) -> Refusal {
    ("tape_unreadable", format!("cannot read the tape: {error}"))
}

impl Reading<'_> {
    fn run(mut self, dir: &Path) -> Result<(), Refusal> {
        let tape = Tape::open(dir).map_err(|error| unreadable(&error))?;
        let first = self.joiner.read.is_empty();
        let from = if first { self.joiner.from.earliest() } else { self.resumes_at() };
        let times = tape.times().map_err(|error| unreadable(&error))?;
        if times.is_none_or(|(oldest, _)| oldest > from) {
            return Err(self.hub.too_old(times.map(|(oldest, _)| oldest)));
        }
        let mut here = self.said.blocking_send(Said::Found).is_ok()
            && self.read(&tape, from, first).map_err(|error| unreadable(&error))?;
        drop(tape);
        let (mut waits, mut before) = (0, self.joiner.read.clone());
        while here {
            let mut at = self.hub.after_tape(&self.joiner, true);
            if at.is_none() && waits > WAITS_MAX {
                // The recorder does not come forward: its disk is sick, or it is far behind.
                self.joiner.hole(&mut self.out);
                at = Some(self.hub.first_block());
            }
            if let Some(at) = at {
                self.done(at);
                return Ok(());
            }
            std::thread::sleep(WAIT);
            let tape = Tape::open(dir).map_err(|error| unreadable(&error))?;
            let from = self.resumes_at();
            here = self.read(&tape, from, false).map_err(|error| unreadable(&error))?;
            waits = if self.joiner.read == before { waits + 1 } else { 0 };
            before.clone_from(&self.joiner.read);
        }
        Ok(())
    }

    /// The rest, and the joiner itself. A client that has gone needs neither.
    fn done(self, at: u64) {
        let sent = self.said.blocking_send(Said::Chunk(self.out));
        let done = Said::Done(Box::new(self.joiner), at);
        drop(sent.and_then(|()| self.said.blocking_send(done)));
    }

    /// From when on the tape has to be read again.
    fn resumes_at(&self) -> Nanos {
        let read = &self.joiner.read;
        let last = read.values().map(|at| at.0).max().unwrap_or(0);
        let recent = Nanos(last.saturating_sub(BACK_NS));
        let missing = self.hub.missing(&self.joiner);
        let behind = missing.iter().map(|feed| read.get(feed).copied().unwrap_or(recent));
        behind.min().unwrap_or(recent).max(self.joiner.from.earliest())
    }

    /// Reads to the end of the tape. False if the client has gone.
    fn read(&mut self, tape: &Tape, from: Nanos, first: bool) -> Result<bool, ReadError> {
        let (hub, said) = (self.hub, self.said);
        let (client, id) = (Arc::clone(&self.joiner.sub.client), self.joiner.sub.id);
        let (mut here, mut inputs) = (true, 0_u32);
        let mut turn = Some(hub.turn());
        past(tape, from, |past| {
            match past {
                Past::Books(events) if first => {
                    for event in events.iter() {
                        if self.joiner.sub.wants(event.channel(), event.inst_id()) {
                            self.joiner.books.take(&event, events.names());
                        }
                    }
                }
                Past::Books(_) => {}
                Past::Input { feed, at, events } => {
                    for event in events.iter() {
                        self.joiner.take(&event, events.names(), &mut self.out);
                    }
                    let read = self.joiner.read.entry(feed).or_insert(at);
                    *read = at.max(*read);
                    inputs += 1;
                }
                Past::Hole => self.joiner.hole(&mut self.out),
            }
            let full = self.out.len() >= CHUNK;
            if full || inputs >= TURN {
                turn = None;
                inputs = 0;
                here = !said.is_closed() && client.has(id);
                if full {
                    let chunk = Said::Chunk(std::mem::take(&mut self.out));
                    here &= said.blocking_send(chunk).is_ok();
                }
                turn = Some(hub.turn());
            }
            if here { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        drop(turn);
        Ok(here)
    }
}
