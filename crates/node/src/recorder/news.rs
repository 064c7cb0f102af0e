//! Publishes what the tape has lost, as gaps of ours, to everybody who gets events.
//!
//! One task of the service. A `gap` of cause `recorder`, without channel and instrument, with
//! the feed's last `n`: what consumers got is whole, what is on the tape is not.

use super::TapeLoss;
use crate::bus::Publisher;
use crate::venue;
use market_data_model::batch::{Names, Other};
use market_data_model::event::{Gap, GapCause, Header, Whose};
use market_data_model::{Batch, Nanos};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long to wait at the end for a slow sink.
const FINISH_WAIT: Duration = Duration::from_secs(1);

/// Runs until the recorder has ended.
pub(crate) async fn publish(mut news: mpsc::Receiver<TapeLoss>, mut publisher: Publisher) {
    while let Some(loss) = news.recv().await {
        publisher.publish(&Arc::new(loss.to_batch()), Nanos(0)).await;
    }
    publisher.finish(FINISH_WAIT).await;
}

impl TapeLoss {
    fn to_batch(self) -> Batch {
        let mut batch = Batch::default();
        batch.set_names(&Arc::new(Names { venue: venue::NAME, ..Names::default() }));
        let header = Header {
            feed: self.feed,
            n: self.n,
            channel: None,
            inst: None,
            ts_event: None,
            ts_recv: self.to.unwrap_or(self.from),
        };
        let gap = Gap {
            id: 0,
            closed: self.to.is_some(),
            cause: GapCause::Recorder,
            whose: Whose::Ours,
            from_id: None,
            to_id: None,
            from: Some(self.from),
            to: self.to,
            lost: None,
            healed: None,
        };
        batch.push_other(header, Other::Gap(gap));
        batch
    }
}
