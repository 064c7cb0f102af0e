//! `index-tickers`: an index such as `BTC-USD`, which shares its text with a spot pair.

use super::figures::*;
use crate::limits::INDEX_BEAT_NS;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "index-tickers",
    key: KeyKind::Index,
    cadence: "100 ms if changed, else every minute",
    beat_ns: Some(INDEX_BEAT_NS),
    first_ns: Some(crate::limits::FIRST_INDEX_NS),
    form: Form::Figures(&INDEX_TICKERS),
    ..BASE
};

const QUOTE: &str = "quote coin of the index";

const INDEX_TICKERS: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "index_ticker",
        about: "An index and its day. `instId` is the index (`BTC-USD`), not the spot pair of \
                the same text.",
        columns: &[
            decimal("idxPx", QUOTE, "index price"),
            decimal("open24h", QUOTE, "24 hours ago"),
            decimal("high24h", QUOTE, "highest in 24 hours"),
            decimal("low24h", QUOTE, "lowest in 24 hours"),
            decimal("sodUtc0", QUOTE, "at the start of the UTC day"),
            decimal("sodUtc8", QUOTE, "at the start of the UTC+8 day"),
        ],
    },
    sample: r#"{"arg":{"channel":"index-tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","idxPx":"67500.1","high24h":"68000","low24h":"66000","open24h":"67000","sodUtc0":"67100","sodUtc8":"67200","ts":"1785096000000"}]}"#,
    ..FORM
};
