//! `estimated-price`: what a delivery, exercise or settlement would be at now, in its last 30
//! minutes (60 until 2026-03-18).

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "estimated-price",
    key: KeyKind::TypeAndScope,
    cadence: "about every 200 ms, in the last 30 minutes before the event",
    silence: "nothing is about to be delivered, exercised or settled",
    kinds: &["FUTURES", "OPTION", "EVENTS"],
    form: Form::Figures(&ESTIMATED_PRICE),
    ..BASE
};

const ESTIMATED_PRICE: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "estimated_price",
        about: "At what price a delivery, exercise or settlement would be now.",
        columns: &[
            word(
                "settleType",
                &["settlement", "delivery", "exercise"],
                "what is coming; absent before 2025-03",
            ),
            decimal("settlePx", "quote coin", "the price"),
        ],
    },
    sample: r#"{"arg":{"channel":"estimated-price","instType":"FUTURES","instFamily":"BTC-USD"},"data":[{"instType":"FUTURES","instId":"BTC-USD-260925","settleType":"delivery","settlePx":"67498.2","ts":"1785096000000"}]}"#,
    ..FORM
};
