//! A sink that is called on the feeds' own thread, without a queue: the shortest way, for a service
//! confined to one core.
//!
//! Invariants: its outcome is told once, when it fails or when the last feed has gone; nothing is
//! ever lost before it, because nobody waits in between.

use super::{Sink, SinkError};
use crate::clock::wall_now;
use crate::metrics::QueueCounters;
use market_data_model::{Batch, Nanos};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// The sink takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended;

/// See the file's first comment.
pub(crate) struct Inline {
    counters: Arc<QueueCounters>,
    running: Mutex<Option<Running>>,
}

struct Running {
    sink: Box<dyn Sink>,
    done: oneshot::Sender<Result<(), SinkError>>,
}

impl Inline {
    /// The receiver yields how it ended.
    pub fn new(
        sink: Box<dyn Sink>,
        counters: &Arc<QueueCounters>,
    ) -> (Inline, oneshot::Receiver<Result<(), SinkError>>) {
        let (done, ended) = oneshot::channel();
        let running = Mutex::new(Some(Running { sink, done }));
        (Inline { counters: Arc::clone(counters), running }, ended)
    }

    /// Hands over one batch, made at `made` (0 if that is of no interest), and flushes.
    pub fn take(&self, batch: &Arc<Batch>, made: Nanos) -> Result<(), Ended> {
        let mut place = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = place.as_mut().ok_or(Ended)?;
        if made.0 > 0 {
            self.counters.hop.note(wall_now().since(made), batch.len() as u64);
        }
        let sink = &mut running.sink;
        let Err(why) = guarded(|| sink.batch(batch).and_then(|()| sink.flush())) else {
            return Ok(());
        };
        if let Some(running) = place.take() {
            // Nobody listens once the service was dropped.
            drop(running.done.send(Err(why)));
        }
        Err(Ended)
    }
}

fn guarded(work: impl FnOnce() -> Result<(), SinkError>) -> Result<(), SinkError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(SinkError::Other(format!("it panicked: {}", crate::live::words(&*panic))))
    })
}

impl Drop for Inline {
    fn drop(&mut self) {
        let place = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut running) = place.take() {
            // Nobody listens once the service was dropped.
            drop(running.done.send(guarded(|| running.sink.end())));
        }
    }
}
