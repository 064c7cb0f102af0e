//! Cuts a batch in two where an instrument was replaced, so that the words of the events before
//! stay those of their time.
//!
//! A batch has one list of names for all of its events. Without the cut, a trade would be printed
//! with what came to be known of its instrument a few frames later, and a replay, which knows no
//! batches, would print it otherwise.

use market_data_model::Batch;
use market_data_model::batch::Names;
use std::sync::Arc;

/// Whether `now` says something else than `before` about what both know.
pub(crate) fn is_replaced(before: &Arc<Names>, now: &Arc<Names>) -> bool {
    if Arc::ptr_eq(before, now) {
        return false;
    }
    let same = |(a, b): (&Arc<_>, &Arc<_>)| Arc::ptr_eq(a, b);
    !before.instruments.iter().zip(&now.instruments).all(same)
}

/// Takes the first `len` events out of `batch`, with the names that they had.
pub(crate) fn cut(batch: &mut Batch, len: usize, names: &Arc<Names>) -> Batch {
    let (mut first, mut rest) = (Batch::default(), Batch::default());
    first.set_names(names);
    rest.set_names(batch.names());
    for (index, event) in batch.iter().enumerate() {
        if index < len { &mut first } else { &mut rest }.push(&event);
    }
    *batch = rest;
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use market_data_model::event::{FeedId, Header};
    use market_data_model::{InstType, Instrument, Nanos, Ticker, wire};

    fn lines(batch: &Batch) -> Vec<String> {
        let line = |event| {
            let mut text = Vec::new();
            wire::write_json(&event, &mut text);
            String::from_utf8(text).unwrap()
        };
        batch.iter().map(line).collect()
    }

    #[test]
    fn events_keep_the_names_of_their_time() {
        let names = |inst_type| {
            let mut instrument = Instrument::named("A-B");
            instrument.inst_type = inst_type;
            let instruments = vec![Arc::new(instrument)];
            Arc::new(Names { venue: "okx", channels: vec!["tickers".into()], instruments })
        };
        let (before, after) = (names(None), names(Some(InstType::Spot)));
        let header = |n| Header {
            feed: FeedId(1),
            n,
            channel: Some(0),
            inst: Some(0),
            ts_event: None,
            ts_recv: Nanos(n),
        };
        let mut batch = Batch::default();
        batch.set_names(&before);
        batch.push_ticker(header(1), Ticker::default());
        batch.push_ticker(header(2), Ticker::default());
        let expected = lines(&batch);
        let grown = Arc::new(Names { channels: Vec::new(), ..Names::clone(&before) });
        assert!(!is_replaced(&before, &grown));
        batch.push_ticker(header(3), Ticker::default());
        batch.set_names(&after);
        assert!(is_replaced(&before, &after));
        let first = cut(&mut batch, 2, &before);
        assert_eq!(lines(&first), expected);
        assert_eq!((batch.len(), batch.get(0).unwrap().header.n), (1, 3));
        assert!(lines(&batch)[0].contains("SPOT") && !expected[1].contains("SPOT"));
    }
}
