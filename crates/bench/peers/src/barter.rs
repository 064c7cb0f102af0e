//! barter-data 0.13: trades, the only OKX channel it has.
//!
//! The steps are those of its own stream: serde_json into `OkxTrades`, then what its
//! `StatelessTransformer` does: the instrument by the name of the subscription, and the conversion
//! into `MarketEvent`s, which reads the clock for each trade. Instruments are numbers here; what
//! its users choose may be larger to copy.

use crate::truth::{Counts, Texts};
use barter_data::Identifier;
use barter_data::event::MarketIter;
use barter_data::exchange::Connector;
use barter_data::exchange::okx::Okx;
use barter_data::exchange::okx::trade::OkxTrades;
use barter_data::subscription::Map;
use barter_data::subscription::trade::PublicTrade;
use barter_integration::subscription::SubscriptionId;
use std::hint::black_box;

/// Names it in the table.
pub const NAME: &str = "barter-data 0.13.0";

/// Instruments by the name of their subscription.
pub type Instruments = Map<usize>;

/// Every instrument, subscribed to its trades.
pub fn instruments<'a>(inst_ids: impl Iterator<Item = &'a String>) -> Instruments {
    let id = |inst_id: &String| SubscriptionId::from(format!("trades|{inst_id}"));
    inst_ids.enumerate().map(|(n, inst_id)| (id(inst_id), n)).collect()
}

/// What should come out.
pub fn wanted(all: Counts) -> Counts {
    Counts { trades: all.trades, ..Counts::default() }
}

/// One pass. A frame that it refuses is missing from the counts, which then differ from the truth.
pub fn pass(streams: &Texts<'_>, instruments: &Instruments) -> Counts {
    let mut counts = Counts::default();
    for frame in streams.iter().flatten() {
        let events = take(frame, instruments);
        let events = black_box(&events).iter().flat_map(|events| &events.0);
        counts.trades += events.filter(|event| event.is_ok()).count() as u64;
    }
    counts
}

fn take(frame: &str, instruments: &Instruments) -> Option<MarketIter<usize, PublicTrade>> {
    let trades = serde_json::from_str::<OkxTrades>(frame).ok()?;
    let instrument = instruments.find(&trades.id()?).ok()?;
    Some(MarketIter::from((Okx::ID, *instrument, trades)))
}
