//! `open-interest`: how many contracts are open, of one instrument.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "open-interest",
    cadence: "every 3 s if changed",
    kinds: &["SWAP", "FUTURES", "OPTION", "EVENTS"],
    first_ns: Some(crate::limits::FIRST_NS),
    form: Form::Figures(&OPEN_INTEREST),
    ..BASE
};

const OPEN_INTEREST: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "open_interest",
        about: "How many contracts are open.",
        columns: &[
            decimal("oi", "contracts", "open interest"),
            decimal("oiCcy", "base coin", "the same in coins"),
            decimal("oiUsd", "USD", "the same in dollars; absent before 2025-03"),
        ],
    },
    sample: r#"{"arg":{"channel":"open-interest","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","oi":"2216113.01","oiCcy":"22161.13","oiUsd":"1939251795.5","ts":"1785096000000"}]}"#,
    ..FORM
};
