//! `public-block-trades`: one leg of a block trade, 15 minutes late since 2024-12-11.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "public-block-trades",
    path: Path::Business,
    cadence: "each leg, 15 minutes late",
    form: Form::Figures(&BLOCK_TRADES),
    ..BASE
};

const BLOCK_TRADES: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "block_trade",
        about: "One leg of a block trade. OKX publishes it 15 minutes late, with its own time.",
        columns: &[
            text("tradeId", "unique within the instrument"),
            decimal("px", "quote coin; settlement coin for options", "price"),
            decimal("sz", "base coin for spot, contracts for derivatives", "quantity"),
            word("side", SIDE, "the taker's"),
            decimal("fillVol", "1; 0.5 is 50 %", "implied volatility; options only"),
            decimal("fwdPx", "quote coin", "forward price; options only"),
            decimal("idxPx", "quote coin", "index price"),
            decimal("markPx", "as `px`", "mark price"),
            text("groupId", "ties the trades of one group request together"),
        ],
    },
    id: Some("tradeId"),
    sample: r#"{"arg":{"channel":"public-block-trades","instId":"BTC-USD-261225-68000-P"},"data":[{"fillVol":"5","fwdPx":"67808.16","groupId":"","idxPx":"67522.5","instId":"BTC-USD-261225-68000-P","markPx":"0.0022406326071111","px":"0.0048","side":"buy","sz":"1","tradeId":"633971452580106242","ts":"1785095100000"}]}"#,
    ..FORM
};
