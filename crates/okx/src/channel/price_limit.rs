//! `price-limit`: the highest price for buying and the lowest for selling.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "price-limit",
    cadence: "200 ms if changed",
    kinds: &["SPOT", "SWAP", "FUTURES", "OPTION"],
    first_ns: Some(crate::limits::FIRST_NS),
    form: Form::Figures(&PRICE_LIMIT),
    ..BASE
};

const PRICE_LIMIT: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "price_limit",
        about: "Between which prices OKX takes orders.",
        columns: &[
            decimal("buyLmt", "quote coin", "highest price of a buy order; `null` when disabled"),
            decimal("sellLmt", "quote coin", "lowest price of a sell order; `null` when disabled"),
            column("enabled", Shape::Bool, "", "whether the limits are in force"),
        ],
    },
    sample: r#"{"arg":{"channel":"price-limit","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","buyLmt":"68850.9","sellLmt":"66151.7","ts":"1785096000000","enabled":true}]}"#,
    ..FORM
};
