//! Your own code as a sink: implement the calls you care about.

use super::{Lost, Sink, SinkError};
use market_data_model::event::{Bar, BookChange, Level, Ticker, Trade};
use market_data_model::{Batch, Body, EventRef};
use std::sync::Arc;

/// Something that processes events, one call a kind. Calls come from one thread, in order.
pub trait Processor: Send + 'static {
    /// Best prices and 24-hour figures.
    fn ticker(&mut self, _event: &EventRef<'_>, _ticker: &Ticker) {}

    /// A bar, finished or not.
    fn bar(&mut self, _event: &EventRef<'_>, _bar: &Bar) {}

    /// A book or a change of one: bids, then asks.
    fn book(
        &mut self,
        _event: &EventRef<'_>,
        _book: &BookChange,
        _bids: &[Level],
        _asks: &[Level],
    ) {
    }

    /// An execution.
    fn trade(&mut self, _event: &EventRef<'_>, _trade: &Trade) {}

    /// Everything else: instruments, gaps, sessions, subscriptions, faults, unknown channels.
    fn other(&mut self, _event: &EventRef<'_>) {}

    /// Events were lost because this processor was too slow (never with `Overflow::Wait`).
    fn lost(&mut self, _lost: &Lost) {}
}

/// Makes a sink of a [`Processor`].
#[derive(Debug)]
pub struct ProcessorSink<P>(pub P);

impl<P: Processor> Sink for ProcessorSink<P> {
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<(), SinkError> {
        for event in batch.iter() {
            match event.body {
                Body::Ticker(ticker) => self.0.ticker(&event, ticker),
                Body::Trade(trade) => self.0.trade(&event, trade),
                Body::Bar(bar) => self.0.bar(&event, bar),
                Body::Book(book, bids, asks) => self.0.book(&event, book, bids, asks),
                _ => self.0.other(&event),
            }
        }
        Ok(())
    }

    fn lost(&mut self, lost: &Lost) -> Result<(), SinkError> {
        self.0.lost(lost);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
