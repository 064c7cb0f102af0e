//! Counts events by type and keeps nothing else: for checks, drills and benches.

use super::{Lost, Sink, SinkError};
use market_data_model::Batch;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a [`Counter`] has counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events by channel (empty for events of the link) and record type.
    pub by_kind: BTreeMap<(String, &'static str), u64>,
    /// Events altogether.
    pub events: u64,
    /// Events that the queue dropped.
    pub lost: u64,
}

/// A sink that only counts.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    counts: Arc<Mutex<Counts>>,
}

impl Counter {
    /// A counter at zero. Clones share the counts: keep one, hand one over.
    pub fn new() -> Counter {
        Counter::default()
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Counter {
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<(), SinkError> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for event in batch.iter() {
            let key = (event.channel().to_owned(), event.body.kind());
            *counts.by_kind.entry(key).or_default() += 1;
            counts.events += 1;
        }
        Ok(())
    }

    fn lost(&mut self, lost: &Lost) -> Result<(), SinkError> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).lost += lost.events;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
