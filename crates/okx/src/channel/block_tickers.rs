//! `block-tickers`: what block trades of an instrument have come to in 24 hours.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "block-tickers",
    path: Path::Business,
    cadence: "on a block trade, else every 5 minutes",
    silence: "no beat is promised",
    first_ns: Some(crate::limits::FIRST_BLOCK_NS),
    form: Form::Figures(&BLOCK_TICKERS),
    ..BASE
};

const BLOCK_TICKERS: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "block_ticker",
        about: "What block trades of an instrument came to in 24 hours.",
        columns: &[
            decimal("volCcy24h", "quote coin for spot, base coin for derivatives", "in coins"),
            decimal("vol24h", "base coin for spot, contracts for derivatives", "in its unit"),
        ],
    },
    sample: r#"{"arg":{"channel":"block-tickers","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","volCcy24h":"120.5","vol24h":"12050","ts":"1785096000000"}]}"#,
    ..FORM
};
