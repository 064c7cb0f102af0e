//! `liquidation-orders`: liquidations of a whole kind of instrument, not complete and not in order.
//!
//! A row is an instrument with a list of liquidations; each of these is a record.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "liquidation-orders",
    key: KeyKind::InstType,
    cadence: "each liquidation that OKX reports",
    kinds: &["SWAP", "FUTURES", "MARGIN", "OPTION"],
    form: Form::Figures(&LIQUIDATION_ORDERS),
    ..BASE
};

const LIQUIDATION_ORDERS: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "liquidation",
        about: "One liquidation. OKX sends not all of them, and not in the order of time.",
        columns: &[
            text("instFamily", "family; absent for margin"),
            text("uly", "underlying index; absent for margin"),
            word("side", SIDE, "side of the order that closes the position"),
            word("posSide", &["long", "short", "net"], "side of the position"),
            decimal("bkPx", "quote coin", "bankruptcy price, at which it was taken over"),
            decimal("sz", "contracts, or base coin for margin", "quantity"),
            decimal("bkLoss", "settlement coin", "loss beyond the margin"),
            text("ccy", "coin of the liability, for margin only"),
        ],
    },
    each: Some("details"),
    sample: r#"{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"67000","ccy":"","posSide":"short","side":"buy","sz":"2137","ts":"1785096000000"}],"instFamily":"BTC-USDT","instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT"}]}"#,
    ..FORM
};
