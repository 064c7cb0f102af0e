//! `sprd-public-trades`: trades of a spread, one a push.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "sprd-public-trades",
    path: Path::Business,
    key: KeyKind::Spread,
    cadence: "each trade",
    form: Form::Figures(&SPREAD_TRADE),
    ..BASE
};

const SPREAD_TRADE: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "spread_trade",
        about: "One trade of a spread; `instId` is its `sprdId`. Ids are unique, but nothing \
                says that they are dense: no loss can be proven from them.",
        columns: &[
            text("tradeId", "unique within the spread"),
            decimal("px", "quote coin; may be negative", "difference between the legs"),
            decimal("sz", "the spread's `szCcy`: base coin, or USD for inverse", "quantity"),
            word("side", SIDE, "the taker's"),
        ],
    },
    id: Some("tradeId"),
    sample: r#"{"arg":{"channel":"sprd-public-trades","sprdId":"BTC-USDT_BTC-USDT-SWAP"},"data":[{"sprdId":"BTC-USDT_BTC-USDT-SWAP","side":"sell","sz":"0.1","px":"964.1","tradeId":"242720719","ts":"1785096000000"}]}"#,
    ..FORM
};
