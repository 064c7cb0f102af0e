//! `mark-price`: the price at which OKX values positions.
//!
//! Two messages with one `ts` are possible while OKX deploys: the later received holds.

use super::figures::*;
use crate::limits::MARK_BEAT_NS;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "mark-price",
    cadence: "200 ms if changed, else every 10 s",
    beat_ns: Some(MARK_BEAT_NS),
    kinds: &["SWAP", "FUTURES", "OPTION", "EVENTS"],
    first_ns: Some(crate::limits::FIRST_MARK_NS),
    form: Form::Figures(&MARK_PRICE),
    ..BASE
};

const MARK_PRICE: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "mark_price",
        about: "The price at which OKX values positions. Of two with one `timestamp` the later \
                received holds.",
        columns: &[decimal("markPx", "quote coin", "mark price")],
    },
    sample: r#"{"arg":{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","markPx":"67501.3","ts":"1785096000000"}]}"#,
    ..FORM
};
