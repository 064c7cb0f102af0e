//! The way out for async code: a bounded queue that the caller reads at its own pace.

use super::{Lost, Overflow, SinkRun, SinkSpec};
use crate::bus::Item;
use market_data_model::Batch;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a reader gets.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Some events.
    Batch(Arc<Batch>),
    /// Events were lost before whatever comes next.
    Lost(Lost),
}

/// The reading end of [`channel_sink`].
#[derive(Debug)]
pub struct EventReceiver {
    receiver: mpsc::Receiver<Item>,
    ready: VecDeque<Delivery>,
}

/// A queue of at most `capacity` batches, read by the returned receiver.
pub fn channel_sink(name: &str, capacity: usize, overflow: Overflow) -> (SinkSpec, EventReceiver) {
    let capacity = capacity.max(1);
    let (sender, receiver) = mpsc::channel(capacity);
    let run = SinkRun::Queue(sender);
    let spec = SinkSpec { name: name.to_owned(), capacity, overflow, changes: false, run };
    (spec, EventReceiver { receiver, ready: VecDeque::new() })
}

impl EventReceiver {
    /// The next delivery; `None` after the service has stopped and all was delivered.
    ///
    /// *Cancel safety:* a call that is dropped loses nothing.
    pub async fn recv(&mut self) -> Option<Delivery> {
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                return Some(delivery);
            }
            let item = self.receiver.recv().await?;
            self.accept(item);
        }
    }

    /// The next delivery if one is here already.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        while self.ready.is_empty() {
            let item = self.receiver.try_recv().ok()?;
            self.accept(item);
        }
        self.ready.pop_front()
    }

    fn accept(&mut self, item: Item) {
        self.ready.extend(item.lost.into_iter().map(Delivery::Lost));
        self.ready.extend(item.batch.map(Delivery::Batch));
    }
}
