//! `sprd-tickers`: best prices and the day of a spread. Prices of a spread may be negative.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "sprd-tickers",
    path: Path::Business,
    key: KeyKind::Spread,
    cadence: "on change, at most every 100 ms",
    form: Form::Figures(&SPREAD_TICKER),
    ..BASE
};

const PRICE: &str = "quote coin; may be negative";
const SIZE: &str = "base coin, or USD for inverse";

const SPREAD_TICKER: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "spread_ticker",
        about: "Best prices and 24-hour figures of a spread; `instId` is its `sprdId`. Prices \
                are differences between the legs and may be negative.",
        columns: &[
            decimal("last", PRICE, "last trade"),
            decimal("lastSz", SIZE, "quantity of the last trade"),
            decimal("askPx", PRICE, "best ask"),
            decimal("askSz", SIZE, "quantity there"),
            decimal("bidPx", PRICE, "best bid"),
            decimal("bidSz", SIZE, "quantity there"),
            decimal("open24h", PRICE, "24 hours ago"),
            decimal("high24h", PRICE, "highest in 24 hours"),
            decimal("low24h", PRICE, "lowest in 24 hours"),
            decimal("vol24h", SIZE, "volume in 24 hours"),
        ],
    },
    sample: r#"{"arg":{"channel":"sprd-tickers","sprdId":"BTC-USDT_BTC-USDT-SWAP"},"data":[{"sprdId":"BTC-USDT_BTC-USDT-SWAP","last":"4","lastSz":"0.01","askPx":"19.7","askSz":"5.79","bidPx":"5.9","bidSz":"5.79","open24h":"-7","high24h":"19.6","low24h":"-7","vol24h":"9.87","ts":"1785096000000"}]}"#,
    ..FORM
};
