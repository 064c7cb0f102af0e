//! Runs one sink on a thread of its own until its queue ends or it fails.
//!
//! A plain thread, not a task: a sink may block for as long as its pipe does, and must then keep
//! neither the feeds' runtime nor its shutdown waiting.

use super::{Sink, SinkError};
use crate::bus::Item;
use crate::clock::wall_now;
use crate::metrics::QueueCounters;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

/// Starts the thread; the receiver yields how it ended, and after a failure the queue closes.
pub(crate) fn spawn(
    counters: &Arc<QueueCounters>,
    mut sink: Box<dyn Sink>,
    queue: mpsc::Receiver<Item>,
) -> std::io::Result<oneshot::Receiver<Result<(), SinkError>>> {
    let (done, ended) = oneshot::channel();
    let name = format!("sink {}", counters.name);
    let counters = Arc::clone(counters);
    let work = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(sink.as_mut(), queue, &counters)));
        let outcome = outcome.unwrap_or_else(|panic| {
            Err(SinkError::Other(format!("it panicked: {}", crate::live::words(&*panic))))
        });
        // Nobody listens once the service was dropped.
        drop(done.send(outcome));
    };
    std::thread::Builder::new().name(name).spawn(work)?;
    Ok(ended)
}

fn run(
    sink: &mut dyn Sink,
    mut queue: mpsc::Receiver<Item>,
    counters: &QueueCounters,
) -> Result<(), SinkError> {
    loop {
        let item = match queue.try_recv() {
            Ok(item) => item,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                sink.flush()?;
                match queue.blocking_recv() {
                    Some(item) => item,
                    None => break,
                }
            }
        };
        for lost in &item.lost {
            sink.lost(lost)?;
        }
        if let Some(batch) = &item.batch {
            if item.made.0 > 0 {
                counters.hop.note(wall_now().since(item.made), batch.len() as u64);
            }
            sink.batch(batch)?;
        }
    }
    sink.end()
}
