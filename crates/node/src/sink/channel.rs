//! The way out for async code: a bounded queue that the caller reads at its own pace.

use super::{Lost, Overflow, SinkRun, SinkSpec, TradeOrder};
use crate::bus::Item;
use market_data_model::Batch;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

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
    order: Option<TradeOrder>,
}

/// A queue of at most `capacity` batches, read by the returned receiver.
pub fn channel_sink(name: &str, capacity: usize, overflow: Overflow) -> (SinkSpec, EventReceiver) {
    let capacity = capacity.max(1);
    let (sender, receiver) = mpsc::channel(capacity);
    let run = SinkRun::Queue(sender);
    let spec = SinkSpec { name: name.to_owned(), capacity, overflow, changes: false, run };
    (spec, EventReceiver { receiver, ready: VecDeque::new(), order: None })
}

impl EventReceiver {
    /// The same with the trades of each instrument in the order of their ids: those that come
    /// while a gap is open wait for its end. See [`TradeOrder`].
    pub fn in_order(self) -> EventReceiver {
        EventReceiver { order: Some(TradeOrder::default()), ..self }
    }

    /// The next delivery; `None` after the service has stopped and all was delivered.
    ///
    /// *Cancel safety:* a call that is dropped loses nothing.
    pub async fn recv(&mut self) -> Option<Delivery> {
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                return Some(delivery);
            }
            match self.receiver.recv().await {
                Some(item) => self.accept(item),
                None => self.end()?,
            }
        }
    }

    /// The next delivery if one is here already.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        while self.ready.is_empty() {
            match self.receiver.try_recv() {
                Ok(item) => self.accept(item),
                Err(TryRecvError::Disconnected) => self.end()?,
                Err(TryRecvError::Empty) => return None,
            }
        }
        self.ready.pop_front()
    }

    fn accept(&mut self, item: Item) {
        let ready = &mut self.ready;
        let Some(order) = &mut self.order else {
            ready.extend(item.lost.into_iter().map(Delivery::Lost));
            ready.extend(item.batch.map(Delivery::Batch));
            return;
        };
        for lost in item.lost {
            order.lost(lost.feed, |batch| ready.push_back(Delivery::Batch(batch)));
            ready.push_back(Delivery::Lost(lost));
        }
        if let Some(batch) = item.batch {
            order.take(batch, |batch| ready.push_back(Delivery::Batch(batch)));
        }
    }

    /// What was held back, once nothing can follow; `None` if there is nothing.
    fn end(&mut self) -> Option<()> {
        let ready = &mut self.ready;
        self.order.as_mut()?.end(|batch| ready.push_back(Delivery::Batch(batch)));
        (!ready.is_empty()).then_some(())
    }
}
