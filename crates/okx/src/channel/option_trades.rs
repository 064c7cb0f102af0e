//! `option-trades`: every trade of an option family, with the greeks' inputs at that moment.
//!
//! The first push after subscribing can be an old trade from OKX's cache (docs, read 2026-11-23):
//! it is dropped if it came before, and marked by `isFirst` otherwise.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "option-trades",
    key: KeyKind::TypeAndScope,
    kind: Some("OPTION"),
    cadence: "each trade",
    kinds: &["OPTION"],
    form: Form::Figures(&OPTION_TRADES),
    ..BASE
};

const OPTION_TRADES: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "option_trade",
        about: "One trade of an option, with what it was priced against.",
        columns: &[
            text("instFamily", "family, such as `BTC-USD`"),
            text("tradeId", "unique within the instrument"),
            decimal("px", "settlement coin", "price"),
            decimal("sz", "contracts", "quantity"),
            word("side", SIDE, "the taker's"),
            word("optType", &["C", "P"], "call or put"),
            decimal("fillVol", "1; 0.5 is 50 %", "implied volatility of the trade"),
            decimal("fwdPx", "quote coin", "forward price"),
            decimal("idxPx", "quote coin", "index price"),
            decimal("markPx", "settlement coin", "mark price of the option"),
            column(
                "isFirst",
                Shape::First,
                "",
                "`true` in the first push after subscribing, which may be an old trade",
            ),
        ],
    },
    id: Some("tradeId"),
    sample: r#"{"arg":{"channel":"option-trades","instType":"OPTION","instFamily":"BTC-USD"},"data":[{"fillVol":"0.5066007836914062","fwdPx":"67469.69928595038","idxPx":"67537.2","instFamily":"BTC-USD","instId":"BTC-USD-261225-68000-C","markPx":"0.04690107010619562","optType":"C","px":"0.045","side":"sell","sz":"2","tradeId":"38","ts":"1785096000000"}]}"#,
    ..FORM
};
